/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dyno-exec - asks a dyno's monitor for one more process in it, with the caller's standard streams,
 * and waits for its end.  It is the least that a client needs; nothing is done about terminals.
 *
 *   dyno-exec [-s] APP/DYNO WORD...     -s: one line for the shell, as in a Procfile
 *
 * DYNO_CFG_RUN_DIR says where the dynos are.
 * Status: the process's; 125 when the monitor refused or went away.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/ctl.h"

#define ASK_MS 20000U

static int fail(const char *what)
{
	(void)fprintf(stderr, "dyno-exec: %s\n", what);
	return 125;
}

static void tell(const struct dyno_err *err)
{
	char text[ERR_TEXT_BYTES];

	(void)err_format(err, text, sizeof(text));
	(void)fprintf(stderr, "dyno-exec: [%s] %s\n", dyno_err_class(err), text);
}

/* Until the process has ended. Return: its status. */
static int wait_for_end(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char payload[sizeof(struct dyno_err) + 1];
	struct ctl_answer_head head;
	struct dyno_err err;
	int r;

	for (;;) {
		r = ctl_read(fd, &head, payload, sizeof(payload));
		if (r > 0 && head.type == CTL_ENDED && head.len == sizeof(err)) {
			memcpy(&err, payload, sizeof(err));
			tell(&err);
		}
		if (r > 0 && head.type == CTL_ENDED)
			return head.value;
		if (r < 0)
			return fail("the monitor has hung up");
		if (r == 0 && poll(&p, 1, -1) < 0 && errno != EINTR)
			return fail("poll");
	}
}

static int ask(int fd, bool shell, char **words)
{
	_cleanup_sbuf_ struct sbuf payload = {0};
	const int streams[] = {0, 1, 2};
	struct ctl_request request = {.verb = CTL_EXEC, .scope = shell ? 0 : CTL_EXEC_ARGV};
	struct dyno_err err = {0};
	int r;

	for (; *words; words++)
		sbuf_add(&payload, *words, strlen(*words) + 1);
	if (sbuf_ok(&payload) < 0)
		return fail("no memory");
	request.len = (uint32_t)payload.len;
	r = ctl_ask(fd, &request, sbuf_str(&payload), streams, 3, ASK_MS, NULL, NULL, &err);
	if (r >= 0)
		return wait_for_end(fd);
	tell(&err);
	return 125;
}

int main(int argc, char **argv)
{
	const char *run_dir = getenv("DYNO_CFG_RUN_DIR");
	bool shell = argc > 1 && strcmp(argv[1], "-s") == 0;
	_cleanup_close_ int run_fd = -EBADF;
	_cleanup_close_ int fd = -EBADF;

	argv += shell ? 2 : 1;
	if (!run_dir || !argv[0] || !argv[1])
		return fail("usage: dyno-exec [-s] APP/DYNO WORD..., with DYNO_CFG_RUN_DIR set");
	run_fd = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (run_fd < 0)
		return fail(run_dir);
	fd = ctl_connect(run_fd, argv[0]);
	if (fd < 0)
		return fail(err_errno_text(-fd));
	return ask(fd, shell, argv + 1);
}
