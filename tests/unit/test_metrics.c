/* SPDX-License-Identifier: Apache-2.0 */
/* Load averages against the exact ones, the two lines, and who runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/util.h"
#include "kernel/cgroup_tasks.h"
#include "model/metrics.h"

static const struct metrics_source source = {
	.dyno = "web.1", .app = "shop", .uuid = "d97d0ea7-cf3d-411b-b453-d2943a50b456"};
#define SOURCE "source=web.1 dyno=heroku.2823282857.d97d0ea7-cf3d-411b-b453-d2943a50b456"

/* ---- load -----------------------------------------------------------------------------------*/

/* Thousandths: n * (1 - exp(-t / T)), and what is left of it afterwards, by a pocket calculator.
 * The kernel's way of rounding reaches a steady load, and so is above that by less than one count
 * in 2048 for each step that the average takes to it: 3 % for the slowest. */
static void metrics_load_tick__steady_load__is_near_the_exact_average(void **state)
{
	static const struct {
		unsigned int ticks;
		uint64_t running;
		unsigned int thousandths[3];
	} steps[] = {
		{0, 0, {0, 0, 0}},	     {1, 1, {80, 17, 6}}, /* 5 s */
		{11, 1, {632, 181, 64}},			  /* 1 min */
		{48, 1, {993, 632, 283}},			  /* 5 min */
		{120, 1, {1000, 950, 632}},			  /* 15 min */
		{540, 1, {1000, 1000, 982}},			  /* an hour */
		{12, 0, {368, 819, 919}},			  /* a minute of nothing */
	};
	struct metrics_load load = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		for (unsigned int t = 0; t < steps[i].ticks; t++)
			metrics_load_tick(&load, steps[i].running);
		for (size_t k = 0; k < 3; k++) {
			const uint64_t got = load.avg[k] * 1000 / 2048;
			const uint64_t want = steps[i].thousandths[k];

			assert_in_range(got, want < 5 ? 0 : want - 5, want + 30);
		}
	}
}

static void metrics_load_tick__steady_load__is_reached_and_left(void **state)
{
	struct metrics_load load = {0};

	(void)state;
	for (int i = 0; i < 5000; i++)
		metrics_load_tick(&load, 256);
	for (size_t k = 0; k < 3; k++)
		assert_true(load.avg[k] == UINT64_C(256) * 2048);
	for (int i = 0; i < 10000; i++)
		metrics_load_tick(&load, 0);
	for (size_t k = 0; k < 3; k++)
		assert_true(load.avg[k] == 0);
}

/* ---- lines ----------------------------------------------------------------------------------*/

static void metrics_load_line__averages__have_two_decimals(void **state)
{
	const struct metrics_load load = {.avg = {2048 * 2 + 942, 21, 2048 * 100 - 1}};
	char buf[METRICS_LINE_BYTES];

	(void)state;
	assert_string_equal(metrics_load_line(buf, &source, &load),
			    SOURCE " sample#load_avg_1m=2.46 sample#load_avg_5m=0.01"
				   " sample#load_avg_15m=100.00");
}

static void metrics_memory_line__each_part__has_its_unit(void **state)
{
	struct metrics_memory memory = {.rss_bytes = 22250782,
					.cache_bytes = 1048576,
					.swap_bytes = 5242,
					.pgpgin = 348836,
					.pgpgout = 343403,
					.quota_bytes = 512 << 20};
	char buf[METRICS_LINE_BYTES];

	(void)state;
	assert_string_equal(metrics_memory_line(buf, &source, &memory), SOURCE
			    " sample#memory_total=22.22MB sample#memory_rss=21.22MB"
			    " sample#memory_cache=1.00MB sample#memory_swap=0.00MB"
			    " sample#memory_pgpgin=348836pages sample#memory_pgpgout=343403pages"
			    " sample#memory_quota=512.00MB");
	memory.quota_bytes = 0;
	assert_true(str_ends(metrics_memory_line(buf, &source, &memory),
			     " sample#memory_pgpgout=343403pages"));
}

/* The longest that there can be still ends where it should. */
static void metrics_lines__largest_numbers__fit(void **state)
{
	const struct metrics_source longest = {
		.dyno = "a-name-of-sixty-three-bytes-is-the-longest-that-a-dyno-has.12345",
		.app = "",
		.uuid = source.uuid};
	const struct metrics_load load = {.avg = {UINT64_MAX / 200, UINT64_MAX / 200, 0}};
	const struct metrics_memory memory = {UINT64_MAX, UINT64_MAX, UINT64_MAX,
					      UINT64_MAX, UINT64_MAX, UINT64_MAX};
	char buf[METRICS_LINE_BYTES];

	(void)state;
	assert_true(str_ends(metrics_load_line(buf, &longest, &load), "sample#load_avg_15m=0.00"));
	assert_true(str_ends(metrics_memory_line(buf, &longest, &memory),
			     "sample#memory_quota=17592186044416.00MB"));
}

/* ---- who runs -------------------------------------------------------------------------------*/

struct fixture {
	char path[64];
	char proc[96];
	int fd;
	struct cgroup_host host;
};

static void put(struct fixture *f, const char *path, const char *text)
{
	_cleanup_close_ int fd =
		openat(f->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void put_task(struct fixture *f, unsigned int tid, const char *text)
{
	char path[64];

	str_fmt(path, sizeof(path), "proc/%u", tid);
	assert_int_equal(mkdirat(f->fd, path, 0700), 0);
	str_fmt(path, sizeof(path), "proc/%u/stat", tid);
	put(f, path, text);
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.host = {.kind = CGROUP_V1}};
	for (size_t t = 0; t < _CGROUP_TREE_MAX; t++)
		f.host.parent_fd[t] = -EBADF;
	str_fmt(f.path, sizeof(f.path), "/tmp/dyno-metrics.XXXXXX");
	if (!mkdtemp(f.path))
		return -1;
	f.fd = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	str_fmt(f.proc, sizeof(f.proc), "%s/proc", f.path);
	*state = &f;
	return mkdirat(f.fd, "proc", 0700) < 0 || mkdirat(f.fd, "leaf", 0700) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	close_fdp(&f->fd);
	return path_remove_tree(tmp, f->path + STRLEN("/tmp/"));
}

static void cgroup_leaf_running__states__only_r_counts(void **state)
{
	struct fixture *f = *state;
	uint64_t n = 77;

	put_task(f, 10, "10 (ruby) R 1 10 10 0 -1 4194304 0 0\n");
	put_task(f, 11, "11 (a) S (b) R) R 1 10 10\n"); /* a name like that */
	put_task(f, 12, "12 (x) R (y) S 1 10 10\n");
	put_task(f, 13, "13 (dd) D 1 10 10\n");
	put_task(f, 14, "14 (gone) Z 1 10 10\n");
	put_task(f, 15, "damaged");
	put_task(f, 16, "16 (cut)");
	put(f, "leaf/tasks", "10\n11\n12\n13\n14\n15\n16\n17\nx\n-1\n\n10");
	f->host.parent_fd[CGROUP_TREE_PIDS] = f->fd;
	assert_int_equal(cgroup_leaf_running(&f->host, "leaf", f->proc, &n), 0);
	assert_true(n == 2);
}

static void cgroup_leaf_running__v2__reads_the_list_of_threads(void **state)
{
	struct fixture *f = *state;
	uint64_t n = 77;

	put_task(f, 10, "10 (ruby) R 1\n");
	put(f, "leaf/cgroup.threads", "10\n");
	f->host.parent_fd[CGROUP_TREE_UNIFIED] = f->fd;
	assert_int_equal(cgroup_leaf_running(&f->host, "leaf", f->proc, &n), 0);
	assert_true(n == 1);
	put(f, "leaf/cgroup.threads", "");
	assert_int_equal(cgroup_leaf_running(&f->host, "leaf", f->proc, &n), 0);
	assert_true(n == 0);
}

static void cgroup_leaf_running__more_tasks_than_are_looked_at__counts_the_first(void **state)
{
	struct fixture *f = *state;
	_cleanup_sbuf_ struct sbuf list = {0};
	uint64_t n = 77;

	put_task(f, 1000001, "1000001 (ruby) R 1\n");
	put_task(f, 100, "100 (cut off from 1000010) R 1\n");
	for (unsigned int i = 0; i < CGROUP_TASKS_MAX; i++)
		sbuf_adds(&list, "1000001\n");
	sbuf_adds(&list, "1000010\n1000001\n");
	put(f, "leaf/tasks", sbuf_str(&list));
	f->host.parent_fd[CGROUP_TREE_CPU] = f->fd;
	assert_int_equal(cgroup_leaf_running(&f->host, "leaf", f->proc, &n), 0);
	assert_in_range(n, CGROUP_TASKS_MAX - 1, CGROUP_TASKS_MAX);
}

static void cgroup_leaf_running__no_leaf__is_told(void **state)
{
	struct fixture *f = *state;
	uint64_t n = 77;

	assert_int_equal(cgroup_leaf_running(&f->host, "leaf", f->proc, &n), -EOPNOTSUPP);
	f->host.parent_fd[CGROUP_TREE_CPU] = f->fd;
	assert_int_equal(cgroup_leaf_running(&f->host, "other", f->proc, &n), -ENOENT);
	assert_true(n == 77);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(metrics_load_tick__steady_load__is_near_the_exact_average),
		cmocka_unit_test(metrics_load_tick__steady_load__is_reached_and_left),
		cmocka_unit_test(metrics_load_line__averages__have_two_decimals),
		cmocka_unit_test(metrics_memory_line__each_part__has_its_unit),
		cmocka_unit_test(metrics_lines__largest_numbers__fit),
		TEST(cgroup_leaf_running__states__only_r_counts),
		TEST(cgroup_leaf_running__v2__reads_the_list_of_threads),
		TEST(cgroup_leaf_running__more_tasks_than_are_looked_at__counts_the_first),
		TEST(cgroup_leaf_running__no_leaf__is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
