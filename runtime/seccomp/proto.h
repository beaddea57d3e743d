/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto.h - what dyno-seccomp is given and what it answers.  It reads one policy and writes one
 * answer, whose instructions follow it; then it ends, with status 0 whatever the answer says.
 */
#ifndef DYNO_SECCOMP_PROTO_H
#define DYNO_SECCOMP_PROTO_H

#include <stdint.h>

#include <dyno.h>

#define SECCOMP_HELPER "dyno-seccomp"

/* Longest policy. Source: Docker's own profile has 14 KiB; as much as a dyno-spec(5) */
#define SECCOMP_POLICY_MAX_BYTES (1024U * 1024U)

/* Changes with struct seccomp_answer. */
#define SECCOMP_ANSWER_MAGIC 0x64795301U

/* Its descriptors. */
enum seccomp_fd {
	SECCOMP_FD_POLICY = 0, /* a file, from its beginning */
	SECCOMP_FD_ANSWER = 1, /* a pipe */
	_SECCOMP_FD_MAX = 3,
};

/**
 * struct seccomp_answer - the beginning of the answer.
 * @failed: @err says why, and no instructions follow
 * @n: instructions that follow, as struct sock_filter
 * @unknown: names without a number, which were left out
 * @unknown_names: the first of them
 */
struct seccomp_answer {
	uint32_t magic;
	uint32_t failed;
	uint32_t n;
	uint32_t unknown;
	char unknown_names[200];
	struct dyno_err err;
};

#endif
