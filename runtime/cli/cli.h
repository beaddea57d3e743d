/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h - the `dyno` command: its verbs as a table, and what every verb works with.  It uses the
 * public interface dyno.h and layer 0, nothing between them.
 */
#ifndef DYNO_CLI_H
#define DYNO_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include <dyno.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "base/util.h"
#include "cli/option.h"
#include "cli/output.h"
#include "cli/progress.h"

/* Exit statuses of the command itself; those of errors of run stand in errclass.h. */
#define CLI_STATUS_FAILED 1   /* the verb's answer is no, or an error */
#define CLI_STATUS_USAGE  2   /* the command line does not fit */
#define CLI_STATUS_DYNO	  125 /* of a verb that hands on a command's status: dyno itself failed */

/**
 * struct cli_common - options of every verb; the first member of each verb's options.
 * @run_dir, @data_dir, @libexec_dir: NULL: the defaults of dyno.h
 * @config: file to read; NULL: CLI_CONFIG, which may be missing
 * @color: of standard error and output
 * @json: data and errors as JSON
 */
struct cli_common {
	const char *run_dir;
	const char *data_dir;
	const char *libexec_dir;
	const char *config;
	enum output_color color;
	bool json;
};

#define CLI_CONFIG "/etc/dyno/config"

/* --json is in the table of each verb that lists data, since what it prints differs. */
#define CLI_OPTION_JSON(text)                                                      \
	{                                                                          \
		.name = "json", .kind = OPT_FLAG,                                  \
		.offset = OPT_FIELD(struct cli_common, json, bool), .help = (text) \
	}

/* A verb's table and the struct it fills, whose first member must be "common". */
#define CLI_OPTIONS(table, type)                            \
	.options = (table), .n_options = ARRAY_SIZE(table), \
	.options_size = sizeof(type) - 1 + sizeof(char[offsetof(type, common) == 0 ? 1 : -1])

struct cli;

/**
 * struct verb - one verb, or a verb of a group ("slug add").
 * @name: words with one blank between
 * @operands: for the usage line
 * @summary: one line for lists, lower case, no full stop
 * @text: more for its own help, whole lines; may be NULL
 * @shared: options that other verbs have too, or NULL
 * @options, @n_options: besides those and the common ones
 * @options_size: of the options struct; it begins with struct cli_common
 * @min_operands, @max_operands: what opt_operands may hold
 * @words: what completion offers for an operand
 * @runs_command: the first operand ends the options, and the status is that of a command run
 * @own_status: the status is that of a command, and below 125 its alone
 * @lenient: what is wrong in variables and the file is passed over, so that it always works
 * @main: returns an exit status, or a negative errno with err set
 */
struct verb {
	const char *name;
	const char *operands;
	const char *summary;
	const char *text;
	const struct opt_table *shared;
	const struct opt *options;
	size_t n_options;
	size_t options_size;
	size_t min_operands;
	size_t max_operands;
	enum opt_words words;
	bool runs_command;
	bool own_status;
	bool lenient;
	int (*main)(struct cli *cli, struct dyno_err *err);
};

/**
 * struct cli - one call of the command.
 * @verb: what was asked for
 * @options: the verb's options struct
 * @operands: what was not an option
 * @out: data for standard output; verbs add to it, main() writes it
 * @progress: the line about long work
 * @arena: lives as long as the call
 */
struct cli {
	const struct verb *verb;
	void *options;
	struct opt_operands operands;
	struct sbuf out;
	struct progress progress;
	struct arena arena;
};

/** cli_common() - the options that every verb has. */
const struct cli_common *cli_common(const struct cli *cli);

/** cli_color() - whether what goes to @fd (1 or 2) is to be coloured; asks the terminal at most. */
bool cli_color(const struct cli *cli, int fd);

/** cli_host_open() - the library's handle with this call's directories and progress line. */
int cli_host_open(struct cli *cli, struct dyno_host **ret, struct dyno_err *err);

static inline void dyno_host_freep(struct dyno_host **host)
{
	dyno_host_free(*host);
}
#define _cleanup_host_ _cleanup_(dyno_host_freep)

/** cli_flush() - write what has gathered in @out, once it is large; for long lists. */
int cli_flush(struct cli *cli, struct dyno_err *err);

/** cli_error() - tell of a failure on standard error, as text or JSON, for a verb that goes on with
 * the rest; its status is then CLI_STATUS_FAILED. */
void cli_error(struct cli *cli, struct dyno_err *err);

/** cli_verdict() - "ok", "fallback", "warning" or "missing", and its style. */
const char *cli_verdict(enum dyno_verdict verdict, enum output_style *ret_style);

/* ---- the verbs --------------------------------------------------------------------------------*/

extern const struct opt cli_common_options[];
extern const size_t cli_n_common_options;

/** verb_at() - the @i-th verb. Return: NULL past the last. */
const struct verb *verb_at(size_t i);

/** verb_find() - by the words of a command line, NULL-terminated.
 * @ret_words: how many words the name took
 * Return: NULL with err set (ERR_USAGE) for an unknown one. */
const struct verb *verb_find(const char *const *words, size_t *ret_words, struct dyno_err *err);

/** verb_in_group() - whether a verb's name has a first word @group and a second one. */
bool verb_in_group(const struct verb *verb, const char *group);

/** verb_is_group() - whether any verb's name begins with @word and a second one ("slug"). */
bool verb_is_group(const char *word);

/** verb_set() - a verb's options, with the common ones. */
struct opt_set verb_set(const struct verb *verb);

/** verb_has_option() - whether any verb has an option of that name. */
bool verb_has_option(const char *name);

extern const struct verb verb_run, verb_check, verb_doctor, verb_gc, verb_explain, verb_version,
	verb_help;
extern const struct verb verb_start, verb_scale;
extern const struct verb verb_ps, verb_inspect, verb_stats, verb_stop, verb_restart, verb_kill,
	verb_wait, verb_events, verb_logs, verb_rm, verb_diff, verb_cp, verb_exec, verb_attach;
extern const struct verb verbs_slug[];
extern const size_t n_verbs_slug;

/* ---- what is made from the tables -------------------------------------------------------------*/

/** help_brief() - twelve lines for a bare `dyno`. */
void help_brief(struct sbuf *b);

/** help_verbs() - every verb with its summary; those of @group only, unless NULL. */
void help_verbs(struct sbuf *b, const char *group);

/** help_verb() - usage, text and options of one verb. */
void help_verb(struct sbuf *b, const struct verb *verb);

/** help_json() - every verb and option for programs. */
void help_json(struct sbuf *b);

/** completion_bash() - a completion script for bash(1). */
void completion_bash(struct sbuf *b);

#endif
