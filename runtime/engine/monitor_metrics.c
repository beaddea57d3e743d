/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_metrics.c - the lines of log-runtime-metrics (contract 10.9): with --log-metrics a timer
 * counts the dyno's running tasks, and every METRICS_TICKS-th time tells load and memory.  Without,
 * there is no timer.  They are lines of the log alone, and no events.
 */
#include "base/clock.h"
#include "engine/monitor_internal.h"
#include "kernel/cgroup_stat.h"
#include "kernel/cgroup_tasks.h"
#include "model/metrics.h"

static void log_load(struct monitor *m, const struct metrics_source *source)
{
	char line[METRICS_LINE_BYTES];

	tell_log(m, metrics_load_line(line, source, &m->metrics.load));
}

/* As the platform does: files in memory are cache, too. */
static void log_memory(struct monitor *m, const struct launch *launch,
		       const struct metrics_source *source)
{
	char line[METRICS_LINE_BYTES];
	struct cgroup_stat stat;

	if (cgroup_leaf_stat(launch->cgroups, launch->leaf_name, &stat) < 0 ||
	    !(stat.has & CGROUP_STAT_MEMORY))
		return;
	tell_log(m, metrics_memory_line(line, source,
					&(struct metrics_memory){
						.rss_bytes = stat.anon_bytes,
						.cache_bytes = stat.file_bytes + stat.shmem_bytes,
						.swap_bytes = stat.swap_bytes,
						.pgpgin = stat.pgpgin,
						.pgpgout = stat.pgpgout,
						.quota_bytes = m->app->limits.memory_bytes,
					}));
}

/* A further start begins with a load of nothing, and is told of at once. */
static void look(struct monitor *m, const struct slot *slot)
{
	const struct launch *launch = &slot->gen.launch;
	const struct metrics_source source = {
		.dyno = m->app->place.dyno, .app = m->app->name, .uuid = slot->gen.hostname};
	uint64_t running;

	if (m->metrics.gen != slot->gen.id) {
		m->metrics.gen = slot->gen.id;
		m->metrics.ticks = 0;
		m->metrics.load = (struct metrics_load){0};
	}
	if (cgroup_leaf_running(launch->cgroups, launch->leaf_name, "/proc", &running) < 0)
		return; /* it has just ended */
	metrics_load_tick(&m->metrics.load, running);
	if (m->metrics.ticks++ % METRICS_TICKS != 0)
		return;
	log_load(m, &source);
	log_memory(m, launch, &source);
}

static void on_tick(struct loop *loop, void *data)
{
	struct monitor *m = data;
	const struct slot *slot = mon_running(m);

	if (slot && slot->gen.launch.cgroups && slot->gen.launch.leaf.kind != CGROUP_NONE)
		look(m, slot);
	loop_timer_arm(loop, m->metrics.timer, clock_ms() + METRICS_TICK_MS);
}

int metrics_start(struct monitor *m)
{
	if (!m->app->opts->log_metrics)
		return 0;
	if (!m->app->have_cgroups || m->app->cgroups.kind == CGROUP_NONE) {
		tell_warning(m, "no metrics are logged: there is no control group to count by");
		return 0;
	}
	m->metrics.timer = loop_timer_add(&m->loop, on_tick, m);
	if (m->metrics.timer < 0)
		return m->metrics.timer;
	loop_timer_arm(&m->loop, m->metrics.timer, clock_ms() + METRICS_TICK_MS);
	return 0;
}
