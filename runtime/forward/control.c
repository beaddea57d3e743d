/* SPDX-License-Identifier: Apache-2.0 */
/* control.c - what monitors say. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "forward/forward.h"

/* Packets of one monitor and round, so that it cannot hold up the clients. Source: own choice */
#define BURST 16

/* One packet with its descriptors. */
struct packet {
	struct forward_msg msg;
	int fds[FORWARD_FDS_MAX];
	size_t n_fds;
};

static void leave(struct forward *f, struct peer *peer)
{
	if (peer->fd < 0)
		return;
	starts_leave(f, peer);
	TAILQ_REMOVE(&f->peers, peer, link);
	TAILQ_INSERT_TAIL(&f->gone_peers, peer, link);
	/* Its hanging up tells a monitor that the port is free. */
	if (f->met && TAILQ_EMPTY(&f->peers))
		end_port(f);
	close_fdp(&peer->fd);
	clients_serve(f);
}

void tell_peer(const struct peer *peer, const struct forward_msg *msg)
{
	/* What it does not read in time it does not want; it is left when that is read as its end. */
	if (peer->fd >= 0 &&
	    send(peer->fd, msg, sizeof(*msg), MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(*msg))
		(void)shutdown(peer->fd, SHUT_RDWR); /* it may be gone already */
}

void free_peers(struct forward *f)
{
	struct peer *peer;

	while ((peer = TAILQ_FIRST(&f->gone_peers))) {
		TAILQ_REMOVE(&f->gone_peers, peer, link);
		free(peer);
	}
}

/* ---- packets -------------------------------------------------------------------------------- */

static void take_fds(struct msghdr *msg, struct packet *p)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t len = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		len = MIN_OF(len, (FORWARD_FDS_MAX - p->n_fds) * sizeof(int));
		memcpy(p->fds + p->n_fds, CMSG_DATA(c), len);
		p->n_fds += len / sizeof(int);
	}
}

/* Return: 1; 0: none now; -errno: the monitor has gone, or speaks something else. */
static int receive(const struct peer *peer, struct packet *p)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int) * FORWARD_FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = &p->msg, .iov_len = sizeof(p->msg)};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	ssize_t n;

	p->msg = (struct forward_msg){0};
	p->n_fds = 0;
	n = recvmsg(peer->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	take_fds(&msg, p);
	/* A longer one is of a later version, whose further members are not for us. */
	if (n < (ssize_t)sizeof(p->msg))
		return -EPROTO;
	p->msg.app[sizeof(p->msg.app) - 1] = '\0';
	p->msg.dyno[sizeof(p->msg.dyno) - 1] = '\0';
	return 1;
}

/* Whether a monitor has hung up that was not heard yet: its app has left the port by then. */
static bool has_left(const struct peer *peer)
{
	struct pollfd p = {.fd = peer->fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) == 1;
}

static void drop_those_who_left(struct forward *f)
{
	struct peer *peer = TAILQ_FIRST(&f->peers);

	while (peer) {
		struct peer *next = TAILQ_NEXT(peer, link);

		if (has_left(peer))
			leave(f, peer);
		peer = next;
	}
}

static void hello(struct forward *f, struct peer *peer, const struct forward_msg *msg)
{
	struct forward_msg answer = {.type = FORWARD_WELCOME};

	if (!str_eq(msg->app, f->app)) {
		answer.type = FORWARD_REFUSED;
		(void)str_fmt(answer.app, sizeof(answer.app), "%s", f->app);
		tell_peer(peer, &answer);
		leave(f, peer);
		drop_those_who_left(f);
		return;
	}
	peer->met = true;
	peer->keeps = msg->flags & FORWARD_KEEP;
	peer->coming = true; /* until it says otherwise */
	peer->hold_ms = msg->value;
	f->met = true;
	tell_peer(peer, &answer);
}

/* Return: 0; -EPROTO: it says what nobody may. */
static int obey(struct forward *f, struct peer *peer, struct packet *p)
{
	const struct forward_msg *msg = &p->msg;
	int r = 0;

	if (msg->type != FORWARD_HELLO && !peer->met)
		return -EPROTO;
	switch (msg->type) {
	case FORWARD_HELLO:
		hello(f, peer, msg);
		break;
	case FORWARD_UP:
		r = start_up(f, peer, msg);
		break;
	case FORWARD_DOWN:
		start_down(f, peer, msg->gen);
		break;
	case FORWARD_SOCKETS:
		start_sockets(f, peer, msg->gen, p->fds, p->n_fds);
		p->n_fds = 0;
		break;
	case FORWARD_COMING:
		peer->coming = msg->value != 0;
		break;
	case FORWARD_BYE:
		leave(f, peer);
		return 0;
	default:
		break; /* of a later version */
	}
	clients_serve(f);
	return r;
}

static void on_peer(struct forward *f, struct source *source, uint32_t events)
{
	struct peer *peer = (struct peer *)source;
	struct packet p;
	int r = 1;

	(void)events; /* a hang-up is read like the rest */
	for (int i = 0; i < BURST && r > 0 && peer->fd >= 0; i++) {
		r = receive(peer, &p);
		if (r > 0 && obey(f, peer, &p) < 0)
			r = -EPROTO;
		while (p.n_fds > 0)
			close_fdp(&p.fds[--p.n_fds]);
	}
	if (r < 0)
		leave(f, peer);
}

/* Its socket has mode 0600 in a directory of our user: whoever connects is that user, or root. */
void on_control(struct forward *f, struct source *source, uint32_t events)
{
	_cleanup_close_ int fd = -EBADF;
	struct peer *peer;

	(void)source;
	(void)events;
	if (f->control_fd < 0)
		return;
	fd = accept4(f->control_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return; /* gone again, or there is no descriptor: it asks again */
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return;
	peer->source.fn = on_peer;
	if (watch(f, fd, EPOLLIN, &peer->source) < 0) {
		free(peer);
		return;
	}
	peer->fd = take_fd(&fd);
	TAILQ_INSERT_TAIL(&f->peers, peer, link);
}
