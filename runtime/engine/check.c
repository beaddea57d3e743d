/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - dyno_check(): what a start would find in a slug, said without starting anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <dyno.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "engine/host.h"
#include "engine/slug.h"
#include "model/name.h"

struct check {
	dyno_check_fn fn;
	void *data;
	int bad;
};

static void tell(struct check *c, enum dyno_verdict verdict, const char *file, unsigned int line,
		 const char *text)
{
	if (verdict > DYNO_WARN)
		c->bad++;
	c->fn(c->data, verdict, file, line, text);
}

static void check_types(struct check *c, const struct slug *slug, struct arena *arena)
{
	struct dyno_err err = {0};
	char dyno[NAME_BYTES];
	size_t i;

	if (slug->types.n == 0) {
		tell(c, DYNO_MISSING, "Procfile", 0,
		     "no process types: add a Procfile with a line such as \"web: ./server\"");
		return;
	}
	if (!proc_types_find(&slug->types, PROC_TYPE_WEB))
		tell(c, DYNO_WARN, "Procfile", 0,
		     "no web type: dyno run needs a TYPE or a COMMAND with this slug");
	for (i = 0; i < slug->types.n; i++) {
		const struct proc_type *t = &slug->types.items[i];
		char *text;

		if (name_format_dyno(t->name, 1, dyno, sizeof(dyno), &err) < 0) {
			text = arena_fmt(arena, "%s", err.msg);
			tell(c, DYNO_MISSING, "Procfile", t->line, text ? text : "a bad name");
			continue;
		}
		text = arena_fmt(arena, "%s: %s", t->name, t->command);
		tell(c, DYNO_OK, "Procfile", t->line, text ? text : t->name);
	}
}

/* Profile scripts that bash would silently pass by (contract 3.2). */
static void check_profile(struct check *c, const struct slug *slug)
{
	_cleanup_close_ int fd = open_beneath(slug->app_fd, ".profile.d", O_PATH, 0);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		tell(c, DYNO_WARN, ".profile.d", 0,
		     "not a directory: no profile script will be sourced");
}

DYNO_PUBLIC int dyno_check(struct dyno_host *host, const char *source, dyno_check_fn fn, void *data,
			   struct dyno_err *err)
{
	_cleanup_(store_entry_done) struct store_entry entry = STORE_ENTRY_INIT;
	_cleanup_(slug_done) struct slug slug = SLUG_INIT;
	_cleanup_arena_ struct arena arena = {0};
	struct check c = {.fn = fn, .data = data};
	const struct store_request req = {
		.source = source,
		.libexec_dir = host->libexec_dir,
		.progress = host->progress,
		.data = host->data,
	};
	struct store *store;
	size_t i;
	int r;

	r = host_store(host, &store, err);
	if (r == 0)
		r = store_acquire(store, &req, &entry, err);
	if (r == 0)
		r = slug_read(&entry, true, &arena, &slug, err);
	if (r < 0)
		return r;
	for (i = 0; i < slug.notes.n; i++)
		tell(&c, slug.notes.items[i].verdict, "Procfile", slug.notes.items[i].line,
		     slug.notes.items[i].text);
	check_types(&c, &slug, &arena);
	check_profile(&c, &slug);
	return c.bad;
}
