/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_appspec.c - what the app front end makes of a slug: the mounts and files of C2.4-C2.9, the
 * limits of a size (C3.13, C11.6), the two kinds of slug.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/arena.h"
#include "base/errclass.h"
#include "base/str.h"
#include "model/appspec.h"

static const char *const argv_true[] = {"/bin/true", NULL};
static const char *const envp_none[] = {NULL};
static const char *const bind_usr[] = {"/usr"};

static struct appspec_input make_input(const char *size)
{
	static struct limits limits;

	limits_of_size(size_find(size ? size : SIZE_NONE), &limits);
	return (struct appspec_input){
		.hostname = "9b2f6f3e-1111-4111-8111-111111111111",
		.boot_id = "9b2f6f3e-2222-4222-8222-222222222222",
		.argv = argv_true,
		.envp = envp_none,
		.uid = 12345,
		.limits = &limits,
		.app_is_root = true,
		.app = {.path = "/store/slug", .fd = 7, .owner = SPEC_OWNER_SAME, .owned = true},
		.stack = {.path = "/store/stack", .fd = 8, .owner = SPEC_OWNER_SAME},
		.binds = bind_usr,
		.n_binds = 1,
		.resolv_conf = "nameserver 192.0.2.1\n",
		.resolv_len = 21,
		.network = SPEC_NET_HOST,
	};
}

/* What is not there has an empty name. */
static const struct spec_node no_node = {.path = ""};
static const struct spec_mount no_mount = {.target = ""};

static const struct spec_node *find_node(const struct dyno_spec *spec, const char *path)
{
	size_t i;

	for (i = 0; i < spec->n_nodes; i++)
		if (str_eq(spec->nodes[i].path, path))
			return &spec->nodes[i];
	return &no_node;
}

static const struct spec_mount *find_mount(const struct dyno_spec *spec, const char *target)
{
	size_t i;

	for (i = 0; i < spec->n_mounts; i++)
		if (str_eq(spec->mounts[i].target, target))
			return &spec->mounts[i];
	return &no_mount;
}

static uint64_t find_rlimit(const struct dyno_spec *spec, int resource)
{
	size_t i;

	for (i = 0; i < spec->process.n_rlimits; i++)
		if (spec->process.rlimits[i].resource == resource)
			return spec->process.rlimits[i].value;
	return UINT64_MAX;
}

static void appspec_compile__stored_slug__is_a_layer_over_the_stack(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct appspec_input in = make_input("standard-1x");
	struct dyno_spec spec;
	struct dyno_err err;

	(void)state;
	assert_int_equal(appspec_compile(&in, &a, &spec, &err), 0);
	assert_int_equal(spec.root.n_layers, 2);
	assert_string_equal(spec.root.layers[0].path, "/store/slug");
	assert_true(spec.root.layers[0].owned);
	assert_string_equal(spec.root.layers[1].path, "/store/stack");
	assert_ptr_equal(find_mount(&spec, "app"), &no_mount);
	assert_ptr_equal(find_node(&spec, "app-upper"), &no_node);
	assert_string_equal(spec.process.cwd, "/app");
	assert_int_equal(spec.process.uid, 12345);
	assert_int_equal(spec.process.gid, 12345);
	assert_true(spec.seccomp);
}

static void appspec_compile__directory__is_an_overlay_at_app(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct appspec_input in = make_input("standard-1x");
	const struct spec_mount *m;
	struct dyno_spec spec;
	struct dyno_err err;

	(void)state;
	in.app_is_root = false;
	assert_int_equal(appspec_compile(&in, &a, &spec, &err), 0);
	assert_int_equal(spec.root.n_layers, 1);
	m = find_mount(&spec, "app");
	assert_int_equal(m->kind, SPEC_MOUNT_OVERLAY);
	assert_string_equal(m->source, "app-upper:app-work");
	assert_int_equal(m->layer.fd, 7);
	assert_true(find_node(&spec, "app-upper")->own);
	assert_int_equal(find_node(&spec, "app-upper")->place, SPEC_BESIDE_ROOT);
}

/* C2.4, C2.5, C2.7, C2.8, C2.9 */
static void appspec_compile__mounts_and_files__are_those_of_the_contract(void **state)
{
	static const struct {
		const char *target;
		enum spec_mount_kind kind;
	} mounts[] = {
		{"usr", SPEC_MOUNT_BIND},
		{"proc", SPEC_MOUNT_PROC},
		{"dev", SPEC_MOUNT_DEV},
		{"dev/pts", SPEC_MOUNT_DEVPTS},
		{"dev/shm", SPEC_MOUNT_TMPFS},
		{"proc/kcore", SPEC_MOUNT_MASK_FILE},
		{"proc/timer_list", SPEC_MOUNT_MASK_FILE},
		{"proc/scsi", SPEC_MOUNT_MASK_DIR},
		{"proc/pressure", SPEC_MOUNT_MASK_DIR},
		{"proc/sys/kernel/random/boot_id", SPEC_MOUNT_FILE},
	};
	static const char *const files[] = {
		"etc/passwd",	   "etc/group",
		"etc/hosts",	   "etc/hostname",
		"etc/resolv.conf", "etc/profile",
		"etc/bash.bashrc", "sys/fs/cgroup/memory/memory.limit_in_bytes",
	};
	_cleanup_arena_ struct arena a = {0};
	struct appspec_input in = make_input("standard-1x");
	struct dyno_spec spec;
	struct dyno_err err;
	size_t i;

	(void)state;
	assert_int_equal(appspec_compile(&in, &a, &spec, &err), 0);
	assert_int_equal(spec.n_mounts, ARRAY_SIZE(mounts));
	for (i = 0; i < ARRAY_SIZE(mounts); i++) {
		assert_string_equal(spec.mounts[i].target, mounts[i].target);
		assert_int_equal(spec.mounts[i].kind, mounts[i].kind);
	}
	in.private_stack = true;
	assert_int_equal(appspec_compile(&in, &a, &spec, &err), 0);
	assert_int_equal(spec.n_mounts, ARRAY_SIZE(mounts));
	assert_int_equal(spec.mounts[0].kind, SPEC_MOUNT_APART);
	assert_string_equal(spec.mounts[0].source, "/usr");
	assert_int_equal(find_mount(&spec, "dev/shm")->bytes, 65536ULL * 1024);
	assert_int_equal(find_mount(&spec, "dev/shm")->mode, 0700);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		const struct spec_node *n = find_node(&spec, files[i]);

		assert_string_equal(n->path, files[i]);
		assert_non_null(n->data);
		assert_int_equal(n->mode & 0222, 0);
		assert_false(n->own);
	}
	assert_string_equal(find_node(&spec, "sys/fs/cgroup/memory/memory.limit_in_bytes")->data,
			    "536870912\n");
	assert_string_equal(find_node(&spec, "etc/resolv.conf")->data, "nameserver 192.0.2.1\n");
}

/* Every directory comes before what lies in it, or the launcher could not make it. */
static void appspec_compile__nodes__parents_come_first(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct appspec_input in = make_input("standard-1x");
	struct dyno_spec spec;
	struct dyno_err err;
	size_t i;
	size_t j;

	(void)state;
	in.app_is_root = false;
	assert_int_equal(appspec_compile(&in, &a, &spec, &err), 0);
	for (i = 0; i < spec.n_nodes; i++) {
		const char *slash = strrchr(spec.nodes[i].path, '/');
		bool found = slash == NULL;

		for (j = 0; j < i && !found; j++)
			found = strlen(spec.nodes[j].path) ==
					(size_t)(slash - spec.nodes[i].path) &&
				strncmp(spec.nodes[j].path, spec.nodes[i].path,
					strlen(spec.nodes[j].path)) == 0 &&
				!spec.nodes[j].data;
		assert_true(found);
	}
}

static void appspec_compile__no_network__has_no_resolver(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct appspec_input in = make_input("standard-1x");
	struct dyno_spec spec;
	struct dyno_err err;

	(void)state;
	in.network = SPEC_NET_NONE;
	assert_int_equal(appspec_compile(&in, &a, &spec, &err), 0);
	assert_int_equal(find_node(&spec, "etc/resolv.conf")->len, 0);
}

/* C3.13: RLIMIT_NPROC is the size's limit; C11.1: without swap the quota must not kill. */
static void appspec_compile__size__limits_of_group_and_process(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct appspec_input in = make_input("standard-2x");
	struct dyno_spec spec;
	struct dyno_err err;

	(void)state;
	assert_int_equal(appspec_compile(&in, &a, &spec, &err), 0);
	assert_int_equal(find_rlimit(&spec, RLIMIT_NPROC), 512);
	assert_int_equal(find_rlimit(&spec, RLIMIT_NOFILE), 10000);
	assert_int_equal(find_rlimit(&spec, RLIMIT_CORE), 1);
	assert_int_equal(spec.limits.pids, 512);
	assert_int_equal(spec.limits.memory_bytes, 2ULL << 30);
	assert_int_equal(spec.limits.memory_swap_bytes, 2ULL << 30);
	in.swap = true;
	assert_int_equal(appspec_compile(&in, &a, &spec, &err), 0);
	assert_int_equal(spec.limits.memory_bytes, 1ULL << 30);
}

static void appspec_compile__no_size__no_limits_but_of_the_scratch(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct appspec_input in = make_input(NULL);
	struct dyno_spec spec;
	struct dyno_err err;

	(void)state;
	assert_int_equal(appspec_compile(&in, &a, &spec, &err), 0);
	assert_int_equal(spec.limits.memory_bytes, 0);
	assert_int_equal(spec.limits.pids, 0);
	assert_int_equal(find_rlimit(&spec, RLIMIT_NPROC), UINT64_MAX);
	assert_int_equal(spec.root.upper, SPEC_UPPER_TMPFS);
	in.scratch_bytes = 1 << 20;
	in.scratch_inodes = 99;
	assert_int_equal(appspec_compile(&in, &a, &spec, &err), 0);
	assert_int_equal(spec.root.upper_bytes, 1 << 20);
	assert_int_equal(spec.root.upper_inodes, 99);
	in.scratch_path = "/data/scratch/x";
	assert_int_equal(appspec_compile(&in, &a, &spec, &err), 0);
	assert_int_equal(spec.root.upper, SPEC_UPPER_DISK);
	assert_string_equal(spec.root.upper_path, "/data/scratch/x");
	in.scratch_path = NULL;
	in.scratch_mounted = true;
	in.scratch_fd = 7;
	assert_int_equal(appspec_compile(&in, &a, &spec, &err), 0);
	assert_int_equal(spec.root.upper, SPEC_UPPER_MOUNT);
	assert_int_equal(spec.root.upper_fd, 7);
}

static void appspec_compile__too_many_binds__refused(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct appspec_input in = make_input(NULL);
	struct dyno_spec spec;
	struct dyno_err err;

	(void)state;
	in.n_binds = APPSPEC_MAX_BINDS + 1;
	assert_int_equal(appspec_compile(&in, &a, &spec, &err), -E2BIG);
	assert_int_equal(err.kind, ERR_STACK);
}

/* C1.15, C2.9: version 4, variant 1 (RFC 9562). */
static void appspec_compile__asked_mounts__stand_behind_its_own(void **state)
{
	struct mountplan items[] = {
		{.kind = MOUNTPLAN_WRITABLE, .target = "app"},
		{.kind = MOUNTPLAN_TMPFS, .target = "app/t", .bytes = 1U << 20},
		{.kind = MOUNTPLAN_HOST,
		 .target = "d",
		 .source = "s",
		 .writable = true,
		 .file = true,
		 .layer = {.path = "/s", .fd = 9, .owner = 1000}},
		{.kind = MOUNTPLAN_TMPFS, .target = "d/t", .bytes = 1, .below_host = true},
	};
	const struct mountplans mounts = {.read_only = true, .items = items, .n = 4};
	_cleanup_arena_ struct arena a = {0};
	struct appspec_input in = make_input("standard-1x");
	const struct spec_mount *m;
	struct dyno_spec spec;
	struct dyno_err err;
	size_t i;

	(void)state;
	in.app_is_root = false;
	in.mounts = &mounts;
	assert_int_equal(appspec_check_mounts(&mounts, &err), 0);
	assert_int_equal(appspec_compile(&in, &a, &spec, &err), 0);
	assert_true(spec.root.read_only);
	m = &spec.mounts[spec.n_mounts - 4];
	assert_int_equal(m[-1].kind, SPEC_MOUNT_OVERLAY);
	for (i = 0; i < spec.n_mounts; i++)
		assert_int_equal(spec.mounts[i].asked, &spec.mounts[i] >= m);
	assert_int_equal(m[0].kind, SPEC_MOUNT_AGAIN);
	assert_true(m[0].make);
	assert_int_equal(m[1].kind, SPEC_MOUNT_TMPFS);
	assert_int_equal(m[1].bytes, 1U << 20);
	assert_int_equal(m[1].inodes, 64);
	assert_int_equal(m[1].mode, 0755);
	assert_int_equal(m[2].kind, SPEC_MOUNT_HOST);
	assert_true(m[2].writable && m[2].file);
	assert_int_equal(m[2].layer.owner, 1000);
	assert_int_equal(m[3].inodes, 64);
	assert_false(m[3].make);
}

static void appspec_check_mounts__own_paths__are_refused(void **state)
{
	static const struct {
		const char *target;
		int want;
	} cases[] = {
		{"proc", -EINVAL},
		{"proc/sys", -EINVAL},
		{"dev/shm", -EINVAL},
		{"sys", -EINVAL},
		{"sys/fs/x", -EINVAL},
		{"etc", -EINVAL},
		{"etc/passwd", -EINVAL},
		{"etc/group", -EINVAL},
		{"etc/hosts", -EINVAL},
		{"etc/resolv.conf", -EINVAL},
		{"etc/ssl", 0},
		{"etcetera", 0},
		{"devel", 0},
		{"app", 0},
		{"mask", 0},
	};
	struct dyno_err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mountplan item = {.kind = MOUNTPLAN_HOST, .target = cases[i].target};
		const struct mountplans mounts = {.items = &item, .n = 1};

		assert_int_equal(appspec_check_mounts(&mounts, &err), cases[i].want);
		if (cases[i].want < 0)
			assert_int_equal(err.kind, ERR_MOUNT_INVALID);
	}
}

static void appspec_check_mounts__too_many_of_the_host__refused(void **state)
{
	struct mountplan items[SPEC_MAX_HOST + 1];
	struct mountplans mounts = {.items = items, .n = SPEC_MAX_HOST + 1};
	struct dyno_err err;

	(void)state;
	for (size_t i = 0; i < mounts.n; i++)
		items[i] = (struct mountplan){.kind = MOUNTPLAN_HOST, .target = "x"};
	assert_int_equal(appspec_check_mounts(&mounts, &err), -E2BIG);
	mounts.n--;
	assert_int_equal(appspec_check_mounts(&mounts, &err), 0);
}

static void uuid_format__bytes__version_and_variant(void **state)
{
	uint8_t random[16];
	char text[UUID_BYTES];

	(void)state;
	memset(random, 0xff, sizeof(random));
	uuid_format(random, text);
	assert_string_equal(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
	memset(random, 0, sizeof(random));
	uuid_format(random, text);
	assert_string_equal(text, "00000000-0000-4000-8000-000000000000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appspec_compile__stored_slug__is_a_layer_over_the_stack),
		cmocka_unit_test(appspec_compile__directory__is_an_overlay_at_app),
		cmocka_unit_test(appspec_compile__mounts_and_files__are_those_of_the_contract),
		cmocka_unit_test(appspec_compile__nodes__parents_come_first),
		cmocka_unit_test(appspec_compile__no_network__has_no_resolver),
		cmocka_unit_test(appspec_compile__size__limits_of_group_and_process),
		cmocka_unit_test(appspec_compile__no_size__no_limits_but_of_the_scratch),
		cmocka_unit_test(appspec_compile__too_many_binds__refused),
		cmocka_unit_test(appspec_compile__asked_mounts__stand_behind_its_own),
		cmocka_unit_test(appspec_check_mounts__own_paths__are_refused),
		cmocka_unit_test(appspec_check_mounts__too_many_of_the_host__refused),
		cmocka_unit_test(uuid_format__bytes__version_and_variant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
