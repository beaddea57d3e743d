/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_stats.c - what a dyno uses and may use, for those who ask. */
#include "base/clock.h"
#include "base/statfields.h"
#include "engine/monitor_internal.h"
#include "engine/stats.h"

static uint64_t limit(uint64_t value)
{
	return value ? value : DYNO_STATS_UNKNOWN;
}

static void take_limits(const struct limits *limits, struct dyno_stats *stats)
{
	stats->memory_quota_bytes = limit(limits->memory_bytes);
	stats->memory_hard_bytes = limit(limits->hard_bytes);
	stats->pids_limit = limit(limits->pids);
	stats->cpu_quota_usec = limit(limits->cpu_quota_usec);
	if (limits->cpu_quota_usec)
		stats->cpu_period_usec = SIZE_CPU_PERIOD_USEC;
}

struct slot *mon_running(struct monitor *m)
{
	struct slot *slot = mon_front(m);

	return slot && slot->started && !slot->gone && m->sup.front.live ? slot : NULL;
}

void tell_stats(struct monitor *m, struct sbuf *b)
{
	const struct slot *slot = mon_running(m);
	struct dyno_stats stats;

	statfields_clear(&stats);
	stats.app = m->app->name;
	stats.name = m->app->place.dyno;
	stats.type = m->app->command.type;
	stats.state = sup_state_name(m->sup.front.state);
	stats.restarts = sup_restarts(&m->sup);
	stats.crashes = m->sup.tally;
	stats.start = slot ? slot->gen.id : 0;
	stats.uptime_ms = slot ? clock_ms() - slot->started_ms : 0;
	take_limits(&m->app->limits, &stats);
	if (slot)
		stats_gather(&slot->gen, &stats);
	/* Last: rates are of what was read before it. */
	stats.taken_usec = clock_ns() / 1000;
	stats_format(&stats, b);
}
