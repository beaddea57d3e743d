/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_names.c - names of calls and errors as numbers.
 */
#include <errno.h>
#include <string.h>

#include <linux/audit.h>
#include <seccomp.h>

#include "base/err.h"
#include "base/str.h"
#include "seccomp/policy.h"

/* Calls of the x32 table have this bit. Source: arch/x86/include/uapi/asm/unistd.h. */
#define X32_BIT 0x40000000U

/* Source: include/uapi/asm-generic/errno.h; 133 is the last */
#define ERRNO_LAST 133

const struct policy_arch policy_arches[] = {
	{"x86_64", "amd64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, X32_BIT},
	{"aarch64", "arm64", SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, 0},
};
const size_t policy_n_arches = ARRAY_SIZE(policy_arches);

/*
 * Calls that a libseccomp in use may be too old to know; their numbers are the same everywhere.
 * Where it does know one, the numbers are compared.
 * Source: include/uapi/asm-generic/unistd.h, Linux 6.17
 */
static const struct {
	const char *name;
	int number;
} newer[] = {
	{"cachestat", 451},	    {"fchmodat2", 452},	       {"map_shadow_stack", 453},
	{"futex_wake", 454},	    {"futex_wait", 455},       {"futex_requeue", 456},
	{"statmount", 457},	    {"listmount", 458},	       {"lsm_get_self_attr", 459},
	{"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
	{"setxattrat", 463},	    {"getxattrat", 464},       {"listxattrat", 465},
	{"removexattrat", 466},	    {"open_tree_attr", 467},   {"file_getattr", 468},
	{"file_setattr", 469},
};

int policy_errno(const char *name)
{
	for (int num = 1; num <= ERRNO_LAST; num++) {
		const char *known = strerrorname_np(num);

		if (known && str_eq(known, name))
			return num;
	}
	return -ENOENT;
}

struct policy_call *policy_find_call(struct policy *p, const char *name, size_t len)
{
	for (unsigned int i = 0; i < p->n_calls; i++)
		if (strlen(p->calls[i].name) == len && memcmp(p->calls[i].name, name, len) == 0)
			return &p->calls[i];
	return NULL;
}

struct policy_call *policy_add_call(struct policy *p, const char *name, size_t len,
				    struct dyno_err *err)
{
	struct policy_call *call = &p->calls[p->n_calls];

	if (p->n_calls == POLICY_MAX_NUMBERS) {
		(void)err_set(err, ERR_SECCOMP, 0, "more than %u names", POLICY_MAX_NUMBERS);
		return NULL;
	}
	if (len == 0 || len >= sizeof(call->name)) {
		(void)err_set(err, ERR_SECCOMP, 0, "\"%.*s\" is not a name", (int)MIN_OF(len, 60U),
			      name);
		return NULL;
	}
	memcpy(call->name, name, len);
	call->name[len] = '\0';
	call->number = -1;
	p->n_calls++;
	return call;
}

/* libseccomp has a negative number of its own for each call of other architectures alone. */
#define NOT_HERE (__NR_SCMP_ERROR - 1)

/* Return: __NR_SCMP_ERROR where nobody knows the name; NOT_HERE. */
static int find_number(const struct policy_call *call, const struct policy_arch *arch)
{
	int number = seccomp_syscall_resolve_name_arch(arch->scmp, call->name);

	for (size_t i = 0; number == __NR_SCMP_ERROR && i < ARRAY_SIZE(newer); i++)
		if (str_eq(newer[i].name, call->name))
			number = newer[i].number;
	if (number == __NR_SCMP_ERROR)
		return call->number >= 0 ? call->number : __NR_SCMP_ERROR;
	return number < 0 ? NOT_HERE : number;
}

static void note_unknown(const struct policy_call *call, struct policy_numbers *ret)
{
	size_t used = strlen(ret->unknown_names);

	(void)str_fmt(ret->unknown_names + used, sizeof(ret->unknown_names) - used, "%s%.40s",
		      ret->unknown ? ", " : "", call->name);
	ret->unknown++;
}

static int place_call(const struct policy *p, const struct policy_call *call,
		      const struct policy_arch *arch, int number, struct policy_numbers *ret,
		      struct dyno_err *err)
{
	unsigned int at = (unsigned int)number;
	unsigned int last = p->newest ? p->newest : POLICY_MAX_NUMBERS - 1;

	if (call->number >= 0 && number != call->number)
		return err_set(err, ERR_SECCOMP, 0, "line %u: %s is %d on %s, not %d", call->line,
			       call->name, number, arch->name, call->number);
	if (at > last)
		return err_set(err, ERR_SECCOMP, 0, "line %u: %s is %d, above newest", call->line,
			       call->name, number);
	if (ret->named[at])
		return err_set(err, ERR_SECCOMP, 0, "line %u: %s is %d, which has a name already",
			       call->line, call->name, number);
	ret->named[at] = true;
	ret->rule[at] = call->rule;
	ret->newest = MAX_OF(ret->newest, at);
	return 0;
}

int policy_resolve(const struct policy *p, const struct policy_arch *arch, bool lenient,
		   struct policy_numbers *ret, struct dyno_err *err)
{
	int r = 0;

	memset(ret, 0, sizeof(*ret)); /* POLICY_DEFAULT */
	ret->newest = p->newest;
	for (unsigned int i = 0; r == 0 && i < p->n_calls; i++) {
		const struct policy_call *call = &p->calls[i];
		int number = find_number(call, arch);

		if (number == __NR_SCMP_ERROR && lenient)
			note_unknown(call, ret);
		else if (number == __NR_SCMP_ERROR)
			r = err_set(err, ERR_SECCOMP, 0,
				    "line %u: no call \"%s\" is known: write %s=NUMBER", call->line,
				    call->name, call->name);
		else if (number >= 0)
			r = place_call(p, call, arch, number, ret, err);
	}
	return r;
}
