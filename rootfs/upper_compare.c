/* SPDX-License-Identifier: Apache-2.0 */
/* upper_compare.c - what an entry of an upper directory is, beside what the lower layers have. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "rootfs/upper_internal.h"

/* For comparing two files, each. */
#define COMPARE_BYTES 16384

static bool is_device_0(const struct statx *stx)
{
	return S_ISCHR(stx->stx_mode) && stx->stx_rdev_major == 0 && stx->stx_rdev_minor == 0;
}

/* The other form is a mark on an empty file, of layers made where no device can be made. */
bool upper_is_whiteout(const struct walk *w, int dirfd, const char *name, const struct statx *stx)
{
	return is_device_0(stx) || (S_ISREG(stx->stx_mode) && stx->stx_size == 0 &&
				    upper_mark_has(w, dirfd, name, MARK_WHITEOUT));
}

int upper_look_below(const struct walk *w, const struct level *l, const struct slot *s,
		     const char *name, struct before *ret)
{
	struct before b = {0};

	for (unsigned int i = 0; i < w->opts->n_lowers; i++) {
		struct statx stx;
		int r;

		if (!(l->lowers & (1U << i)))
			continue;
		r = upper_stat_entry(s->lower_fd[i], name, &stx);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		if (upper_is_whiteout(w, s->lower_fd[i], name, &stx))
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
	       upper_mark_has(w, e->slot->upper_fd, e->name, MARK_METACOPY);
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

/*
 * Where the lower layers have what a redirect points to: an absolute path of theirs, or another
 * name in the same directory of theirs.
 */
int upper_move_source(struct walk *w, const struct entry *e, const char *redirect, char *buf)
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
		r = upper_path_in_lowers(w, e->level, w->path, dir);
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

/* The same for a file without data: its bytes are those of the file it points to. */
static unsigned int compare_metacopy(struct walk *w, const struct entry *e)
{
	char redirect[PATH_MAX], from[PATH_MAX], own[PATH_MAX];
	ssize_t n = upper_mark_read(w, e->slot->upper_fd, e->name, MARK_REDIRECT, redirect,
				    sizeof(redirect) - 1);

	if (n <= 0)
		return 0;
	redirect[n] = '\0';
	if (upper_move_source(w, e, redirect, from) < 0 ||
	    upper_path_in_lowers(w, e->level, w->path, own) < 0)
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

unsigned int upper_compare(struct walk *w, const struct entry *e)
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
