/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_num.c - numbers from text: everything that is not exactly a number is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/num.h"
#include "base/util.h"

/* What an output holds before a call that must not touch it. */
#define UNTOUCHED 4711

struct num_case {
	const char *in;
	uint64_t max;
	int want;
	uint64_t value;
};

static void check_value(int r, uint64_t got, const struct num_case *c)
{
	assert_int_equal(r, c->want);
	assert_int_equal(got, c->want == 0 ? c->value : UNTOUCHED);
}

static void num_parse_u64__table__is_strict(void **state)
{
	static const struct num_case cases[] = {
		{"0", UINT64_MAX, 0, 0},
		{"007", UINT64_MAX, 0, 7},
		{"65535", 65535, 0, 65535},
		{"65536", 65535, -ERANGE, 0},
		{"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, -ERANGE, 0},
		{"99999999999999999999999999", UINT64_MAX, -ERANGE, 0},
		{"99999999999999999999999999x", UINT64_MAX, -EINVAL, 0},
		{"", UINT64_MAX, -EINVAL, 0},
		{" 1", UINT64_MAX, -EINVAL, 0},
		{"1 ", UINT64_MAX, -EINVAL, 0},
		{"1\n", UINT64_MAX, -EINVAL, 0},
		{"+1", UINT64_MAX, -EINVAL, 0},
		{"-1", UINT64_MAX, -EINVAL, 0},
		{"0x10", UINT64_MAX, -EINVAL, 0},
		{"1e3", UINT64_MAX, -EINVAL, 0},
		{"1.0", UINT64_MAX, -EINVAL, 0},
		{"\331\241", UINT64_MAX, -EINVAL, 0}, /* a digit of another script */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = UNTOUCHED;
		int r = num_parse_u64(cases[i].in, cases[i].max, &v);

		check_value(r, v, &cases[i]);
	}
}

static void num_parse_u32__table__ends_at_its_type(void **state)
{
	static const struct num_case cases[] = {
		{"4294967295", UINT32_MAX, 0, UINT32_MAX},
		{"4294967296", UINT32_MAX, -ERANGE, 0},
		{"59999", 59999, 0, 59999},
		{"60000", 59999, -ERANGE, 0},
		{"x", UINT32_MAX, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t v = UNTOUCHED;
		int r = num_parse_u32(cases[i].in, (uint32_t)cases[i].max, &v);

		check_value(r, v, &cases[i]);
	}
}

static void num_parse_size__table__knows_its_suffixes(void **state)
{
	static const struct num_case cases[] = {
		{"0", 0, 0, 0},
		{"512", 0, 0, 512},
		{"512B", 0, 0, 512},
		{"1K", 0, 0, 1024},
		{"1k", 0, 0, 1024},
		{"1KB", 0, 0, 1024},
		{"1KiB", 0, 0, 1024},
		{"3M", 0, 0, UINT64_C(3) << 20},
		{"3m", 0, 0, UINT64_C(3) << 20},
		{"3MiB", 0, 0, UINT64_C(3) << 20},
		{"4G", 0, 0, UINT64_C(4) << 30},
		{"2T", 0, 0, UINT64_C(2) << 40},
		{"16777215T", 0, 0, UINT64_C(16777215) << 40},
		{"16777216T", 0, -ERANGE, 0},
		{"99999999999999999999T", 0, -ERANGE, 0},
		{"99999999999999999999Q", 0, -EINVAL, 0},
		{"1 K", 0, -EINVAL, 0},
		{"1KK", 0, -EINVAL, 0},
		{"K", 0, -EINVAL, 0},
		{"1.5G", 0, -EINVAL, 0},
		{"-1K", 0, -EINVAL, 0},
		{"", 0, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = UNTOUCHED;
		int r = num_parse_size(cases[i].in, &v);

		check_value(r, v, &cases[i]);
	}
}

static void num_parse_duration__table__is_in_milliseconds(void **state)
{
	static const struct num_case cases[] = {
		{"10", 0, 0, 10000},
		{"500ms", 0, 0, 500},
		{"10s", 0, 0, 10000},
		{"5m", 0, 0, 300000},
		{"24h", 0, 0, 86400000},
		{"2d", 0, 0, 172800000},
		{"0s", 0, 0, 0},
		{"18446744073709551615ms", 0, 0, UINT64_MAX},
		{"18446744073709551615s", 0, -ERANGE, 0},
		{"10S", 0, -EINVAL, 0},
		{"1h30m", 0, -EINVAL, 0},
		{"s", 0, -EINVAL, 0},
		{"", 0, -EINVAL, 0},
		{"1.5s", 0, -EINVAL, 0},
		{"10 s", 0, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = UNTOUCHED;
		int r = num_parse_duration(cases[i].in, &v);

		check_value(r, v, &cases[i]);
	}
}

static void num_format_size__table__rounds_for_people(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *want;
	} cases[] = {
		{0, "0 B"},
		{1023, "1023 B"},
		{1024, "1.0 KB"},
		{1536, "1.5 KB"},
		{4404019, "4.2 MB"},
		{10188, "9.9 KB"},
		{10189, "10 KB"},
		{10 * 1024, "10 KB"},
		{1024 * 1023 + 511, "1023 KB"},
		{1024 * 1023 + 512, "1.0 MB"},
		{UINT64_C(5) << 40, "5.0 TB"},
		{UINT64_MAX, "16 EB"},
	};
	char buf[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(num_format_size(buf, cases[i].bytes), cases[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(num_parse_u64__table__is_strict),
		cmocka_unit_test(num_parse_u32__table__ends_at_its_type),
		cmocka_unit_test(num_parse_size__table__knows_its_suffixes),
		cmocka_unit_test(num_parse_duration__table__is_in_milliseconds),
		cmocka_unit_test(num_format_size__table__rounds_for_people),
	};

	return cmocka_run_group_tests_name("num", tests, NULL, NULL);
}
