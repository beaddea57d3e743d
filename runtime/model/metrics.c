/* SPDX-License-Identifier: Apache-2.0 */
#include "model/metrics.h"

#include "base/str.h"
#include "base/util.h"

/* ---- load -----------------------------------------------------------------------------------*/

#define LOAD_ONE 2048U

void metrics_load_tick(struct metrics_load *load, uint64_t running)
{
	/* 2048 / exp(5 s / 1, 5 and 15 min). Source: include/linux/sched/loadavg.h, EXP_1 to EXP_15;
	 * the rounding is that of calc_load() there: steady load is reached, upwards and down */
	static const uint32_t weight[] = {1884, 2014, 2037};
	const uint64_t now = running * LOAD_ONE;

	_Static_assert(ARRAY_SIZE(weight) == ARRAY_SIZE(load->avg), "a weight for each average");
	for (size_t i = 0; i < ARRAY_SIZE(weight); i++) {
		uint64_t sum = load->avg[i] * weight[i] + now * (LOAD_ONE - weight[i]);

		if (now >= load->avg[i])
			sum += LOAD_ONE - 1;
		load->avg[i] = sum / LOAD_ONE;
	}
}

/* ---- lines ----------------------------------------------------------------------------------*/

uint32_t metrics_app_number(const char *app)
{
	uint32_t hash = 2166136261U; /* Source: FNV-1a, 32 bits */

	for (; *app; app++)
		hash = (hash ^ (unsigned char)*app) * 16777619U;
	return hash;
}

static size_t add_source(char *buf, const struct metrics_source *source)
{
	return str_fmt(buf, METRICS_LINE_BYTES, "source=%s dyno=heroku.%u.%s", source->dyno,
		       metrics_app_number(source->app), source->uuid);
}

char *metrics_load_line(char *buf, const struct metrics_source *source,
			const struct metrics_load *load)
{
	static const char *const names[] = {"1m", "5m", "15m"};
	size_t len = add_source(buf, source);

	for (size_t i = 0; i < ARRAY_SIZE(names) && len < METRICS_LINE_BYTES; i++) {
		const uint64_t hundredths = (load->avg[i] * 100 + LOAD_ONE / 2) / LOAD_ONE;

		len += str_fmt(buf + len, METRICS_LINE_BYTES - len, " sample#load_avg_%s=%llu.%02u",
			       names[i], (unsigned long long)(hundredths / 100),
			       (unsigned int)(hundredths % 100));
	}
	return buf;
}

static size_t add_bytes(char *buf, size_t len, const char *name, uint64_t bytes)
{
	const uint64_t hundredths = (bytes / 1024 * 100 + 512) / 1024;

	if (len >= METRICS_LINE_BYTES)
		return len;
	return len + str_fmt(buf + len, METRICS_LINE_BYTES - len, " sample#memory_%s=%llu.%02uMB",
			     name, (unsigned long long)(hundredths / 100),
			     (unsigned int)(hundredths % 100));
}

static size_t add_pages(char *buf, size_t len, const char *name, uint64_t pages)
{
	if (len >= METRICS_LINE_BYTES)
		return len;
	return len + str_fmt(buf + len, METRICS_LINE_BYTES - len, " sample#memory_%s=%llupages",
			     name, (unsigned long long)pages);
}

char *metrics_memory_line(char *buf, const struct metrics_source *source,
			  const struct metrics_memory *memory)
{
	size_t len = add_source(buf, source);

	len = add_bytes(buf, len, "total",
			memory->rss_bytes + memory->cache_bytes + memory->swap_bytes);
	len = add_bytes(buf, len, "rss", memory->rss_bytes);
	len = add_bytes(buf, len, "cache", memory->cache_bytes);
	len = add_bytes(buf, len, "swap", memory->swap_bytes);
	len = add_pages(buf, len, "pgpgin", memory->pgpgin);
	len = add_pages(buf, len, "pgpgout", memory->pgpgout);
	if (memory->quota_bytes)
		(void)add_bytes(buf, len, "quota", memory->quota_bytes); /* the last one */
	return buf;
}
