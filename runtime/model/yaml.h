/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml.h - lines, keys and scalars of the subset of YAML that release.h describes.  No YAML reader:
 * it knows neither maps nor lists, and what is outside the subset is an error of class ERR_PROCFILE
 * that names the line.
 */
#ifndef DYNO_YAML_H
#define DYNO_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include <dyno.h>

#include "base/arena.h"
#include "model/text.h"

/**
 * struct yaml - a reader; set @arena and @err, zero the rest.
 * @arena: borrowed; owns keys and values
 * @err: borrowed; receives the report of every failure
 * @lines: the text and the number of the line
 * @eof: there is no further line
 * @indent: spaces before the line's text
 * @p: where reading is in the line
 * @end: end of the line
 */
struct yaml {
	struct arena *arena;
	struct dyno_err *err;
	struct text_lines lines;
	bool eof;
	size_t indent;
	const char *p;
	const char *end;
};

/** yaml_start() - begin with @text (@len bytes, borrowed), at its first line that says something.
 * Errors: as yaml_next(). */
int yaml_start(struct yaml *y, const char *text, size_t len);

/** yaml_next() - go to the next line that is neither blank nor a comment; check @eof after it.
 * Errors: -EINVAL (a NUL byte, a tab in the indentation). */
int yaml_next(struct yaml *y);

/** yaml_take() - step over @text where it stands at the cursor. Return: whether it did. */
bool yaml_take(struct yaml *y, const char *text);

/** yaml_at_line_end() - step over blanks; whether nothing but a comment is left of the line. */
bool yaml_at_line_end(struct yaml *y);

/** yaml_at_list_item() - whether the cursor, not at the line's end, is at "- " or a lone "-". */
bool yaml_at_list_item(const struct yaml *y);

/**
 * yaml_read_key() - "key:", plain or in quotes; the cursor is behind the colon then.
 * @ret: in the arena
 * Errors: -EINVAL, -ENOMEM.
 */
int yaml_read_key(struct yaml *y, char **ret);

/**
 * yaml_read_scalar() - the value after a key, and on to the next line that says something.
 * @indent: of the key's line; lines indented deeper may belong to the value
 * @ret: in the arena, without NUL bytes
 * Errors: -EINVAL, -ENOMEM.
 */
int yaml_read_scalar(struct yaml *y, size_t indent, char **ret);

/** yaml_fail() - report "line N: @what". Return: -EINVAL. */
int yaml_fail(const struct yaml *y, const char *what);

/** yaml_no_memory() - report that an allocation failed. Return: -ENOMEM. */
int yaml_no_memory(const struct yaml *y);

#endif
