/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start.c - dyno_start() and dyno_scale(): one monitor for each dyno of a formation.
 *
 * Whatever can be wrong with the slug is found here, where the caller hears of it.  Each place is
 * taken here too, by a lock that its monitor inherits with the descriptor: from the first moment
 * the dyno is somebody's, and no two calls start the same one.  What the monitor is to do stands in
 * its place as spec.json, the same text that an orchestrator may hand in.
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
#include "base/num.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/app.h"
#include "engine/generation.h"
#include "engine/lost.h"
#include "engine/monitor.h"
#include "engine/place.h"
#include "engine/publish.h"
#include "engine/sink.h"
#include "model/dynospec.h"
#include "model/listenfd.h"
#include "model/logurl.h"

#define MONITOR_PROGRAM "dyno-monitor"
/* Dynos of one type. Source: contract 6.13 has 255 at most for an app */
#define COUNT_MAX 10000U

struct pending {
	struct pending *next;
	char dyno[STATE_NAME_BYTES];
	int report_fd;
};

struct start {
	struct dyno_host *host;
	struct dyno_start_opts opts;
	struct arena arena;
	struct app app;
	char helper[PATH_MAX];
	int log_fds[FEED_FDS_MAX];
	size_t n_log_fds;
	struct pending *first;
	struct pending **last;
	int keepers[PUBLISH_MAX];
	size_t n_keepers;
	dyno_change_fn fn;
	void *data;
	int started;
	int changes;
};

static void tell(struct start *s, const char *dyno, enum dyno_change change)
{
	s->changes++;
	if (s->fn)
		s->fn(s->data, s->app.name, dyno, change);
}

static int no_memory(struct dyno_err *err)
{
	return err_set(err, ERR_MEMORY, ENOMEM, "plan the formation");
}

/* ---- settings that do not depend on this process ------------------------------------------- */

/* Env files are the caller's: their content travels, before the vars that win over it. */
static int resolve_env(struct start *s, struct dyno_err *err)
{
	struct dyno_run_opts *o = &s->opts.dyno;
	struct env_pairs pairs[64] = {{0}};
	const char **env;
	size_t n = o->n_env;
	size_t i;
	size_t k;
	size_t at = 0;
	int r;

	if (o->n_env_files == 0)
		return 0;
	if (o->n_env_files > ARRAY_SIZE(pairs))
		return err_set(err, ERR_USAGE, E2BIG, "read %zu env files", o->n_env_files);
	for (i = 0; i < o->n_env_files; i++) {
		r = gen_read_env_file(o->env_files[i], &s->arena, &pairs[i], err);
		if (r < 0)
			return r;
		n += pairs[i].n;
	}
	env = arena_calloc(&s->arena, n, sizeof(*env));
	if (!env)
		return no_memory(err);
	for (i = 0; i < o->n_env_files; i++) {
		for (k = 0; k < pairs[i].n; k++) {
			env[at] = arena_fmt(&s->arena, "%s=%s", pairs[i].items[k].key,
					    pairs[i].items[k].value);
			if (!env[at++])
				return no_memory(err);
		}
	}
	for (i = 0; i < o->n_env; i++)
		env[at++] = o->env[i];
	o->env = env;
	o->n_env = at;
	o->n_env_files = 0;
	return 0;
}

/* A stored slug by its digest, a directory by its whole path. */
static int resolve_slug(struct start *s, struct dyno_err *err)
{
	struct dyno_run_opts *o = &s->opts.dyno;
	char *cwd;

	if (s->app.entry.kind == STORE_SLUG) {
		o->slug = s->app.entry.digest;
		o->checksum = NULL; /* it was looked at */
		return 0;
	}
	if (o->slug[0] == '/')
		return 0;
	cwd = get_current_dir_name();
	if (!cwd)
		return err_set(err, ERR_IO, errno, "find the working directory");
	o->slug = arena_fmt(&s->arena, "%s/%s", cwd, o->slug);
	free(cwd);
	return o->slug ? 0 : no_memory(err);
}

/* A policy that cannot be used is the caller's to hear; its monitor, elsewhere, compiles it anew. */
static int resolve_policy(struct start *s, struct dyno_err *err)
{
	struct dyno_run_opts *o = &s->opts.dyno;
	const char *file = filter_file(o->seccomp);
	struct filter filter;
	char *cwd;
	int r;

	r = filter_find(o, s->host->libexec_dir, &s->arena, &filter, err);
	if (r < 0 || !file || file[0] == '/')
		return r;
	cwd = get_current_dir_name();
	if (!cwd)
		return err_set(err, ERR_IO, errno, "find the working directory");
	o->seccomp = arena_fmt(&s->arena, "%s/%s", cwd, file);
	free(cwd);
	return o->seccomp ? 0 : no_memory(err);
}

/* "file:PATH" with the whole path. */
static const char *whole_path(struct start *s, const char *log, const struct logurl *url,
			      struct dyno_err *err)
{
	const char *whole;
	char *cwd;

	if (url->path[0] == '/')
		return log;
	cwd = get_current_dir_name();
	if (!cwd) {
		(void)err_set(err, ERR_IO, errno, "find the working directory");
		return NULL;
	}
	whole = arena_fmt(&s->arena, "%.*s%s/%s", (int)strcspn(log, ":") + 1, log, cwd, url->path);
	free(cwd);
	if (!whole)
		(void)no_memory(err);
	return whole;
}

/* "fd:N" of this process as the number that the monitor has it by. */
static const char *hand_on(struct start *s, int fd, struct dyno_err *err)
{
	const char *log;
	const int flags = fcntl(fd, F_GETFL);

	if (flags < 0) {
		(void)err_set(err, ERR_USAGE, errno, "log to fd:%d", fd);
		return NULL;
	}
	if ((flags & O_ACCMODE) == O_RDONLY) {
		(void)err_set(err, ERR_USAGE, 0, "log to fd:%d: it is not open for writing", fd);
		return NULL;
	}
	if (s->n_log_fds == FEED_FDS_MAX) {
		(void)err_set(err, ERR_USAGE, 0, "log to more than %u descriptors", FEED_FDS_MAX);
		return NULL;
	}
	log = arena_fmt(&s->arena, "fd:%zu", s->n_log_fds);
	if (log)
		s->log_fds[s->n_log_fds++] = fd;
	else
		(void)no_memory(err);
	return log;
}

/* Where the lines go is looked at here, where the caller hears what is wrong with it. */
static int resolve_logs(struct start *s, struct dyno_err *err)
{
	struct dyno_run_opts *o = &s->opts.dyno;
	const char **logs = arena_calloc(&s->arena, o->n_logs + 1, sizeof(const char *));

	if (!logs)
		return no_memory(err);
	if (o->n_logs > LOGURL_MAX)
		return err_set(err, ERR_USAGE, 0, "log to more than %u places", LOGURL_MAX);
	for (size_t i = 0; i < o->n_logs; i++) {
		struct logurl url;
		const int r = logurl_parse(o->logs[i], &s->arena, &url, err);

		if (r < 0)
			return r;
		logs[i] = o->logs[i];
		if (url.kind == LOGURL_FD)
			logs[i] = hand_on(s, url.fd, err);
		else if (url.kind == LOGURL_FILE || url.kind == LOGURL_JSON)
			logs[i] = whole_path(s, o->logs[i], &url, err);
		if (!logs[i])
			return err->num > 0 ? -err->num : -EINVAL;
	}
	o->logs = logs;
	return 0;
}

/* A monitor has them by numbers of its own. */
static int resolve_sockets(struct start *s, struct dyno_err *err)
{
	return listenfds_words(&s->app.sockets, MONITOR_FD_SOCKETS, &s->arena,
			       &s->opts.dyno.listen_fds, err);
}

static int check_log(const struct dyno_run_opts *o, struct dyno_err *err)
{
	if (o->log_policy && !str_eq(o->log_policy, LOG_POLICY_BLOCK) &&
	    !str_eq(o->log_policy, LOG_POLICY_DROP)) {
		(void)err_set(err, ERR_USAGE, 0, "no log policy \"%s\"", o->log_policy);
		err_hint(err, LOG_POLICY_DROP ", or " LOG_POLICY_BLOCK);
		return -EINVAL;
	}
	if (o->log_keep_bytes == 0 || o->log_keep_bytes >= SINK_KEEP_MIN_BYTES)
		return 0;
	(void)err_set(err, ERR_USAGE, 0, "keep %llu bytes of a log",
		      (unsigned long long)o->log_keep_bytes);
	err_hint(err, "1M is the least");
	return -EINVAL;
}

static int find(struct start *s, struct dyno_err *err)
{
	struct app *app = &s->app;
	int r = check_log(&s->opts.dyno, err);

	if (r == 0)
		r = resolve_logs(s, err);
	if (r < 0)
		return r;
	r = app_find_slug(app, err);
	if (r == 0)
		r = slug_read(&app->entry, !s->opts.dyno.argv_mode, &app->arena, &app->slug, err);
	if (r == 0)
		r = app_find_name(app, err);
	if (r == 0)
		r = resolve_env(s, err);
	if (r == 0)
		r = resolve_slug(s, err);
	/* Files of sizes may change, and a monitor has no HOME to find the caller's. */
	if (r == 0 && app->size_line)
		s->opts.dyno.size = app->size_line;
	if (r == 0)
		r = mountset_words(&app->mounts, &s->arena, &s->opts.dyno.mounts,
				   &s->opts.dyno.n_mounts, err);
	if (r == 0)
		r = resolve_policy(s, err);
	if (r == 0)
		r = resolve_sockets(s, err);
	if (r < 0)
		return r;
	s->opts.dyno.app = app->name;
	return store_helper_find(s->host->libexec_dir, MONITOR_PROGRAM, s->helper,
				 sizeof(s->helper), err);
}

/* ---- the formation --------------------------------------------------------------------------- */

static int default_scale(struct start *s, struct dyno_err *err)
{
	const struct proc_types *types = &s->app.slug.types;
	struct dyno_scale *scale = arena_calloc(&s->arena, types->n + 1, sizeof(*scale));
	size_t n = 0;
	size_t i;

	if (!scale)
		return no_memory(err);
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
	bool shared = o->network == DYNO_NET_HOST;
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

/* ---- published ports ------------------------------------------------------------------------- */

static bool is_asked_for(const struct start *s, const char *type)
{
	for (size_t i = 0; i < s->opts.n_scale; i++)
		if (s->opts.scale[i].count > 0 && str_eq(s->opts.scale[i].type, type))
			return true;
	return false;
}

/* Its forwarder is kept until the dyno's monitors have come to it. */
static int publish_one(struct start *s, const char *word, const char **ret, struct dyno_err *err)
{
	const struct publish_ask ask = {
		.run_fd = s->app.run_fd,
		.libexec_dir = s->host->libexec_dir,
		.app = s->app.name,
		.hold_ms = s->opts.dyno.hold_ms,
	};
	const struct proc_type *type;
	char where[PUBLISH_TEXT_BYTES];
	struct publish p;
	int r = publish_parse(word, &p, err);

	/* The first free port is a wish; one by number is an order that must mean something. */
	if (r == 0 && !p.search)
		r = proc_types_require(&s->app.slug.types, p.type, &type, err);
	if (r < 0 || !is_asked_for(s, p.type))
		return r;
	if (s->n_keepers == PUBLISH_MAX)
		return err_set(err, ERR_USAGE, E2BIG, "publish more than %u ports", PUBLISH_MAX);
	r = publish_open(&ask, &p, &s->keepers[s->n_keepers], err);
	if (r < 0)
		return r;
	s->n_keepers++;
	*ret = arena_fmt(&s->arena, "%s=%s", publish_where(&p, where), p.type);
	return *ret ? 0 : no_memory(err);
}

/* Every monitor is told of the port that was found, not of the search. */
static int publish_all(struct start *s, struct dyno_err *err)
{
	struct dyno_run_opts *o = &s->opts.dyno;
	const char **words;
	int r = 0;

	if (o->n_publish == 0)
		return 0;
	words = arena_calloc(&s->arena, o->n_publish, sizeof(*words));
	if (!words)
		return no_memory(err);
	for (size_t i = 0; r == 0 && i < o->n_publish; i++) {
		words[i] = o->publish[i];
		if (!publish_is_off(words[i]))
			r = publish_one(s, words[i], &words[i], err);
	}
	o->publish = words;
	return r;
}

static void end_keepers(struct start *s)
{
	while (s->n_keepers > 0)
		close_fdp(&s->keepers[--s->n_keepers]);
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
		return no_memory(err);
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

	for (i = s->opts.dyno.tty ? 0 : 1; envp && i < ARRAY_SIZE(passed); i++) {
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
		return no_memory(err);
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

static int start_named(struct start *s, const char *type, const char *dyno, struct dyno_err *err)
{
	struct state place = STATE_INIT;
	bool remains = false;
	int r;

	r = name_check_dyno(dyno, err);
	if (r == 0)
		r = state_claim(s->app.run_fd, s->app.name, dyno, &place, &remains, err);
	if (r == -EEXIST) {
		tell(s, dyno, DYNO_THERE);
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
	if (command_is_formation(&command))
		return start_type(s, &(struct dyno_scale){command.type, 1}, err);
	if (s->opts.dyno.name)
		return start_named(s, NULL, s->opts.dyno.name, err);
	r = state_claim_oneoff(s->app.run_fd, s->app.name, &place, &remains, err);
	return r < 0 ? r : start_in(s, &place, NULL, remains, err);
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
	tell(s, p->dyno, DYNO_STARTED);
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

/* ---- scaling down ---------------------------------------------------------------------------- */

struct beyond {
	struct start *s;
	const struct dyno_scale *want;
	struct arena arena;
	const char **names;
	size_t n;
	size_t cap;
};

static unsigned int number_of(const char *dyno, const char *type)
{
	const char *rest = str_starts(dyno, type);
	uint32_t n;

	if (!rest || rest[0] != '.' || num_parse_u32(rest + 1, UINT32_MAX, &n) < 0)
		return 0;
	return n;
}

static int note_beyond(void *data, const struct dyno_info *info)
{
	struct beyond *b = data;
	const char **names;

	if (!info->live || info->oneoff || !str_eq(info->type, b->want->type) ||
	    number_of(info->name, b->want->type) <= b->want->count)
		return 0;
	if (b->n == b->cap) {
		names = arena_calloc(&b->arena, 2 * b->cap + 16, sizeof(*names));
		if (!names)
			return -ENOMEM;
		if (b->n > 0)
			memcpy(names, b->names, b->n * sizeof(*names));
		b->names = names;
		b->cap = 2 * b->cap + 16;
	}
	b->names[b->n] = arena_strdup(&b->arena, info->name);
	return b->names[b->n++] ? 0 : -ENOMEM;
}

static int stop_one(struct start *s, const char *name, struct dyno_err *err)
{
	struct dyno *dyno;
	int r = dyno_open(s->host, s->app.name, name, &dyno, err);

	if (r < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : r; /* gone meanwhile */
	r = dyno_stop(dyno, 0, err);
	dyno_close(dyno);
	if (r == 0)
		tell(s, name, DYNO_STOPPED);
	return r;
}

/* Source: contract 6.13: the highest numbers first; dyno_each() tells them in their order. */
static int stop_beyond(struct start *s, const struct dyno_scale *want, struct dyno_err *err)
{
	struct beyond b = {.s = s, .want = want};
	char pattern[2 * STATE_NAME_BYTES];
	int r;

	str_fmt(pattern, sizeof(pattern), "%s/%s", s->app.name, want->type);
	r = dyno_each(s->host, pattern, 0, note_beyond, &b, err);
	while (r >= 0 && b.n > 0)
		r = stop_one(s, b.names[--b.n], err);
	arena_done(&b.arena);
	return r < 0 ? r : 0;
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
		r = publish_all(s, err);
	for (i = 0; r == 0 && i < s->opts.n_scale; i++)
		r = start_type(s, &s->opts.scale[i], err);
	for (i = 0; r == 0 && s->opts.exact && i < s->opts.n_scale; i++)
		r = stop_beyond(s, &s->opts.scale[i], err);
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
		r = find(&s, err);
	if (r == 0) {
		r = start_all(&s, err);
		r = hear_all(&s, r, err);
	}
	end_keepers(&s);
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
		return no_memory(err);
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
