/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper.c - dyno-seccomp: compiles a user's policy for the machine it runs on.  A program of its
 * own, so that no start without such a policy loads a library for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "seccomp/policy.h"
#include "seccomp/proto.h"

/* "6.1.0-13-amd64": what stands behind the second number is the distribution's. */
static void read_release(const char *release, struct policy_host *ret)
{
	const char *dot = strchr(release, '.');
	char major[16], minor[16];
	uint32_t n = 0;

	if (!dot)
		return; /* older than any */
	(void)str_fmt(major, sizeof(major), "%.*s", (int)(dot - release), release);
	(void)str_fmt(minor, sizeof(minor), "%.*s", (int)strspn(dot + 1, "0123456789"), dot + 1);
	if (num_parse_u32(major, UINT16_MAX, &n) == 0)
		ret->kernel_major = n;
	n = 0;
	if (num_parse_u32(minor, UINT16_MAX, &n) == 0)
		ret->kernel_minor = n;
}

static int find_host(struct policy_host *ret, struct dyno_err *err)
{
	struct utsname host;

	if (uname(&host) < 0)
		return err_set(err, ERR_SECCOMP, errno, "ask for the machine's name");
	read_release(host.release, ret);
	for (size_t i = 0; i < policy_n_arches; i++) {
		if (!str_eq(policy_arches[i].name, host.machine))
			continue;
		ret->arch = &policy_arches[i];
		return 0;
	}
	return err_set(err, ERR_SECCOMP, 0, "no policy is compiled for a machine of the kind %s",
		       host.machine);
}

static int compile(struct arena *arena, struct policy_numbers *numbers,
		   struct policy_program *program, struct dyno_err *err)
{
	struct policy *policy = arena_calloc(arena, 1, sizeof(*policy));
	struct policy_host host = {0};
	char *text;
	size_t len;
	int r;

	if (!policy)
		return err_set(err, ERR_MEMORY, ENOMEM, "read the policy");
	r = find_host(&host, err);
	if (r < 0)
		return r;
	r = fd_read_all(SECCOMP_FD_POLICY, SECCOMP_POLICY_MAX_BYTES, arena, &text, &len);
	if (r < 0)
		return err_set(err, ERR_SECCOMP, -r, "read it");
	if (text[strspn(text, " \t\r\n")] == '{')
		r = policy_read_json(text, len, &host, policy, err);
	else
		r = policy_read_text(text, len, policy, err);
	if (r == 0)
		r = policy_resolve(policy, host.arch, true, numbers, err);
	if (r == 0)
		r = policy_compile(policy, host.arch, numbers, program, err);
	return r;
}

/* The program was made from its end. */
static void turn(struct policy_program *g)
{
	for (unsigned int i = 0, k = g->n; i + 1 < k--; i++) {
		struct sock_filter f = g->code[i];

		g->code[i] = g->code[k];
		g->code[k] = f;
	}
}

static int answer(const struct seccomp_answer *head, const struct policy_program *program)
{
	const size_t len = head->n * sizeof(program->code[0]);

	if (fd_write_full(SECCOMP_FD_ANSWER, head, sizeof(*head)) != (ssize_t)sizeof(*head))
		return 1;
	return fd_write_full(SECCOMP_FD_ANSWER, program->code, len) == (ssize_t)len ? 0 : 1;
}

int main(void)
{
	static struct policy_numbers numbers;
	static struct policy_program program;
	struct seccomp_answer head = {.magic = SECCOMP_ANSWER_MAGIC};
	_cleanup_arena_ struct arena arena = {0};

	head.failed = compile(&arena, &numbers, &program, &head.err) < 0;
	if (!head.failed) {
		turn(&program);
		head.n = program.n;
		head.unknown = numbers.unknown;
		memcpy(head.unknown_names, numbers.unknown_names, sizeof(head.unknown_names));
	}
	return answer(&head, &program);
}
