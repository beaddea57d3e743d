/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/unpack_cage.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>

#include "base/err.h"
#include "base/fd.h"
#include "kernel/userns.h"
#include "rootfs/unpack_limits.h"

/* The sanitizers map terabytes of shadow and make system calls of their own. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* The directories of one chain, one of a hard link's target, the file, the fixed ones, stdio. */
#define CAGE_FDS (UNPACK_DEPTH_MAX + 32)

/* ---- identity ------------------------------------------------------------------------------ */

static int become(const struct cage *cage, struct dyno_err *err)
{
	if (fchdir(cage->target_fd) < 0 || chroot(".") < 0)
		return err_set(err, ERR_HELPER, errno, "change root to the unpack directory");
	if (setgroups(0, NULL) < 0 || setresgid(cage->gid, cage->gid, cage->gid) < 0 ||
	    setresuid(cage->uid, cage->uid, cage->uid) < 0)
		return err_set(err, ERR_HELPER, errno, "become user %u for unpacking", cage->uid);
	/* The kernel forgets it at a change of user; the parent's death in between is seen as an
	 * end of file or EPIPE on the socket. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_set(err, ERR_HELPER, errno, "tie the unpacker to its parent");
	return 0;
}

/*
 * Without root: the new user namespace lends the right to change the root directory, and that goes
 * again.  To the file system the user is who he was.  An id map is for the eyes only, and a
 * security module may refuse it: the user then sees himself, and his files, as nobody's.
 */
static int shrink(const struct cage *cage, int proc_fd, uid_t uid, gid_t gid, struct dyno_err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	(void)userns_map_self(proc_fd, uid, uid, gid, NULL);
	if (fchdir(cage->target_fd) < 0)
		return err_set(err, ERR_HELPER, errno, "enter the unpack directory");
	if (chroot(".") < 0 && errno != EPERM) /* EPERM: no namespace was had; Landlock holds */
		return err_set(err, ERR_HELPER, errno, "change root to the unpack directory");
	if (syscall(SYS_capset, &head, none) < 0)
		return err_set(err, ERR_HELPER, errno, "empty the unpacker's capabilities");
	return 0;
}

static int leave(const struct cage *cage, struct dyno_err *err)
{
	const int apart = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;
	_cleanup_close_ int proc_fd = -EBADF;
	uid_t uid = geteuid();
	gid_t gid = getegid();

	/* What cannot be had (a limit, a security module) only makes the cage one bar thinner. */
	if (cage->drop) {
		(void)unshare(apart);
		return become(cage, err);
	}
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)unshare(apart | CLONE_NEWUSER);
	return shrink(cage, proc_fd, uid, gid, err);
}

static int limit(int resource, uint64_t value, struct dyno_err *err)
{
	struct rlimit r = {value, value};

	if (setrlimit((__rlimit_resource_t)resource, &r) < 0)
		return err_set(err, ERR_HELPER, errno, "limit the unpacker's resource %d",
			       resource);
	return 0;
}

static int limit_all(struct dyno_err *err)
{
	static const struct {
		int resource;
		uint64_t value;
	} limits[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_NOFILE, CAGE_FDS},
		{RLIMIT_FSIZE, UNPACK_TREE_MAX_BYTES},
		{RLIMIT_MEMLOCK, 0},
		{RLIMIT_MSGQUEUE, 0},
#if !SANITIZED
		{RLIMIT_AS, UNPACK_ADDRESS_SPACE_BYTES},
#endif
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit now;
		int r;

		/* A hard limit below ours is the caller's wish, and cannot be raised by all. */
		if (getrlimit((__rlimit_resource_t)limits[i].resource, &now) == 0 &&
		    now.rlim_max <= limits[i].value)
			continue;
		r = limit(limits[i].resource, limits[i].value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- Landlock ------------------------------------------------------------------------------ */

/* Hard links between directories need REFER, which came with this version of the interface; the
 * first one forbids them without a way to allow them. */
#define LANDLOCK_ABI_WITH_REFER 2
/* What later versions forbid besides. Source: linux/landlock.h of 6.14 */
#define LANDLOCK_ABI_WITH_TRUNCATE  3
#define LANDLOCK_ABI_WITH_NET	    4
#define LANDLOCK_ABI_WITH_IOCTL_DEV 5
#define LANDLOCK_ABI_WITH_SCOPE	    6

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif
#define CAGE_NET_ALL   3U /* bind and connect of TCP */
#define CAGE_SCOPE_ALL 3U /* abstract sockets, signals */

/* The build machine's header may be older; a kernel that is takes a longer struct when the members
 * it does not know are 0. */
struct cage_ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_WRITE                                                                               \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |                          \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM | \
	 LANDLOCK_ACCESS_FS_REFER)
#define ACCESS_ALL                                                                                 \
	(ACCESS_READ | ACCESS_WRITE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_SOCK |                             \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK)

/* What the target is not allowed is allowed nowhere. */
static struct cage_ruleset ruleset_of(long abi)
{
	struct cage_ruleset set = {.fs = ACCESS_ALL};

	if (abi >= LANDLOCK_ABI_WITH_TRUNCATE)
		set.fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi >= LANDLOCK_ABI_WITH_NET)
		set.net = CAGE_NET_ALL;
	if (abi >= LANDLOCK_ABI_WITH_IOCTL_DEV)
		set.fs |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
	if (abi >= LANDLOCK_ABI_WITH_SCOPE)
		set.scoped = CAGE_SCOPE_ALL;
	return set;
}

/* Best effort: without Landlock the root directory, the user and the filter still hold. */
static void confine_files(const struct cage *cage)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	const struct cage_ruleset set = ruleset_of(abi);
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = ACCESS_READ,
		.parent_fd = cage->target_fd,
	};
	_cleanup_close_ int fd = -EBADF;

	if (abi < LANDLOCK_ABI_WITH_REFER)
		return;
	if (cage->writes)
		beneath.allowed_access |= ACCESS_WRITE | (set.fs & LANDLOCK_ACCESS_FS_TRUNCATE);
	fd = (int)syscall(SYS_landlock_create_ruleset, &set, sizeof(set), 0);
	if (fd < 0)
		return;
	if (syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		return;
	(void)syscall(SYS_landlock_restrict_self, fd, 0);
}

int cage_enter(const struct cage *cage, struct dyno_err *err)
{
	int r = leave(cage, err);

	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_set(err, ERR_HELPER, errno, "drop the unpacker's privileges");
	r = limit_all(err);
	if (r < 0)
		return r;
	confine_files(cage);
	return 0;
}

/* ---- seccomp ------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define CAGE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define CAGE_ARCH AUDIT_ARCH_AARCH64
#else
#error "name the architecture's AUDIT_ARCH"
#endif

static const int allowed_calls[] = {
	/* bytes */
	SYS_read,
	SYS_write,
	SYS_pread64,
	SYS_lseek,
	SYS_close,
	/* the tree */
	SYS_openat,
	SYS_openat2,
	SYS_mkdirat,
	SYS_symlinkat,
	SYS_linkat,
	SYS_unlinkat,
	SYS_fchmodat,
	SYS_ftruncate,
	SYS_utimensat,
	SYS_newfstatat,
	SYS_fstat,
	SYS_statx,
	SYS_readlinkat,
	SYS_getdents64,
	SYS_fcntl,
	/* memory; malloc's first call draws a random number */
	SYS_getrandom,
	SYS_brk,
	SYS_mmap,
	SYS_munmap,
	SYS_mremap,
	SYS_mprotect,
	SYS_madvise,
	SYS_sysinfo, /* qsort(3) asks how much memory there is before it takes some */
	/* two threads, time, the end */
	SYS_futex,
	SYS_sched_yield,
	SYS_rt_sigprocmask,
	SYS_clock_gettime,
	SYS_restart_syscall,
	SYS_exit,
	SYS_exit_group,
};

#define CALLS	     ARRAY_SIZE(allowed_calls)
#define FILTER_HEAD  4
#define FILTER_TAIL  2
#define FILTER_STEPS (FILTER_HEAD + CALLS + FILTER_TAIL)

_Static_assert(CALLS < 255, "a BPF jump is eight bits wide");

/* load arch; other arch: kill; load the number; one comparison a call; kill; allow */
static void build_filter(struct sock_filter *f)
{
	size_t n = 0;

	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, arch));
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CAGE_ARCH, 1, 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < CALLS; i++) {
		/* to the last step: past the remaining comparisons and the kill */
		uint8_t skip = (uint8_t)(CALLS - i);

		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
						      (uint32_t)allowed_calls[i], skip, 0);
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
}

int cage_shut(struct dyno_err *err)
{
	struct sock_filter steps[FILTER_STEPS];
	struct sock_fprog prog = {.len = FILTER_STEPS, .filter = steps};
	long r;

	/* Its threads are made; as another user than its parent it can count on the limit. */
	(void)limit(RLIMIT_NPROC, 0, NULL);
	if (SANITIZED)
		return 0;
	build_filter(steps);
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);
	if (r != 0)
		return err_set(err, ERR_HELPER, r < 0 ? errno : EAGAIN,
			       "load the unpacker's seccomp filter");
	return 0;
}
