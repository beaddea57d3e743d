/* SPDX-License-Identifier: Apache-2.0 */
/* printer.c - a process that shows the records of several monitors. */
#include "cli/printer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clone.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "cli/output.h"

/* Of the pipe: some batches of a monitor, so that neither waits for the other at each. Source: own
 * choice; measured by tests/bench/log.sh */
#define PIPE_BYTES (256 * 1024)
/* Several records of the longest kind; a longer line is shown in pieces. Source: contract 10.3 */
#define READ_BYTES (64U * 1024U)

/**
 * struct printer - the child's own state.
 * @fd: of the records
 * @buf, @len: read and not yet shown
 * @out: how it is shown; the memory is kept
 * @mute: standard output takes nothing, as on a full disk: it was said once
 */
struct printer {
	struct logview view;
	int fd;
	char buf[READ_BYTES];
	size_t len;
	struct sbuf out;
	bool mute;
};

static void say_mute(struct printer *p, ssize_t num)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	if (p->mute)
		return;
	p->mute = true;
	sbuf_addf(&b, "dyno: write the log to standard output: %s; lines are lost until it works\n",
		  err_errno_text((int)-num));
	output_stderr(&b);
}

/* Return: false: the reader has gone. */
static bool show(struct printer *p)
{
	ssize_t n = p->out.len > 0 ? fd_write_full(STDOUT_FILENO, p->out.data, p->out.len) : 0;

	if (n >= 0)
		n = sbuf_ok(&p->out);
	if (n < 0)
		sbuf_done(&p->out); /* it takes nothing more once there was no memory */
	p->out.len = 0;
	if (n == -EPIPE)
		return false;
	if (n < 0)
		say_mute(p, n);
	else
		p->mute = false;
	return true;
}

/* The whole lines of the buffer, all of it at the end or when no newline fits. */
static bool show_lines(struct printer *p, bool all)
{
	size_t at = 0;

	while (at < p->len) {
		const char *newline = memchr(p->buf + at, '\n', p->len - at);
		size_t len = newline ? (size_t)(newline - p->buf) - at : p->len - at;
		size_t plain = logview_add_plain(&p->view, p->buf + at, p->len - at, &p->out);

		at += plain;
		if (plain > 0)
			continue;
		if (!newline && !all && (at > 0 || p->len < sizeof(p->buf)))
			break;
		logview_add(&p->view, p->buf + at, len, &p->out);
		at += len + (newline ? 1 : 0);
	}

	p->len -= at;
	memmove(p->buf, p->buf + at, p->len);
	return show(p);
}

static int print(struct printer *p)
{
	for (;;) {
		ssize_t n = read(p->fd, p->buf + p->len, sizeof(p->buf) - p->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0)
			p->len += (size_t)n;
		if (!show_lines(p, n <= 0))
			return PRINTER_GONE;
		if (n <= 0)
			return PRINTER_DONE;
	}
}

/* What ends the command is no reason to lose the last words of the dynos; a stop by ^Z is for both,
 * and in the background it writes in spite of `stty tostop`. */
static void block_signals(void)
{
	static const int signals[] = {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGTTOU, SIGPIPE};
	sigset_t set;

	(void)sigemptyset(&set); /* these cannot fail: the signals exist, the memory is ours */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(&set, signals[i]);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
}

/* The pipe that tells monitors of the command's life must not be held here, nor anything else. */
static _noreturn_ void child_main(void *arg)
{
	struct printer *p = arg;

	block_signals();
	if (dup2(p->fd, STDIN_FILENO) < 0)
		_exit(PRINTER_GONE);
	p->fd = STDIN_FILENO;
	if (syscall(SYS_close_range, (unsigned int)STDERR_FILENO + 1, UINT_MAX, 0U) < 0)
		_exit(PRINTER_GONE);
	_exit(print(p));
}

int printer_start(const struct logview *view, int *ret_log_fd, int *ret_pidfd, struct dyno_err *err)
{
	_cleanup_free_ struct printer *p = calloc(1, sizeof(*p));
	_cleanup_close_ int read_fd = -EBADF, log_fd = -EBADF;
	struct clone_plan plan = {.cgroup_fd = -EBADF, .fn = child_main, .arg = p};
	int pipe_fds[2], pidfd = -EBADF, unused;

	if (!p)
		return err_set(err, ERR_MEMORY, ENOMEM, "show the log");
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set(err, ERR_IO, errno, "make a pipe for the log");
	read_fd = pipe_fds[0];
	(void)fcntl(read_fd, F_SETPIPE_SZ, PIPE_BYTES); /* a favour */
	log_fd = pipe_fds[1];
	p->view = *view;
	p->fd = read_fd;

	pid_t pid = clone_call(&plan, &pidfd, &unused);

	if (pid < 0)
		return err_set(err, ERR_IO, -pid, "start a process that shows the log");
	*ret_log_fd = take_fd(&log_fd);
	*ret_pidfd = pidfd;
	return 0;
}
