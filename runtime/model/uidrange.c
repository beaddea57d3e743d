/* SPDX-License-Identifier: Apache-2.0 */
#include "model/uidrange.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"

/* The largest id there is; 2^32 - 1 means "none" to the kernel.  Source: chown(2). */
#define ID_LAST (UINT32_MAX - 1)

/* "4294967294" and a NUL. */
#define NUMBER_BYTES 11U

static_assert(UIDRANGE_DEFAULT_COUNT % UIDRANGE_SLOT_IDS == 0, "whole slots");
static_assert(UIDRANGE_DEFAULT_FIRST > 2000200000U, "after the last range of SSSD");
static_assert(UIDRANGE_DEFAULT_FIRST + UIDRANGE_DEFAULT_COUNT <= 2147352576U,
	      "before the first id of systemd's foreign range");

static int parse(const char *text, struct uidrange *range)
{
	const char *colon = strchr(text, ':');
	char first[NUMBER_BYTES];
	size_t len;
	int rc;

	if (!colon)
		return -EINVAL;
	len = (size_t)(colon - text);
	if (len >= sizeof(first))
		return -EINVAL;
	memcpy(first, text, len);
	first[len] = '\0';

	rc = num_parse_u32(first, ID_LAST, &range->first);
	return rc < 0 ? rc : num_parse_u32(colon + 1, ID_LAST, &range->count);
}

int uidrange_parse(const char *text, struct uidrange *ret, struct dyno_err *err)
{
	struct uidrange range = UIDRANGE_DEFAULT;
	char shown[4 * NUMBER_BYTES];
	bool good;

	if (!text) {
		*ret = range;
		return 0;
	}

	good = parse(text, &range) == 0 && range.first >= UIDRANGE_SLOT_IDS && range.count > 0 &&
	       range.count % UIDRANGE_SLOT_IDS == 0 && range.count - 1 <= ID_LAST - range.first;
	if (!good) {
		(void)err_set(err, ERR_USAGE, 0, "read the range of user ids \"%s\"",
			      str_escape(shown, sizeof(shown), text));
		err_hint(err,
			 "write FIRST:COUNT, FIRST at least %u, COUNT a multiple of %u, no id "
			 "above %u; the default is %u:%u",
			 UIDRANGE_SLOT_IDS, UIDRANGE_SLOT_IDS, ID_LAST, UIDRANGE_DEFAULT_FIRST,
			 UIDRANGE_DEFAULT_COUNT);
		return -EINVAL;
	}
	*ret = range;
	return 0;
}

uint32_t uid_for_digest(const uint8_t digest[32])
{
	uint64_t n = 0;

	for (size_t i = 0; i < sizeof(n); i++)
		n = n << 8 | digest[i];
	return UID_APP_FIRST + (uint32_t)(n % (UID_APP_LAST - UID_APP_FIRST + 1));
}
