/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crashtext.h"

#include "base/str.h"

#define MS_PER_S  1000U
#define S_PER_MIN 60U
#define S_PER_H	  3600U

/* Waits are said in the coarser unit from here on: below it every second is of interest. */
#define TEXT_MIN_FROM_S (2U * S_PER_MIN)

const char *crashtext_ordinal(uint32_t n)
{
	uint32_t tens = n / 10 % 10;

	if (tens == 1)
		return "th";
	switch (n % 10) {
	case 1:
		return "st";
	case 2:
		return "nd";
	case 3:
		return "rd";
	default:
		return "th";
	}
}

/* Rounded up, so that "next in 0 s" is never said of something that is still to come. */
static size_t wait_text(uint64_t wait_ms, char *buf, size_t size)
{
	unsigned long long s = wait_ms / MS_PER_S + (wait_ms % MS_PER_S != 0);
	unsigned long long min = s / S_PER_MIN + (s % S_PER_MIN != 0);

	if (s < TEXT_MIN_FROM_S)
		return str_fmt(buf, size, "%llu s", s);
	if (min < 2 * S_PER_H / S_PER_MIN)
		return str_fmt(buf, size, "%llu min", min);
	return str_fmt(buf, size, "%llu h %llu min", min / 60, min % 60);
}

char *crashtext_format(uint32_t tally, uint64_t wait_ms, char buf[CRASHTEXT_BYTES])
{
	size_t n = str_fmt(buf, CRASHTEXT_BYTES, "crashed");

	if (tally > 0)
		n += str_fmt(buf + n, CRASHTEXT_BYTES - n, " (%u%s)", tally,
			     crashtext_ordinal(tally));
	if (wait_ms != UINT64_MAX) {
		n += str_fmt(buf + n, CRASHTEXT_BYTES - n, ", next in ");
		(void)wait_text(wait_ms, buf + n, CRASHTEXT_BYTES - n);
	}
	return buf;
}
