/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.h - what a start of a dyno uses and may use: gathered by its monitor, from the kernel alone
 * and without asking any of its processes, and carried to whoever asks as one JSON object.
 *
 * Not here: rates, which take two moments, and how any of it is shown.
 */
#ifndef DYNO_ENGINE_STATS_H
#define DYNO_ENGINE_STATS_H

#include <stdbool.h>
#include <stddef.h>

#include <dyno.h>

#include "base/arena.h"
#include "base/str.h"
#include "engine/generation.h"
#include "kernel/cgroup_stat.h"

/* Version of the object; members are only ever added. */
#define STATS_SCHEMA 1

/** stats_take_cgroup() - the parts that @from has; the others are left alone. */
void stats_take_cgroup(struct dyno_stats *stats, const struct cgroup_stat *from);

/**
 * stats_take_netdev() - the sums of a text of /proc/PID/net/dev, loopback left out.
 * Return: 0; -EINVAL: not of the form, @stats is as it was.
 */
int stats_take_netdev(struct dyno_stats *stats, const char *text);

/** stats_take_used() - what is held against the quota, of the parts that are there already. */
void stats_take_used(struct dyno_stats *stats, bool scratch_in_memory);

/**
 * stats_gather() - what the kernel tells of a start that runs: its control group, network, scratch
 * space and shared memory.  What cannot be read is unknown; nothing of the tenant's can
 * make it wait.
 * Context: the parent of dyno-init, which has not waited for it: its number is its own
 */
void stats_gather(const struct generation *gen, struct dyno_stats *stats);

/** stats_format() - one JSON object, without a newline. */
void stats_format(const struct dyno_stats *stats, struct sbuf *b);

/**
 * stats_parse() - the numbers of a text.
 * @arena: holds the strings
 * Return: 0; -EINVAL: not of the form, or of a later schema; -ENOMEM.
 */
int stats_parse(const char *text, size_t len, struct arena *arena, struct dyno_stats *ret);

#endif
