/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nearest.h - "did you mean": the known word that a mistyped one is closest to, by the number of
 * letters added, left out, replaced or swapped.  Pure.
 */
#ifndef DYNO_NEAREST_H
#define DYNO_NEAREST_H

/* Words longer than this are not compared: no verb, option, class or size is as long. */
#define NEAREST_WORD_MAX 40

/**
 * struct nearest - set @word, leave the rest zero, offer every known word, then read @best.
 * @word: what was typed
 * @best: the closest word offered; NULL when none is close enough to be meant
 * @distance: of @best
 */
struct nearest {
	const char *word;
	const char *best;
	unsigned int distance;
};

/** nearest_offer() - consider @known, borrowed as long as @best is used; the first of equals wins. */
void nearest_offer(struct nearest *near, const char *known);

/** nearest_distance() - edits between two words of at most NEAREST_WORD_MAX bytes. */
unsigned int nearest_distance(const char *a, const char *b);

#endif
