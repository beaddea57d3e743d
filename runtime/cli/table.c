/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - columns for people. */
#include "cli/table.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/util.h"

/* The mark of what is cut. */
#define CUT_MARK "..."

/* The width of a column that is left out. */
#define LEFT_OUT SIZE_MAX

struct table_cell *table_row(struct table *t)
{
	if (t->rows == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 16;
		struct table_cell *cells =
			arena_calloc(t->arena, cap * t->n_columns, sizeof(*cells));

		if (!cells) {
			t->no_memory = true;
			return NULL;
		}
		if (t->rows)
			memcpy(cells, t->cells, t->rows * t->n_columns * sizeof(*cells));
		t->cells = cells;
		t->cap = cap;
	}

	struct table_cell *row = t->cells + t->rows++ * t->n_columns;

	for (size_t i = 0; i < t->n_columns; i++)
		row[i] = (struct table_cell){.text = "", .style = STYLE_NONE};
	return row;
}

/* Columns that a character takes: the wide ones of eastern scripts take two, and as many are left
 * to any that is not ASCII. */
static size_t char_columns(char first)
{
	return (unsigned char)first < 0x80 ? 1 : 2;
}

static bool is_continued(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t text_columns(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += is_continued(*s) ? 0 : char_columns(*s);
	return n;
}

static size_t next_char(const char *s, size_t at)
{
	do
		at++;
	while (is_continued(s[at]));
	return at;
}

/* As many whole characters of an end or the other as fit beside the mark. */
static void add_cut(struct sbuf *b, const char *s, size_t width, bool keep_end)
{
	size_t n = text_columns(s), at = 0;

	if (n <= width) {
		sbuf_adds(b, s);
	} else if (keep_end) {
		for (; s[at] && n + STRLEN(CUT_MARK) > width; at = next_char(s, at))
			n -= char_columns(s[at]);
		sbuf_addf(b, CUT_MARK "%s", s + at);
	} else {
		for (n = STRLEN(CUT_MARK); n + char_columns(s[at]) <= width; at = next_char(s, at))
			n += char_columns(s[at]);
		sbuf_addf(b, "%.*s" CUT_MARK, (int)at, s);
	}
}

static size_t gap_of(const struct table *t)
{
	return t->gap ? t->gap : TABLE_GAP;
}

static void measure(const struct table *t, size_t *width)
{
	for (size_t i = 0; i < t->n_columns; i++)
		width[i] = MAX_OF(t->columns[i].width, text_columns(t->columns[i].heading));
	for (size_t i = 0; i < t->rows * t->n_columns; i++) {
		size_t n = text_columns(t->cells[i].text), column = i % t->n_columns;

		width[column] = MAX_OF(width[column], n);
	}
}

/* Return: how wide a line is afterwards, of which @sum columns were taken before. */
static size_t give_way(const struct table *t, size_t i, size_t line, size_t sum, size_t *width)
{
	size_t least = t->columns[i].least;
	size_t spare = least && width[i] > least ? width[i] - least : 0;

	spare = MIN_OF(spare, sum - line);
	width[i] -= spare;
	sum -= spare;
	if (sum <= line || !t->columns[i].optional)
		return sum;
	sum -= width[i] + gap_of(t);
	width[i] = LEFT_OUT;
	return sum;
}

static void fit(const struct table *t, size_t line, size_t *width)
{
	size_t sum = (t->n_columns - 1) * gap_of(t);

	for (size_t i = 0; i < t->n_columns; i++)
		sum += width[i];
	for (size_t i = 0; i < t->n_columns && sum > line; i++) {
		if (t->columns[i].first)
			sum = give_way(t, i, line, sum, width);
	}
	for (size_t i = t->n_columns; i-- > 0 && sum > line;) {
		if (!t->columns[i].first)
			sum = give_way(t, i, line, sum, width);
	}
}

static void add_blanks(struct sbuf *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sbuf_addc(b, ' ');
}

/* Blanks after a cell are due only when another one follows: a line does not end in any. */
static int add_row(const struct table *t, const size_t *width, const struct table_cell *row,
		   bool color, struct sbuf *b)
{
	_cleanup_sbuf_ struct sbuf cut = {0};
	size_t due = 0;

	for (size_t i = 0; i < t->n_columns; i++) {
		const char *text = row ? row[i].text : t->columns[i].heading;
		size_t blanks;

		if (width[i] == LEFT_OUT)
			continue;
		cut.len = 0;
		add_cut(&cut, text, width[i], row && t->columns[i].keep_end);
		if (sbuf_ok(&cut) < 0)
			return -ENOMEM;
		/* counted in characters here, in bytes there: the blanks are ours */
		blanks = width[i] - MIN_OF(width[i], text_columns(sbuf_str(&cut)));
		add_blanks(b, due + (t->columns[i].right ? blanks : 0));
		output_add_styled(b, color, row ? row[i].style : STYLE_NONE, sbuf_str(&cut), 0);
		due = gap_of(t) + (t->columns[i].right ? 0 : blanks);
	}
	sbuf_addc(b, '\n');
	return sbuf_ok(b);
}

int table_print(const struct table *t, size_t line, bool color, struct sbuf *b)
{
	size_t width[TABLE_COLUMNS_MAX];
	int r = t->no_memory ? -ENOMEM : 0;

	if (r < 0)
		return r;
	measure(t, width);
	fit(t, line, width);
	r = add_row(t, width, NULL, color, b);
	for (size_t i = 0; r == 0 && i < t->rows; i++)
		r = add_row(t, width, t->cells + i * t->n_columns, color, b);
	return r;
}

size_t table_line(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return TABLE_LINE_COLUMNS;
}
