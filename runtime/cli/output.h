/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.h - how the command speaks: whole buffers written at once, text of unknown origin made
 * harmless, colour where it is wanted.  No stdio, no locale, no time zone.
 */
#ifndef DYNO_CLI_OUTPUT_H
#define DYNO_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include <dyno.h>

#include "base/str.h"

/**
 * output_add_line() - text for a terminal or a log: control bytes, newlines and invalid UTF-8 as
 * \xHH or \n; unlike sbuf_add_escaped() a backslash stays one, as the text is for reading only.
 */
void output_add_line(struct sbuf *b, const char *s);

/** output_stderr() - writes @b to standard error in one piece and empties it.  Nobody could be told
 * of a failure. */
void output_stderr(struct sbuf *b);

/**
 * output_stdout() - writes @b to standard output and empties it.
 * Return: 0, also when the reader has gone (EPIPE: it has seen what it wanted); -errno with err set
 * (ERR_IO), as on a full disk.
 */
int output_stdout(struct sbuf *b, struct dyno_err *err);

enum output_color { OUTPUT_COLOR_AUTO, OUTPUT_COLOR_ALWAYS, OUTPUT_COLOR_NEVER };

/**
 * struct output_terminal - what decides about colour.
 * @choice: --color
 * @no_color, @clicolor_force, @term: the variables of these names, or NULL
 * @is_tty: the descriptor written to is a terminal
 */
struct output_terminal {
	enum output_color choice;
	const char *no_color;
	const char *clicolor_force;
	const char *term;
	bool is_tty;
};

/** output_wants_color() - --color, then NO_COLOR, then CLICOLOR_FORCE, then whether a terminal that
 * is not "dumb" reads it. */
bool output_wants_color(const struct output_terminal *terminal);

enum output_style { STYLE_NONE, STYLE_BOLD, STYLE_RED, STYLE_GREEN, STYLE_YELLOW, STYLE_CYAN };

/** output_add_styled() - a word in a style, when @color; blanks fill it up to @width columns. */
void output_add_styled(struct sbuf *b, bool color, enum output_style style, const char *word,
		       size_t width);

/** output_add_padded() - a word and the blanks that fill it up to @width columns, one at least. */
void output_add_padded(struct sbuf *b, const char *word, size_t width);

#endif
