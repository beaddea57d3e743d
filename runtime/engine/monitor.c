/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.c - the loop of a monitor.
 *
 * Theory of operation.  Callbacks of the loop turn what happened into events of the table
 * (mon_feed), and the table's decision is carried out at once, in its order (obey).  What a
 * decision itself brings about (a launch that fails on the spot) is kept in the slot and told to
 * the table afterwards (mon_settle), so that the table is never entered twice.  mon_settle() also
 * asks for deadlines that have come, arms the one timer for the next, and brings state.json up to
 * date: every callback ends with it.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/signame.h"
#include "base/str.h"
#include "base/timetext.h"
#include "engine/explain.h"
#include "engine/monitor_internal.h"
#include "engine/place.h"
#include "kernel/cgroup_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Source: timeout(1), and the table of exit codes */
#define STATUS_TIME_LIMIT 124

static struct slot *slot_of(struct monitor *m, uint32_t gen)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(m->slots); i++)
		if (m->slots[i].used && m->slots[i].gen.id == gen)
			return &m->slots[i];
	return NULL;
}

struct slot *mon_front(struct monitor *m)
{
	return slot_of(m, m->sup.front.id);
}

static uint32_t chance(void)
{
	uint32_t n = 0;

	/* Without it waits are only less spread. */
	return getrandom(&n, sizeof(n), 0) == (ssize_t)sizeof(n) ? n : 0;
}

/* ---- what the starter is told --------------------------------------------------------------- */

/* The first launch's end: afterwards the starter has no further interest. */
static void report(struct monitor *m, const struct dyno_err *err)
{
	struct monitor_report packet = {.failed = err != NULL};

	if (m->reported || m->plan->report_fd < 0)
		return;
	m->reported = true;
	if (err)
		packet.err = *err;
	/* A starter that is gone has no use for it. */
	(void)send(m->plan->report_fd, &packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(m->plan->report_fd, SHUT_RDWR); /* the last word */
}

/* ---- what dyno-init says -------------------------------------------------------------------- */

static void on_started(struct slot *slot)
{
	struct monitor *m = slot->m;

	slot->started = true;
	m->ran = true;
	m->dirty = true;
	slot->started_ms = clock_ms();
	loop_timer_disarm(&m->loop, slot->launch_timer);
	report(m, NULL);
	tell_launch(m, slot);
	look_start(slot);
	mem_start(slot);
	mon_event(m, SUP_LAUNCH_OK, slot->gen.id);
	caller_serve_terminal(m, slot);
	attach_started(slot);
}

static void on_exec_failed(struct slot *slot, int num)
{
	const char *name = slot->gen.spec.process.argv[0];
	char text[128];
	bool missing = num == ENOENT || num == ENOTDIR;

	slot->failed = err_set(&slot->err, missing ? ERR_EXEC_MISSING : ERR_EXEC_PERM, num,
			       "execute %s", str_escape(text, sizeof(text), name));
}

static void mark_command(const struct slot *slot, uint64_t at_ns)
{
	struct dyno_timing *t = slot->gen.launch.timing;

	if (!t || t->n == DYNO_TIMING_MAX)
		return;
	t->name[t->n] = "command";
	t->at_ns[t->n++] = at_ns;
}

static void on_message(struct slot *slot, const struct init_msg *msg)
{
	switch (msg->type) {
	case INIT_MSG_LAUNCH_FAILED:
		slot->failed = slot->err.num > 0 ? -slot->err.num : -EINVAL;
		break;
	case INIT_MSG_STARTED:
		mark_command(slot, msg->at_ns);
		on_started(slot);
		break;
	case INIT_MSG_EXEC_FAILED:
		on_exec_failed(slot, msg->value);
		break;
	case INIT_MSG_EXITED:
		slot->exited = true;
		slot->wait_status = msg->value;
		break;
	default:
		break; /* of a newer dyno-init: not for us */
	}
}

/* Return: false when the channel has ended. */
static bool drain(struct slot *slot)
{
	struct init_msg msg;
	int r;

	while ((r = launch_receive(&slot->gen.launch, &msg, &slot->err)) > 0)
		on_message(slot, &msg);
	return r == 0;
}

static void on_channel(struct loop *loop, int fd, short revents, void *data)
{
	struct slot *slot = data;

	(void)revents;
	if (!drain(slot))
		loop_remove(loop, fd); /* the rest is told by the pidfd */
	mon_settle(slot->m);
}

/* The channel is read to its end first: pid 1 may be gone before its last words were heard. */
static void on_gone(struct loop *loop, int fd, short revents, void *data)
{
	struct slot *slot = data;

	(void)revents;
	(void)drain(slot);
	if (proc_wait(fd, &slot->init_status) < 0)
		slot->init_status = 128 + SIGKILL;
	loop_remove(loop, fd);
	loop_remove(loop, slot->gen.launch.channel_fd);
	slot->gone = true;
	mon_settle(slot->m);
}

static void on_launch_timeout(struct loop *loop, void *data)
{
	struct slot *slot = data;

	(void)loop;
	slot->timed_out = true;
	(void)launch_kill(&slot->gen.launch); /* already gone is what was wanted */
	mon_settle(slot->m);
}

/* The first launch's failure is the starter's answer; the slot must still have it. */
static void vacate(struct slot *slot)
{
	bool keeps_error = slot->failed < 0;

	gen_done(&slot->gen);
	*slot = (struct slot){
		.m = slot->m,
		.output = OUTPUT_INIT,
		.mem = slot->mem,
		.look_timer = slot->look_timer,
		.launch_timer = slot->launch_timer,
		.failed = keeps_error ? slot->failed : 0,
		.err = slot->err,
	};
}

/* ---- launch --------------------------------------------------------------------------------- */

static int watch(struct slot *slot)
{
	struct loop *loop = &slot->m->loop;
	int r;

	r = loop_add(loop, slot->gen.launch.channel_fd, POLLIN, on_channel, slot);
	if (r == 0)
		r = loop_add(loop, slot->gen.launch.pidfd, POLLIN, on_gone, slot);
	if (r == 0)
		r = net_watch(slot);
	if (r == 0) {
		loop_timer_arm(loop, slot->launch_timer, clock_ms() + LAUNCH_TIMEOUT_MS);
		return 0;
	}
	(void)launch_kill(&slot->gen.launch); /* it must not live on unwatched */
	(void)proc_wait(slot->gen.launch.pidfd, &slot->init_status);
	return err_set(&slot->err, ERR_IO, -r, "watch the dyno %s", slot->m->app->place.dyno);
}

static const int *stdio_of(const struct slot *slot, int stdin_fd, int stdio[3])
{
	if (!slot->m->plan->supervised)
		return NULL;
	stdio[0] = stdin_fd; /* without one the monitor's own, /dev/null */
	stdio[1] = slot->output.child_fd[0];
	stdio[2] = slot->output.child_fd[1];
	return stdio;
}

static void tell_copy(struct monitor *m)
{
	tell_warning(m, "the file system of the slug takes no id map: "
			"its files are copied for this start");
}

static void tell_unmapped(const struct slot *slot)
{
	char path[256];
	char text[512];

	str_escape(path, sizeof(path), slot->gen.launch.unmapped);
	str_fmt(text, sizeof(text),
		"the file system of %s takes no id map: the app's user does not own what its "
		"owner does",
		path);
	tell_warning(slot->m, text);
}

/* Once, as long as it stays the same. */
static void tell_scratch(const struct slot *slot)
{
	const char *text = slot->gen.scratch.warning;
	struct monitor *m = slot->m;

	if (!text[0] || str_eq(text, m->scratch_warned))
		return;
	str_fmt(m->scratch_warned, sizeof(m->scratch_warned), "%s", text);
	tell_warning(m, text);
}

/* What the kernel refuses once it will refuse again: the first start tells it. */
static void tell_refusal(const struct slot *slot)
{
	const struct cgroup_leaf *leaf = &slot->gen.launch.leaf;
	char list[48], text[256];

	if (!leaf->refused || slot->m->told_refusal)
		return;
	slot->m->told_refusal = true;
	str_fmt(text, sizeof(text), "a limit is not set (%s): %s",
		cgroup_controllers_text(leaf->refused, list, sizeof(list)), leaf->refusal);
	tell_warning(slot->m, text);
}

static int launch(struct slot *slot, bool on_copy)
{
	struct monitor *m = slot->m;
	_cleanup_close_ int stdin_fd = -EBADF;
	int stdio[3];
	int r;

	if (m->plan->supervised) {
		r = attach_prepare(slot, &stdin_fd, &slot->err);
		if (r == 0)
			r = output_open(&slot->output, &m->loop, m->plan->sink, m->app->place.dyno,
					&slot->err);
		if (r < 0)
			return r;
	}
	if (on_copy)
		r = gen_launch_copy(&slot->gen, stdio_of(slot, stdin_fd, stdio), &slot->err);
	else
		r = gen_launch(&slot->gen, stdio_of(slot, stdin_fd, stdio), &slot->err);
	if (r >= 0 && m->plan->supervised)
		r = output_started(&slot->output);
	return r < 0 ? r : watch(slot);
}

/* The first try of a launch has ended for want of an id map: another on a copy of the layer. */
static bool try_copy(struct slot *slot)
{
	int r;

	if (slot->err.kind != ERR_IDMAP || slot->started || slot->gen.copy.path)
		return false;
	tell_copy(slot->m);
	output_close(&slot->output);
	slot->failed = 0;
	slot->gone = false;
	slot->err = (struct dyno_err){0};
	r = launch(slot, true);
	if (r < 0)
		slot->failed = r;
	return r >= 0;
}

/* What one start has left is kept until the next one begins. */
static struct slot *free_slot(struct monitor *m)
{
	if (m->held)
		vacate(take_ptr(&m->held));
	for (size_t i = 0; i < ARRAY_SIZE(m->slots); i++)
		if (!m->slots[i].used)
			return &m->slots[i];
	return NULL;
}

static void do_launch(struct monitor *m, uint32_t gen)
{
	struct slot *slot = slot_of(m, gen);
	int r = 0;

	if (!slot)
		slot = free_slot(m);
	if (!slot)
		return; /* the table holds two generations at most */
	if (!slot->used) {
		slot->used = true;
		gen_init(&slot->gen, m->app, gen);
		r = gen_prepare(&slot->gen, &slot->err);
	}
	tell_scratch(slot);
	net_warn(slot);
	slot->launched_us = time_now_us();
	if (r == 0)
		r = launch(slot, false);
	if (r >= 0 && slot->gen.launch.unmapped)
		tell_unmapped(slot);
	if (r >= 0)
		tell_refusal(slot);
	if (r < 0) {
		slot->failed = r;
		slot->gone = true; /* nothing of it lives; told by mon_settle() */
	}
}

/* ---- the end of a generation ---------------------------------------------------------------- */

static void find_status(struct slot *slot)
{
	slot->signal = 0;
	if (slot->exited && WIFEXITED(slot->wait_status)) {
		slot->exit_code = WEXITSTATUS(slot->wait_status);
	} else {
		slot->signal = slot->exited ? WTERMSIG(slot->wait_status) : SIGKILL;
		slot->exit_code = 128 + slot->signal;
	}
	slot->up_ms = clock_ms() - slot->started_ms;
}

/* No word of a command that ran: what became of the launch? */
static void launch_lost(struct slot *slot)
{
	char group[128];

	if (slot->timed_out || slot->init_status == LAUNCH_EXIT_DEADLINE) {
		slot->timed_out = true;
		slot->failed = err_set(&slot->err, ERR_LAUNCH_TIMEOUT, ETIMEDOUT,
				       "launch the dyno within %u seconds (R99)",
				       LAUNCH_TIMEOUT_MS / 1000);
		if (cgroup_frozen(&slot->m->app->cgroups, group, sizeof(group)))
			err_hint(&slot->err, "the control group %s is frozen: thaw it", group);
		else
			err_hint(&slot->err, "see with --timing which step is slow");
	} else if (slot->m->sup.front.state == SUP_STOPPING) {
		slot->failed = err_set(&slot->err, ERR_LAUNCH_LOST, EINTR,
				       "launch the dyno: stopped meanwhile");
	} else {
		slot->failed = err_set(&slot->err, ERR_LAUNCH_LOST, EIO,
				       "launch the dyno: it ended with status %d before the "
				       "command ran",
				       slot->init_status);
	}
}

/* The kernel and bash say that a file cannot be executed; the file itself says why. */
static void explain_end(struct slot *slot)
{
	const struct command *c = &slot->m->app->command;
	const char *command = c->shell ? c->text : c->argv[0];
	bool failed = slot->failed < 0;
	char text[512];

	if (failed && slot->err.kind != ERR_EXEC_PERM && slot->err.kind != ERR_EXEC_MISSING)
		return;
	if (!failed && !(c->shell && (slot->exit_code == 126 || slot->exit_code == 127)))
		return;
	if (explain_exec(&slot->m->app->slug, &slot->m->app->stack, command, text, sizeof(text)) ==
	    0)
		return;
	if (failed)
		err_hint(&slot->err, "%s", text);
	else
		tell_warning(slot->m, text);
}

static void finish_failure(struct slot *slot)
{
	if (!slot->failed)
		launch_lost(slot);
	slot->exit_code = dyno_err_exit_code(&slot->err);
	gen_hint(&slot->gen, &slot->err);
	if (slot->err.stage)
		err_context(&slot->err, "launch step %s", step_name(slot->err.stage));
}

static void tell_gone(struct slot *slot)
{
	struct monitor *m = slot->m;
	struct sup_event_info info = {.gen = slot->gen.id, .now_ms = clock_ms()};

	slot->gone = false;
	net_unwatch(slot);
	if (try_copy(slot))
		return;
	look_stop(slot);
	mem_stop(slot);
	loop_timer_disarm(&m->loop, slot->launch_timer);
	attach_drain(slot);
	if (m->plan->supervised)
		output_drain(&slot->output, MONITOR_DRAIN_MS);
	info.jitter = chance();
	if (slot->started) {
		find_status(slot);
		info.event = SUP_EXIT;
		info.exit_code = slot->exit_code;
		info.signal = slot->signal;
		/* Where it only lost a child it may have given up by itself. */
		info.oom = slot->exit_code != 0 && mem_find_oom(slot);
		info.oom_beyond = info.oom && mem_oom_beyond(slot);
	} else {
		finish_failure(slot);
		if (m->sup.policy.await_ms)
			tell_warning(m, slot->err.msg); /* the starter has left */
		info.event = SUP_LAUNCH_ERR;
		info.timed_out = slot->timed_out;
	}
	explain_end(slot);
	mon_feed(m, &info);
}

/* Whatever the command made of the stop, its caller is told that its time was over. */
static void bury(struct monitor *m, struct slot *slot, enum sup_reason reason)
{
	if (!slot->started && !slot->failed)
		attach_never_came(slot, reason);
	if (reason == SUP_BY_TIME_LIMIT)
		slot->exit_code = STATUS_TIME_LIMIT;
	tell_end(m, slot, reason);
	m->have_last = true;
	m->last = (struct dyno_outcome){
		.exit_code = slot->exit_code,
		.signal = slot->signal,
		.reason = sup_reason_name(reason),
		.port = slot->gen.port,
		.up_ms = slot->started ? slot->up_ms : 0,
	};
	str_fmt(m->last.detail, sizeof(m->last.detail), "%s",
		tell_detail(slot) ? tell_detail(slot) : "");
}

static void discard(struct monitor *m, struct slot *slot)
{
	if (slot->failed < 0)
		report(m, &slot->err);
	if (m->health.launch == &slot->gen.launch)
		health_stop(&m->health);
	output_close(&slot->output);
	net_unwatch(slot);
	if (!hold_take(slot))
		vacate(slot);
}

/* ---- what the table decides ----------------------------------------------------------------- */

static const char *strict_cause(const struct monitor *m)
{
	if (m->app->sockets.n > 0)
		return "both would accept on the sockets given by --listen-fd";
	return m->app->opts->port ? "both would need the port given by --port" : "";
}

static void say(struct monitor *m, const struct sup_do *what)
{
	struct slot *slot = slot_of(m, what->gen);
	char command[LINE_BYTES] __attribute__((uninitialized));
	char signal_name[SIGNAME_BYTES];
	struct line_args args = {
		.command = "",
		.stop_signal = signame_text(m->app->stop_signal, signal_name),
		.stop_main_only = m->app->stop_scope != INIT_SCOPE_ALL,
		.boot_timeout_ms = m->sup.policy.boot_timeout_ms,
		.grace_ms = m->sup.policy.grace_ms,
		.launch_timeout_ms = LAUNCH_TIMEOUT_MS,
		.time_limit_ms = m->sup.policy.time_limit_ms,
		.count = m->health_count,
		.status = slot ? slot->exit_code : 0,
		.port = slot ? slot->gen.port : 0,
	};

	if (what->line == LINE_STATE) {
		tell_change(m, what->from, what->to);
		return;
	}
	if (what->line == LINE_START)
		args.command = str_escape(command, sizeof(command), m->app->command.text);
	if (what->line == LINE_STRICT)
		args.text = strict_cause(m);
	if (what->line == LINE_BOOT_CAUSE) {
		if (!slot)
			return;
		look_cause(slot, slot->boot_cause, sizeof(slot->boot_cause));
		args.text = slot->boot_cause;
		if (!args.text[0])
			return;
	}
	if (slot && !mem_line(slot, what->line, &args, command, sizeof(command)))
		return;
	tell_line(m, what->line, &args);
	if (what->line == LINE_HEALTH && m->health_cause)
		tell_warning(m, m->health_cause);
}

static void send_stop(struct monitor *m, struct slot *slot, int sig, enum init_scope scope)
{
	look_stop(slot);
	mem_stop(slot);
	if (m->health.launch == &slot->gen.launch)
		health_stop(&m->health);
	/* No dyno-init to ask: nobody inside could hear of it. */
	if (launch_signal(&slot->gen.launch, sig, scope) < 0 && !slot->exited)
		(void)launch_kill(&slot->gen.launch);
}

static void obey_one(struct monitor *m, const struct sup_do *what)
{
	struct slot *slot = slot_of(m, what->gen);

	if (what->action == SUP_LOG) {
		say(m, what);
		return;
	}
	if (what->action == SUP_LAUNCH) {
		/* Whoever finds what a monitor that is killed now leaves must know what it was. */
		if (m->plan->supervised)
			tell_state_file(m);
		do_launch(m, what->gen);
		return;
	}
	if (!slot)
		return;
	switch (what->action) {
	case SUP_TERM:
		publish_sync(m);
		send_stop(m, slot, m->app->stop_signal, m->app->stop_scope);
		break;
	case SUP_HANGUP:
		(void)launch_signal(&slot->gen.launch, SIGHUP, INIT_SCOPE_ALL); /* R16 tells */
		break;
	case SUP_KILL:
		publish_sync(m);
		look_stop(slot);
		mem_stop(slot);
		(void)launch_kill(&slot->gen.launch); /* already gone is what was wanted */
		break;
	case SUP_RECORD:
		bury(m, slot, what->reason);
		break;
	case SUP_DISCARD:
		discard(m, slot);
		break;
	case SUP_LOG:
	case SUP_LAUNCH:
	case _SUP_ACTION_MAX:
		break;
	}
}

static void obey(struct monitor *m, const struct sup_decision *d)
{
	uint32_t i;

	if (d->n > 0)
		m->dirty = true;
	for (i = 0; i < d->n; i++)
		obey_one(m, &d->list[i]);
}

void mon_feed(struct monitor *m, const struct sup_event_info *info)
{
	struct sup_decision d = sup_step(&m->sup, info);

	obey(m, &d);
}

void mon_event(struct monitor *m, enum sup_event event, uint32_t gen)
{
	const struct sup_event_info info = {
		.event = event,
		.gen = gen,
		.now_ms = clock_ms(),
		.jitter = chance(),
	};

	mon_feed(m, &info);
}

/* ---- health --------------------------------------------------------------------------------- */

static void on_unhealthy(void *data, uint32_t count, const char *cause)
{
	struct monitor *m = data;

	m->health_count = count;
	m->health_cause = cause;
	mon_event(m, SUP_HEALTH_FAIL, m->sup.front.id);
	m->health_cause = NULL;
	mon_settle(m);
}

/* The front generation is asked as soon as it is up; its predecessor no more. */
static void watch_health(struct monitor *m)
{
	struct slot *slot = mon_front(m);
	bool wanted = m->health_plan.kind != HEALTH_NONE && slot && m->sup.front.live &&
		      m->sup.front.state == SUP_UP;

	if (m->health.launch && (!wanted || m->health.launch != &slot->gen.launch))
		health_stop(&m->health);
	if (wanted && !m->health.launch)
		health_start(&m->health, &slot->gen.launch, slot->gen.port, slot->gen.envp);
}

/* ---- the loop ------------------------------------------------------------------------------- */

static bool tell_all_gone(struct monitor *m)
{
	bool any = false;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(m->slots); i++) {
		if (m->slots[i].used && m->slots[i].gone) {
			tell_gone(&m->slots[i]);
			any = true;
		}
	}
	return any;
}

static bool feed_due(struct monitor *m)
{
	struct sup_event_info info = {0};
	uint32_t drained = publish_drained(m);

	if (drained) {
		mon_event(m, SUP_DRAINED, drained);
		return true;
	}
	if (!sup_due(&m->sup, clock_ms(), &info))
		return false;
	info.jitter = chance();
	mon_feed(m, &info);
	return true;
}

void mon_settle(struct monitor *m)
{
	if (m->holding)
		return; /* nothing is left to decide */
	do
		publish_sync(m);
	while (tell_all_gone(m) || feed_due(m));
	watch_health(m);
	loop_timer_arm(&m->loop, m->sup_timer, sup_deadline(&m->sup));
	if (sup_idle(&m->sup))
		m->loop.quit = true;
	/* Before the command runs there is nothing to tell that the place itself does not. */
	else if (m->dirty && (m->ran || m->sup.launches > 1 || sup_awaits(&m->sup)))
		tell_state_file(m);
	m->dirty = false;
}

static void on_deadline(struct loop *loop, void *data)
{
	(void)loop;
	mon_settle(data);
}

static int add_sources(struct monitor *m)
{
	int r = caller_watch(m);

	if (r == 0)
		r = publish_serve(m);
	return r < 0 ? r : ctl_serve(&m->ctl, &m->loop, control, m);
}

static int add_timers(struct monitor *m)
{
	size_t i;

	m->sup_timer = loop_timer_add(&m->loop, on_deadline, m);
	if (attach_init(m) < 0)
		return -ENOSPC;
	for (i = 0; i < ARRAY_SIZE(m->slots); i++) {
		m->slots[i].m = m;
		m->slots[i].output = OUTPUT_INIT;
		m->slots[i].look_timer = loop_timer_add(&m->loop, look_timer, &m->slots[i]);
		m->slots[i].launch_timer =
			loop_timer_add(&m->loop, on_launch_timeout, &m->slots[i]);
	}
	for (i = 0; i < ARRAY_SIZE(m->slots); i++)
		if (mem_init(&m->slots[i]) < 0)
			return -ENOSPC;
	if (m->health_plan.kind == HEALTH_NONE)
		return 0;
	return health_init(&m->health, &m->loop, &m->health_plan, on_unhealthy, m);
}

static int make_health(struct monitor *m, struct dyno_err *err)
{
	const struct dyno_run_opts *o = m->app->opts;

	if (!o->health || !m->plan->supervised)
		return 0;
	m->health_plan.interval_ms = o->health_interval_ms;
	m->health_plan.timeout_ms = o->health_timeout_ms;
	m->health_plan.threshold = o->health_threshold;
	return health_parse(o->health, &m->app->arena, &m->health_plan, err);
}

/* The first generation is prepared before anything is said of it: what is wrong with the caller's
 * own wishes is his to hear, not the log's. */
static int prepare(struct monitor *m, struct dyno_err *err)
{
	struct slot *first = &m->slots[0];
	struct sup_policy policy;
	int r;

	loop_init(&m->loop);
	r = app_check_limits(m->app, m->plan->supervised, err);
	if (r == 0)
		r = app_find_network(m->app, err);
	if (r == 0)
		r = app_policy(m->app, m->plan->supervised, &policy, err);
	if (r == 0)
		r = make_health(m, err);
	if (r == 0 && add_timers(m) < 0)
		r = err_set(err, ERR_INTERNAL, ENOSPC, "watch the time");
	if (r == 0)
		r = publish_prepare(m, err);
	if (r == 0)
		r = ctl_open(&m->ctl, m->app->place.dir_fd, err);
	if (r < 0)
		return r;
	sup_init(&m->sup, &policy);
	first->used = true;
	gen_init(&first->gen, m->app, 1);
	first->gen.timing = m->plan->timing;
	r = gen_prepare(&first->gen, err);
	if (r < 0)
		gen_done(&first->gen);
	return r;
}

static int run(struct monitor *m)
{
	const struct filter *filter = &m->app->filter;
	struct sup_decision d;
	int r = add_sources(m);

	if (r < 0)
		return r;
	for (size_t i = 0; i < filter->n_warnings; i++)
		tell_warning(m, filter->warnings[i]);
	for (size_t i = 0; i < m->app->n_warnings; i++)
		tell_warning(m, m->app->warnings[i]);
	if (m->app->no_network)
		tell_warning(m, m->app->no_network);
	r = metrics_start(m);
	if (r < 0)
		return r;
	d = sup_start(&m->sup, clock_ms(), chance());
	obey(m, &d);
	mon_settle(m);
	/* The starter has done what he can: the rest is the client's. */
	if (sup_awaits(&m->sup))
		report(m, NULL);
	return m->loop.quit ? 0 : loop_run(&m->loop);
}

/* The loop itself has failed: nothing may live on unwatched. */
static void abandon(struct monitor *m)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(m->slots); i++) {
		struct slot *slot = &m->slots[i];

		if (!slot->used)
			continue;
		if (slot->gen.launch.pidfd >= 0) {
			(void)launch_kill(&slot->gen.launch);
			(void)proc_wait(slot->gen.launch.pidfd, &slot->init_status);
		}
		discard(m, slot);
	}
}

/* What it has put into the place: an empty one is removed by one call. */
static void forget_files(const struct monitor *m)
{
	int fd = m->app->place.dir_fd;

	(void)unlinkat(fd, STATEFILE_NAME, 0); /* not there where the command never ran */
	if (m->plan->supervised)
		(void)unlinkat(fd, PLACE_SPEC, 0); /* state_release() finds what stays */
}

int monitor_run(const struct monitor_plan *plan, struct dyno_outcome *ret, struct dyno_err *err)
{
	struct monitor m = {.plan = plan, .app = plan->app, .ctl = CTL_INIT};
	int r;

	r = prepare(&m, err);
	if (r < 0) {
		report(&m, err);
		publish_end(&m);
		ctl_close(&m.ctl);
		sink_detach(plan->sink);
		return r;
	}
	r = run(&m);
	if (r < 0) {
		err_set(err, ERR_IO, -r, "watch the dyno %s", m.app->place.dyno);
		abandon(&m);
	} else if (!m.ran) {
		r = m.slots[0].failed;
		*err = m.slots[0].err;
	} else {
		*ret = m.last;
	}
	tell_over(&m);
	exec_end_all(&m);
	publish_end(&m);
	attach_done(&m);
	forget_files(&m);
	if (m.held)
		hold(&m);
	/* Who hears the hanging up may rely on it that the name is free. */
	ctl_hide(&m.ctl);
	state_release(&m.app->place);
	ctl_close(&m.ctl);
	sink_detach(plan->sink); /* the loop is in our frame, the sink is not */
	return r;
}
