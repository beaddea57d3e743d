/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - reading bytes: ASCII classes without a locale, lines with numbers, arrays that grow in an
 * arena.  For the parsers of this layer; no parser itself.
 */
#ifndef DYNO_TEXT_H
#define DYNO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define TEXT_UTF8_MAX_BYTES 4U

static inline bool text_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool text_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Letters, digits, "_": \w of the patterns in the contract. */
static inline bool text_is_word(char c)
{
	return text_is_alpha(c) || text_is_digit(c) || c == '_';
}

/* White space within a line; a CR at its end counts as such. */
static inline bool text_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* Bytes that no line of text should hold. */
static inline bool text_is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/** text_hex() - value of a hexadecimal digit of either case. Return: 0-15, or -1. */
static inline int text_hex(char c)
{
	if (text_is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/**
 * struct text_lines - the lines of a text; set @next and @end, zero the rest.
 * @next: where the next line begins
 * @end: end of the text
 * @s: the line, not NUL-terminated, without LF and without a CR before it
 * @len: its bytes
 * @number: its number, from 1
 */
struct text_lines {
	const char *next;
	const char *end;
	const char *s;
	size_t len;
	unsigned int number;
};

/** text_lines_next() - go to the next line. Return: false at the end. */
bool text_lines_next(struct text_lines *lines);

/** text_skip_bom() - the length of a UTF-8 byte order mark at the beginning: 3 or 0. */
size_t text_skip_bom(const char *text, size_t len);

/** text_trim() - cut blanks at both ends of *@s, *@len. */
void text_trim(const char **s, size_t *len);

/**
 * text_grow() - make room for one more item.
 * @items: array of @n items of @size bytes in @arena, NULL at first
 * @cap: its room in items, doubled where full
 * Return: the array, perhaps moved (the old one stays in the arena); NULL on ENOMEM.
 */
void *text_grow(struct arena *arena, void *items, size_t n, size_t *cap, size_t size);

/** text_utf8() - encode a code point. @out: TEXT_UTF8_MAX_BYTES. Return: bytes written; 0 for
 * surrogates, NUL and what is past U+10FFFF. */
size_t text_utf8(uint32_t code, char *out);

#endif
