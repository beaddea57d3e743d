/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor-init - process 1 of the floor program: starts the command, reaps, ends with its status.
 * It passes no signal on and tells nobody anything: what dyno-init does beyond this is not the
 * kernel's charge.  argv is the command's own.
 */
#include <asm/errno.h>
#include <asm/signal.h>
#include <linux/sched.h>

#include "init/syscall.h"

#define CHILD_STACK_WORDS 512

struct command {
	char **argv;
	char **envp;
};

static __attribute__((noreturn)) void end(long status)
{
	for (;;)
		(void)SYS1(__NR_exit_group, status);
}

/* Shares the memory of its parent until it executes. */
static void run(void *arg)
{
	const struct command *c = arg;

	(void)SYS2(__NR_setpgid, 0, 0);
	(void)SYS3(__NR_execve, c->argv[0], c->argv, c->envp);
	end(127);
}

__attribute__((noreturn, used)) void floor_init_main(long *stack);

void floor_init_main(long *stack)
{
	void *child_stack[CHILD_STACK_WORDS] __attribute__((aligned(16)));
	char **argv = (char **)(stack + 1);
	struct command c = {.argv = argv, .envp = argv + stack[0] + 1};
	long child = sys_clone_call(CLONE_VM | CLONE_VFORK | SIGCHLD,
				    child_stack + CHILD_STACK_WORDS, run, &c);

	if (child < 0)
		end(125);
	for (;;) {
		int status = 0;
		long pid = SYS4(__NR_wait4, -1, &status, 0, 0);

		if (pid == child)
			end((status & 0x7f) ? 128 + (status & 0x7f) : (status >> 8) & 0xff);
		if (pid < 0 && pid != -EINTR)
			end(125);
	}
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\t"
	"call floor_init_main\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x29, xzr\n\tmov x30, xzr\n\tmov x0, sp\n\t"
	"bl floor_init_main\n");
#endif
