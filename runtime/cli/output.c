/* SPDX-License-Identifier: Apache-2.0 */
/* output.c - how the command speaks. */
#include "cli/output.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

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

char *output_time(uint64_t us, char buf[OUTPUT_TIME_BYTES])
{
	uint64_t seconds = us / US_PER_SECOND, year;
	unsigned int month, day, of_day = (unsigned int)(seconds % SECONDS_PER_DAY);

	date_of_day(seconds / SECONDS_PER_DAY, &year, &month, &day);
	str_fmt(buf, OUTPUT_TIME_BYTES, "%04llu-%02u-%02uT%02u:%02u:%02u.%06u+00:00",
		(unsigned long long)year, month, day, of_day / 3600, of_day / 60 % 60, of_day % 60,
		(unsigned int)(us % US_PER_SECOND));
	return buf;
}

uint64_t output_now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail for this clock */
	return (uint64_t)t.tv_sec * US_PER_SECOND + (uint64_t)t.tv_nsec / 1000;
}

void output_add_line(struct sbuf *b, const char *s)
{
	for (;;) {
		size_t len = strcspn(s, "\\");

		sbuf_add_escaped(b, s, len);
		if (s[len] == '\0')
			return;
		sbuf_addc(b, '\\');
		s += len + 1;
	}
}

void output_stderr(struct sbuf *b)
{
	(void)fd_write_full(STDERR_FILENO, sbuf_str(b), b->len); /* nobody could be told */
	sbuf_done(b);
}

int output_stdout(struct sbuf *b, struct dyno_err *err)
{
	ssize_t n = sbuf_ok(b);

	if (n < 0)
		return err_set(err, ERR_MEMORY, (int)-n, "gather the output");
	if (b->len > 0)
		n = fd_write_full(STDOUT_FILENO, b->data, b->len);
	sbuf_done(b);
	if (n < 0 && n != -EPIPE)
		return err_set(err, ERR_IO, (int)-n, "write to standard output");
	return 0;
}

static bool is_set(const char *value)
{
	return value && *value;
}

bool output_wants_color(const struct output_terminal *terminal)
{
	if (terminal->choice != OUTPUT_COLOR_AUTO)
		return terminal->choice == OUTPUT_COLOR_ALWAYS;
	if (is_set(terminal->no_color))
		return false;
	if (is_set(terminal->clicolor_force) && !str_eq(terminal->clicolor_force, "0"))
		return true;
	return terminal->is_tty && is_set(terminal->term) && !str_eq(terminal->term, "dumb");
}

static void add_blanks(struct sbuf *b, size_t len, size_t width)
{
	for (; len < width; len++)
		sbuf_addc(b, ' ');
}

void output_add_styled(struct sbuf *b, bool color, enum output_style style, const char *word,
		       size_t width)
{
	static const char *const codes[] = {
		[STYLE_NONE] = "",	    [STYLE_BOLD] = "\033[1m",	 [STYLE_RED] = "\033[31m",
		[STYLE_GREEN] = "\033[32m", [STYLE_YELLOW] = "\033[33m", [STYLE_CYAN] = "\033[36m",
	};

	if (color && style != STYLE_NONE)
		sbuf_addf(b, "%s%s\033[0m", codes[style], word);
	else
		sbuf_adds(b, word);
	add_blanks(b, strlen(word), width);
}

void output_add_padded(struct sbuf *b, const char *word, size_t width)
{
	size_t len = strlen(word);

	sbuf_adds(b, word);
	add_blanks(b, len, MAX_OF(width, len + 1));
}
