/* SPDX-License-Identifier: Apache-2.0 */
/* output.c - how the command speaks. */
#include "cli/output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

void output_add_line(struct sbuf *b, const char *s)
{
	for (;;) {
		size_t len = strcspn(s, "\\");

		sbuf_add_escaped(b, s, len);
		if (s[len] == '\0')
			return;
		sbuf_addc(b, '\\');
		s += len + 1;
	}
}

void output_stderr(struct sbuf *b)
{
	(void)fd_write_full(STDERR_FILENO, sbuf_str(b), b->len); /* nobody could be told */
	sbuf_done(b);
}

int output_stdout(struct sbuf *b, struct dyno_err *err)
{
	ssize_t n = sbuf_ok(b);

	if (n < 0)
		return err_set(err, ERR_MEMORY, (int)-n, "gather the output");
	if (b->len > 0)
		n = fd_write_full(STDOUT_FILENO, b->data, b->len);
	sbuf_done(b);
	if (n < 0 && n != -EPIPE)
		return err_set(err, ERR_IO, (int)-n, "write to standard output");
	return 0;
}

static bool is_set(const char *value)
{
	return value && *value;
}

bool output_wants_color(const struct output_terminal *terminal)
{
	if (terminal->choice != OUTPUT_COLOR_AUTO)
		return terminal->choice == OUTPUT_COLOR_ALWAYS;
	if (is_set(terminal->no_color))
		return false;
	if (is_set(terminal->clicolor_force) && !str_eq(terminal->clicolor_force, "0"))
		return true;
	return terminal->is_tty && is_set(terminal->term) && !str_eq(terminal->term, "dumb");
}

static void add_blanks(struct sbuf *b, size_t len, size_t width)
{
	for (; len < width; len++)
		sbuf_addc(b, ' ');
}

void output_add_styled(struct sbuf *b, bool color, enum output_style style, const char *word,
		       size_t width)
{
	static const char *const codes[] = {
		[STYLE_NONE] = "",	    [STYLE_BOLD] = "\033[1m",	 [STYLE_RED] = "\033[31m",
		[STYLE_GREEN] = "\033[32m", [STYLE_YELLOW] = "\033[33m", [STYLE_CYAN] = "\033[36m",
	};

	if (color && style != STYLE_NONE)
		sbuf_addf(b, "%s%s\033[0m", codes[style], word);
	else
		sbuf_adds(b, word);
	add_blanks(b, strlen(word), width);
}

void output_add_padded(struct sbuf *b, const char *word, size_t width)
{
	size_t len = strlen(word);

	sbuf_adds(b, word);
	add_blanks(b, len, MAX_OF(width, len + 1));
}
