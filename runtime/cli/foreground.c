/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreground.c - a formation for as long as the command lives.
 *
 * Theory of operation.  Every dyno has a monitor of its own, which writes its lines into one pipe
 * and watches another, whose writing end is here alone.  A second process shows the lines; this one
 * reads signals and events and writes next to nothing, so that nothing can keep it from stopping
 * the dynos.  It ends when the monitors have ended and the printer has come to the end of the lines.
 */
#include "cli/foreground.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proc.h"
#include "cli/fleet.h"
#include "cli/handover.h"
#include "cli/notify.h"
#include "cli/printer.h"

/* Descriptors polled besides one for each dyno. */
enum { POLL_SIGNAL, POLL_PRINTER, POLL_DYNOS };

/* Stops asked for until nothing more is waited for. */
#define STOPS_AT_ONCE 2U
#define STOPS_LEAVE   3U

/**
 * struct foreground - one call.
 * @keep_fd: while it is open the dynos stay
 * @printer_fd: pidfd of the printer; -EBADF when it has ended
 * @stops: how often the dynos were asked to stop
 * @signal: that asked; 0: none
 * @status: of the first dyno that has crashed for good
 * @n_told: dynos that were up when it was told last; SIZE_MAX: never
 */
struct foreground {
	struct cli *cli;
	const struct foreground_plan *plan;
	struct fleet fleet;
	struct notify notify;
	sigset_t mask;
	int signal_fd;
	int keep_fd;
	int printer_fd;
	unsigned int stops;
	int signal;
	int status;
	size_t n_told;
};

static void say(const struct foreground *fg, const char *text)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	progress_clear(&fg->cli->progress);
	sbuf_addf(&b, "dyno: %s\n", text);
	output_stderr(&b);
}

static void say_count(const struct foreground *fg, const char *before, size_t n, const char *after)
{
	char text[128];

	if (fg->plan->quiet || n == 0)
		return;
	str_fmt(text, sizeof(text), "%s %zu dyno%s%s", before, n, n == 1 ? "" : "s", after);
	say(fg, text);
}

/* ---- ports ------------------------------------------------------------------------------------*/

/* The address of an URL: where every address of the host leads to it, the nearest. */
static void say_port(const struct foreground *fg, const struct fleet_dyno *dyno, const char *port,
		     size_t len)
{
	const char *any = memchr(port, ':', len) ? "" : "127.0.0.1:";
	char text[FLEET_NAME_BYTES + FLEET_PORTS_BYTES + 32];

	str_fmt(text, sizeof(text), "%.*s is at http://%s%.*s", (int)strcspn(dyno->name, "."),
		dyno->name, any, (int)len, port);
	say(fg, text);
}

/* Of each type once: all of its dynos have the same. */
static void say_ports(const struct foreground *fg)
{
	for (size_t i = 0; i < fg->fleet.n && !fg->plan->quiet; i++) {
		const struct fleet_dyno *dyno = &fg->fleet.dynos[i];
		const char *port = dyno->published;
		size_t type = strcspn(dyno->name, ".");
		bool told = false;

		for (size_t k = 0; k < i; k++)
			told = told || strncmp(fg->fleet.dynos[k].name, dyno->name, type + 1) == 0;
		while (!told && *port) {
			size_t len = strcspn(port, ",");

			say_port(fg, dyno, port, len);
			port += len + (port[len] != '\0');
		}
	}
}

/* ---- stopping ---------------------------------------------------------------------------------*/

static void stop(struct foreground *fg)
{
	size_t live = fleet_n_live(&fg->fleet);

	fg->stops++;
	notify_stopping(&fg->notify);
	if (fg->stops == 1)
		say_count(fg, "stopping", live, "; once more ends them at once");
	else if (fg->stops == STOPS_AT_ONCE)
		say_count(fg, "ending", live, " at once");
	/* Whom it cannot ask, the end of the pipe tells. */
	if (fleet_stop(&fg->fleet, fg->stops >= STOPS_AT_ONCE) > 0)
		close_fdp(&fg->keep_fd);
}

static void on_signal(struct foreground *fg)
{
	struct signalfd_siginfo si;

	if (fd_read_full(fg->signal_fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	fg->signal = (int)si.ssi_signo;
	if (fg->signal == SIGQUIT && fg->stops == 0)
		fg->stops = STOPS_AT_ONCE - 1;
	stop(fg);
}

/* A reader that has gone has seen what it wanted, and there is nobody to run for. */
static void on_printer(struct foreground *fg)
{
	int status = PRINTER_DONE;

	if (proc_wait(fg->printer_fd, &status) < 0 || status > PRINTER_GONE) {
		say(fg, "the process that shows the lines was killed");
		fg->status = CLI_STATUS_DYNO;
	}
	close_fdp(&fg->printer_fd);
	if (fg->stops == 0 && fleet_n_live(&fg->fleet) > 0)
		stop(fg);
}

/* ---- watching ---------------------------------------------------------------------------------*/

static void tell(struct foreground *fg)
{
	size_t up = fleet_n_up(&fg->fleet);
	char text[64];

	if (up == fg->n_told || fg->stops > 0)
		return;
	fg->n_told = up;
	str_fmt(text, sizeof(text), "%zu of %zu dynos up", up, fg->fleet.n);
	notify_status(&fg->notify, text);
	if (up == fg->fleet.n)
		notify_ready(&fg->notify);
}

static void on_event(struct foreground *fg, struct fleet_dyno *dyno)
{
	fleet_event(&fg->fleet, dyno);
	if (fg->status == 0 && fg->stops == 0)
		fg->status = fleet_bad_status(dyno);
}

static bool over(const struct foreground *fg)
{
	return fg->stops >= STOPS_LEAVE || (fleet_n_live(&fg->fleet) == 0 && fg->printer_fd < 0);
}

static void dispatch(struct foreground *fg, const struct pollfd *fds)
{
	for (size_t i = 0; i < fg->fleet.n; i++) {
		if (fds[POLL_DYNOS + i].revents)
			on_event(fg, &fg->fleet.dynos[i]);
	}
	tell(fg);
	if (fds[POLL_PRINTER].revents)
		on_printer(fg);
	if (fds[POLL_SIGNAL].revents)
		on_signal(fg);
}

static int watch(struct foreground *fg, struct dyno_err *err)
{
	size_t n = POLL_DYNOS + fg->fleet.n;
	struct pollfd *fds = arena_calloc(&fg->cli->arena, n, sizeof(*fds));

	if (!fds)
		return err_set(err, ERR_MEMORY, ENOMEM, "watch the dynos");
	tell(fg);
	while (!over(fg)) {
		fds[POLL_SIGNAL] = (struct pollfd){.fd = fg->signal_fd, .events = POLLIN};
		fds[POLL_PRINTER] = (struct pollfd){.fd = fg->printer_fd, .events = POLLIN};
		for (size_t i = 0; i < fg->fleet.n; i++)
			fds[POLL_DYNOS + i] = (struct pollfd){.fd = fg->fleet.dynos[i].event_fd,
							      .events = POLLIN};
		if (fleet_n_live(&fg->fleet) == 0)
			close_fdp(&fg->keep_fd);
		if (poll(fds, n, -1) < 0 && errno != EINTR)
			return err_set(err, ERR_IO, errno, "watch the dynos");
		dispatch(fg, fds);
	}
	return 0;
}

/* ---- starting ---------------------------------------------------------------------------------*/

static int take_signals(struct foreground *fg, struct dyno_err *err)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGQUIT};
	struct sigaction hangup;
	sigset_t set;

	(void)sigemptyset(&set); /* these cannot fail: the signals exist, the memory is ours */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(&set, signals[i]);
	/* nohup(1) is to have its way. */
	(void)sigaction(SIGHUP, NULL, &hangup);
	if (hangup.sa_handler != SIG_IGN)
		(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, &fg->mask);
	fg->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fg->signal_fd < 0 ? err_set(err, ERR_IO, errno, "take over the signals") : 0;
}

/* Dynos that lived already belong to somebody else: they are named and left alone. */
static void leave_others(struct foreground *fg)
{
	struct fleet *fleet = &fg->fleet;
	char text[3 * FLEET_NAME_BYTES];
	size_t n = 0;

	for (size_t i = 0; i < fleet->n; i++) {
		if (fleet->dynos[i].change == DYNO_STARTED) {
			fleet->dynos[n++] = fleet->dynos[i];
			continue;
		}
		str_fmt(text, sizeof(text), "%s of app %s lives already", fleet->dynos[i].name,
			fleet->dynos[i].app);
		if (!fg->plan->quiet)
			say(fg, text);
	}
	fleet->n = n;
}

/* The monitors' ends of both pipes are theirs alone from here on. */
static int start_dynos(struct foreground *fg, struct dyno_err *err)
{
	struct dyno_start_opts start = fg->plan->start;
	_cleanup_close_ int log_fd = -EBADF, kept_fd = -EBADF;
	int pipe_fds[2];
	int r;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set(err, ERR_IO, errno, "make a pipe");
	kept_fd = pipe_fds[0];
	fg->keep_fd = pipe_fds[1];
	r = printer_start(&fg->plan->view, &log_fd, &fg->printer_fd, err);
	if (r < 0)
		return r;

	start.log_fd = log_fd;
	start.keep_fd = kept_fd;
	r = dyno_start(fg->fleet.host, &start, fleet_add, &fg->fleet, err);
	progress_clear(&fg->cli->progress);
	leave_others(fg);
	return r < 0 ? r : fleet_check(&fg->fleet, err);
}

static int begin(struct foreground *fg, struct dyno_err *err)
{
	const struct foreground_plan *plan = fg->plan;
	int r = 0;

	if (plan->pid_file)
		r = handover_pid_file(plan->pid_file, getpid(), err);
	if (r == 0)
		r = start_dynos(fg, err);
	if (r == 0)
		r = fleet_connect(&fg->fleet, err);
	if (r == 0)
		say_ports(fg);
	if (r == 0 && plan->pidfd_socket)
		r = handover_pidfds(plan->pidfd_socket, &fg->fleet, err);
	for (size_t i = 0; r == 0 && fg->status == 0 && i < fg->fleet.n; i++)
		fg->status = fleet_bad_status(&fg->fleet.dynos[i]);
	return r;
}

/* After a failure: what was started is stopped, and waited for as after a signal. */
static void undo(struct foreground *fg)
{
	struct dyno_err ignored;

	fg->stops = 1;
	say_count(fg, "stopping", fleet_n_live(&fg->fleet), "; once more ends them at once");
	close_fdp(&fg->keep_fd);
	(void)fleet_connect(&fg->fleet, &ignored); /* the pipe has told those that do not answer */
	(void)watch(fg, &ignored);		   /* the first failure is the one to be told */
}

static int conclude(const struct foreground *fg)
{
	if (fg->stops >= STOPS_LEAVE)
		return 128 + fg->signal;
	return fg->signal ? 0 : fg->status;
}

/* Without a dyno there is nothing to stop: a signal that has cancelled the start is left pending,
 * and ends the command as soon as the mask is the caller's again. */
static void end(struct foreground *fg)
{
	int status;

	fleet_done(&fg->fleet);
	close_fdp(&fg->keep_fd);
	if (fg->printer_fd >= 0 && fg->stops >= STOPS_LEAVE)
		(void)proc_kill(fg->printer_fd, SIGKILL); /* gone already is as good */
	if (fg->printer_fd >= 0)
		(void)proc_wait(fg->printer_fd, &status); /* its last lines, if any */
	close_fdp(&fg->printer_fd);
	if (fg->plan->pid_file)
		handover_pid_file_remove(fg->plan->pid_file, getpid());
	notify_close(&fg->notify);
	close_fdp(&fg->signal_fd);
	(void)sigprocmask(SIG_SETMASK, &fg->mask, NULL); /* the mask of a moment ago */
}

int foreground_start(struct cli *cli, struct dyno_host *host, const struct foreground_plan *plan,
		     struct dyno_err *err)
{
	struct foreground fg = {
		.cli = cli,
		.plan = plan,
		.fleet = {.host = host},
		.notify = NOTIFY_INIT,
		.signal_fd = -EBADF,
		.keep_fd = -EBADF,
		.printer_fd = -EBADF,
		.n_told = SIZE_MAX,
	};
	int r = take_signals(&fg, err);

	if (r < 0)
		return r;
	fleet_prepare();
	notify_open(&fg.notify, plan->ready_fd);
	r = begin(&fg, err);
	if (r == 0)
		r = watch(&fg, err);
	else if (fg.fleet.n > 0)
		undo(&fg);
	if (r == 0)
		r = conclude(&fg);
	end(&fg);
	return r;
}
