/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_memwatch.c - the watch on trees of plain files, where an eventfd that was registered is one
 * that the test itself can write to; and what the counters say of a kill.
 */
#include "engine/memwatch.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "kernel/cgroup_oom.h"

#include "fakecgroup.h"

#define LEAF  "web.1"
#define QUOTA 500
#define HARD  1000

struct watched {
	struct fake *fake;
	struct cgroup_host host;
	struct loop loop;
	struct memwatch w;
	int over; /* timer that ends a round */
	bool stops;
	unsigned int told[MEMWATCH_OOM + 1];
};

static void on_told(void *data, enum memwatch_what what)
{
	struct watched *t = data;

	t->told[what]++;
	if (t->stops)
		memwatch_stop(&t->w);
}

static void on_over(struct loop *loop, void *data)
{
	(void)data;
	loop->quit = true;
}

/* What is due, and what a descriptor has told: no time of its own. */
static void run_once(struct watched *t)
{
	memset(t->told, 0, sizeof(t->told));
	t->loop.quit = false;
	loop_timer_arm(&t->loop, t->over, 1);
	assert_int_equal(loop_run(&t->loop), 0);
}

/* The time of the next look has come. */
static void look_now(struct watched *t)
{
	t->w.period_at_ms = 0;
	loop_timer_arm(&t->loop, t->w.timer, 0);
	run_once(t);
}

static void put(struct watched *t, const char *file, const char *text)
{
	char path[128];

	(void)str_fmt(path, sizeof(path), "m/" CGROUP_PARENT "/" LEAF "/%s", file);
	fake_file(t->fake, path, text);
}

static void put_number(struct watched *t, const char *file, uint64_t n)
{
	char text[32];

	(void)str_fmt(text, sizeof(text), "%llu\n", (unsigned long long)n);
	put(t, file, text);
}

static void put_kills(struct watched *t, unsigned int n)
{
	char text[64];

	(void)str_fmt(text, sizeof(text), "oom_kill_disable 0\nunder_oom 0\noom_kill %u\n", n);
	put(t, "memory.oom_control", text);
}

/* What is charged: of processes, and page cache. */
static void put_v1(struct watched *t, uint64_t anon, uint64_t cache)
{
	char text[128];

	(void)str_fmt(text, sizeof(text), "total_rss %llu\ntotal_cache %llu\ntotal_shmem 0\n",
		      (unsigned long long)anon, (unsigned long long)cache);
	put(t, "memory.stat", text);
	put_number(t, "memory.memsw.usage_in_bytes", anon + cache);
	put_number(t, "memory.usage_in_bytes", anon + cache);
}

static void put_v2(struct watched *t, uint64_t anon, uint64_t swap)
{
	char text[128];

	(void)str_fmt(text, sizeof(text), "anon %llu\nfile 0\nshmem 0\nkernel 0\n",
		      (unsigned long long)anon);
	put(t, "memory.stat", text);
	put_number(t, "memory.current", anon);
	put_number(t, "memory.swap.current", swap);
}

static void begin(struct watched *t, struct fake *fake, uint64_t quota, uint64_t hard)
{
	const struct memwatch_plan plan = {
		.host = &t->host,
		.leaf = LEAF,
		.scratch_fd = -EBADF,
		.quota_bytes = quota,
		.hard_bytes = hard,
	};

	t->fake = fake;
	cgroup_host_open_layout(&fake->layout, true, &t->host);
	assert_true(t->host.controllers & CGROUP_HAS_MEMORY);
	loop_init(&t->loop);
	t->over = loop_timer_add(&t->loop, on_over, t);
	assert_int_equal(memwatch_init(&t->w, &t->loop, on_told, t), 0);
	memwatch_start(&t->w, &plan);
	assert_true(t->w.on);
	assert_false(t->w.armed);
}

static void begin_v1(struct watched *t, struct fake *fake, uint64_t quota, uint64_t hard)
{
	fake_mount(fake, CGROUP_TREE_MEMORY, "m");
	fake_dir(fake, "m/" CGROUP_PARENT "/" LEAF);
	t->fake = fake;
	put(t, "cgroup.event_control", "");
	put_kills(t, 0);
	put_v1(t, 10, 0);
	begin(t, fake, quota, hard);
}

static void begin_v2(struct watched *t, struct fake *fake)
{
	static const char all[] = "memory\n";

	fake_mount(fake, CGROUP_TREE_UNIFIED, "m");
	fake_dir(fake, "m/" CGROUP_PARENT "/" LEAF);
	fake_file(fake, "m/cgroup.controllers", all);
	fake_file(fake, "m/cgroup.subtree_control", all);
	fake_file(fake, "m/" CGROUP_PARENT "/cgroup.controllers", all);
	fake_file(fake, "m/" CGROUP_PARENT "/cgroup.subtree_control", all);
	t->fake = fake;
	put_v2(t, 10, 0);
	begin(t, fake, QUOTA, HARD);
}

static void end(struct watched *t)
{
	memwatch_stop(&t->w);
	memwatch_stop(&t->w);
	assert_true(t->w.charged_fd < 0 && t->w.oom_fd < 0);
	cgroup_host_done(&t->host);
}

static void ring(int event_fd)
{
	const uint64_t one = 1;

	assert_int_equal(write(event_fd, &one, sizeof(one)), sizeof(one));
}

/* C10.11: R14 at once and each period; what costs nothing is to wait. */
static void watch__v1__told_by_the_kernel_then_each_period(void **state)
{
	struct watched t = {0};

	begin_v1(&t, *state, QUOTA, HARD);
	look_now(&t);
	assert_true(t.w.armed);
	assert_true(t.w.charged_fd >= 0 && t.w.oom_fd >= 0);
	assert_true(t.w.period_at_ms == UINT64_MAX);
	assert_int_equal(t.told[MEMWATCH_SOFT], 0);

	put_v1(&t, QUOTA + 1, 0);
	ring(t.w.charged_fd);
	run_once(&t);
	assert_int_equal(t.told[MEMWATCH_SOFT], 1);
	assert_int_equal(memmark_quota_use(&t.w.mark.last), QUOTA + 1);
	assert_true(t.w.period_at_ms > clock_ms() && t.w.period_at_ms != UINT64_MAX);

	/* However often it swings, it is looked once a period. */
	ring(t.w.charged_fd);
	run_once(&t);
	assert_int_equal(t.told[MEMWATCH_SOFT], 0);
	look_now(&t);
	assert_int_equal(t.told[MEMWATCH_SOFT], 1);
	assert_int_equal(t.w.mark.n, 2);

	put_v1(&t, 20, 0);
	look_now(&t);
	assert_int_equal(t.told[MEMWATCH_SOFT], 0);
	assert_true(t.w.period_at_ms == UINT64_MAX);
	assert_int_equal(t.w.mark.n, 0);
	end(&t);
}

/* C11.3 */
static void watch__page_cache__is_never_told(void **state)
{
	struct watched t = {0};

	begin_v1(&t, *state, QUOTA, HARD);
	put_v1(&t, 20, 5 * HARD);
	look_now(&t);
	assert_int_equal(t.told[MEMWATCH_SOFT] + t.told[MEMWATCH_HARD], 0);
	/* The kernel would not tell of processes that take the place of it: it is looked again. */
	assert_true(t.w.period_at_ms != UINT64_MAX);
	put_v1(&t, QUOTA + 20, HARD);
	look_now(&t);
	assert_int_equal(t.told[MEMWATCH_SOFT], 1);
	end(&t);
}

static void watch__above_the_hard_mark__told_and_stopped_within(void **state)
{
	struct watched t = {.stops = true};

	begin_v1(&t, *state, QUOTA, HARD);
	put_v1(&t, HARD + 1, 0);
	look_now(&t);
	assert_int_equal(t.told[MEMWATCH_HARD], 1);
	assert_int_equal(t.told[MEMWATCH_SOFT], 0);
	assert_false(t.w.on);
	look_now(&t);
	assert_int_equal(t.told[MEMWATCH_HARD], 0);
	end(&t);
}

static void watch__v1_kill__told_when_it_has_come(void **state)
{
	struct watched t = {0};

	begin_v1(&t, *state, QUOTA, HARD);
	look_now(&t);
	ring(t.w.oom_fd);
	run_once(&t);
	assert_int_equal(t.told[MEMWATCH_OOM], 0);
	assert_true(t.w.kill_at_ms != UINT64_MAX);
	put_kills(&t, 1);
	t.w.kill_at_ms = 0;
	loop_timer_arm(&t.loop, t.w.timer, 0);
	run_once(&t);
	assert_int_equal(t.told[MEMWATCH_OOM], 1);

	/* The same kill is told once; without a new one the wait for it ends. */
	ring(t.w.oom_fd);
	run_once(&t);
	for (unsigned int i = 0; i < 20 && t.w.kill_at_ms != UINT64_MAX; i++) {
		t.w.kill_at_ms = 0;
		loop_timer_arm(&t.loop, t.w.timer, 0);
		run_once(&t);
		assert_int_equal(t.told[MEMWATCH_OOM], 0);
	}
	assert_true(t.w.kill_at_ms == UINT64_MAX);
	end(&t);
}

static void watch__killed_before_it_was_armed__told(void **state)
{
	struct watched t = {.stops = true};

	begin_v1(&t, *state, QUOTA, HARD);
	put_kills(&t, 2);
	look_now(&t);
	assert_int_equal(t.told[MEMWATCH_OOM], 1);
	assert_int_equal(t.told[MEMWATCH_SOFT], 0);
	end(&t);
}

static void watch__no_marks__only_kills(void **state)
{
	struct watched t = {0};

	begin_v1(&t, *state, 0, 0);
	put_v1(&t, 5 * HARD, 0);
	look_now(&t);
	assert_int_equal(t.told[MEMWATCH_SOFT] + t.told[MEMWATCH_HARD], 0);
	assert_true(t.w.charged_fd < 0 && t.w.oom_fd >= 0);
	assert_true(t.w.period_at_ms == UINT64_MAX);
	end(&t);
}

static void watch__nobody_tells__looked_each_period(void **state)
{
	struct watched t = {0};

	begin_v1(&t, *state, QUOTA, HARD);
	assert_int_equal(
		unlinkat(t.fake->fd, "m/" CGROUP_PARENT "/" LEAF "/cgroup.event_control", 0), 0);
	look_now(&t);
	assert_true(t.w.charged_fd < 0 && t.w.oom_fd < 0);
	assert_true(t.w.period_at_ms != UINT64_MAX);
	put_v1(&t, QUOTA + 1, 0);
	look_now(&t);
	assert_int_equal(t.told[MEMWATCH_SOFT], 1);
	end(&t);
}

static void watch__v2__swap_counts(void **state)
{
	struct watched t = {0};

	begin_v2(&t, *state);
	look_now(&t);
	assert_true(t.w.charged_fd < 0 && t.w.oom_fd < 0);
	assert_int_equal(t.told[MEMWATCH_SOFT], 0);
	assert_true(t.w.period_at_ms != UINT64_MAX);
	put_v2(&t, QUOTA - 1, 100);
	look_now(&t);
	assert_int_equal(t.told[MEMWATCH_SOFT], 1);
	assert_int_equal(memmark_quota_use(&t.w.mark.last), QUOTA + 99);
	end(&t);
}

static void watch__leaf_is_gone_or_damaged__nothing_told(void **state)
{
	struct watched t = {0};
	struct memmark_sample sample;

	begin_v1(&t, *state, QUOTA, HARD);
	put_v1(&t, QUOTA + 1, 0);
	put(&t, "memory.stat", "total_rss x\n");
	look_now(&t);
	assert_int_equal(t.told[MEMWATCH_SOFT], 0);
	assert_int_equal(memwatch_sample(&t.w, &sample), -EIO);
	t.w.leaf = "gone.1";
	look_now(&t);
	assert_int_equal(t.told[MEMWATCH_SOFT], 0);
	assert_int_equal(memwatch_sample(&t.w, &sample), -ENOENT);
	end(&t);
}

/* C11.3: by a descriptor, else by the root of the process; without a scratch it is not asked for. */
static void sample__scratch__by_descriptor_or_process(void **state)
{
	struct watched t = {0};
	struct memmark_sample by_fd, by_pid, none;

	begin_v1(&t, *state, QUOTA, HARD);
	assert_int_equal(memwatch_sample(&t.w, &none), 0);
	assert_int_equal(none.scratch_bytes, 0);
	t.w.scratch = true;
	t.w.scratch_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(t.w.scratch_fd >= 0);
	assert_int_equal(memwatch_sample(&t.w, &by_fd), 0);
	close_fdp(&t.w.scratch_fd);
	t.w.init_pid = getpid();
	assert_int_equal(memwatch_sample(&t.w, &by_pid), 0);
	assert_true(by_fd.scratch_bytes > 0 && by_pid.scratch_bytes > 0);
	t.w.init_pid = 0; /* is gone */
	assert_int_equal(memwatch_sample(&t.w, &none), 0);
	assert_int_equal(none.scratch_bytes, 0);
	end(&t);
}

static void watch__no_controller__is_off(void **state)
{
	struct fake *fake = *state;
	struct watched t = {.fake = fake};
	struct memmark_sample sample;

	cgroup_host_open_layout(&fake->layout, true, &t.host);
	loop_init(&t.loop);
	assert_int_equal(memwatch_init(&t.w, &t.loop, on_told, &t), 0);
	memwatch_start(&t.w, &(struct memwatch_plan){.host = &t.host, .leaf = LEAF});
	assert_false(t.w.on);
	assert_int_equal(memwatch_sample(&t.w, &sample), -EOPNOTSUPP);
	memwatch_start(&t.w, &(struct memwatch_plan){.leaf = LEAF});
	assert_false(t.w.on);
	memwatch_stop(&t.w);
	cgroup_host_done(&t.host);
}

/* ---- what the counters say of a kill --------------------------------------------------------- */

static void leaf_oom__counters__whose_limit(void **state)
{
	static const struct {
		bool v2;
		const char *kills;
		const char *local; /* memory.events.local, or memory.failcnt; NULL: none */
		const char *both;  /* memory.memsw.failcnt */
		const char *max;   /* memory.limit_in_bytes, the most ever being 4 KiB */
		int want;
		uint64_t count;
		enum cgroup_limit_of limit;
	} cases[] = {
		{true, "oom 0\noom_kill 0\n", "oom 0\n", NULL, NULL, 0, 0, CGROUP_LIMIT_UNKNOWN},
		{true, "oom 1\noom_kill 3\n", "oom 1\n", NULL, NULL, 0, 3, CGROUP_LIMIT_OWN},
		{true, "oom 0\noom_kill 3\n", "oom 0\n", NULL, NULL, 0, 3, CGROUP_LIMIT_ABOVE},
		{true, "oom 0\noom_kill 3\n", NULL, NULL, NULL, 0, 3, CGROUP_LIMIT_UNKNOWN},
		{true, "oom 0\n", "oom 0\n", NULL, NULL, -ENOENT, 0, CGROUP_LIMIT_UNKNOWN},
		{true, "oom_kill x\n", "oom 0\n", NULL, NULL, -EINVAL, 0, CGROUP_LIMIT_UNKNOWN},
		{false, "oom_kill 0\n", "0\n", "0\n", NULL, 0, 0, CGROUP_LIMIT_UNKNOWN},
		{false, "oom_kill 2\n", "7\n", "0\n", NULL, 0, 2, CGROUP_LIMIT_OWN},
		{false, "oom_kill 2\n", "0\n", "7\n", NULL, 0, 2, CGROUP_LIMIT_OWN},
		{false, "oom_kill 2\n", "7\n", NULL, NULL, 0, 2, CGROUP_LIMIT_OWN},
		{false, "oom_kill 2\n", "0\n", "0\n", NULL, 0, 2, CGROUP_LIMIT_ABOVE},
		{false, "oom_kill 2\n", NULL, NULL, NULL, 0, 2, CGROUP_LIMIT_ABOVE},
		{false, "oom_kill 2\n", "0\n", "0\n", "4190000\n", 0, 2, CGROUP_LIMIT_OWN},
		{false, "oom_kill 2\n", "0\n", "0\n", "9999999\n", 0, 2, CGROUP_LIMIT_ABOVE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake *fake = NULL;
		void *own = NULL;
		struct watched t = {0};
		struct cgroup_oom oom = {.kills = 77};
		bool v2 = cases[i].v2;

		(void)state;
		assert_int_equal(fake_setup(&own), 0);
		fake = own;
		if (v2)
			begin_v2(&t, fake);
		else
			begin_v1(&t, fake, QUOTA, HARD);
		put(&t, v2 ? "memory.events" : "memory.oom_control", cases[i].kills);
		if (cases[i].local)
			put(&t, v2 ? "memory.events.local" : "memory.failcnt", cases[i].local);
		if (cases[i].both)
			put(&t, "memory.memsw.failcnt", cases[i].both);
		if (cases[i].max)
			put(&t, "memory.limit_in_bytes", cases[i].max);
		put(&t, v2 ? "memory.peak" : "memory.max_usage_in_bytes", "4096\n");

		assert_int_equal(cgroup_leaf_oom(&t.host, LEAF, &oom), cases[i].want);
		if (cases[i].want < 0)
			assert_int_equal(oom.kills, 77);
		else if (oom.kills != cases[i].count || oom.limit != cases[i].limit ||
			 oom.peak_bytes != (oom.kills ? 4096 : 0))
			fail_msg("case %zu: %d", i, (int)oom.limit);
		end(&t);
		assert_int_equal(fake_teardown(&own), 0);
	}
}

static void leaf_charged__v1_without_swap_accounting__memory_alone(void **state)
{
	struct watched t = {0};
	uint64_t bytes = 0;

	begin_v1(&t, *state, QUOTA, HARD);
	put_number(&t, "memory.memsw.usage_in_bytes", 9);
	put_number(&t, "memory.usage_in_bytes", 8);
	assert_int_equal(cgroup_leaf_charged(&t.host, LEAF, &bytes), 0);
	assert_int_equal(bytes, 9);
	assert_int_equal(
		unlinkat(t.fake->fd, "m/" CGROUP_PARENT "/" LEAF "/memory.memsw.usage_in_bytes", 0),
		0);
	assert_int_equal(cgroup_leaf_charged(&t.host, LEAF, &bytes), 0);
	assert_int_equal(bytes, 8);
	put(&t, "memory.usage_in_bytes", "none\n");
	assert_int_equal(cgroup_leaf_charged(&t.host, LEAF, &bytes), -EINVAL);
	assert_int_equal(cgroup_leaf_charged(&t.host, "gone.1", &bytes), -ENOENT);
	end(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		FAKE(watch__v1__told_by_the_kernel_then_each_period),
		FAKE(watch__page_cache__is_never_told),
		FAKE(watch__above_the_hard_mark__told_and_stopped_within),
		FAKE(watch__v1_kill__told_when_it_has_come),
		FAKE(watch__killed_before_it_was_armed__told),
		FAKE(watch__no_marks__only_kills),
		FAKE(watch__nobody_tells__looked_each_period),
		FAKE(watch__v2__swap_counts),
		FAKE(watch__leaf_is_gone_or_damaged__nothing_told),
		FAKE(sample__scratch__by_descriptor_or_process),
		FAKE(watch__no_controller__is_off),
		FAKE(leaf_charged__v1_without_swap_accounting__memory_alone),
		cmocka_unit_test(leaf_oom__counters__whose_limit),
	};

	return cmocka_run_group_tests_name("memwatch", tests, NULL, NULL);
}
