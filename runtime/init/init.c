/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dyno-init - pid 1 of every dyno.
 *
 * Theory of operation.  The launcher has built the root, dropped every privilege and executes this
 * image from a sealed memfd with the status channel on descriptor 3.  dyno-init starts the command
 * as pid 2 in a process group of its own, reports that, and then does three things for life: it
 * reaps, it passes on the signals the monitor asks for, and it watches the channel.  It ends when
 * the command ends (the kernel then kills what is left in the pid namespace) or when the monitor
 * is gone.
 *
 * It is libc-free because the start-up of a C library costs more than all of its work, and holds
 * no writable data: one page-aligned text segment and the stack.
 *
 * argv: "dyno-init" COMMAND [ARG...]; the environment is the command's own.  A COMMAND without a
 * slash is looked up along PATH, as execvp(3) does.  As "dyno-init-tty" it gives the command the
 * foreground of its terminal.  As "dyno-init+2" it gives the command two sockets that stand behind the
 * channel.  As "dyno-join" it does none of the above: the process becomes the command.
 */
#include <asm/errno.h>
#include <asm/fcntl.h>
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <asm/signal.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/signalfd.h>
#include <linux/time.h>
#include <linux/wait.h>

#include <stddef.h>
#include <stdint.h>

#include "init/proto.h"
#include "init/syscall.h"

/* Longest file name that is tried along PATH. Source: PATH_MAX, linux/limits.h */
#define EXEC_PATH_BYTES 4096
/* Stack of the vforked child: do_exec() and its path buffer. */
#define CHILD_STACK_WORDS 1024

/* Source: linux/socket.h, which is not exported to user space */
#define MSG_DONTWAIT 0x40
#define MSG_NOSIGNAL 0x4000

/* Status when the monitor is gone; nobody is left to read it. */
#define EXIT_ORPHANED 137

struct main_exec {
	char *const *argv;
	char *const *envp;
	char *path; /* EXEC_PATH_BYTES */
	int on_tty;
	int sockets;
	volatile int32_t errnum;
};

/* The compiler may call these for structures; there is no library to bring them. */
void *memset(void *dst, int c, size_t n);
void *memcpy(void *restrict dst, const void *restrict src, size_t n);

void *memset(void *dst, int c, size_t n)
{
	volatile unsigned char *d = dst;

	while (n--)
		*d++ = (unsigned char)c;
	return dst;
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	volatile unsigned char *d = dst;
	const unsigned char *s = src;

	while (n--)
		*d++ = *s++;
	return dst;
}

static __attribute__((noreturn)) void sys_exit(long code)
{
	for (;;)
		(void)SYS1(__NR_exit_group, code);
}

static uint64_t now_ns(void)
{
	struct __kernel_timespec t = {0, 0};

	(void)SYS2(__NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, &t); /* cannot fail */
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* A monitor that does not read is as good as gone; its hang-up is seen by the loop. */
static void tell(uint32_t type, int32_t value)
{
	struct init_msg msg = {.type = type, .value = value, .at_ns = now_ns()};

	(void)SYS5(__NR_sendto, INIT_CHANNEL_FD, &msg, sizeof(msg), MSG_NOSIGNAL | MSG_DONTWAIT,
		   NULL);
}

static const char *env_path(char *const *envp)
{
	for (; *envp; envp++) {
		const char *e = *envp;

		if (e[0] == 'P' && e[1] == 'A' && e[2] == 'T' && e[3] == 'H' && e[4] == '=')
			return e + 5;
	}
	return "/usr/local/bin:/usr/bin:/bin"; /* Source: contract 3.4 */
}

/* Joins a PATH element and a name; returns where the element ended, or NULL if it does not fit. */
static const char *join(char *buf, const char *dir, const char *name)
{
	size_t n = 0;

	while (*dir && *dir != ':') {
		if (n + 2 >= EXEC_PATH_BYTES)
			return NULL;
		buf[n++] = *dir++;
	}
	if (n && buf[n - 1] != '/')
		buf[n++] = '/';
	do {
		if (n >= EXEC_PATH_BYTES)
			return NULL;
		buf[n++] = *name;
	} while (*name++);
	return dir;
}

static int has_slash(const char *s)
{
	for (; *s; s++)
		if (*s == '/')
			return 1;
	return 0;
}

/*
 * The errno kept is the most telling one: a file that is there but may not be executed (126)
 * beats one that is not there (127).
 */
static int32_t exec_along_path(struct main_exec *m)
{
	const char *dir = env_path(m->envp);
	long kept = -ENOENT;
	long r;

	if (has_slash(m->argv[0]))
		return (int32_t)-SYS3(__NR_execve, m->argv[0], m->argv, m->envp);
	for (;;) {
		const char *end = join(m->path, dir, m->argv[0]);

		if (!end)
			return ENAMETOOLONG;
		r = SYS3(__NR_execve, m->path, m->argv, m->envp);
		if (r != -ENOENT && r != -ENOTDIR)
			kept = r;
		if (r != -ENOENT && r != -ENOTDIR && r != -EACCES)
			break;
		if (!*end)
			break;
		dir = end + 1;
	}
	return (int32_t)-kept;
}

/* [child] SIGTTOU is blocked, so that who is in the background may do this. In the background the
 * command would be stopped at its first read: where a filter refuses this it must not run. */
static int32_t take_foreground(void)
{
	int32_t group = (int32_t)SYS0(__NR_getpid);

	return (int32_t)-SYS3(__NR_ioctl, 0, TIOCSPGRP, &group);
}

/* [child] The command looks for them from 3 on: there the channel goes, which was never the command's. */
static int32_t place_sockets(int n)
{
	int i;

	for (i = 0; i < n; i++) {
		long r = SYS3(__NR_dup3, INIT_CHANNEL_FD + 1 + i, INIT_CHANNEL_FD + i, 0);

		if (r < 0)
			return (int32_t)-r;
	}
	return n > 0 ? (int32_t)-SYS1(__NR_close, INIT_CHANNEL_FD + n) : 0;
}

/* [child] of vfork: shares the memory of dyno-init until it executes; its descriptors are its own. */
static void do_exec(void *arg)
{
	struct main_exec *m = arg;
	uint64_t none = 0;

	/* A group of its own, so that a signal to the group spares dyno-init. */
	(void)SYS2(__NR_setpgid, 0, 0); /* a new child of pid 1: cannot fail */
	if (m->on_tty) {
		m->errnum = take_foreground();
		if (m->errnum)
			sys_exit(127);
	}
	m->errnum = place_sockets(m->sockets);
	if (m->errnum)
		sys_exit(127);
	(void)SYS4(__NR_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
	m->errnum = exec_along_path(m);
	sys_exit(127);
}

static __attribute__((noreturn)) void exec_failed(int32_t errnum)
{
	tell(INIT_MSG_EXEC_FAILED, errnum);
	sys_exit(errnum == ENOENT || errnum == ENOTDIR ? 127 : 126);
}

static _Noreturn void become_command(char *const *argv, char *const *envp)
{
	char path[EXEC_PATH_BYTES];
	struct main_exec m = {.argv = argv, .envp = envp, .path = path};

	tell(INIT_MSG_STARTED, (int32_t)SYS0(__NR_getpid));
	exec_failed(exec_along_path(&m));
}

static long start_main(char *const *argv, char *const *envp, int on_tty, int sockets)
{
	void *stack[CHILD_STACK_WORDS] __attribute__((aligned(16)));
	char path[EXEC_PATH_BYTES];
	struct main_exec m = {
		.argv = argv, .envp = envp, .path = path, .on_tty = on_tty, .sockets = sockets};
	long pid;
	int i;

	pid = sys_clone_call(CLONE_VM | CLONE_VFORK | SIGCHLD, stack + CHILD_STACK_WORDS, do_exec,
			     &m);
	if (pid < 0)
		exec_failed((int32_t)-pid);
	if (m.errnum)
		exec_failed(m.errnum);
	/* The command has them; who could still hold one open after it is none of its own. */
	for (i = 0; i < sockets; i++)
		(void)SYS1(__NR_close, INIT_CHANNEL_FD + 1 + i);
	return pid;
}

/*
 * A key of the terminal has stopped the command.  Nobody inside could continue it: there is no shell
 * above it, which is why a session's first process is never stopped so anywhere else.
 */
static int is_stopped_by_key(int status)
{
	return (status & 0xffff) == ((SIGTSTP << 8) | 0x7f);
}

/* Reaps whoever has ended; the end of the command is the end of the dyno. */
static void reap(long main_pid, int on_tty)
{
	for (;;) {
		int status = 0;
		long pid =
			SYS4(__NR_wait4, -1, &status, on_tty ? WNOHANG | WUNTRACED : WNOHANG, NULL);

		if (pid == -EINTR)
			continue;
		if (pid <= 0)
			return;
		if ((status & 0xff) == 0x7f) {
			if (pid == main_pid && is_stopped_by_key(status))
				(void)SYS2(__NR_kill, -main_pid,
					   SIGCONT); /* its group: all of it */
			continue;
		}
		if (pid == main_pid) {
			tell(INIT_MSG_EXITED, status);
			sys_exit((status & 0x7f) ? 128 + (status & 0x7f) : (status >> 8) & 0xff);
		}
	}
}

static void obey(const struct init_msg *msg, long main_pid)
{
	long target = -1; /* everybody but the caller, in this pid namespace */

	if (msg->type != INIT_MSG_SIGNAL || msg->value < 1 || msg->value > 64)
		return;
	if (msg->scope == INIT_SCOPE_GROUP)
		target = -main_pid;
	else if (msg->scope == INIT_SCOPE_MAIN)
		target = main_pid;
	(void)SYS2(__NR_kill, target, msg->value); /* nobody left is no failure */
}

static void hear(long main_pid)
{
	struct init_msg msg;
	long n = SYS3(__NR_read, INIT_CHANNEL_FD, &msg, sizeof(msg));

	if (n == 0)
		sys_exit(EXIT_ORPHANED);
	if (n == (long)sizeof(msg))
		obey(&msg, main_pid);
}

static __attribute__((noreturn)) void serve(long sigfd, long main_pid, int on_tty)
{
	struct pollfd p[2] = {
		{.fd = (int)sigfd, .events = POLLIN},
		{.fd = INIT_CHANNEL_FD, .events = POLLIN},
	};

	for (;;) {
		struct signalfd_siginfo si;
		long n = SYS5(__NR_ppoll, p, 2, NULL, NULL, 8);

		if (n < 0)
			continue;
		/* Signals first: the command's status must be told before a hang-up is obeyed. */
		if (p[0].revents & POLLIN) {
			(void)SYS3(__NR_read, sigfd, &si, sizeof(si));
			reap(main_pid, on_tty);
		}
		if (p[1].revents & POLLIN)
			hear(main_pid);
		else if (p[1].revents)
			sys_exit(EXIT_ORPHANED);
	}
}

/* Whether it is called @name, or that with a number of sockets. */
static int is_called(const char *a, const char *name)
{
	while (*a && *a == *name) {
		a++;
		name++;
	}
	return !*name && (!*a || *a == INIT_NAME_MORE);
}

static int count_sockets(const char *a)
{
	int n = 0;

	while (*a && *a != INIT_NAME_MORE)
		a++;
	while (*a && *++a >= '0' && *a <= '9')
		n = 10 * n + *a - '0';
	return n;
}

__attribute__((noreturn, used)) void init_main(long *stack);

void init_main(long *stack)
{
	long argc = stack[0];
	char **argv = (char **)(stack + 1);
	char **envp = argv + argc + 1;
	uint64_t all = ~(uint64_t)0;
	int on_tty;
	long sigfd;
	long pid;

	/* First of all: nobody inside may read or trace this process. */
	(void)SYS2(__NR_prctl, PR_SET_DUMPABLE, 0);
	(void)SYS3(__NR_fcntl, INIT_CHANNEL_FD, F_SETFD, FD_CLOEXEC);
	if (argc >= 2 && is_called(argv[0], INIT_NAME_JOIN))
		become_command(argv + 1, envp);
	(void)SYS2(__NR_prctl, PR_SET_NAME, INIT_NAME);
	(void)SYS4(__NR_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
	/*
	 * Every signal goes to the descriptor, not SIGCHLD alone: blocked signals that nobody
	 * takes would pile up against the user's RLIMIT_SIGPENDING.
	 */
	sigfd = SYS4(__NR_signalfd4, -1, &all, sizeof(all), SFD_CLOEXEC | SFD_NONBLOCK);
	if (sigfd < 0 || argc < 2)
		exec_failed(sigfd < 0 ? (int32_t)-sigfd : EINVAL);
	on_tty = is_called(argv[0], INIT_NAME_TTY);
	pid = start_main(argv + 1, envp, on_tty, count_sockets(argv[0]));
	tell(INIT_MSG_STARTED, (int32_t)pid);
	serve(sigfd, pid, on_tty);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall init_main\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x29, xzr\n\tmov x30, xzr\n\tmov x0, sp\n\tbl init_main\n");
#endif
