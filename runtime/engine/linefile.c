/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/linefile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

/* Behind the name of a file that is about to replace it. */
#define NEW_SUFFIX ".new"
/* Read at once while lines are counted. Source: a page; the monitor's memory is small */
#define COUNT_BYTES 4096
/* How often a lock is tried that another holds. Source: some times as long as an append, so that
 * among many there is always one that finds it free */
#define LOCK_LOOK_NS 100000

/* ---- holding -------------------------------------------------------------------------------- */

/* Whether the others were given their time; it begins with the first question. @until: 0 before */
static bool is_late(uint64_t *until)
{
	uint64_t now = clock_ms();

	if (*until == 0)
		*until = now + LINEFILE_LOCK_MS;
	return now >= *until;
}

static int lock(int fd, uint64_t *until)
{
	const struct timespec pause = {.tv_nsec = LOCK_LOOK_NS};

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (is_late(until))
			return -EBUSY;
		(void)ppoll(NULL, 0, &pause, NULL); /* a signal only makes it shorter */
	}
	return 0;
}

/* Whether the name still leads to the file that was locked. */
static int look(struct linefile *file)
{
	struct stat a;
	struct stat b;

	if (fstat(file->fd, &a) < 0)
		return -errno;
	if (!S_ISREG(a.st_mode))
		return -EINVAL;
	if (fstatat(file->dir_fd, file->path, &b, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return -ESTALE;
	/* A new one: exactly that mode, whatever the umask. */
	if (a.st_size == 0 && fchmod(file->fd, 0600) < 0)
		return -errno;
	file->size_bytes = (uint64_t)a.st_size;
	return 0;
}

int linefile_open(int dir_fd, const char *path, bool create, struct linefile *ret)
{
	const int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	struct linefile file = {.dir_fd = dir_fd};
	uint64_t until = 0;
	int r;

	if (str_fmt(file.path, sizeof(file.path), "%s", path) >= sizeof(file.path))
		return -ENAMETOOLONG;
	do {
		file.fd = openat(dir_fd, path, flags | (create ? O_CREAT : 0), 0600);
		if (file.fd < 0)
			return -errno;
		r = lock(file.fd, &until);
		if (r == 0)
			r = look(&file);
		if (r < 0)
			close_fdp(&file.fd);
	} while (r == -ESTALE && !is_late(&until));
	if (r == 0)
		*ret = file;
	return r == -ESTALE ? -EBUSY : r;
}

void linefile_close(struct linefile *file)
{
	close_fdp(&file->fd);
}

/* ---- changing ------------------------------------------------------------------------------- */

static int append_all(struct linefile *file, const char *line, size_t len)
{
	ssize_t n = fd_write_full(file->fd, line, len);

	if (n >= 0) {
		file->size_bytes += len;
		return 0;
	}
	/* Half a line is worse than none; where it cannot be taken back the next one ends it. */
	return ftruncate(file->fd, (off_t)file->size_bytes) < 0 ? -EIO : (int)n;
}

/* What a killed process has left of its line must not become the head of ours. */
static int end_last_line(struct linefile *file)
{
	char last;
	ssize_t n;

	if (file->size_bytes == 0)
		return 0;
	n = pread(file->fd, &last, 1, (off_t)file->size_bytes - 1);
	if (n < 0)
		return -errno;
	return n == 1 && last != '\n' ? append_all(file, "\n", 1) : 0;
}

int linefile_append(struct linefile *file, const char *line, size_t len)
{
	int r;

	if (len > LINEFILE_LINE_BYTES)
		return -EFBIG;
	r = end_last_line(file);
	return r < 0 ? r : append_all(file, line, len);
}

int64_t linefile_count(const struct linefile *file)
{
	__attribute__((uninitialized)) char buf[COUNT_BYTES];
	int64_t count = 0;
	off_t at = 0;

	for (;;) {
		ssize_t n = pread(file->fd, buf, sizeof(buf), at);

		if (n < 0)
			return -errno;
		if (n == 0)
			return count;
		for (const char *p = buf; (p = memchr(p, '\n', (size_t)(buf + n - p))); p++)
			count++;
		at += n;
	}
}

/* The lines that stay. Return: how many go, or -errno. */
static int filter(struct linefile *file, linefile_keep_fn keep, void *data, struct sbuf *b)
{
	_cleanup_free_ char *text = NULL;
	int dropped = 0;
	size_t len;
	int r = linefile_read_fd(file->fd, &text, &len);

	if (r < 0)
		return r;
	for (const char *line = text; line < text + len; line += strlen(line) + 1) {
		if (!keep(data, line, strlen(line))) {
			dropped++;
			continue;
		}
		sbuf_adds(b, line);
		sbuf_addc(b, '\n');
	}
	return sbuf_ok(b) < 0 ? -ENOMEM : dropped;
}

static int replace(struct linefile *file, const struct sbuf *b)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_close_ int fd = -EBADF;
	char path[LINEFILE_PATH_BYTES + STRLEN(NEW_SUFFIX)];
	ssize_t n;
	int r;

	if (b->len == 0)
		return unlinkat(file->dir_fd, file->path, 0) < 0 ? -errno : 0;
	str_fmt(path, sizeof(path), "%s" NEW_SUFFIX, file->path);
	fd = openat(file->dir_fd, path, flags, 0600);
	if (fd < 0)
		return -errno;
	n = fd_write_full(fd, b->data, b->len);
	if (n >= 0 && renameat(file->dir_fd, path, file->dir_fd, file->path) == 0)
		return 0;
	r = n < 0 ? (int)n : -errno;
	(void)unlinkat(file->dir_fd, path, 0); /* else the next one writes over it */
	return r;
}

int linefile_filter(struct linefile *file, linefile_keep_fn keep, void *data)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	int dropped = filter(file, keep, data, &b);
	int r;

	if (dropped < 0 || (dropped == 0 && b.len > 0))
		return dropped;
	r = replace(file, &b);
	return r < 0 ? r : dropped;
}

int linefile_turn(struct linefile *file, const char *to)
{
	return renameat(file->dir_fd, file->path, file->dir_fd, to) < 0 ? -errno : 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

/*
 * Cuts a text into lines; an unfinished one at its end goes, and where the beginning of the file
 * was left out (@cut), so does the first.  A NUL within a line would end it: the file was damaged,
 * and neither part of it will be understood.
 */
static size_t split_lines(char *text, size_t len, bool cut)
{
	char *end = memrchr(text, '\n', len);
	char *first;

	len = end ? (size_t)(end - text) + 1 : 0;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\n')
			text[i] = '\0';
	if (!cut || len == 0)
		return len;
	first = text + strlen(text) + 1;
	len -= (size_t)(first - text);
	memmove(text, first, len);
	return len;
}

int linefile_read_fd(int fd, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t len;
	ssize_t n;
	bool cut;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	cut = (uint64_t)st.st_size > LINEFILE_READ_BYTES;
	len = cut ? LINEFILE_READ_BYTES : (size_t)st.st_size;
	text = malloc(len + 1);
	if (!text)
		return -ENOMEM;
	if (lseek(fd, st.st_size - (off_t)len, SEEK_SET) < 0)
		return -errno;
	n = fd_read_full(fd, text, len);
	if (n < 0)
		return (int)n;
	*ret_len = split_lines(text, (size_t)n, cut);
	*ret = take_ptr(&text);
	return 0;
}

int linefile_read(int dir_fd, const char *path, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd =
		openat(dir_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : linefile_read_fd(fd, ret, ret_len);
}
