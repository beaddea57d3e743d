/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c - drains into files and descriptors, as lines of text or JSON.  A file that was given
 * another name is made anew.  A pipe that is full is waited for, and its description is left as it
 * is: it belongs to the caller too.  Several helpers may write to one: see sink.c on the lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "drain/drain.h"
#include "model/logframe.h"

/* Written at once. Source: pipe(7), the default capacity */
#define WRITE_BYTES (64U * 1024U)
/* How often is looked whether a file bears its name still, and for a lock. Source: own choice */
#define CHECK_MS 1000U
#define LOCK_MS	 10U

static int open_path(const char *path)
{
	int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0640);

	return fd < 0 ? -errno : fd;
}

static int look_at(struct drain *d)
{
	struct stat st;

	if (fstat(d->fd, &st) < 0)
		return -errno;
	d->is_regular = S_ISREG(st.st_mode);
	d->is_socket = S_ISSOCK(st.st_mode);
	return 0;
}

static int file_open(struct drain *d, struct dyno_err *err)
{
	int r;

	d->fd = d->url.kind == LOGURL_FD ? fcntl(d->url.fd, F_DUPFD_CLOEXEC, 3)
					 : open_path(d->url.path);
	if (d->url.kind == LOGURL_FD && d->fd < 0)
		d->fd = -errno;
	r = d->fd < 0 ? d->fd : look_at(d);
	if (r < 0)
		return err_set(err, ERR_IO, -r, "open the log %s", d->url.shown);
	return 0;
}

/* Whoever turns files over has given it another name, or removed it. */
static void check_name(struct drain *d, uint64_t now_ms)
{
	struct stat is, was;
	int fd;

	if (d->url.kind == LOGURL_FD || !d->is_regular || now_ms < d->check_ms || d->torn)
		return;
	d->check_ms = now_ms + CHECK_MS;
	if (fstat(d->fd, &was) == 0 && stat(d->url.path, &is) == 0 && is.st_ino == was.st_ino &&
	    is.st_dev == was.st_dev)
		return;
	fd = open_path(d->url.path);
	if (fd < 0)
		return; /* the old one goes on */
	close_fdp(&d->fd);
	d->fd = fd;
	(void)look_at(d); /* of an open descriptor it cannot fail */
}

/* ---- writing --------------------------------------------------------------------------------- */

static int lock(struct drain *d)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (d->is_regular || d->locked)
		return 0;
	if (fcntl(d->fd, F_SETLK, &lock) == 0)
		d->locked = true;
	return d->locked || (errno != EAGAIN && errno != EACCES) ? 0 : -EBUSY;
}

static void unlock(struct drain *d)
{
	struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	if (d->locked)
		(void)fcntl(d->fd, F_SETLK, &lock); /* it was ours */
	d->locked = false;
}

static ssize_t write_some(const struct drain *d, const char *text, size_t len)
{
	struct pollfd p = {.fd = d->fd, .events = POLLOUT};
	ssize_t n;

	if (d->is_socket) {
		n = send(d->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (!d->is_regular) {
		/* Where there is room there is room for PIPE_BUF. */
		if (poll(&p, 1, 0) == 0)
			return -EAGAIN;
		n = write(d->fd, text, MIN_OF(len, (size_t)PIPE_BUF));
	} else {
		n = write(d->fd, text, len);
	}
	return n < 0 ? -errno : n == 0 ? -EIO : n;
}

/* A note begins a batch, and a record that stands for several ends one: of what was written in part
 * the rest can be counted. */
static void fill(struct drain *d)
{
	struct logline line;

	d->out.len = d->out_from = 0;
	drain_settled(d);
	while (d->out.len < WRITE_BYTES && d->weight + (d->noted > 0) == d->in_flight &&
	       drain_next(d, &line)) {
		if (d->note_len > 0 && d->in_flight > 0)
			break;
		if (d->torn && d->out.len == 0)
			sbuf_addc(&d->out, '\n');
		if (d->url.kind == LOGURL_JSON)
			logline_json(&line, &d->out);
		else
			logframe_text(&d->out, &line);
		drain_taken(d);
		d->in_flight++;
	}
	if (sbuf_ok(&d->out) < 0) {
		sbuf_done(&d->out);
		d->out = (struct sbuf){0};
		drain_lose(d);
		d->in_flight = 0;
	}
}

/* The lines that are not in the file whole. */
static void lose_rest(struct drain *d)
{
	uint64_t unwritten = 0, written;

	for (size_t i = d->out_from; i < d->out.len; i++)
		unwritten += d->out.data[i] == '\n';
	/* The end of a torn line before them is a newline more. */
	written = d->in_flight - MIN_OF(unwritten, d->in_flight);
	if (written > 0 && d->noted > 0) {
		d->noted = 0;
		written--;
	}
	d->weight -= written;
	drain_lose(d);
}

static int write_out(struct drain *d)
{
	while (d->out_from < d->out.len) {
		const ssize_t n =
			write_some(d, d->out.data + d->out_from, d->out.len - d->out_from);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		d->out_from += (size_t)n;
		d->torn = d->out.data[d->out_from - 1] != '\n';
	}
	return 0;
}

static void file_service(struct drain *d, uint64_t now_ms)
{
	d->poll_fd = -1;
	d->wake_ms = UINT64_MAX;
	if (!drain_may_try(d, now_ms))
		return;
	for (;;) {
		int r;

		if (d->out_from == d->out.len) {
			check_name(d, now_ms);
			fill(d);
		}
		if (d->out.len == 0)
			break;
		r = lock(d);
		if (r == 0)
			r = write_out(d);
		if (r == -EBUSY) {
			d->wake_ms = now_ms + LOCK_MS;
			break;
		}
		if (!d->torn || r != -EAGAIN)
			unlock(d);
		if (r == -EAGAIN) {
			d->poll_fd = d->fd;
			d->poll_events = CURL_WAIT_POLLOUT;
			break;
		}
		if (r < 0) {
			lose_rest(d);
			d->check_ms = 0; /* perhaps there is another one by then */
			drain_failed(d, now_ms);
		} else {
			drain_went_well(d);
		}
		d->out.len = d->out_from = 0;
		d->in_flight = 0;
		if (r < 0)
			break;
	}
	d->busy = d->out_from < d->out.len;
}

static void file_close(struct drain *d)
{
	close_fdp(&d->fd);
}

const struct drain_kind drain_file = {
	.open = file_open, .service = file_service, .close = file_close};
