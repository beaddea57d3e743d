/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_exec.c - a command inside the dyno, which joins it as any other process does.  It is our
 * child: whatever becomes of the question, it is waited for, or pid 1 of the dyno could not end.
 */
#include "engine/health.h"

#include <errno.h>
#include <signal.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"

/* It was waited for. */
static void forget(struct health *h)
{
	loop_remove(h->loop, h->join.channel_fd);
	loop_remove(h->loop, h->join.pidfd);
	join_done(&h->join);
	h->join = JOIN_INIT;
}

static void fail(struct health *h, const struct dyno_err *err)
{
	if (err->num)
		health_bad(h, "%s: %s", err->msg, err_errno_text(err->num));
	else
		health_bad(h, "%s", err->msg);
}

/* Return: 1: the command was executed; 0: not known yet; -errno: it was not, and the answer was
 * given. */
static int hear(struct health *h)
{
	const int pidfd = h->join.pidfd;
	struct dyno_err err = {0};
	int r = join_result(&h->join, &err);

	if (r >= 0)
		return r;
	if (h->join.pidfd < 0) {
		/* It was waited for, and the descriptor is closed. */
		loop_remove(h->loop, pidfd);
		forget(h);
	}
	fail(h, &err);
	return r;
}

static void on_channel(struct loop *loop, int fd, short revents, void *data)
{
	(void)revents;
	if (hear(data) > 0)
		loop_remove(loop, fd);
}

static void on_ended(struct loop *loop, int fd, short revents, void *data)
{
	struct health *h = data;
	int status = 128 + SIGKILL;

	(void)loop;
	(void)revents;
	/* What it said before is read first: it may never have come to its command. */
	if (h->busy && h->join.channel_fd >= 0 && hear(h) < 0)
		return;
	(void)proc_wait(fd, &status); /* it has ended */
	forget(h);
	if (!h->busy)
		return;
	if (status == 0)
		health_good(h);
	else
		health_bad(h, "the command ended with status %d", status);
}

bool health_reap_exec(struct health *h)
{
	struct pollfd p = {.fd = h->join.pidfd, .events = POLLIN};
	int status;

	if (h->join.pidfd >= 0 && poll(&p, 1, 0) > 0) {
		(void)proc_wait(h->join.pidfd, &status);
		forget(h);
	}
	return h->join.pidfd >= 0;
}

void health_ask_exec(struct health *h)
{
	static const char *const shell[] = {"bash", "--login", "-c"};
	struct dyno_err err = {0};
	int r;

	if (health_reap_exec(h)) {
		health_bad(h, "the command of an earlier check cannot be killed");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(shell); i++)
		h->argv[i] = shell[i];
	h->argv[ARRAY_SIZE(shell)] = h->plan->command;
	h->argv[ARRAY_SIZE(shell) + 1] = NULL;
	h->join.target = h->launch;
	h->join.argv = h->argv;
	h->join.envp = h->envp;
	if (join_start(&h->join, &err) < 0) {
		h->join = JOIN_INIT;
		fail(h, &err);
		return;
	}
	r = loop_add(h->loop, h->join.pidfd, POLLIN, on_ended, h);
	if (r == 0)
		r = loop_add(h->loop, h->join.channel_fd, POLLIN, on_channel, h);
	if (r < 0)
		health_bad(h, "watch the command: %s", err_errno_text(-r));
}

void health_end_exec(struct health *h)
{
	if (h->join.pidfd < 0)
		return;
	loop_remove(h->loop, h->join.channel_fd);
	close_fdp(&h->join.channel_fd);
	/* It leads a session of its own: what it has started, and waits for, ends with it.  The number
	 * is its own, as nobody has waited for it; there may be no such group yet. */
	if (h->join.pid > 1)
		(void)kill(-h->join.pid, SIGKILL);
	(void)proc_kill(h->join.pidfd, SIGKILL); /* has it ended already, so much the better */
	(void)health_reap_exec(h);
}
