/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminal_pump.c - bytes between standard input and output and a stream.  The stream never blocks;
 * the caller's terminal may, since its descriptor is the shell's too and stays as it is.
 */
#include "cli/terminal.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"

/* Read at once. Source: own choice; a terminal's line is no longer than the first */
#define IN_BYTES  4096U
#define OUT_BYTES 16384U

/* How long a pseudo terminal that no process has open is left alone. Source: own choice */
#define RETRY_MS 100

/* What a pseudo terminal may hold when the command has ended, and more: whoever goes on writing does
 * not keep the pump. Source: the kernel's own buffers have 64 KiB and 4 KiB, tty_buffer.c, n_tty.c */
#define REST_BYTES (256U * 1024U)

/**
 * struct pump - what a pump knows.
 * @is_tty: the stream is a pseudo terminal
 * @in_open: standard input has not ended
 * @idle: no process has the pseudo terminal open at the moment
 * @last: the byte that was typed last
 * @in, @in_at, @in_len: typed, and not taken yet
 * @busy_ms: when a byte came from either side last
 * @over, @end: it has ended
 */
struct pump {
	const struct terminal_io *io;
	const struct terminal_pump *how;
	struct terminal_keys keys;
	int signal_fd;
	bool is_tty;
	bool in_open;
	bool idle;
	char last;
	size_t in_at;
	size_t in_len;
	uint64_t busy_ms;
	bool over;
	enum terminal_end end;
	char in[IN_BYTES + TERMINAL_KEYS_MAX];
};

static void finish(struct pump *p, enum terminal_end end)
{
	if (!p->over)
		p->end = end;
	p->over = true;
}

/* ---- keys -------------------------------------------------------------------------------------*/

size_t terminal_keys_filter(struct terminal_keys *k, const char *in, size_t len, char *out,
			    bool *ret_found)
{
	size_t n = 0;

	*ret_found = false;
	for (size_t i = 0; i < len; i++) {
		if (k->n > 0 && in[i] != k->keys[k->seen] && k->seen > 0) {
			memcpy(out + n, k->keys, k->seen);
			n += k->seen;
			k->seen = 0;
		}
		if (k->n == 0 || in[i] != k->keys[k->seen]) {
			out[n++] = in[i];
			continue;
		}
		if (++k->seen == k->n) {
			*ret_found = true;
			break;
		}
	}
	return n;
}

/* ---- to the stream ----------------------------------------------------------------------------*/

/* A pseudo terminal tells its reader of an end by a character, where it gathers lines at all: at the
 * beginning of a line one, else the first only completes the line. */
static void put_end_character(struct pump *p)
{
	struct termios modes;

	if (tcgetattr(p->io->stream_fd, &modes) < 0 || !(modes.c_lflag & ICANON))
		return;
	p->in_at = 0;
	if (p->last != '\n')
		p->in[p->in_len++] = (char)modes.c_cc[VEOF];
	p->in[p->in_len++] = (char)modes.c_cc[VEOF];
}

static void input_ended(struct pump *p)
{
	p->in_open = false;
	if (p->how->raw) {
		finish(p, TERMINAL_LOST);
		return;
	}
	if (p->io->viewer)
		return;
	if (p->is_tty)
		put_end_character(p);
	else
		(void)shutdown(p->io->stream_fd, SHUT_WR); /* its reader may have gone */
}

static void send_input(struct pump *p)
{
	ssize_t n = write(p->io->stream_fd, p->in + p->in_at, p->in_len - p->in_at);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* Nobody is there to read: typed in vain, as on any terminal. */
	p->in_at = n < 0 ? p->in_len : p->in_at + (size_t)n;
	if (p->in_at == p->in_len)
		p->in_at = p->in_len = 0;
}

static void read_input(struct pump *p)
{
	char typed[IN_BYTES];
	ssize_t n = read(STDIN_FILENO, typed, sizeof(typed));
	bool found;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		input_ended(p);
		return;
	}
	p->busy_ms = clock_ms();
	p->in_at = 0;
	p->in_len = terminal_keys_filter(&p->keys, typed, (size_t)n, p->in, &found);
	if (p->in_len > 0)
		p->last = p->in[p->in_len - 1];
	if (p->io->viewer)
		p->in_len = 0;
	if (!found)
		return;
	if (p->in_len > 0)
		send_input(p); /* what came before the keys, as far as it is taken */
	finish(p, TERMINAL_DETACHED);
}

/* ---- from the stream --------------------------------------------------------------------------*/

static int show(const struct pump *p, const char *bytes, size_t len)
{
	ssize_t n;

	if (p->io->show)
		return p->io->show(p->io->data, bytes, len);
	n = fd_write_full(STDOUT_FILENO, bytes, len);
	return n < 0 ? (int)n : 0;
}

/* Return: bytes; 0: none at the moment. */
static size_t read_stream(struct pump *p)
{
	char bytes[OUT_BYTES];
	ssize_t n = read(p->io->stream_fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		if (p->is_tty)
			p->idle = true;
		else
			finish(p, TERMINAL_ENDED);
		return 0;
	}
	p->busy_ms = clock_ms();
	if (show(p, bytes, (size_t)n) < 0)
		finish(p, TERMINAL_LOST);
	return (size_t)n;
}

/* All that was written until now is there: poll(2) has the kernel put it in place. */
static void show_rest(struct pump *p)
{
	struct pollfd stream = {.fd = p->io->stream_fd, .events = POLLIN};
	size_t rest = 0;

	p->idle = false;
	while (!p->over && !p->idle && rest < REST_BYTES && poll(&stream, 1, 0) > 0 &&
	       (stream.revents & POLLIN))
		rest += read_stream(p);
}

/* The caller's question, or his end. */
static void heed(struct pump *p)
{
	unsigned char asked;
	ssize_t n = recv(p->how->end_fd, &asked, 1, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	show_rest(p);
	if (n == 1)
		(void)send(p->how->end_fd, &asked, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		finish(p, TERMINAL_ENDED);
}

/* ---- the terminal itself ----------------------------------------------------------------------*/

static void pass_size(const struct pump *p)
{
	struct winsize size = {0};

	if (!p->io->resize || (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 &&
			       ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0))
		return;
	if (size.ws_row > 0 && size.ws_col > 0)
		(void)p->io->resize(p->io->data, size.ws_row, size.ws_col); /* its end is told */
}

/* A shell that continues its job has had modes of its own meanwhile. */
static void continued(struct pump *p)
{
	p->busy_ms = clock_ms(); /* nobody could have passed anything */
	if (p->how->raw && tcgetpgrp(STDIN_FILENO) == getpgrp())
		(void)tcsetattr(STDIN_FILENO, TCSANOW, p->how->raw); /* gone is seen by the read */
	pass_size(p);
}

static void read_signal(struct pump *p)
{
	struct signalfd_siginfo si;

	if (fd_read_full(p->signal_fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo == SIGCONT)
		continued(p);
	else
		pass_size(p);
}

static int open_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set); /* these cannot fail: the signals exist, the memory is ours */
	(void)sigaddset(&set, SIGWINCH);
	(void)sigaddset(&set, SIGCONT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ---- the loop ---------------------------------------------------------------------------------*/

enum { IN, STREAM, END, SIGNALS, _FDS };

/* For poll(2). */
static int longest_wait(const struct pump *p)
{
	const uint64_t now_ms = clock_ms();
	uint64_t left_ms = INT_MAX;

	if (p->idle)
		return RETRY_MS;
	if (!p->io->idle_ms)
		return -1;
	if (now_ms - p->busy_ms < p->io->idle_ms)
		left_ms = p->io->idle_ms - (now_ms - p->busy_ms);
	else
		left_ms = 0;
	return (int)MIN_OF(left_ms, (uint64_t)INT_MAX);
}

static void turn(struct pump *p)
{
	const bool wants = p->in_open && p->in_len == 0;
	struct pollfd fds[_FDS] = {
		[IN] = {.fd = wants ? STDIN_FILENO : -1, .events = POLLIN},
		[STREAM] = {.fd = p->idle ? -1 : p->io->stream_fd,
			    .events = p->in_len ? POLLIN | POLLOUT : POLLIN},
		[END] = {.fd = p->how->end_fd, .events = POLLIN},
		[SIGNALS] = {.fd = p->signal_fd, .events = POLLIN},
	};
	int r = poll(fds, _FDS, longest_wait(p));

	if (r < 0)
		return; /* interrupted; all else would be a fault of the array */
	p->idle = false;
	if (fds[SIGNALS].revents)
		read_signal(p);
	if (fds[STREAM].revents & (POLLIN | POLLHUP | POLLERR))
		(void)read_stream(p); /* what counts is told in @p */
	if (fds[STREAM].revents & POLLOUT)
		send_input(p);
	if (fds[END].revents)
		heed(p);
	else if (fds[IN].revents)
		read_input(p);
	if (p->io->idle_ms && clock_ms() - p->busy_ms >= p->io->idle_ms)
		finish(p, TERMINAL_LOST);
}

enum terminal_end terminal_pump(const struct terminal_io *io, const struct terminal_pump *how)
{
	struct pump p = {
		.io = io,
		.how = how,
		.keys = {.keys = io->detach_keys,
			 .n = MIN_OF(io->n_detach_keys, TERMINAL_KEYS_MAX)},
		.signal_fd = open_signals(),
		.is_tty = isatty(io->stream_fd),
		.in_open = true,
		.last = '\n',
		.busy_ms = clock_ms(),
	};

	if (how->raw && tcsetattr(STDIN_FILENO, TCSANOW, how->raw) < 0)
		finish(&p, TERMINAL_LOST);
	pass_size(&p);
	while (!p.over)
		turn(&p);
	close_fdp(&p.signal_fd);
	return p.end;
}
