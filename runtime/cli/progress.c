/* SPDX-License-Identifier: Apache-2.0 */
/* progress.c - one line on the terminal about long work. */
#include "cli/progress.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"

#define PROGRESS_DELAY_MS    300 /* shorter work shows nothing */
#define PROGRESS_INTERVAL_MS 100 /* between two drawings */
#define PROGRESS_NAME_BYTES  28	 /* of the slug's name, which leaves room for the numbers */
#define PROGRESS_COLUMNS     80	 /* of a terminal that does not tell its width */
#define PROGRESS_BAR_MIN     10
#define PROGRESS_BAR_MAX     30
#define SIZE_BYTES	     16 /* as num_format_size() needs */

static const char clear_line[] = "\r\033[K";

/* The end of a name says more than its directories. UTF-8 is not cut within a character. */
static void short_name(const char *name, char buf[PROGRESS_NAME_BYTES])
{
	char escaped[4 * PROGRESS_NAME_BYTES * 4];
	size_t len = strlen(name);

	if (len >= sizeof(escaped) / 4)
		name += len - (sizeof(escaped) / 4 - 1);
	while (((unsigned char)*name & 0xc0) == 0x80)
		name++;
	str_escape(escaped, sizeof(escaped), name);
	len = strlen(escaped);

	const char *from = escaped;

	if (len >= PROGRESS_NAME_BYTES) {
		from += len - (PROGRESS_NAME_BYTES - 1 - STRLEN("..."));
		while (((unsigned char)*from & 0xc0) == 0x80)
			from++;
	}
	str_fmt(buf, PROGRESS_NAME_BYTES, "%s%s", from == escaped ? "" : "...", from);
}

static unsigned int percent(const struct dyno_progress *p)
{
	if (p->done_bytes >= p->total_bytes)
		return 100;
	/* No overflow for sizes over 2^57: there the total is a round number of hundreds. */
	return (unsigned int)(p->total_bytes > UINT64_MAX / 100
				      ? p->done_bytes / (p->total_bytes / 100)
				      : p->done_bytes * 100 / p->total_bytes);
}

static void format_numbers(const struct dyno_progress *p, uint64_t elapsed_ms, char *buf,
			   size_t size)
{
	char done[SIZE_BYTES], total[SIZE_BYTES], rate[SIZE_BYTES];
	uint64_t per_second = p->done_bytes / (elapsed_ms ? elapsed_ms : 1) * 1000;

	num_format_size(done, p->done_bytes);
	num_format_size(rate, per_second);
	if (p->total_bytes == 0) {
		str_fmt(buf, size, " %s  %s/s", done, rate);
		return;
	}

	uint64_t left = p->total_bytes > p->done_bytes ? p->total_bytes - p->done_bytes : 0;

	num_format_size(total, p->total_bytes);
	if (per_second == 0)
		str_fmt(buf, size, " %3u%%  %s of %s", percent(p), done, total);
	else
		str_fmt(buf, size, " %3u%%  %s of %s  %s/s  %llu s left", percent(p), done, total,
			rate, (unsigned long long)(left / per_second));
}

static void format_bar(const struct dyno_progress *p, size_t width, char *buf)
{
	size_t full = p->total_bytes ? percent(p) * width / 100 : 0;

	buf[0] = '[';
	memset(buf + 1, '#', full);
	memset(buf + 1 + full, '.', width - full);
	buf[1 + width] = ']';
	buf[2 + width] = '\0';
}

char *progress_format(const struct dyno_progress *report, uint64_t elapsed_ms, unsigned int columns,
		      char *buf, size_t size)
{
	char name[PROGRESS_NAME_BYTES], numbers[96], bar[PROGRESS_BAR_MAX + 3] = "";
	size_t used, width;

	short_name(report->name ? report->name : "", name);
	format_numbers(report, elapsed_ms, numbers, sizeof(numbers));
	columns = MIN_OF(columns, PROGRESS_COLUMNS_MAX);
	used = strlen(report->what) + 1 + strlen(name) + strlen(numbers) + STRLEN(" []") + 1;
	width = columns > used ? MIN_OF(columns - used, (size_t)PROGRESS_BAR_MAX) : 0;
	if (report->total_bytes && width >= PROGRESS_BAR_MIN)
		format_bar(report, width, bar);

	str_fmt(buf, MIN_OF(size, (size_t)columns), "%s %s%s%s%s", report->what, name,
		bar[0] ? " " : "", bar, numbers);
	return buf;
}

/* Width of the terminal on standard error; asked for once, and not before it is needed. */
static bool find_terminal(struct progress *progress)
{
	struct winsize size;

	if (progress->columns)
		return true;
	if (!isatty(STDERR_FILENO)) {
		progress->disabled = true;
		return false;
	}
	progress->columns = PROGRESS_COLUMNS;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		progress->columns = size.ws_col;
	return true;
}

static void draw(const struct progress *progress, const struct dyno_progress *report, uint64_t now)
{
	char line[PROGRESS_COLUMNS_MAX + 1];
	char out[sizeof(clear_line) + sizeof(line)];

	progress_format(report, now - progress->start_ms, progress->columns, line, sizeof(line));

	size_t len = str_fmt(out, sizeof(out), "%s%s", clear_line, line);

	(void)fd_write_full(STDERR_FILENO, out, len); /* an ornament */
}

void progress_report(void *data, const struct dyno_progress *report)
{
	struct progress *progress = data;

	if (progress->disabled)
		return;

	uint64_t now = clock_ms();

	if (!progress->what || !str_eq(progress->what, report->what) ||
	    report->done_bytes < progress->done_bytes) {
		progress_clear(progress);
		progress->what = report->what;
		progress->start_ms = now;
		progress->drawn_ms = 0;
	}
	progress->done_bytes = report->done_bytes;

	if (report->total_bytes && report->done_bytes >= report->total_bytes) {
		progress_clear(progress);
		return;
	}
	if (now - progress->start_ms < PROGRESS_DELAY_MS ||
	    now - progress->drawn_ms < PROGRESS_INTERVAL_MS || !find_terminal(progress))
		return;

	draw(progress, report, now);
	progress->drawn_ms = now;
	progress->shown = true;
}

void progress_clear(struct progress *progress)
{
	if (!progress->shown)
		return;
	(void)fd_write_full(STDERR_FILENO, clear_line, STRLEN(clear_line)); /* an ornament */
	progress->shown = false;
}
