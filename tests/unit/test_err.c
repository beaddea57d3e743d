/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_err.c - error records: what they hold, what people read, and the table of classes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"

static void err_set__failed_call__returns_negative_errno(void **state)
{
	struct dyno_err err;

	(void)state;
	assert_int_equal(err_set(&err, ERR_IO, ENOENT, "open %s", "/x"), -ENOENT);
	assert_int_equal(err.num, ENOENT);
	assert_int_equal(err.kind, ERR_IO);
	assert_string_equal(err.msg, "open /x");
	assert_string_equal(err.hint, "");
}

static void err_set__no_call_failed__is_negative_all_the_same(void **state)
{
	struct dyno_err err;

	(void)state;
	assert_int_equal(err_set(&err, ERR_USAGE, 0, "two slugs"), -EINVAL);
	assert_int_equal(err.num, 0);
	assert_int_equal(err_set(&err, ERR_IO, -EPERM, "x"), -EPERM);
	assert_int_equal(err.num, EPERM);
}

static void err_set__null_record__only_returns(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_IO, EIO, "read"), -EIO);
	err_hint(NULL, "none");
	err_context(NULL, "none");
}

static void err_set__used_record__carries_nothing_over(void **state)
{
	struct dyno_err err, clean;

	(void)state;
	memset(&err, 'x', sizeof(err));
	memset(&clean, 0, sizeof(clean));
	(void)err_set(&err, ERR_IO, EIO, "ab");
	memcpy(clean.msg, "ab", 2);
	clean.num = EIO;
	clean.kind = ERR_IO;
	assert_memory_equal(&err, &clean, sizeof(err));
}

static void err_set__argument_inside_the_record__is_read_first(void **state)
{
	struct dyno_err err;

	(void)state;
	(void)err_set(&err, ERR_IO, EIO, "inner");
	(void)err_set(&err, ERR_LAUNCH, EIO, "outer (%s)", err.msg);
	assert_string_equal(err.msg, "outer (inner)");
}

static void err_set__long_text__is_cut_and_terminated(void **state)
{
	char name[2 * DYNO_ERR_MSG_BYTES];
	struct dyno_err err;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	(void)err_set(&err, ERR_IO, EIO, "%s", name);
	err_hint(&err, "%s", name);
	assert_int_equal(strlen(err.msg), DYNO_ERR_MSG_BYTES - 1);
	assert_int_equal(strlen(err.hint), DYNO_ERR_HINT_BYTES - 1);
	err_context(&err, "pre");
	assert_int_equal(strlen(err.msg), DYNO_ERR_MSG_BYTES - 1);
	assert_memory_equal(err.msg, "pre: nnn", 8);
}

static void err_format__parts__stand_only_where_set(void **state)
{
	static const struct {
		int num;
		const char *msg, *hint, *want;
	} cases[] = {
		{ENOENT, "open /x", "", "open /x: no such file or directory"},
		{0, "two slugs", "", "two slugs"},
		{0, "two slugs", "give one", "two slugs\nhint: give one"},
		{EIO, "read x", "run fsck", "read x: input/output error\nhint: run fsck"},
		{4000, "x", "", "x: errno 4000"},
		{0, "a\033[2Jb\nhint: c\177\302\233d", "", "a?[2Jb?hint: c???d"},
		{0, "\303\244\342\202\254", "", "\303\244\342\202\254"},
		{0, "m", "one\ntwo\033", "m\nhint: one\ntwo?"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char buf[ERR_TEXT_BYTES];
		struct dyno_err err;

		(void)err_set(&err, ERR_IO, cases[i].num, "%s", cases[i].msg);
		err_hint(&err, "%s", cases[i].hint);
		assert_int_equal(err_format(&err, buf, sizeof(buf)), strlen(cases[i].want));
		assert_string_equal(buf, cases[i].want);
		assert_int_equal(dyno_err_text(&err, buf, sizeof(buf)), strlen(cases[i].want));
	}
}

/* A record that another process wrote need not end its texts. */
static void err_format__unterminated_record__stays_within_it(void **state)
{
	char buf[ERR_TEXT_BYTES];
	struct dyno_err err;
	size_t len;

	(void)state;
	memset(&err, 'z', sizeof(err));
	err.num = EIO;
	len = err_format(&err, buf, sizeof(buf));
	assert_int_equal(len, strlen(buf));
	assert_int_equal(len, DYNO_ERR_MSG_BYTES + STRLEN(": input/output error\nhint: ") +
				      DYNO_ERR_HINT_BYTES);
}

static void err_format__every_buffer_size__is_a_prefix(void **state)
{
	char whole[ERR_TEXT_BYTES], part[ERR_TEXT_BYTES];
	struct dyno_err err;
	size_t len;

	(void)state;
	(void)err_set(&err, ERR_IO, EIO, "read \033");
	err_hint(&err, "try");
	len = err_format(&err, whole, sizeof(whole));
	assert_int_equal(err_format(&err, part, 0), 0);
	for (size_t size = 1; size <= len + 2; size++) {
		size_t want = MIN_OF(size - 1, len);

		memset(part, '#', sizeof(part));
		assert_int_equal(err_format(&err, part, size), want);
		assert_memory_equal(part, whole, want);
		assert_int_equal(part[want], 0);
		assert_int_equal(part[size], '#');
	}
}

static void err_errno_text__any_number__is_text_in_our_form(void **state)
{
	(void)state;
	for (int num = -3; num < 200; num++) {
		const char *text = err_errno_text(num);

		assert_non_null(text);
		assert_true(strlen(text) > 3);
		assert_true(text[0] >= 'a' && text[0] <= 'z');
		assert_int_not_equal(text[strlen(text) - 1], '.');
	}
	assert_string_equal(err_errno_text(EACCES), "permission denied");
	assert_string_equal(err_errno_text(0), "unknown error");
}

static void err_class__table__is_unique_and_well_formed(void **state)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyz-.";
	size_t n = 0;
	int kind;

	(void)state;
	for (; (kind = err_class_each(n)) >= 0; n++) {
		const char *name = err_class_name((unsigned int)kind);
		struct dyno_err err = {.kind = (uint16_t)kind};
		int code = dyno_err_exit_code(&err);

		assert_int_equal(strspn(name, set), strlen(name));
		assert_int_equal(err_class_find(name), kind);
		assert_string_equal(dyno_err_class(&err), name);
		assert_string_equal(dyno_explain(name), err_class_text((unsigned int)kind));
		assert_true(code == 124 || code == 125 || code == 126 || code == 127 ||
			    code == 137 || code == 1 || (code == 0 && kind == ERR_NONE));
		for (size_t i = 0; i < n; i++)
			assert_int_not_equal(err_class_each(i), kind);
	}
	assert_true(n > 40);
	assert_int_equal(kind, -ENOENT);
}

static void err_class__unknown__has_an_answer(void **state)
{
	struct dyno_err err = {.kind = 60000};

	(void)state;
	assert_int_equal(err_class_find("no.such"), -ENOENT);
	assert_null(dyno_explain("no.such"));
	assert_string_equal(dyno_err_class(&err), "unknown");
	assert_int_equal(dyno_err_exit_code(&err), 125);
}

static void dyno_err_exit_code__exec_classes__are_the_shell_s(void **state)
{
	struct dyno_err err;

	(void)state;
	(void)err_set(&err, ERR_EXEC_PERM, EACCES, "x");
	assert_int_equal(dyno_err_exit_code(&err), 126);
	(void)err_set(&err, ERR_EXEC_MISSING, ENOENT, "x");
	assert_int_equal(dyno_err_exit_code(&err), 127);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_set__failed_call__returns_negative_errno),
		cmocka_unit_test(err_set__no_call_failed__is_negative_all_the_same),
		cmocka_unit_test(err_set__null_record__only_returns),
		cmocka_unit_test(err_set__used_record__carries_nothing_over),
		cmocka_unit_test(err_set__argument_inside_the_record__is_read_first),
		cmocka_unit_test(err_set__long_text__is_cut_and_terminated),
		cmocka_unit_test(err_format__parts__stand_only_where_set),
		cmocka_unit_test(err_format__unterminated_record__stays_within_it),
		cmocka_unit_test(err_format__every_buffer_size__is_a_prefix),
		cmocka_unit_test(err_errno_text__any_number__is_text_in_our_form),
		cmocka_unit_test(err_class__table__is_unique_and_well_formed),
		cmocka_unit_test(err_class__unknown__has_an_answer),
		cmocka_unit_test(dyno_err_exit_code__exec_classes__are_the_shell_s),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
