/* SPDX-License-Identifier: Apache-2.0 */
/*
 * str.c - comparing, growing buffers, and the three escapings: terminal, JSON, shell.  Text is
 * bytes; UTF-8 is only recognised, never converted.
 */
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* First allocation of a buffer: a line of text. */
#define SBUF_FIRST_BYTES 128

const char *str_starts(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return NULL;
	return s;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

void sbuf_done(struct sbuf *b)
{
	free(b->data);
	*b = (struct sbuf){0};
}

/* Makes room for @more bytes and a NUL. */
static bool sbuf_reserve(struct sbuf *b, size_t more)
{
	size_t need, cap = b->cap ? b->cap : SBUF_FIRST_BYTES;
	char *data;

	if (b->failed)
		return false;
	if (__builtin_add_overflow(b->len, more, &need) || need >= PTRDIFF_MAX / 2) {
		b->failed = true;
		return false;
	}
	if (need < b->cap)
		return true;

	while (cap <= need)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

void sbuf_add(struct sbuf *b, const void *data, size_t len)
{
	if (!sbuf_reserve(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void sbuf_adds(struct sbuf *b, const char *s)
{
	sbuf_add(b, s, strlen(s));
}

void sbuf_addc(struct sbuf *b, char c)
{
	sbuf_add(b, &c, 1);
}

void sbuf_addf(struct sbuf *b, const char *fmt, ...)
{
	va_list ap, again;
	size_t len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = str_vfmt(NULL, 0, fmt, ap);
	if (sbuf_reserve(b, len)) {
		(void)str_vfmt(b->data + b->len, len + 1, fmt, again);
		b->len += len;
	}
	va_end(again);
	va_end(ap);
}

int sbuf_ok(const struct sbuf *b)
{
	return b->failed ? -ENOMEM : 0;
}

const char *sbuf_str(const struct sbuf *b)
{
	return b->data ? b->data : "";
}

/*
 * Decodes one character.  Overlong forms, surrogates and values above U+10FFFF are invalid, so that
 * nothing can hide from the checks below behind a second spelling.
 * Return: its bytes, or 0 where @s does not begin with a valid one.
 */
static size_t utf8_decode(const unsigned char *s, size_t len, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t c;

	if (n == 0 || n > len || s[0] > 0xf4)
		return 0;

	c = n == 1 ? s[0] : s[0] & (0xffU >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;

	*ret = c;
	return n;
}

bool str_is_utf8(const char *s, size_t len)
{
	size_t n, at;
	uint32_t c;

	for (at = 0; at < len; at += n) {
		n = utf8_decode((const unsigned char *)s + at, len - at, &c);
		if (n == 0)
			return false;
	}
	return true;
}

/* Characters that a terminal obeys, or that make a line read differently from its bytes: the
 * controls, line separators, and the marks that turn the direction of text around. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Room for the longest piece: four bytes, each as \xHH. */
#define PIECE_BYTES 17

/*
 * The text for the character at @s, for a terminal.
 * @piece: receives it, NUL-terminated
 * Return: input bytes that it stands for.
 */
static size_t escape_next(const char *s, size_t len, char *piece)
{
	const unsigned char *u = (const unsigned char *)s;
	uint32_t c = 0;
	size_t n = utf8_decode(u, len, &c);
	size_t at = 0;

	if (n && c != '\\' && !is_control(c)) {
		memcpy(piece, s, n);
		piece[n] = '\0';
		return n;
	}

	piece[0] = '\\';
	piece[2] = '\0';
	piece[1] = c == '\n' ? 'n' : c == '\t' ? 't' : c == '\r' ? 'r' : c == '\\' ? '\\' : 0;
	if (n && piece[1])
		return n;

	n = n ? n : 1;
	for (size_t i = 0; i < n; i++)
		at += str_fmt(piece + at, PIECE_BYTES - at, "\\x%02x", u[i]);
	return n;
}

void sbuf_add_escaped(struct sbuf *b, const char *s, size_t len)
{
	char piece[PIECE_BYTES];

	for (size_t i = 0; i < len;) {
		i += escape_next(s + i, len - i, piece);
		sbuf_adds(b, piece);
	}
}

char *str_escape(char *buf, size_t size, const char *s)
{
	size_t len = strlen(s), at = 0;
	char piece[PIECE_BYTES];

	if (size == 0)
		return buf;

	for (size_t i = 0; i < len;) {
		size_t n;

		i += escape_next(s + i, len - i, piece);
		n = strlen(piece);
		if (n >= size - at)
			break; /* half an escape would say something else */
		memcpy(buf + at, piece, n);
		at += n;
	}
	buf[at] = '\0';
	return buf;
}

/* Text of one JSON string character; controls of C1 too, since JSON may end on a terminal. */
static void add_json_char(struct sbuf *b, const char *s, size_t n, uint32_t c)
{
	static const char with_letter[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (size_t i = 0; i < STRLEN(with_letter); i += 2) {
		if ((unsigned char)with_letter[i] == c) {
			sbuf_addc(b, '\\');
			sbuf_addc(b, with_letter[i + 1]);
			return;
		}
	}
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		sbuf_addf(b, "\\u%04x", c);
	else
		sbuf_add(b, s, n);
}

void sbuf_add_json(struct sbuf *b, const char *s, size_t len)
{
	sbuf_addc(b, '"');
	for (size_t i = 0; i < len;) {
		uint32_t c = 0;
		size_t n = utf8_decode((const unsigned char *)s + i, len - i, &c);

		if (n)
			add_json_char(b, s + i, n, c);
		else
			sbuf_adds(b, "\xef\xbf\xbd"); /* U+FFFD */
		i += n ? n : 1;
	}
	sbuf_addc(b, '"');
}

/* Words that bash would take for grammar where a command may stand. */
static bool is_shell_keyword(const char *s)
{
	static const char *const keywords[] = {
		"case",	    "coproc", "do", "done",   "elif", "else", "esac",  "fi",	"for",
		"function", "if",     "in", "select", "then", "time", "until", "while",
	};

	for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
		if (str_eq(s, keywords[i]))
			return true;
	return false;
}

/* No '=' here (an assignment where a command may stand), no '~' and no '%' (a job). */
static bool is_shell_plain(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_@+:,./-";

	return *s && s[strspn(s, plain)] == '\0' && !is_shell_keyword(s);
}

void sbuf_add_shell(struct sbuf *b, const char *s)
{
	if (is_shell_plain(s)) {
		sbuf_adds(b, s);
		return;
	}

	sbuf_addc(b, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			sbuf_adds(b, "'\\''");
		else
			sbuf_addc(b, *s);
	}
	sbuf_addc(b, '\'');
}
