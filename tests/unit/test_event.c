/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of dyno-events(7) for people. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/event.h"

#define HEAD "\"time\":\"2026-06-01T12:00:00.000001+00:00\",\"app\":\"shop\",\"dyno\":\"web.1\""
#define LINE "2026-06-01T12:00:00.000001+00:00 shop/web.1 "

static void event_text__events__are_sentences(void **state)
{
	static const struct {
		const char *json;
		const char *text;
	} cases[] = {
		{"{\"event\":\"state\"," HEAD ",\"from\":\"up\",\"to\":\"crashed\"}",
		 LINE "state up -> crashed\n"},
		{"{\"event\":\"line\"," HEAD ",\"text\":\"Error R10 (Boot timeout)\"}",
		 LINE "line Error R10 (Boot timeout)\n"},
		{"{\"event\":\"exit\"," HEAD
		 ",\"exit_code\":137,\"signal\":null,\"reason\":\"oom\",\"ok\":false,\"x\":{\"a\":[1]}}",
		 LINE "exit status 137 (oom) ok=false x={\"a\":[1]}\n"},
		{"{\"event\":\"exit\"," HEAD ",\"start\":2}", LINE "exit status ? () start=2\n"},
		{"{\"event\":\"end\"," HEAD ",\"state\":\"complete\"}", LINE "end complete\n"},
		{"{\"event\":\"launch\"," HEAD ",\"start\":1,\"init_pid\":7,\"port\":null}",
		 LINE "launch start=1 init_pid=7\n"},
		/* nothing in it steers a terminal or begins a line */
		{"{\"event\":\"line\"," HEAD ",\"text\":\"a\\nb\\u001b[2J\\u009bc\"}",
		 LINE "line a\\nb\\x1b[2J\\xc2\\x9bc\n"},
		{"{\"event\":\"x\\u001b\"," HEAD ",\"k\\n\":[\"\\u009b\"]}",
		 LINE "x\\x1b k\\n=[\"\\u009B\"]\n"},
		{"{\"event\":\"discard\"," HEAD
		 ",\"start\":1,\"text\":\"wrote nothing\",\"files\":0}",
		 LINE "discard wrote nothing\n"},
		{"{\"event\":\"line\",\"time\":\"t\"}", "t / line\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_sbuf_ struct sbuf b = {0};
		_cleanup_event_ struct event e = {0};

		assert_int_equal(event_parse(cases[i].json, &e), 0);
		event_text(&b, &e);
		assert_string_equal(sbuf_str(&b), cases[i].text);
	}
}

static void event_parse__no_object__is_refused_and_empty(void **state)
{
	static const char *const cases[] = {
		"", "{", "[]", "1", "{\"a\":1}{", "{\"a\":1,\"a\":2}", "{\"event\":\"\\ud800\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event e;

		assert_int_equal(event_parse(cases[i], &e), -EINVAL);
		assert_null(e.root);
		assert_string_equal(event_str(&e, "event"), "");
		event_done(&e);
	}
}

static void event_parse__members_of_a_wrong_kind__are_empty(void **state)
{
	_cleanup_event_ struct event e = {0};

	(void)state;
	assert_int_equal(event_parse("{\"event\":1,\"time\":null,\"app\":[]}", &e), 0);
	assert_string_equal(e.name, "");
	assert_string_equal(e.time, "");
	assert_string_equal(e.app, "");
	assert_string_equal(e.dyno, "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(event_text__events__are_sentences),
		cmocka_unit_test(event_parse__no_object__is_refused_and_empty),
		cmocka_unit_test(event_parse__members_of_a_wrong_kind__are_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
