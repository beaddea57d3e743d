/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.h - the platform's log-runtime-metrics (contract 10.9): load averages of one dyno, and the
 * two lines.  Pure; who counts and when is the monitor's matter.
 */
#ifndef DYNO_METRICS_H
#define DYNO_METRICS_H

#include <stddef.h>
#include <stdint.h>

/* How often running tasks are counted. Source: the kernel's LOAD_FREQ, 5 s, for which the weights of
 * its averages are made; include/linux/sched/loadavg.h */
#define METRICS_TICK_MS 5000U
/* How many counts there are to a pair of lines. Source: contract 10.9, every about 20 s */
#define METRICS_TICKS 4U
/* Longest line. Source: own choice; twice what numbers of 20 digits and the longest name take */
#define METRICS_LINE_BYTES 640

/** struct metrics_load - averages of the last minute, 5 and 15; zeroed at first.
 * @avg: 11 bits of it behind the point */
struct metrics_load {
	uint64_t avg[3];
};

/** metrics_load_tick() - METRICS_TICK_MS later: so many tasks run or could. */
void metrics_load_tick(struct metrics_load *load, uint64_t running);

/**
 * struct metrics_source - whom the lines are of; borrowed.
 * @dyno: "web.1"
 * @app: name of the app
 * @uuid: of this start
 */
struct metrics_source {
	const char *dyno;
	const char *app;
	const char *uuid;
};

/**
 * struct metrics_memory - in bytes and pages.
 * @rss_bytes: of processes
 * @cache_bytes: of files, on disk and in memory
 * @quota_bytes: 0: none, which is left out
 */
struct metrics_memory {
	uint64_t rss_bytes;
	uint64_t cache_bytes;
	uint64_t swap_bytes;
	uint64_t pgpgin;
	uint64_t pgpgout;
	uint64_t quota_bytes;
};

/** metrics_app_number() - the app's id in the lines, which is a number there: made from its name,
 * the same on every host. */
uint32_t metrics_app_number(const char *app);

/** metrics_load_line() - the line of load. @buf: METRICS_LINE_BYTES. Return: @buf */
char *metrics_load_line(char *buf, const struct metrics_source *source,
			const struct metrics_load *load);

/** metrics_memory_line() - the line of memory. @buf: METRICS_LINE_BYTES. Return: @buf */
char *metrics_memory_line(char *buf, const struct metrics_source *source,
			  const struct metrics_memory *memory);

#endif
