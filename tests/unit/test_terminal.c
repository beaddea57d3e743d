/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_terminal.c - the pump between a caller's terminal and a stream: the keys that detach, both
 * directions, its ends, and the modes that it leaves behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "cli/terminal.h"

/* What has not come after this time does not come. */
#define MAX_MS 30000

/* ---- keys ------------------------------------------------------------------------------------ */

struct keys_case {
	const char *keys;
	const char *typed; /* "|" ends a read */
	const char *passed;
	bool found;
};

static const struct keys_case keys_cases[] = {
	{"", "any text", "any text", false},
	{"pq", "any text", "any text", false},
	{"pq", "pq", "", true},
	{"pq", "a|p|q|rest", "a", true},
	{"pq", "ppq", "p", true},
	{"pq", "p|x", "px", false},
	{"pq", "p|p|p", "pp", false},
	{"pq", "pqmore", "", true},
	{"abc", "ab|ab|c", "ab", true},
	{"z", "xyz", "xy", true},
};

static void keys__typed_in_any_pieces__found_and_the_rest_passed_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys_cases); i++) {
		const struct keys_case *c = &keys_cases[i];
		struct terminal_keys k = {.keys = c->keys, .n = strlen(c->keys)};
		char out[64 + TERMINAL_KEYS_MAX];
		const char *p = c->typed;
		bool found = false;
		size_t n = 0;

		while (*p && !found) {
			size_t len = strcspn(p, "|");

			n += terminal_keys_filter(&k, p, len, out + n, &found);
			p += len + (p[len] == '|');
		}
		assert_int_equal(n, strlen(c->passed));
		assert_memory_equal(out, c->passed, n);
		assert_int_equal(found, c->found);
	}
}

/* ---- the pump -------------------------------------------------------------------------------- */

/**
 * struct stage - a caller's terminal, and the stream that it is joined to.
 * @user: the other end of the caller's terminal
 * @stream: the other end of the stream
 */
struct stage {
	int user;
	int tty;
	int stream;
	int stdio[2];
	int joined;
	struct termios before;
	struct terminal terminal;
	struct terminal_io io;
};

static void put_in_place(const int from[2])
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(dup2(from[i], i), i);
}

static void stage_open(struct stage *s, bool pty)
{
	int pair[2];

	*s = (struct stage){.terminal = TERMINAL_INIT, .io = {.keep_fd = -EBADF}};
	for (int i = 0; i < 2; i++)
		assert_true((s->stdio[i] = fcntl(i, F_DUPFD_CLOEXEC, 3)) >= 0);
	assert_int_equal(openpty(&s->user, &s->tty, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(s->tty, &s->before), 0);
	put_in_place((const int[]){s->tty, s->tty});
	if (pty)
		assert_int_equal(openpty(&pair[0], &pair[1], NULL, NULL, NULL), 0);
	else
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	s->joined = pair[0];
	s->stream = pair[1];
	s->io.stream_fd = s->joined;
	if (!pty)
		return;
	s->io.resize = terminal_resize;
	s->io.data = &s->joined;
}

static void stage_start(struct stage *s)
{
	struct dyno_err err;

	assert_int_equal(terminal_start(&s->terminal, &s->io, &err), 0);
	assert_true(terminal_is_started(&s->terminal));
}

static void stage_close(struct stage *s)
{
	put_in_place(s->stdio);
	close_fdp(&s->stdio[0]);
	close_fdp(&s->stdio[1]);
	close_fdp(&s->user);
	close_fdp(&s->tty);
	close_fdp(&s->joined);
	close_fdp(&s->stream);
}

/* Until @text has come from @fd. */
static void expect(int fd, const char *text)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char seen[256];
	size_t len = 0;

	while (len < strlen(text)) {
		ssize_t n;

		assert_int_equal(poll(&p, 1, MAX_MS), 1);
		n = read(fd, seen + len, strlen(text) - len);
		assert_true(n > 0);
		len += (size_t)n;
	}
	assert_memory_equal(seen, text, len);
}

static void type(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static bool is_raw(const struct stage *s)
{
	struct termios now;

	assert_int_equal(tcgetattr(s->tty, &now), 0);
	return !(now.c_lflag & ICANON);
}

static void assert_restored(const struct stage *s)
{
	struct termios now;

	assert_int_equal(tcgetattr(s->tty, &now), 0);
	assert_int_equal(now.c_lflag, s->before.c_lflag);
	assert_int_equal(now.c_iflag, s->before.c_iflag);
	assert_int_equal(now.c_oflag, s->before.c_oflag);
}

/* The pump is at work: what it does first is done. */
static void meet(struct stage *s)
{
	type(s->stream, "hello");
	expect(s->user, "hello");
	assert_true(is_raw(s));
}

/* One that serves a stream, and has shown that it does. */
static void stage_begin(struct stage *s)
{
	stage_open(s, false);
	stage_start(s);
	meet(s);
}

/* By itself, not because it is asked for. */
static void assert_ends(struct stage *s, enum terminal_end end)
{
	struct pollfd p = {.fd = s->terminal.pidfd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, MAX_MS), 1);
	assert_int_equal(terminal_finish(&s->terminal), end);
}

static void pump__bytes_both_ways__carried_and_the_modes_put_back(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s);
	type(s.user, "ls\r\x03\x1a\x04");
	expect(s.stream, "ls\r\x03\x1a\x04");
	type(s.stream, "last words");
	assert_int_equal(terminal_finish(&s.terminal), TERMINAL_ENDED);
	expect(s.user, "last words");
	assert_restored(&s);
	stage_close(&s);
}

/* What was written before is on the screen when it returns. */
static void pump__asked_to_catch_up__has_shown_all(void **state)
{
	struct stage s;
	char seen[64];

	(void)state;
	stage_begin(&s);
	assert_int_equal(fcntl(s.user, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	for (int i = 0; i < 300; i++) {
		type(s.stream, "before");
		terminal_catch_up(&s.terminal);
		assert_int_equal(read(s.user, seen, sizeof(seen)), STRLEN("before"));
	}
	/* Who is stopped is waited for once. */
	assert_int_equal(proc_kill(s.terminal.pidfd, SIGSTOP), 0);
	terminal_catch_up(&s.terminal);
	assert_true(s.terminal.deaf);
	assert_int_equal(terminal_finish(&s.terminal), TERMINAL_ENDED);
	terminal_catch_up(&s.terminal);
	stage_close(&s);
}

static void pump__stream_ends__it_ends(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s);
	close_fdp(&s.joined);
	close_fdp(&s.stream);
	assert_int_equal(
		poll(&(struct pollfd){.fd = s.terminal.pidfd, .events = POLLIN}, 1, MAX_MS), 1);
	assert_restored(&s);
	assert_int_equal(terminal_finish(&s.terminal), TERMINAL_ENDED);
	stage_close(&s);
}

static void pump__detach_keys__end_it(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, false);
	s.io.detach_keys = "\x10\x11";
	s.io.n_detach_keys = 2;
	stage_start(&s);
	meet(&s);
	type(s.user, "a\x10"
		     "b\x10\x11");
	expect(s.stream, "a\x10"
			 "b");
	assert_ends(&s, TERMINAL_DETACHED);
	assert_restored(&s);
	stage_close(&s);
}

static void pump__terminal_vanishes__client_is_lost(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s);
	close_fdp(&s.user);
	assert_ends(&s, TERMINAL_LOST);
	stage_close(&s);
}

static void pump__killed__who_started_it_puts_the_modes_back(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s);
	assert_int_equal(proc_kill(s.terminal.pidfd, SIGKILL), 0);
	assert_int_equal(terminal_finish(&s.terminal), TERMINAL_LOST);
	assert_restored(&s);
	stage_close(&s);
}

/* T33: what the terminal answers to the dyno is not left for whoever reads it next. */
static void pump__input_that_nobody_took__is_dropped_with_the_modes(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s);
	assert_int_equal(proc_kill(s.terminal.pidfd, SIGSTOP), 0);
	terminal_catch_up(&s.terminal);
	type(s.user, "\x1b[5;5Rrm\n");
	assert_int_equal(poll(&(struct pollfd){.fd = s.tty, .events = POLLIN}, 1, MAX_MS), 1);
	assert_int_equal(proc_kill(s.terminal.pidfd, SIGKILL), 0);
	assert_int_equal(terminal_finish(&s.terminal), TERMINAL_LOST);
	assert_restored(&s);
	assert_int_equal(poll(&(struct pollfd){.fd = s.tty, .events = POLLIN}, 1, 0), 0);
	stage_close(&s);
}

static void pump__stopped_by_somebody__shows_the_rest_and_ends(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s);
	assert_int_equal(proc_kill(s.terminal.pidfd, SIGSTOP), 0);
	type(s.stream, "last words");
	assert_int_equal(terminal_finish(&s.terminal), TERMINAL_ENDED);
	expect(s.user, "last words");
	assert_restored(&s);
	stage_close(&s);
}

/* Waits until the other side of the stream is of that size. */
static void expect_size(int fd, unsigned short rows, unsigned short columns)
{
	struct winsize size = {0};

	for (int i = 0; i < MAX_MS / 10; i++) {
		assert_int_equal(ioctl(fd, TIOCGWINSZ, &size), 0);
		if (size.ws_row == rows && size.ws_col == columns)
			return;
		(void)poll(NULL, 0, 10);
	}
	fail_msg("the size is %u x %u", size.ws_row, size.ws_col);
}

static void pump__pseudo_terminal__has_the_size_of_the_callers(void **state)
{
	struct winsize size = {.ws_row = 33, .ws_col = 99};
	struct stage s;

	(void)state;
	stage_open(&s, true);
	assert_int_equal(ioctl(s.tty, TIOCSWINSZ, &size), 0);
	stage_start(&s);
	expect_size(s.stream, 33, 99);
	meet(&s);
	size.ws_row = 12;
	assert_int_equal(ioctl(s.tty, TIOCSWINSZ, &size), 0);
	/* It is not this test's controlling terminal, whose kernel would send the signal. */
	assert_int_equal(proc_kill(s.terminal.pidfd, SIGWINCH), 0);
	expect_size(s.stream, 12, 99);
	assert_int_equal(terminal_finish(&s.terminal), TERMINAL_ENDED);
	stage_close(&s);
}

/* The one bound that holds however busy the machine is: not before its time. */
static void pump__idle_both_ways__ends_as_lost_C8_7(void **state)
{
	const uint64_t idle_ms = 300;
	uint64_t began_ms;
	struct stage s;

	(void)state;
	stage_open(&s, false);
	s.io.idle_ms = idle_ms;
	type(s.user, "a");
	began_ms = clock_ms();
	stage_start(&s);
	expect(s.stream, "a");
	assert_int_equal(
		poll(&(struct pollfd){.fd = s.terminal.pidfd, .events = POLLIN}, 1, MAX_MS), 1);
	assert_true(clock_ms() - began_ms >= idle_ms);
	assert_int_equal(terminal_finish(&s.terminal), TERMINAL_LOST);
	assert_restored(&s);
	stage_close(&s);
}

/* Nobody reads: keys wait, output is shown all the same. */
static void pump__dyno_does_not_read__output_goes_on(void **state)
{
	static char many[64 * 1024];
	struct stage s;
	ssize_t sent = 0;

	(void)state;
	memset(many, 'x', sizeof(many));
	stage_open(&s, false);
	assert_int_equal(fcntl(s.user, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	stage_start(&s);
	meet(&s);
	for (int i = 0; i < 100; i++) {
		ssize_t n = write(s.user, many, sizeof(many));

		sent += n > 0 ? n : 0;
		(void)poll(NULL, 0, 1);
	}
	assert_true(sent > 0);
	type(s.stream, "still here");
	expect(s.user, "still here");
	assert_int_equal(terminal_finish(&s.terminal), TERMINAL_ENDED);
	assert_restored(&s);
	stage_close(&s);
}

static void pump__input_is_no_terminal__its_end_is_told(void **state)
{
	struct stage s;
	int ends[2];

	(void)state;
	stage_open(&s, true);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	stage_start(&s);
	type(ends[1], "line\nno newline");
	close_fdp(&ends[1]);
	expect(s.stream, "line\n");
	expect(s.stream, "no newline");
	assert_int_equal(poll(&(struct pollfd){.fd = s.stream, .events = POLLIN}, 1, MAX_MS), 1);
	assert_int_equal(read(s.stream, (char[1]){0}, 1), 0);
	assert_int_equal(terminal_finish(&s.terminal), TERMINAL_ENDED);
	close_fdp(&ends[0]);
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys__typed_in_any_pieces__found_and_the_rest_passed_on),
		cmocka_unit_test(pump__bytes_both_ways__carried_and_the_modes_put_back),
		cmocka_unit_test(pump__asked_to_catch_up__has_shown_all),
		cmocka_unit_test(pump__stream_ends__it_ends),
		cmocka_unit_test(pump__detach_keys__end_it),
		cmocka_unit_test(pump__terminal_vanishes__client_is_lost),
		cmocka_unit_test(pump__killed__who_started_it_puts_the_modes_back),
		cmocka_unit_test(pump__input_that_nobody_took__is_dropped_with_the_modes),
		cmocka_unit_test(pump__stopped_by_somebody__shows_the_rest_and_ends),
		cmocka_unit_test(pump__pseudo_terminal__has_the_size_of_the_callers),
		cmocka_unit_test(pump__dyno_does_not_read__output_goes_on),
		cmocka_unit_test(pump__idle_both_ways__ends_as_lost_C8_7),
		cmocka_unit_test(pump__input_is_no_terminal__its_end_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
