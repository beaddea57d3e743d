/* SPDX-License-Identifier: Apache-2.0 */
/* verb_run.c - dyno run SLUG [TYPE | COMMAND [ARG...]]: one dyno, as a rule in the foreground. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/timetext.h"
#include "cli/cli.h"
#include "cli/detached.h"
#include "cli/dyno_options.h"
#include "cli/handover.h"
#include "cli/terminal.h"

struct run_options {
	struct dyno_options dyno;
	bool tty;
	bool no_tty;
	bool verbose;
	bool timing;
	bool keep;
	bool remove;
	bool interactive;
	bool await_client;
};

#define AT(member, type) OPT_FIELD(struct run_options, member, type)

static const struct opt options[] = {
	{.name = "tty",
	 .letter = 't',
	 .kind = OPT_FLAG,
	 .offset = AT(tty, bool),
	 .help = "a terminal of its own (a one-off on a terminal)"},
	{.name = "no-tty",
	 .letter = 'T',
	 .kind = OPT_FLAG,
	 .offset = AT(no_tty, bool),
	 .help = "none: the command has the streams as they are"},
	{.name = "interactive",
	 .letter = 'i',
	 .kind = OPT_FLAG,
	 .offset = AT(interactive, bool),
	 .help = "with --detach: leave its input open, for dyno attach"},
	{.name = "await-client",
	 .kind = OPT_FLAG,
	 .offset = AT(await_client, bool),
	 .help = "with --detach: begin when dyno attach comes, else R13"},
	{.name = "attach-timeout",
	 .kind = OPT_DURATION,
	 .offset = AT(dyno.run.attach_timeout_ms, uint64_t),
	 .arg = "TIME",
	 .help = "how long it is awaited (30s)"},
	{.name = "idle-timeout",
	 .kind = OPT_DURATION,
	 .offset = AT(dyno.run.idle_timeout_ms, uint64_t),
	 .arg = "TIME",
	 .help = "nothing passes to or from its client for so long: it is lost (1h)"},
	{.name = "keep",
	 .kind = OPT_FLAG,
	 .offset = AT(keep, bool),
	 .help = "what it has written stays, for diff and cp, until rm"},
	{.name = "rm",
	 .kind = OPT_FLAG,
	 .offset = AT(remove, bool),
	 .help = "it goes with the dyno (as it does)"},
	{.name = "time-limit",
	 .kind = OPT_DURATION,
	 .offset = AT(dyno.run.time_limit_ms, uint64_t),
	 .arg = "TIME",
	 .help = "stop it so long after its launch, status 124 (none)"},
	{.name = "cycle",
	 .kind = OPT_STRING,
	 .offset = AT(dyno.run.cycle, const char *),
	 .arg = "TIME[+TIME]",
	 .help = "with --detach: stop it then, and chance, or off (24h+216m)"},
	{.name = "on-hangup",
	 .kind = OPT_STRING,
	 .offset = AT(dyno.run.on_hangup, const char *),
	 .arg = "WHAT",
	 .help = "a one-off that ignores the loss of its terminal: stop or keep"},
	{.name = "hangup",
	 .kind = OPT_DURATION,
	 .offset = AT(dyno.run.hangup_ms, uint64_t),
	 .arg = "TIME",
	 .help = "from one SIGHUP to the next then (5s)"},
	{.name = "verbose",
	 .letter = 'v',
	 .kind = OPT_FLAG,
	 .offset = AT(verbose, bool),
	 .help = "tell names, port and end"},
	{.name = "timing",
	 .kind = OPT_FLAG,
	 .offset = AT(timing, bool),
	 .help = "what each phase of the launch took"},
	CLI_OPTION_JSON("the end, or the error, as a last line of JSON"),
};

/* What a platform line needs to know; filled when the first one comes. */
struct run_log {
	struct cli *cli;
	struct terminal terminal;
	bool quiet;
	bool asked;
	bool is_tty;
	bool color;
};

/* Offset and length of "12:00:00" in the text of time_format(). */
#define TIME_OF_DAY_AT	11
#define TIME_OF_DAY_LEN 8

static void log_asked(struct run_log *log)
{
	if (log->asked)
		return;
	log->asked = true;
	log->is_tty = isatty(STDERR_FILENO);
	log->color = log->is_tty && cli_color(log->cli, STDERR_FILENO);
}

/* While the terminal is raw a newline alone stays in its column. */
static void print_line(struct run_log *log, struct sbuf *b)
{
	terminal_catch_up(&log->terminal);
	sbuf_adds(b, terminal_is_started(&log->terminal) ? "\r\n" : "\n");
	output_stderr(b);
}

/* A line is one write, so that it is whole however many dynos share a log. */
static void log_line(void *data, const char *source, const char *dyno, const char *text)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	struct run_log *log = data;
	char time[TIME_BYTES], tag[160];

	progress_clear(&log->cli->progress);
	if (log->quiet)
		return;

	log_asked(log);
	time_format(time_now_us(), time);
	str_fmt(tag, sizeof(tag), "%s[%s]", source, dyno);
	if (log->is_tty) {
		sbuf_addf(&b, "%.*s ", TIME_OF_DAY_LEN, time + TIME_OF_DAY_AT);
		output_add_styled(&b, log->color, STYLE_CYAN, tag, 0);
		sbuf_adds(&b, " | ");
	} else {
		sbuf_addf(&b, "%s %s: ", time, tag);
	}
	output_add_line(&b, text);
	print_line(log, &b);
}

/* As dyno start says it of a published port. */
static void log_up(void *data, const char *dyno, const char *where)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	struct run_log *log = data;

	if (log->quiet)
		return;
	sbuf_addf(&b, "dyno: %s is at http://%s", dyno, where);
	print_line(log, &b);
}

static int serve_terminal(void *data, int master, uint64_t idle_ms)
{
	struct run_log *log = data;
	struct terminal_io io = {
		.stream_fd = master,
		.keep_fd = -EBADF,
		.resize = terminal_resize,
		.idle_ms = idle_ms,
		.data = &master,
	};
	struct dyno_err err;
	int r;

	progress_clear(&log->cli->progress);
	r = terminal_start(&log->terminal, &io, &err);
	close_fdp(&master); /* it is the pump's alone: who kills that hangs up */
	if (r == 0)
		return log->terminal.pidfd;
	cli_error(log->cli, &err);
	return r;
}

static void lose_terminal(void *data)
{
	const struct run_log *log = data;

	terminal_restore(&log->terminal);
}

/* The words after SLUG: after "--" they are an argv, else a type or a command line for the shell. */
static int take_operands(struct run_options *o, const struct opt_operands *operands,
			 struct dyno_err *err)
{
	const char *const *rest = operands->items + 1;
	size_t n = operands->n;
	int r;

	if (n == 0)
		return 0; /* a spec says it all */
	n--;
	o->dyno.run.slug = operands->items[0];
	if (n > 0 && str_eq(rest[0], "--")) {
		o->dyno.run.argv_mode = 1;
		rest++;
		n--;
		if (n == 0) {
			r = err_set(err, ERR_USAGE, 0, "run: no command stands after --");
			err_hint(err, "dyno run SLUG -- PROGRAM [ARG...]");
			return r;
		}
	} else if (n > 0 && rest[0][0] == '-') {
		r = err_set(err, ERR_USAGE, 0, "run: \"%s\" stands after SLUG", rest[0]);
		err_hint(err, "options go before SLUG; a command that begins with a dash goes "
			      "after --");
		return r;
	}
	o->dyno.run.operands = rest;
	o->dyno.run.n_operands = n;
	return 0;
}

/* ---- after the end ----------------------------------------------------------------------------*/

/* Both sides of the clone keep the time: in the order of the clock, counted from the first phase. */
static void order_timing(struct dyno_timing *t)
{
	for (unsigned int i = 1; i < t->n; i++) {
		const char *name = t->name[i];
		uint64_t at_ns = t->at_ns[i];
		unsigned int j = i;

		for (; j > 0 && t->at_ns[j - 1] > at_ns; j--) {
			t->name[j] = t->name[j - 1];
			t->at_ns[j] = t->at_ns[j - 1];
		}
		t->name[j] = name;
		t->at_ns[j] = at_ns;
	}
	for (unsigned int i = t->n; i-- > 0;)
		t->at_ns[i] -= t->at_ns[0];
}

static uint64_t step_ns(const struct dyno_timing *t, unsigned int i)
{
	return i ? t->at_ns[i] - t->at_ns[i - 1] : 0;
}

static void print_timing(struct sbuf *b, const struct dyno_timing *t)
{
	sbuf_adds(b, "     at us   step us  phase\n");
	for (unsigned int i = 0; i < t->n; i++)
		sbuf_addf(b, "%10llu%10llu  %s\n", (unsigned long long)(t->at_ns[i] / 1000),
			  (unsigned long long)(step_ns(t, i) / 1000), t->name[i]);
}

static void print_end(struct sbuf *b, const struct dyno_outcome *out)
{
	sbuf_addf(b, "dyno: %s of app %s: ", out->dyno, out->app);
	if (out->signal)
		sbuf_addf(b, "signal %d (%s)", out->signal, out->reason);
	else
		sbuf_addf(b, "exit status %d (%s)", out->exit_code, out->reason);
	sbuf_addf(b, " after %llu ms", (unsigned long long)out->up_ms);
	if (out->port)
		sbuf_addf(b, ", PORT was %u", out->port);
	sbuf_addc(b, '\n');
}

static void json_timing(struct sbuf *b, const struct dyno_timing *t)
{
	json_open(b, "timing", '[');
	for (unsigned int i = 0; i < t->n; i++) {
		json_open(b, NULL, '{');
		json_str(b, "phase", t->name[i]);
		json_u64(b, "at_us", t->at_ns[i] / 1000);
		json_u64(b, "step_us", step_ns(t, i) / 1000);
		json_close(b, '}');
	}
	json_close(b, ']');
}

static void json_outcome(struct sbuf *b, const struct dyno_outcome *out,
			 const struct dyno_timing *timing)
{
	json_begin(b);
	json_open(b, "outcome", '{');
	json_str(b, "app", out->app);
	json_str(b, "dyno", out->dyno);
	json_u64(b, "exit_code", (uint64_t)out->exit_code);
	if (out->signal)
		json_u64(b, "signal", (uint64_t)out->signal);
	else
		json_unknown(b, "signal");
	json_str(b, "reason", out->reason);
	json_str(b, "detail", out->detail[0] ? out->detail : NULL);
	if (out->port)
		json_u64(b, "port", out->port);
	else
		json_unknown(b, "port");
	json_u64(b, "up_ms", out->up_ms);
	if (timing)
		json_timing(b, timing);
	json_close(b, '}');
	json_end(b);
}

static void print_outcome(const struct run_options *o, const struct dyno_outcome *out)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	if (o->timing && !o->dyno.common.json)
		print_timing(&b, o->dyno.run.timing);
	if (o->verbose && !o->dyno.common.json)
		print_end(&b, out);
	if (o->dyno.common.json)
		json_outcome(&b, out, o->dyno.run.timing);
	if (b.len > 0)
		output_stderr(&b);
}

/* What belongs to the one way of running does nothing in the other: better said than ignored. */
static int check_way(const struct run_options *o, struct dyno_err *err)
{
	const char *attached = o->timing ? "--timing" : o->verbose ? "--verbose" : NULL;
	const char *detached = o->dyno.ready_fd ? "--ready-fd" : NULL;

	if (o->dyno.run.cycle)
		detached = "--cycle";
	if (o->dyno.pidfd_socket)
		detached = "--pidfd-socket";
	if (o->tty && o->no_tty)
		return err_set(err, ERR_USAGE, 0, "run: --tty and --no-tty exclude each other");
	if (o->interactive)
		detached = "--interactive";
	if (o->await_client)
		detached = "--await-client";
	if (o->dyno.run.attach_timeout_ms && !o->await_client && !o->dyno.spec)
		return err_set(err, ERR_USAGE, 0, "run: --attach-timeout goes with --await-client");
	if (o->keep && o->remove)
		return err_set(err, ERR_USAGE, 0, "run: --keep does not go with --rm");
	if (o->dyno.detach && attached)
		return err_set(err, ERR_USAGE, 0, "run: %s does not go with --detach", attached);
	if (!o->dyno.detach && detached)
		return err_set(err, ERR_USAGE, 0, "run: %s goes with --detach", detached);
	return 0;
}

/* A signal that comes before there is a dyno ends the command only when the file is gone. */
static int run_with_pid_file(struct dyno_host *host, const struct run_options *o,
			     struct dyno_outcome *out, struct dyno_err *err)
{
	const char *path = o->dyno.pid_file;
	sigset_t all, mask;
	int r = path ? handover_pid_file(path, getpid(), err) : 0;

	if (!path || r < 0)
		return r < 0 ? r : dyno_run(host, &o->dyno.run, out, err);

	(void)sigfillset(&all); /* these cannot fail: the memory is ours */
	(void)sigprocmask(SIG_BLOCK, &all, &mask);
	r = dyno_run(host, &o->dyno.run, out, err);
	handover_pid_file_remove(path, getpid());
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	return r;
}

static int run_attached(struct cli *cli, struct dyno_host *host, struct run_options *o,
			struct dyno_err *err)
{
	struct run_log log = {
		.cli = cli,
		.quiet = o->dyno.quiet,
		.terminal = TERMINAL_INIT,
	};
	struct dyno_timing timing = {0};
	struct dyno_outcome out = {0};
	int r;

	o->dyno.run.log = log_line;
	o->dyno.run.up = log_up;
	o->dyno.run.terminal = serve_terminal;
	o->dyno.run.terminal_lost = lose_terminal;
	o->dyno.run.data = &log;
	o->dyno.run.timing = o->timing ? &timing : NULL;
	r = run_with_pid_file(host, o, &out, err);
	(void)terminal_finish(&log.terminal); /* its loss was the dyno's to hear of */
	if (r < 0)
		return r;

	progress_clear(&cli->progress);
	order_timing(&timing);
	print_outcome(o, &out);
	return out.exit_code;
}

static int run_main(struct cli *cli, struct dyno_err *err)
{
	_cleanup_host_ struct dyno_host *host = NULL;
	struct run_options *o = cli->options;
	struct dyno_start_opts start = {.oneoff = 1};
	int r = take_operands(o, &cli->operands, err);

	if (r == 0)
		r = dyno_options_take(cli, &o->dyno, err);
	if (r == 0)
		r = check_way(o, err);
	if (r == 0)
		r = cli_host_open(cli, &host, err);
	if (r < 0)
		return r;
	o->dyno.run.keep = o->keep;
	if (o->tty || o->no_tty)
		o->dyno.run.tty = o->tty ? DYNO_TTY_ALWAYS : DYNO_TTY_NONE;
	if (!o->dyno.detach)
		return run_attached(cli, host, o, err);

	o->dyno.run.open_stdin = o->interactive;
	o->dyno.run.await_client = o->await_client;
	/* A process type would be, and so a spec may want it: that is start's business. */
	o->dyno.run.restart = "never";
	start.dyno = o->dyno.run;
	return detached_start(cli, host, &o->dyno, &start, err);
}

const struct verb verb_run = {
	.name = "run",
	.operands = "SLUG [TYPE | COMMAND [ARG...]]",
	.summary = "run a process type or a command of a slug in a fresh root",
	.text = "SLUG is a .tgz, .tar.zst, .tar.xz or .tar, a directory, - for standard input, or\n"
		"sha256:HEX of a stored slug.  Without TYPE or COMMAND it is the type web.\n"
		"A COMMAND goes through bash --login with the app's profile scripts; after -- its\n"
		"words are executed as they are: no shell, no profile, the default PATH.\n"
		"Options stand before SLUG, which a spec may name in its place.  The exit status is\n"
		"the command's, 128+n after signal n, 125 when dyno failed, 126 not executable,\n"
		"127 not found.\n",
	DYNO_OPTIONS(options, struct run_options),
	.max_operands = SIZE_MAX,
	.words = OPT_WORDS_SLUG,
	.runs_command = true,
	.main = run_main,
};
