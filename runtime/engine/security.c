/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security.c - dyno_security(): how the processes of a running dyno are confined, as the kernel
 * tells it under /proc, and nothing that a setting says; but that there is a filter of system calls
 * is all that the kernel tells of it, so that a setting can make this row worse, never better.
 *
 * Theory of operation.  A directory of /proc that is held open stays that of the one process it was
 * opened for: a number that is given to another process later makes reads fail, not lie.  So the
 * directory is opened, and then the monitor says again that the number is its child's, and the
 * process must still live.  Texts may be long (mounts) and are read up to a limit; names in them
 * are a tenant's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/ctl_wire.h"
#include "engine/dynos.h"
#include "engine/mainpid.h"
#include "engine/security_internal.h"
#include "model/procfacts.h"

/* Longest file read. Source: fs.mount-max of 100,000 mounts is for hosts; a dyno has some twenty */
#define LOOK_MAX_BYTES ((size_t)1 << 20)

static void dyno_closep(struct dyno **dyno)
{
	dyno_close(*dyno);
}

void security_tell(struct look *l, enum dyno_hold verdict, const char *name, const char *fact,
		   const char *reason)
{
	const struct dyno_security_row row = {
		.process = l->label,
		.pid = l->pid,
		.name = name,
		.verdict = verdict,
		.fact = fact,
		.reason = verdict == DYNO_HOLDS ? "" : reason,
	};

	l->weaker += verdict == DYNO_WEAKER;
	l->fn(l->data, &row);
}

void security_tell_unknown(struct look *l, const char *name, int num)
{
	security_tell(l, DYNO_UNKNOWN, name, "", err_errno_text(num));
}

void security_tell_if(struct look *l, bool holds, const char *name, const struct sbuf *fact,
		      const char *reason)
{
	if (sbuf_ok(fact) < 0)
		security_tell_unknown(l, name, ENOMEM);
	else
		security_tell(l, holds ? DYNO_HOLDS : DYNO_WEAKER, name, sbuf_str(fact), reason);
}

char *security_read(struct look *l, const char *file)
{
	_cleanup_close_ int fd = openat(l->dir, file, O_RDONLY | O_CLOEXEC);
	char *text;
	int r;

	if (fd < 0)
		return NULL;
	r = fd_read_all(fd, LOOK_MAX_BYTES, l->arena, &text, NULL);
	if (r < 0)
		errno = -r;
	return r < 0 ? NULL : text;
}

/* What the monitor was told; a text of a tenant's in it has its quotes escaped. */
static int look_setting(struct look *l, struct dyno *dyno, struct dyno_err *err)
{
	_cleanup_free_ char *json = NULL;
	int r = dyno_inspect(dyno, &json, err);

	if (r < 0)
		return r;
	if (strstr(json, "\"seccomp\":\"unconfined\""))
		l->unfiltered = "it may make every system call, but sets no limit of core files";
	else if (strstr(json, "\"seccomp_log\":true"))
		l->unfiltered = "calls that it refuses are let through and logged";
	return 0;
}

/* ---- processes ------------------------------------------------------------------------------ */

static int look_process(struct look *l, struct dyno_err *err)
{
	bool init = str_eq(l->label, INIT_LABEL);

	l->status = security_read(l, "status");
	if (!l->status)
		return err_set(err, ERR_NOT_FOUND, errno, "read the state of process %d", l->pid);
	security_rights(l);
	security_place(l);
	security_limits(l, init);
	if (init)
		security_reach(l);
	return 0;
}

static int open_process(int pid)
{
	char path[32];
	int fd;

	(void)str_fmt(path, sizeof(path), "/proc/%d", pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int ask_pids(struct dyno *dyno, int *ret_init, int *ret_main, struct dyno_err *err)
{
	int r = dynos_init_pid(dyno, ret_init, err);

	if (r == 0)
		*ret_main = mainpid_of(*ret_init);
	return r;
}

/* Its number may have become another's before the directory was opened: but not while its parent
 * still says that it is his, and it lives after that. */
static int open_init(struct dyno *dyno, int *ret_pid, int *ret_main, struct dyno_err *err)
{
	_cleanup_close_ int pidfd = -EBADF;
	_cleanup_close_ int dir = -EBADF;
	int again, pid;
	int r = ask_pids(dyno, &pid, ret_main, err);

	if (r < 0)
		return r;
	pidfd = pidfd_open(pid, 0);
	dir = open_process(pid);
	r = ask_pids(dyno, &again, ret_main, err);
	if (r < 0)
		return r;
	if (pidfd < 0 || dir < 0 || again != pid || pidfd_send_signal(pidfd, 0, NULL, 0) < 0)
		return err_set(err, ERR_NOT_FOUND, ESRCH, "find the processes of %s/%s", dyno->app,
			       dyno->name);
	*ret_pid = pid;
	return take_fd(&dir);
}

/* Return: whether both are in one pid namespace; the link needs the right to look at both. */
static bool same_pids(int a, int b)
{
	struct stat x, y;

	return fstatat(a, "ns/pid", &x, 0) == 0 && fstatat(b, "ns/pid", &y, 0) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The number in the innermost pid namespace is the last. */
static bool is_numbered(struct look *l, uint32_t number)
{
	char *text = security_read(l, "status");
	char want[16], *last;
	const char *line;
	size_t len;

	line = text ? procfacts_field(text, "NSpid", &len) : NULL;
	if (!line)
		return false;
	text = arena_memdup(l->arena, line, len);
	last = text ? strrchr(text, '\t') : NULL;
	(void)str_fmt(want, sizeof(want), "%u", number);
	return last && str_eq(last + 1, want);
}

/* A process by its number inside. Return: its directory, and number on the host; -ESRCH. */
static int find_inside(int init_dir, uint32_t number, int *ret_pid)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	int r = dir_open(AT_FDCWD, "/proc", &dir);

	if (r < 0)
		return r;
	while ((name = dir_next_name(&dir))) {
		_cleanup_arena_ struct arena arena = {0};
		_cleanup_close_ int fd = -EBADF;
		struct look l = {.arena = &arena};
		uint32_t pid;

		if (num_parse_u32(name, INT32_MAX, &pid) < 0)
			continue;
		fd = open_process((int)pid);
		l.dir = fd;
		if (fd < 0 || !is_numbered(&l, number) || !same_pids(fd, init_dir))
			continue;
		*ret_pid = (int)pid;
		return take_fd(&fd);
	}
	return -ESRCH;
}

static int look_inside(struct look *like, int init_dir, uint32_t number, struct dyno_err *err)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int fd = -EBADF;
	char label[16];
	struct look l = *like;
	int r;

	fd = find_inside(init_dir, number, &l.pid);
	if (fd < 0)
		return err_set(err, ERR_NOT_FOUND, -fd, "find process %u of the dyno", number);
	(void)str_fmt(label, sizeof(label), "%u", number);
	l.arena = &arena;
	l.dir = fd;
	l.label = label;
	r = look_process(&l, err);
	like->weaker = l.weaker;
	return r;
}

/* The main process may have ended, and others live on. */
static int look_main(struct look *like, int init_dir, int pid, struct dyno_err *err)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int fd = pid > 0 ? open_process(pid) : -EBADF;
	struct look l = *like;
	int r;

	if (fd < 0 || !same_pids(fd, init_dir)) {
		l.label = MAIN_LABEL;
		security_tell(&l, DYNO_UNKNOWN, "process", "",
			      "it is not to be found, or not to be read");
		return 0;
	}
	l.arena = &arena;
	l.dir = fd;
	l.pid = pid;
	l.label = MAIN_LABEL;
	r = look_process(&l, err);
	like->weaker = l.weaker;
	return r;
}

DYNO_PUBLIC int dyno_security(struct dyno_host *host, const char *app, const char *name, int pid,
			      dyno_security_fn fn, void *data, struct dyno_err *err)
{
	_cleanup_(dyno_closep) struct dyno *dyno = NULL;
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int dir = -EBADF;
	struct look l = {.arena = &arena, .label = INIT_LABEL, .fn = fn, .data = data};
	int main_pid = 0;
	int r = dyno_open(host, app, name, &dyno, err);

	if (r < 0)
		return r;
	dir = open_init(dyno, &l.pid, &main_pid, err);
	if (dir < 0)
		return dir;
	l.dir = dir;
	r = look_setting(&l, dyno, err);
	if (r == 0)
		r = look_main(&l, dir, main_pid, err);
	if (r == 0)
		r = look_process(&l, err);
	if (r == 0 && pid > 0)
		r = look_inside(&l, dir, (uint32_t)pid, err);
	return r < 0 ? r : l.weaker;
}
