/* SPDX-License-Identifier: Apache-2.0 */
#include "model/text.h"

#include <string.h>

/* Items of a fresh array.  Source: own choice; a Procfile has a handful of lines. */
#define GROW_FIRST_COUNT 8U

bool text_lines_next(struct text_lines *lines)
{
	const char *lf;

	if (lines->next == lines->end)
		return false;

	lf = memchr(lines->next, '\n', (size_t)(lines->end - lines->next));
	lines->s = lines->next;
	lines->len = (size_t)((lf ? lf : lines->end) - lines->s);
	lines->next = lf ? lf + 1 : lines->end;
	lines->number++;
	if (lines->len > 0 && lines->s[lines->len - 1] == '\r')
		lines->len--;
	return true;
}

size_t text_skip_bom(const char *text, size_t len)
{
	return len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

void text_trim(const char **s, size_t *len)
{
	while (*len > 0 && text_is_blank((*s)[0])) {
		(*s)++;
		(*len)--;
	}
	while (*len > 0 && text_is_blank((*s)[*len - 1]))
		(*len)--;
}

void *text_grow(struct arena *arena, void *items, size_t n, size_t *cap, size_t size)
{
	size_t want = *cap ? 2 * *cap : GROW_FIRST_COUNT;
	void *bigger;

	if (n < *cap)
		return items;

	bigger = arena_calloc(arena, want, size);
	if (!bigger)
		return NULL;
	if (n > 0)
		memcpy(bigger, items, n * size);
	*cap = want;
	return bigger;
}

size_t text_utf8(uint32_t code, char *out)
{
	if (code == 0 || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
		return 0;
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}
