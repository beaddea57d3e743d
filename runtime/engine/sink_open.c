/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/sink.h"

/* Tries at a directory that somebody removes for being empty before the file is in it. */
#define OPEN_TRIES 64
/* Read at once while lines are counted. Source: a page; the monitor's memory is small */
#define COUNT_BYTES 4096

/*
 * The description of a caller's pipe belongs to many: non-blocking mode set on it would be seen by
 * all of them, and would stay.  Opened anew through /proc it is a description of our own, for a
 * pipe, a fifo and a terminal.  A fifo without a reader cannot be opened so, nor can what belongs
 * to another user.
 */
static int open_anew(int fd)
{
	char path[32];
	int r;

	(void)str_fmt(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

void sink_open_fd(struct sink *sink, int fd)
{
	struct stat st;

	*sink = SINK_INIT;
	if (fstat(fd, &st) < 0)
		return;
	sink->is_fifo = S_ISFIFO(st.st_mode);
	sink->is_socket = S_ISSOCK(st.st_mode);
	sink->can_be_full = !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode);
	if (sink->can_be_full && !sink->is_socket)
		sink->fd = open_anew(fd);
	if (sink->fd < 0) {
		sink->shared = true;
		sink->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	}
}

/* ---- files ---------------------------------------------------------------------------------- */

static int open_dir(int dirfd, const char *name, bool make)
{
	int fd;

	if (make && mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Return: the directory logs/@app; -errno. */
static int open_app_dir(struct store *store, const char *app, bool make)
{
	_cleanup_close_ int logs_fd = open_dir(store->data_fd, LOGS_DIR, make);

	return logs_fd < 0 ? logs_fd : open_dir(logs_fd, app, make);
}

/* A monitor that was killed, or met a full disk, may have left half a record. */
static bool ends_in_a_record(int fd, uint64_t bytes)
{
	char last = '\n';

	if (bytes > 0 && pread(fd, &last, 1, (off_t)bytes - 1) != 1)
		return false;
	return last == '\n';
}

static int open_file(struct sink *sink)
{
	_cleanup_close_ int fd =
		openat(sink->dir_fd, sink->name,
		       O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return -errno;
	/* For sink_remove_ended(), which holds it only while it removes the file.  Without locks, as
	 * on some network file systems, nobody removes it either. */
	(void)flock(fd, LOCK_SH);
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_nlink == 0)
		return -ENOENT;
	sink->bytes = (uint64_t)st.st_size;
	sink->lines = 0;
	sink->counted = sink->bytes == 0; /* else when it matters */
	sink->torn = !ends_in_a_record(fd, sink->bytes);
	sink->fd = take_fd(&fd);
	return 0;
}

/* One name, then the other: a reader that follows sees its file get another name, and a new one. */
static int turn_over(struct sink *sink)
{
	char older[sizeof(sink->name) + 2];
	int r;

	(void)str_fmt(older, sizeof(older), "%s.1", sink->name);
	/* A file that takes the name of another is written out there and then, and all wait for it.
	 * Source: ext4(5), auto_da_alloc */
	if (unlinkat(sink->dir_fd, older, 0) < 0 && errno != ENOENT) {
		/* What bears the name is no file.  The log must not grow for that. */
		r = path_remove_tree(sink->dir_fd, older);
		if (r < 0)
			return r;
	}
	if (renameat(sink->dir_fd, sink->name, sink->dir_fd, older) < 0 && errno != ENOENT)
		return -errno;
	close_fdp(&sink->fd);
	return 0;
}

/* Lines at the end of the file, as many as are asked for. */
static uint64_t count_lines(const struct sink *sink, uint64_t enough)
{
	__attribute__((uninitialized)) char buf[COUNT_BYTES];
	uint64_t end = sink->bytes;
	uint64_t count = 0;

	while (end > 0 && count < enough) {
		const size_t len = (size_t)MIN_OF(end, (uint64_t)sizeof(buf));
		const ssize_t n = pread(sink->fd, buf, len, (off_t)(end - len));

		if (n <= 0)
			break; /* somebody has cut it short, or it cannot be read: it goes */
		count += sink_records(buf, (size_t)n);
		end -= len;
	}
	return end > 0 && count < enough ? enough : count;
}

/* A file goes when it is the older one at the next turn; what is left must be enough to show. */
static bool is_full(struct sink *sink, uint64_t more)
{
	if (sink->bytes == 0 || sink->bytes + more <= sink->file_bytes)
		return false;
	if (!sink->counted && sink->lines < SINK_KEEP_LINES) {
		sink->lines = count_lines(sink, SINK_KEEP_LINES);
		sink->counted = true;
	}
	return sink->lines >= SINK_KEEP_LINES;
}

int sink_file_ready(struct sink *sink, uint64_t more)
{
	int r;

	if (sink->fd >= 0 && is_full(sink, more)) {
		r = turn_over(sink);
		if (r < 0)
			return r;
	}
	return sink->fd < 0 ? open_file(sink) : 0;
}

static int open_files(struct sink *sink, struct store *store, const char *app)
{
	int r = -ENOENT;

	for (int tries = 0; r == -ENOENT && tries < OPEN_TRIES; tries++) {
		close_fdp(&sink->dir_fd);
		sink->dir_fd = open_app_dir(store, app, true);
		r = sink->dir_fd < 0 ? sink->dir_fd : open_file(sink);
	}
	return r;
}

int sink_open_files(struct sink *sink, struct store *store, const char *app, const char *dyno,
		    struct dyno_err *err)
{
	int r;

	*sink = SINK_INIT;
	sink->file_bytes = SINK_FILE_BYTES;
	(void)str_fmt(sink->name, sizeof(sink->name), "%s.log", dyno);
	r = open_files(sink, store, app);
	if (r < 0) {
		sink_close(sink);
		err_set(err, ERR_IO, -r, "open the log %s/" LOGS_DIR "/%s/%s.log", store->data_dir,
			app, dyno);
		err_hint(err, "choose another place with --data-dir");
		return r;
	}
	return 0;
}

static int remove_file(int dirfd, const char *name)
{
	return unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Both files of a dyno, the older one first: a reader finds the newer one as long as there is any. */
static int remove_files(int logs_fd, int app_fd, const char *app, const char *dyno)
{
	char name[sizeof(((struct sink *)NULL)->name)];
	int r;

	(void)str_fmt(name, sizeof(name), "%s.log.1", dyno);
	r = remove_file(app_fd, name);
	(void)str_fmt(name, sizeof(name), "%s.log", dyno);
	if (r == 0)
		r = remove_file(app_fd, name);
	if (r == 0)
		(void)unlinkat(logs_fd, app, AT_REMOVEDIR); /* not empty: of other dynos */
	return r;
}

int sink_remove_files(struct store *store, const char *app, const char *dyno)
{
	_cleanup_close_ int logs_fd = open_dir(store->data_fd, LOGS_DIR, false);
	_cleanup_close_ int app_fd = logs_fd < 0 ? logs_fd : open_dir(logs_fd, app, false);

	if (app_fd < 0)
		return app_fd == -ENOENT ? 0 : app_fd;
	return remove_files(logs_fd, app_fd, app, dyno);
}

int sink_remove_ended(struct store *store, const char *app, const char *dyno)
{
	_cleanup_close_ int logs_fd = open_dir(store->data_fd, LOGS_DIR, false);
	_cleanup_close_ int app_fd = logs_fd < 0 ? logs_fd : open_dir(logs_fd, app, false);
	_cleanup_close_ int fd = -EBADF;
	char name[sizeof(((struct sink *)NULL)->name)];
	int r;

	if (app_fd < 0)
		return app_fd == -ENOENT ? 1 : app_fd;
	(void)str_fmt(name, sizeof(name), "%s.log", dyno);
	fd = openat(app_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return -errno;
	/* Held until the names are gone: who opens the file meanwhile sees that it bears none. */
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : -errno;
	r = remove_files(logs_fd, app_fd, app, dyno);
	return r < 0 ? r : 1;
}
