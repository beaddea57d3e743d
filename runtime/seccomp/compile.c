/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile.c - turns a policy (see default.policy for the grammar) into BPF programs as C arrays.
 * A program of the build, not of the runtime.
 *
 *   seccomp-compile POLICY PREFIX PROGRAMS.h RULES.h
 *
 * PROGRAMS.h receives one array of instructions for each architecture; RULES.h the same policy as
 * a plain table of numbers and tests, by which the unit test judges the programs.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "seccomp/policy.h"

/* Longest policy. Source: default.policy has a quarter */
#define MAX_BYTES 65536

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("seccomp-compile: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	exit(1);
}

static void read_policy(const char *path, struct policy *p)
{
	static char text[MAX_BYTES];
	struct dyno_err err;
	FILE *file = fopen(path, "re");
	size_t len;

	if (!file)
		fail("open %s: %s", path, strerror(errno));
	len = fread(text, 1, sizeof(text), file);
	if (ferror(file))
		fail("read %s: %s", path, strerror(errno));
	if (len == sizeof(text))
		fail("%s is longer than %d bytes", path, MAX_BYTES - 1);
	(void)fclose(file); /* read only */
	if (policy_read_text(text, len, p, &err) < 0)
		fail("%s: %s", path, err.msg);
}

/* ---- writing --------------------------------------------------------------------------------- */

static FILE *create(const char *path, const char *policy)
{
	FILE *out = fopen(path, "we");

	if (!out)
		fail("create %s: %s", path, strerror(errno));
	(void)fprintf(out, "/* Made from %s by seccomp-compile. */\n", policy);
	return out;
}

static void finish(FILE *out, const char *path)
{
	if (ferror(out) || fclose(out) != 0)
		fail("write %s: %s", path, strerror(errno));
}

static void write_program(FILE *out, const char *prefix, const struct policy_arch *arch,
			  const struct policy_program *g)
{
	(void)fprintf(out, "\nstatic const struct sock_filter %s_%s[%u] = {\n", prefix, arch->name,
		      g->n);
	for (unsigned int i = g->n; i-- > 0;)
		(void)fprintf(out, "\t{ 0x%02x, %u, %u, 0x%x },\n", (unsigned int)g->code[i].code,
			      (unsigned int)g->code[i].jt, (unsigned int)g->code[i].jf,
			      g->code[i].k);
	(void)fputs("};\n", out);
}

/* Arguments count on with their upper halves. */
static unsigned int place_of(const struct policy_test *test)
{
	return test->arg + (test->half == POLICY_HIGH ? POLICY_MAX_TESTS : 0);
}

static void write_rule(FILE *out, const struct policy_rule *rule)
{
	(void)fprintf(out, "0x%x, 0x%x, %u, {", rule->n ? rule->clauses[0].then : rule->otherwise,
		      rule->otherwise, rule->n);
	for (unsigned int c = 0; c < rule->n; c++) {
		const struct policy_clause *clause = &rule->clauses[c];

		(void)fprintf(out, " { %u, {", clause->n);
		for (unsigned int t = 0; t < clause->n; t++)
			(void)fprintf(out, " { %u, 0x%x, 0x%x },", place_of(&clause->tests[t]),
				      (uint32_t)clause->tests[t].mask,
				      (uint32_t)clause->tests[t].value);
		(void)fputs(" } },", out);
	}
	(void)fputs(" }", out);
}

/* Each number as the policy's text has it: before ranges, sharing and jumps. */
static void write_rules(FILE *out, const char *prefix, const struct policy *p,
			const struct policy_arch *arch, const struct policy_numbers *numbers)
{
	(void)fprintf(out, "\n#define %s_newest_%s %uU\n", prefix, arch->name, p->newest);
	(void)fprintf(out, "#define %s_beyond_%s 0x%xU\n", prefix, arch->name,
		      p->rules[POLICY_BEYOND].otherwise);
	(void)fprintf(out, "#define %s_foreign_%s 0x%xU\n", prefix, arch->name,
		      p->rules[POLICY_FOREIGN].otherwise);
	(void)fprintf(out, "static const struct seccomp_rule %s_rules_%s[%u] = {\n", prefix,
		      arch->name, p->newest + 1);
	for (unsigned int i = 0; i <= p->newest; i++) {
		(void)fputs("\t{ ", out);
		write_rule(out, &p->rules[numbers->rule[i]]);
		(void)fputs(" },\n", out);
	}
	(void)fputs("};\n", out);
}

int main(int argc, char **argv)
{
	static struct policy policy;
	static struct policy_numbers numbers;
	static struct policy_program program;
	FILE *programs, *rules;
	struct dyno_err err;

	if (argc != 5)
		fail("usage: seccomp-compile POLICY PREFIX PROGRAMS.h RULES.h");
	read_policy(argv[1], &policy);
	programs = create(argv[3], argv[1]);
	rules = create(argv[4], argv[1]);

	for (size_t i = 0; i < policy_n_arches; i++) {
		const struct policy_arch *arch = &policy_arches[i];

		if (policy_resolve(&policy, arch, false, &numbers, &err) < 0)
			fail("%s: %s", argv[1], err.msg);
		write_rules(rules, argv[2], &policy, arch, &numbers);
		if (policy_compile(&policy, arch, &numbers, &program, &err) < 0)
			fail("%s: %s", argv[1], err.msg);
		write_program(programs, argv[2], arch, &program);
	}

	finish(programs, argv[3]);
	finish(rules, argv[4]);
	return 0;
}
