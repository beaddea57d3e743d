/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpf.h - what the kernel would do with a program of a system call filter.  Included after cmocka.
 */
#ifndef DYNO_TEST_BPF_H
#define DYNO_TEST_BPF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/util.h"

/* Classic BPF as seccomp has it. Return: the action; @ret_steps counts instructions. */
static uint32_t interpret(const struct sock_filter *code, size_t len,
			  const struct seccomp_data *data, unsigned int *ret_steps)
{
	uint32_t a = 0;
	unsigned int steps = 0;

	for (size_t pc = 0; pc < len; pc++) {
		const struct sock_filter *f = &code[pc];

		steps++;
		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(f->k % 4 == 0 && f->k + 4 <= sizeof(*data));
			memcpy(&a, (const char *)data + f->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_RET | BPF_K:
			*ret_steps = MAX_OF(*ret_steps, steps);
			return f->k;
		default:
			fail_msg("instruction %zu has code 0x%x", pc, f->code);
		}
	}
	fail_msg("the program runs past its end");
	return 0;
}

#endif
