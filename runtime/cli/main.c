/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - from argv to a verb and from its answer to an exit status.
 *
 * A warm start runs through here: besides the calls that make the process safe to work in, it opens
 * one file, the configuration, and asks nothing else of the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "cli/cli.h"

/* Largest configuration file. Source: chosen; every option on a line of its own takes 2 KiB. */
#define CONFIG_MAX_BYTES (64 * 1024)

/* Gathered output is written at this size, so that a list of any length takes constant memory. */
#define FLUSH_BYTES (64 * 1024)

const struct cli_common *cli_common(const struct cli *cli)
{
	return cli->options;
}

static const char *variable(const char *name)
{
	size_t len = strlen(name);

	for (char **e = environ; *e; e++) {
		if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
			return *e + len + 1;
	}
	return NULL;
}

bool cli_color(const struct cli *cli, int fd)
{
	struct output_terminal terminal = {
		.choice = cli->options ? cli_common(cli)->color : OUTPUT_COLOR_AUTO,
		.no_color = variable("NO_COLOR"),
		.clicolor_force = variable("CLICOLOR_FORCE"),
		.term = variable("TERM"),
	};

	terminal.is_tty = terminal.choice == OUTPUT_COLOR_AUTO && isatty(fd);
	return output_wants_color(&terminal);
}

int cli_host_open(struct cli *cli, struct dyno_host **ret, struct dyno_err *err)
{
	struct dyno_host_opts opts = {
		.run_dir = cli_common(cli)->run_dir,
		.data_dir = cli_common(cli)->data_dir,
		.libexec_dir = cli_common(cli)->libexec_dir,
		.progress = progress_report,
		.data = &cli->progress,
	};

	return dyno_host_open(&opts, ret, err);
}

int cli_flush(struct cli *cli, struct dyno_err *err)
{
	if (cli->out.len < FLUSH_BYTES)
		return 0;
	progress_clear(&cli->progress);
	return output_stdout(&cli->out, err);
}

const char *cli_verdict(enum dyno_verdict verdict, enum output_style *ret_style)
{
	static const struct {
		const char *word;
		enum output_style style;
	} verdicts[] = {
		[DYNO_OK] = {"ok", STYLE_GREEN},
		[DYNO_FALLBACK] = {"fallback", STYLE_CYAN},
		[DYNO_WARN] = {"warning", STYLE_YELLOW},
		[DYNO_MISSING] = {"missing", STYLE_RED},
	};

	*ret_style = verdicts[verdict].style;
	return verdicts[verdict].word;
}

/* ---- settings ---------------------------------------------------------------------------------*/

static int read_config(struct cli *cli, struct opt_parser *parser, struct dyno_err *err)
{
	const char *named = cli_common(cli)->config, *path = named ? named : CLI_CONFIG;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t len;
	char *text;

	if (fd < 0 && !named && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return err_set(err, ERR_IO, errno, "open settings %s", path);

	int r = fd_read_all(fd, CONFIG_MAX_BYTES, &cli->arena, &text, &len);

	if (r < 0)
		return err_set(err, ERR_IO, -r, "read settings %s", path);
	if (memchr(text, '\0', len))
		return err_set(err, ERR_USAGE, 0, "%s holds a NUL byte", path);
	return opt_parse_config(parser, path, text, err);
}

/* `dyno run --help` must work whatever the variables and the file hold: they are not read then. */
static int read_settings(struct cli *cli, struct opt_parser *parser, struct dyno_err *err)
{
	struct dyno_err ignored;

	if (cli->operands.help)
		return 0;
	if (cli->verb->lenient)
		err = &ignored;

	int r = opt_parse_environ(parser, (const char *const *)environ, err);

	if (r == 0)
		r = read_config(cli, parser, err);
	return cli->verb->lenient ? 0 : r;
}

static int check_operands(const struct cli *cli, struct dyno_err *err)
{
	const struct verb *verb = cli->verb;
	size_t n = cli->operands.n;

	if (n < verb->min_operands)
		return err_set(err, ERR_USAGE, 0, "%s: an operand is missing: dyno %s %s",
			       verb->name, verb->name, verb->operands);
	if (n > verb->max_operands)
		return err_set(err, ERR_USAGE, 0, "%s: one operand too many: \"%s\"", verb->name,
			       cli->operands.items[verb->max_operands]);
	return 0;
}

static int read_options(struct cli *cli, const char *const *argv, struct dyno_err *err)
{
	const struct verb *verb = cli->verb;
	struct opt_set set = verb_set(verb);
	struct opt_parser parser = {.set = &set, .arena = &cli->arena, .known = verb_has_option};

	parser.target = cli->options = arena_alloc(&cli->arena, verb->options_size);
	if (!parser.target)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the options");

	int r = opt_parse_argv(&parser, argv, &cli->operands, err);

	if (r == 0)
		r = read_settings(cli, &parser, err);
	if (r == 0 && !cli->operands.help)
		r = check_operands(cli, err);
	if (r < 0 && err->kind == ERR_USAGE && !err->hint[0])
		err_hint(err, "dyno help %s shows what it takes", verb->name);
	return r;
}

/* ---- errors -----------------------------------------------------------------------------------*/

static void error_json(struct sbuf *b, const struct dyno_err *err)
{
	json_begin(b);
	json_open(b, "error", '{');
	json_str(b, "class", dyno_err_class(err));
	json_str(b, "message", err->msg);
	json_str(b, "hint", err->hint[0] ? err->hint : NULL);
	if (err->num)
		json_u64(b, "errno", (uint64_t)err->num);
	else
		json_unknown(b, "errno");
	json_str(b, "errno_text", err->num ? err_errno_text(err->num) : NULL);
	json_close(b, '}');
	json_end(b);
}

/* What failed, the fact and the class for `dyno explain`, the next step; a newline in a name cannot begin a line of its own. */
static void error_text(struct cli *cli, struct sbuf *b, const struct dyno_err *err)
{
	bool color = cli_color(cli, STDERR_FILENO);

	output_add_styled(b, color, STYLE_RED, "dyno:", 0);
	sbuf_addc(b, ' ');
	output_add_line(b, err->msg);
	if (err->num)
		sbuf_addf(b, ": %s", err_errno_text(err->num));
	sbuf_addf(b, " [%s]\n", dyno_err_class(err));
	if (!err->hint[0])
		return;
	output_add_styled(b, color, STYLE_BOLD, "hint:", 0);
	sbuf_addc(b, ' ');
	output_add_line(b, err->hint);
	sbuf_addc(b, '\n');
}

static int error_status(const struct verb *verb, const struct dyno_err *err)
{
	if (verb && (verb->runs_command || verb->own_status)) {
		int status = dyno_err_exit_code(err);

		return status && !(verb->own_status && status < CLI_STATUS_DYNO) ? status
										 : CLI_STATUS_DYNO;
	}
	return err->kind == ERR_USAGE ? CLI_STATUS_USAGE : CLI_STATUS_FAILED;
}

/* --json holds for errors found before it was reached, too. */
static bool asks_json(const char *const *argv)
{
	for (; *argv && !str_eq(*argv, "--"); argv++) {
		if (str_eq(*argv, "--json"))
			return true;
	}
	return false;
}

static void print_error(struct cli *cli, bool json, struct dyno_err *err)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	/* A record may come from another process, which is not trusted to have ended its texts. */
	err->msg[sizeof(err->msg) - 1] = '\0';
	err->hint[sizeof(err->hint) - 1] = '\0';
	progress_clear(&cli->progress);
	if (json)
		error_json(&b, err);
	else
		error_text(cli, &b, err);
	output_stderr(&b);
}

void cli_error(struct cli *cli, struct dyno_err *err)
{
	print_error(cli, cli_common(cli)->json, err);
}

static int report(struct cli *cli, const char *const *argv, struct dyno_err *err)
{
	print_error(cli, (cli->options && cli_common(cli)->json) || asks_json(argv), err);
	return error_status(cli->verb, err);
}

/* ---- verbs ------------------------------------------------------------------------------------*/

static bool asks_help(const char *word)
{
	return word && (str_eq(word, "-h") || str_eq(word, "--help"));
}

/* Help that belongs to no single verb. */
static bool print_help(struct cli *cli, const char *const *words)
{
	if (!words[0])
		help_brief(&cli->out);
	else if (asks_help(words[0]))
		help_verbs(&cli->out, NULL);
	else if (asks_help(words[1]) && verb_is_group(words[0]))
		help_verbs(&cli->out, words[0]);
	else
		return false;
	return true;
}

/* Return: how many words the verb took, or -EINVAL. */
static int choose_verb(struct cli *cli, const char *const *words, struct dyno_err *err)
{
	size_t n = 1;

	if (str_eq(words[0], "--version")) {
		cli->verb = &verb_version;
	} else if (words[0][0] == '-') {
		(void)err_set(err, ERR_USAGE, 0, "\"%s\" stands where a verb belongs", words[0]);
		err_hint(err, "options follow the verb: dyno run %s ...", words[0]);
	} else {
		cli->verb = verb_find(words, &n, err);
	}
	return cli->verb ? (int)n : -EINVAL;
}

static int run_verb(struct cli *cli, const char *const *argv, struct dyno_err *err)
{
	if (print_help(cli, argv))
		return 0;

	int r = choose_verb(cli, argv, err);

	if (r < 0)
		return r;
	r = read_options(cli, argv + r, err);
	if (r < 0)
		return r;
	if (cli->operands.help) {
		help_verb(&cli->out, cli->verb);
		return 0;
	}
	return cli->verb->main(cli, err);
}

/*
 * The caller's blocked signals are let through, so that ^C ends a list, and a reader that has gone
 * shows as EPIPE.  With SIGCHLD ignored the kernel would reap helpers and lose their status.
 */
static void take_signals(void)
{
	struct sigaction child = {.sa_handler = SIG_DFL};
	sigset_t set;

	(void)sigemptyset(&set);		    /* these four cannot fail: */
	(void)sigaddset(&set, SIGPIPE);		    /* the signals exist and */
	(void)sigprocmask(SIG_SETMASK, &set, NULL); /* the memory is ours */
	(void)sigaction(SIGCHLD, &child, NULL);
}

int main(int argc, char **argv)
{
	struct cli cli = {0};
	struct dyno_err err = {0}, out_err = {0};
	const char *const *words = (const char *const *)argv + (argc > 0);

	if (fd_ensure_stdio() < 0)
		return CLI_STATUS_DYNO;
	take_signals();

	int status = run_verb(&cli, words, &err);

	progress_clear(&cli.progress);
	if (output_stdout(&cli.out, &out_err) < 0 && status >= 0) {
		err = out_err;
		status = -EIO;
	}
	if (status < 0)
		status = report(&cli, words, &err);
	arena_done(&cli.arena);
	return status;
}
