/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detached.h - dynos that live on when the command that started them has ended: their names are
 * printed, and if asked for it waits until they are up.
 */
#ifndef DYNO_CLI_DETACHED_H
#define DYNO_CLI_DETACHED_H

#include <stdbool.h>

#include <dyno.h>

#include "cli/cli.h"
#include "cli/dyno_options.h"
#include "cli/fleet.h"

/**
 * detached_start() - dyno_start() and what --detach promises.
 * @o: taken; @wait, @ready_fd, @pid_file, @pidfd_socket, @quiet are obeyed
 * @start: with @o->run in it
 *
 * The names of the dynos that were started are printed also when a later one could not be.
 * Return: 0, or -errno with err set, ERR_CRASHED when a dyno has crashed before it was up.
 */
int detached_start(struct cli *cli, struct dyno_host *host, const struct dyno_options *o,
		   const struct dyno_start_opts *start, struct dyno_err *err);

/** detached_changes() - what became of dynos, on standard output: "started web.2", or with @names
 * the names of those started alone, or JSON. */
int detached_changes(struct cli *cli, const struct fleet *fleet, bool names, struct dyno_err *err);

#endif
