/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"

/* Root's dynos are listed by everybody, a user's are his own. */
#define RUN_MODE_ROOT	  0755
#define RUN_MODE_ROOTLESS 0700
#define OTHERS_WRITE	  0022U

/* ---- where things are ----------------------------------------------------------------------- */

/* The value of an environment variable that names an absolute path: the XDG specification tells
 * to ignore others. */
static const char *env_path(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] == '/' ? value : NULL;
}

static const char *default_run_dir(struct arena *arena)
{
	const char *xdg;

	if (geteuid() == 0)
		return "/run/dyno";
	xdg = env_path("XDG_RUNTIME_DIR");
	return xdg ? arena_fmt(arena, "%s/dyno", xdg) : NULL;
}

static const char *default_data_dir(struct arena *arena)
{
	const char *base;

	if (geteuid() == 0)
		return "/var/lib/dyno";
	base = env_path("XDG_DATA_HOME");
	if (base)
		return arena_fmt(arena, "%s/dyno", base);
	base = env_path("HOME");
	return base ? arena_fmt(arena, "%s/.local/share/dyno", base) : NULL;
}

/* Relative paths are of the working directory now, which need not be that of later. */
static int absolute(struct arena *arena, const char *path, const char **ret, struct dyno_err *err)
{
	char *cwd;

	if (path[0] == '/') {
		*ret = arena_strdup(arena, path);
	} else {
		cwd = get_current_dir_name();
		if (!cwd)
			return err_set(err, ERR_IO, errno, "find the working directory");
		*ret = arena_fmt(arena, "%s/%s", cwd, path);
		free(cwd);
	}
	return *ret ? 0 : err_set(err, ERR_MEMORY, ENOMEM, "keep a path");
}

static int set_dirs(struct dyno_host *host, const struct dyno_host_opts *opts, struct dyno_err *err)
{
	int r = 0;

	if (opts->run_dir)
		r = absolute(&host->arena, opts->run_dir, &host->run_dir, err);
	else
		host->run_dir = default_run_dir(&host->arena);
	if (r == 0 && opts->data_dir)
		r = absolute(&host->arena, opts->data_dir, &host->data_dir, err);
	else if (r == 0)
		host->data_dir = default_data_dir(&host->arena);
	if (r == 0 && opts->libexec_dir)
		r = absolute(&host->arena, opts->libexec_dir, &host->libexec_dir, err);
	return r;
}

int dyno_host_open(const struct dyno_host_opts *opts, struct dyno_host **ret, struct dyno_err *err)
{
	static const struct dyno_host_opts defaults;
	struct dyno_host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return err_set(err, ERR_MEMORY, ENOMEM, "allocate the host handle");
	opts = opts ? opts : &defaults;
	host->run_fd = -EBADF;
	host->store = STORE_INIT;
	host->progress = opts->progress;
	host->data = opts->data;
	r = set_dirs(host, opts, err);
	if (r < 0) {
		dyno_host_free(host);
		return r;
	}
	*ret = host;
	return 0;
}

void dyno_host_free(struct dyno_host *host)
{
	if (!host)
		return;
	close_fdp(&host->run_fd);
	store_done(&host->store);
	arena_done(&host->arena);
	free(host);
}

/* ---- the run directory ---------------------------------------------------------------------- */

static int run_dir_error(struct dyno_err *err, int num, const char *operation, const char *path)
{
	int r = err_set(err, ERR_RUN_DIR, num, "%s the run directory %s", operation, path);

	err_hint(err, "name a directory that you may write with --run-dir");
	return r;
}

/* What is in it is trusted, so nobody else may have a hand in it. */
static int check_run_dir(int fd, const char *path, struct dyno_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return run_dir_error(err, errno, "stat", path);
	if (st.st_uid == geteuid() && !(st.st_mode & OTHERS_WRITE))
		return 0;
	(void)err_set(err, ERR_RUN_DIR, EPERM,
		      "the run directory %s belongs to user %u with mode %04o", path, st.st_uid,
		      st.st_mode & 07777);
	err_hint(err, "it must be yours alone: chown %u, chmod go-w, or another --run-dir",
		 geteuid());
	return -EPERM;
}

static int make_run_dir(const char *path, struct dyno_err *err)
{
	mode_t mode = geteuid() == 0 ? RUN_MODE_ROOT : RUN_MODE_ROOTLESS;
	int r = path_mkdir_p(AT_FDCWD, path, mode);

	/* Exactly that mode, whatever the umask; it was missing, so it is ours. */
	if (r == 0 && chmod(path, mode) < 0)
		r = -errno;
	return r < 0 ? run_dir_error(err, -r, "make", path) : 0;
}

int host_run_dir(struct dyno_host *host, int *ret_fd, struct dyno_err *err)
{
	const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (host->run_fd >= 0) {
		*ret_fd = host->run_fd;
		return 0;
	}
	if (!host->run_dir) {
		(void)err_set(err, ERR_RUN_DIR, 0, "no run directory: XDG_RUNTIME_DIR is not set");
		err_hint(err, "log in with a session (loginctl enable-linger), or give --run-dir");
		return -EINVAL;
	}
	fd = open(host->run_dir, flags);
	if (fd < 0 && errno == ENOENT) {
		r = make_run_dir(host->run_dir, err);
		if (r < 0)
			return r;
		fd = open(host->run_dir, flags);
	}
	if (fd < 0)
		return run_dir_error(err, errno, "open", host->run_dir);
	r = check_run_dir(fd, host->run_dir, err);
	if (r < 0)
		return r;
	host->run_fd = take_fd(&fd);
	*ret_fd = host->run_fd;
	return 0;
}

int host_store(struct dyno_host *host, struct store **ret, struct dyno_err *err)
{
	int r;

	if (host->store.data_fd < 0) {
		if (!host->data_dir) {
			(void)err_set(err, ERR_STORE_IO, 0,
				      "no data directory: neither XDG_DATA_HOME nor HOME is set");
			err_hint(err, "give --data-dir");
			return -EINVAL;
		}
		r = store_open(host->data_dir, &host->store, err);
		if (r < 0)
			return r;
	}
	*ret = &host->store;
	return 0;
}
