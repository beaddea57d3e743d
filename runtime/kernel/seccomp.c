/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.c - hands a program to the kernel: one system call.
 */
#include "kernel/seccomp.h"

#include <errno.h>
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
