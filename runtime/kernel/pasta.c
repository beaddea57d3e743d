/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/pasta.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/util.h"
#include "kernel/program.h"

#define PROGRAM "pasta"

/* What is read at once of what it says. Source: own choice, some fifty lines */
#define SAID_PART_BYTES 4096U

/* It ends at once unless it is stopped or starved; meanwhile the monitor does nothing else.
 * Source: own choice */
#define END_TIMEOUT_MS 1000

/* It complains about each line when no syslog hears it. Source: passt, log.c */
#define NO_SYSLOG "Failed to send "

static int no_program(struct dyno_err *err)
{
	err_set(err, ERR_HELPER, ENOENT, "find the program " PROGRAM);
	err_hint(err, "apt install passt");
	return -ENOENT;
}

int pasta_tun_usable(struct dyno_err *err)
{
	_cleanup_close_ int fd = open(PASTA_TUN, O_RDWR | O_CLOEXEC);
	int num = errno;

	if (fd >= 0)
		return 0;
	err_set(err, ERR_NETWORK, num, "open " PASTA_TUN);
	if (num == EACCES || num == EPERM)
		err_hint(err, "as root: chmod 666 " PASTA_TUN);
	else
		err_hint(err, "as root: modprobe tun");
	return -num;
}

int pasta_usable(struct dyno_err *err)
{
	char path[PATH_MAX];

	return program_find(PROGRAM, path, sizeof(path)) ? pasta_tun_usable(err) : no_program(err);
}

/* It must neither wait for somebody to read what it says, nor find that nobody does. */
static int open_said(int ret[2], struct dyno_err *err)
{
	return pipe2(ret, O_CLOEXEC | O_NONBLOCK) < 0
		       ? err_set(err, ERR_IO, errno, "make a pipe for " PROGRAM)
		       : 0;
}

int pasta_start(struct pasta *pasta, const struct pastaargs_plan *plan, int net_fd, int userns_fd,
		struct dyno_err *err)
{
	struct pastaargs args;
	char path[PATH_MAX];
	int said[2];
	int r;

	if (!program_find(PROGRAM, path, sizeof(path)))
		return no_program(err);
	r = open_said(said, err);
	if (r < 0)
		return r;
	pastaargs_make(plan, path, &args);
	const int fds[] = {
		[PASTAARGS_NETNS_FD] = net_fd,
		[PASTAARGS_USERNS_FD] = userns_fd,
		[STDERR_FILENO] = said[1],
	};
	/* Ctrl-C ends a dyno by and by, with its network. */
	const struct proc_spawn how = {
		.argv = args.argv,
		.fds = fds,
		.n_fds = ARRAY_SIZE(fds),
		.exe_fd = -EBADF,
		.new_session = true,
	};

	r = proc_spawn(&how, &pasta->pidfd, err);
	(void)close(said[1]); /* it has its own */
	if (r < 0) {
		(void)close(said[0]); /* nothing was written */
		return r;
	}
	pasta->said_fd = said[0];
	return 0;
}

/* The last line of @text that tells something, in place of the one before. */
static void keep_last(char *text, char buf[PASTA_SAID_BYTES])
{
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (!str_starts(line, NO_SYSLOG))
			str_fmt(buf, PASTA_SAID_BYTES, "%s", line);
}

void pasta_said(const struct pasta *pasta, char buf[PASTA_SAID_BYTES])
{
	char text[SAID_PART_BYTES];
	char last[PASTA_SAID_BYTES] = "";
	ssize_t n;

	while (pasta->said_fd >= 0 && (n = read(pasta->said_fd, text, sizeof(text) - 1)) > 0) {
		text[n] = '\0';
		keep_last(text, last);
	}
	(void)str_escape(buf, PASTA_SAID_BYTES, last);
}

/*
 * Asked first: it makes sockets inside by short-lived children that share its descriptors, and a
 * signal that it handles waits for such a child.  Killed beside one it would be gone, and its port
 * still taken.
 */
void pasta_end(struct pasta *pasta)
{
	struct pollfd p = {.fd = pasta->pidfd, .events = POLLIN};
	int status;

	if (pasta->pidfd >= 0) {
		(void)proc_kill(pasta->pidfd, SIGTERM); /* already gone is what is wanted */
		while (poll(&p, 1, END_TIMEOUT_MS) < 0 && errno == EINTR)
			;
		(void)proc_kill(pasta->pidfd, SIGKILL);
		(void)proc_wait(pasta->pidfd, &status);
	}
	close_fdp(&pasta->pidfd);
	close_fdp(&pasta->said_fd);
}
