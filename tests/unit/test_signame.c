/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/err.h"
#include "base/signame.h"
#include "base/util.h"

static void signame_parse__every_form__is_the_number(void **state)
{
	static const struct {
		const char *text;
		int sig;
	} cases[] = {{"TERM", SIGTERM}, {"SIGTERM", SIGTERM}, {"sigterm", SIGTERM},
		     {"term", SIGTERM}, {"15", SIGTERM},      {"1", SIGHUP},
		     {"64", 64},	{"USR1", SIGUSR1},    {"WINCH", SIGWINCH},
		     {"RTMIN", 34},	{"RTMIN+1", 35},      {"SIGRTMIN+30", 64}};
	struct dyno_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(signame_parse(cases[i].text, &err), cases[i].sig);
}

static void signame_parse__no_signal__is_refused(void **state)
{
	static const char *const cases[] = {"",	   "SIG",    "0",     "65",	  "-1",
					    "15x", "SIG15",  "TERMS", "RTMIN+31", " 9",
					    "0x9", "RTMIN+", "+9"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dyno_err err = {0};

		assert_int_equal(signame_parse(cases[i], &err), -EINVAL);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_true(err.hint[0] != '\0');
	}
}

static void signame_text__every_number__is_read_again(void **state)
{
	char text[SIGNAME_BYTES];
	struct dyno_err err;
	int sig;

	(void)state;
	for (sig = 1; sig <= 31; sig++)
		assert_int_equal(signame_parse(signame_text(sig, text), &err), sig);
	assert_string_equal(signame_text(SIGTERM, text), "SIGTERM");
	assert_string_equal(signame_text(40, text), "signal 40");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signame_parse__every_form__is_the_number),
		cmocka_unit_test(signame_parse__no_signal__is_refused),
		cmocka_unit_test(signame_text__every_number__is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
