/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.h - which system calls a dyno may make, from its settings.  The default is compiled in and
 * costs nothing here; a policy of the user's is compiled by dyno-seccomp, once, and good for every
 * start of the dyno.  What else keeps a dyno in (no_new_privs, no capabilities, namespaces) does
 * not depend on it.
 */
#ifndef DYNO_FILTER_H
#define DYNO_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include <dyno.h>
#include <linux/filter.h>

#include "base/arena.h"

#define FILTER_WARNINGS_MAX 3

/**
 * struct filter - the calls of a dyno.
 * @unconfined: no filter
 * @code, @len: the program; NULL: the one compiled in
 * @own: the policy is the user's
 * @warnings, @n_warnings: to be told once, escaped
 */
struct filter {
	bool unconfined;
	const struct sock_filter *code;
	size_t len;
	bool own;
	const char *warnings[FILTER_WARNINGS_MAX];
	size_t n_warnings;
};

/**
 * filter_find() - the filter that the settings ask for.
 * @libexec_dir: see store_helper_find()
 * @arena: owns what is in @ret
 * Return: 0, or -errno. Errors: ERR_SECCOMP for a policy that cannot be used, ERR_USAGE for
 * settings that exclude each other, ERR_KERNEL where calls cannot be logged, ERR_HELPER,
 * ERR_MEMORY.
 */
int filter_find(const struct dyno_run_opts *opts, const char *libexec_dir, struct arena *arena,
		struct filter *ret, struct dyno_err *err);

/** filter_file() - the path that a setting names; NULL: it is one of the words. */
const char *filter_file(const char *setting);

#endif
