/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.c - hands a program to the kernel: one system call.
 */
#include "kernel/seccomp.h"

#include <errno.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/seccomp.h>

#include "base/util.h"
#include "seccomp_default.h"

#include "base/childsafe.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && defined(__AARCH64EL__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "no seccomp program is compiled for this architecture: see runtime/seccomp/compile.c"
#endif

/* ---- RLIMIT_CORE alone ---------------------------------------------------------------------- */

#define LOAD(offset)	   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
#define LOAD_NUMBER	   LOAD(offsetof(struct seccomp_data, nr))
#define LOAD_ARCH	   LOAD(offsetof(struct seccomp_data, arch))
#define LOAD_LOW(n)	   LOAD(offsetof(struct seccomp_data, args[n]))
#define LOAD_HIGH(n)	   LOAD(offsetof(struct seccomp_data, args[n]) + 4)
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define ALLOW		   BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define SUCCEED		   BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO)

/* With the number loaded: setrlimit(CORE, ...), and prlimit64(..., CORE, not NULL, ...). */
#define HOLD_CORE(setrlimit, prlimit64)                                                            \
	IF(setrlimit, 0, 2), LOAD_LOW(0), IF(RLIMIT_CORE, 8, 7), IF(prlimit64, 0, 6), LOAD_LOW(1), \
		IF(RLIMIT_CORE, 0, 4), LOAD_LOW(2), IF(0, 0, 3), LOAD_HIGH(2), IF(0, 0, 1), ALLOW, \
		SUCCEED

/* x32 has the numbers of x86-64, with this bit. Source: asm/unistd.h */
#define X32_BIT 0x40000000U

/* The other table is looked at too: where nothing is refused, its calls are not. */
#define CORE_PROGRAM(arch, setrlimit, prlimit64, arch_32, setrlimit_32, prlimit64_32)     \
	{                                                                                 \
		LOAD_ARCH, IF(arch, 0, 14), LOAD_NUMBER,                                  \
			BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~X32_BIT),                    \
			HOLD_CORE(setrlimit, prlimit64), IF(arch_32, 0, 11), LOAD_NUMBER, \
			HOLD_CORE(setrlimit_32, prlimit64_32),                            \
	}

/* Source: the tables of system calls of the kernel: arch/x86/entry/syscalls, scripts/syscall.tbl,
 * arch/arm64/tools/syscall_32.tbl */
static const struct sock_filter core_x86_64[] =
	CORE_PROGRAM(AUDIT_ARCH_X86_64, 160, 302, AUDIT_ARCH_I386, 75, 340);
static const struct sock_filter core_aarch64[] =
	CORE_PROGRAM(AUDIT_ARCH_AARCH64, 164, 261, AUDIT_ARCH_ARM, 75, 369);

/* ---- programs ------------------------------------------------------------------------------- */

/* One program: of a profile, for an architecture. */
struct program {
	enum seccomp_profile profile;
	uint32_t audit_arch;
	const struct sock_filter *code;
	size_t len;
};

static const struct program programs[] = {
	{SECCOMP_PROFILE_DEFAULT, AUDIT_ARCH_X86_64, seccomp_default_x86_64,
	 ARRAY_SIZE(seccomp_default_x86_64)},
	{SECCOMP_PROFILE_DEFAULT, AUDIT_ARCH_AARCH64, seccomp_default_aarch64,
	 ARRAY_SIZE(seccomp_default_aarch64)},
	{SECCOMP_PROFILE_CORE, AUDIT_ARCH_X86_64, core_x86_64, ARRAY_SIZE(core_x86_64)},
	{SECCOMP_PROFILE_CORE, AUDIT_ARCH_AARCH64, core_aarch64, ARRAY_SIZE(core_aarch64)},
};

const struct sock_filter *seccomp_profile_program(enum seccomp_profile profile, uint32_t audit_arch,
						  size_t *ret_len)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		if (programs[i].profile != profile || programs[i].audit_arch != audit_arch)
			continue;
		*ret_len = programs[i].len;
		return programs[i].code;
	}
	return NULL;
}

const struct sock_filter *seccomp_native_program(enum seccomp_profile profile, size_t *ret_len)
{
	return seccomp_profile_program(profile, NATIVE_ARCH, ret_len);
}

int seccomp_profile_load(enum seccomp_profile profile)
{
	const struct sock_filter *code;
	size_t len = 0;

	if (profile == SECCOMP_PROFILE_NONE)
		return 0;
	code = seccomp_native_program(profile, &len);
	return code ? seccomp_program_load(code, len) : -EINVAL;
}

int seccomp_program_load(const struct sock_filter *code, size_t len)
{
	/* The kernel only reads it; the member is not const for older uses of the structure. */
	struct sock_fprog program = {
		.len = (unsigned short)len,
		.filter = (struct sock_filter *)(uintptr_t)code,
	};

	if (len == 0 || len > BPF_MAXINSNS)
		return -EINVAL;
	/* No TSYNC: between clone and exec there is one thread. */
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? 0 : -errno;
}

void seccomp_program_log(struct sock_filter *code, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (code[i].code == (BPF_RET | BPF_K) && code[i].k != SECCOMP_RET_ALLOW)
			code[i].k = SECCOMP_RET_LOG;
}

int seccomp_log_offered(void)
{
	const uint32_t action = SECCOMP_RET_LOG;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0 ? 0 : -errno;
}
