/* SPDX-License-Identifier: Apache-2.0 */
/* sampler.c - what dynos use, round by round. */
#include "cli/sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/watch.h"

/* For how long one that did not answer in time is not asked: each time takes seconds, and holds up
 * the others. Source: own choice */
#define SILENT_MS 600000U

/* ---- the dynos --------------------------------------------------------------------------------*/

static void forget(struct sampled *item)
{
	dyno_close(item->dyno);
	free(item);
}

static bool grow(struct sampler *s)
{
	size_t cap = s->cap ? 2 * s->cap : 16;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): it holds pointers */
	struct sampled **items = reallocarray(s->items, cap, sizeof(*items));

	if (!items)
		return false;
	s->items = items;
	s->cap = cap;
	watch_room(cap);
	return true;
}

static struct sampled *add(struct sampler *s, const struct dyno_info *info)
{
	struct sampled *item;

	if (s->n == s->cap && !grow(s))
		return NULL;
	item = calloc(1, sizeof(*item));
	if (!item)
		return NULL;
	usage_clear(&item->usage);
	str_fmt(item->app, sizeof(item->app), "%s", info->app);
	str_fmt(item->name, sizeof(item->name), "%s", info->name);
	str_fmt(item->type, sizeof(item->type), "%s", info->type);
	item->usage.app = item->app;
	item->usage.name = item->name;
	item->usage.type = item->type;
	item->usage.state = item->state;
	item->usage.label = item->label;
	s->items[s->n++] = item;
	return item;
}

/* Where it is in the list; most often it is the next one, as in the last round. */
static size_t find(const struct sampler *s, const struct dyno_info *info)
{
	for (size_t i = 0; i < s->n; i++) {
		size_t at = (s->next + i) % s->n;

		if (str_eq(s->items[at]->name, info->name) && str_eq(s->items[at]->app, info->app))
			return at;
	}
	return s->n;
}

/* What dyno_each() tells. */
static int on_dyno(void *data, const struct dyno_info *info)
{
	struct sampler *s = data;
	struct sampled *item;
	size_t at;

	if (!info->live)
		return 0;
	at = find(s, info);
	if (at < s->next)
		return 0; /* an earlier pattern has told of it */
	if (at == s->n && !add(s, info)) {
		s->no_memory = true;
		return -ENOMEM;
	}
	item = s->items[at];
	s->items[at] = s->items[s->next];
	s->items[s->next++] = item;
	str_fmt(item->state, sizeof(item->state), "%s", info->state);
	return 0;
}

static int list(struct sampler *s, struct dyno_err *err)
{
	int r = 0;

	s->next = 0;
	for (size_t i = 0; r == 0 && i < s->n_patterns; i++)
		r = dyno_each(s->host, s->patterns[i], 0, on_dyno, s, err);
	if (s->no_memory)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the list of dynos");
	while (r == 0 && s->n > s->next)
		forget(s->items[--s->n]);
	return r;
}

/* Names for people: the app's, too, where there are several. */
static void label(struct sampler *s)
{
	bool several = false;

	for (size_t i = 1; i < s->n; i++)
		several = several || !str_eq(s->items[i]->app, s->items[0]->app);
	for (size_t i = 0; i < s->n; i++) {
		struct sampled *item = s->items[i];

		str_fmt(item->label, sizeof(item->label), "%s%s%s", several ? item->app : "",
			several ? "/" : "", item->name);
	}
}

/* ---- asking -----------------------------------------------------------------------------------*/

static int on_stats(void *data, const struct dyno_stats *stats)
{
	struct sampled *item = data;

	str_fmt(item->state, sizeof(item->state), "%s", stats->state);
	usage_take(&item->usage, stats);
	return 0;
}

/* After a failure the connection is of no use: the answer may still come, and would be taken for
 * that to the next question. */
static void ask(struct sampler *s, struct sampled *item)
{
	struct dyno_err err = {0};
	int r = 0;

	if (clock_ms() < item->silent_ms) {
		s->failed++;
		return;
	}
	if (!item->dyno)
		r = dyno_open(s->host, item->app, item->name, &item->dyno, &err);
	if (r == 0)
		r = dyno_stats(item->dyno, on_stats, item, &err);
	if (r >= 0)
		return;
	dyno_close(take_ptr(&item->dyno));
	usage_lost(&item->usage);
	if (watch_is_over(r, &err))
		return; /* the next list will not have it, or have another of its name */
	item->silent_ms = r == -ETIMEDOUT ? clock_ms() + SILENT_MS : 0;
	s->failed++;
	if (s->tell)
		cli_error(s->cli, &err);
}

int sampler_round(struct sampler *s, struct dyno_err *err)
{
	int r = list(s, err);

	if (r < 0)
		return r;
	label(s);
	s->failed = 0;
	for (size_t i = 0; i < s->n; i++)
		ask(s, s->items[i]);
	return 0;
}

const struct usage *const *sampler_list(const struct sampler *s, struct arena *arena)
{
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): it holds pointers */
	const struct usage **all = arena_calloc(arena, s->n + 1, sizeof(*all));

	for (size_t i = 0; all && i < s->n; i++)
		all[i] = &s->items[i]->usage;
	return all;
}

void sampler_done(struct sampler *s)
{
	for (size_t i = 0; i < s->n; i++)
		forget(s->items[i]);
	free(s->items);
	s->items = NULL;
	s->n = s->cap = 0;
}
