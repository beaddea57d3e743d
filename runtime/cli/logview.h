/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logview.h - records of a log as people or programs read them.  A record is a line "TIME
 * SOURCE[DYNO]: TEXT" whose head the monitor has made; its text is the app's and may hold
 * anything.  Pure: it asks nothing of the terminal and writes into a buffer.
 */
#ifndef DYNO_CLI_LOGVIEW_H
#define DYNO_CLI_LOGVIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum logview_form {
	LOGVIEW_SHORT,	/* "12:00:00 web.1  | text", tags aligned: for a terminal */
	LOGVIEW_RECORD, /* "TIME SOURCE[DYNO]: text" */
	LOGVIEW_TAGGED, /* the same with its head coloured */
	LOGVIEW_TEXT,	/* the text alone */
	LOGVIEW_JSON,	/* an object with schema, time, source, dyno, stream, text */
};

/* Dynos whose colour is remembered; those beyond share what their names give. */
#define LOGVIEW_NAMES_MAX  64
#define LOGVIEW_NAME_BYTES 64

/**
 * struct logview - set the first part; the rest zero.
 * @form: of a line
 * @color: tags are coloured, and colours in the text of an app pass; else these are dropped
 * @quiet: no lines of the platform
 * @raw: every byte of a text passes
 *
 * @width: of the widest tag so far
 * @names, @colors, @n_names: dynos seen, and which colour of the palette is theirs
 */
struct logview {
	enum logview_form form;
	bool color;
	bool quiet;
	bool raw;

	size_t width;
	char names[LOGVIEW_NAMES_MAX][LOGVIEW_NAME_BYTES];
	unsigned char colors[LOGVIEW_NAMES_MAX];
	size_t n_names;
};

/**
 * logview_add() - append one record to @out.
 * @line: without its newline
 *
 * Control bytes and invalid UTF-8 of a text are shown as \xHH unless @raw; blanks and tabs pass,
 * and a carriage return at the end is dropped.  What is no record is shown as text alone.
 */
void logview_add(struct logview *view, const char *line, size_t len, struct sbuf *out);

/**
 * logview_add_plain() - append the first lines of a text, as many as logview_add() would show as they
 * are; it looks for no more than whether they are such.
 * @text: @len bytes; a last line without a newline is not looked at
 * Return: the bytes that were appended; 0: the first line is none of these, or the form is another.
 */
size_t logview_add_plain(const struct logview *view, const char *text, size_t len,
			 struct sbuf *out);

#endif
