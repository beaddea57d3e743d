/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreground.h - a formation for as long as the command lives: its lines are shown, signals stop
 * it, and when the command is killed the dynos stop by themselves.
 */
#ifndef DYNO_CLI_FOREGROUND_H
#define DYNO_CLI_FOREGROUND_H

#include <stdbool.h>

#include <dyno.h>

#include "cli/cli.h"
#include "cli/logview.h"

/**
 * struct foreground_plan - what to do; borrowed.
 * @start: what the library is given, but for @log_fd and @keep_fd
 * @view: how lines are shown
 * @ready_fd, @pid_file, @pidfd_socket: see notify.h and handover.h
 * @quiet: nothing but errors on standard error
 */
struct foreground_plan {
	struct dyno_start_opts start;
	struct logview view;
	int ready_fd;
	const char *pid_file;
	const char *pidfd_socket;
	bool quiet;
};

/**
 * foreground_start() - until every dyno has ended.
 *
 * SIGINT, SIGTERM, and SIGHUP unless it is ignored, stop the dynos, the second of them and SIGQUIT at once; the third is
 * not waited for.
 * Return: an exit status: 0 after a signal or when no dyno has crashed, else that of the first that
 * did; -errno with err set when one could not be started: the others are stopped by then.
 */
int foreground_start(struct cli *cli, struct dyno_host *host, const struct foreground_plan *plan,
		     struct dyno_err *err);

#endif
