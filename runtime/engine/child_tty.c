/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child_tty.c - the step that gives a process a terminal: a pair of the dyno's own pseudo terminals,
 * whose slave becomes its streams and its controlling terminal, and whose master goes to the monitor.
 *
 * The process has the ids of the command by now, so that the slave is the app user's own; and it is in
 * the dyno's root, so that its name is found there.  The slave is got from the master and never by a
 * path.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/err.h"
#include "base/fd.h"
#include "engine/child.h"

#include "base/childsafe.h"

/* Of the dyno's own instance; no link leads there, which who lives in the dyno could have made. */
#define PTMX "/dev/pts/ptmx"

static int open_failed(int num, struct dyno_err *err)
{
	if (num != ENOSPC)
		return err_set(err, ERR_LAUNCH, num, "open " PTMX);
	err_set(err, ERR_HOST_LIMIT, num, "open " PTMX);
	err_hint(err, "the dyno has as many terminals as it may, or the host (kernel.pty.max); -T "
		      "does without");
	return -num;
}

static int open_master(int *ret_fd, struct dyno_err *err)
{
	_cleanup_close_ int fd = open(PTMX, O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	const int locked = 0;
	struct statfs fs;

	if (fd < 0)
		return open_failed(errno, err);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return err_set(err, ERR_LAUNCH, ENODEV, "open " PTMX);
	if (ioctl(fd, TIOCSPTLCK, &locked) < 0)
		return err_set(err, ERR_LAUNCH, errno, "unlock the terminal");
	*ret_fd = take_fd(&fd);
	return 0;
}

/* What is typed is UTF-8, so that the erase key takes whole characters; the rest is the kernel's. */
static int set_up(const struct launch *l, int fd, struct dyno_err *err)
{
	const struct winsize size = {.ws_row = l->tty.rows, .ws_col = l->tty.columns};
	struct termios modes;

	if (size.ws_row && size.ws_col && ioctl(fd, TIOCSWINSZ, &size) < 0)
		return err_set(err, ERR_LAUNCH, errno, "set the size of the terminal");
	if (tcgetattr(fd, &modes) < 0)
		return err_set(err, ERR_LAUNCH, errno, "read the modes of the terminal");
	modes.c_iflag |= IUTF8;
	if (tcsetattr(fd, TCSANOW, &modes) < 0)
		return err_set(err, ERR_LAUNCH, errno, "set the modes of the terminal");
	return 0;
}

/* The process leads its session, which has had no terminal. */
static int take_place(const struct launch *l, int fd, struct dyno_err *err)
{
	int last = l->tty.keep_stderr ? STDOUT_FILENO : STDERR_FILENO;
	int i;

	if (ioctl(fd, TIOCSCTTY, 0) < 0)
		return err_set(err, ERR_LAUNCH, errno, "make the terminal the controlling one");
	for (i = 0; i <= last; i++)
		if (dup2(fd, i) < 0)
			return err_set(err, ERR_LAUNCH, errno, "place stream %d", i);
	return 0;
}

int child_terminal(struct launch *l, struct dyno_err *err)
{
	const struct init_msg msg = {.type = INIT_MSG_TTY_FD};
	_cleanup_close_ int master = -EBADF;
	_cleanup_close_ int slave = -EBADF;
	int r;

	if (!l->tty.wanted)
		return 0;
	r = open_master(&master, err);
	if (r < 0)
		return r;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_set(err, ERR_LAUNCH, errno, "open the other end of the terminal");
	r = set_up(l, slave, err);
	if (r == 0)
		r = take_place(l, slave, err);
	return r < 0 ? r : child_send_fd(l, &msg, master, err);
}
