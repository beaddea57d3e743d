/* SPDX-License-Identifier: Apache-2.0 */
#include "model/envjson.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "model/text.h"

struct reader {
	struct arena *arena;
	struct dyno_err *err;
	const char *p;
	const char *end;
	unsigned int line;
	struct env_pairs pairs;
	size_t cap;
};

static int no_memory(const struct reader *r)
{
	(void)err_set(r->err, ERR_MEMORY, ENOMEM, "read env file");
	return -ENOMEM;
}

static int fail(const struct reader *r, const char *what)
{
	(void)err_set(r->err, ERR_ENV_SYNTAX, 0, "line %u: JSON: %s", r->line, what);
	return -EINVAL;
}

static void skip_space(struct reader *r)
{
	for (; r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\r' || *r->p == '\n');
	     r->p++)
		r->line += *r->p == '\n';
}

/* Takes @c after white space. Return: whether it was there. */
static bool take(struct reader *r, char c)
{
	skip_space(r);
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

/* The four digits of \uXXXX, r->p behind the "u". Return: the code unit, or -1. */
static int read_unit(struct reader *r)
{
	int unit = 0;

	if (r->end - r->p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = text_hex(r->p[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	r->p += 4;
	return unit;
}

/* \uXXXX, or a pair of surrogates. Return: bytes written, or a negative errno. */
static int read_code(struct reader *r, char *out)
{
	int high = read_unit(r), low;
	uint32_t code = (uint32_t)high;
	size_t n;

	if (high >= 0xd800 && high <= 0xdbff && r->end - r->p >= 2 && r->p[0] == '\\' &&
	    r->p[1] == 'u') {
		r->p += 2;
		low = read_unit(r);
		if (low < 0xdc00 || low > 0xdfff)
			return fail(r, "half a surrogate pair");
		code = 0x10000 + (((uint32_t)high & 0x3ff) << 10) + ((uint32_t)low & 0x3ff);
	}
	if (high < 0)
		return fail(r, "\\u without four hexadecimal digits");
	n = text_utf8(code, out);
	return n > 0 ? (int)n : fail(r, "\\u0000 or half a surrogate pair");
}

/* What follows a backslash. Return: bytes written, or a negative errno. */
static int read_escape(struct reader *r, char *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (r->p == r->end)
		return fail(r, "a string is never closed");
	if (*r->p == 'u') {
		r->p++;
		return read_code(r, out);
	}
	at = *r->p ? strchr(from, *r->p) : NULL;
	if (!at)
		return fail(r, "an unknown escape in a string");
	r->p++;
	*out = to[at - from];
	return 1;
}

/* r->p behind the first quote.  The result is never longer than its source. */
static int read_string(struct reader *r, char **ret)
{
	const char *close = r->p;
	size_t len = 0;
	char *out;
	int n;

	while (close < r->end && *close != '"')
		close += *close == '\\' && close + 1 < r->end ? 2 : 1;
	if (close >= r->end)
		return fail(r, "a string is never closed");
	out = arena_alloc(r->arena, (size_t)(close - r->p) + 1);
	if (!out)
		return no_memory(r);

	while (*r->p != '"') {
		if ((unsigned char)*r->p < 0x20)
			return fail(r, "a control byte in a string, write \\n for a newline");
		if (*r->p != '\\') {
			out[len++] = *r->p++;
			continue;
		}
		r->p++;
		n = read_escape(r, &out[len]);
		if (n < 0)
			return n;
		len += (size_t)n;
	}
	r->p++;
	*ret = out;
	return 0;
}

static size_t digits(const char *p, const char *end)
{
	size_t n = 0;

	while (p + n < end && text_is_digit(p[n]))
		n++;
	return n;
}

/* The length of the number at the cursor, 0 where there is none that RFC 8259 allows. */
static size_t number_len(const struct reader *r)
{
	const char *p = r->p;
	size_t n;

	p += *p == '-';
	n = digits(p, r->end);
	if (n == 0 || (n > 1 && *p == '0'))
		return 0;
	p += n;
	if (p < r->end && *p == '.') {
		n = digits(++p, r->end);
		if (n == 0)
			return 0;
		p += n;
	}
	if (p < r->end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < r->end && (*p == '+' || *p == '-');
		n = digits(p, r->end);
		if (n == 0)
			return 0;
		p += n;
	}
	return (size_t)(p - r->p);
}

/* The length of true or false at the cursor, or 0. */
static size_t bool_len(const struct reader *r)
{
	size_t rest = (size_t)(r->end - r->p);

	if (rest >= 4 && memcmp(r->p, "true", 4) == 0)
		return 4;
	return rest >= 5 && memcmp(r->p, "false", 5) == 0 ? 5 : 0;
}

static int read_value(struct reader *r, char **ret)
{
	size_t len;

	if (take(r, '"'))
		return read_string(r, ret);
	if (r->p == r->end)
		return fail(r, "the object is never closed");
	if (*r->p == '{' || *r->p == '[')
		return fail(r, "a value is an object or an array, only strings, numbers, true and "
			       "false are taken");

	len = number_len(r);
	if (len == 0)
		len = bool_len(r);
	if (len == 0 || (r->p + len < r->end && text_is_word(r->p[len])))
		return fail(r, "a value is no string, number, true or false");
	*ret = arena_memdup(r->arena, r->p, len);
	r->p += len;
	return *ret ? 0 : no_memory(r);
}

static int add_pair(struct reader *r, const char *key, const char *value, unsigned int line)
{
	for (size_t i = 0; i < r->pairs.n; i++)
		if (str_eq(r->pairs.items[i].key, key))
			return err_set(r->err, ERR_ENV_SYNTAX, 0,
				       "line %u: JSON: \"%s\" is set on "
				       "line %u too",
				       line, key, r->pairs.items[i].line);
	if (r->pairs.n == ENV_VARS_MAX_COUNT)
		return err_set(r->err, ERR_ENV_SIZE, E2BIG, "line %u: more than %u variables", line,
			       ENV_VARS_MAX_COUNT);

	r->pairs.items =
		text_grow(r->arena, r->pairs.items, r->pairs.n, &r->cap, sizeof(*r->pairs.items));
	if (!r->pairs.items)
		return no_memory(r);
	r->pairs.items[r->pairs.n++] = (struct env_pair){key, value, line};
	return 0;
}

static int read_member(struct reader *r)
{
	char *key = NULL, *value = NULL;
	unsigned int line;
	int rc;

	if (!take(r, '"'))
		return fail(r, r->p == r->end ? "the object is never closed"
					      : "no quoted name where one is due");
	line = r->line;
	rc = read_string(r, &key);
	if (rc < 0)
		return rc;
	rc = env_key_check(key, strlen(key), r->err);
	if (rc < 0) {
		err_context(r->err, "line %u", line);
		return rc;
	}
	if (!take(r, ':'))
		return fail(r, "no \":\" after a name");
	rc = read_value(r, &value);
	return rc < 0 ? rc : add_pair(r, key, value, line);
}

int envjson_parse(const char *text, size_t len, struct arena *arena, struct env_pairs *ret,
		  struct dyno_err *err)
{
	struct reader r = {.arena = arena, .err = err, .p = text, .end = text + len, .line = 1};
	int rc;

	if (!take(&r, '{'))
		return fail(&r, "no \"{\" at the beginning");
	if (!take(&r, '}')) {
		do {
			rc = read_member(&r);
			if (rc < 0)
				return rc;
		} while (take(&r, ','));
		if (!take(&r, '}'))
			return fail(&r, r.p == r.end ? "the object is never closed"
						     : "no \",\" or \"}\" after a value");
	}
	skip_space(&r);
	if (r.p < r.end)
		return fail(&r, "text after the object");
	*ret = r.pairs;
	return 0;
}
