/* SPDX-License-Identifier: Apache-2.0 */
/*
 * size.h - the dyno sizes of CONTRACT table (a): one table, read only.  It says what a size is;
 * applying it is the business of control groups and rlimits.
 */
#ifndef DYNO_SIZE_H
#define DYNO_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIZE_DEFAULT "standard-1x"
#define SIZE_NONE    "none"

/* One share of 1x.  Source: cpu.shares' default, sched(7), kernel doc cgroup-v1. */
#define SIZE_SHARES_PER_X 1024U

/* Period and quota of cpu.max for one vCPU.  Source: CONTRACT 11.4, "90000 100000". */
#define SIZE_CPU_PERIOD_USEC 100000U
#define SIZE_CPU_VCPU_USEC   90000U

/**
 * struct dyno_size - one size; 0 means "none" or "not published" in every number.
 * @name: canonical, lower case
 * @ram_bytes: memory quota (R14)
 * @hard_bytes: hard mark (R15); swap is the difference to @ram_bytes
 * @cpu_shares: relative weight, 1x = SIZE_SHARES_PER_X
 * @cpu_quota_usec: cpu.max per SIZE_CPU_PERIOD_USEC
 * @cores: cores the app is meant to see
 * @process_limit: processes and threads, also RLIMIT_NPROC
 * @dedicated: owns its cores
 */
struct dyno_size {
	const char *name;
	uint64_t ram_bytes;
	uint64_t hard_bytes;
	uint32_t cpu_shares;
	uint32_t cpu_quota_usec;
	uint32_t cores;
	uint32_t process_limit;
	bool dedicated;
};

/** size_find() - by name or old name, any case; Fir's also with "dyno-" before. Return: NULL where
 * unknown. */
const struct dyno_size *size_find(const char *name);

/** size_each() - the i-th size of the table. Return: NULL past its end. */
const struct dyno_size *size_each(size_t i);

#endif
