/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - the table of probes, what they share, and why a user namespace was refused.
 */
#include "kernel/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/str.h"
#include "kernel/probe_priv.h"
#include "kernel/userns.h"

#define DYNO_PROBE_ROW(probe_name, function) {.name = (probe_name), .fn = (function)},
static const struct probe probes[] = {DYNO_PROBES(DYNO_PROBE_ROW)};
#undef DYNO_PROBE_ROW

const struct probe *probe_at(size_t i)
{
	return i < ARRAY_SIZE(probes) ? &probes[i] : NULL;
}

void probe_run(const struct probe *probe, const struct probe_ctx *ctx, struct probe_result *ret)
{
	*ret = (struct probe_result){.verdict = DYNO_OK};
	probe->fn(ctx, ret);
}

void probe_say(struct probe_result *ret, enum dyno_verdict verdict, const char *fmt, ...)
{
	va_list ap;

	ret->verdict = verdict;
	va_start(ap, fmt);
	(void)str_vfmt(ret->fact, sizeof(ret->fact), fmt, ap);
	va_end(ap);
}

void probe_fix(struct probe_result *ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)str_vfmt(ret->fix, sizeof(ret->fix), fmt, ap);
	va_end(ap);
}

void probe_say_syscall(struct probe_result *ret, int r, enum dyno_verdict verdict, const char *what,
		       const char *without)
{
	if (r >= 0) {
		probe_say(ret, DYNO_OK, "%s works", what);
		return;
	}
	probe_say(ret, verdict, "%s: %s; %s", what, err_errno_text(-r), without);
	if (r == -EPERM || r == -EACCES)
		probe_fix(ret,
			  "a security module or the seccomp filter of a container may forbid "
			  "it: allow %s there",
			  what);
	else
		probe_fix(ret, "use a newer kernel, or one built with it");
}

int probe_in_child(probe_child_fn fn, const struct probe_ctx *ctx)
{
	struct pollfd wait = {.events = POLLIN};
	int status = 0;
	int r;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		proc_reset_signals();
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* only tidier with it */
		r = fn(ctx);
		_exit(r < 0 && r > -128 ? -r : 0);
	}

	/* Without pidfds the wait has no end, but then this host cannot run dynos anyway. */
	wait.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	r = wait.fd < 0 ? 1 : poll(&wait, 1, PROBE_CHILD_MS);
	if (r == 0)
		(void)kill(pid, SIGKILL); /* our own child, not reaped yet: the pid is still its */
	close_fdp(&wait.fd);
	if (r == 0)
		/* A child that hangs in the kernel does not die: it is left to init. */
		return waitpid(pid, &status, WNOHANG) < 0 ? -errno : -ETIMEDOUT;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

int probe_enter_mounts(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (uid == 0) {
		if (unshare(CLONE_NEWNS) != 0)
			return -errno;
	} else {
		_cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
		int r;

		if (proc < 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
			return -errno;
		r = userns_map_self(proc, 0, uid, gid, NULL);
		if (r < 0)
			return r;
	}
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 ? 0 : -errno;
}

void probe_existing_dir(const char *path, char *buf, size_t size)
{
	struct stat st;

	(void)str_fmt(buf, size, "%s", path);
	while (stat(buf, &st) != 0 || !S_ISDIR(st.st_mode)) {
		char *slash = strrchr(buf, '/');

		if (!slash || slash == buf) {
			(void)str_fmt(buf, size, "/");
			return;
		}
		*slash = '\0';
	}
}

int probe_read_file(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -errno : fd_read_full(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	if (n < 0)
		return (int)n;
	if (n > 0 && buf[n - 1] == '\n')
		buf[n - 1] = '\0';
	return 0;
}

long probe_read_long(const char *path)
{
	char text[32];
	uint64_t value;

	if (probe_read_file(path, text, sizeof(text)) != 0 ||
	    num_parse_u64(text, INT64_MAX, &value) != 0)
		return -1;
	return (long)value;
}

/* ---- why a user namespace was refused -------------------------------------------------------- */

static void reason_sysctl(struct dyno_err *err, int num)
{
	(void)err_set(err, ERR_USERNS_SYSCTL, num,
		      "make a user namespace: kernel.unprivileged_userns_clone is 0");
	err_hint(err, "as root: sysctl -w kernel.unprivileged_userns_clone=1, or run dyno as root");
}

static void reason_limit(struct dyno_err *err, int num, long max)
{
	if (max == 0)
		(void)err_set(err, ERR_USERNS_LIMIT, num,
			      "make a user namespace: user.max_user_namespaces is 0");
	else
		(void)err_set(
			err, ERR_USERNS_LIMIT, num,
			"make a user namespace: user.max_user_namespaces (%ld) is reached, or "
			"32 are nested",
			max);
	err_hint(err, "as root: sysctl -w user.max_user_namespaces=15000");
}

static void reason_apparmor(struct dyno_err *err, int num)
{
	(void)err_set(err, ERR_USERNS_APPARMOR, num,
		      "use a user namespace: kernel.apparmor_restrict_unprivileged_userns is 1");
	err_hint(err, "as root: give dyno an AppArmor profile with \"userns,\", or "
		      "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
}

static void reason_seccomp(struct dyno_err *err, int num)
{
	(void)err_set(err, ERR_USERNS_SECCOMP, num,
		      "make a user namespace: a seccomp filter is on this process and says no");
	err_hint(err, "inside a container allow clone, unshare and setns with namespaces there, "
		      "such as --security-opt seccomp=unconfined");
}

static void reason_other(struct dyno_err *err, const struct userns_facts *f)
{
	(void)err_set(err, ERR_USERNS, f->num, "make a user namespace");
	if (f->num == EPERM && f->chrooted)
		err_hint(err, "the kernel makes none for a process in a chroot: use pivot_root or "
			      "a container instead");
	else if (f->num == EINVAL || f->num == ENOSYS)
		err_hint(err, "use a kernel built with CONFIG_USER_NS");
	else if (f->num == EPERM || f->num == EACCES)
		err_hint(err,
			 "a security module may forbid it: see the kernel log and dyno doctor");
	else
		err_hint(err, "dyno doctor shows what the host lacks");
}

int probe_userns_reason(const struct userns_facts *f, struct dyno_err *err)
{
	bool denied = f->num == EPERM || f->num == EACCES;

	/* The kernel's own order: limits are counted first, then the sysctls and modules say no. */
	if (f->num == ENOSPC || f->num == EUSERS || (denied && f->max_namespaces == 0))
		reason_limit(err, f->num, f->max_namespaces);
	else if (denied && !f->root && f->unprivileged_clone == 0)
		reason_sysctl(err, f->num);
	else if (denied && f->chrooted)
		reason_other(err, f);
	else if (denied && !f->root && f->apparmor_restrict == 1)
		reason_apparmor(err, f->num);
	else if ((denied || f->num == ENOSYS) && f->seccomp_mode == 2)
		reason_seccomp(err, f->num);
	else
		reason_other(err, f);
	return -f->num;
}

/* The mode in "Seccomp:" of /proc/self/status; 0 where it is not shown. */
static int read_seccomp_mode(void)
{
	char text[4096];
	const char *at;

	if (probe_read_file("/proc/self/status", text, sizeof(text)) != 0)
		return 0;
	at = strstr(text, "\nSeccomp:\t");
	return at ? at[STRLEN("\nSeccomp:\t")] - '0' : 0;
}

/* Whether `/` is certainly a chroot: not the root of any mount.  A chroot into a mount point looks
 * like the real thing from here. */
static int is_chrooted(void)
{
	struct statx root;

	if (statx(AT_FDCWD, "/", 0, 0, &root) != 0)
		return 0;
	return (root.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0 &&
	       (root.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0;
}

int probe_explain_limit(int num, struct dyno_err *err)
{
	static const char *const kinds[] = {"mnt", "pid", "ipc", "uts", "net"};
	char path[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		(void)str_fmt(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", kinds[i]);
		if (probe_read_long(path) != 0)
			continue;
		(void)err_set(err, ERR_HOST_LIMIT, num,
			      "make the dyno's namespaces: user.max_%s_namespaces is 0", kinds[i]);
		err_hint(err, "as root: sysctl -w user.max_%s_namespaces=15000", kinds[i]);
		return 1;
	}
	return 0;
}

int probe_explain_userns(int num, struct dyno_err *err)
{
	const struct userns_facts facts = {
		.num = num,
		.unprivileged_clone = probe_read_long("/proc/sys/kernel/unprivileged_userns_clone"),
		.max_namespaces = probe_read_long("/proc/sys/user/max_user_namespaces"),
		.apparmor_restrict =
			probe_read_long("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
		.seccomp_mode = read_seccomp_mode(),
		.chrooted = is_chrooted(),
		.root = geteuid() == 0,
	};

	return probe_userns_reason(&facts, err);
}
