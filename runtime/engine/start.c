/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start.c - dyno_start() and dyno_scale(): one monitor for each dyno of a formation.
 *
 * Each place is taken here, by a lock that its monitor inherits with the descriptor: from the first
 * moment the dyno is somebody's, and no two calls start the same one.  What the monitor is to do
 * stands in its place as spec.json, the same text that an orchestrator may hand in.
 *
 * Beside it: the settings (start_settings.c), published ports (start_publish.c), and what a scale
 * stops (start_scale.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dyno.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/lost.h"
#include "engine/monitor.h"
#include "engine/place.h"
#include "engine/start_internal.h"
#include "engine/statefile.h"
#include "kernel/cgroup.h"
#include "model/dynospec.h"

/* Dynos of one type. Source: contract 6.13 has 255 at most for an app */
#define COUNT_MAX 10000U

void start_tell(struct start *s, const char *dyno, enum dyno_change change)
{
	s->changes++;
	if (s->fn)
		s->fn(s->data, s->app.name, dyno, change);
}

/* ---- the formation --------------------------------------------------------------------------- */

static int default_scale(struct start *s, struct dyno_err *err)
{
	const struct proc_types *types = &s->app.slug.types;
	struct dyno_scale *scale = arena_calloc(&s->arena, types->n + 1, sizeof(*scale));
	size_t n = 0;
	size_t i;

	if (!scale)
		return start_no_memory(err);
	for (i = 0; i < types->n; i++)
		if (!str_eq(types->items[i].name, PROC_TYPE_RELEASE))
			scale[n++] = (struct dyno_scale){types->items[i].name, 1};
	if (n == 0) {
		err_set(err, ERR_PROCFILE_MISSING, 0,
			"start a formation: the slug defines no process types");
		err_hint(err, "add a Procfile, or run one command: dyno run --detach SLUG COMMAND");
		return -EINVAL;
	}
	s->opts.scale = scale;
	s->opts.n_scale = n;
	return 0;
}

static int check_scale(struct start *s, struct dyno_err *err)
{
	const struct dyno_run_opts *o = &s->opts.dyno;
	bool shared = dyno_port_is_hosts(o->network);
	const struct proc_type *type;
	uint64_t all = 0;
	size_t i;

	for (i = 0; i < s->opts.n_scale; i++) {
		const struct dyno_scale *want = &s->opts.scale[i];

		all += want->count;
		if (proc_types_require(&s->app.slug.types, want->type, &type, err) < 0)
			return -EINVAL;
		if (want->count > COUNT_MAX)
			return err_set(err, ERR_USAGE, ERANGE, "start %u dynos of the type %s",
				       want->count, want->type);
	}
	if (all > 1 && o->name)
		return err_set(err, ERR_USAGE, EINVAL, "give one name to %llu dynos",
			       (unsigned long long)all);
	if (all > 1 && o->port && shared) {
		err_set(err, ERR_USAGE, EINVAL, "give one port of the host to %llu dynos",
			(unsigned long long)all);
		err_hint(err, "leave --port out: each gets a $PORT of its own");
		return -EINVAL;
	}
	return 0;
}

/* ---- one dyno -------------------------------------------------------------------------------- */

/* Of a formation of several types web alone has them: the others would hold open what they never
 * accept on. */
static bool has_sockets(const struct start *s, const char *type)
{
	return !type || s->opts.oneoff || s->opts.n_scale == 1 || str_eq(type, PROC_TYPE_WEB);
}

static int write_order(struct start *s, const struct state *place, const char *type,
		       struct dyno_err *err)
{
	const struct dyno_scale one = {type, 1};
	struct dyno_start_opts order = s->opts;
	_cleanup_sbuf_ struct sbuf b = {0};
	int r;

	order.dyno.name = place->dyno;
	order.dyno.spec = NULL;
	order.scale = type ? &one : NULL;
	order.n_scale = type ? 1 : 0;
	if (!has_sockets(s, type))
		order.dyno.n_listen_fds = 0;
	dynospec_format(&order, &b);
	if (sbuf_ok(&b) < 0)
		return start_no_memory(err);
	r = place_write(place->dir_fd, PLACE_SPEC, b.data, b.len);
	return r < 0 ? err_set(err, ERR_RUN_DIR, -r, "write what %s is to do", place->dyno) : 0;
}

/* A terminal that is attached to later is of the kind that the caller has now. */
static const char *const *monitor_environ(const struct start *s, struct arena *arena)
{
#ifdef DYNO_WITH_FAULTS
	static const char *const passed[] = {"TERM", "DYNO_FAULT"};
#else
	static const char *const passed[] = {"TERM"};
#endif
	const char **envp = arena_calloc(arena, ARRAY_SIZE(passed) + 1, sizeof(*envp));
	size_t n = 0;
	size_t i;

	for (i = s->opts.dyno.tty > DYNO_TTY_NONE ? 0 : 1; envp && i < ARRAY_SIZE(passed); i++) {
		const char *value = getenv(passed[i]);

		if (value)
			envp[n] = arena_fmt(arena, "%s=%s", passed[i], value);
		n += value && envp[n];
	}
	return envp;
}

static int spawn(struct start *s, const struct state *place, const char *type, int report_fd,
		 struct dyno_err *err)
{
	const size_t n_sockets = has_sockets(s, type) ? s->app.sockets.n : 0;
	const char *argv[] = {MONITOR_PROGRAM,
			      s->app.name,
			      place->dyno,
			      s->host->run_dir,
			      s->host->data_dir,
			      s->host->libexec_dir ? s->host->libexec_dir : "",
			      NULL};
	int fds[_MONITOR_FD_MAX] = {-1, -1, -1, [MONITOR_FD_LOGS... _MONITOR_FD_MAX - 1] = -1};
	const struct proc_spawn how = {
		.argv = argv,
		.envp = monitor_environ(s, &s->arena),
		.fds = fds,
		.n_fds = MONITOR_FD_SOCKETS + n_sockets,
	};
	_cleanup_close_ int exe_fd = open(s->helper, O_PATH | O_CLOEXEC);
	_cleanup_close_ int pidfd = -EBADF;
	struct proc_spawn with_exe = how;
	int status = 0;
	int r;

	if (exe_fd < 0)
		return err_set(err, ERR_HELPER, errno, "open %s", s->helper);
	with_exe.exe_fd = exe_fd;
	fds[MONITOR_FD_PLACE] = place->dir_fd;
	fds[MONITOR_FD_REPORT] = report_fd;
	fds[MONITOR_FD_LOG] = s->opts.log_fd > 0 ? s->opts.log_fd : -1;
	fds[MONITOR_FD_KEEP] = s->opts.keep_fd > 0 ? s->opts.keep_fd : -1;
	fds[MONITOR_FD_EVENTS] = s->opts.dyno.events_fd > 0 ? s->opts.dyno.events_fd : -1;
	for (size_t i = 0; i < s->n_log_fds; i++)
		fds[MONITOR_FD_LOGS + i] = s->log_fds[i];
	for (size_t i = 0; i < n_sockets; i++)
		fds[MONITOR_FD_SOCKETS + i] = s->app.sockets.fds[i];
	r = proc_spawn(&with_exe, &pidfd, err);
	if (r < 0)
		return r;
	/* The monitor is its child: nobody of this process's family, who would have to reap it. */
	r = proc_wait(pidfd, &status);
	if (r < 0 || status != 0)
		return err_set(err, ERR_HELPER, r < 0 ? -r : EIO, "start the monitor of %s",
			       place->dyno);
	return 0;
}

static int pend(struct start *s, const char *dyno, int *report_fd, struct dyno_err *err)
{
	struct pending *p = arena_alloc(&s->arena, sizeof(*p));

	if (!p)
		return start_no_memory(err);
	str_fmt(p->dyno, sizeof(p->dyno), "%s", dyno);
	p->report_fd = take_fd(report_fd);
	*s->last = p;
	s->last = &p->next;
	return 0;
}

/* Hands the place over: from the spawn on it is the monitor's to remove. */
static int start_in(struct start *s, struct state *place, const char *type, bool remains,
		    struct dyno_err *err)
{
	_cleanup_close_ int ours = -EBADF;
	_cleanup_close_ int theirs = -EBADF;
	int pair[2];
	int r = 0;

	if (remains)
		r = lost_bury(s->host, place, err);
	if (r >= 0)
		r = write_order(s, place, type, err);
	if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		r = err_set(err, ERR_IO, errno, "make a channel to the monitor of %s", place->dyno);
	if (r == 0) {
		ours = pair[0];
		theirs = pair[1];
		r = spawn(s, place, type, theirs, err);
	}
	if (r == 0)
		r = pend(s, place->dyno, &ours, err);
	if (r < 0)
		state_release(place);
	else
		close_fdp(&place->dir_fd);
	return r;
}

/* Whether who has its place only keeps the files of one that has ended. */
static bool is_kept(const struct start *s, const char *dyno)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int fd = -EBADF;
	struct dyno_facts facts;
	char place[2 * NAME_BYTES];

	str_fmt(place, sizeof(place), "%s/%s", s->app.name, dyno);
	fd = openat(s->app.run_fd, place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && statefile_read(fd, &arena, &facts) == 0 && facts.info.kept;
}

static int start_named(struct start *s, const char *type, const char *dyno, struct dyno_err *err)
{
	struct state place = STATE_INIT;
	bool remains = false;
	int r;

	r = name_check_dyno(dyno, err);
	if (r == 0)
		r = state_claim(s->app.run_fd, s->app.name, dyno, &place, &remains, err);
	if (r == -EEXIST && !is_kept(s, dyno)) {
		start_tell(s, dyno, DYNO_THERE);
		return 0;
	}
	return r < 0 ? r : start_in(s, &place, type, remains, err);
}

static int start_type(struct start *s, const struct dyno_scale *want, struct dyno_err *err)
{
	char dyno[STATE_NAME_BYTES];
	unsigned int n;
	int r = 0;

	if (s->opts.dyno.name && want->count == 1)
		return start_named(s, want->type, s->opts.dyno.name, err);
	for (n = 1; r == 0 && n <= want->count; n++) {
		if (str_fmt(dyno, sizeof(dyno), "%s.%u", want->type, n) >= sizeof(dyno))
			return err_set(err, ERR_NAME, ENAMETOOLONG, "name a dyno of the type %s",
				       want->type);
		r = start_named(s, want->type, dyno, err);
	}
	return r;
}

static int start_oneoff(struct start *s, struct dyno_err *err)
{
	struct state place = STATE_INIT;
	bool remains = false;
	struct command command;
	const struct command_input in = {
		.types = &s->app.slug.types,
		.operands = s->opts.dyno.operands,
		.n = s->opts.dyno.n_operands,
		.argv_mode = s->opts.dyno.argv_mode,
	};
	int r;

	/* What is wrong with it is said here; the monitor compiles it anew. */
	r = command_compile(&in, &s->arena, &command, err);
	if (r < 0)
		return r;
	/* Once each time it is asked for: one that lives already is another. */
	r = app_claim_place(&s->app, &command, &place, &remains, err);
	if (r < 0)
		return r;
	return start_in(s, &place, command_is_formation(&command) ? command.type : NULL, remains,
			err);
}

/* ---- what became of them --------------------------------------------------------------------- */

static int hear(struct start *s, struct pending *p, struct dyno_err *err)
{
	struct monitor_report report;
	ssize_t n;

	do
		n = recv(p->report_fd, &report, sizeof(report), 0);
	while (n < 0 && errno == EINTR);
	close_fdp(&p->report_fd);
	if (n != (ssize_t)sizeof(report)) {
		err_set(err, ERR_MONITOR, n < 0 ? errno : EIO, "start %s: its monitor has ended",
			p->dyno);
		return -EIO;
	}
	if (report.failed) {
		*err = report.err;
		err_context(err, "%s", p->dyno);
		return err->num > 0 ? -err->num : -EINVAL;
	}
	s->started++;
	start_tell(s, p->dyno, DYNO_STARTED);
	return 0;
}

/* Everybody is heard, so that those who live are known; the first failure is returned. */
static int hear_all(struct start *s, int r, struct dyno_err *err)
{
	struct dyno_err later;
	struct pending *p;

	for (p = s->first; p; p = p->next) {
		int k = hear(s, p, r < 0 ? &later : err);

		if (r == 0)
			r = k;
	}
	return r;
}

/* ---- the two calls --------------------------------------------------------------------------- */

static int start_all(struct start *s, struct dyno_err *err)
{
	size_t i;
	int r = 0;

	if (s->opts.oneoff)
		return start_oneoff(s, err);
	if (s->opts.n_scale == 0)
		r = default_scale(s, err);
	if (r == 0)
		r = check_scale(s, err);
	if (r == 0)
		r = start_publish(s, err);
	for (i = 0; r == 0 && i < s->opts.n_scale; i++)
		r = start_type(s, &s->opts.scale[i], err);
	for (i = 0; r == 0 && s->opts.exact && i < s->opts.n_scale; i++)
		r = start_stop_beyond(s, &s->opts.scale[i], err);
	return r;
}

static int start(struct dyno_host *host, const struct dyno_start_opts *opts, const char *spec,
		 dyno_change_fn fn, void *data, int *ret_changes, struct dyno_err *err)
{
	struct start s = {.host = host, .opts = *opts, .fn = fn, .data = data};
	/* What is made gets the modes that its makers name; the monitors inherit that. */
	const mode_t mask = umask(022);
	int r = 0;

	s.last = &s.first;
	if (spec)
		r = dynospec_parse(spec, strlen(spec), &s.arena, &s.opts, err);
	if (r == 0 && !s.opts.dyno.slug) {
		err_set(err, ERR_SPEC, EINVAL, "start a formation of no slug");
		err_hint(err, "name one, or add \"slug\" to the spec: see man dyno-spec");
		r = -EINVAL;
	}
	app_init(&s.app, host, &s.opts.dyno);
	if (r == 0)
		r = start_find(&s, err);
	if (r == 0) {
		/* Every monitor would find the others and this process in the group around them. */
		cgroup_make_way(CGROUP_ROOT);
		r = start_all(&s, err);
		r = hear_all(&s, r, err);
	}
	start_end_keepers(&s);
	app_done(&s.app);
	arena_done(&s.arena);
	(void)umask(mask);
	*ret_changes = s.changes;
	return r < 0 ? r : s.started;
}

DYNO_PUBLIC int dyno_start(struct dyno_host *host, const struct dyno_start_opts *opts,
			   dyno_change_fn fn, void *data, struct dyno_err *err)
{
	int changes;

	return start(host, opts, opts->dyno.spec, fn, data, &changes, err);
}

/* Descriptors of whoever has started the others are not here. */
static int forget_fds(struct dyno_run_opts *o, struct arena *arena, struct dyno_err *err)
{
	const char **logs = arena_calloc(arena, o->n_logs + 1, sizeof(const char *));
	size_t n = 0;

	if (!logs)
		return start_no_memory(err);
	for (size_t i = 0; i < o->n_logs; i++)
		if (!str_starts(o->logs[i], "fd:"))
			logs[n++] = o->logs[i];
	o->logs = logs;
	o->n_logs = n;
	o->n_listen_fds = 0;
	return 0;
}

DYNO_PUBLIC int dyno_scale(struct dyno_host *host, const char *app, const struct dyno_scale *scale,
			   size_t n_scale, dyno_change_fn fn, void *data, struct dyno_err *err)
{
	struct dyno_start_opts opts = {.exact = 1, .scale = scale, .n_scale = n_scale};
	struct arena arena = {0};
	const char *spec;
	int changes = 0;
	int run_fd;
	int r;

	r = host_run_dir(host, &run_fd, err);
	if (r == 0)
		r = place_find_spec(run_fd, app, n_scale > 0 ? scale[0].type : NULL, &arena, &spec,
				    err);
	/* A name of one dyno is no setting of the others. */
	if (r == 0) {
		opts.dyno.app = app;
		r = dynospec_parse(spec, strlen(spec), &arena, &opts, err);
	}
	if (r == 0)
		r = forget_fds(&opts.dyno, &arena, err);
	if (r == 0) {
		opts.dyno.name = NULL;
		opts.oneoff = 0;
		opts.dyno.operands = NULL;
		opts.dyno.n_operands = 0;
		r = start(host, &opts, NULL, fn, data, &changes, err);
	}
	arena_done(&arena);
	return r < 0 ? r : changes;
}
