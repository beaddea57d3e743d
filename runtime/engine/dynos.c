/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dynos.c - the public functions that talk to one dyno's monitor: struct dyno is a connection for
 * requests and, once events are wanted, a second one that only listens.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dyno.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/ctl.h"
#include "engine/host.h"
#include "engine/mainpid.h"
#include "engine/members.h"
#include "engine/record.h"
#include "engine/statefile.h"
#include "init/proto.h"
#include "model/name.h"
#include "model/supervise.h"

/* A monitor answers between two events of its loop; the longest of them is a launch.
 * Source: own choice, well above a slow one */
#define ASK_TIMEOUT_MS 15000U

struct dyno {
	struct dyno_host *host;
	char app[NAME_BYTES];
	char name[NAME_BYTES];
	int fd;
	int watch_fd;
	bool ended;
	char *buf; /* CTL_PACKET_BYTES, for events */
};

/* ---- open and close -------------------------------------------------------------------------- */

struct last_end {
	const char *name;
	char text[128];
};

static int note_end(void *data, const struct record *record)
{
	struct last_end *last = data;
	const struct dyno_info *info = &record->facts.info;

	if (str_eq(info->name, last->name))
		str_fmt(last->text, sizeof(last->text), "%s (%s, status %d)", info->state,
			info->reason ? info->reason : "?", info->exit_code);
	return 0;
}

static int not_there(struct dyno_host *host, const char *app, const char *name, int num,
		     struct dyno_err *err)
{
	struct last_end last = {.name = name};
	struct dyno_err ignored;
	struct store *store;

	err_set(err, ERR_NOT_FOUND, num, "find a live dyno %s/%s", app, name);
	if (host_store(host, &store, &ignored) == 0)
		(void)record_each(store, app, note_end, &last, &ignored); /* only for the hint */
	if (last.text[0])
		err_hint(err, "it has ended: %s; dyno start starts it again", last.text);
	else
		err_hint(err, "dyno ps lists those that live");
	return -num;
}

static int connect_to(struct dyno_host *host, const char *app, const char *name, int *ret_fd,
		      struct dyno_err *err)
{
	char place[2 * NAME_BYTES];
	int run_fd;
	int r;

	r = host_run_dir(host, &run_fd, err);
	if (r < 0)
		return r;
	str_fmt(place, sizeof(place), "%s/%s", app, name);
	r = ctl_connect(run_fd, place);
	if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR)
		return not_there(host, app, name, ENOENT, err);
	if (r < 0)
		return err_set(err, ERR_MONITOR, -r, "reach the monitor of %s/%s", app, name);
	*ret_fd = r;
	return 0;
}

DYNO_PUBLIC int dyno_open(struct dyno_host *host, const char *app, const char *name,
			  struct dyno **ret, struct dyno_err *err)
{
	struct dyno *d;
	int fd = -EBADF;
	int r;

	r = name_check_app(app, err);
	if (r == 0)
		r = name_check_dyno(name, err);
	if (r == 0)
		r = connect_to(host, app, name, &fd, err);
	if (r < 0)
		return r;
	d = calloc(1, sizeof(*d));
	if (!d) {
		close_fdp(&fd);
		return err_set(err, ERR_MEMORY, ENOMEM, "open %s/%s", app, name);
	}
	d->host = host;
	d->fd = fd;
	d->watch_fd = -EBADF;
	str_fmt(d->app, sizeof(d->app), "%s", app);
	str_fmt(d->name, sizeof(d->name), "%s", name);
	*ret = d;
	return 0;
}

DYNO_PUBLIC void dyno_close(struct dyno *d)
{
	if (!d)
		return;
	close_fdp(&d->fd);
	close_fdp(&d->watch_fd);
	free(d->buf);
	free(d);
}

/* ---- requests -------------------------------------------------------------------------------- */

static int ask(struct dyno *d, const struct ctl_request *request, struct sbuf *ret_text,
	       struct dyno_err *err)
{
	int r = ctl_ask(d->fd, request, NULL, NULL, 0, ASK_TIMEOUT_MS, ret_text, NULL, err);

	if (r < 0)
		err_context(err, "%s/%s", d->app, d->name);
	return r < 0 ? r : 0;
}

DYNO_PUBLIC int dyno_state(struct dyno *d, dyno_info_fn fn, void *data, struct dyno_err *err)
{
	_cleanup_sbuf_ struct sbuf text = {0};
	struct arena arena = {0};
	struct dyno_facts facts;
	int r;

	r = ask(d, &(struct ctl_request){.verb = CTL_STATE}, &text, err);
	if (r < 0)
		return r;
	r = statefile_parse(sbuf_str(&text), text.len, &arena, &facts);
	if (r < 0) {
		r = err_set(err, ERR_MONITOR, -r, "read the state of %s/%s", d->app, d->name);
	} else {
		facts.info.live = 1;
		facts.info.pid = mainpid_of(facts.info.init_pid);
		r = fn(data, &facts.info);
	}
	arena_done(&arena);
	return r;
}

DYNO_PUBLIC int dyno_inspect(struct dyno *d, char **ret_json, struct dyno_err *err)
{
	struct sbuf text = {0};
	int r = ask(d, &(struct ctl_request){.verb = CTL_INSPECT}, &text, err);

	if (r == 0 && (sbuf_ok(&text) < 0 || !text.data))
		r = err_set(err, ERR_MEMORY, ENOMEM, "inspect %s/%s", d->app, d->name);
	if (r < 0) {
		sbuf_done(&text);
		return r;
	}
	*ret_json = text.data; /* malloc'ed, and now the caller's */
	return 0;
}

static int find_scope(const char *word, uint32_t *ret, struct dyno_err *err)
{
	static const char *const scopes[] = {
		[INIT_SCOPE_ALL] = "all", [INIT_SCOPE_GROUP] = "group", [INIT_SCOPE_MAIN] = "main"};
	uint32_t i;

	*ret = INIT_SCOPE_MAIN;
	if (!word)
		return 0;
	for (i = 0; i < ARRAY_SIZE(scopes); i++) {
		if (str_eq(scopes[i], word)) {
			*ret = i;
			return 0;
		}
	}
	err_set(err, ERR_USAGE, 0, "no scope \"%s\"", word);
	err_hint(err, "all, group or main");
	return -EINVAL;
}

DYNO_PUBLIC int dyno_signal(struct dyno *d, int sig, const char *scope, struct dyno_err *err)
{
	struct ctl_request request = {.verb = CTL_SIGNAL, .value = sig};
	int r = find_scope(scope, &request.scope, err);

	return r < 0 ? r : ask(d, &request, NULL, err);
}

DYNO_PUBLIC int dyno_stop(struct dyno *d, int at_once, struct dyno_err *err)
{
	return ask(d, &(struct ctl_request){.verb = CTL_STOP, .value = at_once ? 1 : 0}, NULL, err);
}

DYNO_PUBLIC int dyno_restart(struct dyno *d, struct dyno_err *err)
{
	return ask(d, &(struct ctl_request){.verb = CTL_RESTART}, NULL, err);
}

/* ---- events ---------------------------------------------------------------------------------- */

DYNO_PUBLIC int dyno_event_fd(struct dyno *d, struct dyno_err *err)
{
	int fd = -EBADF;
	int r;

	if (d->watch_fd >= 0)
		return d->watch_fd;
	if (!d->buf) {
		d->buf = malloc(CTL_PACKET_BYTES);
		if (!d->buf)
			return err_set(err, ERR_MEMORY, ENOMEM, "watch %s/%s", d->app, d->name);
	}
	r = connect_to(d->host, d->app, d->name, &fd, err);
	if (r < 0)
		return r;
	r = ctl_ask(fd, &(struct ctl_request){.verb = CTL_WATCH}, NULL, NULL, 0, ASK_TIMEOUT_MS,
		    NULL, NULL, err);
	if (r < 0) {
		close_fdp(&fd);
		return r;
	}
	d->watch_fd = fd;
	return fd;
}

DYNO_PUBLIC int dyno_event_next(struct dyno *d, const char **ret_json, struct dyno_err *err)
{
	struct ctl_answer_head head;
	int r = dyno_event_fd(d, err);

	if (r < 0)
		return r;
	for (;;) {
		r = ctl_read(d->watch_fd, &head, d->buf, CTL_PACKET_BYTES);
		if (r <= 0)
			break;
		if (head.type == CTL_LOST)
			str_fmt(d->buf, CTL_PACKET_BYTES,
				"{\"schema\":1,\"event\":\"lost\",\"app\":\"%s\",\"dyno\":\"%s\","
				"\"count\":%d}",
				d->app, d->name, head.value);
		if (head.type == CTL_LOST || head.type == CTL_EVENT) {
			*ret_json = d->buf;
			return 1;
		}
	}
	if (r == -EPIPE)
		err_set(err, ERR_NOT_FOUND, EPIPE, "%s/%s has ended", d->app, d->name);
	else if (r < 0)
		err_set(err, ERR_MONITOR, -r, "hear of %s/%s", d->app, d->name);
	return r;
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* What an event may tell of a state: "now" has it, "state" goes to it. */
struct told {
	const char *event;
	const char *state;
	const char *to;
};

static bool tells_state(const char *json, const char *state)
{
	static const struct member rows[] = {
		MEMBER(struct told, "event", event),
		MEMBER(struct told, "state", state),
		MEMBER(struct told, "to", to),
	};
	static const struct member_table table = {rows, ARRAY_SIZE(rows)};
	struct arena arena = {0};
	struct told told = {0};
	const struct member_set set = {&table, &told};
	bool yes = false;

	if (members_read(json, strlen(json), 0, &set, 1, &arena) == 0 && told.event) {
		if (str_eq(told.event, "now"))
			yes = told.state && str_eq(told.state, state);
		else if (str_eq(told.event, "state"))
			yes = told.to && str_eq(told.to, state);
	}
	arena_done(&arena);
	return yes;
}

static int note_outcome(void *data, const struct record *record)
{
	struct dyno_outcome *out = data;
	const struct dyno_info *info = &record->facts.info;
	int reason = info->reason ? sup_reason_find(info->reason) : -ENOENT;

	if (!str_eq(info->name, out->dyno))
		return 0;
	out->exit_code = info->exit_code;
	out->signal = info->signal;
	out->reason = reason < 0 ? "" : sup_reason_name((enum sup_reason)reason);
	out->port = info->port;
	out->up_ms = record->up_ms;
	return 0;
}

/* The monitor has written the record before it hung up. */
static int read_outcome(struct dyno *d, struct dyno_outcome *ret, struct dyno_err *err)
{
	struct dyno_outcome out = {.exit_code = -1, .reason = ""};
	struct store *store;
	int r;

	if (!ret)
		return 1;
	r = host_store(d->host, &store, err);
	if (r < 0)
		return r;
	str_fmt(out.app, sizeof(out.app), "%s", d->app);
	str_fmt(out.dyno, sizeof(out.dyno), "%s", d->name);
	r = record_each(store, d->app, note_outcome, &out, err);
	if (r < 0)
		return r;
	*ret = out;
	return 1;
}

static int wait_event(struct dyno *d, uint64_t until_ms, struct dyno_err *err)
{
	struct pollfd p = {.fd = d->watch_fd, .events = POLLIN};
	uint64_t now_ms = clock_ms();
	uint64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
	int timeout = left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
	int r = poll(&p, 1, until_ms == UINT64_MAX ? -1 : timeout);

	if (r < 0 && errno != EINTR)
		return err_set(err, ERR_IO, errno, "wait for %s/%s", d->app, d->name);
	if (r == 0 && clock_ms() >= until_ms)
		return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "wait for %s/%s", d->app, d->name);
	return 0;
}

DYNO_PUBLIC int dyno_wait(struct dyno *d, const char *state, uint64_t timeout_ms,
			  struct dyno_outcome *ret, struct dyno_err *err)
{
	uint64_t until_ms = timeout_ms ? clock_ms() + timeout_ms : UINT64_MAX;
	const char *json;
	int r;

	if (state && sup_state_find(state) < 0) {
		err_set(err, ERR_USAGE, EINVAL, "no state \"%s\"", state);
		err_hint(err, "starting, up, stopping, crashed, down, complete or failed");
		return -EINVAL;
	}
	for (;;) {
		r = dyno_event_next(d, &json, err);
		if (r == -EPIPE || r == -ENOENT)
			return read_outcome(d, ret, err);
		if (r < 0)
			return r;
		if (r > 0 && state && tells_state(json, state))
			return 0;
		if (r == 0)
			r = wait_event(d, until_ms, err);
		if (r < 0)
			return r;
	}
}
