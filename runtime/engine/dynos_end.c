/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dynos_end.c - how a dyno ended: out of its records, and what its monitor said last.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/timetext.h"
#include "engine/dynos.h"
#include "engine/lost.h"
#include "engine/members.h"
#include "model/supervise.h"

/* ---- records -------------------------------------------------------------------------------- */

struct search {
	const char *name;
	const struct dyno *of;
	struct dyno_end *ret;
	bool found;
};

/* Words of a later version are not repeated: texts in results are static. */
static const char *reason_word(const char *text)
{
	int reason = text ? sup_reason_find(text) : -ENOENT;

	return sup_reason_name(reason < 0 ? SUP_BY_EXIT : (enum sup_reason)reason);
}

static const char *state_word(const char *text)
{
	int state = text ? sup_state_find(text) : -ENOENT;

	return sup_state_name(state < 0 ? SUP_DOWN : (enum sup_state)state);
}

/* The last one that fits is the newest. */
static int take_record(void *data, const struct record *record)
{
	struct search *s = data;
	const struct dyno_info *info = &record->facts.info;

	if (!str_eq(info->name, s->name))
		return 0;
	if (s->of && (info->monitor_pid != s->of->monitor_pid ||
		      record->facts.monitor_start != s->of->monitor_start))
		return 0;
	*s->ret = (struct dyno_end){
		.state = state_word(info->state),
		.reason = reason_word(info->reason),
		.exit_code = info->exit_code,
		.signal = info->signal,
		.port = info->port,
		.up_ms = record->up_ms,
		.ended_us = record->ended_us,
	};
	str_fmt(s->ret->manifest, sizeof(s->ret->manifest), "%s",
		record->manifest ? record->manifest : "");
	s->found = true;
	return 0;
}

int dynos_last_end(struct dyno_host *host, const char *app, const char *name, const struct dyno *of,
		   struct dyno_end *ret, struct dyno_err *err)
{
	struct search search = {.name = name, .of = of, .ret = ret};
	struct store *store;
	int r = host_store(host, &store, err);

	if (r == 0)
		r = record_each(store, app, take_record, &search, err);
	return r < 0 ? r : search.found;
}

int dynos_not_found(struct dyno_host *host, const char *app, const char *name, struct dyno_err *err)
{
	struct dyno_end end;
	struct dyno_err ignored;
	char time[TIME_BYTES];
	int found = dynos_last_end(host, app, name, NULL, &end, &ignored);

	(void)err_set(err, ERR_NOT_FOUND, ENOENT, "find a live dyno %s/%s", app, name);
	if (found > 0)
		err_hint(err, "it ended at %s: %s (%s); `dyno start` starts it again",
			 time_format(end.ended_us, time), end.state, end.reason);
	else
		err_hint(err, "`dyno ps` lists those that live");
	return -ENOENT;
}

/* ---- waiting -------------------------------------------------------------------------------- */

/**
 * struct waiting - one wait.
 * @want: the state; NULL: none
 * @buf: CTL_PACKET_BYTES, for the event at hand
 * @reached: the dyno is, or was meanwhile, in @want
 * @heard, @end: of the last "exit" event: what is told where there is no record
 */
struct waiting {
	struct dyno *dyno;
	const char *want;
	uint64_t until_ms;
	int fd;
	char *buf;
	bool reached;
	bool heard;
	struct dyno_end end;
};

/** struct event - what is read of one. @state: of "now"; @to: of "state"; the rest of "exit" */
struct event {
	const char *event;
	const char *state;
	const char *to;
	const char *reason;
	int exit_code;
	int signal;
	uint64_t up_ms;
};

#define FIELD(name) MEMBER(struct event, #name, name)
static const struct member event_members[] = {
	FIELD(event),
	FIELD(state),
	FIELD(to),
	FIELD(reason),
	MEMBER_AS(struct event, "exit_code", exit_code, MEMBER_STATUS),
	FIELD(signal),
	FIELD(up_ms),
};

static void note_state(struct waiting *w, const char *state)
{
	if (w->want && state && str_eq(state, w->want))
		w->reached = true;
}

/* An event that cannot be read, of a later version, tells nothing. */
static void note_event(struct waiting *w, size_t len)
{
	static const struct member_table table = {event_members, ARRAY_SIZE(event_members)};
	_cleanup_arena_ struct arena arena = {0};
	struct event e = {0};
	const struct member_set set = {&table, &e};

	if (members_read(w->buf, len, 0, &set, 1, &arena) < 0 || !e.event)
		return;
	if (str_eq(e.event, "now"))
		note_state(w, e.state);
	if (str_eq(e.event, "state"))
		note_state(w, e.to);
	if (!str_eq(e.event, "exit"))
		return;
	w->heard = true;
	w->end = (struct dyno_end){
		.reason = reason_word(e.reason),
		.exit_code = e.exit_code,
		.signal = e.signal,
		.up_ms = e.up_ms,
	};
}

/* Events were lost: the state now stands for them. */
static int note_lost(struct waiting *w, struct dyno_err *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct dyno_facts facts;
	int r = dynos_facts(w->dyno, &arena, &facts, err);

	if (r == 0)
		note_state(w, facts.info.state);
	return r == -ENOENT ? 0 : r; /* its end is heard next */
}

/* Return: 0: readable; -ETIMEDOUT; -errno. */
static int wait_readable(const struct waiting *w, struct dyno_err *err)
{
	struct pollfd p = {.fd = w->fd, .events = POLLIN};

	for (;;) {
		const uint64_t now = clock_ms();
		const uint64_t left = now < w->until_ms ? w->until_ms - now : 0;
		int r = poll(&p, 1, (int)MIN_OF(left, (uint64_t)INT32_MAX));

		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return err_set(err, ERR_IO, errno, "wait for %s/%s", w->dyno->app,
				       w->dyno->name);
		if (r == 0 && clock_ms() >= w->until_ms)
			return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "wait for %s/%s", w->dyno->app,
				       w->dyno->name);
	}
}

/* Return: 0: in the state; -EPIPE: ended; -errno. */
static int follow(struct waiting *w, struct dyno_err *err)
{
	struct ctl_answer_head head;
	int r = 0;

	while (r == 0 && !w->reached) {
		r = ctl_read(w->fd, &head, w->buf, CTL_PACKET_BYTES);
		if (r == -EPIPE)
			return r;
		if (r < 0)
			return err_set(err, ERR_MONITOR, -r, "hear of %s/%s", w->dyno->app,
				       w->dyno->name);
		if (r == 0) {
			r = wait_readable(w, err);
			continue;
		}
		r = 0;
		if (head.type == CTL_EVENT)
			note_event(w, head.len);
		else if (head.type == CTL_LOST)
			r = note_lost(w, err);
	}
	return r;
}

/* A monitor that was killed has written no record: whoever comes next does. */
static int find_end(struct waiting *w, struct dyno_err *err)
{
	struct dyno *dyno = w->dyno;
	int r = dynos_last_end(dyno->host, dyno->app, dyno->name, dyno, &w->end, err);

	if (r != 0 || w->heard)
		return r;
	r = lost_collect(dyno->host, err);
	if (r >= 0)
		r = dynos_last_end(dyno->host, dyno->app, dyno->name, dyno, &w->end, err);
	if (r != 0)
		return r;
	w->end = (struct dyno_end){
		.reason = sup_reason_name(SUP_BY_SUPERVISOR_LOST),
		.exit_code = 128 + SIGKILL,
		.signal = SIGKILL,
	};
	return 0;
}

static int tell_end(struct waiting *w, struct dyno_outcome *ret, struct dyno_err *err)
{
	struct dyno_err why;
	int r = find_end(w, &why);

	/* What its monitor said will do where the records cannot be read. */
	if (r < 0 && !w->heard) {
		if (err)
			*err = why;
		return r;
	}
	if (!ret)
		return 1;
	*ret = (struct dyno_outcome){
		.exit_code = w->end.exit_code,
		.signal = w->end.signal,
		.reason = w->end.reason,
		.port = w->end.port,
		.up_ms = w->end.up_ms,
	};
	str_fmt(ret->app, sizeof(ret->app), "%s", w->dyno->app);
	str_fmt(ret->dyno, sizeof(ret->dyno), "%s", w->dyno->name);
	return 1;
}

static int refuse_state(const char *state, struct dyno_err *err)
{
	char shown[32];

	(void)err_set(err, ERR_USAGE, 0, "no state \"%s\"",
		      str_escape(shown, sizeof(shown), state));
	err_hint(err, "starting, up, stopping, crashed, down, complete or failed");
	return -EINVAL;
}

DYNO_PUBLIC int dyno_wait(struct dyno *dyno, const char *state, uint64_t timeout_ms,
			  struct dyno_outcome *ret, struct dyno_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ char *buf = malloc(CTL_PACKET_BYTES);
	struct waiting w = {
		.dyno = dyno,
		.want = state,
		.until_ms = timeout_ms ? clock_ms() + timeout_ms : UINT64_MAX,
		.buf = buf,
	};
	int r;

	if (!buf)
		return err_set(err, ERR_MEMORY, ENOMEM, "wait for a dyno");
	if (state && sup_state_find(state) < 0)
		return refuse_state(state, err);
	r = dynos_watch(dyno, &fd, err);
	w.fd = fd;
	if (r == 0)
		r = follow(&w, err);
	return r == -EPIPE ? tell_end(&w, ret, err) : r;
}
