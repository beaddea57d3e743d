/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dynos.c - the public functions on one live dyno: a connection to its monitor, questions, events.
 */
#include "engine/dynos.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/timetext.h"
#include "engine/lost.h"
#include "engine/mainpid.h"
#include "engine/stats.h"
#include "init/proto.h"

/* A monitor answers between two events of its loop; the longest of them is a launch.
 * Source: own choice, well above a slow one */
#define ASK_MS 15000U
/* The same where many are asked, again and again: one that does not answer must not hold up the
 * rest. Source: own choice, a hundred times a slow launch */
#define ASK_STATS_MS 3000U
/* How long a place without a socket is taken for that of a monitor about to make it, and how often
 * it is looked at. Source: own choice, from a monitor's start to its socket it is milliseconds */
#define STARTING_MS 2000U
#define LOOK_MS	    20

#define PLACE_BYTES (2 * NAME_BYTES)

/* The kernel's highest. Source: signal(7), SIGRTMAX */
#define SIGNAL_MAX 64

/* ---- connecting ----------------------------------------------------------------------------- */

static bool is_nobody(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED;
}

static void place_of(const char *app, const char *name, char place[PLACE_BYTES])
{
	str_fmt(place, PLACE_BYTES, "%s/%s", app, name);
}

/* One that is just being started has a place before it has a socket; so has a dead one, until it
 * is collected. Return: a descriptor; -ENOENT: nobody; -EAGAIN: not yet; -errno. */
static int wait_for_socket(struct dyno_host *host, int run_fd, const char *place)
{
	const uint64_t until = clock_ms() + STARTING_MS;
	struct dyno_err ignored;
	int r;

	(void)lost_collect(host, &ignored); /* who may not, sees the place stay */
	for (;;) {
		r = ctl_connect(run_fd, place);
		if (!is_nobody(r))
			return r;
		if (faccessat(run_fd, place, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return -ENOENT;
		if (clock_ms() >= until)
			return -EAGAIN;
		(void)poll(NULL, 0, LOOK_MS); /* cut short by a signal, it looks earlier */
	}
}

static int connect_failed(struct dyno_host *host, const char *app, const char *name, int r,
			  struct dyno_err *err)
{
	if (r == -ENOENT)
		return dynos_not_found(host, app, name, err);
	(void)err_set(err, ERR_MONITOR, -r, "reach the monitor of %s/%s", app, name);
	if (r == -EAGAIN)
		err_hint(err, "it is being started: try again in a moment");
	if (r == -EACCES)
		err_hint(err, "the dyno is another user's");
	if (r == -ETIMEDOUT)
		err_hint(err, "is it stopped? `dyno ps` has its process id");
	return r;
}

static int open_place(struct dyno_host *host, const char *app, const char *name,
		      struct dyno_err *err)
{
	char place[PLACE_BYTES];
	int run_fd;
	int r = host_run_dir(host, &run_fd, err);

	if (r < 0)
		return r;
	place_of(app, name, place);
	r = ctl_connect(run_fd, place);
	if (is_nobody(r))
		r = wait_for_socket(host, run_fd, place);
	return r < 0 ? connect_failed(host, app, name, r, err) : r;
}

int dynos_open(struct dyno_host *host, const char *app, const char *name, bool kept,
	       struct dyno **ret, struct dyno_err *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct dyno_facts facts;
	struct dyno *dyno;
	int r = name_check_app(app, err);

	if (r == 0)
		r = name_check_dyno(name, err);
	if (r == 0)
		r = open_place(host, app, name, err);
	if (r < 0)
		return r;
	dyno = calloc(1, sizeof(*dyno));
	if (!dyno) {
		close_fdp(&r);
		return err_set(err, ERR_MEMORY, ENOMEM, "keep a connection");
	}
	*dyno = (struct dyno){.host = host, .fd = r, .watch_fd = -EBADF};
	str_fmt(dyno->app, sizeof(dyno->app), "%s", app);
	str_fmt(dyno->name, sizeof(dyno->name), "%s", name);
	r = dynos_facts(dyno, &arena, &facts, err);
	if (r == 0 && kept != (bool)facts.info.kept)
		r = dynos_not_found(host, app, name, err);
	if (r < 0) {
		dyno_close(dyno);
		return r;
	}
	dyno->monitor_pid = facts.info.monitor_pid;
	dyno->monitor_start = facts.monitor_start;
	*ret = dyno;
	return 0;
}

DYNO_PUBLIC int dyno_open(struct dyno_host *host, const char *app, const char *name,
			  struct dyno **ret, struct dyno_err *err)
{
	return dynos_open(host, app, name, false, ret, err);
}

DYNO_PUBLIC void dyno_close(struct dyno *dyno)
{
	if (!dyno)
		return;
	close_fdp(&dyno->fd);
	close_fdp(&dyno->watch_fd);
	sbuf_done(&dyno->text);
	free(dyno->packet);
	free(dyno);
}

/* ---- asking --------------------------------------------------------------------------------- */

static int ask_within(struct dyno *dyno, const struct ctl_request *request, uint64_t timeout_ms,
		      struct sbuf *ret_text, int *ret_fds, struct dyno_err *err)
{
	int r = ctl_ask(dyno->fd, request, NULL, NULL, 0, timeout_ms, ret_text, ret_fds, err);

	if (r == -EPIPE)
		return dynos_not_found(dyno->host, dyno->app, dyno->name, err);
	if (r < 0)
		err_context(err, "%s/%s", dyno->app, dyno->name);
	return r;
}

int dynos_ask(struct dyno *dyno, const struct ctl_request *request, struct sbuf *ret_text,
	      int *ret_fds, struct dyno_err *err)
{
	return ask_within(dyno, request, ASK_MS, ret_text, ret_fds, err);
}

static int read_facts(const struct sbuf *text, struct arena *arena, struct dyno_facts *ret,
		      struct dyno_err *err)
{
	int r = statefile_parse(sbuf_str(text), text->len, arena, ret);

	if (r == -ENOMEM)
		return err_set(err, ERR_MEMORY, ENOMEM, "read the state of the dyno");
	return r < 0 ? err_set(err, ERR_MONITOR, EPROTO, "read the state of the dyno") : 0;
}

int dynos_facts(struct dyno *dyno, struct arena *arena, struct dyno_facts *ret,
		struct dyno_err *err)
{
	static const struct ctl_request request = {.verb = CTL_STATE};
	_cleanup_sbuf_ struct sbuf text = {0};
	int r = dynos_ask(dyno, &request, &text, NULL, err);

	return r < 0 ? r : read_facts(&text, arena, ret, err);
}

int dynos_init_pid(struct dyno *dyno, int *ret, struct dyno_err *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct dyno_facts facts;
	int r = dynos_facts(dyno, &arena, &facts, err);

	if (r < 0)
		return r;
	if (facts.info.init_pid <= 0)
		return err_set(err, ERR_NOT_FOUND, ESRCH, "%s/%s does not run: it is %s", dyno->app,
			       dyno->name, facts.info.state);
	*ret = facts.info.init_pid;
	return 0;
}

DYNO_PUBLIC int dyno_state(struct dyno *dyno, dyno_info_fn fn, void *data, struct dyno_err *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct dyno_facts facts;
	int r = dynos_facts(dyno, &arena, &facts, err);

	if (r < 0)
		return r;
	facts.info.live = 1;
	facts.info.pid = mainpid_of(facts.info.init_pid);
	return fn(data, &facts.info);
}

DYNO_PUBLIC int dyno_stats(struct dyno *dyno, dyno_stats_fn fn, void *data, struct dyno_err *err)
{
	static const struct ctl_request request = {.verb = CTL_STATS};
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_sbuf_ struct sbuf text = {0};
	struct dyno_stats stats;
	int r = ask_within(dyno, &request, ASK_STATS_MS, &text, NULL, err);

	if (r < 0)
		return r;
	r = stats_parse(sbuf_str(&text), text.len, &arena, &stats);
	if (r == -ENOMEM)
		return err_set(err, ERR_MEMORY, ENOMEM, "read what the dyno uses");
	if (r < 0)
		return err_set(err, ERR_MONITOR, EPROTO, "read what the dyno uses");
	return fn(data, &stats);
}

DYNO_PUBLIC int dyno_why(struct dyno *dyno, char **ret_text, struct dyno_err *err)
{
	static const struct ctl_request request = {.verb = CTL_EXPLAIN};
	_cleanup_sbuf_ struct sbuf text = {0};
	char *copy;
	int r = dynos_ask(dyno, &request, &text, NULL, err);

	if (r < 0)
		return r;
	copy = strdup(sbuf_str(&text));
	if (!copy)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep why the dyno is not up");
	*ret_text = copy;
	return 0;
}

DYNO_PUBLIC int dyno_inspect(struct dyno *dyno, char **ret_json, struct dyno_err *err)
{
	static const struct ctl_request request = {.verb = CTL_INSPECT};
	_cleanup_sbuf_ struct sbuf text = {0};
	char *json;
	int r = dynos_ask(dyno, &request, &text, NULL, err);

	if (r < 0)
		return r;
	json = strdup(sbuf_str(&text));
	if (!json)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep what the monitor knows");
	*ret_json = json;
	return 0;
}

static int find_scope(const char *scope, uint32_t *ret)
{
	static const char *const names[] = {
		[INIT_SCOPE_ALL] = "all",
		[INIT_SCOPE_GROUP] = "group",
		[INIT_SCOPE_MAIN] = "main",
	};

	if (!scope)
		scope = names[INIT_SCOPE_MAIN];
	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!str_eq(names[i], scope))
			continue;
		*ret = i;
		return 0;
	}
	return -EINVAL;
}

static int refuse_scope(const char *scope, struct dyno_err *err)
{
	char shown[32];

	(void)err_set(err, ERR_USAGE, 0, "no scope \"%s\"",
		      str_escape(shown, sizeof(shown), scope));
	err_hint(err, "all, group or main");
	return -EINVAL;
}

DYNO_PUBLIC int dyno_signal(struct dyno *dyno, int sig, const char *scope, struct dyno_err *err)
{
	struct ctl_request request = {.verb = CTL_SIGNAL, .value = sig};
	int r;

	if (sig < 1 || sig > SIGNAL_MAX)
		return err_set(err, ERR_USAGE, 0, "no signal %d", sig);
	if (find_scope(scope, &request.scope) < 0)
		return refuse_scope(scope, err);
	r = dynos_ask(dyno, &request, NULL, NULL, err);
	return r < 0 ? r : 0;
}

DYNO_PUBLIC int dyno_stop(struct dyno *dyno, int at_once, struct dyno_err *err)
{
	const struct ctl_request request = {.verb = CTL_STOP, .value = at_once ? 1 : 0};
	int r = dynos_ask(dyno, &request, NULL, NULL, err);

	return r < 0 ? r : 0;
}

DYNO_PUBLIC int dyno_restart(struct dyno *dyno, struct dyno_err *err)
{
	static const struct ctl_request request = {.verb = CTL_RESTART};
	int r = dynos_ask(dyno, &request, NULL, NULL, err);

	return r < 0 ? r : 0;
}

DYNO_PUBLIC int dyno_swap(struct dyno *dyno, struct dyno_err *err)
{
	static const struct ctl_request request = {.verb = CTL_SWAP};
	int r = dynos_ask(dyno, &request, NULL, NULL, err);

	return r < 0 ? r : 0;
}

/* ---- events --------------------------------------------------------------------------------- */

static int has_ended(struct dyno *dyno, struct dyno_err *err)
{
	(void)dynos_not_found(dyno->host, dyno->app, dyno->name, err);
	return -EPIPE;
}

static int connect_again(struct dyno *dyno, struct dyno_err *err)
{
	char place[PLACE_BYTES];
	int run_fd;
	int r = host_run_dir(dyno->host, &run_fd, err);

	if (r < 0)
		return r;
	place_of(dyno->app, dyno->name, place);
	r = ctl_connect(run_fd, place);
	if (is_nobody(r))
		return has_ended(dyno, err);
	return r < 0 ? connect_failed(dyno->host, dyno->app, dyno->name, r, err) : r;
}

/* Whether the one at the other end is the one that was met first.  Who only keeps its files now has
 * nothing more to tell. */
static int check_same(const struct dyno *dyno, int fd, struct dyno_err *err)
{
	static const struct ctl_request request = {.verb = CTL_STATE};
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_sbuf_ struct sbuf text = {0};
	struct dyno_facts facts;
	int r = ctl_ask(fd, &request, NULL, NULL, 0, ASK_MS, &text, NULL, err);

	if (r >= 0)
		r = read_facts(&text, &arena, &facts, err);
	if (r < 0)
		return r;
	return facts.info.monitor_pid == dyno->monitor_pid &&
			       facts.monitor_start == dyno->monitor_start && !facts.info.kept
		       ? 0
		       : -EPIPE;
}

int dynos_connect(struct dyno *dyno, struct dyno_err *err)
{
	_cleanup_close_ int fd = connect_again(dyno, err);
	int r;

	if (fd < 0)
		return fd;
	r = check_same(dyno, fd, err);
	if (r == -EPIPE)
		return has_ended(dyno, err);
	return r < 0 ? r : take_fd(&fd);
}

int dynos_watch(struct dyno *dyno, int *ret_fd, struct dyno_err *err)
{
	static const struct ctl_request request = {.verb = CTL_WATCH};
	_cleanup_close_ int fd = dynos_connect(dyno, err);
	int r;

	if (fd < 0)
		return fd;
	r = ctl_ask(fd, &request, NULL, NULL, 0, ASK_MS, NULL, NULL, err);
	if (r == -EPIPE)
		return has_ended(dyno, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}

DYNO_PUBLIC int dyno_event_fd(struct dyno *dyno, struct dyno_err *err)
{
	int r;

	if (dyno->watch_fd >= 0)
		return dyno->watch_fd;
	if (!dyno->packet)
		dyno->packet = malloc(CTL_PACKET_BYTES);
	if (!dyno->packet)
		return err_set(err, ERR_MEMORY, ENOMEM, "watch a dyno");
	r = dynos_watch(dyno, &dyno->watch_fd, err);
	return r < 0 ? r : dyno->watch_fd;
}

/* What was lost is told as an event as well. */
static int tell_lost(struct dyno *dyno, int32_t count, const char **ret_json, struct dyno_err *err)
{
	struct sbuf *b = &dyno->text;

	b->len = 0;
	json_open(b, NULL, '{');
	json_u64(b, "schema", JSON_SCHEMA);
	json_str(b, "event", "lost");
	json_time(b, "time", time_now_us());
	json_str(b, "app", dyno->app);
	json_str(b, "dyno", dyno->name);
	json_u64(b, "count", count > 0 ? (uint64_t)count : 0);
	json_close(b, '}');
	if (sbuf_ok(b) < 0)
		return err_set(err, ERR_MEMORY, ENOMEM, "tell of lost events");
	*ret_json = sbuf_str(b);
	return 1;
}

DYNO_PUBLIC int dyno_event_next(struct dyno *dyno, const char **ret_json, struct dyno_err *err)
{
	struct ctl_answer_head head;
	int r = dyno_event_fd(dyno, err);

	if (r < 0)
		return r;
	r = ctl_read(dyno->watch_fd, &head, dyno->packet, CTL_PACKET_BYTES);
	if (r == -EPIPE)
		return has_ended(dyno, err);
	if (r < 0)
		return err_set(err, ERR_MONITOR, -r, "hear of %s/%s", dyno->app, dyno->name);
	if (r == 0)
		return 0;
	if (head.type == CTL_LOST)
		return tell_lost(dyno, head.value, ret_json, err);
	if (head.type != CTL_EVENT)
		return err_set(err, ERR_MONITOR, EPROTO, "hear of %s/%s", dyno->app, dyno->name);
	*ret_json = dyno->packet;
	return 1;
}
