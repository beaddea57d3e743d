/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_envfile.c - the three forms of env files (C12.1, C12.2, T17, T20).
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
#include "model/envfile.h"

#define TEXT(s) (s), STRLEN(s)

/* @pairs: "KEY=value" of each pair in order, ended by NULL. */
static const struct {
	const char *text;
	size_t len;
	const char *pairs[4];
} good[] = {
	/* lines */
	{TEXT("A=b"), {"A=b"}},
	{TEXT("A=b\nB=c\n"), {"A=b", "B=c"}},
	{TEXT("A=b\r\nB=c\r\n"), {"A=b", "B=c"}},
	{TEXT("\xef\xbb\xbf"
	      "A=b"),
	 {"A=b"}},
	{TEXT(""), {NULL}},
	{TEXT("\n \t\n# c\n  # indented\n"), {NULL}},
	{TEXT("  A=b  "), {"A=b"}},
	{TEXT("A=  b c  "), {"A=b c"}},
	{TEXT("A="), {"A="}},
	{TEXT("A=\nB=c"), {"A=", "B=c"}},
	{TEXT("A=b=c"), {"A=b=c"}},
	{TEXT("export A=b"), {"A=b"}},
	{TEXT("export \t A=b"), {"A=b"}},
	{TEXT("exported=b"), {"exported=b"}},
	{TEXT("export=b"), {"export=b"}},
	{TEXT("A=b # c"), {"A=b"}},
	{TEXT("A=b#c"), {"A=b#c"}},
	{TEXT("A=#c"), {"A="}},
	{TEXT("A= # c"), {"A="}},
	{TEXT("A=b'c\"d"), {"A=b'c\"d"}},
	{TEXT("A=$B ${C} $(d) `e` \\n"), {"A=$B ${C} $(d) `e` \\n"}}, /* T20: never expanded */
	{TEXT("A='$B `c` \\n \"d\" # e'"), {"A=$B `c` \\n \"d\" # e"}},
	{TEXT("A=\"$B `c` # d\""), {"A=$B `c` # d"}},
	{TEXT("A=\"\\n\\t\\r\\\"\\\\\\$\\`\""), {"A=\n\t\r\"\\$`"}},
	{TEXT("A=\"C:\\dir\\x\""), {"A=C:\\dir\\x"}},
	{TEXT("A=\"b\nc\"\nD=e"), {"A=b\nc", "D=e"}}, /* T20: multi-line */
	{TEXT("A='b\r\nc'\r\nD=e"), {"A=b\nc", "D=e"}},
	{TEXT("A=\"b\\\nc\""), {"A=bc"}},
	{TEXT("A=\"b\"  # c"), {"A=b"}},
	{TEXT("A=''\nB=\"\""), {"A=", "B="}},
	{TEXT("A=1\nA=2"), {"A=1", "A=2"}},
	{TEXT("HEROKU_APP_ID=x\n_a1=y"), {"HEROKU_APP_ID=x", "_a1=y"}},
	{TEXT("A=\xc3\xa9\xff"), {"A=\xc3\xa9\xff"}},
	/* NUL-separated */
	{TEXT("A=b\0C=d\0"), {"A=b", "C=d"}},
	{TEXT("A=b\0C=d"), {"A=b", "C=d"}},
	{TEXT("A='b'\n# \"c\0\0D=\0"), {"A='b'\n# \"c", "D="}},
	/* JSON */
	{TEXT("{}"), {NULL}},
	{TEXT(" \n{ \"A\" : \"b\" }\n"), {"A=b"}},
	{TEXT("{\"A\":1,\"B\":-0.5e+10,\"C\":true,\"D\":false}"),
	 {"A=1", "B=-0.5e+10", "C=true", "D=false"}},
	{TEXT("{\"A\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}"), {"A=\"\\/\b\f\n\r\t"}},
	{TEXT("{\"A\":\"\\u00e9\\ud83d\\ude00$B\"}"), {"A=\xc3\xa9\xf0\x9f\x98\x80$B"}},
	{TEXT("{\"A\":\"\"}"), {"A="}},
};

static void envfile_parse__good_text__gives_its_pairs_T20(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct env_pairs pairs;
		struct dyno_err err = {0};
		size_t n = 0;

		while (n < ARRAY_SIZE(good[i].pairs) && good[i].pairs[n])
			n++;
		if (envfile_parse(good[i].text, good[i].len, &a, &pairs, &err) < 0)
			fail_msg("%s: %s", good[i].text, err.msg);
		assert_int_equal(pairs.n, n);
		for (size_t k = 0; k < n; k++)
			assert_string_equal(
				arena_fmt(&a, "%s=%s", pairs.items[k].key, pairs.items[k].value),
				good[i].pairs[k]);
	}
}

static const struct {
	const char *text;
	size_t len;
	enum err_class kind;
	const char *where;
} bad[] = {
	{TEXT("A=b\nnonsense\n"), ERR_ENV_SYNTAX, "line 2: "},
	{TEXT("export A\n"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("\n\nA='b\nc\n"), ERR_ENV_SYNTAX, "line 3: "}, /* T20: unterminated quote */
	{TEXT("A=\"b\\\""), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("A=\"b\\"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("A=\""), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("A=\"b\nc\"d"), ERR_ENV_SYNTAX, "line 2: "},
	{TEXT("A='b'#c"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("A=\"x\ny\"\n=b"), ERR_ENV_KEY, "line 3: "},
	{TEXT("=b"), ERR_ENV_KEY, "line 1: "}, /* T17 */
	{TEXT("A B=c"), ERR_ENV_KEY, "line 1: "},
	{TEXT("A =b"), ERR_ENV_KEY, "line 1: "},
	{TEXT("1A=b"), ERR_ENV_KEY, "line 1: "},
	{TEXT("A-B=c"), ERR_ENV_KEY, "line 1: "},
	{TEXT("\x1b[2J=c"), ERR_ENV_KEY, "line 1: "},
	{TEXT("A=b\0C\0"), ERR_ENV_SYNTAX, "entry 2: "},
	{TEXT("A=b\0C\nD=e\0"), ERR_ENV_KEY, "entry 2: "},
	{TEXT("\xff\xfe"
	      "A\0=\0b\0"),
	 ERR_ENV_SYNTAX, "entry 1: "},
	{TEXT("{"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\n\"A\":\"b\"\n"), ERR_ENV_SYNTAX, "line 3: "},
	{TEXT("{\"A\":\"b\",}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":\"b\"} x"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\" \"b\"}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":\"b\" \"C\":1}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{A:1}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":null}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":{}}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":[1]}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":01}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":1.}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":-}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":1e}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":truex}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":\"\\u0000\"}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":\"\\ud83d\"}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":\"\\ude00\"}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":\"\\ud83d\\u0041\"}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":\"\\u12\"}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":\"\\x\"}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":\"a\nb\"}"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":\"b"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":\"b\\"), ERR_ENV_SYNTAX, "line 1: "},
	{TEXT("{\"A\":1,\n\"A\":2}"), ERR_ENV_SYNTAX, "line 2: "},
	{TEXT("{\n\"A B\":1}"), ERR_ENV_KEY, "line 2: "},
	{TEXT("{\"A\0\":1}"), ERR_ENV_SYNTAX, "line 1: "},
};

static void envfile_parse__bad_text__names_the_line_T20(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct env_pairs pairs = {.n = 77};
		struct dyno_err err = {0};

		if (envfile_parse(bad[i].text, bad[i].len, &a, &pairs, &err) != -EINVAL)
			fail_msg("accepted: %s", bad[i].text);
		assert_int_equal(err.kind, bad[i].kind);
		if (!str_starts(err.msg, bad[i].where))
			fail_msg("%s: \"%s\", not \"%s\"", bad[i].text, err.msg, bad[i].where);
		assert_null(strchr(err.msg, 0x1b));
		assert_int_equal(pairs.n, 77);
	}
}

static void envfile_parse__multi_line_values__keep_the_line_numbers(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct env_pairs pairs;
	struct dyno_err err;

	(void)state;
	assert_int_equal(envfile_parse(TEXT("A=\"1\n2\\\n3\"\n\nB='\n'\nC=x"), &a, &pairs, &err),
			 0);
	assert_int_equal(pairs.n, 3);
	assert_int_equal(pairs.items[0].line, 1);
	assert_int_equal(pairs.items[1].line, 5);
	assert_int_equal(pairs.items[2].line, 7);
}

static void envfile_parse__too_many_variables__is_refused(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	_cleanup_sbuf_ struct sbuf text = {0};
	struct env_pairs pairs;
	struct dyno_err err;

	(void)state;
	for (unsigned int i = 0; i < ENV_VARS_MAX_COUNT; i++)
		sbuf_addf(&text, "A%u=\n", i);
	assert_int_equal(envfile_parse(text.data, text.len, &a, &pairs, &err), 0);
	assert_int_equal(pairs.n, ENV_VARS_MAX_COUNT);
	sbuf_adds(&text, "B=\n");
	assert_int_equal(envfile_parse(text.data, text.len, &a, &pairs, &err), -E2BIG);
	assert_int_equal(err.kind, ERR_ENV_SIZE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(envfile_parse__good_text__gives_its_pairs_T20),
		cmocka_unit_test(envfile_parse__bad_text__names_the_line_T20),
		cmocka_unit_test(envfile_parse__multi_line_values__keep_the_line_numbers),
		cmocka_unit_test(envfile_parse__too_many_variables__is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
