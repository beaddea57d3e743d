/* SPDX-License-Identifier: Apache-2.0 */
/* view.c - what is looked at until it is left. */
#include "cli/view.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"

int view_open(bool resize, struct pollfd *own, struct dyno_err *err)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);	/* these cannot fail: */
	(void)sigaddset(&set, SIGINT);	/* the signals exist and */
	(void)sigaddset(&set, SIGTERM); /* the memory is ours */
	if (resize)
		(void)sigaddset(&set, SIGWINCH);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_set(err, ERR_IO, errno, "watch for signals");
	own[0] = (struct pollfd){.fd = fd, .events = POLLIN};
	own[1] = (struct pollfd){.fd = STDOUT_FILENO}; /* POLLERR: nobody reads any more */
	return fd;
}

bool view_is_left(const struct pollfd *own)
{
	return own[0].revents || own[1].revents & POLLERR;
}

/* Whether one of the signals that have come says to leave. */
static bool is_asked_to_leave(int fd)
{
	struct signalfd_siginfo si;

	while (fd_read_full(fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo != SIGWINCH)
			return true;
	}
	return false;
}

enum view_end view_wait(struct pollfd *own, uint64_t until_ms)
{
	uint64_t now_ms;

	while ((now_ms = clock_ms()) < until_ms) {
		int r = poll(own, VIEW_FDS, (int)MIN_OF(until_ms - now_ms, (uint64_t)INT32_MAX));

		if (r <= 0)
			continue; /* the time decides, also after an interruption */
		if (own[1].revents & POLLERR)
			return VIEW_LEFT;
		if (own[0].revents)
			return is_asked_to_leave(own[0].fd) ? VIEW_LEFT : VIEW_RESIZED;
		own[1].fd = -1; /* something else than an end, as of a closed one: never again */
	}
	return VIEW_TIME;
}
