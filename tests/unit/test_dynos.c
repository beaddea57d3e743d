/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_dynos.c - the public functions on one dyno, against a monitor of the test's own that ends,
 * is killed, is replaced or not there yet at the wrong moment (T54).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dyno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "base/timetext.h"
#include "engine/ctl.h"
#include "engine/host.h"
#include "engine/layers.h"
#include "engine/record.h"
#include "engine/state.h"
#include "engine/statefile.h"
#include "init/proto.h"

/* Source: own choice: what takes this long hangs. */
#define HANGS_MS 20000

/* ---- the monitor ---------------------------------------------------------------------------- */

/**
 * struct script - what the monitor is to be.
 * @state: that it says
 * @stats: what it answers to a question for its numbers
 * @delay_ms: from its place to its socket
 * @init_pid: that it says; a second one to be said from the second time on
 * @then_ms: when it does what follows, after it was asked to watch: goes through @states, one event
 *           each, tells an exit, adds a record, ends
 */
struct script {
	const char *state;
	const char *stats;
	uint64_t delay_ms;
	int init_pid;
	int then_init_pid;
	uint64_t then_ms;
	const char *states[4];
	bool tells_exit;
	bool adds_record;
	bool ends;
	bool floods;
	int upper_fd;
};

struct monitor {
	const struct script *script;
	struct ctl ctl;
	struct loop loop;
	struct state place;
	struct store *store;
	int timer;
	unsigned int asked;
	struct ctl_request last;
	const char *state;
};

static void fill_facts(struct monitor *m, struct dyno_facts *ret)
{
	*ret = (struct dyno_facts){
		.info = {.app = m->place.app,
			 .name = m->place.dyno,
			 .type = "web",
			 .state = m->state,
			 .monitor_pid = getpid(),
			 .init_pid = m->asked > 2 && m->script->then_init_pid
					     ? m->script->then_init_pid
					     : m->script->init_pid,
			 .exit_code = -1},
		.monitor_start = statefile_start_time(getpid()),
	};
	statefile_boot_id(ret->boot_id);
}

static void begin_event(struct monitor *m, const char *event, struct sbuf *b)
{
	json_open(b, NULL, '{');
	json_str(b, "event", event);
	json_str(b, "app", m->place.app);
	json_str(b, "dyno", m->place.dyno);
}

static void end_event(struct monitor *m, struct sbuf *b)
{
	json_close(b, '}');
	ctl_event(&m->ctl, b->data, b->len);
	sbuf_done(b);
}

static void tell_exit(struct monitor *m)
{
	struct sbuf b = {0};

	begin_event(m, "exit", &b);
	json_u64(&b, "exit_code", 3);
	json_str(&b, "reason", "exit");
	json_u64(&b, "up_ms", 1234);
	end_event(m, &b);
}

static void add_record(struct monitor *m)
{
	struct record record = {.gen = 1, .ended_us = time_now_us(), .up_ms = 4321, .manifest = ""};

	fill_facts(m, &record.facts);
	record.facts.info.state = "crashed";
	record.facts.info.reason = "oom";
	record.facts.info.exit_code = 137;
	record.facts.info.signal = SIGKILL;
	record.facts.info.port = 5000;
	(void)record_add(m->store, &record, NULL);
}

static void on_then(struct loop *loop, void *data)
{
	struct monitor *m = data;
	const struct script *s = m->script;

	for (size_t i = 0; i < ARRAY_SIZE(s->states) && s->states[i]; i++) {
		struct sbuf b = {0};

		begin_event(m, "state", &b);
		json_str(&b, "from", m->state);
		json_str(&b, "to", s->states[i]);
		end_event(m, &b);
		m->state = s->states[i];
	}
	for (int i = 0; s->floods && i < 5000; i++) {
		struct sbuf b = {0};

		begin_event(m, "line", &b);
		end_event(m, &b);
	}
	if (s->tells_exit)
		tell_exit(m);
	if (s->adds_record)
		add_record(m);
	if (s->ends)
		loop->quit = true;
}

static int say_now(struct monitor *m, struct sbuf *b)
{
	begin_event(m, "now", b);
	json_str(b, "state", m->state);
	json_close(b, '}');
	if (m->script->then_ms)
		loop_timer_arm(&m->loop, m->timer, clock_ms() + m->script->then_ms);
	return 0;
}

static int say_layers(struct monitor *m, struct ctl_answer *answer, struct dyno_err *err)
{
	const struct receipt_source source = {.upper_fd = m->script->upper_fd, .prefix = "/"};

	if (m->script->upper_fd < 0)
		return err_set(err, ERR_NOT_FOUND, ESRCH, "it does not run");
	return layers_put(&source, 1, answer, err);
}

static int handle(void *data, struct ctl_call *call, struct ctl_answer *answer,
		  struct dyno_err *err)
{
	struct monitor *m = data;
	struct dyno_facts facts;

	if (call->request.verb == CTL_INSPECT) {
		sbuf_addf(&answer->text, "%u %d %u", m->last.verb, m->last.value, m->last.scope);
		return 0;
	}
	m->last = call->request;
	switch ((enum ctl_verb)call->request.verb) {
	case CTL_STATE:
		fill_facts(m, &facts);
		m->asked++;
		statefile_format(&facts, &answer->text);
		return 0;
	case CTL_WATCH:
		return say_now(m, &answer->text);
	case CTL_LAYERS:
		return say_layers(m, answer, err);
	case CTL_EXPLAIN:
	case CTL_STATS:
		sbuf_adds(&answer->text, m->script->stats);
		return 0;
	case CTL_STOP:
		if (call->request.value == 1)
			loop_timer_arm(&m->loop, m->timer, 0);
		return 0;
	case CTL_INSPECT:
	case CTL_RESTART:
	case CTL_SIGNAL:
	case CTL_EXEC:
	case CTL_SWAP:
	case CTL_EXEC_SIGNAL:
	case CTL_EXEC_TTY:
	case CTL_ROOT:
	case CTL_RELEASE:
	case CTL_ATTACH:
	case CTL_ATTACH_SIZE:
	case CTL_DETACH:
		break;
	}
	return 0;
}

static int be_monitor(struct monitor *m, struct dyno_host *host, int ready_fd)
{
	struct dyno_err err;
	struct dyno_facts facts;
	int run_fd;
	bool remains;

	if (host_run_dir(host, &run_fd, &err) < 0 || host_store(host, &m->store, &err) < 0 ||
	    state_claim(run_fd, "shop", "web.1", &m->place, &remains, &err) < 0)
		return 1;
	m->state = m->script->state;
	fill_facts(m, &facts);
	if (statefile_write(m->place.dir_fd, &facts) < 0)
		return 2;
	loop_init(&m->loop);
	m->timer = loop_timer_add(&m->loop, on_then, m);
	if (m->script->delay_ms) {
		if (write(ready_fd, "r", 1) != 1)
			return 3;
		(void)poll(NULL, 0, (int)m->script->delay_ms);
	}
	if (ctl_open(&m->ctl, m->place.dir_fd, &err) < 0 ||
	    ctl_serve(&m->ctl, &m->loop, handle, m) < 0)
		return 4;
	if (!m->script->delay_ms && write(ready_fd, "r", 1) != 1)
		return 3;
	if (loop_run(&m->loop) < 0)
		return 5;
	ctl_close(&m->ctl);
	state_release(&m->place);
	return 0;
}

/* ---- the fixture ---------------------------------------------------------------------------- */

struct fixture {
	char path[32];
	int fd;
	char run_dir[64];
	char data_dir[64];
	struct dyno_host *host;
	pid_t monitor;
};

static struct dyno_host *open_host(struct fixture *f)
{
	const struct dyno_host_opts opts = {.run_dir = f->run_dir, .data_dir = f->data_dir};
	struct dyno_host *host = NULL;

	assert_int_equal(dyno_host_open(&opts, &host, NULL), 0);
	return host;
}

static int set_up(void **state)
{
	static struct fixture f;

	str_fmt(f.path, sizeof(f.path), "/tmp/dyno-test-dynos.XXXXXX");
	if (!mkdtemp(f.path))
		return -1;
	f.fd = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	str_fmt(f.run_dir, sizeof(f.run_dir), "%s/run", f.path);
	str_fmt(f.data_dir, sizeof(f.data_dir), "%s/data", f.path);
	f.host = open_host(&f);
	f.monitor = 0;
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (f->monitor > 0) {
		(void)kill(f->monitor, SIGKILL);
		(void)waitpid(f->monitor, NULL, 0);
	}
	dyno_host_free(f->host);
	close_fdp(&f->fd);
	return path_remove_tree(tmp, f->path + STRLEN("/tmp/"));
}

static void start(struct fixture *f, const struct script *script)
{
	static struct monitor m;
	int ready[2];
	char c;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	f->monitor = fork();
	if (f->monitor == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		m = (struct monitor){.script = script};
		_exit(be_monitor(&m, open_host(f), ready[1]));
	}
	close_fdp(&ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close_fdp(&ready[0]);
}

static void finish(struct fixture *f, int want)
{
	int status;

	assert_int_equal(waitpid(f->monitor, &status, 0), f->monitor);
	assert_int_equal(status, want);
	f->monitor = 0;
}

static struct dyno *must_open(struct fixture *f)
{
	struct dyno *dyno = NULL;
	struct dyno_err err = {0};

	if (dyno_open(f->host, "shop", "web.1", &dyno, &err) < 0)
		fail_msg("open: %s", err.msg);
	return dyno;
}

static void dyno_closep(struct dyno **dyno)
{
	dyno_close(*dyno);
}
#define _cleanup_dyno_ _cleanup_(dyno_closep)

static const struct script idle = {.state = "up", .upper_fd = -EBADF};

/* ---- opening -------------------------------------------------------------------------------- */

static void dyno_open__nobody__not_found(void **state)
{
	struct fixture *f = *state;
	struct dyno *dyno = NULL;
	struct dyno_err err = {0};

	assert_int_equal(dyno_open(f->host, "shop", "web.1", &dyno, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "shop/web.1"));
	assert_non_null(strstr(err.hint, "dyno ps"));
	assert_null(dyno);
	dyno_close(NULL);
}

static void dyno_open__names_that_are_none__refused(void **state)
{
	static const char *const names[] = {"", "..", "../web.1", "a/b", "."};
	struct fixture *f = *state;
	struct dyno *dyno = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct dyno_err err = {0};

		assert_int_equal(dyno_open(f->host, names[i], "web.1", &dyno, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_NAME);
		assert_int_equal(dyno_open(f->host, "shop", names[i], &dyno, &err), -EINVAL);
	}
}

static void dyno_open__one_that_has_ended__said_how(void **state)
{
	static const struct script script = {
		.state = "up", .adds_record = true, .ends = true, .upper_fd = -EBADF};
	struct fixture *f = *state;
	struct dyno_err err = {0};
	struct dyno *dyno;

	start(f, &script);
	dyno = must_open(f);
	assert_int_equal(dyno_stop(dyno, 1, &err), 0);
	finish(f, 0);
	/* the connection knows of it as well as a new one does */
	assert_int_equal(dyno_stop(dyno, 0, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	dyno_close(dyno);
	assert_int_equal(dyno_open(f->host, "shop", "web.1", &dyno, &err), -ENOENT);
	assert_non_null(strstr(err.hint, "crashed (oom)"));
}

/* T54: a call during the start. */
static void dyno_open__monitor_without_a_socket_yet__waited_for(void **state)
{
	static const struct script slow = {
		.state = "starting", .delay_ms = 100, .upper_fd = -EBADF};
	static const struct script never = {
		.state = "starting", .delay_ms = 3 * HANGS_MS, .upper_fd = -EBADF};
	struct fixture *f = *state;
	struct dyno *dyno = NULL;
	struct dyno_err err = {0};
	uint64_t began;

	start(f, &slow);
	dyno_close(must_open(f));
	assert_int_equal(kill(f->monitor, SIGKILL), 0);
	finish(f, SIGKILL);

	start(f, &never);
	began = clock_ms();
	assert_int_equal(dyno_open(f->host, "shop", "web.1", &dyno, &err), -EAGAIN);
	assert_true(clock_ms() - began < HANGS_MS);
	assert_int_equal(err.kind, ERR_MONITOR);
	assert_non_null(strstr(err.hint, "being started"));
}

static void dyno_open__monitor_that_was_killed__becomes_a_record(void **state)
{
	struct fixture *f = *state;
	struct dyno *dyno = NULL;
	struct dyno_err err = {0};
	uint64_t began;

	start(f, &idle);
	assert_int_equal(kill(f->monitor, SIGKILL), 0);
	finish(f, SIGKILL);
	began = clock_ms();
	assert_int_equal(dyno_open(f->host, "shop", "web.1", &dyno, &err), -ENOENT);
	assert_true(clock_ms() - began < HANGS_MS);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(err.hint, "supervisor-lost"));
}

/* ---- asking --------------------------------------------------------------------------------- */

static int check_info(void *data, const struct dyno_info *info)
{
	assert_string_equal(info->app, "shop");
	assert_string_equal(info->name, "web.1");
	assert_string_equal(info->state, "up");
	assert_int_equal(info->live, 1);
	assert_int_equal(info->pid, 0);
	assert_int_equal(info->monitor_pid, *(const pid_t *)data);
	return 42;
}

static void dyno_state__facts__told_once(void **state)
{
	struct fixture *f = *state;
	_cleanup_dyno_ struct dyno *dyno = NULL;

	start(f, &idle);
	dyno = must_open(f);
	assert_int_equal(dyno_state(dyno, check_info, &f->monitor, NULL), 42);
}

static int check_stats(void *data, const struct dyno_stats *stats)
{
	(void)data;
	assert_string_equal(stats->app, "shop");
	assert_string_equal(stats->state, "up");
	assert_true(stats->start == 3 && stats->pids == 7 && stats->uptime_ms == 0);
	assert_true(stats->memory_bytes == DYNO_STATS_UNKNOWN);
	return 43;
}

static void dyno_stats__live_dyno__told_once(void **state)
{
	static const struct script script = {
		.state = "up",
		.stats = "{\"schema\":1,\"app\":\"shop\",\"name\":\"web.1\",\"type\":\"web\","
			 "\"state\":\"up\",\"start\":3,\"taken_usec\":4,\"uptime_ms\":0,"
			 "\"restarts\":2,\"crashes\":0,\"pids\":7}",
		.upper_fd = -1};
	struct fixture *f = *state;
	_cleanup_dyno_ struct dyno *dyno = NULL;

	start(f, &script);
	dyno = must_open(f);
	assert_int_equal(dyno_stats(dyno, check_stats, NULL, NULL), 43);
	assert_int_equal(dyno_stats(dyno, check_stats, NULL, NULL), 43);
}

static void dyno_stats__what_is_no_answer__is_a_failure_of_the_monitor(void **state)
{
	static const struct script script = {
		.state = "up", .stats = "{\"schema\":1}", .upper_fd = -1};
	struct fixture *f = *state;
	_cleanup_dyno_ struct dyno *dyno = NULL;
	struct dyno_err err = {0};

	start(f, &script);
	dyno = must_open(f);
	assert_int_equal(dyno_stats(dyno, check_stats, NULL, &err), -EPROTO);
	assert_string_equal(dyno_err_class(&err), "dyno.monitor");
}

static void requests__each__arrives_as_it_was_meant(void **state)
{
	struct fixture *f = *state;
	_cleanup_dyno_ struct dyno *dyno = NULL;
	static const struct {
		int sig;
		const char *scope;
		const char *want;
	} signals[] = {
		{SIGUSR1, NULL, "5 10 2"},
		{SIGTERM, "all", "5 15 0"},
		{SIGHUP, "group", "5 1 1"},
		{64, "main", "5 64 2"},
	};
	char *json = NULL;

	start(f, &idle);
	dyno = must_open(f);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		assert_int_equal(dyno_signal(dyno, signals[i].sig, signals[i].scope, NULL), 0);
		assert_int_equal(dyno_inspect(dyno, &json, NULL), 0);
		assert_string_equal(json, signals[i].want);
		free(json);
	}
	assert_int_equal(dyno_restart(dyno, NULL), 0);
	assert_int_equal(dyno_inspect(dyno, &json, NULL), 0);
	assert_string_equal(json, "4 0 0");
	free(json);
	assert_int_equal(dyno_stop(dyno, 0, NULL), 0);
	assert_int_equal(dyno_inspect(dyno, &json, NULL), 0);
	assert_string_equal(json, "3 0 0");
	free(json);
}

static void dyno_signal__nonsense__refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_dyno_ struct dyno *dyno = NULL;
	struct dyno_err err = {0};

	start(f, &idle);
	dyno = must_open(f);
	assert_int_equal(dyno_signal(dyno, 0, NULL, &err), -EINVAL);
	assert_int_equal(dyno_signal(dyno, 65, NULL, &err), -EINVAL);
	assert_int_equal(dyno_signal(dyno, SIGTERM, "everybody", &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USAGE);
}

/* ---- events --------------------------------------------------------------------------------- */

/* Return: the next event or its absence. */
static int next_event(struct dyno *dyno, const char **ret)
{
	struct pollfd p = {.fd = dyno_event_fd(dyno, NULL), .events = POLLIN};
	int r;

	assert_true(p.fd >= 0);
	do {
		assert_int_equal(poll(&p, 1, HANGS_MS), 1);
		r = dyno_event_next(dyno, ret, NULL);
	} while (r == 0);
	return r;
}

static void dyno_event_next__a_life__told_to_its_end(void **state)
{
	static const struct script script = {.state = "starting",
					     .then_ms = 1,
					     .states = {"up"},
					     .ends = true,
					     .upper_fd = -EBADF};
	struct fixture *f = *state;
	_cleanup_dyno_ struct dyno *dyno = NULL;
	struct dyno_err err = {0};
	const char *json;

	start(f, &script);
	dyno = must_open(f);
	assert_int_equal(next_event(dyno, &json), 1);
	assert_non_null(strstr(json, "\"now\""));
	assert_int_equal(next_event(dyno, &json), 1);
	assert_non_null(strstr(json, "\"to\":\"up\""));
	assert_int_equal(next_event(dyno, &json), -EPIPE);
	assert_int_equal(dyno_event_next(dyno, &json, &err), -EPIPE);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	finish(f, 0);
}

static void dyno_event_next__too_slow__told_how_many(void **state)
{
	static const struct script script = {
		.state = "up", .then_ms = 1, .floods = true, .upper_fd = -EBADF};
	struct fixture *f = *state;
	_cleanup_dyno_ struct dyno *dyno = NULL;
	const char *json;
	unsigned int seen = 0;
	int r;

	start(f, &script);
	dyno = must_open(f);
	assert_true(dyno_event_fd(dyno, NULL) >= 0);
	/* The flood is due; it came before the second answer if not before the first. */
	(void)poll(NULL, 0, 20);
	assert_int_equal(dyno_state(dyno, check_info, &f->monitor, NULL), 42);
	assert_int_equal(dyno_state(dyno, check_info, &f->monitor, NULL), 42);
	while ((r = dyno_event_next(dyno, &json, NULL)) == 1)
		seen++;
	assert_int_equal(r, 0);
	assert_in_range(seen, 10, 4999);
	assert_int_equal(dyno_stop(dyno, 1, NULL), 0); /* the same once more */
	assert_int_equal(next_event(dyno, &json), 1);
	assert_non_null(strstr(json, "\"event\":\"lost\""));
	assert_non_null(strstr(json, "\"dyno\":\"web.1\""));
	assert_non_null(strstr(json, "\"count\":"));
}

static void dyno_event_fd__monitor_gone_or_replaced__ended(void **state)
{
	static const struct script script = {.state = "up", .ends = true, .upper_fd = -EBADF};
	struct fixture *f = *state;
	_cleanup_dyno_ struct dyno *dyno = NULL;
	struct dyno_err err = {0};

	start(f, &script);
	dyno = must_open(f);
	assert_int_equal(dyno_stop(dyno, 1, NULL), 0);
	finish(f, 0);
	assert_int_equal(dyno_event_fd(dyno, &err), -EPIPE);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	start(f, &idle); /* of the same name, but it is another life */
	assert_int_equal(dyno_event_fd(dyno, &err), -EPIPE);
}

/* ---- waiting -------------------------------------------------------------------------------- */

static void dyno_wait__state__there_or_reached(void **state)
{
	static const struct script script = {.state = "starting",
					     .then_ms = 50,
					     .states = {"up", "crashed", "starting"},
					     .upper_fd = -EBADF};
	struct fixture *f = *state;
	_cleanup_dyno_ struct dyno *dyno = NULL;
	struct dyno_outcome out = {.exit_code = 99};
	struct dyno_err err = {0};
	const char *json;

	start(f, &script);
	dyno = must_open(f);
	assert_int_equal(next_event(dyno, &json), 1);
	assert_int_equal(dyno_wait(dyno, "starting", HANGS_MS, &out, NULL), 0);
	/* it is none for longer than a moment, and yet it was */
	assert_int_equal(dyno_wait(dyno, "crashed", HANGS_MS, &out, NULL), 0);
	assert_int_equal(out.exit_code, 99);
	assert_int_equal(dyno_wait(dyno, "down", 50, &out, &err), -ETIMEDOUT);
	assert_int_equal(err.kind, ERR_TIMEOUT);
	assert_int_equal(dyno_wait(dyno, "asleep", 50, &out, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USAGE);
	/* the handle's own events are as they were */
	assert_int_equal(next_event(dyno, &json), 1);
	assert_non_null(strstr(json, "\"to\":\"up\""));
}

static void dyno_wait__end__outcome_of_its_record(void **state)
{
	static const struct script script = {.state = "up",
					     .then_ms = 50,
					     .tells_exit = true,
					     .adds_record = true,
					     .ends = true,
					     .upper_fd = -EBADF};
	struct fixture *f = *state;
	_cleanup_dyno_ struct dyno *dyno = NULL;
	struct dyno_outcome out = {0};

	start(f, &script);
	dyno = must_open(f);
	assert_int_equal(dyno_wait(dyno, NULL, 0, &out, NULL), 1);
	assert_string_equal(out.app, "shop");
	assert_string_equal(out.dyno, "web.1");
	assert_string_equal(out.reason, "oom");
	assert_int_equal(out.exit_code, 137);
	assert_int_equal(out.signal, SIGKILL);
	assert_int_equal(out.port, 5000);
	assert_int_equal(out.up_ms, 4321);
	finish(f, 0);
	/* and once more, later, although another one has the name by now */
	start(f, &idle);
	out = (struct dyno_outcome){0};
	assert_int_equal(dyno_wait(dyno, "up", 0, &out, NULL), 1);
	assert_string_equal(out.reason, "oom");
	assert_int_equal(dyno_wait(dyno, NULL, 0, NULL, NULL), 1);
}

static void dyno_wait__end_without_a_record__what_the_monitor_said(void **state)
{
	static const struct script script = {.state = "up",
					     .then_ms = 50,
					     .states = {"crashed"},
					     .tells_exit = true,
					     .ends = true,
					     .upper_fd = -EBADF};
	struct fixture *f = *state;
	_cleanup_dyno_ struct dyno *dyno = NULL;
	struct dyno_outcome out = {0};

	start(f, &script);
	dyno = must_open(f);
	assert_int_equal(dyno_wait(dyno, "down", 0, &out, NULL), 1);
	assert_int_equal(out.exit_code, 3);
	assert_int_equal(out.up_ms, 1234);
	assert_string_equal(out.reason, "exit");
}

static void dyno_wait__monitor_killed__supervisor_lost(void **state)
{
	struct fixture *f = *state;
	_cleanup_dyno_ struct dyno *dyno = NULL;
	struct dyno_outcome out = {0};

	start(f, &idle);
	dyno = must_open(f);
	assert_int_equal(kill(f->monitor, SIGKILL), 0);
	assert_int_equal(dyno_wait(dyno, NULL, 0, &out, NULL), 1);
	assert_int_equal(out.exit_code, 137);
	assert_string_equal(out.reason, "supervisor-lost");
	finish(f, SIGKILL);
}

static void dyno_wait__lost_events__the_state_is_asked_for(void **state)
{
	static const struct script script = {.state = "up",
					     .then_ms = 1,
					     .floods = true,
					     .ends = true,
					     .adds_record = true,
					     .upper_fd = -EBADF};
	struct fixture *f = *state;
	_cleanup_dyno_ struct dyno *dyno = NULL;
	struct dyno_outcome out = {0};

	start(f, &script);
	dyno = must_open(f);
	assert_int_equal(dyno_wait(dyno, "down", 10000, &out, NULL), 1);
	assert_string_equal(out.reason, "oom");
}

/* ---- files ---------------------------------------------------------------------------------- */

static int count_written(void *data, const struct dyno_written *written)
{
	unsigned int *n = data;

	(*n)++;
	assert_string_equal(written->change, "added");
	assert_non_null(strstr(written->path, "/new"));
	return 0;
}

static int stop_at_first(void *data, const struct dyno_written *written)
{
	(void)data;
	(void)written;
	return -77; /* not to be taken for an error of the walk */
}

static void dyno_diff__live__walked_by_the_caller(void **state)
{
	struct fixture *f = *state;
	struct script script = {.state = "up"};
	unsigned int n = 0;
	int upper;

	assert_int_equal(path_mkdir_p(f->fd, "upper/new", 0755), 0);
	assert_int_equal(path_mkdir_p(f->fd, "upper/new2", 0755), 0);
	upper = openat(f->fd, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	script.upper_fd = upper;
	start(f, &script);
	assert_int_equal(dyno_diff(f->host, "shop", "web.1", count_written, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(dyno_diff(f->host, "shop", "web.1", stop_at_first, NULL, NULL), -77);
	close_fdp(&upper);
}

static void add_end(struct fixture *f, const char *manifest)
{
	struct record record = {
		.facts = {.info = {.app = "shop",
				   .name = "web.1",
				   .type = "web",
				   .state = "crashed",
				   .reason = "exit",
				   .exit_code = 1}},
		.gen = 1,
		.ended_us = time_now_us(),
		.manifest = manifest,
	};
	struct store *store;

	assert_int_equal(host_store(f->host, &store, NULL), 0);
	assert_int_equal(record_add(store, &record, NULL), 0);
}

static void dyno_diff__not_running__its_last_manifest(void **state)
{
	struct fixture *f = *state;
	struct receipt_source source = {.prefix = "/"};
	struct receipt receipt = {0};
	struct store *store;
	struct dyno_err err = {0};
	unsigned int n = 0;

	assert_int_equal(dyno_diff(f->host, "shop", "web.1", count_written, &n, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(path_mkdir_p(f->fd, "upper/new", 0755), 0);
	source.upper_fd = openat(f->fd, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(host_store(f->host, &store, NULL), 0);
	assert_int_equal(receipt_take(store, "shop", "web.1", &source, 1, &receipt, NULL), 0);
	add_end(f, receipt.manifest);
	assert_int_equal(dyno_diff(f->host, "shop", "web.1", count_written, &n, NULL), 0);
	assert_int_equal(n, 1);
	start(f, &idle); /* lives, but between two starts */
	assert_int_equal(dyno_diff(f->host, "shop", "web.1", count_written, &n, NULL), 0);
	assert_int_equal(n, 2);
	add_end(f, "");
	assert_int_equal(dyno_diff(f->host, "shop", "web.1", count_written, &n, NULL), 0);
	assert_int_equal(n, 2);
	close_fdp(&source.upper_fd);
}

static void put(int at, const char *name, const char *text)
{
	_cleanup_close_ int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_int_equal(fd_write_full(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* A process whose root is <path>/root. Return: its number; 0: none can be made here. */
static pid_t start_in_root(struct fixture *f)
{
	char root[64];
	int ready[2];
	pid_t pid;
	char c;
	ssize_t n;

	str_fmt(root, sizeof(root), "%s/root", f->path);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if ((geteuid() != 0 && unshare(CLONE_NEWUSER) < 0) || chroot(root) < 0 ||
		    write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	close_fdp(&ready[1]);
	n = read(ready[0], &c, 1);
	close_fdp(&ready[0]);
	if (n == 1)
		return pid;
	(void)waitpid(pid, NULL, 0);
	return 0;
}

static void dyno_copy__root_of_its_init__copied_from(void **state)
{
	struct fixture *f = *state;
	struct script script = {.state = "up", .upper_fd = -EBADF};
	char to[64];
	struct stat st;
	struct dyno_err err = {0};

	assert_int_equal(path_mkdir_p(f->fd, "root/app", 0755), 0);
	put(f->fd, "root/app/original", "text");
	script.init_pid = start_in_root(f);
	if (script.init_pid == 0)
		skip();
	start(f, &script);
	str_fmt(to, sizeof(to), "%s/copy", f->path);
	if (dyno_copy(f->host, "shop", "web.1", "original", to, -1, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(fstatat(f->fd, "copy", &st, 0), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(dyno_copy(f->host, "shop", "web.1", "/etc/passwd", to, -1, &err), -ENOENT);
	(void)kill(script.init_pid, SIGKILL);
	(void)waitpid(script.init_pid, NULL, 0);
}

/* Before a launch has pivoted into it. */
static void dyno_copy__root_that_is_the_hosts__refused(void **state)
{
	struct fixture *f = *state;
	struct script script = {.state = "starting", .init_pid = getpid(), .upper_fd = -EBADF};
	struct dyno_err err = {0};
	struct stat st;
	char to[64];

	start(f, &script);
	str_fmt(to, sizeof(to), "%s/copy", f->path);
	assert_int_equal(dyno_copy(f->host, "shop", "web.1", "/etc/passwd", to, -1, &err), -EAGAIN);
	assert_non_null(strstr(err.hint, "being started"));
	assert_int_equal(fstatat(f->fd, "copy", &st, 0), -1);
}

static void dyno_copy__init_that_is_not_its__refused(void **state)
{
	struct fixture *f = *state;
	struct script changes = {.state = "up", .then_init_pid = getpid(), .upper_fd = -EBADF};
	struct dyno_err err = {0};
	pid_t gone = fork();
	int status;

	if (gone == 0)
		_exit(0);
	assert_int_equal(waitpid(gone, &status, 0), gone);
	assert_int_equal(dyno_copy(f->host, "shop", "web.1", "/x", "/x", -1, &err), -ENOENT);

	start(f, &idle); /* between two starts */
	assert_int_equal(dyno_copy(f->host, "shop", "web.1", "/x", "/x", -1, &err), -ESRCH);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(kill(f->monitor, SIGKILL), 0);
	finish(f, SIGKILL);

	changes.init_pid = gone;
	start(f, &changes);
	assert_int_equal(dyno_copy(f->host, "shop", "web.1", "/etc/passwd", "/nowhere/x", -1, &err),
			 -ESRCH);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(dyno_open__nobody__not_found),
		TEST(dyno_open__names_that_are_none__refused),
		TEST(dyno_open__one_that_has_ended__said_how),
		TEST(dyno_open__monitor_without_a_socket_yet__waited_for),
		TEST(dyno_open__monitor_that_was_killed__becomes_a_record),
		TEST(dyno_state__facts__told_once),
		TEST(dyno_stats__live_dyno__told_once),
		TEST(dyno_stats__what_is_no_answer__is_a_failure_of_the_monitor),
		TEST(requests__each__arrives_as_it_was_meant),
		TEST(dyno_signal__nonsense__refused),
		TEST(dyno_event_next__a_life__told_to_its_end),
		TEST(dyno_event_next__too_slow__told_how_many),
		TEST(dyno_event_fd__monitor_gone_or_replaced__ended),
		TEST(dyno_wait__state__there_or_reached),
		TEST(dyno_wait__end__outcome_of_its_record),
		TEST(dyno_wait__end_without_a_record__what_the_monitor_said),
		TEST(dyno_wait__monitor_killed__supervisor_lost),
		TEST(dyno_wait__lost_events__the_state_is_asked_for),
		TEST(dyno_diff__live__walked_by_the_caller),
		TEST(dyno_diff__not_running__its_last_manifest),
		TEST(dyno_copy__root_of_its_init__copied_from),
		TEST(dyno_copy__root_that_is_the_hosts__refused),
		TEST(dyno_copy__init_that_is_not_its__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
