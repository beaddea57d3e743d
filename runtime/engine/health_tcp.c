/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_tcp.c - a connection to the dyno's port on its loopback, by IPv4 and then by IPv6, as an
 * app listens on either; and a request on it.
 */
#include "engine/health.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/netsock.h"

#define CHUNK_BYTES 4096
/* The longest path and what stands around it. */
#define REQUEST_BYTES (HEALTH_PATH_BYTES + 256)

static void try_connect(struct health *h);

void health_end_tcp(struct health *h)
{
	loop_remove(h->loop, h->fd);
	close_fdp(&h->fd);
}

/* ---- the answer ----------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Return: the status of an answer's first line; -EAGAIN: too little of it has come; -EPROTO. */
static int status_of(const struct health *h)
{
	static const char form[] = "HTTP/d.d ddd";
	const char *a = h->answer;

	for (size_t i = 0; i < STRLEN(form); i++) {
		if (i >= h->answer_len)
			return -EAGAIN;
		if (form[i] == 'd' ? !is_digit(a[i]) : a[i] != form[i])
			return -EPROTO;
	}
	if (h->answer_len == HEALTH_ANSWER_BYTES && !strchr(" \r\n", a[STRLEN(form)]))
		return -EPROTO;
	return (a[9] - '0') * 100 + (a[10] - '0') * 10 + (a[11] - '0');
}

/* By what has come: to the end, or until the time was over. */
static void conclude(struct health *h, const char *otherwise)
{
	int status = status_of(h);

	if (status >= 200 && status < 400)
		health_good(h);
	else if (status >= 0)
		health_bad(h, "GET %.64s: status %d", h->plan->path, status);
	else if (status == -EPROTO)
		health_bad(h, "GET %.64s: the answer is not HTTP", h->plan->path);
	else
		health_bad(h, "GET %.64s: %s", h->plan->path, otherwise);
}

void health_late_tcp(struct health *h)
{
	char limit[32], text[64];

	str_fmt(text, sizeof(text), "no answer within %s", health_limit(h, limit));
	if (h->connected)
		conclude(h, text);
	else
		health_bad(h, "connect to 127.0.0.1:%u: %s", (unsigned int)h->port, text);
}

static void on_answer(struct loop *loop, int fd, short revents, void *data)
{
	struct health *h = data;
	char chunk[CHUNK_BYTES];
	ssize_t n = read(fd, chunk, sizeof(chunk));
	size_t room = HEALTH_ANSWER_BYTES - h->answer_len;

	(void)loop;
	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conclude(h, n == 0 ? "closed without an answer" : err_errno_text(errno));
		return;
	}
	room = MIN_OF(room, (size_t)n);
	memcpy(h->answer + h->answer_len, chunk, room);
	h->answer_len += room;
	h->body_len += (size_t)n;
	if (h->body_len >= HEALTH_BODY_BYTES || status_of(h) == -EPROTO)
		conclude(h, "");
}

/* ---- the question --------------------------------------------------------------------------- */

static void send_request(struct health *h)
{
	char text[REQUEST_BYTES];
	size_t len = str_fmt(text, sizeof(text),
			     "GET %s HTTP/1.0\r\nHost: localhost:%u\r\n"
			     "User-Agent: dyno/" DYNO_VERSION "\r\nAccept: */*\r\n"
			     "Connection: close\r\n\r\n",
			     h->plan->path, (unsigned int)h->port);
	/* A fresh connection has room for it. */
	ssize_t n = send(h->fd, text, len, MSG_NOSIGNAL);
	int r;

	if (n != (ssize_t)len) {
		health_bad(h, "GET %.64s: %s", h->plan->path, err_errno_text(n < 0 ? errno : EIO));
		return;
	}
	r = loop_add(h->loop, h->fd, POLLIN, on_answer, h);
	if (r < 0)
		health_bad(h, "watch the connection: %s", err_errno_text(-r));
}

static void connected(struct health *h)
{
	h->connected = true;
	if (h->plan->kind == HEALTH_HTTP)
		send_request(h);
	else
		health_good(h);
}

/* The first address's error is the one to tell: most apps have never heard of the second. */
static void refused(struct health *h, int num)
{
	health_end_tcp(h);
	if (h->ipv6) {
		health_bad(h, "connect to 127.0.0.1:%u: %s", (unsigned int)h->port,
			   err_errno_text(h->first_num));
		return;
	}
	h->first_num = num;
	h->ipv6 = true;
	try_connect(h);
}

static void on_connect(struct loop *loop, int fd, short revents, void *data)
{
	struct health *h = data;
	int num = 0;
	socklen_t len = sizeof(num);

	(void)revents;
	loop_remove(loop, fd);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &num, &len) < 0)
		num = errno;
	if (num)
		refused(h, num);
	else
		connected(h);
}

static int start_connect(struct health *h)
{
	const struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(h->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(h->port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	int r;

	if (h->ipv6)
		r = connect(h->fd, (const struct sockaddr *)&in6, sizeof(in6));
	else
		r = connect(h->fd, (const struct sockaddr *)&in, sizeof(in));
	return r < 0 ? -errno : 0;
}

/* In the dyno's network, where it has one of its own. */
static int open_socket(const struct health *h)
{
	const int family = h->ipv6 ? AF_INET6 : AF_INET;

	if (h->launch->spec->network == SPEC_NET_HOST)
		return netsock_open(-EBADF, family);
	return h->launch->listen_fd < 0 ? -ENETUNREACH : netsock_open(h->launch->listen_fd, family);
}

static void try_connect(struct health *h)
{
	int r = open_socket(h);

	if (r >= 0) {
		h->fd = r;
		r = start_connect(h);
	}
	if (r == -EINPROGRESS)
		r = loop_add(h->loop, h->fd, POLLOUT, on_connect, h);
	else if (r >= 0)
		connected(h);
	if (r < 0)
		refused(h, -r);
}

void health_ask_tcp(struct health *h)
{
	h->ipv6 = false;
	h->connected = false;
	h->first_num = 0;
	h->answer_len = 0;
	h->body_len = 0;
	try_connect(h);
}
