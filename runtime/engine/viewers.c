/* SPDX-License-Identifier: Apache-2.0 */
/*
 * viewers.c - theory of operation.  The ring holds whole frames; the oldest go as new ones come.
 * Each viewer has a place in it, and a copy of the one frame that it is being sent, so that a frame
 * that goes from the ring is never torn.  A viewer whose place goes with it is moved on, and what it
 * has missed is the next frame that it gets.
 */
#include "engine/viewers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/util.h"

/**
 * struct viewer - one of them.
 * @at: its place in the ring
 * @lost: bytes that it has not been told of
 * @events: that the loop waits for
 * @heard_all: it has closed its side
 * @out, @from, @to: what it is being sent
 * @in, @n_in: of the writer: what the dyno has not taken
 */
struct viewer {
	struct viewers *v;
	int fd;
	uint64_t id;
	bool writer;
	bool heard_all;
	short events;
	uint64_t at;
	uint64_t lost;
	char out[sizeof(struct viewer_frame) + VIEWERS_FRAME_BYTES];
	size_t from;
	size_t to;
	char in[VIEWERS_FRAME_BYTES];
	size_t n_in;
};

/* ---- the ring ------------------------------------------------------------------------------- */

static void ring_write(struct viewers *v, const void *bytes, size_t len)
{
	const size_t at = (size_t)(v->to % VIEWERS_RING_BYTES);
	const size_t first = MIN_OF(len, VIEWERS_RING_BYTES - at);

	memcpy(v->ring + at, bytes, first);
	memcpy(v->ring, (const char *)bytes + first, len - first);
	v->to += len;
}

static void ring_read(const struct viewers *v, uint64_t from, void *ret, size_t len)
{
	const size_t at = (size_t)(from % VIEWERS_RING_BYTES);
	const size_t first = MIN_OF(len, VIEWERS_RING_BYTES - at);

	memcpy(ret, v->ring + at, first);
	memcpy((char *)ret + first, v->ring, len - first);
}

static void ring_drop(struct viewers *v)
{
	struct viewer_frame frame;
	const uint64_t old = v->from;

	ring_read(v, old, &frame, sizeof(frame));
	v->from += sizeof(frame) + frame.len;
	for (size_t i = 0; i < VIEWERS_MAX; i++) {
		struct viewer *one = v->list[i];

		if (!one || one->at > old)
			continue;
		one->lost += frame.len;
		one->at = v->from;
	}
}

/* ---- one viewer ----------------------------------------------------------------------------- */

static void on_viewer(struct loop *loop, int fd, short revents, void *data);

static void wait_for(struct viewer *one)
{
	struct loop *loop = one->v->loop;
	short events = 0;

	if (!one->heard_all && one->n_in == 0)
		events |= POLLIN;
	if (one->from < one->to)
		events |= POLLOUT;
	if (events == one->events)
		return;
	loop_remove(loop, one->fd);
	one->events = events;
	(void)loop_add(loop, one->fd, events, on_viewer,
		       one); /* its place was there a moment ago */
}

static void forget(struct viewer *one)
{
	struct viewers *v = one->v;

	for (size_t i = 0; i < VIEWERS_MAX; i++)
		if (v->list[i] == one)
			v->list[i] = NULL;
	loop_remove(v->loop, one->fd);
	close_fdp(&one->fd);
	free(one);
}

static void leave(struct viewer *one)
{
	struct viewers *v = one->v;
	const bool writer = one->writer;

	forget(one);
	v->on_gone(v->data, writer);
}

/* Return: whether there is a frame to send. */
static bool next_frame(struct viewer *one)
{
	struct viewer_frame frame = {.stream = VIEWER_LOST};

	one->from = one->to = 0;
	if (one->lost > 0) {
		frame.len = (uint32_t)MIN_OF(one->lost, (uint64_t)UINT32_MAX);
		one->lost = 0;
		memcpy(one->out, &frame, sizeof(frame));
		one->to = sizeof(frame);
		return true;
	}
	if (one->at == one->v->to)
		return false;
	ring_read(one->v, one->at, &frame, sizeof(frame));
	one->to = sizeof(frame) + frame.len;
	ring_read(one->v, one->at, one->out, one->to);
	one->at += one->to;
	return true;
}

/* Return: 0; -errno: it has gone. */
static int show(struct viewer *one)
{
	ssize_t n;

	while (one->from < one->to || next_frame(one)) {
		n = send(one->fd, one->out + one->from, one->to - one->from,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		one->from += (size_t)n;
	}
	return 0;
}

static void offer(struct viewer *one)
{
	struct viewers *v = one->v;
	ptrdiff_t n = one->n_in > 0 ? v->on_input(v->data, one->in, one->n_in) : 0;

	if (n < 0)
		n = (ptrdiff_t)one->n_in; /* nobody reads it any more */
	memmove(one->in, one->in + n, one->n_in - (size_t)n);
	one->n_in -= (size_t)n;
}

/* Return: 0; -errno: it has gone. */
static int hear(struct viewer *one, bool hung_up)
{
	ssize_t n = recv(one->fd, one->in, sizeof(one->in), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0) {
		one->heard_all = true;
		if (one->writer && !hung_up)
			one->v->on_end(one->v->data);
		return 0;
	}
	if (!one->writer)
		return 0;
	one->n_in = (size_t)n;
	offer(one);
	return 0;
}

static void on_viewer(struct loop *loop, int fd, short revents, void *data)
{
	struct viewer *one = data;
	int r = 0;

	(void)loop;
	(void)fd;
	if ((revents & POLLIN) && one->n_in == 0 && !one->heard_all)
		r = hear(one, revents & POLLHUP);
	if (r == 0 && (revents & (POLLHUP | POLLERR)) && (one->heard_all || !(revents & POLLIN)))
		r = -EPIPE;
	if (r == 0)
		r = show(one);
	if (r < 0)
		leave(one);
	else
		wait_for(one);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void put_frame(struct viewers *v, enum viewer_stream stream, const char *bytes, size_t len)
{
	const struct viewer_frame frame = {.stream = stream, .len = (uint32_t)len};

	while (v->to - v->from + sizeof(frame) + len > VIEWERS_RING_BYTES)
		ring_drop(v);
	ring_write(v, &frame, sizeof(frame));
	ring_write(v, bytes, len);
}

void viewers_put(struct viewers *v, enum viewer_stream stream, const char *bytes, size_t len)
{
	size_t part;

	if (!v->ring)
		v->ring = malloc(VIEWERS_RING_BYTES);
	if (!v->ring)
		return;
	for (; len > 0; bytes += part, len -= part) {
		part = MIN_OF(len, (size_t)VIEWERS_FRAME_BYTES);
		put_frame(v, stream, bytes, part);
	}
	for (size_t i = 0; i < VIEWERS_MAX; i++) {
		struct viewer *one = v->list[i];

		if (!one || one->from < one->to)
			continue; /* it is told when it has room */
		if (show(one) < 0)
			leave(one);
		else
			wait_for(one);
	}
}

static struct viewer *find_writer(const struct viewers *v)
{
	for (size_t i = 0; i < VIEWERS_MAX; i++)
		if (v->list[i] && v->list[i]->writer)
			return v->list[i];
	return NULL;
}

static struct viewer *find(const struct viewers *v, uint64_t id)
{
	for (size_t i = 0; i < VIEWERS_MAX; i++)
		if (v->list[i] && v->list[i]->id == id)
			return v->list[i];
	return NULL;
}

int viewers_add(struct viewers *v, int fd, uint64_t id, bool writer)
{
	_cleanup_close_ int own = fd;
	struct viewer **place = NULL;
	struct viewer *one;

	if (writer && find_writer(v))
		return -EBUSY;
	for (size_t i = 0; i < VIEWERS_MAX && !place; i++)
		if (!v->list[i])
			place = &v->list[i];
	one = place ? calloc(1, sizeof(*one)) : NULL;
	if (!one)
		return place ? -ENOMEM : -ENOSPC;
	*one = (struct viewer){
		.v = v, .fd = own, .id = id, .writer = writer, .events = POLLIN, .at = v->from};
	if (loop_add(v->loop, own, POLLIN | POLLOUT, on_viewer, one) < 0) {
		free(one);
		return -ENOSPC;
	}
	/* What there is goes once the answer to its request has gone. */
	one->events = POLLIN | POLLOUT;
	*place = one;
	(void)take_fd(&own);
	return 0;
}

bool viewers_has(const struct viewers *v, uint64_t id)
{
	return find(v, id);
}

void viewers_remove(struct viewers *v, uint64_t id)
{
	struct viewer *one = find(v, id);

	if (one)
		forget(one);
}

bool viewers_remove_writer(struct viewers *v)
{
	struct viewer *one = find_writer(v);

	if (one)
		forget(one);
	return one;
}

void viewers_input_ready(struct viewers *v)
{
	struct viewer *one = find_writer(v);

	if (!one)
		return;
	offer(one);
	wait_for(one);
}

/* Return: whether it has been shown everything, or is gone. */
static bool has_seen_all(struct viewer *one)
{
	return show(one) < 0 || (one->from == one->to && one->at == one->v->to);
}

void viewers_done(struct viewers *v, uint64_t limit_ms)
{
	const uint64_t until = clock_ms() + limit_ms;

	for (size_t i = 0; i < VIEWERS_MAX; i++) {
		struct viewer *one = v->list[i];

		if (!one)
			continue;
		while (!has_seen_all(one) && clock_ms() < until) {
			struct pollfd p = {.fd = one->fd, .events = POLLOUT};

			(void)poll(&p, 1, (int)(until - MIN_OF(until, clock_ms())));
		}
		forget(one);
	}
	free(v->ring);
	v->ring = NULL;
}
