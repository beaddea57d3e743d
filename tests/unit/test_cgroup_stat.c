/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cgroup_stat.c - the counters of a leaf on trees of plain files: each kind of host, each
 * text damaged, and, as root on a host that has control groups, a real leaf.
 */
#include "kernel/cgroup_stat.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "base/err.h"

#include "fakecgroup.h"

#define LEAF "web.1"

/* A file of the leaf in the directory of a tree. */
struct text {
	const char *tree;
	const char *file;
	const char *text;
};

static const struct text v2_texts[] = {
	{"u", "cpu.stat",
	 "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnice_usec 0\ncore_sched.force_idle_usec 0\n"
	 "nr_periods 7\nnr_throttled 3\nthrottled_usec 99\nnr_bursts 0\nburst_usec 0\n"},
	{"u", "memory.current", "1000000\n"},
	{"u", "memory.peak", "2000000\n"},
	{"u", "memory.stat",
	 "anon 500\nfile 300\nkernel 77\nkernel_stack 16\npagetables 8\nshmem 100\nfile_mapped 9\n"
	 "slab 5\n"},
	{"u", "memory.swap.current", "4096\n"},
	{"u", "memory.events", "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 1\n"},
	{"u", "pids.current", "5\n"},
	{"u", "pids.peak", "9\n"},
	{"u", "pids.events", "max 6\n"},
	{"u", "io.stat",
	 "8:16 rbytes=100 wbytes=200 rios=3 wios=4 dbytes=0 dios=0\n259:0 \n"
	 "8:0 rbytes=1 wbytes=2 rios=5 wios=6 dbytes=0 dios=0 cost.usage=9\n"},
	{"u", "cpu.pressure",
	 "some avg10=12.34 avg60=0.00 avg300=0.00 total=55\n"
	 "full avg10=0.05 avg60=0.00 avg300=0.00 total=44\n"},
	{"u", "memory.pressure",
	 "some avg10=100.00 avg60=0.00 avg300=0.00 total=33\n"
	 "full avg10=1.00 avg60=0.00 avg300=0.00 total=22\n"},
	{"u", "io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=11\n"},
};

static const struct text v1_texts[] = {
	{"a", "cpuacct.usage", "30999\n"},
	{"a", "cpuacct.usage_user", "20000\n"},
	{"a", "cpuacct.usage_sys", "10000\n"},
	{"c", "cpu.stat", "nr_periods 7\nnr_throttled 3\nthrottled_time 99000\nburst_time 0\n"},
	{"m", "memory.usage_in_bytes", "1000000\n"},
	{"m", "memory.max_usage_in_bytes", "2000000\n"},
	{"m", "memory.kmem.usage_in_bytes", "77\n"},
	{"m", "memory.stat",
	 "cache 1\nrss 2\nshmem 3\nswap 4\ntotal_cache 300\ntotal_rss 500\ntotal_shmem 100\n"
	 "total_swap 4096\ntotal_pgpgin 21\ntotal_pgpgout 22\n"},
	{"m", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"},
	{"p", "pids.current", "5\n"},
	{"p", "pids.events", "max 6\n"},
	{"b", "blkio.throttle.io_service_bytes_recursive",
	 "8:16 Read 100\n8:16 Write 200\n8:16 Sync 300\n8:16 Discard 7\n8:16 Total 300\n"
	 "8:0 Read 1\n8:0 Write 2\nTotal 303\n"},
	{"b", "blkio.throttle.io_serviced_recursive",
	 "8:16 Read 3\n8:16 Write 4\n8:0 Read 5\n8:0 Write 6\nTotal 18\n"},
};

static void write_text(struct fake *fake, const struct text *t, const char *text)
{
	char path[128];

	(void)str_fmt(path, sizeof(path), "%s/" CGROUP_PARENT "/" LEAF "/%s", t->tree, t->file);
	fake_file(fake, path, text);
}

static void write_texts(struct fake *fake, const struct text *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		write_text(fake, &texts[i], texts[i].text);
}

/* A v2 tree needs its controllers on, as cgroup_host_open_layout() reads them. */
static void make_v2(struct fake *fake)
{
	static const char all[] = "cpu memory pids\n";

	fake_mount(fake, CGROUP_TREE_UNIFIED, "u");
	fake_dir(fake, "u/" CGROUP_PARENT "/" LEAF);
	fake_file(fake, "u/cgroup.controllers", all);
	fake_file(fake, "u/cgroup.subtree_control", all);
	fake_file(fake, "u/" CGROUP_PARENT "/cgroup.controllers", all);
	fake_file(fake, "u/" CGROUP_PARENT "/cgroup.subtree_control", all);
	write_texts(fake, v2_texts, ARRAY_SIZE(v2_texts));
}

static void make_v1(struct fake *fake)
{
	static const struct {
		enum cgroup_tree tree;
		const char *name;
	} trees[] = {
		{CGROUP_TREE_MEMORY, "m"},  {CGROUP_TREE_CPU, "c"}, {CGROUP_TREE_PIDS, "p"},
		{CGROUP_TREE_CPUACCT, "a"}, {CGROUP_TREE_IO, "b"},
	};

	fake->layout.extra = CGROUP_HAS_IO;

	for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
		char path[64];

		fake_mount(fake, trees[i].tree, trees[i].name);
		(void)str_fmt(path, sizeof(path), "%s/" CGROUP_PARENT "/" LEAF, trees[i].name);
		fake_dir(fake, path);
	}
	write_texts(fake, v1_texts, ARRAY_SIZE(v1_texts));
}

static void read_stat(struct fake *fake, struct cgroup_stat *ret)
{
	struct cgroup_host host;

	memset(ret, 'x', sizeof(*ret));
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(cgroup_leaf_stat(&host, LEAF, ret), 0);
	cgroup_host_done(&host);
}

/* What both kinds of host tell of the texts above. */
static void check_common(const struct cgroup_stat *stat)
{
	assert_int_equal(stat->cpu_usec, 30);
	assert_int_equal(stat->user_usec, 20);
	assert_int_equal(stat->system_usec, 10);
	assert_int_equal(stat->cpu_periods, 7);
	assert_int_equal(stat->cpu_throttled, 3);
	assert_int_equal(stat->cpu_throttled_usec, 99);
	assert_int_equal(stat->memory_bytes, 1000000);
	assert_int_equal(stat->memory_peak_bytes, 2000000);
	assert_int_equal(stat->anon_bytes, 500);
	assert_int_equal(stat->shmem_bytes, 100);
	assert_int_equal(stat->file_bytes, 200);
	assert_int_equal(stat->kernel_bytes, 77);
	assert_int_equal(stat->swap_bytes, 4096);
	assert_int_equal(stat->pids, 5);
	assert_int_equal(stat->pids_denied, 6);
	assert_int_equal(stat->oom_kills, 4);
}

#define V1_PARTS                                                                          \
	(CGROUP_STAT_CPU | CGROUP_STAT_THROTTLE | CGROUP_STAT_MEMORY | CGROUP_STAT_PEAK | \
	 CGROUP_STAT_SWAP | CGROUP_STAT_PIDS | CGROUP_STAT_OOM | CGROUP_STAT_IO)
#define V2_PARTS (V1_PARTS | CGROUP_STAT_PSI)

static void leaf_stat__v2__every_part(void **state)
{
	struct fake *fake = *state;
	struct cgroup_stat stat;

	make_v2(fake);
	read_stat(fake, &stat);
	assert_int_equal(stat.has, V2_PARTS);
	check_common(&stat);
	assert_int_equal(stat.ooms, 3);
	assert_int_equal(stat.pids_peak, 9);
	assert_int_equal(stat.io_read_bytes, 101);
	assert_int_equal(stat.io_write_bytes, 202);
	assert_int_equal(stat.io_reads, 8);
	assert_int_equal(stat.io_writes, 10);
	assert_int_equal(stat.cpu_psi.some_avg10, 1234);
	assert_int_equal(stat.cpu_psi.full_avg10, 5);
	assert_int_equal(stat.cpu_psi.some_usec, 55);
	assert_int_equal(stat.cpu_psi.full_usec, 44);
	assert_int_equal(stat.memory_psi.some_avg10, 10000);
	assert_int_equal(stat.io_psi.some_usec, 11);
	assert_int_equal(stat.io_psi.full_usec, 0);
}

static void leaf_stat__v1__every_part_it_has(void **state)
{
	struct fake *fake = *state;
	struct cgroup_stat stat;

	make_v1(fake);
	read_stat(fake, &stat);
	assert_int_equal(stat.has, V1_PARTS);
	check_common(&stat);
	assert_int_equal(stat.pgpgin, 21);
	assert_int_equal(stat.pgpgout, 22);
	assert_int_equal(stat.pids_peak, 0);
	assert_int_equal(stat.io_read_bytes, 101);
	assert_int_equal(stat.io_write_bytes, 202);
	assert_int_equal(stat.io_reads, 8);
	assert_int_equal(stat.io_writes, 10);
}

/* A dyno that has not asked for it is not in the tree of the disks. */
static void leaf_stat__v1_without_blkio__disks_are_not_told(void **state)
{
	struct fake *fake = *state;
	struct cgroup_stat stat;

	make_v1(fake);
	fake->layout.extra = 0;
	read_stat(fake, &stat);
	assert_int_equal(stat.has, V1_PARTS & ~CGROUP_STAT_IO);
	assert_int_equal(stat.io_reads, 0);
}

/* CPU time and pressure come from the tree without controllers. */
static void leaf_stat__hybrid__cpu_of_v2(void **state)
{
	struct fake *fake = *state;
	struct cgroup_stat stat;

	make_v1(fake);
	make_v2(fake);
	assert_int_equal(unlinkat(fake->fd, "a/" CGROUP_PARENT "/" LEAF "/cpuacct.usage", 0), 0);
	/* as the kernel has it there */
	fake_file(fake, "u/" CGROUP_PARENT "/" LEAF "/cpu.stat",
		  "usage_usec 30\nuser_usec 20\nsystem_usec 10\n");
	read_stat(fake, &stat);
	assert_int_equal(stat.has, V1_PARTS | CGROUP_STAT_PSI);
	check_common(&stat);
	assert_int_equal(stat.cpu_psi.some_avg10, 1234);
}

static void leaf_stat__before_5_18__kernel_memory_is_summed(void **state)
{
	static const struct text old = {"u", "memory.stat",
					"anon 1\nfile 2\nkernel_stack 16\npagetables 8\npercpu 4\n"
					"shmem 2\nslab 32\nslab_reclaimable 30\n"};
	struct fake *fake = *state;
	struct cgroup_stat stat;

	make_v2(fake);
	write_text(fake, &old, old.text);
	read_stat(fake, &stat);
	assert_int_equal(stat.kernel_bytes, 60);
	assert_int_equal(stat.file_bytes, 0);
}

/* Each file in turn is missing, empty, cut, or holds other things than numbers. */
static void damage(struct fake *fake, const struct text *texts, size_t n)
{
	static const struct {
		const char *file;
		unsigned int bit; /* what is lost; 0: nothing */
	} parts[] = {
		{"cpu.stat", CGROUP_STAT_CPU | CGROUP_STAT_THROTTLE},
		{"cpuacct", CGROUP_STAT_CPU},
		{"memory.current", CGROUP_STAT_MEMORY},
		{"memory.usage_in", CGROUP_STAT_MEMORY | CGROUP_STAT_SWAP},
		{"memory.stat", CGROUP_STAT_MEMORY | CGROUP_STAT_SWAP},
		{"memory.peak", CGROUP_STAT_PEAK},
		{"memory.max_usage", CGROUP_STAT_PEAK},
		{"memory.swap", CGROUP_STAT_SWAP},
		{"memory.events", CGROUP_STAT_OOM},
		{"memory.oom_control", CGROUP_STAT_OOM},
		{"memory.pressure", CGROUP_STAT_PSI},
		{"memory.kmem", 0},
		{"pids.peak", 0},
		{"pids.", CGROUP_STAT_PIDS},
		{"io.stat", CGROUP_STAT_IO},
		{"blkio.", CGROUP_STAT_IO},
		{"io.pressure", CGROUP_STAT_PSI},
		{"cpu.pressure", CGROUP_STAT_PSI},
	};
	struct cgroup_stat whole, stat;

	read_stat(fake, &whole);
	for (size_t i = 0; i < n; i++) {
		static const char *const texts_bad[] = {
			"x\n",
			"-1\n",
			"99999999999999999999\n",
			"usage_usec 30\nuser_usec\n",
			"usage_usec x\nuser_usec 1\nsystem_usec 1\n",
			"anon 1\nfile 2\nshmem 99999999999999999999\n",
			"total_rss 1\ntotal_cache 2\n",
			"oom 1\noom_kill -4\n",
			"max \n",
			"nr_periods 1\nnr_throttled 2 3\n",
			"8:0 rbytes=x wbytes=1 rios=1 wios=1\n",
			"some avg10=1 avg60=0.00 avg300=0.00 total=1\n",
			"some avg10=1.5 total=1\n",
			"some avg10=1.50 total=\n",
			"full avg10=1.50 total=1\n",
			"some avg10=1.50 total=1\nfull\n",
		};
		unsigned int may_lose = 0;
		bool lost = false;

		for (size_t k = 0; k < ARRAY_SIZE(parts) && may_lose == 0; k++) {
			if (!str_starts(texts[i].file, parts[k].file))
				continue;
			may_lose = parts[k].bit;
			break;
		}
		for (size_t k = 0; k < ARRAY_SIZE(texts_bad); k++) {
			write_text(fake, &texts[i], texts_bad[k]);
			read_stat(fake, &stat);
			lost |= stat.has != whole.has;
			if (whole.has & ~stat.has & ~may_lose)
				fail_msg("%s \"%s\": %x", texts[i].file, texts_bad[k], stat.has);
		}
		if (may_lose && !lost)
			fail_msg("%s: damage is not seen", texts[i].file);
		write_text(fake, &texts[i], texts[i].text);
	}
	read_stat(fake, &stat);
	assert_memory_equal(&stat, &whole, sizeof(stat));
}

static void leaf_stat__v2_text_damaged__only_its_part_is_lost(void **state)
{
	make_v2(*state);
	damage(*state, v2_texts, ARRAY_SIZE(v2_texts));
}

static void leaf_stat__v1_text_damaged__only_its_part_is_lost(void **state)
{
	make_v1(*state);
	damage(*state, v1_texts, ARRAY_SIZE(v1_texts));
}

/* A lost part leaves no numbers behind; what comes after it is read all the same. */
static void leaf_stat__damaged_half_way__zeroes(void **state)
{
	static const struct text bad = {"u", "cpu.stat", "usage_usec 30\nuser_usec x\n"};
	struct fake *fake = *state;
	struct cgroup_stat stat;

	make_v2(fake);
	write_text(fake, &bad, bad.text);
	read_stat(fake, &stat);
	assert_int_equal(stat.has & CGROUP_STAT_CPU, 0);
	assert_int_equal(stat.cpu_usec, 0);
	assert_int_equal(stat.pids, 5);
}

static void leaf_stat__longer_than_the_buffer__not_told(void **state)
{
	static const struct text io = {"u", "io.stat", NULL};
	struct fake *fake = *state;
	_cleanup_sbuf_ struct sbuf text = {0};
	struct cgroup_stat stat;

	make_v2(fake);
	for (int i = 0; i < 2000; i++)
		sbuf_addf(&text, "8:%d rbytes=1\n", i);
	write_text(fake, &io, sbuf_str(&text));
	read_stat(fake, &stat);
	assert_int_equal(stat.has, V2_PARTS & ~CGROUP_STAT_IO);
	assert_int_equal(stat.io_read_bytes, 0);
}

static void leaf_stat__no_leaf_or_no_trees__enoent_or_nothing(void **state)
{
	struct fake *fake = *state;
	struct cgroup_stat stat = {.pids = 3};
	struct cgroup_host host;

	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.kind, CGROUP_NONE);
	assert_int_equal(cgroup_leaf_memory(&host, LEAF, &stat), -EOPNOTSUPP);
	assert_int_equal(cgroup_leaf_stat(&host, LEAF, &stat), 0);
	assert_int_equal(stat.has, 0);
	assert_int_equal(stat.pids, 0);

	make_v1(fake);
	cgroup_host_open_layout(&fake->layout, true, &host);
	stat.pids = 3;
	assert_int_equal(cgroup_leaf_stat(&host, "other.1", &stat), -ENOENT);
	assert_int_equal(cgroup_leaf_memory(&host, "other.1", &stat), -ENOENT);
	assert_int_equal(stat.pids, 3);
	cgroup_host_done(&host);
}

static void leaf_memory__both_kinds__memory_alone(void **state)
{
	static const struct text bad = {"u", "memory.stat", "anon 1\n"};
	struct fake *fake = *state;
	struct cgroup_stat stat;
	struct cgroup_host host;

	make_v2(fake);
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(cgroup_leaf_memory(&host, LEAF, &stat), 0);
	assert_int_equal(stat.has, CGROUP_STAT_MEMORY | CGROUP_STAT_SWAP | CGROUP_STAT_PEAK);
	assert_int_equal(stat.anon_bytes, 500);
	assert_int_equal(stat.swap_bytes, 4096);
	assert_int_equal(stat.cpu_usec, 0);
	write_text(fake, &bad, bad.text);
	assert_int_equal(cgroup_leaf_memory(&host, LEAF, &stat), -EIO);
	assert_int_equal(stat.anon_bytes, 500);
	cgroup_host_done(&host);
}

static void leaf_stat__real_leaf__empty_and_counting(void **state)
{
	struct cgroup_host host;
	struct cgroup_leaf leaf = CGROUP_LEAF_INIT;
	struct cgroup_stat stat;
	char name[32];

	(void)state;
	if (geteuid() != 0 || cgroup_host_open(CGROUP_ROOT, &host, NULL) < 0 ||
	    host.kind == CGROUP_NONE) {
		print_message("no control groups here\n");
		skip();
		return;
	}
	(void)str_fmt(name, sizeof(name), "dyno-test-stat-%d", getpid());
	assert_int_equal(cgroup_leaf_create(&host, name, NULL, &leaf, NULL), 0);
	assert_int_equal(cgroup_leaf_stat(&host, name, &stat), 0);
	if (host.controllers & CGROUP_HAS_MEMORY)
		assert_true(stat.has & CGROUP_STAT_MEMORY);
	if (host.controllers & CGROUP_HAS_PIDS)
		assert_true(stat.has & CGROUP_STAT_PIDS);
	if (host.controllers & CGROUP_HAS_CPU)
		assert_true(stat.has & CGROUP_STAT_THROTTLE);
	assert_true(stat.has & CGROUP_STAT_CPU);
	assert_int_equal(stat.pids, 0);
	assert_int_equal(stat.oom_kills, 0);
	cgroup_leaf_done(&leaf);
	assert_int_equal(cgroup_leaf_remove(&host, name), 0);
	cgroup_host_done(&host);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		FAKE(leaf_stat__v2__every_part),
		FAKE(leaf_stat__v1__every_part_it_has),
		FAKE(leaf_stat__v1_without_blkio__disks_are_not_told),
		FAKE(leaf_stat__hybrid__cpu_of_v2),
		FAKE(leaf_stat__before_5_18__kernel_memory_is_summed),
		FAKE(leaf_stat__v2_text_damaged__only_its_part_is_lost),
		FAKE(leaf_stat__v1_text_damaged__only_its_part_is_lost),
		FAKE(leaf_stat__damaged_half_way__zeroes),
		FAKE(leaf_stat__longer_than_the_buffer__not_told),
		FAKE(leaf_stat__no_leaf_or_no_trees__enoent_or_nothing),
		FAKE(leaf_memory__both_kinds__memory_alone),
		cmocka_unit_test(leaf_stat__real_leaf__empty_and_counting),
	};

	return cmocka_run_group_tests_name("cgroup_stat", tests, NULL, NULL);
}
