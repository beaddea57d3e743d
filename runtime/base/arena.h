/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.h - memory that lives and dies together: a spec, a parsed file.  Pointers stay valid until
 * arena_done(); nothing is freed one by one.
 */
#ifndef DYNO_ARENA_H
#define DYNO_ARENA_H

#include <stddef.h>

#include "base/util.h"

struct arena_chunk;

/**
 * struct arena - zero-initialised it is empty and ready.
 * @head: newest chunk
 */
struct arena {
	struct arena_chunk *head;
};

/** arena_alloc() - @size zeroed bytes aligned for any type. Return: NULL when out of memory. */
void *arena_alloc(struct arena *a, size_t size);

/** arena_calloc() - @n zeroed objects of @size bytes. Return: NULL on overflow or no memory. */
void *arena_calloc(struct arena *a, size_t n, size_t size);

/** arena_strdup() / arena_memdup() - copies; the copy is NUL-terminated. Return: NULL on ENOMEM. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_memdup(struct arena *a, const void *data, size_t len);

/** arena_fmt() - a formatted copy (conversions of str_vfmt()). Return: NULL on ENOMEM. */
char *arena_fmt(struct arena *a, const char *fmt, ...) _printf_(2, 3);

/** arena_done() - frees everything; the arena is empty and usable again. */
void arena_done(struct arena *a);

#define _cleanup_arena_ _cleanup_(arena_done)

#endif
