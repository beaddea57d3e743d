/* SPDX-License-Identifier: Apache-2.0 */
/* The words for a crash loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crashtext.h"
#include "base/util.h"

#define S   UINT64_C(1000)
#define MIN (60 * S)
#define H   (60 * MIN)

static void crashtext_ordinal__numbers__as_they_are_read(void **state)
{
	static const struct {
		uint32_t n;
		const char *end;
	} cases[] = {
		{0, "th"},    {1, "st"},	  {2, "nd"},   {3, "rd"},   {4, "th"},
		{10, "th"},   {11, "th"},	  {12, "th"},  {13, "th"},  {14, "th"},
		{20, "th"},   {21, "st"},	  {22, "nd"},  {23, "rd"},  {100, "th"},
		{101, "st"},  {111, "th"},	  {112, "th"}, {113, "th"}, {121, "st"},
		{1011, "th"}, {UINT32_MAX, "th"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(crashtext_ordinal(cases[i].n), cases[i].end);
}

static void crashtext_format__waits__are_said_for_people(void **state)
{
	static const struct {
		uint32_t tally;
		uint64_t wait_ms;
		const char *text;
	} cases[] = {
		{3, 42 * S, "crashed (3rd), next in 42 s"},
		{1, 0, "crashed (1st), next in 0 s"},
		{1, 1, "crashed (1st), next in 1 s"},
		{2, 119 * S, "crashed (2nd), next in 119 s"},
		{2, 119 * S + 1, "crashed (2nd), next in 2 min"},
		{11, 20 * MIN, "crashed (11th), next in 20 min"},
		{21, 2 * H - 1, "crashed (21st), next in 2 h 0 min"},
		{6, 320 * MIN, "crashed (6th), next in 5 h 20 min"},
		{6, UINT64_MAX, "crashed (6th)"},
		{0, UINT64_MAX, "crashed"},
		{UINT32_MAX, UINT64_MAX - 1,
		 "crashed (4294967295th), next in 5124095576030 h 26 min"},
	};
	char buf[CRASHTEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(crashtext_format(cases[i].tally, cases[i].wait_ms, buf),
				    cases[i].text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(crashtext_ordinal__numbers__as_they_are_read),
		cmocka_unit_test(crashtext_format__waits__are_said_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
