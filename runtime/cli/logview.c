/* SPDX-License-Identifier: Apache-2.0 */
/* logview.c - records of a log as people or programs read them. */
#include "cli/logview.h"

#include <stdint.h>
#include <string.h>

#include "base/logline.h"
#include "base/util.h"

/* Offset and length of "12:00:00" in "2026-06-01T12:00:00.123456+00:00". */
#define TIME_OF_DAY_AT	11
#define TIME_OF_DAY_LEN 8

/* Longest change of colour that passes, from ESC to m. Source: own choice; the foreground and
 * background of ISO 8613-6 in all their parameters take 36 bytes */
#define SGR_MAX_BYTES 48

#define RESET	      "\033[0m"
#define CYAN	      "\033[36m"
#define DIM	      "\033[2m"

/* Neither red, which is for failures, nor cyan, which is the platform's. */
static const char *const palette[] = {
	"\033[32m", "\033[33m", "\033[34m", "\033[35m",
	"\033[92m", "\033[93m", "\033[94m", "\033[95m",
};

/* ---- texts ------------------------------------------------------------------------------------*/

/* Length of the change of colour that @s begins with, "ESC [ 1 ; 31 m"; 0: it does not. */
static size_t sgr_len(const char *s, size_t len)
{
	size_t i = STRLEN("\033[");

	if (len <= i || s[0] != '\033' || s[1] != '[')
		return 0;
	len = MIN_OF(len, SGR_MAX_BYTES);
	while (i < len && ((s[i] >= '0' && s[i] <= '9') || s[i] == ';' || s[i] == ':'))
		i++;
	return i < len && s[i] == 'm' ? i + 1 : 0;
}

/* Bytes that stand for themselves whatever is around them: by far the most of any log. */
static bool is_plain(char c)
{
	return (c >= ' ' && c < '\177') || c == '\t';
}

/* The same of eight at once, but for tabs: one of 0x80 and more has its highest bit set, the lowest
 * one below a blank gets it by the subtraction, and 0x7f by the addition. */
static bool are_plain(const char *s)
{
	const uint64_t ones = UINT64_MAX / 255, high = ones << 7;
	uint64_t v;

	memcpy(&v, s, sizeof(v));
	return !((v | (v - ones * ' ') | (v + ones)) & high);
}

static size_t plain_len(const char *s, size_t len)
{
	size_t i = 0;

	for (;;) {
		if (len - i >= sizeof(uint64_t) && are_plain(s + i))
			i += sizeof(uint64_t);
		else if (i < len && is_plain(s[i]))
			i++;
		else
			return i;
	}
}

/* Up to the next plain byte or the next that may begin a colour: control bytes and UTF-8. */
static size_t other_len(const char *s, size_t len)
{
	size_t i = 1;

	while (i < len && !is_plain(s[i]) && s[i] != '\033')
		i++;
	return i;
}

/* Return: whether a colour has passed, which must not reach beyond the line. */
static bool add_harmless(struct sbuf *out, const char *s, size_t len, bool color)
{
	bool colored = false;
	size_t n;

	if (len > 0 && s[len - 1] == '\r')
		len--;
	for (; len > 0; s += n, len -= n) {
		n = plain_len(s, len);
		if (n > 0) {
			sbuf_add(out, s, n);
			continue;
		}
		n = sgr_len(s, len);
		if (n == 0) {
			n = other_len(s, len);
			sbuf_add_escaped(out, s, n);
		} else if (color) {
			sbuf_add(out, s, n);
			colored = true;
		}
	}
	return colored;
}

static void add_text(const struct logview *view, struct sbuf *out, const struct logline_part *text)
{
	if (view->raw)
		sbuf_add(out, text->s, text->len);
	else if (add_harmless(out, text->s, text->len, view->color))
		sbuf_adds(out, RESET);
}

/* ---- colours ----------------------------------------------------------------------------------*/

/* Source: FNV-1a, 32 bits */
static unsigned int hash(const struct logline_part *name)
{
	unsigned int h = 2166136261U;

	for (size_t i = 0; i < name->len; i++)
		h = (h ^ (unsigned char)name->s[i]) * 16777619U;
	return h;
}

static bool is_taken(const struct logview *view, unsigned int color)
{
	for (size_t i = 0; i < view->n_names; i++) {
		if (view->colors[i] == color)
			return true;
	}
	return false;
}

/* The name decides, so that a dyno keeps its colour from one call to the next; two do not share
 * one while there is another. */
static unsigned int color_of(struct logview *view, const struct logline_part *name)
{
	unsigned int color = hash(name) % ARRAY_SIZE(palette);
	size_t i;

	for (i = 0; i < view->n_names; i++) {
		if (strncmp(view->names[i], name->s, name->len) == 0 &&
		    view->names[i][name->len] == '\0')
			return view->colors[i];
	}
	if (i == LOGVIEW_NAMES_MAX || name->len >= LOGVIEW_NAME_BYTES)
		return color;
	for (i = 0; i < ARRAY_SIZE(palette) && is_taken(view, color); i++)
		color = (color + 1) % ARRAY_SIZE(palette);

	memcpy(view->names[view->n_names], name->s, name->len);
	view->colors[view->n_names++] = (unsigned char)color;
	return color;
}

/* ---- forms ------------------------------------------------------------------------------------*/

/* The platform's tag is its source too: nothing an app prints can pass for that, without colours
 * either. */
static void add_short(struct logview *view, const struct logline *r, struct sbuf *out)
{
	bool app = logline_is_app(r);
	size_t len = app ? r->dyno.len : r->source.len + STRLEN("[]") + r->dyno.len;

	sbuf_addf(out, "%.*s ", TIME_OF_DAY_LEN, r->time.s + TIME_OF_DAY_AT);
	if (view->color)
		sbuf_adds(out, app ? palette[color_of(view, &r->dyno)] : CYAN);
	if (!app)
		sbuf_addf(out, "%.*s[", (int)r->source.len, r->source.s);
	sbuf_addf(out, "%.*s%s", (int)r->dyno.len, r->dyno.s, app ? "" : "]");
	view->width = MAX_OF(view->width, len);
	for (; len < view->width; len++)
		sbuf_addc(out, ' ');
	sbuf_addf(out, " |%s ", view->color ? RESET : "");

	if (view->color && !app)
		sbuf_adds(out, DIM);
	add_text(view, out, &r->text);
	sbuf_adds(out, view->color && !app ? RESET "\n" : "\n");
}

/* Without the mark of a stream. */
static void add_record(struct logview *view, const struct logline *r, struct sbuf *out)
{
	bool colored = view->form == LOGVIEW_TAGGED && view->color;

	if (colored)
		sbuf_adds(out, logline_is_app(r) ? palette[color_of(view, &r->dyno)] : CYAN);
	sbuf_add(out, r->time.s, r->time.len);
	sbuf_addc(out, ' ');
	sbuf_add(out, r->source.s, (size_t)(r->text.s - r->source.s) - 1);
	sbuf_adds(out, colored ? RESET " " : " ");
	add_text(view, out, &r->text);
	sbuf_addc(out, '\n');
}

/* Whether a line of plain bytes has no mark of a stream, and is not left out. What is no record has
 * no head to look at, and no harm is done where it is taken for one. */
static bool is_shown_as_is(const struct logview *view, const char *line, size_t len)
{
	const char *blank = memchr(line, ' ', MIN_OF(len, LOGLINE_HEAD_BYTES));
	const size_t left = blank ? (size_t)(line + len - blank) - 1 : 0;

	if (left < STRLEN(LOGLINE_APP "[") || blank[1] == LOGLINE_ERR)
		return false;
	return !view->quiet || memcmp(blank + 1, LOGLINE_APP "[", STRLEN(LOGLINE_APP "[")) == 0;
}

size_t logview_add_plain(const struct logview *view, const char *text, size_t len, struct sbuf *out)
{
	const char *newline;
	size_t n = 0;

	if (view->form != LOGVIEW_RECORD)
		return 0;
	while ((newline = memchr(text + n, '\n', len - n))) {
		const size_t line = (size_t)(newline - text) - n;

		if (plain_len(text + n, line) < line || !is_shown_as_is(view, text + n, line))
			break;
		n += line + 1;
	}
	sbuf_add(out, text, n);
	return n;
}

void logview_add(struct logview *view, const char *line, size_t len, struct sbuf *out)
{
	struct logline r = {0};
	bool parsed = logline_parse(line, len, &r);

	if (!parsed) {
		(void)logline_trim(line, &len); /* nothing to tell of a damaged one */
		r = (struct logline){.text = {line, len}};
	}
	if (parsed && view->quiet && !logline_is_app(&r))
		return;

	if (view->form == LOGVIEW_JSON) {
		logline_json(&r, out);
	} else if (view->form == LOGVIEW_TEXT || !parsed) {
		add_text(view, out, &r.text);
		sbuf_addc(out, '\n');
	} else if (view->form == LOGVIEW_SHORT) {
		add_short(view, &r, out);
	} else {
		add_record(view, &r, out);
	}
}
