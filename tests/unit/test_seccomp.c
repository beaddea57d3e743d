/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_seccomp.c - the compiled programs against the policy they were made from, by an interpreter
 * of classic BPF, and the filter of this architecture against the running kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

#include "base/util.h"
#include "kernel/seccomp.h"
#include "tests/unit/bpf.h"

/* The shape of the generated rules: one entry for each number of a system call. */
struct seccomp_rule {
	uint32_t then;
	uint32_t otherwise;
	unsigned int n_alts;
	struct {
		unsigned int n;
		struct {
			unsigned int arg;
			uint32_t mask;
			uint32_t value;
		} tests[3];
	} alts[8];
};

#include "seccomp_default_rules.h"

/* Longest way through a program. Source: the kernel walks it for each number when it loads the
 * filter; twice what the search needs, a tenth of a list.  make bench-seccomp times it. */
#define STEPS_MAX 40

/* Numbers tried beyond the newest known one. */
#define NUMBERS_TRIED 700U

struct arch_case {
	const char *name;
	uint32_t audit;
	const struct seccomp_rule *rules;
	unsigned int newest;
	uint32_t beyond;
	uint32_t foreign;
	uint64_t foreign_from;
};

static const struct arch_case arch_cases[] = {
	{"x86_64", AUDIT_ARCH_X86_64, seccomp_default_rules_x86_64, seccomp_default_newest_x86_64,
	 seccomp_default_beyond_x86_64, seccomp_default_foreign_x86_64, 0x40000000U},
	{"aarch64", AUDIT_ARCH_AARCH64, seccomp_default_rules_aarch64,
	 seccomp_default_newest_aarch64, seccomp_default_beyond_aarch64,
	 seccomp_default_foreign_aarch64, 1ULL << 32},
};

/* Numbers from 6 on mean the upper halves of the arguments. */
static uint32_t half(const struct seccomp_data *data, unsigned int arg)
{
	return (uint32_t)(data->args[arg % 6] >> (arg < 6 ? 0 : 32));
}

static uint32_t expected(const struct arch_case *arch, const struct seccomp_data *data)
{
	const struct seccomp_rule *rule;
	uint32_t nr = (uint32_t)data->nr;

	if (data->arch != arch->audit || nr >= arch->foreign_from)
		return arch->foreign;
	if (nr > arch->newest)
		return arch->beyond;
	rule = &arch->rules[nr];
	if (rule->n_alts == 0)
		return rule->then;

	for (unsigned int a = 0; a < rule->n_alts; a++) {
		bool all = true;

		for (unsigned int t = 0; t < rule->alts[a].n; t++)
			all &= (half(data, rule->alts[a].tests[t].arg) &
				rule->alts[a].tests[t].mask) == rule->alts[a].tests[t].value;
		if (all)
			return rule->then;
	}
	return rule->otherwise;
}

static void compare(const struct arch_case *arch, const struct seccomp_data *data,
		    unsigned int *steps)
{
	size_t len = 0;
	const struct sock_filter *code =
		seccomp_profile_program(SECCOMP_PROFILE_DEFAULT, arch->audit, &len);
	uint32_t got, want = expected(arch, data);

	assert_non_null(code);
	got = interpret(code, len, data, steps);
	if (got != want)
		fail_msg("%s: arch 0x%x call %u args 0x%llx 0x%llx 0x%llx: 0x%x, expected 0x%x",
			 arch->name, data->arch, (uint32_t)data->nr,
			 (unsigned long long)data->args[0], (unsigned long long)data->args[1],
			 (unsigned long long)data->args[2], got, want);
}

/* Arguments around every value that a test of the policy names, with and without upper halves. */
static void compare_args(const struct arch_case *arch, uint32_t nr, unsigned int *steps)
{
	static const uint64_t values[] = {
		0,	1,	2,	  3,	      4,	  12,	      20,
		8,	9,	10,	  15,	      16,	  17,	      38,
		40,	0x80,	0x1000,	  0x11ed,     0x2000,	  0x4000,     0x6000,
		0x8000, 0xc1ff, 0x20000,  0x40000,    0x5411,	  0x5412,     0x541c,
		0x541d, 0x5423, 0x3d0f00, 0x7e020000, 0xffffffff, 0x02000000,
	};
	static const uint64_t highs[] = {0, 1ULL << 32, 0xffffffffULL << 32};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		for (size_t j = 0; j < ARRAY_SIZE(values); j++)
			for (size_t h = 0; h < ARRAY_SIZE(highs); h++) {
				struct seccomp_data data = {
					.nr = (int)nr,
					.arch = arch->audit,
					.args = {values[i] | highs[h], values[j] | highs[h],
						 values[(i + j) % ARRAY_SIZE(values)] | highs[h]},
				};

				compare(arch, &data, steps);
			}
}

static void program__every_number_and_argument__as_the_policy_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(arch_cases); i++) {
		const struct arch_case *arch = &arch_cases[i];
		unsigned int steps = 0;
		size_t len = 0;

		for (uint32_t nr = 0; nr < NUMBERS_TRIED; nr++)
			compare_args(arch, nr, &steps);
		(void)seccomp_profile_program(SECCOMP_PROFILE_DEFAULT, arch->audit, &len);
		print_message("%s: %zu instructions, the longest way takes %u\n", arch->name, len,
			      steps);
		assert_true(steps <= STEPS_MAX);
	}
}

/* T31: int 0x80, x32, and numbers that no table has. */
static void program__foreign_tables__refused(void **state)
{
	static const uint32_t arches[] = {
		AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64, 0,
		UINT32_MAX};
	static const uint32_t numbers[] = {0,	       1,	   59,	       470,
					   512,	       0x3fffffff, 0x40000000, 0x40000001,
					   0x4000003b, 0x7fffffff, 0x80000000, 0xffffffff};
	unsigned int steps = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(arch_cases); i++)
		for (size_t a = 0; a < ARRAY_SIZE(arches); a++)
			for (size_t n = 0; n < ARRAY_SIZE(numbers); n++) {
				struct seccomp_data data = {.nr = (int)numbers[n],
							    .arch = arches[a]};

				compare(&arch_cases[i], &data, &steps);
			}
}

static uint32_t native(long nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
	const struct arch_case *arch = &arch_cases[0];
	struct seccomp_data data = {.nr = (int)nr, .args = {a0, a1, a2}};
	const struct sock_filter *code;
	unsigned int steps = 0;
	size_t len = 0;

#if defined(__aarch64__)
	arch = &arch_cases[1];
#endif
	data.arch = arch->audit;
	code = seccomp_profile_program(SECCOMP_PROFILE_DEFAULT, arch->audit, &len);
	return interpret(code, len, &data, &steps);
}

#define ALLOW	    SECCOMP_RET_ALLOW
#define REFUSE(num) (SECCOMP_RET_ERRNO | (num))

/* Numbers from the C library's headers, not from the generator: names must have met the right
 * numbers.  T31, T33. */
static void program__known_calls__have_their_answer(void **state)
{
	static const struct {
		long nr;
		uint64_t a0, a1, a2;
		uint32_t want;
	} cases[] = {
		{SYS_read, 0, 0, 0, ALLOW},
		{SYS_openat2, 0, 0, 0, ALLOW},
		{SYS_execve, 0, 0, 0, ALLOW},
		{SYS_execveat, 0, 0, 0, ALLOW},
		{SYS_futex, 0, 0, 0, ALLOW},
		{SYS_getrandom, 0, 0, 0, ALLOW},
		{SYS_seccomp, 0, 0, 0, ALLOW},
		{SYS_clone, SIGCHLD, 0, 0, ALLOW},
		{SYS_clone, CLONE_VM | CLONE_FS | CLONE_THREAD | CLONE_SETTLS, 0, 0, ALLOW},
		{SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, REFUSE(EPERM)},
		{SYS_clone, CLONE_NEWNS, 0, 0, REFUSE(EPERM)},
		{SYS_clone, CLONE_NEWCGROUP, 0, 0, REFUSE(EPERM)},
		{SYS_clone3, 0, 0, 0, REFUSE(ENOSYS)},
		{SYS_unshare, CLONE_FS | CLONE_FILES, 0, 0, ALLOW},
		{SYS_unshare, CLONE_NEWUSER, 0, 0, REFUSE(EPERM)},
		{SYS_unshare, CLONE_NEWTIME, 0, 0, REFUSE(EPERM)},
		{SYS_setns, 0, 0, 0, REFUSE(EPERM)},
		{SYS_mount, 0, 0, 0, REFUSE(EPERM)},
		{SYS_fsopen, 0, 0, 0, REFUSE(EPERM)},
		{SYS_open_tree, 0, 0, 0, REFUSE(EPERM)},
		{SYS_mount_setattr, 0, 0, 0, REFUSE(EPERM)},
		{SYS_pivot_root, 0, 0, 0, REFUSE(EPERM)},
		{SYS_chroot, 0, 0, 0, REFUSE(EPERM)},
		{SYS_keyctl, 0, 0, 0, REFUSE(EPERM)},
		{SYS_add_key, 0, 0, 0, REFUSE(EPERM)},
		{SYS_bpf, 0, 0, 0, REFUSE(EPERM)},
		{SYS_perf_event_open, 0, 0, 0, REFUSE(EPERM)},
		{SYS_userfaultfd, 0, 0, 0, REFUSE(EPERM)},
		{SYS_io_uring_setup, 0, 0, 0, REFUSE(EPERM)},
		{SYS_open_by_handle_at, 0, 0, 0, REFUSE(EPERM)},
		{SYS_ptrace, 0, 0, 0, REFUSE(EPERM)},
		{SYS_process_vm_readv, 0, 0, 0, REFUSE(EPERM)},
		{SYS_kcmp, 0, 0, 0, REFUSE(EPERM)},
		{SYS_personality, 0, 0, 0, ALLOW},
		{SYS_personality, 0xffffffff, 0, 0, ALLOW},
		{SYS_personality, ADDR_NO_RANDOMIZE, 0, 0, REFUSE(EPERM)},
		{SYS_personality, READ_IMPLIES_EXEC, 0, 0, REFUSE(EPERM)},
		{SYS_socket, AF_UNIX, SOCK_STREAM, 0, ALLOW},
		{SYS_socket, AF_INET, SOCK_STREAM, 0, ALLOW},
		{SYS_socket, AF_INET6, SOCK_DGRAM, 17, ALLOW},
		{SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_TCP, ALLOW},
		{SYS_socket, AF_INET, SOCK_STREAM, 262 /* MPTCP */, ALLOW},
		{SYS_socket, AF_INET, SOCK_DGRAM, IPPROTO_ICMP, ALLOW},
		{SYS_socket, AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6, ALLOW},
		{SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_SCTP, REFUSE(EPERM)},
		{SYS_socket, AF_INET6, SOCK_SEQPACKET, IPPROTO_SCTP, REFUSE(EPERM)},
		{SYS_socket, AF_INET, SOCK_DCCP, IPPROTO_DCCP, REFUSE(EPERM)},
		{SYS_socket, AF_INET, SOCK_DGRAM, 115 /* L2TP */, REFUSE(EPERM)},
		{SYS_socket, AF_NETLINK, SOCK_RAW, 0, ALLOW},
		{SYS_socket, AF_NETLINK, SOCK_RAW, 4, REFUSE(EPERM)},
		{SYS_socket, AF_PACKET, SOCK_RAW, 0, REFUSE(EPERM)},
		{SYS_socket, AF_VSOCK, SOCK_STREAM, 0, REFUSE(EPERM)},
		{SYS_socket, AF_ALG, SOCK_SEQPACKET, 0, REFUSE(EPERM)},
		{SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ALLOW},
		{SYS_socketpair, AF_TIPC, SOCK_STREAM, 0, REFUSE(EPERM)},
		{SYS_ioctl, 0, TCGETS, 0, ALLOW},
		{SYS_ioctl, 0, TIOCSCTTY, 0, ALLOW},
		{SYS_ioctl, 0, TIOCSTI, 0, REFUSE(EPERM)},
		{SYS_ioctl, 0, TIOCSTI | 1ULL << 32, 0, REFUSE(EPERM)},
		{SYS_ioctl, 0, TIOCLINUX, 0, REFUSE(EPERM)},
		{SYS_ioctl, 0, TIOCSETD, 0, REFUSE(EPERM)},
		{SYS_mknodat, 0, 0, S_IFIFO | 0600, ALLOW},
		{SYS_mknodat, 0, 0, S_IFSOCK | 0600, ALLOW},
		{SYS_mknodat, 0, 0, S_IFREG | 0600, ALLOW},
		{SYS_mknodat, 0, 0, 0600, ALLOW},
		{SYS_mknodat, 0, 0, S_IFCHR | 0600, REFUSE(EPERM)},
		{SYS_mknodat, 0, 0, S_IFBLK | 0600, REFUSE(EPERM)},
		{SYS_setrlimit, RLIMIT_NOFILE, 1, 0, ALLOW},
		{SYS_setrlimit, RLIMIT_CORE, 1, 0, REFUSE(0)},
		{SYS_setrlimit, RLIMIT_CORE | 1ULL << 32, 1, 0, REFUSE(0)},
		{SYS_prlimit64, 0, RLIMIT_CORE, 0, ALLOW},
		{SYS_prlimit64, 0, RLIMIT_CORE, 4096, REFUSE(0)},
		{SYS_prlimit64, 0, RLIMIT_CORE, 1ULL << 32, REFUSE(0)},
		{SYS_prlimit64, 0, RLIMIT_CORE | 1ULL << 32, 1ULL << 32, REFUSE(0)},
		{SYS_prlimit64, 0, RLIMIT_CPU, 4096, ALLOW},
		{SYS_prlimit64, 0, RLIMIT_NPROC, 4096, ALLOW},
		{SYS_prlimit64, 0, RLIMIT_NOFILE, 4096, ALLOW},
		{SYS_prlimit64, 0, RLIMIT_SIGPENDING, 4096, ALLOW},
		{SYS_prlimit64, 0, RLIMIT_MSGQUEUE, 4096, ALLOW},
		{SYS_prlimit64, 0, RLIMIT_RTTIME, 4096, ALLOW},
		{SYS_reboot, 0, 0, 0, REFUSE(EPERM)},
		{SYS_swapon, 0, 0, 0, REFUSE(EPERM)},
		{SYS_init_module, 0, 0, 0, REFUSE(EPERM)},
		{SYS_kexec_load, 0, 0, 0, REFUSE(EPERM)},
		{SYS_settimeofday, 0, 0, 0, REFUSE(EPERM)},
		{SYS_quotactl, 0, 0, 0, REFUSE(EPERM)},
		{SYS_fanotify_init, 0, 0, 0, REFUSE(EPERM)},
		{SYS_memfd_secret, 0, 0, 0, REFUSE(EPERM)},
		{452 /* fchmodat2 */, 0, 0, 0, ALLOW},
		{470, 0, 0, 0, REFUSE(ENOSYS)},
		{100000, 0, 0, 0, REFUSE(ENOSYS)},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t got = native(cases[i].nr, cases[i].a0, cases[i].a1, cases[i].a2);

		if (got != cases[i].want)
			fail_msg("case %zu, call %ld: 0x%x, expected 0x%x", i, cases[i].nr, got,
				 cases[i].want);
	}
}

/* ---- RLIMIT_CORE alone ------------------------------------------------------------------------ */

static void program__core__holds_the_limit_and_nothing_else(void **state)
{
	static const struct {
		uint32_t arch;
		int nr;
		uint64_t a[3];
		uint32_t want;
	} cases[] = {
		{AUDIT_ARCH_X86_64, 160, {RLIMIT_CORE, 1, 0}, REFUSE(0)},
		{AUDIT_ARCH_X86_64, 160, {RLIMIT_CORE | 1ULL << 32, 1, 0}, REFUSE(0)},
		{AUDIT_ARCH_X86_64, 160, {RLIMIT_NOFILE, 1, 0}, ALLOW},
		{AUDIT_ARCH_X86_64, 302, {0, RLIMIT_CORE, 4096}, REFUSE(0)},
		{AUDIT_ARCH_X86_64, 302, {9, RLIMIT_CORE, 1ULL << 32}, REFUSE(0)},
		{AUDIT_ARCH_X86_64, 302, {0, RLIMIT_CORE | 1ULL << 32, 4096}, REFUSE(0)},
		{AUDIT_ARCH_X86_64, 302, {0, RLIMIT_CORE, 0}, ALLOW},
		{AUDIT_ARCH_X86_64, 302, {RLIMIT_CORE, RLIMIT_NOFILE, 4096}, ALLOW},
		{AUDIT_ARCH_X86_64, 0x40000000 | 160, {RLIMIT_CORE, 1, 0}, REFUSE(0)},
		{AUDIT_ARCH_X86_64, 0x40000000 | 302, {0, RLIMIT_CORE, 4096}, REFUSE(0)},
		{AUDIT_ARCH_X86_64, 75, {RLIMIT_CORE, 1, 0}, ALLOW}, /* fdatasync */
		{AUDIT_ARCH_I386, 75, {RLIMIT_CORE, 1, 0}, REFUSE(0)},
		{AUDIT_ARCH_I386, 75, {RLIMIT_CPU, 1, 0}, ALLOW},
		{AUDIT_ARCH_I386, 340, {0, RLIMIT_CORE, 4096}, REFUSE(0)},
		{AUDIT_ARCH_I386, 340, {0, RLIMIT_CORE, 0}, ALLOW},
		{AUDIT_ARCH_I386, 160, {RLIMIT_CORE, 1, 0}, ALLOW},
		{AUDIT_ARCH_AARCH64, 164, {RLIMIT_CORE, 1, 0}, REFUSE(0)},
		{AUDIT_ARCH_AARCH64, 164, {RLIMIT_AS, 1, 0}, ALLOW},
		{AUDIT_ARCH_AARCH64, 261, {0, RLIMIT_CORE, 4096}, REFUSE(0)},
		{AUDIT_ARCH_AARCH64, 261, {0, RLIMIT_CORE, 0}, ALLOW},
		{AUDIT_ARCH_ARM, 75, {RLIMIT_CORE, 1, 0}, REFUSE(0)},
		{AUDIT_ARCH_ARM, 369, {0, RLIMIT_CORE, 4096}, REFUSE(0)},
		{AUDIT_ARCH_ARM, 1, {0, RLIMIT_CORE, 4096}, ALLOW},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const bool arm =
			cases[i].arch == AUDIT_ARCH_ARM || cases[i].arch == AUDIT_ARCH_AARCH64;
		const struct seccomp_data data = {
			.nr = cases[i].nr,
			.arch = cases[i].arch,
			.args = {cases[i].a[0], cases[i].a[1], cases[i].a[2]},
		};
		unsigned int steps = 0;
		size_t len;
		const struct sock_filter *code = seccomp_profile_program(
			SECCOMP_PROFILE_CORE, arm ? AUDIT_ARCH_AARCH64 : AUDIT_ARCH_X86_64, &len);
		uint32_t got = interpret(code, len, &data, &steps);

		if (got != cases[i].want)
			fail_msg("case %zu: 0x%x, expected 0x%x", i, got, cases[i].want);
	}
}

/* ---- against the kernel ---------------------------------------------------------------------- */

#if defined(__x86_64__)
/* getpid of the 32-bit table. */
static long int80_getpid(void)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
	return ret;
}
#endif

static int fails_with(long ret, int num)
{
	return ret == -1 && errno == num;
}

/* Return: 0, or the number of the check that failed. Runs under the filter. */
static int checks_under_filter(void)
{
	int status;
	pid_t pid;

	if (getpid() <= 0)
		return 1;
	if (!fails_with(syscall(SYS_unshare, CLONE_NEWUSER), EPERM))
		return 2;
	if (!fails_with(syscall(SYS_clone3, NULL, 0), ENOSYS))
		return 3;
	if (!fails_with(syscall(SYS_mount, NULL, NULL, NULL, 0, NULL), EPERM))
		return 4;
	if (!fails_with(socket(AF_VSOCK, SOCK_STREAM, 0), EPERM))
		return 5;
	if (!fails_with(syscall(SYS_ioctl, -1, TIOCSTI, ""), EPERM))
		return 6;
	if (!fails_with(syscall(SYS_ioctl, -1, TCGETS, NULL), EBADF))
		return 7;
	if (!fails_with(syscall(470), ENOSYS))
		return 8;
	if (!fails_with(syscall(SYS_ptrace, 0, 0, 0, 0), EPERM))
		return 9;
	if (!fails_with(syscall(SYS_io_uring_setup, 1, NULL), EPERM))
		return 10;
	/* The C library's own fork, on whatever call it is built. */
	pid = fork();
	if (pid == 0)
		_exit(0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return 11;
#if defined(__x86_64__)
	if (int80_getpid() != -EPERM && int80_getpid() != -ENOSYS)
		return 12;
	if (!fails_with(syscall(0x40000000L + SYS_getpid), EPERM))
		return 13;
#endif
	return 0;
}

static void load__in_a_child__calls_are_refused_as_written(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		    seccomp_profile_load(SECCOMP_PROFILE_DEFAULT) != 0)
			_exit(99);
		_exit(checks_under_filter());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void load__profile_none__no_filter(void **state)
{
	(void)state;
	assert_int_equal(seccomp_profile_load(SECCOMP_PROFILE_NONE), 0);
	assert_int_equal(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
}

static void program__unknown_arch_or_profile__null(void **state)
{
	size_t len = 7;

	(void)state;
	assert_null(seccomp_profile_program(SECCOMP_PROFILE_DEFAULT, AUDIT_ARCH_I386, &len));
	assert_null(seccomp_profile_program(SECCOMP_PROFILE_NONE, AUDIT_ARCH_X86_64, &len));
	assert_int_equal(len, 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(program__every_number_and_argument__as_the_policy_says),
		cmocka_unit_test(program__foreign_tables__refused),
		cmocka_unit_test(program__core__holds_the_limit_and_nothing_else),
		cmocka_unit_test(program__known_calls__have_their_answer),
		cmocka_unit_test(program__unknown_arch_or_profile__null),
		cmocka_unit_test(load__in_a_child__calls_are_refused_as_written),
		cmocka_unit_test(load__profile_none__no_filter),
	};

	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL);
}
