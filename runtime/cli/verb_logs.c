/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_logs.c - dyno logs: what the dynos of one app have printed, and with -f what they print.
 *
 * The lines are read from files: whoever reads slowly, stops reading or is killed holds up nobody.
 * With -f signals are read from a descriptor, and so nothing is written for which there is no room:
 * a reader that has stopped must not keep ^C from ending the command.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "cli/cli.h"
#include "cli/logview.h"
#include "cli/target.h"
#include "cli/value.h"
#include "cli/view.h"
#include "cli/watch.h"

/* Without -n and --since. Source: heroku logs */
#define LINES_DEFAULT 100U
/* Written at once. Source: pipe(7), the default capacity */
#define WRITE_BYTES (64U * 1024U)
/* Connections of watch_room() as descriptors: two each. */
#define LOGS_MANY 4096U

/* Somebody has left, or reads no more: no failure. */
#define LEFT 1
/* All lines that were asked for have been told: what comes meanwhile is none of them. */
#define TOLD 2

struct logs_options {
	struct cli_common common;
	struct target_ask ask;
	bool follow;
	struct value_lines lines;
	uint64_t since_us;
	struct opt_list ps;
	enum { SOURCE_ANY, SOURCE_APP, SOURCE_HEROKU } source;
	bool raw;
	bool no_color;
};

static const char *const sources[] = {"all", "app", "heroku", NULL};

static const struct opt options[] = {
	{.name = "app",
	 .letter = 'a',
	 .kind = OPT_STRING,
	 .offset = OPT_FIELD(struct logs_options, ask.app, const char *),
	 .arg = "APP",
	 .help = "of this app (of the only one)"},
	{.name = "follow",
	 .letter = 'f',
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct logs_options, follow, bool),
	 .help = "go on with what is printed, until ^C"},
	{.name = "tail",
	 .letter = 't',
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct logs_options, follow, bool),
	 .help = "as --follow"},
	{.name = "num",
	 .letter = 'n',
	 .kind = OPT_PARSED,
	 .offset = OPT_FIELD(struct logs_options, lines, struct value_lines),
	 .arg = "N",
	 .help = "the last N lines, or all (100)",
	 .parse = value_lines},
	{.name = "since",
	 .kind = OPT_PARSED,
	 .offset = OPT_FIELD(struct logs_options, since_us, uint64_t),
	 .arg = "TIME",
	 .help = "not what is older: 10m, or 2026-06-01T12:00:00Z",
	 .parse = value_since},
	{.name = "ps",
	 .letter = 'p',
	 .kind = OPT_LIST,
	 .offset = OPT_FIELD(struct logs_options, ps, struct opt_list),
	 .arg = "NAME",
	 .help = "as NAME",
	 .words = OPT_WORDS_ENDED},
	{.name = "source",
	 .letter = 's',
	 .kind = OPT_CHOICE,
	 .offset = OPT_FIELD_CHOICE(struct logs_options, source),
	 .arg = "SOURCE",
	 .help = "app, heroku (the platform's own), or all",
	 .choices = sources},
	{.name = "raw",
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct logs_options, raw, bool),
	 .help = "the texts alone, with each byte as the app wrote it"},
	{.name = "no-color",
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct logs_options, no_color, bool),
	 .help = "as --color=never"},
	CLI_OPTION_JSON("an object a line: time, source, dyno, stream, text"),
};

/**
 * struct logs - one call.
 * @own: see view.h; @own_fd: -EBADF without -f
 * @paced: nothing is written for which there is no room
 * @left: lines still to be told; DYNO_LOG_ALL: with no end but the log's
 */
struct logs {
	struct cli *cli;
	struct logview view;
	struct dyno_log *log;
	struct pollfd own[VIEW_FDS];
	int own_fd;
	bool paced;
	uint64_t left;
	struct dyno_err *err;
};

/* ---- writing ----------------------------------------------------------------------------------*/

static int write_failed(const struct logs *l, int r)
{
	if (r == -EPIPE)
		return LEFT;
	return err_set(l->err, ERR_IO, -r, "write to standard output");
}

/* Until there is room. Return: 0; LEFT. */
static int wait_for_room(struct logs *l)
{
	struct pollfd p[] = {l->own[0], {.fd = STDOUT_FILENO, .events = POLLOUT}};

	while (poll(p, ARRAY_SIZE(p), -1) < 0) {
		if (errno != EINTR)
			return 0; /* the write tells */
	}
	return p[0].revents ? LEFT : 0;
}

static int write_paced(struct logs *l, const char *text, size_t len)
{
	while (len > 0) {
		int r = wait_for_room(l);
		ssize_t n;

		if (r != 0)
			return r;
		n = write(STDOUT_FILENO, text, MIN_OF(len, (size_t)PIPE_BUF));
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return write_failed(l, -errno);
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Return: 0; LEFT; -errno. */
static int flush(struct logs *l)
{
	struct sbuf *b = &l->cli->out;
	size_t len = b->len;
	ssize_t n;

	if (sbuf_ok(b) < 0)
		return err_set(l->err, ERR_MEMORY, ENOMEM, "gather the output");
	b->len = 0; /* the memory is kept */
	if (l->paced)
		return write_paced(l, sbuf_str(b), len);
	n = fd_write_full(STDOUT_FILENO, sbuf_str(b), len);
	return n < 0 ? write_failed(l, (int)n) : 0;
}

static int on_line(void *data, const struct dyno_log_line *line)
{
	struct logs *l = data;

	if (l->left == 0)
		return TOLD;
	if (l->left != DYNO_LOG_ALL)
		l->left--;
	logview_add(&l->view, line->record, line->record_len, &l->cli->out);
	return l->cli->out.len < WRITE_BYTES ? 0 : flush(l);
}

static int print(struct logs *l)
{
	int r = dyno_log_read(l->log, on_line, l, l->err);

	return r == 0 || r == TOLD ? flush(l) : r;
}

static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int follow(struct logs *l)
{
	struct pollfd p[VIEW_FDS + 1];
	int fd = dyno_log_fd(l->log, l->err);
	int r = fd < 0 ? fd : print(l);

	while (r == 0) {
		memcpy(p, l->own, sizeof(l->own));
		p[VIEW_FDS] = (struct pollfd){.fd = fd, .events = POLLIN};
		if (poll(p, ARRAY_SIZE(p), -1) < 0) {
			if (errno != EINTR)
				return err_set(l->err, ERR_IO, errno, "wait for lines");
			continue;
		}
		if (view_is_left(p))
			return LEFT;
		r = print(l);
	}
	return r;
}

/* ---- the command line -------------------------------------------------------------------------*/

static int take_patterns(struct cli *cli, const struct logs_options *o, struct dyno_log_opts *opts,
			 struct dyno_err *err)
{
	size_t n = cli->operands.n + o->ps.n;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): it holds pointers */
	const char **patterns = arena_calloc(&cli->arena, n + 1, sizeof(*patterns));

	if (!patterns)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the names");
	for (size_t i = 0; i < n; i++)
		patterns[i] = i < cli->operands.n ? cli->operands.items[i]
						  : o->ps.items[i - cli->operands.n];
	opts->patterns = patterns;
	opts->n_patterns = n;
	return 0;
}

static uint64_t lines_wanted(const struct logs_options *o)
{
	if (o->lines.set)
		return o->lines.n;
	return o->since_us ? DYNO_LOG_ALL : LINES_DEFAULT;
}

static int open_log(struct cli *cli, struct dyno_host *host, const struct logs_options *o,
		    struct dyno_log **ret, struct dyno_err *err)
{
	struct dyno_log_opts opts = {
		.app = o->ask.app,
		.lines = lines_wanted(o),
		.since_us = o->since_us,
		.source = o->source == SOURCE_ANY ? NULL : sources[o->source],
	};
	int r = take_patterns(cli, o, &opts, err);

	return r < 0 ? r : dyno_log_open(host, &opts, ret, err);
}

static void choose_view(struct logs *l, const struct logs_options *o)
{
	l->view.color = !o->no_color && cli_color(l->cli, STDOUT_FILENO);
	l->view.raw = o->raw;
	l->view.form = o->common.json ? LOGVIEW_JSON : o->raw ? LOGVIEW_TEXT : LOGVIEW_TAGGED;
}

static int logs_main(struct cli *cli, struct dyno_err *err)
{
	const struct logs_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	struct logs l = {
		.cli = cli,
		.own_fd = -EBADF,
		.left = o->follow ? DYNO_LOG_ALL : lines_wanted(o),
		.err = err,
	};
	int r;

	if (o->raw && o->common.json)
		return err_set(err, ERR_USAGE, 0, "logs: --raw and --json exclude each other");
	watch_room(LOGS_MANY);
	choose_view(&l, o);
	r = cli_host_open(cli, &host, err);
	if (r == 0)
		r = open_log(cli, host, o, &l.log, err);
	if (r == 0 && o->follow) {
		l.own_fd = view_open(false, l.own, err);
		l.paced = !is_file(STDOUT_FILENO);
		r = l.own_fd < 0 ? l.own_fd : follow(&l);
	} else if (r == 0) {
		r = print(&l);
	}
	dyno_log_close(l.log);
	close_fdp(&l.own_fd);
	return MIN_OF(r, 0);
}

const struct verb verb_logs = {
	.name = "logs",
	.operands = "[NAME...]",
	.summary = "what the dynos of an app have printed, and what they print",
	.text = "NAME is web.1, a type (web), a pattern ('web.*'), the name of an app, or one of the\n"
		"first three after APP/.  Kept are the lines of dynos that live by themselves (start\n"
		"--detach, run --detach), also when these have ended.\n",
	CLI_OPTIONS(options, struct logs_options),
	.max_operands = SIZE_MAX,
	.words = OPT_WORDS_ENDED,
	.main = logs_main,
};
