/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/cgroup_tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"

/* Text of CGROUP_TASKS_MAX numbers and their newlines, and of what follows them. Source: the
 * kernel's largest number of a process has 7 digits (PID_MAX_LIMIT) */
#define LIST_BYTES (8U * CGROUP_TASKS_MAX)
/* What is read of a task: its number, its name of at most 64 bytes, its state. Source: proc(5) */
#define STAT_BYTES 128

/* The list of threads: on v2 trees a file, on v1 each tree has one of the same content. */
static int open_list(const struct cgroup_host *host, const char *name)
{
	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		char path[2 * CGROUP_NAME_BYTES];
		int fd;

		if (host->parent_fd[t] < 0)
			continue;
		(void)str_fmt(path, sizeof(path), "%s/%s", name,
			      t == CGROUP_TREE_UNIFIED ? "cgroup.threads" : "tasks");
		fd = openat(host->parent_fd[t], path, O_RDONLY | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	return -EOPNOTSUPP;
}

/* At most @size - 1 bytes, cut after the last whole line. Return: 0 or -errno. */
static int read_list(int fd, char *buf, size_t size)
{
	ssize_t n = fd_read_full(fd, buf, size - 1);

	if (n < 0)
		return (int)n;
	while (n > 0 && buf[n - 1] != '\n')
		n--;
	buf[n] = '\0';
	return 0;
}

/* One that has ended meanwhile does not run. The name may hold anything, its end is the last ")". */
static bool is_running(const char *proc, uint32_t tid)
{
	char path[64], text[STAT_BYTES];
	_cleanup_close_ int fd = -EBADF;
	const char *end;
	ssize_t n;

	(void)str_fmt(path, sizeof(path), "%s/%u/stat", proc, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = fd_read_full(fd, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	end = strrchr(text, ')');
	return end && end[1] == ' ' && end[2] == 'R';
}

int cgroup_leaf_running(const struct cgroup_host *host, const char *name, const char *proc,
			uint64_t *ret)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int fd = -EBADF;
	char *list = arena_alloc(&arena, LIST_BYTES);
	uint64_t running = 0;
	int r;

	if (!list)
		return -ENOMEM;
	fd = open_list(host, name);
	if (fd < 0)
		return fd;
	r = read_list(fd, list, LIST_BYTES);
	if (r < 0)
		return r;
	while (*list) {
		char *next = list + strcspn(list, "\n");
		uint32_t tid;

		*next = '\0';
		if (num_parse_u32(list, INT32_MAX, &tid) == 0)
			running += is_running(proc, tid);
		list = next + 1;
	}
	*ret = running;
	return 0;
}
