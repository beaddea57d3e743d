/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the reader holds one line (text, length, number, indentation) and where it
 * is in it.  A section or map loop looks at the line, and whoever consumes a value leaves the
 * reader at the first line that is not part of it; so every function may stop at a line that is
 * its caller's.
 */
#include "model/release.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "model/name.h"
#include "model/text.h"

/* Bytes of a key that a message shows. */
#define SHOWN_BYTES 48U

enum section { SECTION_TYPES, SECTION_VARS, SECTION_ADDONS, _SECTION_MAX };

static const char *const section_names[] = {
	[SECTION_TYPES] = "default_process_types",
	[SECTION_VARS] = "config_vars",
	[SECTION_ADDONS] = "addons",
};
_Static_assert(ARRAY_SIZE(section_names) == _SECTION_MAX, "one name for each section");

struct reader {
	struct arena *arena;
	struct dyno_err *err;
	struct text_lines lines;
	bool eof;
	size_t indent;
	const char *p;
	const char *end;
	unsigned int seen[_SECTION_MAX];
	struct release out;
	size_t types_cap;
	size_t vars_cap;
};

static int no_memory(const struct reader *r)
{
	return err_set(r->err, ERR_MEMORY, ENOMEM, "read release file");
}

static int fail(const struct reader *r, const char *what)
{
	return err_set(r->err, ERR_PROCFILE, 0, "line %u: %s", r->lines.number, what);
}

/* Go to the next line, whatever it holds. Return: 0, also at the end; -EINVAL for a NUL byte. */
static int next_raw(struct reader *r)
{
	r->eof = !text_lines_next(&r->lines);
	if (r->eof)
		return 0;
	if (r->lines.len > 0 && memchr(r->lines.s, '\0', r->lines.len))
		return fail(r, "a NUL byte");

	r->end = r->lines.s + r->lines.len;
	for (r->indent = 0; r->indent < r->lines.len && r->lines.s[r->indent] == ' ';)
		r->indent++;
	r->p = r->lines.s + r->indent;
	return 0;
}

static bool is_blank_line(const struct reader *r)
{
	const char *p = r->p;

	while (p < r->end && text_is_blank(*p))
		p++;
	return p == r->end;
}

/* Go on, if need be, to a line that is neither blank nor a comment. */
static int skip_empty(struct reader *r)
{
	int rc = 0;

	while (rc == 0 && !r->eof && (is_blank_line(r) || *r->p == '#'))
		rc = next_raw(r);
	if (rc == 0 && !r->eof && *r->p == '\t')
		return fail(r, "a tab in the indentation, YAML allows only spaces");
	return rc;
}

static int next(struct reader *r)
{
	int rc = next_raw(r);

	return rc < 0 ? rc : skip_empty(r);
}

static void skip_blanks(struct reader *r)
{
	while (r->p < r->end && text_is_blank(*r->p))
		r->p++;
}

/* Whether nothing but a comment is left of the line; @p follows a value or an indicator. */
static bool at_line_end(struct reader *r)
{
	const char *before = r->p;

	skip_blanks(r);
	return r->p == r->end || (*r->p == '#' && r->p > before);
}

static bool is_list_item(const struct reader *r)
{
	return *r->p == '-' && (r->p + 1 == r->end || text_is_blank(r->p[1]));
}

/* The plain text in this line, blanks cut. Return: 1 where a comment ends it, 0, or -EINVAL. */
static int plain_part(struct reader *r, const char **ret, size_t *ret_len)
{
	const char *p = r->p;

	for (; p < r->end; p++) {
		if (*p == '#' && p > r->lines.s && text_is_blank(p[-1]))
			break;
		if (*p == ':' && (p + 1 == r->end || text_is_blank(p[1]))) {
			(void)fail(r, "a \":\" within a value");
			err_hint(r->err, "put the value in quotes");
			return -EINVAL;
		}
	}
	*ret = r->p;
	*ret_len = (size_t)(p - r->p);
	text_trim(ret, ret_len);
	return p < r->end;
}

/* Line breaks within a value: one is a blank, each further one a newline. */
static void add_break(struct sbuf *out, size_t blank_lines)
{
	if (blank_lines == 0)
		sbuf_addc(out, ' ');
	for (size_t i = 0; i < blank_lines; i++)
		sbuf_addc(out, '\n');
}

static int read_plain(struct reader *r, size_t indent, struct sbuf *out)
{
	size_t len, blank_lines;
	const char *s;
	int commented, rc;

	for (;;) {
		commented = plain_part(r, &s, &len);
		if (commented < 0)
			return commented;
		sbuf_add(out, s, len);

		blank_lines = 0;
		while ((rc = next_raw(r)) == 0 && !r->eof && is_blank_line(r))
			blank_lines++;
		if (rc < 0)
			return rc;
		if (r->eof || r->indent <= indent || *r->p == '#' || *r->p == '\t')
			return skip_empty(r);
		if (commented)
			return fail(r, "a value that goes on after a comment");
		if (out->len > 0)
			add_break(out, blank_lines);
	}
}

static int escape_digits(struct reader *r, size_t n, struct sbuf *out)
{
	char utf8[TEXT_UTF8_MAX_BYTES];
	uint32_t code = 0;
	size_t len;

	if ((size_t)(r->end - r->p) < n)
		return fail(r, "an escape with too few hexadecimal digits");
	for (size_t i = 0; i < n; i++) {
		int digit = text_hex(r->p[i]);

		if (digit < 0)
			return fail(r, "an escape with too few hexadecimal digits");
		code = code << 4 | (uint32_t)digit;
	}
	len = text_utf8(code, utf8);
	if (len == 0)
		return fail(r, "an escape that is no character");
	sbuf_add(out, utf8, len);
	r->p += n;
	return 0;
}

/* What follows a backslash within "...". */
static int read_escape(struct reader *r, struct sbuf *out)
{
	static const char from[] = "abtnvfre\"/\\ \t", to[] = "\a\b\t\n\v\f\r\033\"/\\ \t";
	const char *at;
	char c;

	if (r->p == r->end)
		return 0;
	c = *r->p++;
	if (c == 'x' || c == 'u' || c == 'U')
		return escape_digits(r, c == 'x' ? 2 : c == 'u' ? 4 : 8, out);
	at = strchr(from, c);
	if (!at)
		return fail(r, "an unknown escape");
	sbuf_addc(out, to[at - from]);
	return 0;
}

/* A quoted value goes on in the next line. @solid: bytes of @out that trailing blanks end at */
static int fold_quoted(struct reader *r, size_t indent, unsigned int first, bool joined,
		       size_t solid, struct sbuf *out)
{
	size_t blank_lines = 0;
	int rc;

	while ((rc = next_raw(r)) == 0 && !r->eof && is_blank_line(r))
		blank_lines++;
	if (rc < 0)
		return rc;
	if (r->eof || r->indent <= indent)
		return err_set(r->err, ERR_PROCFILE, 0, "line %u: a quote that is never closed",
			       first);
	skip_blanks(r);
	if (!joined && out->len > solid)
		out->len = solid;
	if (!joined)
		add_break(out, blank_lines);
	return 0;
}

/* One line's worth of a quoted value. Return: 1 at the closing quote, 0 at the line's end. */
static int read_quoted_line(struct reader *r, char quote, struct sbuf *out, size_t *solid,
			    bool *joined)
{
	int rc;

	*joined = false;
	while (r->p < r->end) {
		char c = *r->p++;

		if (c == quote && (quote == '"' || r->p == r->end || *r->p != '\''))
			return 1;
		if (c == '\\' && quote == '"') {
			*joined = r->p == r->end;
			rc = read_escape(r, out);
			if (rc < 0)
				return rc;
			*solid = out->len;
			continue;
		}
		r->p += c == quote; /* '' stands for ' */
		sbuf_addc(out, c);
		if (!text_is_blank(c))
			*solid = out->len;
	}
	return 0;
}

/* '...' or "...", with what may follow it in its last line. */
static int read_quoted(struct reader *r, size_t indent, struct sbuf *out)
{
	unsigned int first = r->lines.number;
	char quote = *r->p++;
	size_t solid = 0;
	bool joined;
	int rc;

	for (;;) {
		rc = read_quoted_line(r, quote, out, &solid, &joined);
		if (rc != 0)
			return rc < 0 ? rc : 0;
		rc = fold_quoted(r, indent, first, joined, solid, out);
		if (rc < 0)
			return rc;
		solid = out->len;
	}
}

/* | with its block: lines as they are, without the block's indentation. */
static int read_literal(struct reader *r, size_t indent, struct sbuf *out)
{
	char chomp = r->p + 1 < r->end ? r->p[1] : ' ';
	size_t block = 0, solid = 0;
	int rc;

	r->p += chomp == '-' || chomp == '+' ? 2 : 1;
	if (!at_line_end(r))
		return fail(r, "\"|\" with something other than \"-\" or \"+\" after it");

	while ((rc = next_raw(r)) == 0 && !r->eof) {
		bool blank = r->indent == r->lines.len;

		if (!blank && block == 0)
			block = r->indent;
		if (!blank && (r->indent <= indent || r->indent < block))
			break;
		if (r->lines.len > block && block > 0)
			sbuf_add(out, r->lines.s + block, r->lines.len - block);
		if (!blank)
			solid = out->len;
		sbuf_addc(out, '\n');
	}
	if (chomp != '+' && out->len > 0 && !out->failed)
		out->len = solid + (solid > 0 && chomp != '-');
	return rc < 0 ? rc : skip_empty(r);
}

static int finish_line(struct reader *r)
{
	if (!at_line_end(r))
		return fail(r, "text after the closing quote");
	return next(r);
}

/* The value after "key:", and on to the next line. @indent: of the key */
static int read_scalar(struct reader *r, size_t indent, char **ret)
{
	_cleanup_sbuf_ struct sbuf out = {0};
	int rc;

	skip_blanks(r);
	if (r->p < r->end && (*r->p == '\'' || *r->p == '"')) {
		rc = read_quoted(r, indent, &out);
		if (rc == 0)
			rc = finish_line(r);
	} else if (r->p < r->end && *r->p == '|') {
		rc = read_literal(r, indent, &out);
	} else if (r->p < r->end &&
		   (strchr(">&*!@`%{}[],?", *r->p) || (*r->p == '-' && is_list_item(r)))) {
		rc = fail(r, "a form of YAML value that is not understood");
		err_hint(r->err, "put the value in quotes");
	} else {
		rc = read_plain(r, indent, &out);
	}
	if (rc < 0)
		return rc;
	if (sbuf_ok(&out) < 0)
		return no_memory(r);
	*ret = arena_memdup(r->arena, out.data ? out.data : "", out.len);
	return *ret ? 0 : no_memory(r);
}

/* "key:", r->p behind the colon. */
static int read_key(struct reader *r, char **ret)
{
	char quote = *r->p == '\'' || *r->p == '"' ? *r->p : '\0';
	const char *begin = r->p + (quote != '\0');
	const char *stop = begin;

	if (strchr("?&*!|>%@`{}[],", *r->p) || is_list_item(r))
		return fail(r, "not a line of the form \"key: value\"");
	while (stop < r->end && (quote ? *stop != quote : *stop != ':'))
		stop++;
	r->p = stop + (quote != '\0');
	if (r->p >= r->end || *r->p != ':' || (r->p + 1 < r->end && !text_is_blank(r->p[1])))
		return fail(r, "not a line of the form \"key: value\"");
	r->p++;
	*ret = arena_memdup(r->arena, begin, (size_t)(stop - begin));
	return *ret ? 0 : no_memory(r);
}

static int refuse_duplicate(const struct reader *r, unsigned int line, const char *key,
			    unsigned int first)
{
	char shown[SHOWN_BYTES];

	return err_set(r->err, ERR_PROCFILE, 0, "line %u: \"%s\" stands on line %u too", line,
		       str_escape(shown, sizeof(shown), key), first);
}

static int add_type(struct reader *r, const char *key, char *value, unsigned int line)
{
	const struct proc_type *first = proc_types_find(&r->out.types, key);
	const char *command = value;
	size_t len = strlen(value);
	int rc;

	rc = name_check_type(key, r->err);
	if (rc < 0) {
		err_context(r->err, "line %u", line);
		return rc;
	}
	if (first)
		return refuse_duplicate(r, line, key, first->line);
	while (len > 0 && (value[len - 1] == '\n' || text_is_blank(value[len - 1])))
		value[--len] = '\0';
	if (len == 0)
		return err_set(r->err, ERR_PROCFILE, 0, "line %u: type \"%s\" has no command", line,
			       key);
	if (r->out.types.n == PROC_TYPES_MAX_COUNT)
		return err_set(r->err, ERR_PROCFILE, 0, "line %u: more than %u process types", line,
			       PROC_TYPES_MAX_COUNT);

	r->out.types.items = text_grow(r->arena, r->out.types.items, r->out.types.n, &r->types_cap,
				       sizeof(*r->out.types.items));
	if (!r->out.types.items)
		return no_memory(r);
	r->out.types.items[r->out.types.n++] = (struct proc_type){key, command, line};
	return 0;
}

static int add_var(struct reader *r, const char *key, const char *value, unsigned int line)
{
	int rc;

	rc = env_key_check(key, strlen(key), r->err);
	if (rc < 0) {
		err_context(r->err, "line %u", line);
		return rc;
	}
	for (size_t i = 0; i < r->out.vars.n; i++)
		if (str_eq(r->out.vars.items[i].key, key))
			return refuse_duplicate(r, line, key, r->out.vars.items[i].line);
	if (r->out.vars.n == ENV_VARS_MAX_COUNT)
		return err_set(r->err, ERR_ENV_SIZE, E2BIG, "line %u: more than %u config vars",
			       line, ENV_VARS_MAX_COUNT);

	r->out.vars.items = text_grow(r->arena, r->out.vars.items, r->out.vars.n, &r->vars_cap,
				      sizeof(*r->out.vars.items));
	if (!r->out.vars.items)
		return no_memory(r);
	r->out.vars.items[r->out.vars.n++] = (struct env_pair){key, value, line};
	return 0;
}

static int read_map(struct reader *r, enum section section)
{
	size_t indent = r->indent;
	char *key = NULL, *value = NULL;
	unsigned int line;
	int rc;

	while (!r->eof && r->indent > 0) {
		if (r->indent != indent)
			return fail(r, "an indentation that does not fit the line before");
		line = r->lines.number;
		rc = read_key(r, &key);
		if (rc == 0)
			rc = read_scalar(r, indent, &value);
		if (rc == 0)
			rc = section == SECTION_TYPES ? add_type(r, key, value, line)
						      : add_var(r, key, value, line);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Items of a list, at the section's own column too, and whatever stands under them. */
static int skip_list(struct reader *r)
{
	int rc = 0;

	while (rc == 0 && !r->eof && (r->indent > 0 || is_list_item(r)))
		rc = next(r);
	return rc;
}

static bool take_text(struct reader *r, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(r->end - r->p) < len || memcmp(r->p, text, len) != 0)
		return false;
	r->p += len;
	return true;
}

static bool take_flow_list(struct reader *r)
{
	const char *close;

	if (r->p == r->end || *r->p != '[')
		return false;
	close = memchr(r->p, ']', (size_t)(r->end - r->p));
	if (close)
		r->p = close + 1;
	return close != NULL;
}

/* What follows "section:". */
static int read_body(struct reader *r, enum section section)
{
	bool closed;
	int rc;

	if (at_line_end(r)) {
		rc = next(r);
		if (rc < 0 || r->eof)
			return rc;
		if (section == SECTION_ADDONS)
			return skip_list(r);
		return r->indent > 0 ? read_map(r, section) : 0;
	}

	closed = section == SECTION_ADDONS ? take_flow_list(r) : take_text(r, "{}");
	if (!closed || !at_line_end(r)) {
		(void)fail(r, "a section whose value is not understood");
		err_hint(r->err, section == SECTION_ADDONS ? "write [] or lines \"- item\""
							   : "write {} or lines \"  key: value\"");
		return -EINVAL;
	}
	return next(r);
}

static int read_section(struct reader *r)
{
	char shown[SHOWN_BYTES];
	char *key = NULL;
	int rc;

	if (r->indent > 0)
		return fail(r, "an indented line that belongs to no section");
	rc = read_key(r, &key);
	if (rc < 0)
		return rc;

	for (size_t i = 0; i < _SECTION_MAX; i++) {
		if (!str_eq(key, section_names[i]))
			continue;
		if (r->seen[i])
			return refuse_duplicate(r, r->lines.number, key, r->seen[i]);
		r->seen[i] = r->lines.number;
		return read_body(r, (enum section)i);
	}
	(void)err_set(r->err, ERR_PROCFILE, 0, "line %u: unknown section \"%s\"", r->lines.number,
		      str_escape(shown, sizeof(shown), key));
	err_hint(r->err, "known are default_process_types, config_vars and addons");
	return -EINVAL;
}

/* "---", and perhaps "{}" after it, as a buildpack writes that has nothing to say. */
static int read_start(struct reader *r)
{
	if (r->eof || r->indent > 0 || !take_text(r, "---")) {
		if (!r->eof && r->indent == 0 && take_text(r, "{}"))
			return at_line_end(r) ? next(r) : fail(r, "text after \"{}\"");
		return 0;
	}
	skip_blanks(r);
	(void)take_text(r, "{}");
	if (!at_line_end(r) && *r->p != '#')
		return fail(r, "text after \"---\"");
	return next(r);
}

int release_parse(const char *text, size_t len, struct arena *arena, struct release *ret,
		  struct dyno_err *err)
{
	struct reader r = {.arena = arena, .err = err};
	int rc;

	r.lines = (struct text_lines){.next = text, .end = text + len};
	r.lines.next += text_skip_bom(text, len);
	rc = next(&r);
	if (rc == 0)
		rc = read_start(&r);
	while (rc == 0 && !r.eof) {
		if (r.indent == 0 && take_text(&r, "...") && at_line_end(&r))
			break;
		rc = read_section(&r);
	}
	if (rc == 0)
		*ret = r.out;
	return rc;
}
