/* SPDX-License-Identifier: Apache-2.0 */
/* dynos_events.c - dyno_events(): what is kept of the past, of all apps in one order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dyno.h>

#include "base/err.h"
#include "base/str.h"
#include "engine/host.h"
#include "engine/record.h"
#include "engine/state.h"
#include "model/name.h"
#include "model/pattern.h"
#include "model/text.h"

/** struct past - one event. @order: of its reading, which is that of its app */
struct past {
	const char *time;
	const char *json;
	size_t order;
};

struct history {
	const char *pattern;
	struct arena arena;
	struct past *list;
	size_t n;
	size_t cap;
	struct dyno_err *err;
};

static int no_memory(struct dyno_err *err)
{
	return err_set(err, ERR_MEMORY, ENOMEM, "collect the events");
}

static bool is_meant(const char *pattern, const struct event_key *key)
{
	char type[STATE_NAME_BYTES];
	uint32_t number;

	/* An event does not say its dyno's type: it is that of the name. */
	if (name_split_dyno(key->dyno, type, sizeof(type), &number) < 0)
		str_fmt(type, sizeof(type), "%s", key->dyno);
	return pattern_match(pattern, key->app, key->dyno, type);
}

static int add_event(void *data, const char *json)
{
	struct history *h = data;
	_cleanup_arena_ struct arena arena = {0};
	struct event_key key;
	struct past *list;
	int r = record_event_key(json, &arena, &key);

	if (r == -ENOMEM)
		return no_memory(h->err);
	if (r < 0 || !is_meant(h->pattern, &key))
		return 0;
	list = text_grow(&h->arena, h->list, h->n, &h->cap, sizeof(*list));
	if (!list)
		return no_memory(h->err);
	h->list = list;
	list[h->n] = (struct past){
		.time = arena_strdup(&h->arena, key.time),
		.json = arena_strdup(&h->arena, json),
		.order = h->n,
	};
	if (!list[h->n].time || !list[h->n].json)
		return no_memory(h->err);
	h->n++;
	return 0;
}

static int by_time(const void *x, const void *y)
{
	const struct past *a = x;
	const struct past *b = y;
	int r = strcmp(a->time, b->time);

	return r ? r : (a->order > b->order) - (a->order < b->order);
}

static int tell_history(struct history *h, struct store *store, dyno_event_fn fn, void *data)
{
	int r = record_each_event(store, NULL, add_event, h, h->err);

	if (h->n > 1)
		qsort(h->list, h->n, sizeof(h->list[0]), by_time);
	for (size_t i = 0; i < h->n && r == 0; i++)
		r = fn(data, h->list[i].json);
	return r;
}

DYNO_PUBLIC int dyno_events(struct dyno_host *host, const char *pattern, dyno_event_fn fn,
			    void *data, struct dyno_err *err)
{
	struct history h = {.pattern = pattern, .err = err};
	struct store *store;
	int r = host_store(host, &store, err);

	if (r < 0)
		return r;
	r = tell_history(&h, store, fn, data);
	arena_done(&h.arena);
	return r;
}
