/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_backoff.c - the waits between crash and start (C6.8, and C6.9 as a setting) and what a list
 * may be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "model/backoff.h"

#define S   UINT64_C(1000)
#define MIN (60 * S)
#define H   (60 * MIN)

static struct backoff parsed(const char *text)
{
	struct backoff b = {0};
	struct dyno_err err = {0};

	assert_int_equal(backoff_parse(text, &b, &err), 0);
	return b;
}

static void backoff_delay__default__is_the_contracts_C6_8(void **state)
{
	static const uint64_t minutes[] = {0, 20, 40, 60, 180, 320, 320, 320};
	struct backoff b = parsed(BACKOFF_DEFAULT);

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(minutes); i++)
		assert_int_equal(backoff_delay(&b, i + 1, 0), minutes[i] * MIN);
	assert_int_equal(backoff_delay(&b, UINT32_MAX, 0), 320 * MIN);
	assert_int_equal(backoff_delay(&b, 0, 0), 0);
}

static void backoff_delay__chance__is_up_to_the_step_and_at_least_half(void **state)
{
	static const uint32_t chances[] = {0, 1, 1U << 31, UINT32_MAX - 1, UINT32_MAX};
	struct backoff b = parsed("7d,20m,1ms,0");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(chances); i++)
		for (uint32_t tally = 1; tally <= b.n; tally++) {
			uint64_t step = b.step_ms[tally - 1];
			uint64_t ms = backoff_delay(&b, tally, chances[i]);

			assert_in_range(ms, step / 2, step);
		}
	assert_int_equal(backoff_delay(&b, 2, 1U << 31), 15 * MIN);
	assert_true(backoff_delay(&b, 2, UINT32_MAX) <= 10 * MIN + 1);
}

static void backoff_parse__lists__become_their_steps(void **state)
{
	static const struct {
		const char *text;
		uint32_t n;
		uint64_t first, last;
	} cases[] = {
		{"off", 0, 0, 0},
		{"0", 1, 0, 0},
		{"42", 1, 42 * S, 42 * S},
		{"500ms,2h", 2, 500, 2 * H},
		{"7d", 1, 168 * H, 168 * H},
		{"1s,2s,3s,4s,5s,6s,7s,8s,9s,10s,11s,12s,13s,14s,15s,16s", 16, S, 16 * S},
		{"10m,...,10m", 2, 10 * MIN, 10 * MIN},
		{"10m,...,11m", 2, 10 * MIN, 11 * MIN},
		{"1s,...,4s,1h", 4, S, H},
	};
	struct backoff b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		b = parsed(cases[i].text);
		assert_int_equal(b.n, cases[i].n);
		assert_int_equal(backoff_delay(&b, 1, 0), cases[i].first);
		assert_int_equal(backoff_delay(&b, 99, 0), cases[i].last);
	}
}

static void backoff_parse__doubling__is_the_policy_of_2013_C6_9(void **state)
{
	static const uint64_t minutes[] = {0, 10, 20, 40, 80, 160, 320, 640, 1280, 1440};
	struct backoff b = parsed("0,10m,...,24h");

	(void)state;
	assert_int_equal(b.n, ARRAY_SIZE(minutes));
	for (uint32_t i = 0; i < b.n; i++)
		assert_int_equal(b.step_ms[i], minutes[i] * MIN);
}

static void backoff_parse__no_list__is_refused_and_leaves_the_output(void **state)
{
	static const struct {
		const char *text;
		int num;
	} cases[] = {
		{"", EINVAL},
		{",", EINVAL},
		{"0,", EINVAL},
		{",0", EINVAL},
		{"0,,1m", EINVAL},
		{"20 m", EINVAL},
		{"-1", EINVAL},
		{"Off", EINVAL},
		{"off,1m", EINVAL},
		{"...", EINVAL},
		{"...,5m", EINVAL},
		{"5m,...", EINVAL},
		{"5m,...,...,1h", EINVAL},
		{"0,...,1h", EINVAL},
		{"5m,...,4m", EINVAL},
		{"8d", ERANGE},
		{"999999999999999999999", ERANGE},
		{"0000000000000000000000000005m", EINVAL},
		{"1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", E2BIG},
		{"1ms,...,7d", E2BIG},
	};
	const struct backoff before = {.n = 1, .step_ms = {77}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct backoff b = before;
		struct dyno_err err = {0};

		assert_int_equal(backoff_parse(cases[i].text, &b, &err), -cases[i].num);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_int_equal(err.num, cases[i].num);
		assert_memory_equal(&b, &before, sizeof(b));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(backoff_delay__default__is_the_contracts_C6_8),
		cmocka_unit_test(backoff_delay__chance__is_up_to_the_step_and_at_least_half),
		cmocka_unit_test(backoff_parse__lists__become_their_steps),
		cmocka_unit_test(backoff_parse__doubling__is_the_policy_of_2013_C6_9),
		cmocka_unit_test(backoff_parse__no_list__is_refused_and_leaves_the_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
