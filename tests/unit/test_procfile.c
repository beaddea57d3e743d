/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_procfile.c - the grammar of procfile.h (C4.1-C4.6, T15), and look-ups.
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
#include "model/name.h"
#include "model/procfile.h"

#define TEXT(s) (s), STRLEN(s)

/* Each line defines one type, or none where @name is NULL; @note: a word of the note, or NULL. */
static const struct {
	const char *text;
	size_t len;
	const char *name;
	const char *command;
	const char *note;
} lines[] = {
	{TEXT("web: bundle exec puma"), "web", "bundle exec puma", NULL},
	{TEXT("web:cmd"), "web", "cmd", NULL},		     /* C4.3 */
	{TEXT("web cmd arg"), "web", "cmd arg", "no colon"}, /* C4.2 */
	{TEXT("web\tcmd"), "web", "cmd", "no colon"},
	{TEXT("web:\t\tcmd\t"), "web", "cmd", NULL},		/* tabs */
	{TEXT("  web: indented"), "web", "indented", NULL},	/* C4.2 leading space */
	{TEXT("web: cmd\r"), "web", "cmd", NULL},		/* CRLF */
	{TEXT("\xef\xbb\xbfweb: cmd"), "web", "cmd", NULL},	/* BOM */
	{TEXT("web: a:b --x=c:d"), "web", "a:b --x=c:d", NULL}, /* colon in the command */
	{TEXT("web: echo # no comment"), "web", "echo # no comment", NULL},
	{TEXT("my-worker: x"), "my-worker", "x", NULL},
	{TEXT("my_Worker2: x"), "my_Worker2", "x", NULL},
	{TEXT("web: \"$PORT\" && 'x' | y"), "web", "\"$PORT\" && 'x' | y", NULL}, /* C1.6 */
	{TEXT("web: \x1b[31m"), "web", "\x1b[31m", NULL},
	{TEXT("web : cmd"), "web", ": cmd", "blank before the colon"},
	{TEXT("run: x"), "run", "x", "one-off"}, /* C4.5 */
	{TEXT("-x: y"), "-x", "y", "--name"},
	{TEXT("my-worker:"), NULL, NULL, "no command"},
	{TEXT("my-worker:  \t "), NULL, NULL, "no command"},
	{TEXT("web"), NULL, NULL, "no command"},
	{TEXT("my.worker: x"), NULL, NULL, "letters, digits"},
	{TEXT(": x"), NULL, NULL, "no type"},
	{TEXT("\x1b]0;x\a: y"), NULL, NULL, "\\x1b]0;x"},
	{TEXT("# web: x"), NULL, NULL, NULL},
	{TEXT("   \t# indented comment"), NULL, NULL, NULL},
	{TEXT(""), NULL, NULL, NULL},
	{TEXT("  \t \r"), NULL, NULL, NULL},
	{TEXT("\xef\xbb\xbf"), NULL, NULL, NULL},
};

static void procfile_parse__one_line__is_read_as_documented_T15(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct proc_types types;
		struct procfile_notes notes;
		struct dyno_err err = {0};

		assert_int_equal(
			procfile_parse(lines[i].text, lines[i].len, &a, &types, &notes, &err), 0);
		assert_int_equal(types.n, lines[i].name ? 1 : 0);
		if (lines[i].name) {
			assert_string_equal(types.items[0].name, lines[i].name);
			assert_string_equal(types.items[0].command, lines[i].command);
			assert_int_equal(types.items[0].line, 1);
		}
		assert_int_equal(notes.n, lines[i].note ? 1 : 0);
		if (lines[i].note) {
			assert_non_null(strstr(notes.items[0].text, lines[i].note));
			assert_null(strchr(notes.items[0].text, 0x1b));
			assert_int_equal(notes.items[0].line, 1);
			assert_int_equal(notes.items[0].verdict, DYNO_WARN);
		}
	}
}

static void procfile_parse__whole_file__keeps_order_and_line_numbers(void **state)
{
	static const char text[] = "# top\r\n\r\nweb: a\r\n\r\nodd.line\r\nworker: b\r\nclock: c";
	_cleanup_arena_ struct arena a = {0};
	struct proc_types types;
	struct procfile_notes notes;
	struct dyno_err err;

	(void)state;
	assert_int_equal(procfile_parse(TEXT(text), &a, &types, &notes, &err), 0);
	assert_int_equal(types.n, 3);
	assert_string_equal(types.items[0].name, "web");
	assert_int_equal(types.items[0].line, 3);
	assert_string_equal(types.items[1].command, "b");
	assert_int_equal(types.items[1].line, 6);
	assert_string_equal(types.items[2].name, "clock");
	assert_int_equal(types.items[2].line, 7);
	assert_int_equal(notes.n, 1);
	assert_int_equal(notes.items[0].line, 5);
	assert_int_equal(procfile_parse(TEXT(text), &a, &types, NULL, &err), 0);
}

static void procfile_parse__same_type_twice__is_noted_or_refused_T15(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct proc_types types = {.n = 77};
	struct procfile_notes notes = {.n = 77};
	struct dyno_err err;

	(void)state;
	assert_int_equal(procfile_parse(TEXT("web: a\nx: y\nweb: b\n"), &a, &types, &notes, &err),
			 -EINVAL);
	assert_int_equal(err.kind, ERR_PROCFILE);
	assert_non_null(strstr(err.msg, "line 3"));
	assert_non_null(strstr(err.msg, "line 1"));
	assert_int_equal(types.n, 77);
	assert_int_equal(notes.n, 77);

	assert_int_equal(procfile_parse(TEXT("web: a\nweb: a\n"), &a, &types, &notes, &err), 0);
	assert_int_equal(types.n, 1);
	assert_int_equal(notes.n, 1);
	assert_int_equal(notes.items[0].line, 2);
}

static void procfile_parse__nul_byte__is_refused_by_line_T15(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct proc_types types;
	struct dyno_err err;

	(void)state;
	assert_int_equal(procfile_parse(TEXT("web: a\nx: \0y\n"), &a, &types, NULL, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_PROCFILE);
	assert_non_null(strstr(err.msg, "line 2"));
	assert_string_not_equal(err.hint, "");
}

static void procfile_parse__line_of_a_mebibyte__is_refused_by_line_T15(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	size_t len = (1U << 20) + 7;
	char *text = arena_alloc(&a, len);
	struct proc_types types;
	struct dyno_err err;

	(void)state;
	memset(text, 'x', len);
	memcpy(text, "\nweb: ", 6);
	assert_int_equal(procfile_parse(text, len, &a, &types, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "line 2"));

	assert_int_equal(procfile_parse(text, 1 + PROCFILE_LINE_MAX_BYTES, &a, &types, NULL, &err),
			 0);
	assert_int_equal(strlen(types.items[0].command), PROCFILE_LINE_MAX_BYTES - 5);
	assert_int_equal(procfile_parse(text, 2 + PROCFILE_LINE_MAX_BYTES, &a, &types, NULL, &err),
			 -EINVAL);
}

static void procfile_parse__long_type_name__ends_at_128(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	char text[PROC_TYPE_MAX_BYTES + 8];
	struct proc_types types;
	struct procfile_notes notes;
	struct dyno_err err;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text + PROC_TYPE_MAX_BYTES, ": y", 3);
	assert_int_equal(procfile_parse(text, PROC_TYPE_MAX_BYTES + 3, &a, &types, &notes, &err),
			 0);
	assert_int_equal(notes.n, 1); /* too long for a dyno's name */
	memcpy(text + PROC_TYPE_MAX_BYTES, "x: y", 4);
	assert_int_equal(procfile_parse(text, PROC_TYPE_MAX_BYTES + 4, &a, &types, &notes, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "129"));
}

static void procfile_parse__too_many__stops_at_the_caps(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	_cleanup_sbuf_ struct sbuf text = {0};
	struct proc_types types;
	struct procfile_notes notes;
	struct dyno_err err;

	(void)state;
	for (unsigned int i = 0; i < PROC_TYPES_MAX_COUNT; i++)
		sbuf_addf(&text, "t%u: x\n", i);
	assert_int_equal(procfile_parse(text.data, text.len, &a, &types, &notes, &err), 0);
	assert_int_equal(types.n, PROC_TYPES_MAX_COUNT);
	sbuf_adds(&text, "more: x\n");
	assert_int_equal(procfile_parse(text.data, text.len, &a, &types, &notes, &err), -EINVAL);

	text.len = 0;
	for (unsigned int i = 0; i < PROCFILE_NOTES_MAX_COUNT + 3; i++)
		sbuf_adds(&text, "odd\n");
	assert_int_equal(procfile_parse(text.data, text.len, &a, &types, &notes, &err), 0);
	assert_int_equal(notes.n, PROCFILE_NOTES_MAX_COUNT);
	assert_int_equal(notes.dropped, 3);
}

static void proc_types_require__unknown_type__lists_the_known_T15(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	const struct proc_type *type = NULL;
	struct proc_types types, none = {0};
	struct dyno_err err;

	(void)state;
	assert_int_equal(procfile_parse(TEXT("web: a\nworker: b\n"), &a, &types, NULL, &err), 0);
	assert_int_equal(proc_types_require(&types, "worker", &type, &err), 0);
	assert_string_equal(type->command, "b");
	assert_int_equal(proc_types_require(&types, "wrker\n", &type, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_PROCFILE_TYPE);
	assert_int_equal(dyno_err_exit_code(&err), 125);
	assert_non_null(strstr(err.hint, "web, worker"));
	assert_null(strchr(err.msg, '\n'));
	assert_string_equal(type->name, "worker");

	assert_int_equal(proc_types_require(&none, "web", &type, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_PROCFILE_MISSING);
}

static void proc_types_find__near_names__are_not_found(void **state)
{
	struct proc_type item = {"web", "x", 1};
	struct proc_types types = {&item, 1};

	(void)state;
	assert_ptr_equal(proc_types_find(&types, "web"), &item);
	assert_null(proc_types_find(&types, "we"));
	assert_null(proc_types_find(&types, "web2"));
	assert_null(proc_types_find(&types, "Web"));
	assert_null(proc_types_find(&types, ""));
}

static void proc_types_merge__defaults__serve_where_the_procfile_is_silent_C4_6(void **state)
{
	struct proc_type own[] = {{"web", "own", 1}, {"clock", "own", 2}};
	struct proc_type defaults[] = {{"rake", "default", 1}, {"web", "default", 2}};
	struct proc_types procfile = {own, 2}, release = {defaults, 2}, none = {0}, all;
	_cleanup_arena_ struct arena a = {0};
	struct dyno_err err;

	(void)state;
	assert_int_equal(proc_types_merge(&procfile, &release, &a, &all, &err), 0);
	assert_int_equal(all.n, 3);
	assert_string_equal(proc_types_find(&all, "web")->command, "own");
	assert_string_equal(all.items[2].name, "rake");
	assert_int_equal(proc_types_merge(&none, &release, &a, &all, &err), 0);
	assert_int_equal(all.n, 2);
	assert_int_equal(proc_types_merge(&none, &none, &a, &all, &err), 0);
	assert_int_equal(all.n, 0);
}

static void proc_types_list__small_buffer__ends_in_dots(void **state)
{
	struct proc_type items[] = {{"web", "x", 1}, {"worker", "x", 2}, {"clock", "x", 3}};
	struct proc_types types = {items, 3}, none = {0};
	char buf[64];

	(void)state;
	assert_string_equal(proc_types_list(&types, buf, 64), "web, worker, clock");
	assert_string_equal(proc_types_list(&types, buf, 19), "web, worker, clock");
	assert_string_equal(proc_types_list(&types, buf, 18), "web, worker, ...");
	assert_string_equal(proc_types_list(&types, buf, 16), "web, ...");
	assert_string_equal(proc_types_list(&types, buf, 8), "...");
	assert_string_equal(proc_types_list(&none, buf, 64), "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(procfile_parse__one_line__is_read_as_documented_T15),
		cmocka_unit_test(procfile_parse__whole_file__keeps_order_and_line_numbers),
		cmocka_unit_test(procfile_parse__same_type_twice__is_noted_or_refused_T15),
		cmocka_unit_test(procfile_parse__nul_byte__is_refused_by_line_T15),
		cmocka_unit_test(procfile_parse__line_of_a_mebibyte__is_refused_by_line_T15),
		cmocka_unit_test(procfile_parse__long_type_name__ends_at_128),
		cmocka_unit_test(procfile_parse__too_many__stops_at_the_caps),
		cmocka_unit_test(proc_types_require__unknown_type__lists_the_known_T15),
		cmocka_unit_test(proc_types_find__near_names__are_not_found),
		cmocka_unit_test(
			proc_types_merge__defaults__serve_where_the_procfile_is_silent_C4_6),
		cmocka_unit_test(proc_types_list__small_buffer__ends_in_dots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
