/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/slot.h"

/* Tries at a directory that its last owner is removing at the same time. */
#define CLAIM_TRIES 64
/* Dynos of one type in one app; a bound for the search, above any limit of the platform.
 * Source: contract 6.13, 255 */
#define TYPE_MAX 10000U
/* Tries at random one-off names: with 9,000 names even 8,000 live ones leave one miss in 10^5. */
#define ONEOFF_TRIES 128
/* "APP/DYNO" */
#define PLACE_BYTES (2 * STATE_NAME_BYTES)

/*
 * Return: a locked descriptor; -EWOULDBLOCK: it is alive; -ENOENT, -ESTALE: gone meanwhile.
 */
static int open_locked(int run_fd, const char *place)
{
	_cleanup_close_ int fd =
		openat(run_fd, place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	if (!path_leads_to(run_fd, place, fd))
		return -ESTALE;
	return take_fd(&fd);
}

static int make_place(int run_fd, const char *app, const char *place, bool *ret_made)
{
	*ret_made = false;
	if (mkdirat(run_fd, place, 0700) == 0) {
		*ret_made = true;
		return 0;
	}
	if (errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -errno;
	if (mkdirat(run_fd, app, 0700) < 0 && errno != EEXIST)
		return -errno;
	return -EAGAIN;
}

static int flock_wait(int fd, int how)
{
	int r;

	do
		r = flock(fd, how);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/*
 * A collector locks what it looks at, which must not be taken for a live dyno.  It holds the run
 * directory's own lock meanwhile: whoever has that in part looks at a moment without one.
 * Return: as open_locked(), but -EEXIST: it is alive.
 */
static int open_without_collector(int run_fd, const char *place)
{
	_cleanup_close_ int fd = openat(run_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : flock_wait(fd, LOCK_SH);

	if (r == 0)
		r = open_locked(run_fd, place);
	return r == -EWOULDBLOCK ? -EEXIST : r;
}

static void set_names(struct state *s, const char *app, const char *dyno)
{
	str_fmt(s->app, sizeof(s->app), "%s", app);
	str_fmt(s->dyno, sizeof(s->dyno), "%s", dyno);
}

/* How a claimer opens a place: -EEXIST where a live dyno has it. */
static int open_claimed(int run_fd, const char *place)
{
	int r = open_locked(run_fd, place);

	return r == -EWOULDBLOCK ? open_without_collector(run_fd, place) : r;
}

/*
 * Makes the place where it is missing and locks it by @open_place, again where somebody removed
 * it in between.  Return: 0, or -errno of @open_place.
 */
static int take(int run_fd, const char *app, const char *dyno,
		int (*open_place)(int run_fd, const char *place), struct state *ret,
		bool *ret_remains)
{
	char place[PLACE_BYTES];
	int tries;
	int r = -EBUSY;

	str_fmt(place, sizeof(place), "%s/%s", app, dyno);
	for (tries = 0; tries < CLAIM_TRIES; tries++) {
		bool made;

		r = make_place(run_fd, app, place, &made);
		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return r;
		r = open_place(run_fd, place);
		if (r == -ENOENT || r == -ESTALE)
			continue;
		if (r < 0)
			return r;
		*ret = (struct state){.run_fd = run_fd, .dir_fd = r};
		set_names(ret, app, dyno);
		*ret_remains = !made;
		return 0;
	}
	return r;
}

/* Return: 0; -EEXIST: a live dyno has it; -errno. */
static int claim(int run_fd, const char *app, const char *dyno, struct state *ret,
		 bool *ret_remains)
{
	return take(run_fd, app, dyno, open_claimed, ret, ret_remains);
}

static int claim_failed(int r, const char *app, const char *dyno, struct dyno_err *err)
{
	if (r == -EEXIST) {
		err_set(err, ERR_NAME_TAKEN, EEXIST, "start the dyno %s of the app %s", dyno, app);
		err_hint(err, "choose another --name, or stop the one that runs: `dyno stop`, or "
			      "`dyno rm` where its files are kept");
		return r;
	}
	err_set(err, ERR_RUN_DIR, -r, "make the directory of the dyno %s/%s", app, dyno);
	if (r == -ENOSPC || r == -EROFS || r == -EACCES)
		err_hint(err, "choose another place with --run-dir");
	return r;
}

int state_claim(int run_fd, const char *app, const char *dyno, struct state *ret, bool *ret_remains,
		struct dyno_err *err)
{
	int r = claim(run_fd, app, dyno, ret, ret_remains);

	return r < 0 ? claim_failed(r, app, dyno, err) : 0;
}

int state_claim_type(int run_fd, const char *app, const char *type, struct state *ret,
		     bool *ret_remains, struct dyno_err *err)
{
	char dyno[STATE_NAME_BYTES];
	unsigned int n;
	int r = -EEXIST;

	for (n = 1; n <= TYPE_MAX && r == -EEXIST; n++) {
		if (str_fmt(dyno, sizeof(dyno), "%s.%u", type, n) >= sizeof(dyno))
			return err_set(err, ERR_NAME, ENAMETOOLONG, "name a dyno of the type %s",
				       type);
		r = claim(run_fd, app, dyno, ret, ret_remains);
	}
	return r < 0 ? claim_failed(r, app, dyno, err) : 0;
}

int state_claim_oneoff(int run_fd, const char *app, struct state *ret, bool *ret_remains,
		       struct dyno_err *err)
{
	char dyno[STATE_NAME_BYTES] = "run";
	int tries;
	int r = -EEXIST;

	for (tries = 0; tries < ONEOFF_TRIES && r == -EEXIST; tries++) {
		str_fmt(dyno, sizeof(dyno), "run.%u", (unsigned int)(1000 + slot_random(9000)));
		r = claim(run_fd, app, dyno, ret, ret_remains);
	}
	return r < 0 ? claim_failed(r, app, dyno, err) : 0;
}

/* What a monitor of another version may have left in its place. */
static void empty_place(const struct state *s)
{
	_cleanup_close_ int app_fd =
		openat(s->run_fd, s->app, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (app_fd >= 0)
		(void)path_remove_tree(app_fd, s->dyno); /* what stays is gc's */
}

void state_release(struct state *s)
{
	char place[PLACE_BYTES];

	if (s->dir_fd < 0)
		return;
	str_fmt(place, sizeof(place), "%s/%s", s->app, s->dyno);
	/* Still locked: a newcomer that waits at the name sees ESTALE and makes it anew. */
	if (unlinkat(s->run_fd, place, AT_REMOVEDIR) < 0 && errno == ENOTEMPTY)
		empty_place(s);
	(void)unlinkat(s->run_fd, s->app, AT_REMOVEDIR); /* not empty: other dynos live */
	close_fdp(&s->dir_fd);
}

static int each_of(int run_fd, const char *app, state_place_fn fn, void *data)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	int r = dir_open(run_fd, app, &dir);

	if (r < 0)
		return r == -ENOENT || r == -ENOTDIR ? 0 : r;
	while ((name = dir_next_name(&dir))) {
		struct state s = STATE_INIT;
		char place[PLACE_BYTES];

		if (str_fmt(place, sizeof(place), "%s/%s", app, name) >= sizeof(place))
			continue; /* no name of ours is so long */
		r = open_locked(run_fd, place);
		if (r < 0 && r != -EWOULDBLOCK)
			continue; /* gone, or no directory */
		s = (struct state){.run_fd = run_fd, .dir_fd = r < 0 ? -EBADF : r};
		set_names(&s, app, name);
		r = fn(data, &s, r < 0);
		close_fdp(&s.dir_fd);
		if (r)
			return r;
	}
	return 0;
}

int state_collect_begin(int run_fd, int *ret_fd, struct dyno_err *err)
{
	_cleanup_close_ int fd = openat(run_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : flock_wait(fd, LOCK_EX);

	if (r < 0)
		return err_set(err, ERR_RUN_DIR, -r, "lock the run directory");
	*ret_fd = take_fd(&fd);
	return 0;
}

int state_each(int run_fd, state_place_fn fn, void *data, struct dyno_err *err)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const struct dirent *e;
	int r = dir_open(run_fd, ".", &dir);

	if (r < 0)
		return err_set(err, ERR_RUN_DIR, -r, "read the run directory");
	while ((e = dir_next(&dir))) {
		if (e->d_type == DT_REG || e->d_type == DT_SOCK)
			continue;
		r = each_of(run_fd, e->d_name, fn, data);
		if (r > 0)
			return r;
		if (r < 0)
			return err_set(err, ERR_RUN_DIR, -r, "read the run directory of %s",
				       e->d_name);
		(void)unlinkat(run_fd, e->d_name, AT_REMOVEDIR); /* only if it is empty now */
	}
	return 0;
}

struct dead_walk {
	state_fn fn;
	void *data;
};

static int tell_dead(void *data, struct state *state, bool alive)
{
	const struct dead_walk *walk = data;

	return alive ? 0 : walk->fn(walk->data, state);
}

int state_each_dead(int run_fd, state_fn fn, void *data, struct dyno_err *err)
{
	struct dead_walk walk = {.fn = fn, .data = data};

	return state_each(run_fd, tell_dead, &walk, err);
}

int state_take_dead(int run_fd, const char *app, const char *dyno, struct state *ret,
		    bool *ret_remains)
{
	int r = take(run_fd, app, dyno, open_locked, ret, ret_remains);

	if (r == -EWOULDBLOCK)
		return 0;
	return r < 0 ? r : 1;
}

int state_tag(int run_fd, char tag[STATE_TAG_BYTES])
{
	uint32_t hash = 2166136261U; /* FNV-1a, 32 bits */
	uint64_t words[2];
	const unsigned char *p;
	struct stat st;
	size_t i;

	if (fstat(run_fd, &st) < 0)
		return -errno;
	words[0] = st.st_dev;
	words[1] = st.st_ino;
	p = (const unsigned char *)words;
	for (i = 0; i < sizeof(words); i++)
		hash = (hash ^ p[i]) * 16777619U;
	str_fmt(tag, STATE_TAG_BYTES, "%08x", hash);
	return 0;
}

void state_adopt(int run_fd, const char *app, const char *dyno, int dir_fd, struct state *ret)
{
	*ret = (struct state){.run_fd = run_fd, .dir_fd = dir_fd};
	set_names(ret, app, dyno);
}

void state_leaf_name(const char *app, const char *dyno, uint32_t gen, const char *tag, char *buf,
		     size_t size)
{
	str_fmt(buf, size, "%s@%s@%u.%s", app, dyno, gen, tag);
}

int state_leaf_split(const char *leaf, const char *tag, char app[STATE_NAME_BYTES],
		     char dyno[STATE_NAME_BYTES])
{
	const char *at = strchr(leaf, '@');
	const char *gen = at ? strchr(at + 1, '@') : NULL;
	const char *dot = gen ? strchr(gen, '.') : NULL;

	if (!dot || !str_eq(dot + 1, tag))
		return -EINVAL;
	if (at - leaf >= (ptrdiff_t)STATE_NAME_BYTES || gen - at - 1 >= (ptrdiff_t)STATE_NAME_BYTES)
		return -EINVAL;
	str_fmt(app, STATE_NAME_BYTES, "%.*s", (int)(at - leaf), leaf);
	str_fmt(dyno, STATE_NAME_BYTES, "%.*s", (int)(gen - at - 1), at + 1);
	return 0;
}
