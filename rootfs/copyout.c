/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copyout.c - Theory of operation.  The dyno runs while it is copied and may be hostile, so every
 * name is looked up by itself in a directory held open, never followed, and looked at again once it
 * is open: what is not as expected is an error or passed by.  The same is done on the other side:
 * links that were copied before, now or in an earlier call, are never walked through.
 */
#include "rootfs/copyout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

static bool is_dots(const char *name)
{
	return str_eq(name, ".") || str_eq(name, "..");
}

static int failed_path(struct dyno_err *err, int num, const char *what, const char *path)
{
	char text[256];

	return err_set(err, ERR_IO, num, "%s \"%s\"", what, str_escape(text, sizeof(text), path));
}

/* ---- the walk ------------------------------------------------------------------------------- */

/**
 * struct level - a directory being copied.
 * @name: in the directory above, whose reader holds it until it goes on
 * @made: by this call: then it gets the times and the mode of the original in the end
 */
struct level {
	DIR *from;
	int to_fd;
	const char *name;
	dev_t dev;
	bool made;
	mode_t mode;
	struct timespec times[2];
};

struct copy {
	struct level levels[COPYOUT_MAX_DEPTH];
	unsigned int depth;
	struct dyno_err *err;
};

/* One entry: where it is and where it goes. */
struct entry {
	int from_dir;
	const char *from;
	int to_dir;
	const char *to;
	struct stat st;
};

static int failed(const struct copy *c, int num, const char *what, const char *name)
{
	_cleanup_sbuf_ struct sbuf path = {0};

	for (unsigned int i = 0; i < c->depth; i++)
		if (!str_eq(c->levels[i].name, "."))
			sbuf_addf(&path, "%s/", c->levels[i].name);
	sbuf_adds(&path, name);
	(void)failed_path(c->err, num, what, sbuf_str(&path));
	if (num == ENOSPC || num == EDQUOT)
		err_hint(c->err, "choose another destination; what was copied is still there");
	return -num;
}

/* What was listed and is there no more is none of the dyno's files. */
static bool is_gone(const struct copy *c, int num)
{
	return c->depth > 0 && num == ENOENT;
}

static void take_times(const struct stat *st, struct timespec times[2])
{
	times[0] = st->st_atim;
	times[1] = st->st_mtim;
}

/* Makes room for a file or a link. Return: 0, or the reason why not. */
static int clear_way(const struct entry *e)
{
	struct stat st;

	if (fstatat(e->to_dir, e->to, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return -EEXIST; /* whatever it is for, it is not to be lost */
	return unlinkat(e->to_dir, e->to, 0) < 0 ? -errno : 0;
}

static int make_file(const struct entry *e)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	const mode_t mode = e->st.st_mode & 0777;
	int fd = openat(e->to_dir, e->to, flags, mode);
	int r;

	if (fd >= 0 || errno != EEXIST)
		return fd < 0 ? -errno : fd;
	r = clear_way(e);
	if (r < 0)
		return r;
	fd = openat(e->to_dir, e->to, flags, mode);
	return fd < 0 ? -errno : fd;
}

static int copy_file(struct copy *c, struct entry *e)
{
	_cleanup_close_ int from = openat(
		e->from_dir, e->from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_close_ int to = -EBADF;
	struct timespec times[2];
	int r;

	if (from < 0 && is_gone(c, errno))
		return 0;
	if (from < 0 || fstat(from, &e->st) < 0)
		return failed(c, errno, "open", e->from);
	if (!S_ISREG(e->st.st_mode))
		return 0; /* exchanged since it was looked at */
	to = make_file(e);
	if (to < 0)
		return failed(c, -to, "make", e->to);
	r = fd_copy_sparse(from, to, e->st.st_size);
	if (r < 0)
		return failed(c, -r, "copy", e->from);
	take_times(&e->st, times);
	(void)futimens(to, times); /* not every file system has them */
	return 0;
}

static int copy_link(struct copy *c, const struct entry *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(e->from_dir, e->from, target, sizeof(target) - 1);
	int r;

	if (n < 0 && (is_gone(c, errno) || errno == EINVAL))
		return 0;
	if (n < 0)
		return failed(c, errno, "read the link", e->from);
	target[n] = '\0';
	r = symlinkat(target, e->to_dir, e->to) < 0 ? -errno : 0;
	if (r == -EEXIST) {
		r = clear_way(e);
		if (r == 0 && symlinkat(target, e->to_dir, e->to) < 0)
			r = -errno;
	}
	return r < 0 ? failed(c, -r, "make the link", e->to) : 0;
}

/* @from_fd, @to_fd: taken */
static int push(struct copy *c, int from_fd, int to_fd, const struct entry *e, bool made)
{
	struct level *l = &c->levels[c->depth];

	*l = (struct level){.from = fdopendir(from_fd),
			    .to_fd = to_fd,
			    .name = e->from,
			    .dev = e->st.st_dev,
			    .made = made,
			    .mode = e->st.st_mode & 0777};
	take_times(&e->st, l->times);
	if (!l->from) {
		close_fdp(&from_fd);
		close_fdp(&l->to_fd);
		return failed(c, ENOMEM, "read", e->from);
	}
	c->depth++;
	return 0;
}

static void pop(struct copy *c)
{
	struct level *l = &c->levels[--c->depth];
	struct stat st;

	/* It was made with the owner's bits, which the copy needed, and less the umask. */
	if (l->made && (l->mode & 0700) != 0700 && fstat(l->to_fd, &st) == 0)
		(void)fchmod(l->to_fd, st.st_mode & l->mode); /* ours, and just made */
	if (l->made)
		(void)futimens(l->to_fd, l->times); /* not every file system has them */
	(void)closedir(l->from);		    /* only read from */
	close_fdp(&l->to_fd);
}

static int make_dir(const struct entry *e, bool *ret_made)
{
	int fd;

	*ret_made = mkdirat(e->to_dir, e->to, (e->st.st_mode & 0777) | 0700) == 0;
	if (!*ret_made && errno != EEXIST)
		return -errno;
	fd = openat(e->to_dir, e->to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Return: 1: entered; 0: left out; -errno. */
static int enter_dir(struct copy *c, struct entry *e)
{
	_cleanup_close_ int from =
		openat(e->from_dir, e->from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool made;
	int to;

	if (from < 0 && is_gone(c, errno))
		return 0;
	if (from < 0 || fstat(from, &e->st) < 0)
		return failed(c, errno, "open the directory", e->from);
	if ((c->depth == 0 || e->st.st_dev != c->levels[c->depth - 1].dev) &&
	    copyout_is_kernels(from))
		return c->depth == 0 ? copyout_refuse_kernels(c->err, e->from) : 0;
	if (c->depth == COPYOUT_MAX_DEPTH) {
		(void)failed(c, ELOOP, "descend to", e->from);
		err_hint(c->err, "the tree is deeper than %u directories", COPYOUT_MAX_DEPTH);
		return -ELOOP;
	}
	to = make_dir(e, &made);
	if (to < 0)
		return failed(c, -to, "make the directory", e->to);
	return push(c, take_fd(&from), to, e, made);
}

static int copy_entry(struct copy *c, struct entry *e)
{
	if (fstatat(e->from_dir, e->from, &e->st, AT_SYMLINK_NOFOLLOW) < 0)
		return is_gone(c, errno) ? 0 : failed(c, errno, "look at", e->from);
	if (S_ISDIR(e->st.st_mode))
		return enter_dir(c, e);
	if (S_ISREG(e->st.st_mode))
		return copy_file(c, e);
	if (S_ISLNK(e->st.st_mode))
		return copy_link(c, e);
	if (c->depth > 0)
		return 0;
	(void)failed(c, EINVAL, "copy", e->from);
	err_hint(c->err, "it is neither a file, a directory nor a link");
	return -EINVAL;
}

static int walk(struct copy *c)
{
	while (c->depth > 0) {
		const struct level *l = &c->levels[c->depth - 1];
		struct entry e = {.from_dir = dirfd(l->from), .to_dir = l->to_fd};
		struct dirent *d;
		int r;

		errno = 0;
		d = readdir(l->from);
		if (!d && errno)
			return failed(c, errno, "read", ".");
		if (!d) {
			pop(c);
			continue;
		}
		if (is_dots(d->d_name))
			continue;
		e.from = e.to = d->d_name;
		r = copy_entry(c, &e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the destination ------------------------------------------------------------------------ */

/* Into a directory that is there. */
static int copy_into(struct copy *c, const struct copyout_source *source, const char *dest)
{
	_cleanup_close_ int to = open(dest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct entry e = {
		.from_dir = source->dir_fd,
		.from = source->name,
		.to_dir = to,
		/* "." is there already, and is entered */
		.to = source->content ? "." : source->label,
	};

	if (to < 0)
		return failed_path(c->err, errno, "open", dest);
	return copy_entry(c, &e);
}

/* Under a name of its own; what is there is no directory. */
static int copy_as(struct copy *c, const struct copyout_source *source, const char *dest)
{
	_cleanup_close_ int dir = -EBADF;
	struct entry e = {.from_dir = source->dir_fd, .from = source->name};
	char parent[PATH_MAX];
	char name[NAME_MAX + 1];
	size_t len;
	const char *base = path_basename(dest, &len);

	if (len >= sizeof(name) || (size_t)(base - dest) >= sizeof(parent))
		return failed_path(c->err, ENAMETOOLONG, "open", dest);
	str_fmt(name, sizeof(name), "%.*s", (int)len, base);
	str_fmt(parent, sizeof(parent), "%.*s", (int)(base - dest), dest);
	dir = len == 0 || is_dots(name)
		      ? -1
		      : open(*parent ? parent : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return failed_path(c->err, len == 0 || is_dots(name) ? ENOENT : errno, "open",
				   dest);
	e.to_dir = dir;
	e.to = name;
	return copy_entry(c, &e);
}

static int refuse_link(struct dyno_err *err, const char *dest)
{
	int r = failed_path(err, ELOOP, "copy to", dest);

	err_hint(err, "it is a link: name what it leads to, or end it in \"/\"");
	return r;
}

static int copy_to(struct copy *c, const struct copyout_source *source, bool is_dir,
		   const char *dest)
{
	const size_t len = strlen(dest);
	struct stat st;

	if (len == 0)
		return err_set(c->err, ERR_USAGE, 0, "the destination is empty");
	if (lstat(dest, &st) < 0) {
		if (errno != ENOENT || (dest[len - 1] == '/' && !is_dir))
			return failed_path(c->err, errno, "open", dest);
		return copy_as(c, source, dest);
	}
	if (S_ISDIR(st.st_mode))
		return copy_into(c, source, dest);
	if (S_ISLNK(st.st_mode))
		return refuse_link(c->err, dest);
	if (is_dir)
		return failed_path(c->err, ENOTDIR, "copy a directory to", dest);
	return copy_as(c, source, dest);
}

int copyout(const struct copyout_source *source, const char *dest, struct dyno_err *err)
{
	struct copy c = {.err = err};
	struct stat st;
	int r;

	if (fstatat(source->dir_fd, source->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed_path(err, errno, "look at", source->label);
	r = copy_to(&c, source, S_ISDIR(st.st_mode), dest);
	if (r == 0)
		r = walk(&c);
	while (c.depth > 0)
		pop(&c);
	return r;
}
