/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - a connection, from its accept to its end. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "base/clock.h"
#include "base/fd.h"
#include "forward/forward.h"
#include "model/publish.h"

/* Clients accepted in one round. Source: own choice */
#define ACCEPT_BURST 64
/* A client that says nothing for so long is asked whether it is still there. Source: own choice */
#define KEEPALIVE_S 120

/* Edges alone: what could not be moved yet is tried again when the kernel says so. */
#define END_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static void serve(struct forward *f, struct conn *conn);

void conn_move(struct forward *f, struct conn *conn, enum conn_state state)
{
	TAILQ_REMOVE(&f->conns[conn->state], conn, link);
	conn->state = state;
	TAILQ_INSERT_TAIL(&f->conns[state], conn, link);
}

/* ---- the end -------------------------------------------------------------------------------- */

/* Unless something is still on its way, which a RST would overtake. */
static void set_reset(int fd)
{
	const struct linger now = {.l_onoff = 1};
	int left = 0;

	if (ioctl(fd, SIOCOUTQ, &left) == 0 && left == 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* else a FIN */
}

void conn_close(struct forward *f, struct conn *conn, bool reset)
{
	if (conn->state == CONN_DEAD)
		return;
	for (size_t i = 0; i < ENDS; i++) {
		struct end *end = &conn->ends[i];

		if (reset && end->fd >= 0)
			set_reset(end->fd);
		close_fdp(&end->fd);
		pipe_close(&end->pipe);
	}
	if (conn->start)
		start_release(f, conn->start);
	conn->start = NULL;
	if (conn->queued)
		TAILQ_REMOVE(&f->more, conn, more);
	conn->queued = false;
	conn_move(f, conn, CONN_DEAD);
	f->n_conns--;
	if (!f->paused_until_ms)
		set_listening(f, f->n_conns < f->max_conns);
}

void free_conns(struct forward *f)
{
	struct conn_list *dead = &f->conns[CONN_DEAD];
	struct conn *conn;

	while ((conn = TAILQ_FIRST(dead))) {
		TAILQ_REMOVE(dead, conn, link);
		free(conn);
	}
}

/* ---- towards a dyno ------------------------------------------------------------------------- */

/* In the order of their deadlines: one that comes back has waited longer than others. */
static void hold(struct forward *f, struct conn *conn)
{
	struct conn_list *held = &f->conns[CONN_HELD];
	struct conn *after = TAILQ_FIRST(held);

	TAILQ_REMOVE(&f->conns[conn->state], conn, link);
	conn->state = CONN_HELD;
	while (after && after->hold_until_ms < conn->hold_until_ms)
		after = TAILQ_NEXT(after, link);
	if (after)
		TAILQ_INSERT_BEFORE(after, conn, link);
	else
		TAILQ_INSERT_TAIL(held, conn, link);
}

static void try_again(struct forward *f, struct conn *conn)
{
	struct end *end = &conn->ends[DYNO];
	struct start *start = conn->start;

	close_fdp(&end->fd);
	conn->start = NULL;
	hold(f, conn);
	start_refused(f, start, clock_ms());
	start_release(f, start);
}

static void open_both(struct forward *f, struct conn *conn)
{
	conn->ends[DYNO].writable = true;
	conn_move(f, conn, CONN_OPEN);
	pump(f, conn);
}

static void connected(struct forward *f, struct conn *conn, uint32_t events)
{
	int num = 0;
	socklen_t len = sizeof(num);

	if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		return;
	if (getsockopt(conn->ends[DYNO].fd, SOL_SOCKET, SO_ERROR, &num, &len) < 0)
		num = errno;
	if (num == 0) {
		open_both(f, conn);
		return;
	}
	try_again(f, conn);
	clients_serve(f);
}

static void on_end(struct forward *f, struct source *source, uint32_t events)
{
	struct end *end = (struct end *)source;
	struct conn *conn = end->conn;

	if (conn->state == CONN_DEAD || end->fd < 0)
		return;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		end->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		end->writable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		end->hung_up = true;
	if (conn->state == CONN_OPEN || conn->state == CONN_HALF)
		pump(f, conn);
	else if (end == &conn->ends[DYNO])
		connected(f, conn, events);
	else if (events & (EPOLLHUP | EPOLLERR))
		conn_close(f, conn, true); /* the client has not waited */
}

static int start_connect(struct forward *f, struct conn *conn)
{
	static const int on = 1;
	const struct start *start = conn->start;
	struct end *end = &conn->ends[DYNO];

	end->readable = end->writable = end->hung_up = end->ended = end->shut = false;
	/* Whoever wrote in pieces meant it so, and whoever did not loses nothing. */
	(void)setsockopt(end->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(end->fd, (const struct sockaddr *)&start->at, start->at_len) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return watch(f, end->fd, END_EVENTS, &end->source);
}

/* Of one that is held. */
static void serve(struct forward *f, struct conn *conn)
{
	uint64_t now_ms = clock_ms();
	struct start *start = start_choose(f, now_ms);
	int fd;

	if (!start)
		return;
	conn->start = start;
	start->n_conns++;
	fd = start_socket(start);
	conn->ends[DYNO].fd = fd < 0 ? -EBADF : fd;
	conn->until_ms = now_ms + FORWARD_CONNECT_MS;
	conn_move(f, conn, CONN_CONNECTING);
	if (fd < 0 || start_connect(f, conn) < 0)
		try_again(f, conn);
}

void clients_serve(struct forward *f)
{
	struct conn_list *held = &f->conns[CONN_HELD];
	struct conn *conn;

	if (f->ending || !starts_worth(f)) {
		while ((conn = TAILQ_FIRST(held)))
			conn_close(f, conn, false);
		return;
	}
	while ((conn = TAILQ_FIRST(held))) {
		serve(f, conn);
		if (conn->state == CONN_HELD)
			return;
	}
}

/* ---- from a client -------------------------------------------------------------------------- */

static uint64_t hold_ms(const struct forward *f)
{
	const struct peer *peer = NULL;
	uint64_t ms = 0;

	TAILQ_FOREACH(peer, &f->peers, link)
	ms = MAX_OF(ms, peer->hold_ms);
	return ms ? ms : PUBLISH_HOLD_MS;
}

static void admit(struct forward *f, int fd)
{
	static const int on = 1, idle_s = KEEPALIVE_S;
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn) {
		(void)close(fd);
		return;
	}
	for (size_t i = 0; i < ENDS; i++)
		conn->ends[i] = (struct end){.source.fn = on_end,
					     .conn = conn,
					     .fd = -EBADF,
					     .pipe = {{-EBADF, -EBADF}}};
	if (watch(f, fd, END_EVENTS, &conn->ends[CLIENT].source) < 0) {
		(void)close(fd);
		free(conn);
		return;
	}
	/* Niceties: a connection works without them. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	conn->ends[CLIENT].fd = fd;
	conn->hold_until_ms = clock_ms() + hold_ms(f);
	conn->state = CONN_DEAD;
	TAILQ_INSERT_TAIL(&f->conns[CONN_DEAD], conn, link);
	hold(f, conn);
	if (++f->n_conns >= f->max_conns)
		set_listening(f, false);
}

static bool no_room(int num)
{
	return num == EMFILE || num == ENFILE || num == ENOBUFS || num == ENOMEM;
}

void on_port(struct forward *f, struct source *source, uint32_t events)
{
	(void)source;
	(void)events;
	for (int i = 0; i < ACCEPT_BURST && f->listening && f->port_fd >= 0; i++) {
		int fd = accept4(f->port_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			admit(f, fd);
			continue;
		}
		if (no_room(errno)) {
			set_listening(f, false);
			f->paused_until_ms = clock_ms() + FORWARD_PAUSE_MS;
		}
		break; /* none now, or one that has gone again: the next event tells */
	}
	clients_serve(f);
}

/* ---- deadlines ------------------------------------------------------------------------------ */

static uint64_t next_of(const struct forward *f, enum conn_state state)
{
	const struct conn *conn = TAILQ_FIRST(&f->conns[state]);

	return conn ? conn->until_ms : UINT64_MAX;
}

static void give_up_held(struct forward *f, uint64_t now_ms)
{
	struct conn *conn;

	while ((conn = TAILQ_FIRST(&f->conns[CONN_HELD])) && conn->hold_until_ms <= now_ms)
		conn_close(f, conn, false);
}

/* A dyno whose queue is full does not answer; another may, or the same a little later. */
static void give_up_tries(struct forward *f, uint64_t now_ms)
{
	struct conn *conn;

	while ((conn = TAILQ_FIRST(&f->conns[CONN_CONNECTING])) && conn->until_ms <= now_ms)
		try_again(f, conn);
}

static void give_up_halves(struct forward *f, uint64_t now_ms)
{
	struct conn *conn;

	while ((conn = TAILQ_FIRST(&f->conns[CONN_HALF])) && conn->until_ms <= now_ms)
		conn_close(f, conn, false);
}

uint64_t clients_due(struct forward *f, uint64_t now_ms)
{
	const struct conn *held;
	uint64_t at_ms;

	give_up_tries(f, now_ms);
	give_up_halves(f, now_ms);
	give_up_held(f, now_ms);
	clients_serve(f);
	at_ms = MIN_OF(next_of(f, CONN_CONNECTING), next_of(f, CONN_HALF));
	held = TAILQ_FIRST(&f->conns[CONN_HELD]);
	if (!held)
		return at_ms;
	at_ms = MIN_OF(at_ms, held->hold_until_ms);
	return MIN_OF(at_ms, start_retry_at(f, now_ms));
}
