/* SPDX-License-Identifier: Apache-2.0 */
#include "model/supervise.h"

#include <assert.h>

/* One event on its way through the table; @g is the generation whose row was taken. */
struct step {
	struct sup *s;
	struct sup_gen *g;
	const struct sup_event_info *ev;
	struct sup_decision *d;
};

/* ---- what a decision is made of ----------------------------------------------------------- */

static struct sup_do *push(struct step *st, enum sup_action action, uint32_t gen)
{
	struct sup_do *what;

	assert(st->d->n < SUP_DO_MAX);
	what = &st->d->list[st->d->n++];
	*what = (struct sup_do){.action = action, .gen = gen};
	return what;
}

static void say(struct step *st, enum line_id line, const struct sup_gen *g)
{
	push(st, SUP_LOG, g->id)->line = line;
}

static void say_change(struct step *st, uint32_t gen, enum sup_state from, enum sup_state to)
{
	struct sup_do *what = push(st, SUP_LOG, gen);

	what->line = LINE_STATE;
	what->from = from;
	what->to = to;
}

/* The dyno's state as the log has it; only changes are lines. */
static void show(struct step *st, enum sup_state to)
{
	if (st->s->shown != to)
		say_change(st, st->s->front.id, st->s->shown, to);
	st->s->shown = to;
}

static uint64_t later(uint64_t now_ms, uint64_t ms)
{
	uint64_t at_ms = 0;

	return __builtin_add_overflow(now_ms, ms, &at_ms) ? SUP_NEVER : at_ms;
}

/* SUP_NEVER is no time that comes. */
static bool has_come(uint64_t at_ms, uint64_t now_ms)
{
	return at_ms != SUP_NEVER && now_ms >= at_ms;
}

static void enter(struct step *st, struct sup_gen *g, enum sup_state state)
{
	g->state = state;
	g->since_ms = st->ev->now_ms;
}

/* ---- beginnings and ends of a generation -------------------------------------------------- */

static uint64_t cycle_at(const struct step *st)
{
	const struct sup_policy *p = &st->s->policy;
	unsigned __int128 spread = (unsigned __int128)p->cycle_spread_ms * st->ev->jitter;

	if (p->cycle_ms == 0)
		return SUP_NEVER;
	return later(later(st->ev->now_ms, p->cycle_ms), (uint64_t)(spread >> 32));
}

static uint64_t limit_at(const struct step *st)
{
	const uint64_t ms = st->s->policy.time_limit_ms;

	return ms == 0 ? SUP_NEVER : later(st->ev->now_ms, ms);
}

static void launch_into(struct step *st, struct sup_gen *slot)
{
	assert(!slot->live);
	*slot = (struct sup_gen){
		.id = ++st->s->launches,
		.live = true,
		.boot_at_ms = SUP_NEVER,
		.grace_at_ms = SUP_NEVER,
		.cycle_at_ms = cycle_at(st),
		.limit_at_ms = limit_at(st),
		.drain_at_ms = SUP_NEVER,
	};
	enter(st, slot, SUP_STARTING);
	say(st, LINE_START, slot);
	push(st, SUP_LAUNCH, slot->id);
}

/* The log's change of state comes first: CONTRACT 6.4. */
static void launch(struct step *st)
{
	st->s->backoff_at_ms = SUP_NEVER;
	st->s->steady_at_ms = SUP_NEVER;
	launch_into(st, &st->s->front);
}

static void set_stopping(struct step *st, struct sup_gen *g, enum sup_reason why,
			 enum sup_then then)
{
	g->asked = true;
	g->why = why;
	g->then = then;
	g->boot_at_ms = SUP_NEVER;
	g->drain_at_ms = SUP_NEVER;
	enter(st, g, SUP_STOPPING);
}

static void term(struct step *st, struct sup_gen *g, enum sup_reason why, enum sup_then then)
{
	set_stopping(st, g, why, then);
	g->grace_at_ms = later(st->ev->now_ms, st->s->policy.grace_ms);
	say(st, LINE_STOP, g);
	push(st, SUP_TERM, g->id);
}

static void kill_gen(struct step *st, struct sup_gen *g, enum line_id line)
{
	g->killed = true;
	say(st, line, g);
	push(st, SUP_KILL, g->id);
}

/* R10 and R15 leave no grace: CONTRACT 7.5. */
static void kill_now(struct step *st, struct sup_gen *g, enum sup_reason why, enum sup_then then)
{
	set_stopping(st, g, why, then);
	kill_gen(st, g, LINE_KILL);
}

/* A new generation that is not up yet beside one that still serves. */
static bool preboots(const struct sup *s)
{
	return s->side.live && s->side.state == SUP_STARTING;
}

static enum sup_reason reason(const struct step *st)
{
	if (st->g->asked)
		return st->g->why;
	if (st->ev->event == SUP_LAUNCH_ERR)
		return SUP_BY_LAUNCH;
	if (st->ev->oom)
		return SUP_BY_OOM;
	return st->ev->signal ? SUP_BY_SIGNAL : SUP_BY_EXIT;
}

/* Nothing of the generation is left: its record, and its writes go. */
static void bury(struct step *st)
{
	if (st->ev->event == SUP_EXIT)
		say(st, LINE_EXITED, st->g);
	else if (st->ev->timed_out)
		say(st, LINE_R99, st->g);
	push(st, SUP_RECORD, st->g->id)->reason = reason(st);
	push(st, SUP_DISCARD, st->g->id);
	st->g->live = false;
}

/* ---- what becomes of the dyno when its front generation is gone --------------------------- */

static void rest(struct step *st, enum sup_state state)
{
	enter(st, &st->s->front, state);
	show(st, state);
}

static void crash(struct step *st, bool failed)
{
	struct sup *s = st->s;

	rest(st, SUP_CRASHED);
	if (s->tally < UINT32_MAX)
		s->tally++;
	if (s->policy.restart == SUP_RESTART_NEVER ||
	    (s->policy.restart == SUP_RESTART_ON_FAILURE && !failed))
		return;
	s->backoff_at_ms =
		later(st->ev->now_ms, backoff_delay(&s->policy.backoff, s->tally, st->ev->jitter));
}

/* It ended, and nobody had asked it to go for good. */
static void conclude(struct step *st, bool failed)
{
	struct sup *s = st->s;

	if (preboots(s)) {
		s->front = s->side; /* its successor boots already */
		s->side.live = false;
		show(st, SUP_STARTING);
	} else if (s->policy.oneoff || (!failed && s->policy.exit_0 == SUP_EXIT_0_COMPLETE)) {
		rest(st, SUP_COMPLETE);
	} else {
		crash(st, failed);
	}
}

/* Down is said when the last process is gone, an old generation's too. */
static void settle(struct step *st)
{
	if (st->s->side.live)
		enter(st, &st->s->front, SUP_STOPPING);
	else
		rest(st, st->s->policy.oneoff ? SUP_COMPLETE : SUP_DOWN);
}

/* ---- cells: launching --------------------------------------------------------------------- */

static void become_up(struct step *st)
{
	struct sup *s = st->s;
	struct sup_gen old;

	st->g->boot_at_ms = SUP_NEVER;
	enter(st, st->g, SUP_UP);
	s->steady_at_ms = later(st->ev->now_ms, s->policy.steady_ms);
	if (st->g == &s->front) {
		show(st, SUP_UP);
		return;
	}
	/* Preboot: now the old one may go. */
	say_change(st, st->g->id, SUP_STARTING, SUP_UP);
	old = s->front;
	s->front = s->side;
	s->side = old;
	s->shown = SUP_UP;
	if (s->side.state == SUP_STOPPING)
		return;
	if (s->policy.drain_ms)
		s->side.drain_at_ms = later(st->ev->now_ms, s->policy.drain_ms);
	else
		term(st, &s->side, SUP_BY_STOP, SUP_THEN_DOWN);
}

/* The swap that was asked for meanwhile. */
static void side_gone(struct step *st)
{
	struct sup *s = st->s;

	if (!s->swap_wanted)
		return;
	s->swap_wanted = false;
	if (s->front.live && s->front.state == SUP_UP)
		launch_into(st, &s->side);
}

static bool needs_bind(const struct sup *s)
{
	return s->policy.web && !s->policy.oneoff;
}

static void launched(struct step *st)
{
	if (st->g->executed)
		return;
	st->g->executed = true;
	st->s->executed = true;
	if (needs_bind(st->s))
		st->g->boot_at_ms = later(st->ev->now_ms, st->s->policy.boot_timeout_ms);
	else
		become_up(st);
}

/* The stop came while there was no command to hear it. */
static void launched_late(struct step *st)
{
	if (st->g->executed)
		return;
	st->g->executed = true;
	st->s->executed = true;
	if (!st->g->killed)
		push(st, SUP_TERM, st->g->id);
}

static void launch_failed(struct step *st)
{
	struct sup *s = st->s;

	bury(st);
	if (st->g == &s->side) {
		side_gone(st); /* the old one serves on */
		return;
	}
	if (s->executed) {
		crash(st, true);
	} else {
		show(st, SUP_CRASHED);
		enter(st, st->g, SUP_FAILED);
	}
}

static void bound(struct step *st)
{
	if (needs_bind(st->s) && st->g->executed)
		become_up(st);
}

static void boot_timeout(struct step *st)
{
	if (!has_come(st->g->boot_at_ms, st->ev->now_ms))
		return;
	say(st, LINE_R10, st->g);
	say(st, LINE_BOOT_CAUSE, st->g);
	kill_now(st, st->g, SUP_BY_BOOT_TIMEOUT, SUP_THEN_CRASH);
}

/* ---- cells: ends -------------------------------------------------------------------------- */

/* R15 is about the dyno's own mark: another's limit, or the host's memory, is not its fault. */
static void say_memory(struct step *st)
{
	if (!st->ev->oom || !st->ev->oom_beyond)
		say(st, LINE_R15, st->g);
	if (st->ev->oom)
		say(st, LINE_OOM, st->g);
}

/* The lines of an end for want of memory are the same, whoever was first to see it. */
static void ended(struct step *st)
{
	if (st->ev->oom) {
		say_memory(st);
		say(st, LINE_KILL, st->g);
	}
	bury(st);
	if (st->g == &st->s->front)
		conclude(st, st->ev->exit_code != 0 || st->ev->oom);
	else
		side_gone(st);
}

static void ended_stopping(struct step *st)
{
	struct sup *s = st->s;

	bury(st);
	if (st->g == &s->side) {
		if (s->front.state == SUP_STOPPING && !s->front.live)
			settle(st);
		side_gone(st);
		return;
	}
	switch (st->g->then) {
	case SUP_THEN_DOWN:
		settle(st);
		break;
	case SUP_THEN_LAUNCH:
		/* Source: CONTRACT 6.5, the strict order */
		show(st, SUP_DOWN);
		show(st, SUP_STARTING);
		launch(st);
		break;
	case SUP_THEN_CRASH:
		conclude(st, true);
		break;
	}
}

static void grace_over(struct step *st)
{
	if (st->g->killed || !has_come(st->g->grace_at_ms, st->ev->now_ms))
		return;
	say(st, LINE_R12, st->g);
	kill_gen(st, st->g, LINE_KILL_REST);
}

/* ---- cells: a client that is awaited ------------------------------------------------------- */

/* Its generation has a number already: what was prepared for it goes by that. */
static void await_client(struct step *st)
{
	struct sup *s = st->s;

	s->front.id = s->launches + 1;
	s->await_at_ms = later(st->ev->now_ms, s->policy.await_ms);
	enter(st, &s->front, SUP_STARTING);
	say(st, LINE_AWAITING, &s->front);
}

static void stop_awaiting(struct step *st, enum sup_reason why)
{
	st->s->await_at_ms = SUP_NEVER;
	push(st, SUP_RECORD, st->s->front.id)->reason = why;
	push(st, SUP_DISCARD, st->s->front.id);
}

/* Source: CONTRACT table (b), R13: the one-off is not run */
static void await_timer(struct step *st)
{
	if (!has_come(st->s->await_at_ms, st->ev->now_ms))
		return;
	say(st, LINE_R13, &st->s->front);
	stop_awaiting(st, SUP_BY_ATTACH);
	show(st, SUP_CRASHED);
	enter(st, &st->s->front, SUP_FAILED);
}

/* ---- cells: stop and restart -------------------------------------------------------------- */

/* A stop reaches everything that lives; who is stopping already only where nothing may wait. */
static void stop_gen(struct step *st, struct sup_gen *g)
{
	if (!g->live)
		return;
	if (g->state == SUP_STOPPING) {
		if (st->ev->at_once && !g->killed)
			kill_gen(st, g, LINE_KILL_REST);
	} else if (st->ev->at_once) {
		kill_now(st, g, SUP_BY_STOP, SUP_THEN_DOWN);
	} else {
		term(st, g, SUP_BY_STOP, SUP_THEN_DOWN);
	}
}

static void stop(struct step *st)
{
	struct sup *s = st->s;

	s->tally = 0;
	s->swap_wanted = false;
	s->backoff_at_ms = SUP_NEVER;
	if (sup_awaits(s))
		stop_awaiting(st, SUP_BY_STOP);
	stop_gen(st, &s->front);
	stop_gen(st, &s->side);
	s->front.then = SUP_THEN_DOWN; /* whatever was to follow */
	if (!s->front.live)
		settle(st);
}

static void relaunch(struct step *st)
{
	show(st, SUP_STARTING);
	launch(st);
}

static void restart_resting(struct step *st)
{
	if (st->s->policy.oneoff)
		return;
	st->s->tally = 0;
	relaunch(st);
}

static void restart_crashed(struct step *st)
{
	st->s->tally = 0;
	say(st, LINE_RESTARTING, &st->s->front);
	relaunch(st);
}

static void one_after_the_other(struct step *st, enum sup_reason why)
{
	struct sup *s = st->s;

	if (s->policy.forced && s->policy.order == SUP_STRICT)
		say(st, LINE_STRICT, &s->front);
	term(st, &s->front, why, SUP_THEN_LAUNCH);
	if (preboots(s))
		term(st, &s->side, why, SUP_THEN_DOWN);
}

/* Source: CONTRACT 6.4, the order of the lines */
static void overlap(struct step *st, enum sup_reason why)
{
	struct sup *s = st->s;

	show(st, SUP_STARTING);
	s->side = s->front;
	s->front.live = false;
	term(st, &s->side, why, SUP_THEN_DOWN);
	launch(st);
}

static void replace(struct step *st, enum line_id line, enum sup_reason why)
{
	say(st, line, &st->s->front);
	if (st->s->policy.order == SUP_STRICT || st->s->side.live)
		one_after_the_other(st, why);
	else
		overlap(st, why);
}

static void restart_up(struct step *st)
{
	if (st->s->policy.oneoff)
		return;
	st->s->tally = 0;
	replace(st, LINE_RESTARTING, SUP_BY_STOP);
}

/* What does not serve yet is not worth an overlap. */
static void restart_starting(struct step *st)
{
	if (st->s->policy.oneoff)
		return;
	st->s->tally = 0;
	say(st, LINE_RESTARTING, &st->s->front);
	one_after_the_other(st, SUP_BY_STOP);
}

static void restart_stopping(struct step *st)
{
	struct sup *s = st->s;

	if (s->policy.oneoff)
		return;
	s->tally = 0;
	say(st, LINE_RESTARTING, &s->front);
	if (!s->front.live) {
		relaunch(st); /* only an old generation is still on its way out */
		return;
	}
	s->front.then = SUP_THEN_LAUNCH;
	if (preboots(s))
		term(st, &s->side, SUP_BY_STOP, SUP_THEN_DOWN);
}

static void cycle(struct step *st)
{
	if (st->s->side.live)
		return; /* it is being replaced: the deadline waits */
	st->g->cycle_at_ms = SUP_NEVER;
	if (!st->s->policy.oneoff) {
		replace(st, LINE_CYCLING, SUP_BY_CYCLE);
		return;
	}
	say(st, LINE_CYCLING, st->g);
	term(st, st->g, SUP_BY_CYCLE, SUP_THEN_DOWN);
}

/* Source: CONTRACT 6.12 */
static void preboot(struct step *st)
{
	struct sup *s = st->s;

	if (s->policy.oneoff)
		return;
	if (s->policy.order == SUP_STRICT) {
		restart_up(st);
		return;
	}
	s->tally = 0;
	if (s->side.live)
		s->swap_wanted = true;
	else
		launch_into(st, &s->side);
}

static void drained(struct step *st)
{
	if (st->g->drain_at_ms != SUP_NEVER)
		term(st, st->g, SUP_BY_STOP, SUP_THEN_DOWN);
}

/* A release brings back what crashes, never what was stopped. */
static void swap_stopping(struct step *st)
{
	if (st->g->live && st->g->then == SUP_THEN_CRASH)
		restart_stopping(st);
}

/* ---- cells: time, memory, health, clients ------------------------------------------------- */

/* Source: CONTRACT 7.6 */
static void hang_up(struct step *st)
{
	struct sup *s = st->s;

	say(st, LINE_HANGUP, st->g);
	push(st, SUP_HANGUP, st->g->id);
	s->hangups++;
	s->hangup_at_ms = later(st->ev->now_ms, s->policy.hangup_ms);
}

static void client_lost(struct step *st)
{
	if (st->s->policy.oneoff && st->s->hangups == 0 && !sup_awaits(st->s))
		hang_up(st);
}

/* Whoever was lost, there is one again: R16 is not due. */
static void client_back(struct step *st)
{
	struct sup *s = st->s;

	s->hangups = 0;
	s->hangup_at_ms = SUP_NEVER;
	if (!sup_awaits(s))
		return;
	s->await_at_ms = SUP_NEVER;
	launch(st);
}

static void hangup_timer(struct step *st)
{
	struct sup *s = st->s;

	if (!has_come(s->hangup_at_ms, st->ev->now_ms))
		return;
	if (s->hangups < SUP_HANGUPS_COUNT) {
		hang_up(st);
		return;
	}
	s->hangup_at_ms = SUP_NEVER;
	say(st, LINE_R16, st->g);
	if (s->policy.stop_detached)
		term(st, st->g, SUP_BY_STOP, SUP_THEN_DOWN);
}

static void timer_starting(struct step *st)
{
	await_timer(st);
	hangup_timer(st);
}

static void timer_up(struct step *st)
{
	if (has_come(st->s->steady_at_ms, st->ev->now_ms)) {
		st->s->steady_at_ms = SUP_NEVER;
		st->s->tally = 0;
	}
	hangup_timer(st);
}

static void backoff_timer(struct step *st)
{
	if (has_come(st->s->backoff_at_ms, st->ev->now_ms))
		relaunch(st);
}

static void time_limit(struct step *st)
{
	say(st, LINE_TIME_LIMIT, st->g);
	term(st, st->g, SUP_BY_TIME_LIMIT, SUP_THEN_DOWN);
	if (preboots(st->s))
		term(st, &st->s->side, SUP_BY_TIME_LIMIT, SUP_THEN_DOWN);
}

static void mem_soft(struct step *st)
{
	say(st, LINE_MEMORY, st->g);
	say(st, LINE_R14, st->g);
	say(st, LINE_MEMORY_CAUSE, st->g);
}

/* The kernel may have killed one process of many: an app that lost one is broken, all go. */
static void mem_hard(struct step *st)
{
	say_memory(st);
	kill_now(st, st->g, st->ev->oom ? SUP_BY_OOM : SUP_BY_MEMORY_HARD, SUP_THEN_CRASH);
}

static void health_fail(struct step *st)
{
	if (st->s->policy.oneoff)
		return;
	say(st, LINE_HEALTH, st->g);
	term(st, st->g, SUP_BY_HEALTH, SUP_THEN_CRASH);
}

/* ---- the table ---------------------------------------------------------------------------- */

/* An empty cell: the event changes nothing in that state. */
static void (*const table[_SUP_STATE_MAX][_SUP_EVENT_MAX])(struct step *) = {
	[SUP_STARTING] =
		{
			[SUP_LAUNCH_OK] = launched,
			[SUP_LAUNCH_ERR] = launch_failed,
			[SUP_BOUND] = bound,
			[SUP_EXIT] = ended,
			[SUP_BOOT_TIMEOUT] = boot_timeout,
			[SUP_STOP] = stop,
			[SUP_RESTART] = restart_starting,
			[SUP_TIMER] = timer_starting,
			[SUP_MEM_SOFT] = mem_soft,
			[SUP_MEM_HARD] = mem_hard,
			[SUP_CLIENT_LOST] = client_lost,
			[SUP_CLIENT_BACK] = client_back,
			[SUP_TIME_LIMIT] = time_limit,
			[SUP_SWAP] = restart_starting,
		},
	[SUP_UP] =
		{
			[SUP_EXIT] = ended,
			[SUP_STOP] = stop,
			[SUP_RESTART] = restart_up,
			[SUP_TIMER] = timer_up,
			[SUP_MEM_SOFT] = mem_soft,
			[SUP_MEM_HARD] = mem_hard,
			[SUP_HEALTH_FAIL] = health_fail,
			[SUP_CYCLE] = cycle,
			[SUP_CLIENT_LOST] = client_lost,
			[SUP_CLIENT_BACK] = client_back,
			[SUP_TIME_LIMIT] = time_limit,
			[SUP_SWAP] = preboot,
			[SUP_DRAINED] = drained,
		},
	[SUP_STOPPING] =
		{
			[SUP_LAUNCH_OK] = launched_late,
			[SUP_LAUNCH_ERR] = ended_stopping,
			[SUP_EXIT] = ended_stopping,
			[SUP_STOP] = stop,
			[SUP_RESTART] = restart_stopping,
			[SUP_STOP_TIMEOUT] = grace_over,
			[SUP_SWAP] = swap_stopping,
		},
	[SUP_CRASHED] =
		{
			[SUP_STOP] = stop,
			[SUP_RESTART] = restart_crashed,
			[SUP_TIMER] = backoff_timer,
			[SUP_SWAP] = restart_crashed,
		},
	[SUP_DOWN] =
		{
			[SUP_RESTART] = restart_resting,
		},
	[SUP_COMPLETE] =
		{
			[SUP_RESTART] = restart_resting,
			[SUP_SWAP] = restart_resting,
		},
	[SUP_FAILED] =
		{
			[SUP_RESTART] = restart_resting,
			[SUP_SWAP] = restart_resting,
		},
};

/* Whether an event is one of a generation; else it is one of the dyno. */
static const bool of_generation[] = {
#define EVENT_ROW(id, name, of_gen) [id] = (of_gen),
	SUP_EVENTS(EVENT_ROW)
#undef EVENT_ROW
};

static struct sup_gen *find_gen(struct sup *s, uint32_t id)
{
	if (s->front.live && s->front.id == id)
		return &s->front;
	return s->side.live && s->side.id == id ? &s->side : NULL;
}

struct sup_decision sup_step(struct sup *s, const struct sup_event_info *info)
{
	struct sup_decision d = {0};
	struct step st = {.s = s, .ev = info, .d = &d};

	if ((unsigned int)info->event >= _SUP_EVENT_MAX)
		return d;
	st.g = of_generation[info->event] ? find_gen(s, info->gen) : &s->front;
	if (st.g && table[st.g->state][info->event])
		table[st.g->state][info->event](&st);
	return d;
}

struct sup_decision sup_start(struct sup *s, uint64_t now_ms, uint32_t jitter)
{
	const struct sup_event_info ev = {.now_ms = now_ms, .jitter = jitter};
	struct sup_decision d = {0};
	struct step st = {.s = s, .g = &s->front, .ev = &ev, .d = &d};

	if (s->launches > 0 || sup_awaits(s))
		return d;
	s->shown = SUP_STARTING;
	if (s->policy.await_ms)
		await_client(&st);
	else
		launch(&st);
	return d;
}

void sup_policy_default(struct sup_policy *policy)
{
	*policy = (struct sup_policy){
		.boot_timeout_ms = SUP_BOOT_TIMEOUT_MS,
		.grace_ms = SUP_GRACE_MS,
		.steady_ms = SUP_STEADY_MS,
		.hangup_ms = SUP_HANGUP_MS,
		.cycle_ms = SUP_CYCLE_MS,
		.cycle_spread_ms = SUP_CYCLE_SPREAD_MS,
	};
	/* The text is a constant of ours: a unit test reads it. */
	(void)backoff_parse(BACKOFF_DEFAULT, &policy->backoff, NULL);
}

void sup_init(struct sup *s, const struct sup_policy *policy)
{
	*s = (struct sup){
		.policy = *policy,
		.front = {.state = SUP_DOWN},
		.side = {.state = SUP_DOWN},
		.shown = SUP_DOWN,
		.backoff_at_ms = SUP_NEVER,
		.steady_at_ms = SUP_NEVER,
		.hangup_at_ms = SUP_NEVER,
		.await_at_ms = SUP_NEVER,
	};
}
