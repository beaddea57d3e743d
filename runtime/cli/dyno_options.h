/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dyno_options.h - the settings of a dyno as options: the rows that verbs have together which
 * start dynos, and what becomes of their values.  What a word means is for the library to judge.
 */
#ifndef DYNO_CLI_DYNO_OPTIONS_H
#define DYNO_CLI_DYNO_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <dyno.h>

#include "cli/cli.h"
#include "cli/value.h"

/**
 * struct dyno_options - the first member of the options of such a verb.
 * @run: what the library is given
 * @env, @env_files, @scratch: as the parser fills them; for @run
 * @quiet: no lines of dyno's own
 */
struct dyno_options {
	struct cli_common common;
	struct dyno_run_opts run;
	struct opt_list env;
	struct opt_list env_files;
	struct value_scratch scratch;
	bool quiet;
};

extern const struct opt_table dyno_option_table;

/* A verb's rows besides the shared ones, and its struct, whose first member is "dyno". */
#define DYNO_OPTIONS(table, type)                                                         \
	.shared = &dyno_option_table, .options = (table), .n_options = ARRAY_SIZE(table), \
	.options_size = sizeof(type) - 1 + sizeof(char[offsetof(type, dyno) == 0 ? 1 : -1])

/** dyno_options_take() - complete @o->run from the other members. */
void dyno_options_take(struct dyno_options *o);

#endif
