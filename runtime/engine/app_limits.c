/* SPDX-License-Identifier: Apache-2.0 */
/* app_limits.c - what a dyno may use, from its settings, the table of sizes and the files of sizes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/nearest.h"
#include "base/str.h"
#include "engine/app.h"
#include "model/sizefile.h"

/* Sizes of the host's own. Source: dyno-sizes(5) */
#define SIZES_FILE "/etc/dyno/sizes"

/* Source: sysfs-devices-system-cpu of the kernel's ABI */
#define CPUS_ONLINE "/sys/devices/system/cpu/online"

/* ---- sizes ---------------------------------------------------------------------------------- */

/**
 * struct search - a size looked for in files.
 * @near: what it may have been meant to be; its words are kept in @arena
 * @found: in the file being read
 */
struct search {
	const char *name;
	struct arena *arena;
	struct nearest near;
	struct dyno_size size;
	bool found;
};

static int look_at(void *data, const struct dyno_size *size)
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
	s->found = true;
	return 0;
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

int app_find_limits(struct app *app, struct dyno_err *err)
{
	const struct dyno_run_opts *o = app->opts;
	const struct dyno_size *size = size_find(o->size ? o->size : SIZE_DEFAULT);
	bool want_cpus = o->cpuset || o->cpu_view;
	struct dyno_size own;
	struct limits_ask ask;
	int r = 0;

	if (!size) {
		r = search_files(app, o->size, &own, err);
		size = &own;
	}
	if (r == 0 && want_cpus)
		r = read_online(app, err);
	if (r < 0)
		return r;
	ask_of(o, &ask);
	return limits_resolve(&ask, size, want_cpus ? &app->cpus : NULL, &app->limits, err);
}
