/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start_scale.c - stops the dynos of a type that are beyond its number; see start_internal.h.
 */
#include "engine/start_internal.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"

struct beyond {
	struct start *s;
	const struct dyno_scale *want;
	struct arena arena;
	const char **names;
	size_t n;
	size_t cap;
};

static unsigned int number_of(const char *dyno, const char *type)
{
	const char *rest = str_starts(dyno, type);
	uint32_t n;

	if (!rest || rest[0] != '.' || num_parse_u32(rest + 1, UINT32_MAX, &n) < 0)
		return 0;
	return n;
}

static int note_beyond(void *data, const struct dyno_info *info)
{
	struct beyond *b = data;
	const char **names;

	if (!info->live || info->oneoff || !str_eq(info->type, b->want->type) ||
	    number_of(info->name, b->want->type) <= b->want->count)
		return 0;
	if (b->n == b->cap) {
		names = arena_calloc(&b->arena, 2 * b->cap + 16, sizeof(*names));
		if (!names)
			return -ENOMEM;
		if (b->n > 0)
			memcpy(names, b->names, b->n * sizeof(*names));
		b->names = names;
		b->cap = 2 * b->cap + 16;
	}
	b->names[b->n] = arena_strdup(&b->arena, info->name);
	return b->names[b->n++] ? 0 : -ENOMEM;
}

static int stop_one(struct start *s, const char *name, struct dyno_err *err)
{
	struct dyno *dyno;
	int r = dyno_open(s->host, s->app.name, name, &dyno, err);

	if (r < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : r; /* gone meanwhile */
	r = dyno_stop(dyno, 0, err);
	dyno_close(dyno);
	if (r == 0)
		start_tell(s, name, DYNO_STOPPED);
	return r;
}

/* Source: contract 6.13: the highest numbers first; dyno_each() tells them in their order. */
int start_stop_beyond(struct start *s, const struct dyno_scale *want, struct dyno_err *err)
{
	struct beyond b = {.s = s, .want = want};
	char pattern[2 * STATE_NAME_BYTES];
	int r;

	str_fmt(pattern, sizeof(pattern), "%s/%s", s->app.name, want->type);
	r = dyno_each(s->host, pattern, 0, note_beyond, &b, err);
	while (r >= 0 && b.n > 0)
		r = stop_one(s, b.names[--b.n], err);
	arena_done(&b.arena);
	return r < 0 ? r : 0;
}
