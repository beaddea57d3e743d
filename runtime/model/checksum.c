/* SPDX-License-Identifier: Apache-2.0 */
#include "model/checksum.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/str.h"
#include "model/text.h"

#define PREFIX "SHA256:"

/* Bytes of a wrong checksum that a message shows. */
#define SHOWN_BYTES 80U

static int parse_hex(const char *text, uint8_t *sum)
{
	if (strlen(text) != 2 * (size_t)CHECKSUM_BYTES)
		return -EINVAL;
	for (size_t i = 0; i < CHECKSUM_BYTES; i++) {
		int high = text_hex(text[2 * i]);
		int low = text_hex(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		sum[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

int checksum_parse(const char *text, uint8_t *ret, struct dyno_err *err)
{
	bool prefixed = strncasecmp(text, PREFIX, STRLEN(PREFIX)) == 0;
	uint8_t sum[CHECKSUM_BYTES];
	char shown[SHOWN_BYTES];

	if (parse_hex(prefixed ? text + STRLEN(PREFIX) : text, sum) < 0) {
		(void)err_set(err, ERR_USAGE, 0, "read checksum \"%s\"",
			      str_escape(shown, sizeof(shown), text));
		err_hint(err, "write it as " PREFIX " and 64 hexadecimal digits");
		return -EINVAL;
	}
	memcpy(ret, sum, sizeof(sum));
	return 0;
}

char *checksum_hex(const uint8_t *sum, char *buf)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < CHECKSUM_BYTES; i++) {
		buf[2 * i] = digits[sum[i] >> 4];
		buf[2 * i + 1] = digits[sum[i] & 15];
	}
	buf[2 * CHECKSUM_BYTES] = '\0';
	return buf;
}

char *checksum_digest(const uint8_t *sum, char *buf)
{
	char hex[CHECKSUM_HEX_BYTES];

	(void)str_fmt(buf, DYNO_DIGEST_BYTES, "sha256:%s", checksum_hex(sum, hex));
	return buf;
}

char *checksum_r17(const uint8_t *expected, const uint8_t *actual, char *buf)
{
	char want[CHECKSUM_HEX_BYTES], got[CHECKSUM_HEX_BYTES];

	/* "does match" is the platform's own wording; log readers look for it. */
	(void)str_fmt(buf, CHECKSUM_R17_BYTES,
		      "Error R17 (Checksum error) -> Checksum does match expected value. "
		      "Expected: SHA256:%s Actual: SHA256:%s",
		      checksum_hex(expected, want), checksum_hex(actual, got));
	return buf;
}
