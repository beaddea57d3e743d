/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deny-syscall - runs a program on a kernel that seems to lack system calls, or to forbid them.
 *
 *   deny-syscall NAME[,NAME...] ERRNO PROGRAM [ARG...]
 *
 * The named calls fail with ERRNO (ENOSYS, EPERM, ... or a number) in PROGRAM and in all that it
 * starts.  A caller who may install a filter without giving up privileges does so, so that what is
 * tested differs in nothing else.  It is not a sandbox.
 *
 * Status: 125 when it cannot do that, else PROGRAM's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/num.h"
#include "base/str.h"
#include "base/util.h"

/* Longest list of names. Source: own choice */
#define NAMES_BYTES 512
/* Source: linux/err.h, MAX_ERRNO */
#define ERRNO_MAX 4095

static const struct {
	const char *name;
	int num;
} errnos[] = {
	{"ENOSYS", ENOSYS}, {"EPERM", EPERM},	{"EACCES", EACCES}, {"EINVAL", EINVAL},
	{"ENOMEM", ENOMEM}, {"EMFILE", EMFILE}, {"EAGAIN", EAGAIN}, {"ENOSPC", ENOSPC},
};

static int errno_number(const char *text)
{
	size_t i;
	uint32_t num;

	for (i = 0; i < ARRAY_SIZE(errnos); i++)
		if (str_eq(text, errnos[i].name))
			return errnos[i].num;
	return num_parse_u32(text, ERRNO_MAX, &num) < 0 || num == 0 ? -EINVAL : (int)num;
}

static int fail(const char *what, int num)
{
	(void)fprintf(stderr, "deny-syscall: %s: %s\n", what, strerror(num));
	return 125;
}

static int deny(scmp_filter_ctx filter, const char *names, unsigned int num)
{
	char copy[NAMES_BYTES];
	char *save = NULL;
	char *name;
	int r;

	if (strlen(names) >= sizeof(copy))
		return -E2BIG;
	memcpy(copy, names, strlen(names) + 1);
	for (name = strtok_r(copy, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		int nr = seccomp_syscall_resolve_name(name);

		/* A misspelt name would deny nothing, and the test would pass. */
		if (nr == __NR_SCMP_ERROR)
			return -ENOENT;
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(num), nr, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

int main(int argc, char **argv)
{
	scmp_filter_ctx filter;
	int num;
	int r;

	if (argc < 4)
		return fail("usage: deny-syscall NAME[,NAME...] ERRNO PROGRAM [ARG...]", EINVAL);
	num = errno_number(argv[2]);
	if (num < 0)
		return fail(argv[2], EINVAL);
	filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return fail("make a filter", ENOMEM);
	r = deny(filter, argv[1], (unsigned int)num);
	if (r < 0)
		return fail(argv[1], -r);
	r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, geteuid() != 0);
	if (r == 0)
		r = seccomp_load(filter);
	if (r < 0)
		return fail("load the filter", -r);
	seccomp_release(filter);
	(void)execvp(argv[3], argv + 3);
	return fail(argv[3], errno);
}
