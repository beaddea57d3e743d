/* SPDX-License-Identifier: Apache-2.0 */
/* test_logurl.c - what may stand after --log, and what may be shown of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/errclass.h"
#include "base/str.h"
#include "model/logurl.h"

static void logurl_parse__each_kind__its_parts(void **state)
{
	static const struct {
		const char *text;
		enum logurl_kind kind;
		const char *path, *host;
		uint16_t port;
		const char *url, *token, *ca, *shown;
		uint64_t size_bytes;
		uint32_t count;
	} cases[] = {
		{"file:/var/log/x", LOGURL_FILE, "/var/log/x", .shown = "file:/var/log/x"},
		{"json:a b#c", LOGURL_JSON, "a b#c", .shown = "json:a b#c"},
		{"file:///var/log/x", LOGURL_FILE, "///var/log/x", .shown = "file:///var/log/x"},
		{"file:/x#size=10M", LOGURL_FILE, "/x", .shown = "file:/x#size=10M",
		 .size_bytes = 10 << 20, .count = 5},
		{"json:/a#b#count=100&size=1048576", LOGURL_JSON, "/a#b",
		 .shown = "json:/a#b#count=100&size=1048576", .size_bytes = 1 << 20, .count = 100},
		{"journald", LOGURL_JOURNALD_SOCKET, LOGURL_JOURNALD, .shown = "journald"},
		{"journald:/s", LOGURL_JOURNALD_SOCKET, "/s", .shown = "journald:/s"},
		{"syslog+udp://logs", LOGURL_UDP, NULL, "logs", 514, .shown = "syslog+udp://logs"},
		{"syslog+tcp://10.0.0.1:99/", LOGURL_TCP, NULL, "10.0.0.1", 99,
		 .shown = "syslog+tcp://10.0.0.1:99/"},
		{"syslog+tls://[::1]#token=d.1&ca=/etc/ca", LOGURL_TLS, NULL, "::1", 6514,
		 .token = "d.1", .ca = "/etc/ca", .shown = "syslog+tls://[::1]"},
		{"syslog+tls://[::1]:7", LOGURL_TLS, NULL, "::1", 7,
		 .shown = "syslog+tls://[::1]:7"},
		{"https://u:p@h:1/a?k=v#token=t", LOGURL_HTTPS, .url = "https://u:p@h:1/a?k=v",
		 .token = "t", .shown = "https://h:1/a"},
		{"https://u@x:p@h?k=@", LOGURL_HTTPS, .url = "https://u@x:p@h?k=@",
		 .shown = "https://h"},
	};
	_cleanup_arena_ struct arena arena = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dyno_err err = {0};
		struct logurl u;

		assert_int_equal(logurl_parse(cases[i].text, &arena, &u, &err), 0);
		assert_int_equal(u.kind, cases[i].kind);
		assert_int_equal(u.port, cases[i].port);
		assert_string_equal(u.path ? u.path : "", cases[i].path ? cases[i].path : "");
		assert_string_equal(u.host ? u.host : "", cases[i].host ? cases[i].host : "");
		assert_string_equal(u.url ? u.url : "", cases[i].url ? cases[i].url : "");
		assert_string_equal(u.token ? u.token : "", cases[i].token ? cases[i].token : "");
		assert_string_equal(u.ca ? u.ca : "", cases[i].ca ? cases[i].ca : "");
		assert_string_equal(u.shown, cases[i].shown);
		assert_int_equal(u.size_bytes, cases[i].size_bytes);
		assert_int_equal(u.count, cases[i].count);
	}
}

static void logurl_parse__what_cannot_be__is_refused_without_secrets(void **state)
{
	static const char *const wrong[] = {
		"",
		"x",
		"file:",
		"file:#size=1M",
		"file:x#size=",
		"file:x#size=1023K",
		"file:x#size=-1M",
		"file:x#size=1M&count=1",
		"file:x#size=1M&count=101",
		"file:x#size=1M&count=two",
		"file:x#count=5",
		"file:x#size=1M&token=x",
		"file:x#size=1M&count",
		"file:x#sise=1M",
		"syslog+udp://h#size=1M",
		"fd:",
		"fd:-1",
		"fd:x",
		"journaldx",
		"journald:rel",
		"file",
		"syslog+tcp://",
		"syslog+tcp://:1",
		"syslog+tcp://h:0",
		"syslog+tcp://h:65536",
		"syslog+tcp://h:1/path",
		"syslog+tcp://secret@h",
		"syslog+tcp://[::1",
		"syslog+tls://[::1]x",
		"syslog+tls://h#ca=rel",
		"syslog+tls://h#token=",
		"syslog+tls://h#x=y",
		"syslog+tls://h#x",
		"https://",
		"https://secret@",
		"https://secret@:1/",
		"https:///x",
		"https://h/ x",
		"https://h/\"x",
		"https://h/\n",
		"file:a\nb",
		"http://secret@h/",
		"https://h#token=a\tb",
	};
	_cleanup_arena_ struct arena arena = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct dyno_err err = {0};
		struct logurl u;

		if (logurl_parse(wrong[i], &arena, &u, &err) == 0)
			fail_msg("%s was taken", wrong[i]);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_null(strstr(err.msg, "secret"));
		assert_non_null(strstr(err.hint, "syslog+tls://"));
	}
}

/* The receiver knows a drain by it: it must not change from one start to the next. */
static void logurl_token__none_given__same_each_time_and_for_one_drain_alone(void **state)
{
	_cleanup_arena_ struct arena arena = {0};
	char a[LOGURL_TOKEN_BYTES], b[LOGURL_TOKEN_BYTES], c[LOGURL_TOKEN_BYTES];
	struct dyno_err err;
	struct logurl u, v, given;

	(void)state;
	assert_int_equal(logurl_parse("https://a:1@h/x?k", &arena, &u, &err), 0);
	assert_int_equal(logurl_parse("https://b:2@h/x?l", &arena, &v, &err), 0);
	assert_string_equal(logurl_token(&u, "shop", a), logurl_token(&v, "shop", b));
	assert_string_not_equal(a, logurl_token(&u, "blog", c));
	assert_int_equal(strlen(a), STRLEN("d.01234567-89ab-cdef-0123-456789abcdef"));
	assert_memory_equal(a, "d.", 2);
	assert_int_equal(logurl_parse("https://h#token=mine", &arena, &given, &err), 0);
	assert_string_equal(logurl_token(&given, "shop", c), "mine");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logurl_parse__each_kind__its_parts),
		cmocka_unit_test(logurl_parse__what_cannot_be__is_refused_without_secrets),
		cmocka_unit_test(logurl_token__none_given__same_each_time_and_for_one_drain_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
