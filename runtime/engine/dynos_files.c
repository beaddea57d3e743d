/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dynos_files.c - the public functions on the files of a dyno: what it has written, and copies out
 * of it.  The caller does the work, with his own time and memory, in his own control group.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/ctl_wire.h"
#include "engine/dynos.h"
#include "engine/layers.h"
#include "engine/receipt.h"
#include "rootfs/copyout.h"
#include "rootfs/store.h"

static void dyno_closep(struct dyno **dyno)
{
	dyno_close(*dyno);
}

/* ---- what was written ----------------------------------------------------------------------- */

/**
 * struct telling - hands the changes of one overlay on.
 * @result: what @fn returned, if it was not 0: the walk must not take it for an error of its own
 */
struct telling {
	const char *prefix;
	dyno_written_fn fn;
	void *data;
	int result;
};

static int tell_change(void *data, const struct upper_change *change)
{
	struct telling *t = data;

	t->result = receipt_tell(change, t->prefix, t->fn, t->data);
	return t->result;
}

static int walk_layers(const struct receipt_source *sources, size_t n, dyno_written_fn fn,
		       void *data, struct dyno_err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct telling t = {.prefix = sources[i].prefix, .fn = fn, .data = data};
		int r = upper_walk(sources[i].upper_fd, &sources[i].opts, tell_change, &t, err);

		if (r != 0)
			return r;
	}
	return 0;
}

static int diff_live(struct dyno *dyno, dyno_written_fn fn, void *data, struct dyno_err *err)
{
	static const struct ctl_request request = {.verb = CTL_LAYERS};
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_sbuf_ struct sbuf text = {0};
	struct receipt_source sources[LAUNCH_UPPERS];
	int fds[CTL_FDS_MAX];
	int n_fds = dynos_ask(dyno, &request, &text, fds, err);
	int r;

	if (n_fds < 0)
		return n_fds;
	r = layers_get(sbuf_str(&text), text.len, fds, (size_t)n_fds, &arena, sources, err);
	if (r > 0)
		r = walk_layers(sources, (size_t)r, fn, data, err);
	ctl_close_fds(fds, (size_t)n_fds);
	return r;
}

/* @why: what to report where nothing is known: that it does not live, or does not run now. */
static int diff_ended(struct dyno_host *host, const char *app, const char *name, dyno_written_fn fn,
		      void *data, const struct dyno_err *why, struct dyno_err *err)
{
	struct dyno_end end;
	struct store *store;
	int r = dynos_last_end(host, app, name, NULL, &end, err);

	if (r < 0)
		return r;
	if (r == 0) {
		if (err)
			*err = *why;
		return -ENOENT;
	}
	if (!end.manifest[0])
		return 0;
	r = host_store(host, &store, err);
	return r < 0 ? r : receipt_read(store, app, end.manifest, fn, data, err);
}

DYNO_PUBLIC int dyno_diff(struct dyno_host *host, const char *app, const char *name,
			  dyno_written_fn fn, void *data, struct dyno_err *err)
{
	_cleanup_(dyno_closep) struct dyno *dyno = NULL;
	struct dyno_err why = {0}, ignored;
	int r = dyno_open(host, app, name, &dyno, &why);

	if (r == 0)
		r = diff_live(dyno, fn, data, &why);
	if (r >= 0 || why.kind == ERR_NONE)
		return r;
	dyno_close(take_ptr(&dyno));
	/* Of one whose files are kept they are looked at, else its manifest. */
	if (r < 0 && why.kind == ERR_NOT_FOUND &&
	    dynos_open(host, app, name, true, &dyno, &ignored) == 0)
		return diff_live(dyno, fn, data, err);
	/* Between two starts it has no files: those of its last end are told. */
	if (why.kind == ERR_NOT_FOUND)
		return diff_ended(host, app, name, fn, data, &why, err);
	if (err)
		*err = why;
	return r;
}

/* ---- copies --------------------------------------------------------------------------------- */

/* Until a launch has pivoted, its process sees the host's root: nothing of that is the dyno's. */
static int check_root(const struct dyno *dyno, int root, struct dyno_err *err)
{
	struct stat host;
	struct stat st;

	if (stat("/", &host) < 0 || fstat(root, &st) < 0)
		return err_set(err, ERR_IO, errno, "look at the root of %s/%s", dyno->app,
			       dyno->name);
	if (host.st_dev != st.st_dev || host.st_ino != st.st_ino)
		return 0;
	(void)err_set(err, ERR_MONITOR, EAGAIN, "open the root of %s/%s", dyno->app, dyno->name);
	err_hint(err, "it is being started: try again in a moment");
	return -EAGAIN;
}

/*
 * The dyno's root.  The number of a process may have become another's by the time it is used; but
 * not while its parent, the monitor, still says that it is his, which he is asked once more; and
 * if the process lives after its root was opened, it was its root.
 */
static int open_root(struct dyno *dyno, struct dyno_err *err)
{
	_cleanup_close_ int pidfd = -EBADF;
	_cleanup_close_ int root = -EBADF;
	char path[32];
	int again;
	int pid;
	int r = dynos_init_pid(dyno, &pid, err);

	if (r < 0)
		return r;
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0)
		return err_set(err, ERR_NOT_FOUND, errno, "find the processes of %s/%s", dyno->app,
			       dyno->name);
	r = dynos_init_pid(dyno, &again, err);
	if (r < 0)
		return r;
	str_fmt(path, sizeof(path), "/proc/%d/root", pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
			       "open the root of %s/%s", dyno->app, dyno->name);
	if (again != pid || pidfd_send_signal(pidfd, 0, NULL, 0) < 0)
		return err_set(err, ERR_NOT_FOUND, ESRCH, "find the processes of %s/%s", dyno->app,
			       dyno->name);
	r = check_root(dyno, root, err);
	return r < 0 ? r : take_fd(&root);
}

/* Below a directory that is mounted on /app a path has no /app; NULL: it is not there. */
static const char *path_in_app(const char *path)
{
	const char *rest = str_starts(path, "/app");

	if (path[0] != '/')
		return path[0] ? path : NULL;
	if (!rest || (rest[0] && rest[0] != '/'))
		return NULL;
	return rest[0] ? rest : "/";
}

/* The root of one whose files are kept; @path becomes what it is there. */
static int open_kept_root(struct dyno *dyno, struct arena *arena, const char **path,
			  struct dyno_err *err)
{
	static const struct ctl_request request = {.verb = CTL_ROOT};
	const char *in_app = path_in_app(*path);
	int fds[CTL_FDS_MAX];
	int n = dynos_ask(dyno, &request, NULL, fds, err);
	int ret = -EBADF;

	if (n < 0)
		return n;
	if (n == 0)
		return err_set(err, ERR_IO, ENOENT, "find the root of %s/%s", dyno->app,
			       dyno->name);
	if (n > 1 && in_app) {
		*path = arena_fmt(arena, "%s%s", in_app[0] == '/' ? "" : "/", in_app);
		ret = *path ? take_fd(&fds[1]) : -ENOMEM;
	} else {
		ret = take_fd(&fds[0]);
	}
	ctl_close_fds(fds, (size_t)n);
	return ret < 0 ? err_set(err, ERR_MEMORY, -ret, "name the path") : ret;
}

DYNO_PUBLIC int dyno_copy(struct dyno_host *host, const char *app, const char *name,
			  const char *path, const char *dest, int out_fd, struct dyno_err *err)
{
	_cleanup_(dyno_closep) struct dyno *dyno = NULL;
	_cleanup_(copyout_done) struct copyout_source source = COPYOUT_SOURCE_INIT;
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int root = -EBADF;
	struct dyno_err ignored;
	int r = dyno_open(host, app, name, &dyno, err);

	if (r == 0)
		root = open_root(dyno, err);
	else if (dynos_open(host, app, name, true, &dyno, &ignored) == 0)
		root = open_kept_root(dyno, &arena, &path, err);
	else
		return r;
	if (root < 0)
		return root;
	r = copyout_find(root, path, &source, err);
	if (r < 0)
		return r;
	if (dest)
		return copyout(&source, dest, err);
	return store_pack_copy(&source, out_fd, host->libexec_dir, host->progress, host->data, err);
}
