/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_linefile.c - files of lines under many writers, killed writers (T41) and full disks (T44).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/linefile.h"

#define WRITERS 8
#define LINES	500

/* In a child a failed check must not jump into cmocka. */
#define CHECK(cond)               \
	do {                      \
		if (!(cond))      \
			_exit(1); \
	} while (0)

struct fixture {
	char dir[64];
	int fd;
};

static int set_up(void **state)
{
	static struct fixture f;

	str_fmt(f.dir, sizeof(f.dir), "/tmp/dyno-test-lines.XXXXXX");
	if (!mkdtemp(f.dir))
		return -1;
	f.fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &f;
	return f.fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	close_fdp(&f->fd);
	r = path_remove_tree(tmp_fd, f->dir + strlen("/tmp/"));
	close_fdp(&tmp_fd);
	return r;
}

/* fork(2), but the child cannot outlive a test that failed before it was waited for. */
static pid_t fork_tied(void)
{
	pid_t parent = getpid(), pid = fork();

	assert_true(pid >= 0);
	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		_exit(1);
	return pid;
}

static int append(int dir_fd, const char *line)
{
	struct linefile file = LINEFILE_INIT;
	int r = linefile_open(dir_fd, "log", true, &file);

	if (r == 0)
		r = linefile_append(&file, line, strlen(line));
	linefile_close(&file);
	return r;
}

static void put_raw(int dir_fd, const char *name, const char *text, size_t len)
{
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, len), len);
}

/* The lines with a blank behind each. */
static void assert_lines(int dir_fd, const char *want)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	assert_int_equal(linefile_read(dir_fd, "log", &text, &len), 0);
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	text[len] = '\0';
	assert_string_equal(text, want);
}

static bool keep_all(void *data, const char *text, size_t len)
{
	(void)data;
	(void)text;
	(void)len;
	return true;
}

static bool keep_none(void *data, const char *text, size_t len)
{
	return !keep_all(data, text, len);
}

static bool keep_others(void *data, const char *text, size_t len)
{
	(void)len;
	return !str_eq(text, data);
}

static int filter(int dir_fd, linefile_keep_fn keep, const char *data)
{
	struct linefile file = LINEFILE_INIT;
	char word[16];
	int r = linefile_open(dir_fd, "log", false, &file);

	str_fmt(word, sizeof(word), "%s", data);
	if (r == 0)
		r = linefile_filter(&file, keep, word);
	linefile_close(&file);
	return r;
}

static void linefile_append__some_lines__read_in_order(void **state)
{
	struct fixture *f = *state;
	mode_t old = umask(0777);
	struct stat st;

	assert_int_equal(append(f->fd, "one\n"), 0);
	(void)umask(old);
	assert_int_equal(append(f->fd, "two\n"), 0);
	assert_lines(f->fd, "one two ");
	assert_int_equal(fstatat(f->fd, "log", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void linefile_append__after_half_a_line__begins_a_new_one(void **state)
{
	struct fixture *f = *state;

	put_raw(f->fd, "log", "one\ntw", 6);
	assert_lines(f->fd, "one ");
	assert_int_equal(append(f->fd, "three\n"), 0);
	assert_lines(f->fd, "one tw three ");
}

static void linefile_append__too_long__refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *line = malloc(LINEFILE_LINE_BYTES + 2);

	assert_non_null(line);
	memset(line, 'a', LINEFILE_LINE_BYTES + 1);
	line[LINEFILE_LINE_BYTES] = '\n';
	line[LINEFILE_LINE_BYTES + 1] = '\0';
	assert_int_equal(append(f->fd, line), -EFBIG);
	line[LINEFILE_LINE_BYTES - 1] = '\n';
	line[LINEFILE_LINE_BYTES] = '\0';
	assert_int_equal(append(f->fd, line), 0);
}

static void linefile_open__what_is_no_file__error_and_no_hang(void **state)
{
	struct fixture *f = *state;
	struct linefile file = LINEFILE_INIT;
	char path[LINEFILE_PATH_BYTES + 1];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(linefile_open(f->fd, path, true, &file), -ENAMETOOLONG);
	assert_int_equal(linefile_open(f->fd, "log", false, &file), -ENOENT);
	assert_int_equal(linefile_open(f->fd, "no/log", true, &file), -ENOENT);
	assert_int_equal(mkfifoat(f->fd, "fifo", 0600), 0);
	assert_int_equal(linefile_open(f->fd, "fifo", true, &file), -EINVAL);
	assert_int_equal(symlinkat("/etc/passwd", f->fd, "link"), 0);
	assert_int_equal(linefile_open(f->fd, "link", true, &file), -ELOOP);
	assert_int_equal(mkdirat(f->fd, "dir", 0700), 0);
	assert_int_equal(linefile_open(f->fd, "dir", true, &file), -EISDIR);
	assert_int_equal(file.fd, -EBADF);
}

static void linefile_read__damaged_files__whole_lines_alone(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *text = NULL;
	size_t len = 7;

	assert_int_equal(linefile_read(f->fd, "log", &text, &len), -ENOENT);
	put_raw(f->fd, "log", "", 0);
	assert_lines(f->fd, "");
	put_raw(f->fd, "log", "unfinished", 10);
	assert_lines(f->fd, "");
	put_raw(f->fd, "log", "\n\na\0b\n", 6);
	assert_lines(f->fd, "unfinished  a b ");
	assert_int_equal(mkfifoat(f->fd, "fifo", 0600), 0);
	assert_int_equal(linefile_read(f->fd, "fifo", &text, &len), -EINVAL);
}

static void linefile_read__larger_than_the_bound__the_end_of_it(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *block = malloc(65536);

	assert_non_null(block);
	memset(block, 'x', 65536);
	for (size_t n = 0; n <= LINEFILE_READ_BYTES; n += 65536)
		put_raw(f->fd, "log", block, 65536);
	put_raw(f->fd, "log", "\nlast\n", 6);
	assert_lines(f->fd, "last ");
}

static void linefile_count__more_than_a_block__all(void **state)
{
	struct fixture *f = *state;
	struct linefile file = LINEFILE_INIT;

	assert_int_equal(linefile_open(f->fd, "log", true, &file), 0);
	assert_int_equal(linefile_count(&file), 0);
	for (int i = 0; i < 1001; i++)
		assert_int_equal(linefile_append(&file, "0123456789\n", 11), 0);
	assert_int_equal(linefile_count(&file), 1001);
	linefile_close(&file);
	assert_int_equal(linefile_count(&file), -EBADF);
}

static void linefile_filter__some__they_go(void **state)
{
	struct fixture *f = *state;
	struct stat a, b;

	assert_int_equal(append(f->fd, "a\n"), 0);
	assert_int_equal(append(f->fd, "b\n"), 0);
	assert_int_equal(append(f->fd, "a\n"), 0);
	assert_int_equal(append(f->fd, "c\n"), 0);
	assert_int_equal(filter(f->fd, keep_others, "a"), 2);
	assert_lines(f->fd, "b c ");
	assert_int_equal(fstatat(f->fd, "log", &a, 0), 0);
	assert_int_equal(filter(f->fd, keep_all, ""), 0);
	assert_int_equal(fstatat(f->fd, "log", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino); /* nothing was written */
	assert_int_equal(append(f->fd, "d\n"), 0);
	assert_int_equal(filter(f->fd, keep_none, ""), 3);
	assert_int_equal(fstatat(f->fd, "log", &a, 0), -1);
	assert_int_equal(filter(f->fd, keep_none, ""), -ENOENT);
}

static void linefile_filter__new_file_cannot_be_made__nothing_changes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(append(f->fd, "a\n"), 0);
	assert_int_equal(append(f->fd, "b\n"), 0);
	assert_int_equal(mkdirat(f->fd, "log.new", 0700), 0);
	assert_int_equal(filter(f->fd, keep_others, "a"), -EISDIR);
	assert_lines(f->fd, "a b ");
}

static void linefile_turn__then_append__two_files(void **state)
{
	struct fixture *f = *state;
	struct linefile file = LINEFILE_INIT;
	_cleanup_free_ char *text = NULL;
	size_t len;

	assert_int_equal(append(f->fd, "a\n"), 0);
	assert_int_equal(linefile_open(f->fd, "log", false, &file), 0);
	assert_int_equal(linefile_turn(&file, "no/place"), -ENOENT);
	assert_int_equal(linefile_turn(&file, "log.1"), 0);
	linefile_close(&file);
	assert_int_equal(append(f->fd, "b\n"), 0);
	assert_lines(f->fd, "b ");
	assert_int_equal(linefile_read(f->fd, "log.1", &text, &len), 0);
	assert_string_equal(text, "a");
}

/* ---- many at once --------------------------------------------------------------------------- */

/* On a slow machine the others may never leave a gap for so long; then nothing was appended. */
static int append_some_time(int dir_fd, const char *line)
{
	int r;

	do
		r = append(dir_fd, line);
	while (r == -EBUSY);
	return r;
}

static void write_lines(int dir_fd, int writer)
{
	char line[256];
	int r;

	for (int i = 0; i < LINES; i++) {
		size_t len = str_fmt(line, sizeof(line), "%d %d %.*s\n", writer, i, i % 150,
				     "0123456789012345678901234567890123456789012345678901234567"
				     "0123456789012345678901234567890123456789012345678901234567"
				     "0123456789012345678901234567890123456789012345678901234567");

		CHECK(len < sizeof(line));
		CHECK(append_some_time(dir_fd, line) == 0);
		if (i % 20 != 0)
			continue;
		CHECK(append_some_time(dir_fd, "drop\n") == 0);
		r = filter(dir_fd, keep_others, "drop");
		CHECK(r >= 0 || r == -EBUSY);
	}
	_exit(0);
}

/* Every line once, and those of each writer in its order. */
static void assert_nothing_lost(int dir_fd)
{
	_cleanup_free_ char *text = NULL;
	uint32_t next[WRITERS] = {0};
	size_t len;

	assert_int_equal(linefile_read(dir_fd, "log", &text, &len), 0);
	for (char *line = text; line < text + len;) {
		char *following = line + strlen(line) + 1;
		char *number = strchr(line, ' ');
		uint32_t writer, i;

		assert_non_null(number);
		*number++ = '\0';
		number[strcspn(number, " ")] = '\0';
		assert_int_equal(num_parse_u32(line, WRITERS - 1, &writer), 0);
		assert_int_equal(num_parse_u32(number, LINES, &i), 0);
		assert_int_equal(i, next[writer]++);
		line = following;
	}
	for (int w = 0; w < WRITERS; w++)
		assert_int_equal(next[w], LINES);
}

/* Appends while others replace the file: none is lost with the file it was written to. */
static void linefile_append__eight_writers_and_filters__nothing_lost(void **state)
{
	struct fixture *f = *state;
	pid_t pids[WRITERS];

	for (int w = 0; w < WRITERS; w++) {
		pids[w] = fork_tied();
		if (pids[w] == 0)
			write_lines(f->fd, w);
	}
	for (int w = 0; w < WRITERS; w++) {
		int status;

		assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
		assert_int_equal(status, 0);
	}
	assert_true(filter(f->fd, keep_others, "drop") >= 0);
	assert_nothing_lost(f->fd);
}

/* A writer killed at any moment leaves whole lines, and at most half a one that is not told. */
static void linefile_filter__killed_at_any_moment__old_or_new(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < 100; round++) {
		_cleanup_free_ char *text = NULL;
		size_t len;
		pid_t pid = fork_tied();

		if (pid == 0) {
			for (int i = 0;; i++) {
				CHECK(append(f->fd, i % 3 ? "keep this line\n" : "drop\n") == 0);
				if (i % 5 == 0)
					CHECK(filter(f->fd, keep_others, "drop") >= 0);
			}
		}
		assert_int_equal(poll(NULL, 0, 1 + round % 7), 0);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		if (linefile_read(f->fd, "log", &text, &len) == -ENOENT)
			continue;
		for (char *line = text; line < text + len; line += strlen(line) + 1)
			assert_true(str_eq(line, "keep this line") || str_eq(line, "drop"));
	}
}

/* T54: one that was stopped with the lock does not stop the others for good. */
static void linefile_open__held_by_a_stopped_process__ebusy(void **state)
{
	struct fixture *f = *state;
	struct linefile file = LINEFILE_INIT;
	struct linefile other = LINEFILE_INIT;
	uint64_t began = clock_ms();

	assert_int_equal(linefile_open(f->fd, "log", true, &file), 0);
	assert_int_equal(linefile_open(f->fd, "log", true, &other), -EBUSY);
	assert_in_range(clock_ms() - began, LINEFILE_LOCK_MS, 20 * LINEFILE_LOCK_MS);
	linefile_close(&file);
	assert_int_equal(linefile_open(f->fd, "log", true, &other), 0);
	linefile_close(&other);
}

/* ---- a full disk ---------------------------------------------------------------------------- */

/* On a tmpfs of a few pages: an append that does not fit is taken back. */
static void fill_disk(const char *dir)
{
	_cleanup_free_ char *line = malloc(3000);
	_cleanup_close_ int fd = -EBADF;
	struct stat before, after;
	int count = 0;
	int r;

	CHECK(line && unshare(CLONE_NEWNS) == 0);
	CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("tmpfs", dir, "tmpfs", 0, "mode=700,size=64k") == 0);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	memset(line, 'x', 3000);
	line[2998] = '\n';
	line[2999] = '\0';
	for (;;) {
		CHECK(count == 0 || fstatat(fd, "log", &before, 0) == 0);
		r = append(fd, line);
		if (r < 0)
			break;
		count++;
	}
	CHECK(r == -ENOSPC && count > 10);
	CHECK(fstatat(fd, "log", &after, 0) == 0 && before.st_size == after.st_size);
	CHECK(append(fd, line) == -ENOSPC);
	CHECK(filter(fd, keep_others, "none") == 0);
	CHECK(filter(fd, keep_none, "") == count);
	CHECK(append(fd, line) == 0);
	_exit(0);
}

static void linefile_append__disk_full__taken_back(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = fork_tied();
	if (pid == 0)
		fill_disk(f->dir);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(linefile_append__some_lines__read_in_order),
		TEST(linefile_append__after_half_a_line__begins_a_new_one),
		TEST(linefile_append__too_long__refused),
		TEST(linefile_open__what_is_no_file__error_and_no_hang),
		TEST(linefile_read__damaged_files__whole_lines_alone),
		TEST(linefile_read__larger_than_the_bound__the_end_of_it),
		TEST(linefile_count__more_than_a_block__all),
		TEST(linefile_filter__some__they_go),
		TEST(linefile_filter__new_file_cannot_be_made__nothing_changes),
		TEST(linefile_turn__then_append__two_files),
		TEST(linefile_append__eight_writers_and_filters__nothing_lost),
		TEST(linefile_filter__killed_at_any_moment__old_or_new),
		TEST(linefile_open__held_by_a_stopped_process__ebusy),
		TEST(linefile_append__disk_full__taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
