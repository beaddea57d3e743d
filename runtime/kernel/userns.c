/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/probe.h"

/* "/proc/" pid "/gid_map" */
#define PROC_PATH_BYTES 40
/* Stack of a child that makes one system call. */
#define CHILD_STACK_BYTES 1024

/* [child] shares the caller's memory: nothing but the exit. */
static int child_end(void *arg)
{
	(void)arg;
	syscall(SYS_exit, 0);
	return 0;
}

static int write_map(pid_t pid, const char *file, const struct id_map *map, struct dyno_err *err)
{
	char path[PROC_PATH_BYTES];
	char line[40];
	int r;

	str_fmt(path, sizeof(path), "/proc/%d/%s", pid, file);
	str_fmt(line, sizeof(line), "%u %u %u", map->inside, map->outside, map->count);
	r = file_write_at(AT_FDCWD, path, line);
	if (r < 0)
		return err_set(err, ERR_USERNS, -r, "write \"%s\" to the %s of a user namespace",
			       line, file);
	return 0;
}

static int map_and_open(pid_t pid, const struct id_map *map, struct dyno_err *err)
{
	char path[PROC_PATH_BYTES];
	int fd;
	int r;

	r = write_map(pid, "uid_map", map, err);
	if (r < 0)
		return r;
	r = write_map(pid, "gid_map", map, err);
	if (r < 0)
		return r;
	str_fmt(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, ERR_USERNS, errno, "open %s", path);
	return fd;
}

int userns_make(const struct id_map *map, struct dyno_err *err)
{
	char stack[CHILD_STACK_BYTES] __attribute__((aligned(16)));
	pid_t pid;
	int fd;

	/*
	 * Without an exit signal the child cannot be reaped behind our back by a caller that
	 * ignores SIGCHLD; as a zombie it keeps its credentials, and so the namespace.
	 */
	pid = clone(child_end, stack + sizeof(stack), CLONE_NEWUSER | CLONE_VM | CLONE_VFORK, NULL);
	if (pid < 0) {
		int num = errno;

		if (num == EAGAIN) {
			err_set(err, ERR_HOST_LIMIT, num, "start a process");
			err_hint(err, "raise the limit of processes (ulimit -u, pids.max) or stop "
				      "some");
			return -num;
		}
		err_set(err, ERR_USERNS, num, "create a user namespace");
		probe_explain_userns(num, err);
		return -num;
	}
	fd = map_and_open(pid, map, err);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	return fd;
}

int userns_map_self(int proc_fd, uint32_t inside, uint32_t outside_uid, uint32_t outside_gid,
		    struct dyno_err *err)
{
	char line[40];
	int r;

	str_fmt(line, sizeof(line), "%u %u 1", inside, outside_uid);
	r = file_write_at(proc_fd, "self/uid_map", line);
	if (r < 0)
		return err_set(err, ERR_USERNS, -r, "write \"%s\" to the own uid_map", line);
	r = file_write_at(proc_fd, "self/setgroups", "deny");
	if (r < 0)
		return err_set(err, ERR_USERNS, -r, "give up setgroups");
	str_fmt(line, sizeof(line), "%u %u 1", inside, outside_gid);
	r = file_write_at(proc_fd, "self/gid_map", line);
	if (r < 0)
		return err_set(err, ERR_USERNS, -r, "write \"%s\" to the own gid_map", line);
	return 0;
}
