/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_blockdev.c - names of disks on a tree as the kernel's /sys has it, and on the real one.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/str.h"
#include "kernel/blockdev.h"

#include "fakecgroup.h"

static int find(const char *sys, const char *text, uint32_t numbers[2], struct dyno_err *err)
{
	return blockdev_find(sys, text, strlen(text), &numbers[0], &numbers[1], err);
}

/* /sys/dev/block/M:m are links into the tree of devices, a partition below its disk. */
static void fake_disks(struct fake *fake)
{
	fake_dir(fake, "devices/sda/sda1");
	fake_dir(fake, "dev/block");
	fake_dir(fake, "block/sda/queue");
	fake_dir(fake, "block/loop0/queue");
	fake_file(fake, "devices/sda/dev", "8:16\n");
	fake_file(fake, "devices/sda/sda1/dev", "8:17\n");
	fake_file(fake, "devices/sda/sda1/partition", "1\n");
	assert_int_equal(symlinkat("../../devices/sda", fake->fd, "dev/block/8:16"), 0);
	assert_int_equal(symlinkat("../../devices/sda/sda1", fake->fd, "dev/block/8:17"), 0);
	fake_file(fake, "block/sda/queue/scheduler", "none [mq-deadline] bfq\n");
	fake_file(fake, "block/loop0/queue/scheduler", "[none] bfq\n");
}

static void find__numbers__of_the_whole_disk(void **state)
{
	struct fake *fake = *state;
	uint32_t numbers[2] = {0};
	struct dyno_err err = {0};

	fake_disks(fake);
	assert_int_equal(find(fake->dir, "8:16", numbers, &err), 0);
	assert_int_equal(numbers[0], 8);
	assert_int_equal(numbers[1], 16);
	numbers[1] = 0;
	assert_int_equal(find(fake->dir, "8:17", numbers, &err), 0);
	assert_int_equal(numbers[1], 16);
	/* A setting goes on behind the device. */
	assert_int_equal(blockdev_find(fake->dir, "8:16:rbps=1", 4, &numbers[0], &numbers[1], &err),
			 0);
}

static void find__what_is_no_disk__refused_by_name(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"8:99", "\"8:99\" is on no disk"},
		{"sda", "\"sda\" names no disk"},
		{"8", "names no disk"},
		{"8:", "names no disk"},
		{"8:1x", "names no disk"},
		{":", "names no disk"},
		{"4096:0", "names no disk"},
		{"8:16:1", "names no disk"},
		{"./sda", "names no disk"},
		{"/no-such-file", "look at \"/no-such-file\""},
		/* memory is on none */
		{"/proc", "\"/proc\" is on no disk"},
	};
	struct fake *fake = *state;
	uint32_t numbers[2] = {7, 7};

	fake_disks(fake);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dyno_err err = {0};

		assert_true(find(fake->dir, cases[i].text, numbers, &err) < 0);
		if (!strstr(err.msg, cases[i].says) || err.kind != ERR_USAGE)
			fail_msg("%s: \"%s\"", cases[i].text, err.msg);
	}
	assert_int_equal(numbers[0] + numbers[1], 14);
}

static void find__a_file__the_disk_it_is_on(void **state)
{
	uint32_t numbers[2] = {0};
	struct dyno_err err = {0};
	char text[32], name[64];
	struct stat st;

	(void)state;
	assert_int_equal(stat("/usr", &st), 0);
	(void)str_fmt(name, sizeof(name), "/sys/dev/block/%u:%u", major(st.st_dev),
		      minor(st.st_dev));
	if (access(name, F_OK) != 0) {
		print_message("skipped: /usr is on no disk here\n");
		skip();
	}
	assert_int_equal(find(BLOCKDEV_SYS, "/usr/bin", numbers, &err), 0);
	(void)str_fmt(text, sizeof(text), "%u:%u", numbers[0], numbers[1]);
	(void)str_fmt(name, sizeof(name), "/sys/dev/block/%s/queue", text);
	assert_int_equal(access(name, F_OK), 0); /* only a whole disk has a queue */
}

static void any_weighed__the_scheduler_in_use__bfq_alone(void **state)
{
	struct fake *fake = *state;

	assert_false(blockdev_any_weighed(fake->dir)); /* no disks at all */
	fake_disks(fake);
	assert_false(blockdev_any_weighed(fake->dir));
	fake_file(fake, "block/loop0/queue/scheduler", "none [bfq]\n");
	assert_true(blockdev_any_weighed(fake->dir));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		FAKE(find__numbers__of_the_whole_disk),
		FAKE(find__what_is_no_disk__refused_by_name),
		cmocka_unit_test(find__a_file__the_disk_it_is_on),
		FAKE(any_weighed__the_scheduler_in_use__bfq_alone),
	};

	return cmocka_run_group_tests_name("blockdev", tests, NULL, NULL);
}
