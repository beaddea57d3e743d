/* SPDX-License-Identifier: Apache-2.0 */
/* verb_exec.c - dyno exec NAME [COMMAND [ARG...]]: one more process in a dyno that runs. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"
#include "cli/target.h"
#include "cli/terminal.h"

struct exec_options {
	struct cli_common common;
	struct target_ask ask;
	struct opt_list env;
	bool tty;
	bool no_tty;
};

#define AT(member, type) OPT_FIELD(struct exec_options, member, type)

static const struct opt options[] = {
	TARGET_OPTION_APP(struct exec_options),
	{.name = "env",
	 .letter = 'e',
	 .kind = OPT_LIST,
	 .offset = AT(env, struct opt_list),
	 .arg = "K=V",
	 .help = "a variable for this command; may be repeated"},
	{.name = "tty",
	 .letter = 't',
	 .kind = OPT_FLAG,
	 .offset = AT(tty, bool),
	 .help = "a terminal of its own (on a terminal)"},
	{.name = "no-tty",
	 .letter = 'T',
	 .kind = OPT_FLAG,
	 .offset = AT(no_tty, bool),
	 .help = "none: the command has the streams as they are"},
};

static inline void dyno_closep(struct dyno **dyno)
{
	dyno_close(*dyno);
}

static inline void dyno_exec_freep(struct dyno_exec **exec)
{
	dyno_exec_free(*exec);
}

/* The words after NAME: after "--" they are an argv, else a command line for the shell. */
static int take_operands(const struct opt_operands *operands, struct dyno_exec_opts *ret,
			 struct dyno_err *err)
{
	const char *const *rest = operands->items + 1;
	size_t n = operands->n - 1;
	int r;

	if (n > 0 && str_eq(rest[0], "--")) {
		ret->argv_mode = 1;
		rest++;
		n--;
		if (n == 0) {
			r = err_set(err, ERR_USAGE, 0, "exec: no command stands after --");
			err_hint(err, "dyno exec NAME -- PROGRAM [ARG...]");
			return r;
		}
	} else if (n > 0 && rest[0][0] == '-') {
		r = err_set(err, ERR_USAGE, 0, "exec: \"%s\" stands after NAME", rest[0]);
		err_hint(err, "options go before NAME; a command that begins with a dash goes "
			      "after --");
		return r;
	}
	ret->operands = rest;
	ret->n_operands = n;
	return 0;
}

/* Signals that end or interest a command; they are not for this process. */
static int take_signals(sigset_t *ret_old, int *ret_fd, struct dyno_err *err)
{
	static const int taken[] = {SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGTERM};
	struct sigaction now;
	sigset_t set;

	(void)sigemptyset(&set); /* these cannot fail: the signals exist, the memory is ours */
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		(void)sigaction(taken[i], NULL, &now);
		if (now.sa_handler != SIG_IGN) /* nohup(1) is to have its way */
			(void)sigaddset(&set, taken[i]);
	}
	(void)sigprocmask(SIG_BLOCK, &set, ret_old);
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret_fd < 0 ? err_set(err, ERR_IO, errno, "take over the signals") : 0;
}

static int pass_signal(struct dyno_exec *exec, int signal_fd, struct dyno_err *err)
{
	struct signalfd_siginfo si;

	if (fd_read_full(signal_fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return 0;
	return dyno_exec_signal(exec, (int)si.ssi_signo, err);
}

/* Return: its status, or -errno. */
static int wait_for_end(struct dyno_exec *exec, int signal_fd, const struct terminal *terminal,
			struct dyno_err *err)
{
	struct pollfd fds[] = {
		{.fd = dyno_exec_fd(exec), .events = POLLIN},
		{.fd = signal_fd, .events = POLLIN},
		{.fd = terminal->pidfd, .events = POLLIN},
	};
	struct dyno_err ignored;
	int status = 0, r;

	for (;;) {
		r = dyno_exec_result(exec, &status, err);
		if (r != 0)
			return r < 0 ? r : status;
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return err_set(err, ERR_IO, errno, "wait for the command");
		if (fds[1].revents)
			(void)pass_signal(exec, signal_fd, &ignored); /* its end is told next */
		if (fds[2].revents) {
			terminal_restore(
				terminal); /* a pump that was killed; the terminal hung up */
			fds[2].fd = -1;
		}
	}
}

/* The pump alone has the master: who closes that, by whatever end, hangs up. */
static int serve_terminal(struct dyno_exec *exec, struct terminal *terminal, struct dyno_err *err)
{
	_cleanup_close_ int master = dyno_exec_terminal(exec);
	const struct terminal_io io = {
		.stream_fd = master,
		.keep_fd = -EBADF,
		.resize = terminal_resize,
		.data = &master,
	};

	return master < 0 ? 0 : terminal_start(terminal, &io, err);
}

static int run(struct dyno *dyno, const struct dyno_exec_opts *opts, struct dyno_err *err)
{
	_cleanup_(dyno_exec_freep) struct dyno_exec *exec = NULL;
	struct terminal terminal = TERMINAL_INIT;
	_cleanup_close_ int signal_fd = -EBADF;
	sigset_t mask;
	int r = take_signals(&mask, &signal_fd, err);

	if (r == 0)
		r = dyno_exec_start(dyno, opts, &exec, err);
	if (r == 0)
		r = serve_terminal(exec, &terminal, err);
	if (r == 0)
		r = wait_for_end(exec, signal_fd, &terminal, err);
	(void)terminal_finish(&terminal); /* the status is the command's, however that went */
	(void)sigprocmask(SIG_SETMASK, &mask, NULL); /* the mask of a moment ago */
	return r;
}

static int exec_main(struct cli *cli, struct dyno_err *err)
{
	const struct exec_options *o = cli->options;
	struct dyno_exec_opts opts = {.env = o->env.items, .n_env = o->env.n};
	_cleanup_host_ struct dyno_host *host = NULL;
	_cleanup_(dyno_closep) struct dyno *dyno = NULL;
	int r = take_operands(&cli->operands, &opts, err);

	if (r == 0 && o->tty && o->no_tty)
		r = err_set(err, ERR_USAGE, 0, "exec: --tty and --no-tty exclude each other");
	opts.tty = o->tty ? DYNO_TTY_ALWAYS : o->no_tty ? DYNO_TTY_NONE : DYNO_TTY_AUTO;
	if (r == 0)
		r = cli_host_open(cli, &host, err);
	if (r == 0)
		r = target_open(cli, host, &o->ask, cli->operands.items[0], "exec", &dyno, err);
	return r < 0 ? r : run(dyno, &opts, err);
}

const struct verb verb_exec = {
	.name = "exec",
	.operands = "NAME [COMMAND [ARG...]]",
	.summary = "run a command in a dyno that runs",
	.text = "NAME is web.1 or APP/web.1.  The command is confined as the app is, in its files,\n"
		"processes and limits, with its config vars.  Without COMMAND it is bash.\n"
		"A COMMAND goes through bash --login with the app's profile scripts; after -- its\n"
		"words are executed as they are.  Options stand before NAME.  The exit status is the\n"
		"command's, 128+n after signal n, 125 when dyno failed, 126 not executable, 127 not\n"
		"found.  Signals are passed on to the command.\n",
	CLI_OPTIONS(options, struct exec_options),
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.words = OPT_WORDS_DYNO,
	.runs_command = true,
	.own_status = true,
	.main = exec_main,
};
