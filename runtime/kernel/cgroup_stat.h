/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_stat.h - what the kernel counts of a leaf: one view of cgroup v1, v2 and hybrids.
 *
 * Not here: what the numbers mean for a dyno (R14, R15), rates, and where they are shown.
 */
#ifndef DYNO_CGROUP_STAT_H
#define DYNO_CGROUP_STAT_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/cgroup.h"

/* Bits of cgroup_stat.has: the parts that this host could tell. */
#define CGROUP_STAT_CPU	     (1U << 0) /* cpu_usec */
#define CGROUP_STAT_THROTTLE (1U << 1) /* cpu_periods and following */
#define CGROUP_STAT_MEMORY   (1U << 2) /* memory_bytes, anon and so on */
#define CGROUP_STAT_PEAK     (1U << 3) /* memory_peak_bytes */
#define CGROUP_STAT_SWAP     (1U << 4) /* swap_bytes */
#define CGROUP_STAT_PIDS     (1U << 5)
#define CGROUP_STAT_IO	     (1U << 6)
#define CGROUP_STAT_PSI	     (1U << 7)
#define CGROUP_STAT_OOM	     (1U << 8)

/**
 * struct cgroup_psi - pressure: some or all of the tasks waited.
 * @some_avg10, @full_avg10: hundredths of a percent during the last 10 s
 * @some_usec, @full_usec: since the leaf was made
 */
struct cgroup_psi {
	uint32_t some_avg10;
	uint32_t full_avg10;
	uint64_t some_usec;
	uint64_t full_usec;
};

/**
 * struct cgroup_stat - a moment of a leaf.
 * @has: CGROUP_STAT_*: what is not there is 0
 * @cpu_usec, @user_usec, @system_usec: CPU time since the leaf was made
 * @cpu_periods, @cpu_throttled, @cpu_throttled_usec: of a CPU quota
 * @memory_bytes: all that is charged, page cache included, swap not
 * @memory_peak_bytes: the most of it ever
 * @anon_bytes: memory of processes
 * @shmem_bytes: files in memory: tmpfs and shared memory, part of no other
 * @file_bytes: page cache of files on disk, without @shmem_bytes
 * @kernel_bytes: of the kernel for this leaf: stacks, slab, page tables
 * @swap_bytes: of any of these in swap
 * @pgpgin, @pgpgout: pages charged and uncharged (0 on v2, which does not tell)
 * @pids, @pids_peak: processes and threads; the most at once (0 where the kernel does not tell)
 * @pids_denied: forks that the limit has refused
 * @ooms: how often the leaf was at its limit and nothing could be reclaimed (0 on v1, which does
 *        not tell)
 * @oom_kills: processes of it that were killed for want of memory, the leaf's or a parent's
 * @io_*: block devices, all together
 * @cpu_psi, @memory_psi, @io_psi: pressure; a hybrid tells it too
 */
struct cgroup_stat {
	unsigned int has;
	uint64_t cpu_usec;
	uint64_t user_usec;
	uint64_t system_usec;
	uint64_t cpu_periods;
	uint64_t cpu_throttled;
	uint64_t cpu_throttled_usec;
	uint64_t memory_bytes;
	uint64_t memory_peak_bytes;
	uint64_t anon_bytes;
	uint64_t shmem_bytes;
	uint64_t file_bytes;
	uint64_t kernel_bytes;
	uint64_t swap_bytes;
	uint64_t pgpgin;
	uint64_t pgpgout;
	uint64_t pids;
	uint64_t pids_peak;
	uint64_t pids_denied;
	uint64_t ooms;
	uint64_t oom_kills;
	uint64_t io_read_bytes;
	uint64_t io_write_bytes;
	uint64_t io_reads;
	uint64_t io_writes;
	struct cgroup_psi cpu_psi;
	struct cgroup_psi memory_psi;
	struct cgroup_psi io_psi;
};

/**
 * cgroup_leaf_stat() - all of it, read now.
 * Return: 0, also where only some of it could be told (@ret->has); -ENOENT: no such leaf; -errno.
 */
int cgroup_leaf_stat(const struct cgroup_host *host, const char *name, struct cgroup_stat *ret);

/**
 * cgroup_leaf_memory() - @memory_bytes to @swap_bytes alone, without the rest: for what is asked
 * again and again.
 * Return: as cgroup_leaf_stat(); -EOPNOTSUPP without a memory controller, -EIO where its texts are
 * not what they should be.
 */
int cgroup_leaf_memory(const struct cgroup_host *host, const char *name, struct cgroup_stat *ret);

#endif
