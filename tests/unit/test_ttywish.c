/* SPDX-License-Identifier: Apache-2.0 */
/* test_ttywish.c - who gets a terminal of his own, of which size, with which streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/util.h"
#include "engine/ttywish.h"

/* The streams: t a terminal of 30 x 90, s one of 20 x 70, - none. */
struct wish_case {
	enum dyno_tty want;
	const char *streams;
	bool wanted;
	bool keep_stderr;
	unsigned int rows; /* of the answer's size, also without a terminal */
};

static const struct wish_case cases[] = {
	{DYNO_TTY_NONE, "ttt", false, false, 30},  {DYNO_TTY_NONE, "---", false, false, 0},
	{DYNO_TTY_AUTO, "ttt", true, false, 30},   {DYNO_TTY_AUTO, "tt-", true, true, 30},
	{DYNO_TTY_AUTO, "ts-", true, true, 30},	   {DYNO_TTY_AUTO, "t-t", false, false, 30},
	{DYNO_TTY_AUTO, "-tt", false, false, 0},   {DYNO_TTY_AUTO, "---", false, false, 0},
	{DYNO_TTY_ALWAYS, "ttt", true, false, 30}, {DYNO_TTY_ALWAYS, "tt-", true, false, 30},
	{DYNO_TTY_ALWAYS, "-st", true, false, 20}, {DYNO_TTY_ALWAYS, "--s", true, false, 20},
	{DYNO_TTY_ALWAYS, "---", true, false, 0},
};

static int open_tty(unsigned short rows, unsigned short columns, int *ret_master)
{
	struct winsize size = {.ws_row = rows, .ws_col = columns};
	int slave;

	assert_int_equal(openpty(ret_master, &slave, NULL, NULL, &size), 0);
	return slave;
}

static void ttywish_find__streams_and_wishes__decided_and_sized(void **state)
{
	int masters[2];
	int t = open_tty(30, 90, &masters[0]);
	int s = open_tty(20, 70, &masters[1]);
	int none = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct wish_case *c = &cases[i];
		struct launch_tty tty = {.rows = 1};
		struct winsize size = {.ws_row = 1};
		int stdio[3];

		for (int n = 0; n < 3; n++)
			stdio[n] = c->streams[n] == 't' ? t : c->streams[n] == 's' ? s : none;
		ttywish_find(c->want, stdio, &tty, &size);
		assert_int_equal(tty.wanted, c->wanted);
		assert_int_equal(tty.keep_stderr, c->keep_stderr);
		assert_int_equal(size.ws_row, c->rows);
		assert_int_equal(size.ws_col, c->rows == 30 ? 90 : c->rows == 20 ? 70 : 0);
		assert_int_equal(tty.rows, c->wanted ? c->rows : 0);
	}
	close_fdp(&none);
	close_fdp(&t);
	close_fdp(&s);
	close_fdp(&masters[0]);
	close_fdp(&masters[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ttywish_find__streams_and_wishes__decided_and_sized),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
