/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_scratchplan.c - where writes go and how many they may be, for every size of the table and for
 * what users ask for; above all: an app within its quota cannot fill the memory beyond the hard mark.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "model/scratchplan.h"
#include "model/size.h"

#define MB  (1ULL << 20)
#define GB  (1ULL << 30)
#define SHM (64 * MB)

static struct scratchplan make(const struct scratchplan_input *in)
{
	struct scratchplan plan;

	scratchplan_make(in, &plan);
	return plan;
}

/* Pages and the kernel's own memory for them. */
static uint64_t cost(const struct scratchplan *plan)
{
	return plan->bytes + plan->inodes * SCRATCH_INODE_COST_BYTES;
}

static void scratchplan__each_size__default_fits_between_quota_and_hard_mark(void **state)
{
	const struct dyno_size *size;
	unsigned int disks = 0;

	(void)state;
	for (size_t i = 0; (size = size_each(i)) != NULL; i++) {
		const struct scratchplan_input in = {.quota_bytes = size->ram_bytes,
						     .hard_bytes = size->hard_bytes,
						     .other_bytes = SHM};
		const struct scratchplan plan = make(&in);

		assert_false(plan.over);
		assert_false(plan.asked);
		assert_true(plan.bytes > 0 && plan.inodes >= SCRATCH_INODES_MIN);
		if (size->hard_bytes && size->hard_bytes == size->ram_bytes) {
			assert_true(plan.disk);
			assert_true(plan.bytes == SCRATCH_DISK_BYTES);
			disks++;
		} else if (size->hard_bytes) {
			assert_false(plan.disk);
			assert_true(size->ram_bytes + SHM + cost(&plan) <= size->hard_bytes);
		}
	}
	assert_true(disks > 20); /* private, shield and all of Fir */
}

static void scratchplan__standard_1x__nearly_all_of_the_room(void **state)
{
	const struct scratchplan_input in = {
		.quota_bytes = 512 * MB, .hard_bytes = GB, .other_bytes = SHM};
	const struct scratchplan plan = make(&in);

	(void)state;
	assert_int_equal(plan.room_bytes, 448 * MB);
	assert_true(cost(&plan) <= 448 * MB);
	assert_true(cost(&plan) > 447 * MB);
	assert_int_equal(plan.inodes, plan.bytes / SCRATCH_INODE_BYTES);
}

#define SMALL .quota_bytes = 512 * MB, .hard_bytes = GB
#define TIGHT .quota_bytes = GB, .hard_bytes = GB

static void scratchplan__what_is_asked_for__is_what_comes(void **state)
{
	static const struct {
		struct scratchplan_input in;
		bool disk;
		uint64_t bytes;
		uint64_t inodes;
		bool asked;
		bool over;
	} cases[] = {
		/* no limits at all */
		{{0}, false, 256 * MB, 16384, false, false},
		{{.bytes = 9 * GB}, false, 9 * GB, 589824, true, false},
		{{.kind = DYNO_SCRATCH_DISK}, true, 4 * GB, 262144, false, false},
		{{.kind = DYNO_SCRATCH_DISK, .bytes = MB}, true, MB, 128, true, false},
		{{.kind = DYNO_SCRATCH_DISK, .inodes = 500}, true, 4 * GB, 500, true, false},
		{{.kind = DYNO_SCRATCH_DISK, .bytes = DYNO_SCRATCH_NO_LIMIT},
		 true,
		 DYNO_SCRATCH_NO_LIMIT,
		 DYNO_SCRATCH_NO_LIMIT / 16384,
		 true,
		 false},
		/* by what fits */
		{{SMALL, .bytes = 100 * MB}, false, 100 * MB, 6400, true, false},
		{{SMALL, .bytes = 512 * MB}, true, 512 * MB, 32768, true, false},
		{{SMALL, .bytes = 100 * MB, .inodes = 1000000},
		 true,
		 100 * MB,
		 1000000,
		 true,
		 false},
		{{TIGHT}, true, 4 * GB, 262144, false, false},
		{{TIGHT, .bytes = MB}, true, MB, 128, true, false},
		{{SMALL, .other_bytes = 511 * MB}, true, 4 * GB, 262144, false, false},
		{{SMALL, .other_bytes = 5 * GB}, true, 4 * GB, 262144, false, false},
		/* memory, be there room or not */
		{{TIGHT, .kind = DYNO_SCRATCH_TMPFS}, false, 512 * MB, 32768, false, true},
		{{SMALL, .kind = DYNO_SCRATCH_TMPFS, .bytes = 2 * GB},
		 false,
		 2 * GB,
		 131072,
		 true,
		 true},
		{{SMALL, .kind = DYNO_SCRATCH_TMPFS, .bytes = 512 * MB, .inodes = 100},
		 false,
		 512 * MB,
		 100,
		 true,
		 true},
		{{SMALL, .kind = DYNO_SCRATCH_TMPFS, .bytes = 64 * MB, .inodes = 100},
		 false,
		 64 * MB,
		 100,
		 true,
		 false},
		/* no overlay writes to memory here */
		{{SMALL, .no_tmpfs = true}, true, 4 * GB, 262144, false, false},
		{{SMALL, .no_tmpfs = true, .kind = DYNO_SCRATCH_TMPFS, .bytes = MB},
		 true,
		 MB,
		 128,
		 true,
		 false},
		/* numbers at the edge */
		{{SMALL, .kind = DYNO_SCRATCH_TMPFS, .bytes = UINT64_MAX, .inodes = UINT64_MAX},
		 false,
		 UINT64_MAX,
		 UINT64_MAX,
		 true,
		 true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct scratchplan plan = make(&cases[i].in);

		if (plan.disk != cases[i].disk || plan.bytes != cases[i].bytes ||
		    plan.inodes != cases[i].inodes || plan.asked != cases[i].asked ||
		    plan.over != cases[i].over || !plan.why || !plan.why[0])
			fail_msg("case %zu: disk %d, %llu bytes, %llu inodes, asked %d, over %d", i,
				 plan.disk, (unsigned long long)plan.bytes,
				 (unsigned long long)plan.inodes, plan.asked, plan.over);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scratchplan__each_size__default_fits_between_quota_and_hard_mark),
		cmocka_unit_test(scratchplan__standard_1x__nearly_all_of_the_room),
		cmocka_unit_test(scratchplan__what_is_asked_for__is_what_comes),
	};

	return cmocka_run_group_tests_name("scratchplan", tests, NULL, NULL);
}
