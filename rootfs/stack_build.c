/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack_build.c - reading a stack's description and making its layer.
 *
 * Whose layer: as root the files belong to root, whom the app is not.  Rootless they belong to the
 * caller, as whom the app appears, so they get no write permission; the app may give it to itself,
 * as the owner, and then changes its own throw-away copy and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "model/etcfile.h"
#include "rootfs/stack_internal.h"

#include "stack_host_conf.h"

/* What a host's configuration may be. Source: measured, Debian 12 with three interpreters has
 * 900 files of 3 MiB in 4 levels; ten times that and more. */
#define COPY_FILES_MAX 20000U
#define COPY_BYTES_MAX (UINT64_C(64) << 20)
#define COPY_DEPTH_MAX 12U

#define DIR_MODE       0755U
#define FILE_MODE      0644U
#define WRITE_BITS     0222U
#define OTHERS_READ    0004U
#define OTHERS_SEARCH  0005U
#define STICKY_WORLD   01777U

const char *stack_host_description(void)
{
	return stack_host_conf;
}

/* ---- the description ------------------------------------------------------------------------ */

static const struct {
	const char *word;
	enum stack_verb verb;
	unsigned int words; /* after the verb */
} verbs[] = {
	{"dir", STACK_DIR, 2},	 {"link", STACK_LINK, 2}, {"top", STACK_TOP, 1},
	{"text", STACK_TEXT, 2}, {"copy", STACK_COPY, 1}, {"also", STACK_ALSO, 1},
};

/* Cut the next word of a line. Return: false when there is none, or it is too long. */
static bool next_word(const char **at, char *word)
{
	size_t len;

	*at += strspn(*at, " \t");
	len = strcspn(*at, " \t\n");
	if (len == 0 || len >= STACK_WORD_BYTES)
		return false;
	memcpy(word, *at, len);
	word[len] = '\0';
	*at += len;
	return true;
}

static int parse_octal(const char *s, unsigned int *ret)
{
	unsigned int v = 0;

	if (!*s || strlen(s) > 4)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '7')
			return -EINVAL;
		v = v * 8 + (unsigned int)(*s - '0');
	}
	*ret = v;
	return 0;
}

static int parse_line(const char *at, struct stack_line *ret)
{
	char verb[STACK_WORD_BYTES], first[STACK_WORD_BYTES], second[STACK_WORD_BYTES] = "";
	size_t i;

	if (!next_word(&at, verb) || !next_word(&at, first))
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(verbs) && !str_eq(verbs[i].word, verb); i++)
		;
	if (i == ARRAY_SIZE(verbs))
		return -EINVAL;
	if (verbs[i].words == 2 && !next_word(&at, second))
		return -EINVAL;
	at += strspn(at, " \t");
	if (*at && *at != '\n')
		return -EINVAL;

	*ret = (struct stack_line){.verb = verbs[i].verb};
	if (ret->verb == STACK_DIR) {
		memcpy(ret->path, second, sizeof(second));
		return parse_octal(first, &ret->mode);
	}
	memcpy(ret->path, first, sizeof(first));
	memcpy(ret->arg, second, sizeof(second));
	return 0;
}

int stack_line_next(const char **at, struct stack_line *ret)
{
	while (**at) {
		const char *line = *at;
		size_t len = strcspn(line, "\n");

		*at += len + (line[len] == '\n');
		line += strspn(line, " \t");
		if (*line == '\n' || *line == '\0' || *line == '#')
			continue;
		return parse_line(line, ret) < 0 ? -EINVAL : 1;
	}
	return 0;
}

/* ---- copying -------------------------------------------------------------------------------- */

/**
 * struct build - one run.
 * @files, @bytes: copied so far
 */
struct build {
	int host_fd;
	int root_fd;
	bool lock_modes;
	unsigned int files;
	uint64_t bytes;
};

static mode_t final_mode(const struct build *b, mode_t mode)
{
	return b->lock_modes && mode != STICKY_WORLD ? mode & ~(mode_t)WRITE_BITS : mode;
}

static int failed(struct dyno_err *err, int num, const char *operation, const char *path)
{
	int r = err_set(err, ERR_STACK, num, "%s %s of the host stack", operation, path);

	if (num == ENOSPC || num == EDQUOT)
		err_hint(err, "free space with `dyno slug gc --unused`, or use another --data-dir");
	return r;
}

/* Make @path's parents in the layer. */
static int make_parents(const struct build *b, const char *path, struct dyno_err *err)
{
	char parent[STACK_WORD_BYTES];
	char *slash;
	int r;

	(void)str_fmt(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (!slash)
		return 0;
	*slash = '\0';
	r = path_mkdir_p(b->root_fd, parent, DIR_MODE);
	return r < 0 ? failed(err, -r, "make directory", parent) : 0;
}

static int copy_bytes(int from, int to, uint64_t size)
{
	while (size > 0) {
		ssize_t n = sendfile(to, from, NULL, size);

		if (n < 0)
			return -errno;
		if (n == 0)
			return 0; /* it became shorter, and will be seen as changed */
		size -= (uint64_t)n;
	}
	return 0;
}

static int copy_file(struct build *b, int from_dir, int to_dir, const char *name,
		     const struct stat *st)
{
	mode_t mode = final_mode(b, FILE_MODE | (st->st_mode & 0111));
	_cleanup_close_ int from =
		openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_close_ int to = -EBADF;
	int r;

	if (from < 0)
		return errno == ENOENT || errno == EACCES ? 0 : -errno;
	to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	b->bytes += (uint64_t)st->st_size;
	if (b->bytes > COPY_BYTES_MAX)
		return -EFBIG;
	r = copy_bytes(from, to, (uint64_t)st->st_size);
	if (r < 0)
		return r;
	return fchmod(to, mode) < 0 ? -errno : 0;
}

static int copy_link(int from_dir, int to_dir, const char *name)
{
	char target[4096];
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	target[n] = '\0';
	return symlinkat(target, to_dir, name) < 0 ? -errno : 0;
}

static int copy_any(struct build *b, int from_dir, int to_dir, const char *name,
		    unsigned int depth);

/* Directories are made open to us and get their final mode once filled. */
static int copy_dir(struct build *b, int from_dir, int to_dir, const char *name, unsigned int depth)
{
	_cleanup_dir_ struct dir from = DIR_INIT;
	_cleanup_close_ int to = -EBADF;
	const char *child;
	int r;

	if (depth == COPY_DEPTH_MAX)
		return -ELOOP;
	r = dir_open(from_dir, name, &from);
	if (r < 0)
		return r == -ENOENT || r == -EACCES ? 0 : r;
	if (mkdirat(to_dir, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return -errno;
	while ((child = dir_next_name(&from))) {
		r = copy_any(b, from.fd, to, child, depth + 1);
		if (r < 0)
			return r;
	}
	return fchmod(to, final_mode(b, DIR_MODE)) < 0 ? -errno : 0;
}

/* Anything that is not there, not for everybody, or no file, link or directory is left out. */
static int copy_any(struct build *b, int from_dir, int to_dir, const char *name, unsigned int depth)
{
	struct stat st;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
	if (++b->files > COPY_FILES_MAX)
		return -EFBIG;
	if (S_ISLNK(st.st_mode))
		return copy_link(from_dir, to_dir, name);
	if (S_ISDIR(st.st_mode) && (st.st_mode & OTHERS_SEARCH) == OTHERS_SEARCH)
		return copy_dir(b, from_dir, to_dir, name, depth);
	if (S_ISREG(st.st_mode) && (st.st_mode & OTHERS_READ))
		return copy_file(b, from_dir, to_dir, name, &st);
	return 0;
}

/**
 * struct place - a directory on the host and its counterpart in the layer.
 */
struct place {
	int from;
	int to;
};

static void place_done(struct place *p)
{
	close_fdp(&p->from);
	close_fdp(&p->to);
}

/* Open the directory that holds @path on both sides.
 * Return: 1; 0 when the host has none, or not for everybody; -errno. */
static int open_place(struct build *b, const char *path, struct place *ret, const char **ret_name,
		      struct dyno_err *err)
{
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW;
	char parent[STACK_WORD_BYTES];
	char *slash;
	struct stat st;
	int r;

	(void)str_fmt(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (!slash)
		return err_set(err, ERR_INTERNAL, 0, "copy of a top directory: %s", path);
	*slash = '\0';
	*ret_name = path + (slash + 1 - parent);
	ret->from = open_beneath(b->host_fd, parent, O_RDONLY | O_DIRECTORY, 0);
	if (ret->from < 0 || fstat(ret->from, &st) < 0 ||
	    (st.st_mode & OTHERS_SEARCH) != OTHERS_SEARCH)
		return 0;
	r = make_parents(b, path, err);
	if (r < 0)
		return r;
	ret->to = open_beneath(b->root_fd, parent, flags, 0);
	return ret->to < 0 ? failed(err, -ret->to, "open directory", parent) : 1;
}

static int copy_matching(struct build *b, const struct place *p, const char *pattern)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	int r = dir_open(p->from, ".", &dir);

	while (r == 0 && (name = dir_next_name(&dir)))
		if (fnmatch(pattern, name, FNM_PERIOD) == 0)
			r = copy_any(b, p->from, p->to, name, 0);
	return r;
}

static int copy_line(struct build *b, const struct stack_line *line, struct dyno_err *err)
{
	_cleanup_(place_done) struct place place = {-EBADF, -EBADF};
	const char *name = NULL;
	int r = open_place(b, line->path, &place, &name, err);

	if (r <= 0)
		return r;
	if (line->verb == STACK_ALSO && strchr(name, '*'))
		r = copy_matching(b, &place, name);
	else
		r = copy_any(b, place.from, place.to, name, 0);
	return r < 0 ? failed(err, -r, "copy", line->path) : 0;
}

/* ---- the other verbs ------------------------------------------------------------------------ */

static int make_dir(const struct build *b, const char *path, mode_t mode, struct dyno_err *err)
{
	int r = path_mkdir_p(b->root_fd, path, DIR_MODE);

	if (r == 0 && fchmodat(b->root_fd, path, mode, 0) < 0)
		r = -errno;
	return r < 0 ? failed(err, -r, "make directory", path) : 0;
}

/* A top directory of the host is a link into /usr, or a directory that will be bound. */
static int make_top(const struct build *b, const char *path, struct dyno_err *err)
{
	struct stat st;
	int r;

	if (fstatat(b->host_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : failed(err, errno, "stat", path);
	if (S_ISDIR(st.st_mode))
		return make_dir(b, path, DIR_MODE, err);
	if (!S_ISLNK(st.st_mode))
		return 0;
	r = copy_link(b->host_fd, b->root_fd, path);
	return r < 0 ? failed(err, -r, "copy link", path) : 0;
}

static int make_text(const struct build *b, const struct stack_line *line, struct dyno_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_sbuf_ struct sbuf text = {0};
	ssize_t n;
	int r;

	if (!str_eq(line->arg, "nsswitch"))
		return err_set(err, ERR_INTERNAL, 0, "no text %s is known", line->arg);
	etc_nsswitch(&text);
	if (sbuf_ok(&text) < 0)
		return err_set(err, ERR_MEMORY, ENOMEM, "make %s", line->path);
	r = make_parents(b, line->path, err);
	if (r < 0)
		return r;
	fd = openat(b->root_fd, line->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(err, errno, "make", line->path);
	n = fd_write_full(fd, text.data, text.len);
	if (n < 0 || fchmod(fd, final_mode(b, FILE_MODE)) < 0)
		return failed(err, n < 0 ? (int)-n : errno, "write", line->path);
	return 0;
}

static int make_link(const struct build *b, const struct stack_line *line, struct dyno_err *err)
{
	int r = make_parents(b, line->path, err);

	if (r < 0)
		return r;
	if (symlinkat(line->arg, b->root_fd, line->path) < 0)
		return failed(err, errno, "make link", line->path);
	return 0;
}

static int build_line(struct build *b, const struct stack_line *line, struct dyno_err *err)
{
	switch (line->verb) {
	case STACK_DIR:
		return make_dir(b, line->path, line->mode, err);
	case STACK_LINK:
		return make_link(b, line, err);
	case STACK_TOP:
		return make_top(b, line->path, err);
	case STACK_TEXT:
		return make_text(b, line, err);
	case STACK_COPY:
	case STACK_ALSO:
		return copy_line(b, line, err);
	}
	return err_set(err, ERR_INTERNAL, 0, "no such verb");
}

/* Take the write permission from the directories that lines have made, once all are filled. */
static int lock_dirs(const struct build *b, const char *description, struct dyno_err *err)
{
	struct stack_line line;
	struct stat st;

	while (stack_line_next(&description, &line) == 1) {
		if (line.verb == STACK_DIR) {
			mode_t mode = final_mode(b, line.mode);

			if (fchmodat(b->root_fd, line.path, mode, 0) < 0)
				return failed(err, errno, "set mode of", line.path);
		}
		/* Parents that only a copied path implies. */
		for (char *s = line.path; (s = strchr(s, '/')); *s++ = '/') {
			*s = '\0';
			if (fstatat(b->root_fd, line.path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			    S_ISDIR(st.st_mode) && st.st_mode & S_IWUSR &&
			    fchmodat(b->root_fd, line.path, final_mode(b, st.st_mode & 07777), 0) <
				    0)
				return failed(err, errno, "set mode of", line.path);
		}
	}
	return fchmod(b->root_fd, final_mode(b, DIR_MODE)) < 0
		       ? failed(err, errno, "set mode of", "the top")
		       : 0;
}

int stack_build(const char *description, int host_fd, int root_fd, bool lock_modes,
		struct dyno_err *err)
{
	struct build b = {.host_fd = host_fd, .root_fd = root_fd, .lock_modes = lock_modes};
	const char *at = description;
	struct stack_line line;
	int r;

	while ((r = stack_line_next(&at, &line)) == 1) {
		r = build_line(&b, &line, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return err_set(err, ERR_INTERNAL, 0, "a stack's description has a bad line");
	return lock_modes ? lock_dirs(&b, description, err) : 0;
}
