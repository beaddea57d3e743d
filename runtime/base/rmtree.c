/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rmtree.c - removal of a tree that a stranger has made, of any depth, in constant memory.
 *
 * Theory of operation
 *
 * Directories are only ever reached downwards: each is opened from the descriptor of its parent
 * with O_NOFOLLOW | O_DIRECTORY and must lie on the mount of the first, and an entry is removed by
 * unlinkat(2) with the descriptor of the directory that listed it.  No path and no ".." is ever
 * resolved, so that neither a link nor a rename behind our back leads out of the tree.
 *
 * The open directories form a window of fixed depth below a top.  Where the tree goes deeper, the
 * subdirectory at the lower edge is renamed up into the top ("hoisted") and met again by the next
 * pass over the top: every hoist shortens the tree by the window's depth, so the work stays
 * proportional to the number of entries.  Where a rename fails (no space for one more entry, an
 * immutable parent, another project quota), a second window is opened with that subdirectory as
 * its top, a few times at most.  The same is done when descriptors run out before the window does.
 *
 * A directory is read once, in order; what cannot be removed is left behind and passed by, so that
 * undeletable entries never make the walk go round in circles.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

/* Source: deeper than almost every real tree (measured: node_modules 19, gems 22), while the
 * descriptors stay far below the usual limit of 1024 (getrlimit(2)). */
#define WINDOW_LEVELS 32

/* Windows within windows, each of them opened because a rename failed. */
#define WINDOWS_MAX 4

/* Some 150 entries a call.  Must hold one entry of NAME_MAX bytes. */
#define LIST_BYTES 8192

/* Source: file systems that skip entries when a directory shrinks under its reader (NFS, FUSE)
 * need one more pass, not many; the bound is for someone who goes on creating. */
#define RESCANS_MAX 16

/* Names tried for a hoisted directory before giving the rename up. */
#define HOIST_TRIES 64

struct level {
	int fd;
	int parent;	  /* borrowed: the level above, or what the top lies in */
	const char *name; /* in the listing of the level above, or the caller's */
	bool left;	  /* something below could not be removed */
	unsigned int rescans;
	size_t pos;
	size_t len;
	_Alignas(struct dirent64) char list[LIST_BYTES];
};

struct window {
	unsigned int depth; /* levels in use */
	bool hoisted;	    /* the top has entries that its listing may have missed */
	struct level level[WINDOW_LEVELS];
};

/* The whole removal. */
struct rmtree {
	uint64_t mount;
	uint64_t dev; /* where the kernel does not tell mounts apart by number */
	bool has_mount;
	int first_error;
	unsigned int serial; /* for names of hoisted directories */
	unsigned int windows;
};

static int mount_of(int fd, struct statx *ret)
{
	struct statx stx = {0};

	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_MNT_ID | STATX_TYPE | STATX_MODE,
		  &stx) < 0)
		return -errno;
	*ret = stx;
	return 0;
}

static uint64_t dev_of(const struct statx *stx)
{
	return (uint64_t)stx->stx_dev_major << 32 | stx->stx_dev_minor;
}

static bool same_mount(const struct rmtree *t, const struct statx *stx)
{
	if (t->has_mount && (stx->stx_mask & STATX_MNT_ID))
		return stx->stx_mnt_id == t->mount;
	return dev_of(stx) == t->dev;
}

/*
 * Opens a directory that denies it to its own owner.  The mode is changed through the descriptor's
 * link in /proc, which names the inode itself: no call older than 6.6 changes the mode of a name
 * without following it, and an O_PATH descriptor takes no fchmod(2).
 */
static int open_denied(int parent, const char *name)
{
	_cleanup_close_ int path_fd = -EBADF;
	char link[sizeof("/proc/self/fd/-2147483648")];
	int fd;

	path_fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (path_fd < 0)
		return -errno;
	(void)str_fmt(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	if (chmod(link, S_IRWXU) < 0)
		return -EACCES;

	fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Opens a directory of the tree for reading and emptying. Return: descriptor, -EXDEV, -errno. */
static int open_level(const struct rmtree *t, int parent, const char *name)
{
	_cleanup_close_ int fd = -EBADF;
	struct statx stx;
	int r;

	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		fd = errno == EACCES ? open_denied(parent, name) : -errno;
	if (fd < 0)
		return fd;

	r = mount_of(fd, &stx);
	if (r < 0)
		return r;
	if (!same_mount(t, &stx))
		return -EXDEV;

	/* Listing it was allowed, emptying it may not be.  Who is not its owner is told so by
	 * the first unlinkat; who is root does not need it. */
	if ((stx.stx_mode & S_IRWXU) != S_IRWXU)
		(void)fchmod(fd, (stx.stx_mode & 07777) | S_IRWXU);

	return take_fd(&fd);
}

/* -EBUSY is also the answer for the root of a mount, which is the better thing to say. */
static int explain_busy(int parent, const char *name, int num)
{
	struct statx stx = {0};

	if (num == EBUSY &&
	    statx(parent, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &stx) == 0 &&
	    (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return -EXDEV;
	return -num;
}

/* Removes one entry. Return: 0 (gone, by whoever), or -errno. */
static int remove_entry(int parent, const char *name, int flags)
{
	if (unlinkat(parent, name, flags) == 0 || errno == ENOENT)
		return 0;
	return explain_busy(parent, name, errno);
}

static void push(struct window *w, int fd, int parent, const char *name)
{
	struct level *l = &w->level[w->depth++];

	l->fd = fd;
	l->parent = parent;
	l->name = name;
	l->left = false;
	l->rescans = 0;
	l->pos = l->len = 0;
}

static void rewind_level(struct level *l)
{
	(void)lseek(l->fd, 0, SEEK_SET); /* cannot fail on a directory; if it did, we would end */
	l->pos = l->len = 0;
}

static void leave_behind(struct rmtree *t, struct level *l, int r)
{
	if (t->first_error == 0)
		t->first_error = r;
	l->left = true;
}

/* The next name of a listing, or NULL at its end; one that cannot be read ends there. */
static const struct dirent64 *next_entry(struct rmtree *t, struct level *l)
{
	for (;;) {
		const struct dirent64 *d;
		ssize_t n;

		if (l->pos >= l->len) {
			n = getdents64(l->fd, l->list, sizeof(l->list));
			if (n < 0)
				leave_behind(t, l, -errno);
			if (n <= 0)
				return NULL;
			l->pos = 0;
			l->len = (size_t)n;
		}
		d = (const struct dirent64 *)(const void *)(l->list + l->pos);
		l->pos += d->d_reclen;
		if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, ".."))
			return d;
	}
}

/* Renames a subdirectory at the lower edge up into the window's top. Return: 0 or -errno. */
static int hoist(struct rmtree *t, struct window *w, int parent, const char *name)
{
	char to[sizeof(".dyno-rm-4294967295")];

	for (int i = 0; i < HOIST_TRIES; i++) {
		_cleanup_close_ int opened = -EBADF;

		(void)str_fmt(to, sizeof(to), ".dyno-rm-%u", t->serial++);
		/* Should it replace an empty directory of that name, then that one is gone too. */
		if (renameat(parent, name, w->level[0].fd, to) == 0) {
			w->hoisted = true;
			return 0;
		}
		if (errno == EACCES) {
			/* Moving a directory needs the right to write into it. */
			opened = open_level(t, parent, name);
			if (opened < 0)
				return opened;
		} else if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR) {
			return -errno;
		}
	}
	return -EEXIST;
}

static int remove_dir(struct rmtree *t, int parent, const char *name);

/*
 * A directory for which the window has no room.
 * @why: -errno of the missing room
 * Return: 0 when it is dealt with, or -errno.
 */
static int descend_beyond(struct rmtree *t, struct window *w, struct level *l, const char *name,
			  int why)
{
	int r;

	if (w->depth == 1)
		return why; /* it is in the top already */
	r = hoist(t, w, l->fd, name);
	if (r < 0 && t->windows < WINDOWS_MAX)
		r = remove_dir(t, l->fd, name);
	return r;
}

/* Goes down into a directory. Return: 0, or -errno of what prevents its removal. */
static int descend(struct rmtree *t, struct window *w, struct level *l, const char *name)
{
	int fd;

	if (w->depth == WINDOW_LEVELS)
		return descend_beyond(t, w, l, name, -ELOOP);

	fd = open_level(t, l->fd, name);
	if (fd >= 0) {
		push(w, fd, l->fd, name);
		return 0;
	}
	switch (fd) {
	case -EMFILE:
	case -ENFILE:
		return descend_beyond(t, w, l, name, fd);
	case -ENOENT:
		return 0;
	case -ENOTDIR:
	case -ELOOP:
		return remove_entry(l->fd, name, 0); /* it was replaced meanwhile */
	case -EXDEV:
		return fd;
	default:
		/* An empty one goes even where we may not look into it. */
		return remove_entry(l->fd, name, AT_REMOVEDIR) == 0 ? 0 : fd;
	}
}

static int handle_entry(struct rmtree *t, struct window *w, struct level *l,
			const struct dirent64 *d)
{
	int r = -EISDIR;

	if (d->d_type != DT_DIR)
		r = remove_entry(l->fd, d->d_name, 0);
	return r == -EISDIR ? descend(t, w, l, d->d_name) : r;
}

/* A listing has ended: read it once more, or remove the directory itself and go up. */
static void leave_level(struct rmtree *t, struct window *w)
{
	struct level *l = &w->level[w->depth - 1];
	int r = 0;

	if (w->depth == 1 && w->hoisted) {
		w->hoisted = false;
		rewind_level(l);
		return;
	}
	if (!l->left)
		r = remove_entry(l->parent, l->name, AT_REMOVEDIR);
	if (r == -ENOTEMPTY && l->rescans++ < RESCANS_MAX) {
		rewind_level(l);
		return;
	}
	if (r < 0)
		leave_behind(t, l, r);
	close_fdp(&l->fd);
	w->depth--;
	if (w->depth > 0 && l->left)
		w->level[w->depth - 1].left = true;
}

static void walk(struct rmtree *t, struct window *w)
{
	while (w->depth > 0) {
		struct level *l = &w->level[w->depth - 1];
		const struct dirent64 *d = next_entry(t, l);
		int r;

		if (!d) {
			leave_level(t, w);
			continue;
		}
		r = handle_entry(t, w, l, d);
		if (r < 0)
			leave_behind(t, l, r);
	}
}

/* Removes the directory @name in a window of its own. Return: 0, or -errno. */
static int remove_dir(struct rmtree *t, int parent, const char *name)
{
	_cleanup_free_ struct window *w = NULL;
	int fd;

	fd = open_level(t, parent, name);
	if (fd < 0)
		return fd;
	w = malloc(sizeof(*w));
	if (!w) {
		close_fdp(&fd);
		return -ENOMEM;
	}

	w->depth = 0;
	w->hoisted = false;
	push(w, fd, parent, name);
	t->windows++;
	walk(t, w);
	t->windows--;
	return w->level[0].left ? t->first_error : 0;
}

int path_remove_tree(int dirfd, const char *name)
{
	struct rmtree t = {0};
	struct statx stx;
	struct stat st;
	int r;

	if (*name == '\0' || strchr(name, '/') || str_eq(name, ".") || str_eq(name, ".."))
		return -EINVAL;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(st.st_mode))
		return remove_entry(dirfd, name, 0);

	/* The mount is the parent's: a tree that is itself a mount point is not ours to empty. */
	r = mount_of(dirfd, &stx);
	if (r < 0)
		return r;
	t.has_mount = stx.stx_mask & STATX_MNT_ID;
	t.mount = stx.stx_mnt_id;
	t.dev = dev_of(&stx);

	r = remove_dir(&t, dirfd, name);
	return r == -ENOENT ? 0 : r;
}
