/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_netrules.c - the firewall's text: what its note says is read again, and only lists that can
 * be carried out become rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "model/netrules.h"

static void netrules_note__every_kind__is_read_as_written(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 6; i++) {
		const struct netrules_note note = {
			.pool = {0xfffffff8U, 29},
			.forward_was_off = i & 1,
			.ipv6 = i >= 2,
			.ipv6_out = i >= 4,
		};
		struct netrules_note read = {0};
		char text[NETRULES_NOTE_BYTES];

		netrules_note_format(&note, text);
		assert_int_equal(netrules_note_parse(text, &read), 0);
		assert_int_equal(read.pool.base, note.pool.base);
		assert_int_equal(read.pool.len, note.pool.len);
		assert_int_equal(read.forward_was_off, note.forward_was_off);
		assert_int_equal(read.ipv6, note.ipv6);
		assert_int_equal(read.ipv6_out, note.ipv6_out);
	}
}

static void netrules_note_parse__others__are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"dyno",
		"dyno 2 172.16.0.0/16 forward=ours ipv6=no",
		"dyno 1 172.16.0.0/16 forward=ours",
		"dyno 1 172.16.0.0/16 forward= ipv6=no",
		"dyno 1 172.16.0.1/16 forward=ours ipv6=no",
		"dyno 1 172.16.0.0/16 forward=ours ipv6=no more",
		"dyno 1 172.16.0.0/16172.16.0.0/16172.16.0.0/16 forward=ours ipv6=no",
	};
	struct netrules_note note;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(netrules_note_parse(bad[i], &note), -EINVAL);
}

static void netrules_host__note__is_its_comment(void **state)
{
	const struct netrules_note note = {.pool = {0xac100000U, 16}};
	_cleanup_sbuf_ struct sbuf out = {0};

	(void)state;
	netrules_host(&note, &out);
	assert_non_null(
		strstr(sbuf_str(&out), "comment \"dyno 1 172.16.0.0/16 forward=theirs ipv6=no\""));
}

static void netrules_egress_parse__words_and_lists__are_taken(void **state)
{
	struct netrules_egress e;
	struct dyno_err err;

	(void)state;
	assert_int_equal(netrules_egress_parse(NULL, 1, &e, &err), 0);
	assert_int_equal(e.reach, NETRULES_ALL);
	assert_int_equal(netrules_egress_parse("none", 1, &e, &err), 0);
	assert_int_equal(e.reach, NETRULES_NONE);
	assert_int_equal(netrules_egress_parse("host", 1, &e, &err), 0);
	assert_int_equal(e.reach, NETRULES_HOST);
	assert_int_equal(
		netrules_egress_parse("192.0.2.0/24,2001:db8::/32,host,::1", 0xac100001U, &e, &err),
		0);
	assert_int_equal(e.reach, NETRULES_LIST);
	assert_int_equal(e.n, 4);
}

static void netrules_egress_parse__bad_lists__are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		",",
		"all,none",
		"example.org",
		"192.0.2.0/33",
		"192.0.2.0/",
		"192.0.2.0/24,",
		"2001:db8::/129",
		"192.0.2.0/24; flush ruleset",
		"192.0.2.1\n",
		"192.0.2.0/24 ",
		"hostx",
	};
	struct netrules_egress e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct dyno_err err = {0};

		assert_int_equal(netrules_egress_parse(bad[i], 1, &e, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_USAGE);
	}
}

static void netrules_egress__list__is_what_is_accepted(void **state)
{
	_cleanup_sbuf_ struct sbuf out = {0};
	struct netrules_egress e;

	(void)state;
	assert_int_equal(
		netrules_egress_parse("192.0.2.0/24,2001:db8::1,host", 0xac100001U, &e, NULL), 0);
	netrules_egress(&e, 0xac100001U, &out);
	assert_non_null(strstr(sbuf_str(&out), "ip daddr 192.0.2.0/24 accept\n"));
	assert_non_null(strstr(sbuf_str(&out), "ip6 daddr 2001:db8::1/128 accept\n"));
	assert_non_null(strstr(sbuf_str(&out), "ip daddr 172.16.0.1/32 accept\n"));

	sbuf_done(&out);
	out = (struct sbuf){0};
	assert_int_equal(netrules_egress_parse("none", 0xac100001U, &e, NULL), 0);
	netrules_egress(&e, 0xac100001U, &out);
	assert_null(strstr(sbuf_str(&out), "daddr"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(netrules_note__every_kind__is_read_as_written),
		cmocka_unit_test(netrules_note_parse__others__are_refused),
		cmocka_unit_test(netrules_host__note__is_its_comment),
		cmocka_unit_test(netrules_egress_parse__words_and_lists__are_taken),
		cmocka_unit_test(netrules_egress_parse__bad_lists__are_refused),
		cmocka_unit_test(netrules_egress__list__is_what_is_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
