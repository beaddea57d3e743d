/* SPDX-License-Identifier: Apache-2.0 */
#include "model/backoff.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"

/* Longest word of a list: 20 digits of a 64-bit number, a unit and the NUL. */
#define WORD_BYTES 24U

static int add_step(struct backoff *b, uint64_t ms, struct dyno_err *err)
{
	if (b->n == BACKOFF_STEPS_MAX)
		return err_set(err, ERR_USAGE, E2BIG, "read back-off steps: more than %u",
			       BACKOFF_STEPS_MAX);
	b->step_ms[b->n++] = ms;
	return 0;
}

static int parse_step(const char *word, uint64_t *ret_ms, struct dyno_err *err)
{
	uint64_t ms = 0;
	int r = num_parse_duration(word, &ms);

	if (r == 0 && ms > BACKOFF_STEP_MAX_MS)
		r = -ERANGE;
	if (r < 0) {
		(void)err_set(err, ERR_USAGE, -r, "read back-off step \"%s\"", word);
		err_hint(err, "steps are durations up to 7d with commas between, such as %s",
			 BACKOFF_DEFAULT);
		return r;
	}
	*ret_ms = ms;
	return 0;
}

/* The steps between the last one and the cap, which itself follows. */
static int add_doubled(struct backoff *b, uint64_t cap_ms, struct dyno_err *err)
{
	uint64_t ms = b->n > 0 ? b->step_ms[b->n - 1] : 0;
	int r;

	if (ms == 0 || cap_ms < ms) {
		(void)err_set(err, ERR_USAGE, EINVAL, "double back-off steps");
		err_hint(err, "\"...\" stands between a step and a longer one: 0,10m,...,24h");
		return -EINVAL;
	}
	for (ms *= 2; ms < cap_ms; ms *= 2) {
		r = add_step(b, ms, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The next word of the list. Return: what follows its comma, NULL after the last word. */
static const char *next_word(const char *text, char word[static WORD_BYTES])
{
	size_t len = strcspn(text, ",");

	/* What does not fit is no duration, and must not become one by being cut. */
	if (len >= WORD_BYTES)
		(void)str_fmt(word, WORD_BYTES, "%.16s...", text);
	else
		(void)str_fmt(word, WORD_BYTES, "%.*s", (int)len, text);
	return text[len] ? text + len + 1 : NULL;
}

int backoff_parse(const char *text, struct backoff *ret, struct dyno_err *err)
{
	struct backoff b = {0};
	char word[WORD_BYTES];
	bool doubling = false;
	uint64_t ms = 0;
	int r = 0;

	if (str_eq(text, "off")) {
		*ret = b;
		return 0;
	}
	while (text && r == 0) {
		text = next_word(text, word);
		if (str_eq(word, "...") && text && !doubling) {
			doubling = true;
			continue;
		}
		r = parse_step(word, &ms, err);
		if (r == 0 && doubling)
			r = add_doubled(&b, ms, err);
		if (r == 0)
			r = add_step(&b, ms, err);
		doubling = false;
	}
	if (r < 0)
		return r;
	*ret = b;
	return 0;
}

uint64_t backoff_delay(const struct backoff *backoff, uint32_t tally, uint32_t jitter)
{
	uint64_t step_ms;

	if (tally == 0 || backoff->n == 0)
		return 0;
	step_ms = backoff->step_ms[MIN_OF(tally, backoff->n) - 1];
	/* A step is below 2^30 ms and the jitter below 2^32: no overflow. */
	return step_ms - ((step_ms / 2 * jitter) >> 32);
}
