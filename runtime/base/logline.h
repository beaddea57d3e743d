/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logline.h - a record of a log: "TIME SOURCE[DYNO]: TEXT".  The head is the monitor's, the text is
 * the app's and may hold anything.  Pure; files are not its matter.
 */
#ifndef DYNO_LOGLINE_H
#define DYNO_LOGLINE_H

#include <stdbool.h>
#include <stddef.h>

/* The source of what the app itself has printed; any other is the platform's. */
#define LOGLINE_APP "app"

/* Longest head: "2026-06-01T12:00:00.123456+00:00 SOURCE[DYNO]: " with names of 63 bytes, and room.
 * Source: sink.h */
#define LOGLINE_HEAD_BYTES 256U

/** struct logline_part - some bytes of a record, borrowed. */
struct logline_part {
	const char *s;
	size_t len;
};

/** struct logline - a record in its parts. */
struct logline {
	struct logline_part time;
	struct logline_part source;
	struct logline_part dyno;
	struct logline_part text;
};

/** logline_parse() - take a line apart. @line: @len bytes, without its newline
 * Return: whether it is a record; else @ret is not touched. */
bool logline_parse(const char *line, size_t len, struct logline *ret);

/** logline_is_app() - whether the app has printed it. */
bool logline_is_app(const struct logline *record);

#endif
