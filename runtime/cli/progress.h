/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.h - one line on the terminal about long work: a bar, bytes, rate and time left.  It is
 * drawn on standard error when that is a terminal, and only for work that has taken 300 ms; work
 * that ends sooner costs a reading of the clock.
 */
#ifndef DYNO_CLI_PROGRESS_H
#define DYNO_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

/**
 * struct progress - zero-initialised it is ready.
 * @what: the work being shown, static text of the library
 * @start_ms: when it began
 * @drawn_ms: when the line was drawn last
 * @done_bytes: as of the last report, to notice that the next piece of work has begun
 * @columns: width of the terminal; 0: not asked yet
 * @disabled: standard error is no terminal
 * @shown: a line stands on the terminal
 */
struct progress {
	const char *what;
	uint64_t start_ms;
	uint64_t drawn_ms;
	uint64_t done_bytes;
	unsigned int columns;
	bool disabled;
	bool shown;
};

/** progress_report() - the callback for struct dyno_host_opts. @data: a struct progress */
void progress_report(void *data, const struct dyno_progress *report);

/** progress_clear() - takes the line away: before anything else is printed, and at the end. */
void progress_clear(struct progress *progress);

/* A line is cut at this many columns however wide the terminal. */
#define PROGRESS_COLUMNS_MAX 120

/**
 * progress_format() - the line, at most @columns wide, without control bytes.
 * @elapsed_ms: since the work began
 * @buf: @size bytes, more than @columns
 * Return: @buf.
 */
char *progress_format(const struct dyno_progress *report, uint64_t elapsed_ms, unsigned int columns,
		      char *buf, size_t size);

#endif
