/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_clone.c - children by clone3, with and without the parent's memory, and where the call is
 * hidden (T47).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/clone.h"
#include "base/fd.h"
#include "base/proc.h"

#define STACK_BYTES 16384

struct work {
	int answer;
	int status;
	int in_cgroup; /* as clone_call() tells the child */
};

static void child_work(void *arg)
{
	struct work *w = arg;

	w->answer = 42;
	_exit(w->in_cgroup ? 99 : w->status);
}

static int run_child(uint64_t flags, struct work *w)
{
	char stack[STACK_BYTES] __attribute__((aligned(16)));
	const struct clone_plan plan = {
		.flags = flags,
		.stack = stack,
		.stack_bytes = sizeof(stack),
		.cgroup_fd = -1,
		.fn = child_work,
		.arg = w,
	};
	_cleanup_close_ int pidfd = -EBADF;
	int status = -1;
	pid_t pid = clone_call(&plan, &pidfd, &w->in_cgroup);

	assert_true(pid > 0);
	assert_int_equal(proc_wait(pidfd, &status), 0);
	return status;
}

static void clone_call__shared_memory__parent_sees_the_answer(void **state)
{
	struct work w = {.status = 7, .in_cgroup = 1};

	(void)state;
	assert_int_equal(run_child(CLONE_VM | CLONE_VFORK, &w), 7);
	assert_int_equal(w.answer, 42);
	assert_int_equal(w.in_cgroup, 0);
}

static void clone_call__own_memory__parent_does_not(void **state)
{
	struct work w = {.status = 8, .in_cgroup = 1};

	(void)state;
	assert_int_equal(run_child(0, &w), 8);
	assert_int_equal(w.answer, 0);
}

static void hide_clone3(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		_exit(90);
}

/* The old call cannot put a child into a group: the child must know, to join by itself. */
static bool tells_of_the_group(uint64_t flags)
{
	char stack[STACK_BYTES] __attribute__((aligned(16)));
	struct work w = {.status = 10, .in_cgroup = 1};
	_cleanup_close_ int group = open("/", O_PATH | O_CLOEXEC);
	_cleanup_close_ int pidfd = -EBADF;
	const struct clone_plan plan = {
		.flags = flags,
		.stack = stack,
		.stack_bytes = sizeof(stack),
		.cgroup_fd = group,
		.fn = child_work,
		.arg = &w,
	};
	int status = -1;

	return group >= 0 && clone_call(&plan, &pidfd, &w.in_cgroup) > 0 &&
	       proc_wait(pidfd, &status) == 0 && status == 10 && w.in_cgroup == 0;
}

/* T47: the old call does the same. */
static void clone_call__clone3_hidden__falls_back(void **state)
{
	static const uint64_t flags[] = {CLONE_VM | CLONE_VFORK, 0};
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		hide_clone3();
		for (size_t i = 0; i < 2; i++) {
			struct work w = {.status = 9};

			if (run_child(flags[i], &w) != 9)
				_exit(91);
			if (!tells_of_the_group(flags[i]))
				_exit(92);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void clone_call__impossible_flags__errno(void **state)
{
	char stack[STACK_BYTES] __attribute__((aligned(16)));
	const struct clone_plan plan = {
		.flags = CLONE_NEWNS | CLONE_FS, /* EINVAL: clone(2) */
		.stack = stack,
		.stack_bytes = sizeof(stack),
		.cgroup_fd = -1,
		.fn = child_work,
	};
	int pidfd = -EBADF;
	int in_cgroup = 5;

	(void)state;
	assert_int_equal(clone_call(&plan, &pidfd, &in_cgroup), -EINVAL);
	assert_int_equal(pidfd, -EBADF);
	assert_int_equal(in_cgroup, 5);
}

struct kin {
	pid_t pid;
	struct work w;
};

/* A child of the caller's parent, whose number is where the parent sees it. */
static void adopt_out(struct kin *k)
{
	const struct clone_plan plan = {
		.flags = CLONE_PARENT,
		.cgroup_fd = -1,
		.ret_pid = &k->pid,
		.fn = child_work,
		.arg = &k->w,
	};
	int pidfd = -7;
	pid_t pid = clone_call(&plan, &pidfd, &k->w.in_cgroup);

	_exit(pid > 0 && pid == k->pid && pidfd == -7 ? 0 : 93);
}

static void clone_call__for_the_parent__known_and_waited_for_by_it(void **state)
{
	size_t round;

	(void)state;
	for (round = 0; round < 2; round++) {
		struct kin *k = mmap(NULL, sizeof(*k), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		int status;
		pid_t pid;

		assert_ptr_not_equal(k, MAP_FAILED);
		k->w.status = 11;
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			if (round == 1)
				hide_clone3();
			adopt_out(k);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		/* Without a special flag: its signal is SIGCHLD, as any child's. */
		assert_int_equal(waitpid(k->pid, &status, 0), k->pid);
		assert_int_equal(WEXITSTATUS(status), 11);
		assert_int_equal(munmap(k, sizeof(*k)), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clone_call__shared_memory__parent_sees_the_answer),
		cmocka_unit_test(clone_call__own_memory__parent_does_not),
		cmocka_unit_test(clone_call__clone3_hidden__falls_back),
		cmocka_unit_test(clone_call__impossible_flags__errno),
		cmocka_unit_test(clone_call__for_the_parent__known_and_waited_for_by_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
