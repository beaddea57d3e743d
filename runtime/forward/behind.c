/* SPDX-License-Identifier: Apache-2.0 */
/* behind.c - the starts of dynos behind the port, and who gets the next client. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "forward/forward.h"

static struct start *find_start(struct forward *f, const struct peer *peer, uint32_t gen)
{
	struct start *start = NULL;

	TAILQ_FOREACH(start, &f->starts, link)
	if (start->peer == peer && start->gen == gen)
		return start;
	return NULL;
}

static void drop_sockets(struct start *start)
{
	while (start->n_sockets > 0)
		close_fdp(&start->sockets[--start->n_sockets]);
}

static void tell(const struct start *start, enum forward_msg_type type, uint64_t value)
{
	const struct forward_msg msg = {.type = type, .gen = start->gen, .value = value};

	if (start->peer)
		tell_peer(start->peer, &msg);
}

static void want_sockets(struct start *start)
{
	if (!start->inside || !start->open || start->asked || start->n_sockets >= START_SOCKETS_LOW)
		return;
	start->asked = true;
	tell(start, FORWARD_WANT, FORWARD_FDS_MAX);
}

static void free_if_over(struct forward *f, struct start *start)
{
	if (start->open || start->n_conns > 0 || (start->peer && !start->told_down))
		return;
	TAILQ_REMOVE(&f->starts, start, link);
	drop_sockets(start);
	free(start);
}

int start_up(struct forward *f, struct peer *peer, const struct forward_msg *msg)
{
	struct start *start = find_start(f, peer, msg->gen);

	if (msg->at_len == 0 || msg->at_len > sizeof(msg->at))
		return -EPROTO;
	if (start)
		return 0;
	start = calloc(1, sizeof(*start));
	if (!start)
		return -ENOMEM;
	start->peer = peer;
	start->gen = msg->gen;
	start->at = msg->at;
	start->at_len = msg->at_len;
	start->inside = msg->flags & FORWARD_INSIDE;
	start->open = true;
	TAILQ_INSERT_HEAD(&f->starts, start, link);
	want_sockets(start);
	return 0;
}

static void tell_idle(const struct start *start)
{
	if (!start->told_down || start->n_conns > 0 || !start->peer)
		return;
	tell(start, FORWARD_IDLE, 0);
}

void start_down(struct forward *f, struct peer *peer, uint32_t gen)
{
	const struct forward_msg ack = {.type = FORWARD_ACK, .gen = gen};
	struct start *start = find_start(f, peer, gen);

	/* What is already on its way to it stays: it may be answered yet. */
	if (start) {
		start->open = false;
		start->told_down = true;
		drop_sockets(start);
	}
	tell_peer(peer, &ack);
	if (start) {
		tell_idle(start);
		free_if_over(f, start);
	}
}

void start_sockets(struct forward *f, struct peer *peer, uint32_t gen, int *fds, size_t n)
{
	struct start *start = find_start(f, peer, gen);
	const bool none = n == 0;

	if (start)
		start->asked = false;
	if (start && none)
		start->bad_until_ms = clock_ms() + FORWARD_RETRY_MS; /* then asked again */
	while (n > 0) {
		if (start && start->open && start->n_sockets < START_SOCKETS)
			start->sockets[start->n_sockets++] = take_fd(&fds[--n]);
		else
			close_fdp(&fds[--n]);
	}
	if (start && !none)
		want_sockets(start);
}

void starts_leave(struct forward *f, const struct peer *peer)
{
	struct start *start = TAILQ_FIRST(&f->starts);

	while (start) {
		struct start *next = TAILQ_NEXT(start, link);

		if (start->peer == peer) {
			start->peer = NULL;
			start->open = false;
			drop_sockets(start);
			free_if_over(f, start);
		}
		start = next;
	}
}

/* ---- who is next ---------------------------------------------------------------------------- */

static bool is_better(const struct start *a, const struct start *b)
{
	return !b || a->n_conns < b->n_conns;
}

/* The fewest connections; among equals the one whose turn is longest ago. */
struct start *start_choose(struct forward *f, uint64_t now_ms)
{
	struct start *best = NULL;
	struct start *start = NULL;

	TAILQ_FOREACH(start, &f->starts, link)
	{
		if (!start->open || start->bad_until_ms > now_ms)
			continue;
		if (start->inside && start->n_sockets == 0) {
			want_sockets(start);
			continue;
		}
		if (is_better(start, best))
			best = start;
	}
	if (!best)
		return NULL;
	TAILQ_REMOVE(&f->starts, best, link);
	TAILQ_INSERT_TAIL(&f->starts, best, link);
	return best;
}

int start_socket(struct start *start)
{
	int fd;

	if (start->inside) {
		fd = take_fd(&start->sockets[--start->n_sockets]);
		want_sockets(start);
		return fd;
	}
	fd = socket(start->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

static bool has_others(const struct forward *f, const struct start *than, uint64_t now_ms)
{
	const struct start *start = NULL;

	TAILQ_FOREACH(start, &f->starts, link)
	if (start != than && start->open && start->bad_until_ms <= now_ms)
		return true;
	return false;
}

void start_refused(struct forward *f, struct start *start, uint64_t now_ms)
{
	start->bad_until_ms =
		now_ms + (has_others(f, start, now_ms) ? FORWARD_BAD_MS : FORWARD_RETRY_MS);
}

void start_release(struct forward *f, struct start *start)
{
	start->n_conns--;
	tell_idle(start);
	free_if_over(f, start);
}

uint64_t start_retry_at(const struct forward *f, uint64_t now_ms)
{
	uint64_t at_ms = UINT64_MAX;
	const struct start *start = NULL;

	TAILQ_FOREACH(start, &f->starts, link)
	if (start->open && start->bad_until_ms > now_ms)
		at_ms = MIN_OF(at_ms, start->bad_until_ms);
	return at_ms;
}

bool starts_worth(const struct forward *f)
{
	const struct start *start = NULL;
	const struct peer *peer = NULL;

	if (!f->met)
		return true;
	TAILQ_FOREACH(start, &f->starts, link)
	if (start->open)
		return true;
	TAILQ_FOREACH(peer, &f->peers, link)
	if (peer->coming || peer->keeps)
		return true;
	return false;
}
