/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_bpf.c - emits the program of a policy.
 *
 * Theory of operation: the numbers form ranges of equal treatment, a few dozen.  A binary search
 * finds the range in six or seven comparisons, where a list would take hundreds; the kernel runs
 * the filter for every number when it is loaded, so that the depth is what a start pays.  The
 * program is emitted from its end backwards: jumps of BPF lead forwards only, so each target is
 * known when a jump to it is written, and equal endings are shared while they are in reach.
 */
#include <errno.h>
#include <string.h>

#include <linux/seccomp.h>

#include "base/err.h"
#include "seccomp/policy.h"

/* Reach of a conditional jump. Source: jt and jf of struct sock_filter are 8 bits. */
#define REACH 255U

/* ---- emitting, backwards --------------------------------------------------------------------- */

/* Index of the instruction written. A program that has failed is never used. */
static unsigned int emit(struct policy_program *g, uint16_t code, unsigned int jt, unsigned int jf,
			 uint32_t k)
{
	if (g->n == BPF_MAXINSNS || jt > REACH || jf > REACH) {
		g->failed = true;
		return 0;
	}
	g->code[g->n] = (struct sock_filter){code, (uint8_t)jt, (uint8_t)jf, k};
	return g->n++;
}

/* Instructions that a jump written next would skip. */
static unsigned int distance(const struct policy_program *g, unsigned int target)
{
	return g->n - target - 1;
}

/*
 * Make sure that @target can be reached from the next two instructions: @target itself, or a copy
 * of an ending, or a far jump, put here.
 */
static unsigned int bring_near(struct policy_program *g, unsigned int target)
{
	const struct sock_filter *to = &g->code[target];

	if (distance(g, target) <= REACH - 2)
		return target;
	if (to->code == (BPF_RET | BPF_K))
		return emit(g, BPF_RET | BPF_K, 0, 0, to->k);
	return emit(g, BPF_JMP | BPF_JA, 0, 0, distance(g, target));
}

/* An ending, shared with an earlier one where that is near. */
static unsigned int emit_return(struct policy_program *g, uint32_t value)
{
	for (unsigned int i = g->n; i > 0 && distance(g, i - 1) <= REACH - 2; i--)
		if (g->code[i - 1].code == (BPF_RET | BPF_K) && g->code[i - 1].k == value)
			return i - 1;
	return emit(g, BPF_RET | BPF_K, 0, 0, value);
}

/* if (A cmp k) goto yes; else goto no; */
static unsigned int emit_branch(struct policy_program *g, uint16_t cmp, uint32_t k,
				unsigned int yes, unsigned int no)
{
	yes = bring_near(g, yes);
	no = bring_near(g, no);
	return emit(g, (uint16_t)(BPF_JMP | cmp | BPF_K), distance(g, yes), distance(g, no), k);
}

/* A load falls through to what was emitted last: nothing may come between. */
static unsigned int emit_load(struct policy_program *g, size_t offset)
{
	return emit(g, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

/* Half an argument, masked. The low half comes first: both architectures are little-endian. */
static unsigned int emit_half(struct policy_program *g, const struct policy_test *t, uint32_t mask,
			      bool high)
{
	if (mask != UINT32_MAX)
		(void)emit(g, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
	return emit_load(g, offsetof(struct seccomp_data, args) + t->arg * sizeof(uint64_t) +
				    (high ? sizeof(uint32_t) : 0));
}

/* The high half decides unless it is equal; then the low half does. */
static unsigned int emit_test(struct policy_program *g, const struct policy_test *t,
			      unsigned int yes, unsigned int no)
{
	/* What is below is the opposite of at or above. */
	static const struct {
		uint16_t cmp;
		bool turned;
		bool ordered;
	} ops[_POLICY_OP_MAX] = {
		[POLICY_EQ] = {BPF_JEQ, false, false}, [POLICY_NE] = {BPF_JEQ, true, false},
		[POLICY_GT] = {BPF_JGT, false, true},  [POLICY_GE] = {BPF_JGE, false, true},
		[POLICY_LT] = {BPF_JGE, true, true},   [POLICY_LE] = {BPF_JGT, true, true},
	};
	const uint32_t high = (uint32_t)(t->value >> 32);
	const unsigned int hit = ops[t->op].turned ? no : yes;
	const unsigned int miss = ops[t->op].turned ? yes : no;
	unsigned int low;

	(void)emit_branch(g, ops[t->op].cmp, (uint32_t)t->value, hit, miss);
	if (t->half == POLICY_HIGH)
		return emit_half(g, t, (uint32_t)t->mask, true);
	low = emit_half(g, t, (uint32_t)t->mask, false);
	if (t->half == POLICY_LOW || (t->mask >> 32 == 0 && high == 0))
		return low;
	low = emit_branch(g, BPF_JEQ, high, low, miss);
	if (ops[t->op].ordered)
		(void)emit_branch(g, BPF_JGT, high, hit, low);
	return emit_half(g, t, (uint32_t)(t->mask >> 32), true);
}

/* The place that decides by a rule. */
static unsigned int emit_rule(struct policy_program *g, const struct policy_rule *rule)
{
	unsigned int no = emit_return(g, rule->otherwise);

	for (unsigned int c = rule->n; c-- > 0;) {
		const struct policy_clause *clause = &rule->clauses[c];
		unsigned int yes = emit_return(g, clause->then);

		for (unsigned int t = clause->n; t-- > 0;)
			yes = emit_test(g, &clause->tests[t], yes, no);
		no = yes; /* the clause before goes on here when it fails */
	}
	return no;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* A stretch of numbers, up to where the next begins, under one rule. */
struct range {
	uint32_t from;
	unsigned int rule;
};

/* One for each number, those beyond, those of a foreign table. */
#define MAX_RANGES (POLICY_MAX_NUMBERS + 2)

static unsigned int find_ranges(const struct policy_arch *arch,
				const struct policy_numbers *numbers, struct range *ranges)
{
	unsigned int n = 1;

	ranges[0] = (struct range){0, numbers->rule[0]};
	for (unsigned int i = 1; i <= numbers->newest; i++)
		if (ranges[n - 1].rule != numbers->rule[i])
			ranges[n++] = (struct range){i, numbers->rule[i]};
	ranges[n++] = (struct range){numbers->newest + 1, POLICY_BEYOND};
	if (arch->foreign_from)
		ranges[n++] = (struct range){arch->foreign_from, POLICY_FOREIGN};
	return n;
}

static bool same_test(const struct policy_test *a, const struct policy_test *b)
{
	return a->arg == b->arg && a->op == b->op && a->half == b->half && a->mask == b->mask &&
	       a->value == b->value;
}

static bool same_rule(const struct policy_rule *a, const struct policy_rule *b)
{
	if (a->n != b->n || a->otherwise != b->otherwise)
		return false;
	for (unsigned int c = 0; c < a->n; c++) {
		const struct policy_clause *x = &a->clauses[c], *y = &b->clauses[c];

		if (x->n != y->n || x->then != y->then)
			return false;
		for (unsigned int t = 0; t < x->n; t++)
			if (!same_test(&x->tests[t], &y->tests[t]))
				return false;
	}
	return true;
}

/* Rules of equal effect are one: lines of a policy are for its readers. */
static unsigned int canonical(const struct policy *p, unsigned int rule)
{
	for (unsigned int i = 0; i < rule; i++)
		if (same_rule(&p->rules[i], &p->rules[rule]))
			return i;
	return rule;
}

static unsigned int emit_search(struct policy_program *g, const struct policy *p,
				const struct range *ranges, unsigned int n)
{
	unsigned int half = n / 2;
	unsigned int low, high;

	if (n == 1)
		return emit_rule(g, &p->rules[ranges[0].rule]);
	high = emit_search(g, p, ranges + half, n - half);
	low = emit_search(g, p, ranges, half);
	return emit_branch(g, BPF_JGE, ranges[half].from, high, low);
}

int policy_compile(const struct policy *p, const struct policy_arch *arch,
		   struct policy_numbers *numbers, struct policy_program *ret, struct dyno_err *err)
{
	struct range ranges[MAX_RANGES];
	unsigned int n, search, foreign;

	ret->n = 0;
	ret->failed = false;
	for (unsigned int i = 0; i <= numbers->newest; i++)
		numbers->rule[i] = canonical(p, numbers->rule[i]);
	n = find_ranges(arch, numbers, ranges);

	search = emit_search(ret, p, ranges, n);
	foreign = emit_return(ret, p->rules[POLICY_FOREIGN].otherwise);
	/* The load of the number falls through to the root of the search. */
	if (search != ret->n - 1)
		(void)emit(ret, BPF_JMP | BPF_JA, 0, 0, distance(ret, search));
	search = emit_load(ret, offsetof(struct seccomp_data, nr));
	(void)emit_branch(ret, BPF_JEQ, arch->audit, search, foreign);
	(void)emit_load(ret, offsetof(struct seccomp_data, arch));
	if (ret->failed)
		return err_set(err, ERR_SECCOMP, E2BIG,
			       "it needs more than the %d instructions that the kernel takes",
			       BPF_MAXINSNS);
	return 0;
}
