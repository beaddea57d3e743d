/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_caller.c - who started the monitor, or holds it: his signals, the pipe whose end is the
 * dyno's, and the loss of his terminal.
 */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "engine/monitor_internal.h"

static void stop(struct monitor *m, bool at_once)
{
	const struct sup_event_info info = {
		.event = SUP_STOP,
		.now_ms = clock_ms(),
		.at_once = at_once,
	};

	mon_feed(m, &info);
}

/* Of a terminal that has hung up every call fails so.  Source: drivers/tty/tty_io.c, hung_up_tty_fops */
static bool lost_terminal(void)
{
	struct termios modes;
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (tcgetattr(fd, &modes) < 0 && errno == EIO)
			return true;
	return false;
}

/* nohup(1) is to have its way; as the signal is blocked, it came in spite of it. */
static bool is_ignored(int sig)
{
	struct sigaction now;

	return sigaction(sig, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* The caller's terminal passes signals on by its keys; that it has gone is an event of its own. */
static void pass_on(struct monitor *m, int sig)
{
	struct slot *slot = mon_front(m);

	if (sig == SIGHUP && is_ignored(sig))
		return;
	/* The kernel tells those in a terminal when that has another size. */
	if (sig == SIGWINCH && slot && slot->gen.tty.wanted)
		return;
	if (sig == SIGHUP && m->sup.policy.oneoff && lost_terminal())
		mon_event(m, SUP_CLIENT_LOST, 0);
	else if (slot)
		(void)launch_signal(&slot->gen.launch, sig, INIT_SCOPE_GROUP);
}

static void on_signal(struct loop *loop, int fd, short revents, void *data)
{
	struct monitor *m = data;
	struct signalfd_siginfo si;
	int sig;

	(void)loop;
	(void)revents;
	if (fd_read_full(fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	sig = (int)si.ssi_signo;
	if (sig == SIGTERM || (sig == SIGINT && m->plan->supervised))
		stop(m, m->sup.front.state == SUP_STOPPING); /* asked twice: now */
	else if (!m->plan->supervised)
		pass_on(m, sig);
	mon_settle(m);
}

static void on_keeper_gone(struct loop *loop, int fd, short revents, void *data)
{
	struct monitor *m = data;
	char byte;

	/* Whatever is written there means nothing; the end does. */
	if (!(revents & (POLLHUP | POLLERR)) && read(fd, &byte, sizeof(byte)) > 0)
		return;
	loop_remove(loop, fd);
	stop(m, false);
	mon_settle(m);
}

/* ---- the dyno's own terminal ------------------------------------------------------------------ */

static void terminal_lost(struct monitor *m)
{
	const struct dyno_run_opts *o = m->app->opts;
	struct slot *slot = mon_front(m);

	if (o->terminal_lost)
		o->terminal_lost(o->data);
	mon_event(m, SUP_CLIENT_LOST, 0);
	/* To a process type it is no event: it hears of it as from any terminal. */
	if (!m->sup.policy.oneoff && slot)
		(void)launch_signal(&slot->gen.launch, SIGHUP, INIT_SCOPE_GROUP);
}

static void on_terminal_gone(struct loop *loop, int fd, short revents, void *data)
{
	struct monitor *m = data;

	(void)revents;
	loop_remove(loop, fd);
	terminal_lost(m);
	mon_settle(m);
}

void caller_serve_terminal(struct monitor *m, struct slot *slot)
{
	const struct dyno_run_opts *o = m->app->opts;
	int fd = slot->gen.launch.tty_fd;

	if (fd < 0 || m->plan->supervised || !o->terminal)
		return;
	slot->gen.launch.tty_fd = -EBADF;
	/* A process type may well be silent. */
	fd = o->terminal(o->data, fd, m->sup.policy.oneoff ? attach_idle_ms(m) : 0);
	if (fd < 0 || loop_add(&m->loop, fd, POLLIN, on_terminal_gone, m) < 0)
		terminal_lost(m);
}

/* ---- the loop's sources ----------------------------------------------------------------------- */

int caller_watch(struct monitor *m)
{
	const struct monitor_plan *plan = m->plan;
	int r = loop_add(&m->loop, plan->signal_fd, POLLIN, on_signal, m);

	if (r == 0 && plan->keep_fd >= 0)
		r = loop_add(&m->loop, plan->keep_fd, POLLIN, on_keeper_gone, m);
	return r;
}
