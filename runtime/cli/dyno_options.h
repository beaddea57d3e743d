/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dyno_options.h - the settings of a dyno as options: the rows that run and start have together,
 * and what becomes of their values.  What a word means is for the library to judge.
 */
#ifndef DYNO_CLI_DYNO_OPTIONS_H
#define DYNO_CLI_DYNO_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <dyno.h>

#include "cli/cli.h"
#include "cli/value.h"

/**
 * struct dyno_options - the first member of the options of run and start.
 * @run: what the library is given
 * @env, @env_files, @scratch, @no_receipt, @seccomp_log, @logs, @log_fd, @log_metrics, @read_only,
 * @writable, @tmpfs, @mounts, @io_max, @publish, @listen_fds, @require_limits, @require_network, @private_stack: as the parser
 * fills them; for @run
 * @spec: --spec as it was given
 * @detach: the dynos live on without this command
 * @wait: stay until they are up
 * @ready_fd: told when they are up; 0: none
 * @pid_file, @pidfd_socket: see handover.h; NULL: none
 * @quiet: no lines of dyno's own
 */
struct dyno_options {
	struct cli_common common;
	struct dyno_run_opts run;
	struct opt_list env;
	struct opt_list env_files;
	struct value_scratch scratch;
	bool no_receipt;
	bool read_only;
	struct opt_list writable;
	struct opt_list tmpfs;
	struct opt_list mounts;
	bool private_stack;
	bool seccomp_log;
	struct opt_list logs;
	int log_fd;
	bool log_metrics;
	struct opt_list io_max;
	struct opt_list publish;
	struct opt_list listen_fds;
	bool require_limits;
	bool require_network;
	const char *spec;
	bool detach;
	bool wait;
	int ready_fd;
	const char *pid_file;
	const char *pidfd_socket;
	bool quiet;
};

extern const struct opt_table dyno_option_table;

/* A verb's rows besides the shared ones, and its struct, whose first member is "dyno". */
#define DYNO_OPTIONS(table, type)                                                         \
	.shared = &dyno_option_table, .options = (table), .n_options = ARRAY_SIZE(table), \
	.options_size = sizeof(type) - 1 + sizeof(char[offsetof(type, dyno) == 0 ? 1 : -1])

/**
 * dyno_options_take() - complete @o->run from the other members, and read the spec.
 * @o: its @run.slug is set, or NULL where no operand names one
 *
 * Return: 0, or -errno with err set: ERR_USAGE where there is neither a slug nor a spec, or where
 * two things want standard input, or a descriptor does not do; ERR_IO; ERR_SPEC.
 */
int dyno_options_take(struct cli *cli, struct dyno_options *o, struct dyno_err *err);

#endif
