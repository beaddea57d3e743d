/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.h - what one dyno may use: a size (CONTRACT table a) and what is asked for besides, made
 * into one plan.  Pure; whether the host can keep to it is for control groups to say.
 *
 * Who wants to know a dyno's quota, hard mark or process limit reads it here (struct app, @limits)
 * and not from the size.
 */
#ifndef DYNO_LIMITS_H
#define DYNO_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "model/cpulist.h"
#include "model/size.h"

/* What stands for no limit in every setting that can do without. */
#define LIMITS_WORD_NONE "none"

/* Least memory. Source: own choice: dyno-init, a shell and the kernel's own pages need about half */
#define LIMITS_MEMORY_MIN_BYTES (8ULL << 20)
/* Most memory; keeps sums far from 64 bits. Source: own choice: 1 PiB */
#define LIMITS_MEMORY_MAX_BYTES (1ULL << 50)
/* Processes: dyno-init and the command; most. Source: PID_MAX_LIMIT of the kernel, 2^22 */
#define LIMITS_PIDS_MIN 2U
#define LIMITS_PIDS_MAX 4194304U
/* Weights of CPU and I/O, 100 being the default. Source: cgroup-v2.rst, cpu.weight, io.weight */
#define LIMITS_WEIGHT_MAX     10000U
#define LIMITS_WEIGHT_DEFAULT 100U
/* CPUs in thousandths. Source: least quota of the kernel is 1 ms in a period of 100 ms; the most
 * is what a set of CPUs can hold */
#define LIMITS_CPUS_MIN_MILLI 10U
#define LIMITS_CPUS_MAX_MILLI (CPULIST_MAX * 1000U)
/* Source: contract 11.6; fewer do not start a shell; fs.nr_open by default */
#define LIMITS_NOFILE_DEFAULT 10000U
#define LIMITS_NOFILE_MIN     16U
#define LIMITS_NOFILE_MAX     1048576U
/* Source: contract 2.8 */
#define LIMITS_SHM_DEFAULT_BYTES (65536ULL << 10)
#define LIMITS_SHM_MIN_BYTES	 4096U
/* Devices with a bandwidth limit. Source: own choice */
#define LIMITS_IO_MAX 8U

/**
 * LIMITS - every limit: LIMIT(enumerator, name of its option, what it limits).  Order and names are
 * those of `dyno inspect`.
 */
#define DYNO_LIMITS(LIMIT)                                        \
	LIMIT(LIMIT_MEMORY, "memory", "memory (R14)")             \
	LIMIT(LIMIT_MEMORY_HARD, "memory-hard", "memory (R15)")   \
	LIMIT(LIMIT_SWAP, "swap", "swap")                         \
	LIMIT(LIMIT_CPUS, "cpus", "CPU time")                     \
	LIMIT(LIMIT_CPU_WEIGHT, "cpu-weight", "share of the CPU") \
	LIMIT(LIMIT_CPUSET, "cpuset", "which CPUs")               \
	LIMIT(LIMIT_PIDS, "pids", "processes and threads")        \
	LIMIT(LIMIT_IO_WEIGHT, "io-weight", "share of the disks") \
	LIMIT(LIMIT_IO_MAX, "io-max", "bandwidth of disks")       \
	LIMIT(LIMIT_NOFILE, "nofile", "open files of a process")  \
	LIMIT(LIMIT_SHM, "shm-size", "/dev/shm")

#define LIMITS_ENUM(id, ...) id,
enum limit { DYNO_LIMITS(LIMITS_ENUM) _LIMIT_MAX };
#undef LIMITS_ENUM

/** enum limits_from - who said it. */
enum limits_from {
	LIMITS_FROM_NOBODY, /* there is no such limit */
	LIMITS_FROM_SIZE,
	LIMITS_FROM_OPTION,
	LIMITS_FROM_DEFAULT, /* the same for all sizes */
	_LIMITS_FROM_MAX
};

/** enum limits_view - how many CPUs the dyno is shown: by its affinity. */
enum limits_view {
	LIMITS_VIEW_HOST,  /* those of the host, as on the platform */
	LIMITS_VIEW_QUOTA, /* as many as it may use */
};

/**
 * struct limits_io - bandwidth of one block device; 0: no limit.
 * @device: "8:0", or a path: a device, or a file on one; borrowed from the setting, not terminated
 *          by it: @device_len bytes
 * @major, @minor: its numbers, which whoever looks at the host finds out
 * @rbps, @wbps: bytes a second
 * @riops, @wiops: operations a second
 */
struct limits_io {
	const char *device;
	size_t device_len;
	uint32_t major;
	uint32_t minor;
	uint64_t rbps;
	uint64_t wbps;
	uint64_t riops;
	uint64_t wiops;
};

/**
 * struct limits_ask - the settings as text; NULL: the size's.
 * @text: by enum limit; that of LIMIT_IO_MAX is @io_max
 * @io_max, @n_io_max: "DEVICE:rbps=10M,wbps=5M,riops=100,wiops=100", any of the four
 * @cpu_view: "host" or "quota"
 * @memory_policy: "soft", or "hard": the quota is the hard mark
 */
struct limits_ask {
	const char *text[_LIMIT_MAX];
	const char *const *io_max;
	size_t n_io_max;
	const char *cpu_view;
	const char *memory_policy;
};

/**
 * struct limits - the plan; 0 stands for "no limit" in every number.
 * @size: name of the size
 * @memory_bytes: the quota: R14 above it
 * @hard_bytes: the hard mark, memory and swap: R15 above it; at least @memory_bytes
 * @pids: processes and threads, also RLIMIT_NPROC
 * @cpu_shares: relative, SIZE_SHARES_PER_X = 1x
 * @cpu_quota_usec: CPU time in each SIZE_CPU_PERIOD_USEC
 * @cores: CPUs that the app is meant to count with; 0: not said
 * @cpuset: CPUs that it may use; empty: all
 * @io_weight: 100 is the default of the kernel
 * @io, @n_io: devices
 * @nofile: RLIMIT_NOFILE
 * @shm_bytes: /dev/shm
 * @cpu_view: see enum limits_view
 * @from: who said it, by enum limit
 */
struct limits {
	const char *size;
	uint64_t memory_bytes;
	uint64_t hard_bytes;
	uint64_t pids;
	uint64_t cpu_shares;
	uint64_t cpu_quota_usec;
	uint32_t cores;
	struct cpulist cpuset;
	uint32_t io_weight;
	struct limits_io io[LIMITS_IO_MAX];
	size_t n_io;
	uint64_t nofile;
	uint64_t shm_bytes;
	enum limits_view cpu_view;
	enum limits_from from[_LIMIT_MAX];
};

/** limits_of_size() - what a size says, nothing being asked for besides. */
void limits_of_size(const struct dyno_size *size, struct limits *ret);

/**
 * limits_resolve() - a size and settings, checked against each other.
 * @ask: its strings are borrowed by @ret
 * @host: CPUs that are online; NULL: not known, a cpuset is not checked then
 *
 * A quota that is set without a hard mark keeps the size's proportion of both; swap is what is
 * between them.
 * Return: 0, or -EINVAL with ERR_USAGE: a value that is none, or one that contradicts another.
 */
int limits_resolve(const struct limits_ask *ask, const struct dyno_size *size,
		   const struct cpulist *host, struct limits *ret, struct dyno_err *err);

/** limits_weight() - a share of the CPU in the scale of --cpu-weight. */
uint64_t limits_weight(uint64_t cpu_shares);

/** limits_swap_bytes() - what may be swapped out: the hard mark less the quota. */
uint64_t limits_swap_bytes(const struct limits *limits);

/** limits_web_concurrency() - the default of WEB_CONCURRENCY, min(2 * cores + 1, MB / 256)
 * (CONTRACT 3.11). Return: 0 where there is no memory quota. */
uint32_t limits_web_concurrency(const struct limits *limits);

/**
 * limits_cpu_text() - CPUs as a decimal for DYNO_CPU: the quota ("0.9"), else the share ("2").
 * @buf: @size bytes, at least 24
 * Return: @buf, "" where there is neither.
 */
char *limits_cpu_text(const struct limits *limits, char *buf, size_t size);

/** limits_cpus() - CPUs that the app is to count with: the quota that was asked for, rounded up, else
 * the size's cores, but no more than the cpuset has. Return: 0: not said. */
uint32_t limits_cpus(const struct limits *limits);

/** limits_name() - name of a limit, which is its option's; limits_from_name() - who said it. */
const char *limits_name(enum limit limit);
const char *limits_from_name(enum limits_from from);

/** limits_value() - the number of a limit, as struct limits has it, the CPU's share as a weight;
 * of LIMIT_CPUSET the CPUs in it, of LIMIT_IO_MAX the devices.  Return: 0: no such limit. */
uint64_t limits_value(const struct limits *limits, enum limit limit);

#endif
