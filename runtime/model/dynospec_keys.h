/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dynospec_keys.h - the one table of the keys of dyno-spec(5): what each is and where it lives in
 * struct dyno_start_opts.  Reader, writer and the test of the manual page go by it.  For
 * dynospec*.c alone.
 */
#ifndef DYNO_DYNOSPEC_KEYS_H
#define DYNO_DYNOSPEC_KEYS_H

#include <stddef.h>

#include <dyno.h>

/* Most dynos of one type. Source: ten times what a host of two cores is built for */
#define DYNOSPEC_COUNT_MAX 10000U

/* A string that is no UTF-8 cannot be one in JSON: {"hex": "ff00"} stands for it. */
#define DYNOSPEC_HEX "hex"

/**
 * enum dynospec_kind - form of a key's value, and type of what it sets.
 * @KEY_SCHEMA: DYNOSPEC_SCHEMA; sets nothing
 * @KEY_STRING: const char *
 * @KEY_U64, @KEY_UINT, @KEY_U16: a whole number: uint64_t, unsigned int, uint16_t
 * @KEY_BOOL, @KEY_NOT: true or false: an int that means the same, or the opposite
 * @KEY_CHOICE: one of a list of words: an enum, its number
 * @KEY_LIST: array of strings: pointer and count
 * @KEY_COMMAND: array of strings, or a string, for the shell: @operands
 * @KEY_ARGV: array of strings, executed as it is: @operands with @argv_mode
 * @KEY_ENV: object of strings: "K=V" in @env
 * @KEY_COUNTS: object of numbers: @scale
 */
enum dynospec_kind {
	KEY_SCHEMA,
	KEY_STRING,
	KEY_U64,
	KEY_UINT,
	KEY_U16,
	KEY_BOOL,
	KEY_NOT,
	KEY_CHOICE,
	KEY_LIST,
	KEY_COMMAND,
	KEY_ARGV,
	KEY_ENV,
	KEY_COUNTS,
	_KEY_KIND_MAX,
};

/**
 * struct dynospec_row - one key.
 * @name: the key
 * @kind: its form
 * @at: offset in struct dyno_start_opts of what it sets; of lists: of the pointer
 * @n_at: of lists: offset of the count
 * @words: of a choice: the words by number, the default first, ended by NULL
 */
struct dynospec_row {
	const char *name;
	enum dynospec_kind kind;
	size_t at;
	size_t n_at;
	const char *const *words;
};

/* In the order in which they are written, "schema" first. */
extern const struct dynospec_row dynospec_rows[];
extern const size_t dynospec_n_rows;

#endif
