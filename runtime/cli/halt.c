/* SPDX-License-Identifier: Apache-2.0 */
/* halt.c - stop many dynos at once. */
#include "cli/halt.h"

#include "cli/facts.h"
#include "cli/watch.h"

static int tell_ended(struct halt *halt, struct target *target, struct dyno_err *err)
{
	struct dyno_outcome out;
	int r = target->info.live ? target_renew(halt->cli, halt->host, target, err) : 0;

	if (r < 0)
		return r;
	out = facts_outcome(&target->info);
	return halt->done(halt->data, target, &out, err);
}

/* Return: 1: asked; 0: it has ended; -errno. */
static int ask(const struct halt *halt, struct dyno *dyno, struct dyno_err *err)
{
	int r = dyno_stop(dyno, halt->now, err);

	if (r < 0)
		return watch_is_over(r, err) ? 0 : r;
	return 1;
}

static int ask_only(const struct halt *halt, const struct target *target, struct dyno_err *err)
{
	struct dyno *dyno = NULL;
	int r = dyno_open(halt->host, target->info.app, target->info.name, &dyno, err);

	if (r < 0)
		return watch_is_over(r, err) ? 0 : r;
	r = ask(halt, dyno, err);
	dyno_close(dyno);
	return r;
}

static int failed(const struct halt *halt, const struct target *target, struct dyno_err *err)
{
	err_context(err, "stop %s/%s", target->info.app, target->info.name);
	cli_error(halt->cli, err);
	return 1;
}

/* Watches it before it is asked, so that no end is missed. Return: 1: it failed; 0; -errno. */
static int begin(struct halt *halt, struct watch *watch, struct target *t, struct dyno_err *err)
{
	int r = 0;

	if (t->info.live && halt->no_wait)
		r = ask_only(halt, t, err);
	else if (t->info.live)
		r = watch_add(watch, halt->host, t->info.app, t->info.name, t, err);

	if (r < 0)
		return failed(halt, t, err);
	if (r == 0)
		return tell_ended(halt, t, err);
	return halt->no_wait ? halt->done(halt->data, t, NULL, err) : 0;
}

/* Return: how many could not be asked. */
static int ask_watched(struct halt *halt, struct watch *watch, struct dyno_err *err)
{
	int n = 0;

	for (size_t i = 0; i < watch->n; i++) {
		/* of one that has ended meanwhile the watch tells */
		if (ask(halt, watch->items[i].dyno, err) >= 0)
			continue;
		n += failed(halt, watch->items[i].data, err);
		watch_drop(watch, watch->items[i].data);
	}
	return n;
}

static int on_event(void *data, struct watched *item, const char *json, struct dyno_err *err)
{
	struct halt *halt = data;
	struct dyno_outcome out = {0};
	int r;

	if (json)
		return 0;
	r = dyno_wait(item->dyno, NULL, 0, &out, err);
	return r < 0 ? r : halt->done(halt->data, item->data, &out, err);
}

int halt_all(struct halt *halt, struct target_list *list, struct dyno_err *err)
{
	_cleanup_(watch_done) struct watch watch = {0};
	int n = 0, r;

	for (size_t i = 0; i < list->n; i++) {
		r = begin(halt, &watch, &list->items[i], err);
		if (r < 0)
			return r;
		n += r;
	}
	n += ask_watched(halt, &watch, err);
	r = watch_end(&watch, on_event, halt, err);
	return r < 0 ? r : n;
}
