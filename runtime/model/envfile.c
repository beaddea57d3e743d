/* SPDX-License-Identifier: Apache-2.0 */
#include "model/envfile.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "model/envjson.h"
#include "model/text.h"

#define EXPORT_WORD "export"

struct reader {
	struct arena *arena;
	struct dyno_err *err;
	const char *p;
	const char *end;
	unsigned int line;
	struct env_pairs pairs;
	size_t cap;
};

static int no_memory(struct dyno_err *err)
{
	(void)err_set(err, ERR_MEMORY, ENOMEM, "read env file");
	return -ENOMEM;
}

static int fail(struct reader *r, unsigned int line, const char *what)
{
	(void)err_set(r->err, ERR_ENV_SYNTAX, 0, "line %u: %s", line, what);
	return -EINVAL;
}

/* Takes over both strings, which are in the arena; NULL stands for an allocation that failed. */
static int add_pair(struct reader *r, char *key, char *value, unsigned int line)
{
	if (!key || !value)
		return no_memory(r->err);
	if (r->pairs.n == ENV_VARS_MAX_COUNT)
		return err_set(r->err, ERR_ENV_SIZE, E2BIG, "line %u: more than %u variables", line,
			       ENV_VARS_MAX_COUNT);

	r->pairs.items =
		text_grow(r->arena, r->pairs.items, r->pairs.n, &r->cap, sizeof(*r->pairs.items));
	if (!r->pairs.items)
		return no_memory(r->err);
	r->pairs.items[r->pairs.n++] = (struct env_pair){key, value, line};
	return 0;
}

static void skip_blanks(struct reader *r)
{
	while (r->p < r->end && text_is_blank(*r->p))
		r->p++;
}

static const char *line_end(const struct reader *r)
{
	const char *lf = memchr(r->p, '\n', (size_t)(r->end - r->p));

	return lf ? lf : r->end;
}

static void skip_export(struct reader *r)
{
	if ((size_t)(r->end - r->p) > STRLEN(EXPORT_WORD) &&
	    memcmp(r->p, EXPORT_WORD, STRLEN(EXPORT_WORD)) == 0 &&
	    text_is_blank(r->p[STRLEN(EXPORT_WORD)])) {
		r->p += STRLEN(EXPORT_WORD);
		skip_blanks(r);
	}
}

static int read_key(struct reader *r, char **ret)
{
	size_t max = (size_t)(line_end(r) - r->p);
	const char *eq = max > 0 ? memchr(r->p, '=', max) : NULL;
	int rc;

	if (!eq) {
		(void)fail(r, r->line, "no \"=\" after the name");
		err_hint(r->err, "write KEY=VALUE; a comment begins with #");
		return -EINVAL;
	}
	rc = env_key_check(r->p, (size_t)(eq - r->p), r->err);
	if (rc < 0) {
		err_context(r->err, "line %u", r->line);
		return rc;
	}
	*ret = arena_memdup(r->arena, r->p, (size_t)(eq - r->p));
	r->p = eq + 1;
	return *ret ? 0 : no_memory(r->err);
}

/* Up to the end of the line, or to a "#" that begins the value or follows a blank. */
static char *read_plain(struct reader *r)
{
	const char *begin = r->p, *stop = line_end(r);
	size_t len;

	for (const char *p = begin; p < stop; p++)
		if (*p == '#' && (p == begin || text_is_blank(p[-1]))) {
			stop = p;
			break;
		}
	len = (size_t)(stop - begin);
	text_trim(&begin, &len);
	r->p = line_end(r);
	return arena_memdup(r->arena, begin, len);
}

/* What a backslash and @c stand for within "...". Return: false where the backslash stays. */
static bool unescape(char c, char *ret)
{
	static const char from[] = "ntr\"\\$`", to[] = "\n\t\r\"\\$`";
	const char *at = c ? strchr(from, c) : NULL;

	if (!at)
		return false;
	*ret = to[at - from];
	return true;
}

/* Where the quote ends that begins before @p. Return: NULL where it does not. */
static const char *find_close(const char *p, const char *end, char quote)
{
	while (p < end && *p != quote)
		p += quote == '"' && *p == '\\' && end - p > 1 ? 2 : 1;
	return p < end ? p : NULL;
}

/* The text between double quotes, up to @close. Return: bytes written to @out. */
static size_t unquote(struct reader *r, const char *close, char *out)
{
	size_t len = 0;

	for (; r->p < close; r->p++) {
		if (*r->p == '\\' && r->p[1] == '\n') {
			r->line++;
			r->p++;
		} else if (*r->p == '\\' && unescape(r->p[1], &out[len])) {
			len++;
			r->p++;
		} else {
			r->line += *r->p == '\n';
			out[len++] = *r->p;
		}
	}
	return len;
}

/* r->p behind the first quote.  The value is never longer than its source. */
static int read_quoted(struct reader *r, char quote, char **ret)
{
	const char *close = find_close(r->p, r->end, quote);
	char *out;

	if (!close) {
		(void)fail(r, r->line, "the quote that begins the value is never closed");
		err_hint(r->err, "write a value that holds quotes as '...\"...' or \"...\\\"...\"");
		return -EINVAL;
	}

	out = arena_memdup(r->arena, r->p, (size_t)(close - r->p));
	if (!out)
		return no_memory(r->err);
	if (quote == '"')
		out[unquote(r, close, out)] = '\0';
	for (; r->p < close; r->p++)
		r->line += *r->p == '\n';
	r->p++;
	*ret = out;
	return 0;
}

static int expect_line_end(struct reader *r)
{
	const char *after = r->p;

	skip_blanks(r);
	if (r->p < r->end && *r->p == '#' && r->p > after)
		r->p = line_end(r);
	if (r->p == r->end || *r->p == '\n')
		return 0;
	return fail(r, r->line, "text after the closing quote");
}

static int read_assignment(struct reader *r)
{
	unsigned int line = r->line;
	char *key = NULL, *value = NULL;
	int rc;

	skip_export(r);
	rc = read_key(r, &key);
	if (rc < 0)
		return rc;

	skip_blanks(r);
	if (r->p == r->end || (*r->p != '"' && *r->p != '\''))
		return add_pair(r, key, read_plain(r), line);

	r->p++;
	rc = read_quoted(r, r->p[-1], &value);
	if (rc == 0)
		rc = expect_line_end(r);
	return rc < 0 ? rc : add_pair(r, key, value, line);
}

/* CR LF becomes LF everywhere at once, so that quoted newlines are the same as others. */
static int fold_crlf(struct reader *r)
{
	size_t len = (size_t)(r->end - r->p), n = 0;
	char *copy;

	if (len == 0 || !memchr(r->p, '\r', len))
		return 0;
	copy = arena_alloc(r->arena, len + 1);
	if (!copy)
		return no_memory(r->err);
	for (; r->p < r->end; r->p++)
		if (*r->p != '\r' || r->p + 1 == r->end || r->p[1] != '\n')
			copy[n++] = *r->p;
	r->p = copy;
	r->end = copy + n;
	return 0;
}

static int read_lines(struct reader *r)
{
	int rc;

	rc = fold_crlf(r);
	for (r->line = 1; rc == 0 && r->p < r->end; r->line++) {
		skip_blanks(r);
		if (r->p < r->end && *r->p == '#')
			r->p = line_end(r);
		else if (r->p < r->end && *r->p != '\n')
			rc = read_assignment(r);
		if (r->p < r->end)
			r->p++;
	}
	return rc;
}

static int read_entries(struct reader *r)
{
	int rc;

	for (unsigned int n = 1; r->p < r->end; n++) {
		const char *nul = memchr(r->p, '\0', (size_t)(r->end - r->p));
		const char *stop = nul ? nul : r->end;
		size_t len = (size_t)(stop - r->p);
		const char *eq = len > 0 ? memchr(r->p, '=', len) : NULL;
		size_t key_len = eq ? (size_t)(eq - r->p) : 0;

		if (len > 0 && !eq)
			return err_set(r->err, ERR_ENV_SYNTAX, 0,
				       "entry %u: no \"=\" after the "
				       "name",
				       n);
		if (len > 0) {
			rc = env_key_check(r->p, key_len, r->err);
			if (rc < 0) {
				err_context(r->err, "entry %u", n);
				return rc;
			}
			rc = add_pair(r, arena_memdup(r->arena, r->p, key_len),
				      arena_memdup(r->arena, eq + 1, len - key_len - 1), n);
			if (rc < 0)
				return rc;
		}
		r->p = nul ? nul + 1 : r->end;
	}
	return 0;
}

static bool is_json(const struct reader *r)
{
	const char *p = r->p;

	while (p < r->end && (text_is_blank(*p) || *p == '\n'))
		p++;
	return p < r->end && *p == '{';
}

int envfile_parse(const char *text, size_t len, struct arena *arena, struct env_pairs *ret,
		  struct dyno_err *err)
{
	struct reader r = {.arena = arena, .err = err, .p = text, .end = text + len, .line = 1};
	int rc;

	r.p += text_skip_bom(text, len);
	if (is_json(&r))
		return envjson_parse(r.p, (size_t)(r.end - r.p), arena, ret, err);

	if (len > 0 && memchr(r.p, '\0', (size_t)(r.end - r.p)))
		rc = read_entries(&r);
	else
		rc = read_lines(&r);
	if (rc == 0)
		*ret = r.pairs;
	return rc;
}
