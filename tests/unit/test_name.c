/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_name.c - names of apps and dynos (T21, C3.5, C4.4).
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
#include "model/name.h"

#define X10 "xxxxxxxxxx"
#define X60 X10 X10 X10 X10 X10 X10
#define HEX "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"

static const struct {
	const char *name;
	bool good;
} names[] = {
	{"web.1", true},
	{"run.1234", true},
	{"a", true},
	{"_x+y-z.9", true},
	{"0", true},
	{X60 "xxx", true},
	{"", false},
	{".", false},
	{"..", false},
	{".hidden", false},
	{"-rf", false},
	{"../x", false},
	{"web.1/..", false},
	{"a/b", false},
	{"a b", false},
	{"a\n", false},
	{"caf\xc3\xa9", false},
	{"+x", false},
	{X60 "xxxx", false},
	{X60 X60 X60 X60 X60, false},
	{"a\x1b[0m", false},
	{"a:b", false},
	{"a=b", false},
};

static void name_check__hostile_names__are_refused_T21(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct dyno_err err = {0};

		assert_int_equal(name_check_app(names[i].name, &err), names[i].good ? 0 : -EINVAL);
		assert_int_equal(name_check_dyno(names[i].name, &err), names[i].good ? 0 : -EINVAL);
		if (names[i].good)
			continue;
		assert_int_equal(err.kind, ERR_NAME);
		assert_int_equal(dyno_err_exit_code(&err), 125);
		assert_null(strchr(err.msg, 0x1b));
		assert_string_not_equal(err.hint, "");
	}
}

static void name_check_type__platform_rule__is_held_C4_4(void **state)
{
	char name[PROC_TYPE_MAX_BYTES + 2] = {0};
	struct dyno_err err;

	(void)state;
	assert_int_equal(name_check_type("my-worker_2", &err), 0);
	assert_int_equal(name_check_type("-", &err), 0);
	assert_int_equal(name_check_type("", &err), -EINVAL);
	assert_int_equal(name_check_type("a.b", &err), -EINVAL);
	assert_int_equal(name_check_type("a b", &err), -EINVAL);
	memset(name, 'x', PROC_TYPE_MAX_BYTES);
	assert_int_equal(name_check_type(name, &err), 0);
	name[PROC_TYPE_MAX_BYTES] = 'x';
	assert_int_equal(name_check_type(name, &err), -EINVAL);
}

static const struct {
	const char *path;
	const char *app; /* NULL: no name in it */
} slugs[] = {
	{"guestbook.tgz", "guestbook"},
	{"/a/b/guestbook.tar.gz", "guestbook"},
	{"x.tar", "x"},
	{"x.tar.zst", "x"},
	{"my.app.tar.xz", "my.app"},
	{"dir/", "dir"},
	{"/srv/apps/shop///", "shop"},
	{"node-hello", "node-hello"},
	{"v1.2", "v1.2"},
	{"my app!.tgz", "my-app-"},
	{"caf\xc3\xa9.tgz", "caf--"},
	{"a\n\x1b", "a--"},
	{".hidden", "hidden"},
	{"--x.tgz", "x"},
	{"sha256:" HEX, "0123456789ab"},
	{"SHA256:0123456789abcd", "0123456789ab"},
	{"sha256:0123", "0123"},
	{HEX, "0123456789ab"},
	{"/store/" HEX ".tgz", "0123456789ab"},
	{X60 X60 ".tgz", X60 "xxx"},
	{"-", NULL},
	{".", NULL},
	{"..", NULL},
	{"/", NULL},
	{"", NULL},
	{".tgz", NULL},
	{"sha256:", NULL},
};

static void name_app_from_slug__any_path__gives_a_valid_name_or_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(slugs); i++) {
		char buf[NAME_BYTES] = "untouched";

		assert_int_equal(name_app_from_slug(slugs[i].path, buf, sizeof(buf)),
				 slugs[i].app ? 0 : -ENODATA);
		assert_string_equal(buf, slugs[i].app ? slugs[i].app : "untouched");
		assert_int_equal(name_check_app(buf, NULL), 0);
	}
}

static void name_format_dyno__result__is_a_valid_name_C3_5(void **state)
{
	char buf[NAME_BYTES] = "untouched";
	struct dyno_err err;

	(void)state;
	assert_int_equal(name_format_dyno("-x", 1, buf, sizeof(buf), &err), -EINVAL);
	assert_int_equal(name_format_dyno(X60 "xx", 1, buf, sizeof(buf), &err), -EINVAL);
	assert_int_equal(name_format_dyno(X60 X60, 1, buf, sizeof(buf), &err), -EINVAL);
	assert_string_equal(buf, "untouched");
	assert_int_equal(name_format_dyno(X60 "x", 1, buf, sizeof(buf), &err), 0);
	assert_string_equal(buf, X60 "x.1");
	assert_int_equal(name_format_dyno("web", 4294967295U, buf, sizeof(buf), &err), 0);
	assert_string_equal(buf, "web.4294967295");
}

static void name_split_dyno__type_and_number__come_apart(void **state)
{
	static const char *const bad[] = {
		"web", "web.", ".1", "web.01", "web.x", "web.-1", "web.1 ", "web.4294967296", ""};
	char type[NAME_BYTES] = "untouched";
	uint32_t n = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(name_split_dyno(bad[i], type, sizeof(type), &n), -EINVAL);
	assert_int_equal(name_split_dyno("web.1", type, 3, &n), -EINVAL);
	assert_string_equal(type, "untouched");
	assert_int_equal(n, 77);

	assert_int_equal(name_split_dyno("my.worker.12", type, sizeof(type), &n), 0);
	assert_string_equal(type, "my.worker");
	assert_int_equal(n, 12);
	assert_int_equal(name_split_dyno("web.0", type, sizeof(type), &n), 0);
	assert_int_equal(n, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_check__hostile_names__are_refused_T21),
		cmocka_unit_test(name_check_type__platform_rule__is_held_C4_4),
		cmocka_unit_test(name_app_from_slug__any_path__gives_a_valid_name_or_none),
		cmocka_unit_test(name_format_dyno__result__is_a_valid_name_C3_5),
		cmocka_unit_test(name_split_dyno__type_and_number__come_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
