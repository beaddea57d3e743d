/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.c - one round: poll, callbacks of descriptors, then timers that are due.  Descriptors come
 * first, so that what happened in time is seen before the deadline that it met.
 */
#include "base/loop.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

#include "base/clock.h"

/* ppoll(2) sleeps by CLOCK_MONOTONIC, which stands still in a suspend; deadlines do not.  A sleep
 * is therefore cut, so that a deadline which passed meanwhile is met at most this late. */
#define LOOP_SLEEP_MAX_MS UINT64_C(60000)

void loop_init(struct loop *loop)
{
	*loop = (struct loop){0};
	for (size_t i = 0; i < LOOP_MAX_SOURCES; i++)
		loop->sources[i].fd = -1;
}

static struct loop_source *find_source(struct loop *loop, int fd)
{
	for (unsigned int i = 0; i < loop->n_sources; i++)
		if (loop->sources[i].fd == fd)
			return &loop->sources[i];
	return NULL;
}

int loop_add(struct loop *loop, int fd, short events, loop_io_fn fn, void *data)
{
	struct loop_source *s;

	if (find_source(loop, fd))
		return -EEXIST;

	s = find_source(loop, -1);
	if (!s) {
		if (loop->n_sources == LOOP_MAX_SOURCES)
			return -ENOSPC;
		s = &loop->sources[loop->n_sources++];
	}
	*s = (struct loop_source){
		.fd = fd, .events = events, .fresh = true, .fn = fn, .data = data};
	return 0;
}

void loop_remove(struct loop *loop, int fd)
{
	struct loop_source *s = fd >= 0 ? find_source(loop, fd) : NULL;

	if (s)
		s->fd = -1;
}

int loop_timer_add(struct loop *loop, loop_timer_fn fn, void *data)
{
	if (loop->n_timers == LOOP_MAX_TIMERS)
		return -ENOSPC;

	loop->timers[loop->n_timers] =
		(struct loop_timer){.at_ms = UINT64_MAX, .fn = fn, .data = data};
	return (int)loop->n_timers++;
}

void loop_timer_arm(struct loop *loop, int id, uint64_t at_ms)
{
	loop->timers[id].at_ms = at_ms;
}

void loop_timer_disarm(struct loop *loop, int id)
{
	loop->timers[id].at_ms = UINT64_MAX;
}

/* The armed timer with the earliest deadline among those not in @skip (may be NULL), or NULL. */
static struct loop_timer *earliest_timer(struct loop *loop, const bool *skip)
{
	struct loop_timer *best = NULL;

	for (unsigned int i = 0; i < loop->n_timers; i++) {
		struct loop_timer *t = &loop->timers[i];

		if (t->at_ms == UINT64_MAX || (skip && skip[i]))
			continue;
		if (!best || t->at_ms < best->at_ms)
			best = t;
	}
	return best;
}

/* Calls what is due, in order of the deadlines, each timer once: one that arms itself for the past
 * comes again in the next round, after the descriptors and the other timers. */
static void run_timers(struct loop *loop)
{
	const uint64_t now = clock_ms();
	bool fired[LOOP_MAX_TIMERS] = {false};

	for (;;) {
		struct loop_timer *t = earliest_timer(loop, fired);

		if (!t || t->at_ms > now)
			return;
		fired[t - loop->timers] = true;
		t->at_ms = UINT64_MAX;
		t->fn(loop, t->data);
	}
}

static int poll_sources(struct loop *loop, struct pollfd *polled)
{
	const struct loop_timer *t = earliest_timer(loop, NULL);
	struct timespec ts;
	uint64_t ms = 0, now;

	if (t) {
		now = clock_ms();
		ms = t->at_ms > now ? t->at_ms - now : 0;
		if (ms > LOOP_SLEEP_MAX_MS)
			ms = LOOP_SLEEP_MAX_MS;
		ts = (struct timespec){.tv_sec = (time_t)(ms / 1000),
				       .tv_nsec = (long)(ms % 1000) * 1000000};
	}
	for (unsigned int i = 0; i < loop->n_sources; i++) {
		struct loop_source *s = &loop->sources[i];

		s->fresh = false;
		polled[i] = (struct pollfd){.fd = s->fd, .events = s->events};
	}
	return ppoll(polled, loop->n_sources, t ? &ts : NULL, NULL) < 0 ? -errno : 0;
}

int loop_run(struct loop *loop)
{
	struct pollfd polled[LOOP_MAX_SOURCES];

	while (!loop->quit) {
		const unsigned int n = loop->n_sources;
		int r = poll_sources(loop, polled);

		if (r < 0 && r != -EINTR)
			return r;
		for (unsigned int i = 0; r == 0 && i < n; i++) {
			const struct loop_source s = loop->sources[i];

			if (polled[i].revents && s.fd >= 0 && !s.fresh)
				s.fn(loop, s.fd, polled[i].revents, s.data);
		}
		run_timers(loop);
	}
	return 0;
}
