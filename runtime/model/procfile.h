/* SPDX-License-Identifier: Apache-2.0 */
/*
 * procfile.h - process types: read from a Procfile, merged with a slug's defaults, looked up.  It
 * opens no file and starts nothing; what a command means is for bash.
 *
 * Grammar, the union of what the readers in use accept (CONTRACT 4.1-4.4):
 *
 *   file    = [byte order mark] *( line LF ), the last LF may be missing, CR LF is LF
 *   line    = blank | comment | process | other
 *   comment = *WS "#" anything
 *   process = *WS type ( ":" *WS | 1*WS ) command *WS
 *   type    = 1*128( letter | digit | "_" | "-" )
 *   WS      = space, tab, VT, FF, CR
 *
 * "web: cmd", "web:cmd", "web cmd" and "  web: a:b" all define a type; the command is the rest of
 * the line, untouched but for the blanks at its ends.  An `other` line, or a type without command,
 * is ignored as the platform does, with a note that says why.  Refused are what no reader could
 * mean: NUL bytes, lines or names over the limits, and a type that two lines define differently
 * (readers disagree whether the first or the last counts; the same command twice is only noted).
 */
#ifndef DYNO_PROCFILE_H
#define DYNO_PROCFILE_H

#include <stddef.h>

#include <dyno.h>

#include "base/arena.h"

/* Largest file worth reading.  Source: own bound, far over any Procfile seen; large enough that a
 * line over its limit is reported as such, with its number. */
#define PROCFILE_MAX_BYTES (4U << 20)

/* Longest line.  Source: MAX_ARG_STRLEN, 32 pages of 4 KiB, execve(2): bash -c takes no more. */
#define PROCFILE_LINE_MAX_BYTES 131072U

/* Most types, and most notes kept.  Source: own bound; Heroku documents none, 100 dynos an app. */
#define PROC_TYPES_MAX_COUNT	 512U
#define PROCFILE_NOTES_MAX_COUNT 64U

/* The type that listens on $PORT, and the one that runs once before a release.
 * Source: CONTRACT 4.5, 8.10 */
#define PROC_TYPE_WEB	  "web"
#define PROC_TYPE_RELEASE "release"

/**
 * struct proc_type - one process type.
 * @name: such as "web"
 * @command: text for bash -c, not empty
 * @line: where it stands in its file, from 1
 */
struct proc_type {
	const char *name;
	const char *command;
	unsigned int line;
};

/**
 * struct proc_types - in the order of the file; zero-initialised it is empty.
 * @items: @n types, in an arena
 * @n: how many
 */
struct proc_types {
	struct proc_type *items;
	size_t n;
};

/**
 * struct procfile_note - something odd that does not keep the file from being used.
 * @verdict: DYNO_WARN
 * @line: from 1
 * @text: a sentence without full stop, safe for a terminal, in the arena
 */
struct procfile_note {
	enum dyno_verdict verdict;
	unsigned int line;
	const char *text;
};

/**
 * struct procfile_notes - the oddities of one file, in its order; zero-initialised it is empty.
 * @items: @n notes, in an arena
 * @n: how many, at most PROCFILE_NOTES_MAX_COUNT
 * @dropped: further notes beyond that
 */
struct procfile_notes {
	struct procfile_note *items;
	size_t n;
	size_t dropped;
};

/**
 * procfile_parse() - read a Procfile's text.
 * @text: @len bytes, borrowed for the call
 * @arena: owns what is returned
 * @ret: the types, none where the file defines none
 * @notes: receives the oddities; may be NULL
 *
 * Return: 0, or a negative errno with @ret and @notes untouched.
 * Errors: -EINVAL (ERR_PROCFILE: the file cannot be meant, the line is named), -ENOMEM.
 * Context: any process, pure
 */
int procfile_parse(const char *text, size_t len, struct arena *arena, struct proc_types *ret,
		   struct procfile_notes *notes, struct dyno_err *err);

/** proc_types_find() - the type of that exact name. Return: NULL where there is none. */
const struct proc_type *proc_types_find(const struct proc_types *types, const char *name);

/**
 * proc_types_require() - the type of that exact name, or an error that lists the known ones.
 * Errors: -EINVAL (ERR_PROCFILE_TYPE, or ERR_PROCFILE_MISSING where @types is empty).
 */
int proc_types_require(const struct proc_types *types, const char *name,
		       const struct proc_type **ret, struct dyno_err *err);

/**
 * proc_types_merge() - the types of the Procfile, then each default whose name it does not have
 * (CONTRACT 4.6).
 * @ret: in @arena; strings are shared with the inputs. May not be one of the inputs.
 * Errors: -ENOMEM.
 */
int proc_types_merge(const struct proc_types *procfile, const struct proc_types *defaults,
		     struct arena *arena, struct proc_types *ret, struct dyno_err *err);

/**
 * proc_types_list() - "web, worker, clock" for a message, ended by "..." where it does not fit.
 * @buf: @size bytes, at least 8
 * Return: @buf.
 */
char *proc_types_list(const struct proc_types *types, char *buf, size_t size);

#endif
