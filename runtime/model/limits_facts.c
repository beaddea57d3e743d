/* SPDX-License-Identifier: Apache-2.0 */
/* limits_facts.c - names of limits, and what follows from a plan. */
#include "base/str.h"
#include "base/util.h"
#include "model/limits.h"

/* What one WEB_CONCURRENCY worker takes. Source: contract 3.11 */
#define WORKER_BYTES		(256ULL << 20)

#define NAME_ROW(id, name, ...) [id] = (name),
static const char *const names[] = {DYNO_LIMITS(NAME_ROW)};
#undef NAME_ROW
_Static_assert(ARRAY_SIZE(names) == _LIMIT_MAX, "a name for each limit");

static const char *const from_names[] = {
	[LIMITS_FROM_NOBODY] = "none",
	[LIMITS_FROM_SIZE] = "size",
	[LIMITS_FROM_OPTION] = "option",
	[LIMITS_FROM_DEFAULT] = "default",
};
_Static_assert(ARRAY_SIZE(from_names) == _LIMITS_FROM_MAX, "a name for each source");

const char *limits_name(enum limit limit)
{
	return (unsigned int)limit < _LIMIT_MAX ? names[limit] : "";
}

const char *limits_from_name(enum limits_from from)
{
	return (unsigned int)from < _LIMITS_FROM_MAX ? from_names[from] : "";
}

/* ---- what follows from it ------------------------------------------------------------------- */

uint64_t limits_weight(uint64_t cpu_shares)
{
	return (cpu_shares * LIMITS_WEIGHT_DEFAULT + SIZE_SHARES_PER_X / 2) / SIZE_SHARES_PER_X;
}

uint64_t limits_swap_bytes(const struct limits *limits)
{
	return limits->hard_bytes > limits->memory_bytes ? limits->hard_bytes - limits->memory_bytes
							 : 0;
}

uint32_t limits_cpus(const struct limits *limits)
{
	uint64_t quota = limits->cpu_quota_usec;
	uint32_t set = cpulist_count(&limits->cpuset);
	uint32_t cpus = limits->cores;
	bool known = quota > 0;

	if (limits->from[LIMIT_CPUS] == LIMITS_FROM_OPTION && known)
		cpus = (uint32_t)((quota + SIZE_CPU_PERIOD_USEC - 1) / SIZE_CPU_PERIOD_USEC);
	/* Cores that are only a size's word say nothing beside CPUs that were chosen. */
	return set > 0 && (!known || cpus == 0 || set < cpus) ? set : cpus;
}

uint64_t limits_value(const struct limits *limits, enum limit limit)
{
	switch ((unsigned int)limit) {
	case LIMIT_MEMORY:
		return limits->memory_bytes;
	case LIMIT_MEMORY_HARD:
		return limits->hard_bytes;
	case LIMIT_SWAP:
		return limits_swap_bytes(limits);
	case LIMIT_CPUS:
		return limits->cpu_quota_usec;
	case LIMIT_CPU_WEIGHT:
		return limits_weight(limits->cpu_shares);
	case LIMIT_CPUSET:
		return cpulist_count(&limits->cpuset);
	case LIMIT_PIDS:
		return limits->pids;
	case LIMIT_IO_WEIGHT:
		return limits->io_weight;
	case LIMIT_IO_MAX:
		return limits->n_io;
	case LIMIT_NOFILE:
		return limits->nofile;
	case LIMIT_SHM:
		return limits->shm_bytes;
	default:
		return 0;
	}
}

uint32_t limits_web_concurrency(const struct limits *limits)
{
	uint64_t by_memory = limits->memory_bytes / WORKER_BYTES;
	uint32_t cores = limits_cpus(limits);

	if (cores > 0 && 2ULL * cores + 1 < by_memory)
		return 2 * cores + 1;
	/* An app that is told to start no worker starts none. */
	return limits->memory_bytes && by_memory == 0 ? 1 : (uint32_t)by_memory;
}

/* Thousandths as a decimal, without zeros at its end. */
static char *format_milli(uint64_t milli, char *buf, size_t size)
{
	size_t len =
		str_fmt(buf, size, "%llu.%llu%llu%llu", (unsigned long long)(milli / 1000),
			(unsigned long long)(milli / 100 % 10),
			(unsigned long long)(milli / 10 % 10), (unsigned long long)(milli % 10));

	while (len > 0 && len < size && buf[len - 1] == '0')
		buf[--len] = '\0';
	if (len > 0 && len < size && buf[len - 1] == '.')
		buf[--len] = '\0';
	return buf;
}

char *limits_cpu_text(const struct limits *limits, char *buf, size_t size)
{
	buf[0] = '\0';
	if (limits->cpu_quota_usec > 0)
		return format_milli(limits->cpu_quota_usec / (SIZE_CPU_PERIOD_USEC / 1000), buf,
				    size);
	if (limits->cpu_shares > 0)
		return format_milli((limits->cpu_shares * 1000 + SIZE_SHARES_PER_X / 2) /
					    SIZE_SHARES_PER_X,
				    buf, size);
	return buf;
}
