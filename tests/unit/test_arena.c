/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_arena.c - memory of an arena: aligned, zeroed, disjoint, valid until the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"

static void arena_alloc__many_sizes__are_aligned_zeroed_and_disjoint(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	unsigned char *p[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		size_t size = i * 37 % 3000;

		p[i] = arena_alloc(&a, size);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
		for (size_t k = 0; k < size; k++)
			assert_int_equal(p[i][k], 0);
		memset(p[i], (int)(i % 255 + 1), size);
	}
	for (size_t i = 0; i < ARRAY_SIZE(p); i++)
		for (size_t k = 0; k < i * 37 % 3000; k++)
			assert_int_equal(p[i][k], i % 255 + 1);
}

static void arena_alloc__size_zero__gives_distinct_objects(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	void *p = arena_alloc(&a, 0), *q = arena_alloc(&a, 0);

	(void)state;
	assert_non_null(p);
	assert_non_null(q);
	assert_ptr_not_equal(p, q);
}

static void arena_calloc__overflow__is_null(void **state)
{
	_cleanup_arena_ struct arena a = {0};

	(void)state;
	assert_null(arena_calloc(&a, SIZE_MAX / 2, 3));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, PTRDIFF_MAX));
	assert_null(arena_memdup(&a, "", SIZE_MAX));
	assert_non_null(arena_calloc(&a, 3, 5));
}

static void arena_strdup__and_memdup__end_in_a_nul(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	char *copy;

	(void)state;
	assert_string_equal(arena_strdup(&a, "text"), "text");
	assert_string_equal(arena_strdup(&a, ""), "");
	copy = arena_memdup(&a, "a\0bc", 3);
	assert_memory_equal(copy, "a\0b", 4);
	assert_string_equal(arena_memdup(&a, NULL, 0), "");
}

static void arena_fmt__long_text__is_whole(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	char *text = arena_fmt(&a, "%s-%09000d", "x", 7);

	(void)state;
	assert_int_equal(strlen(text), 9002);
	assert_string_equal(text + 8990, "000000000007");
}

static void arena_done__used_again__works(void **state)
{
	struct arena a = {0};

	(void)state;
	arena_done(&a);
	assert_string_equal(arena_strdup(&a, "one"), "one");
	arena_done(&a);
	assert_null(a.head);
	assert_string_equal(arena_strdup(&a, "two"), "two");
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_alloc__many_sizes__are_aligned_zeroed_and_disjoint),
		cmocka_unit_test(arena_alloc__size_zero__gives_distinct_objects),
		cmocka_unit_test(arena_calloc__overflow__is_null),
		cmocka_unit_test(arena_strdup__and_memdup__end_in_a_nul),
		cmocka_unit_test(arena_fmt__long_text__is_whole),
		cmocka_unit_test(arena_done__used_again__works),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
