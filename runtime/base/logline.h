/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logline.h - a record of a log: "TIME SOURCE[DYNO]: TEXT".  The head is the monitor's, the text
 * is the app's and may hold anything.  Behind the time of what an app has written to its standard
 * error stands a second blank: files stay text, and who reads words finds the same ones.  Pure;
 * files are not its matter.
 */
#ifndef DYNO_LOGLINE_H
#define DYNO_LOGLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* The source of what the app itself has printed; any other is the platform's. */
#define LOGLINE_APP "app"

/* Behind the text of a record whose line goes on in the next record of the same dyno.  An app cannot
 * write it: a NUL of its own is escaped. */
#define LOGLINE_PARTIAL '\0'

/* Behind the time and its blank, of a record from standard error. */
#define LOGLINE_ERR ' '

/* Longest head: "2026-06-01T12:00:00.123456+00:00 SOURCE[DYNO]: " with names of 63 bytes, and room.
 * Source: sink.h */
#define LOGLINE_HEAD_BYTES 256U

/** struct logline_part - some bytes of a record, borrowed. */
struct logline_part {
	const char *s;
	size_t len;
};

/** enum logline_stream - where a record came from; the platform's have come from neither. */
enum logline_stream { LOGLINE_NO_STREAM, LOGLINE_STDOUT, LOGLINE_STDERR };

/** struct logline - a record in its parts. @partial: the next one goes on with the same line */
struct logline {
	struct logline_part time;
	struct logline_part source;
	struct logline_part dyno;
	struct logline_part text;
	enum logline_stream stream;
	bool partial;
};

/** logline_parse() - take a line apart. @line: @len bytes, without its newline
 * Return: whether it is a record; else @ret is not touched. */
bool logline_parse(const char *line, size_t len, struct logline *ret);

/** logline_trim() - take the mark of a part off the end of a line. Return: whether there was one. */
bool logline_trim(const char *line, size_t *io_len);

/** logline_json() - a record as a line of JSON: time, source, dyno, stream where there is one, text,
 * and partial where it is. */
void logline_json(const struct logline *record, struct sbuf *b);

/** logline_stream_name() - "stdout", "stderr"; NULL: neither. */
const char *logline_stream_name(enum logline_stream stream);

/** logline_is_app() - whether the app has printed it. */
bool logline_is_app(const struct logline *record);

#endif
