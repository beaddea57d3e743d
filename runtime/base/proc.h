/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc.h - processes by pidfd, helper programs, and a clean slate of signals.
 */
#ifndef DYNO_PROC_H
#define DYNO_PROC_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include <dyno.h>

/** proc_reset_signals() - every disposition to its default, nothing blocked.  [child]
 * Ignored signals and masks are inherited across exec: a launcher started by nohup or by a script
 * with `trap '' CHLD` must not hand that on. */
void proc_reset_signals(void);

/**
 * struct proc_spawn - how to run a helper program.
 * @argv: NULL-terminated; argv[0] is the file to execute, by path, not searched
 * @envp: NULL-terminated; NULL stands for an empty environment
 * @fds: descriptors of the caller that become 0, 1, 2, ... in the child; -1 means /dev/null
 * @n_fds: how many (at least 3 are set up: missing ones of 0-2 become /dev/null)
 * @exe_fd: execute this descriptor in place of argv[0] when >= 0
 * @new_session: it is not of the caller's terminal, whose keys send signals to all that are
 */
struct proc_spawn {
	const char *const *argv;
	const char *const *envp;
	const int *fds;
	size_t n_fds;
	int exe_fd;
	bool new_session;
};

/**
 * proc_spawn() - start a helper with default signals, only the named descriptors, and
 * PDEATHSIG=KILL, so that it cannot outlive its parent.
 * @ret_pidfd: the caller closes it
 * Return: 0, or -errno when it could not be started (a failed exec included); err is set.
 */
int proc_spawn(const struct proc_spawn *how, int *ret_pidfd, struct dyno_err *err);

/**
 * proc_wait() - wait for the end of a child.
 * @ret_status: exit code, or 128 + signal
 * Return: 0 or -errno.
 */
int proc_wait(int pidfd, int *ret_status);

/**
 * proc_peek_signal() - wait for the end of a child, which stays there for proc_wait().
 * Return: the signal that ended it; 0: it exited; -errno.
 */
int proc_peek_signal(int pidfd);

/**
 * proc_code_dir() - the directory, with a slash at its end, of the file that this code was loaded
 * from: the program's, or the shared library's where it is part of one.
 * Return: 0; -ENOENT: a library loaded by a relative path, which may mean another file by now;
 * -ENAMETOOLONG; -errno of readlink(2).
 */
int proc_code_dir(char *buf, size_t size);

/** proc_kill() - send @sig by pidfd. Return: 0 or -errno (-ESRCH: already gone). */
int proc_kill(int pidfd, int sig);

#endif
