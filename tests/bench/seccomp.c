/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.c - what loading the default filter costs a start, beside the same allow-list as
 * libseccomp makes it by default (one comparison after the other).  Rounds are interleaved, each
 * load in a fresh child; prints microseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include "base/clock.h"
#include "base/util.h"
#include "kernel/seccomp.h"

#define ROUNDS 400

/* Length of the list. Source: calls that common container profiles allow; SPEED's comparison. */
#define LIST_CALLS 273

#if defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#endif

struct program {
	const char *name;
	struct sock_fprog bpf;
	double us[ROUNDS];
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* One load in a child. Return: its time in microseconds. */
static double load_once(const struct sock_fprog *bpf, uint64_t *shared_ns)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		uint64_t began;

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
			_exit(1);
		began = clock_ns();
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, bpf) != 0)
			_exit(1);
		*shared_ns = clock_ns() - began;
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die("load");
	return (double)*shared_ns / 1000;
}

/* The list, written by libseccomp into a file in memory and read back. */
static void make_list(struct sock_fprog *bpf)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(1));
	struct sock_filter *code = calloc(BPF_MAXINSNS, sizeof(*code));
	int fd = memfd_create("list", MFD_CLOEXEC);
	ssize_t n;

	if (!filter || !code || fd < 0)
		die("make the list");
	for (int i = 0; i < LIST_CALLS; i++)
		if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, i, 0) != 0)
			die("add a rule");
	if (seccomp_export_bpf(filter, fd) != 0)
		die("export the list");
	n = pread(fd, code, BPF_MAXINSNS * sizeof(*code), 0);
	if (n <= 0)
		die("read the list");
	bpf->filter = code;
	bpf->len = (unsigned short)((size_t)n / sizeof(*code));
	(void)close(fd); /* in memory */
	seccomp_release(filter);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int main(void)
{
	struct program programs[] = {{.name = "default"}, {.name = "list"}};
	uint64_t *shared_ns = mmap(NULL, sizeof(*shared_ns), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct sock_filter *code;
	size_t len = 0;

	code = seccomp_profile_program(SECCOMP_PROFILE_DEFAULT, NATIVE_ARCH, &len);
	if (!code || shared_ns == MAP_FAILED)
		die("set up");
	programs[0].bpf.filter = (struct sock_filter *)(uintptr_t)code;
	programs[0].bpf.len = (unsigned short)len;
	make_list(&programs[1].bpf);

	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
			programs[i].us[round] = load_once(&programs[i].bpf, shared_ns);

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		qsort(programs[i].us, ROUNDS, sizeof(double), compare);
		printf("%-8s %4u instructions  p10 %6.1f  p50 %6.1f  p90 %6.1f us\n",
		       programs[i].name, (unsigned int)programs[i].bpf.len,
		       programs[i].us[ROUNDS / 10], programs[i].us[ROUNDS / 2],
		       programs[i].us[ROUNDS * 9 / 10]);
	}
	return 0;
}
