/* SPDX-License-Identifier: Apache-2.0 */
/* test_cpulist.c - sets of CPUs as text, and CPUs picked out of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "model/cpulist.h"

static struct cpulist parsed(const char *text)
{
	struct cpulist list;

	assert_int_equal(cpulist_parse(text, &list), 0);
	return list;
}

static void cpulist_parse__lists__are_written_back_in_the_shortest_form(void **state)
{
	static const struct {
		const char *text;
		const char *shortest;
		unsigned int count;
	} cases[] = {
		{"0", "0", 1},	       {"0-3,8", "0-3,8", 5}, {"8,0,1,3,2\n", "0-3,8", 5},
		{"63-64", "63-64", 2}, {"7-7", "7", 1},	      {"0-1023", "0-1023", 1024},
		{"1,1,1 \n", "1", 1},
	};
	char buf[CPULIST_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cpulist list = parsed(cases[i].text);

		assert_string_equal(cpulist_format(&list, buf, sizeof(buf)), cases[i].shortest);
		assert_int_equal(cpulist_count(&list), cases[i].count);
	}
}

static void cpulist_parse__no_list__is_refused_and_nothing_written(void **state)
{
	static const struct {
		const char *text;
		int error;
	} cases[] = {
		{"", -EINVAL},	  {"a", -EINVAL},     {"1,", -EINVAL},	 {",1", -EINVAL},
		{"3-1", -EINVAL}, {"1-", -EINVAL},    {"-1", -EINVAL},	 {"1 2", -EINVAL},
		{"0x1", -EINVAL}, {"1-2-3", -EINVAL}, {"1024", -ERANGE}, {"0-99999999999", -ERANGE},
		{"1;2", -EINVAL}, {" 1", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cpulist list = {.bits = {42}};

		assert_int_equal(cpulist_parse(cases[i].text, &list), cases[i].error);
		assert_int_equal(list.bits[0], 42);
	}
}

static void cpulist_format__every_other_cpu__fits_and_is_cut_where_it_does_not(void **state)
{
	char buf[CPULIST_BYTES], small[6];
	struct cpulist list;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list.bits); i++)
		list.bits[i] = 0xaaaaaaaaaaaaaaaaU;
	assert_non_null(strstr(cpulist_format(&list, buf, sizeof(buf)), ",1023"));
	assert_string_equal(cpulist_format(&list, small, sizeof(small)), "1,3,5");
}

static void cpulist_within__sets__are_compared(void **state)
{
	struct cpulist host = parsed("0-3"), in = parsed("1,3"), out = parsed("3-4"), none = {0};

	(void)state;
	assert_true(cpulist_within(&in, &host));
	assert_true(cpulist_within(&none, &host));
	assert_false(cpulist_within(&out, &host));
	assert_false(cpulist_has(&host, CPULIST_MAX));
}

static void cpulist_pick__steps__spread_over_all(void **state)
{
	static const struct {
		unsigned int n;
		uint64_t skip;
		const char *picked;
	} cases[] = {
		{2, 0, "2-3"},	   {2, 2, "6-7"}, {2, 4, "2-3"},	{3, 3, "2-3,7"},
		{9, 1, "2-3,6-7"}, {0, 0, ""},	  {1, UINT64_MAX, "7"},
	};
	struct cpulist from = parsed("2-3,6-7"), none = {0}, picked;
	char buf[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cpulist_pick(&from, cases[i].n, cases[i].skip, &picked);
		assert_string_equal(cpulist_format(&picked, buf, sizeof(buf)), cases[i].picked);
	}
	cpulist_pick(&none, 4, 1, &picked);
	assert_int_equal(cpulist_count(&picked), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpulist_parse__lists__are_written_back_in_the_shortest_form),
		cmocka_unit_test(cpulist_parse__no_list__is_refused_and_nothing_written),
		cmocka_unit_test(
			cpulist_format__every_other_cpu__fits_and_is_cut_where_it_does_not),
		cmocka_unit_test(cpulist_within__sets__are_compared),
		cmocka_unit_test(cpulist_pick__steps__spread_over_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
