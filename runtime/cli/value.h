/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.h - the values of options, from text: yes or no, a port, one of several words, the place of
 * the scratch space.  Pure; a failure names the value and what would have done.
 */
#ifndef DYNO_CLI_VALUE_H
#define DYNO_CLI_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include <dyno.h>

/* Every function: 0, or -EINVAL with err set (ERR_USAGE); the output is untouched on failure. */

/** value_bool() - 1, yes, true, on; 0, no, false, off. */
int value_bool(const char *s, bool *ret, struct dyno_err *err);

/** value_port() - 1 to 65535. */
int value_port(const char *s, uint16_t *ret, struct dyno_err *err);

/** value_size() - bytes, more than 0. */
int value_size(const char *s, uint64_t *ret_bytes, struct dyno_err *err);

/** value_duration() - milliseconds, more than 0: a 0 would stand for "the default" in dyno.h. */
int value_duration(const char *s, uint64_t *ret_ms, struct dyno_err *err);

/** value_fd() - the number of a descriptor, 1 or more: a 0 stands for "none" in dyno.h.
 * @field: int; the signature is that of struct opt's parse */
int value_fd(const char *s, void *field, struct dyno_err *err);

/** value_count() - 1 to 10000. @field: unsigned int */
int value_count(const char *s, void *field, struct dyno_err *err);

/** value_since() - the time so long ago ("10m"), one as time_parse() takes it, or seconds since the
 * epoch, "@1780315200".
 * @field: uint64_t, microseconds since the epoch, never 0 */
int value_since(const char *s, void *field, struct dyno_err *err);

/** value_choice() - the index of @s in the NULL-terminated @choices. */
int value_choice(const char *s, const char *const *choices, unsigned int *ret,
		 struct dyno_err *err);

/**
 * struct value_scratch - where a dyno's writes go.
 * @bytes, @inodes: limits; 0: the default
 */
struct value_scratch {
	enum dyno_scratch kind;
	uint64_t bytes;
	uint64_t inodes;
};

/** value_scratch() - "auto|tmpfs|disk[:SIZE[:INODES]]"; an empty SIZE or INODES is the default.
 * @field: struct value_scratch; the signature is that of struct opt's parse */
int value_scratch(const char *s, void *field, struct dyno_err *err);

/**
 * struct value_lines - how many of the last lines.
 * @n: UINT64_MAX: all
 * @set: asked for
 */
struct value_lines {
	uint64_t n;
	bool set;
};

/** value_lines() - 0 or more, or "all". @field: struct value_lines */
int value_lines(const char *s, void *field, struct dyno_err *err);

#endif
