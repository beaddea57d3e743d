/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs_seek.c - where the last lines of several logs begin, without reading what stands before.
 *
 * Each log is read backwards; of the lines that are next the latest one is counted, until there are
 * enough.  What reads forwards from where each log was left then tells exactly these.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/timetext.h"
#include "engine/logs.h"

/**
 * struct seek - one log.
 * @time_us: of the line at hand, or of the one after it where that tells none
 * @line_fd, @line_at: where the earliest line that counts begins
 * @ready: a line is at hand
 */
struct seek {
	struct logback back;
	struct log_source *source;
	uint64_t time_us;
	int line_fd;
	uint64_t line_at;
	bool ready;
};

bool logs_is_wanted(const struct dyno_log *log, bool parsed, const struct logline *record)
{
	if (log->origin == LOG_ANY)
		return true;
	return parsed && logline_is_app(record) == (log->origin == LOG_APP);
}

/* The next line back that is asked for. Return: 0; -errno. */
static int step(const struct dyno_log *log, struct seek *s)
{
	struct logline record;
	uint64_t time_us;
	bool parsed;
	int r;

	s->ready = false;
	for (;;) {
		r = logback_next(&s->back);
		if (r <= 0)
			return r == -ESTALE ? 0 : r;
		parsed = logline_parse(s->back.head, s->back.head_len, &record);
		if (parsed && time_parse(record.time.s, record.time.len, &time_us) == 0) {
			if (time_us < log->since_us)
				return 0;
			s->time_us = time_us;
		}
		if (logs_is_wanted(log, parsed, &record))
			break;
	}
	s->ready = true;
	return 0;
}

static struct seek *latest(struct seek *seeks, size_t n)
{
	struct seek *found = NULL;

	for (size_t i = 0; i < n; i++) {
		if (seeks[i].ready && (!found || seeks[i].time_us >= found->time_us))
			found = &seeks[i];
	}
	return found;
}

static int begin(const struct dyno_log *log, struct seek *seeks, bool back)
{
	int r = 0;

	for (size_t i = 0; i < log->n && r == 0; i++) {
		struct seek *s = &seeks[i];

		s->source = log->sources[i];
		s->time_us = UINT64_MAX;
		r = logback_begin(&s->source->file, &s->back);
		s->line_fd = s->back.line_fd;
		s->line_at = s->back.line_at;
		if (r == 0 && back)
			r = step(log, s);
	}
	return r;
}

/* The line at hand is one of the last. Return: 0; -errno. */
static int count(const struct dyno_log *log, struct seek *s)
{
	s->line_fd = s->back.line_fd;
	s->line_at = s->back.line_at;
	return step(log, s);
}

/* Of each log as far as it goes: their order is no matter. */
static int count_all(const struct dyno_log *log, struct seek *seeks)
{
	int r = 0;

	for (size_t i = 0; i < log->n; i++) {
		while (r == 0 && seeks[i].ready)
			r = count(log, &seeks[i]);
	}
	return r;
}

static int seek(struct dyno_log *log, struct seek *seeks, uint64_t lines)
{
	int r = begin(log, seeks, lines > 0);

	if (r == 0 && lines == DYNO_LOG_ALL) {
		r = count_all(log, seeks);
		lines = 0;
	}
	for (; r == 0 && lines > 0; lines--) {
		struct seek *s = latest(seeks, log->n);

		if (!s)
			break;
		r = count(log, s);
	}
	for (size_t i = 0; r == 0 && i < log->n; i++)
		logfile_seek(&seeks[i].source->file, seeks[i].line_fd, seeks[i].line_at);
	return r;
}

int logs_seek(struct dyno_log *log, uint64_t lines)
{
	_cleanup_free_ struct seek *seeks = NULL;

	if (log->n == 0 || (lines == DYNO_LOG_ALL && log->since_us == 0))
		return 0;
	seeks = calloc(log->n, sizeof(*seeks));
	return seeks ? seek(log, seeks, lines) : -ENOMEM;
}
