/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statfields.h - the numbers of struct dyno_stats, by name: the one list behind the monitor's
 * answer, its reader and what `dyno stats --json` prints.  What each is stands in dyno.h.
 */
#ifndef DYNO_BASE_STATFIELDS_H
#define DYNO_BASE_STATFIELDS_H

#include <dyno.h>

/* FIELD(name of the member, which is its name in JSON too) */
#define DYNO_STAT_FIELDS(FIELD)          \
	FIELD(start)                     \
	FIELD(taken_usec)                \
	FIELD(uptime_ms)                 \
	FIELD(restarts)                  \
	FIELD(crashes)                   \
	FIELD(cpu_usec)                  \
	FIELD(cpu_user_usec)             \
	FIELD(cpu_system_usec)           \
	FIELD(cpu_periods)               \
	FIELD(cpu_throttled)             \
	FIELD(cpu_throttled_usec)        \
	FIELD(cpu_quota_usec)            \
	FIELD(cpu_period_usec)           \
	FIELD(memory_used_bytes)         \
	FIELD(memory_bytes)              \
	FIELD(memory_peak_bytes)         \
	FIELD(memory_anon_bytes)         \
	FIELD(memory_shmem_bytes)        \
	FIELD(memory_file_bytes)         \
	FIELD(memory_kernel_bytes)       \
	FIELD(memory_swap_bytes)         \
	FIELD(memory_quota_bytes)        \
	FIELD(memory_hard_bytes)         \
	FIELD(memory_pgpgin)             \
	FIELD(memory_pgpgout)            \
	FIELD(ooms)                      \
	FIELD(oom_kills)                 \
	FIELD(pids)                      \
	FIELD(pids_peak)                 \
	FIELD(pids_limit)                \
	FIELD(pids_denied)               \
	FIELD(io_read_bytes)             \
	FIELD(io_write_bytes)            \
	FIELD(io_reads)                  \
	FIELD(io_writes)                 \
	FIELD(cpu_pressure_some_usec)    \
	FIELD(cpu_pressure_full_usec)    \
	FIELD(memory_pressure_some_usec) \
	FIELD(memory_pressure_full_usec) \
	FIELD(io_pressure_some_usec)     \
	FIELD(io_pressure_full_usec)     \
	FIELD(net_rx_bytes)              \
	FIELD(net_rx_packets)            \
	FIELD(net_tx_bytes)              \
	FIELD(net_tx_packets)            \
	FIELD(scratch_bytes)             \
	FIELD(scratch_limit_bytes)       \
	FIELD(scratch_inodes)            \
	FIELD(scratch_limit_inodes)      \
	FIELD(shm_bytes)                 \
	FIELD(shm_limit_bytes)

#define DYNO_STAT_ONE(name) +1
enum { DYNO_STAT_COUNT = 0 DYNO_STAT_FIELDS(DYNO_STAT_ONE) };
#undef DYNO_STAT_ONE

/* Four names, and then nothing but numbers. */
_Static_assert(sizeof(struct dyno_stats) ==
		       4 * sizeof(const char *) + DYNO_STAT_COUNT * sizeof(uint64_t),
	       "a member of struct dyno_stats has come or gone: it stands in the list, too");

/** statfields_clear() - no names, every number unknown. */
static inline void statfields_clear(struct dyno_stats *stats)
{
	*stats = (struct dyno_stats){0};
#define DYNO_STAT_UNKNOWN(name) stats->name = DYNO_STATS_UNKNOWN;
	DYNO_STAT_FIELDS(DYNO_STAT_UNKNOWN)
#undef DYNO_STAT_UNKNOWN
}

#endif
