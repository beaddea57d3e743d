/* SPDX-License-Identifier: Apache-2.0 */
/* halt.h - ask many dynos to stop, all before the first is waited for. */
#ifndef DYNO_CLI_HALT_H
#define DYNO_CLI_HALT_H

#include <stdbool.h>

#include <dyno.h>

#include "cli/cli.h"
#include "cli/target.h"

/**
 * struct halt - how.
 * @now: by SIGKILL
 * @no_wait: they are only asked
 * @done: one has ended, or had before; with @no_wait it is asked, and @out is NULL
 * @data: for @done
 */
struct halt {
	struct cli *cli;
	struct dyno_host *host;
	bool now;
	bool no_wait;
	int (*done)(void *data, struct target *target, const struct dyno_outcome *out,
		    struct dyno_err *err);
	void *data;
};

/**
 * halt_all() - what one of them fails with is told by cli_error(), and the others go on.
 * Return: how many failed, or -errno.
 */
int halt_all(struct halt *halt, struct target_list *list, struct dyno_err *err);

#endif
