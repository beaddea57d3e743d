/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fmt.c - the formatter behind every message: printf's useful part without libc, locale, heap or
 * lock, so that a child which shares its parent's memory may use it.  No floating point, no %p.
 */
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

/* Octal digits of the largest integer: 64 / 3, rounded up. */
#define DIGITS_MAX 22

struct out {
	char *buf;
	size_t size;
	size_t len; /* of the whole text, also what did not fit */
};

enum length { LEN_CHAR, LEN_SHORT, LEN_INT, LEN_LONG, LEN_LLONG, LEN_SIZE, LEN_MAX };

/* One parsed conversion. */
struct conv {
	bool zero;
	bool left;
	size_t width;
	bool has_prec;
	size_t prec;
	enum length length;
	char kind;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void put_mem(struct out *o, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put(o, s[i]);
}

static void put_pad(struct out *o, char c, size_t n)
{
	while (n--)
		put(o, c);
}

static size_t bounded_len(const char *s, const struct conv *c)
{
	size_t n = 0;

	while ((!c->has_prec || n < c->prec) && s[n])
		n++;
	return n;
}

static void put_text(struct out *o, const struct conv *c, const char *s, size_t n)
{
	size_t pad = c->width > n ? c->width - n : 0;

	if (!c->left)
		put_pad(o, ' ', pad);
	put_mem(o, s, n);
	if (c->left)
		put_pad(o, ' ', pad);
}

static void put_number(struct out *o, const struct conv *c, uint64_t v, unsigned int base, bool neg)
{
	const char *const set = c->kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	char digits[DIGITS_MAX];
	size_t n = 0, zeros = 0, pad;

	for (; v; v /= base)
		digits[n++] = set[v % base];
	if (n == 0 && !(c->has_prec && c->prec == 0))
		digits[n++] = '0';

	if (c->has_prec)
		zeros = c->prec > n ? c->prec - n : 0;
	else if (c->zero && !c->left)
		zeros = c->width > n + neg ? c->width - n - neg : 0;
	pad = c->width > n + zeros + neg ? c->width - n - zeros - neg : 0;

	if (!c->left)
		put_pad(o, ' ', pad);
	if (neg)
		put(o, '-');
	put_pad(o, '0', zeros);
	while (n)
		put(o, digits[--n]);
	if (c->left)
		put_pad(o, ' ', pad);
}

/* Arguments come through a struct: a va_list handed on by value is indeterminate afterwards. */
struct args {
	va_list ap;
};

static int64_t next_signed(struct args *a, enum length length)
{
	switch (length) {
	case LEN_CHAR:
		return (signed char)va_arg(a->ap, int);
	case LEN_SHORT:
		return (short)va_arg(a->ap, int);
	case LEN_INT:
		return va_arg(a->ap, int);
	case LEN_LONG:
		return va_arg(a->ap, long);
	case LEN_LLONG:
		return va_arg(a->ap, long long);
	case LEN_SIZE:
		return va_arg(a->ap, ssize_t);
	case LEN_MAX:
		return va_arg(a->ap, intmax_t);
	}
	return 0;
}

static uint64_t next_unsigned(struct args *a, enum length length)
{
	switch (length) {
	case LEN_CHAR:
		return (unsigned char)va_arg(a->ap, unsigned int);
	case LEN_SHORT:
		return (unsigned short)va_arg(a->ap, unsigned int);
	case LEN_INT:
		return va_arg(a->ap, unsigned int);
	case LEN_LONG:
		return va_arg(a->ap, unsigned long);
	case LEN_LLONG:
		return va_arg(a->ap, unsigned long long);
	case LEN_SIZE:
		return va_arg(a->ap, size_t);
	case LEN_MAX:
		return va_arg(a->ap, uintmax_t);
	}
	return 0;
}

/* A width or precision: digits or '*'.  Sets *neg for a negative argument. */
static const char *parse_count(const char *p, struct args *a, size_t *ret, bool *neg)
{
	size_t n = 0;

	*neg = false;
	if (*p == '*') {
		int v = va_arg(a->ap, int);

		*neg = v < 0;
		*ret = v < 0 ? (size_t) - (int64_t)v : (size_t)v;
		return p + 1;
	}
	for (; *p >= '0' && *p <= '9'; p++)
		n = n > INT_MAX / 10 ? INT_MAX : n * 10 + (size_t)(*p - '0');
	*ret = n;
	return p;
}

static const char *parse_length(const char *p, enum length *ret)
{
	static const struct {
		char text[3];
		enum length length;
	} table[] = {
		{"hh", LEN_CHAR}, {"h", LEN_SHORT}, {"ll", LEN_LLONG},
		{"l", LEN_LONG},  {"z", LEN_SIZE},  {"j", LEN_MAX},
	};

	*ret = LEN_INT;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const char *rest = str_starts(p, table[i].text);

		if (rest) {
			*ret = table[i].length;
			return rest;
		}
	}
	return p;
}

/* Reads one conversion after its '%'. Return: what follows it. */
static const char *parse_conv(const char *p, struct args *a, struct conv *c)
{
	bool neg;

	for (;; p++) {
		if (*p == '0')
			c->zero = true;
		else if (*p == '-')
			c->left = true;
		else
			break;
	}
	p = parse_count(p, a, &c->width, &neg);
	if (neg)
		c->left = true;
	if (*p == '.') {
		p = parse_count(p + 1, a, &c->prec, &neg);
		c->has_prec = !neg; /* a negative precision counts as none */
	}
	p = parse_length(p, &c->length);
	c->kind = *p;
	return *p ? p + 1 : p;
}

/* Return: false where the conversion is not known; no argument was taken for it then. */
static bool put_conv(struct out *o, const struct conv *c, struct args *a)
{
	const char *s;
	int64_t v;
	char ch;

	switch (c->kind) {
	case 's':
		s = va_arg(a->ap, const char *);
		if (!s)
			s = "(null)";
		put_text(o, c, s, bounded_len(s, c));
		return true;
	case 'c':
		ch = (char)va_arg(a->ap, int);
		put_text(o, c, &ch, 1);
		return true;
	case 'd':
	case 'i':
		v = next_signed(a, c->length);
		put_number(o, c, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0);
		return true;
	case 'u':
		put_number(o, c, next_unsigned(a, c->length), 10, false);
		return true;
	case 'x':
	case 'X':
		put_number(o, c, next_unsigned(a, c->length), 16, false);
		return true;
	case 'o':
		put_number(o, c, next_unsigned(a, c->length), 8, false);
		return true;
	case '%':
		put(o, '%');
		return true;
	default:
		return false;
	}
}

size_t str_vfmt(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = {.buf = buf, .size = size};
	struct args a;

	va_copy(a.ap, ap);
	for (const char *p = fmt; *p;) {
		const char *start = p;
		struct conv c = {0};

		if (*p != '%') {
			put(&o, *p++);
			continue;
		}
		p = parse_conv(p + 1, &a, &c);
		if (!put_conv(&o, &c, &a))
			put_mem(&o, start, (size_t)(p - start));
	}
	va_end(a.ap);

	if (size > 0)
		buf[MIN_OF(o.len, size - 1)] = '\0';
	return o.len;
}

size_t str_fmt(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	len = str_vfmt(buf, size, fmt, ap);
	va_end(ap);
	return len;
}
