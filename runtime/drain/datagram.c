/* SPDX-License-Identifier: Apache-2.0 */
/*
 * datagram.c - drains that send each record by itself: to journald, and to syslog over UDP.  Nobody
 * says that one has come; what the socket refuses is counted.
 */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

/* The name is looked up at each try; an address takes no look. */
static int open_udp(const struct logurl *url)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *list = NULL;
	char port[8];
	int fd = -EHOSTUNREACH;

	(void)str_fmt(port, sizeof(port), "%u", (unsigned int)url->port);
	if (getaddrinfo(url->host, port, &hints, &list) != 0)
		return -EHOSTUNREACH;
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
			    a->ai_protocol);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0)
			close_fdp(&fd);
	}
	freeaddrinfo(list);
	return fd < 0 ? -EHOSTUNREACH : fd;
}

static void format(struct drain *d, const struct logline *line)
{
	d->out.len = 0;
	if (d->url.kind == LOGURL_UDP)
		logframe_syslog(&d->out, line, d->token, false);
	else
		logframe_journal(&d->out, line, d->shared->app);
}

/* Return: 0: sent; -EAGAIN: no room; -ECONNRESET: the socket is of no use; else it is lost. */
static int send_one(struct drain *d)
{
	if (sbuf_ok(&d->out) < 0)
		return -ENOMEM;
	if (send(d->fd, d->out.data, d->out.len, MSG_NOSIGNAL) >= 0)
		return 0;
	if (errno == EAGAIN || errno == ENOBUFS)
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
	if (d->fd < 0)
		d->fd = d->url.kind == LOGURL_UDP ? open_udp(&d->url) : open_journald(d->url.path);
	if (d->fd < 0) {
		drain_failed(d, now_ms);
		return;
	}
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
	close_fdp(&d->fd);
}

const struct drain_kind drain_datagram = {.service = datagram_service, .close = datagram_close};
