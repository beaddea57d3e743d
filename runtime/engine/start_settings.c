/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start_settings.c - the settings of a formation as every process can use them: a monitor has
 * another working directory, other descriptors and no HOME.  What is wrong with them or the slug is
 * found here, where the caller hears of it; see start_internal.h.
 */
#include "engine/start_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "engine/generation.h"
#include "engine/monitor.h"
#include "engine/sink.h"
#include "model/listenfd.h"
#include "model/logurl.h"

int start_no_memory(struct dyno_err *err)
{
	return err_set(err, ERR_MEMORY, ENOMEM, "plan the formation");
}

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
		return start_no_memory(err);
	for (i = 0; i < o->n_env_files; i++) {
		for (k = 0; k < pairs[i].n; k++) {
			env[at] = arena_fmt(&s->arena, "%s=%s", pairs[i].items[k].key,
					    pairs[i].items[k].value);
			if (!env[at++])
				return start_no_memory(err);
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
	return o->slug ? 0 : start_no_memory(err);
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
	return o->seccomp ? 0 : start_no_memory(err);
}

/* "file:PATH" with the whole path. */
static const char *whole_path(struct start *s, const char *log, const struct logurl *url,
			      struct dyno_err *err)
{
	const size_t scheme = strcspn(log, ":") + 1;
	const char *whole;
	char *cwd;

	if (url->path[0] == '/')
		return log;
	cwd = get_current_dir_name();
	if (!cwd) {
		(void)err_set(err, ERR_IO, errno, "find the working directory");
		return NULL;
	}
	whole = arena_fmt(&s->arena, "%.*s%s/%s", (int)scheme, log, cwd, log + scheme);
	free(cwd);
	if (!whole)
		(void)start_no_memory(err);
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
		(void)start_no_memory(err);
	return log;
}

/* Where the lines go is looked at here, where the caller hears what is wrong with it. */
static int resolve_logs(struct start *s, struct dyno_err *err)
{
	struct dyno_run_opts *o = &s->opts.dyno;
	const char **logs = arena_calloc(&s->arena, o->n_logs + 1, sizeof(const char *));

	if (!logs)
		return start_no_memory(err);
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

int start_find(struct start *s, struct dyno_err *err)
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
	/* A monitor has them by numbers of its own. */
	if (r == 0)
		r = listenfds_words(&s->app.sockets, MONITOR_FD_SOCKETS, &s->arena,
				    &s->opts.dyno.listen_fds, err);
	if (r < 0)
		return r;
	s->opts.dyno.app = app->name;
	return store_helper_find(s->host->libexec_dir, MONITOR_PROGRAM, s->helper,
				 sizeof(s->helper), err);
}
