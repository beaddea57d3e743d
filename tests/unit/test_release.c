/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_release.c - the YAML subset of .release files (C4.6, C5.7, C5.9, T19).
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
#include "model/release.h"

#define TEXT(s) (s), STRLEN(s)
#define T	"default_process_types:\n"
#define V	"config_vars:\n"

/* Each text defines exactly this one command (type web) or variable (A), or nothing. */
static const struct {
	const char *text;
	size_t len;
	const char *command;
	const char *value;
} good[] = {
	{TEXT(""), NULL, NULL},
	{TEXT("---\n"), NULL, NULL},
	{TEXT("--- {}\n"), NULL, NULL},
	{TEXT("{}\n"), NULL, NULL},
	{TEXT("# nothing\n\n"), NULL, NULL},
	{TEXT("---\naddons: []\nconfig_vars: {}\ndefault_process_types: {}\n"), NULL, NULL},
	{TEXT("default_process_types:\nconfig_vars:\n"), NULL, NULL},
	{TEXT("addons:\n- a:b\n- c\n" T "  web: x\n"), "x", NULL},
	{TEXT("addons:\n  - a\n    b\n" T "  web: x\n"), "x", NULL},
	{TEXT("addons: [a, b] # c\n" T "  web: x\n...\nrubbish: [\n"), "x", NULL},
	{TEXT("---\r\n" T "  web: x y\r\n"), "x y", NULL},
	{TEXT("\xef\xbb\xbf" T "  web: x"), "x", NULL},
	{TEXT(T "      web:   x   # comment\n"), "x", NULL},
	{TEXT(T "  web: x#y\n"), "x#y", NULL},
	{TEXT(T "  # c\n\n  web: bundle exec rails s -p $PORT\n"), "bundle exec rails s -p $PORT",
	 NULL},
	{TEXT(T "  web: a:b http://c\n"), "a:b http://c", NULL},
	{TEXT(T "  'web': x\n"), "x", NULL},
	{TEXT(T "  \"web\": x\n"), "x", NULL},
	{TEXT(T "  web: 'it''s: \"x\" # \\n'\n"), "it's: \"x\" # \\n", NULL},
	{TEXT(T "  web: \"a \\\"b\\\" \\\\ \\/ # c\" # d\n"), "a \"b\" \\ / # c", NULL},
	{TEXT(T "  web: a\n    b\n\n    c\n"), "a b\nc", NULL}, /* folded as Psych folds */
	{TEXT(T "  web:\n    a b\n"), "a b", NULL},
	{TEXT(T "  web:\n    'a b'\n"), "a b", NULL},
	{TEXT(T "  web: # c\n\n    # d\n    \"a\n     b\" # e\n"), "a b", NULL},
	{TEXT(T "  web: ?a\n"), "?a", NULL},
	{TEXT(T "  web: 'a  \n    b'\n"), "a b", NULL},
	{TEXT(T "  web: \"a \\\n    b\\\n    \\ c\"\n"), "a b c", NULL},
	{TEXT(T "  web: \"a\n\n\n    b\"\n"), "a\n\nb", NULL},
	{TEXT(T "  web: |\n    a\n      b\n\n    c\n"), "a\n  b\n\nc", NULL},
	{TEXT(V "  A: '; rm -rf / #'\n"), NULL, "; rm -rf / #"}, /* T19 */
	{TEXT(V "  A: $(id) `id` ${X:-y}\n"), NULL, "$(id) `id` ${X:-y}"},
	{TEXT(V "  A: \"\\t\\x41\\u00e9\\U0001f600\"\n"), NULL, "\tA\xc3\xa9\xf0\x9f\x98\x80"},
	{TEXT(V "  A:\n"), NULL, ""},
	{TEXT(V "  A: ''\n"), NULL, ""},
	{TEXT(V "  A: ~\n"), NULL, "~"},
	{TEXT(V "  A: 10\n"), NULL, "10"},
	{TEXT(V "  A: -x\n"), NULL, "-x"},
	{TEXT(V "  A: |\n    a\n    b\n\n"), NULL, "a\nb\n"},
	{TEXT(V "  A: |-\n    a\n    b\n\n"), NULL, "a\nb"},
	{TEXT(V "  A: |\r\n    a\r\n    b\r\n"), NULL, "a\nb\n"},
	{TEXT(V "  A: |+\n    a\n\n"), NULL, "a\n\n"},
	{TEXT(V "  A: |\n\n    a # b\n"
		"addons: []\n"),
	 NULL, "\na # b\n"},
	{TEXT(V "  A: |\n"), NULL, ""},
	{TEXT(V "  A: |2-\n      a\n    b\n"), NULL, "  a\nb"},
	{TEXT(V "  A: |-2\n      a\n"), NULL, "  a"},
	{TEXT(V "  A: |-\n    a\n      \n    b\n"), NULL, "a\n  \nb"},
	{TEXT(V "  A: \"\\N\\_\\L\\P\\e\"\n"), NULL,
	 "\xc2\x85\xc2\xa0\xe2\x80\xa8\xe2\x80\xa9\x1b"},
	{TEXT("config_vars:\n  A: b\n" T "  web: x\n"), "x", "b"},
};

static void release_parse__good_text__gives_literal_values_T19(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct release out = {0};
		struct dyno_err err = {0};

		if (release_parse(good[i].text, good[i].len, &a, &out, &err) < 0)
			fail_msg("%s: %s", good[i].text, err.msg);
		assert_int_equal(out.types.n, good[i].command ? 1 : 0);
		if (good[i].command) {
			assert_string_equal(out.types.items[0].name, "web");
			assert_string_equal(out.types.items[0].command, good[i].command);
		}
		assert_int_equal(out.vars.n, good[i].value ? 1 : 0);
		if (good[i].value) {
			assert_string_equal(out.vars.items[0].key, "A");
			assert_string_equal(out.vars.items[0].value, good[i].value);
		}
	}
}

static const struct {
	const char *text;
	size_t len;
	const char *where;
} bad[] = {
	{TEXT("web: x\n"), "line 1: unknown section"},
	{TEXT("  web: x\n"), "line 1: "},
	{TEXT(T "web: x\n"), "line 2: unknown section"},
	{TEXT(T "\tweb: x\n"), "line 2: a tab"},
	{TEXT(T "  web: x\n    clock: y\n"), "line 3: a \":\""},
	{TEXT(T "    web: x\n  clock: y\n"), "line 3: an indentation"},
	{TEXT(T "  web x\n"), "line 2: "},
	{TEXT(T "  web:x\n"), "line 2: "},
	{TEXT(T "  - web\n"), "line 2: "},
	{TEXT(T "- web: x\n"), "line 2: "},
	{TEXT(T "  web:\n"), "line 2: type \"web\" has no command"},
	{TEXT(T "  web: ' '\n"), "line 2: type \"web\" has no command"},
	{TEXT(T "  w.b: x\n"), "line 2: "},
	{TEXT(T "  ? web\n"), "line 2: "},
	{TEXT(T "  <<: *x\n"), "line 2: "},
	{TEXT(T "  web: x\n  web: y\n"), "line 3: "},
	{TEXT(T "  web: x\n" T), "line 3: "},
	{TEXT(T "  web: x\0y\n"), "line 2: a NUL byte"},
	{TEXT(T "  web: &a x\n"), "line 2: a form"},
	{TEXT(T "  web: *a\n"), "line 2: a form"},
	{TEXT(T "  web: !ruby/object:X\n"), "line 2: a form"},
	{TEXT(T "  web: >\n    x\n"), "line 2: a form"},
	{TEXT(T "  web: [x]\n"), "line 2: a form"},
	{TEXT(T "  web: {x: y}\n"), "line 2: a form"},
	{TEXT(T "  web: - x\n"), "line 2: a form"},
	{TEXT(T "  web: |x\n      x\n"), "line 2: \"|\" with"},
	{TEXT(T "  web: |--\n      x\n"), "line 2: \"|\" with"},
	{TEXT(T "  web: |4\n     x\n"), "line 2: type"},
	{TEXT(T "  web:\n    *a\n"), "line 3: a form"},
	{TEXT(T "  web:\n    - a\n"), "line 3: a form"},
	{TEXT(T "  web:\n    a: b\n"), "line 3: a \":\""},
	{TEXT(T "  web: x # c\n    y\n"), "line 3: "},
	{TEXT(T "  web: 'x\n\n"), "line 2: a quote that is never closed"},
	{TEXT(T "  web: \"x\n  clock: y\"\n"), "line 2: a quote that is never closed"},
	{TEXT(T "  web: 'x' y\n"), "line 2: text after"},
	{TEXT(T "  web: \"\\q\"\n"), "line 2: an unknown escape"},
	{TEXT(T "  web: \"\\x4\"\n"), "line 2: an escape"},
	{TEXT(T "  web: \"\\u0000\"\n"), "line 2: an escape"},
	{TEXT(T "  web: \"\\ud800\"\n"), "line 2: an escape"},
	{TEXT("default_process_types: x\n"), "line 1: "},
	{TEXT("addons: x\n"), "line 1: "},
	{TEXT("addons: [a\n"), "line 1: "},
	{TEXT(V "  A-B: x\n"), "line 2: "},
	{TEXT(V "  A: x\n  A: x\n"), "line 3: "},
	{TEXT("--- x\n"), "line 1: "},
	{TEXT("{} x\n"), "line 1: "},
};

static void release_parse__outside_the_subset__is_refused_by_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct release out = {.types.n = 77};
		struct dyno_err err = {0};

		if (release_parse(bad[i].text, bad[i].len, &a, &out, &err) != -EINVAL)
			fail_msg("accepted: %s", bad[i].text);
		if (!str_starts(err.msg, bad[i].where))
			fail_msg("%s: \"%s\", not \"%s\"", bad[i].text, err.msg, bad[i].where);
		assert_int_equal(out.types.n, 77);
	}
}

static void release_parse__several_types__keep_order_and_lines_C4_6(void **state)
{
	static const char text[] = "---\nconfig_vars:\n  B: \"1\"\n  A: '2'\n" T
				   "  rake: bundle exec rake\n  console: bin/rails c\n\n  web: x\n";
	_cleanup_arena_ struct arena a = {0};
	struct release out;
	struct dyno_err err;

	(void)state;
	assert_int_equal(release_parse(TEXT(text), &a, &out, &err), 0);
	assert_int_equal(out.types.n, 3);
	assert_string_equal(out.types.items[0].name, "rake");
	assert_string_equal(out.types.items[2].name, "web");
	assert_int_equal(out.types.items[2].line, 9);
	assert_int_equal(out.vars.n, 2);
	assert_string_equal(out.vars.items[1].key, "A");
	assert_int_equal(out.vars.items[1].line, 4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(release_parse__good_text__gives_literal_values_T19),
		cmocka_unit_test(release_parse__outside_the_subset__is_refused_by_line),
		cmocka_unit_test(release_parse__several_types__keep_order_and_lines_C4_6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
