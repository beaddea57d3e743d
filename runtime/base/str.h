/* SPDX-License-Identifier: Apache-2.0 */
/*
 * str.h - text without surprises: bounded formatting, growing buffers, escaping for terminals,
 * JSON and shells.  The formatter allocates nothing and knows no locale.
 */
#ifndef DYNO_STR_H
#define DYNO_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

/**
 * str_vfmt() / str_fmt() - snprintf's useful part: %s %.*s %c %d %i %u %x %o %% with the length
 * modifiers l, ll, z, h, hh, j and zero or blank padding (%02x, %4d); %p is not known.
 * @buf: receives at most @size - 1 bytes and always a NUL (where @size > 0)
 * Return: the length the whole text would have had.
 * Context: any, [child]
 */
size_t str_vfmt(char *buf, size_t size, const char *fmt, va_list ap) _printf_(3, 0);
size_t str_fmt(char *buf, size_t size, const char *fmt, ...) _printf_(3, 4);

static inline bool str_eq(const char *a, const char *b)
{
	return __builtin_strcmp(a, b) == 0;
}

/** str_starts() - the rest of @s after @prefix, or NULL where it does not begin so. */
const char *str_starts(const char *s, const char *prefix);

/** str_is_utf8() - whether @len bytes are valid UTF-8: what a JSON string can hold as it is. */
bool str_is_utf8(const char *s, size_t len);

/** str_ends() - whether @s ends in @suffix. */
bool str_ends(const char *s, const char *suffix);

/**
 * struct sbuf - a growing buffer, always NUL-terminated once written to; zero-initialised is empty.
 * @data: owned by the buffer; NULL while empty
 * @len: bytes without the NUL
 * @cap: bytes allocated
 * @failed: an allocation failed; all later writes are ignored
 */
struct sbuf {
	char *data;
	size_t len;
	size_t cap;
	bool failed;
};

void sbuf_done(struct sbuf *b);
#define _cleanup_sbuf_ _cleanup_(sbuf_done)

/** sbuf_add*() - append; errors are kept in @failed and read once at the end by sbuf_ok(). */
void sbuf_add(struct sbuf *b, const void *data, size_t len);
void sbuf_adds(struct sbuf *b, const char *s);
void sbuf_addc(struct sbuf *b, char c);
void sbuf_addf(struct sbuf *b, const char *fmt, ...) _printf_(2, 3);

/** sbuf_ok() - 0, or -ENOMEM when any append failed. */
int sbuf_ok(const struct sbuf *b);

/** sbuf_str() - the text, "" while empty; owned by the buffer. */
const char *sbuf_str(const struct sbuf *b);

/**
 * sbuf_add_escaped() - append text of unknown origin for a terminal: printable UTF-8 as it is;
 * control bytes, DEL, C1 controls and invalid bytes as \n, \t, \r, \\, \xHH.
 */
void sbuf_add_escaped(struct sbuf *b, const char *s, size_t len);

/** sbuf_add_json() - append a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void sbuf_add_json(struct sbuf *b, const char *s, size_t len);

/** sbuf_add_shell() - append a word so that bash reads exactly @s: as it is, or in '…'. */
void sbuf_add_shell(struct sbuf *b, const char *s);

/**
 * str_escape() - the same as sbuf_add_escaped() into a fixed buffer, cut at its end.
 * Return: @buf. Context: any, [child]
 */
char *str_escape(char *buf, size_t size, const char *s);

#endif
