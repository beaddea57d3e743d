/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone.h - clone3(2) with a function for the child, which glibc has no wrapper for.
 */
#ifndef DYNO_CLONE_H
#define DYNO_CLONE_H

#include <stdint.h>
#include <sys/types.h>

/**
 * struct clone_plan - what to clone.
 * @flags: CLONE_*; CLONE_PIDFD is added, CLONE_INTO_CGROUP where @cgroup_fd >= 0.  The exit signal
 *         is SIGCHLD; with CLONE_PARENT it is the caller's own
 * @stack, @stack_bytes: of the child, 16-byte aligned; needed with CLONE_VM, else unused
 * @cgroup_fd: v2 directory to be born in; negative: the caller's
 * @ret_pid: the kernel puts the child's pid here before it runs, whatever becomes of the caller
 *           meanwhile; there is no pidfd then.  NULL: not wanted
 * @fn, @arg: the child's work; it must not return but execute or exit
 */
struct clone_plan {
	uint64_t flags;
	void *stack;
	size_t stack_bytes;
	int cgroup_fd;
	pid_t *ret_pid;
	void (*fn)(void *arg);
	void *arg;
};

/**
 * clone_call() - start a child.
 * @ret_pidfd: close-on-exec; left alone with @plan->ret_pid
 *
 * With CLONE_VFORK it returns when the child has executed or ended.  Where clone3(2) is hidden by
 * a filter (ENOSYS) clone(2) does the same, except that @cgroup_fd cannot be given: the child of
 * such a caller has to join by itself, see @ret_in_cgroup.
 * @ret_in_cgroup: the child is born in @cgroup_fd; set before it runs, so that it can look itself
 * Return: pid, or -errno.
 */
pid_t clone_call(const struct clone_plan *plan, int *ret_pidfd, int *ret_in_cgroup);

#endif
