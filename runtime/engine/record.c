/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "engine/record_dir.h"
#include "engine/sink.h"
#include "model/name.h"

#define RECORD_SCHEMA 1

/* A file with fewer bytes cannot hold too many records: one has this many at least.
 * Source: the names of its members alone */
#define RECORD_MIN_BYTES 300U
/* A manifest that no record names belongs to an end that is being recorded, or never will be.
 * Source: own choice, far above the time between the two */
#define ORPHAN_S 3600

/* How the record of a one-off says that it is one. Source: statefile.c, json_bool() */
#define ONEOFF_MEMBER	  "\"oneoff\":true"

#define KEPT(name, field) MEMBER(struct record, name, field)

static const struct member members[] = {
	KEPT("gen", gen),	    KEPT("ended_us", ended_us), KEPT("up_ms", up_ms),
	KEPT("written", written),   KEPT("files", files),	KEPT("bytes", bytes),
	KEPT("manifest", manifest),
};

static const struct member_table record_table = {members, ARRAY_SIZE(members)};

/* ---- one record as a line ------------------------------------------------------------------- */

static void format_record(const struct record *record, struct sbuf *b)
{
	struct record with = *record;

	if (with.manifest && !*with.manifest)
		with.manifest = NULL;
	json_open(b, NULL, '{');
	json_u64(b, "schema", RECORD_SCHEMA);
	members_write(&statefile_table, &with.facts, b);
	members_write(&record_table, &with, b);
	json_close(b, '}');
	sbuf_addc(b, '\n');
}

static int parse_record(const char *text, size_t len, struct arena *arena, struct record *ret)
{
	const struct member_set sets[] = {
		{&statefile_table, &ret->facts},
		{&record_table, ret},
	};
	int r;

	*ret = (struct record){0};
	r = members_read(text, len, RECORD_SCHEMA, sets, ARRAY_SIZE(sets), arena);
	if (r < 0)
		return r;
	if (!ret->facts.info.app || !ret->facts.info.name || !ret->facts.info.type ||
	    !ret->facts.info.state)
		return -EINVAL;
	if (!ret->manifest)
		ret->manifest = "";
	return 0;
}

/* ---- manifests ------------------------------------------------------------------------------ */

static void remove_manifest(struct store *store, const char *app, const char *manifest)
{
	char path[LINEFILE_PATH_BYTES];

	/* What stands in a file leads to no other file than a manifest. */
	if (!str_starts(manifest, RECORD_MANIFEST) || strchr(manifest, '/'))
		return;
	if (record_path(app, manifest, path, sizeof(path)) == 0)
		(void)unlinkat(store->data_fd, path, 0); /* what stays is an orphan */
}

/**
 * struct prune - which records of an app stay.
 * @dyno: all but those of this one; NULL: the last ones of all
 * @beyond: how many go, from the beginning
 * @named: manifests of those that stay, one behind the other with their NULs; @gone: of the others
 * @ended: names of one-offs whose records go, in the same form; @known: of dynos that have later ones
 */
struct prune {
	struct store *store;
	const char *app;
	const char *dyno;
	int64_t beyond;
	struct sbuf named;
	struct sbuf gone;
	struct sbuf ended;
	struct sbuf known;
};

/* Most lines need not be understood to be dropped: those of one-offs have a log besides, and what
 * follows them may be of the same. */
static bool is_plain(const struct prune *p, const char *text)
{
	return !p->dyno && p->ended.len == 0 && !strstr(text, "\"" RECORD_MANIFEST) &&
	       !strstr(text, ONEOFF_MEMBER);
}

static void add_name(struct sbuf *names, const char *name)
{
	sbuf_add(names, name, strlen(name) + 1);
}

static bool prune_keep(void *data, const char *text, size_t len)
{
	struct prune *p = data;
	_cleanup_arena_ struct arena arena = {0};
	struct record record;
	bool known = !is_plain(p, text) && parse_record(text, len, &arena, &record) == 0;
	bool keep = p->dyno ? len > 0 && !(known && str_eq(record.facts.info.name, p->dyno))
			    : p->beyond-- <= 0;

	if (known && *record.manifest)
		add_name(keep ? &p->named : &p->gone, record.manifest);
	if (known && !p->dyno && (keep || record.facts.info.oneoff))
		add_name(keep ? &p->known : &p->ended, record.facts.info.name);
	return keep;
}

static bool is_among(const struct sbuf *names, const char *name)
{
	const char *end = sbuf_str(names) + names->len;

	for (const char *m = sbuf_str(names); m < end; m += strlen(m) + 1)
		if (str_eq(m, name))
			return true;
	return false;
}

/* A one-off of four random digits never comes again: its log would stay for ever.  That of one that
 * lives, under a name that was used before, is left alone. */
static void remove_logs(const struct prune *p)
{
	const char *end = sbuf_str(&p->ended) + p->ended.len;

	if (sbuf_ok(&p->ended) < 0 || sbuf_ok(&p->known) < 0)
		return;
	for (const char *m = sbuf_str(&p->ended); m < end; m += strlen(m) + 1)
		if (name_check_dyno(m, NULL) == 0 && !is_among(&p->known, m))
			(void)sink_remove_ended(p->store, p->app, m); /* dyno rm does it too */
}

static void sweep_orphans(const struct prune *p)
{
	struct dir dir = DIR_INIT;
	char path[LINEFILE_PATH_BYTES];
	time_t now = time(NULL);
	const char *name;
	struct stat st;

	str_fmt(path, sizeof(path), RECORD_DIR "/%s", p->app);
	if (dir_open(p->store->data_fd, path, &dir) < 0)
		return;
	while ((name = dir_next_name(&dir))) {
		if (!str_starts(name, RECORD_MANIFEST) || is_among(&p->named, name))
			continue;
		if (fstatat(dir.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime < now - ORPHAN_S)
			(void)unlinkat(dir.fd, name, 0); /* the next sweep tries again */
	}
	dir_done(&dir);
}

/* Return: records dropped, or -errno; then nothing has changed. */
static int prune(struct prune *p, struct linefile *file)
{
	int r = linefile_filter(file, prune_keep, p);
	const char *end = sbuf_str(&p->gone) + p->gone.len;

	if (r >= 0) {
		for (const char *m = sbuf_str(&p->gone); m < end; m += strlen(m) + 1)
			remove_manifest(p->store, p->app, m);
		if (sbuf_ok(&p->named) == 0)
			sweep_orphans(p);
		remove_logs(p);
	}
	sbuf_done(&p->named);
	sbuf_done(&p->gone);
	sbuf_done(&p->ended);
	sbuf_done(&p->known);
	return r;
}

static void compact(struct store *store, const char *app, struct linefile *file)
{
	struct prune p = {.store = store, .app = app};
	int64_t count;

	if (file->size_bytes < (uint64_t)2 * RECORD_KEEP * RECORD_MIN_BYTES)
		return;
	count = linefile_count(file);
	if (count <= (int64_t)2 * RECORD_KEEP)
		return;
	p.beyond = count - (int64_t)RECORD_KEEP;
	(void)prune(&p, file); /* the record is kept; the next one tries again */
}

int record_add(struct store *store, const struct record *record, struct dyno_err *err)
{
	const char *app = record->facts.info.app;
	_cleanup_sbuf_ struct sbuf b = {0};
	struct linefile file = LINEFILE_INIT;
	int r;

	format_record(record, &b);
	if (sbuf_ok(&b) < 0)
		return err_set(err, ERR_RECORD, ENOMEM, "record an end of the app %s", app);
	r = record_open(store, app, RECORD_EXITS, &file);
	if (r == 0)
		r = linefile_append(&file, b.data, b.len);
	if (r == 0)
		compact(store, app, &file);
	linefile_close(&file);
	return r < 0 ? record_failed(store, app, r, "add to", err) : 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* The beginning of the last lines, RECORD_KEEP of them at most. */
static const char *last_lines(const char *text, size_t len)
{
	unsigned int count = 0;

	for (size_t i = 0; i < len; i++)
		count += text[i] == '\0';
	for (; count > RECORD_KEEP; count--)
		text += strlen(text) + 1;
	return text;
}

static int each_of(struct store *store, const char *app, record_fn fn, void *data,
		   struct dyno_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[LINEFILE_PATH_BYTES];
	size_t len = 0;
	int r;

	r = record_path(app, RECORD_EXITS, path, sizeof(path));
	if (r == 0)
		r = linefile_read(store->data_fd, path, &text, &len);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return record_failed(store, app, r, "read", err);
	for (const char *line = last_lines(text, len); line < text + len;
	     line += strlen(line) + 1) {
		_cleanup_arena_ struct arena arena = {0};
		struct record record;

		r = parse_record(line, strlen(line), &arena, &record);
		if (r == -ENOMEM)
			return record_failed(store, app, r, "read", err);
		r = r < 0 ? 0 : fn(data, &record);
		if (r)
			return r;
	}
	return 0;
}

struct each_walk {
	struct store *store;
	record_fn fn;
	void *data;
	struct dyno_err *err;
};

static int each_of_app(void *data, const char *app)
{
	const struct each_walk *walk = data;

	return each_of(walk->store, app, walk->fn, walk->data, walk->err);
}

int record_each(struct store *store, const char *app, record_fn fn, void *data,
		struct dyno_err *err)
{
	struct each_walk walk = {.store = store, .fn = fn, .data = data, .err = err};

	return app ? each_of_app(&walk, app) : record_each_app(store, each_of_app, &walk, err);
}

/* ---- forgetting ----------------------------------------------------------------------------- */

static int forget_exits(struct store *store, const char *app, const char *dyno)
{
	struct prune p = {.store = store, .app = app, .dyno = dyno};
	struct linefile file = LINEFILE_INIT;
	char path[LINEFILE_PATH_BYTES];
	int r;

	r = record_path(app, RECORD_EXITS, path, sizeof(path));
	if (r == 0)
		r = linefile_open(store->data_fd, path, false, &file);
	if (r == 0)
		r = prune(&p, &file);
	linefile_close(&file);
	return r == -ENOENT ? 0 : r;
}

int record_forget(struct store *store, const char *app, const char *dyno, struct dyno_err *err)
{
	char path[LINEFILE_PATH_BYTES];
	int count = forget_exits(store, app, dyno);
	int r = count < 0 ? count : record_forget_events(store, app, dyno);

	if (r < 0)
		return record_failed(store, app, r, "remove from", err);
	str_fmt(path, sizeof(path), RECORD_DIR "/%s", app);
	(void)unlinkat(store->data_fd, path, AT_REMOVEDIR); /* only if it is empty now */
	return count;
}
