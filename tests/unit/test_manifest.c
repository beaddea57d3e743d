/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_manifest.c - lines of the manifest: what is written is read back whatever bytes a name has
 * (T10), and what was not written by us is refused (T55).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "rootfs/manifest.h"

static void manifest_add__any_name__is_parsed_back_T10(void **state)
{
	static const struct manifest_entry entries[] = {
		{'f', 0644, 14, 0xcb0cd50a93970917, NULL, "app/Procfile"},
		{'f', 0600, UINT64_MAX, 0, NULL, "new\nline\ttab\\back\x7f\x1b[31m"},
		{'f', 0755, 0, UINT64_MAX, NULL, " blanks at both ends "},
		{'d', 0700, 0, 0, NULL, "d\xc3\xbc"},
		{'l', 0, 0, 0, "../\t/x", "link\\x41"},
		{'h', 0, 0, 0, "app/a", "app/b"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		_cleanup_sbuf_ struct sbuf text = {0};
		struct manifest_entry back;

		manifest_add(&text, &entries[i]);
		assert_int_equal(sbuf_ok(&text), 0);
		assert_int_equal(text.data[text.len - 1], '\n');
		assert_ptr_equal(memchr(text.data, '\n', text.len), text.data + text.len - 1);
		text.data[text.len - 1] = '\0';
		assert_int_equal(manifest_parse(text.data, &back), 0);
		assert_int_equal(back.type, entries[i].type);
		assert_int_equal(back.mode, entries[i].mode);
		assert_true(back.size_bytes == entries[i].size_bytes);
		assert_true(back.crc64 == entries[i].crc64);
		assert_string_equal(back.path, entries[i].path);
		if (entries[i].target)
			assert_string_equal(back.target, entries[i].target);
		else
			assert_null(back.target);
	}
}

static void manifest_parse__foreign_line__is_refused_T55(void **state)
{
	static const char *const lines[] = {
		"",
		"f",
		"x 0644\tp",
		"f 0644 1\tp",
		"f 644 1 0000000000000000\tp",
		"f 0844 1 0000000000000000\tp",
		"f 0644 -1 0000000000000000\tp",
		"f 0644 1 000000000000000g\tp",
		"f 0644 1 0000000000000000 x\tp",
		"f 0644 1 0000000000000000\t",
		"f 0644 1 0000000000000000\tp\tq",
		"d 0755 1\tp",
		"d\tp",
		"l\tp",
		"l 0777\tt\tp",
		"f 0644 1 0000000000000000\tp\\q",
		"f 0644 1 0000000000000000\tp\\x0",
		"f 0644 1 0000000000000000\tp\\x00",
		"f 0644 1 0000000000000000\tp\\xzz",
		"f 0644 18446744073709551616 0000000000000000\tp",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct manifest_entry back;
		char line[128];

		(void)str_fmt(line, sizeof(line), "%s", lines[i]);
		assert_int_equal(manifest_parse(line, &back), -EINVAL);
	}
}

static void manifest_parse_end__each_form__is_read_back(void **state)
{
	static const struct manifest_end ends[] = {
		{true, 6, 100024},
		{false, 0, 0},
		{true, UINT64_MAX, UINT64_MAX},
	};
	static const char *const bad[] = {"end",	  "end app",	 "end app 1",
					  "end tree 1 2", "end app x 2", "end app 1 2 3",
					  "fin app 1 2"};
	struct manifest_end back;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		_cleanup_sbuf_ struct sbuf text = {0};

		manifest_add_end(&text, &ends[i]);
		text.data[text.len - 1] = '\0';
		assert_int_equal(manifest_parse_end(text.data, &back), 0);
		assert_int_equal(back.heroku_form, ends[i].heroku_form);
		assert_true(back.members == ends[i].members);
		assert_true(back.tree_bytes == ends[i].tree_bytes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(manifest_parse_end(bad[i], &back), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manifest_add__any_name__is_parsed_back_T10),
		cmocka_unit_test(manifest_parse__foreign_line__is_refused_T55),
		cmocka_unit_test(manifest_parse_end__each_form__is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
