/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_environ.c - layers, names and sizes of the environment (C3.1-C3.8, C5.9, T17, T18).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "model/environ.h"

static const struct {
	const char *key;
	size_t len;
	int rc;
} keys[] = {
	{"A", 1, 0},
	{"_", 1, 0},
	{"a_B9", 4, 0},	       /* T17: lower case is allowed */
	{"LD_PRELOAD", 10, 0}, /* T18: passed on */
	{"BASH_ENV", 8, 0},
	{"HEROKU_APP_ID", 13, 0},
	{"", 0, -EINVAL},
	{"1A", 2, -EINVAL},
	{"A=B", 3, -EINVAL},
	{"A B", 3, -EINVAL},
	{"A\nB", 3, -EINVAL},
	{"A\0B", 3, -EINVAL},
	{"A-B", 3, -EINVAL},
	{"BASH_FUNC_x%%", 13, -EINVAL},
	{"\xc3\xa9", 2, -EINVAL},
};

static void env_key_check__every_kind_of_name__is_judged_T17(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct dyno_err err = {0};

		assert_int_equal(env_key_check(keys[i].key, keys[i].len, &err), keys[i].rc);
		assert_int_equal(err.kind, keys[i].rc ? ERR_ENV_KEY : ERR_NONE);
		assert_null(strchr(err.msg, '\n'));
	}
}

static void env_set__layers_in_order__later_wins_C3_1(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct env env = {.arena = &a};
	const char *const *envp;
	struct dyno_err err;

	(void)state;
	assert_int_equal(env_set(&env, "PORT", "1", ENV_PLATFORM, &err), 0);
	assert_int_equal(env_set(&env, "PATH", "/bin", ENV_PLATFORM, &err), 0);
	assert_int_equal(env_set(&env, "A", "file", ENV_FILE, &err), 0);
	assert_int_equal(env_set(&env, "PORT", "2", ENV_FILE, &err), 0);
	assert_int_equal(env_set_text(&env, "A=x=y", ENV_FLAG, &err), 0);
	assert_int_equal(env_set(&env, "AB", "", ENV_FLAG, &err), 0);

	assert_string_equal(env_get(&env, "PORT"), "2");
	assert_int_equal(env_origin_of(&env, "PORT"), ENV_FILE);
	assert_string_equal(env_get(&env, "A"), "x=y");
	assert_string_equal(env_get(&env, "AB"), "");
	assert_null(env_get(&env, "P"));
	assert_int_equal(env_origin_of(&env, "P"), -ENOENT);

	assert_int_equal(env_compile(&env, NULL, 0, &a, &envp, &err), 0);
	assert_string_equal(envp[0], "PORT=2"); /* in the order of first setting */
	assert_string_equal(envp[1], "PATH=/bin");
	assert_string_equal(envp[2], "A=x=y");
	assert_string_equal(envp[3], "AB=");
	assert_null(envp[4]);
}

static void env_set__slug_defaults__fill_only_what_is_empty_C5_9(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct env env = {.arena = &a};
	struct dyno_err err;

	(void)state;
	assert_int_equal(env_set(&env, "A", "own", ENV_FLAG, &err), 0);
	assert_int_equal(env_set(&env, "B", "", ENV_FLAG, &err), 0);
	assert_int_equal(env_set(&env, "A", "slug", ENV_SLUG, &err), 0);
	assert_int_equal(env_set(&env, "B", "slug", ENV_SLUG, &err), 0);
	assert_int_equal(env_set(&env, "C", "'; rm -rf / #", ENV_SLUG, &err), 0); /* T19 */
	assert_string_equal(env_get(&env, "A"), "own");
	assert_int_equal(env_origin_of(&env, "A"), ENV_FLAG);
	assert_string_equal(env_get(&env, "B"), "slug");
	assert_string_equal(env_get(&env, "C"), "'; rm -rf / #");
}

static void env_set__platform_names__are_not_for_slugs_C3_7(void **state)
{
	static const char *const reserved[] = {"HEROKU_APP_NAME", "__CF", "__"};
	_cleanup_arena_ struct arena a = {0};
	struct env env = {.arena = &a};
	struct dyno_err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		assert_int_equal(env_set(&env, reserved[i], "x", ENV_SLUG, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_ENV_KEY);
		assert_int_equal(env_set(&env, reserved[i], "x", ENV_FILE, &err), 0);
	}
	assert_int_equal(env_set(&env, "HEROKUISH", "x", ENV_SLUG, &err), 0);
	assert_int_equal(env_set(&env, "_A", "x", ENV_SLUG, &err), 0);
}

static void env_set_text__without_equals__says_how_to_write_it(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct env env = {.arena = &a};
	struct dyno_err err;

	(void)state;
	assert_int_equal(env_set_text(&env, "SECRET", ENV_FLAG, &err), -EINVAL);
	assert_non_null(strstr(err.hint, "KEY=VALUE"));
	assert_int_equal(env_set_text(&env, "=x", ENV_FLAG, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_ENV_KEY);
	assert_int_equal(env.n, 0);
}

static void env_set_pairs__bad_pair__names_its_line(void **state)
{
	struct env_pair items[] = {{"A", "1", 1}, {"HEROKU_X", "2", 7}};
	struct env_pairs pairs = {items, 2};
	_cleanup_arena_ struct arena a = {0};
	struct env env = {.arena = &a};
	struct dyno_err err;

	(void)state;
	assert_int_equal(env_set_pairs(&env, &pairs, ENV_SLUG, &err), -EINVAL);
	assert_non_null(str_starts(err.msg, "line 7: "));
	assert_int_equal(env_set_pairs(&env, &pairs, ENV_FILE, &err), 0);
	assert_int_equal(env.n, 2);
}

static void env_set__longest_string__is_the_kernels_T17(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct env env = {.arena = &a};
	char *value = arena_alloc(&a, ENV_STRING_MAX_BYTES);
	struct dyno_err err;

	(void)state;
	memset(value, 'x', ENV_STRING_MAX_BYTES - 1);
	assert_int_equal(env_set(&env, "KEY", value, ENV_FLAG, &err), -E2BIG);
	assert_int_equal(err.kind, ERR_ENV_SIZE);
	assert_non_null(strstr(err.msg, "KEY"));
	assert_null(strstr(err.msg, "xxx")); /* values are hidden */
	value[ENV_STRING_MAX_BYTES - 5] = '\0';
	assert_int_equal(env_set(&env, "KEY", value, ENV_FLAG, &err), 0);
}

/* What the limits are made for: execve(2) of the running kernel takes what is taken here. */
static void env_compile__at_the_limit__is_taken_by_the_kernel_T17(void **state)
{
	static const char *const argv[] = {"true", NULL};
	_cleanup_arena_ struct arena a = {0};
	struct env env = {.arena = &a};
	char *value = arena_alloc(&a, ENV_STRING_MAX_BYTES);
	const char *const *envp = NULL;
	struct dyno_err err;
	char key[8];
	int rc = 0, status;
	pid_t pid;

	(void)state;
	memset(value, 'x', ENV_STRING_MAX_BYTES - 8);
	for (unsigned int i = 0; rc == 0; i++) {
		struct env last = env;

		(void)str_fmt(key, sizeof(key), "K%02u", i);
		assert_int_equal(env_set(&env, key, value, ENV_FLAG, &err), 0);
		rc = env_compile(&env, argv, 0, &a, &envp, &err);
		if (rc < 0)
			env = last;
	}
	assert_int_equal(rc, -E2BIG);
	assert_int_equal(err.kind, ERR_ENV_SIZE);
	assert_non_null(strstr(err.hint, "K00"));
	assert_null(strstr(err.hint, "xxx"));
	assert_true(env.n >= 15);
	assert_int_equal(env_compile(&env, argv, 0, &a, &envp, &err), 0);

	pid = fork();
	if (pid == 0) {
		execve("/bin/true", (char *const[]){(char[]){"true"}, NULL},
		       (char *const *)(uintptr_t)envp);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void env_compile__too_big__names_the_biggest_and_no_value_T17(void **state)
{
	static const char *const argv[] = {"bash", "--login", "-c", "x", NULL};
	_cleanup_arena_ struct arena a = {0};
	struct env env = {.arena = &a};
	const char *const *envp = NULL;
	struct dyno_err err;
	char value[3001];

	(void)state;
	memset(value, 's', 3000);
	value[3000] = '\0';
	assert_int_equal(env_set(&env, "SMALL", "1", ENV_FLAG, &err), 0);
	assert_int_equal(env_set(&env, "MIDDLE", value + 1000, ENV_FLAG, &err), 0);
	assert_int_equal(env_set(&env, "BIG", value, ENV_FLAG, &err), 0);
	assert_int_equal(env_set(&env, "TWIN", value + 1, ENV_FLAG, &err), 0);
	assert_int_equal(env_compile(&env, argv, 10000, &a, &envp, &err), -E2BIG);
	assert_int_equal(err.num, E2BIG);
	assert_non_null(strstr(err.hint, "BIG ("));
	assert_true(strstr(err.hint, "BIG (") < strstr(err.hint, "TWIN ("));
	assert_true(strstr(err.hint, "TWIN (") < strstr(err.hint, "MIDDLE ("));
	assert_null(strstr(err.hint, "SMALL"));
	assert_null(strstr(err.hint, "sss"));
	assert_null(envp);
	assert_int_equal(env_compile(&env, argv, 20000, &a, &envp, &err), 0);
}

/* As fs/exec.c counts: every string with its NUL, and a pointer for each and for both ends. */
static void env_compile__strings_and_pointers__are_counted_to_the_byte(void **state)
{
	static const char *const argv[] = {"x", "yy", NULL};
	const uint64_t exact = ENV_HEADROOM_BYTES + 6 * sizeof(char *) + 2 + 3 + 4 + 6;
	_cleanup_arena_ struct arena a = {0};
	struct env env = {.arena = &a};
	const char *const *envp;
	struct dyno_err err;

	(void)state;
	assert_int_equal(env_set(&env, "A", "1", ENV_FLAG, &err), 0);
	assert_int_equal(env_set(&env, "BC", "23", ENV_FLAG, &err), 0);
	assert_int_equal(env_compile(&env, argv, exact, &a, &envp, &err), 0);
	assert_int_equal(env_compile(&env, argv, exact - 1, &a, &envp, &err), -E2BIG);
}

static void env_compile__long_argument__is_named(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct env env = {.arena = &a};
	char *word = arena_alloc(&a, ENV_STRING_MAX_BYTES + 1);
	const char *argv[] = {"bash", "-c", word, NULL};
	const char *const *envp;
	struct dyno_err err;

	(void)state;
	memset(word, 'x', ENV_STRING_MAX_BYTES);
	assert_int_equal(env_compile(&env, argv, 0, &a, &envp, &err), -E2BIG);
	assert_non_null(strstr(err.msg, "argument 2 "));
	word[ENV_STRING_MAX_BYTES - 1] = '\0';
	assert_int_equal(env_compile(&env, argv, 0, &a, &envp, &err), 0);
}

static void env_set__too_many_variables__is_refused(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct env env = {.arena = &a};
	struct dyno_err err;
	char key[16];

	(void)state;
	for (unsigned int i = 0; i < ENV_VARS_MAX_COUNT; i++) {
		(void)str_fmt(key, sizeof(key), "K%u", i);
		assert_int_equal(env_set(&env, key, "", ENV_FILE, &err), 0);
	}
	assert_int_equal(env_set(&env, "MORE", "", ENV_FILE, &err), -E2BIG);
	assert_int_equal(env_set(&env, "K0", "again", ENV_FILE, &err), 0);
}

static void env_limit_bytes__stack_limits__follow_the_kernel(void **state)
{
	(void)state;
	assert_int_equal(env_limit_bytes(8U << 20), ENV_TOTAL_MAX_BYTES);
	assert_int_equal(env_limit_bytes(UINT64_MAX), 6U << 20);
	assert_int_equal(env_limit_bytes(0), 128U << 10);
}

static void env_set_platform__web_dyno__has_the_promised_variables_C3_4(void **state)
{
	struct env_platform facts = {.dyno = "web.1", .port = 23456};
	struct limits limits;
	_cleanup_arena_ struct arena a = {0};
	struct env env = {.arena = &a};
	struct dyno_err err;

	(void)state;
	limits_of_size(size_find("standard-2x"), &limits);
	facts.limits = &limits;
	assert_int_equal(env_set_platform(&env, &facts, &err), 0);
	assert_string_equal(env_get(&env, "HOME"), "/app");
	assert_string_equal(env_get(&env, "PATH"), "/usr/local/bin:/usr/bin:/bin");
	assert_string_equal(env_get(&env, "DYNO"), "web.1");
	assert_string_equal(env_get(&env, "PORT"), "23456");
	assert_non_null(env_get(&env, "PS1"));
	assert_string_equal(env_get(&env, "DYNO_SIZE"), "standard-2x"); /* C0.5 */
	assert_string_equal(env_get(&env, "DYNO_RAM"), "1024");
	assert_string_equal(env_get(&env, "DYNO_CPU"), "2");
	assert_null(env_get(&env, "TERM"));
	assert_null(env_get(&env, "WEB_CONCURRENCY"));
	assert_null(env_get(&env, "LISTEN_FDS"));
}

static void env_set_platform__no_size__claims_no_memory_C0_5(void **state)
{
	struct env_platform facts = {.dyno = "run.1234", .home = "/srv"};
	struct limits limits;
	_cleanup_arena_ struct arena a = {0};
	struct env env = {.arena = &a};
	struct dyno_err err;

	(void)state;
	limits_of_size(size_find(SIZE_NONE), &limits);
	facts.limits = &limits;
	assert_int_equal(env_set_platform(&env, &facts, &err), 0);
	assert_string_equal(env_get(&env, "HOME"), "/srv");
	assert_string_equal(env_get(&env, "DYNO_SIZE"), "none");
	assert_null(env_get(&env, "DYNO_RAM"));
	assert_null(env_get(&env, "DYNO_CPU"));
	assert_null(env_get(&env, "PORT"));
}

static void env_set_platform__sockets__are_told_as_sd_listen_fds_reads_it(void **state)
{
	struct env_platform facts = {.dyno = "web.1", .sockets = 2, .main_pid = 2};
	_cleanup_arena_ struct arena a = {0};
	struct env nameless = {.arena = &a};
	struct env named = {.arena = &a};
	struct dyno_err err;

	(void)state;
	assert_int_equal(env_set_platform(&nameless, &facts, &err), 0);
	assert_string_equal(env_get(&nameless, "LISTEN_FDS"), "2");
	assert_string_equal(env_get(&nameless, "LISTEN_PID"), "2");
	assert_null(env_get(&nameless, "LISTEN_FDNAMES"));
	facts.socket_names = "web:admin";
	assert_int_equal(env_set_platform(&named, &facts, &err), 0);
	assert_string_equal(env_get(&named, "LISTEN_FDNAMES"), "web:admin");
}

static void env_set_terminal__what_is_known__is_set_C8_3(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct env env = {.arena = &a};
	struct dyno_err err;

	(void)state;
	assert_int_equal(env_set_terminal(&env, NULL, 0, 0, &err), 0);
	assert_int_equal(env_set_terminal(&env, "", 0, 0, &err), 0);
	assert_int_equal(env.n, 0);
	assert_int_equal(env_set_terminal(&env, "xterm", 80, 30, &err), 0);
	assert_string_equal(env_get(&env, "TERM"), "xterm");
	assert_string_equal(env_get(&env, "COLUMNS"), "80");
	assert_string_equal(env_get(&env, "LINES"), "30");
}

static void env_origin_name__every_origin__has_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < _ENV_ORIGIN_MAX; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(env_origin_name((enum env_origin)i),
						env_origin_name((enum env_origin)k));
	assert_string_equal(env_origin_name(_ENV_ORIGIN_MAX), "unknown");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(env_key_check__every_kind_of_name__is_judged_T17),
		cmocka_unit_test(env_set__layers_in_order__later_wins_C3_1),
		cmocka_unit_test(env_set__slug_defaults__fill_only_what_is_empty_C5_9),
		cmocka_unit_test(env_set__platform_names__are_not_for_slugs_C3_7),
		cmocka_unit_test(env_set_text__without_equals__says_how_to_write_it),
		cmocka_unit_test(env_set_pairs__bad_pair__names_its_line),
		cmocka_unit_test(env_set__longest_string__is_the_kernels_T17),
		cmocka_unit_test(env_compile__at_the_limit__is_taken_by_the_kernel_T17),
		cmocka_unit_test(env_compile__too_big__names_the_biggest_and_no_value_T17),
		cmocka_unit_test(env_compile__strings_and_pointers__are_counted_to_the_byte),
		cmocka_unit_test(env_compile__long_argument__is_named),
		cmocka_unit_test(env_set__too_many_variables__is_refused),
		cmocka_unit_test(env_limit_bytes__stack_limits__follow_the_kernel),
		cmocka_unit_test(env_set_platform__web_dyno__has_the_promised_variables_C3_4),
		cmocka_unit_test(env_set_platform__no_size__claims_no_memory_C0_5),
		cmocka_unit_test(env_set_platform__sockets__are_told_as_sd_listen_fds_reads_it),
		cmocka_unit_test(env_set_terminal__what_is_known__is_set_C8_3),
		cmocka_unit_test(env_origin_name__every_origin__has_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
