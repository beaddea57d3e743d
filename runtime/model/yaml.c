/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the reader holds one line (text, number, indentation) and where it is in it.
 * Whoever consumes a value leaves the reader at the first line that is not part of it; so every
 * function may stop at a line that is its caller's.
 */
#include "model/yaml.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

/* What begins folded blocks, anchors, aliases, tags, flow collections, and what is reserved. */
#define FORMS_UNKNOWN ">&*!%@`{}[],"

int yaml_no_memory(const struct yaml *y)
{
	(void)err_set(y->err, ERR_MEMORY, ENOMEM, "read release file");
	return -ENOMEM;
}

int yaml_fail(const struct yaml *y, const char *what)
{
	(void)err_set(y->err, ERR_PROCFILE, 0, "line %u: %s", y->lines.number, what);
	return -EINVAL;
}

/* Go to the next line, whatever it holds. Return: 0, also at the end; -EINVAL for a NUL byte. */
static int next_raw(struct yaml *y)
{
	y->eof = !text_lines_next(&y->lines);
	if (y->eof)
		return 0;
	if (y->lines.len > 0 && memchr(y->lines.s, '\0', y->lines.len))
		return yaml_fail(y, "a NUL byte");

	y->end = y->lines.s + y->lines.len;
	for (y->indent = 0; y->indent < y->lines.len && y->lines.s[y->indent] == ' ';)
		y->indent++;
	y->p = y->lines.s + y->indent;
	return 0;
}

static bool is_blank_line(const struct yaml *y)
{
	const char *p = y->p;

	while (p < y->end && text_is_blank(*p))
		p++;
	return p == y->end;
}

/* Go on, if need be, to a line that is neither blank nor a comment. */
static int skip_empty(struct yaml *y)
{
	int rc = 0;

	while (rc == 0 && !y->eof && (is_blank_line(y) || *y->p == '#'))
		rc = next_raw(y);
	if (rc == 0 && !y->eof && *y->p == '\t')
		return yaml_fail(y, "a tab in the indentation, YAML allows only spaces");
	return rc;
}

int yaml_next(struct yaml *y)
{
	int rc = next_raw(y);

	return rc < 0 ? rc : skip_empty(y);
}

static void skip_blanks(struct yaml *y)
{
	while (y->p < y->end && text_is_blank(*y->p))
		y->p++;
}

bool yaml_at_line_end(struct yaml *y)
{
	const char *before = y->p;

	skip_blanks(y);
	return y->p == y->end || (*y->p == '#' && y->p > before);
}

/* Whether @c stands here with a blank or nothing after it, which makes it an indicator. */
static bool at_indicator(const struct yaml *y, char c)
{
	return *y->p == c && (y->p + 1 == y->end || text_is_blank(y->p[1]));
}

bool yaml_at_list_item(const struct yaml *y)
{
	return at_indicator(y, '-');
}

/* The plain text in this line, blanks cut. Return: 1 where a comment ends it, 0, or -EINVAL. */
static int plain_part(struct yaml *y, const char **ret, size_t *ret_len)
{
	const char *p = y->p;

	for (; p < y->end; p++) {
		if (*p == '#' && p > y->lines.s && text_is_blank(p[-1]))
			break;
		if (*p == ':' && (p + 1 == y->end || text_is_blank(p[1]))) {
			(void)yaml_fail(y, "a \":\" within a value");
			err_hint(y->err, "put the value in quotes");
			return -EINVAL;
		}
	}
	*ret = y->p;
	*ret_len = (size_t)(p - y->p);
	text_trim(ret, ret_len);
	return p < y->end;
}

/* Line breaks within a value: one is a blank, each further one a newline. */
static void add_break(struct sbuf *out, size_t blank_lines)
{
	if (blank_lines == 0)
		sbuf_addc(out, ' ');
	for (size_t i = 0; i < blank_lines; i++)
		sbuf_addc(out, '\n');
}

static int read_plain(struct yaml *y, size_t indent, struct sbuf *out)
{
	size_t len, blank_lines;
	const char *s;
	int commented, rc;

	for (;;) {
		commented = plain_part(y, &s, &len);
		if (commented < 0)
			return commented;
		sbuf_add(out, s, len);

		blank_lines = 0;
		while ((rc = next_raw(y)) == 0 && !y->eof && is_blank_line(y))
			blank_lines++;
		if (rc < 0)
			return rc;
		if (y->eof || y->indent <= indent || *y->p == '#' || *y->p == '\t')
			return skip_empty(y);
		if (commented)
			return yaml_fail(y, "a value that goes on after a comment");
		add_break(out, blank_lines);
	}
}

static int escape_digits(struct yaml *y, size_t n, struct sbuf *out)
{
	char utf8[TEXT_UTF8_MAX_BYTES];
	uint32_t code = 0;
	size_t len;

	if ((size_t)(y->end - y->p) < n)
		return yaml_fail(y, "an escape with too few hexadecimal digits");
	for (size_t i = 0; i < n; i++) {
		int digit = text_hex(y->p[i]);

		if (digit < 0)
			return yaml_fail(y, "an escape with too few hexadecimal digits");
		code = code << 4 | (uint32_t)digit;
	}
	len = text_utf8(code, utf8);
	if (len == 0)
		return yaml_fail(y, "an escape that is no character");
	sbuf_add(out, utf8, len);
	y->p += n;
	return 0;
}

/* What follows a backslash within "...". */
static int read_escape(struct yaml *y, struct sbuf *out)
{
	static const char from[] = "abtnvfre\"/\\ \tN_LP";
	static const uint32_t to[] = {'\a', '\b', '\t', '\n', '\v', '\f', '\r',	  033,	 '"',
				      '/',  '\\', ' ',	'\t', 0x85, 0xa0, 0x2028, 0x2029};
	char utf8[TEXT_UTF8_MAX_BYTES];
	const char *at;
	char c;

	static_assert(ARRAY_SIZE(to) == STRLEN(from), "one character for each escape");
	if (y->p == y->end)
		return 0;
	c = *y->p++;
	if (c == 'x' || c == 'u' || c == 'U')
		return escape_digits(y, c == 'x' ? 2 : c == 'u' ? 4 : 8, out);
	at = strchr(from, c);
	if (!at)
		return yaml_fail(y, "an unknown escape");
	sbuf_add(out, utf8, text_utf8(to[at - from], utf8));
	return 0;
}

/*
 * struct quoted - a quoted value on its way.
 * @quote: the quote that ends it
 * @first: line where it began
 * @solid: bytes of @out before blanks that a line break would eat
 * @joined: a backslash ended the line, so no blank stands for its break
 * @out: the value
 */
struct quoted {
	char quote;
	unsigned int first;
	size_t solid;
	bool joined;
	struct sbuf *out;
};

/* Go on in the next line. */
static int fold_quoted(struct yaml *y, size_t indent, struct quoted *q)
{
	size_t blank_lines = 0;
	int rc;

	while ((rc = next_raw(y)) == 0 && !y->eof && is_blank_line(y))
		blank_lines++;
	if (rc < 0)
		return rc;
	if (y->eof || y->indent <= indent) {
		(void)err_set(y->err, ERR_PROCFILE, 0, "line %u: a quote that is never closed",
			      q->first);
		return -EINVAL;
	}

	skip_blanks(y);
	if (!q->joined) {
		q->out->len = MIN_OF(q->out->len, q->solid);
		add_break(q->out, blank_lines);
	}
	q->solid = q->out->len;
	return 0;
}

/* One line's worth of it. Return: 1 at the closing quote, 0 at the line's end, -EINVAL. */
static int read_quoted_line(struct yaml *y, struct quoted *q)
{
	int rc;

	q->joined = false;
	while (y->p < y->end) {
		char c = *y->p++;

		if (c == q->quote && (c == '"' || y->p == y->end || *y->p != '\''))
			return 1;
		if (c == '\\' && q->quote == '"') {
			q->joined = y->p == y->end;
			rc = read_escape(y, q->out);
			if (rc < 0)
				return rc;
			q->solid = q->out->len;
			continue;
		}
		y->p += c == q->quote; /* '' stands for ' */
		sbuf_addc(q->out, c);
		if (!text_is_blank(c))
			q->solid = q->out->len;
	}
	return 0;
}

static int read_quoted(struct yaml *y, size_t indent, struct sbuf *out)
{
	struct quoted q = {.quote = *y->p, .first = y->lines.number, .out = out};
	int rc;

	y->p++;
	while ((rc = read_quoted_line(y, &q)) == 0) {
		rc = fold_quoted(y, indent, &q);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc : 0;
}

/* "|" and after it, in either order, a digit (indentation of the block) and "-" or "+". */
static int read_literal_head(struct yaml *y, size_t indent, size_t *block, char *chomp)
{
	for (y->p++; y->p < y->end && !text_is_blank(*y->p); y->p++) {
		if (*y->p >= '1' && *y->p <= '9' && *block == 0)
			*block = indent + (size_t)(*y->p - '0');
		else if ((*y->p == '-' || *y->p == '+') && *chomp == '\0')
			*chomp = *y->p;
		else
			return yaml_fail(y, "\"|\" with something unknown after it");
	}
	return yaml_at_line_end(y) ? 0 : yaml_fail(y, "text after \"|\"");
}

/* A literal block: lines as they are, without the block's indentation. */
static int read_literal(struct yaml *y, size_t indent, struct sbuf *out)
{
	size_t block = 0, solid = 0;
	char chomp = '\0';
	int rc;

	rc = read_literal_head(y, indent, &block, &chomp);
	if (rc < 0)
		return rc;

	while ((rc = next_raw(y)) == 0 && !y->eof) {
		bool blank = y->indent == y->lines.len && (block == 0 || y->lines.len <= block);

		if (!blank && block == 0)
			block = y->indent;
		if (!blank && (y->indent <= indent || y->indent < block))
			break;
		if (!blank) {
			sbuf_add(out, y->lines.s + block, y->lines.len - block);
			solid = out->len;
		}
		sbuf_addc(out, '\n');
	}
	if (chomp != '+' && out->len > 0 && !out->failed)
		out->len = solid + (solid > 0 && chomp != '-');
	return rc < 0 ? rc : skip_empty(y);
}

static int finish_line(struct yaml *y)
{
	if (!yaml_at_line_end(y))
		return yaml_fail(y, "text after the closing quote");
	return yaml_next(y);
}

/* Whatever form of value the cursor is at. */
static int read_form(struct yaml *y, size_t indent, struct sbuf *out)
{
	int rc;

	if (*y->p == '\'' || *y->p == '"') {
		rc = read_quoted(y, indent, out);
		return rc < 0 ? rc : finish_line(y);
	}
	if (*y->p == '|')
		return read_literal(y, indent, out);
	if (strchr(FORMS_UNKNOWN, *y->p) || at_indicator(y, '-') || at_indicator(y, '?')) {
		(void)yaml_fail(y, "a form of YAML value that is not understood");
		err_hint(y->err, "put the value in quotes");
		return -EINVAL;
	}
	return read_plain(y, indent, out);
}

int yaml_read_scalar(struct yaml *y, size_t indent, char **ret)
{
	_cleanup_sbuf_ struct sbuf out = {0};
	int rc = 0;

	/* A value may begin in the next line, if that is indented deeper. */
	if (yaml_at_line_end(y))
		rc = yaml_next(y);
	if (rc == 0 && !y->eof && (y->p > y->lines.s + y->indent || y->indent > indent))
		rc = read_form(y, indent, &out);
	if (rc < 0)
		return rc;
	if (sbuf_ok(&out) < 0)
		return yaml_no_memory(y);
	*ret = arena_memdup(y->arena, sbuf_str(&out), out.len);
	return *ret ? 0 : yaml_no_memory(y);
}

int yaml_read_key(struct yaml *y, char **ret)
{
	char quote = *y->p == '\'' || *y->p == '"' ? *y->p : '\0';
	const char *begin = y->p + (quote != '\0');
	const char *stop = begin;

	if (strchr("|" FORMS_UNKNOWN, *y->p) || at_indicator(y, '-') || at_indicator(y, '?'))
		return yaml_fail(y, "not a line of the form \"key: value\"");
	while (stop < y->end && (quote ? *stop != quote : *stop != ':'))
		stop++;
	y->p = stop + (quote != '\0');
	if (y->p >= y->end || *y->p != ':' || (y->p + 1 < y->end && !text_is_blank(y->p[1])))
		return yaml_fail(y, "not a line of the form \"key: value\"");
	y->p++;
	*ret = arena_memdup(y->arena, begin, (size_t)(stop - begin));
	return *ret ? 0 : yaml_no_memory(y);
}

int yaml_start(struct yaml *y, const char *text, size_t len)
{
	y->lines = (struct text_lines){.next = text, .end = text + len};
	y->lines.next += text_skip_bom(text, len);
	return yaml_next(y);
}

bool yaml_take(struct yaml *y, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(y->end - y->p) < len || memcmp(y->p, text, len) != 0)
		return false;
	y->p += len;
	return true;
}
