/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_uidrange.c - ranges of ids, the owner of a slug (C1.10), numbers of $PORT (C3.6).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "model/port.h"
#include "model/uidrange.h"

static void uidrange_parse__good_ranges__are_cut_into_slots(void **state)
{
	struct uidrange r;
	struct dyno_err err;

	(void)state;
	assert_int_equal(uidrange_parse("100000:65536", &r, &err), 0);
	assert_int_equal(r.first, 100000);
	assert_int_equal(uidrange_slots(&r), 1);
	assert_int_equal(uidrange_slot_first(&r, 0), 100000);

	assert_int_equal(uidrange_parse("65536:4294836224", &r, &err), 0);
	assert_int_equal(uidrange_slots(&r), 65534);
	assert_true(uidrange_slot_first(&r, 65533) == 4294836224U);

	assert_int_equal(uidrange_parse(NULL, &r, &err), 0);
	assert_int_equal(r.first, UIDRANGE_DEFAULT_FIRST);
	assert_int_equal(uidrange_slots(&r), 2048);
	assert_true(uidrange_slot_first(&r, 2047) + 65535U < 2147352576U);
}

static void uidrange_parse__bad_ranges__are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"100000",
		"100000:",
		":65536",
		"100000:0",
		"100000:65535",
		"100000:65537",
		"65535:65536",
		"0:65536",
		"-1:65536",
		"+100000:65536",
		" 100000:65536",
		"100000:65536 ",
		"0x10000:65536",
		"100000:65536:1",
		"4294901761:65536",
		"4294901760:65536",
		"4294967295:65536",
		"4294967296:65536",
		"100000:4294967296",
		"131072:4294836224",
		"00000000000100000:65536",
	};
	struct uidrange r = {7, 7};
	struct dyno_err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (uidrange_parse(bad[i], &r, &err) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_int_equal(r.first, 7);
	}
	/* the last id is 2^32 - 2 */
	assert_int_equal(uidrange_parse("4294901759:65536", &r, &err), 0);
}

static void uid_for_digest__every_digest__is_a_plain_users_id_C1_10(void **state)
{
	uint8_t digest[32] = {0};
	uint32_t seen_low = UINT32_MAX, seen_high = 0;

	(void)state;
	assert_int_equal(uid_for_digest(digest), 1000);
	digest[7] = 1;
	assert_int_equal(uid_for_digest(digest), 1001);
	digest[31] = 1; /* the first 8 bytes decide */
	assert_int_equal(uid_for_digest(digest), 1001);
	memset(digest, 0xff, sizeof(digest));
	assert_int_equal(uid_for_digest(digest), 1000 + UINT64_MAX % 59000);

	for (unsigned int i = 0; i < 65536; i++) {
		uint32_t uid;

		digest[6] = (uint8_t)(i >> 8);
		digest[7] = (uint8_t)i;
		uid = uid_for_digest(digest);
		seen_low = uid < seen_low ? uid : seen_low;
		seen_high = uid > seen_high ? uid : seen_high;
	}
	assert_int_equal(seen_low, UID_APP_FIRST);
	assert_int_equal(seen_high, UID_APP_LAST);
}

static void port_nth__any_number__stays_out_of_the_kernels_range_C3_6(void **state)
{
	(void)state;
	assert_int_equal(port_nth(0), 20000);
	assert_int_equal(port_nth(9999), 29999);
	assert_int_equal(port_nth(10000), 20000);
	assert_in_range(port_nth(UINT32_MAX), PORT_FIRST, PORT_LAST);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(uidrange_parse__good_ranges__are_cut_into_slots),
		cmocka_unit_test(uidrange_parse__bad_ranges__are_refused),
		cmocka_unit_test(uid_for_digest__every_digest__is_a_plain_users_id_C1_10),
		cmocka_unit_test(port_nth__any_number__stays_out_of_the_kernels_range_C3_6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
