/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.c - start a helper program.
 *
 * Theory of operation: the child is cloned with CLONE_VM | CLONE_VFORK.  It runs in our memory on
 * a stack of its own while we stand still, so nothing is copied, whatever our size, and its report
 * of a failure is simply written into our variable.  Between clone and exec it allocates nothing,
 * touches no stdio, and all signals are blocked until it has no handler of ours any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"

#if DYNO_ASAN
#include <sanitizer/asan_interface.h>
#endif

#include "base/childsafe.h"

/* The child's frames come to 3 KiB (gcc -fstack-usage), under a sanitizer to four times that. */
#define SPAWN_STACK_BYTES 65536
#define SPAWN_GUARD_BYTES 4096

/* Most take a handful: stdio, a slug, a target directory, a status channel; a monitor takes 20. */
#define SPAWN_FDS_MAX 24

/* Source: rt_sigaction(2): the size of the kernel's set, not of libc's. */
#define KERNEL_SIGSET_BYTES 8
#define KERNEL_SIGNALS	    64

struct spawn_child {
	const struct proc_spawn *how;
	pid_t parent;
	bool failed;
	struct dyno_err err;
};

void proc_reset_signals(void)
{
	/* Zeroes stand for SIG_DFL, no flags, an empty mask in the kernel's struct, which is no
	 * larger on any architecture.  The raw call, because libc keeps 32 and 33 to itself. */
	const uint64_t dfl[8] = {0};

	for (long sig = 1; sig <= KERNEL_SIGNALS; sig++)
		(void)syscall(SYS_rt_sigaction, sig, dfl, NULL,
			      KERNEL_SIGSET_BYTES); /* not 9, 19 */
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, dfl, NULL, KERNEL_SIGSET_BYTES);
}

static size_t target_fds(const struct proc_spawn *how)
{
	return how->n_fds > 3 ? how->n_fds : 3;
}

/* A descriptor at or above @least that stays clear of the numbers about to be filled. [child] */
static int lift_fd(int fd, int least)
{
	int up;

	if (fd >= least)
		return fd;
	if (fd >= 0) {
		up = fcntl(fd, F_DUPFD_CLOEXEC, least);
		return up < 0 ? -errno : up;
	}

	fd = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	up = fcntl(fd, F_DUPFD_CLOEXEC, least);
	return up < 0 ? -errno : up;
}

/*
 * Puts the caller's descriptors in place: first all are lifted above the target numbers, then each
 * is put down, so that no order of sources and targets can overwrite one. [child]
 */
static int arrange_fds(const struct proc_spawn *how, int *ret_exe, struct dyno_err *err)
{
	int lifted[SPAWN_FDS_MAX];
	const size_t n = target_fds(how);
	int exe = how->exe_fd;

	if (exe >= 0) {
		exe = lift_fd(exe, (int)n);
		if (exe < 0)
			return err_set(err, ERR_HELPER, -exe, "duplicate the program's descriptor");
	}
	for (size_t i = 0; i < n; i++) {
		lifted[i] = lift_fd(i < how->n_fds ? how->fds[i] : -1, (int)n);
		if (lifted[i] < 0)
			return err_set(err, ERR_HELPER, -lifted[i], "duplicate descriptor for %zu",
				       i);
	}
	for (size_t i = 0; i < n; i++)
		if (dup3(lifted[i], (int)i, 0) < 0)
			return err_set(err, ERR_HELPER, errno, "duplicate descriptor to %zu", i);

	if (syscall(SYS_close_range, (unsigned int)n, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return err_set(err, ERR_HELPER, errno, "close the other descriptors");

	*ret_exe = exe;
	return 0;
}

/* Everything up to the exec; returns only on failure. [child] */
static void become_helper(struct spawn_child *c)
{
	static const char *const no_env[] = {NULL};
	const struct proc_spawn *how = c->how;
	const char *const *env = how->envp ? how->envp : no_env;
	int exe = -EBADF;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
		(void)err_set(&c->err, ERR_HELPER, errno, "tie %s to its parent", how->argv[0]);
		return;
	}
	/* The parent may have died before the line above: then no signal will come. */
	if (getppid() != c->parent) {
		(void)err_set(&c->err, ERR_HELPER, ESRCH, "tie %s to its parent", how->argv[0]);
		return;
	}
	if (how->new_session && setsid() < 0) {
		(void)err_set(&c->err, ERR_HELPER, errno, "start a session for %s", how->argv[0]);
		return;
	}
	if (arrange_fds(how, &exe, &c->err) < 0)
		return;

	proc_reset_signals();
	/* They return only to fail; the raw call, since libc's wants pointers to what is const. */
	if (exe >= 0)
		(void)syscall(SYS_execveat, exe, "", how->argv, env, AT_EMPTY_PATH);
	else
		(void)syscall(SYS_execve, how->argv[0], how->argv, env);
	(void)err_set(&c->err, ERR_HELPER, errno, "execute %s", how->argv[0]);
}

static int spawn_main(void *data)
{
	struct spawn_child *c = data;

	become_helper(c);
	c->failed = true;
	_exit(127);
}

/* Clones with all signals blocked: a handler of ours must not run in the child's shadow of us. */
static int clone_blocked(struct spawn_child *c, unsigned char *stack_top)
{
	const uint64_t all = ~UINT64_C(0);
	uint64_t before = 0;
	int pidfd = -EBADF, num = 0;

	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, KERNEL_SIGSET_BYTES);
	if (clone(spawn_main, stack_top, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, c,
		  &pidfd) < 0)
		num = errno;
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, KERNEL_SIGSET_BYTES);

	return num ? -num : pidfd;
}

/* The child's frames never return, so a sanitizer's red zones around their variables would stay
 * and be met by whoever is given these pages next. */
static void free_stack(unsigned char *stack, size_t size)
{
#if DYNO_ASAN
	ASAN_UNPOISON_MEMORY_REGION(stack, size);
#endif
	(void)munmap(stack, size); /* cannot fail for a mapping of ours */
}

int proc_spawn(const struct proc_spawn *how, int *ret_pidfd, struct dyno_err *err)
{
	struct spawn_child c = {.how = how, .parent = getpid()};
	const size_t size = SPAWN_GUARD_BYTES + SPAWN_STACK_BYTES;
	unsigned char *stack;
	int pidfd, status;

	if (how->n_fds > SPAWN_FDS_MAX)
		return err_set(err, ERR_INTERNAL, E2BIG, "start %s with %zu descriptors",
			       how->argv[0], how->n_fds);

	stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK,
		     -1, 0);
	if (stack == MAP_FAILED)
		return err_set(err, ERR_MEMORY, errno, "start %s", how->argv[0]);
	if (mprotect(stack, SPAWN_GUARD_BYTES, PROT_NONE) < 0) {
		pidfd = -errno;
		free_stack(stack, size);
		return err_set(err, ERR_MEMORY, -pidfd, "start %s", how->argv[0]);
	}

	pidfd = clone_blocked(&c, stack + size);
	free_stack(stack, size);
	if (pidfd < 0)
		return err_set(err, ERR_HELPER, -pidfd, "start %s", how->argv[0]);

	if (c.failed) {
		(void)proc_wait(pidfd, &status); /* it has ended; only the zombie is of interest */
		close_fdp(&pidfd);
		if (err)
			*err = c.err;
		return -c.err.num;
	}
	*ret_pidfd = pidfd;
	return 0;
}
