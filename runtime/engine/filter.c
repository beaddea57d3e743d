/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "kernel/seccomp.h"
#include "rootfs/store.h"
#include "seccomp/proto.h"

#define WORD_DEFAULT	"default"
#define WORD_UNCONFINED "unconfined"

/* Where the kernel says which actions it logs. */
#define ACTIONS_LOGGED "/proc/sys/kernel/seccomp/actions_logged"

const char *filter_file(const char *setting)
{
	if (!setting || str_eq(setting, WORD_DEFAULT) || str_eq(setting, WORD_UNCONFINED))
		return NULL;
	return setting;
}

static int no_memory(struct dyno_err *err)
{
	return err_set(err, ERR_MEMORY, ENOMEM, "keep the system call filter");
}

static int warn(struct filter *f, const char *text, struct dyno_err *err)
{
	if (!text || f->n_warnings == FILTER_WARNINGS_MAX)
		return no_memory(err);
	f->warnings[f->n_warnings++] = text;
	return 0;
}

/* ---- a policy of the user's ------------------------------------------------------------------- */

/* By the caller's own rights, and never a fifo or a device that would hold up the start. */
static int open_policy(const char *path, int *ret_fd, struct dyno_err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0) {
		err_set(err, ERR_SECCOMP, errno, "open the policy %s", path);
		if (err->num == ENOENT)
			err_hint(err, WORD_DEFAULT ", " WORD_UNCONFINED " or a file's path");
		return -err->num;
	}
	if (fstat(fd, &st) < 0)
		return err_set(err, ERR_SECCOMP, errno, "look at the policy %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_SECCOMP, 0, "use the policy %s: it is no regular file",
			       path);
	if (st.st_size > (off_t)SECCOMP_POLICY_MAX_BYTES)
		return err_set(err, ERR_SECCOMP, EFBIG, "use the policy %s: it is over %u bytes",
			       path, SECCOMP_POLICY_MAX_BYTES);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* The whole of what the helper says, at the end of which it has ended. */
static int ask_helper(const char *libexec_dir, int policy_fd, struct arena *arena,
		      const char **ret_text, size_t *ret_len, struct dyno_err *err)
{
	const size_t most =
		sizeof(struct seccomp_answer) + BPF_MAXINSNS * sizeof(struct sock_filter);
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF, pidfd = -EBADF;
	char path[PATH_MAX], *text = NULL;
	const char *argv[] = {path, NULL};
	int ends[2], status = 0, waited;
	int r = store_helper_find(libexec_dir, SECCOMP_HELPER, path, sizeof(path), err);

	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, ERR_HELPER, errno, "make a pipe to " SECCOMP_HELPER);
	ours = ends[0];
	theirs = ends[1];

	const int fds[_SECCOMP_FD_MAX] = {policy_fd, theirs, STDERR_FILENO};
	const struct proc_spawn how = {
		.argv = argv, .fds = fds, .n_fds = ARRAY_SIZE(fds), .exe_fd = -EBADF};

	r = proc_spawn(&how, &pidfd, err);
	if (r < 0)
		return r;
	close_fdp(&theirs);
	r = fd_read_all(ours, most, arena, &text, ret_len);
	close_fdp(&ours); /* one that says too much is ended by that */
	waited = proc_wait(pidfd, &status);
	if (r < 0 || waited < 0)
		return err_set(err, ERR_HELPER, r < 0 ? -r : -waited, "hear from " SECCOMP_HELPER);
	if (*ret_len == 0)
		return err_set(err, ERR_HELPER, 0,
			       SECCOMP_HELPER " ended with status %d and no word", status);
	*ret_text = text;
	return 0;
}

static int refused(const char *path, struct seccomp_answer *answer, struct dyno_err *err)
{
	answer->err.msg[sizeof(answer->err.msg) - 1] = '\0';
	answer->err.hint[sizeof(answer->err.hint) - 1] = '\0';
	if (err) {
		*err = answer->err;
		err_context(err, "use the policy %s", path);
		err_hint(err, "the forms of a policy are in `man dyno-run`");
	}
	return answer->err.num > 0 && answer->err.num < 4096 ? -answer->err.num : -EINVAL;
}

static int take_answer(const char *path, const char *text, size_t len, struct arena *arena,
		       struct filter *ret, struct dyno_err *err)
{
	char shown[PATH_MAX], names[sizeof(((struct seccomp_answer *)NULL)->unknown_names) * 4];
	struct seccomp_answer answer;
	struct sock_filter *code;

	if (len < sizeof(answer))
		return err_set(err, ERR_HELPER, EPROTO, SECCOMP_HELPER " is of another version");
	memcpy(&answer, text, sizeof(answer));
	if (answer.magic != SECCOMP_ANSWER_MAGIC)
		return err_set(err, ERR_HELPER, EPROTO, SECCOMP_HELPER " is of another version");
	if (answer.failed)
		return refused(path, &answer, err);
	if (answer.n == 0 || len - sizeof(answer) != answer.n * sizeof(*code))
		return err_set(err, ERR_HELPER, EPROTO, SECCOMP_HELPER " ended too early");

	code = arena_calloc(arena, answer.n, sizeof(*code));
	if (!code)
		return no_memory(err);
	memcpy(code, text + sizeof(answer), answer.n * sizeof(*code));
	ret->code = code;
	ret->len = answer.n;
	ret->own = true;
	if (answer.unknown == 0)
		return 0;
	answer.unknown_names[sizeof(answer.unknown_names) - 1] = '\0';
	return warn(ret,
		    arena_fmt(arena,
			      "left out of the policy %s, as no such system call is known (%u): %s",
			      str_escape(shown, sizeof(shown), path), answer.unknown,
			      str_escape(names, sizeof(names), answer.unknown_names)),
		    err);
}

static int compile(const char *path, const char *libexec_dir, struct arena *arena,
		   struct filter *ret, struct dyno_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	const char *text = NULL;
	size_t len = 0;
	int r = open_policy(path, &fd, err);

	if (r == 0)
		r = ask_helper(libexec_dir, fd, arena, &text, &len, err);
	return r < 0 ? r : take_answer(path, text, len, arena, ret, err);
}

/* ---- logging ---------------------------------------------------------------------------------- */

/* Whether the kernel's list of actions that reach its log has "log". */
static bool logs_reach_anybody(struct arena *arena)
{
	_cleanup_close_ int fd = open(ACTIONS_LOGGED, O_RDONLY | O_CLOEXEC);
	char *text;
	size_t len;

	if (fd < 0 || fd_read_all(fd, 4096, arena, &text, &len) < 0)
		return true; /* not to be known */
	for (char *save = NULL, *word = strtok_r(text, " \n", &save); word;
	     word = strtok_r(NULL, " \n", &save))
		if (str_eq(word, "log"))
			return true;
	return false;
}

/* A copy of the program that refuses nothing, and has the kernel log what it would have refused. */
static int log_only(struct arena *arena, struct filter *f, struct dyno_err *err)
{
	size_t len = f->len;
	const struct sock_filter *from =
		f->code ? f->code : seccomp_native_program(SECCOMP_PROFILE_DEFAULT, &len);
	struct sock_filter *code;
	int r = seccomp_log_offered();

	if (r < 0) {
		err_set(err, ERR_KERNEL, -r, "log system calls: the kernel has no such action");
		err_hint(err, "leave --seccomp-log out, or use Linux 4.14 or later");
		return r;
	}
	code = arena_calloc(arena, len, sizeof(*code));
	if (!code)
		return no_memory(err);
	memcpy(code, from, len * sizeof(*code));
	seccomp_program_log(code, len);
	f->code = code;
	f->len = len;
	r = warn(f,
		 "system calls that the filter refuses are let through, and logged by the kernel",
		 err);
	if (r == 0 && !logs_reach_anybody(arena))
		r = warn(f, "the kernel logs no system calls: add \"log\" to " ACTIONS_LOGGED, err);
	return r;
}

/* ---- the whole -------------------------------------------------------------------------------- */

int filter_find(const struct dyno_run_opts *opts, const char *libexec_dir, struct arena *arena,
		struct filter *ret, struct dyno_err *err)
{
	const char *file = filter_file(opts->seccomp);
	struct filter f = {0};
	int r = 0;

	f.unconfined = opts->seccomp && str_eq(opts->seccomp, WORD_UNCONFINED);
	if (f.unconfined && opts->seccomp_log) {
		err_set(err, ERR_USAGE, 0, "log what no filter would refuse");
		err_hint(err, "--seccomp-log goes with " WORD_DEFAULT " or a policy");
		return -EINVAL;
	}
	if (f.unconfined)
		r = warn(&f, "no system call filter: the dyno may make any call that its user may",
			 err);
	if (r == 0 && file)
		r = compile(file, libexec_dir, arena, &f, err);
	if (r == 0 && opts->seccomp_log)
		r = log_only(arena, &f, err);
	if (r == 0)
		*ret = f;
	return r;
}
