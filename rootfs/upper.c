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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

/* Source: every level adds at least a slash and one byte to the path, and the top is one. */
#define LEVELS_MAX (PATH_MAX / 2 + 1)

/* Levels that are open at a time, each with up to 1 + UPPER_LOWERS_MAX descriptors.
 * Source: as deep as most trees (measured: node_modules 19), far below the limit of 1024 files. */
#define WINDOW_LEVELS 16

/* Some 100 entries a call.  Must hold one entry of NAME_MAX bytes. */
#define LIST_BYTES 4096

/* Moved directories within moved directories that are followed. */
#define MOVES_MAX 8

/* Inodes with several names that are told apart, a power of two; beyond three quarters of it each
 * name counts with its share.  Source: pnpm and git make thousands, seldom more. */
#define LINKS_MAX 8192

/* For comparing two files, each. */
#define COMPARE_BYTES 16384

#define STATX_WANTED  (STATX_BASIC_STATS | STATX_MNT_ID)

_Static_assert(UPPER_LOWERS_MAX <= 8, "one bit each in an uint8_t");

/* The overlay's marks.  Source: fs/overlayfs/overlayfs.h, enum ovl_xattr */
enum mark { MARK_OPAQUE, MARK_REDIRECT, MARK_METACOPY, MARK_WHITEOUT, MARK_ORIGIN, _MARK_MAX };

static const char *const mark_names[_MARK_MAX] = {
	[MARK_OPAQUE] = "opaque",     [MARK_REDIRECT] = "redirect", [MARK_METACOPY] = "metacopy",
	[MARK_WHITEOUT] = "whiteout", [MARK_ORIGIN] = "origin",
};

/* A directory on the way to where the walk is. */
struct level {
	uint64_t ino;
	off64_t offset; /* where its listing goes on */
	uint16_t path_len;
	uint8_t lowers; /* bit i: lower i has this directory, and it would merge */
	uint8_t phase;	/* 0: the upper is listed; 1 + i: lower i, for what is gone */
	uint8_t moves;	/* moved directories on the way, itself included */
	bool opaque;	/* what the lowers have does not show through */
	bool unread;	/* told once already */
};

/* The open descriptors of a level. */
struct slot {
	int level; /* negative: unused */
	int upper_fd;
	int list_fd; /* for listing a lower */
	int lower_fd[UPPER_LOWERS_MAX];
	size_t pos;
	size_t len;
	_Alignas(struct dirent64) char list[LIST_BYTES];
};

/* A moved directory: what is below @path_len bytes of the path is in the lowers below @from. */
struct move {
	uint16_t path_len;
	char from[PATH_MAX];
};

struct walk {
	const struct upper_opts *opts;
	upper_fn fn;
	void *data;
	int top_fd; /* borrowed */
	struct statx top;
	uint64_t compare_left_bytes;
	unsigned int depth; /* levels in use */
	unsigned int n_links;
	char path[PATH_MAX];
	struct move move[MOVES_MAX];
	struct level level[LEVELS_MAX];
	struct slot slot[WINDOW_LEVELS];
	uint64_t links[LINKS_MAX]; /* inode numbers by hash; 0: free */
};

/* What a name was, according to the lower layers. */
struct before {
	bool found;
	unsigned int layer; /* that it was found in */
	uint8_t lowers;	    /* of its directories, that merge */
	struct statx stx;
};

/* An entry of the level that is being listed. */
struct entry {
	struct level *level;
	struct slot *slot;
	const char *name;
	struct statx stx;
	struct before before;
	bool hidden;
};

/* ---- descriptors ----------------------------------------------------------------------------- */

static void slot_close(struct slot *s)
{
	close_fdp(&s->upper_fd);
	close_fdp(&s->list_fd);
	for (size_t i = 0; i < UPPER_LOWERS_MAX; i++)
		close_fdp(&s->lower_fd[i]);
	s->level = -1;
}

static void slot_init(struct slot *s)
{
	s->level = -1;
	s->upper_fd = s->list_fd = -EBADF;
	for (size_t i = 0; i < UPPER_LOWERS_MAX; i++)
		s->lower_fd[i] = -EBADF;
	s->pos = s->len = 0;
}

static void walk_freep(struct walk **w)
{
	if (!*w)
		return;
	for (size_t i = 0; i < WINDOW_LEVELS; i++)
		slot_close(&(*w)->slot[i]);
	free(*w);
}

/* Closes the uppermost open level, unless it is the one being listed. Return: whether it could. */
static bool give_way(struct walk *w)
{
	struct slot *top = NULL;

	for (size_t i = 0; i < WINDOW_LEVELS; i++) {
		struct slot *s = &w->slot[i];

		if (s->level >= 0 && s->level != (int)w->depth - 1 &&
		    (!top || s->level < top->level))
			top = s;
	}
	if (top)
		slot_close(top);
	return top;
}

/*
 * Opens a directory by a path of several components, through no link and no other mount.  The
 * fallback of open_beneath() walks without links by itself.
 */
static int open_strict(int dirfd, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (unsigned int)flags,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	if (fd < 0 && errno == ENOSYS)
		return open_beneath(dirfd, path, flags, 0);
	return fd < 0 ? -errno : (int)fd;
}

/* The same, closing levels on the way as long as there are too few descriptors. */
static int open_dir(struct walk *w, int dirfd, const char *path, int flags)
{
	int fd;

	do {
		fd = open_strict(dirfd, path, flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	} while ((fd == -EMFILE || fd == -ENFILE) && give_way(w));
	return fd;
}

/* Opens what an open directory has listed; whoever asks looks at the mount himself. */
static int open_name(struct walk *w, int dirfd, const char *name)
{
	int fd;

	do {
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	} while ((fd == -EMFILE || fd == -ENFILE) && give_way(w));
	return fd;
}

/*
 * Reads a mark of an entry, "." for the directory itself.  The path goes through the descriptor's
 * link in /proc, which names the open directory and nothing else, and does not follow its last
 * component: there is no getxattrat(2) before 6.13, and an O_PATH descriptor takes no fgetxattr(2).
 * Return: its length, 0 included, or -errno (-ENODATA: not marked).
 */
static ssize_t mark_read(const struct walk *w, int dirfd, const char *name, enum mark mark,
			 char *buf, size_t size)
{
	char path[sizeof("/proc/self/fd/-2147483648/") + NAME_MAX];
	char attribute[sizeof("trusted.overlay.") + STRLEN("metacopy")];
	ssize_t n;

	(void)str_fmt(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	(void)str_fmt(attribute, sizeof(attribute), "%s.overlay.%s",
		      w->opts->userxattr ? "user" : "trusted", mark_names[mark]);
	n = lgetxattr(path, attribute, buf, size);
	return n < 0 ? -errno : n;
}

static bool mark_has(const struct walk *w, int dirfd, const char *name, enum mark mark)
{
	return mark_read(w, dirfd, name, mark, NULL, 0) >= 0;
}

/* "x" only says that there may be whiteouts in the form of attributes. */
static bool is_opaque(const struct walk *w, int dirfd)
{
	char value = 0;

	return mark_read(w, dirfd, ".", MARK_OPAQUE, &value, 1) == 1 && value == 'y';
}

/* Whether an entry was copied from a lower layer; asked only where there is none to look at. */
static bool is_copy(const struct walk *w, int dirfd, const char *name)
{
	return w->opts->n_lowers == 0 && mark_has(w, dirfd, name, MARK_ORIGIN);
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* Puts "directory/name" into w->path. Return: false where there is no room. */
static bool path_join(struct walk *w, const struct level *l, const char *name)
{
	size_t slash = l->path_len > 0;
	size_t len = strlen(name);

	if (l->path_len + slash + len >= sizeof(w->path))
		return false;
	if (slash)
		w->path[l->path_len] = '/';
	memcpy(w->path + l->path_len + slash, name, len + 1);
	return true;
}

/* Where the lower layers have what @path, on or below level @l, is; @path may be w->path. */
static int path_in_lowers(const struct walk *w, const struct level *l, const char *path, char *buf)
{
	const struct move *m = l->moves > 0 ? &w->move[l->moves - 1] : NULL;
	const char *rest = m ? path + m->path_len : path;

	if (str_fmt(buf, PATH_MAX, "%s%s", m ? m->from : "", rest) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

/* Whether the path is not to be told; *@ret_all: nor anything below. */
static bool is_hidden(const struct walk *w, bool *ret_all)
{
	*ret_all = false;
	for (size_t i = 0; i < w->opts->n_hidden; i++) {
		const char *rest = str_starts(w->opts->hidden[i], w->path);

		if (rest && (*rest == '\0' || str_eq(rest, "/"))) {
			*ret_all = *rest == '/';
			return true;
		}
	}
	return false;
}

/* ---- telling --------------------------------------------------------------------------------- */

static int tell_unread(struct walk *w, const char *path, int r)
{
	const struct upper_change c = {.kind = UPPER_UNREAD, .path = path, .num = -r};

	return w->fn(w->data, &c);
}

/* Something in the directory of level @l cannot be looked at: told once. */
static int level_unread(struct walk *w, struct level *l, int r)
{
	if (l->unread)
		return 0;
	l->unread = true;
	w->path[l->path_len] = '\0';
	return tell_unread(w, l->path_len > 0 ? w->path : ".", r);
}

static bool same_mount(const struct walk *w, const struct statx *stx)
{
	return stx->stx_dev_major == w->top.stx_dev_major &&
	       stx->stx_dev_minor == w->top.stx_dev_minor &&
	       (!(stx->stx_mask & w->top.stx_mask & STATX_MNT_ID) ||
		stx->stx_mnt_id == w->top.stx_mnt_id);
}

/* Return: 1 for an inode seen before, 0 for a new one, -ENOSPC for a full table. */
static int link_seen(struct walk *w, uint64_t ino)
{
	size_t at = (size_t)((ino * UINT64_C(0x9e3779b97f4a7c15)) >> 32);

	for (;; at++) {
		uint64_t *place = &w->links[at % LINKS_MAX];

		if (*place == ino)
			return 1;
		if (*place != 0)
			continue;
		if (w->n_links >= LINKS_MAX / 4 * 3)
			return -ENOSPC;
		*place = ino;
		w->n_links++;
		return 0;
	}
}

static void count_bytes(struct walk *w, const struct statx *stx, struct upper_change *c)
{
	int seen;

	if (S_ISDIR(stx->stx_mode))
		return;
	/* A hole was not written, and a last block not to its end. */
	if (S_ISREG(stx->stx_mode))
		c->bytes = MIN_OF(stx->stx_size, stx->stx_blocks * 512);
	if (stx->stx_nlink <= 1)
		return;
	seen = link_seen(w, stx->stx_ino);
	c->linked = seen == 1;
	if (seen == 1)
		c->bytes = 0;
	else if (seen < 0)
		c->bytes /= stx->stx_nlink;
}

static void fill_stat(const struct statx *stx, uint32_t id_shift, struct upper_change *c)
{
	c->mode = stx->stx_mode;
	c->uid = stx->stx_uid + id_shift;
	c->gid = stx->stx_gid + id_shift;
	c->size_bytes = S_ISDIR(stx->stx_mode) ? 0 : stx->stx_size;
	c->mtime_us = stx->stx_mtime.tv_sec * 1000000 + stx->stx_mtime.tv_nsec / 1000;
}

/* An entry that is there. @from: of a moved one, else NULL. */
static int tell(struct walk *w, const struct entry *e, enum upper_kind kind, unsigned int what,
		const char *from)
{
	struct upper_change c = {.kind = kind, .what = what, .path = w->path, .from = from};

	if (e->hidden)
		return 0;
	fill_stat(&e->stx, 0, &c);
	count_bytes(w, &e->stx, &c);
	return w->fn(w->data, &c);
}

static int tell_deleted(struct walk *w, const struct entry *e)
{
	struct upper_change c = {.kind = UPPER_DELETED, .path = w->path};

	if (e->hidden)
		return 0;
	if (e->before.found)
		fill_stat(&e->before.stx, w->opts->lowers[e->before.layer].id_shift, &c);
	return w->fn(w->data, &c);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool is_device_0(const struct statx *stx)
{
	return S_ISCHR(stx->stx_mode) && stx->stx_rdev_major == 0 && stx->stx_rdev_minor == 0;
}

/* The other form is a mark on an empty file, of layers made where no device can be made. */
static bool is_whiteout(const struct walk *w, int dirfd, const char *name, const struct statx *stx)
{
	return is_device_0(stx) || (S_ISREG(stx->stx_mode) && stx->stx_size == 0 &&
				    mark_has(w, dirfd, name, MARK_WHITEOUT));
}

static int stat_entry(int dirfd, const char *name, struct statx *ret)
{
	struct statx stx = {0};

	if (statx(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_WANTED, &stx) < 0)
		return -errno;
	*ret = stx;
	return 0;
}

/* What @name is in the lower layers that have the directory. Return: 0 or -errno. */
static int look_below(const struct walk *w, const struct level *l, const struct slot *s,
		      const char *name, struct before *ret)
{
	struct before b = {0};

	for (unsigned int i = 0; i < w->opts->n_lowers; i++) {
		struct statx stx;
		int r;

		if (!(l->lowers & (1U << i)))
			continue;
		r = stat_entry(s->lower_fd[i], name, &stx);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		if (is_whiteout(w, s->lower_fd[i], name, &stx))
			break;
		if (!b.found) {
			b.found = true;
			b.layer = i;
			b.stx = stx;
		}
		if (!S_ISDIR(stx.stx_mode))
			break; /* it ends the directory above it, or hides what is below */
		b.lowers |= (uint8_t)(1U << i);
	}
	*ret = b;
	return 0;
}

static bool same_target(int dirfd, int other_fd, const char *name)
{
	char target[PATH_MAX], other[PATH_MAX];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target));
	ssize_t m = readlinkat(other_fd, name, other, sizeof(other));

	return n >= 0 && n == m && memcmp(target, other, (size_t)n) == 0;
}

/* Opens a regular file for comparing; whatever took its place must not make us wait. */
static int open_file(int dirfd, const char *name)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? take_fd(&fd) : -ESTALE;
}

/* Return: 1 for the same bytes, 0 for others, -errno. */
static int same_bytes(int dirfd, int other_fd, const char *name)
{
	_cleanup_close_ int fd = open_file(dirfd, name), other = open_file(other_fd, name);
	char buf[COMPARE_BYTES], other_buf[COMPARE_BYTES];

	if (fd < 0 || other < 0)
		return fd < 0 ? fd : other;
	for (;;) {
		ssize_t n = fd_read_full(fd, buf, sizeof(buf));
		ssize_t m = fd_read_full(other, other_buf, sizeof(other_buf));

		if (n < 0 || m < 0)
			return n < 0 ? (int)n : (int)m;
		if (n != m || memcmp(buf, other_buf, (size_t)n) != 0)
			return 0;
		if (n == 0)
			return 1;
	}
}

/* The data of a file may have stayed in the lower layer, under this or another name. */
static bool is_metacopy(const struct walk *w, const struct entry *e)
{
	return e->stx.stx_blocks == 0 && e->stx.stx_size > 0 && !w->opts->userxattr &&
	       mark_has(w, e->slot->upper_fd, e->name, MARK_METACOPY);
}

/* Two files with nothing to tell them apart but their bytes. */
static unsigned int compare_bytes(struct walk *w, const struct entry *e)
{
	int r;

	if (e->stx.stx_size > w->compare_left_bytes)
		return UPPER_WHAT_UNSURE;
	w->compare_left_bytes -= e->stx.stx_size;
	r = same_bytes(e->slot->upper_fd, e->slot->lower_fd[e->before.layer], e->name);
	if (r < 0)
		return UPPER_WHAT_UNSURE;
	return r == 0 ? UPPER_WHAT_CONTENT : 0;
}

static int move_source(struct walk *w, const struct entry *e, const char *redirect, char *buf);

/* The same for a file without data: its bytes are those of the file it points to. */
static unsigned int compare_metacopy(struct walk *w, const struct entry *e)
{
	char redirect[PATH_MAX], from[PATH_MAX], own[PATH_MAX];
	ssize_t n = mark_read(w, e->slot->upper_fd, e->name, MARK_REDIRECT, redirect,
			      sizeof(redirect) - 1);

	if (n <= 0)
		return 0;
	redirect[n] = '\0';
	if (move_source(w, e, redirect, from) < 0 || path_in_lowers(w, e->level, w->path, own) < 0)
		return UPPER_WHAT_UNSURE;
	return str_eq(from, own) ? 0 : UPPER_WHAT_CONTENT;
}

static unsigned int compare_content(struct walk *w, const struct entry *e)
{
	const struct statx *now = &e->stx, *was = &e->before.stx;

	switch (now->stx_mode & S_IFMT) {
	case S_IFREG:
		if (now->stx_size != was->stx_size ||
		    now->stx_mtime.tv_sec != was->stx_mtime.tv_sec ||
		    now->stx_mtime.tv_nsec != was->stx_mtime.tv_nsec)
			return UPPER_WHAT_CONTENT;
		if (now->stx_size == 0)
			return 0;
		return is_metacopy(w, e) ? compare_metacopy(w, e) : compare_bytes(w, e);
	case S_IFLNK:
		return same_target(e->slot->upper_fd, e->slot->lower_fd[e->before.layer], e->name)
			       ? 0
			       : UPPER_WHAT_CONTENT;
	case S_IFCHR:
	case S_IFBLK:
		return now->stx_rdev_major == was->stx_rdev_major &&
				       now->stx_rdev_minor == was->stx_rdev_minor
			       ? 0
			       : UPPER_WHAT_CONTENT;
	default:
		return 0; /* what stands in a directory is told by itself; a fifo has none */
	}
}

/* What has changed in an entry that was there before. Return: UPPER_WHAT_*, 0 for nothing. */
static unsigned int compare(struct walk *w, const struct entry *e)
{
	const struct statx *now = &e->stx, *was = &e->before.stx;
	uint32_t shift = w->opts->lowers[e->before.layer].id_shift;
	unsigned int what = 0;

	if ((now->stx_mode & S_IFMT) != (was->stx_mode & S_IFMT))
		return UPPER_WHAT_TYPE;
	if (now->stx_mode != was->stx_mode)
		what |= UPPER_WHAT_MODE;
	if (now->stx_uid != was->stx_uid + shift || now->stx_gid != was->stx_gid + shift)
		what |= UPPER_WHAT_OWNER;
	return what | compare_content(w, e);
}

/* ---- levels ---------------------------------------------------------------------------------- */

/* Opens the lower directories of a level by their path. Return: 0 or -errno. */
static int open_lowers(struct walk *w, struct level *l, struct slot *s)
{
	char path[PATH_MAX];
	int r;

	w->path[l->path_len] = '\0';
	r = path_in_lowers(w, l, w->path, path);
	if (r < 0)
		return l->lowers ? r : 0;
	for (unsigned int i = 0; i < w->opts->n_lowers; i++) {
		int fd;

		if (!(l->lowers & (1U << i)))
			continue;
		fd = open_dir(w, w->opts->lowers[i].fd, *path ? path : ".", O_PATH);
		if (fd < 0)
			return fd == -ENOENT ? -ESTALE : fd; /* it was there a moment ago */
		s->lower_fd[i] = fd;
		if (is_opaque(w, fd))
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
	slot_close(s);
	slot_init(s);

	*ret_error = open_lowers(w, l, s);
	if (*ret_error == 0 && upper_fd < 0) {
		upper_fd = open_dir(w, w->top_fd, l->path_len > 0 ? w->path : ".", O_RDONLY);
		*ret_error = upper_fd < 0 ? upper_fd : stat_entry(upper_fd, ".", &stx);
		if (*ret_error == 0 && (!same_mount(w, &stx) || stx.stx_ino != l->ino))
			*ret_error = -ESTALE;
		if (*ret_error == 0 && lseek(upper_fd, l->offset, SEEK_SET) < 0)
			*ret_error = -errno;
	}
	if (*ret_error < 0) {
		slot_close(s);
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
		slot_close(s);
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
		s->list_fd = open_dir(w, s->lower_fd[i], ".", O_RDONLY);
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

/*
 * Where the lower layers have what a redirect points to: an absolute path of theirs, or another
 * name in the same directory of theirs.
 */
static int move_source(struct walk *w, const struct entry *e, const char *redirect, char *buf)
{
	char dir[PATH_MAX], saved;
	size_t len = e->level->path_len;
	int r;

	if (*redirect == '/') {
		redirect++;
		dir[0] = '\0';
	} else {
		saved = w->path[len];
		w->path[len] = '\0';
		r = path_in_lowers(w, e->level, w->path, dir);
		w->path[len] = saved;
		if (r < 0)
			return r;
	}
	if (*redirect == '\0')
		return -EINVAL;
	if (str_fmt(buf, PATH_MAX, "%s%s%s", dir, *dir ? "/" : "", redirect) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

/* The lower layers that merge at @path. Return: their bits. */
static uint8_t lowers_at(struct walk *w, const char *path, struct before *ret)
{
	struct before b = {0};

	for (unsigned int i = 0; i < w->opts->n_lowers; i++) {
		_cleanup_close_ int fd = -EBADF;
		struct statx stx;

		fd = open_dir(w, w->opts->lowers[i].fd, path, O_PATH);
		if (fd == -ENOTDIR || fd == -ELOOP)
			break;
		if (fd < 0 || stat_entry(fd, ".", &stx) < 0)
			continue;
		if (!b.found) {
			b.found = true;
			b.layer = i;
			b.stx = stx;
		}
		b.lowers |= (uint8_t)(1U << i);
		if (is_opaque(w, fd))
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
	n = mark_read(w, fd, ".", MARK_REDIRECT, redirect, sizeof(redirect) - 1);
	if (n <= 0)
		return n == -ERANGE ? -ENAMETOOLONG : 0;
	if (e->level->moves == MOVES_MAX)
		return -ELOOP;
	redirect[n] = '\0';
	m = &w->move[e->level->moves];
	r = move_source(w, e, redirect, m->from);
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
		return tell(w, e, UPPER_MOVED, w->opts->n_lowers > 0 ? compare(w, e) : 0,
			    w->move[e->level->moves].from);
	if (w->opts->n_lowers == 0)
		return merged ? 0 : tell(w, e, UPPER_ADDED, 0, NULL);
	if (!e->before.found)
		return tell(w, e, UPPER_ADDED, 0, NULL);
	what = compare(w, e);
	return what ? tell(w, e, UPPER_CHANGED, what, NULL) : 0;
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
	return tell_unread(w, w->path, r);
}

static int handle_dir(struct walk *w, struct entry *e)
{
	_cleanup_close_ int fd = -EBADF;
	bool opaque, merged;
	int moved, r;

	fd = open_name(w, e->slot->upper_fd, e->name);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return 0; /* gone, or replaced since its stat */
	if (fd < 0) {
		merged = is_copy(w, e->slot->upper_fd, e->name);
		r = tell_dir(w, e, false, merged);
		return r != 0 ? r : tell_unread(w, w->path, fd);
	}
	r = stat_entry(fd, ".", &e->stx);
	if (r < 0)
		return tell_unread(w, w->path, r);
	if (!same_mount(w, &e->stx))
		return tell_unread(w, w->path, -EXDEV);

	moved = find_move(w, e, fd);
	if (moved < 0)
		return tell_unread(w, w->path, moved);
	opaque = !moved && is_opaque(w, fd);
	merged = !opaque && is_copy(w, fd, ".");
	r = tell_dir(w, e, moved, merged);
	return r != 0 ? r : descend(w, e, moved, opaque, take_fd(&fd));
}

/* ---- entries --------------------------------------------------------------------------------- */

static int handle_file(struct walk *w, const struct entry *e)
{
	unsigned int what;

	if (w->opts->n_lowers == 0)
		return is_copy(w, e->slot->upper_fd, e->name)
			       ? tell(w, e, UPPER_CHANGED, UPPER_WHAT_UNSURE, NULL)
			       : tell(w, e, UPPER_ADDED, 0, NULL);
	if (!e->before.found)
		return tell(w, e, UPPER_ADDED, 0, NULL);
	what = compare(w, e);
	return what ? tell(w, e, UPPER_CHANGED, what, NULL) : 0;
}

/* Below an opaque directory the listing of the lowers tells what is gone. */
static int handle_whiteout(struct walk *w, const struct entry *e)
{
	if (e->level->opaque || (w->opts->n_lowers > 0 && !e->before.found))
		return 0;
	return tell_deleted(w, e);
}

/* A name that the upper has. */
static int handle_upper(struct walk *w, struct entry *e)
{
	int r;

	r = stat_entry(e->slot->upper_fd, e->name, &e->stx);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return level_unread(w, e->level, r);
	if (!same_mount(w, &e->stx))
		return tell_unread(w, w->path, -EXDEV);
	if (is_whiteout(w, e->slot->upper_fd, e->name, &e->stx))
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
	r = stat_entry(e->slot->upper_fd, e->name, &e->stx);
	if (r == 0 && !is_whiteout(w, e->slot->upper_fd, e->name, &e->stx))
		return 0;
	if (r < 0 && r != -ENOENT)
		return level_unread(w, e->level, r);
	return tell_deleted(w, e);
}

static int handle_name(struct walk *w, struct level *l, struct slot *s, const char *name)
{
	struct entry e = {.level = l, .slot = s, .name = name};
	bool all;
	int r;

	if (!path_join(w, l, name))
		return level_unread(w, l, -ENAMETOOLONG);
	e.hidden = is_hidden(w, &all);
	if (all)
		return 0;
	r = look_below(w, l, s, name, &e.before);
	if (r < 0)
		return level_unread(w, l, r);
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
		return r == -ENOENT ? 0 : level_unread(w, l, r);
	}
	r = next_name(l, s, &name);
	if (r > 0)
		return handle_name(w, l, s, name);
	if (r < 0)
		r = level_unread(w, l, r);
	if (r != 0)
		return r;
	r = level_next_phase(w, l, s);
	if (r > 0)
		return 0;
	if (r < 0)
		return level_unread(w, l, r); /* and the next lower is tried */
	level_leave(w);
	return 0;
}

/* Checks that the marks can be read at all, so that none is overlooked for want of /proc. */
static int walk_init(struct walk *w, struct dyno_err *err)
{
	ssize_t n;
	int r;

	r = stat_entry(w->top_fd, ".", &w->top);
	if (r < 0)
		return err_set(err, ERR_IO, -r, "look at the upper directory");
	n = mark_read(w, w->top_fd, ".", MARK_OPAQUE, NULL, 0);
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
		slot_init(&w->slot[i]);
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

/* ---- the sum --------------------------------------------------------------------------------- */

const char *upper_kind_name(enum upper_kind kind)
{
	static const char *const names[] = {
		[UPPER_ADDED] = "added", [UPPER_CHANGED] = "changed", [UPPER_DELETED] = "deleted",
		[UPPER_MOVED] = "moved", [UPPER_UNREAD] = "unread",
	};

	_Static_assert(ARRAY_SIZE(names) == _UPPER_KIND_MAX, "every kind has a name");
	return names[kind];
}

static void add_file(struct upper_totals *t, const struct upper_change *c)
{
	if (c->linked)
		return;
	t->files++;
	t->bytes += c->bytes;
	if (c->bytes > t->biggest_bytes) {
		t->biggest_bytes = c->bytes;
		(void)str_fmt(t->biggest, sizeof(t->biggest), "%s", c->path);
	}
}

void upper_totals_add(struct upper_totals *totals, const struct upper_change *change)
{
	switch (change->kind) {
	case UPPER_ADDED:
	case UPPER_CHANGED:
		if (S_ISDIR(change->mode))
			totals->dirs++;
		else
			add_file(totals, change);
		break;
	case UPPER_DELETED:
		totals->deleted++;
		break;
	case UPPER_MOVED:
		totals->moved++;
		break;
	case UPPER_UNREAD:
		totals->unread++;
		break;
	case _UPPER_KIND_MAX:
		break;
	}
}

size_t upper_receipt_text(const struct upper_totals *totals, char *buf, size_t size)
{
	const struct upper_totals *t = totals;
	char sum[16], biggest_sum[16], biggest[PATH_MAX] = "", deleted[48] = "";

	if (t->files + t->dirs + t->deleted + t->moved + t->unread == 0)
		return str_fmt(buf, size, "wrote nothing");
	(void)num_format_size(sum, t->bytes);
	(void)num_format_size(biggest_sum, t->biggest_bytes);
	(void)str_escape(biggest, sizeof(biggest), t->biggest);
	if (t->deleted > 0)
		(void)str_fmt(deleted, sizeof(deleted), "; deleted %llu",
			      (unsigned long long)t->deleted);
	return str_fmt(buf, size, "wrote %s%llu file%s, %s, discarded%s%s%s%s%s",
		       t->unread ? "at least " : "", (unsigned long long)t->files,
		       t->files == 1 ? "" : "s", sum, deleted, *biggest ? "; biggest " : "",
		       biggest, *biggest ? ", " : "", *biggest ? biggest_sum : "");
}
