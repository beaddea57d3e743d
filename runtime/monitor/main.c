/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dyno-monitor - keeps one dyno that lives without a terminal.  It is started by dyno_start() with
 * the dyno's place, already locked, on a descriptor, finds what it has to do there, and leaves when
 * the dyno has come to rest.
 *
 * argv: dyno-monitor APP DYNO RUN_DIR DATA_DIR LIBEXEC_DIR; descriptors: see engine/monitor.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <dyno.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/app.h"
#include "engine/feed.h"
#include "engine/monitor.h"
#include "engine/output.h"
#include "engine/place.h"
#include "model/dynospec.h"

/* Two generations and all clients. Source: measured, 41 for a launch; see also ctl.h */
#define MONITOR_FILES 256U

enum { ARG_APP = 1, ARG_DYNO, ARG_RUN_DIR, ARG_DATA_DIR, ARG_LIBEXEC_DIR, _ARG_MAX };

struct order {
	struct arena arena;
	struct dyno_host *host;
	struct dyno_start_opts opts;
	struct app app;
	struct sink sink;
	struct feed feed;
	const char *host_libexec;
	int signal_fd;
	int oomlog_fd;
};

/* Source: devices.txt of the kernel: what stands for a descriptor of no use */
static bool is_null_device(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
}

/* SIGPIPE and SIGXFSZ are ignored, so that a reader that is gone, and a limit on the size of files
 * that the caller has set himself, are errors of the write. */
static int take_signals(struct order *o, struct dyno_err *err)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0 || sigaction(SIGPIPE, &ignore, NULL) < 0 ||
	    sigaction(SIGXFSZ, &ignore, NULL) < 0)
		return err_set(err, ERR_IO, errno, "block signals");
	o->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return o->signal_fd < 0 ? err_set(err, ERR_IO, errno, "take over the signals") : 0;
}

/* The command's own limit is part of its spec. */
static void raise_files(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur >= MONITOR_FILES)
		return;
	lim.rlim_cur = lim.rlim_max < MONITOR_FILES ? lim.rlim_max : MONITOR_FILES;
	(void)setrlimit(RLIMIT_NOFILE, &lim); /* a launch says what it could not open */
}

static int read_order(struct order *o, struct dyno_err *err)
{
	struct dyno_run_opts *d = &o->opts.dyno;
	const char *text;
	size_t len;
	int r;

	r = place_read_spec(MONITOR_FD_PLACE, &o->arena, &text, &len, err);
	if (r == 0)
		r = dynospec_parse(text, len, &o->arena, &o->opts, err);
	if (r < 0)
		return r;
	if (o->opts.n_scale > 0) {
		d->operands = &o->opts.scale[0].type;
		d->n_operands = 1;
	}
	if (!is_null_device(MONITOR_FD_EVENTS))
		d->events_fd = MONITOR_FD_EVENTS;
	return 0;
}

/* Where --log says; @fds: what "fd:N" means. */
static int open_feed(struct order *o, struct dyno_err *err)
{
	const struct dyno_run_opts *d = &o->opts.dyno;
	struct feed_plan plan = {
		.libexec_dir = o->host_libexec,
		.app = o->app.name,
		.dyno = o->app.place.dyno,
		.source = o->app.log_source,
		.urls = d->logs,
		.n_urls = d->n_logs,
		.block = d->log_policy && str_eq(d->log_policy, LOG_POLICY_BLOCK),
	};
	int r;

	if (d->n_logs == 0)
		return 0;
	while (plan.n_fds < FEED_FDS_MAX && !is_null_device(MONITOR_FD_LOGS + (int)plan.n_fds)) {
		plan.fds[plan.n_fds] = MONITOR_FD_LOGS + (int)plan.n_fds;
		plan.n_fds++;
	}
	r = feed_open(&o->feed, &plan, err);
	if (r == 0)
		sink_feed(&o->sink, &o->feed);
	return r;
}

static int open_sink(struct order *o, struct dyno_err *err)
{
	int r = 0;

	if (is_null_device(MONITOR_FD_LOG))
		r = sink_open_files(&o->sink, o->app.store, o->app.name, o->app.place.dyno, err);
	else
		sink_open_fd(&o->sink, MONITOR_FD_LOG);
	o->sink.platform = o->app.log_source;
	if (o->opts.dyno.log_keep_bytes > 0)
		o->sink.file_bytes = o->opts.dyno.log_keep_bytes / 2;
	/* A reader of the caller's is waited for unless he says that he need not be. */
	o->sink.drop = o->sink.can_be_full && o->opts.dyno.log_policy &&
		       str_eq(o->opts.dyno.log_policy, LOG_POLICY_DROP);
	return r < 0 ? r : open_feed(o, err);
}

static int prepare(struct order *o, char **argv, struct dyno_err *err)
{
	const struct dyno_host_opts where = {
		.run_dir = argv[ARG_RUN_DIR],
		.data_dir = argv[ARG_DATA_DIR],
		.libexec_dir = argv[ARG_LIBEXEC_DIR][0] ? argv[ARG_LIBEXEC_DIR] : NULL,
	};
	int r;

	o->host_libexec = where.libexec_dir;
	r = monitor_give_up(&o->oomlog_fd, err);
	if (r == 0)
		r = dyno_host_open(&where, &o->host, err);
	if (r < 0)
		return r;
	o->opts.dyno.app = argv[ARG_APP];
	app_init(&o->app, o->host, &o->opts.dyno);
	r = app_adopt(&o->app, argv[ARG_DYNO], MONITOR_FD_PLACE, err);
	if (r == 0)
		r = read_order(o, err);
	if (r == 0)
		r = take_signals(o, err);
	if (r == 0)
		r = app_find_slug(&o->app, err);
	if (r == 0)
		r = app_find_command(&o->app, err);
	return r == 0 ? open_sink(o, err) : r;
}

static void tell_failure(const struct dyno_err *err)
{
	const struct monitor_report packet = {.failed = 1, .err = *err};

	/* monitor_run() tells what fails from then on; whoever hears none has been told. */
	(void)send(MONITOR_FD_REPORT, &packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int keep(char **argv)
{
	struct order o = {.sink = SINK_INIT,
			  .feed = {.fd = -EBADF},
			  .signal_fd = -EBADF,
			  .oomlog_fd = -EBADF};
	struct monitor_plan plan = {
		.app = &o.app,
		.supervised = true,
		.keep_fd = is_null_device(MONITOR_FD_KEEP) ? -EBADF : MONITOR_FD_KEEP,
		.report_fd = MONITOR_FD_REPORT,
		.sink = &o.sink,
	};
	struct dyno_outcome outcome = {0};
	struct dyno_err err = {0};
	int r = prepare(&o, argv, &err);
	const bool prepared = r == 0;

	if (prepared) {
		plan.signal_fd = o.signal_fd;
		plan.oomlog_fd = o.oomlog_fd;
		r = monitor_run(&plan, &outcome, &err);
	}
	sink_close(&o.sink);
	feed_close(&o.feed);
	close_fdp(&o.oomlog_fd);
	app_done(&o.app);
	dyno_host_free(o.host);
	arena_done(&o.arena);
	/* Whoever hears of it may start the dyno again: its name is free by now. */
	if (!prepared)
		tell_failure(&err);
	return r < 0 ? dyno_err_exit_code(&err) : outcome.exit_code;
}

int main(int argc, char **argv)
{
	int fd;
	pid_t pid;

	if (argc != _ARG_MAX || is_null_device(MONITOR_FD_PLACE))
		return 2; /* not for people */
	/* A child of nobody who would have to reap it; who waits for this process knows it lives. */
	pid = fork();
	if (pid != 0)
		_exit(pid < 0 ? 1 : 0);
	for (fd = MONITOR_FD_PLACE; fd < _MONITOR_FD_MAX; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* open, or nothing to close */
	(void)setsid();				      /* a new child leads no group: cannot fail */
	(void)umask(022); /* directories and files get the modes that their makers name */
	(void)prctl(PR_SET_NAME, "dyno-monitor"); /* execveat leaves a number there */
	if (chdir("/") < 0)
		return 1;
	raise_files();
	return keep(argv);
}
