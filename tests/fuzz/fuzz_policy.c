/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_policy.c - any bytes as a policy of system calls.  What is accepted becomes a program that
 * the kernel takes: every jump stays within it, and it ends with an answer.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "seccomp/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct policy_numbers numbers;
	static struct policy_program g;
	const struct policy_host host = {&policy_arches[size % 2], 6, 1};
	struct policy *p = calloc(1, sizeof(*p));
	const char *text = (const char *)data;
	struct dyno_err err = {0};
	int r;

	if (!p)
		return 0;
	r = size && text[0] == '{' ? policy_read_json(text, size, &host, p, &err)
				   : policy_read_text(text, size, p, &err);
	if (r == 0)
		r = policy_resolve(p, host.arch, true, &numbers, &err);
	if (r == 0)
		r = policy_compile(p, host.arch, &numbers, &g, &err);
	assert(r == 0 || ((err.kind == ERR_SECCOMP || err.kind == ERR_MEMORY) && err.msg[0]));
	for (unsigned int i = 0; r == 0 && i < g.n; i++) {
		const struct sock_filter *f = &g.code[i];
		uint32_t far = BPF_CLASS(f->code) != BPF_JMP ? 0
			       : BPF_OP(f->code) == BPF_JA   ? f->k
							     : (f->jt > f->jf ? f->jt : f->jf);

		assert(BPF_CLASS(f->code) == BPF_RET || far < i); /* the last stands first */
	}
	free(p);
	return 0;
}
