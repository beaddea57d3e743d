/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "model/publish.h"

static void publish_parse__forms__address_port_and_type(void **state)
{
	static const struct {
		const char *text;
		const char *where;
		const char *type;
		bool search;
	} cases[] = {
		{"8080", "8080", "web", false},
		{"1=worker", "1", "worker", false},
		{"65535=web", "65535", "web", false},
		{"127.0.0.1:80", "127.0.0.1:80", "web", false},
		{"0.0.0.0:80=api", "0.0.0.0:80", "api", false},
		{"[::1]:8080", "[::1]:8080", "web", false},
		{"[::]:8080=a=b", "[::]:8080", "a=b", false},
		{"5000+", "5000", "web", true},
		{"127.0.0.1:5000+=web", "127.0.0.1:5000", "web", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct publish p;
		struct dyno_err err = {0};
		char where[PUBLISH_TEXT_BYTES];

		assert_int_equal(publish_parse(cases[i].text, &p, &err), 0);
		assert_string_equal(publish_where(&p, where), cases[i].where);
		assert_string_equal(p.type, cases[i].type);
		assert_int_equal(p.search, cases[i].search);
	}
}

static void publish_parse__not_of_the_form__refused_with_an_example(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"65536",
		"-1",
		"+",
		"80 ",
		"web",
		"80=",
		":80",
		"localhost:80",
		"1.2.3:80",
		"::1:80",
		"[::1]80",
		"[1.2.3.4]:80",
		"[]:80",
		"127.0.0.1:",
		"80:90",
		"8080++",
		"999999999999999999999",
		"127.0.0.1",
		"[::1]",
		"80/tcp",
		"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0]:1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct publish p = {.port = 7};
		struct dyno_err err = {0};

		assert_true(publish_parse(bad[i], &p, &err) < 0);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_true(err.hint[0] != '\0');
		assert_int_equal(p.port, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(publish_parse__forms__address_port_and_type),
		cmocka_unit_test(publish_parse__not_of_the_form__refused_with_an_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
