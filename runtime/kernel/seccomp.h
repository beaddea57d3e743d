/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.h - puts a system call filter on the calling process: one compiled in, or any program.
 * The policy of the default one is runtime/seccomp/default.policy, compiled at build time: at run
 * time nothing is parsed, allocated or linked for it.
 */
#ifndef DYNO_SECCOMP_H
#define DYNO_SECCOMP_H

#include <stddef.h>
#include <stdint.h>

#include <linux/filter.h>

/**
 * enum seccomp_profile - the filters compiled in.
 * @SECCOMP_PROFILE_NONE: no filter
 * @SECCOMP_PROFILE_DEFAULT: what an app may do, see default.policy
 * @SECCOMP_PROFILE_CORE: everything, but RLIMIT_CORE stays as it is: who sets it is told that it is
 *                        done, as by the default one.  What other filters refuse stays refused
 */
enum seccomp_profile {
	SECCOMP_PROFILE_NONE,
	SECCOMP_PROFILE_DEFAULT,
	SECCOMP_PROFILE_CORE,
	_SECCOMP_PROFILE_MAX,
};

/**
 * seccomp_profile_load() - filter the calling thread and all it starts, from now on.  [child]
 *
 * Should: be the last step before execve.
 * Mustn't: be called before no_new_privs is set, unless with CAP_SYS_ADMIN in the current user
 * namespace: the kernel says EACCES.
 * Return: 0 or -errno (-EACCES; -EINVAL and -ENOSYS: a kernel without seccomp filters).
 */
int seccomp_profile_load(enum seccomp_profile profile);

/**
 * seccomp_program_load() - the same with a program of @len instructions.  [child]
 * Return: as seccomp_profile_load(); -EINVAL also for a program that the kernel does not take.
 */
int seccomp_program_load(const struct sock_filter *code, size_t len);

/** seccomp_program_log() - make every answer but SECCOMP_RET_ALLOW into SECCOMP_RET_LOG. */
void seccomp_program_log(struct sock_filter *code, size_t len);

/** seccomp_log_offered() - whether the kernel has SECCOMP_RET_LOG.
 * Return: 0; -EOPNOTSUPP, or -EINVAL of a kernel that cannot be asked; -errno. */
int seccomp_log_offered(void);

/** seccomp_native_program() - seccomp_profile_program() for the architecture of this code. */
const struct sock_filter *seccomp_native_program(enum seccomp_profile profile, size_t *ret_len);

/**
 * seccomp_profile_program() - the program of a profile for an architecture, for tests and tools.
 * @audit_arch: AUDIT_ARCH_X86_64 or AUDIT_ARCH_AARCH64
 * @ret_len: instructions
 * Return: static memory; NULL when there is no such program (SECCOMP_PROFILE_NONE included).
 */
const struct sock_filter *seccomp_profile_program(enum seccomp_profile profile, uint32_t audit_arch,
						  size_t *ret_len);

#endif
