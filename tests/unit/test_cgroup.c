/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cgroup.c - the parser and the plan of limits as tables, the choice of a place on trees of
 * plain directories, and, as root on a host that has control groups, real leaves.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/sched.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/cgroup_extra.h"
#include "kernel/cgroup_limit.h"
#include "kernel/cgroup_oom.h"
#include "kernel/cgroup_priv.h"

#include "fakecgroup.h"

#define MIB (1ULL << 20)

/* ---- texts of the kernel --------------------------------------------------------------------- */

static void layout_find__texts__trees_and_own_groups(void **state)
{
	static const struct {
		const char *mounts, *self;
		const char *mount[_CGROUP_TREE_MAX]; /* NULL: "" */
		const char *own[_CGROUP_TREE_MAX];
	} cases[] = {
		/* v2 alone */
		{"25 30 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
		 "0::/user.slice/a.scope\n",
		 {[CGROUP_TREE_UNIFIED] = "/sys/fs/cgroup"},
		 {[CGROUP_TREE_UNIFIED] = "/user.slice/a.scope"}},
		/* hybrid, controllers mounted together, a named tree, no optional fields */
		{"31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
		 "32 31 0:29 / /c/cpu,cpuacct rw shared:1 master:2 - cgroup cgroup rw,cpu,cpuacct\n"
		 "33 31 0:32 / /c/memory rw - cgroup cgroup rw,memory\n"
		 "34 31 0:36 / /c/pids rw - cgroup cgroup rw,pids\n"
		 "35 31 0:37 / /c/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
		 "36 31 0:33 / /c/cpuset rw - cgroup cgroup rw,cpuset\n"
		 "37 31 0:38 / /c/unified rw - cgroup2 cgroup2 rw\n",
		 "9:name=systemd:/x\n8:pids:/p\n4:memory:/m/n\n1:cpu,cpuacct:/\n0::/u\n",
		 {"/c/unified", "/c/memory", "/c/cpu,cpuacct", "/c/pids",
		  "/c/cpu,cpuacct", [CGROUP_TREE_CPUSET] = "/c/cpuset"},
		 {"/u", "/m/n", "/", "/p", "/"}},
		/* a container without a cgroup namespace: the mount's root is cut off */
		{"36 32 0:31 /docker/01 /c/cpu ro - cgroup cgroup rw,cpu\n"
		 "37 32 0:32 /docker/01 /m\\040x\\134 ro - cgroup cgroup rw,memory\n",
		 "4:cpu:/docker/01/x\n3:memory:/docker/01\n2:pids:/docker/012\n",
		 {[CGROUP_TREE_MEMORY] = "/m x\\", [CGROUP_TREE_CPU] = "/c/cpu"},
		 {[CGROUP_TREE_MEMORY] = "/",
		  [CGROUP_TREE_CPU] = "/x",
		  [CGROUP_TREE_PIDS] = "/docker/012"}},
		/* a prefix that is no directory of it is not cut off; colons belong to the path */
		{"37 32 0:32 /docker/01 /m ro - cgroup cgroup rw,memory\n",
		 "3:memory:/docker/012:3\n",
		 {[CGROUP_TREE_MEMORY] = "/m"},
		 {[CGROUP_TREE_MEMORY] = "/docker/012:3"}},
		/* the first mount of a tree counts; lines that are cut or odd are passed over */
		{"junk\n37 32\n37 32 0:32 / /m ro - cgroup\n37 32 0:32 / /a ro cgroup cgroup memory\n"
		 "37 32 0:32 / relative ro - cgroup cgroup rw,memory\n"
		 "37 32 0:32 / /first ro - cgroup cgroup rw,memory\n"
		 "38 32 0:32 / /second ro - cgroup cgroup rw,memory",
		 "\n::\n0:\n0:::\n0::relative\n",
		 {[CGROUP_TREE_MEMORY] = "/first"},
		 {NULL}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cgroup_layout layout;

		assert_int_equal(cgroup_layout_find(cases[i].mounts, strlen(cases[i].mounts),
						    cases[i].self, strlen(cases[i].self), &layout),
				 0);
		for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
			const char *mount = cases[i].mount[t] ? cases[i].mount[t] : "";
			const char *own = cases[i].own[t] ? cases[i].own[t] : "";

			if (!str_eq(layout.mount[t], mount) || !str_eq(layout.own[t], own))
				fail_msg("case %zu tree %d: \"%s\" \"%s\"", i, t, layout.mount[t],
					 layout.own[t]);
		}
	}
}

static void layout_find__nothing_well_formed__einval_and_untouched(void **state)
{
	struct cgroup_layout layout;

	(void)state;
	memset(&layout, 'x', sizeof(layout));
	assert_int_equal(cgroup_layout_find("", 0, "", 0, &layout), -EINVAL);
	assert_int_equal(cgroup_layout_find("a b\n", 4, "x:y\n", 4, &layout), -EINVAL);
	assert_int_equal(layout.mount[0][0], 'x');
}

static void layout_find__too_long_a_place__as_if_absent(void **state)
{
	struct cgroup_layout layout;
	_cleanup_sbuf_ struct sbuf text = {0};

	(void)state;
	sbuf_adds(&text, "37 32 0:32 / /");
	for (int i = 0; i < 200; i++)
		sbuf_addc(&text, 'a');
	sbuf_adds(&text, " ro - cgroup cgroup rw,memory\n");
	assert_int_equal(sbuf_ok(&text), 0);
	assert_int_equal(cgroup_layout_find(text.data, text.len, "", 0, &layout), 0);
	assert_string_equal(layout.mount[CGROUP_TREE_MEMORY], "");
}

/* ---- the plan of limits ---------------------------------------------------------------------- */

static void plan__limits__writes(void **state)
{
	static const struct {
		enum cgroup_kind kind;
		unsigned int controllers;
		struct cgroup_limits limits;
		const char *want; /* "file=value", "?": may be absent, "|": else the next */
	} cases[] = {
		{CGROUP_V2, CGROUP_HAS_ALL, {0}, "memory.oom.group=1? "},
		{CGROUP_V1, CGROUP_HAS_ALL, {0}, ""},
		{CGROUP_V2,
		 CGROUP_HAS_ALL,
		 {.memory_bytes = 512, .memory_swap_bytes = 1024, .pids = 256, .cpu_shares = 1024},
		 "memory.max=512 memory.swap.max=512| memory.max=1024 memory.oom.group=1? "
		 "cpu.weight=100 pids.max=256 "},
		{CGROUP_HYBRID,
		 CGROUP_HAS_ALL,
		 {.memory_bytes = 512, .memory_swap_bytes = 1024, .pids = 256, .cpu_shares = 1024},
		 "memory.limit_in_bytes=512 memory.memsw.limit_in_bytes=1024| "
		 "memory.limit_in_bytes=1024 cpu.shares=1024 pids.max=256 "},
		/* one of the two alone */
		{CGROUP_V1,
		 CGROUP_HAS_MEMORY,
		 {.memory_swap_bytes = 9},
		 "memory.limit_in_bytes=9 memory.memsw.limit_in_bytes=9| "
		 "memory.limit_in_bytes=9 "},
		{CGROUP_V1, CGROUP_HAS_MEMORY, {.memory_bytes = 9}, "memory.limit_in_bytes=9 "},
		{CGROUP_V2,
		 CGROUP_HAS_MEMORY,
		 {.memory_bytes = 9},
		 "memory.max=9 memory.oom.group=1? "},
		/* the smaller of the two bounds both */
		{CGROUP_V2,
		 CGROUP_HAS_MEMORY,
		 {.memory_bytes = 20, .memory_swap_bytes = 9},
		 "memory.max=9 memory.swap.max=0| memory.max=9 memory.oom.group=1? "},
		/* missing controllers */
		{CGROUP_V2, CGROUP_HAS_PIDS, {.memory_bytes = 9, .cpu_shares = 2}, ""},
		{CGROUP_V1, CGROUP_HAS_CPU, {.pids = 9, .cpu_shares = 2}, "cpu.shares=2 "},
		/* weights: proportional, within bounds */
		{CGROUP_V2, CGROUP_HAS_CPU, {.cpu_shares = 2048}, "cpu.weight=200 "},
		{CGROUP_V2, CGROUP_HAS_CPU, {.cpu_shares = 2}, "cpu.weight=1 "},
		{CGROUP_V2, CGROUP_HAS_CPU, {.cpu_shares = 262144}, "cpu.weight=10000 "},
		{CGROUP_V2, CGROUP_HAS_CPU, {.cpu_shares = UINT64_MAX}, "cpu.weight=10000 "},
		/* quotas */
		{CGROUP_V2, CGROUP_HAS_CPU, {.cpu_quota_usec = 90000}, "cpu.max=90000 100000 "},
		{CGROUP_V1,
		 CGROUP_HAS_CPU,
		 {.cpu_quota_usec = 90000, .cpu_period_usec = 50000},
		 "cpu.cfs_period_us=50000 cpu.cfs_quota_us=90000 "},
		{CGROUP_V1, CGROUP_HAS_CPU, {.cpu_quota_usec = 9}, "cpu.cfs_quota_us=9 "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cgroup_host host = {.kind = cases[i].kind,
					   .controllers = cases[i].controllers};
		struct cgroup_write plan[CGROUP_PLAN_MAX];
		_cleanup_sbuf_ struct sbuf got = {0};
		size_t n;

		for (int t = 0; t < _CGROUP_TREE_MAX; t++)
			host.home[t] =
				host.kind == CGROUP_V2 ? CGROUP_TREE_UNIFIED : (enum cgroup_tree)t;
		n = cgroup_plan(&host, &cases[i].limits, plan);
		assert_true(n <= CGROUP_PLAN_MAX);
		for (size_t k = 0; k < n; k++) {
			static const char *const marks[] = {"", "?", "|"};

			sbuf_addf(&got, "%s=%s%s ", plan[k].file, plan[k].value,
				  marks[plan[k].absent]);
			assert_int_equal(plan[k].tree == CGROUP_TREE_UNIFIED,
					 host.kind == CGROUP_V2);
		}
		if (!str_eq(sbuf_str(&got), cases[i].want))
			fail_msg("case %zu: \"%s\"", i, sbuf_str(&got));
	}
}

/* ---- trees of plain directories -------------------------------------------------------------- */

static void host_open__no_trees__none_and_why(void **state)
{
	struct fake *fake = *state;
	struct cgroup_leaf leaf = CGROUP_LEAF_INIT;
	struct cgroup_host host;
	struct cgroup_oom oom;

	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.kind, CGROUP_NONE);
	assert_int_equal(host.controllers, 0);
	assert_non_null(strstr(host.reason, "no control groups"));
	assert_non_null(strstr(host.fix, "mount -t cgroup2"));

	/* A leaf of nothing: all goes well and nothing happens. */
	assert_int_equal(cgroup_leaf_create(&host, "a", NULL, &leaf, NULL), 0);
	assert_int_equal(leaf.kind, CGROUP_NONE);
	assert_int_equal(cgroup_join_self(&leaf), 0);
	assert_int_equal(cgroup_leaf_kill(&host, "a"), 0);
	assert_int_equal(cgroup_leaf_empty(&host, "a"), 1);
	assert_int_equal(cgroup_leaf_remove(&host, "a"), 0);
	assert_int_equal(cgroup_leaf_oom(&host, "a", &oom), -EOPNOTSUPP);
	cgroup_leaf_done(&leaf);
	cgroup_host_done(&host);
	cgroup_host_done(&host);
}

/* T49: a controller is absent. */
static void host_open__v1_without_pids__named(void **state)
{
	struct fake *fake = *state;
	struct cgroup_host host;
	struct stat st;

	fake_mount(fake, CGROUP_TREE_MEMORY, "memory");
	fake_mount(fake, CGROUP_TREE_CPU, "cpu");
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.kind, CGROUP_V1);
	assert_int_equal(host.controllers, CGROUP_HAS_MEMORY | CGROUP_HAS_CPU);
	assert_non_null(strstr(host.reason, "controllers pids are not mounted"));
	assert_int_equal(fstatat(fake->fd, "memory/dyno", &st, 0), 0);
	cgroup_host_done(&host);
}

static void host_open__mounted_together__one_home(void **state)
{
	struct fake *fake = *state;
	struct cgroup_host host;

	fake_mount(fake, CGROUP_TREE_MEMORY, "memory");
	fake_mount(fake, CGROUP_TREE_CPU, "both");
	fake_mount(fake, CGROUP_TREE_CPUACCT, "both");
	fake_mount(fake, CGROUP_TREE_PIDS, "memory");
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.controllers, CGROUP_HAS_ALL);
	assert_string_equal(host.reason, "");
	assert_int_equal(host.home[CGROUP_TREE_CPUACCT], CGROUP_TREE_CPU);
	assert_int_equal(host.home[CGROUP_TREE_PIDS], CGROUP_TREE_MEMORY);
	assert_true(host.parent_fd[CGROUP_TREE_CPUACCT] < 0);
	assert_true(host.parent_fd[CGROUP_TREE_PIDS] < 0);
	cgroup_host_done(&host);
}

/* Directories have no "tasks": opening fails after all was made, and all must go again. */
static void leaf_create__failure_at_the_end__nothing_left(void **state)
{
	struct fake *fake = *state;
	struct cgroup_leaf leaf = CGROUP_LEAF_INIT;
	struct cgroup_host host;
	struct dyno_err err = {0};
	struct stat st;

	fake_mount(fake, CGROUP_TREE_MEMORY, "memory");
	fake_mount(fake, CGROUP_TREE_CPU, "cpu");
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(cgroup_leaf_create(&host, "a.1", NULL, &leaf, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_CGROUP);
	assert_int_equal(leaf.clone_fd, -EBADF);
	assert_int_equal(fstatat(fake->fd, "memory/dyno/a.1", &st, 0), -1);
	assert_int_equal(fstatat(fake->fd, "cpu/dyno/a.1", &st, 0), -1);
	cgroup_host_done(&host);
}

static void leaf_create__bad_names__refused(void **state)
{
	static const char *const names[] = {"", ".", "..", "a/b", "/", "../x", ".hidden", "a\nb"};
	struct fake *fake = *state;
	struct cgroup_leaf leaf = CGROUP_LEAF_INIT;
	struct cgroup_host host;
	char longest[CGROUP_NAME_BYTES + 1];

	cgroup_host_open_layout(&fake->layout, true, &host);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(cgroup_leaf_create(&host, names[i], NULL, &leaf, NULL), -EINVAL);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(cgroup_leaf_create(&host, longest, NULL, &leaf, NULL), -EINVAL);
}

static void fake_v2(struct fake *fake, const char *group)
{
	char path[128];

	fake_mount(fake, CGROUP_TREE_UNIFIED, "v2");
	(void)str_fmt(path, sizeof(path), "v2%s/dyno", group);
	fake_dir(fake, path);
	(void)str_fmt(path, sizeof(path), "v2%s/dyno/cgroup.subtree_control", group);
	fake_file(fake, path, "cpuset cpu io memory pids\n");
}

static void leaf__on_v2__limits_written_counters_read_and_walked(void **state)
{
	struct fake *fake = *state;
	_cleanup_cgroup_leaf_ struct cgroup_leaf leaf = CGROUP_LEAF_INIT;
	struct cgroup_limits limits = {.memory_bytes = 5, .memory_swap_bytes = 9, .pids = 7};
	struct cgroup_host host;
	struct dyno_err err = {0};
	struct cgroup_oom oom;
	char text[64];

	fake_v2(fake, "");
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.kind, CGROUP_V2);
	assert_int_equal(host.controllers, CGROUP_HAS_ALL | CGROUP_HAS_EXTRA);
	assert_int_equal(cgroup_leaf_create(&host, "a.web.1", NULL, &leaf, &err), 0);
	assert_true(leaf.clone_into && leaf.clone_fd >= 0 && leaf.id != 0);

	/* Files that a real group has from the beginning; no memory.oom.group: an older kernel. */
	fake_file(fake, "v2/dyno/a.web.1/memory.max", "");
	fake_file(fake, "v2/dyno/a.web.1/memory.swap.max", "");
	fake_file(fake, "v2/dyno/a.web.1/pids.max", "");
	assert_int_equal(cgroup_leaf_limit(&host, leaf.name, &limits, &err), 0);
	read_text(fake->fd, "v2/dyno/a.web.1/memory.max", text, sizeof(text));
	assert_string_equal(text, "5");
	read_text(fake->fd, "v2/dyno/a.web.1/memory.swap.max", text, sizeof(text));
	assert_string_equal(text, "4");
	read_text(fake->fd, "v2/dyno/a.web.1/pids.max", text, sizeof(text));
	assert_string_equal(text, "7");

	/* Without swap accounting the hard mark bounds memory. */
	assert_int_equal(unlinkat(fake->fd, "v2/dyno/a.web.1/memory.swap.max", 0), 0);
	assert_int_equal(cgroup_leaf_limit(&host, leaf.name, &limits, &err), 0);
	read_text(fake->fd, "v2/dyno/a.web.1/memory.max", text, sizeof(text));
	assert_string_equal(text, "9");

	/* A limit that cannot be set is an error that names it. */
	limits.cpu_shares = 1024;
	assert_int_equal(cgroup_leaf_limit(&host, leaf.name, &limits, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "dyno/a.web.1/cpu.weight"));

	fake_file(fake, "v2/dyno/a.web.1/memory.events", "low 0\noom 3\noom_kill 2\n");
	assert_int_equal(cgroup_leaf_oom(&host, leaf.name, &oom), 0);
	assert_int_equal(oom.kills, 2);
	fake_file(fake, "v2/dyno/a.web.1/cgroup.events", "populated 1\nfrozen 0\n");
	assert_int_equal(cgroup_leaf_empty(&host, leaf.name), 0);
	fake_file(fake, "v2/dyno/a.web.1/cgroup.events", "populated 0\nfrozen 0\n");
	assert_int_equal(cgroup_leaf_empty(&host, leaf.name), 1);
	assert_int_equal(cgroup_leaf_empty(&host, "no-such"), 1);
	assert_int_equal(cgroup_leaf_kill(&host, leaf.name), -EOPNOTSUPP); /* no cgroup.kill */
	assert_int_equal(cgroup_leaf_kill(&host, "no-such"), -ENOENT);
	fake_file(fake, "v2/dyno/a.web.1/cgroup.kill", "");
	assert_int_equal(cgroup_leaf_kill(&host, leaf.name), 0);
	cgroup_host_done(&host);
}

/* T49: controllers that the tree does not offer. */
static void host_open__v2_without_memory__named_with_fix(void **state)
{
	struct fake *fake = *state;
	struct cgroup_host host;

	fake_v2(fake, "");
	fake_file(fake, "v2/cgroup.controllers", "cpuset cpu io pids\n");
	fake_file(fake, "v2/cgroup.subtree_control", "cpu pids\n");
	fake_file(fake, "v2/dyno/cgroup.subtree_control", "cpu pids\n");
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.kind, CGROUP_V2);
	assert_int_equal(host.controllers, CGROUP_HAS_CPU | CGROUP_HAS_PIDS);
	assert_non_null(strstr(host.reason, "controllers memory are not available in"));
	assert_non_null(strstr(host.fix, "cgroup_disable="));
	cgroup_host_done(&host);
}

/* T49: a container's trees, in which ours was made before. */
static void host_open__read_only__none_and_why(void **state)
{
	struct fake *fake = *state;
	struct cgroup_host host;

	fake_v2(fake, "");
	fake->layout.read_only[CGROUP_TREE_UNIFIED] = true;
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.kind, CGROUP_NONE);
	assert_int_equal(host.controllers, 0);
	assert_non_null(strstr(host.reason, "mounted read-only"));
	assert_non_null(strstr(host.fix, "read-write"));

	fake->layout = (struct cgroup_layout){0};
	fake_mount(fake, CGROUP_TREE_MEMORY, "memory");
	fake_mount(fake, CGROUP_TREE_PIDS, "pids");
	fake->layout.read_only[CGROUP_TREE_MEMORY] = true;
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.controllers, CGROUP_HAS_PIDS);
	assert_non_null(strstr(host.reason, "memory is mounted read-only"));
	cgroup_host_done(&host);
}

static void limits_read__files__back_as_they_were_asked_for(void **state)
{
	struct fake *fake = *state;
	struct cgroup_limits l;
	struct cgroup_host host;
	unsigned int known;

	fake_v2(fake, "");
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(cgroup_limits_read(&host, "a.1", &l, &known), -ENOENT);
	fake_dir(fake, "v2/dyno/a.1");
	fake_file(fake, "v2/dyno/a.1/memory.max", "512\n");
	fake_file(fake, "v2/dyno/a.1/memory.swap.max", "256\n");
	fake_file(fake, "v2/dyno/a.1/cpu.weight", "200\n");
	fake_file(fake, "v2/dyno/a.1/cpu.max", "50000 100000\n");
	fake_file(fake, "v2/dyno/a.1/pids.max", "77\n");
	assert_int_equal(cgroup_limits_read(&host, "a.1", &l, &known), 0);
	assert_int_equal(known, CGROUP_HAS_ALL);
	assert_int_equal(l.memory_bytes, 512);
	assert_int_equal(l.memory_swap_bytes, 768);
	assert_int_equal(l.cpu_shares, 2048);
	assert_int_equal(l.cpu_quota_usec, 50000);
	assert_int_equal(l.cpu_period_usec, 100000);
	assert_int_equal(l.pids, 77);

	fake_file(fake, "v2/dyno/a.1/memory.swap.max", "max\n");
	fake_file(fake, "v2/dyno/a.1/cpu.max", "max 100000\n");
	fake_file(fake, "v2/dyno/a.1/pids.max", "max\n");
	assert_int_equal(cgroup_limits_read(&host, "a.1", &l, &known), 0);
	assert_int_equal(l.memory_swap_bytes | l.cpu_quota_usec | l.pids, 0);
	/* what cannot be understood is not known */
	fake_file(fake, "v2/dyno/a.1/pids.max", "many\n");
	fake_file(fake, "v2/dyno/a.1/cpu.max", "1\n");
	assert_int_equal(cgroup_limits_read(&host, "a.1", &l, &known), 0);
	assert_int_equal(known, CGROUP_HAS_MEMORY);
	cgroup_host_done(&host);
}

static void limits_read__v1__no_limit_is_a_huge_number(void **state)
{
	struct fake *fake = *state;
	struct cgroup_limits l;
	struct cgroup_host host;
	unsigned int known;

	fake_mount(fake, CGROUP_TREE_MEMORY, "memory");
	fake_mount(fake, CGROUP_TREE_CPU, "cpu");
	cgroup_host_open_layout(&fake->layout, true, &host);
	fake_dir(fake, "memory/dyno/a.1");
	fake_dir(fake, "cpu/dyno/a.1");
	fake_file(fake, "memory/dyno/a.1/memory.limit_in_bytes", "9223372036854771712\n");
	fake_file(fake, "cpu/dyno/a.1/cpu.shares", "512\n");
	fake_file(fake, "cpu/dyno/a.1/cpu.cfs_quota_us", "-1\n");
	fake_file(fake, "cpu/dyno/a.1/cpu.cfs_period_us", "100000\n");
	assert_int_equal(cgroup_limits_read(&host, "a.1", &l, &known), 0);
	assert_int_equal(known, CGROUP_HAS_MEMORY | CGROUP_HAS_CPU);
	assert_int_equal(l.memory_bytes | l.memory_swap_bytes | l.cpu_quota_usec, 0);
	assert_int_equal(l.cpu_shares, 512);
	fake_file(fake, "memory/dyno/a.1/memory.limit_in_bytes", "4096\n");
	assert_int_equal(cgroup_limits_read(&host, "a.1", &l, &known), 0);
	assert_int_equal(l.memory_bytes, 4096);
	assert_int_equal(l.memory_swap_bytes, 4096); /* swap is not counted */
	cgroup_host_done(&host);
}

/* T49: the parent's limit is smaller, or the parent is frozen. */
static void above__groups_around__the_smallest_is_named(void **state)
{
	struct fake *fake = *state;
	struct cgroup_above above;
	struct cgroup_host host;
	char group[128] = "";

	fake_v2(fake, "");
	cgroup_host_open_layout(&fake->layout, true, &host);
	cgroup_memory_above(&host, &above);
	assert_int_equal(above.value, 0);
	assert_false(cgroup_frozen(&host, group, sizeof(group)));

	fake_file(fake, "v2/dyno/memory.max", "max\n");
	fake_file(fake, "v2/memory.max", "4096\n");
	fake_file(fake, "v2/dyno/pids.max", "10\n");
	fake_file(fake, "v2/pids.max", "20\n");
	cgroup_memory_above(&host, &above);
	assert_int_equal(above.value, 4096);
	assert_true(str_ends(above.group, "/v2"));
	cgroup_pids_above(&host, &above);
	assert_int_equal(above.value, 10);
	assert_true(str_ends(above.group, "/v2/dyno"));

	fake_file(fake, "v2/dyno/cgroup.freeze", "0\n");
	assert_false(cgroup_frozen(&host, group, sizeof(group)));
	fake_file(fake, "v2/dyno/cgroup.freeze", "1\n");
	assert_true(cgroup_frozen(&host, group, sizeof(group)));
	assert_true(str_ends(group, "/v2/dyno"));
	cgroup_host_done(&host);
}

/* What the tree and the group of dynos offer, and what is enabled below them. */
static void fake_v2_controllers(struct fake *fake, const char *offered, const char *enabled)
{
	fake_file(fake, "v2/cgroup.controllers", offered);
	fake_file(fake, "v2/cgroup.subtree_control", enabled);
	fake_file(fake, "v2/dyno/cgroup.controllers", offered);
	fake_file(fake, "v2/dyno/cgroup.subtree_control", enabled);
}

/* The words of a fresh tree are enabled, each by its own write. */
static void host_open__v2_fresh__controllers_enabled(void **state)
{
	struct fake *fake = *state;
	struct cgroup_host host;
	char text[64];

	fake_mount(fake, CGROUP_TREE_UNIFIED, "v2");
	fake_dir(fake, "v2/dyno");
	fake_v2_controllers(fake, "cpuset cpu io memory pids\n", "\n");
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.kind, CGROUP_V2);
	assert_int_equal(host.controllers, CGROUP_HAS_ALL | CGROUP_HAS_IO);
	/* A file keeps what was written last, a group all of it. */
	read_text(fake->fd, "v2/cgroup.subtree_control", text, sizeof(text));
	assert_non_null(str_starts(text, "+io"));
	cgroup_host_done(&host);
}

/* ---- controllers of some dynos --------------------------------------------------------------- */

static void host_open__v2_with_cpuset__enabled_only_where_asked_for(void **state)
{
	struct fake *fake = *state;
	struct cgroup_host host;
	char text[64];

	fake_v2(fake, "");
	fake_v2_controllers(fake, "cpuset cpu io memory pids\n", "cpu memory pids\n");

	/* Nobody asks: the directory is taken as it is, and so it is by those who only look. */
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.controllers, CGROUP_HAS_ALL);
	cgroup_host_done(&host);
	fake->layout.extra = CGROUP_HAS_EXTRA | CGROUP_AS_IT_IS;
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.controllers, CGROUP_HAS_ALL);
	cgroup_host_done(&host);

	fake->layout.extra = CGROUP_HAS_CPUSET;
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.controllers, CGROUP_HAS_ALL | CGROUP_HAS_EXTRA);
	assert_string_equal(host.reason, "");
	read_text(fake->fd, "v2/dyno/cgroup.subtree_control", text, sizeof(text));
	assert_non_null(str_starts(text, "+cpuset"));
	cgroup_host_done(&host);

	/* One that is not offered is missing, and no reason against the others. */
	fake_v2_controllers(fake, "cpu memory pids\n", "cpu memory pids\n");
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.controllers, CGROUP_HAS_ALL);
	assert_string_equal(host.reason, "");
	cgroup_host_done(&host);
}

static void fake_v1(struct fake *fake)
{
	fake_mount(fake, CGROUP_TREE_MEMORY, "memory");
	fake_mount(fake, CGROUP_TREE_CPU, "cpu");
	fake_mount(fake, CGROUP_TREE_PIDS, "pids");
	fake_mount(fake, CGROUP_TREE_IO, "blkio");
	fake_mount(fake, CGROUP_TREE_CPUSET, "cpuset");
}

static void host_open__v1_with_extra__joined_only_where_asked_for(void **state)
{
	struct fake *fake = *state;
	struct cgroup_host host;
	char text[64];

	fake_v1(fake);
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.controllers, CGROUP_HAS_ALL);
	cgroup_host_done(&host);
	/* Who looks for leaves makes no directories. */
	fake->layout.extra = CGROUP_HAS_EXTRA | CGROUP_AS_IT_IS;
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.controllers, CGROUP_HAS_ALL);
	assert_int_equal(faccessat(fake->fd, "blkio/dyno", F_OK, 0), -1);
	assert_int_equal(faccessat(fake->fd, "cpuset/dyno", F_OK, 0), -1);
	cgroup_host_done(&host);

	/* What the tree has is handed down: without it nobody could join a leaf. */
	fake_file(fake, "cpuset/cpuset.cpus", "0-3\n");
	fake_file(fake, "cpuset/cpuset.mems", "0\n");
	fake_dir(fake, "cpuset/dyno");
	fake_file(fake, "cpuset/dyno/cpuset.cpus", "\n");
	fake_file(fake, "cpuset/dyno/cpuset.mems", "\n");
	fake->layout.extra = CGROUP_HAS_CPUSET;
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.controllers, CGROUP_HAS_ALL | CGROUP_HAS_CPUSET);
	read_text(fake->fd, "cpuset/dyno/cpuset.cpus", text, sizeof(text));
	assert_string_equal(text, "0-3");
	read_text(fake->fd, "cpuset/dyno/cpuset.mems", text, sizeof(text));
	assert_string_equal(text, "0");
	cgroup_host_done(&host);

	fake->layout.extra = CGROUP_HAS_EXTRA | CGROUP_AS_IT_IS;
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.controllers, CGROUP_HAS_ALL | CGROUP_HAS_CPUSET);
	cgroup_host_done(&host);
}

/* Files of a leaf that exist before they are written, as the kernel's do. */
static void fake_leaf(struct fake *fake, const char *dir, const char *const *files, size_t n)
{
	char path[128];

	fake_dir(fake, dir);
	for (size_t i = 0; i < n; i++) {
		(void)str_fmt(path, sizeof(path), "%s/%s", dir, files[i]);
		fake_file(fake, path, "");
	}
}

static void assert_file(struct fake *fake, const char *path, const char *want)
{
	char text[160];

	read_text(fake->fd, path, text, sizeof(text));
	assert_string_equal(text, want);
}

static void leaf_limit__disks_on_v2__weight_and_rates(void **state)
{
	static const char *const files[] = {"io.weight", "io.bfq.weight", "io.max", "cpuset.cpus"};
	const struct limits_io io = {.major = 8, .minor = 16, .rbps = 1000, .wiops = 5};
	const struct cpulist cpus = {.bits = {5}};
	struct cgroup_limits limits = {.io_weight = 5000, .io = &io, .n_io = 1, .cpuset = &cpus};
	struct limits_io back = {.major = 8, .minor = 16};
	struct fake *fake = *state;
	struct cpulist cpus_back;
	struct cgroup_host host;
	struct dyno_err err = {0};
	uint32_t weight = 0;

	fake_v2(fake, "");
	cgroup_host_open_layout(&fake->layout, true, &host);
	fake_leaf(fake, "v2/dyno/a.1", files, ARRAY_SIZE(files));
	fake_file(fake, "v2/dyno/a.1/memory.oom.group", "");
	assert_int_equal(cgroup_leaf_limit(&host, "a.1", &limits, &err), 0);
	assert_file(fake, "v2/dyno/a.1/io.weight", "5000");
	assert_file(fake, "v2/dyno/a.1/io.bfq.weight", "1000"); /* the most that it takes */
	assert_file(fake, "v2/dyno/a.1/io.max", "8:16 rbps=1000 wiops=5");
	assert_file(fake, "v2/dyno/a.1/cpuset.cpus", "0,2");

	fake_file(fake, "v2/dyno/a.1/io.weight", "default 300\n8:0 100\n");
	assert_int_equal(cgroup_read_io_weight(&host, "a.1", &weight), 0);
	assert_int_equal(weight, 300);
	fake_file(
		fake, "v2/dyno/a.1/io.max",
		"8:160 rbps=7 wbps=7 riops=7 wiops=7\n8:16 rbps=1024 wbps=max riops=max wiops=9\n");
	assert_int_equal(cgroup_read_io(&host, "a.1", &back), 0);
	assert_int_equal(back.rbps, 1024);
	assert_int_equal(back.wiops, 9);
	assert_int_equal(back.wbps | back.riops, 0);
	fake_file(fake, "v2/dyno/a.1/io.max", "8:16 rbps=many\n");
	assert_int_equal(cgroup_read_io(&host, "a.1", &back), -EINVAL);
	assert_int_equal(back.rbps, 1024);
	fake_file(fake, "v2/dyno/a.1/cpuset.cpus.effective", "0,2\n");
	assert_int_equal(cgroup_read_cpuset(&host, "a.1", &cpus_back), 0);
	assert_memory_equal(&cpus_back, &cpus, sizeof(cpus));

	/* A kernel without any of the weights: named, and an error where that is none to be had. */
	assert_int_equal(unlinkat(fake->fd, "v2/dyno/a.1/io.weight", 0), 0);
	assert_int_equal(unlinkat(fake->fd, "v2/dyno/a.1/io.bfq.weight", 0), 0);
	assert_int_equal(cgroup_read_io_weight(&host, "a.1", &weight), -ENOENT);
	assert_int_equal(cgroup_leaf_limit(&host, "a.1", &limits, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "dyno/a.1/io.weight"));
	cgroup_host_done(&host);
}

static void leaf_limit__disks_on_v1__a_file_for_each_rate(void **state)
{
	static const char *const files[] = {"blkio.bfq.weight", "blkio.throttle.read_bps_device",
					    "blkio.throttle.write_bps_device",
					    "blkio.throttle.read_iops_device",
					    "blkio.throttle.write_iops_device"};
	const struct limits_io io[] = {
		{.major = 254, .rbps = 1000, .wbps = 2000, .riops = 3, .wiops = 4},
	};
	struct cgroup_limits limits = {.io_weight = 50, .io = io, .n_io = 1};
	struct limits_io back = {.major = 254};
	struct fake *fake = *state;
	struct cgroup_host host;
	struct dyno_err err = {0};
	uint32_t weight = 0;

	fake_v1(fake);
	fake->layout.extra = CGROUP_HAS_IO;
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_int_equal(host.controllers, CGROUP_HAS_ALL | CGROUP_HAS_IO);
	fake_leaf(fake, "blkio/dyno/a.1", files, ARRAY_SIZE(files));
	assert_int_equal(cgroup_leaf_limit(&host, "a.1", &limits, &err), 0);
	assert_file(fake, "blkio/dyno/a.1/blkio.bfq.weight", "50");
	assert_file(fake, "blkio/dyno/a.1/blkio.throttle.read_bps_device", "254:0 1000");
	assert_file(fake, "blkio/dyno/a.1/blkio.throttle.write_bps_device", "254:0 2000");
	assert_file(fake, "blkio/dyno/a.1/blkio.throttle.read_iops_device", "254:0 3");
	assert_file(fake, "blkio/dyno/a.1/blkio.throttle.write_iops_device", "254:0 4");
	assert_int_equal(cgroup_read_io(&host, "a.1", &back), 0);
	assert_int_equal(back.rbps + back.wbps + back.riops + back.wiops, 3007);
	assert_int_equal(cgroup_read_io_weight(&host, "a.1", &weight), 0);
	assert_int_equal(weight, 50);
	assert_int_equal(unlinkat(fake->fd, "blkio/dyno/a.1/blkio.throttle.write_bps_device", 0),
			 0);
	assert_int_equal(cgroup_leaf_limit(&host, "a.1", &limits, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "write_bps_device"));
	cgroup_host_done(&host);
}

/* DESIGN 5: the caller's group is used where it is delegated and the caller is alone in it. */
static void host_open__rootless_v2__own_group_or_the_one_around(void **state)
{
	static const char own[] = "/slice/a.scope";
	struct fake *fake = *state;
	struct cgroup_host host;
	char text[64], me[16];
	struct stat st, want;

	fake_v2(fake, "/slice/a.scope");
	(void)str_fmt(fake->layout.own[CGROUP_TREE_UNIFIED], sizeof(fake->layout.own[0]), own);
	fake_dir(fake, "v2/slice/a.scope/dyno.launcher");
	fake_file(fake, "v2/slice/a.scope/dyno.launcher/cgroup.procs", "");
	(void)str_fmt(me, sizeof(me), "%d\n", getpid());
	fake_file(fake, "v2/slice/a.scope/cgroup.procs", me);

	/* Alone: it steps aside. */
	cgroup_host_open_layout(&fake->layout, false, &host);
	assert_int_equal(host.kind, CGROUP_V2);
	read_text(fake->fd, "v2/slice/a.scope/dyno.launcher/cgroup.procs", text, sizeof(text));
	me[strcspn(me, "\n")] = '\0';
	assert_string_equal(text, me);
	assert_int_equal(fstatat(fake->fd, "v2/slice/a.scope/dyno", &want, 0), 0);
	assert_int_equal(fstat(host.parent_fd[CGROUP_TREE_UNIFIED], &st), 0);
	assert_true(st.st_ino == want.st_ino);
	cgroup_host_done(&host);

	/* Seen from the leaf it stepped into: the same place. */
	(void)str_fmt(fake->layout.own[CGROUP_TREE_UNIFIED], sizeof(fake->layout.own[0]),
		      "%s/dyno.launcher", own);
	cgroup_host_open_layout(&fake->layout, false, &host);
	assert_int_equal(fstat(host.parent_fd[CGROUP_TREE_UNIFIED], &st), 0);
	assert_true(st.st_ino == want.st_ino);
	cgroup_host_done(&host);

	/* With others in it: the group around, where that can be used. */
	(void)str_fmt(fake->layout.own[CGROUP_TREE_UNIFIED], sizeof(fake->layout.own[0]), own);
	fake_file(fake, "v2/slice/a.scope/cgroup.procs", "1\n2\n");
	fake_v2(fake, "/slice");
	assert_int_equal(fstatat(fake->fd, "v2/slice/dyno", &want, 0), 0);
	cgroup_host_open_layout(&fake->layout, false, &host);
	assert_int_equal(host.kind, CGROUP_V2);
	assert_int_equal(fstat(host.parent_fd[CGROUP_TREE_UNIFIED], &st), 0);
	assert_true(st.st_ino == want.st_ino);
	cgroup_host_done(&host);

	/* At the root of what can be seen there is nothing around. */
	(void)str_fmt(fake->layout.own[CGROUP_TREE_UNIFIED], sizeof(fake->layout.own[0]), "/");
	cgroup_host_open_layout(&fake->layout, false, &host);
	assert_int_equal(host.kind, CGROUP_NONE);
	assert_non_null(strstr(host.reason, "holds processes itself"));
	assert_non_null(strstr(host.fix, "Delegate=yes"));
}

static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		while (pause() < 0)
			;
	return pid;
}

static void end_sleeper(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* What a launcher has started before, such as a process that prints, leaves with it. */
static void step_aside__a_child__leaves_too_and_others_do_not(void **state)
{
	struct fake *fake = *state;
	pid_t child = start_sleeper();
	char both[64], text[64], want[16];

	fake_dir(fake, "unit/dyno.launcher");
	fake_file(fake, "unit/dyno.launcher/cgroup.procs", "");
	(void)str_fmt(both, sizeof(both), "%d\n%d\n%d\n", getpid(), child, getppid());
	fake_file(fake, "unit/cgroup.procs", both);
	_cleanup_close_ int fd = openat(fake->fd, "unit", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(cgroup_step_aside(fd), -EBUSY);
	read_text(fake->fd, "unit/dyno.launcher/cgroup.procs", text, sizeof(text));
	assert_string_equal(text, "");

	/* One after the other is written to the same file, of which a fake one keeps the longest. */
	(void)str_fmt(both, sizeof(both), "%d\n%d\n", getpid(), child);
	fake_file(fake, "unit/cgroup.procs", both);
	assert_int_equal(cgroup_step_aside(fd), 0);
	(void)str_fmt(want, sizeof(want), "%d", child);
	read_text(fake->fd, "unit/dyno.launcher/cgroup.procs", text, sizeof(text));
	assert_non_null(str_starts(text, want));

	fake_file(fake, "unit/cgroup.procs", "");
	assert_int_equal(cgroup_step_aside(fd), -EBUSY);
	fake_file(fake, "unit/cgroup.procs", "0\n");
	assert_int_equal(cgroup_step_aside(fd), -EBUSY);
	end_sleeper(child);
}

/* Whether our directory of a host is the one at a path of the fake tree. */
static bool is_at(const struct fake *fake, const struct cgroup_host *host, const char *path)
{
	struct stat want, st;

	assert_int_equal(fstatat(fake->fd, path, &want, 0), 0);
	assert_int_equal(fstat(host->parent_fd[CGROUP_TREE_UNIFIED], &st), 0);
	return st.st_ino == want.st_ino;
}

/* Mark a group as systemd does. Return: false where the file system keeps no attributes. */
static bool give(const struct fake *fake, const char *path, const char *value)
{
	char whole[128];

	(void)str_fmt(whole, sizeof(whole), "%s/%s", fake->dir, path);
	return setxattr(whole, "user.delegate", value, strlen(value), 0) == 0;
}

/* DESIGN 5: root uses the group of a unit that was given to it, and else the root of the tree. */
static void host_open__root_in_a_given_group__leaves_beside_the_launcher(void **state)
{
	static const struct {
		const char *own;
		const char *at; /* NULL: the root */
	} cases[] = {
		{"/a.service", "v2/a.service/dyno"},
		{"/a.service/dyno.launcher", "v2/a.service/dyno"},
		{"/a.service/main", "v2/a.service/dyno"},
		{"/a.service/main/deeper", NULL},
		{"/b.service", NULL},
		{"/", NULL},
		{"", NULL},
		{"/../a.service", NULL},
		{"/gone.service", NULL},
	};
	struct fake *fake = *state;
	char *own = fake->layout.own[CGROUP_TREE_UNIFIED];
	struct cgroup_host host;
	char me[16];

	fake_v2(fake, "");
	fake_v2(fake, "/a.service");
	fake_dir(fake, "v2/a.service/main/deeper");
	fake_dir(fake, "v2/b.service");
	fake_dir(fake, "v2/a.service/dyno.launcher");
	fake_file(fake, "v2/a.service/dyno.launcher/cgroup.procs", "");
	(void)str_fmt(me, sizeof(me), "%d\n", getpid());
	fake_file(fake, "v2/a.service/cgroup.procs", me);
	if (!give(fake, "v2/a.service", "1"))
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		(void)str_fmt(own, sizeof(fake->layout.own[0]), "%s", cases[i].own);
		cgroup_host_open_layout(&fake->layout, true, &host);
		if (host.kind != CGROUP_V2 || host.given != (cases[i].at != NULL) ||
		    !is_at(fake, &host, cases[i].at ? cases[i].at : "v2/dyno"))
			fail_msg("case %zu: %s", i, cases[i].own);
		cgroup_host_done(&host);
	}

	/* The way to what was made before it was so. */
	(void)str_fmt(own, sizeof(fake->layout.own[0]), "/a.service");
	fake->layout.extra = CGROUP_HAS_EXTRA | CGROUP_AS_IT_IS | CGROUP_AT_ROOT;
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_true(is_at(fake, &host, "v2/dyno") && !host.given);
	cgroup_host_done(&host);
	fake->layout.extra = 0;

	/* With others in it, not marked so, or without all that dynos need: the root. */
	fake_file(fake, "v2/a.service/cgroup.procs", "1\n");
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_true(is_at(fake, &host, "v2/dyno"));
	cgroup_host_done(&host);
	fake_file(fake, "v2/a.service/cgroup.procs", me);
	assert_true(give(fake, "v2/a.service", "0"));
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_true(is_at(fake, &host, "v2/dyno"));
	cgroup_host_done(&host);
	assert_true(give(fake, "v2/a.service", "1"));
	fake_file(fake, "v2/a.service/dyno/cgroup.subtree_control", "cpu pids\n");
	cgroup_host_open_layout(&fake->layout, true, &host);
	assert_true(is_at(fake, &host, "v2/dyno") && host.reason[0] == '\0');
	assert_int_equal(host.controllers & CGROUP_HAS_ALL, CGROUP_HAS_ALL);
	cgroup_host_done(&host);
}

#define REAL_UNIT CGROUP_ROOT "/unified"

/* In the group at @fd, with a child of its own. Return: 0: both have left for the leaf. */
static int leave_with_child(int fd)
{
	char path[64], mine[512], childs[512];
	pid_t child = fork();
	int r;

	if (child == 0)
		while (pause() < 0)
			;
	r = child < 0 ? -1 : cgroup_step_aside(fd);
	(void)str_fmt(path, sizeof(path), "/proc/%d/cgroup", child);
	read_text(AT_FDCWD, "/proc/self/cgroup", mine, sizeof(mine));
	read_text(AT_FDCWD, path, childs, sizeof(childs));
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	if (r == 0 && (!strstr(mine, "/dyno.launcher\n") || !strstr(childs, "/dyno.launcher\n")))
		r = -2;
	return r;
}

/* The same in the kernel's own tree, which on a hybrid has no controllers. */
static void step_aside__real_group__empty_afterwards(void **state)
{
	struct clone_args args = {.exit_signal = SIGCHLD, .flags = CLONE_INTO_CGROUP};
	const char *root = access(REAL_UNIT "/cgroup.procs", W_OK) == 0 ? REAL_UNIT : CGROUP_ROOT;
	char unit[96], leaf[128], text[64];
	int status;
	long pid;

	(void)state;
	(void)str_fmt(unit, sizeof(unit), "%s/dyno-test-%d", root, getpid());
	if (geteuid() != 0 || mkdir(unit, 0755) != 0)
		skip();
	_cleanup_close_ int fd = open(unit, O_PATH | O_DIRECTORY | O_CLOEXEC);
	args.cgroup = (uint64_t)(unsigned int)fd;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(leave_with_child(fd) == 0 ? 0 : 1);
	if (pid > 0)
		assert_int_equal(waitpid((pid_t)pid, &status, 0), pid);
	(void)str_fmt(leaf, sizeof(leaf), "%s/dyno.launcher", unit);
	if (pid > 0 && faccessat(fd, "cgroup.procs", F_OK, 0) == 0) {
		read_text(fd, "cgroup.procs", text, sizeof(text));
		assert_string_equal(text, "");
	}
	(void)rmdir(leaf);
	assert_int_equal(rmdir(unit), 0);
	if (pid < 0)
		skip(); /* a tree of version 1 is at the place */
	assert_int_equal(status, 0);
}

struct names {
	char seen[256];
	const struct cgroup_host *host;
	int stop;
};

static int note_name(void *data, const char *name)
{
	struct names *names = data;
	size_t len = strlen(names->seen);

	(void)str_fmt(names->seen + len, sizeof(names->seen) - len, "%s ", name);
	if (names->host)
		assert_int_equal(cgroup_leaf_remove(names->host, name), 0);
	return names->stop;
}

static void each_leaf__suffix_and_two_trees__each_once(void **state)
{
	struct fake *fake = *state;
	struct cgroup_host host;
	struct names names = {.host = NULL};

	fake_mount(fake, CGROUP_TREE_MEMORY, "memory");
	fake_mount(fake, CGROUP_TREE_CPU, "cpu");
	cgroup_host_open_layout(&fake->layout, true, &host);
	fake_dir(fake, "memory/dyno/a.TAG");
	fake_dir(fake, "cpu/dyno/a.TAG");
	fake_dir(fake, "cpu/dyno/only-cpu.TAG");
	fake_dir(fake, "cpu/dyno/b.OTHER");
	fake_file(fake, "cpu/dyno/file.TAG", "");
	assert_int_equal(cgroup_each_leaf(&host, ".TAG", note_name, &names), 0);
	assert_string_equal(names.seen, "a.TAG only-cpu.TAG ");

	/* The callback's word ends the walk; it may remove what it is told. */
	names = (struct names){.host = &host, .stop = 5};
	assert_int_equal(cgroup_each_leaf(&host, ".TAG", note_name, &names), 5);
	assert_string_equal(names.seen, "a.TAG ");
	names = (struct names){.host = &host};
	assert_int_equal(cgroup_each_leaf(&host, ".TAG", note_name, &names), 0);
	assert_string_equal(names.seen, "only-cpu.TAG ");
	cgroup_host_done(&host);
}

static void leaf_remove__groups_below__removed_too(void **state)
{
	struct fake *fake = *state;
	struct cgroup_host host;
	struct stat st;

	fake_mount(fake, CGROUP_TREE_MEMORY, "memory");
	cgroup_host_open_layout(&fake->layout, true, &host);
	fake_dir(fake, "memory/dyno/a/b/c");
	fake_dir(fake, "memory/dyno/a/d");
	assert_int_equal(cgroup_leaf_remove(&host, "a"), 0);
	assert_int_equal(fstatat(fake->fd, "memory/dyno/a", &st, 0), -1);
	assert_int_equal(cgroup_leaf_remove(&host, "a"), 0); /* nothing is fine */
	cgroup_host_done(&host);
}

/* ---- real groups ----------------------------------------------------------------------------- */

struct real {
	struct cgroup_host host;
	char name[64];
};

static int real_setup(void **state)
{
	struct real *real = calloc(1, sizeof(*real));

	if (!real)
		return -1;
	if (cgroup_host_open(CGROUP_ROOT, &real->host, NULL) != 0)
		real->host.kind = CGROUP_NONE;
	(void)str_fmt(real->name, sizeof(real->name), "unit-%d.test", getpid());
	*state = real;
	return 0;
}

static int real_teardown(void **state)
{
	struct real *real = *state;
	int r = cgroup_leaf_remove(&real->host, real->name);

	cgroup_host_done(&real->host);
	free(real);
	return r;
}

#define SKIP_UNLESS(condition, reason)                          \
	do {                                                    \
		if (!(condition)) {                             \
			print_message("skipped: %s\n", reason); \
			skip();                                 \
		}                                               \
	} while (0)

/* Start a child inside the leaf, as a launch does, that runs @fn. Return: its pid. */
static pid_t start_inside(const struct cgroup_leaf *leaf, int (*fn)(void))
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	long pid;

	if (leaf->clone_into) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)(unsigned int)leaf->clone_fd;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(cgroup_join_self(leaf) == 0 ? fn() : 100);
	return (pid_t)pid;
}

static int sleep_long(void)
{
	/* Signals but the last one do not end it. */
	while (pause() < 0)
		;
	return 0;
}

/* In how many trees of the leaf the process is, by the kernel's word. */
static unsigned int count_trees(const struct real *real, pid_t pid)
{
	char path[64], text[4096], want[CGROUP_NAME_BYTES + 16];
	unsigned int found = 0;

	(void)str_fmt(path, sizeof(path), "/proc/%d/cgroup", pid);
	(void)str_fmt(want, sizeof(want), "/dyno/%s\n", real->name);
	read_text(AT_FDCWD, path, text, sizeof(text));
	for (const char *at = text; (at = strstr(at, want)); at++)
		found++;
	return found;
}

/* On v1 the child joins tree by tree, a moment after its birth. */
static void assert_inside(const struct real *real, pid_t pid)
{
	unsigned int trees = 0;

	for (int t = 0; t < _CGROUP_TREE_MAX; t++)
		trees += real->host.parent_fd[t] >= 0;
	for (int i = 0; i < 2000 && count_trees(real, pid) != trees; i++)
		(void)usleep(1000);
	assert_int_equal(count_trees(real, pid), trees);
	assert_int_equal(cgroup_leaf_empty(&real->host, real->name), 0);
}

static void real_leaf__join_kill_remove__nothing_left(void **state)
{
	struct real *real = *state;
	struct cgroup_limits limits = {.memory_bytes = 64 * MIB,
				       .memory_swap_bytes = 128 * MIB,
				       .pids = 50,
				       .cpu_shares = 512};
	_cleanup_cgroup_leaf_ struct cgroup_leaf leaf = CGROUP_LEAF_INIT;
	struct cgroup_leaf second = CGROUP_LEAF_INIT;
	struct dyno_err err = {0};
	int status, r;
	pid_t pid;

	SKIP_UNLESS(real->host.kind != CGROUP_NONE, real->host.reason);
	assert_int_equal(cgroup_leaf_create(&real->host, real->name, &limits, &leaf, &err), 0);
	assert_int_equal(cgroup_leaf_empty(&real->host, real->name), 1);
	pid = start_inside(&leaf, sleep_long);
	assert_inside(real, pid);

	/* A live group is not replaced, and not harmed by the attempt. */
	assert_int_equal(cgroup_leaf_create(&real->host, real->name, NULL, &second, &err), -EBUSY);
	assert_int_equal(err.kind, ERR_CGROUP);
	assert_int_equal(cgroup_leaf_remove(&real->host, real->name), -EBUSY);
	assert_int_equal(kill(pid, 0), 0);
	assert_inside(real, pid);

	/* T28: kill reaches it wherever it went. */
	r = cgroup_leaf_kill(&real->host, real->name);
	if (r == -EOPNOTSUPP)
		r = kill(pid, SIGKILL);
	assert_int_equal(r, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(cgroup_leaf_empty(&real->host, real->name), 1);

	/* An empty one left behind is replaced. */
	cgroup_leaf_done(&leaf);
	assert_int_equal(cgroup_leaf_create(&real->host, real->name, &limits, &leaf, &err), 0);
	assert_int_equal(cgroup_leaf_remove(&real->host, real->name), 0);
	for (int t = 0; t < _CGROUP_TREE_MAX; t++)
		if (real->host.parent_fd[t] >= 0)
			assert_int_equal(faccessat(real->host.parent_fd[t], real->name, F_OK, 0),
					 -1);
}

/* Between the last leaf of one dyno and the first of another the directories are empty, and whoever
 * clears them away is none of ours. */
static void real_leaf__parents_cleared_away__made_anew(void **state)
{
	struct real *real = *state;
	struct cgroup_layout layout = {0};
	_cleanup_cgroup_leaf_ struct cgroup_leaf leaf = CGROUP_LEAF_INIT;
	struct cgroup_host host;
	struct dyno_err err = {0};
	char own[512];

	SKIP_UNLESS(real->host.parent_fd[CGROUP_TREE_PIDS] >= 0, "no pids tree of version 1");
	/* A tree of our own within the tree, which nobody else clears away. */
	assert_int_equal(cgroup_leaf_create(&real->host, real->name, NULL, &leaf, &err), 0);
	cgroup_leaf_done(&leaf);
	(void)str_fmt(own, sizeof(own), "%s/pids/dyno/%s", CGROUP_ROOT, real->name);
	(void)str_fmt(layout.mount[CGROUP_TREE_PIDS], sizeof(layout.mount[0]), "%s", own);
	cgroup_host_open_layout(&layout, true, &host);
	assert_int_equal(host.controllers, CGROUP_HAS_PIDS);

	(void)str_fmt(own + strlen(own), sizeof(own) - strlen(own), "/dyno");
	assert_int_equal(rmdir(own), 0);
	assert_int_equal(cgroup_leaf_create(&host, "a.1", NULL, &leaf, &err), 0);
	assert_int_equal(cgroup_leaf_empty(&host, "a.1"), 1);
	assert_int_equal(cgroup_leaf_remove(&host, "a.1"), 0);
	assert_int_equal(rmdir(own), 0); /* that it is there again */

	/* Where even the tree is gone there is an end to it. */
	assert_int_equal(cgroup_leaf_remove(&real->host, real->name), 0);
	assert_int_equal(cgroup_leaf_create(&host, "a.1", NULL, &leaf, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "make dyno/a.1 in the pids tree"));
	cgroup_host_done(&host);
}

static int fork_many(void)
{
	for (int i = 0; i < 64; i++) {
		pid_t pid = fork();

		if (pid == 0)
			sleep_long();
		if (pid < 0)
			return errno == EAGAIN ? 42 : 43;
	}
	return 44;
}

/* T25: the limit of processes holds; T28: those that stay behind are killed. */
static void real_leaf__more_processes_than_the_limit__eagain(void **state)
{
	struct real *real = *state;
	struct cgroup_limits limits = {.pids = 10};
	_cleanup_cgroup_leaf_ struct cgroup_leaf leaf = CGROUP_LEAF_INIT;
	int status;
	pid_t pid;

	SKIP_UNLESS(real->host.controllers & CGROUP_HAS_PIDS, "no pids controller");
	SKIP_UNLESS(real->host.kind != CGROUP_V1, "no cgroup.kill to end the children");
	assert_int_equal(cgroup_leaf_create(&real->host, real->name, &limits, &leaf, NULL), 0);
	pid = start_inside(&leaf, fork_many);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	assert_int_equal(cgroup_leaf_kill(&real->host, real->name), 0);
	for (int i = 0; i < 2000 && cgroup_leaf_empty(&real->host, real->name) == 0; i++)
		(void)usleep(1000);
	assert_int_equal(cgroup_leaf_empty(&real->host, real->name), 1);
	assert_int_equal(cgroup_leaf_remove(&real->host, real->name), 0);
}

static int eat_memory(void)
{
	void *at = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return 45;
	for (size_t i = 0; i < 64 * MIB; i += 4096)
		((volatile char *)at)[i] = 1;
	return 46;
}

/* T26: the hard mark kills, and the kernel's count says so. */
static void real_leaf__more_memory_than_the_hard_mark__counted(void **state)
{
	struct real *real = *state;
	struct cgroup_limits limits = {.memory_bytes = 16 * MIB, .memory_swap_bytes = 16 * MIB};
	_cleanup_cgroup_leaf_ struct cgroup_leaf leaf = CGROUP_LEAF_INIT;
	struct cgroup_oom oom = {.kills = 99};
	int status;
	pid_t pid;

	SKIP_UNLESS(real->host.controllers & CGROUP_HAS_MEMORY, "no memory controller");
	assert_int_equal(cgroup_leaf_create(&real->host, real->name, &limits, &leaf, NULL), 0);
	assert_int_equal(cgroup_leaf_oom(&real->host, real->name, &oom), 0);
	assert_int_equal(oom.kills, 0);
	pid = start_inside(&leaf, eat_memory);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(cgroup_leaf_oom(&real->host, real->name, &oom), 0);
	assert_true(oom.kills >= 1);
	assert_int_equal(cgroup_leaf_remove(&real->host, real->name), 0);
}

static void real_leaf__wrong_limit__error_and_nothing_left(void **state)
{
	struct real *real = *state;
	struct cgroup_limits limits = {.pids = 1ULL << 40};
	struct cgroup_leaf leaf = CGROUP_LEAF_INIT;
	struct dyno_err err = {0};

	SKIP_UNLESS(real->host.controllers & CGROUP_HAS_PIDS, "no pids controller");
	assert_true(cgroup_leaf_create(&real->host, real->name, &limits, &leaf, &err) < 0);
	assert_non_null(strstr(err.msg, "pids.max"));
	for (int t = 0; t < _CGROUP_TREE_MAX; t++)
		if (real->host.parent_fd[t] >= 0)
			assert_int_equal(faccessat(real->host.parent_fd[t], real->name, F_OK, 0),
					 -1);
}

static void real_leaf__wrong_limit_leniently__noted_and_the_rest_written(void **state)
{
	struct real *real = *state;
	struct cgroup_limits limits = {.memory_swap_bytes = MIB << 20, /* a TiB */
				       .pids = 1ULL << 40,
				       .cpu_shares = 2048,
				       .lenient = true};
	_cleanup_cgroup_leaf_ struct cgroup_leaf leaf = CGROUP_LEAF_INIT;
	struct dyno_err err = {0};
	unsigned int known = 0;

	SKIP_UNLESS((real->host.controllers & CGROUP_HAS_ALL) == CGROUP_HAS_ALL, "no controllers");
	assert_int_equal(cgroup_leaf_create(&real->host, real->name, &limits, &leaf, &err), 0);
	assert_int_equal(leaf.refused, CGROUP_HAS_PIDS);
	assert_non_null(strstr(leaf.refusal, "pids.max"));
	assert_int_equal(cgroup_limits_read(&real->host, real->name, &limits, &known), 0);
	assert_int_equal(known, CGROUP_HAS_ALL);
	assert_int_equal(limits.pids, 0);
	assert_int_equal(limits.cpu_shares, 2048);
	assert_int_equal(limits.memory_swap_bytes, MIB << 20);
}

#define REAL(test) cmocka_unit_test_setup_teardown(test, real_setup, real_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_find__texts__trees_and_own_groups),
		cmocka_unit_test(layout_find__nothing_well_formed__einval_and_untouched),
		cmocka_unit_test(layout_find__too_long_a_place__as_if_absent),
		cmocka_unit_test(plan__limits__writes),
		FAKE(host_open__no_trees__none_and_why),
		FAKE(host_open__v1_without_pids__named),
		FAKE(host_open__mounted_together__one_home),
		FAKE(leaf_create__failure_at_the_end__nothing_left),
		FAKE(leaf_create__bad_names__refused),
		FAKE(leaf__on_v2__limits_written_counters_read_and_walked),
		FAKE(host_open__v2_without_memory__named_with_fix),
		FAKE(host_open__read_only__none_and_why),
		FAKE(limits_read__files__back_as_they_were_asked_for),
		FAKE(limits_read__v1__no_limit_is_a_huge_number),
		FAKE(above__groups_around__the_smallest_is_named),
		FAKE(host_open__v2_fresh__controllers_enabled),
		FAKE(host_open__v2_with_cpuset__enabled_only_where_asked_for),
		FAKE(host_open__v1_with_extra__joined_only_where_asked_for),
		FAKE(leaf_limit__disks_on_v2__weight_and_rates),
		FAKE(leaf_limit__disks_on_v1__a_file_for_each_rate),
		FAKE(host_open__rootless_v2__own_group_or_the_one_around),
		FAKE(step_aside__a_child__leaves_too_and_others_do_not),
		cmocka_unit_test(step_aside__real_group__empty_afterwards),
		FAKE(host_open__root_in_a_given_group__leaves_beside_the_launcher),
		FAKE(each_leaf__suffix_and_two_trees__each_once),
		FAKE(leaf_remove__groups_below__removed_too),
		REAL(real_leaf__join_kill_remove__nothing_left),
		REAL(real_leaf__parents_cleared_away__made_anew),
		REAL(real_leaf__more_processes_than_the_limit__eagain),
		REAL(real_leaf__more_memory_than_the_hard_mark__counted),
		REAL(real_leaf__wrong_limit__error_and_nothing_left),
		REAL(real_leaf__wrong_limit_leniently__noted_and_the_rest_written),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
