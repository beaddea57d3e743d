/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_launch.c - what a launch hands in and out by descriptors: the streams of the dyno, and its
 * upper directories, which stay readable when it is gone (T61).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/inotify.h>

#include "livedyno.h"
#include "rootfs/upper.h"

static const struct live_case cases[] = {
	{.rootless = false},
	{.rootless = false, .disk = true},
	{.rootless = false, .directory = true},
	{.rootless = false, .disk = true, .directory = true},
	{.rootless = true},
	{.rootless = true, .disk = true},
	{.rootless = true, .directory = true},
	{.rootless = true, .disk = true, .directory = true},
};

static void run_cases(live_fn fn)
{
	size_t skipped = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		int status = live_run(&cases[i], fn);

		if (status == LIVE_SKIP) {
			skipped++;
			continue;
		}
		if (status != 0)
			print_error("case %zu: status %d\n", i, status);
		assert_int_equal(status, 0);
	}
	if (skipped == ARRAY_SIZE(cases))
		skip();
}

/* ---- upper directories ---------------------------------------------------------------------- */

static int note_path(void *data, const struct upper_change *change)
{
	struct sbuf *b = data;

	sbuf_addf(b, " %s:%s", upper_kind_name(change->kind), change->path);
	return 0;
}

static bool wrote(const struct live *v, const struct live_case *c, int which, const char *what)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	const struct upper_opts opts = {.userxattr = c->rootless};
	struct dyno_err err = {0};
	bool found;

	MUST(upper_walk(v->launch.upper_fds[which], &opts, note_path, &b, &err) == 0);
	found = strstr(sbuf_str(&b), what) != NULL;
	if (!found)
		(void)dprintf(2, "upper %d has%s\n", which, sbuf_str(&b));
	return found;
}

/* The kernel tells a watch when the file system goes for good. */
static int watch_upper(const struct live *v)
{
	char path[40];
	int fd = inotify_init1(IN_CLOEXEC);

	str_fmt(path, sizeof(path), "/proc/self/fd/%d", v->launch.upper_fds[0]);
	MUST(fd >= 0 && inotify_add_watch(fd, path, IN_DELETE_SELF) >= 0);
	return fd;
}

static bool is_unmounted(int fd, int timeout_ms)
{
	struct inotify_event event = {0};
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, timeout_ms) != 1)
		return false;
	MUST(read(fd, &event, sizeof(event)) == (ssize_t)sizeof(event));
	return event.mask & IN_UNMOUNT;
}

static void case_uppers(struct live *v, const struct live_case *c)
{
	static const char *const argv[] = {
		"sh", "-c", "mkdir /tmp/d && echo >/tmp/d/in-tmp && echo >/app/in-app", NULL};
	int watch;

	live_make(v, c, argv);
	v->launch.want_upper_fds = true;
	live_start(v);
	MUST(live_end(v) == 0);
	MUST(v->launch.upper_fds[0] >= 0);
	MUST((v->launch.upper_fds[1] >= 0) == c->directory);
	MUST(wrote(v, c, 0, " added:tmp/d/in-tmp"));
	MUST(wrote(v, c, c->directory, c->directory ? " added:in-app" : " added:app/in-app"));
	watch = watch_upper(v);
	MUST(!is_unmounted(watch, 0));
	live_done(v);
	MUST(v->launch.upper_fds[0] < 0 && v->launch.upper_fds[1] < 0);
	/* With the descriptors goes the memory. */
	MUST(c->disk || is_unmounted(watch, LIVE_MAX_MS));
}

static void launch_start__uppers_wanted__walked_after_the_end_T61(void **state)
{
	(void)state;
	run_cases(case_uppers);
}

static void case_no_uppers(struct live *v, const struct live_case *c)
{
	static const char *const argv[] = {"true", NULL};

	live_make(v, c, argv);
	live_start(v);
	MUST(live_end(v) == 0);
	MUST(v->launch.upper_fds[0] < 0 && v->launch.upper_fds[1] < 0);
	live_done(v);
}

static void launch_start__uppers_not_wanted__none(void **state)
{
	(void)state;
	run_cases(case_no_uppers);
}

/* A launch that fails after they were handed over: nobody receives them, and nothing stays. */
static void case_uppers_of_failure(struct live *v, const struct live_case *c)
{
	static const char *const argv[] = {"true", NULL};
	int before;
	int after;
	int status;

	live_make(v, c, argv);
	before = dup(0);
	v->launch.want_upper_fds = true;
	v->spec.hostname = "more-than-64-bytes-0123456789012345678901234567890123456789012345";
	MUST(launch_start(&v->launch, &v->err) == 0);
	live_wait(v, INIT_MSG_LAUNCH_FAILED);
	MUST(v->launch.upper_fds[0] >= 0);
	MUST(proc_wait(v->launch.pidfd, &status) == 0 && status == 125);
	launch_done(&v->launch);
	MUST(close(before) == 0);
	after = dup(0);
	MUST(after == before);
	live_done(v);
}

static void launch_start__fails_after_the_uppers__nothing_stays(void **state)
{
	(void)state;
	run_cases(case_uppers_of_failure);
}

/* ---- streams -------------------------------------------------------------------------------- */

/* The files are open on 0 to 2 and, closed on exec, from here on; the launch's own are below. */
#define ASIDE 100

/* Which of these each stream of the dyno is to be. */
static const int plans[][3] = {
	{-1, -1, -1},
	{0, 1, 2},
	{1, 2, 0},
	{2, 1, 0},
	{1, 0, 0},
	{2, 2, 2},
	{ASIDE, ASIDE + 1, ASIDE + 2},
	{-1, ASIDE, 0},
	{ASIDE + 2, -1, 1},
	{ASIDE + 1, ASIDE + 1, -1},
	{1, 1, ASIDE + 1},
};

static int file_of(int plan, int stream)
{
	if (plan < 0)
		return stream;
	return plan >= ASIDE ? plan - ASIDE : plan;
}

static void open_files(const char *base, const int plan[3])
{
	int i;

	for (i = 0; i < 3; i++) {
		char path[96];
		int fd;

		str_fmt(path, sizeof(path), "%s/file%d", base, i);
		fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
		/* Closed on exec as a caller may have them, unless they are to be passed on. */
		MUST(fd >= 0 && (plan[i] < 0 ? dup2(fd, i) : dup3(fd, i, O_CLOEXEC)) == i);
		MUST(dup3(fd, ASIDE + i, O_CLOEXEC) >= 0);
		MUST(close(fd) == 0);
	}
}

static void check_files(const char *base, const int plan[3])
{
	char want[3][8] = {"", "", ""};
	int i;

	for (i = 0; i < 3; i++)
		strncat(want[file_of(plan[i], i)], &"ABC"[i], 1);
	for (i = 0; i < 3; i++) {
		char path[96];
		char got[8] = "";
		int fd;

		str_fmt(path, sizeof(path), "%s/file%d", base, i);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		MUST(fd >= 0 && read(fd, got, sizeof(got) - 1) >= 0);
		MUST(strcmp(got, want[i]) == 0);
		MUST(close(fd) == 0);
	}
}

static int stream_plan;

static void case_streams(struct live *v, const struct live_case *c)
{
	static const char *const argv[] = {
		"sh", "-c",
		"printf A >&0 && printf B >&1 && printf C >&2 && set -- /dev/fd/* && "
		"[ $# -eq 4 ]", /* and that of the directory itself */
		NULL};
	const int *plan = plans[stream_plan];
	int told = dup(2);
	int status;

	live_make(v, c, argv);
	open_files(v->base, plan);
	memcpy(v->launch.stdio, plan, sizeof(v->launch.stdio));
	live_start(v);
	status = live_end(v);
	MUST(dup2(told, 2) == 2);
	MUST(status == 0);
	check_files(v->base, plan);
	live_done(v);
}

static void launch_start__streams__placed_whatever_their_numbers(void **state)
{
	(void)state;
	for (stream_plan = 0; stream_plan < (int)ARRAY_SIZE(plans); stream_plan++) {
		static const struct live_case as_root = {.rootless = false};
		static const struct live_case as_user = {.rootless = true};
		int status = live_run(&as_root, case_streams);

		assert_true(status == 0 || (status == LIVE_SKIP && geteuid() != 0));
		assert_int_equal(live_run(&as_user, case_streams), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(launch_start__uppers_wanted__walked_after_the_end_T61),
		cmocka_unit_test(launch_start__uppers_not_wanted__none),
		cmocka_unit_test(launch_start__fails_after_the_uppers__nothing_stays),
		cmocka_unit_test(launch_start__streams__placed_whatever_their_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
