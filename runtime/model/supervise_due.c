/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervise_due.c - what a supervised dyno waits for: its deadlines, read from its state.  A
 * deadline counts only where the table has an answer to it, so that each that comes is used up.
 */
#include "base/util.h"
#include "model/supervise.h"

struct deadline {
	enum sup_event event;
	uint32_t gen;
	uint64_t at_ms;
};

static struct deadline of_gen(const struct sup_gen *g)
{
	if (g->live && g->state == SUP_STARTING)
		return (struct deadline){SUP_BOOT_TIMEOUT, g->id, g->boot_at_ms};
	if (g->live && g->state == SUP_UP)
		return (struct deadline){SUP_DRAINED, g->id, g->drain_at_ms};
	if (g->live && g->state == SUP_STOPPING && !g->killed)
		return (struct deadline){SUP_STOP_TIMEOUT, g->id, g->grace_at_ms};
	return (struct deadline){.at_ms = SUP_NEVER};
}

static struct deadline of_cycle(const struct sup *s)
{
	bool fits = s->front.live && s->front.state == SUP_UP && !s->side.live;

	return (struct deadline){SUP_CYCLE, 0, fits ? s->front.cycle_at_ms : SUP_NEVER};
}

/* Of a successor that is not up yet the limit is looked at once it is the front one. */
static struct deadline of_limit(const struct sup *s)
{
	bool fits = s->front.live && (s->front.state == SUP_STARTING || s->front.state == SUP_UP);

	return (struct deadline){SUP_TIME_LIMIT, 0, fits ? s->front.limit_at_ms : SUP_NEVER};
}

static struct deadline of_timer(const struct sup *s)
{
	uint64_t at_ms = SUP_NEVER;

	if (s->front.state == SUP_CRASHED)
		at_ms = s->backoff_at_ms;
	else if (s->front.state == SUP_STARTING)
		at_ms = MIN_OF(s->hangup_at_ms, s->await_at_ms);
	else if (s->front.state == SUP_UP)
		at_ms = MIN_OF(s->hangup_at_ms, s->steady_at_ms);
	return (struct deadline){SUP_TIMER, 0, at_ms};
}

static struct deadline earliest(const struct sup *s)
{
	const struct deadline all[] = {of_gen(&s->side), of_gen(&s->front), of_cycle(s),
				       of_limit(s), of_timer(s)};
	size_t first = 0;

	for (size_t i = 1; i < ARRAY_SIZE(all); i++)
		if (all[i].at_ms < all[first].at_ms)
			first = i;
	return all[first];
}

uint64_t sup_deadline(const struct sup *s)
{
	return earliest(s).at_ms;
}

bool sup_due(const struct sup *s, uint64_t now_ms, struct sup_event_info *ret)
{
	const struct deadline first = earliest(s);

	if (first.at_ms == SUP_NEVER || now_ms < first.at_ms)
		return false;
	ret->event = first.event;
	ret->gen = first.gen;
	ret->now_ms = now_ms;
	return true;
}

bool sup_idle(const struct sup *s)
{
	return !s->front.live && !s->side.live && s->backoff_at_ms == SUP_NEVER && !sup_awaits(s);
}

bool sup_awaits(const struct sup *s)
{
	return s->await_at_ms != SUP_NEVER;
}

bool sup_swapping(const struct sup *s)
{
	return s->swap_wanted || (s->side.live && s->side.state == SUP_STARTING);
}

static const struct sup_gen *find_up(const struct sup *s, uint32_t gen)
{
	const struct sup_gen *g = s->front.id == gen ? &s->front : &s->side;

	return g->live && g->id == gen && g->state == SUP_UP ? g : NULL;
}

bool sup_serves(const struct sup *s, uint32_t gen)
{
	const struct sup_gen *g = find_up(s, gen);

	return g && g->drain_at_ms == SUP_NEVER;
}

bool sup_drains(const struct sup *s, uint32_t gen)
{
	const struct sup_gen *g = find_up(s, gen);

	return g && g->drain_at_ms != SUP_NEVER;
}

bool sup_coming(const struct sup *s, uint64_t by_ms)
{
	if (s->front.live && s->front.state == SUP_STOPPING)
		return s->front.then != SUP_THEN_DOWN;
	if (s->front.live || sup_swapping(s))
		return true;
	return s->backoff_at_ms != SUP_NEVER && s->backoff_at_ms <= by_ms;
}

uint32_t sup_restarts(const struct sup *s)
{
	return s->launches > 0 ? s->launches - 1 : 0;
}
