/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_netpool.c - which addresses private networks take (C9.1), and the texts made of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/err.h"
#include "model/netpool.h"

static void netpool_parse__good_ranges__are_taken(void **state)
{
	char text[NETPOOL_CIDR_BYTES];
	struct netpool pool;
	struct dyno_err err;

	(void)state;
	assert_int_equal(netpool_parse("172.16.0.0/16", &pool, &err), 0);
	assert_int_equal(pool.base, 0xac100000U);
	assert_int_equal(pool.len, 16);
	assert_string_equal(netpool_format(&pool, text), "172.16.0.0/16");
	assert_int_equal(netpool_parse("10.0.0.0/8", &pool, &err), 0);
	assert_int_equal(netpool_parse("255.255.255.248/29", &pool, &err), 0);
	assert_string_equal(netpool_format(&pool, text), "255.255.255.248/29");
}

static void netpool_parse__bad_ranges__are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"172.16.0.0",
		"172.16.0.0/",
		"172.16.0.0/7",
		"172.16.0.0/30",
		"172.16.0.1/16",
		"172.16.0/16",
		"172.16.0.0/16 ",
		" 172.16.0.0/16",
		"172.16.0.0/+16",
		"172.16.0.0/16/16",
		"fd00::/16",
		"172.16.0.256/8",
		"172.016.00.00/16",
		"1111.1111.1111.1111/16",
	};
	struct netpool pool = {1, 2};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct dyno_err err = {0};

		assert_int_equal(netpool_parse(bad[i], &pool, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_int_equal(pool.base, 1);
	}
}

static void netpool_choose__routes_of_the_host__are_left_alone_C9_1(void **state)
{
	static const struct {
		struct netpool routes[3];
		uint32_t base; /* 0: none is free */
	} cases[] = {
		{{{0, 0}, {0xc0000200U, 24}, {0x0a000000U, 8}}, 0xac100000U},
		{{{0, 0}, {0xac100000U, 16}, {0, 0}}, 0xac110000U},
		{{{0xac10ff01U, 32}, {0xac110000U, 24}, {0, 0}}, 0xac120000U},
		{{{0xac100000U, 13}, {0, 0}, {0, 0}}, 0xac180000U},
		{{{0xac100000U, 12}, {0, 0}, {0, 0}}, 0},
		{{{0x80000000U, 1}, {0, 0}, {0, 0}}, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct netpool pool = {0, 0};
		int r = netpool_choose(cases[i].routes, 3, &pool);

		assert_int_equal(r, cases[i].base ? 0 : -EADDRNOTAVAIL);
		assert_int_equal(pool.base, cases[i].base);
		if (cases[i].base)
			assert_int_equal(pool.len, 16);
	}
	assert_int_equal(netpool_choose(NULL, 0, &(struct netpool){0, 0}), 0);
}

static void netpool_nth__all_of_a_range__are_within_and_differ(void **state)
{
	const struct netpool pool = {0xac100000U, 29};
	char text[NETPOOL_TEXT4_BYTES];

	(void)state;
	assert_int_equal(netpool_count(&pool), 5);
	assert_string_equal(netpool_text4(netpool_host(&pool), text), "172.16.0.1");
	assert_string_equal(netpool_text4(netpool_nth(&pool, 0), text), "172.16.0.2");
	assert_string_equal(netpool_text4(netpool_nth(&pool, 4), text), "172.16.0.6");
	assert_int_equal(netpool_count(&(struct netpool){0xac100000U, 16}), 65533);
}

static void netpool_texts__address__has_its_names(void **state)
{
	char name[NETPOOL_NAME_BYTES];
	char text[NETPOOL_TEXT6_BYTES];

	(void)state;
	assert_string_equal(netpool_link(0xac100102U, name), "dyno-ac100102");
	assert_string_equal(netpool_link(0x01020304U, name), "dyno-01020304");
	assert_string_equal(netpool_text6(0xac100102U, text), "fd64:796e:6f00::ac10:102");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(netpool_parse__good_ranges__are_taken),
		cmocka_unit_test(netpool_parse__bad_ranges__are_refused),
		cmocka_unit_test(netpool_choose__routes_of_the_host__are_left_alone_C9_1),
		cmocka_unit_test(netpool_nth__all_of_a_range__are_within_and_differ),
		cmocka_unit_test(netpool_texts__address__has_its_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
