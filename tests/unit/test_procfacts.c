/* SPDX-License-Identifier: Apache-2.0 */
/* test_procfacts.c - texts of /proc, well-formed, cut short, and with a tenant's names in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "model/procfacts.h"

/* A name with a newline in it is escaped by the kernel, and begins no line. */
static const char status[] = "Name:\tx\\nCapEff:\\t1\n"
			     "Uid:\t1000\t1001\t1002\t1003\n"
			     "Gid:\t1\t2\t3\n"
			     "Groups:\t4 27 \n"
			     "CapEff:\t000001fffeffffff\n"
			     "CapBnd:\t00000000000000zz\n"
			     "CapAmb:\t10000000000000000\n"
			     "NoNewPrivs:\t1\n"
			     "Seccomp:\t\n"
			     "Seccomp_filters:\t3";

static void procfacts_u64__lines__their_numbers(void **state)
{
	static const struct {
		const char *name;
		unsigned int base;
		int r;
		uint64_t value;
	} cases[] = {
		{"NoNewPrivs", 10, 0, 1},
		{"Seccomp_filters", 10, 0, 3},
		{"CapEff", 16, 0, 0x1fffeffffffULL},
		{"CapBnd", 16, -EINVAL, 0},
		{"CapAmb", 16, -EINVAL, 0},
		{"Seccomp", 10, -EINVAL, 0},
		{"Name", 10, -EINVAL, 0},
		{"CapPrm", 16, -ENOENT, 0},
		{"Cap", 16, -ENOENT, 0},
		{"", 10, -ENOENT, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 77;

		assert_int_equal(procfacts_u64(status, cases[i].name, cases[i].base, &value),
				 cases[i].r);
		assert_int_equal(value, cases[i].r < 0 ? 77 : cases[i].value);
	}
}

static void procfacts_ids__four_or_an_error(void **state)
{
	uint32_t ids[4] = {7, 7, 7, 7};

	(void)state;
	assert_int_equal(procfacts_ids(status, "Gid", ids), -EINVAL);
	assert_int_equal(procfacts_ids(status, "Fid", ids), -ENOENT);
	assert_int_equal(procfacts_ids("Uid:\t1\t2\t3\t4294967296\n", "Uid", ids), -EINVAL);
	assert_int_equal(ids[0], 7);
	assert_int_equal(procfacts_ids(status, "Uid", ids), 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(ids[i], 1000 + i);
}

static void procfacts_field__blank_and_last__their_length(void **state)
{
	size_t len = 99;

	(void)state;
	assert_non_null(procfacts_field(status, "Groups", &len));
	assert_int_equal(len, STRLEN("4 27 "));
	assert_non_null(procfacts_field(status, "Seccomp_filters", &len));
	assert_int_equal(len, 1);
	assert_null(procfacts_field("", "Groups", &len));
}

static void procfacts_caps__sets__names(void **state)
{
	static const struct {
		uint64_t set;
		const char *text;
	} cases[] = {
		{0, "none"},
		{1, "chown"},
		{1ULL << 21 | 1ULL << 40, "sys_admin,checkpoint_restore"},
		{1ULL << 41 | 1ULL << 63, "41,63"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_sbuf_ struct sbuf b = {0};

		procfacts_caps(&b, cases[i].set);
		assert_string_equal(sbuf_str(&b), cases[i].text);
	}
}

static void procfacts_inside__maps__the_id_or_none(void **state)
{
	static const char two[] =
		"         0     200000      65536\n     70000          5          1\n";
	static const struct {
		const char *map;
		uint32_t outside;
		int r;
		uint32_t inside;
	} cases[] = {
		{two, 200000, 0, 0},
		{two, 265535, 0, 65535},
		{two, 265536, -ENOENT, 0},
		{two, 199999, -ENOENT, 0},
		{two, 5, 0, 70000},
		{"0 0 4294967295\n", 0, 0, 0},
		{"0 0 4294967295\n", UINT32_MAX, -ENOENT, 0},
		{"", 0, -ENOENT, 0},
		{"0 1", 1, -ENOENT, 0},
		{"a b c\n", 1, -ENOENT, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t inside = 0;

		assert_int_equal(procfacts_inside(cases[i].map, cases[i].outside, &inside),
				 cases[i].r);
		assert_int_equal(inside, cases[i].inside);
	}
	assert_true(procfacts_maps_root("1000 0 1\n"));
	assert_false(procfacts_maps_root(two));
}

static void procfacts_mount__lines__taken_apart(void **state)
{
	char text[] =
		"1 2 0:70 / / rw,nosuid,nodev shared:1 master:2 - overlay none rw,lowerdir=a\n"
		"3 1 254:0 /a\\040b /mnt/x\\134y\\012z ro - ext4 /dev/vda rw\n"
		"4 1 0:1 / /end\\04 rw - fuse.x\\040y none rw";
	char *cursor = text;
	struct procfacts_mount m;

	(void)state;
	assert_int_equal(procfacts_mount(&cursor, &m), 1);
	assert_string_equal(m.point, "/");
	assert_string_equal(m.fs, "overlay");
	assert_string_equal(m.source, "none");
	assert_string_equal(m.options, "rw,nosuid,nodev");
	assert_string_equal(m.super, "rw,lowerdir=a");
	assert_int_equal(procfacts_mount(&cursor, &m), 1);
	assert_string_equal(m.root, "/a b");
	assert_string_equal(m.point, "/mnt/x\\y\nz");
	assert_int_equal(procfacts_mount(&cursor, &m), 1);
	assert_string_equal(m.point, "/end\\04");
	assert_string_equal(m.fs, "fuse.x y");
	assert_int_equal(procfacts_mount(&cursor, &m), 0);
}

static void procfacts_mount__cut_lines__refused(void **state)
{
	static const char *const cases[] = {
		"\n",
		"1 2 0:70 /",
		"1 2 0:70 / / rw",
		"1 2 0:70 / / rw - overlay none",
		"1 2 0:70 / / rw shared:1 overlay none rw",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[64];
		char *cursor = text;
		struct procfacts_mount m = {.point = "kept"};

		memcpy(text, cases[i], strlen(cases[i]) + 1);
		assert_int_equal(procfacts_mount(&cursor, &m), -EINVAL);
		assert_string_equal(m.point, "kept");
	}
}

static void procfacts_has__whole_words_only(void **state)
{
	static const struct {
		const char *options, *word;
		bool has;
	} cases[] = {
		{"rw,nosuid,nodev", "nosuid", true},
		{"rw", "rw", true},
		{"rw,nosuidx", "nosuid", false},
		{"xnosuid,nodev", "nosuid", false},
		{"", "rw", false},
		{"a,,rw", "rw", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(procfacts_has(cases[i].options, cases[i].word), cases[i].has);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(procfacts_u64__lines__their_numbers),
		cmocka_unit_test(procfacts_ids__four_or_an_error),
		cmocka_unit_test(procfacts_field__blank_and_last__their_length),
		cmocka_unit_test(procfacts_caps__sets__names),
		cmocka_unit_test(procfacts_inside__maps__the_id_or_none),
		cmocka_unit_test(procfacts_mount__lines__taken_apart),
		cmocka_unit_test(procfacts_mount__cut_lines__refused),
		cmocka_unit_test(procfacts_has__whole_words_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
