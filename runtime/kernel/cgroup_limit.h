/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_limit.h - whether limits can be had, what of them is in force, and what limits from above.
 *
 * Writing them is a part of making a leaf, see cgroup_leaf_create().
 */
#ifndef DYNO_CGROUP_LIMIT_H
#define DYNO_CGROUP_LIMIT_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/cgroup.h"

/** cgroup_limits_need() - CGROUP_HAS_* without which @limits cannot be set. Pure. */
unsigned int cgroup_limits_need(const struct cgroup_limits *limits);

/** cgroup_controllers_text() - names of CGROUP_HAS_* with commas between. @buf: cut to @size bytes */
char *cgroup_controllers_text(unsigned int set, char *buf, size_t size);

/**
 * cgroup_limits_read() - what the kernel holds a leaf to.
 * @ret: 0 where there is no limit; the CPU's share always in the scale of v1
 * @ret_known: CGROUP_HAS_* that could be read
 * Return: 0; -ENOENT: no such leaf; -EOPNOTSUPP without control groups.
 */
int cgroup_limits_read(const struct cgroup_host *host, const char *name, struct cgroup_limits *ret,
		       unsigned int *ret_known);

/**
 * struct cgroup_above - the smallest limit of the groups around the leaves.
 * @value: 0: there is none
 * @group: path of the group that has it
 */
struct cgroup_above {
	uint64_t value;
	char group[160];
};

/**
 * cgroup_memory_above(), cgroup_pids_above() - what holds all dynos together, however much one of
 * them may have.  Groups that are not mounted here are not seen.
 */
void cgroup_memory_above(const struct cgroup_host *host, struct cgroup_above *ret);
void cgroup_pids_above(const struct cgroup_host *host, struct cgroup_above *ret);

/** cgroup_frozen() - whether a group around the leaves is frozen: nothing can start in it then.
 * @group: its path, cut to @size bytes. v2 only. Return: false also where it cannot be told. */
bool cgroup_frozen(const struct cgroup_host *host, char *group, size_t size);

#endif
