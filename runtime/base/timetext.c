/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timetext.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/str.h"

#define US_PER_SECOND	UINT64_C(1000000)
#define SECONDS_PER_DAY UINT64_C(86400)
/* Digits of a fraction. Source: date(1) and the times of other logs have nine at the most */
#define FRACTION_MAX 9

static bool is_leap(uint64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* @month: from 1 */
static unsigned int days_of_month(uint64_t year, unsigned int month)
{
	static const uint8_t lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return lengths[month - 1] + (month == 2 && is_leap(year) ? 1U : 0U);
}

/* The Gregorian date of a day counted from 1970-01-01.  Steps of 400 years keep the loop short. */
static void date_of_day(uint64_t day, uint64_t *ret_year, unsigned int *ret_month,
			unsigned int *ret_day)
{
	const uint64_t days_per_400_years = 146097;
	uint64_t year = 1970 + 400 * (day / days_per_400_years);
	unsigned int month = 1, length;

	day %= days_per_400_years;
	while (day >= (is_leap(year) ? 366U : 365U)) {
		day -= is_leap(year) ? 366U : 365U;
		year++;
	}
	for (;;) {
		length = days_of_month(year, month);
		if (day < length)
			break;
		day -= length;
		month++;
	}

	*ret_year = year;
	*ret_month = month;
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

/* ---- the other way round -------------------------------------------------------------------- */

/* What stands before each number of a time, and how many digits it has. */
static const struct {
	const char *before;
	unsigned int digits;
} parts[] = {{"", 4}, {"-", 2}, {"-", 2}, {"T", 2}, {":", 2}, {":", 2}};

enum { PART_YEAR, PART_MONTH, PART_DAY, PART_HOUR, PART_MINUTE, PART_SECOND };

_Static_assert(sizeof(parts) / sizeof(parts[0]) == PART_SECOND + 1, "a row of each part");

/* Takes a number of so many digits off *@s. False: there is none. */
static bool take_number(const char **s, const char *end, unsigned int digits, unsigned int *ret)
{
	const char *p = *s;
	unsigned int value = 0;

	if ((size_t)(end - p) < digits)
		return false;
	for (unsigned int i = 0; i < digits; i++, p++) {
		if (*p < '0' || *p > '9')
			return false;
		value = 10 * value + (unsigned int)(*p - '0');
	}
	*s = p;
	*ret = value;
	return true;
}

/* Takes the number that is next, and what stands before it, off *@s. False: there is none. */
static bool take_part(const char **s, const char *end, size_t part, unsigned int *ret)
{
	const size_t before = strlen(parts[part].before);
	const char *p = *s + before;

	if ((size_t)(end - *s) < before ||
	    (memcmp(*s, parts[part].before, before) != 0 && !(part == PART_HOUR && **s == ' ')))
		return false;
	if (!take_number(&p, end, parts[part].digits, ret))
		return false;
	*s = p;
	return true;
}

static uint64_t take_fraction(const char **s, const char *end)
{
	const char *p = *s;
	uint64_t us = 0, unit = US_PER_SECOND / 10;

	if (end - p < 2 || p[0] != '.' || p[1] < '0' || p[1] > '9')
		return 0;
	for (p++; p < end && *p >= '0' && *p <= '9' && p - *s <= FRACTION_MAX; p++, unit /= 10)
		us += unit * (uint64_t)(*p - '0');
	*s = p;
	return us;
}

/* What stands behind a time: nothing, "Z" or "+02:00"; nothing else. False: it is none of these. */
static bool take_zone(const char *s, const char *end, int64_t *ret_us)
{
	const int64_t sign = s < end && *s == '-' ? -1 : 1;
	unsigned int hours, minutes;

	*ret_us = 0;
	if (s == end || (*s == 'Z' && s + 1 == end))
		return true;
	if (*s != '+' && *s != '-')
		return false;
	s++;
	if (!take_number(&s, end, 2, &hours) || s == end || *s++ != ':' ||
	    !take_number(&s, end, 2, &minutes) || s != end || hours > 23 || minutes > 59)
		return false;
	*ret_us = sign * (int64_t)US_PER_SECOND * (3600 * (int64_t)hours + 60 * (int64_t)minutes);
	return true;
}

static bool is_date_and_time(const unsigned int v[])
{
	return v[PART_YEAR] >= 1970 && v[PART_MONTH] >= 1 && v[PART_MONTH] <= 12 &&
	       v[PART_DAY] >= 1 && v[PART_DAY] <= days_of_month(v[PART_YEAR], v[PART_MONTH]) &&
	       v[PART_HOUR] < 24 && v[PART_MINUTE] < 60 && v[PART_SECOND] < 60;
}

/* Leap years before a year, counted from year 0. */
static uint64_t leaps_before(uint64_t year)
{
	year--;
	return year / 4 - year / 100 + year / 400;
}

static uint64_t day_of_date(const unsigned int v[])
{
	uint64_t day = 365 * ((uint64_t)v[PART_YEAR] - 1970) + leaps_before(v[PART_YEAR]) -
		       leaps_before(1970);

	for (unsigned int month = 1; month < v[PART_MONTH]; month++)
		day += days_of_month(v[PART_YEAR], month);
	return day + v[PART_DAY] - 1;
}

int time_parse(const char *s, size_t len, uint64_t *ret_us)
{
	unsigned int v[PART_SECOND + 1] = {0};
	const char *end = s + len;
	size_t part = 0;
	uint64_t us = 0;
	int64_t zone;

	while (part <= PART_SECOND && take_part(&s, end, part, &v[part]))
		part++;
	if (part > PART_SECOND)
		us = take_fraction(&s, end);
	if (part <= PART_DAY || part == PART_HOUR + 1 || !is_date_and_time(v) ||
	    !take_zone(s, end, &zone))
		return -EINVAL;
	us += US_PER_SECOND * (SECONDS_PER_DAY * day_of_date(v) + 3600U * v[PART_HOUR] +
			       60U * v[PART_MINUTE] + v[PART_SECOND]);
	if (zone > 0 && us < (uint64_t)zone)
		return -EINVAL;
	*ret_us = us - (uint64_t)zone;
	return 0;
}

uint64_t time_now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail for this clock */
	return (uint64_t)t.tv_sec * US_PER_SECOND + (uint64_t)t.tv_nsec / 1000;
}
