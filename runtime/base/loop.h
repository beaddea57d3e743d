/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h - the one event loop of a monitor: a handful of descriptors and deadlines, one ppoll(2).
 * No allocation, no callbacks after removal, safe against sources added or removed by callbacks.
 */
#ifndef DYNO_LOOP_H
#define DYNO_LOOP_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/* Sources a monitor may hold: status channels of two generations, signals, logs, clients. */
#define LOOP_MAX_SOURCES 64
#define LOOP_MAX_TIMERS	 16

struct loop;

/* Called with the events that poll(2) returned (POLLIN, POLLHUP, ...). */
typedef void (*loop_io_fn)(struct loop *loop, int fd, short revents, void *data);
typedef void (*loop_timer_fn)(struct loop *loop, void *data);

struct loop_source {
	int fd; /* -1: free */
	short events;
	bool fresh; /* added after the last poll: its slot's results belong to an earlier source */
	loop_io_fn fn;
	void *data;
};

struct loop_timer {
	uint64_t at_ms; /* CLOCK_BOOTTIME; UINT64_MAX: not armed */
	loop_timer_fn fn;
	void *data;
};

/**
 * struct loop - set up by loop_init().
 * @quit: loop_run() returns after the current round
 */
struct loop {
	struct loop_source sources[LOOP_MAX_SOURCES];
	unsigned int n_sources; /* slots in use or freed below this index */
	struct loop_timer timers[LOOP_MAX_TIMERS];
	unsigned int n_timers;
	bool quit;
};

void loop_init(struct loop *loop);

/** loop_add() - watch @fd (borrowed). Return: 0, -EEXIST (watched already), -ENOSPC. */
int loop_add(struct loop *loop, int fd, short events, loop_io_fn fn, void *data);

/** loop_remove() - stop watching @fd; unknown ones are ignored. */
void loop_remove(struct loop *loop, int fd);

/** loop_timer_add() - a timer, not armed. Return: its id (>= 0), or -ENOSPC. */
int loop_timer_add(struct loop *loop, loop_timer_fn fn, void *data);

/** loop_timer_arm() / loop_timer_disarm() - set or clear the deadline, CLOCK_BOOTTIME ms. */
void loop_timer_arm(struct loop *loop, int id, uint64_t at_ms);
void loop_timer_disarm(struct loop *loop, int id);

/** loop_run() - until @quit. Return: 0, or -errno of ppoll(2). */
int loop_run(struct loop *loop);

#endif
