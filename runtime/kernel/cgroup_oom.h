/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_oom.h - a leaf that runs out of memory: being told before and when it happens (v1), and
 * afterwards what the counters say of it.
 *
 * Not here: the marks of a dyno (model/memmark.h); the kernel's own words (kernel/oomlog.h).
 */
#ifndef DYNO_CGROUP_OOM_H
#define DYNO_CGROUP_OOM_H

#include <stdint.h>

#include "kernel/cgroup.h"

/** enum cgroup_limit_of - whose limit it was that made the kernel kill. */
enum cgroup_limit_of {
	CGROUP_LIMIT_UNKNOWN,
	CGROUP_LIMIT_OWN,   /* the leaf's */
	CGROUP_LIMIT_ABOVE, /* of a group above it, or the memory of the host */
};

/**
 * struct cgroup_oom - what the counters say; the rest only where there were kills.
 * @kills: processes of the leaf that were killed
 * @limit: on v1 CGROUP_LIMIT_OWN means only that the leaf was at its limit at some time
 * @peak_bytes: the most memory that was charged; 0: not told
 */
struct cgroup_oom {
	uint64_t kills;
	enum cgroup_limit_of limit;
	uint64_t peak_bytes;
};

/**
 * cgroup_leaf_oom() - read it.
 * Return: 0; -EOPNOTSUPP without a memory controller; -ENOENT; -errno.
 */
int cgroup_leaf_oom(const struct cgroup_host *host, const char *name, struct cgroup_oom *ret);

/**
 * cgroup_leaf_charged() - memory and swap that are charged, page cache included: the one number
 * that costs next to nothing (3 us measured).
 * Return: 0; -EOPNOTSUPP without a memory controller; -ENOENT; -errno.
 */
int cgroup_leaf_charged(const struct cgroup_host *host, const char *name, uint64_t *ret);

/**
 * cgroup_notify_charged() - be told when cgroup_leaf_charged() passes @bytes, up or down.
 *
 * The kernel waits for an RCU grace period (3 to 13 ms measured): not on the way to a command.
 * Return: an eventfd, non-blocking, the caller's to close; -EOPNOTSUPP: only v1 has it; -errno.
 */
int cgroup_notify_charged(const struct cgroup_host *host, const char *name, uint64_t bytes);

/**
 * cgroup_notify_oom() - be told when the leaf, or a group above it, has no memory left, which is
 * just before the kernel kills.
 * Return: as cgroup_notify_charged().
 */
int cgroup_notify_oom(const struct cgroup_host *host, const char *name);

#endif
