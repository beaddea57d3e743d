/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_supervise.c - strings of events for a dyno under any policy, against what must hold whatever
 * happens: the first two bytes are the policy, then an event, its details and a step in time each.
 */
#include <assert.h>

#include "base/util.h"
#include "model/supervise.h"

#define ROUND_BYTES 3U
#define MS_PER_TICK (UINT64_C(7) * 1000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is known of the world from the decisions alone; gen 0 is a free place. */
struct life {
	uint32_t gen;
	uint64_t termed_ms; /* first stop signal, 0: none yet */
};

struct world {
	struct life live[2];
	uint32_t launches, records;
};

static struct life *find(struct world *w, uint32_t gen)
{
	for (size_t i = 0; i < ARRAY_SIZE(w->live); i++)
		if (w->live[i].gen == gen)
			return &w->live[i];
	return NULL;
}

static uint32_t n_live(const struct world *w)
{
	return (uint32_t)(w->live[0].gen > 0) + (w->live[1].gen > 0);
}

static bool may_kill(const struct life *l, const struct sup *s, const struct sup_event_info *ev)
{
	if (ev->event == SUP_STOP_TIMEOUT) /* only after the grace, and only of what was asked */
		return l->termed_ms > 0 && ev->now_ms - l->termed_ms >= s->policy.grace_ms;
	return ev->event == SUP_BOOT_TIMEOUT || ev->event == SUP_MEM_HARD ||
	       (ev->event == SUP_STOP && ev->at_once);
}

static bool may_launch(const struct sup_event_info *ev, enum sup_state before, bool first)
{
	if (before == SUP_DOWN)
		return first || ev->event == SUP_RESTART;
	return before != SUP_CRASHED || ev->event == SUP_TIMER || ev->event == SUP_RESTART ||
	       ev->event == SUP_SWAP;
}

static void obey(struct world *w, const struct sup *s, const struct sup_event_info *ev,
		 const struct sup_decision *d, enum sup_state before)
{
	uint32_t records = w->records;

	for (uint32_t i = 0; i < d->n; i++) {
		const struct sup_do *a = &d->list[i];
		struct life *l = a->action == SUP_LAUNCH ? find(w, 0) : find(w, a->gen);

		assert(l || a->action == SUP_LOG || a->action == SUP_DISCARD);
		switch (a->action) {
		case SUP_LAUNCH:
			assert(may_launch(ev, before, w->launches == 0));
			assert(a->gen == ++w->launches);
			*l = (struct life){.gen = a->gen};
			break;
		case SUP_TERM:
			if (l->termed_ms == 0) /* the grace runs from the first */
				l->termed_ms = ev->now_ms;
			break;
		case SUP_KILL:
			assert(may_kill(l, s, ev));
			break;
		case SUP_RECORD:
			assert(a->gen == ev->gen);
			*l = (struct life){0};
			w->records++;
			break;
		case SUP_HANGUP:
			assert(s->policy.oneoff);
			break;
		case SUP_LOG:
			assert(a->to != SUP_STOPPING && a->to != SUP_FAILED);
			break;
		case SUP_DISCARD:
		case _SUP_ACTION_MAX:
			break;
		}
	}
	assert(w->records - records <= 1);
}

static void check(const struct world *w, const struct sup *s)
{
	assert(n_live(w) == (uint32_t)s->front.live + s->side.live);
	assert(w->launches == s->launches && w->records + n_live(w) == w->launches);
	assert(!s->front.live == (s->front.state > SUP_STOPPING) || s->side.live);
	assert(s->front.state < SUP_DOWN || s->front.state == SUP_COMPLETE ||
	       s->front.state == SUP_FAILED || n_live(w) == 0);
	assert(s->backoff_at_ms == SUP_NEVER || s->front.state == SUP_CRASHED);
	assert(!s->policy.oneoff || s->launches <= 1);
}

static void feed(struct world *w, struct sup *s, const struct sup_event_info *ev)
{
	enum sup_state before = s->front.state;
	bool known = (s->front.live && s->front.id == ev->gen) ||
		     (s->side.live && s->side.id == ev->gen);
	uint32_t records = w->records;
	const struct sup_decision d = sup_step(s, ev);

	obey(w, s, ev, &d, before);
	check(w, s);
	assert(ev->event != SUP_EXIT || w->records == records + known);
	assert(ev->event != SUP_STOP || before >= SUP_DOWN || s->front.state == SUP_STOPPING ||
	       s->front.state == SUP_DOWN);
}

/* Deadlines come one by one and each is used up. */
static void sleep_until(struct world *w, struct sup *s, uint64_t now_ms)
{
	struct sup_event_info ev = {0};
	unsigned int n = 0;

	while (sup_due(s, now_ms, &ev)) {
		feed(w, s, &ev);
		assert(++n < 8);
	}
	assert(sup_deadline(s) > now_ms);
}

/* Stopped, with every process gone, a dyno is at rest. */
static void stop_all(struct world *w, struct sup *s, uint64_t now_ms)
{
	struct sup_event_info ev = {.event = SUP_STOP, .now_ms = now_ms};
	bool launched_before = s->launches > 0;

	feed(w, s, &ev);
	ev.event = SUP_EXIT;
	for (ev.gen = s->launches; ev.gen > 0 && n_live(w) > 0; ev.gen--)
		feed(w, s, &ev);
	assert(sup_idle(s) && s->front.state >= SUP_DOWN && launched_before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sup_event_info ev = {.now_ms = 1000};
	struct world w = {0};
	struct sup_policy p;
	struct sup s;
	struct sup_decision d;

	if (size < 2)
		return 0;
	sup_policy_default(&p);
	p.restart = data[0] % 3;
	p.exit_0 = data[0] >> 2 & 1;
	p.order = data[0] >> 3 & 1;
	p.web = data[0] & 16;
	p.oneoff = data[0] & 32;
	p.stop_detached = data[0] & 64;
	p.forced = data[0] & 128;
	p.grace_ms = data[1] * UINT64_C(100);
	p.time_limit_ms = (data[1] & 7) * UINT64_C(60000);
	sup_init(&s, &p);
	d = sup_start(&s, ev.now_ms, 0);
	obey(&w, &s, &ev, &d, SUP_DOWN);
	for (data += 2, size -= 2; size >= ROUND_BYTES; data += ROUND_BYTES, size -= ROUND_BYTES) {
		ev.event = data[0] % _SUP_EVENT_MAX;
		ev.gen = s.launches - (data[1] & 3); /* now and then a stale or unknown one */
		ev.exit_code = data[1] >> 2 & 1;
		ev.signal = data[1] >> 3 & 1;
		ev.oom = data[1] & 16;
		ev.oom_beyond = data[1] & 128;
		ev.at_once = data[1] & 32;
		ev.timed_out = data[1] & 64;
		ev.jitter = data[2] * 0x01010101U;
		feed(&w, &s, &ev);
		ev.now_ms += (data[2] & 1) ? 0 : data[2] * MS_PER_TICK;
		sleep_until(&w, &s, ev.now_ms);
	}
	stop_all(&w, &s, ev.now_ms);
	return 0;
}
