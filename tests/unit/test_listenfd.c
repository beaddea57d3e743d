/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_listenfd.c - what --listen-fd says, and how the dyno and its monitor are told of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "model/listenfd.h"

static void listenfds_parse__forms__numbers_and_names(void **state)
{
	static const char *const words[] = {"3", "2147483647=web", "003=a=b"};
	_cleanup_arena_ struct arena a = {0};
	struct listenfds fds;
	struct dyno_err err;

	(void)state;
	assert_int_equal(listenfds_parse(words, ARRAY_SIZE(words), &a, &fds, &err), 0);
	assert_int_equal(fds.n, 3);
	assert_int_equal(fds.fds[0], 3);
	assert_null(fds.names[0]);
	assert_int_equal(fds.fds[1], 2147483647);
	assert_string_equal(fds.names[1], "web");
	assert_int_equal(fds.fds[2], 3);
	assert_string_equal(fds.names[2], "a=b");
	assert_int_equal(listenfds_parse(NULL, 0, &a, &fds, &err), 0);
	assert_int_equal(fds.n, 0);
}

static void listenfds_parse__not_of_the_form__refused_with_an_example(void **state)
{
	static const char *const bad[] = {
		"",   "2",   "0=web", "-3",    "3=",	 "=web",       "web",	     "3 ",
		"+3", "3:4", "3=a:b", "3=a b", "3=a\tb", "2147483648", "3=\xc3\xa9", "fd:3",
	};
	_cleanup_arena_ struct arena a = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct listenfds fds = {.n = 7};
		struct dyno_err err = {0};

		assert_int_equal(listenfds_parse(&bad[i], 1, &a, &fds, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_true(err.hint[0] != '\0');
		assert_int_equal(fds.n, 7);
	}
}

static void listenfds_parse__limits__are_those_of_the_header(void **state)
{
	static const char *const words[LISTENFD_MAX + 1] = {"3", "4", "5",  "6", "7",
							    "8", "9", "10", "11"};
	_cleanup_arena_ struct arena a = {0};
	char longest[2 + LISTENFD_NAME_MAX + 2] = "3=";
	const char *word = longest;
	struct listenfds fds;
	struct dyno_err err;

	(void)state;
	assert_int_equal(listenfds_parse(words, LISTENFD_MAX, &a, &fds, &err), 0);
	assert_int_equal(listenfds_parse(words, LISTENFD_MAX + 1, &a, &fds, &err), -E2BIG);
	memset(longest + 2, 'x', LISTENFD_NAME_MAX);
	assert_int_equal(listenfds_parse(&word, 1, &a, &fds, &err), 0);
	longest[2 + LISTENFD_NAME_MAX] = 'x';
	assert_int_equal(listenfds_parse(&word, 1, &a, &fds, &err), -EINVAL);
}

static void listenfds_names__some_or_none__nameless_ones_are_unknown(void **state)
{
	static const struct {
		const char *words[3];
		size_t n;
		const char *names;
	} cases[] = {
		{{NULL}, 0, NULL},
		{{"3", "4"}, 2, NULL},
		{{"3=web"}, 1, "web"},
		{{"3=web", "4", "5=admin"}, 3, "web:unknown:admin"},
	};
	_cleanup_arena_ struct arena a = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct listenfds fds;
		struct dyno_err err;
		const char *names = "untouched";

		assert_int_equal(listenfds_parse(cases[i].words, cases[i].n, &a, &fds, &err), 0);
		assert_int_equal(listenfds_names(&fds, &a, &names, &err), 0);
		if (cases[i].names)
			assert_string_equal(names, cases[i].names);
		else
			assert_null(names);
	}
}

static void listenfds_words__other_numbers__same_order_and_names(void **state)
{
	static const char *const words[] = {"9=web", "7"};
	_cleanup_arena_ struct arena a = {0};
	const char *const *other;
	struct listenfds fds;
	struct dyno_err err;

	(void)state;
	assert_int_equal(listenfds_parse(words, 2, &a, &fds, &err), 0);
	assert_int_equal(listenfds_words(&fds, 12, &a, &other, &err), 0);
	assert_string_equal(other[0], "12=web");
	assert_string_equal(other[1], "13");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listenfds_parse__forms__numbers_and_names),
		cmocka_unit_test(listenfds_parse__not_of_the_form__refused_with_an_example),
		cmocka_unit_test(listenfds_parse__limits__are_those_of_the_header),
		cmocka_unit_test(listenfds_names__some_or_none__nameless_ones_are_unknown),
		cmocka_unit_test(listenfds_words__other_numbers__same_order_and_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
