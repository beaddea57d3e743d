/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record_event.c - the events of an app's dynos: two files of lines, the older one in events.1.
 * Both change only under the lock on the live one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <dyno.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/record.h"
#include "engine/record_dir.h"

/* ---- adding --------------------------------------------------------------------------------- */

static void turn_over(const char *app, struct linefile *file)
{
	char old[LINEFILE_PATH_BYTES];

	if (record_path(app, RECORD_EVENTS_OLD, old, sizeof(old)) == 0)
		(void)linefile_turn(file, old); /* the event is kept; the next one tries again */
}

int record_event(struct store *store, const char *app, const char *json, size_t len)
{
	_cleanup_sbuf_ struct sbuf line = {0};
	struct linefile file = LINEFILE_INIT;
	int r;

	if (memchr(json, '\n', len) || memchr(json, '\0', len))
		return -EINVAL; /* it would be two */
	sbuf_add(&line, json, len);
	sbuf_addc(&line, '\n');
	if (sbuf_ok(&line) < 0)
		return -ENOMEM;
	r = record_open(store, app, RECORD_EVENTS, &file);
	if (r == 0)
		r = linefile_append(&file, line.data, line.len);
	if (r == 0 && file.size_bytes > RECORD_EVENTS_BYTES)
		turn_over(app, &file);
	linefile_close(&file);
	return r;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int open_events(struct store *store, const char *app, const char *name)
{
	char path[LINEFILE_PATH_BYTES];
	int r = record_path(app, name, path, sizeof(path));
	int fd;

	if (r < 0)
		return r;
	fd = openat(store->data_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool is_same(int a_fd, int b_fd)
{
	struct stat a;
	struct stat b;

	return fstat(a_fd, &a) == 0 && fstat(b_fd, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

struct event_walk {
	struct store *store;
	dyno_event_fn fn;
	void *data;
	struct dyno_err *err;
};

/* @fd: -ENOENT: no such file, which is no error. */
static int tell_events(const struct event_walk *walk, const char *app, int fd)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = fd < 0 ? fd : linefile_read_fd(fd, &text, &len);

	if (r < 0)
		return r == -ENOENT ? 0 : record_failed(walk->store, app, r, "read", walk->err);
	for (const char *line = text; r == 0 && line < text + len; line += strlen(line) + 1)
		if (*line)
			r = walk->fn(walk->data, line);
	return r;
}

/* The live file is opened first: turned over in between, it is what stands in the other's place. */
static int each_of_app(void *data, const char *app)
{
	const struct event_walk *walk = data;
	_cleanup_close_ int fd = open_events(walk->store, app, RECORD_EVENTS);
	_cleanup_close_ int old_fd = open_events(walk->store, app, RECORD_EVENTS_OLD);
	int r = 0;

	if (!is_same(fd, old_fd))
		r = tell_events(walk, app, old_fd);
	return r ? r : tell_events(walk, app, fd);
}

int record_each_event(struct store *store, const char *app, dyno_event_fn fn, void *data,
		      struct dyno_err *err)
{
	struct event_walk walk = {.store = store, .fn = fn, .data = data, .err = err};

	return app ? each_of_app(&walk, app) : record_each_app(store, each_of_app, &walk, err);
}

#define KEY(name, field) MEMBER(struct event_key, name, field)

static const struct member members[] = {
	KEY("time", time),
	KEY("app", app),
	KEY("dyno", dyno),
};

static const struct member_table key_table = {members, ARRAY_SIZE(members)};

int record_event_key(const char *json, struct arena *arena, struct event_key *ret)
{
	struct event_key key = {0};
	const struct member_set set = {&key_table, &key};
	int r = members_read(json, strlen(json), 0, &set, 1, arena);

	if (r < 0)
		return r;
	if (!key.time || !key.app || !key.dyno)
		return -EINVAL;
	*ret = key;
	return 0;
}

/* ---- forgetting ----------------------------------------------------------------------------- */

static bool is_of_another(void *data, const char *text, size_t len)
{
	_cleanup_arena_ struct arena arena = {0};
	const char *const *dyno = data;
	struct event_key key;

	return len > 0 && !(record_event_key(text, &arena, &key) == 0 && str_eq(key.dyno, *dyno));
}

static int forget_in(struct store *store, const char *path, const char *dyno)
{
	struct linefile file = LINEFILE_INIT;
	int r = linefile_open(store->data_fd, path, false, &file);

	if (r == 0)
		r = linefile_filter(&file, is_of_another, &dyno);
	linefile_close(&file);
	return r == -ENOENT ? 0 : r;
}

int record_forget_events(struct store *store, const char *app, const char *dyno)
{
	struct linefile live = LINEFILE_INIT;
	char path[LINEFILE_PATH_BYTES];
	char old[LINEFILE_PATH_BYTES];
	int r;

	r = record_path(app, RECORD_EVENTS, path, sizeof(path));
	if (r == 0)
		r = record_path(app, RECORD_EVENTS_OLD, old, sizeof(old));
	if (r == 0)
		r = linefile_open(store->data_fd, path, false, &live);
	if (r < 0 && r != -ENOENT)
		return r;
	/* Held meanwhile, the live one cannot be turned over the other. */
	r = forget_in(store, old, dyno);
	if (r >= 0 && live.fd >= 0)
		r = linefile_filter(&live, is_of_another, &dyno);
	linefile_close(&live);
	return r < 0 ? r : 0;
}
