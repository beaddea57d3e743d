/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dynos_list.c - dyno_each(): the dynos that live, from their places, and those that have ended,
 * from their records.
 *
 * Theory of operation.  Whether a place is somebody's is found out under the collector's lock, which
 * holds up whoever starts a dyno at that moment: it is let go before any file is read.  The records
 * are read last: a dyno that ends meanwhile leaves its record before its place, and is seen in one
 * of the two at least; the place counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dyno.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/host.h"
#include "engine/lost.h"
#include "engine/mainpid.h"
#include "engine/record.h"
#include "engine/state.h"
#include "engine/statefile.h"
#include "model/name.h"
#include "model/pattern.h"
#include "model/supervise.h"
#include "model/text.h"

/* Type of one-offs. Source: contract 8.1 */
#define ONEOFF_TYPE "run"

/**
 * struct entry - one dyno, or one start of it.
 * @number: of its name, 0: it has none
 * @alive: somebody holds the place, and not for its files alone
 * @place: there is one, alive or not
 * @gen: of a record
 */
struct entry {
	struct dyno_facts facts;
	uint32_t number;
	bool alive;
	bool place;
	uint32_t gen;
};

/**
 * struct listing - the dynos that are collected.
 * @first_of_app: where the records of the app begin that is read
 * @boot_id: of now
 */
struct listing {
	struct dyno_host *host;
	const char *pattern;
	unsigned int flags;
	int run_fd;
	struct arena arena;
	struct entry *entries;
	size_t n;
	size_t cap;
	size_t first_of_app;
	char boot_id[40];
};

static int no_memory(struct dyno_err *err)
{
	return err_set(err, ERR_MEMORY, ENOMEM, "list the dynos");
}

/* ---- places --------------------------------------------------------------------------------- */

/* Return: a new entry, zeroed; NULL: -ENOMEM. */
static struct entry *add_entry(struct listing *l)
{
	struct entry *entries = text_grow(&l->arena, l->entries, l->n, &l->cap, sizeof(*entries));

	if (!entries)
		return NULL;
	l->entries = entries;
	entries[l->n] = (struct entry){0};
	return &entries[l->n++];
}

/* What the names of a place tell. */
static int name_entry(struct listing *l, const char *app, const char *name, struct dyno_info *info)
{
	char type[STATE_NAME_BYTES];
	uint32_t number;

	if (name_split_dyno(name, type, sizeof(type), &number) < 0)
		str_fmt(type, sizeof(type), "%s", name);
	*info = (struct dyno_info){
		.app = arena_strdup(&l->arena, app),
		.name = arena_strdup(&l->arena, name),
		.type = arena_strdup(&l->arena, type),
		.state = sup_state_name(SUP_STARTING),
		.oneoff = str_eq(type, ONEOFF_TYPE),
		.exit_code = -1,
	};
	return info->app && info->name && info->type ? 0 : -ENOMEM;
}

struct look {
	struct listing *listing;
	struct dyno_err *err;
};

/* A dead place goes, and becomes a record that is read below; where it cannot, it stays to be told
 * from what is there. */
static int see_place(void *data, struct state *state, bool alive)
{
	const struct look *look = data;
	struct listing *l = look->listing;
	struct dyno_err ignored;
	struct entry *entry;

	if (!alive && lost_collect_one(l->host, state, &ignored) >= 0) {
		state_release(state);
		return 0;
	}
	entry = add_entry(l);
	if (!entry || name_entry(l, state->app, state->dyno, &entry->facts.info) < 0)
		return no_memory(look->err);
	entry->alive = alive;
	entry->place = true;
	return 0;
}

static int see_places(struct listing *l, struct dyno_err *err)
{
	struct look look = {.listing = l, .err = err};
	_cleanup_close_ int lock_fd = -EBADF;
	int r;

	r = host_run_dir(l->host, &l->run_fd, err);
	if (r == 0)
		r = state_collect_begin(l->run_fd, &lock_fd, err);
	if (r == 0)
		r = state_each(l->run_fd, see_place, &look, err);
	return r;
}

/* As lost.h would have recorded it. */
static void tell_lost(struct dyno_info *info)
{
	int state = sup_state_find(info->state);

	if (state == SUP_STARTING || state == SUP_UP || state == SUP_STOPPING) {
		info->exit_code = 137;
		info->signal = 9;
	}
	info->state = sup_state_name(SUP_CRASHED);
	info->reason = sup_reason_name(SUP_BY_SUPERVISOR_LOST);
}

/* Return: 1: the place is there; 0: it has gone meanwhile; -ENOMEM. */
static int read_place(struct listing *l, struct entry *entry)
{
	const struct dyno_info *named = &entry->facts.info;
	_cleanup_close_ int fd = -EBADF;
	struct dyno_facts facts;
	char path[2 * STATE_NAME_BYTES];
	int r;

	str_fmt(path, sizeof(path), "%s/%s", named->app, named->name);
	fd = openat(l->run_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0;
	r = statefile_read(fd, &l->arena, &facts);
	if (r == -ENOMEM)
		return r;
	if (r == 0) {
		facts.info.app = named->app;
		facts.info.name = named->name;
		entry->facts = facts;
	}
	/* Who holds the place holds files alone. */
	if (entry->facts.info.kept)
		entry->alive = false;
	else if (!entry->alive)
		tell_lost(&entry->facts.info);
	return 1;
}

static int read_places(struct listing *l, struct dyno_err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct dyno_info *info = &l->entries[i].facts.info;
		int r = read_place(l, &l->entries[i]);

		if (r < 0)
			return no_memory(err);
		if (r && pattern_match(l->pattern, info->app, info->name, info->type))
			l->entries[kept++] = l->entries[i];
	}
	l->n = kept;
	return 0;
}

/* ---- records -------------------------------------------------------------------------------- */

/* Two starts of one monitor overlap: the later one tells of the dyno, whichever ended first. */
static bool is_older(const struct record *record, const struct entry *than)
{
	return record->facts.info.monitor_pid == than->facts.info.monitor_pid &&
	       record->facts.monitor_start == than->facts.monitor_start &&
	       str_eq(record->facts.boot_id, than->facts.boot_id) && record->gen < than->gen;
}

/* The records of an app come together, the oldest first. */
static struct entry *find_ended(struct listing *l, const struct dyno_info *info)
{
	if (l->first_of_app < l->n &&
	    !str_eq(l->entries[l->first_of_app].facts.info.app, info->app))
		l->first_of_app = l->n;
	for (size_t i = l->first_of_app; i < l->n; i++)
		if (str_eq(l->entries[i].facts.info.name, info->name))
			return &l->entries[i];
	return NULL;
}

static int see_record(void *data, const struct record *record)
{
	const struct look *look = data;
	struct listing *l = look->listing;
	const struct dyno_info *info = &record->facts.info;
	struct entry *entry;

	if (!pattern_match(l->pattern, info->app, info->name, info->type))
		return 0;
	entry = find_ended(l, info);
	if (entry && is_older(record, entry))
		return 0;
	entry = entry ? entry : add_entry(l);
	if (!entry)
		return no_memory(look->err);
	*entry = (struct entry){.facts = record->facts, .gen = record->gen};
	if (members_keep(&statefile_table, &entry->facts, &l->arena) < 0)
		return no_memory(look->err);
	return 0;
}

/* Return: 0; -errno: of the records, after which the places can still be told. */
static int see_records(struct listing *l, struct dyno_err *err)
{
	struct look look = {.listing = l, .err = err};
	struct dyno_err ignored;
	struct store *store;

	l->first_of_app = l->n;
	statefile_boot_id(l->boot_id);
	/* Where there is no data directory there are no records. */
	if (host_store(l->host, &store, &ignored) < 0)
		return 0;
	return record_each(store, NULL, see_record, &look, err);
}

/* ---- order ---------------------------------------------------------------------------------- */

static int by_number(const struct entry *a, const struct entry *b)
{
	return (a->number > b->number) - (a->number < b->number);
}

static int compare_entries(const void *x, const void *y)
{
	const struct entry *a = x;
	const struct entry *b = y;
	int r = strcmp(a->facts.info.app, b->facts.info.app);

	r = r ? r : strcmp(a->facts.info.type, b->facts.info.type);
	r = r ? r : by_number(a, b);
	return r ? r : strcmp(a->facts.info.name, b->facts.info.name);
}

/* Of one name the place before the record. */
static int compare_names(const void *x, const void *y)
{
	const struct entry *a = x;
	const struct entry *b = y;
	int r = strcmp(a->facts.info.app, b->facts.info.app);

	r = r ? r : strcmp(a->facts.info.name, b->facts.info.name);
	return r ? r : b->place - a->place;
}

static bool is_wanted(const struct listing *l, const struct entry *entry)
{
	int state = sup_state_find(entry->facts.info.state);

	if ((entry->place && !entry->facts.info.kept) || (l->flags & DYNO_EACH_ENDED))
		return true;
	return (state == SUP_CRASHED || state == SUP_FAILED) &&
	       str_eq(entry->facts.boot_id, l->boot_id);
}

/* One entry a dyno, and only the wanted ones, in the order in which they are told. */
static void arrange(struct listing *l)
{
	const struct entry *last = NULL;
	size_t kept = 0;

	if (l->n == 0)
		return;
	qsort(l->entries, l->n, sizeof(l->entries[0]), compare_names);
	for (size_t i = 0; i < l->n; i++) {
		struct entry *entry = &l->entries[i];
		char type[STATE_NAME_BYTES];

		if (last && str_eq(last->facts.info.app, entry->facts.info.app) &&
		    str_eq(last->facts.info.name, entry->facts.info.name))
			continue;
		if (name_split_dyno(entry->facts.info.name, type, sizeof(type), &entry->number) < 0)
			entry->number = 0;
		l->entries[kept] = *entry;
		last = &l->entries[kept];
		kept += is_wanted(l, entry);
	}
	l->n = kept;
	qsort(l->entries, l->n, sizeof(l->entries[0]), compare_entries);
}

/* ---- telling -------------------------------------------------------------------------------- */

static int tell(const struct entry *entry, dyno_info_fn fn, void *data)
{
	struct dyno_info info = entry->facts.info;
	int state = sup_state_find(info.state);

	info.live = entry->alive;
	if (entry->alive) {
		if (state == SUP_STARTING || state == SUP_UP || state == SUP_STOPPING)
			info.pid = mainpid_of(info.init_pid);
		return fn(data, &info);
	}
	/* What it had is nobody's, or another's by now. */
	info.init_pid = 0;
	info.monitor_pid = 0;
	info.port = 0;
	info.address = NULL;
	info.address6 = NULL;
	info.published = NULL;
	info.next_try_us = 0;
	return fn(data, &info);
}

static int list(struct listing *l, dyno_info_fn fn, void *data, struct dyno_err *err)
{
	int r = see_places(l, err);
	int failed;

	if (r == 0)
		r = read_places(l, err);
	if (r < 0)
		return r;
	failed = see_records(l, err);
	arrange(l);
	for (size_t i = 0; i < l->n && r == 0; i++)
		r = tell(&l->entries[i], fn, data);
	return r ? r : failed;
}

DYNO_PUBLIC int dyno_each(struct dyno_host *host, const char *pattern, unsigned int flags,
			  dyno_info_fn fn, void *data, struct dyno_err *err)
{
	struct listing l = {.host = host, .pattern = pattern, .flags = flags};
	int r = list(&l, fn, data, err);

	arena_done(&l.arena);
	return r;
}
