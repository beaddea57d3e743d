/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_kernel.c - probes of system calls: each is made once, as a launch would make it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/landlock.h>
#include <linux/openat2.h>
#include <linux/sched.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/listen.h"
#include "kernel/probe_priv.h"
#include "kernel/seccomp.h"
#include "kernel/userns.h"

void probe_kernel(const struct probe_ctx *ctx, struct probe_result *ret)
{
	struct utsname u;

	(void)ctx;
	if (uname(&u) != 0)
		probe_say(ret, DYNO_WARN, "uname: %s", err_errno_text(errno));
	else
		probe_say(ret, DYNO_OK, "%s %s %s", u.sysname, u.release, u.machine);
}

static int child_userns(const struct probe_ctx *ctx)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	_cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	(void)ctx;
	if (proc < 0 || unshare(CLONE_NEWUSER) != 0)
		return -errno;
	r = userns_map_self(proc, 0, uid, gid, NULL);
	if (r < 0)
		return r;
	/* AppArmor's restriction lets the namespace be made and then takes its capabilities. */
	return unshare(CLONE_NEWNS) == 0 ? 0 : -errno;
}

void probe_userns(const struct probe_ctx *ctx, struct probe_result *ret)
{
	struct dyno_err err = {0};
	int r = probe_in_child(child_userns, ctx);

	if (r == 0) {
		probe_say(ret, DYNO_OK, "made, mapped, and capabilities work inside");
		return;
	}
	(void)probe_explain_userns(-r, &err);
	probe_say(ret, DYNO_MISSING, "%s: %s", err.msg, err_errno_text(-r));
	probe_fix(ret, "%s", err.hint);
}

static int child_clone3(const struct probe_ctx *ctx)
{
	int pidfd = -EBADF;
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	siginfo_t info = {0};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	(void)ctx;
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(0);
	return waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) == 0 ? 0 : -errno;
}

void probe_clone3(const struct probe_ctx *ctx, struct probe_result *ret)
{
	probe_say_syscall(ret, probe_in_child(child_clone3, ctx), DYNO_FALLBACK, "clone3",
			  "clone is used, and the group is joined afterwards");
}

static int child_pidfd(const struct probe_ctx *ctx)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	(void)ctx;
	if (fd < 0 || syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) != 0)
		return -errno;
	return 0;
}

void probe_pidfd(const struct probe_ctx *ctx, struct probe_result *ret)
{
	probe_say_syscall(ret, probe_in_child(child_pidfd, ctx), DYNO_MISSING, "pidfd_open",
			  "dyno cannot watch processes without it");
}

static int child_openat2(const struct probe_ctx *ctx)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd =
		root < 0 ? -1 : (int)syscall(SYS_openat2, root, ".", &how, sizeof(how));

	(void)ctx;
	return fd < 0 ? -errno : 0;
}

void probe_openat2(const struct probe_ctx *ctx, struct probe_result *ret)
{
	probe_say_syscall(ret, probe_in_child(child_openat2, ctx), DYNO_FALLBACK, "openat2",
			  "paths are walked part by part, links in them refused");
}

static int child_close_range(const struct probe_ctx *ctx)
{
	(void)ctx;
	return close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0 ? 0 : -errno;
}

void probe_close_range(const struct probe_ctx *ctx, struct probe_result *ret)
{
	probe_say_syscall(ret, probe_in_child(child_close_range, ctx), DYNO_FALLBACK, "close_range",
			  "descriptors are closed one by one");
}

/* Not to be run, only to be recognised: the file exists, is executable, and is no program. */
static int child_memfd(const struct probe_ctx *ctx)
{
	static const char data[] = "no program";
	static char *const none[] = {NULL};
	_cleanup_close_ int fd = fd_memfd_sealed("dyno-probe", data, sizeof(data));

	(void)ctx;
	if (fd < 0)
		return fd;
	(void)syscall(SYS_execveat, fd, "", none, none, AT_EMPTY_PATH);
	return errno == ENOEXEC ? 0 : -errno;
}

void probe_memfd(const struct probe_ctx *ctx, struct probe_result *ret)
{
	int r = probe_in_child(child_memfd, ctx);

	if (r == -EACCES) {
		probe_say(ret, DYNO_MISSING, "programs in memory may not be executed");
		probe_fix(ret, "as root: sysctl -w vm.memfd_noexec=0");
		return;
	}
	probe_say_syscall(ret, r, DYNO_MISSING, "execveat of a sealed memfd",
			  "dyno-init is started that way");
}

static int child_seccomp(const struct probe_ctx *ctx)
{
	int r;

	(void)ctx;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	r = seccomp_profile_load(SECCOMP_PROFILE_DEFAULT);
	if (r < 0)
		return r;
	/* Loaded is not enough: it must bite. */
	return syscall(SYS_keyctl, 0, 0, 0, 0, 0) == -1 && errno == EPERM ? 0 : -ENOTRECOVERABLE;
}

void probe_seccomp(const struct probe_ctx *ctx, struct probe_result *ret)
{
	probe_say_syscall(ret, probe_in_child(child_seccomp, ctx), DYNO_MISSING, "seccomp filter",
			  "no dyno runs without");
}

/* Source: see unpack_cage.c */
#define LANDLOCK_ABI_WANTED 2

void probe_landlock(const struct probe_ctx *ctx, struct probe_result *ret)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	(void)ctx;
	if (abi >= LANDLOCK_ABI_WANTED)
		probe_say(ret, DYNO_OK, "ABI %ld", abi);
	else if (abi >= 0)
		probe_say(ret, DYNO_FALLBACK,
			  "ABI %ld cannot allow hard links; the unpacker is caged by namespaces, "
			  "ids and limits alone",
			  abi);
	else
		probe_say(ret, DYNO_FALLBACK,
			  "%s; the unpacker is caged by namespaces, ids and limits alone",
			  err_errno_text(errno));
	if (abi < 0 && errno == EOPNOTSUPP)
		probe_fix(ret, "add landlock to lsm= on the kernel command line");
}

void probe_sock_diag(const struct probe_ctx *ctx, struct probe_result *ret)
{
	_cleanup_close_ int fd = -EBADF;
	struct listen_fact fact = {0};
	int r = listen_probe_open(&fd);

	(void)ctx;
	if (r == 0)
		r = listen_probe_all(fd, 1, LISTEN_ANY_UID, &fact);
	if (r < 0) {
		probe_say(ret, DYNO_MISSING, "listeners cannot be asked for: %s",
			  err_errno_text(-r));
		probe_fix(ret, "modprobe tcp_diag");
	} else {
		probe_say(ret, DYNO_OK, "%u TCP listeners on this host", fact.n_total);
	}
}
