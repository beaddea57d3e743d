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
#include <errno.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/proc.h"
#include "base/signame.h"
#include "base/str.h"
#include "engine/monitor_internal.h"
#include "engine/place.h"

struct slot *mon_slot(struct monitor *m, uint32_t gen)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(m->slots); i++)
		if (m->slots[i].used && m->slots[i].gen.id == gen)
			return &m->slots[i];
	return NULL;
}

struct slot *mon_front(struct monitor *m)
{
	return mon_slot(m, m->sup.front.id);
}

uint32_t mon_chance(void)
{
	uint32_t n = 0;

	/* Without it waits are only less spread. */
	return getrandom(&n, sizeof(n), 0) == (ssize_t)sizeof(n) ? n : 0;
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
	struct slot *slot = mon_slot(m, what->gen);
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
	struct slot *slot = mon_slot(m, what->gen);

	if (what->action == SUP_LOG) {
		say(m, what);
		return;
	}
	if (what->action == SUP_LAUNCH) {
		/* Whoever finds what a monitor that is killed now leaves must know what it was. */
		if (m->plan->supervised)
			tell_state_file(m);
		mon_launch(m, what->gen);
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
		mon_bury(slot, what->reason);
		break;
	case SUP_DISCARD:
		mon_discard(slot);
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
		.jitter = mon_chance(),
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
			mon_tell_gone(&m->slots[i]);
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
	info.jitter = mon_chance();
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
			loop_timer_add(&m->loop, mon_launch_timeout, &m->slots[i]);
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
	publish_init(m);
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
	d = sup_start(&m->sup, clock_ms(), mon_chance());
	obey(m, &d);
	mon_settle(m);
	/* The starter has done what he can: the rest is the client's. */
	if (sup_awaits(&m->sup))
		mon_report(m, NULL);
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
		mon_discard(slot);
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
		mon_report(&m, err);
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
