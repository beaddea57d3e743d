/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errno.h - included before every file that an analyser reads: errno is positive where it is read.
 * Without this `return -errno` might be 0 for it, a success whose outputs were never set, and every
 * caller would be reported.
 */
#ifndef DYNO_LINT_ERRNO_H
#define DYNO_LINT_ERRNO_H

#include <errno.h>

static inline int *lint_errno(void)
{
	int *e = __errno_location();

	if (*e <= 0)
		__builtin_unreachable();
	return e;
}

#undef errno
#define errno (*lint_errno())

#endif
