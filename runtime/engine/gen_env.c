/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gen_env.c - the environment of a start: the platform's facts, env files, flags, the terminal, the
 * slug's own defaults (contract 3.1, 5.9).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "engine/generation.h"
#include "engine/ttywish.h"
#include "init/proto.h"
#include "model/envfile.h"
#include "model/environ.h"
#include "model/listenfd.h"

int gen_read_env_file(const char *path, struct arena *arena, struct env_pairs *ret,
		      struct dyno_err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text;
	size_t len;
	int r;

	if (fd < 0)
		return err_set(err, ERR_ENV_SYNTAX, errno, "open the env file %s", path);
	r = fd_read_all(fd, ENVFILE_MAX_BYTES, arena, &text, &len);
	if (r < 0)
		return err_set(err, ERR_ENV_SYNTAX, -r, "read the env file %s", path);
	r = envfile_parse(text, len, arena, ret, err);
	if (r < 0)
		err_context(err, "%s", path);
	return r;
}

static int add_env_file(struct env *env, const char *path, struct arena *arena,
			struct dyno_err *err)
{
	struct env_pairs pairs = {0};
	int r = gen_read_env_file(path, arena, &pairs, err);

	if (r < 0)
		return r;
	r = env_set_pairs(env, &pairs, ENV_FILE, err);
	if (r < 0)
		err_context(err, "%s", path);
	return r;
}

static int add_terminal(struct generation *gen, struct env *env, struct dyno_err *err)
{
	static const int own[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
	const struct app *app = gen->app;
	enum dyno_tty want = app->opts->tty;
	struct winsize ws = {0};
	bool is_oneoff = app->command.kind == COMMAND_ONEOFF;

	if (want == DYNO_TTY_DEFAULT)
		want = app->opts->terminal ? DYNO_TTY_AUTO : DYNO_TTY_NONE;
	if (want == DYNO_TTY_AUTO && !is_oneoff)
		want = DYNO_TTY_NONE;
	if (want == DYNO_TTY_NONE && !is_oneoff)
		return 0;
	ttywish_find(want, own, &gen->tty, &ws);
	/* A program that takes its size from there asks its terminal no more, which alone knows of
	 * changes; the profile hides them from the programs of a shell. */
	if (gen->tty.wanted && app->opts->argv_mode)
		ws = (struct winsize){0};
	return env_set_terminal(env, getenv("TERM"), ws.ws_col, ws.ws_row, err);
}

int gen_make_environment(struct generation *gen, struct dyno_err *err)
{
	struct env_platform facts = {
		.dyno = gen->app->place.dyno,
		.port = gen->port,
		.limits = &gen->app->limits,
		.sockets = gen->app->sockets.n,
		.main_pid = INIT_MAIN_PID,
	};
	struct env env = {.arena = &gen->arena};
	struct rlimit stack = {0};
	size_t i;
	int r;

	r = listenfds_names(&gen->app->sockets, &gen->arena, &facts.socket_names, err);
	if (r == 0)
		r = env_set_platform(&env, &facts, err);
	for (i = 0; r == 0 && i < gen->app->opts->n_env_files; i++)
		r = add_env_file(&env, gen->app->opts->env_files[i], &gen->arena, err);
	for (i = 0; r == 0 && i < gen->app->opts->n_env; i++)
		r = env_set_text(&env, gen->app->opts->env[i], ENV_FLAG, err);
	if (r == 0)
		r = add_terminal(gen, &env, err);
	if (r == 0)
		r = env_set_pairs(&env, &gen->app->slug.vars, ENV_SLUG, err);
	if (r < 0)
		return r;
	(void)getrlimit(RLIMIT_STACK, &stack); /* cannot fail for this limit */
	return env_compile(&env, gen->app->command.argv, env_limit_bytes(stack.rlim_cur),
			   &gen->arena, &gen->envp, err);
}
