/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upper.c - the walk over an upper directory and its comparison with the lower layers.
 *
 * Theory of operation
 *
 * An upper directory holds what was created, copies of what was touched, whiteouts for what was
 * deleted, and directories on the way to these.  The walk lists each of its directories and looks
 * every name up in those lower layers that have the same directory; the same rules as the kernel's
 * decide which lower directories merge (fs/overlayfs/namei.c).  An opaque directory hides them: its
 * names are compared with what they would be, and afterwards the lower directories are listed for
 * what is gone.  A redirected directory takes its lower content from another path.
 *
 * The stack of levels holds no descriptor but numbers: the length of the path, the inode, the
 * offset in its listing.  It ends where a path would exceed PATH_MAX, and so needs no more than
 * PATH_MAX / 2 levels.  The lowest few are open; one that was closed meanwhile is opened again by
 * its path from the top, through no link, and must be the same inode.  No ".." is ever resolved:
 * a dyno that renames directories behind our back cannot lead the walk out of the tree.
 */
#include "rootfs/upper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "rootfs/upper_internal.h"

static void walk_freep(struct walk **w)
{
	if (!*w)
		return;
	for (size_t i = 0; i < WINDOW_LEVELS; i++)
		upper_slot_close(&(*w)->slot[i]);
	free(*w);
}

/* ---- levels ---------------------------------------------------------------------------------- */

/* Opens the lower directories of a level by their path. Return: 0 or -errno. */
static int open_lowers(struct walk *w, struct level *l, struct slot *s)
{
	char path[PATH_MAX];
	int r;

	w->path[l->path_len] = '\0';
	r = upper_path_in_lowers(w, l, w->path, path);
	if (r < 0)
		return l->lowers ? r : 0;
	for (unsigned int i = 0; i < w->opts->n_lowers; i++) {
		int fd;

		if (!(l->lowers & (1U << i)))
			continue;
		fd = upper_open_dir(w, w->opts->lowers[i].fd, *path ? path : ".", O_PATH);
		if (fd < 0)
			return fd == -ENOENT ? -ESTALE : fd; /* it was there a moment ago */
		s->lower_fd[i] = fd;
		if (upper_is_opaque(w, fd))
			l->lowers &= (uint8_t)((2U << i) - 1);
	}
	return 0;
}

/* Makes the last level's descriptors where they are not open. Return: the slot, or NULL with
 * *@ret_error. @fd: its directory, or negative to open it by its path; closed on failure. */
static struct slot *level_open(struct walk *w, int fd, int *ret_error)
{
	_cleanup_close_ int upper_fd = fd;
	struct level *l = &w->level[w->depth - 1];
	struct slot *s = &w->slot[(w->depth - 1) % WINDOW_LEVELS];
	struct statx stx;

	if (s->level == (int)w->depth - 1)
		return s;
	upper_slot_close(s);
	upper_slot_init(s);

	*ret_error = open_lowers(w, l, s);
	if (*ret_error == 0 && upper_fd < 0) {
		upper_fd = upper_open_dir(w, w->top_fd, l->path_len > 0 ? w->path : ".", O_RDONLY);
		*ret_error = upper_fd < 0 ? upper_fd : upper_stat_entry(upper_fd, ".", &stx);
		if (*ret_error == 0 && (!upper_same_mount(w, &stx) || stx.stx_ino != l->ino))
			*ret_error = -ESTALE;
		if (*ret_error == 0 && lseek(upper_fd, l->offset, SEEK_SET) < 0)
			*ret_error = -errno;
	}
	if (*ret_error < 0) {
		upper_slot_close(s);
		return NULL;
	}
	s->upper_fd = take_fd(&upper_fd);
	s->level = (int)w->depth - 1;
	return s;
}

static void level_leave(struct walk *w)
{
	struct slot *s = &w->slot[(w->depth - 1) % WINDOW_LEVELS];

	if (s->level == (int)w->depth - 1)
		upper_slot_close(s);
	w->depth--;
}

/* The listing of the upper, or of a lower one, has ended. Return: whether another one follows. */
static int level_next_phase(struct walk *w, struct level *l, struct slot *s)
{
	close_fdp(&s->list_fd);
	s->pos = s->len = 0;
	while (l->opaque && l->phase < w->opts->n_lowers) {
		unsigned int i = l->phase++;

		if (!(l->lowers & (1U << i)))
			continue;
		s->list_fd = upper_open_dir(w, s->lower_fd[i], ".", O_RDONLY);
		return s->list_fd < 0 ? s->list_fd : 1;
	}
	return 0;
}

/*
 * The next name of the listing.
 * Return: 1, 0 at its end, or -errno where it cannot be read on; a directory that was removed has
 * ended.
 */
static int next_name(struct level *l, struct slot *s, const char **ret)
{
	for (;;) {
		const struct dirent64 *d;
		ssize_t n;

		if (s->pos >= s->len) {
			n = getdents64(l->phase == 0 ? s->upper_fd : s->list_fd, s->list,
				       sizeof(s->list));
			if (n <= 0)
				return n == 0 || errno == ENOENT ? 0 : -errno;
			s->pos = 0;
			s->len = (size_t)n;
		}
		d = (const struct dirent64 *)(const void *)(s->list + s->pos);
		s->pos += d->d_reclen;
		l->offset = d->d_off;
		if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, "..")) {
			*ret = d->d_name;
			return 1;
		}
	}
}

/* ---- directories ----------------------------------------------------------------------------- */

/* The lower layers that merge at @path. Return: their bits. */
static uint8_t lowers_at(struct walk *w, const char *path, struct before *ret)
{
	struct before b = {0};

	for (unsigned int i = 0; i < w->opts->n_lowers; i++) {
		_cleanup_close_ int fd = -EBADF;
		struct statx stx;

		fd = upper_open_dir(w, w->opts->lowers[i].fd, path, O_PATH);
		if (fd == -ENOTDIR || fd == -ELOOP)
			break;
		if (fd < 0 || upper_stat_entry(fd, ".", &stx) < 0)
			continue;
		if (!b.found) {
			b.found = true;
			b.layer = i;
			b.stx = stx;
		}
		b.lowers |= (uint8_t)(1U << i);
		if (upper_is_opaque(w, fd))
			break;
	}
	*ret = b;
	return b.lowers;
}

/*
 * Looks whether a directory was moved, and notes where from.
 * Return: 1 when it was, 0, or -errno where it was but cannot be followed.
 */
static int find_move(struct walk *w, struct entry *e, int fd)
{
	char redirect[PATH_MAX];
	struct before from;
	struct move *m;
	ssize_t n;
	int r;

	if (w->opts->userxattr) /* the kernel does not follow what users may write */
		return 0;
	n = upper_mark_read(w, fd, ".", MARK_REDIRECT, redirect, sizeof(redirect) - 1);
	if (n <= 0)
		return n == -ERANGE ? -ENAMETOOLONG : 0;
	if (e->level->moves == MOVES_MAX)
		return -ELOOP;
	redirect[n] = '\0';
	m = &w->move[e->level->moves];
	r = upper_move_source(w, e, redirect, m->from);
	if (r < 0)
		return r;
	if (w->opts->n_lowers == 0)
		return 1;
	if (lowers_at(w, m->from, &from) == 0)
		return 0; /* it points to nothing: all of it is the upper's own */
	e->before = from;
	return 1;
}

/* Tells a directory that is there. */
static int tell_dir(struct walk *w, const struct entry *e, bool moved, bool merged)
{
	unsigned int what;

	if (moved)
		return upper_tell(w, e, UPPER_MOVED,
				  w->opts->n_lowers > 0 ? upper_compare(w, e) : 0,
				  w->move[e->level->moves].from);
	if (w->opts->n_lowers == 0)
		return merged ? 0 : upper_tell(w, e, UPPER_ADDED, 0, NULL);
	if (!e->before.found)
		return upper_tell(w, e, UPPER_ADDED, 0, NULL);
	what = upper_compare(w, e);
	return what ? upper_tell(w, e, UPPER_CHANGED, what, NULL) : 0;
}

/* Makes a told directory the one being listed. Takes @fd. */
static int descend(struct walk *w, const struct entry *e, bool moved, bool opaque, int fd)
{
	struct level *l = &w->level[w->depth];
	const size_t len = strlen(w->path);
	int r = 0;

	*l = (struct level){
		.ino = e->stx.stx_ino,
		.path_len = (uint16_t)len,
		.lowers = e->before.lowers,
		.moves = (uint8_t)(e->level->moves + moved),
		.opaque = opaque || (e->level->opaque && !moved),
	};
	if (moved)
		w->move[e->level->moves].path_len = (uint16_t)len;
	w->depth++;
	if (level_open(w, fd, &r))
		return 0;
	w->depth--;
	return upper_tell_unread(w, w->path, r);
}

static int handle_dir(struct walk *w, struct entry *e)
{
	_cleanup_close_ int fd = -EBADF;
	bool opaque, merged;
	int moved, r;

	fd = upper_open_name(w, e->slot->upper_fd, e->name);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return 0; /* gone, or replaced since its stat */
	if (fd < 0) {
		merged = upper_is_copy(w, e->slot->upper_fd, e->name);
		r = tell_dir(w, e, false, merged);
		return r != 0 ? r : upper_tell_unread(w, w->path, fd);
	}
	r = upper_stat_entry(fd, ".", &e->stx);
	if (r < 0)
		return upper_tell_unread(w, w->path, r);
	if (!upper_same_mount(w, &e->stx))
		return upper_tell_unread(w, w->path, -EXDEV);

	moved = find_move(w, e, fd);
	if (moved < 0)
		return upper_tell_unread(w, w->path, moved);
	opaque = !moved && upper_is_opaque(w, fd);
	merged = !opaque && upper_is_copy(w, fd, ".");
	r = tell_dir(w, e, moved, merged);
	return r != 0 ? r : descend(w, e, moved, opaque, take_fd(&fd));
}

/* ---- entries --------------------------------------------------------------------------------- */

static int handle_file(struct walk *w, const struct entry *e)
{
	unsigned int what;

	if (w->opts->n_lowers == 0)
		return upper_is_copy(w, e->slot->upper_fd, e->name)
			       ? upper_tell(w, e, UPPER_CHANGED, UPPER_WHAT_UNSURE, NULL)
			       : upper_tell(w, e, UPPER_ADDED, 0, NULL);
	if (!e->before.found)
		return upper_tell(w, e, UPPER_ADDED, 0, NULL);
	what = upper_compare(w, e);
	return what ? upper_tell(w, e, UPPER_CHANGED, what, NULL) : 0;
}

/* Below an opaque directory the listing of the lowers tells what is gone. */
static int handle_whiteout(struct walk *w, const struct entry *e)
{
	if (e->level->opaque || (w->opts->n_lowers > 0 && !e->before.found))
		return 0;
	return upper_tell_deleted(w, e);
}

/* A name that the upper has. */
static int handle_upper(struct walk *w, struct entry *e)
{
	int r;

	r = upper_stat_entry(e->slot->upper_fd, e->name, &e->stx);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return upper_level_unread(w, e->level, r);
	if (!upper_same_mount(w, &e->stx))
		return upper_tell_unread(w, w->path, -EXDEV);
	if (upper_is_whiteout(w, e->slot->upper_fd, e->name, &e->stx))
		return handle_whiteout(w, e);
	return S_ISDIR(e->stx.stx_mode) ? handle_dir(w, e) : handle_file(w, e);
}

/* A name that a lower below an opaque directory has: is it gone? */
static int handle_lower(struct walk *w, struct entry *e)
{
	const unsigned int layer = e->level->phase - 1U;
	int r;

	if (!e->before.found || e->before.layer != layer)
		return 0; /* it was told with the layer above, or was not there */
	r = upper_stat_entry(e->slot->upper_fd, e->name, &e->stx);
	if (r == 0 && !upper_is_whiteout(w, e->slot->upper_fd, e->name, &e->stx))
		return 0;
	if (r < 0 && r != -ENOENT)
		return upper_level_unread(w, e->level, r);
	return upper_tell_deleted(w, e);
}

static int handle_name(struct walk *w, struct level *l, struct slot *s, const char *name)
{
	struct entry e = {.level = l, .slot = s, .name = name};
	bool all;
	int r;

	if (!upper_path_join(w, l, name))
		return upper_level_unread(w, l, -ENAMETOOLONG);
	e.hidden = upper_is_hidden(w, &all);
	if (all)
		return 0;
	r = upper_look_below(w, l, s, name, &e.before);
	if (r < 0)
		return upper_level_unread(w, l, r);
	return l->phase == 0 ? handle_upper(w, &e) : handle_lower(w, &e);
}

/* One name of the last level, or its end. Return: 0, or what ends the walk. */
static int step(struct walk *w)
{
	struct level *l = &w->level[w->depth - 1];
	const char *name = NULL;
	struct slot *s;
	int r = 0;

	s = level_open(w, -EBADF, &r);
	if (!s) {
		level_leave(w);
		/* Something on the way was replaced, or moved while the kernel walked. */
		if (r == -ENOTDIR || r == -ELOOP || r == -EXDEV)
			r = -ESTALE;
		return r == -ENOENT ? 0 : upper_level_unread(w, l, r);
	}
	r = next_name(l, s, &name);
	if (r > 0)
		return handle_name(w, l, s, name);
	if (r < 0)
		r = upper_level_unread(w, l, r);
	if (r != 0)
		return r;
	r = level_next_phase(w, l, s);
	if (r > 0)
		return 0;
	if (r < 0)
		return upper_level_unread(w, l, r); /* and the next lower is tried */
	level_leave(w);
	return 0;
}

/* Checks that the marks can be read at all, so that none is overlooked for want of /proc. */
static int walk_init(struct walk *w, struct dyno_err *err)
{
	ssize_t n;
	int r;

	r = upper_stat_entry(w->top_fd, ".", &w->top);
	if (r < 0)
		return err_set(err, ERR_IO, -r, "look at the upper directory");
	n = upper_mark_read(w, w->top_fd, ".", MARK_OPAQUE, NULL, 0);
	if (n < 0 && n != -ENODATA && n != -EOPNOTSUPP) {
		(void)err_set(err, ERR_IO, (int)-n,
			      "read the overlay's marks through /proc/self/fd");
		err_hint(err, "/proc must be mounted");
		return (int)n;
	}
	w->level[0] = (struct level){
		.ino = w->top.stx_ino,
		.lowers = (uint8_t)((1U << w->opts->n_lowers) - 1),
	};
	w->depth = 1;
	return 0;
}

int upper_walk(int upper_fd, const struct upper_opts *opts, upper_fn fn, void *data,
	       struct dyno_err *err)
{
	_cleanup_(walk_freep) struct walk *w = NULL;
	int r;

	if (opts->n_lowers > UPPER_LOWERS_MAX)
		return err_set(err, ERR_INTERNAL, E2BIG, "compare with %zu layers", opts->n_lowers);
	w = calloc(1, sizeof(*w));
	if (!w)
		return err_set(err, ERR_MEMORY, ENOMEM,
			       "allocate the walk over an upper directory");
	for (size_t i = 0; i < WINDOW_LEVELS; i++)
		upper_slot_init(&w->slot[i]);
	w->opts = opts;
	w->fn = fn;
	w->data = data;
	w->top_fd = upper_fd;
	w->compare_left_bytes = opts->compare_bytes;

	r = walk_init(w, err);
	while (r == 0 && w->depth > 0)
		r = step(w);
	return r;
}
