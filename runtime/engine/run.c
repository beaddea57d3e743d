/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - dyno_run(): one dyno in the foreground, whose monitor is this process itself.
 *
 * What it takes of the process (signals, umask, the limit of files) it puts back; the rest is the
 * app's, a generation's and the monitor's, and goes with them.  When this process is killed the
 * kernel gives back the same.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dyno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/app.h"
#include "engine/monitor.h"
#include "model/dynospec.h"

/* More descriptors than a launch ever holds. Source: measured 2026-11, 41 on cgroup v1; each
 * mount of the host has two more */
#define LAUNCH_FILES 96U

static void mark(struct dyno_timing *t, const char *name)
{
	if (!t || t->n == DYNO_TIMING_MAX)
		return;
	t->name[t->n] = name;
	t->at_ns[t->n++] = clock_ns();
}

/**
 * struct caller - what a run changes of the process, to be put back.
 * @umask: directories and files get the modes that their makers name
 * @files: see raise_files()
 */
struct caller {
	sigset_t mask;
	mode_t umask;
	struct rlimit files;
};

/* Signals that end or interest an app; the rest keep their meaning for this process. */
static int take_signals(sigset_t *old, int *ret_fd, struct dyno_err *err)
{
	static const int taken[] = {SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGTERM};
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(taken); i++)
		sigaddset(&set, taken[i]);
	if (sigprocmask(SIG_BLOCK, &set, old) < 0)
		return err_set(err, ERR_IO, errno, "block signals");
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (*ret_fd < 0)
		return err_set(err, ERR_IO, errno, "take over the signals");
	return 0;
}

/*
 * The caller's `ulimit -n` is for its own files: it is raised as far as may be while the run lasts.
 * The command has a limit of its own.
 */
static void raise_files(struct rlimit *old)
{
	struct rlimit lim = {.rlim_cur = LAUNCH_FILES, .rlim_max = LAUNCH_FILES};

	if (getrlimit(RLIMIT_NOFILE, old) < 0 || old->rlim_cur >= LAUNCH_FILES)
		return;
	if (old->rlim_max >= LAUNCH_FILES)
		lim.rlim_max = old->rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &lim) == 0)
		return;
	lim.rlim_cur = lim.rlim_max = old->rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &lim); /* the launch says what it could not open */
}

static int caller_take(struct caller *caller, int *ret_signal_fd, struct dyno_err *err)
{
	int r = take_signals(&caller->mask, ret_signal_fd, err);

	if (r < 0)
		return r;
	caller->umask = umask(022);
	raise_files(&caller->files);
	return 0;
}

static void caller_give_back(const struct caller *caller)
{
	if (caller->files.rlim_cur < LAUNCH_FILES)
		(void)setrlimit(RLIMIT_NOFILE, &caller->files); /* lower than now */
	(void)umask(caller->umask);
	(void)sigprocmask(SIG_SETMASK, &caller->mask, NULL); /* the mask of a moment ago */
}

/* Settings of a spec stand behind those that the caller has set himself. */
static int merge_spec(struct dyno_run_opts *opts, struct arena *arena, struct dyno_err *err)
{
	struct dyno_start_opts start = {.dyno = *opts};
	int r;

	if (!opts->spec)
		return 0;
	r = dynospec_parse(opts->spec, strlen(opts->spec), arena, &start, err);
	if (r < 0)
		return r;
	if (start.n_scale > 0 && start.dyno.n_operands == 0) {
		if (start.n_scale > 1 || start.scale[0].count != 1) {
			err_set(err, ERR_SPEC, EINVAL, "run more than one dyno");
			err_hint(err, "dyno start takes a formation; run takes one type");
			return -EINVAL;
		}
		start.dyno.operands = &start.scale[0].type;
		start.dyno.n_operands = 1;
	}
	*opts = start.dyno;
	if (opts->slug)
		return 0;
	err_set(err, ERR_SPEC, EINVAL, "run a spec that names no slug");
	err_hint(err, "add \"slug\" to it: see man dyno-spec");
	return -EINVAL;
}

/* Its output is the caller's own terminal or file: dyno never sees it. */
static int refuse_logs(struct dyno_err *err)
{
	(void)err_set(err, ERR_USAGE, 0, "send the log of a run in the foreground elsewhere");
	err_hint(err, "dyno run --detach --log ..., or dyno start --log ...");
	return -EINVAL;
}

static int find(struct app *app, struct dyno_err *err)
{
	static const struct {
		const char *name;
		int (*fn)(struct app *, struct dyno_err *);
	} phases[] = {
		{"slug", app_find_slug},
		{"procfile", app_find_command},
		{"name", app_claim},
	};
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(phases); i++) {
		r = phases[i].fn(app, err);
		if (r < 0)
			return r;
		mark(app->opts->timing, phases[i].name);
	}
	return 0;
}

/* The caller gets times that begin with the run. */
static void rebase_timing(struct dyno_timing *t)
{
	unsigned int i;

	if (!t)
		return;
	for (i = t->n; i-- > 0;)
		t->at_ns[i] -= t->at_ns[0];
}

/* A wrong slug is told in the app's log too; it has no dyno's name yet but a wanted one. */
static void log_wrong_slug(const struct app *app, const struct dyno_err *err)
{
	if (err->kind == ERR_SLUG_DIGEST && app->opts->log)
		app->opts->log(app->opts->data, app->log_source,
			       app->opts->name ? app->opts->name : "run", err->msg);
}

static int run(struct app *app, int signal_fd, struct dyno_outcome *ret, struct dyno_err *err)
{
	const struct monitor_plan plan = {
		.app = app,
		.signal_fd = signal_fd,
		.keep_fd = -EBADF,
		.report_fd = -EBADF,
		.oomlog_fd = -EBADF,
		.log = app->opts->log,
		.log_data = app->opts->data,
		.up = app->opts->up,
		.timing = app->opts->timing,
	};
	int r = find(app, err);

	if (r < 0) {
		log_wrong_slug(app, err);
		return r;
	}
	r = monitor_run(&plan, ret, err);
	if (r == 0) {
		str_fmt(ret->app, sizeof(ret->app), "%s", app->name);
		str_fmt(ret->dyno, sizeof(ret->dyno), "%s", app->place.dyno);
	}
	mark(app->opts->timing, "ended");
	return r;
}

DYNO_PUBLIC int dyno_run(struct dyno_host *host, const struct dyno_run_opts *given,
			 struct dyno_outcome *ret, struct dyno_err *err)
{
	_cleanup_close_ int signal_fd = -EBADF;
	struct dyno_run_opts opts = *given;
	struct dyno_outcome out = {0};
	struct arena arena = {0};
	struct caller caller;
	struct app app;
	int r;

	mark(opts.timing, "begin");
	r = merge_spec(&opts, &arena, err);
	if (r == 0 && opts.n_logs > 0)
		r = refuse_logs(err);
	if (r == 0)
		r = caller_take(&caller, &signal_fd, err);
	if (r < 0) {
		arena_done(&arena);
		return r;
	}
	app_init(&app, host, &opts);
	r = run(&app, signal_fd, &out, err);
	if (r == 0)
		*ret = out;
	app_done(&app);
	mark(opts.timing, "removed");
	rebase_timing(opts.timing);
	caller_give_back(&caller);
	arena_done(&arena);
	return r;
}
