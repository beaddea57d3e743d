/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_filter.c - the settings of system calls, with dyno-seccomp beside this program's directory
 * and with programs in its place that answer wrongly.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/audit.h>

#include "base/err.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/filter.h"
#include "kernel/seccomp.h"
#include "seccomp/proto.h"
#include "tests/unit/bpf.h"

#define TEXT                                                                                      \
	"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\",\"no_such\"]," \
	"\"action\":\"SCMP_ACT_ERRNO\"}]}"

struct fixture {
	char dir[64];
	char policy[96];
	char helper[96];
	char libexec[4096];
	struct arena arena;
	struct filter filter;
	struct dyno_err err;
};

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/dyno-test-filter.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->policy, sizeof(f->policy), "%s/policy", f->dir);
	(void)snprintf(f->helper, sizeof(f->helper), "%s/" SECCOMP_HELPER, f->dir);
	write_file(f->policy, TEXT, 0600);
	/* DIR/unit/test_filter: the helper is in DIR */
	assert_int_equal(proc_code_dir(f->libexec, sizeof(f->libexec) - 4), 0);
	(void)snprintf(f->libexec + strlen(f->libexec), 3, "..");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	(void)unlink(f->policy);
	(void)unlink(f->helper);
	assert_int_equal(rmdir(f->dir), 0);
	arena_done(&f->arena);
	free(f);
	return 0;
}

static int find(struct fixture *f, const char *seccomp, int log, const char *libexec)
{
	const struct dyno_run_opts opts = {.seccomp = seccomp, .seccomp_log = log};

	f->filter = (struct filter){0};
	return filter_find(&opts, libexec, &f->arena, &f->filter, &f->err);
}

static void filter_find__words__need_no_helper(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(find(f, NULL, 0, "/nowhere"), 0);
	assert_true(!f->filter.unconfined && !f->filter.code && f->filter.n_warnings == 0);
	assert_int_equal(find(f, "default", 0, "/nowhere"), 0);
	assert_true(!f->filter.unconfined && !f->filter.code && f->filter.n_warnings == 0);
	assert_int_equal(find(f, "unconfined", 0, "/nowhere"), 0);
	assert_true(f->filter.unconfined && f->filter.n_warnings == 1);
	assert_int_equal(find(f, "unconfined", 1, "/nowhere"), -EINVAL);
	assert_int_equal(f->err.kind, ERR_USAGE);
	assert_null(filter_file("default"));
	assert_string_equal(filter_file("./default"), "./default");
}

static uint32_t mkdir_answer(const struct filter *f)
{
	const struct seccomp_data data = {.nr = 83, .arch = AUDIT_ARCH_X86_64};
	unsigned int steps = 0;

	return interpret(f->code, f->len, &data, &steps);
}

static void filter_find__policy__is_compiled_and_its_unknown_names_told(void **state)
{
	struct fixture *f = *state;

	if (find(f, f->policy, 0, f->libexec) < 0)
		fail_msg("%s", f->err.msg);
	assert_true(f->filter.own && f->filter.len > 0 && f->filter.n_warnings == 1);
	assert_non_null(strstr(f->filter.warnings[0], "no_such"));
#ifdef __x86_64__
	assert_int_equal(mkdir_answer(&f->filter), SECCOMP_RET_ERRNO | EPERM);
	if (seccomp_log_offered() < 0)
		return;
	assert_int_equal(find(f, f->policy, 1, f->libexec), 0);
	assert_int_equal(mkdir_answer(&f->filter), SECCOMP_RET_LOG);
	assert_true(f->filter.n_warnings >= 2);
#endif
}

static void filter_find__file_of_no_use__is_named(void **state)
{
	struct fixture *f = *state;
	char path[128];

	assert_int_equal(find(f, f->dir, 0, f->libexec), -EINVAL);
	assert_int_equal(f->err.kind, ERR_SECCOMP);
	assert_int_equal(find(f, "/dev/null", 0, f->libexec), -EINVAL);
	(void)snprintf(path, sizeof(path), "%s/none", f->dir);
	assert_int_equal(find(f, path, 0, f->libexec), -ENOENT);
	assert_int_equal(f->err.kind, ERR_SECCOMP);
	assert_int_equal(truncate(f->policy, SECCOMP_POLICY_MAX_BYTES + 1), 0);
	assert_int_equal(find(f, f->policy, 0, f->libexec), -EFBIG);
	write_file(f->policy, "{\"defaultAction\":\"x\"}", 0600);
	assert_int_equal(find(f, f->policy, 0, f->libexec), -EINVAL);
	assert_int_equal(f->err.kind, ERR_SECCOMP);
	assert_non_null(strstr(f->err.msg, f->policy));
}

static void filter_find__helper_that_fails__is_an_error(void **state)
{
	static const char *const scripts[] = {
		"#!/bin/sh\nexit 3\n",
		"#!/bin/sh\necho short\n",
		"#!/bin/sh\nhead -c 4096 /dev/zero\n",
		"#!/bin/sh\nhead -c 9999999 /dev/zero\n",
	};
	struct fixture *f = *state;

	assert_int_equal(find(f, f->policy, 0, f->dir), -ENOENT);
	assert_int_equal(f->err.kind, ERR_HELPER);
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		write_file(f->helper, scripts[i], 0700);
		assert_true(find(f, f->policy, 0, f->dir) < 0);
		assert_int_equal(f->err.kind, ERR_HELPER);
		assert_null(f->filter.code);
	}
}

static void seccomp_program_load__no_or_too_much_code__is_refused(void **state)
{
	const struct sock_filter one = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};

	(void)state;
	assert_int_equal(seccomp_program_load(&one, 0), -EINVAL);
	assert_int_equal(seccomp_program_load(&one, BPF_MAXINSNS + 1), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(filter_find__words__need_no_helper, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			filter_find__policy__is_compiled_and_its_unknown_names_told, setup,
			teardown),
		cmocka_unit_test_setup_teardown(filter_find__file_of_no_use__is_named, setup,
						teardown),
		cmocka_unit_test_setup_teardown(filter_find__helper_that_fails__is_an_error, setup,
						teardown),
		cmocka_unit_test(seccomp_program_load__no_or_too_much_code__is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
