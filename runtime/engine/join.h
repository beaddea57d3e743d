/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join.h - one more process inside a running dyno, under the same isolation as its first: the same
 * steps, in the same order, with the namespaces entered in place of made.  It is a child of the
 * calling monitor and ends with it, and with the dyno.
 */
#ifndef DYNO_JOIN_H
#define DYNO_JOIN_H

#include <stdbool.h>
#include <sys/types.h>

#include <dyno.h>

#include "engine/launch.h"

/* Room for a command's name in messages; a longer one is cut. */
#define JOIN_COMMAND_BYTES 128

/**
 * struct join - set the first part, then join_start().
 * @target: the running launch, borrowed until join_done()
 * @argv, @envp: NULL-terminated, borrowed by join_start(); argv[0] without a slash is looked up
 *               along PATH
 * @stdio: descriptors that become 0 to 2, borrowed by join_start(); negative: /dev/null
 * @tty: a terminal in their place, of a session of its own
 *
 * @pid, @pidfd: the process; its status is read by proc_wait().  Until somebody has done so pid 1 of
 *               the dyno cannot end
 * @tty_fd: master of the terminal, once it is executed; the caller may take it
 * @channel_fd: readable when it was executed (end of file) or has failed: see join_result()
 *
 * Tenants may stop the process before it has executed the command: who waits for that sets
 * himself a limit, and then kills it.
 */
struct join {
	struct launch *target;
	const char *const *argv;
	const char *const *envp;
	int stdio[3];
	struct launch_tty tty;

	pid_t pid;
	int pidfd;
	int channel_fd;
	int tty_fd;

	/* internal: the command is being executed; its name, as messages have it */
	bool executes;
	char command[JOIN_COMMAND_BYTES];
};

#define JOIN_INIT                                                                               \
	(struct join)                                                                           \
	{                                                                                       \
		.stdio = {-9, -9, -9}, .pidfd = -9 /* -EBADF */, .channel_fd = -9, .tty_fd = -9 \
	}

/**
 * join_start() - start it.
 * Return: 0, or -errno with class and stage; -ESRCH (ERR_NOT_FOUND) when the dyno is ending.
 * Context: parent, single-threaded
 */
int join_start(struct join *join, struct dyno_err *err);

/**
 * join_result() - whether the command was executed; @channel_fd is readable.
 * Return: 1: executed, or ended by a signal on the way, which is its status; 0: not known yet; -errno with ERR_EXEC_*, ERR_LAUNCH and the stage, or as
 * join_start(): the process was waited for then, and there is no @pidfd.
 */
int join_result(struct join *join, struct dyno_err *err);

/** join_done() - close its descriptors; a process that still runs goes on, and is the caller's to
 * wait for, by @pid. */
void join_done(struct join *join);

#endif
