/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pastaargs.c - what pasta is told (C9.1, C9.2): nothing is left to its defaults, which share
 * ports and the host's loopback.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/str.h"
#include "model/pastaargs.h"

static const struct pastaargs_plan plain = {
	.pool = {.base = 0xac100000U, .len = 16},
	.address = 0xac1003f1U,
};

/* The word behind the @nth option of this name; NULL: there is none. */
static const char *value_of(const struct pastaargs *args, const char *option, unsigned int nth)
{
	for (uint32_t i = 0; i < args->n; i++)
		if (str_eq(args->argv[i], option) && nth-- == 0)
			return args->argv[i + 1];
	return NULL;
}

static bool has(const struct pastaargs *args, const char *option)
{
	return value_of(args, option, 0) || str_eq(args->argv[args->n - 1], option);
}

static void pastaargs_make__any_plan__shares_no_port_and_no_loopback(void **state)
{
	struct pastaargs_plan plans[3] = {plain, plain, plain};
	struct pastaargs args;

	(void)state;
	plans[1].port = 5000;
	plans[2].link6 = "eth7";
	plans[2].names = true;
	for (size_t i = 0; i < ARRAY_SIZE(plans); i++) {
		pastaargs_make(&plans[i], "/usr/bin/pasta", &args);
		assert_string_equal(args.argv[0], "/usr/bin/pasta");
		assert_null(args.argv[args.n]);
		assert_true(args.n < PASTAARGS_MAX);
		assert_string_equal(value_of(&args, "--udp-ports", 0), "none");
		assert_string_equal(value_of(&args, "--tcp-ns", 0), "none");
		assert_string_equal(value_of(&args, "--udp-ns", 0), "none");
		assert_non_null(value_of(&args, "--tcp-ports", 0));
		assert_null(value_of(&args, "--tcp-ports", 1));
		assert_true(has(&args, "--no-map-gw"));
		assert_true(has(&args, "--foreground"));
		assert_string_equal(value_of(&args, "--netns", 0), "/proc/self/fd/0");
		assert_string_equal(value_of(&args, "--userns", 0), "/proc/self/fd/1");
	}
}

static void pastaargs_make__addresses__are_all_given(void **state)
{
	struct pastaargs_plan plan = plain;
	struct pastaargs args;

	(void)state;
	pastaargs_make(&plan, "pasta", &args);
	assert_string_equal(value_of(&args, "--address", 0), "172.16.3.241");
	assert_string_equal(value_of(&args, "--netmask", 0), "16");
	assert_string_equal(value_of(&args, "--gateway", 0), "172.16.0.1");
	assert_string_equal(value_of(&args, "--interface", 0), "lo");
	assert_true(has(&args, "--ipv4-only"));
	assert_null(value_of(&args, "--address", 1));

	plan.link6 = "eth7";
	pastaargs_make(&plan, "pasta", &args);
	assert_string_equal(value_of(&args, "--interface", 0), "eth7");
	assert_false(has(&args, "--ipv4-only"));
	assert_string_equal(value_of(&args, "--address", 1), "fd64:796e:6f00::ac10:3f1");
	assert_string_equal(value_of(&args, "--gateway", 1), "fe80::1");
}

static void pastaargs_make__port__is_taken_on_the_loopback_alone(void **state)
{
	struct pastaargs_plan plan = plain;
	struct pastaargs args;

	(void)state;
	pastaargs_make(&plan, "pasta", &args);
	assert_string_equal(value_of(&args, "--tcp-ports", 0), "none");
	plan.port = 65535;
	pastaargs_make(&plan, "pasta", &args);
	assert_string_equal(value_of(&args, "--tcp-ports", 0), "127.0.0.1/65535");
}

static void pastaargs_make__names__are_forwarded_where_asked_for(void **state)
{
	struct pastaargs_plan plan = plain;
	struct pastaargs args;

	(void)state;
	pastaargs_make(&plan, "pasta", &args);
	assert_string_equal(value_of(&args, "--dns", 0), "none");
	assert_null(value_of(&args, "--dns-forward", 0));
	plan.names = true;
	pastaargs_make(&plan, "pasta", &args);
	assert_string_equal(value_of(&args, "--dns-forward", 0), "172.16.0.1");
	assert_null(value_of(&args, "--dns", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pastaargs_make__any_plan__shares_no_port_and_no_loopback),
		cmocka_unit_test(pastaargs_make__addresses__are_all_given),
		cmocka_unit_test(pastaargs_make__port__is_taken_on_the_loopback_alone),
		cmocka_unit_test(pastaargs_make__names__are_forwarded_where_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
