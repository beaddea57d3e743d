/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/copytree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

/* One sendfile(2) moves at most this much. Source: sendfile(2) */
#define CHUNK_BYTES 0x7ffff000U

/* One level of the walk; @times are the original's, set once nothing is made in it any more. */
struct level {
	DIR *from;
	int to_fd;
	struct timespec times[2];
};

struct copy {
	struct level levels[COPYTREE_MAX_DEPTH];
	unsigned int depth;
	uid_t uid;
	gid_t gid;
	dev_t dev;
	struct dyno_err *err;
};

static int failed(const struct copy *c, int num, const char *what, const char *name)
{
	char text[256];

	return err_set(c->err, ERR_SCRATCH, num, "%s %s for the copy of a layer", what,
		       str_escape(text, sizeof(text), name));
}

static int copy_bytes(int from, int to)
{
	ssize_t n;

	do
		n = sendfile(to, from, NULL, CHUNK_BYTES);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

static void take_times(const struct stat *st, struct timespec times[2])
{
	times[0] = st->st_atim;
	times[1] = st->st_mtim;
}

static int copy_file(struct copy *c, int from_dir, int to_dir, const char *name,
		     const struct stat *st)
{
	struct timespec times[2];
	_cleanup_close_ int from = -EBADF;
	_cleanup_close_ int to = -EBADF;
	int r;

	from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from < 0)
		return failed(c, errno, "open", name);
	to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return failed(c, errno, "make", name);
	r = copy_bytes(from, to);
	if (r < 0)
		return failed(c, -r, "write", name);
	take_times(st, times);
	if (fchown(to, c->uid, c->gid) < 0 || fchmod(to, st->st_mode & 0777) < 0 ||
	    futimens(to, times) < 0)
		return failed(c, errno, "give away", name);
	return 0;
}

static int copy_link(struct copy *c, int from_dir, int to_dir, const char *name,
		     const struct stat *st)
{
	struct timespec times[2];
	char target[PATH_MAX];
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return failed(c, errno, "read the link", name);
	target[n] = '\0';
	take_times(st, times);
	if (symlinkat(target, to_dir, name) < 0 ||
	    fchownat(to_dir, name, c->uid, c->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(c, errno, "make the link", name);
	return 0;
}

static int push(struct copy *c, int from_fd, int to_fd, const char *name, const struct stat *st)
{
	struct level *l;

	if (c->depth == COPYTREE_MAX_DEPTH) {
		close_fdp(&from_fd);
		close_fdp(&to_fd);
		return failed(c, ELOOP, "descend to", name);
	}
	l = &c->levels[c->depth];
	l->from = fdopendir(from_fd);
	l->to_fd = to_fd;
	take_times(st, l->times);
	if (!l->from) {
		close_fdp(&from_fd);
		close_fdp(&l->to_fd);
		return failed(c, ENOMEM, "read", name);
	}
	c->depth++;
	return 0;
}

static void pop(struct copy *c)
{
	struct level *l = &c->levels[--c->depth];

	(void)closedir(l->from); /* only read from */
	close_fdp(&l->to_fd);
}

/* The mode is final at once: only the root of the host copies here, and it needs no bits. */
static int enter_dir(struct copy *c, int from_dir, int to_dir, const char *name,
		     const struct stat *st)
{
	int from;
	int to;

	if (mkdirat(to_dir, name, 0700) < 0)
		return failed(c, errno, "make the directory", name);
	from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0)
		return failed(c, errno, "open the directory", name);
	to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0 || fchown(to, c->uid, c->gid) < 0 || fchmod(to, st->st_mode & 01777) < 0) {
		int num = errno;

		close_fdp(&from);
		close_fdp(&to);
		return failed(c, num, "give away the directory", name);
	}
	return push(c, from, to, name, st);
}

static int copy_entry(struct copy *c, const char *name)
{
	const struct level *l = &c->levels[c->depth - 1];
	int from = dirfd(l->from);
	struct stat st;

	if (str_eq(name, ".") || str_eq(name, ".."))
		return 0;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(c, errno, "look at", name);
	if (st.st_dev != c->dev)
		return 0;
	if (S_ISDIR(st.st_mode))
		return enter_dir(c, from, l->to_fd, name, &st);
	if (S_ISREG(st.st_mode))
		return copy_file(c, from, l->to_fd, name, &st);
	if (S_ISLNK(st.st_mode))
		return copy_link(c, from, l->to_fd, name, &st);
	return 0;
}

static int walk(struct copy *c)
{
	while (c->depth > 0) {
		struct dirent *e;
		int r;

		errno = 0;
		e = readdir(c->levels[c->depth - 1].from);
		if (!e && errno)
			return failed(c, errno, "read", "a directory");
		if (!e) {
			const struct level *l = &c->levels[c->depth - 1];

			if (futimens(l->to_fd, l->times) < 0)
				return failed(c, errno, "set the times of", "a directory");
			pop(c);
			continue;
		}
		r = copy_entry(c, e->d_name);
		if (r < 0)
			return r;
	}
	return 0;
}

int copytree(int from_fd, int to_fd, uid_t uid, gid_t gid, struct dyno_err *err)
{
	struct copy c = {.uid = uid, .gid = gid, .err = err};
	struct stat st;
	int from;
	int to;
	int r;

	if (fstat(from_fd, &st) < 0)
		return failed(&c, errno, "look at", "the layer");
	c.dev = st.st_dev;
	from = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = openat(to_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0 || to < 0 || fchown(to, uid, gid) < 0 || fchmod(to, st.st_mode & 01777) < 0) {
		r = failed(&c, errno, "open", "the layer");
		close_fdp(&from);
		close_fdp(&to);
		return r;
	}
	r = push(&c, from, to, ".", &st);
	if (r == 0)
		r = walk(&c);
	while (c.depth > 0)
		pop(&c);
	return r;
}
