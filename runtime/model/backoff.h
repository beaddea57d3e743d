/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff.h - how long a crashed dyno waits for its next start.  A list of steps, one for each
 * crash in a row, whose last one repeats.  It counts nothing and has no clock: the tally and what
 * resets it are supervise.h's, chance is a number handed in.
 */
#ifndef DYNO_BACKOFF_H
#define DYNO_BACKOFF_H

#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

/* Steps of one list: the 2013 policy, ten minutes doubled up to a day, needs ten of them.
 * Source: CONTRACT 6.9 */
#define BACKOFF_STEPS_MAX 16U

/* The longest step. Source: a week; who wants longer wants `--restart never` */
#define BACKOFF_STEP_MAX_MS (UINT64_C(7) * 24 * 3600 * 1000)

/* The text of the default. Source: CONTRACT 6.8, the current policy of the Common Runtime */
#define BACKOFF_DEFAULT "0,20m,40m,60m,180m,320m"

/**
 * struct backoff - the steps.  Zero-initialised it is no back-off at all: always at once.
 * @n: how many
 * @step_ms: the longest wait before the next start, after the 1st, 2nd, ... crash in a row
 */
struct backoff {
	uint32_t n;
	uint64_t step_ms[BACKOFF_STEPS_MAX];
};

/**
 * backoff_parse() - steps from text.
 * @text: durations with commas between, "0,20m,40m"; "a,b,...,CAP" doubles b until CAP, which is
 *        then the last step ("0,10m,...,24h"); "off": always at once
 * @ret: untouched on failure
 * Errors: -EINVAL (ERR_USAGE): no duration, an empty one, nothing to double, a cap below the step
 * before; -ERANGE (ERR_USAGE): a step above BACKOFF_STEP_MAX_MS; -E2BIG (ERR_USAGE): too many.
 */
int backoff_parse(const char *text, struct backoff *ret, struct dyno_err *err);

/**
 * backoff_delay() - the wait after the @tally-th crash in a row.
 * @tally: 1 for the first; 0 waits for nothing
 * @jitter: uniformly distributed over all of its range
 *
 * The steps of the contract are "up to" so long: the wait lies between a half and the whole of the
 * step, so that dynos that crashed together do not come back together.
 * Return: milliseconds.
 */
uint64_t backoff_delay(const struct backoff *backoff, uint32_t tally, uint32_t jitter);

#endif
