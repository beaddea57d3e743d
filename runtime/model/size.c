/* SPDX-License-Identifier: Apache-2.0 */
#include "model/size.h"

#include <strings.h>

#include "base/util.h"

#define MIB (1ULL << 20)

/*
 * SIZE(name, RAM in MiB, hard mark in MiB, CPU share in x, cores, process limit, dedicated).
 * Source: CONTRACT table (a), whose "file" is the RAM.  Cores of private-s and shield-s are not
 * published there.
 */
#define DYNO_SIZES(SIZE)                                              \
	SIZE("eco", 512, 1024, 1, 8, 256, false)                      \
	SIZE("basic", 512, 1024, 1, 8, 256, false)                    \
	SIZE("standard-1x", 512, 1024, 1, 8, 256, false)              \
	SIZE("standard-2x", 1024, 2048, 2, 8, 512, false)             \
	SIZE("private-s", 1024, 1024, 12, 0, 512, true)               \
	SIZE("shield-s", 1024, 1024, 12, 0, 512, true)                \
	SIZE("performance-m", 2560, 5120, 12, 2, 16384, true)         \
	SIZE("private-m", 2560, 2560, 12, 2, 16384, true)             \
	SIZE("shield-m", 2560, 2560, 12, 2, 16384, true)              \
	SIZE("performance-l", 14336, 28672, 50, 8, 32768, true)       \
	SIZE("private-l", 14336, 14336, 50, 8, 32768, true)           \
	SIZE("shield-l", 14336, 14336, 50, 8, 32768, true)            \
	SIZE("performance-l-ram", 30720, 36864, 24, 4, 24576, true)   \
	SIZE("private-l-ram", 30720, 30720, 24, 4, 24576, true)       \
	SIZE("shield-l-ram", 30720, 30720, 24, 4, 24576, true)        \
	SIZE("performance-xl", 63488, 75776, 50, 8, 32768, true)      \
	SIZE("private-xl", 63488, 63488, 50, 8, 32768, true)          \
	SIZE("shield-xl", 63488, 63488, 50, 8, 32768, true)           \
	SIZE("performance-2xl", 129024, 154624, 100, 16, 65536, true) \
	SIZE("private-2xl", 129024, 129024, 100, 16, 65536, true)     \
	SIZE("shield-2xl", 129024, 129024, 100, 16, 65536, true)      \
	SIZE("px", 6144, 12288, 40, 8, 32768, true)                   \
	SIZE(SIZE_NONE, 0, 0, 0, 0, 0, false)

/* FIR(name, RAM in MiB, vCPUs): no swap, a quota, no published process limit. */
#define FIR_SIZES(FIR)             \
	FIR("1c-0.5gb", 512, 1)    \
	FIR("2c-1gb", 1024, 2)     \
	FIR("1c-4gb", 4096, 1)     \
	FIR("2c-8gb", 8192, 2)     \
	FIR("4c-16gb", 16384, 4)   \
	FIR("8c-32gb", 32768, 8)   \
	FIR("16c-64gb", 65536, 16) \
	FIR("2c-4gb", 4096, 2)     \
	FIR("4c-8gb", 8192, 4)     \
	FIR("8c-16gb", 16384, 8)   \
	FIR("16c-32gb", 32768, 16) \
	FIR("32c-64gb", 65536, 32) \
	FIR("1c-8gb", 8192, 1)     \
	FIR("2c-16gb", 16384, 2)   \
	FIR("4c-32gb", 32768, 4)   \
	FIR("8c-64gb", 65536, 8)   \
	FIR("16c-128gb", 131072, 16)

#define SIZE_ROW(label, ram, hard, x, n_cores, limit, own) \
	{                                                  \
		.name = (label),                           \
		.ram_bytes = (ram)*MIB,                    \
		.hard_bytes = (hard)*MIB,                  \
		.cpu_shares = (x)*SIZE_SHARES_PER_X,       \
		.cores = (n_cores),                        \
		.process_limit = (limit),                  \
		.dedicated = (own),                        \
	},
#define FIR_ROW(label, ram, vcpus)                            \
	{                                                     \
		.name = (label),                              \
		.ram_bytes = (ram)*MIB,                       \
		.hard_bytes = (ram)*MIB,                      \
		.cpu_quota_usec = (vcpus)*SIZE_CPU_VCPU_USEC, \
		.cores = (vcpus),                             \
	},

static const struct dyno_size sizes[] = {DYNO_SIZES(SIZE_ROW) FIR_SIZES(FIR_ROW)};

/* Source: CONTRACT table (a), "old names". */
static const struct {
	const char *old;
	const char *name;
} aliases[] = {
	{"1x", "standard-1x"},
	{"free", "standard-1x"},
	{"hobby", "standard-1x"},
	{"2x", "standard-2x"},
};

const struct dyno_size *size_find(const char *name)
{
	const char *fir = strncasecmp(name, "dyno-", 5) == 0 ? name + 5 : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (strcasecmp(name, aliases[i].old) == 0)
			name = aliases[i].name;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (strcasecmp(name, sizes[i].name) == 0)
			return &sizes[i];
		if (fir && sizes[i].cpu_quota_usec && strcasecmp(fir, sizes[i].name) == 0)
			return &sizes[i];
	}
	return NULL;
}

const struct dyno_size *size_each(size_t i)
{
	return i < ARRAY_SIZE(sizes) ? &sizes[i] : NULL;
}
