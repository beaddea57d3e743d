/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_plan.c - limits of a leaf: what is to be written where, and writing it; see cgroup.h.
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/cgroup_extra.h"
#include "kernel/cgroup_priv.h"

/* Bounds of cpu.weight. Source: cgroup-v2.rst. */
#define WEIGHT_MIN 1U
#define WEIGHT_MAX 10000U

/* Period of CPU quotas. Source: kernel default, cgroup-v2.rst cpu.max. */
#define PERIOD_USEC 100000U

/* ---- the plan -------------------------------------------------------------------------------- */

struct plan {
	struct cgroup_write *at;
	size_t n;
	unsigned int has; /* of the writes that follow */
};

_printf_(5, 6) static void plan_add(struct plan *plan, enum cgroup_tree tree, const char *file,
				    enum cgroup_absent absent, const char *fmt, ...)
{
	struct cgroup_write *w = &plan->at[plan->n++];
	va_list ap;

	w->tree = tree;
	w->has = plan->has;
	w->file = file;
	w->absent = absent;
	va_start(ap, fmt);
	(void)str_vfmt(w->value, sizeof(w->value), fmt, ap);
	va_end(ap);
}

/* Memory without swap: no more than both together. */
static uint64_t memory_of(const struct cgroup_limits *limits)
{
	const uint64_t both = limits->memory_swap_bytes;

	if (both == 0)
		return limits->memory_bytes;
	return limits->memory_bytes ? MIN_OF(limits->memory_bytes, both) : both;
}

static void plan_memory_v1(struct plan *plan, enum cgroup_tree tree,
			   const struct cgroup_limits *limits)
{
	const uint64_t both = limits->memory_swap_bytes;
	const uint64_t memory = memory_of(limits);

	if (memory != 0)
		plan_add(plan, tree, "memory.limit_in_bytes", CGROUP_ABSENT_FAIL, "%llu",
			 (unsigned long long)memory);
	if (both == 0)
		return;
	/* memsw may not be below the limit, so it comes second; without swap accounting (booted
	 * with swapaccount=0) the hard mark bounds the memory alone. */
	plan_add(plan, tree, "memory.memsw.limit_in_bytes", CGROUP_ABSENT_NEXT, "%llu",
		 (unsigned long long)both);
	plan_add(plan, tree, "memory.limit_in_bytes", CGROUP_ABSENT_FAIL, "%llu",
		 (unsigned long long)both);
}

static void plan_memory_v2(struct plan *plan, const struct cgroup_limits *limits)
{
	const enum cgroup_tree tree = CGROUP_TREE_UNIFIED;
	const uint64_t both = limits->memory_swap_bytes;
	const uint64_t memory = memory_of(limits);

	if (memory != 0)
		plan_add(plan, tree, "memory.max", CGROUP_ABSENT_FAIL, "%llu",
			 (unsigned long long)memory);
	if (both != 0) {
		plan_add(plan, tree, "memory.swap.max", CGROUP_ABSENT_NEXT, "%llu",
			 (unsigned long long)(both - memory));
		plan_add(plan, tree, "memory.max", CGROUP_ABSENT_FAIL, "%llu",
			 (unsigned long long)both);
	}
	/* An app that lost one of its processes is broken: all or nothing, whoever's limit it was.
	 * Linux 4.19. */
	plan_add(plan, tree, "memory.oom.group", CGROUP_ABSENT_SKIP, "1");
}

static void plan_cpu_v1(struct plan *plan, enum cgroup_tree tree,
			const struct cgroup_limits *limits, unsigned long long period)
{
	if (limits->cpu_shares != 0)
		plan_add(plan, tree, "cpu.shares", CGROUP_ABSENT_FAIL, "%llu",
			 (unsigned long long)limits->cpu_shares);
	if (limits->cpu_quota_usec == 0)
		return;
	if (period != PERIOD_USEC)
		plan_add(plan, tree, "cpu.cfs_period_us", CGROUP_ABSENT_FAIL, "%llu", period);
	plan_add(plan, tree, "cpu.cfs_quota_us", CGROUP_ABSENT_FAIL, "%llu",
		 (unsigned long long)limits->cpu_quota_usec);
}

static void plan_cpu_v2(struct plan *plan, const struct cgroup_limits *limits,
			unsigned long long period)
{
	/* Proportional and to the nearest, so that default stands for default and shares keep their
	 * ratio. */
	uint64_t weight = limits->cpu_shares / CGROUP_SHARES_DEFAULT * CGROUP_WEIGHT_DEFAULT +
			  (limits->cpu_shares % CGROUP_SHARES_DEFAULT * CGROUP_WEIGHT_DEFAULT +
			   CGROUP_SHARES_DEFAULT / 2) /
				  CGROUP_SHARES_DEFAULT;

	if (limits->cpu_shares != 0)
		plan_add(plan, CGROUP_TREE_UNIFIED, "cpu.weight", CGROUP_ABSENT_FAIL, "%llu",
			 (unsigned long long)MIN_OF(MAX_OF(weight, WEIGHT_MIN), WEIGHT_MAX));
	if (limits->cpu_quota_usec != 0)
		plan_add(plan, CGROUP_TREE_UNIFIED, "cpu.max", CGROUP_ABSENT_FAIL, "%llu %llu",
			 (unsigned long long)limits->cpu_quota_usec, period);
}

size_t cgroup_plan(const struct cgroup_host *host, const struct cgroup_limits *limits,
		   struct cgroup_write *at)
{
	struct plan plan = {.at = at};
	bool v2 = host->kind == CGROUP_V2;
	unsigned long long period = limits->cpu_period_usec ? limits->cpu_period_usec : PERIOD_USEC;

	plan.has = CGROUP_HAS_MEMORY;
	if (host->controllers & CGROUP_HAS_MEMORY) {
		if (v2)
			plan_memory_v2(&plan, limits);
		else
			plan_memory_v1(&plan, host->home[CGROUP_TREE_MEMORY], limits);
	}
	plan.has = CGROUP_HAS_CPU;
	if (host->controllers & CGROUP_HAS_CPU) {
		if (v2)
			plan_cpu_v2(&plan, limits, period);
		else
			plan_cpu_v1(&plan, host->home[CGROUP_TREE_CPU], limits, period);
	}
	plan.has = CGROUP_HAS_PIDS;
	if ((host->controllers & CGROUP_HAS_PIDS) && limits->pids != 0)
		plan_add(&plan, host->home[CGROUP_TREE_PIDS], "pids.max", CGROUP_ABSENT_FAIL,
			 "%llu", (unsigned long long)limits->pids);
	return plan.n;
}

/* ---- writing --------------------------------------------------------------------------------- */

int cgroup_leaf_write(const struct cgroup_host *host, enum cgroup_tree tree, const char *name,
		      const char *file, const char *value)
{
	char path[CGROUP_PATH_BYTES];

	cgroup_leaf_path(path, name, file);
	return file_write_at(host->parent_fd[tree], path, value);
}

int cgroup_refused(const struct cgroup_refusal *refusal, const char *name, struct cgroup_leaf *leaf,
		   struct dyno_err *err)
{
	if (!leaf)
		return err_set(err, ERR_CGROUP, refusal->num, "write %.40s to %s/%s/%s",
			       refusal->value, CGROUP_PARENT, name, refusal->file);
	if (leaf->refused == 0)
		(void)str_fmt(leaf->refusal, sizeof(leaf->refusal), "write %.40s to %s: %s",
			      refusal->value, refusal->file, err_errno_text(refusal->num));
	leaf->refused |= refusal->has;
	return 0;
}

int cgroup_write_limits(const struct cgroup_host *host, const char *name,
			const struct cgroup_limits *limits, struct cgroup_leaf *leaf,
			struct dyno_err *err)
{
	struct cgroup_write plan[CGROUP_PLAN_MAX];
	size_t n = cgroup_plan(host, limits, plan);

	for (size_t i = 0; i < n; i++) {
		const struct cgroup_write *w = &plan[i];
		int r = cgroup_leaf_write(host, w->tree, name, w->file, w->value);

		if (r == 0 && w->absent == CGROUP_ABSENT_NEXT)
			i++; /* the file is there: its replacement is not needed */
		if (r == 0 || (r == -ENOENT && w->absent != CGROUP_ABSENT_FAIL))
			continue;
		r = cgroup_refused(&(struct cgroup_refusal){w->has, w->file, w->value, -r}, name,
				   leaf, err);
		if (r < 0)
			return r;
	}
	return cgroup_write_extra(host, name, limits, leaf, err);
}

int cgroup_leaf_limit(const struct cgroup_host *host, const char *name,
		      const struct cgroup_limits *limits, struct dyno_err *err)
{
	return host->kind == CGROUP_NONE ? 0 : cgroup_write_limits(host, name, limits, NULL, err);
}
