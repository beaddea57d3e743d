/* SPDX-License-Identifier: Apache-2.0 */
/* terminal.c - the pump's process, and the modes of the caller's terminal. */
#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"

/* Of the pump, in lists of processes. Source: prctl(2), at most 15 bytes */
#define PUMP_NAME "dyno-terminal"
/* How long a line of the platform waits for the output before it. Source: own choice; a pump takes
 * microseconds, and who has stopped it must not keep the dyno from being watched */
#define CATCH_UP_MS 100

/* ---- modes ------------------------------------------------------------------------------------*/

static bool same_modes(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_lflag == b->c_lflag;
}

static void take_modes(struct terminal *t)
{
	t->has_modes = tcgetattr(STDIN_FILENO, &t->saved) == 0;
	t->raw = t->saved;
	cfmakeraw(&t->raw);
}

void terminal_restore(const struct terminal *t)
{
	struct termios now;
	sigset_t set, old;

	if (!t->has_modes || tcgetattr(STDIN_FILENO, &now) < 0 || !same_modes(&now, &t->raw))
		return;
	/* Whose group has lost the terminal would be stopped here, with nobody to continue it. */
	(void)sigemptyset(&set); /* cannot fail: the memory is ours */
	(void)sigaddset(&set, SIGTTOU);
	(void)sigprocmask(SIG_BLOCK, &set, &old);
	/* What has come for the dyno, such as the terminal's answers to it, is not the shell's to read. */
	(void)tcflush(STDIN_FILENO, TCIFLUSH);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &t->saved); /* it may be gone by now */
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
}

int terminal_resize(void *data, unsigned int rows, unsigned int columns)
{
	const struct winsize size = {
		.ws_row = (unsigned short)rows,
		.ws_col = (unsigned short)columns,
	};

	return ioctl(*(const int *)data, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

/* ---- the pump's process -----------------------------------------------------------------------*/

/*
 * What ends the caller's group ends the dyno first, in its own time, and its last words are still
 * to be shown: the pump ends by its caller's end.  It may be stopped with the group.
 */
static void set_signals(void)
{
	static const int ignored[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	proc_reset_signals();
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)sigaction(ignored[i], &ignore, NULL); /* cannot fail: they exist */
}

static _Noreturn void be_pump(const struct terminal *t, const struct terminal_io *io, int end_fd)
{
	const struct terminal_pump how = {.end_fd = end_fd, .raw = t->has_modes ? &t->raw : NULL};
	int keep[] = {io->stream_fd, io->keep_fd, end_fd};
	enum terminal_end end = TERMINAL_LOST;

	set_signals();
	(void)prctl(PR_SET_NAME, PUMP_NAME); /* only shown */
	/* Who started it holds locks and the dyno itself: none of that may live on by the pump. */
	if (fd_close_others(keep, ARRAY_SIZE(keep)) == 0)
		end = terminal_pump(io, &how);
	terminal_restore(t);
	_exit((int)end);
}

/* A pump without a pidfd could not be waited for. */
static int start_failed(struct terminal *t, pid_t pid, int num, struct dyno_err *err)
{
	close_fdp(&t->end_fd);
	if (pid > 0) {
		(void)kill(pid,
			   SIGKILL); /* a child that was not waited for: the number is its own */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		terminal_restore(t);
	}
	return err_set(err, ERR_IO, num, "start the process that serves the terminal");
}

int terminal_start(struct terminal *t, const struct terminal_io *io, struct dyno_err *err)
{
	_cleanup_close_ int pump_end = -EBADF;
	int flags = fcntl(io->stream_fd, F_GETFL);
	int ends[2];
	pid_t pid;

	if (flags < 0 || fcntl(io->stream_fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_set(err, ERR_IO, errno, "use the terminal's stream");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, ERR_IO, errno, "make a pair of sockets");
	pump_end = ends[0];
	t->end_fd = ends[1];
	take_modes(t);
	pid = fork();
	if (pid == 0)
		be_pump(t, io, pump_end);
	if (pid < 0)
		return start_failed(t, pid, errno, err);
	t->pidfd = pidfd_open(pid, 0);
	return t->pidfd < 0 ? start_failed(t, pid, errno, err) : 0;
}

void terminal_catch_up(struct terminal *t)
{
	struct pollfd p = {.fd = t->end_fd, .events = POLLIN};
	unsigned char answer;

	if (!terminal_is_started(t) || t->deaf)
		return;
	t->asked++;
	if (send(t->end_fd, &t->asked, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
		return; /* it has ended */
	while (poll(&p, 1, CATCH_UP_MS) > 0)
		if (recv(t->end_fd, &answer, 1, MSG_DONTWAIT) != 1 || answer == t->asked)
			return;
	t->deaf = true;
}

/* Return: whether it has ended, or nothing can be heard of it any more. */
static bool wait_for(int pidfd, siginfo_t *ret)
{
	*ret = (siginfo_t){0};
	if (waitid(P_PIDFD, (id_t)pidfd, ret, WEXITED | WSTOPPED) < 0)
		return errno != EINTR;
	return ret->si_code != CLD_STOPPED;
}

enum terminal_end terminal_finish(struct terminal *t)
{
	enum terminal_end end = TERMINAL_LOST;
	int push = SIGCONT;
	siginfo_t si;

	if (!terminal_is_started(t))
		return TERMINAL_ENDED;
	close_fdp(&t->end_fd);
	while (!wait_for(t->pidfd, &si)) {
		if (si.si_code != CLD_STOPPED)
			continue;
		(void)proc_kill(t->pidfd, push); /* has it ended meanwhile, that is told next */
		push = SIGKILL;
	}
	if (si.si_code == CLD_EXITED && si.si_status >= 0 && si.si_status < TERMINAL_LOST)
		end = (enum terminal_end)si.si_status;
	close_fdp(&t->pidfd);
	terminal_restore(t);
	return end;
}
