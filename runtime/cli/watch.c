/* SPDX-License-Identifier: Apache-2.0 */
/* watch.c - many monitors, one wait. */
#include "cli/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/err.h"
#include "base/util.h"

/* Of each dyno: for requests and for events. */
#define FDS_EACH 2U
/* Descriptors besides those: standard streams, directories, what is read meanwhile. */
#define SPARE_FDS 64U

/* The usual soft limit is too low for a thousand monitors; the hard one is for that. */
void watch_room(size_t n)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || n * FDS_EACH + SPARE_FDS <= limit.rlim_cur)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* what is too much the connection will say */
}

static bool grow(struct watch *w)
{
	size_t cap = w->cap ? 2 * w->cap : 16;
	struct watched *items = reallocarray(w->items, cap, sizeof(*items));

	if (!items)
		return false;
	w->items = items;

	struct pollfd *polls = reallocarray(w->polls, cap + WATCH_OWN_MAX, sizeof(*polls));

	if (!polls)
		return false;
	w->polls = polls;
	w->cap = cap;
	watch_room(cap);
	return true;
}

static void forget(struct watch *w, struct watched *item)
{
	dyno_close(take_ptr(&item->dyno));
	item->fd = -EBADF;
	w->n_live--;
}

void watch_drop(struct watch *w, const void *data)
{
	for (size_t i = 0; i < w->n; i++) {
		if (w->items[i].dyno && w->items[i].data == data)
			forget(w, &w->items[i]);
	}
}

bool watch_is_over(int r, const struct dyno_err *err)
{
	return err->kind == ERR_NOT_FOUND || r == -EPIPE || r == -ECONNRESET;
}

int watch_add(struct watch *w, struct dyno_host *host, const char *app, const char *name,
	      void *data, struct dyno_err *err)
{
	struct watched item = {.app = app, .name = name, .data = data};
	size_t i = 0;
	int r;

	while (i < w->n && w->items[i].dyno)
		i++;
	if (i == w->cap && !grow(w))
		return err_set(err, ERR_MEMORY, ENOMEM, "keep a connection");

	r = dyno_open(host, app, name, &item.dyno, err);
	if (r == 0)
		r = dyno_event_fd(item.dyno, err);
	if (r < 0) {
		dyno_close(item.dyno);
		return watch_is_over(r, err) ? 0 : r;
	}
	item.fd = r;
	w->items[i] = item;
	w->n = MAX_OF(w->n, i + 1);
	w->n_live++;
	return 1;
}

/* All that one dyno has to say. */
static int drain(struct watch *w, struct watched *item, watch_fn fn, void *data,
		 struct dyno_err *err)
{
	while (item->dyno) {
		const char *json = NULL;
		int r = dyno_event_next(item->dyno, &json, err);

		if (r == 0)
			return 0;
		if (r < 0 && r != -EPIPE)
			return r;

		bool ended = r < 0;

		r = fn(data, item, ended ? NULL : json, err);
		if (r < 0)
			return r;
		if (r > 0 || ended)
			forget(w, item);
	}
	return 0;
}

int watch_wait(struct watch *w, int timeout_ms, watch_fn fn, void *data, struct dyno_err *err)
{
	struct pollfd *polls = w->polls ? w->polls : w->own;
	size_t n = w->n;

	if (w->polls)
		memcpy(polls, w->own, sizeof(w->own));
	for (size_t i = 0; i < n; i++)
		polls[w->n_own + i] = (struct pollfd){.fd = w->items[i].fd, .events = POLLIN};

	int r = poll(polls, w->n_own + n, timeout_ms);

	if (r < 0 && errno != EINTR)
		return err_set(err, ERR_IO, errno, "wait for events");
	if (r <= 0)
		return 0;

	memcpy(w->own, polls, w->n_own * sizeof(*polls));
	for (size_t i = 0; i < n; i++) {
		if (!polls[w->n_own + i].revents)
			continue;
		r = drain(w, &w->items[i], fn, data, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int watch_end(struct watch *w, watch_fn fn, void *data, struct dyno_err *err)
{
	int r = 0;

	while (r == 0 && w->n_live > 0)
		r = watch_wait(w, -1, fn, data, err);
	return r;
}

void watch_done(struct watch *w)
{
	for (size_t i = 0; i < w->n; i++)
		dyno_close(w->items[i].dyno);
	free(w->items);
	free(w->polls);
	*w = (struct watch){0};
}
