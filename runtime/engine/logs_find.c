/* SPDX-License-Identifier: Apache-2.0 */
/* logs_find.c - from what a user says to an app and to dynos that have a log. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/nearest.h"
#include "base/str.h"
#include "engine/logs.h"
#include "model/pattern.h"

#define LOG_SUFFIX   ".log"
#define OLDER_SUFFIX ".log.1"

/* Names of apps in a refusal, as far as they fit; the rest are counted. */
#define NAMES_BYTES 160

int logs_dir(struct store *store, const char *app)
{
	_cleanup_close_ int logs_fd =
		openat(store->data_fd, LOGS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int fd;

	if (logs_fd < 0)
		return -errno;
	fd = openat(logs_fd, app, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A file does not say its dyno's type: it is that of the name. */
static bool matches(const struct log_choice *choice, const char *pattern, const char *app,
		    const char *dyno)
{
	char type[NAME_BYTES];
	uint32_t number;

	if (choice->loose && str_eq(pattern, app))
		return true;
	if (name_split_dyno(dyno, type, sizeof(type), &number) < 0)
		str_fmt(type, sizeof(type), "%s", dyno);
	return pattern_match(pattern, app, dyno, type);
}

bool logs_is_meant(const struct log_choice *choice, const char *app, const char *dyno)
{
	for (size_t i = 0; i < choice->n_patterns; i++) {
		if (matches(choice, choice->patterns[i], app, dyno))
			return true;
	}
	return choice->n_patterns == 0;
}

/* The dyno whose log bears a name. False: none's does. */
static bool dyno_of(const char *file, char dyno[NAME_BYTES])
{
	size_t len = strlen(file);

	if (str_ends(file, LOG_SUFFIX))
		len -= STRLEN(LOG_SUFFIX);
	else if (str_ends(file, OLDER_SUFFIX))
		len -= STRLEN(OLDER_SUFFIX);
	else
		return false;
	if (len >= NAME_BYTES)
		return false;
	str_fmt(dyno, NAME_BYTES, "%.*s", (int)len, file);
	return name_check_dyno(dyno, NULL) == 0;
}

int logs_each(int dir_fd, logs_each_fn fn, void *data)
{
	struct dir dir = DIR_INIT;
	char dyno[NAME_BYTES];
	const char *name;
	int r = dir_open(dir_fd, ".", &dir);

	while (r == 0 && (name = dir_next_name(&dir))) {
		if (dyno_of(name, dyno))
			r = fn(data, dyno);
	}
	dir_done(&dir);
	return r;
}

/* ---- the app --------------------------------------------------------------------------------- */

/** struct guess - what may have been meant. @name: the best: names that are offered do not last */
struct guess {
	struct nearest near;
	char name[2 * NAME_BYTES];
};

/**
 * struct search - one walk over all apps.
 * @n, @names: apps that are meant; @found: the first of them
 * @dyno: what the first pattern may have meant, an app's name before a '/' where it has one
 * @other: which app may have been meant, if there is none of the name
 * @here: whether @app, which is looked at, is meant
 */
struct search {
	const struct log_choice *choice;
	struct guess dyno;
	struct guess other;
	char found[NAME_BYTES];
	char names[NAMES_BYTES];
	size_t n;
	const char *app;
	bool here;
};

static void guess_offer(struct guess *guess, const char *name)
{
	const char *before = guess->near.best;

	nearest_offer(&guess->near, name);
	if (guess->near.best == before)
		return;
	str_fmt(guess->name, sizeof(guess->name), "%s", name);
	guess->near.best = guess->name;
}

static void offer(struct search *s, const char *name)
{
	char whole[2 * NAME_BYTES];
	bool has_app = strchr(s->dyno.near.word, '/');

	str_fmt(whole, sizeof(whole), "%s%s%s", has_app ? s->app : "", has_app ? "/" : "", name);
	guess_offer(&s->dyno, whole);
}

static int look_at_dyno(void *data, const char *dyno)
{
	struct search *s = data;

	char type[NAME_BYTES];
	uint32_t number;

	if (logs_is_meant(s->choice, s->app, dyno)) {
		s->here = true;
		return 0;
	}
	offer(s, dyno);
	if (name_split_dyno(dyno, type, sizeof(type), &number) == 0)
		offer(s, type);
	return 0;
}

static void add_name(struct search *s, const char *app)
{
	size_t len = strlen(s->names);

	if (s->n == 0)
		str_fmt(s->found, sizeof(s->found), "%s", app);
	s->n++;
	if (len + strlen(app) + STRLEN(", ...") < sizeof(s->names))
		str_fmt(s->names + len, sizeof(s->names) - len, "%s%s", len ? ", " : "", app);
	else if (!str_ends(s->names, "..."))
		str_fmt(s->names + len, sizeof(s->names) - len, "%s", "...");
}

static void look_at_app(struct search *s, struct store *store, const char *app)
{
	_cleanup_close_ int fd = -EBADF;

	if (name_check_app(app, NULL) < 0)
		return;
	if (s->choice->app && !str_eq(s->choice->app, app)) {
		guess_offer(&s->other, app);
		return;
	}
	fd = logs_dir(store, app);
	if (fd < 0)
		return;
	s->app = app;
	s->here = false;
	s->other.near.best = NULL; /* it is no slip */
	s->other.near.word = "";
	(void)logs_each(fd, look_at_dyno, s); /* what cannot be listed has no log to be read */
	if (s->here)
		add_name(s, app);
	else if (s->choice->loose)
		guess_offer(&s->dyno, app);
}

static int search(struct search *s, struct store *store, struct dyno_err *err)
{
	struct dir dir = DIR_INIT;
	const char *name;
	int r = dir_open(store->data_fd, LOGS_DIR, &dir);

	if (r < 0)
		return r == -ENOENT
			       ? 0
			       : err_set(err, ERR_IO, -r, "read %s/" LOGS_DIR, store->data_dir);
	while ((name = dir_next_name(&dir)))
		look_at_app(s, store, name);
	dir_done(&dir);
	return 0;
}

static int refuse_several(const struct search *s, struct dyno_err *err)
{
	const struct log_choice *choice = s->choice;

	if (choice->n_patterns > 1)
		(void)err_set(err, ERR_USAGE, 0, "these names mean logs of several apps: %s",
			      s->names);
	else if (choice->n_patterns > 0)
		(void)err_set(err, ERR_USAGE, 0, "\"%s\" names logs of several apps: %s",
			      choice->patterns[0], s->names);
	else
		(void)err_set(err, ERR_USAGE, 0, "there are logs of several apps: %s", s->names);
	err_hint(err, "say which one: -a APP, or APP/");
	return -EINVAL;
}

/* As of "--tail 50", which is another command's. */
static bool is_number(const char *pattern)
{
	return pattern[0] && pattern[strspn(pattern, "0123456789")] == '\0';
}

static int refuse_unknown(const struct search *s, struct dyno_err *err)
{
	const struct log_choice *choice = s->choice;
	const char *of = choice->app ? " of app " : "", *app = choice->app ? choice->app : "";

	if (choice->n_patterns > 0)
		(void)err_set(err, ERR_NOT_FOUND, 0, "no log of \"%s\"%s%s", choice->patterns[0],
			      of, app);
	else
		(void)err_set(err, ERR_NOT_FOUND, 0, "no log%s%s", of, app);
	if (s->other.near.best)
		err_hint(err, "did you mean -a %s?", s->other.near.best);
	else if (s->dyno.near.best)
		err_hint(err, "did you mean %s?", s->dyno.near.best);
	else if (choice->n_patterns > 0 && is_number(choice->patterns[0]))
		err_hint(err, "-n %s for so many lines", choice->patterns[0]);
	else
		err_hint(err, "kept are those of dyno start --detach and dyno run --detach");
	return -ENOENT;
}

int logs_find_app(struct store *store, struct log_choice *choice, char *app, struct dyno_err *err)
{
	struct search s = {.choice = choice};
	int r;

	for (int loose = 0; loose < 2 && s.n == 0; loose++) {
		s.dyno.near =
			(struct nearest){.word = choice->n_patterns ? choice->patterns[0] : ""};
		s.other.near = (struct nearest){.word = choice->app ? choice->app : ""};
		choice->loose = loose > 0;
		r = search(&s, store, err);
		if (r < 0)
			return r;
	}
	if (s.n > 1)
		return refuse_several(&s, err);
	if (s.n == 0)
		return refuse_unknown(&s, err);
	str_fmt(app, NAME_BYTES, "%s", s.found);
	return 0;
}
