/* SPDX-License-Identifier: Apache-2.0 */
/*
 * datagram.c - drains that send each record by itself: to journald, and to syslog over UDP.  Nobody
 * says that one has come; what the socket refuses is counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "drain/drain.h"
#include "model/logframe.h"

static int open_journald(const char *path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (fd < 0)
		return -errno;
	if (str_fmt(to.sun_path, sizeof(to.sun_path), "%s", path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* Over UDP the name is looked up anew after each failure.
 * Return: 0: open, or a look has begun; -errno. */
static int open_socket(struct drain *d)
{
	if (d->url.kind == LOGURL_UDP)
		return d->easy ? 0 : drain_connect(d);
	d->fd = open_journald(d->url.path);
	return d->fd < 0 ? d->fd : 0;
}

static void datagram_done(struct drain *d, CURLcode code)
{
	const int fd = code == CURLE_OK ? drain_socket(d) : -1;

	d->fd = fd < 0 ? -EBADF : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	drain_disconnect(d);
	if (d->fd < 0)
		drain_failed(d, clock_ms());
}

static void format(struct drain *d, const struct logline *line)
{
	d->out.len = 0;
	if (d->url.kind == LOGURL_UDP)
		logframe_syslog(&d->out, line, d->token, false);
	else
		logframe_journal(&d->out, line, d->shared->app);
}

/* Return: 0: sent; -EAGAIN: no room; -ECONNRESET: try again later, by another socket; else it is
 * lost. */
static int send_one(struct drain *d)
{
	if (sbuf_ok(&d->out) < 0)
		return -ENOMEM;
	if (send(d->fd, d->out.data, d->out.len, MSG_NOSIGNAL) >= 0)
		return 0;
	/* ENOBUFS tells nothing of room that could be awaited. */
	if (errno == EAGAIN)
		return -EAGAIN;
	if (errno == EMSGSIZE)
		return -EMSGSIZE;
	/* Of UDP this tells of an earlier one: nobody has listened. */
	return d->url.kind == LOGURL_UDP && errno == ECONNREFUSED ? -ECONNREFUSED : -ECONNRESET;
}

static void datagram_service(struct drain *d, uint64_t now_ms)
{
	struct logline line;

	d->poll_fd = -1;
	d->wake_ms = UINT64_MAX;
	d->busy = false;
	if (!drain_may_try(d, now_ms))
		return;
	if (d->fd < 0 && open_socket(d) < 0)
		drain_failed(d, now_ms);
	if (d->fd < 0)
		return;
	while (drain_next(d, &line)) {
		int r;

		format(d, &line);
		r = send_one(d);
		if (r == -EAGAIN) {
			d->poll_fd = d->fd;
			d->poll_events = CURL_WAIT_POLLOUT;
			return;
		}
		if (r == -ECONNRESET) {
			close_fdp(&d->fd);
			drain_failed(d, now_ms);
			return;
		}
		drain_taken(d);
		if (r < 0) {
			drain_lose(d);
		} else {
			drain_settled(d);
			drain_went_well(d);
		}
		if (r == -ENOMEM)
			sbuf_done(&d->out);
	}
}

static void datagram_close(struct drain *d)
{
	drain_disconnect(d);
	close_fdp(&d->fd);
}

const struct drain_kind drain_datagram = {
	.service = datagram_service, .done = datagram_done, .close = datagram_close};
