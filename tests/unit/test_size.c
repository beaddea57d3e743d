/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_size.c - the table of sizes against the numbers of the contract (table a, C3.11, C3.13).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/str.h"
#include "model/limits.h"
#include "model/size.h"

#define MB (1ULL << 20)

/* The column "file" and the published limits, as the contract writes them. */
static const struct {
	const char *name;
	uint64_t file_bytes;
	uint64_t hard_mb;
	uint32_t limit;
	uint32_t web_concurrency;
	const char *cpu;
} published[] = {
	{"eco", 536870912, 1024, 256, 2, "1"},
	{"basic", 536870912, 1024, 256, 2, "1"},
	{"standard-1x", 536870912, 1024, 256, 2, "1"},
	{"standard-2x", 1073741824, 2048, 512, 4, "2"},
	{"private-s", 1073741824, 1024, 512, 4, "12"},
	{"shield-s", 1073741824, 1024, 512, 4, "12"},
	{"performance-m", 2684354560, 5120, 16384, 5, "12"},
	{"private-m", 2684354560, 2560, 16384, 5, "12"},
	{"performance-l", 15032385536, 28672, 32768, 17, "50"},
	{"shield-l", 15032385536, 14336, 32768, 17, "50"},
	{"performance-l-ram", 32212254720, 36864, 24576, 9, "24"},
	{"private-l-ram", 32212254720, 30720, 24576, 9, "24"},
	{"performance-xl", 66571993088, 75776, 32768, 17, "50"},
	{"private-xl", 66571993088, 63488, 32768, 17, "50"},
	{"performance-2xl", 135291469824, 154624, 65536, 33, "100"},
	{"shield-2xl", 135291469824, 129024, 65536, 33, "100"},
};

static void size_find__published_sizes__have_the_contracts_numbers(void **state)
{
	char cpu[24];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(published); i++) {
		const struct dyno_size *s = size_find(published[i].name);
		struct limits l;

		assert_non_null(s);
		limits_of_size(s, &l);
		assert_string_equal(s->name, published[i].name);
		assert_true(s->ram_bytes == published[i].file_bytes);
		assert_true(s->hard_bytes == published[i].hard_mb * MB);
		assert_int_equal(s->process_limit, published[i].limit);
		assert_int_equal(limits_web_concurrency(&l), published[i].web_concurrency);
		assert_string_equal(limits_cpu_text(&l, cpu, sizeof(cpu)), published[i].cpu);
	}
}

static void size_find__names__old_new_and_any_case(void **state)
{
	static const char *const pairs[][2] = {
		{"Standard-1X", "standard-1x"}, {"1X", "standard-1x"}, {"free", "standard-1x"},
		{"hobby", "standard-1x"},	{"2X", "standard-2x"}, {"PX", "px"},
		{"dyno-1c-0.5gb", "1c-0.5gb"},	{"2C-4GB", "2c-4gb"},  {"none", "none"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		assert_string_equal(size_find(pairs[i][0])->name, pairs[i][1]);
	assert_non_null(size_find(SIZE_DEFAULT));
	assert_null(size_find(""));
	assert_null(size_find("standard"));
	assert_null(size_find("standard-1x "));
	assert_null(size_find("dyno-standard-1x"));
	assert_null(size_find("dyno-"));
}

static void size_each__whole_table__is_consistent(void **state)
{
	const struct dyno_size *s;
	size_t n = 0;

	(void)state;
	for (; (s = size_each(n)); n++) {
		struct limits l;
		char cpu[24];

		assert_ptr_equal(size_find(s->name), s); /* no name stands twice */
		assert_true(s->hard_bytes >= s->ram_bytes);
		if (str_eq(s->name, SIZE_NONE))
			continue;
		assert_true(s->ram_bytes >= 512 * MB);
		assert_true((s->cpu_shares > 0) != (s->cpu_quota_usec > 0));
		limits_of_size(s, &l);
		assert_true(limits_web_concurrency(&l) >= 2);
		assert_string_not_equal(limits_cpu_text(&l, cpu, sizeof(cpu)), "");
	}
	assert_int_equal(n, 40);
}

static void size_find__fir__is_capped_at_nine_tenths_C11_4(void **state)
{
	const struct dyno_size *s = size_find("32c-64gb");
	struct limits l;
	char cpu[24];

	(void)state;
	assert_int_equal(size_find("1c-4gb")->cpu_quota_usec, 90000);
	limits_of_size(size_find("1c-4gb"), &l);
	assert_string_equal(limits_cpu_text(&l, cpu, sizeof(cpu)), "0.9");
	limits_of_size(s, &l);
	assert_string_equal(limits_cpu_text(&l, cpu, sizeof(cpu)), "28.8");
	assert_true(s->ram_bytes == 65536 * MB && s->hard_bytes == s->ram_bytes);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_find__published_sizes__have_the_contracts_numbers),
		cmocka_unit_test(size_find__names__old_new_and_any_case),
		cmocka_unit_test(size_each__whole_table__is_consistent),
		cmocka_unit_test(size_find__fir__is_capped_at_nine_tenths_C11_4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
