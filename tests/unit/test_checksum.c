/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_checksum.c - forms of a digest, and the line of R17 (C5.4, T14).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "model/checksum.h"

#define LOW  "00ff0123456789abcdef00000000000000000000000000000000000000000010"
#define HIGH "00FF0123456789ABCDEF00000000000000000000000000000000000000000010"

static void checksum_parse__all_forms__give_the_same_bytes_C5_4(void **state)
{
	static const char *const forms[] = {LOW, HIGH, "sha256:" LOW, "SHA256:" HIGH,
					    "Sha256:" LOW};
	char hex[CHECKSUM_HEX_BYTES], digest[DYNO_DIGEST_BYTES];
	uint8_t sum[CHECKSUM_BYTES];
	struct dyno_err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		memset(sum, 0xee, sizeof(sum));
		assert_int_equal(checksum_parse(forms[i], sum, &err), 0);
		assert_int_equal(sum[1], 0xff);
		assert_int_equal(sum[31], 0x10);
		assert_string_equal(checksum_hex(sum, hex), LOW);
		assert_string_equal(checksum_digest(sum, digest), "sha256:" LOW);
	}
}

static void checksum_parse__anything_else__is_refused(void **state)
{
	static const char *const bad[] = {"",
					  "sha256:",
					  "sha256:" LOW "0",
					  LOW "0",
					  "md5:" LOW,
					  "sha256:sha256:" LOW,
					  " " LOW,
					  LOW "\n",
					  "sha256:zz",
					  "g0ff0123456789abcdef000000000000000000000000000000000000"
					  "00000010",
					  "0gff0123456789abcdef000000000000000000000000000000000000"
					  "00000010"};
	uint8_t sum[CHECKSUM_BYTES] = {0x77};
	struct dyno_err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(checksum_parse(bad[i], sum, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_int_equal(sum[0], 0x77);
	}
}

static void checksum_r17__mismatch__has_the_exact_wording_T14(void **state)
{
	uint8_t want[CHECKSUM_BYTES] = {0xab}, got[CHECKSUM_BYTES] = {0xcd};
	char line[CHECKSUM_R17_BYTES];

	(void)state;
	assert_string_equal(
		checksum_r17(want, got, line),
		"Error R17 (Checksum error) -> Checksum does match expected value. Expected: "
		"SHA256:ab00000000000000000000000000000000000000000000000000000000000000 Actual: "
		"SHA256:cd00000000000000000000000000000000000000000000000000000000000000");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum_parse__all_forms__give_the_same_bytes_C5_4),
		cmocka_unit_test(checksum_parse__anything_else__is_refused),
		cmocka_unit_test(checksum_r17__mismatch__has_the_exact_wording_T14),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
