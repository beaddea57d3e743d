/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

/* Tries at a pair of files while they are turned over. Source: own choice; a turn takes 32 MiB */
#define OPEN_TRIES	16

#define FILE_NAME_BYTES (NAME_BYTES + 8U)

static void name_of(const struct logfile *file, bool older, char buf[FILE_NAME_BYTES])
{
	str_fmt(buf, FILE_NAME_BYTES, "%s.log%s", file->name, older ? ".1" : "");
}

/* ---- which file ------------------------------------------------------------------------------ */

/* Return: a descriptor; -ENOENT; -errno.  What bears the name and is no file is none. */
static int open_one(int dir_fd, const struct logfile *file, bool older, struct stat *ret)
{
	_cleanup_close_ int fd = -EBADF;
	char name[FILE_NAME_BYTES];

	name_of(file, older, name);
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP ? -ENOENT : -errno;
	if (fstat(fd, ret) < 0)
		return -errno;
	return S_ISREG(ret->st_mode) ? take_fd(&fd) : -ENOENT;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether the first name leads to the file of @st; to none at all where @st is NULL. */
static bool is_newest(int dir_fd, const struct logfile *file, const struct stat *st)
{
	char name[FILE_NAME_BYTES];
	struct stat now;

	name_of(file, false, name);
	if (fstatat(dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return !st;
	return st && is_same(st, &now);
}

/*
 * Both files as they were at one moment: the newer one is opened first, and bears its name still
 * when both are open.
 */
static int open_pair(int dir_fd, const struct logfile *file, int ret[2], struct stat st[2])
{
	for (int tries = 0; tries < OPEN_TRIES; tries++) {
		_cleanup_close_ int newer = open_one(dir_fd, file, false, &st[1]);
		_cleanup_close_ int older = open_one(dir_fd, file, true, &st[0]);

		if ((newer < 0 && newer != -ENOENT) || (older < 0 && older != -ENOENT))
			return newer < 0 && newer != -ENOENT ? newer : older;
		if (!is_newest(dir_fd, file, newer < 0 ? NULL : &st[1]))
			continue;
		ret[0] = older < 0 ? -EBADF : take_fd(&older);
		ret[1] = newer < 0 ? -EBADF : take_fd(&newer);
		return 0;
	}
	return -EBUSY;
}

/* The file that comes after the one that is final, or the first of all.
 * Return: 1; 0: it is not there yet; -errno. */
static int go_on(int dir_fd, struct logfile *file)
{
	struct stat st[2], now;
	int fds[2] = {-EBADF, -EBADF};
	int r;

	if (file->next_fd >= 0) {
		close_fdp(&file->fd);
		file->fd = take_fd(&file->next_fd);
	} else {
		r = open_pair(dir_fd, file, fds, st);
		if (r < 0)
			return r == -EBUSY ? 0 : r; /* the next round tries again */
		if (fds[0] < 0 && fds[1] < 0)
			close_fdp(&file->fd); /* removed: what comes under the name is new */
		if (file->fd >= 0 && fds[0] >= 0 && fstat(file->fd, &now) == 0 &&
		    is_same(&now, &st[0]))
			close_fdp(&fds[0]); /* it was read */
		if (fds[0] < 0 && fds[1] < 0)
			return 0;
		close_fdp(&file->fd);
		file->fd = fds[0] >= 0 ? fds[0] : fds[1];
		file->next_fd = fds[0] >= 0 ? fds[1] : -EBADF;
	}
	file->at = 0;
	r = logfile_look(dir_fd, file);
	return r < 0 ? r : 1;
}

int logfile_open(int dir_fd, struct logfile *file)
{
	int r = go_on(dir_fd, file);

	return MIN_OF(r, 0);
}

void logfile_done(struct logfile *file)
{
	close_fdp(&file->fd);
	close_fdp(&file->next_fd);
	free(file->buf);
	file->buf = NULL;
	file->cap = file->from = file->to = 0;
}

/* ---- forwards -------------------------------------------------------------------------------- */

/* The name is asked for before the size: what is final by then has its last size. */
int logfile_look(int dir_fd, struct logfile *file)
{
	struct stat st;

	if (file->fd < 0)
		return 0;
	if (fstat(file->fd, &st) < 0)
		return -errno;
	file->final = file->next_fd >= 0 || !is_newest(dir_fd, file, &st);
	if (fstat(file->fd, &st) < 0)
		return -errno;
	file->limit = (uint64_t)st.st_size;
	if (file->limit < file->at) { /* somebody has emptied it */
		file->at = 0;
		file->from = file->to = 0;
	}
	return 0;
}

/* Room for more behind what is not told yet. Return: 0; -ENOMEM. */
static int make_room(struct logfile *file)
{
	size_t cap = file->cap ? file->cap : LOGFILE_BLOCK_BYTES / 2;
	char *buf;

	if (file->from > 0) {
		file->to -= file->from;
		memmove(file->buf, file->buf + file->from, file->to);
		file->from = 0;
	}
	if (file->buf && file->to < file->cap / 2)
		return 0;
	if (file->cap >= LOGFILE_LINE_BYTES)
		return 0;
	buf = realloc(file->buf, 2 * cap);
	if (!buf)
		return -ENOMEM;
	file->buf = buf;
	file->cap = 2 * cap;
	return 0;
}

/* Return: bytes read; 0: no more in this round; -errno. */
static ssize_t fill(struct logfile *file)
{
	uint64_t left = file->limit > file->at ? file->limit - file->at : 0;
	ssize_t n;
	int r;

	if (file->fd < 0 || left == 0)
		return 0;
	r = make_room(file);
	if (r < 0)
		return r;
	n = pread(file->fd, file->buf + file->to, MIN_OF(left, file->cap - file->to),
		  (off_t)file->at);
	if (n < 0)
		return -errno;
	file->at += (size_t)n;
	file->to += (size_t)n;
	return n;
}

static int take_line(struct logfile *file, size_t len, size_t with_end)
{
	file->line = file->buf + file->from;
	file->len = len;
	file->from += with_end;
	return 1;
}

/* Thousands of dynos that say nothing need no memory. */
static void give_back(struct logfile *file)
{
	if (file->from < file->to)
		return;
	free(file->buf);
	file->buf = NULL;
	file->cap = file->from = file->to = 0;
}

int logfile_next(int dir_fd, struct logfile *file)
{
	size_t seen = 0;

	for (;;) {
		const char *text = file->buf ? file->buf + file->from : NULL;
		size_t len = file->to - file->from;
		const char *end = len > seen ? memchr(text + seen, '\n', len - seen) : NULL;
		ssize_t n;

		if (end)
			return take_line(file, (size_t)(end - text), (size_t)(end - text) + 1);
		if (len >= LOGFILE_LINE_BYTES)
			return take_line(file, len, len);
		seen = len;
		n = fill(file);
		if (n > 0)
			continue;
		if (n == 0 && file->final && len > 0)
			return take_line(file, len, len);
		if (n == 0 && (file->final || file->fd < 0))
			n = go_on(dir_fd, file);
		if (n <= 0) {
			give_back(file);
			return (int)n;
		}
		seen = 0;
	}
}

/* ---- backwards ------------------------------------------------------------------------------- */

/* Gets the block that ends at @end. Return: 0; -errno. */
static int load(struct logback *back, uint64_t end)
{
	uint64_t base = end > sizeof(back->buf) ? end - sizeof(back->buf) : 0;
	ssize_t n = pread(back->fd, back->buf, (size_t)(end - base), (off_t)base);

	if (n < 0)
		return -errno;
	if ((uint64_t)n < end - base)
		return -ESTALE; /* somebody has cut it short meanwhile */
	back->base = base;
	back->n = (size_t)n;
	return 0;
}

static bool is_loaded(const struct logback *back, uint64_t at)
{
	return at >= back->base && at < back->base + back->n;
}

/* Where the line begins that ends before @end. Return: 0; -errno. */
static int find_begin(struct logback *back, uint64_t end, uint64_t *ret)
{
	while (end > 0) {
		const char *newline;
		int r = is_loaded(back, end - 1) ? 0 : load(back, end);

		if (r < 0)
			return r;
		newline = memrchr(back->buf, '\n', (size_t)(end - back->base));
		if (newline) {
			*ret = back->base + (size_t)(newline - back->buf) + 1;
			return 0;
		}
		end = back->base;
	}
	*ret = 0;
	return 0;
}

static int begin_file(struct logback *back, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	back->fd = fd;
	back->pos = (uint64_t)st.st_size;
	back->n = 0;
	return 0;
}

int logback_begin(const struct logfile *file, struct logback *ret)
{
	bool two = file->next_fd >= 0;
	int r;

	*ret = (struct logback){.file = file, .fd = -EBADF, .line_fd = -EBADF, .older = two};
	if (file->fd < 0)
		return 0;
	r = begin_file(ret, two ? file->next_fd : file->fd);
	/* A last line without its end is still being written, but for that of a final file. */
	if (r == 0 && (two || !file->final))
		r = find_begin(ret, ret->pos, &ret->pos);
	ret->line_fd = ret->fd;
	ret->line_at = ret->pos;
	return r;
}

/* The head of the line that has been found, out of the block where that has it. */
static int take_head(struct logback *back, uint64_t end)
{
	size_t len = (size_t)MIN_OF(end - back->line_at, (uint64_t)sizeof(back->head));
	ssize_t n;

	if (len > 0 && is_loaded(back, back->line_at) && is_loaded(back, back->line_at + len - 1)) {
		memcpy(back->head, back->buf + (back->line_at - back->base), len);
		back->head_len = len;
		return 0;
	}
	n = pread(back->fd, back->head, len, (off_t)back->line_at);
	if (n < 0)
		return -errno;
	back->head_len = (size_t)n;
	return 0;
}

int logback_next(struct logback *back)
{
	uint64_t end;
	int r;

	if (back->fd < 0)
		return 0;
	while (back->pos == 0) {
		if (!back->older)
			return 0;
		back->older = false;
		r = begin_file(back, back->file->fd);
		if (r < 0)
			return r;
	}
	end = back->pos;
	r = is_loaded(back, end - 1) ? 0 : load(back, end);
	if (r < 0)
		return r;
	if (back->buf[end - 1 - back->base] == '\n')
		end--;
	r = find_begin(back, end, &back->pos);
	if (r < 0)
		return r;
	back->line_fd = back->fd;
	back->line_at = back->pos;
	r = take_head(back, end);
	return r < 0 ? r : 1;
}

void logfile_seek(struct logfile *file, int line_fd, uint64_t line_at)
{
	if (line_fd >= 0 && line_fd == file->next_fd) {
		close_fdp(&file->fd);
		file->fd = take_fd(&file->next_fd);
	}
	file->at = line_at;
	file->from = file->to = 0;
}
