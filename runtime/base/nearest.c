/* SPDX-License-Identifier: Apache-2.0 */
/* nearest.c - edit distance (restricted Damerau-Levenshtein) over three rows. */
#include "base/nearest.h"

#include <string.h>

#include "base/util.h"

unsigned int nearest_distance(const char *a, const char *b)
{
	unsigned int rows[3][NEAREST_WORD_MAX + 1];
	size_t n = strnlen(a, NEAREST_WORD_MAX), m = strnlen(b, NEAREST_WORD_MAX);

	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned int)j;

	for (size_t i = 1; i <= n; i++) {
		unsigned int *row = rows[i % 3];
		const unsigned int *up = rows[(i + 2) % 3];
		const unsigned int *up2 = rows[(i + 1) % 3];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned int best = up[j - 1] + (a[i - 1] != b[j - 1]);

			best = MIN_OF(best, MIN_OF(up[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN_OF(best, up2[j - 2] + 1);
			row[j] = best;
		}
	}
	return rows[n % 3][m];
}

void nearest_offer(struct nearest *near, const char *known)
{
	size_t len = strlen(near->word);

	if (len == 0 || len > NEAREST_WORD_MAX || strlen(known) > NEAREST_WORD_MAX)
		return;

	unsigned int d = nearest_distance(near->word, known);

	/* A third of the letters may be wrong; a beginning of the word ("ver") is always meant. */
	if (d > (len + 2) / 3 && strncmp(known, near->word, len) != 0)
		return;
	if (!near->best || d < near->distance) {
		near->best = known;
		near->distance = d;
	}
}
