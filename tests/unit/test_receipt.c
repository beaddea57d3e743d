/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_receipt.c - the discard receipt: sum and list of what a dyno wrote agree, whatever its files
 * are called and however many they are (T27), and a full disk only costs the list (T44).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/errclass.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/receipt.h"

/* In a child a failed check must not jump into cmocka. */
#define CHECK(cond)               \
	do {                      \
		if (!(cond))      \
			_exit(1); \
	} while (0)

/* Time passes only as a case wants it: by so many milliseconds with each look at the clock. */
static unsigned int ms_per_look;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	static unsigned int now_ms = 1000;

	(void)clock;
	now_ms += ms_per_look;
	*ret = (struct timespec){.tv_sec = now_ms / 1000, .tv_nsec = now_ms % 1000 * 1000000L};
	return 0;
}

struct fixture {
	char dir[64];
	struct store store;
	struct dyno_err err;
	int upper_fd;
	int app_fd;
};

static int open_dir(const struct fixture *f, const char *name)
{
	if (mkdirat(f->store.data_fd, name, 0755) < 0)
		return -1;
	return openat(f->store.data_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){.store = STORE_INIT};
	str_fmt(f.dir, sizeof(f.dir), "/tmp/dyno-test-receipt.XXXXXX");
	if (!mkdtemp(f.dir) || store_open(f.dir, &f.store, &f.err) < 0)
		return -1;
	f.upper_fd = open_dir(&f, "upper");
	f.app_fd = open_dir(&f, "app");
	*state = &f;
	return f.upper_fd < 0 || f.app_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	close_fdp(&f->upper_fd);
	close_fdp(&f->app_fd);
	store_done(&f->store);
	r = path_remove_tree(tmp_fd, f->dir + strlen("/tmp/"));
	close_fdp(&tmp_fd);
	return r;
}

/* Without lower layers all that is there was added: a plain directory will do. */
static int take(struct fixture *f, struct receipt *ret)
{
	const struct receipt_source sources[] = {
		{.upper_fd = f->upper_fd, .opts = {.userxattr = true}, .prefix = "/"},
		{.upper_fd = f->app_fd, .opts = {.userxattr = true}, .prefix = "/app/"},
	};

	return receipt_take(&f->store, "my.app", "web.1", sources, ARRAY_SIZE(sources), ret,
			    &f->err);
}

static void put_file(int dir_fd, const char *name, size_t size)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	_cleanup_free_ char *text = calloc(1, size + 1);

	assert_true(fd >= 0 && text);
	assert_int_equal(fd_write_full(fd, text, size), size);
}

static void manifest_path(const struct receipt *receipt, char *buf, size_t size)
{
	str_fmt(buf, size, "records/my.app/%s", receipt->manifest);
}

struct listed {
	unsigned int n;
	unsigned int more;
	unsigned int stop_at;
	const char *look_for;
	struct dyno_written found;
	char last[64];
};

static int note(void *data, const struct dyno_written *written)
{
	struct listed *l = data;

	if (str_eq(written->change, "unread") && str_eq(written->path, "/"))
		l->more++;
	else
		assert_int_equal(l->more, 0);
	if (l->look_for && str_eq(written->path, l->look_for)) {
		l->found = *written;
		l->found.path = NULL;
	}
	str_fmt(l->last, sizeof(l->last), "%s", written->change);
	return ++l->n == l->stop_at ? 42 : 0;
}

static struct listed read_back(struct fixture *f, const struct receipt *receipt,
			       const char *look_for)
{
	struct listed l = {.look_for = look_for};

	assert_int_equal(receipt_read(&f->store, "my.app", receipt->manifest, note, &l, &f->err),
			 0);
	return l;
}

/* ---- taking --------------------------------------------------------------------------------- */

static void receipt_take__nothing_written__no_manifest(void **state)
{
	struct fixture *f = *state;
	struct receipt receipt = {.cut = true};
	char text[128];

	assert_int_equal(take(f, &receipt), 0);
	assert_string_equal(receipt.manifest, "");
	assert_false(receipt.cut);
	assert_int_equal(faccessat(f->store.data_fd, "records", F_OK, 0), -1);
	(void)receipt_text(&receipt, text, sizeof(text));
	assert_string_equal(text, "wrote nothing");
	assert_int_equal(receipt_take(&f->store, "my.app", "web.1", NULL, 0, &receipt, &f->err), 0);
}

static void receipt_take__some_files__sum_and_list_agree(void **state)
{
	struct fixture *f = *state;
	struct receipt receipt;
	struct listed l;
	struct stat st;
	char path[128], text[256];

	put_file(f->upper_fd, "small", 10);
	assert_int_equal(mkdirat(f->app_fd, "log", 0755), 0);
	put_file(f->app_fd, "log/production.log", 100000);
	assert_int_equal(symlinkat("target", f->app_fd, "link"), 0);
	assert_int_equal(take(f, &receipt), 0);
	assert_true(receipt.totals.files == 3);
	assert_true(receipt.totals.dirs == 1);
	assert_string_equal(receipt.totals.biggest, "app/log/production.log");
	assert_false(receipt.cut);
	(void)receipt_text(&receipt, text, sizeof(text));
	assert_non_null(strstr(text, "wrote 3 files, 98 KB, discarded; biggest app/log/"));

	l = read_back(f, &receipt, "/app/log/production.log");
	assert_int_equal(l.n, 4);
	assert_true(l.found.size_bytes == 100000);
	assert_int_equal(l.found.mode, S_IFREG | 0640);
	assert_null(l.found.from);
	assert_int_equal(read_back(f, &receipt, "/small").found.size_bytes, 10);
	assert_int_equal(read_back(f, &receipt, "/app/log").found.mode & S_IFMT, S_IFDIR);
	assert_int_equal(read_back(f, &receipt, "/app/link").found.mode & S_IFMT, S_IFLNK);
	manifest_path(&receipt, path, sizeof(path));
	assert_int_equal(fstatat(f->store.data_fd, path, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* T27, T10: names are bytes of the app's choice. */
static void receipt_take__odd_names__read_back_as_they_were(void **state)
{
	static const char *const names[] = {
		"with\nnewline",
		"with \"quotes\" and \\",
		"\x1b[31mred",
		"\xff\xfe not text",
		"overlong \xc0\xaf",
		"u\xcc\x88mlaut \xf0\x9f\x90\x98",
		"\x01\x7f",
		"replacement \xef\xbf\xbd",
		"\",\"change\":\"deleted",
		" ",
		"-rf",
	};
	struct fixture *f = *state;
	struct receipt receipt;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		put_file(f->app_fd, names[i], i);
	assert_int_equal(take(f, &receipt), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[128];
		struct listed l;

		str_fmt(path, sizeof(path), "/app/%s", names[i]);
		l = read_back(f, &receipt, path);
		assert_int_equal(l.n, ARRAY_SIZE(names));
		if (!l.found.change || l.found.size_bytes != i)
			fail_msg("name %zu is not listed", i);
	}
}

static void receipt_take__twice_at_once__two_manifests(void **state)
{
	struct fixture *f = *state;
	struct receipt a, b;

	put_file(f->upper_fd, "file", 1);
	assert_int_equal(take(f, &a), 0);
	assert_int_equal(take(f, &b), 0);
	assert_string_not_equal(a.manifest, b.manifest);
	assert_int_equal(read_back(f, &a, NULL).n, 1);
	assert_int_equal(read_back(f, &b, NULL).n, 1);
}

static void receipt_take__more_changes_than_are_told__at_least(void **state)
{
	struct fixture *f = *state;
	struct receipt receipt;
	struct listed l;
	char name[32], text[256];

	for (unsigned int i = 0; i < RECEIPT_MAX_CHANGES + 10; i++) {
		str_fmt(name, sizeof(name), "%u", i);
		assert_int_equal(mknodat(f->upper_fd, name, S_IFREG | 0600, 0), 0);
	}
	assert_int_equal(take(f, &receipt), 0);
	assert_true(receipt.cut);
	assert_true(receipt.totals.files <= RECEIPT_MAX_CHANGES);
	(void)receipt_text(&receipt, text, sizeof(text));
	assert_non_null(strstr(text, "at least"));
	l = read_back(f, &receipt, NULL);
	assert_int_equal(l.more, 1);
	assert_string_equal(l.last, "unread");
}

static void receipt_take__walk_takes_too_long__at_least(void **state)
{
	struct fixture *f = *state;
	struct receipt receipt;
	char name[32];

	for (unsigned int i = 0; i < RECEIPT_MAX_MS; i++) {
		str_fmt(name, sizeof(name), "%u", i);
		assert_int_equal(mknodat(f->upper_fd, name, S_IFREG | 0600, 0), 0);
	}
	ms_per_look = 1;
	assert_int_equal(take(f, &receipt), 0);
	ms_per_look = 0;
	assert_true(receipt.cut);
	assert_in_range(receipt.totals.files, RECEIPT_MAX_MS / 2, RECEIPT_MAX_MS - 1);
	assert_int_equal(read_back(f, &receipt, NULL).more, 1);
}

static void receipt_take__list_too_long__sum_is_whole(void **state)
{
	struct fixture *f = *state;
	struct receipt receipt;
	struct listed l;
	struct stat st;
	char name[256], path[128], text[256];

	for (unsigned int i = 0; i < 4000; i++) {
		str_fmt(name, sizeof(name), "%0240u\xff", i); /* twice as long in the list */
		assert_int_equal(mknodat(f->upper_fd, name, S_IFREG | 0600, 0), 0);
	}
	assert_int_equal(take(f, &receipt), 0);
	assert_false(receipt.cut);
	assert_true(receipt.totals.files == 4000);
	(void)receipt_text(&receipt, text, sizeof(text));
	assert_null(strstr(text, "at least"));
	l = read_back(f, &receipt, NULL);
	assert_true(l.n < 4000 && l.n > 1000);
	assert_int_equal(l.more, 1);
	manifest_path(&receipt, path, sizeof(path));
	assert_int_equal(fstatat(f->store.data_fd, path, &st, 0), 0);
	assert_in_range(st.st_size, 1000 * 1024, 1024 * 1024);
}

static void receipt_take__a_source_that_is_none__what_came_before(void **state)
{
	struct fixture *f = *state;
	struct receipt receipt;
	int fd;

	put_file(f->upper_fd, "file", 1);
	fd = f->app_fd;
	f->app_fd = -EBADF;
	assert_true(take(f, &receipt) < 0);
	f->app_fd = fd;
	assert_int_equal(f->err.kind, ERR_IO);
	assert_true(receipt.totals.files == 1);
	assert_int_equal(read_back(f, &receipt, "/file").more, 1);
}

static void receipt_take__records_cannot_be_made__sum_alone(void **state)
{
	struct fixture *f = *state;
	struct receipt receipt;

	put_file(f->upper_fd, "file", 1);
	put_file(f->store.data_fd, "records", 0);
	assert_int_equal(take(f, &receipt), -ENOTDIR);
	assert_int_equal(f->err.kind, ERR_RECORD);
	assert_non_null(strstr(f->err.msg, "web.1"));
	assert_string_equal(receipt.manifest, "");
	assert_true(receipt.totals.files == 1);
}

/* A list that does not fit is taken away again. */
static void on_full_disk(struct fixture *f)
{
	struct receipt receipt;
	struct stat st;

	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("tmpfs", f->dir, "tmpfs", 0, "mode=700,size=32k") == 0);
	store_done(&f->store);
	CHECK(store_open(f->dir, &f->store, &f->err) == 0);
	CHECK(take(f, &receipt) == -ENOSPC);
	CHECK(f->err.kind == ERR_RECORD && f->err.hint[0]);
	CHECK(receipt.totals.files == 1000 && !receipt.manifest[0] && !receipt.cut);
	CHECK(fstatat(f->store.data_fd, "records/my.app", &st, 0) == 0);
	CHECK(unlinkat(f->store.data_fd, "records/my.app", AT_REMOVEDIR) == 0);
	_exit(0);
}

static void receipt_take__disk_full__sum_alone(void **state)
{
	struct fixture *f = *state;
	pid_t parent = getpid(), pid;
	char name[64];
	int status;

	if (geteuid() != 0)
		skip();
	for (unsigned int i = 0; i < 1000; i++) {
		str_fmt(name, sizeof(name), "%060u", i);
		put_file(f->upper_fd, name, 1);
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent);
		on_full_disk(f);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- telling -------------------------------------------------------------------------------- */

static int compare_told(void *data, const struct dyno_written *written)
{
	const struct dyno_written *want = data;

	assert_string_equal(written->change, want->change);
	assert_string_equal(written->path, want->path);
	if (want->from)
		assert_string_equal(written->from, want->from);
	else
		assert_null(written->from);
	assert_int_equal(written->mode, want->mode);
	assert_true(written->size_bytes == want->size_bytes);
	return 7;
}

static void receipt_tell__paths__absolute(void **state)
{
	static const struct {
		struct upper_change change;
		const char *prefix;
		struct dyno_written want;
	} cases[] = {
		{{.kind = UPPER_DELETED, .path = "etc/motd"},
		 "/",
		 {.change = "deleted", .path = "/etc/motd"}},
		{{.kind = UPPER_MOVED, .path = "b", .from = "a/c", .mode = 040755},
		 "/app/",
		 {.change = "moved", .path = "/app/b", .from = "/app/a/c", .mode = 040755}},
		{{.kind = UPPER_UNREAD, .path = ".", .num = EACCES},
		 "/",
		 {.change = "unread", .path = "/"}},
		{{.kind = UPPER_UNREAD, .path = "."},
		 "/app/",
		 {.change = "unread", .path = "/app"}},
		{{.kind = UPPER_CHANGED, .path = "...", .size_bytes = 9, .bytes = 1},
		 "/app/",
		 {.change = "changed", .path = "/app/...", .size_bytes = 9}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dyno_written want = cases[i].want;

		assert_int_equal(
			receipt_tell(&cases[i].change, cases[i].prefix, compare_told, &want), 7);
	}
}

/* ---- reading -------------------------------------------------------------------------------- */

static void receipt_read__no_manifest__error(void **state)
{
	static const struct {
		const char *app;
		const char *name;
		int r;
	} cases[] = {
		{"my.app", "", -EINVAL},
		{"my.app", "exits", -EINVAL},
		{"my.app", "written./../../x", -EINVAL},
		{"../my.app", "written.1", -EINVAL},
		{"my.app", "written.1", -ENOENT},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		f->err = (struct dyno_err){0};
		assert_int_equal(
			receipt_read(&f->store, cases[i].app, cases[i].name, note, NULL, &f->err),
			cases[i].r);
		assert_int_equal(f->err.kind, ERR_RECORD);
	}
}

static void receipt_read__damaged_lines__passed_by(void **state)
{
	static const char text[] =
		"{\"change\":\"added\",\"path\":\"/a\",\"mode\":1,\"size_bytes\":2,\"later\":{}}\n"
		"\n{}\nnonsense\n"
		"{\"change\":\"added\"}\n"
		"{\"path\":\"/no-change\"}\n"
		"{\"change\":\"added\",\"path_hex\":\"2fzz\"}\n"
		"{\"change\":\"added\",\"path_hex\":\"2f0061\"}\n"
		"{\"change\":\"added\",\"path\":7}\n"
		"{\"change\":\"added\",\"path\":\"/b\",\"mode\":-1}\n"
		"{\"change\":\"moved\",\"path_hex\":\"2fFf\",\"from_hex\":\"2f61\"}\n"
		"{\"change\":\"added\",\"path\":\"/unfinished";
	struct fixture *f = *state;
	struct listed l = {.look_for = "/\xff"};
	int fd;

	assert_int_equal(mkdirat(f->store.data_fd, "records", 0700), 0);
	assert_int_equal(mkdirat(f->store.data_fd, "records/my.app", 0700), 0);
	fd = openat(f->store.data_fd, "records/my.app/written.1", O_WRONLY | O_CREAT | O_CLOEXEC,
		    0600);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), strlen(text));
	close_fdp(&fd);
	assert_int_equal(receipt_read(&f->store, "my.app", "written.1", note, &l, &f->err), 0);
	assert_int_equal(l.n, 2);
	assert_non_null(l.found.change);
	l = (struct listed){.stop_at = 1};
	assert_int_equal(receipt_read(&f->store, "my.app", "written.1", note, &l, &f->err), 42);
	assert_int_equal(l.n, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(receipt_take__nothing_written__no_manifest),
		TEST(receipt_take__some_files__sum_and_list_agree),
		TEST(receipt_take__odd_names__read_back_as_they_were),
		TEST(receipt_take__twice_at_once__two_manifests),
		TEST(receipt_take__more_changes_than_are_told__at_least),
		TEST(receipt_take__walk_takes_too_long__at_least),
		TEST(receipt_take__list_too_long__sum_is_whole),
		TEST(receipt_take__a_source_that_is_none__what_came_before),
		TEST(receipt_take__records_cannot_be_made__sum_alone),
		TEST(receipt_take__disk_full__sum_alone),
		TEST(receipt_tell__paths__absolute),
		TEST(receipt_read__no_manifest__error),
		TEST(receipt_read__damaged_lines__passed_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
