/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_events.c - dyno events: what has happened to dynos, and with -f what happens.
 *
 * Theory of operation.  Past events are on disk; events of now come from each monitor.  Every second
 * the dynos are listed: to a new one a connection is made first, and then the disk is read, so that
 * nothing falls between the two.  What was written in between comes both ways: of a dyno that was
 * connected to in this round the last lines of the disk are remembered, and what its monitor sends
 * is dropped as long as it is one of them.  Times are no help there, since the clock may be set.  Of
 * one that came and went within a second only the disk tells.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/timetext.h"
#include "cli/cli.h"
#include "cli/event.h"
#include "cli/target.h"
#include "cli/value.h"
#include "cli/view.h"
#include "cli/watch.h"

/* How often new dynos are looked for. */
#define LOOK_MS 1000U

/* Lines of the disk that are remembered of a new dyno: far more than it writes between a connection
 * and a reading. */
#define FENCE_LINES 32U

struct events_options {
	struct cli_common common;
	struct target_ask ask;
	struct value_lines lines;
	uint64_t since_us;
	bool follow;
};

static const struct opt options[] = {
	TARGET_OPTION_APP(struct events_options),
	{.name = "follow",
	 .letter = 'f',
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct events_options, follow, bool),
	 .help = "go on with what happens, until ^C"},
	{.name = "num",
	 .letter = 'n',
	 .kind = OPT_PARSED,
	 .offset = OPT_FIELD(struct events_options, lines, struct value_lines),
	 .arg = "N",
	 .help = "the last N events, or all (all)",
	 .parse = value_lines},
	{.name = "since",
	 .kind = OPT_PARSED,
	 .offset = OPT_FIELD(struct events_options, since_us, uint64_t),
	 .arg = "TIME",
	 .help = "not what is older: 10m, or 2026-06-01T12:00:00Z",
	 .parse = value_since},
	CLI_OPTION_JSON("the lines of dyno-events(7)"),
};

struct tail;

/**
 * struct source - one dyno.
 * @app, @name: in the call's arena
 * @live: connected
 * @fresh: connected in this round
 * @since_us: when it came into the state in which it was listed last
 * @last: time of the last event printed, "" none; @mark: the same before this round
 * @fence, @n_fence: hashes of its last lines on disk, as of its connection
 */
struct source {
	const char *app;
	const char *name;
	bool live;
	bool fresh;
	uint64_t since_us;
	char last[TIME_BYTES];
	char mark[TIME_BYTES];
	uint64_t fence[FENCE_LINES];
	size_t n_fence;
};

/**
 * struct follow - the whole.
 * @since: RFC 3339 text that no older event passes, "" none
 * @pattern: see dyno_each()
 * @sources, @n, @cap: in the call's arena, by address, since connections refer to them
 * @read_disk: something in this round is told by the disk
 * @tail: only the last of the past is to be printed, and these are kept; NULL: all of it
 */
struct follow {
	struct cli *cli;
	struct dyno_host *host;
	struct dyno_err *err;
	char since[TIME_BYTES];
	const char *pattern;
	struct watch watch;
	struct source **sources;
	size_t n;
	size_t cap;
	bool read_disk;
	struct tail *tail;
};

/* First event of a connection: how things stand, which is no news. Source: dyno-events(7) */
#define EVENT_NOW "now"

/* ---- the dynos --------------------------------------------------------------------------------*/

static struct source *find_source(const struct follow *f, const char *app, const char *name)
{
	for (size_t i = 0; i < f->n; i++) {
		if (str_eq(f->sources[i]->name, name) && str_eq(f->sources[i]->app, app))
			return f->sources[i];
	}
	return NULL;
}

static bool grow(struct follow *f)
{
	size_t cap = f->cap ? 2 * f->cap : 16;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): it holds pointers */
	struct source **sources = arena_calloc(&f->cli->arena, cap, sizeof(*sources));

	if (!sources)
		return false;
	for (size_t i = 0; i < f->n; i++)
		sources[i] = f->sources[i];
	f->sources = sources;
	f->cap = cap;
	return true;
}

static struct source *get_source(struct follow *f, const char *app, const char *name)
{
	struct source *s = find_source(f, app, name);

	if (s)
		return s;
	s = arena_alloc(&f->cli->arena, sizeof(*s));
	if (!s || (f->n == f->cap && !grow(f)))
		return NULL;
	*s = (struct source){.app = arena_strdup(&f->cli->arena, app),
			     .name = arena_strdup(&f->cli->arena, name)};
	if (!s->app || !s->name)
		return NULL;
	f->sources[f->n++] = s;
	return s;
}

static int no_memory(struct follow *f)
{
	return err_set(f->err, ERR_MEMORY, ENOMEM, "keep the list of dynos");
}

/* ---- lines ------------------------------------------------------------------------------------*/

/* Source: FNV-1a; lines of one dyno are told apart, and nobody gains by making two alike. */
static uint64_t hash(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return h;
}

static int print(struct follow *f, const char *json, const struct event *e)
{
	struct sbuf *b = &f->cli->out;

	if (cli_common(f->cli)->json)
		sbuf_addf(b, "%s\n", json);
	else
		event_text(b, e);
	return cli_flush(f->cli, f->err);
}

static void fence_add(struct source *s, const char *json)
{
	s->fence[s->n_fence++ % FENCE_LINES] = hash(json);
}

/* Whether the disk has told a line of the monitor's already; the first one that it has not is new,
 * and so are all after it. */
static bool fence_has(struct source *s, const char *json)
{
	uint64_t h = hash(json);

	for (size_t i = 0; i < MIN_OF(s->n_fence, FENCE_LINES); i++) {
		if (s->fence[i] == h)
			return true;
	}
	s->n_fence = 0;
	return false;
}

/* ---- the last ones of the past ----------------------------------------------------------------*/

/**
 * struct tail - the last @max lines of those that were offered.
 * @items, @n, @cap: they, as strings of the heap
 * @first: the oldest of them, once there are @max
 */
struct tail {
	char **items;
	size_t n;
	size_t cap;
	size_t first;
	uint64_t max;
};

static void tail_done(struct tail *tail)
{
	for (size_t i = 0; i < tail->n; i++)
		free(tail->items[i]);
	free((void *)tail->items);
}

static int tail_grow(struct tail *tail)
{
	size_t cap = tail->cap ? 2 * tail->cap : 64;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): it holds pointers */
	char **items = reallocarray((void *)tail->items, cap, sizeof(*items));

	if (!items)
		return -ENOMEM;
	tail->items = items;
	tail->cap = cap;
	return 0;
}

static int tail_keep(struct tail *tail, const char *line)
{
	char *copy;

	if (tail->max == 0)
		return 0;
	if (tail->n < tail->max && tail->n == tail->cap && tail_grow(tail) < 0)
		return -ENOMEM;
	copy = strdup(line);
	if (!copy)
		return -ENOMEM;
	if (tail->n < tail->max) {
		tail->items[tail->n++] = copy;
		return 0;
	}
	free(tail->items[tail->first]);
	tail->items[tail->first] = copy;
	tail->first = (tail->first + 1) % tail->n;
	return 0;
}

/* What dyno_events() tells. */
static int on_past(void *data, const char *json)
{
	_cleanup_event_ struct event e;
	struct follow *f = data;
	struct source *s;

	/* what is torn or of a later form is no reason to withhold the rest */
	if (event_parse(json, &e) < 0)
		return 0;
	s = get_source(f, e.app, e.dyno);
	if (!s)
		return no_memory(f);
	if (s->fresh)
		fence_add(s, json);
	else if (s->live)
		return 0;
	if (strcmp(e.time, f->since) < 0 || strcmp(e.time, s->mark) <= 0)
		return 0;
	str_fmt(s->last, sizeof(s->last), "%s", e.time);
	if (f->tail)
		return tail_keep(f->tail, json) < 0 ? no_memory(f) : 0;
	return print(f, json, &e);
}

/* The past has been read: what is kept of it is printed, and from now on everything is. */
static int print_tail(struct follow *f)
{
	struct tail *tail = f->tail;
	int r = 0;

	f->tail = NULL;
	for (size_t i = 0; tail && r == 0 && i < tail->n; i++) {
		const char *json = tail->items[(tail->first + i) % tail->n];
		_cleanup_event_ struct event e;

		r = event_parse(json, &e);
		if (r == 0)
			r = print(f, json, &e);
	}
	return r;
}

/* What a monitor tells. */
static int on_event(void *data, struct watched *item, const char *json, struct dyno_err *err)
{
	_cleanup_event_ struct event e = {0};
	struct follow *f = data;
	struct source *s = item->data;

	(void)err; /* is that of @f */
	if (!json) {
		s->live = false;
		s->n_fence = 0;
		return 0;
	}
	if (event_parse(json, &e) < 0 || str_eq(e.name, EVENT_NOW) || fence_has(s, json))
		return 0;
	if (*e.time) /* one that only says that others were lost has none */
		str_fmt(s->last, sizeof(s->last), "%s", e.time);
	return print(f, json, &e);
}

/* ---- rounds -----------------------------------------------------------------------------------*/

/* What dyno_each() tells: whom to connect to, and of whom the disk may have something new. */
static int on_dyno(void *data, const struct dyno_info *info)
{
	struct follow *f = data;
	struct source *s = get_source(f, info->app, info->name);
	int r;

	if (!s)
		return no_memory(f);
	if (s->live)
		return 0;
	if (info->live) {
		r = watch_add(&f->watch, f->host, s->app, s->name, s, f->err);
		if (r < 0)
			return r;
		s->live = s->fresh = r > 0;
		f->read_disk = true;
	} else if (s->since_us != info->since_us) {
		s->since_us = info->since_us;
		f->read_disk = true;
	}
	return 0;
}

static int look(struct follow *f)
{
	int r;

	f->read_disk = false;
	for (size_t i = 0; i < f->n; i++) {
		f->sources[i]->fresh = false;
		str_fmt(f->sources[i]->mark, TIME_BYTES, "%s", f->sources[i]->last);
	}
	r = dyno_each(f->host, f->pattern, DYNO_EACH_ENDED, on_dyno, f, f->err);
	if (r >= 0 && f->read_disk)
		r = dyno_events(f->host, f->pattern, on_past, f, f->err);
	return r < 0 ? r : print_tail(f);
}

static int follow(struct follow *f)
{
	_cleanup_close_ int signal_fd = view_open(false, f->watch.own, f->err);
	uint64_t next_ms = 0;
	int r = signal_fd < 0 ? signal_fd : 0;

	f->watch.n_own = VIEW_FDS;
	while (r == 0) {
		uint64_t now_ms = clock_ms();

		if (now_ms >= next_ms) {
			r = look(f);
			next_ms = now_ms + LOOK_MS;
		}
		if (r == 0)
			r = output_stdout(&f->cli->out, f->err);
		if (r == 0)
			r = watch_wait(&f->watch, (int)(next_ms - now_ms), on_event, f, f->err);
		if (view_is_left(f->watch.own))
			break;
	}
	return r;
}

/* ---- the command line -------------------------------------------------------------------------*/

static int events_main(struct cli *cli, struct dyno_err *err)
{
	const struct events_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	_cleanup_(tail_done) struct tail tail = {.max = o->lines.n};
	struct follow f = {.cli = cli, .err = err, .tail = o->lines.set ? &tail : NULL};
	int r = target_pattern(cli, &o->ask, cli->operands.n ? cli->operands.items[0] : NULL,
			       &f.pattern, err);

	if (o->since_us)
		(void)time_format(o->since_us, f.since);
	if (r == 0)
		r = cli_host_open(cli, &host, err);
	if (r < 0)
		return r;

	f.host = host;
	if (o->follow)
		r = follow(&f);
	else
		r = dyno_events(host, f.pattern, on_past, &f, err);
	if (r >= 0)
		r = print_tail(&f);
	watch_done(&f.watch);
	return r < 0 ? r : 0;
}

const struct verb verb_events = {
	.name = "events",
	.operands = "[NAME]",
	.summary = "what has happened to dynos, and what happens",
	.text = "NAME is web.1, a type (web), a pattern ('web.*'), or one of these after APP/.\n"
		"Oldest first; the last some thousands of each app are kept.  A dyno that starts\n"
		"while -f looks on appears within a second.\n",
	CLI_OPTIONS(options, struct events_options),
	.max_operands = 1,
	.words = OPT_WORDS_ENDED,
	.main = events_main,
};
