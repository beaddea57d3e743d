/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/app.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/signame.h"
#include "base/str.h"
#include "engine/lost.h"
#include "init/proto.h"

/* Source: statfs(2), fuse_i.h; not in linux/magic.h of every release */
#define FUSE_MAGIC 0x65735546

void app_init(struct app *app, struct dyno_host *host, const struct dyno_run_opts *opts)
{
	*app = (struct app){
		.host = host,
		.opts = opts,
		.rootless = geteuid() != 0,
		.run_fd = -EBADF,
		.entry = STORE_ENTRY_INIT,
		.stack = STACK_INIT,
		.slug = SLUG_INIT,
		.place = STATE_INIT,
		.log_source = APP_LOG_SOURCE,
	};
	limits_of_size(size_find(SIZE_DEFAULT), &app->limits);
}

void app_done(struct app *app)
{
	if (app->have_cgroups)
		cgroup_host_done(&app->cgroups);
	state_release(&app->place);
	slug_done(&app->slug);
	stack_done(&app->stack);
	store_entry_done(&app->entry);
	mountset_done(&app->mounts);
	arena_done(&app->arena);
}

/*
 * Readable while a signal waits that ends a run.  Nobody takes the signal from it: after a launch
 * the monitor does, before one it is left pending and ends the caller once all is given back.
 */
static int open_cancel(int *ret_fd, struct dyno_err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return *ret_fd < 0 ? err_set(err, ERR_IO, errno, "look for signals") : 0;
}

static int open_mounts(struct app *app, struct dyno_err *err)
{
	const struct mountset_where where = {
		.run_fd = app->run_fd,
		.data_fd = app->store->data_fd,
		.rootless = app->rootless,
	};

	return mountset_open(app->opts, &where, &app->arena, &app->mounts, err);
}

/* Anything else could be a way out of the dyno: a directory, or another's connection. */
static int check_socket(int fd, struct dyno_err *err)
{
	socklen_t len = sizeof(int);
	int listening = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening)
		return 0;
	if (fcntl(fd, F_GETFD) < 0)
		return err_set(err, ERR_USAGE, errno, "listen on descriptor %d", fd);
	(void)err_set(err, ERR_USAGE, 0, "listen on descriptor %d: it is no listening socket", fd);
	err_hint(err, "whoever opens it calls bind(2) and listen(2) before dyno is executed");
	return -EINVAL;
}

static int find_sockets(struct app *app, struct dyno_err *err)
{
	int r = listenfds_parse(app->opts->listen_fds, app->opts->n_listen_fds, &app->arena,
				&app->sockets, err);

	for (size_t i = 0; r == 0 && i < app->sockets.n; i++)
		r = check_socket(app->sockets.fds[i], err);
	return r;
}

int app_find_slug(struct app *app, struct dyno_err *err)
{
	_cleanup_close_ int cancel_fd = -EBADF;
	struct store_request req = {
		.source = app->opts->slug,
		.checksum = app->opts->checksum,
		.libexec_dir = app->host->libexec_dir,
		.progress = app->host->progress,
		.data = app->host->data,
	};
	int r;

	if (app->opts->log_source)
		app->log_source = app->opts->log_source;
	/* First of all, so that a mistyped limit costs no unpacking. */
	r = app_find_limits(app, err);
	if (r == 0)
		r = find_sockets(app, err);
	if (r == 0)
		r = host_run_dir(app->host, &app->run_fd, err);
	if (r < 0)
		return r;
	r = host_store(app->host, &app->store, err);
	if (r == 0)
		r = open_mounts(app, err);
	if (r == 0)
		r = open_cancel(&cancel_fd, err);
	if (r < 0)
		return r;
	req.cancel_fd = cancel_fd;
	r = store_acquire(app->store, &req, &app->entry, err);
	if (r < 0)
		return r;
	return stack_acquire(app->store, app->opts->stack, &app->stack, err);
}

static bool is_slow_fs(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	return fs.f_type == FUSE_MAGIC || fs.f_type == NFS_SUPER_MAGIC ||
	       fs.f_type == SMB_SUPER_MAGIC || fs.f_type == V9FS_MAGIC ||
	       fs.f_type == CEPH_SUPER_MAGIC;
}

static bool has_slow_mount(const struct mountplans *mounts)
{
	for (size_t i = 0; i < mounts->n; i++)
		if (mounts->items[i].kind == MOUNTPLAN_HOST &&
		    is_slow_fs(mounts->items[i].layer.fd))
			return true;
	return false;
}

static int find_stop(struct app *app, struct dyno_err *err)
{
	static const char *const scopes[] = {
		[INIT_SCOPE_ALL] = "all", [INIT_SCOPE_GROUP] = "group", [INIT_SCOPE_MAIN] = "main"};
	const char *want = app->opts->stop_scope ? app->opts->stop_scope : scopes[INIT_SCOPE_ALL];
	int r;

	app->stop_signal = SIGTERM;
	if (app->opts->stop_signal) {
		r = signame_parse(app->opts->stop_signal, err);
		if (r < 0)
			return r;
		app->stop_signal = r;
	}
	for (app->stop_scope = 0; app->stop_scope < ARRAY_SIZE(scopes); app->stop_scope++)
		if (str_eq(scopes[app->stop_scope], want))
			return 0;
	err_set(err, ERR_USAGE, 0, "no stop scope \"%s\"", want);
	err_hint(err, "all, group or main");
	return -EINVAL;
}

/* What is published of other types is no matter of this dyno. */
static int find_publish(struct app *app, struct dyno_err *err)
{
	const struct dyno_run_opts *o = app->opts;

	for (size_t i = 0; i < o->n_publish; i++) {
		struct publish p;
		int r;

		if (publish_is_off(o->publish[i]))
			continue;
		r = publish_parse(o->publish[i], &p, err);
		if (r < 0)
			return r;
		if (!app->formation && !p.search) {
			(void)err_set(err, ERR_USAGE, EINVAL, "publish a port of one command");
			err_hint(err, "only a process type is published, such as web");
			return -EINVAL;
		}
		if (!app->formation || !str_eq(p.type, app->command.type))
			continue;
		if (app->sockets.n > 0) {
			(void)err_set(err, ERR_USAGE, EINVAL, "publish the $PORT of %s",
				      app->command.type);
			err_hint(err, "its clients come by the sockets of --listen-fd");
			return -EINVAL;
		}
		if (app->n_publish == PUBLISH_MAX)
			return err_set(err, ERR_USAGE, E2BIG, "publish more than %u ports",
				       PUBLISH_MAX);
		app->publish[app->n_publish++] = p;
	}
	return 0;
}

int app_find_command(struct app *app, struct dyno_err *err)
{
	const struct command_input in = {
		.types = &app->slug.types,
		.operands = app->opts->operands,
		.n = app->opts->n_operands,
		.argv_mode = app->opts->argv_mode,
	};
	int r;

	/* An argv needs no types, so a broken Procfile is no hindrance to `-- bash`. */
	r = slug_read(&app->entry, !app->opts->argv_mode, &app->arena, &app->slug, err);
	if (r == 0)
		r = command_compile(&in, &app->arena, &app->command, err);
	if (r == 0)
		r = find_stop(app, err);
	if (r == 0)
		r = filter_find(app->opts, app->host->libexec_dir, &app->arena, &app->filter, err);
	if (r < 0)
		return r;
	app->formation = command_is_formation(&app->command);
	/* What it is given listens already, before it runs and while it restarts. */
	app->web =
		app->formation && str_eq(app->command.type, PROC_TYPE_WEB) && app->sockets.n == 0;
	app->slow_layers = is_slow_fs(app->slug.layer_fd) || is_slow_fs(app->stack.root_fd) ||
			   has_slow_mount(&app->mounts);
	return find_publish(app, err);
}

int app_find_name(struct app *app, struct dyno_err *err)
{
	const char *given = app->opts->app;
	int r;

	if (given) {
		r = name_check_app(given, err);
		if (r < 0)
			return r;
		str_fmt(app->name, sizeof(app->name), "%s", given);
		return 0;
	}
	r = name_app_from_slug(app->opts->slug, app->name, sizeof(app->name));
	if (r < 0 && app->entry.digest[0])
		r = name_app_from_slug(app->entry.digest, app->name, sizeof(app->name));
	if (r < 0)
		str_fmt(app->name, sizeof(app->name), "app");
	return 0;
}

static int settle_in(struct app *app, struct dyno_err *err)
{
	int r = state_tag(app->run_fd, app->tag);

	if (r < 0)
		return err_set(err, ERR_RUN_DIR, -r, "look at the run directory");
	if (str_fmt(app->run_path, sizeof(app->run_path), "%s/%s/%s", app->host->run_dir, app->name,
		    app->place.dyno) >= sizeof(app->run_path))
		return err_set(err, ERR_RUN_DIR, ENAMETOOLONG, "name the dyno's directory");
	return 0;
}

int app_claim_place(const struct app *app, const struct command *command, struct state *ret,
		    bool *ret_remains, struct dyno_err *err)
{
	const char *name = app->opts->name;
	int r;

	if (name) {
		r = name_check_dyno(name, err);
		return r < 0 ? r : state_claim(app->run_fd, app->name, name, ret, ret_remains, err);
	}
	if (command->kind == COMMAND_TYPE)
		return state_claim_type(app->run_fd, app->name, command->type, ret, ret_remains,
					err);
	return state_claim_oneoff(app->run_fd, app->name, ret, ret_remains, err);
}

int app_claim(struct app *app, struct dyno_err *err)
{
	bool remains = false;
	int r;

	r = app_find_name(app, err);
	if (r == 0)
		r = app_claim_place(app, &app->command, &app->place, &remains, err);
	/* Which place it is that lacks room, or may not be written to. */
	if (r < 0 && err && err->kind == ERR_RUN_DIR)
		err_context(err, "%s", app->host->run_dir);
	if (r == 0 && remains)
		r = lost_bury(app->host, &app->place, err);
	return r < 0 ? r : settle_in(app, err);
}

int app_adopt(struct app *app, const char *dyno, int dir_fd, struct dyno_err *err)
{
	int r;

	r = host_run_dir(app->host, &app->run_fd, err);
	state_adopt(app->run_fd, app->opts->app, dyno, dir_fd, &app->place);
	if (r == 0)
		r = app_find_name(app, err);
	return r < 0 ? r : settle_in(app, err);
}

/* ---- policy ------------------------------------------------------------------------------- */

static int parse_words(const struct dyno_run_opts *o, struct sup_policy *p, struct dyno_err *err)
{
	int r = 0;

	if (o->restart)
		r = sup_restart_parse(o->restart, &p->restart, err);
	if (r == 0 && o->exit_0)
		r = sup_exit_0_parse(o->exit_0, &p->exit_0, err);
	if (r == 0 && o->restart_order)
		r = sup_order_parse(o->restart_order, &p->order, err);
	if (r == 0 && o->backoff)
		r = backoff_parse(o->backoff, &p->backoff, err);
	if (r == 0 && o->on_hangup)
		r = sup_hangup_parse(o->on_hangup, &p->stop_detached, err);
	if (r == 0 && o->cycle)
		r = sup_cycle_parse(o->cycle, &p->cycle_ms, &p->cycle_spread_ms, err);
	return r;
}

int app_policy(const struct app *app, bool supervised, struct sup_policy *ret, struct dyno_err *err)
{
	const struct dyno_run_opts *o = app->opts;
	struct sup_policy p;
	int r;

	sup_policy_default(&p);
	/* In the foreground there is nobody left to see it. */
	p.stop_detached = !supervised;
	r = parse_words(o, &p, err);
	if (r < 0)
		return r;
	p.web = app->web;
	p.oneoff = !app->formation;
	if (o->keep && supervised && !p.oneoff && p.restart != SUP_RESTART_NEVER) {
		err_set(err, ERR_USAGE, EINVAL, "keep the files of a dyno that is restarted");
		err_hint(err, "dyno run --keep is for one that runs once");
		return -EINVAL;
	}
	if (o->await_client && supervised && !p.oneoff) {
		err_set(err, ERR_USAGE, EINVAL, "await a client of a process type");
		err_hint(err, "only a one-off can be attached to: dyno run --detach SLUG COMMAND");
		return -EINVAL;
	}
	if (o->await_client && supervised)
		p.await_ms = o->attach_timeout_ms ? o->attach_timeout_ms : SUP_AWAIT_MS;
	if (o->boot_timeout_ms)
		p.boot_timeout_ms = o->boot_timeout_ms;
	if (o->grace_ms)
		p.grace_ms = o->grace_ms;
	p.time_limit_ms = o->time_limit_ms;
	if (o->hangup_ms)
		p.hangup_ms = o->hangup_ms;
	if (app->n_publish > 0)
		p.drain_ms = SUP_DRAIN_MS;
	if (!supervised) {
		p.restart = SUP_RESTART_NEVER;
		p.cycle_ms = 0;
	}
	/* Two of them cannot have the one port of the host at once, and of two that accept on the same
	 * sockets the old one would take connections that it has no time left to answer. */
	if (((o->port && app_port_is_hosts(app)) || app->sockets.n > 0) && p.order == SUP_OVERLAP) {
		p.order = SUP_STRICT;
		p.forced = true;
	}
	*ret = p;
	return 0;
}
