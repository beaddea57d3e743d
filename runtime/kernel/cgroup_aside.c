/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_aside.c - a launcher leaves its group for a leaf of it, so that others of its leaves may
 * have controllers; see cgroup_priv.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "kernel/cgroup_priv.h"

/* The caller and what it has started already. Source: own choice; `dyno start` has one that prints */
#define ASIDE_MAX 16

/* Ten digits and a newline each; a text that fills it all is not whole. */
#define PROCS_BYTES (ASIDE_MAX * 11 + 2)

/* Whether a process is the caller's child. Source: proc_pid_stat(5): the fourth field, of which the
 * second, a name in parentheses, may hold anything */
static bool is_child(uint32_t pid)
{
	char path[32], text[256], me[16];
	_cleanup_close_ int fd = -EBADF;
	const char *rest;
	ssize_t n;

	(void)str_fmt(path, sizeof(path), "/proc/%u/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	rest = strrchr(text, ')');
	(void)str_fmt(me, sizeof(me), "%d ", getpid());
	return rest && strlen(rest) > STRLEN(") S ") && str_starts(rest + STRLEN(") S "), me);
}

/* Who is to leave: the caller and its children, if nobody else is there.
 * Return: how many of @pids are set; -EBUSY: others are there. */
static int who_leaves(int dir_fd, uint32_t pids[])
{
	char text[PROCS_BYTES];
	_cleanup_close_ int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -errno : fd_read_full(fd, text, sizeof(text) - 1);
	char *rest = text, *line;
	int n = 0;

	if (len < 0)
		return (int)len;
	text[len] = '\0';
	while ((line = strsep(&rest, "\n")) && line[0] != '\0') {
		if (n == ASIDE_MAX || num_parse_u32(line, INT32_MAX, &pids[n]) < 0)
			return -EBUSY;
		if (pids[n] != (uint32_t)getpid() && !is_child(pids[n]))
			return -EBUSY;
		n++;
	}
	return n > 0 ? n : -EBUSY;
}

int cgroup_step_aside(int dir_fd)
{
	uint32_t pids[ASIDE_MAX] = {0};
	int n = who_leaves(dir_fd, pids);

	if (n < 0)
		return n;
	if (mkdirat(dir_fd, CGROUP_LAUNCHER, 0755) != 0 && errno != EEXIST)
		return -errno;
	for (int i = 0; i < n; i++) {
		char pid[16];
		int r;

		(void)str_fmt(pid, sizeof(pid), "%u", pids[i]);
		r = file_write_at(dir_fd, CGROUP_LAUNCHER "/cgroup.procs", pid);
		if (r < 0 && r != -ESRCH) /* a child that has just ended is out of the way too */
			return r;
	}
	return 0;
}
