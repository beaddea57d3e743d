/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_command.c - what is executed for which words (C1.5, C1.6, C4.7, C8.5).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "model/command.h"

static struct proc_type items[] = {
	{"web", "bundle exec puma -p $PORT", 1},
	{"worker", "rake work", 2},
};
static const struct proc_types types = {items, ARRAY_SIZE(items)};
static const struct proc_types no_web = {items + 1, 1};
static const struct proc_types no_types = {NULL, 0};

static const struct {
	const char *operands[5];
	enum command_kind kind;
	const char *type;
	const char *text;
} shell[] = {
	{{NULL}, COMMAND_TYPE, "web", "bundle exec puma -p $PORT"},
	{{"web"}, COMMAND_TYPE, "web", "bundle exec puma -p $PORT"},
	{{"worker"}, COMMAND_TYPE, "worker", "rake work"},
	{{"worker", "42"}, COMMAND_ONEOFF, "run", "rake work 42"}, /* C4.7 */
	{{"worker", "a b", "$c"}, COMMAND_ONEOFF, "run", "rake work 'a b' '$c'"},
	{{"bash"}, COMMAND_ONEOFF, "run", "bash"},
	{{"wrker"}, COMMAND_ONEOFF, "run", "wrker"},
	{{"echo $PORT | cat && x"}, COMMAND_ONEOFF, "run", "echo $PORT | cat && x"}, /* C1.6 */
	{{"worker 42"}, COMMAND_ONEOFF, "run", "worker 42"},
	{{" web"}, COMMAND_ONEOFF, "run", " web"},
	{{"echo", "a b", "it's", ""}, COMMAND_ONEOFF, "run", "echo 'a b' 'it'\\''s' ''"},
	{{"echo", "$PORT", "|", "\n"}, COMMAND_ONEOFF, "run", "echo '$PORT' '|' '\n'"},
};

static void command_compile__words__go_through_a_login_shell_C1_5(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shell); i++) {
		struct command_input in = {.types = &types, .operands = shell[i].operands};
		_cleanup_arena_ struct arena a = {0};
		struct command cmd;
		struct dyno_err err;

		while (in.n < ARRAY_SIZE(shell[i].operands) && in.operands[in.n])
			in.n++;
		assert_int_equal(command_compile(&in, &a, &cmd, &err), 0);
		assert_int_equal(cmd.kind, shell[i].kind);
		assert_string_equal(cmd.type, shell[i].type);
		assert_string_equal(cmd.text, shell[i].text);
		assert_true(cmd.shell);
		assert_string_equal(cmd.argv[0], "bash");
		assert_string_equal(cmd.argv[1], "--login");
		assert_string_equal(cmd.argv[2], "-c");
		assert_string_equal(cmd.argv[3], shell[i].text);
		assert_null(cmd.argv[4]);
	}
}

static void command_compile__argv_mode__is_direct(void **state)
{
	static const char *const operands[] = {"worker", "a b", "$x", ""};
	struct command_input in = {&types, operands, 4, true};
	_cleanup_arena_ struct arena a = {0};
	struct command cmd;
	struct dyno_err err;

	(void)state;
	assert_int_equal(command_compile(&in, &a, &cmd, &err), 0);
	assert_int_equal(cmd.kind, COMMAND_ONEOFF);
	assert_string_equal(cmd.type, "run");
	assert_false(cmd.shell);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(cmd.argv[i], operands[i]);
	assert_null(cmd.argv[4]);
	assert_string_equal(cmd.text, "worker 'a b' '$x' ''");
}

static void command_compile__nothing_to_run__lists_the_types(void **state)
{
	static const char *const empty[] = {""};
	_cleanup_arena_ struct arena a = {0};
	struct command cmd = {.text = "untouched"};
	struct dyno_err err;

	(void)state;
	assert_int_equal(
		command_compile(&(struct command_input){&no_web, NULL, 0, false}, &a, &cmd, &err),
		-EINVAL);
	assert_int_equal(err.kind, ERR_PROCFILE_TYPE);
	assert_non_null(strstr(err.hint, "worker"));

	assert_int_equal(
		command_compile(&(struct command_input){&no_types, NULL, 0, false}, &a, &cmd, &err),
		-EINVAL);
	assert_int_equal(err.kind, ERR_PROCFILE_MISSING);

	assert_int_equal(
		command_compile(&(struct command_input){&types, NULL, 0, true}, &a, &cmd, &err),
		-EINVAL);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_int_equal(
		command_compile(&(struct command_input){&types, empty, 1, false}, &a, &cmd, &err),
		-EINVAL);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_int_equal(
		command_compile(&(struct command_input){&types, empty, 1, true}, &a, &cmd, &err),
		-ENOENT);
	assert_int_equal(dyno_err_exit_code(&err), 127);
	assert_string_equal(cmd.text, "untouched");
}

static void command_for_type__worker__is_its_line(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct command cmd;
	struct dyno_err err;

	(void)state;
	assert_int_equal(command_for_type(&items[1], &a, &cmd, &err), 0);
	assert_int_equal(cmd.kind, COMMAND_TYPE);
	assert_string_equal(cmd.type, "worker");
	assert_string_equal(cmd.argv[3], "rake work");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_compile__words__go_through_a_login_shell_C1_5),
		cmocka_unit_test(command_compile__argv_mode__is_direct),
		cmocka_unit_test(command_compile__nothing_to_run__lists_the_types),
		cmocka_unit_test(command_for_type__worker__is_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
