/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clone.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/sched.h>

#include "base/util.h"

#if DYNO_ASAN
#include <sanitizer/asan_interface.h>
#endif

/* A child that shared the memory has marked the frames on its stack and never returned from one. */
static void forget_frames(const struct clone_plan *plan)
{
#if DYNO_ASAN
	if (plan->flags & CLONE_VM)
		ASAN_UNPOISON_MEMORY_REGION(plan->stack, plan->stack_bytes);
#else
	(void)plan;
#endif
}

/*
 * The child comes back from the system call on another stack, so nothing of this function's frame
 * may be touched in it: it takes its function and argument from the top of the new stack.
 */
#if defined(__x86_64__)
static long clone3_on_stack(struct clone_args *args, void **sp)
{
	long ret;

	(void)sp;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "pop %%rax\n\t"
			 "pop %%rdi\n\t"
			 "call *%%rax\n\t"
			 "ud2\n"
			 "1:"
			 : "=a"(ret)
			 : "0"((long)SYS_clone3), "D"(args), "S"(sizeof(*args))
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static long clone3_on_stack(struct clone_args *args, void **sp)
{
	register long x8 __asm__("x8") = SYS_clone3;
	register long x0 __asm__("x0") = (long)args;
	register long x1 __asm__("x1") = sizeof(*args);

	(void)sp;
	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "ldp x9, x0, [sp], #16\n\t"
			 "blr x9\n\t"
			 "brk #0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1)
			 : "x9", "x30", "memory");
	return x0;
}
#else
#error "clone.c knows x86-64 and arm64"
#endif

/* The two of them share an argument of clone(2): a child has one or the other. */
static uint64_t flag_of_result(const struct clone_plan *plan)
{
	return plan->ret_pid ? CLONE_PARENT_SETTID : CLONE_PIDFD;
}

static long clone3_plan(const struct clone_plan *plan, int *pidfd)
{
	struct clone_args args = {
		.flags = plan->flags | flag_of_result(plan),
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.parent_tid = (uint64_t)(uintptr_t)plan->ret_pid,
		.exit_signal = plan->flags & CLONE_PARENT ? 0 : SIGCHLD,
	};
	void **sp = (void **)((char *)plan->stack + plan->stack_bytes);
	long pid;

	if (plan->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)(unsigned int)plan->cgroup_fd;
	}
	if (plan->flags & CLONE_VM) {
		*--sp = plan->arg;
		memcpy(--sp, &plan->fn, sizeof(plan->fn));
		args.stack = (uint64_t)(uintptr_t)plan->stack;
		args.stack_size = (uint64_t)((char *)sp - (char *)plan->stack);
		pid = clone3_on_stack(&args, sp);
		return pid;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		plan->fn(plan->arg);
		_exit(127);
	}
	return pid < 0 ? -errno : pid;
}

struct old_child {
	void (*fn)(void *arg);
	void *arg;
};

static int old_child(void *arg)
{
	struct old_child *c = arg;

	c->fn(c->arg);
	return 127;
}

/* The call that every filter knows; the flags below 32 bits are the same. */
static long clone_plan_old(const struct clone_plan *plan, int *pidfd)
{
	struct old_child c = {.fn = plan->fn, .arg = plan->arg};
	/* With CLONE_PARENT the kernel does not look at the signal. */
	int flags = (int)(unsigned int)(plan->flags | flag_of_result(plan)) | SIGCHLD;
	int *result = plan->ret_pid ? plan->ret_pid : pidfd;
	long pid;

	if (plan->flags & CLONE_VM) {
		pid = clone(old_child, (char *)plan->stack + plan->stack_bytes, flags, &c, result);
		return pid < 0 ? -errno : pid;
	}
#if defined(__x86_64__)
	pid = syscall(SYS_clone, flags, NULL, result, NULL, 0);
#else
	pid = syscall(SYS_clone, flags, NULL, result, 0, NULL);
#endif
	if (pid == 0)
		_exit(old_child(&c));
	return pid < 0 ? -errno : pid;
}

pid_t clone_call(const struct clone_plan *plan, int *ret_pidfd, int *ret_in_cgroup)
{
	const int before = *ret_in_cgroup;
	int pidfd = -EBADF;
	long pid;

	*ret_in_cgroup = plan->cgroup_fd >= 0;
	pid = clone3_plan(plan, &pidfd);
	if (pid == -ENOSYS) {
		*ret_in_cgroup = 0;
		pid = clone_plan_old(plan, &pidfd);
	}
	if (pid < 0) {
		*ret_in_cgroup = before;
		return (pid_t)pid;
	}
	forget_frames(plan);
	if (!plan->ret_pid)
		*ret_pidfd = pidfd;
	return (pid_t)pid;
}
