/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ttywish.h"

#include <unistd.h>

static bool take_size(int fd, struct winsize *ret)
{
	struct winsize size = {0};

	if (ioctl(fd, TIOCGWINSZ, &size) < 0)
		return false;
	*ret = size;
	return true;
}

void ttywish_find(enum dyno_tty want, const int stdio[3], struct launch_tty *ret_tty,
		  struct winsize *ret_size)
{
	struct launch_tty tty = {.wanted = want == DYNO_TTY_ALWAYS};
	struct winsize size = {0};
	bool in = take_size(stdio[STDIN_FILENO], &size);

	if (want == DYNO_TTY_AUTO && in && isatty(stdio[STDOUT_FILENO])) {
		tty.wanted = true;
		tty.keep_stderr = !isatty(stdio[STDERR_FILENO]);
	}
	if (want == DYNO_TTY_ALWAYS && !in && !take_size(stdio[STDOUT_FILENO], &size))
		(void)take_size(stdio[STDERR_FILENO], &size); /* no terminal at all: no size */
	if (tty.wanted) {
		tty.rows = size.ws_row;
		tty.columns = size.ws_col;
	}
	*ret_tty = tty;
	*ret_size = size;
}
