/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.h - what `run`, `start` and `exec` are to execute: the words of the command line and the
 * process types become one argv.  It parses no shell: bash does.
 *
 * Words go to `bash --login -c TEXT`, one word as it is, several quoted so that each arrives as it
 * was.  A process type alone is that type; a type with words after it is a one-off of its command
 * with the words appended (CONTRACT 4.7).  No word at all means the type "web".  In argv mode
 * (after `--`) the words are the argv: no shell, no profile, no types.
 */
#ifndef DYNO_COMMAND_H
#define DYNO_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include <dyno.h>

#include "base/arena.h"
#include "model/procfile.h"

/** enum command_kind - a dyno of the formation, or a one-off (CONTRACT 1.13, 8.6). */
enum command_kind { COMMAND_TYPE, COMMAND_ONEOFF };

/**
 * struct command_input - what the user wrote and what the slug has.
 * @types: merged types of the slug; may be empty, not NULL
 * @operands: @n words after SLUG, borrowed for the call
 * @n: how many
 * @argv_mode: they stood after `--`
 */
struct command_input {
	const struct proc_types *types;
	const char *const *operands;
	size_t n;
	bool argv_mode;
};

/**
 * struct command - the decision.
 * @kind: type or one-off
 * @type: process type, which names the dyno: "web", or "run" for a one-off
 * @text: the command as the log line shows it
 * @argv: NULL-terminated
 * @shell: @argv is bash's; else argv[0] is the program itself
 */
struct command {
	enum command_kind kind;
	const char *type;
	const char *text;
	const char *const *argv;
	bool shell;
};

/**
 * command_compile() - decide what to run.
 * @arena: owns what is returned, copies included
 *
 * Errors: -EINVAL (ERR_PROCFILE_MISSING, ERR_PROCFILE_TYPE: no word was given and there is no web
 * type; ERR_USAGE: an empty command), -ENOENT (ERR_EXEC_MISSING: an empty program name), -ENOMEM.
 */
int command_compile(const struct command_input *in, struct arena *arena, struct command *ret,
		    struct dyno_err *err);

/** command_is_formation() - a type that is kept up; what runs once completes: one-offs and the
 * release phase. */
bool command_is_formation(const struct command *command);

/** command_for_type() - the command of one type, as `start` runs it. Errors: -ENOMEM. */
int command_for_type(const struct proc_type *type, struct arena *arena, struct command *ret,
		     struct dyno_err *err);

#endif
