/* SPDX-License-Identifier: Apache-2.0 */
/* test_limits.c - a size and settings become one plan, or are refused (C0.3, C0.5, C11). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "model/limits.h"

#define MB (1ULL << 20)
#define GB (1ULL << 30)

static const struct cpulist two_cpus = {.bits = {3}};

static int resolve(const char *size, const struct limits_ask *ask, struct limits *l,
		   struct dyno_err *err)
{
	*err = (struct dyno_err){0};
	return limits_resolve(ask, size_find(size), &two_cpus, l, err);
}

static void limits_resolve__nothing_asked__is_the_size(void **state)
{
	const struct limits_ask none = {0};
	struct limits asked, size;
	struct dyno_err err;

	(void)state;
	for (size_t i = 0; size_each(i); i++) {
		limits_of_size(size_each(i), &size);
		assert_int_equal(limits_resolve(&none, size_each(i), NULL, &asked, &err), 0);
		assert_memory_equal(&asked, &size, sizeof(size));
		assert_int_equal(asked.from[LIMIT_NOFILE], LIMITS_FROM_DEFAULT);
		assert_int_equal(asked.nofile, 10000);
		assert_int_equal(asked.shm_bytes, 64 * MB);
	}
	limits_of_size(size_find(SIZE_NONE), &size);
	assert_int_equal(size.from[LIMIT_MEMORY], LIMITS_FROM_NOBODY);
	limits_of_size(size_find(SIZE_DEFAULT), &size);
	assert_int_equal(size.from[LIMIT_MEMORY], LIMITS_FROM_SIZE);
	assert_int_equal(limits_value(&size, LIMIT_SWAP), 512 * MB);
	assert_int_equal(limits_value(&size, LIMIT_CPU_WEIGHT), 100);
}

static void limits_resolve__memory__quota_hard_mark_and_swap_fit_together(void **state)
{
	static const struct {
		const char *size, *memory, *hard, *swap;
		uint64_t quota, mark;
	} cases[] = {
		{"standard-1x", "256M", NULL, NULL, 256 * MB, 512 * MB},
		{"standard-1x", "2G", NULL, NULL, 2 * GB, 4 * GB},
		{"private-s", "256M", NULL, NULL, 256 * MB, 256 * MB},
		{"performance-l-ram", "10G", NULL, NULL, 10 * GB, 12 * GB},
		{SIZE_NONE, "256M", NULL, NULL, 256 * MB, 256 * MB},
		{"standard-1x", "64M", "96M", NULL, 64 * MB, 96 * MB},
		{"standard-1x", NULL, "600M", NULL, 512 * MB, 600 * MB},
		{"standard-1x", NULL, "512M", NULL, 512 * MB, 512 * MB},
		{"standard-1x", NULL, NULL, "0", 512 * MB, 512 * MB},
		{"standard-1x", NULL, NULL, "100M", 512 * MB, 612 * MB},
		{"standard-1x", NULL, NULL, "none", 512 * MB, 0},
		{"standard-1x", NULL, "none", NULL, 512 * MB, 0},
		{"standard-1x", NULL, "none", "none", 512 * MB, 0},
		{"standard-1x", "64M", "96M", "32M", 64 * MB, 96 * MB},
		{"standard-1x", "64M", NULL, "32M", 64 * MB, 96 * MB},
		{"standard-1x", "64M", NULL, "0", 64 * MB, 64 * MB},
		{"standard-1x", "64M", NULL, "none", 64 * MB, 0},
		{"standard-1x", "none", NULL, NULL, 0, 0},
		{"standard-1x", "none", "1G", NULL, 0, GB},
		{SIZE_NONE, NULL, "1G", NULL, 0, GB},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct limits_ask ask = {.text = {[LIMIT_MEMORY] = cases[i].memory,
							[LIMIT_MEMORY_HARD] = cases[i].hard,
							[LIMIT_SWAP] = cases[i].swap}};
		struct dyno_err err;
		struct limits l;

		assert_int_equal(resolve(cases[i].size, &ask, &l, &err), 0);
		assert_int_equal(l.memory_bytes, cases[i].quota);
		assert_int_equal(l.hard_bytes, cases[i].mark);
		assert_int_equal(limits_swap_bytes(&l), cases[i].mark > cases[i].quota
								? cases[i].mark - cases[i].quota
								: 0);
		assert_int_equal(l.from[LIMIT_SWAP], LIMITS_FROM_OPTION);
	}
}

/* Every limit with what it must refuse, and a part of what is said then. */
static const struct {
	enum limit limit;
	const char *text;
	const char *says;
} refused[] = {
	{LIMIT_MEMORY, "", "not a size"},
	{LIMIT_MEMORY, "0", "too little"},
	{LIMIT_MEMORY, "1M", "too little"},
	{LIMIT_MEMORY, "-1", "not a size"},
	{LIMIT_MEMORY, "lots", "not a size"},
	{LIMIT_MEMORY, "2000T", "not a size"},
	{LIMIT_MEMORY, "99999999999999999999", "not a size"},
	{LIMIT_MEMORY, "512M\x1b[2J", "\\x1b"},
	{LIMIT_MEMORY_HARD, "256M", "below the quota of 512 MB"},
	{LIMIT_MEMORY_HARD, "0", "too little"},
	{LIMIT_SWAP, "much", "not a size"},
	{LIMIT_CPUS, "0", "too little"},
	{LIMIT_CPUS, "0.009", "too little"},
	{LIMIT_CPUS, "1.", "not a number of CPUs"},
	{LIMIT_CPUS, ".5", "not a number of CPUs"},
	{LIMIT_CPUS, "1.0001", "not a number of CPUs"},
	{LIMIT_CPUS, "-1", "not a number of CPUs"},
	{LIMIT_CPUS, "1,5", "not a number of CPUs"},
	{LIMIT_CPUS, "1e3", "not a number of CPUs"},
	{LIMIT_CPUS, "1025", "not a number of CPUs"},
	{LIMIT_CPUS, "1024.001", "not a number of CPUs"},
	{LIMIT_CPUS, "99999999999999999999999", "not a number of CPUs"},
	{LIMIT_CPU_WEIGHT, "0", "range"},
	{LIMIT_CPU_WEIGHT, "10001", "range"},
	{LIMIT_CPU_WEIGHT, "none", "range"},
	{LIMIT_CPUSET, "", "not a list"},
	{LIMIT_CPUSET, "a", "not a list"},
	{LIMIT_CPUSET, "2", "the host has no CPUs 2"},
	{LIMIT_CPUSET, "0-7", "the host has no CPUs 0-7"},
	{LIMIT_PIDS, "0", "range"},
	{LIMIT_PIDS, "1", "range"},
	{LIMIT_PIDS, "4194305", "range"},
	{LIMIT_IO_WEIGHT, "0", "range"},
	{LIMIT_IO_WEIGHT, "10001", "range"},
	{LIMIT_NOFILE, "0", "range"},
	{LIMIT_NOFILE, "none", "range"},
	{LIMIT_SHM, "0", "too little"},
	{LIMIT_SHM, "none", "not a size"},
};

static void limits_resolve__wrong_values__are_refused_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct limits l = {.pids = 42};
		struct limits_ask ask = {0};
		struct dyno_err err;

		ask.text[refused[i].limit] = refused[i].text;
		assert_int_equal(resolve(SIZE_DEFAULT, &ask, &l, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_non_null(strstr(err.msg, limits_name(refused[i].limit)));
		assert_non_null(strstr(err.msg, refused[i].says));
		assert_int_equal(l.pids, 42);
	}
}

static void limits_resolve__contradictions__are_refused(void **state)
{
	static const struct {
		const char *size, *memory, *hard, *swap;
		const char *says;
	} cases[] = {
		{"standard-1x", "2G", "1G", NULL, "memory-hard: 1.0 GB is below the quota"},
		{"standard-1x", "1G", "2G", "2G", "contradict"},
		{"standard-1x", "1G", "2G", "none", "contradict"},
		{"standard-1x", "1G", "none", "1G", "contradict"},
		{"standard-1x", "none", NULL, "1G", "no memory quota"},
		{SIZE_NONE, NULL, NULL, "1G", "no memory quota"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct limits_ask ask = {.text = {[LIMIT_MEMORY] = cases[i].memory,
							[LIMIT_MEMORY_HARD] = cases[i].hard,
							[LIMIT_SWAP] = cases[i].swap}};
		struct dyno_err err;
		struct limits l;

		assert_int_equal(resolve(cases[i].size, &ask, &l, &err), -EINVAL);
		assert_non_null(strstr(err.msg, cases[i].says));
		assert_string_not_equal(err.hint, "");
	}
}

static void limits_resolve__values__override_the_size(void **state)
{
	const struct limits_ask ask = {.text = {[LIMIT_CPUS] = "1.5",
						[LIMIT_CPU_WEIGHT] = "250",
						[LIMIT_CPUSET] = "1",
						[LIMIT_PIDS] = "77",
						[LIMIT_IO_WEIGHT] = "500",
						[LIMIT_NOFILE] = "64",
						[LIMIT_SHM] = "1M"},
				       .cpu_view = "quota"};
	static const uint64_t values[_LIMIT_MAX] = {
		[LIMIT_MEMORY] = 512 * MB, [LIMIT_MEMORY_HARD] = GB, [LIMIT_SWAP] = 512 * MB,
		[LIMIT_CPUS] = 150000,	   [LIMIT_CPU_WEIGHT] = 250, [LIMIT_CPUSET] = 1,
		[LIMIT_PIDS] = 77,	   [LIMIT_IO_WEIGHT] = 500,  [LIMIT_IO_MAX] = 0,
		[LIMIT_NOFILE] = 64,	   [LIMIT_SHM] = MB,
	};
	struct dyno_err err;
	struct limits l;

	(void)state;
	assert_int_equal(resolve(SIZE_DEFAULT, &ask, &l, &err), 0);
	for (enum limit i = 0; i < _LIMIT_MAX; i++) {
		assert_int_equal(limits_value(&l, i), values[i]);
		assert_int_equal(l.from[i], ask.text[i]		? LIMITS_FROM_OPTION
					    : i == LIMIT_IO_MAX ? LIMITS_FROM_NOBODY
								: LIMITS_FROM_SIZE);
	}
	assert_int_equal(l.cpu_view, LIMITS_VIEW_QUOTA);
	assert_int_equal(limits_value(&l, _LIMIT_MAX), 0);
}

static void limits_resolve__none__lifts_each_limit_that_can_be(void **state)
{
	static const enum limit liftable[] = {LIMIT_MEMORY, LIMIT_MEMORY_HARD, LIMIT_CPUS,
					      LIMIT_CPUSET, LIMIT_PIDS,	       LIMIT_IO_WEIGHT};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(liftable); i++) {
		struct limits_ask ask = {0};
		struct dyno_err err;
		struct limits l;

		ask.text[liftable[i]] = LIMITS_WORD_NONE;
		assert_int_equal(resolve("1c-4gb", &ask, &l, &err), 0);
		assert_int_equal(limits_value(&l, liftable[i]), 0);
		assert_int_equal(l.from[liftable[i]], LIMITS_FROM_OPTION);
	}
}

static void limits_resolve__io_max__names_device_and_rates(void **state)
{
	static const char *const good[] = {"8:0:rbps=10M,wiops=5", "/dev/disk/by-id/a:b:wbps=1"};
	static const char *const bad[] = {
		"",
		"8:0",
		":rbps=1",
		"8:0:",
		"8:0:rbps=0",
		"8:0:x=1",
		"8:0:rbps=",
		"8:0:riops=1K",
		"8:0:rbps=1,",
		"8:0:rbps=1,rbps=2",
		"8:0:rbps",
		"8:0:rbps=max;",
		"8:0:wiops=1.5",
		"8:0:riops=99999999999",
	};
	static const char *many[LIMITS_IO_MAX + 1];
	struct limits_ask ask = {.io_max = good, .n_io_max = ARRAY_SIZE(good)};
	struct dyno_err err;
	struct limits l;

	(void)state;
	assert_int_equal(resolve(SIZE_DEFAULT, &ask, &l, &err), 0);
	assert_int_equal(l.n_io, 2);
	assert_int_equal(l.io[0].device_len, 3);
	assert_int_equal(l.io[0].rbps, 10 * MB);
	assert_int_equal(l.io[0].wiops, 5);
	assert_int_equal(l.io[0].wbps + l.io[0].riops, 0);
	assert_int_equal(l.io[1].device_len, strlen("/dev/disk/by-id/a:b"));
	assert_int_equal(l.from[LIMIT_IO_MAX], LIMITS_FROM_OPTION);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ask = (struct limits_ask){.io_max = &bad[i], .n_io_max = 1};
		assert_int_equal(resolve(SIZE_DEFAULT, &ask, &l, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "io-max"));
	}
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = good[0];
	ask = (struct limits_ask){.io_max = many, .n_io_max = ARRAY_SIZE(many)};
	assert_true(resolve(SIZE_DEFAULT, &ask, &l, &err) < 0);
}

static void limits_resolve__cpu_view__is_host_or_quota(void **state)
{
	struct limits_ask ask = {.cpu_view = "host"};
	struct dyno_err err;
	struct limits l;

	(void)state;
	assert_int_equal(resolve(SIZE_DEFAULT, &ask, &l, &err), 0);
	assert_int_equal(l.cpu_view, LIMITS_VIEW_HOST);
	ask.cpu_view = "mine";
	assert_int_equal(resolve(SIZE_DEFAULT, &ask, &l, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "CPU view"));
}

/* C0.3, list (c) 11 */
static void limits_resolve__memory_policy__hard_makes_the_quota_the_mark(void **state)
{
	static const struct {
		const char *policy, *memory, *memory_hard, *swap;
		int want;
		uint64_t hard; /* MiB */
	} cases[] = {
		{"soft", NULL, NULL, NULL, 0, 1024},
		{"hard", NULL, NULL, NULL, 0, 512},
		{"hard", "300M", NULL, NULL, 0, 300},
		{"hard", "300M", "300M", NULL, 0, 300},
		{"hard", "300M", NULL, "0", 0, 300},
		{"hard", "none", NULL, NULL, 0, 0},
		{"soft", "300M", "400M", NULL, 0, 400},
		{"hard", "300M", "400M", NULL, -EINVAL, 0},
		{"hard", "300M", NULL, "1M", -EINVAL, 0},
		{"hard", NULL, "none", NULL, -EINVAL, 0},
		{"firm", NULL, NULL, NULL, -EINVAL, 0},
		{"", NULL, NULL, NULL, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct limits_ask ask = {.memory_policy = cases[i].policy};
		struct dyno_err err;
		struct limits l;

		ask.text[LIMIT_MEMORY] = cases[i].memory;
		ask.text[LIMIT_MEMORY_HARD] = cases[i].memory_hard;
		ask.text[LIMIT_SWAP] = cases[i].swap;
		if (resolve(SIZE_DEFAULT, &ask, &l, &err) != cases[i].want)
			fail_msg("case %zu", i);
		if (cases[i].want < 0)
			assert_non_null(strstr(err.msg, "memory policy"));
		else if (l.hard_bytes != cases[i].hard * MB)
			fail_msg("case %zu: %llu", i, (unsigned long long)l.hard_bytes);
	}
}

/* C0.5, C3.11 */
static void limits__what_the_app_is_told__follows_the_plan(void **state)
{
	static const struct {
		const char *size, *memory, *cpus, *cpuset, *weight;
		uint32_t workers, cores;
		const char *cpu;
	} cases[] = {
		{"standard-1x", NULL, NULL, NULL, NULL, 2, 8, "1"},
		{"standard-1x", "1G", NULL, NULL, NULL, 4, 8, "1"},
		{"standard-1x", "64M", NULL, NULL, NULL, 1, 8, "1"},
		{"standard-1x", "none", NULL, NULL, NULL, 0, 8, "1"},
		{"performance-l", NULL, "1.5", NULL, NULL, 5, 2, "1.5"},
		{"performance-l", NULL, "2", "0", NULL, 3, 1, "2"},
		{"performance-l", NULL, NULL, "0-1", NULL, 5, 2, "50"},
		{"1c-4gb", NULL, NULL, NULL, NULL, 3, 1, "0.9"},
		{"32c-64gb", NULL, NULL, NULL, NULL, 65, 32, "28.8"},
		{"standard-1x", NULL, "0.25", NULL, NULL, 2, 1, "0.25"},
		{"standard-1x", NULL, "0.125", NULL, NULL, 2, 1, "0.125"},
		{"standard-1x", NULL, NULL, NULL, "110", 2, 8, "1.1"},
		{SIZE_NONE, NULL, NULL, NULL, NULL, 0, 0, ""},
		{SIZE_NONE, NULL, NULL, "1", NULL, 0, 1, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct limits_ask ask = {.text = {[LIMIT_MEMORY] = cases[i].memory,
							[LIMIT_CPUS] = cases[i].cpus,
							[LIMIT_CPU_WEIGHT] = cases[i].weight,
							[LIMIT_CPUSET] = cases[i].cpuset}};
		struct dyno_err err;
		struct limits l;
		char cpu[24];

		assert_int_equal(resolve(cases[i].size, &ask, &l, &err), 0);
		assert_int_equal(limits_web_concurrency(&l), cases[i].workers);
		assert_int_equal(limits_cpus(&l), cases[i].cores);
		assert_string_equal(limits_cpu_text(&l, cpu, sizeof(cpu)), cases[i].cpu);
	}
}

static void limits_name__every_limit__has_one(void **state)
{
	(void)state;
	for (enum limit i = 0; i < _LIMIT_MAX; i++)
		for (enum limit k = 0; k < i; k++)
			assert_string_not_equal(limits_name(i), limits_name(k));
	assert_string_equal(limits_name(_LIMIT_MAX), "");
	assert_string_equal(limits_from_name(LIMITS_FROM_SIZE), "size");
	assert_string_equal(limits_from_name(_LIMITS_FROM_MAX), "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_resolve__nothing_asked__is_the_size),
		cmocka_unit_test(limits_resolve__memory__quota_hard_mark_and_swap_fit_together),
		cmocka_unit_test(limits_resolve__wrong_values__are_refused_by_name),
		cmocka_unit_test(limits_resolve__contradictions__are_refused),
		cmocka_unit_test(limits_resolve__values__override_the_size),
		cmocka_unit_test(limits_resolve__none__lifts_each_limit_that_can_be),
		cmocka_unit_test(limits_resolve__io_max__names_device_and_rates),
		cmocka_unit_test(limits_resolve__cpu_view__is_host_or_quota),
		cmocka_unit_test(limits_resolve__memory_policy__hard_makes_the_quota_the_mark),
		cmocka_unit_test(limits__what_the_app_is_told__follows_the_plan),
		cmocka_unit_test(limits_name__every_limit__has_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
