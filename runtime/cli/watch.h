/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.h - connections to the monitors of many dynos at once, and one wait for whatever any of
 * them tells.
 */
#ifndef DYNO_CLI_WATCH_H
#define DYNO_CLI_WATCH_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include <dyno.h>

/* Descriptors of the verb's own that the same wait looks at. */
#define WATCH_OWN_MAX 2U

/**
 * struct watched - one dyno.
 * @app, @name: borrowed until watch_done()
 * @dyno: its connection, subscribed; NULL once its monitor has ended
 * @fd: readable when an event is there; the connection's
 * @data: the verb's
 */
struct watched {
	const char *app;
	const char *name;
	struct dyno *dyno;
	int fd;
	void *data;
};

/**
 * struct watch - zero-initialised it is empty; ended by watch_done().
 * @own, @n_own: the verb's descriptors; revents are set by watch_wait()
 * @items, @n: all that were added; the place of one whose dyno is NULL is free
 * @n_live: those that are not over
 */
struct watch {
	struct pollfd own[WATCH_OWN_MAX];
	size_t n_own;
	struct watched *items;
	struct pollfd *polls;
	size_t n;
	size_t cap;
	size_t n_live;
};

/** watch_room() - see to it that @n connections may be open at once; watch_add() does so itself. */
void watch_room(size_t n);

/** watch_is_over() - whether a request failed with @r since the monitor has ended. */
bool watch_is_over(int r, const struct dyno_err *err);

/**
 * watch_add() - connect to a dyno and subscribe to its events.
 * Return: 1; 0: its monitor has ended; -errno.
 */
int watch_add(struct watch *w, struct dyno_host *host, const char *app, const char *name,
	      void *data, struct dyno_err *err);

/**
 * watch_fn() - one event of a dyno, or that its monitor has ended.  It must not add any.
 * @json: NULL: it has ended; the connection still answers dyno_wait(), and is closed afterwards
 * Return: 0: go on; 1: no more of this dyno; -errno: end the wait, with @err set.
 */
typedef int (*watch_fn)(void *data, struct watched *item, const char *json, struct dyno_err *err);

/**
 * watch_wait() - wait until any has something to say, or one of @own, and tell all that there is.
 * @timeout_ms: negative: none
 * Return: 0, or -errno; a timeout is no error.
 */
int watch_wait(struct watch *w, int timeout_ms, watch_fn fn, void *data, struct dyno_err *err);

/** watch_drop() - no more of the one that was added with @data. */
void watch_drop(struct watch *w, const void *data);

/** watch_end() - all of them, until each monitor has ended or @fn wants no more of it. */
int watch_end(struct watch *w, watch_fn fn, void *data, struct dyno_err *err);

void watch_done(struct watch *w);

#endif
