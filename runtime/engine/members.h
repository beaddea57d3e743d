/* SPDX-License-Identifier: Apache-2.0 */
/*
 * members.h - structs as JSON objects: one table names the members of a struct, and drives both the
 * writing and the reading.  Reading is strict in kind and range, and generous in what is there: a
 * member that is missing or null leaves its field empty, one that the table does not know is passed
 * by, so that files travel between versions.
 */
#ifndef DYNO_MEMBERS_H
#define DYNO_MEMBERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/**
 * enum member_kind - what a field is, and what stands for an empty one.
 * @MEMBER_STR: const char *; null is NULL
 * @MEMBER_TEXT: array of char; null is ""
 * @MEMBER_U16, @MEMBER_U32, @MEMBER_U64: 0
 * @MEMBER_INT: int that is not negative; 0
 * @MEMBER_STATUS: int; null is -1
 * @MEMBER_FLAG: int as true or false; false
 * @MEMBER_COUNT: uint64_t, of which 0 is a number like any other; null is UINT64_MAX
 */
enum member_kind {
	MEMBER_STR,
	MEMBER_TEXT,
	MEMBER_U16,
	MEMBER_U32,
	MEMBER_U64,
	MEMBER_INT,
	MEMBER_STATUS,
	MEMBER_FLAG,
	MEMBER_COUNT,
};

/** struct member - one field. @offset, @size: of the field in its struct */
struct member {
	const char *name;
	enum member_kind kind;
	size_t offset;
	size_t size;
};

/** struct member_table - the fields of one struct, in the order in which they are written. */
struct member_table {
	const struct member *list;
	size_t n;
};

#define MEMBER_OF(type, field) ((type *)0)->field

/* MEMBER() - a row whose kind is the field's own; MEMBER_AS() - for the others. */
#define MEMBER_AS(type, name, field, kind)                                            \
	{                                                                             \
		(name), (kind), offsetof(type, field), sizeof(MEMBER_OF(type, field)) \
	}
#define MEMBER(type, name, field) \
	MEMBER_AS(type, name, field,              \
		  _Generic(MEMBER_OF(type, field),\
			  const char *: MEMBER_STR, \
			  char *: MEMBER_TEXT,    \
			  uint16_t: MEMBER_U16,   \
			  uint32_t: MEMBER_U32,   \
			  uint64_t: MEMBER_U64,   \
			  int: MEMBER_INT))

/** members_write() - the fields of @from, as members of the object that is open in @b. */
void members_write(const struct member_table *table, const void *from, struct sbuf *b);

/** members_keep() - copy the strings of @of into an arena, where they were borrowed.
 * Return: 0 or -ENOMEM. */
int members_keep(const struct member_table *table, void *of, struct arena *arena);

/** struct member_set - a struct to be read, @to. */
struct member_set {
	const struct member_table *table;
	void *to;
};

/**
 * members_read() - fill structs from one object.
 * @schema: the latest version that is known of the member "schema", which must be there; 0: none is
 *          asked for
 * @sets: each takes the members of its table; fields that are in no table are left alone
 * @arena: holds the strings
 * Return: 0; -EINVAL: no object, a wrong kind or range, or a later schema; -ENOMEM.  On failure the
 * structs are filled in part.
 */
int members_read(const char *text, size_t len, unsigned int schema, const struct member_set *sets,
		 size_t n_sets, struct arena *arena);

#endif
