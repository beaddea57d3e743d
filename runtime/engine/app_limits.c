/* SPDX-License-Identifier: Apache-2.0 */
/* app_limits.c - what a dyno may use, from its settings, the table of sizes and the files of sizes. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/nearest.h"
#include "base/str.h"
#include "engine/app.h"
#include "kernel/blockdev.h"
#include "kernel/cgroup_limit.h"
#include "model/sizefile.h"

/* Sizes of the host's own. Source: dyno-sizes(5) */
#define SIZES_FILE "/etc/dyno/sizes"

/* Source: sysfs-devices-system-cpu of the kernel's ABI */
#define CPUS_ONLINE "/sys/devices/system/cpu/online"

/* ---- sizes ---------------------------------------------------------------------------------- */

/**
 * struct search - a size looked for in files.
 * @near: what it may have been meant to be; its words are kept in @arena
 * @line: how it was written there
 * @found: in the file being read
 */
struct search {
	const char *name;
	struct arena *arena;
	struct nearest near;
	struct dyno_size size;
	const char *line;
	bool found;
};

static int look_at(void *data, const struct dyno_size *size, const char *line, size_t len)
{
	struct search *s = data;
	const char *name = arena_strdup(s->arena, size->name);

	if (!name)
		return -ENOMEM;
	nearest_offer(&s->near, name);
	if (s->found || strcasecmp(name, s->name) != 0)
		return 0;
	s->size = *size;
	s->size.name = name;
	s->line = arena_fmt(s->arena, "%.*s", (int)len, line);
	s->found = true;
	return s->line ? 0 : -ENOMEM;
}

/* Return: 0, also where there is no such file; -errno. */
static int search_file(struct search *s, const char *path, struct dyno_err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t len;
	char *text;
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return err_set(err, ERR_IO, errno, "open the sizes %s", path);
	r = fd_read_all(fd, SIZEFILE_MAX_BYTES, s->arena, &text, &len);
	if (r < 0)
		return err_set(err, ERR_IO, -r, "read the sizes %s", path);
	r = sizefile_each(text, len, look_at, s, err);
	if (r == -ENOMEM)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the sizes");
	if (r < 0)
		err_context(err, "sizes %s", path);
	return r;
}

/* The caller's own file, where he has one: XDG base directory specification. */
static const char *users_file(struct arena *arena)
{
	const char *base = getenv("XDG_CONFIG_HOME");

	if (base && base[0] == '/')
		return arena_fmt(arena, "%s/dyno/sizes", base);
	base = getenv("HOME");
	return base && base[0] == '/' ? arena_fmt(arena, "%s/.config/dyno/sizes", base) : NULL;
}

static int no_such_size(const struct search *s, struct dyno_err *err)
{
	char shown[64];

	(void)err_set(err, ERR_USAGE, 0, "no size \"%s\"",
		      str_escape(shown, sizeof(shown), s->name));
	if (s->near.best)
		err_hint(err, "did you mean %s?", s->near.best);
	else
		err_hint(err, "man dyno-sizes lists them and says how to add one");
	return -EINVAL;
}

/* The caller's file comes first, so that it wins. */
static int search_files(struct app *app, const char *name, struct dyno_size *ret,
			struct dyno_err *err)
{
	struct search s = {.name = name, .arena = &app->arena, .near = {.word = name}};
	const char *own = app->rootless ? users_file(&app->arena) : NULL;
	int r = 0;

	for (size_t i = 0; size_each(i); i++)
		nearest_offer(&s.near, size_each(i)->name);
	if (own)
		r = search_file(&s, own, err);
	if (r == 0 && !s.found)
		r = search_file(&s, SIZES_FILE, err);
	if (r < 0)
		return r;
	if (!s.found)
		return no_such_size(&s, err);
	*ret = s.size;
	app->size_line = s.line;
	return 0;
}

/* A size that is given whole, as a line of such a file: so a monitor gets it. */
static int read_given(struct app *app, const char *line, struct dyno_size *ret,
		      struct dyno_err *err)
{
	struct search s = {.arena = &app->arena, .near = {.word = line}};
	int r;

	s.name = arena_fmt(&app->arena, "%.*s", (int)strcspn(line, " \t"), line);
	r = s.name ? sizefile_each(line, strlen(line), look_at, &s, err) : -ENOMEM;
	if (r == -ENOMEM)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the size");
	if (r < 0)
		return r;
	if (!s.found)
		return no_such_size(&s, err);
	*ret = s.size;
	app->size_line = line;
	return 0;
}

/* ---- the plan ------------------------------------------------------------------------------- */

static void ask_of(const struct dyno_run_opts *o, struct limits_ask *ret)
{
	*ret = (struct limits_ask){
		.text =
			{
				[LIMIT_MEMORY] = o->memory,
				[LIMIT_MEMORY_HARD] = o->memory_hard,
				[LIMIT_SWAP] = o->swap,
				[LIMIT_CPUS] = o->cpus,
				[LIMIT_CPU_WEIGHT] = o->cpu_weight,
				[LIMIT_CPUSET] = o->cpuset,
				[LIMIT_PIDS] = o->pids,
				[LIMIT_IO_WEIGHT] = o->io_weight,
				[LIMIT_NOFILE] = o->nofile,
				[LIMIT_SHM] = o->shm_size,
			},
		.io_max = o->io_max,
		.n_io_max = o->n_io_max,
		.cpu_view = o->cpu_view,
		.memory_policy = o->memory_policy,
	};
}

static int read_online(struct app *app, struct dyno_err *err)
{
	char text[CPULIST_BYTES];
	_cleanup_close_ int fd = open(CPUS_ONLINE, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -errno : fd_read_full(fd, text, sizeof(text) - 1);

	if (n < 0)
		return err_set(err, ERR_IO, (int)-n, "read " CPUS_ONLINE);
	text[n] = '\0';
	if (cpulist_parse(text, &app->cpus) < 0)
		return err_set(err, ERR_IO, EINVAL, "understand " CPUS_ONLINE);
	return 0;
}

static int find_disks(struct limits *l, struct dyno_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n_io; i++)
		r = blockdev_find(BLOCKDEV_SYS, l->io[i].device, l->io[i].device_len,
				  &l->io[i].major, &l->io[i].minor, err);
	return r;
}

int app_find_limits(struct app *app, struct dyno_err *err)
{
	const struct dyno_run_opts *o = app->opts;
	const struct dyno_size *size = size_find(o->size ? o->size : SIZE_DEFAULT);
	bool want_cpus = o->cpuset || o->cpu_view;
	struct dyno_size own;
	struct limits_ask ask;
	int r = 0;

	if (!size) {
		r = strpbrk(o->size, " \t") ? read_given(app, o->size, &own, err)
					    : search_files(app, o->size, &own, err);
		size = &own;
	}
	if (r == 0 && want_cpus)
		r = read_online(app, err);
	if (r < 0)
		return r;
	ask_of(o, &ask);
	r = limits_resolve(&ask, size, want_cpus ? &app->cpus : NULL, &app->limits, err);
	if (r == 0)
		r = find_disks(&app->limits, err);
	/* Dynos are spread over those of them that we may use ourselves. */
	if (r == 0 && o->cpu_view)
		(void)sched_getaffinity(0, sizeof(app->cpus), (cpu_set_t *)&app->cpus);
	return r;
}

/* ---- the host ------------------------------------------------------------------------------- */

/* Why there is none, for people. */
static const char *reason_of(const struct app *app)
{
	if (!app->have_cgroups)
		return "the control groups of this host cannot be read";
	return app->cgroups.reason[0] ? app->cgroups.reason : "no control group can do it here";
}

/* One thing that cannot be had: an error or a warning. */
static int not_here(struct app *app, const char *what, const char *why, const char *fix,
		    struct dyno_err *err)
{
	char *text;

	if (app->opts->require_limits) {
		(void)err_set(err, ERR_LIMITS, 0, "limit the dyno (%s): %s", what, why);
		err_hint(err, "%s", fix[0] ? fix : "run it without --require-limits");
		return -EOPNOTSUPP;
	}
	text = arena_fmt(&app->arena, "not limited (%s): %s%s%s", what, why, fix[0] ? "; " : "",
			 fix);
	if (!text)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep a warning");
	if (app->n_warnings < APP_WARNINGS_MAX)
		app->warnings[app->n_warnings++] = text;
	return 0;
}

/* By their scheduler, or on v2 by the cost that the kernel reckons. Source: cgroup-v2.rst,
 * io.cost.qos, which only the root of the tree has */
static bool disks_weighed(const struct app *app)
{
	char text[1024];
	_cleanup_close_ int fd = -EBADF;
	ssize_t n;

	if (blockdev_any_weighed(BLOCKDEV_SYS))
		return true;
	if (app->cgroups.kind != CGROUP_V2)
		return false;
	fd = open(CGROUP_ROOT "/io.cost.qos", O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	return strstr(text, " enable=1 ") != NULL;
}

/* A controller that only some dynos use. @what: the limit, as its option is called */
static int no_extra(struct app *app, unsigned int has, const char *what, const char *without,
		    struct dyno_err *err)
{
	const bool v2 = app->have_cgroups && app->cgroups.kind == CGROUP_V2;
	char list[16], why[128];

	(void)str_fmt(why, sizeof(why), "no control group of %s is to be had here%s",
		      has == CGROUP_HAS_IO && !v2
			      ? "blkio"
			      : cgroup_controllers_text(has, list, sizeof(list)),
		      without);
	return not_here(app, what, why,
			v2 && app->rootless ? "as root: systemctl edit user@.service, [Service] "
					      "Delegate=cpu cpuset io memory pids"
					    : "",
			err);
}

static int check_extra(struct app *app, unsigned int missing, struct dyno_err *err)
{
	const struct limits *l = &app->limits;
	int r = 0;

	if (missing & CGROUP_HAS_CPUSET)
		r = no_extra(app, CGROUP_HAS_CPUSET, "cpuset",
			     ": the dyno is bound to its CPUs, which it could undo", err);
	if (r == 0 && (missing & CGROUP_HAS_IO))
		return no_extra(app, CGROUP_HAS_IO, "io", "", err);
	if (r == 0 && l->io_weight > 0 && !disks_weighed(app))
		r = not_here(app, "io-weight", "no disk of this host is scheduled by weight",
			     "echo bfq >/sys/block/DISK/queue/scheduler", err);
	return r;
}

int app_check_limits(struct app *app, bool kept, struct dyno_err *err)
{
	const struct limits *l = &app->limits;
	const struct cgroup_limits want = {
		.memory_bytes = l->memory_bytes,
		.memory_swap_bytes = l->hard_bytes,
		.pids = l->pids,
		.cpu_shares = l->cpu_shares,
		.cpu_quota_usec = l->cpu_quota_usec,
		.io_weight = l->io_weight,
		.n_io = l->n_io,
		.cpuset = &l->cpuset,
	};
	unsigned int missing = cgroup_limits_need(&want);
	/* Some controllers are joined only by who has a limit of them: each costs its start time. */
	unsigned int extra = (missing & CGROUP_HAS_EXTRA) | (kept ? CGROUP_HAS_IO : 0);
	struct dyno_err ignored;
	char list[48];
	int r = 0;

	/* Without control groups a dyno still runs. */
	app->have_cgroups = cgroup_host_open_with(CGROUP_ROOT, extra, &app->cgroups, &ignored) == 0;
	if (app->have_cgroups)
		missing &= ~app->cgroups.controllers;
	app->n_warnings = 0;
	if (missing & CGROUP_HAS_ALL)
		r = not_here(app,
			     cgroup_controllers_text(missing & CGROUP_HAS_ALL, list, sizeof(list)),
			     reason_of(app), app->have_cgroups ? app->cgroups.fix : "", err);
	return r < 0 ? r : check_extra(app, missing, err);
}
