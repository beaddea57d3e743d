/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.c - chunks of memory in a list.  Small objects share a chunk, a large one has its own.
 */
#include "base/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* Source: a parsed spec with a dozen config vars takes about 3 KiB (measured 2026-01). */
#define ARENA_CHUNK_BYTES 4000

/* Above this an object would waste too much of a shared chunk's rest. */
#define ARENA_LARGE_BYTES (ARENA_CHUNK_BYTES / 4)

/* Under the address sanitizer every object stands alone, so that an overflow hits a red zone. */
#define ARENA_SHARED (!DYNO_ASAN)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	size_t used;
	alignas(max_align_t) unsigned char data[];
};

static struct arena_chunk *chunk_new(size_t size)
{
	struct arena_chunk *c;

	if (size > PTRDIFF_MAX - sizeof(*c))
		return NULL;

	c = calloc(1, sizeof(*c) + size);
	if (c)
		c->size = size;
	return c;
}

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct arena_chunk *c = a->head, **link;
	bool large = !ARENA_SHARED || size > ARENA_LARGE_BYTES;
	size_t at;

	if (size == 0)
		size = 1; /* distinct objects have distinct addresses */

	at = c ? (c->used + align - 1) & ~(align - 1) : 0;
	if (!large && c && at <= c->size && size <= c->size - at) {
		c->used = at + size;
		return c->data + at;
	}

	c = chunk_new(large ? size : ARENA_CHUNK_BYTES);
	if (!c)
		return NULL;

	/* A large one goes behind the head, whose free rest stays in use. */
	link = large && a->head ? &a->head->next : &a->head;
	c->used = size;
	c->next = *link;
	*link = c;
	return c->data;
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		return NULL;
	return arena_alloc(a, total);
}

char *arena_memdup(struct arena *a, const void *data, size_t len)
{
	char *copy = len < SIZE_MAX ? arena_alloc(a, len + 1) : NULL;

	if (copy && len)
		memcpy(copy, data, len);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_memdup(a, s, strlen(s));
}

char *arena_fmt(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *text;
	size_t len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = str_vfmt(NULL, 0, fmt, ap);
	text = arena_alloc(a, len + 1);
	if (text)
		(void)str_vfmt(text, len + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return text;
}

void arena_done(struct arena *a)
{
	struct arena_chunk *next;

	for (struct arena_chunk *c = a->head; c; c = next) {
		next = c->next;
		free(c);
	}
	a->head = NULL;
}
