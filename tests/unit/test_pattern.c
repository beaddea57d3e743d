/* SPDX-License-Identifier: Apache-2.0 */
/* test_pattern.c - which dynos a user means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/util.h"
#include "model/pattern.h"

static void pattern_match__table__as_documented(void **state)
{
	static const struct {
		const char *pattern;
		const char *app, *name, *type;
		bool match;
	} cases[] = {
		{NULL, "a", "web.1", "web", true},
		{"web.1", "a", "web.1", "web", true},
		{"web.1", "a", "web.10", "web", false},
		{"web.1", "a", "web-1", "web", false},
		{"web", "a", "web.1", "web", true},
		{"web", "a", "website.1", "website", false},
		{"web", "a", "front", "web", true},
		{"front", "a", "front", "web", true},
		{"web.", "a", "web.1", "web", false},
		{"web.*", "a", "web.10", "web", true},
		{"web.*", "a", "web", "web", false},
		{"web.?", "a", "web.1", "web", true},
		{"web.?", "a", "web.10", "web", false},
		{"w*", "a", "web.1", "web", true},
		{"*1", "a", "web.1", "web", true},
		{"*", "a", "web.1", "web", true},
		{"**", "a", "web.1", "web", true},
		{"*b*1*", "a", "web.1", "web", true},
		{"*b*2*", "a", "web.1", "web", false},
		{"", "a", "web.1", "web", false},
		{"a/", "a", "web.1", "web", true},
		{"a/", "ab", "web.1", "web", false},
		{"a/web.1", "a", "web.1", "web", true},
		{"a/web.1", "b", "web.1", "web", false},
		{"a/web", "a", "web.1", "web", true},
		{"a*/w?b", "ab", "web.1", "web", true},
		{"*/", "ab", "web.1", "web", true},
		{"?/", "ab", "web.1", "web", false},
		{"/web.1", "a", "web.1", "web", false},
		{"a/b/web.1", "a", "web.1", "web", false},
		{"[w]eb.1", "a", "web.1", "web", false},
		{"my.app/web", "my.app", "web.1", "web", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (pattern_match(cases[i].pattern, cases[i].app, cases[i].name, cases[i].type) !=
		    cases[i].match)
			fail_msg("%s: %s/%s", cases[i].pattern, cases[i].app, cases[i].name);
}

/* One that makes a naive matcher try every way takes no time. */
static void pattern_match__many_stars__no_explosion(void **state)
{
	char pattern[601], name[1001];

	(void)state;
	for (size_t i = 0; i < sizeof(pattern) - 1; i++)
		pattern[i] = i % 2 ? 'a' : '*';
	pattern[sizeof(pattern) - 2] = 'b';
	pattern[sizeof(pattern) - 1] = '\0';
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_false(pattern_match(pattern, "a", name, "web"));
	name[sizeof(name) - 2] = 'b';
	assert_true(pattern_match(pattern, "a", name, "web"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pattern_match__table__as_documented),
		cmocka_unit_test(pattern_match__many_stars__no_explosion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
