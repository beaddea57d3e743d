/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_stats.c - dyno stats: what dynos use, once or again and again.
 *
 * On a terminal each table is written over the one before, in one piece and without clearing the
 * screen first, so that nothing flickers; nothing of the terminal is switched, so that it is as it
 * should be however the command ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/timetext.h"
#include "cli/cli.h"
#include "cli/openmetrics.h"
#include "cli/sampler.h"
#include "cli/table.h"
#include "cli/target.h"
#include "cli/view.h"

/* From one table to the next. */
#define INTERVAL_MS 2000U
/* Between the two moments that the first rates are of. */
#define FIRST_MS 250U

struct stats_options {
	struct cli_common common;
	struct target_ask ask;
	bool no_stream;
	bool openmetrics;
	uint64_t interval_ms;
};

static const struct opt options[] = {
	TARGET_OPTION_APP(struct stats_options),
	{.name = "no-stream",
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct stats_options, no_stream, bool),
	 .help = "once, and not again and again (on a terminal)"},
	{.name = "interval",
	 .kind = OPT_DURATION,
	 .offset = OPT_FIELD(struct stats_options, interval_ms, uint64_t),
	 .arg = "TIME",
	 .help = "again and again, so far apart (2s)"},
	{.name = "openmetrics",
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct stats_options, openmetrics, bool),
	 .help = "print OpenMetrics text, once"},
	CLI_OPTION_JSON("an array; again and again: an object a line"),
};

/**
 * struct stats - one call.
 * @streams: again and again
 * @screen: on a terminal that can be written over
 * @drawn: that has begun
 * @own: see view.h
 */
struct stats {
	struct cli *cli;
	const struct stats_options *o;
	struct sampler sampler;
	bool streams;
	bool screen;
	bool drawn;
	struct pollfd own[VIEW_FDS];
};

/* ---- printing ---------------------------------------------------------------------------------*/

static void add_array(struct sbuf *b, const struct usage *const *list, size_t n)
{
	json_open(b, NULL, '[');
	for (size_t i = 0; i < n; i++)
		usage_json(b, list[i], time_now_us());
	json_close(b, ']');
	sbuf_addc(b, '\n');
}

static void add_lines(struct sbuf *b, const struct usage *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		usage_json(b, list[i], time_now_us());
		sbuf_addc(b, '\n');
	}
}

/* What was on the screen before moves up, out of the way. */
static void begin_screen(struct sbuf *b, size_t rows)
{
	for (size_t i = 0; i < rows; i++)
		sbuf_addc(b, '\n');
}

/* Home; each line, and what an earlier one has left behind it cleared; then whatever is below. */
static void add_frame(struct sbuf *b, const char *text)
{
	sbuf_adds(b, "\033[H");
	for (; *text; text++) {
		if (*text == '\n')
			sbuf_adds(b, "\033[K");
		sbuf_addc(b, *text);
	}
	sbuf_adds(b, "\033[J");
}

/* As many dynos as fit, with the heading, and the line that the cursor is left on. */
static int draw(struct stats *s, const struct usage *const *list, size_t n, struct arena *arena)
{
	_cleanup_sbuf_ struct sbuf text = {0};
	struct sbuf *b = &s->cli->out;
	struct winsize size = {0};
	size_t rows, shown = n;
	int r;

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size); /* else there are no rows: all is shown */
	rows = size.ws_row;
	if (rows >= 4 && n > rows - 2)
		shown = rows - 3;
	r = usage_table(list, shown, table_line(STDOUT_FILENO), cli_color(s->cli, STDOUT_FILENO),
			arena, &text);
	if (r < 0)
		return r;
	if (shown < n)
		sbuf_addf(&text, "and %zu more\n", n - shown);
	if (!s->drawn)
		begin_screen(b, rows);
	s->drawn = true;
	add_frame(b, sbuf_str(&text));
	return sbuf_ok(&text);
}

static int print(struct stats *s, struct dyno_err *err)
{
	_cleanup_arena_ struct arena arena = {0};
	const struct usage *const *list = sampler_list(&s->sampler, &arena);
	size_t n = s->sampler.n;
	struct sbuf *b = &s->cli->out;
	int r = 0;

	if (!list)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the numbers");
	if (s->o->openmetrics)
		openmetrics_add(b, list, n);
	else if (cli_common(s->cli)->json && s->streams)
		add_lines(b, list, n);
	else if (cli_common(s->cli)->json)
		add_array(b, list, n);
	else if (s->screen)
		r = draw(s, list, n, &arena);
	else
		r = usage_table(list, n, table_line(STDOUT_FILENO),
				cli_color(s->cli, STDOUT_FILENO), &arena, b);
	if (r < 0)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the numbers");
	return output_stdout(b, err);
}

/* ---- rounds -----------------------------------------------------------------------------------*/

/* Return: 1: somebody has left. */
static int wait_and_redraw(struct stats *s, uint64_t until_ms, struct dyno_err *err)
{
	enum view_end end;
	int r = 0;

	while (r == 0 && (end = view_wait(s->own, until_ms)) != VIEW_TIME) {
		if (end == VIEW_LEFT)
			return 1;
		if (s->drawn)
			r = print(s, err);
	}
	return r;
}

/* The first round has no rates: a second one follows it soon, and is the first to be seen. */
static int rounds(struct stats *s, struct dyno_err *err)
{
	uint64_t until_ms = clock_ms() + FIRST_MS;
	int r = sampler_round(&s->sampler, err);

	if (s->o->openmetrics)
		return r < 0 ? r : print(s, err);
	while (r == 0) {
		r = wait_and_redraw(s, until_ms, err);
		until_ms = clock_ms() + s->o->interval_ms;
		if (r == 0)
			r = sampler_round(&s->sampler, err);
		if (r == 0)
			r = print(s, err);
		if (!s->streams)
			break;
	}
	return r;
}

static int watch(struct stats *s, struct dyno_err *err)
{
	_cleanup_close_ int fd = view_open(s->screen, s->own, err);
	int r = fd < 0 ? fd : rounds(s, err);

	return r < 0 ? r : 0;
}

/* ---- the command line -------------------------------------------------------------------------*/

/* What is named must live now; what comes later under that name is shown as well. */
static int find_patterns(struct cli *cli, struct dyno_host *host, const struct stats_options *o,
			 struct sampler *sampler, struct dyno_err *err)
{
	size_t n = MAX_OF(cli->operands.n, (size_t)1);
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): it holds pointers */
	const char **patterns = arena_calloc(&cli->arena, n, sizeof(*patterns));
	struct target_list list = {0};
	int r = patterns ? 0 : err_set(err, ERR_MEMORY, ENOMEM, "keep the names");

	if (r == 0 && cli->operands.n > 0)
		r = target_find(cli, host, &o->ask, cli->operands.items, cli->operands.n, 0, &list,
				err);
	if (r == 0)
		r = target_need_all_live(&list, cli->verb->name, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = target_pattern(cli, &o->ask, cli->operands.n ? cli->operands.items[i] : NULL,
				   &patterns[i], err);
	sampler->patterns = patterns;
	sampler->n_patterns = n;
	return r;
}

static int check(const struct stats_options *o, struct dyno_err *err)
{
	if (o->openmetrics && o->common.json)
		return err_set(err, ERR_USAGE, 0,
			       "stats: --openmetrics and --json exclude each other");
	if (o->interval_ms && (o->no_stream || o->openmetrics))
		return err_set(err, ERR_USAGE, 0, "stats: --interval and %s exclude each other",
			       o->no_stream ? "--no-stream" : "--openmetrics");
	return 0;
}

/* One that can be told where to write. */
static bool is_screen(int fd)
{
	const char *term = getenv("TERM");

	return term && *term && !str_eq(term, "dumb") && isatty(fd);
}

static int stats_main(struct cli *cli, struct dyno_err *err)
{
	struct stats_options *o = cli->options;
	struct stats s = {.cli = cli, .o = o};
	_cleanup_host_ struct dyno_host *host = NULL;
	bool terminal = is_screen(STDOUT_FILENO);
	int r = check(o, err);

	if (r == 0)
		r = cli_host_open(cli, &host, err);
	if (r == 0)
		r = find_patterns(cli, host, o, &s.sampler, err);
	if (r < 0)
		return r;

	s.streams = !o->openmetrics && !o->no_stream && (terminal || o->interval_ms);
	s.screen = s.streams && terminal && !o->common.json;
	if (!o->interval_ms)
		o->interval_ms = INTERVAL_MS;
	s.sampler.cli = cli;
	s.sampler.host = host;
	s.sampler.tell = !s.streams;
	r = watch(&s, err);
	if (r == 0 && !s.streams && s.sampler.failed)
		r = CLI_STATUS_FAILED;
	sampler_done(&s.sampler);
	return r;
}

const struct verb verb_stats = {
	.name = "stats",
	.operands = "[NAME...]",
	.summary = "what dynos use: CPU, memory, disk, network",
	.text = "NAME is web.1, a type (web), a pattern ('web.*'), or one of these after APP/.\n"
		"On a terminal the numbers are shown until ^C; elsewhere, or with --no-stream,\n"
		"once.  Rates are of two moments, a quarter of a second apart at first.\n",
	CLI_OPTIONS(options, struct stats_options),
	.max_operands = SIZE_MAX,
	.words = OPT_WORDS_DYNO,
	.main = stats_main,
};
