/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_mountplan.c - mounts that a caller asks for: their form, their order, which of them go
 * together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/errclass.h"
#include "base/str.h"
#include "model/mountplan.h"

/* One text of each kind at most; NULL: none. */
struct asked {
	int read_only;
	const char *writable;
	const char *tmpfs;
	const char *mount;
};

static int parse(const struct asked *asked, struct arena *a, struct mountplans *ret,
		 struct dyno_err *err)
{
	const struct dyno_run_opts opts = {
		.read_only = asked->read_only,
		.writable = &asked->writable,
		.n_writable = asked->writable ? 1 : 0,
		.tmpfs = &asked->tmpfs,
		.n_tmpfs = asked->tmpfs ? 1 : 0,
		.mounts = &asked->mount,
		.n_mounts = asked->mount ? 1 : 0,
	};

	return mountplan_parse(&opts, a, ret, err);
}

static void mountplan_parse__nothing__is_empty(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	const struct dyno_run_opts opts = {0};
	struct mountplans all = {.read_only = true, .n = 7};
	struct dyno_err err;

	(void)state;
	assert_int_equal(mountplan_parse(&opts, &a, &all, &err), 0);
	assert_int_equal(all.n, 0);
	assert_false(all.read_only);
}

static void mountplan_parse__good__is_read(void **state)
{
	static const struct {
		struct asked asked;
		struct mountplan want;
	} cases[] = {
		{{.tmpfs = "/cache"},
		 {.kind = MOUNTPLAN_TMPFS, .target = "cache", .bytes = MOUNTPLAN_TMPFS_BYTES}},
		{{.tmpfs = "//a/./b//:2M"},
		 {.kind = MOUNTPLAN_TMPFS, .target = "a/b", .bytes = 2U << 20}},
		{{.tmpfs = "/a::77"},
		 {.kind = MOUNTPLAN_TMPFS,
		  .target = "a",
		  .bytes = MOUNTPLAN_TMPFS_BYTES,
		  .inodes = 77}},
		{{.tmpfs = "/a:4k:5"},
		 {.kind = MOUNTPLAN_TMPFS, .target = "a", .bytes = 4096, .inodes = 5}},
		{{.mount = "src:/d"}, {.kind = MOUNTPLAN_HOST, .target = "d", .source = "src"}},
		{{.mount = "/s/x:/d/e/:ro"},
		 {.kind = MOUNTPLAN_HOST, .target = "d/e", .source = "/s/x"}},
		{{.mount = "/s:/...:rw"},
		 {.kind = MOUNTPLAN_HOST, .target = "...", .source = "/s", .writable = true}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct mountplan *want = &cases[i].want;
		_cleanup_arena_ struct arena a = {0};
		struct mountplans all;
		struct dyno_err err;

		assert_int_equal(parse(&cases[i].asked, &a, &all, &err), 0);
		assert_int_equal(all.n, 1);
		assert_false(all.read_only);
		assert_int_equal(all.items[0].kind, want->kind);
		assert_string_equal(all.items[0].target, want->target);
		assert_int_equal(all.items[0].bytes, want->bytes);
		assert_int_equal(all.items[0].inodes, want->inodes);
		assert_int_equal(all.items[0].writable, want->writable);
		if (want->source)
			assert_string_equal(all.items[0].source, want->source);
	}
}

static void mountplan_parse__bad__is_refused(void **state)
{
	static const struct {
		struct asked asked;
		const char *says;
	} cases[] = {
		{{.tmpfs = ""}, "not absolute"},
		{{.tmpfs = "a"}, "not absolute"},
		{{.tmpfs = ":1M"}, "not absolute"},
		{{.tmpfs = "/"}, "/ itself"},
		{{.tmpfs = "/./"}, "/ itself"},
		{{.tmpfs = "/a/.."}, "\"..\""},
		{{.tmpfs = "/../a"}, "\"..\""},
		{{.tmpfs = "/a:0"}, "limits"},
		{{.tmpfs = "/a:x"}, "limits"},
		{{.tmpfs = "/a:1M:0"}, "limits"},
		{{.tmpfs = "/a:1M:-1"}, "limits"},
		{{.tmpfs = "/a:1M:4294967296"}, "limits"},
		{{.tmpfs = "/a:1M:5:6"}, "limits"},
		{{.mount = "/s"}, "two paths"},
		{{.mount = ":/d"}, "two paths"},
		{{.mount = "/s:"}, "not absolute"},
		{{.mount = "/s:d"}, "not absolute"},
		{{.mount = "/s:/d:"}, "neither ro nor rw"},
		{{.mount = "/s:/d:rwx"}, "neither ro nor rw"},
		{{.mount = "/s:/d:rw:ro"}, "neither ro nor rw"},
		{{.mount = "/s:/d/../e"}, "\"..\""},
		{{.mount = "/s:/"}, "/ itself"},
		{{.writable = "/app"}, "nothing is read-only"},
		{{.read_only = 1, .writable = "app"}, "not absolute"},
		{{.read_only = 1, .writable = "/"}, "/ itself"},
		{{.tmpfs = "/a", .mount = "/s:/a"}, "asked for twice"},
		{{.read_only = 1, .writable = "/a", .tmpfs = "/a/"}, "asked for twice"},
		{{.read_only = 1, .writable = "/a/b", .tmpfs = "/a"}, "lies in the mount at /a"},
		{{.read_only = 1, .writable = "/a/b", .mount = "/s:/a"}, "lies in the mount at /a"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct mountplans all = {.n = 7};
		struct dyno_err err = {0};

		assert_int_equal(parse(&cases[i].asked, &a, &all, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_MOUNT_INVALID);
		assert_non_null(strstr(err.msg, cases[i].says));
		assert_true(err.hint[0] != '\0');
		assert_int_equal(all.n, 7);
	}
}

static void mountplan_parse__several__holders_come_first(void **state)
{
	static const char *const writable[] = {"/app", "/var"};
	static const char *const tmpfs[] = {"/app/a/b", "/app-x"};
	static const char *const mounts[] = {"/s:/app/a", "/t:/tmp"};
	static const char *const order[] = {"app", "app-x", "app/a",  "app/a/b",
					    "tmp", "var",   "var/tmp"};
	const struct dyno_run_opts opts = {
		.read_only = 1,
		.writable = writable,
		.n_writable = 2,
		.tmpfs = tmpfs,
		.n_tmpfs = 2,
		.mounts = mounts,
		.n_mounts = 2,
	};
	_cleanup_arena_ struct arena a = {0};
	struct mountplans all;
	struct dyno_err err;

	(void)state;
	assert_int_equal(mountplan_parse(&opts, &a, &all, &err), 0);
	assert_true(all.read_only);
	assert_int_equal(all.n, ARRAY_SIZE(order));
	for (size_t i = 0; i < all.n; i++) {
		assert_string_equal(all.items[i].target, order[i]);
		assert_int_equal(all.items[i].below_host, str_eq(order[i], "app/a/b"));
	}
	/* /tmp as it was asked for, and not a second time */
	assert_int_equal(all.items[4].kind, MOUNTPLAN_HOST);
	assert_int_equal(all.items[6].kind, MOUNTPLAN_WRITABLE);
}

static void mountplan_parse__too_many__are_refused(void **state)
{
	const char *list[MOUNTPLAN_MAX + 1];
	struct dyno_run_opts opts = {.tmpfs = list, .n_tmpfs = ARRAY_SIZE(list)};
	_cleanup_arena_ struct arena a = {0};
	struct mountplans all;
	struct dyno_err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		list[i] = arena_fmt(&a, "/t/%zu", i);
	assert_int_equal(mountplan_parse(&opts, &a, &all, &err), -E2BIG);
	assert_int_equal(err.kind, ERR_MOUNT_INVALID);
	opts.n_tmpfs--;
	assert_int_equal(mountplan_parse(&opts, &a, &all, &err), 0);
	assert_int_equal(all.n, MOUNTPLAN_MAX);
}

static void mountplan_parse__long_paths__are_refused(void **state)
{
	char path[5000];
	struct asked asked = {.tmpfs = path};
	_cleanup_arena_ struct arena a = {0};
	struct mountplans all;
	struct dyno_err err;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[1 + 255] = '\0';
	assert_int_equal(parse(&asked, &a, &all, &err), 0);
	path[1 + 255] = 'a';
	path[1 + 256] = '\0';
	assert_int_equal(parse(&asked, &a, &all, &err), -EINVAL);
	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 2 ? 'a' : '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(parse(&asked, &a, &all, &err), -EINVAL);
}

static void mountplan_holds__paths__by_whole_components(void **state)
{
	(void)state;
	assert_true(mountplan_holds("a", "a"));
	assert_true(mountplan_holds("a", "a/b"));
	assert_false(mountplan_holds("a", "ab"));
	assert_false(mountplan_holds("a/b", "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mountplan_parse__nothing__is_empty),
		cmocka_unit_test(mountplan_parse__good__is_read),
		cmocka_unit_test(mountplan_parse__bad__is_refused),
		cmocka_unit_test(mountplan_parse__several__holders_come_first),
		cmocka_unit_test(mountplan_parse__too_many__are_refused),
		cmocka_unit_test(mountplan_parse__long_paths__are_refused),
		cmocka_unit_test(mountplan_holds__paths__by_whole_components),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
