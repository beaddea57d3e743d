/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_helper.c - finding the helper programs, starting dyno-unpack and talking to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "places.h"
#include "rootfs/pack_proto.h"
#include "rootfs/store_internal.h"

_Static_assert((int)PACK_FD_CONTROL == (int)UNPACK_FD_CONTROL, "one place for every helper");

/* Exit statuses from here on are 128 + the signal. Source: proc_wait(). */
#define STATUS_SIGNAL 128

/* Where the helpers are, seen from the directory of the program or library: beside it in a build,
 * else where they are installed. */
static const char *const helper_places[] = {"", "../libexec/dyno/"};

/* A choice between places, not a check of rights: the exec that follows has the last word. */
static bool is_there(const char *path)
{
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

/* A library may lie further away from them, below lib/TRIPLET, or be part of any program. */
static int find_installed(const char *name, char *buf, size_t size)
{
	return str_fmt(buf, size, "%s/%s", LIBEXEC_DIR, name) < size && is_there(buf) ? 0 : -ENOENT;
}

int store_helper_find(const char *libexec_dir, const char *name, char *buf, size_t size,
		      struct dyno_err *err)
{
	char own[4096];
	int r;

	if (libexec_dir) {
		if (str_fmt(buf, size, "%s/%s", libexec_dir, name) < size && is_there(buf))
			return 0;
		return err_set(err, ERR_HELPER, errno, "find the helper program %s/%s", libexec_dir,
			       name);
	}
	r = proc_code_dir(own, sizeof(own));
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(helper_places); i++)
		if (str_fmt(buf, size, "%s%s%s", own, helper_places[i], name) < size &&
		    is_there(buf))
			return 0;
	if (find_installed(name, buf, size) == 0)
		return 0;
	(void)err_set(err, ERR_HELPER, ENOENT, "find the helper program %s beside %s or in %s",
		      name, r == 0 ? own : "the library", LIBEXEC_DIR);
	err_hint(err,
		 "install dyno as a whole: `make install`, or run it from its build directory");
	return -ENOENT;
}

/* Arguments of a helper, behind its path. */
#define ARGS_MAX 3

/* Run a helper; @args end with NULL. The place of the socket in @fds is filled in. */
static int start(const char *libexec_dir, const char *name, const char *const *args, int *fds,
		 size_t n_fds, struct helper *ret, struct dyno_err *err)
{
	_cleanup_close_ int ours = -EBADF;
	_cleanup_close_ int theirs = -EBADF;
	char path[4096];
	const char *argv[ARGS_MAX + 2] = {path};
	const struct proc_spawn how = {
		.argv = argv,
		.fds = fds,
		.n_fds = n_fds,
		.exe_fd = -EBADF,
	};
	int sockets[2];
	int r = store_helper_find(libexec_dir, name, path, sizeof(path), err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARGS_MAX && args[i]; i++)
		argv[i + 1] = args[i];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return err_set(err, ERR_HELPER, errno, "make a socket pair");
	ours = sockets[0];
	theirs = sockets[1];
	fds[UNPACK_FD_CONTROL] = theirs;
	r = proc_spawn(&how, &ret->pidfd, err);
	if (r < 0)
		return r;
	ret->control = take_fd(&ours);
	ret->name = name;
	return 0;
}

int helper_start(const char *libexec_dir, const char *mode, int archive_fd, int target_fd,
		 int manifest_fd, struct helper *ret, struct dyno_err *err)
{
	int fds[UNPACK_FD_COUNT] = {
		[STDIN_FILENO] = -1,
		[STDOUT_FILENO] = -1,
		[STDERR_FILENO] = STDERR_FILENO,
		[UNPACK_FD_ARCHIVE] = archive_fd,
		[UNPACK_FD_TARGET] = target_fd,
		[UNPACK_FD_MANIFEST] = manifest_fd,
	};

	const char *const args[] = {mode, NULL};

	return start(libexec_dir, "dyno-unpack", args, fds, ARRAY_SIZE(fds), ret, err);
}

int helper_say_go(struct helper *helper, const struct unpack_go *go, struct dyno_err *err)
{
	struct unpack_msg msg = {.kind = UNPACK_MSG_GO};
	ssize_t n;

	msg.u.go = *go;
	do
		n = send(helper->control, &msg, sizeof(msg), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(msg))
		return err_set(err, ERR_HELPER, errno, "tell %s to go on", helper->name);
	return 0;
}

static int died(struct helper *helper, struct dyno_err *err)
{
	int status = 0;
	int r = proc_wait(helper->pidfd, &status);

	close_fdp(&helper->pidfd);
	if (r < 0)
		return err_set(err, ERR_HELPER, -r, "wait for %s", helper->name);
	if (status == STATUS_SIGNAL + SIGSYS)
		return err_set(err, ERR_HELPER, 0, "%s was stopped by its own system call filter",
			       helper->name);
	if (status == STATUS_SIGNAL + SIGKILL) {
		r = err_set(err, ERR_HELPER, 0, "%s was killed", helper->name);
		err_hint(err, "the host may be out of memory: see `dmesg`");
		return r;
	}
	if (status == STATUS_SIGNAL + SIGPIPE)
		return err_set(err, ERR_IO, EPIPE, "write the archive");
	if (status > STATUS_SIGNAL)
		return err_set(err, ERR_HELPER, 0, "%s died by signal %d on this slug",
			       helper->name, status - STATUS_SIGNAL);
	return err_set(err, ERR_HELPER, 0, "%s ended with status %d and no word", helper->name,
		       status);
}

int store_wait(int fd, int cancel_fd, struct dyno_err *err)
{
	struct pollfd p[] = {
		{.fd = fd, .events = POLLIN},
		{.fd = cancel_fd > 0 ? cancel_fd : -1, .events = POLLIN},
	};

	while (poll(p, ARRAY_SIZE(p), -1) < 0)
		if (errno != EINTR)
			return err_set(err, ERR_IO, errno, "wait for the slug");
	return p[1].revents ? err_set(err, ERR_CANCELLED, EINTR, "wait for the slug") : 0;
}

int helper_hear(struct helper *helper, struct unpack_msg *ret, struct dyno_err *err)
{
	int r = store_wait(helper->control, helper->cancel_fd, err);
	ssize_t n;

	if (r < 0)
		return r;
	do
		n = recv(helper->control, ret, sizeof(*ret), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(err, ERR_HELPER, errno, "hear from %s", helper->name);
	if (n == 0)
		return died(helper, err);
	if (n != (ssize_t)sizeof(*ret))
		return err_set(err, ERR_HELPER, EPROTO, "%s is of another version", helper->name);
	if (ret->kind != UNPACK_MSG_ERROR)
		return 0;

	/* It has read hostile bytes: its text is not trusted to end, nor its number to be one. */
	ret->u.err.msg[sizeof(ret->u.err.msg) - 1] = '\0';
	ret->u.err.hint[sizeof(ret->u.err.hint) - 1] = '\0';
	if (err)
		*err = ret->u.err;
	return ret->u.err.num > 0 && ret->u.err.num < 4096 ? -ret->u.err.num : -EINVAL;
}

void helper_done(struct helper *helper)
{
	int status;

	close_fdp(&helper->control);
	if (helper->pidfd < 0)
		return;
	/* It may be in the middle of its work, which nobody wants any more. */
	(void)proc_kill(helper->pidfd, SIGKILL);
	(void)proc_wait(helper->pidfd, &status); /* what it did was told, or is of no interest */
	close_fdp(&helper->pidfd);
}

/* ---- packing -------------------------------------------------------------------------------- */

static int hear_pack(struct helper *helper, const char *dir, store_progress_fn progress, void *data,
		     char *ret_digest, struct dyno_err *err)
{
	struct unpack_msg msg;

	for (;;) {
		struct dyno_progress p = {.what = "pack", .name = dir};
		int r = helper_hear(helper, &msg, err);

		if (r < 0 || msg.kind == UNPACK_MSG_DONE)
			return r;
		if (msg.kind == UNPACK_MSG_DIGEST) {
			if (ret_digest)
				(void)checksum_digest(msg.u.digest, ret_digest);
			continue;
		}
		p.done_bytes = msg.u.progress.done_bytes;
		if (progress)
			progress(data, &p);
	}
}

int store_pack(const char *dir, int out_fd, const char *libexec_dir, store_progress_fn progress,
	       void *data, char *ret_digest, struct dyno_err *err)
{
	_cleanup_close_ int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(helper_done) struct helper helper = HELPER_INIT;
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	uint64_t seconds;
	int r;

	if (dir_fd < 0)
		return err_set(err, ERR_SLUG_OPEN, errno, "open the directory %s", dir);
	if (epoch && num_parse_u64(epoch, INT32_MAX, &seconds) < 0)
		return err_set(err, ERR_USAGE, 0, "SOURCE_DATE_EPOCH is no time in seconds: %.40s",
			       epoch);

	int fds[PACK_FD_COUNT] = {
		[STDIN_FILENO] = -1,
		[STDOUT_FILENO] = out_fd,
		[STDERR_FILENO] = STDERR_FILENO,
		[PACK_FD_DIR] = dir_fd,
	};

	const char *const args[] = {epoch ? epoch : PACK_DEFAULT_TIME, NULL};

	r = start(libexec_dir, "dyno-pack", args, fds, ARRAY_SIZE(fds), &helper, err);
	return r < 0 ? r : hear_pack(&helper, dir, progress, data, ret_digest, err);
}

int store_pack_copy(const struct copyout_source *source, int out_fd, const char *libexec_dir,
		    store_progress_fn progress, void *data, struct dyno_err *err)
{
	_cleanup_(helper_done) struct helper helper = HELPER_INIT;
	const char *const args[] = {PACK_COPY, source->name, source->label, NULL};
	int fds[PACK_FD_COUNT] = {
		[STDIN_FILENO] = -1,
		[STDOUT_FILENO] = out_fd,
		[STDERR_FILENO] = STDERR_FILENO,
		[PACK_FD_DIR] = source->dir_fd,
	};
	int r = start(libexec_dir, "dyno-pack", args, fds, ARRAY_SIZE(fds), &helper, err);

	return r < 0 ? r : hear_pack(&helper, source->label, progress, data, NULL, err);
}
