/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy.h - policies of system calls: read from text of two forms, given the numbers of an
 * architecture, compiled to classic BPF.  Shared by the tool of the build, which makes the default
 * program, and by dyno-seccomp, which compiles those of users; nothing else links it, as the
 * numbers are libseccomp's.
 */
#ifndef DYNO_SECCOMP_POLICY_H
#define DYNO_SECCOMP_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/filter.h>

#include <dyno.h>

/* Bounds of a policy; all are checked. */
#define POLICY_MAX_NUMBERS 1024U /* numbers, and names; Linux 6.17 has 470 */
#define POLICY_MAX_CLAUSES 16U	 /* for one call; the most in the usual container profile is 5 */
#define POLICY_MAX_TESTS   6U	 /* in one clause: a system call has so many arguments */
#define POLICY_NAME_BYTES  48U

enum policy_op {
	POLICY_EQ,
	POLICY_NE,
	POLICY_GT,
	POLICY_GE,
	POLICY_LT,
	POLICY_LE,
	_POLICY_OP_MAX,
};

enum policy_half { POLICY_LOW, POLICY_HIGH, POLICY_BOTH };

/**
 * struct policy_test - a comparison of one argument, without sign.
 * @arg: 0 to 5
 * @op: the masked argument OP @value
 * @half: which of its bits are looked at: the low ones alone are what the kernel takes of an int
 */
struct policy_test {
	unsigned int arg;
	enum policy_op op;
	enum policy_half half;
	uint64_t mask;
	uint64_t value;
};

/** struct policy_clause - what happens when all tests hold: SECCOMP_RET_* with its data. */
struct policy_clause {
	struct policy_test tests[POLICY_MAX_TESTS];
	unsigned int n;
	uint32_t then;
};

/** struct policy_rule - the first clause that holds decides, else @otherwise does. */
struct policy_rule {
	struct policy_clause clauses[POLICY_MAX_CLAUSES];
	unsigned int n;
	uint32_t otherwise;
};

/**
 * struct policy_call - a name and its rule.
 * @number: as the text has it; -1: libseccomp knows
 * @line: of the text, 0: none
 */
struct policy_call {
	char name[POLICY_NAME_BYTES];
	int number;
	unsigned int rule;
	unsigned int line;
};

/* The first rules are those that need no name. */
enum policy_general {
	POLICY_DEFAULT, /* calls known and not named */
	POLICY_BEYOND,	/* numbers above the newest */
	POLICY_FOREIGN, /* calls of another architecture's table */
	_POLICY_GENERAL_MAX,
};

#define POLICY_MAX_RULES (_POLICY_GENERAL_MAX + POLICY_MAX_NUMBERS)

/** struct policy - a policy as it was read. @newest: 0: the greatest number that is named */
struct policy {
	struct policy_rule rules[POLICY_MAX_RULES];
	unsigned int n_rules;
	struct policy_call calls[POLICY_MAX_NUMBERS];
	unsigned int n_calls;
	unsigned int newest;
};

/**
 * struct policy_arch - an architecture.
 * @name, @go_name: as uname(2) has it, and as container profiles do
 * @scmp, @audit: SCMP_ARCH_*, AUDIT_ARCH_*
 * @foreign_from: numbers of a second table under the same architecture; 0: none
 */
struct policy_arch {
	const char *name;
	const char *go_name;
	uint32_t scmp;
	uint32_t audit;
	uint32_t foreign_from;
};

extern const struct policy_arch policy_arches[];
extern const size_t policy_n_arches;

/**
 * struct policy_numbers - a policy for one architecture.
 * @rule: of each number
 * @newest: the last of them
 * @unknown: names that nobody knows
 * @unknown_names: the first of these, separated by ", "
 */
struct policy_numbers {
	unsigned int rule[POLICY_MAX_NUMBERS];
	bool named[POLICY_MAX_NUMBERS];
	unsigned int newest;
	unsigned int unknown;
	char unknown_names[200];
};

/** struct policy_program - BPF, the last instruction first. @failed: it did not fit */
struct policy_program {
	struct sock_filter code[BPF_MAXINSNS];
	unsigned int n;
	bool failed;
};

/**
 * struct policy_host - for whom a container profile is read: it may say "only on" and "not on".
 * @arch: of the program
 * @kernel_major, @kernel_minor: of the kernel
 */
struct policy_host {
	const struct policy_arch *arch;
	unsigned int kernel_major;
	unsigned int kernel_minor;
};

/**
 * policy_read_text() - dyno's own form; its grammar is in default.policy.
 * @p: zeroed
 * Return: 0, or -EINVAL with ERR_SECCOMP, whose message begins with the line.
 */
int policy_read_text(const char *text, size_t len, struct policy *p, struct dyno_err *err);

/**
 * policy_read_json() - the form of container engines.
 *
 * Of several entries that name the same call the first that applies decides.  A dyno has no
 * capability: what a profile ties to one is left out.
 * @p: zeroed
 * Return: 0, or -errno with ERR_SECCOMP, whose message names the entry, or with ERR_MEMORY.
 */
int policy_read_json(const char *text, size_t len, const struct policy_host *host, struct policy *p,
		     struct dyno_err *err);

/**
 * policy_add_call() - a name, with a rule of its own or one that exists.
 * @len: of @name
 * Return: the call, NULL with ERR_SECCOMP: too many, or no name.
 */
struct policy_call *policy_add_call(struct policy *p, const char *name, size_t len,
				    struct dyno_err *err);

/** policy_find_call() - the call of that name, or NULL. */
struct policy_call *policy_find_call(struct policy *p, const char *name, size_t len);

/** policy_errno() - the number of "EPERM". Return: it, or -ENOENT. */
int policy_errno(const char *name);

/**
 * policy_resolve() - the rule of each number.
 * @lenient: names that nobody knows are counted; else they are an error
 * Return: 0, or -EINVAL with ERR_SECCOMP.
 */
int policy_resolve(const struct policy *p, const struct policy_arch *arch, bool lenient,
		   struct policy_numbers *ret, struct dyno_err *err);

/**
 * policy_compile() - the program.
 * @numbers: of policy_resolve(); rules of equal effect become one
 * Return: 0, or -E2BIG with ERR_SECCOMP.
 */
int policy_compile(const struct policy *p, const struct policy_arch *arch,
		   struct policy_numbers *numbers, struct policy_program *ret,
		   struct dyno_err *err);

#endif
