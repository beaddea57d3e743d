/* SPDX-License-Identifier: Apache-2.0 */
/* dynos_exec.c - the public functions on one more process in a dyno. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/dynos.h"
#include "engine/ttywish.h"
#include "model/command.h"
#include "model/environ.h"

/* A monitor answers between two events of its loop, and the process in between enters the dyno
 * meanwhile. Source: own choice, above the longest launch */
#define START_MS 15000U
/* What is run where nothing is named. Source: CLI rules */
#define SHELL "bash"

/**
 * struct dyno_exec - one process.
 * @fd: the connection that asked for it, and hears of its end
 * @tty_fd: the master of its terminal, until it is handed out
 */
struct dyno_exec {
	struct dyno *dyno;
	int fd;
	int tty_fd;
};

static const int own_stdio[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};

static const int *stdio_of(const struct dyno_exec_opts *opts)
{
	return opts->stdio ? opts->stdio : own_stdio;
}

static int add_variables(const struct dyno_exec_opts *opts, const struct launch_tty *tty,
			 struct arena *arena, struct sbuf *b, struct dyno_err *err)
{
	struct env env = {.arena = arena};
	bool shell = !opts->argv_mode;
	int r = 0;

	/* As of a one-off: only a shell that reads the profile keeps the size to itself. */
	if (tty->wanted)
		r = env_set_terminal(&env, getenv("TERM"), shell ? tty->columns : 0,
				     shell ? tty->rows : 0, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < opts->n_env; i++) {
		r = env_set_text(&env, opts->env[i], ENV_FLAG, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < env.n; i++)
		sbuf_add(b, env.vars[i].text, strlen(env.vars[i].text) + 1);
	return (int)env.n;
}

/* The words are those of `run`, but for process types: a dyno that runs has one. */
static int add_command(const struct dyno_exec_opts *opts, struct arena *arena, struct sbuf *b,
		       struct dyno_err *err)
{
	static const char *const shell[] = {SHELL};
	const struct proc_types none = {0};
	struct command_input in = {
		.types = &none,
		.operands = opts->operands,
		.n = opts->n_operands,
		.argv_mode = opts->argv_mode,
	};
	struct command command;
	int r;

	if (in.n == 0 && !in.argv_mode) {
		in.operands = shell;
		in.n = ARRAY_SIZE(shell);
	}
	r = command_compile(&in, arena, &command, err);
	if (r < 0)
		return r;
	for (const char *const *word = command.argv; *word; word++)
		sbuf_add(b, *word, strlen(*word) + 1);
	if (sbuf_ok(b) < 0)
		return err_set(err, ERR_MEMORY, ENOMEM, "pass on the command");
	return 0;
}

static int check_size(const struct sbuf *b, struct dyno_err *err)
{
	if (b->len <= CTL_PACKET_BYTES - sizeof(struct ctl_request))
		return 0;
	err_set(err, ERR_USAGE, E2BIG, "pass on a command of %zu bytes", b->len);
	err_hint(err, "%u go with its variables: put the rest into a file, or its standard input",
		 CTL_PACKET_BYTES - (unsigned int)sizeof(struct ctl_request));
	return -E2BIG;
}

static int ask(struct dyno *dyno, const struct dyno_exec_opts *opts, const struct launch_tty *tty,
	       int fd, struct dyno_err *err)
{
	const int *fds = stdio_of(opts);
	size_t n_fds = ARRAY_SIZE(own_stdio);
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_sbuf_ struct sbuf words = {0};
	struct ctl_request request = {.verb = CTL_EXEC, .scope = CTL_EXEC_ARGV};
	int r;

	if (tty->wanted) {
		char size[32];

		str_fmt(size, sizeof(size), "%u %u", tty->rows, tty->columns);
		sbuf_add(&words, size, strlen(size) + 1);
		request.verb = CTL_EXEC_TTY;
		fds += STDERR_FILENO;
		n_fds = tty->keep_stderr;
	}
	r = add_variables(opts, tty, &arena, &words, err);
	request.value = r;
	if (r >= 0)
		r = add_command(opts, &arena, &words, err);
	if (r == 0)
		r = check_size(&words, err);
	if (r < 0)
		return r;
	request.len = (uint32_t)words.len;
	r = ctl_ask(fd, &request, sbuf_str(&words), fds, n_fds, START_MS, NULL, NULL, err);
	if (r == -EPIPE)
		return dynos_not_found(dyno->host, dyno->app, dyno->name, err);
	return r < 0 ? r : 0;
}

/* Its text is not trusted to end. */
static int never_ran(const char *payload, struct dyno_err *err)
{
	memcpy(err, payload, sizeof(*err));
	err->msg[sizeof(err->msg) - 1] = '\0';
	err->hint[sizeof(err->hint) - 1] = '\0';
	return err->num > 0 ? -err->num : -EIO;
}

static int monitor_gone(const struct dyno *dyno, struct dyno_err *err)
{
	int r = dynos_not_found(dyno->host, dyno->app, dyno->name, err);

	err_context(err, "wait for the command");
	return r;
}

/* What comes before the terminal is why there is none. Return: 1: not yet. */
static int hear_of_terminal(const struct dyno *dyno, int fd, int *ret_fd, struct dyno_err *err)
{
	char payload[sizeof(struct dyno_err) + 1];
	struct ctl_answer_head head;
	int r = ctl_read_fd(fd, &head, payload, sizeof(payload), ret_fd);

	if (r == -EPIPE)
		return monitor_gone(dyno, err);
	if (r < 0)
		return err_set(err, ERR_MONITOR, -r, "hear of the command");
	if (r == 0)
		return 1;
	if (head.type == CTL_TTY && *ret_fd >= 0)
		return 0;
	if (head.type == CTL_ENDED && head.len == sizeof(struct dyno_err))
		return never_ran(payload, err);
	return err_set(err, ERR_MONITOR, EPROTO, "hear of the command's terminal");
}

/* A tenant can keep the process from getting so far. */
static int wait_for_terminal(const struct dyno *dyno, int fd, int *ret_fd, struct dyno_err *err)
{
	const uint64_t until_ms = clock_ms() + START_MS;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t now;
	int r;

	for (;;) {
		r = hear_of_terminal(dyno, fd, ret_fd, err);
		if (r <= 0)
			return r;
		now = clock_ms();
		if (now >= until_ms)
			break;
		if (poll(&p, 1, (int)(until_ms - now)) < 0 && errno != EINTR)
			return err_set(err, ERR_IO, errno, "wait for the command's terminal");
	}
	err_set(err, ERR_MONITOR, ETIMEDOUT, "wait for the command's terminal");
	err_hint(err, "something in the dyno keeps the command from starting");
	return -ETIMEDOUT;
}

DYNO_PUBLIC int dyno_exec_start(struct dyno *dyno, const struct dyno_exec_opts *opts,
				struct dyno_exec **ret, struct dyno_err *err)
{
	_cleanup_close_ int fd = dynos_connect(dyno, err);
	_cleanup_close_ int tty_fd = -EBADF;
	struct launch_tty tty = {0};
	struct winsize size;
	struct dyno_exec *exec;
	int r;

	if (fd < 0)
		return fd;
	exec = calloc(1, sizeof(*exec));
	if (!exec)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep a connection");
	if (opts->tty > DYNO_TTY_NONE)
		ttywish_find(opts->tty, stdio_of(opts), &tty, &size);
	r = ask(dyno, opts, &tty, fd, err);
	if (r == 0 && tty.wanted)
		r = wait_for_terminal(dyno, fd, &tty_fd, err);
	if (r < 0) {
		free(exec);
		return r;
	}
	*exec = (struct dyno_exec){.dyno = dyno, .fd = take_fd(&fd), .tty_fd = take_fd(&tty_fd)};
	*ret = exec;
	return 0;
}

DYNO_PUBLIC int dyno_exec_terminal(struct dyno_exec *exec)
{
	return take_fd(&exec->tty_fd);
}

DYNO_PUBLIC int dyno_exec_fd(const struct dyno_exec *exec)
{
	return exec->fd;
}

DYNO_PUBLIC int dyno_exec_result(struct dyno_exec *exec, int *ret_status, struct dyno_err *err)
{
	const struct dyno *dyno = exec->dyno;
	struct ctl_answer_head head;
	char payload[sizeof(struct dyno_err) + 1];
	int r;

	/* Answers to signals stand between. */
	do
		r = ctl_read(exec->fd, &head, payload, sizeof(payload));
	while (r > 0 && head.type != CTL_ENDED);
	if (r == -EPIPE)
		return monitor_gone(dyno, err);
	if (r < 0)
		return err_set(err, ERR_MONITOR, -r, "hear of the command");
	if (r == 0)
		return 0;
	if (head.len == sizeof(struct dyno_err))
		return never_ran(payload, err);
	*ret_status = head.value;
	return 1;
}

DYNO_PUBLIC int dyno_exec_signal(struct dyno_exec *exec, int sig, struct dyno_err *err)
{
	const struct ctl_request request = {.verb = CTL_EXEC_SIGNAL, .value = sig};

	/* The answer is read with the rest. */
	if (send(exec->fd, &request, sizeof(request), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return err_set(err, ERR_MONITOR, errno, "send signal %d to the command", sig);
	return 0;
}

DYNO_PUBLIC void dyno_exec_free(struct dyno_exec *exec)
{
	if (!exec)
		return;
	close_fdp(&exec->fd);
	close_fdp(&exec->tty_fd);
	free(exec);
}
