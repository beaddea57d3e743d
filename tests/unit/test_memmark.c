/* SPDX-License-Identifier: Apache-2.0 */
/* test_memmark.c - what counts for which mark, growth, and when the hard mark comes. */
#include "model/memmark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

#define MIB (1ULL << 20)

/* C11.1, C11.2, C11.3 */
static void judge__samples__level(void **state)
{
	static const struct {
		struct memmark_sample sample; /* in MiB */
		enum memmark_level want;
		uint64_t quota_use;
	} cases[] = {
		{{0}, MEMMARK_BELOW, 0},
		{{.anon_bytes = 512}, MEMMARK_BELOW, 512},
		{{.anon_bytes = 513}, MEMMARK_SOFT, 513},
		{{.anon_bytes = 1024}, MEMMARK_SOFT, 1024},
		{{.anon_bytes = 1025}, MEMMARK_HARD, 1025},
		/* page cache and the kernel's own count for neither */
		{{.anon_bytes = 1, .file_bytes = 5000, .kernel_bytes = 5000}, MEMMARK_BELOW, 1},
		/* what is in swap and what is shared are the processes' */
		{{.anon_bytes = 300, .swap_bytes = 300}, MEMMARK_SOFT, 600},
		{{.anon_bytes = 300, .shmem_bytes = 300}, MEMMARK_SOFT, 600},
		/* the scratch counts for the hard mark alone */
		{{.anon_bytes = 300, .shmem_bytes = 300, .scratch_bytes = 299}, MEMMARK_BELOW, 301},
		{{.anon_bytes = 600, .shmem_bytes = 500, .scratch_bytes = 500}, MEMMARK_HARD, 600},
		/* of it in swap */
		{{.shmem_bytes = 100, .swap_bytes = 400, .scratch_bytes = 500}, MEMMARK_BELOW, 0},
		/* a scratch that is counted larger than what is charged takes no more away */
		{{.anon_bytes = 600, .shmem_bytes = 1, .scratch_bytes = 900}, MEMMARK_SOFT, 600},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct memmark_sample *s = &cases[i].sample;
		struct memmark_sample bytes = {
			.anon_bytes = s->anon_bytes * MIB,
			.shmem_bytes = s->shmem_bytes * MIB,
			.scratch_bytes = s->scratch_bytes * MIB,
			.swap_bytes = s->swap_bytes * MIB,
			.file_bytes = s->file_bytes * MIB,
			.kernel_bytes = s->kernel_bytes * MIB,
		};
		struct memmark m;

		memmark_init(&m, 512 * MIB, 1024 * MIB);
		if (memmark_judge(&m, &bytes) != cases[i].want ||
		    memmark_quota_use(&bytes) != cases[i].quota_use * MIB)
			fail_msg("case %zu", i);
		memmark_init(&m, 0, 0);
		assert_int_equal(memmark_judge(&m, &bytes), MEMMARK_BELOW);
	}
}

static void judge__numbers_at_the_end__no_overflow(void **state)
{
	const struct memmark_sample all = {
		.anon_bytes = UINT64_MAX, .shmem_bytes = UINT64_MAX, .swap_bytes = UINT64_MAX};
	struct memmark m;

	(void)state;
	memmark_init(&m, 1, 2);
	assert_int_equal(memmark_judge(&m, &all), MEMMARK_HARD);
	assert_true(memmark_quota_use(&all) == UINT64_MAX);
}

static void feed(struct memmark *m, uint64_t at_ms, uint64_t anon_bytes)
{
	const struct memmark_sample s = {.at_ms = at_ms, .anon_bytes = anon_bytes};

	memmark_add(m, &s);
}

static void growth__steady__and_when_the_mark_comes(void **state)
{
	struct memmark m;
	int64_t growth = 0;
	uint64_t ms = 0;

	(void)state;
	memmark_init(&m, 100 * MIB, 200 * MIB);
	assert_false(memmark_growth(&m, &growth));
	feed(&m, 1000, 110 * MIB);
	assert_false(memmark_growth(&m, &growth));
	assert_false(memmark_hard_in(&m, &ms));
	feed(&m, 21000, 130 * MIB);
	assert_true(memmark_growth(&m, &growth));
	assert_int_equal(growth, MIB);
	assert_true(memmark_hard_in(&m, &ms));
	assert_int_equal(ms, 70000);

	/* Only the last ones count. */
	for (unsigned int i = 0; i < MEMMARK_PAST; i++)
		feed(&m, 41000 + i * 20000, 150 * MIB);
	assert_true(memmark_growth(&m, &growth));
	assert_int_equal(growth, 0);
	assert_false(memmark_hard_in(&m, &ms));

	feed(&m, 200000, 50 * MIB);
	assert_true(memmark_growth(&m, &growth));
	assert_true(growth < 0);
	assert_false(memmark_hard_in(&m, &ms));

	memmark_forget(&m);
	assert_false(memmark_growth(&m, &growth));
}

static void growth__odd_times_and_numbers__told_or_not(void **state)
{
	struct memmark m;
	int64_t growth = 0;
	uint64_t ms = 0;

	(void)state;
	memmark_init(&m, 1, 1000);
	feed(&m, 5, 0);
	feed(&m, 5, 900);
	assert_false(memmark_growth(&m, &growth));
	feed(&m, 6, UINT64_MAX);
	assert_true(memmark_growth(&m, &growth));
	assert_true(growth == INT64_MAX);
	assert_true(memmark_hard_in(&m, &ms));
	assert_int_equal(ms, 0);
	feed(&m, 1, 7); /* a clock that went back */
	assert_false(memmark_growth(&m, &growth));
	/* too far away to be told */
	feed(&m, 1 + 3600 * 1000, 8);
	feed(&m, 1 + 7200 * 1000, 9);
	assert_false(memmark_hard_in(&m, &ms));
	/* without a mark */
	memmark_init(&m, 1, 0);
	feed(&m, 0, 1);
	feed(&m, 1000, 2);
	assert_false(memmark_hard_in(&m, &ms));
}

static void text__parts__words(void **state)
{
	struct memmark m;
	struct memmark_sample s = {.at_ms = 1000,
				   .anon_bytes = 110 * MIB,
				   .shmem_bytes = 20 * MIB,
				   .file_bytes = 900 * MIB};
	char buf[1024], small[8];
	size_t len;

	(void)state;
	memmark_init(&m, 100 * MIB, 200 * MIB);
	assert_int_equal(memmark_text(&m, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	memmark_add(&m, &s);
	memmark_text(&m, buf, sizeof(buf));
	assert_string_equal(buf, "processes 110 MB, files in memory 20 MB");

	s.at_ms = 21000;
	s.anon_bytes = 130 * MIB;
	s.swap_bytes = 10 * MIB;
	memmark_add(&m, &s);
	memmark_file_add(&m, "/", "app/tmp/b\n", 2 * MIB);
	memmark_file_add(&m, "/", "app/a", 12 * MIB);
	memmark_file_add(&m, "/app/", "c", MIB);
	memmark_file_add(&m, "/", "small", 1);
	len = memmark_text(&m, buf, sizeof(buf));
	assert_string_equal(buf, "processes 130 MB, files in memory 20 MB, swap 10 MB; growing "
				 "1.5 MB a second, hard limit in about 26 s; biggest /app/a, 12 "
				 "MB; /app/tmp/b\\n, 2.0 MB; /app/c, 1.0 MB");
	assert_int_equal(len, strlen(buf));
	assert_int_equal(memmark_text(&m, small, sizeof(small)), len);
	assert_string_equal(small, "process");
	assert_int_equal(memmark_text(&m, NULL, 0), len);
}

static void files__long_path__cut(void **state)
{
	struct memmark m;
	char path[2 * MEMMARK_PATH_BYTES];

	(void)state;
	memmark_init(&m, 1, 2);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	memmark_file_add(&m, "/app/", path, 5);
	assert_int_equal(strlen(m.files[0].path), MEMMARK_PATH_BYTES - 1);
	assert_int_equal(m.files[0].bytes, 5);
	assert_int_equal(m.files[1].bytes, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(judge__samples__level),
		cmocka_unit_test(judge__numbers_at_the_end__no_overflow),
		cmocka_unit_test(growth__steady__and_when_the_mark_comes),
		cmocka_unit_test(growth__odd_times_and_numbers__told_or_not),
		cmocka_unit_test(text__parts__words),
		cmocka_unit_test(files__long_path__cut),
	};

	return cmocka_run_group_tests_name("memmark", tests, NULL, NULL);
}
