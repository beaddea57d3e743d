/* SPDX-License-Identifier: Apache-2.0 */
/* dynos_remove.c - dyno_remove(): forget an ended dyno. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <dyno.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/dynos.h"
#include "engine/lost.h"
#include "engine/record.h"
#include "engine/sink.h"
#include "engine/state.h"
#include "model/name.h"

/* How long the removal of kept files may take. Source: own choice, millions of files */
#define RELEASE_MS 60000

/* "logs/", two names and ".log.1" */
#define LOG_PATH_BYTES (2 * STATE_NAME_BYTES + 16)

static bool has_logs(struct store *store, const char *app, const char *name)
{
	char path[LOG_PATH_BYTES];
	struct stat st;

	str_fmt(path, sizeof(path), LOGS_DIR "/%s/%s.log", app, name);
	return fstatat(store->data_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Return: 1: there was something; 0: nothing; -errno. */
static int forget(struct store *store, const char *app, const char *name, struct dyno_err *err)
{
	bool logs = has_logs(store, app, name);
	int count = record_forget(store, app, name, err);
	int r;

	if (count < 0)
		return count;
	r = sink_remove_files(store, app, name);
	if (r < 0)
		return err_set(err, ERR_IO, -r, "remove the log of %s/%s in %s", app, name,
			       store->data_dir);
	return count > 0 || logs;
}

/* Its place is held meanwhile, so that none of that name starts. */
static int remove_dead(struct dyno_host *host, struct state *state, bool remains,
		       struct dyno_err *err)
{
	struct store *store;
	int r = host_store(host, &store, err);
	int known;

	if (r == 0 && remains)
		r = lost_bury(host, state, err);
	if (r < 0)
		return r;
	known = forget(store, state->app, state->dyno, err);
	if (known < 0)
		return known;
	if (known || remains)
		return 0;
	(void)err_set(err, ERR_NOT_FOUND, 0, "forget %s/%s: nothing is kept of it", state->app,
		      state->dyno);
	err_hint(err, "dyno ps --all lists those that have ended");
	return -ENOENT;
}

/* It lets go of the files, then of the place, and hangs up. Return: 0; -errno: nobody holds any. */
static int release_kept(struct dyno_host *host, const char *app, const char *name)
{
	static const struct ctl_request request = {.verb = CTL_RELEASE};
	struct dyno *dyno;
	struct dyno_err ignored;
	struct pollfd p = {.events = POLLIN};
	int r = dynos_open(host, app, name, true, &dyno, &ignored);

	if (r < 0)
		return r;
	r = dynos_ask(dyno, &request, NULL, NULL, &ignored);
	p.fd = dyno->fd;
	/* A big tree takes its time; what takes longer is told to be busy. */
	if (r >= 0 && poll(&p, 1, RELEASE_MS) != 1)
		r = -EBUSY;
	dyno_close(dyno);
	return r < 0 ? r : 0;
}

static int take_again(int run_fd, const char *app, const char *name, int *lock_fd,
		      struct state *state, bool *remains)
{
	struct dyno_err ignored;
	int r = state_collect_begin(run_fd, lock_fd, &ignored);

	return r < 0 ? r : state_take_dead(run_fd, app, name, state, remains);
}

static int check_names(const char *app, const char *name, struct dyno_err *err)
{
	int r = name_check_app(app, err);

	return r < 0 ? r : name_check_dyno(name, err);
}

DYNO_PUBLIC int dyno_remove(struct dyno_host *host, const char *app, const char *name,
			    struct dyno_err *err)
{
	_cleanup_close_ int lock_fd = -EBADF;
	struct state state = STATE_INIT;
	bool remains = false;
	int run_fd;
	int r;

	r = check_names(app, name, err);
	if (r == 0)
		r = host_run_dir(host, &run_fd, err);
	if (r == 0)
		r = state_collect_begin(run_fd, &lock_fd, err);
	if (r < 0)
		return r;
	r = state_take_dead(run_fd, app, name, &state, &remains);
	/* Who connects may be a collector himself, and so may who lets go. */
	if (r == 0) {
		close_fdp(&lock_fd);
		r = release_kept(host, app, name) == 0
			    ? take_again(run_fd, app, name, &lock_fd, &state, &remains)
			    : 0;
	}
	if (r < 0)
		return err_set(err, ERR_RUN_DIR, -r, "hold the directory of the dyno %s/%s", app,
			       name);
	if (r == 0) {
		(void)err_set(err, ERR_ALIVE, 0, "forget %s/%s: it lives", app, name);
		err_hint(err, "dyno stop %s/%s, or dyno rm --force", app, name);
		return -EBUSY;
	}
	r = remove_dead(host, &state, remains, err);
	state_release(&state);
	return r;
}
