/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_step.c - the tables of a launch: every row has a name of its own by which a fault can be
 * injected (T41), and the loop names the row that failed.
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
#include "engine/launch.h"
#include "engine/step.h"

static void step_name__every_stage__unique_and_parsable(void **state)
{
	unsigned int n = step_first(&join_child) - 1 + (unsigned int)join_child.n;
	struct step_fault fault;
	struct dyno_err err;
	char text[64];
	unsigned int i;
	unsigned int j;

	(void)state;
	assert_string_equal(step_name(0), "");
	assert_string_equal(step_name(n + 1), "");
	for (i = 1; i <= n; i++) {
		assert_true(strlen(step_name(i)) > 0);
		for (j = 1; j < i; j++)
			assert_string_not_equal(step_name(i), step_name(j));
		str_fmt(text, sizeof(text), "%s:5", step_name(i));
		assert_int_equal(step_fault_parse(text, &fault, &err), 0);
		assert_int_equal(fault.stage, i);
		assert_int_equal(fault.num, 5);
		str_fmt(text, sizeof(text), "%s:kill", step_name(i));
		assert_int_equal(step_fault_parse(text, &fault, &err), 0);
		assert_int_equal(fault.num, 0);
		assert_false(fault.stop);
		str_fmt(text, sizeof(text), "%s:stop", step_name(i));
		assert_int_equal(step_fault_parse(text, &fault, &err), 0);
		assert_true(fault.stop);
	}
}

static void step_fault_parse__nonsense__refused(void **state)
{
	static const char *const bad[] = {"",	     "clone",	    "clone:",	 "clone:x",
					  "clone:0", "clone:99999", "nowhere:5", ":5",
					  "clon:5",  "clonee:5"};
	struct step_fault fault;
	struct dyno_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(step_fault_parse(bad[i], &fault, &err), -EINVAL);
}

static int trace[8];
static int traced;

static int step_ok(struct launch *l, struct dyno_err *err)
{
	(void)l;
	(void)err;
	trace[traced++] = 1;
	return 0;
}

static int step_bad(struct launch *l, struct dyno_err *err)
{
	(void)l;
	trace[traced++] = 2;
	return err_set(err, ERR_LAUNCH, EIO, "do it");
}

static void undo_first(struct launch *l)
{
	(void)l;
	trace[traced++] = -1;
}

static void undo_second(struct launch *l)
{
	(void)l;
	trace[traced++] = -2;
}

static void steps_run__failing_row__named_and_undone_backwards(void **state)
{
	static const struct step rows[] = {
		{"first", step_ok, undo_first},
		{"second", step_ok, undo_second},
		{"third", step_bad, NULL},
		{"fourth", step_ok, NULL},
	};
	static const struct step_table table = {rows, ARRAY_SIZE(rows)};
	static const int want[] = {1, 1, 2, -2, -1};
	struct dyno_timing timing = {0};
	struct dyno_err err = {0};
	struct launch launch;

	(void)state;
	traced = 0;
	launch_init(&launch);
	launch.timing = &timing;
	assert_int_equal(steps_run(&table, 10, &launch, &err), -EIO);
	assert_int_equal(err.stage, 12);
	assert_int_equal(timing.n, 2);
	assert_string_equal(timing.name[1], "second");
	steps_undo(&table, 3, &launch);
	assert_int_equal(traced, ARRAY_SIZE(want));
	assert_memory_equal(trace, want, sizeof(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(step_name__every_stage__unique_and_parsable),
		cmocka_unit_test(step_fault_parse__nonsense__refused),
		cmocka_unit_test(steps_run__failing_row__named_and_undone_backwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
