/* SPDX-License-Identifier: Apache-2.0 */
/* test_logframe.c - records as others read them: C10.5, C10.6, C10.7. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/str.h"
#include "model/logframe.h"

#define TIME "2026-06-01T12:00:00.123456+00:00"

static struct logline parse(const char *text, size_t len)
{
	struct logline r;

	assert_true(logline_parse(text, len, &r));
	return r;
}

static const char app_line[] = TIME " app[web.1]: a <1> b";
static const char system_line[] = TIME " heroku[web.1]: State changed from starting to up";

/* C10.6, C10.7 */
static void logframe_syslog__stream_and_datagram__form_and_length(void **state)
{
	static const char want[] = "<190>1 " TIME " d.x app web.1 - - a <1> b";
	const struct logline r = parse(app_line, STRLEN(app_line));
	const struct logline s = parse(system_line, STRLEN(system_line));
	_cleanup_sbuf_ struct sbuf b = {0};
	char counted[256];

	(void)state;
	logframe_syslog(&b, &r, "d.x", false);
	assert_string_equal(sbuf_str(&b), want);
	b.len = 0;
	logframe_syslog(&b, &r, "d.x", true);
	str_fmt(counted, sizeof(counted), "%zu %s", STRLEN(want), want);
	assert_string_equal(sbuf_str(&b), counted);
	b.len = 0;
	logframe_syslog(&b, &s, "d.x", false);
	assert_string_equal(sbuf_str(&b),
			    "<134>1 " TIME
			    " d.x heroku web.1 - - State changed from starting to up");
}

/* C10.5: the length counts the newline, and there is no structured data. */
static void logframe_logplex__frames__one_behind_the_other(void **state)
{
	static const char want[] = "<190>1 " TIME " host app web.1 - a <1> b\n";
	const struct logline r = parse(app_line, STRLEN(app_line));
	_cleanup_sbuf_ struct sbuf b = {0};
	char twice[512];

	(void)state;
	logframe_logplex(&b, &r);
	logframe_logplex(&b, &r);
	str_fmt(twice, sizeof(twice), "%zu %s%zu %s", STRLEN(want), want, STRLEN(want), want);
	assert_string_equal(sbuf_str(&b), twice);
}

/* T34: names that are too long are cut, and the length is that of what is sent. */
static void logframe_syslog__long_names__cut_and_counted(void **state)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	char line[512], source[100], token[256];
	struct logline r;
	size_t len;

	(void)state;
	memset(source, 's', sizeof(source) - 1);
	source[sizeof(source) - 1] = '\0';
	memset(token, 't', sizeof(token) - 1);
	token[sizeof(token) - 1] = '\0';
	len = str_fmt(line, sizeof(line), TIME " %s[web.1]: x", source);
	r = parse(line, len);
	logframe_syslog(&b, &r, token, true);
	/* "NNN <134>1 TIME ttt sss web.1 - - x" */
	len = STRLEN("<134>1 " TIME "  ") + 255 + 48 + STRLEN(" web.1 - - x");
	str_fmt(line, sizeof(line), "%zu <134>1 " TIME " ttt", len);
	assert_memory_equal(b.data, line, strlen(line));
	assert_int_equal(b.len, len + STRLEN("386 "));
}

/* Any bytes: the text stands behind its length. */
static void logframe_journal__any_bytes__behind_their_length(void **state)
{
	static const char line[] = TIME " app[web.1]: a=\xff\x01";
	static const char want[] =
		"PRIORITY=6\nSYSLOG_FACILITY=23\nSYSLOG_IDENTIFIER=shop/web.1\n"
		"DYNO_APP=shop\nDYNO_NAME=web.1\nDYNO_SOURCE=app\nDYNO_STREAM=stdout\n"
		"SYSLOG_TIMESTAMP=" TIME "\nMESSAGE\n\4\0\0\0\0\0\0\0a=\xff\x01\n";
	const struct logline r = parse(line, STRLEN(line));
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	logframe_journal(&b, &r, "shop");
	assert_int_equal(b.len, STRLEN(want));
	assert_memory_equal(b.data, want, b.len);
}

/* C10.1: the platform's have come from no stream. */
static void logframe_journal__each_origin__says_its_stream(void **state)
{
	static const char err_line[] = TIME "  app[web.1]: x";
	const struct logline e = parse(err_line, STRLEN(err_line));
	const struct logline s = parse(system_line, STRLEN(system_line));
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	logframe_journal(&b, &e, "shop");
	assert_non_null(strstr(sbuf_str(&b), "\nDYNO_SOURCE=app\nDYNO_STREAM=stderr\n"));
	b.len = 0;
	logframe_journal(&b, &s, "shop");
	assert_null(strstr(sbuf_str(&b), "DYNO_STREAM"));
}

/* C10.1: tools cannot tell the streams apart. */
static void logframe__standard_error__as_standard_output(void **state)
{
	static const char err_line[] = TIME "  app[web.1]: a <1> b";
	const struct logline r[] = {parse(app_line, STRLEN(app_line)),
				    parse(err_line, STRLEN(err_line))};
	struct sbuf b[] = {{0}, {0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
		logframe_text(&b[i], &r[i]);
		logframe_syslog(&b[i], &r[i], "d.x", true);
		logframe_logplex(&b[i], &r[i]);
	}
	assert_string_equal(sbuf_str(&b[0]), sbuf_str(&b[1]));
	sbuf_done(&b[0]);
	sbuf_done(&b[1]);
}

/* The mark of a piece is for logs alone. */
static void logframe_text__piece_of_a_line__without_its_mark(void **state)
{
	const struct logline r = parse(app_line, sizeof(app_line)); /* with the NUL */
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	assert_true(r.partial);
	logframe_text(&b, &r);
	assert_int_equal(b.len, sizeof(app_line));
	assert_string_equal(sbuf_str(&b), TIME " app[web.1]: a <1> b\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logframe_syslog__stream_and_datagram__form_and_length),
		cmocka_unit_test(logframe_logplex__frames__one_behind_the_other),
		cmocka_unit_test(logframe_syslog__long_names__cut_and_counted),
		cmocka_unit_test(logframe_journal__any_bytes__behind_their_length),
		cmocka_unit_test(logframe_journal__each_origin__says_its_stream),
		cmocka_unit_test(logframe__standard_error__as_standard_output),
		cmocka_unit_test(logframe_text__piece_of_a_line__without_its_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
