/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - writes JSON into a buffer, with the commas in their places.  Names end in their unit
 * (_us, _ms, _bytes), times are RFC 3339 UTC, unknown is null.  It reads none.
 */
#ifndef DYNO_BASE_JSON_H
#define DYNO_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Version of the form of every object printed; raised when a member changes its meaning or goes. */
#define JSON_SCHEMA 1

/* The functions take a member's @name, or NULL inside an array and for the outermost value. */

/** json_open() / json_close() - an object '{' '}' or array '[' ']'. */
void json_open(struct sbuf *b, const char *name, char bracket);
void json_close(struct sbuf *b, char bracket);

/** json_str() - a string; NULL is null. */
void json_str(struct sbuf *b, const char *name, const char *value);

void json_u64(struct sbuf *b, const char *name, uint64_t value);
void json_i64(struct sbuf *b, const char *name, int64_t value);
/** json_tenths() - a number with one decimal. */
void json_tenths(struct sbuf *b, const char *name, uint64_t tenths);
void json_bool(struct sbuf *b, const char *name, bool value);
/** json_unknown() - null. (jansson, which is linked too, has the name json_null.) */
void json_unknown(struct sbuf *b, const char *name);

/** json_time() - microseconds since the epoch as "2026-06-01T12:00:00.123456+00:00". */
void json_time(struct sbuf *b, const char *name, uint64_t us);

/** json_begin() / json_end() - a whole document: an object that states its schema, and a newline. */
void json_begin(struct sbuf *b);
void json_end(struct sbuf *b);

#endif
