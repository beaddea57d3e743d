/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage.h - what dynos use, for people and programs: two moments of each, the rates between them, a
 * table of 80 columns that stands still, and JSON.  Pure; where the moments come from is sampler.h's
 * matter.
 */
#ifndef DYNO_CLI_USAGE_H
#define DYNO_CLI_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "base/arena.h"
#include "base/str.h"

/* A number that is not known, or that takes a second moment. */
#define USAGE_UNKNOWN DYNO_STATS_UNKNOWN

/**
 * struct usage - one dyno; the strings are borrowed.
 * @label: its name for people: "web.1", or "shop/web.1"
 * @state: as struct dyno_info has it
 * @asked: its monitor has answered: @now holds its numbers; else they are all unknown
 * @again: so it had the time before, in the same start: @before
 * @now, @before: the names in them are not set
 */
struct usage {
	const char *app;
	const char *name;
	const char *type;
	const char *label;
	const char *state;
	bool asked;
	bool again;
	struct dyno_stats now;
	struct dyno_stats before;
};

/** usage_clear() - no moment is known. */
void usage_clear(struct usage *usage);

/** usage_take() - a further moment. @stats: copied, without its names */
void usage_take(struct usage *usage, const struct dyno_stats *stats);

/** usage_lost() - its monitor has not answered this time. */
void usage_lost(struct usage *usage);

/** usage_rate() - how much a counter has grown a second, rounded down; see USAGE_UNKNOWN.
 * @at: offset of the counter in struct dyno_stats */
uint64_t usage_rate(const struct usage *usage, size_t at);

/** usage_cpu_permille() - CPU time per time: 1000 is one CPU. */
uint64_t usage_cpu_permille(const struct usage *usage);

/** usage_memory_permille() - of the quota. */
uint64_t usage_memory_permille(const struct usage *usage);

/* Longest text of usage_size(). */
#define USAGE_SIZE_BYTES 8

/** usage_size() - bytes in four columns at most: "9.9M", "999M", "-" for unknown ones.
 * Return: @buf */
char *usage_size(char buf[USAGE_SIZE_BYTES], uint64_t bytes);

/**
 * usage_table() - a heading, and a line for each dyno.
 * @line: columns that a line may take; what there is no room for is left out, the last column first
 * Return: 0 or -ENOMEM.
 */
int usage_table(const struct usage *const *list, size_t n, size_t line, bool color,
		struct arena *arena, struct sbuf *b);

/** usage_json() - one object: names, every number of struct dyno_stats, rates.
 * @time_us: of the moment, microseconds since the epoch */
void usage_json(struct sbuf *b, const struct usage *usage, uint64_t time_us);

#endif
