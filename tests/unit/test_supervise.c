/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_supervise.c - every pair of state and event under every policy, the scripts of the contract
 * line by line (C6, C7, C8), the deadlines, and the words of the settings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "model/supervise.h"

#define S	UINT64_C(1000)
#define MINUTES (60 * S)
#define HOURS	(60 * MINUTES)
#define T0	(7 * HOURS) /* the host was up before */

/* ---- every pair ------------------------------------------------------------------------------
 * A decision as text: lines by their names, a change of state as from>to, what is to be done in
 * capitals with its generation.  What stands in no row here must change nothing. */

/* The states, of which `starting` has two: before the command is executed, and after. */
enum row { LAUNCHING, STARTING, UP, STOPPING, CRASHED, DOWN, COMPLETE, FAILED, ROWS };

static const enum sup_state row_state[ROWS] = {
	SUP_STARTING, SUP_STARTING, SUP_UP,	  SUP_STOPPING,
	SUP_CRASHED,  SUP_DOWN,	    SUP_COMPLETE, SUP_FAILED,
};

enum profile {
	WEB = 1 << 0,
	WORKER = 1 << 1,
	ONEOFF = 1 << 2,
	STRICT = 1 << 3,
	ON_FAILURE = 1 << 4,
	NEVER = 1 << 5,
	ZERO_OK = 1 << 6,
	PROFILES_END = 1 << 7,
};
#define ALL	   (PROFILES_END - 1)
#define WEBS	   (WEB | STRICT | ON_FAILURE | NEVER | ZERO_OK)
#define FORMATIONS (WEBS | WORKER)

static const struct {
	unsigned int profiles;
	enum row row;
	enum sup_event event;
	const char *decision;
	enum sup_state then;
} expected[] = {
	{WEBS, LAUNCHING, SUP_LAUNCH_OK, "", SUP_STARTING},
	{WORKER | ONEOFF, LAUNCHING, SUP_LAUNCH_OK, "starting>up", SUP_UP},
	{ALL, LAUNCHING, SUP_LAUNCH_ERR, "RECORD#1:launch DISCARD#1 starting>crashed", SUP_FAILED},
	{FORMATIONS, LAUNCHING, SUP_EXIT, "exited RECORD#1:exit DISCARD#1 starting>crashed",
	 SUP_CRASHED},
	{ONEOFF, LAUNCHING, SUP_EXIT, "exited RECORD#1:exit DISCARD#1 starting>complete",
	 SUP_COMPLETE},
	{ALL, LAUNCHING, SUP_STOP, "stop TERM#1", SUP_STOPPING},
	{FORMATIONS, LAUNCHING, SUP_RESTART, "restarting stop TERM#1", SUP_STOPPING},
	{ALL, LAUNCHING, SUP_MEM_SOFT, "memory R14 memory-cause", SUP_STARTING},
	{ALL, LAUNCHING, SUP_MEM_HARD, "R15 kill KILL#1", SUP_STOPPING},
	{ONEOFF, LAUNCHING, SUP_CLIENT_LOST, "hangup HANGUP#1", SUP_STARTING},
	{ALL, LAUNCHING, SUP_TIME_LIMIT, "time-limit stop TERM#1", SUP_STOPPING},
	{FORMATIONS, LAUNCHING, SUP_SWAP, "restarting stop TERM#1", SUP_STOPPING},

	{WEBS, STARTING, SUP_LAUNCH_ERR, "RECORD#1:launch DISCARD#1 starting>crashed", SUP_CRASHED},
	{WEBS, STARTING, SUP_BOUND, "starting>up", SUP_UP},
	{WEBS, STARTING, SUP_EXIT, "exited RECORD#1:exit DISCARD#1 starting>crashed", SUP_CRASHED},
	{WEBS, STARTING, SUP_BOOT_TIMEOUT, "R10 boot-cause kill KILL#1", SUP_STOPPING},
	{WEBS, STARTING, SUP_STOP, "stop TERM#1", SUP_STOPPING},
	{WEBS, STARTING, SUP_RESTART, "restarting stop TERM#1", SUP_STOPPING},
	{WEBS, STARTING, SUP_MEM_SOFT, "memory R14 memory-cause", SUP_STARTING},
	{WEBS, STARTING, SUP_MEM_HARD, "R15 kill KILL#1", SUP_STOPPING},
	{WEBS, STARTING, SUP_TIME_LIMIT, "time-limit stop TERM#1", SUP_STOPPING},
	{WEBS, STARTING, SUP_SWAP, "restarting stop TERM#1", SUP_STOPPING},

	{FORMATIONS, UP, SUP_EXIT, "exited RECORD#1:exit DISCARD#1 up>crashed", SUP_CRASHED},
	{ONEOFF, UP, SUP_EXIT, "exited RECORD#1:exit DISCARD#1 up>complete", SUP_COMPLETE},
	{ALL, UP, SUP_STOP, "stop TERM#1", SUP_STOPPING},
	{FORMATIONS & ~STRICT, UP, SUP_RESTART, "restarting up>starting stop TERM#1 start LAUNCH#2",
	 SUP_STARTING},
	{STRICT, UP, SUP_RESTART, "restarting stop TERM#1", SUP_STOPPING},
	{ALL, UP, SUP_MEM_SOFT, "memory R14 memory-cause", SUP_UP},
	{ALL, UP, SUP_MEM_HARD, "R15 kill KILL#1", SUP_STOPPING},
	{FORMATIONS, UP, SUP_HEALTH_FAIL, "health stop TERM#1", SUP_STOPPING},
	{FORMATIONS & ~STRICT, UP, SUP_CYCLE, "cycling up>starting stop TERM#1 start LAUNCH#2",
	 SUP_STARTING},
	{STRICT | ONEOFF, UP, SUP_CYCLE, "cycling stop TERM#1", SUP_STOPPING},
	{ONEOFF, UP, SUP_CLIENT_LOST, "hangup HANGUP#1", SUP_UP},
	{ALL, UP, SUP_TIME_LIMIT, "time-limit stop TERM#1", SUP_STOPPING},
	{FORMATIONS & ~STRICT, UP, SUP_SWAP, "start LAUNCH#2", SUP_UP},
	{STRICT, UP, SUP_SWAP, "restarting stop TERM#1", SUP_STOPPING},

	{FORMATIONS, STOPPING, SUP_LAUNCH_ERR, "RECORD#1:stop DISCARD#1 up>down", SUP_DOWN},
	{ONEOFF, STOPPING, SUP_LAUNCH_ERR, "RECORD#1:stop DISCARD#1 up>complete", SUP_COMPLETE},
	{FORMATIONS, STOPPING, SUP_EXIT, "exited RECORD#1:stop DISCARD#1 up>down", SUP_DOWN},
	{ONEOFF, STOPPING, SUP_EXIT, "exited RECORD#1:stop DISCARD#1 up>complete", SUP_COMPLETE},
	{FORMATIONS, STOPPING, SUP_RESTART, "restarting", SUP_STOPPING},
	{ALL, STOPPING, SUP_STOP_TIMEOUT, "R12 kill-rest KILL#1", SUP_STOPPING},

	{FORMATIONS, CRASHED, SUP_STOP, "crashed>down", SUP_DOWN},
	{FORMATIONS, CRASHED, SUP_RESTART, "restarting crashed>starting start LAUNCH#2",
	 SUP_STARTING},
	{FORMATIONS & ~NEVER, CRASHED, SUP_TIMER, "crashed>starting start LAUNCH#2", SUP_STARTING},
	{FORMATIONS, CRASHED, SUP_SWAP, "restarting crashed>starting start LAUNCH#2", SUP_STARTING},

	{FORMATIONS, DOWN, SUP_RESTART, "down>starting start LAUNCH#2", SUP_STARTING},
	{FORMATIONS, COMPLETE, SUP_RESTART, "complete>starting start LAUNCH#2", SUP_STARTING},
	{FORMATIONS, COMPLETE, SUP_SWAP, "complete>starting start LAUNCH#2", SUP_STARTING},
	{FORMATIONS, FAILED, SUP_RESTART, "crashed>starting start LAUNCH#2", SUP_STARTING},
	{FORMATIONS, FAILED, SUP_SWAP, "crashed>starting start LAUNCH#2", SUP_STARTING},
};

static struct sup_policy policy_of(unsigned int profile)
{
	struct sup_policy p;

	sup_policy_default(&p);
	p.web = profile & WEBS;
	p.oneoff = profile == ONEOFF;
	p.order = profile == STRICT ? SUP_STRICT : SUP_OVERLAP;
	p.restart = profile == ON_FAILURE ? SUP_RESTART_ON_FAILURE
		    : profile == NEVER	  ? SUP_RESTART_NEVER
					  : SUP_RESTART_ALWAYS;
	p.exit_0 = profile == ZERO_OK ? SUP_EXIT_0_COMPLETE : SUP_EXIT_0_CRASH;
	return p;
}

static struct sup_decision feed(struct sup *s, enum sup_event event, uint32_t gen, uint64_t now_ms)
{
	const struct sup_event_info ev = {
		.event = event,
		.gen = gen,
		.now_ms = now_ms,
		.exit_code = event == SUP_EXIT,
	};

	return sup_step(s, &ev);
}

/* Brings a dyno into a state by events alone. Return: whether its policy has that state. */
static bool bring(struct sup *s, unsigned int profile, enum row row)
{
	struct sup_policy p = policy_of(profile);
	struct sup_event_info zero = {.event = SUP_EXIT, .gen = 1, .now_ms = T0};

	sup_init(s, &p);
	if (row == DOWN && p.oneoff)
		return true;
	if ((row == STARTING && !p.web) || (row == CRASHED && p.oneoff))
		return false;
	sup_start(s, T0, 0);
	if (row == LAUNCHING)
		return true;
	feed(s, row == FAILED ? SUP_LAUNCH_ERR : SUP_LAUNCH_OK, 1, T0);
	if (row == STARTING || row == FAILED)
		return true;
	feed(s, SUP_BOUND, 1, T0);
	if (row == STOPPING || row == DOWN)
		feed(s, SUP_STOP, 0, T0);
	if (row == CRASHED || row == DOWN)
		feed(s, SUP_EXIT, 1, T0);
	if (row == COMPLETE) {
		s->policy.exit_0 = SUP_EXIT_0_COMPLETE;
		sup_step(s, &zero);
		s->policy.exit_0 = p.exit_0;
	}
	return true;
}

static const char *shout(enum sup_action action)
{
	static const char *const words[] = {"LOG",  "LAUNCH", "TERM",	"HANGUP",
					    "KILL", "RECORD", "DISCARD"};

	return words[action];
}

static void describe(const struct sup_decision *d, struct sbuf *b)
{
	for (uint32_t i = 0; i < d->n; i++) {
		const struct sup_do *a = &d->list[i];

		if (b->len > 0)
			sbuf_addc(b, ' ');
		if (a->action != SUP_LOG)
			sbuf_addf(b, "%s#%u", shout(a->action), a->gen);
		else if (a->line == LINE_STATE)
			sbuf_addf(b, "%s>%s", sup_state_name(a->from), sup_state_name(a->to));
		else
			sbuf_adds(b, line_name(a->line));
		if (a->action == SUP_RECORD)
			sbuf_addf(b, ":%s", sup_reason_name(a->reason));
	}
	assert_int_equal(sbuf_ok(b), 0);
}

static void walk_pair(unsigned int profile, enum row row, enum sup_event event, unsigned int *used)
{
	enum sup_state then = row_state[row];
	const char *want = "";
	_cleanup_sbuf_ struct sbuf got = {0};
	struct sup_decision d;
	struct sup s;

	if (!bring(&s, profile, row))
		return;
	assert_int_equal(s.front.state, row_state[row]);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		if ((expected[i].profiles & profile) && expected[i].row == row &&
		    expected[i].event == event) {
			want = expected[i].decision;
			then = expected[i].then;
			used[i] |= profile;
		}
	d = feed(&s, event, 1, T0 + 100 * HOURS); /* every deadline has come */
	describe(&d, &got);
	if (!str_eq(sbuf_str(&got), want) || s.front.state != then)
		print_error("profile %#x, row %d, event %s: \"%s\" = %s\n", profile, row,
			    sup_event_name(event), sbuf_str(&got), sup_state_name(s.front.state));
	assert_string_equal(sbuf_str(&got), want);
	assert_int_equal(s.front.state, then);
}

static void sup_step__every_pair_of_every_policy__is_the_table(void **state)
{
	unsigned int used[ARRAY_SIZE(expected)] = {0};

	(void)state;
	for (unsigned int profile = 1; profile < PROFILES_END; profile <<= 1)
		for (enum row row = 0; row < ROWS; row++)
			for (enum sup_event event = 0; event < _SUP_EVENT_MAX; event++)
				walk_pair(profile, row, event, used);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_int_equal(used[i], expected[i].profiles); /* no row that nothing reaches */
}

/* ---- scripts --------------------------------------------------------------------------------- */

/* A dyno with its log; what the monitor would fill into the lines. */
struct play {
	struct sup s;
	struct line_args args;
	struct sbuf log;
	struct sup_decision last;
	uint64_t now_ms;
};

static void note(struct play *p, struct sup_decision d)
{
	char buf[512];

	p->last = d;
	for (uint32_t i = 0; i < d.n; i++) {
		const struct sup_do *a = &d.list[i];

		if (a->action != SUP_LOG || a->line == LINE_BOOT_CAUSE ||
		    a->line == LINE_MEMORY_CAUSE)
			continue; /* no cause is known here */
		p->args.from = sup_state_name(a->from);
		p->args.to = sup_state_name(a->to);
		(void)line_format(a->line, &p->args, buf, sizeof(buf));
		sbuf_addf(&p->log, "%s\n", buf);
	}
}

static void begin(struct play *p, unsigned int profile)
{
	struct sup_policy policy = policy_of(profile);

	*p = (struct play){.now_ms = T0};
	p->args.command = "puma";
	p->args.boot_timeout_ms = policy.boot_timeout_ms;
	p->args.grace_ms = policy.grace_ms;
	p->args.count = 3;
	sup_init(&p->s, &policy);
}

static void start(struct play *p)
{
	note(p, sup_start(&p->s, p->now_ms, 0));
}

static void happen(struct play *p, enum sup_event event, uint32_t gen)
{
	note(p, feed(&p->s, event, gen, p->now_ms));
}

static void leave(struct play *p, uint32_t gen, int code)
{
	const struct sup_event_info ev = {
		.event = SUP_EXIT,
		.gen = gen,
		.now_ms = p->now_ms,
		.exit_code = code,
		.signal = code > 128 ? code - 128 : 0,
	};

	p->args.status = code;
	note(p, sup_step(&p->s, &ev));
}

/* Sleeps until the next deadline and lets it happen. Return: how long that was. */
static uint64_t sleep_on(struct play *p)
{
	uint64_t began_ms = p->now_ms;
	struct sup_event_info ev = {0};

	assert_true(sup_deadline(&p->s) != SUP_NEVER);
	assert_false(sup_due(&p->s, sup_deadline(&p->s) - 1, &ev));
	p->now_ms = sup_deadline(&p->s);
	assert_true(sup_due(&p->s, p->now_ms, &ev));
	assert_int_equal(ev.now_ms, p->now_ms);
	note(p, sup_step(&p->s, &ev));
	return p->now_ms - began_ms;
}

static void assert_log(struct play *p, const char *want)
{
	assert_int_equal(sbuf_ok(&p->log), 0);
	assert_string_equal(sbuf_str(&p->log), want);
	sbuf_done(&p->log);
}

static void forget(struct play *p)
{
	sbuf_done(&p->log);
}

static void begin_up(struct play *p, unsigned int profile)
{
	begin(p, profile);
	start(p);
	happen(p, SUP_LAUNCH_OK, 1);
	happen(p, SUP_BOUND, 1);
	assert_int_equal(p->s.front.state, SUP_UP);
	forget(p);
}

static enum sup_reason recorded(const struct play *p)
{
	unsigned int records = 0;
	enum sup_reason reason = _SUP_REASON_MAX;

	for (uint32_t i = 0; i < p->last.n; i++)
		if (p->last.list[i].action == SUP_RECORD) {
			reason = p->last.list[i].reason;
			records++;
		}
	assert_int_equal(records, 1);
	return reason;
}

static void sup_step__restart__overlaps_C6_1_C6_2_C6_4(void **state)
{
	struct play p;

	(void)state;
	begin(&p, WEB);
	start(&p);
	happen(&p, SUP_LAUNCH_OK, 1);
	happen(&p, SUP_BOUND, 1);
	happen(&p, SUP_RESTART, 0);
	happen(&p, SUP_LAUNCH_OK, 2);
	leave(&p, 1, 143);
	assert_int_equal(recorded(&p), SUP_BY_STOP);
	happen(&p, SUP_BOUND, 2);
	assert_log(&p, "Starting process with command `puma`\n"
		       "State changed from starting to up\n"
		       "Restarting\n"
		       "State changed from up to starting\n"
		       "Stopping all processes with SIGTERM\n"
		       "Starting process with command `puma`\n"
		       "Process exited with status 143\n"
		       "State changed from starting to up\n");
	assert_int_equal(p.s.front.id, 2);
	assert_false(p.s.side.live);
	assert_int_equal(sup_restarts(&p.s), 1);
}

static void sup_step__strict_order__is_that_of_2013_C6_5(void **state)
{
	struct play p;

	(void)state;
	begin_up(&p, STRICT);
	happen(&p, SUP_RESTART, 0);
	leave(&p, 1, 143);
	happen(&p, SUP_LAUNCH_OK, 2);
	happen(&p, SUP_BOUND, 2);
	assert_log(&p, "Restarting\n"
		       "Stopping all processes with SIGTERM\n"
		       "Process exited with status 143\n"
		       "State changed from up to down\n"
		       "State changed from down to starting\n"
		       "Starting process with command `puma`\n"
		       "State changed from starting to up\n");
	p.s.policy.forced = true;
	p.args.text = "port 5000 is fixed";
	happen(&p, SUP_RESTART, 0);
	assert_log(&p, "Restarting\n"
		       "Old and new process cannot run at once: port 5000 is fixed\n"
		       "Stopping all processes with SIGTERM\n");
}

static void sup_step__no_bind__is_R10_and_a_crash_C6_3_C7_5(void **state)
{
	struct play p;

	(void)state;
	begin(&p, WEB);
	start(&p);
	p.now_ms += 5 * S; /* the launch takes no part of the time to boot */
	happen(&p, SUP_LAUNCH_OK, 1);
	assert_int_equal(sleep_on(&p), 60 * S);
	leave(&p, 1, 137);
	assert_int_equal(recorded(&p), SUP_BY_BOOT_TIMEOUT);
	assert_log(&p, "Starting process with command `puma`\n"
		       "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 60 "
		       "seconds of launch\n"
		       "Stopping process with SIGKILL\n"
		       "Process exited with status 137\n"
		       "State changed from starting to crashed\n");
	assert_int_equal(p.s.tally, 1);
}

static void sup_step__deaf_to_term__is_R12_after_the_grace_C7_2_C7_3(void **state)
{
	struct play p;

	(void)state;
	begin_up(&p, WEB);
	happen(&p, SUP_STOP, 0);
	p.now_ms += 29 * S;
	happen(&p, SUP_STOP_TIMEOUT, 1); /* too early: nothing */
	assert_int_equal(p.last.n, 0);
	assert_int_equal(sleep_on(&p), 1 * S);
	happen(&p, SUP_STOP_TIMEOUT, 1); /* once is enough */
	assert_int_equal(p.last.n, 0);
	assert_int_equal(sup_deadline(&p.s), SUP_NEVER);
	leave(&p, 1, 137);
	assert_int_equal(recorded(&p), SUP_BY_STOP);
	assert_log(&p, "Stopping all processes with SIGTERM\n"
		       "Error R12 (Exit timeout) -> At least one process failed to exit within 30 "
		       "seconds of SIGTERM\n"
		       "Stopping remaining processes with SIGKILL\n"
		       "Process exited with status 137\n"
		       "State changed from up to down\n");
	assert_true(sup_idle(&p.s));
}

static void sup_step__exit_of_a_formation_dyno__is_a_crash_C1_13_C6_10(void **state)
{
	struct play p;

	(void)state;
	begin_up(&p, WORKER);
	leave(&p, 1, 0);
	assert_int_equal(recorded(&p), SUP_BY_EXIT);
	assert_int_equal(sleep_on(&p), 0); /* the first is followed at once */
	happen(&p, SUP_LAUNCH_OK, 2);
	assert_log(&p, "Process exited with status 0\n"
		       "State changed from up to crashed\n"
		       "State changed from crashed to starting\n"
		       "Starting process with command `puma`\n"
		       "State changed from starting to up\n");
}

static void sup_step__hard_mark__is_R15_without_grace_C7_5(void **state)
{
	struct play p;

	(void)state;
	begin_up(&p, WEB);
	p.args.mem_bytes = UINT64_C(590) << 20;
	p.args.quota_bytes = UINT64_C(512) << 20;
	happen(&p, SUP_MEM_SOFT, 1);
	happen(&p, SUP_MEM_HARD, 1);
	leave(&p, 1, 137);
	assert_int_equal(recorded(&p), SUP_BY_MEMORY_HARD);
	assert_log(&p, "Process running mem=590M(115.2%)\n"
		       "Error R14 (Memory quota exceeded)\n"
		       "Error R15 (Memory quota vastly exceeded)\n"
		       "Stopping process with SIGKILL\n"
		       "Process exited with status 137\n"
		       "State changed from up to crashed\n");
}

/* Whether the kernel killed the main process or another one, it reads the same. */
static void sup_step__oom__R15_only_at_the_own_limit_C11_2(void **state)
{
	static const struct {
		bool child;
		bool beyond;
		const char *log;
	} cases[] = {
		{false, false, "Error R15 (Memory quota vastly exceeded)\n"},
		{true, false, "Error R15 (Memory quota vastly exceeded)\n"},
		{false, true, ""},
		{true, true, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sup_event_info ev = {.event = cases[i].child ? SUP_MEM_HARD : SUP_EXIT,
					    .gen = 1,
					    .exit_code = 137,
					    .signal = 9,
					    .oom = true,
					    .oom_beyond = cases[i].beyond};
		char want[256];
		struct play p;

		begin_up(&p, WEB);
		ev.now_ms = p.now_ms;
		p.args.status = 137;
		note(&p, sup_step(&p.s, &ev));
		if (cases[i].child)
			leave(&p, 1, 137);
		assert_int_equal(recorded(&p), SUP_BY_OOM);
		(void)str_fmt(want, sizeof(want),
			      "%sOut of memory: \n"
			      "Stopping process with SIGKILL\n"
			      "Process exited with status 137\n"
			      "State changed from up to crashed\n",
			      cases[i].log);
		assert_log(&p, want);
	}
}

static void sup_step__lost_client__is_hung_up_on_thrice_C7_6_C8_8_R16(void **state)
{
	struct play p;

	(void)state;
	begin(&p, ONEOFF);
	p.s.policy.await_ms = 30 * S;
	start(&p);
	happen(&p, SUP_CLIENT_BACK, 0);
	happen(&p, SUP_LAUNCH_OK, 1);
	happen(&p, SUP_CLIENT_LOST, 0);
	happen(&p, SUP_CLIENT_LOST, 0); /* known */
	assert_int_equal(sleep_on(&p), 5 * S);
	assert_int_equal(sleep_on(&p), 5 * S);
	assert_int_equal(sleep_on(&p), 5 * S);
	assert_log(&p, "Awaiting client\n"
		       "Starting process with command `puma`\n"
		       "State changed from starting to up\n"
		       "Client connection closed. Sending SIGHUP to all processes\n"
		       "Client connection closed. Sending SIGHUP to all processes\n"
		       "Client connection closed. Sending SIGHUP to all processes\n"
		       "Error R16 (Detached) -> An attached process is not responding to SIGHUP "
		       "after its external connection was closed.\n");
	assert_int_equal(p.s.front.state, SUP_UP); /* runs on */
	leave(&p, 1, 0);
	assert_log(&p, "Process exited with status 0\nState changed from up to complete\n");
	assert_true(sup_idle(&p.s));

	begin_up(&p, ONEOFF);
	p.s.policy.stop_detached = true;
	happen(&p, SUP_CLIENT_LOST, 0);
	for (int i = 0; i < 3; i++)
		(void)sleep_on(&p);
	assert_int_equal(p.s.front.state, SUP_STOPPING);
	forget(&p);
}

static void sup_start__client_is_awaited__else_R13_and_never_run_C8_7_C8_8(void **state)
{
	struct play p;

	(void)state;
	begin(&p, ONEOFF);
	p.s.policy.await_ms = 30 * S;
	start(&p);
	assert_true(sup_awaits(&p.s));
	assert_false(sup_idle(&p.s));
	assert_int_equal(p.s.front.state, SUP_STARTING);
	happen(&p, SUP_CLIENT_LOST, 0); /* there was none */
	assert_int_equal(sleep_on(&p), 30 * S);
	assert_log(&p, "Awaiting client\n"
		       "Error R13 (Attach error) -> Failed to attach to process\n"
		       "State changed from starting to crashed\n");
	assert_int_equal(recorded(&p), SUP_BY_ATTACH);
	assert_int_equal(p.s.front.state, SUP_FAILED);
	assert_int_equal(p.s.launches, 0);
	assert_true(sup_idle(&p.s));
	happen(&p, SUP_CLIENT_BACK, 0); /* too late */
	assert_int_equal(p.s.launches, 0);

	/* it is launched once, whoever comes after the first */
	begin(&p, ONEOFF);
	p.s.policy.await_ms = 30 * S;
	start(&p);
	happen(&p, SUP_CLIENT_BACK, 0);
	happen(&p, SUP_CLIENT_BACK, 0);
	assert_int_equal(p.s.launches, 1);
	assert_int_equal(p.s.front.id, 1);
	assert_false(sup_awaits(&p.s));
	happen(&p, SUP_LAUNCH_OK, 1);
	assert_int_equal(p.s.front.state, SUP_UP);
	forget(&p);

	begin(&p, ONEOFF);
	p.s.policy.await_ms = 30 * S;
	start(&p);
	forget(&p);
	happen(&p, SUP_STOP, 0);
	assert_log(&p, "State changed from starting to complete\n");
	assert_int_equal(recorded(&p), SUP_BY_STOP);
	assert_true(sup_idle(&p.s));
	assert_int_equal(p.s.launches, 0);
}

static void sup_step__time_limit_of_a_oneoff__is_its_reason_C8_7(void **state)
{
	struct play p;

	(void)state;
	begin_up(&p, ONEOFF);
	happen(&p, SUP_TIME_LIMIT, 0);
	leave(&p, 1, 143);
	assert_int_equal(recorded(&p), SUP_BY_TIME_LIMIT);
	assert_int_equal(p.s.front.state, SUP_COMPLETE);
	forget(&p);
	begin(&p, ONEOFF);
	p.s.policy.time_limit_ms = p.args.time_limit_ms = 90 * S;
	start(&p);
	p.now_ms += 30 * S; /* the limit is from the launch */
	happen(&p, SUP_LAUNCH_OK, 1);
	forget(&p);
	assert_int_equal(sleep_on(&p), 60 * S);
	leave(&p, 1, 0);
	assert_log(&p, "Time limit of 90 seconds is over\nStopping all processes with SIGTERM\n"
		       "Process exited with status 0\nState changed from up to complete\n");
	assert_int_equal(recorded(&p), SUP_BY_TIME_LIMIT);
	forget(&p);
	begin_up(&p, ONEOFF);
	(void)sleep_on(&p); /* steady */
	assert_int_equal(sleep_on(&p), 24 * HOURS - 10 * MINUTES);
	leave(&p, 1, 143);
	assert_int_equal(recorded(&p), SUP_BY_CYCLE);
	assert_log(&p, "Cycling\nStopping all processes with SIGTERM\n"
		       "Process exited with status 143\nState changed from up to complete\n");
}

static void sup_step__preboot__serves_until_the_new_one_is_up_C6_12(void **state)
{
	struct play p;

	(void)state;
	begin_up(&p, WEB);
	happen(&p, SUP_SWAP, 0);
	happen(&p, SUP_LAUNCH_OK, 2);
	assert_int_equal(p.s.front.id, 1);
	happen(&p, SUP_BOUND, 2);
	assert_int_equal(p.s.front.id, 2);
	leave(&p, 1, 143);
	assert_log(&p, "Starting process with command `puma`\n"
		       "State changed from starting to up\n"
		       "Stopping all processes with SIGTERM\n"
		       "Process exited with status 143\n");
	assert_int_equal(p.s.front.state, SUP_UP);
}

static void sup_step__preboot_that_fails__leaves_the_old_one(void **state)
{
	static const enum sup_event ways[] = {SUP_LAUNCH_ERR, SUP_EXIT, SUP_BOOT_TIMEOUT,
					      SUP_MEM_HARD};
	struct play p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		begin_up(&p, WEB);
		happen(&p, SUP_SWAP, 0);
		happen(&p, SUP_LAUNCH_OK, 2);
		p.now_ms += 60 * S;
		happen(&p, ways[i], 2);
		if (p.s.side.live)
			leave(&p, 2, 137);
		assert_false(p.s.side.live);
		assert_int_equal(p.s.front.id, 1);
		assert_int_equal(p.s.front.state, SUP_UP);
		assert_int_equal(p.s.tally, 0);
		forget(&p);
	}
}

static void sup_step__old_one_crashes_in_preboot__new_one_takes_over(void **state)
{
	struct play p;

	(void)state;
	begin_up(&p, WEB);
	happen(&p, SUP_SWAP, 0);
	leave(&p, 1, 1);
	assert_int_equal(p.s.front.id, 2);
	happen(&p, SUP_LAUNCH_OK, 2);
	happen(&p, SUP_BOUND, 2);
	assert_log(&p, "Starting process with command `puma`\n"
		       "Process exited with status 1\n"
		       "State changed from up to starting\n"
		       "State changed from starting to up\n");
	assert_false(p.s.side.live);
	/* Killed at the hard mark, and the new one is up before the corpse is gone. */
	happen(&p, SUP_SWAP, 0);
	happen(&p, SUP_LAUNCH_OK, 3);
	happen(&p, SUP_MEM_HARD, 2);
	happen(&p, SUP_BOUND, 3);
	assert_int_equal(p.s.front.id, 3);
	assert_int_equal(p.s.front.state, SUP_UP);
	leave(&p, 2, 137);
	assert_int_equal(recorded(&p), SUP_BY_MEMORY_HARD);
	assert_int_equal(p.s.front.state, SUP_UP);
	forget(&p);
}

/* Replaced by preboot, the old one keeps its clients until they have gone or the time is over; a
 * swap that is asked for meanwhile begins when its place is free. */
static void sup_step__drain__old_one_stops_when_its_clients_have_gone_C6_12(void **state)
{
	struct play p;

	(void)state;
	for (int late = 0; late < 2; late++) {
		begin_up(&p, WEB);
		p.s.policy.drain_ms = SUP_DRAIN_MS;
		happen(&p, SUP_SWAP, 0);
		happen(&p, SUP_LAUNCH_OK, 2);
		assert_true(sup_swapping(&p.s));
		assert_true(sup_serves(&p.s, 1));
		happen(&p, SUP_DRAINED, 1); /* it serves: that means nothing */
		happen(&p, SUP_BOUND, 2);
		assert_false(sup_swapping(&p.s));
		assert_true(sup_serves(&p.s, 2));
		assert_false(sup_serves(&p.s, 1));
		assert_true(sup_drains(&p.s, 1));
		assert_log(&p, "Starting process with command `puma`\n"
			       "State changed from starting to up\n");
		happen(&p, SUP_SWAP, 0);
		assert_true(sup_swapping(&p.s));
		assert_int_equal(p.s.launches, 2);
		if (late)
			assert_int_equal(sleep_on(&p), SUP_DRAIN_MS);
		else
			happen(&p, SUP_DRAINED, 1);
		assert_false(sup_drains(&p.s, 1));
		leave(&p, 1, 143);
		assert_int_equal(recorded(&p), SUP_BY_STOP);
		assert_int_equal(p.s.launches, 3);
		assert_true(sup_swapping(&p.s));
		assert_log(&p, "Stopping all processes with SIGTERM\n"
			       "Process exited with status 143\n"
			       "Starting process with command `puma`\n");
		forget(&p);
	}
}

/* Whether a client may hope: not for one that is down, or that starts after its patience. */
static void sup_coming__states__as_a_client_sees_them_C6_11(void **state)
{
	struct play p;

	(void)state;
	begin_up(&p, WEB);
	assert_true(sup_coming(&p.s, 0));
	leave(&p, 1, 1); /* the first crash is followed by a start at once */
	assert_true(sup_coming(&p.s, p.now_ms));
	(void)sleep_on(&p);
	leave(&p, 2, 1);
	assert_false(sup_coming(&p.s, p.now_ms + 1));
	assert_true(sup_coming(&p.s, p.s.backoff_at_ms));
	happen(&p, SUP_STOP, 0);
	assert_false(sup_coming(&p.s, UINT64_MAX - 1));
	forget(&p);
}

static void sup_step__commands_in_preboot__reach_both(void **state)
{
	static const struct {
		bool marked; /* the old one was killed at the hard mark just before */
		enum sup_event event;
		const char *decision;
	} cases[] = {
		{false, SUP_STOP, "stop TERM#1 stop TERM#2"},
		{false, SUP_RESTART, "restarting stop TERM#1 stop TERM#2"},
		{false, SUP_SWAP, ""}, /* it waits its turn */
		{false, SUP_TIME_LIMIT, "time-limit stop TERM#1 stop TERM#2"},
		{false, SUP_CYCLE, ""},
		{true, SUP_STOP, "stop TERM#2"},
		{true, SUP_RESTART, "restarting stop TERM#2"},
		{true, SUP_SWAP, "restarting stop TERM#2"},
	};
	struct play p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_sbuf_ struct sbuf got = {0};
		bool again = cases[i].event == SUP_RESTART || cases[i].event == SUP_SWAP;

		begin_up(&p, WEB);
		happen(&p, SUP_SWAP, 0);
		if (cases[i].marked)
			happen(&p, SUP_MEM_HARD, 1);
		happen(&p, cases[i].event, 0);
		describe(&p.last, &got);
		assert_string_equal(sbuf_str(&got), cases[i].decision);
		if (cases[i].decision[0]) {
			leave(&p, 1, 143);
			leave(&p, 2, 143);
			assert_int_equal(p.s.front.state, again ? SUP_STARTING : SUP_DOWN);
			assert_int_equal(p.s.launches, again ? 3 : 2);
		}
		forget(&p);
	}
}

static void sup_step__stop_while_old_and_new_run__is_down_with_the_last(void **state)
{
	struct play p;

	(void)state;
	for (uint32_t first = 1; first <= 2; first++) {
		begin_up(&p, WEB);
		happen(&p, SUP_RESTART, 0);
		forget(&p);
		happen(&p, SUP_STOP, 0);
		happen(&p, SUP_STOP, 0); /* twice is once */
		leave(&p, first, 143);
		assert_int_equal(p.s.front.state, SUP_STOPPING);
		leave(&p, 3 - first, 143);
		assert_log(&p, "Stopping all processes with SIGTERM\n"
			       "Process exited with status 143\n"
			       "Process exited with status 143\n"
			       "State changed from starting to down\n");
		assert_int_equal(p.s.front.state, SUP_DOWN);
		assert_true(sup_idle(&p.s));
	}
}

static void sup_step__stop_and_restart_cross__the_last_word_counts(void **state)
{
	struct play p;

	(void)state;
	begin_up(&p, STRICT);
	happen(&p, SUP_RESTART, 0);
	happen(&p, SUP_STOP, 0);
	leave(&p, 1, 143);
	assert_int_equal(p.s.front.state, SUP_DOWN);
	happen(&p, SUP_RESTART, 0);
	happen(&p, SUP_STOP, 0);
	happen(&p, SUP_RESTART, 0);
	leave(&p, 2, 143);
	assert_int_equal(p.s.front.state, SUP_STARTING);
	assert_int_equal(p.s.front.id, 3);
	forget(&p);
	/* A third generation waits for the second: never more than old and new. */
	begin_up(&p, WEB);
	happen(&p, SUP_RESTART, 0);
	happen(&p, SUP_LAUNCH_OK, 2);
	happen(&p, SUP_BOUND, 2);
	happen(&p, SUP_RESTART, 0);
	assert_int_equal(p.s.launches, 2);
	leave(&p, 2, 143);
	assert_int_equal(p.s.front.id, 3);
	assert_true(p.s.side.live && p.s.side.id == 1);
	/* Down, as far as it is up to the user, with an old one on its way out. */
	happen(&p, SUP_STOP, 0);
	leave(&p, 3, 143);
	happen(&p, SUP_RESTART, 0);
	assert_int_equal(p.s.front.id, 4);
	assert_int_equal(p.s.front.state, SUP_STARTING);
	forget(&p);
}

static void sup_step__stop_at_once__kills_what_lives(void **state)
{
	const struct sup_event_info now = {.event = SUP_STOP, .now_ms = T0, .at_once = true};
	_cleanup_sbuf_ struct sbuf got = {0};
	struct play p;

	(void)state;
	begin_up(&p, WEB);
	happen(&p, SUP_RESTART, 0);
	p.last = sup_step(&p.s, &now);
	describe(&p.last, &got);
	assert_string_equal(sbuf_str(&got), "kill KILL#2 kill-rest KILL#1");
	p.last = sup_step(&p.s, &now);
	assert_int_equal(p.last.n, 0);
	forget(&p);
	/* What was killed before its command ran gets no signal after it. */
	begin(&p, WEB);
	start(&p);
	p.last = sup_step(&p.s, &now);
	assert_int_equal(p.last.n, 2);
	happen(&p, SUP_LAUNCH_OK, 1);
	assert_int_equal(p.last.n, 0);
	forget(&p);
}

static void sup_step__stop_before_the_command_runs__is_told_to_it(void **state)
{
	struct play p;

	(void)state;
	begin(&p, WEB);
	start(&p);
	happen(&p, SUP_STOP, 0);
	happen(&p, SUP_LAUNCH_OK, 1);
	assert_int_equal(p.last.n, 1);
	assert_int_equal(p.last.list[0].action, SUP_TERM);
	happen(&p, SUP_LAUNCH_ERR, 1);
	assert_int_equal(recorded(&p), SUP_BY_STOP);
	assert_int_equal(p.s.front.state, SUP_DOWN);
	forget(&p);
}

static void sup_step__launch_errors__fail_first_and_crash_later_R99(void **state)
{
	const struct sup_event_info late = {
		.event = SUP_LAUNCH_ERR, .gen = 2, .now_ms = T0, .timed_out = true};
	struct play p;

	(void)state;
	begin_up(&p, WEB);
	leave(&p, 1, 1);
	(void)sleep_on(&p);
	forget(&p);
	p.args.launch_timeout_ms = 10 * S;
	note(&p, sup_step(&p.s, &late));
	assert_int_equal(recorded(&p), SUP_BY_LAUNCH);
	assert_log(&p, "Error R99 (Platform error) -> Failed to launch the dyno within 10 seconds\n"
		       "State changed from starting to crashed\n");
	assert_int_equal(p.s.tally, 2);
	assert_false(sup_idle(&p.s));
}

/* ---- policy ---------------------------------------------------------------------------------- */

static void sup_step__crash_loop__backs_off_and_is_reset_C6_8(void **state)
{
	static const uint64_t minutes[] = {0, 20, 40, 60, 180, 320, 320};
	struct play p;

	(void)state;
	begin_up(&p, WORKER);
	for (uint32_t i = 0; i < ARRAY_SIZE(minutes); i++) {
		leave(&p, i + 1, 1);
		assert_int_equal(p.s.tally, i + 1);
		assert_int_equal(sleep_on(&p), minutes[i] * MINUTES);
		happen(&p, SUP_LAUNCH_OK, i + 2);
	}
	assert_int_equal(sleep_on(&p), 10 * MINUTES); /* a good start */
	assert_int_equal(p.s.tally, 0);
	leave(&p, 8, 1);
	leave(&p, 8, 1); /* of a generation that is gone */
	assert_int_equal(p.s.tally, 1);
	happen(&p, SUP_RESTART, 0);
	assert_int_equal(p.s.tally, 0);
	happen(&p, SUP_LAUNCH_OK, 9);
	leave(&p, 9, 1);
	happen(&p, SUP_STOP, 0); /* scaled to 0 */
	assert_int_equal(p.s.tally, 0);
	assert_int_equal(sup_deadline(&p.s), SUP_NEVER);
	forget(&p);
}

static void sup_step__ten_thousand_crashes__are_all_counted(void **state)
{
	struct play p;

	(void)state;
	begin(&p, WORKER);
	p.s.policy.backoff = (struct backoff){0};
	start(&p);
	for (uint32_t i = 1; i <= 10000; i++) {
		happen(&p, SUP_LAUNCH_OK, i);
		leave(&p, i, 1);
		assert_int_equal(recorded(&p), SUP_BY_EXIT);
		assert_int_equal(sleep_on(&p), 0);
		forget(&p);
	}
	assert_int_equal(p.s.tally, 10000);
	assert_int_equal(sup_restarts(&p.s), 10000);
}

static void sup_step__restart_policies__by_exit_code(void **state)
{
	static const struct {
		unsigned int profile;
		int code;
		enum sup_state then;
		bool again;
	} cases[] = {
		{WEB, 0, SUP_CRASHED, true},	      {WEB, 1, SUP_CRASHED, true},
		{ON_FAILURE, 0, SUP_CRASHED, false},  {ON_FAILURE, 1, SUP_CRASHED, true},
		{ON_FAILURE, 137, SUP_CRASHED, true}, {NEVER, 1, SUP_CRASHED, false},
		{ZERO_OK, 0, SUP_COMPLETE, false},    {ZERO_OK, 3, SUP_CRASHED, true},
		{ONEOFF, 0, SUP_COMPLETE, false},     {ONEOFF, 1, SUP_COMPLETE, false},
	};
	struct play p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin_up(&p, cases[i].profile);
		leave(&p, 1, cases[i].code);
		assert_int_equal(p.s.front.state, cases[i].then);
		assert_int_equal(sup_deadline(&p.s) != SUP_NEVER, cases[i].again);
		assert_int_equal(sup_idle(&p.s), !cases[i].again);
		forget(&p);
	}
}

static void sup_step__oom_behind_a_clean_exit__is_a_failure(void **state)
{
	const struct sup_event_info ev = {.event = SUP_EXIT, .gen = 1, .now_ms = T0, .oom = true};
	static const unsigned int profiles[] = {ON_FAILURE, ZERO_OK};
	struct play p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++) {
		begin_up(&p, profiles[i]);
		note(&p, sup_step(&p.s, &ev));
		assert_int_equal(recorded(&p), SUP_BY_OOM);
		assert_int_equal(p.s.front.state, SUP_CRASHED);
		assert_int_equal(p.s.backoff_at_ms, T0);
		forget(&p);
	}
}

static void sup_step__ends__have_their_reason(void **state)
{
	static const struct {
		struct sup_event_info ev;
		enum sup_reason reason;
	} cases[] = {
		{{.event = SUP_EXIT, .exit_code = 3}, SUP_BY_EXIT},
		{{.event = SUP_EXIT, .exit_code = 139, .signal = 11}, SUP_BY_SIGNAL},
		{{.event = SUP_EXIT, .exit_code = 137, .signal = 9, .oom = true}, SUP_BY_OOM},
		{{.event = SUP_HEALTH_FAIL}, SUP_BY_HEALTH},
		{{.event = SUP_MEM_HARD}, SUP_BY_MEMORY_HARD},
		{{.event = SUP_STOP}, SUP_BY_STOP},
		{{.event = SUP_RESTART}, SUP_BY_STOP},
		{{.event = SUP_CYCLE}, SUP_BY_CYCLE},
		{{.event = SUP_TIME_LIMIT}, SUP_BY_TIME_LIMIT},
	};
	struct play p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sup_event_info ev = cases[i].ev;

		begin_up(&p, WEB);
		ev.gen = 1;
		ev.now_ms = p.now_ms;
		note(&p, sup_step(&p.s, &ev));
		if (ev.event != SUP_EXIT)
			leave(&p, 1, 137);
		assert_int_equal(recorded(&p), cases[i].reason);
		forget(&p);
	}
}

static void sup_due__cycle__is_a_day_and_up_to_216_minutes_C6_7(void **state)
{
	struct play p;

	(void)state;
	begin(&p, WORKER);
	note(&p, sup_start(&p.s, p.now_ms, UINT32_MAX));
	assert_in_range(p.s.front.cycle_at_ms - T0, 24 * HOURS + 216 * MINUTES - 1,
			24 * HOURS + 216 * MINUTES);
	happen(&p, SUP_LAUNCH_OK, 1);
	p.now_ms += HOURS;
	happen(&p, SUP_RESTART, 0); /* begins the day anew */
	assert_int_equal(p.s.front.cycle_at_ms, T0 + 25 * HOURS);
	happen(&p, SUP_LAUNCH_OK, 2);
	leave(&p, 1, 143);
	assert_int_equal(sleep_on(&p), 10 * MINUTES); /* steady */
	forget(&p);
	(void)sleep_on(&p);
	assert_int_equal(p.now_ms, T0 + 25 * HOURS);
	happen(&p, SUP_CYCLE, 0); /* while it is done: nothing */
	assert_log(&p, "Cycling\nState changed from up to starting\n"
		       "Stopping all processes with SIGTERM\n"
		       "Starting process with command `puma`\n");
	leave(&p, 2, 143);
	assert_int_equal(recorded(&p), SUP_BY_CYCLE);
	forget(&p);

	begin(&p, WORKER);
	p.s.policy.cycle_ms = 0; /* off */
	start(&p);
	assert_int_equal(p.s.front.cycle_at_ms, SUP_NEVER);
	forget(&p);
}

static void sup_due__deadlines__hold_whatever_the_clock_leaps(void **state)
{
	struct play p;

	(void)state;
	begin_up(&p, WEB);
	happen(&p, SUP_STOP, 0);
	p.now_ms -= HOURS; /* cannot be of CLOCK_BOOTTIME, and does no harm */
	happen(&p, SUP_STOP_TIMEOUT, 1);
	assert_int_equal(p.last.n, 0);
	p.now_ms += 3 * HOURS; /* a suspend: over at once */
	happen(&p, SUP_STOP_TIMEOUT, 1);
	assert_int_equal(p.last.n, 3);
	forget(&p);
	/* No deadline wraps around. */
	begin(&p, WEB);
	p.s.policy.boot_timeout_ms = UINT64_MAX;
	start(&p);
	happen(&p, SUP_LAUNCH_OK, 1);
	assert_int_equal(sup_deadline(&p.s), SUP_NEVER);
	p.now_ms = UINT64_MAX;
	happen(&p, SUP_BOOT_TIMEOUT, 1);
	assert_int_equal(p.last.n, 0);
	forget(&p);
}

static void sup_start__twice__launches_once(void **state)
{
	struct play p;

	(void)state;
	begin_up(&p, WORKER);
	assert_true(sup_idle(&p.s) == false);
	start(&p);
	assert_int_equal(p.last.n, 0);
	happen(&p, (enum sup_event)_SUP_EVENT_MAX, 1);
	assert_int_equal(p.last.n, 0);
	happen(&p, SUP_EXIT, 77);
	assert_int_equal(p.last.n, 0);
}

/* ---- words ----------------------------------------------------------------------------------- */

static void sup_names__every_number__has_one_name(void **state)
{
	(void)state;
	for (int i = 0; i < _SUP_STATE_MAX; i++)
		assert_int_equal(sup_state_find(sup_state_name((enum sup_state)i)), i);
	for (int i = 0; i < _SUP_REASON_MAX; i++)
		assert_int_equal(sup_reason_find(sup_reason_name((enum sup_reason)i)), i);
	for (int i = 0; i < _SUP_EVENT_MAX; i++)
		assert_string_not_equal(sup_event_name((enum sup_event)i), "");
	for (int i = 0; i < _SUP_ACTION_MAX; i++)
		assert_string_not_equal(sup_action_name((enum sup_action)i), "");
	assert_string_equal(sup_state_name((enum sup_state)_SUP_STATE_MAX), "");
	assert_string_equal(sup_event_name((enum sup_event)_SUP_EVENT_MAX), "");
	assert_string_equal(sup_reason_name((enum sup_reason)_SUP_REASON_MAX), "");
	assert_string_equal(sup_action_name((enum sup_action)_SUP_ACTION_MAX), "");
	assert_int_equal(sup_state_find("running"), -ENOENT);
	assert_int_equal(sup_reason_find(""), -ENOENT);
	assert_string_equal(sup_reason_name(SUP_BY_SUPERVISOR_LOST), "supervisor-lost");
}

static void sup_parse__settings__words_or_refusal(void **state)
{
	enum sup_restart restart = SUP_RESTART_ALWAYS;
	enum sup_exit_0 exit_0 = SUP_EXIT_0_CRASH;
	enum sup_order order = SUP_OVERLAP;
	struct dyno_err err = {0};
	bool stops = false;

	(void)state;
	assert_int_equal(sup_restart_parse("on-failure", &restart, &err), 0);
	assert_int_equal(restart, SUP_RESTART_ON_FAILURE);
	assert_int_equal(sup_restart_parse("never", &restart, &err), 0);
	assert_int_equal(sup_restart_parse("no", &restart, &err), -EINVAL);
	assert_int_equal(restart, SUP_RESTART_NEVER);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_string_equal(err.hint, "it is always, on-failure or never");
	assert_int_equal(sup_restart_parse("always", &restart, &err), 0);
	assert_int_equal(restart, SUP_RESTART_ALWAYS);
	assert_int_equal(sup_exit_0_parse("complete", &exit_0, &err), 0);
	assert_int_equal(exit_0, SUP_EXIT_0_COMPLETE);
	assert_int_equal(sup_exit_0_parse("", &exit_0, &err), -EINVAL);
	assert_int_equal(sup_order_parse("strict", &order, &err), 0);
	assert_int_equal(order, SUP_STRICT);
	assert_int_equal(sup_order_parse("Overlap", &order, &err), -EINVAL);
	assert_int_equal(sup_hangup_parse("stop", &stops, &err), 0);
	assert_true(stops);
	assert_int_equal(sup_hangup_parse("keep", &stops, &err), 0);
	assert_false(stops);
	assert_int_equal(sup_hangup_parse("", &stops, &err), -EINVAL);
}

static void sup_cycle_parse__texts__times_or_refusal_C6_7(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t ms, spread_ms;
	} cases[] = {
		{"24h+216m", 0, SUP_CYCLE_MS, SUP_CYCLE_SPREAD_MS},
		{"12h", 0, 12 * HOURS, 0},
		{"off", 0, 0, 0},
		{"0", -EINVAL, 0, 0},
		{"", -EINVAL, 0, 0},
		{"24h+", -EINVAL, 0, 0},
		{"+216m", -EINVAL, 0, 0},
		{"off+1m", -EINVAL, 0, 0},
		{"1h+1m+1m", -EINVAL, 0, 0},
		{"00000000000000000000000000024h", -EINVAL, 0, 0},
		{"400d", -ERANGE, 0, 0},
		{"1h+400d", -ERANGE, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t ms = 77, spread_ms = 78;
		struct dyno_err err = {0};

		assert_int_equal(sup_cycle_parse(cases[i].text, &ms, &spread_ms, &err), cases[i].r);
		assert_int_equal(ms, cases[i].r == 0 ? cases[i].ms : 77);
		assert_int_equal(spread_ms, cases[i].r == 0 ? cases[i].spread_ms : 78);
		assert_int_equal(err.kind, cases[i].r == 0 ? ERR_NONE : ERR_USAGE);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sup_step__every_pair_of_every_policy__is_the_table),
		cmocka_unit_test(sup_step__restart__overlaps_C6_1_C6_2_C6_4),
		cmocka_unit_test(sup_step__strict_order__is_that_of_2013_C6_5),
		cmocka_unit_test(sup_step__no_bind__is_R10_and_a_crash_C6_3_C7_5),
		cmocka_unit_test(sup_step__deaf_to_term__is_R12_after_the_grace_C7_2_C7_3),
		cmocka_unit_test(sup_step__exit_of_a_formation_dyno__is_a_crash_C1_13_C6_10),
		cmocka_unit_test(sup_step__hard_mark__is_R15_without_grace_C7_5),
		cmocka_unit_test(sup_step__oom__R15_only_at_the_own_limit_C11_2),
		cmocka_unit_test(sup_step__lost_client__is_hung_up_on_thrice_C7_6_C8_8_R16),
		cmocka_unit_test(sup_start__client_is_awaited__else_R13_and_never_run_C8_7_C8_8),
		cmocka_unit_test(sup_step__time_limit_of_a_oneoff__is_its_reason_C8_7),
		cmocka_unit_test(sup_step__preboot__serves_until_the_new_one_is_up_C6_12),
		cmocka_unit_test(sup_step__preboot_that_fails__leaves_the_old_one),
		cmocka_unit_test(sup_step__old_one_crashes_in_preboot__new_one_takes_over),
		cmocka_unit_test(sup_step__drain__old_one_stops_when_its_clients_have_gone_C6_12),
		cmocka_unit_test(sup_coming__states__as_a_client_sees_them_C6_11),
		cmocka_unit_test(sup_step__commands_in_preboot__reach_both),
		cmocka_unit_test(sup_step__stop_while_old_and_new_run__is_down_with_the_last),
		cmocka_unit_test(sup_step__stop_and_restart_cross__the_last_word_counts),
		cmocka_unit_test(sup_step__stop_at_once__kills_what_lives),
		cmocka_unit_test(sup_step__stop_before_the_command_runs__is_told_to_it),
		cmocka_unit_test(sup_step__launch_errors__fail_first_and_crash_later_R99),
		cmocka_unit_test(sup_step__crash_loop__backs_off_and_is_reset_C6_8),
		cmocka_unit_test(sup_step__ten_thousand_crashes__are_all_counted),
		cmocka_unit_test(sup_step__restart_policies__by_exit_code),
		cmocka_unit_test(sup_step__oom_behind_a_clean_exit__is_a_failure),
		cmocka_unit_test(sup_step__ends__have_their_reason),
		cmocka_unit_test(sup_due__cycle__is_a_day_and_up_to_216_minutes_C6_7),
		cmocka_unit_test(sup_due__deadlines__hold_whatever_the_clock_leaps),
		cmocka_unit_test(sup_start__twice__launches_once),
		cmocka_unit_test(sup_names__every_number__has_one_name),
		cmocka_unit_test(sup_parse__settings__words_or_refusal),
		cmocka_unit_test(sup_cycle_parse__texts__times_or_refusal_C6_7),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
