/* SPDX-License-Identifier: Apache-2.0 */
/* Columns for people. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include "base/fd.h"
#include "cli/table.h"

static const struct table_column columns[] = {{.heading = "NAME", .least = 6, .keep_end = true},
					      {.heading = "N"},
					      {.heading = "COMMAND", .least = 7}};

struct fixture {
	struct arena arena;
	struct table table;
	struct sbuf out;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){0};
	f.table = (struct table){
		.arena = &f.arena, .columns = columns, .n_columns = ARRAY_SIZE(columns)};
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sbuf_done(&f->out);
	arena_done(&f->arena);
	return 0;
}

static void add(struct fixture *f, const char *name, const char *n, const char *command)
{
	struct table_cell *row = table_row(&f->table);

	assert_non_null(row);
	row[0].text = name;
	row[1].text = n;
	row[2].text = command;
}

static const char *print(struct fixture *f, size_t line)
{
	f->out.len = 0;
	assert_int_equal(table_print(&f->table, line, false, &f->out), 0);
	return sbuf_str(&f->out);
}

static void table_print__no_rows__is_the_headings(void **state)
{
	assert_string_equal(print(*state, 80), "NAME  N  COMMAND\n");
}

static void table_print__wide_line__columns_are_as_wide_as_needed(void **state)
{
	struct fixture *f = *state;

	add(f, "web.1", "12", "bundle exec puma");
	add(f, "worker.12", "3", "x");
	assert_string_equal(print(f, 80), "NAME       N   COMMAND\n"
					  "web.1      12  bundle exec puma\n"
					  "worker.12  3   x\n");
}

static void table_print__narrow_line__the_last_give_way_first(void **state)
{
	struct fixture *f = *state;

	add(f, "worker.12", "1234", "bundle exec puma");
	assert_string_equal(print(f, 30), "NAME       N     COMMAND\n"
					  "worker.12  1234  bundle exe...\n");
	assert_string_equal(print(f, 22), "NAME     N     COMMAND\n"
					  "...r.12  1234  bund...\n");
	/* each down to its least, and never further; numbers whole */
	assert_string_equal(print(f, 21), "NAME    N     COMMAND\n"
					  "....12  1234  bund...\n");
	assert_string_equal(print(f, 1), "NAME    N     COMMAND\n"
					 "....12  1234  bund...\n");
}

/* What `dyno ps` shows of a crashed dyno: the state whole, the command not at all. */
static void
table_print__optional_column__is_cut_and_then_left_out_before_others_give_way(void **state)
{
	static const struct table_column some[] = {
		{.heading = "NAME", .least = 4},
		{.heading = "STATE", .least = 10},
		{.heading = "N"},
		{.heading = "COMMAND", .least = 7, .optional = true}};
	struct fixture *f = *state;
	struct table_cell *row;

	f->table.columns = some;
	f->table.n_columns = ARRAY_SIZE(some);
	row = table_row(&f->table);
	assert_non_null(row);
	row[0].text = "web.1";
	row[1].text = "crashed (2nd)";
	row[2].text = "7";
	row[3].text = "bundle exec puma";
	assert_string_equal(print(f, 41), "NAME   STATE          N  COMMAND\n"
					  "web.1  crashed (2nd)  7  bundle exec puma\n");
	assert_string_equal(print(f, 32), "NAME   STATE          N  COMMAND\n"
					  "web.1  crashed (2nd)  7  bund...\n");
	assert_string_equal(print(f, 31), "NAME   STATE          N\n"
					  "web.1  crashed (2nd)  7\n");
	assert_string_equal(print(f, 22), "NAME   STATE         N\n"
					  "web.1  crashed (...  7\n");
	assert_string_equal(print(f, 1), "NAME  STATE       N\n"
					 "w...  crashed...  7\n");
}

/* What `dyno stats` shows: numbers that stand still below each other. */
static void table_print__numbers__end_in_one_place_however_long_they_are(void **state)
{
	static const struct table_column some[] = {
		{.heading = "NAME", .least = 4, .width = 6, .first = true},
		{.heading = "CPU", .width = 5, .right = true},
		{.heading = "N", .width = 2, .right = true, .optional = true}};
	struct fixture *f = *state;
	struct table_cell *row;

	f->table.columns = some;
	f->table.n_columns = ARRAY_SIZE(some);
	f->table.gap = 1;
	row = table_row(&f->table);
	assert_non_null(row);
	row[0].text = "a";
	row[1].text = "0.1";
	row[2].text = "1";
	assert_string_equal(print(f, 15), "NAME     CPU  N\n"
					  "a        0.1  1\n");
	row[0].text = "worker";
	row[1].text = "100.1";
	row[2].text = "12";
	assert_string_equal(print(f, 15), "NAME     CPU  N\n"
					  "worker 100.1 12\n");
	/* the name is cut first, and then the last number is left out */
	assert_string_equal(print(f, 13), "NAME   CPU  N\n"
					  "w... 100.1 12\n");
	assert_string_equal(print(f, 12), "NAME   CPU\n"
					  "w... 100.1\n");
}

static void table_print__wide_characters__are_not_cut_through_nor_too_long(void **state)
{
	struct fixture *f = *state;

	add(f, "a", "1", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5"); /* eight columns */
	assert_string_equal(print(f, 16), "NAME  N  COMMAND\n"
					  "a     1  \xe6\x97\xa5\xe6\x9c\xac...\n");
	add(f, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5", "2", "");
	assert_non_null(strstr(print(f, 18), "\n...\xe6\x97\xa5   2  \n"));
}

static void table_print__style__leaves_the_widths(void **state)
{
	struct fixture *f = *state;
	struct table_cell *row = table_row(&f->table);

	assert_non_null(row);
	row[0] = (struct table_cell){"up", STYLE_GREEN};
	row[1].text = "1";
	row[2].text = "x";
	assert_int_equal(table_print(&f->table, 80, true, &f->out), 0);
	assert_string_equal(sbuf_str(&f->out), "NAME  N  COMMAND\n"
					       "\033[32mup\033[0m    1  x\n");
}

static void table_print__thousand_rows__stand_in_their_order(void **state)
{
	struct fixture *f = *state;
	char line[64];
	const char *at;

	for (unsigned int i = 0; i < 1000; i++)
		add(f, "a", arena_fmt(&f->arena, "%u", i), "x");
	at = print(f, 80);
	for (unsigned int i = 0; i < 1000; i++) {
		at = strchr(at, '\n');
		assert_non_null(at);
		str_fmt(line, sizeof(line), "a     %u ", i);
		assert_non_null(str_starts(++at, line));
	}
}

static void table_line__terminal_or_not__is_its_width_or_eighty(void **state)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int tty = open("/dev/ptmx", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct winsize size = {.ws_row = 24, .ws_col = 132};

	(void)state;
	assert_int_equal(table_line(null), 80);
	if (tty < 0)
		skip();
	assert_int_equal(ioctl(tty, TIOCSWINSZ, &size), 0);
	assert_int_equal(table_line(tty), 132);
	size.ws_col = 0;
	assert_int_equal(ioctl(tty, TIOCSWINSZ, &size), 0);
	assert_int_equal(table_line(tty), 80);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(table_print__no_rows__is_the_headings, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			table_print__wide_line__columns_are_as_wide_as_needed, setup, teardown),
		cmocka_unit_test_setup_teardown(table_print__narrow_line__the_last_give_way_first,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			table_print__optional_column__is_cut_and_then_left_out_before_others_give_way,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			table_print__numbers__end_in_one_place_however_long_they_are, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			table_print__wide_characters__are_not_cut_through_nor_too_long, setup,
			teardown),
		cmocka_unit_test_setup_teardown(table_print__style__leaves_the_widths, setup,
						teardown),
		cmocka_unit_test_setup_teardown(table_print__thousand_rows__stand_in_their_order,
						setup, teardown),
		cmocka_unit_test(table_line__terminal_or_not__is_its_width_or_eighty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
