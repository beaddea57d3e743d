/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timetext.h"

#include <time.h>

#include "base/str.h"

#define US_PER_SECOND	UINT64_C(1000000)
#define SECONDS_PER_DAY UINT64_C(86400)

static bool is_leap(uint64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* The Gregorian date of a day counted from 1970-01-01.  Steps of 400 years keep the loop short. */
static void date_of_day(uint64_t day, uint64_t *ret_year, unsigned int *ret_month,
			unsigned int *ret_day)
{
	static const uint8_t lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const uint64_t days_per_400_years = 146097;
	uint64_t year = 1970 + 400 * (day / days_per_400_years);
	unsigned int month = 0, length;

	day %= days_per_400_years;
	while (day >= (is_leap(year) ? 366U : 365U)) {
		day -= is_leap(year) ? 366U : 365U;
		year++;
	}
	for (;;) {
		length = lengths[month] + (month == 1 && is_leap(year) ? 1U : 0U);
		if (day < length)
			break;
		day -= length;
		month++;
	}

	*ret_year = year;
	*ret_month = month + 1;
	*ret_day = (unsigned int)day + 1;
}

char *time_format(uint64_t us, char buf[TIME_BYTES])
{
	uint64_t seconds = us / US_PER_SECOND, year;
	unsigned int month, day, of_day = (unsigned int)(seconds % SECONDS_PER_DAY);

	date_of_day(seconds / SECONDS_PER_DAY, &year, &month, &day);
	str_fmt(buf, TIME_BYTES, "%04llu-%02u-%02uT%02u:%02u:%02u.%06u+00:00",
		(unsigned long long)year, month, day, of_day / 3600, of_day / 60 % 60, of_day % 60,
		(unsigned int)(us % US_PER_SECOND));
	return buf;
}

uint64_t time_now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail for this clock */
	return (uint64_t)t.tv_sec * US_PER_SECOND + (uint64_t)t.tv_nsec / 1000;
}
