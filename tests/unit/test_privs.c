/* SPDX-License-Identifier: Apache-2.0 */
/* test_privs.c - what giving up leaves, as the kernel tells it afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>

#include "base/arena.h"
#include "base/fd.h"
#include "kernel/privs.h"
#include "model/procfacts.h"

#define STATUS_MAX_BYTES ((size_t)1 << 20)
#define KEPT		 (PRIVS_CAP(CAP_CHOWN) | PRIVS_CAP(CAP_KILL) | PRIVS_CAP(CAP_SYS_ADMIN))

static int read_sets(uint64_t ret[5], uint64_t *ret_no_new_privs)
{
	static const char *const names[] = {"CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"};
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	char *text;

	if (fd < 0 || fd_read_all(fd, STATUS_MAX_BYTES, &arena, &text, NULL) < 0)
		return -EIO;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (procfacts_u64(text, names[i], 16, &ret[i]) < 0)
			return -EINVAL;
	return procfacts_u64(text, "NoNewPrivs", 10, ret_no_new_privs);
}

/* Return: 0, or the number of the check that failed. */
static int keep_and_look(uint64_t caps)
{
	uint64_t before[5], after[5], set;
	struct dyno_err err = {0};

	if (read_sets(before, &set) < 0)
		return 1;
	if (privs_keep(caps, &err) < 0)
		return 2;
	if (read_sets(after, &set) < 0 || set != 1)
		return 3;
	for (size_t i = 0; i < 2; i++)
		if (after[i] != (before[0] & caps))
			return 4;
	/* Without the right to, the bounding set stays as it was. */
	if (after[2] != (before[0] & PRIVS_CAP(CAP_SETPCAP) ? before[2] & caps : before[2]))
		return 5;
	if (after[3] != 0 || after[4] != 0)
		return 6;
	return 0;
}

static void check_in_child(uint64_t caps, uint64_t lost_before)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct dyno_err err = {0};

		if (lost_before && privs_keep(~lost_before, &err) < 0)
			_exit(90);
		_exit(keep_and_look(caps));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void privs_keep__some__the_rest_is_gone_from_every_set(void **state)
{
	(void)state;
	check_in_child(KEPT, 0);
}

static void privs_keep__none__nothing_is_left(void **state)
{
	(void)state;
	check_in_child(0, 0);
}

static void privs_keep__what_the_caller_lacks__not_gained(void **state)
{
	(void)state;
	check_in_child(KEPT, PRIVS_CAP(CAP_KILL));
}

static void privs_keep__without_setpcap__the_other_sets_all_the_same(void **state)
{
	(void)state;
	check_in_child(KEPT, PRIVS_CAP(CAP_SETPCAP));
}

static void privs_clear__then_keep__nothing_comes_back(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct dyno_err err = {0};

		_exit(privs_clear(&err) < 0 ? 90 : keep_and_look(KEPT));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(privs_keep__some__the_rest_is_gone_from_every_set),
		cmocka_unit_test(privs_keep__none__nothing_is_left),
		cmocka_unit_test(privs_keep__what_the_caller_lacks__not_gained),
		cmocka_unit_test(privs_keep__without_setpcap__the_other_sets_all_the_same),
		cmocka_unit_test(privs_clear__then_keep__nothing_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
