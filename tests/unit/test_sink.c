/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sink.c - records and where they go (C10.2, C10.3): what cannot be forged (T34), files that
 * are turned over, full disks, readers that are slow or gone (T35), several monitors at one pipe.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/errclass.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/sink.h"

/* "2026-06-01T12:00:00.123456+00:00" */
#define STAMP_BYTES 32

struct fixture {
	char dir[64];
	struct store store;
	struct sink sink;
	struct dyno_err err;
	struct arena arena;
	int pipe[2];
};

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){.sink = SINK_INIT, .pipe = {-EBADF, -EBADF}};
	str_fmt(f.dir, sizeof(f.dir), "/tmp/dyno-test-sink.XXXXXX");
	*state = &f;
	return mkdtemp(f.dir) && store_open(f.dir, &f.store, &f.err) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	sink_close(&f->sink);
	store_done(&f->store);
	close_fdp(&f->pipe[0]);
	close_fdp(&f->pipe[1]);
	arena_done(&f->arena);
	r = path_remove_tree(tmp_fd, f->dir + strlen("/tmp/"));
	close_fdp(&tmp_fd);
	return r;
}

static void open_files(struct fixture *f)
{
	assert_int_equal(sink_open_files(&f->sink, &f->store, "shop", "web.1", &f->err), 0);
}

static void open_pipe(struct fixture *f)
{
	assert_int_equal(pipe2(f->pipe, O_CLOEXEC), 0);
	sink_open_fd(&f->sink, f->pipe[1]);
}

/* A process that does not outlive a test that failed. */
static pid_t fork_child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static int line(struct fixture *f, const char *text)
{
	return sink_line(&f->sink, "heroku", "web.1", text, strlen(text));
}

static int log_dir(const struct fixture *f)
{
	int fd = openat(f->store.data_fd, "logs/shop", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static const char *log_text(struct fixture *f, const char *name, size_t *ret_len)
{
	_cleanup_close_ int dir_fd = log_dir(f);
	char *text = NULL;

	assert_int_equal(
		file_read_beneath(dir_fd, name, 2 * SINK_FILE_BYTES, &f->arena, &text, ret_len), 0);
	return text;
}

static bool is_stamp(const char *text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddddd+00:00";

	for (size_t i = 0; i < STAMP_BYTES; i++) {
		bool digit = text[i] >= '0' && text[i] <= '9';

		if (form[i] == 'd' ? !digit : text[i] != form[i])
			return false;
	}
	return true;
}

/* Every line has a stamp; without them they are @want. */
static void assert_records(const char *text, const char *want)
{
	while (*text) {
		const char *end = strchr(text, '\n');
		size_t len;

		assert_non_null(end);
		assert_true(end - text > STAMP_BYTES && is_stamp(text));
		text += STAMP_BYTES + 1;
		len = (size_t)(end + 1 - text);
		assert_true(strlen(want) >= len);
		assert_memory_equal(text, want, len);
		want += len;
		text = end + 1;
	}
	assert_string_equal(want, "");
}

/* ---- records -------------------------------------------------------------------------------- */

static void sink_line__any_bytes__one_record(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *record;
	} cases[] = {
#define TEXT(s) s, STRLEN(s)
		{TEXT("State changed"), "State changed"},
		{TEXT(""), ""},
		{TEXT("a\nb"), "a\\nb"},
		{TEXT("\n2026-06-01T12:00:00.123456+00:00 heroku[web.1]: State changed"),
		 "\\n2026-06-01T12:00:00.123456+00:00 heroku[web.1]: State changed"},
		{TEXT("\0a\0"), "\\x00a\\x00"},
		{TEXT("a\r\033[1mb\xff\xc3"), "a\r\033[1mb\xff\xc3"},
#undef TEXT
	};
	struct fixture *f = *state;
	_cleanup_sbuf_ struct sbuf want = {0};

	open_files(f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(
			sink_line(&f->sink, "heroku", "web.1", cases[i].text, cases[i].len), 0);
		sbuf_addf(&want, "heroku[web.1]: %s\n", cases[i].record);
	}
	assert_records(log_text(f, "web.1.log", NULL), sbuf_str(&want));
	assert_int_equal(f->sink.dropped, 0);
}

/* C10.3: also of what grows to four times its length. */
static void sink_line__longer_than_a_record__in_pieces(void **state)
{
	static char text[2 * OUTPUT_LINE_BYTES + 5];
	struct fixture *f = *state;
	const char *got;
	size_t len;

	open_files(f);
	assert_int_equal(sink_line(&f->sink, "app", "web.1", text, sizeof(text)), 0);
	got = log_text(f, "web.1.log", &len);
	assert_int_equal(sink_records(got, len), 3);
	/* with a mark behind each but the last */
	assert_int_equal(len, 4 * sizeof(text) + 2 +
				      3 * strlen("2026-06-01T12:00:00.123456+00:00 "
						 "app[web.1]: \n"));
}

static void sink_line__long_names__head_is_cut_and_still_a_record(void **state)
{
	struct fixture *f = *state;
	char source[2 * SINK_HEAD_BYTES];
	const char *got;
	size_t len;

	memset(source, 's', sizeof(source));
	source[sizeof(source) - 1] = '\0';
	open_files(f);
	assert_int_equal(sink_line(&f->sink, source, "web.1", "x", 1), 0);
	got = log_text(f, "web.1.log", &len);
	assert_int_equal(len, SINK_HEAD_BYTES - 1 + 2);
	assert_true(is_stamp(got));
}

static void sink_line__sink_never_opened__lost_and_counted(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(line(f, "a"), -EBADF);
	assert_int_equal(line(f, "b"), -EBADF);
	assert_int_equal(f->sink.dropped, 2);
	sink_open_fd(&f->sink, 4711);
}

/* Return: what it was. */
static struct rlimit forbid_memory(void)
{
	struct rlimit limit, none;

	assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	return limit;
}

static void sink_line__no_memory__lost_and_counted(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit;
	struct loop loop;
	int r, attached;

	if (DYNO_ASAN)
		skip(); /* the sanitizer needs memory too */
	loop_init(&loop);
	open_files(f);
	limit = forbid_memory();
	r = line(f, "lost");
	attached = sink_attach(&f->sink, &loop);
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	assert_int_equal(r, -ENOMEM);
	assert_int_equal(attached, -ENOMEM);
	assert_int_equal(f->sink.dropped, 1);
	assert_int_equal(line(f, "one"), 0);
	assert_non_null(strstr(log_text(f, "web.1.log", NULL), "Error L12: 1 messages"));
}

/* ---- files ---------------------------------------------------------------------------------- */

static void sink_open_files__fresh_place__for_the_owner_alone(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	mode_t old = umask(0);

	open_files(f);
	(void)umask(old);
	assert_int_equal(line(f, "one"), 0);
	assert_int_equal(fstatat(f->store.data_fd, "logs", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(fstatat(f->store.data_fd, "logs/shop", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(fstatat(f->store.data_fd, "logs/shop/web.1.log", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
}

static void sink_open_files__again__appends(void **state)
{
	struct fixture *f = *state;

	open_files(f);
	assert_int_equal(line(f, "one"), 0);
	sink_close(&f->sink);
	open_files(f);
	assert_int_equal(line(f, "two"), 0);
	assert_records(log_text(f, "web.1.log", NULL), "heroku[web.1]: one\nheroku[web.1]: two\n");
}

/* Half a record of a monitor that was killed becomes a line of its own. */
static void sink_open_files__torn_end__next_record_begins_a_line(void **state)
{
	struct fixture *f = *state;

	open_files(f);
	assert_int_equal(write(f->sink.fd, "half", 4), 4);
	sink_close(&f->sink);
	open_files(f);
	assert_int_equal(line(f, "one"), 0);
	assert_memory_equal(log_text(f, "web.1.log", NULL), "half\n2", 6);
	assert_records(log_text(f, "web.1.log", NULL) + 5, "heroku[web.1]: one\n");
}

static void sink_open_files__place_of_another_kind__error(void **state)
{
	struct fixture *f = *state;
	int r;

	assert_int_equal(mkdirat(f->store.data_fd, "logs", 0700), 0);
	assert_int_equal(symlinkat("/tmp", f->store.data_fd, "logs/shop"), 0);
	r = sink_open_files(&f->sink, &f->store, "shop", "web.1", &f->err);
	assert_true(r == -ENOTDIR || r == -ELOOP);
	assert_int_equal(f->err.kind, ERR_IO);
	assert_non_null(strstr(f->err.msg, "logs/shop/web.1.log"));

	assert_int_equal(unlinkat(f->store.data_fd, "logs/shop", 0), 0);
	assert_int_equal(mkdirat(f->store.data_fd, "logs/shop", 0700), 0);
	assert_int_equal(mkfifoat(f->store.data_fd, "logs/shop/web.1.log", 0600), 0);
	assert_int_equal(sink_open_files(&f->sink, &f->store, "shop", "web.1", &f->err), -EINVAL);
	assert_int_equal(f->sink.fd, -EBADF);
	assert_int_equal(f->sink.dir_fd, -EBADF);
}

/* As if so much had been logged: a hole, and lines enough to be turned over. */
static void fill_log(struct fixture *f, const char *name, uint64_t bytes)
{
	_cleanup_close_ int dir_fd = log_dir(f);
	_cleanup_close_ int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	for (off_t i = 1; i <= SINK_KEEP_LINES && (uint64_t)i <= bytes; i++)
		assert_int_equal(pwrite(fd, "\n", 1, (off_t)bytes - i), 1);
}

static void sink_line__file_is_full__turned_over(void **state)
{
	struct fixture *f = *state;
	size_t len;

	open_files(f);
	sink_close(&f->sink);
	fill_log(f, "web.1.log", SINK_FILE_BYTES - 100);
	fill_log(f, "web.1.log.1", 7);
	open_files(f);
	assert_int_equal(line(f, "fits"), 0);
	(void)log_text(f, "web.1.log.1", &len);
	assert_int_equal(len, 7);
	assert_int_equal(line(f, "new"), 0);
	assert_int_equal(line(f, "next"), 0);
	assert_records(log_text(f, "web.1.log", NULL), "heroku[web.1]: new\nheroku[web.1]: next\n");
	(void)log_text(f, "web.1.log.1", &len);
	assert_in_range(len, SINK_FILE_BYTES - 99, SINK_FILE_BYTES);
}

/* C10.4: however small a log is to be, 1,500 lines of it can be shown. */
static void sink_line__few_long_lines__kept_beyond_the_size(void **state)
{
	static char text[OUTPUT_LINE_BYTES];
	struct fixture *f = *state;
	const char *got;
	size_t len;

	memset(text, 'x', sizeof(text));
	open_files(f);
	for (unsigned int i = 0; i < 2 * SINK_KEEP_LINES + 10; i++) {
		f->sink.file_bytes = SINK_KEEP_MIN_BYTES / 2;
		if (i == SINK_KEEP_LINES / 2) { /* what was written before is counted too */
			sink_close(&f->sink);
			open_files(f);
			f->sink.file_bytes = SINK_KEEP_MIN_BYTES / 2;
		}
		assert_int_equal(sink_line(&f->sink, "app", "web.1", text, sizeof(text)), 0);
	}
	got = log_text(f, "web.1.log", &len);
	assert_int_equal(sink_records(got, len), 10);
	got = log_text(f, "web.1.log.1", &len);
	assert_int_equal(sink_records(got, len), SINK_KEEP_LINES);
	assert_true(len < (SINK_KEEP_LINES + 1) * (OUTPUT_LINE_BYTES + SINK_HEAD_BYTES));
}

/* The log of a one-off goes with its record, but not that of one that lives under its name. */
static void sink_remove_ended__a_sink_has_it_open__stays(void **state)
{
	struct fixture *f = *state;

	open_files(f);
	assert_int_equal(line(f, "a"), 0);
	assert_int_equal(sink_remove_ended(&f->store, "shop", "web.1"), 0);
	assert_records(log_text(f, "web.1.log", NULL), "heroku[web.1]: a\n");
	sink_close(&f->sink);
	fill_log(f, "web.1.log.1", 7);
	assert_int_equal(sink_remove_ended(&f->store, "shop", "web.1"), 1);
	assert_int_equal(faccessat(f->store.data_fd, "logs/shop", F_OK, 0), -1);
	assert_int_equal(sink_remove_ended(&f->store, "shop", "web.1"), 1);
}

/* What stands in the way is removed, and where it cannot be the log does not grow for that. */
static void sink_line__name_of_the_older_file_is_a_directory__turned_over(void **state)
{
	struct fixture *f = *state;

	open_files(f);
	sink_close(&f->sink);
	fill_log(f, "web.1.log", SINK_FILE_BYTES);
	assert_int_equal(mkdirat(f->store.data_fd, "logs/shop/web.1.log.1", 0700), 0);
	assert_int_equal(mkdirat(f->store.data_fd, "logs/shop/web.1.log.1/d", 0700), 0);
	open_files(f);
	assert_int_equal(line(f, "new"), 0);
	assert_records(log_text(f, "web.1.log", NULL), "heroku[web.1]: new\n");
}

static void sink_line__log_was_removed__made_anew_when_turned_over(void **state)
{
	struct fixture *f = *state;

	open_files(f);
	assert_int_equal(line(f, "gone"), 0);
	assert_int_equal(unlinkat(f->store.data_fd, "logs/shop/web.1.log", 0), 0);
	f->sink.bytes = SINK_FILE_BYTES;
	f->sink.lines = SINK_KEEP_LINES;
	assert_int_equal(line(f, "new"), 0);
	assert_records(log_text(f, "web.1.log", NULL), "heroku[web.1]: new\n");
}

static void sink_line__directory_was_removed__lost_until_it_is_back(void **state)
{
	struct fixture *f = *state;

	open_files(f);
	assert_int_equal(sink_remove_files(&f->store, "shop", "web.1"), 0);
	f->sink.bytes = SINK_FILE_BYTES;
	f->sink.lines = SINK_KEEP_LINES;
	assert_int_equal(line(f, "a"), -ENOENT);
	assert_int_equal(line(f, "b"), -ENOENT);
	assert_int_equal(f->sink.dropped, 2);
	assert_int_equal(f->sink.fd, -EBADF);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A limit on the file stands for a full disk: the write is cut, the next fails. */
static void sink_line__disk_is_full__counted_and_told_once_it_is_not(void **state)
{
	struct fixture *f = *state;
	const char *got, *note;
	uint64_t bytes;

	open_files(f);
	assert_int_equal(line(f, "one"), 0);
	bytes = f->sink.bytes;
	limit_files(bytes + STAMP_BYTES);
	assert_int_equal(line(f, "torn"), -EFBIG);
	assert_int_equal(line(f, "lost"), -EFBIG);
	assert_int_equal(line(f, "lost too"), -EFBIG);
	assert_int_equal(f->sink.dropped, 3);
	limit_files(RLIM_INFINITY);
	assert_int_equal(line(f, "two"), 0);
	assert_int_equal(line(f, "three"), 0);

	got = log_text(f, "web.1.log", NULL) + bytes + STAMP_BYTES;
	assert_int_equal(*got, '\n');
	note = strstr(got, "heroku[web.1]: Error L12: 3 messages dropped since ");
	assert_non_null(note);
	assert_ptr_equal(note, got + 1 + STAMP_BYTES + 1);
	note += strlen("heroku[web.1]: Error L12: 3 messages dropped since ");
	assert_true(is_stamp(note));
	assert_memory_equal(note + STAMP_BYTES, ".\n", 2);
	assert_records(note + STAMP_BYTES + 2, "heroku[web.1]: two\nheroku[web.1]: three\n");
	assert_int_equal(f->sink.dropped, 3);
}

/* A note that does not fit loses nothing of what it says. */
static void sink_line__note_is_cut__told_again(void **state)
{
	struct fixture *f = *state;
	uint64_t bytes;

	open_files(f);
	assert_int_equal(line(f, "one"), 0);
	bytes = f->sink.bytes;
	limit_files(bytes);
	assert_int_equal(line(f, "lost"), -EFBIG);
	limit_files(bytes + STAMP_BYTES);
	assert_int_equal(line(f, "lost"), -EFBIG);
	limit_files(RLIM_INFINITY);
	assert_int_equal(line(f, "two"), 0);
	assert_non_null(strstr(log_text(f, "web.1.log", NULL) + bytes, "Error L12: 2 messages"));
}

static void sink_close__losses_not_told__told_then(void **state)
{
	struct fixture *f = *state;

	open_files(f);
	assert_int_equal(line(f, "one"), 0);
	limit_files(f->sink.bytes);
	assert_int_equal(line(f, "lost"), -EFBIG);
	limit_files(RLIM_INFINITY);
	sink_close(&f->sink);
	assert_non_null(strstr(log_text(f, "web.1.log", NULL), "Error L12: 1 messages dropped"));
}

static void sink_remove_files__some_and_none__gone_with_an_empty_directory(void **state)
{
	struct fixture *f = *state;
	struct sink other = SINK_INIT;

	assert_int_equal(sink_remove_files(&f->store, "shop", "web.1"), 0);
	open_files(f);
	assert_int_equal(sink_remove_files(&f->store, "none", "web.1"), 0);
	fill_log(f, "web.1.log.1", 7);
	assert_int_equal(sink_open_files(&other, &f->store, "shop", "web.2", &f->err), 0);
	sink_close(&other);
	assert_int_equal(sink_remove_files(&f->store, "shop", "web.1"), 0);
	assert_int_equal(faccessat(f->store.data_fd, "logs/shop/web.1.log", F_OK, 0), -1);
	assert_int_equal(faccessat(f->store.data_fd, "logs/shop/web.1.log.1", F_OK, 0), -1);
	assert_int_equal(faccessat(f->store.data_fd, "logs/shop/web.2.log", F_OK, 0), 0);
	assert_int_equal(sink_remove_files(&f->store, "shop", "web.2"), 0);
	assert_int_equal(faccessat(f->store.data_fd, "logs/shop", F_OK, 0), -1);
}

static void sink_remove_files__name_is_a_directory__error(void **state)
{
	struct fixture *f = *state;

	open_files(f);
	assert_int_equal(unlinkat(f->store.data_fd, "logs/shop/web.1.log", 0), 0);
	assert_int_equal(mkdirat(f->store.data_fd, "logs/shop/web.1.log", 0700), 0);
	assert_int_equal(sink_remove_files(&f->store, "shop", "web.1"), -EISDIR);
}

/* ---- descriptors ---------------------------------------------------------------------------- */

/* What can be read now. */
static char *read_now(struct fixture *f, int fd)
{
	static char buf[1U << 20];
	size_t len = 0;
	ssize_t n;

	(void)f;
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while ((n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	return buf;
}

static void sink_open_fd__pipe__mode_of_the_callers_is_left_alone(void **state)
{
	struct fixture *f = *state;

	open_pipe(f);
	assert_int_equal(line(f, "one"), 0);
	assert_int_equal(fcntl(f->pipe[1], F_GETFL) & O_NONBLOCK, 0);
	assert_int_not_equal(fcntl(f->sink.fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_not_equal(fcntl(f->sink.fd, F_GETFD) & FD_CLOEXEC, 0);
	assert_records(read_now(f, f->pipe[0]), "heroku[web.1]: one\n");
}

static void sink_open_fd__regular_file__written(void **state)
{
	struct fixture *f = *state;
	int fd = openat(f->store.data_fd, "out", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	sink_open_fd(&f->sink, fd);
	assert_int_equal(line(f, "one"), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_records(read_now(f, fd), "heroku[web.1]: one\n");
	close_fdp(&fd);
}

/* T22 of a log: /dev/full takes nothing and is no reason to stop. */
static void sink_open_fd__dev_full__lost_and_counted(void **state)
{
	struct fixture *f = *state;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	sink_open_fd(&f->sink, fd);
	close_fdp(&fd);
	assert_int_equal(line(f, "one"), -ENOSPC);
	assert_int_equal(line(f, "two"), -ENOSPC);
	assert_int_equal(f->sink.dropped, 2);
	assert_false(f->sink.stuck);
}

/* T35, no reader. */
static void sink_line__reader_is_gone__lost_and_counted(void **state)
{
	struct fixture *f = *state;

	open_pipe(f);
	assert_int_equal(line(f, "one"), 0);
	close_fdp(&f->pipe[0]);
	assert_int_equal(line(f, "two"), -EPIPE);
	assert_int_equal(line(f, "three"), -EPIPE);
	assert_int_equal(f->sink.dropped, 2);
}

static void fill_pipe(int fd)
{
	static const char zeros[4096];

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
}

/* T35, a slow reader: lines of the platform wait, in their order; what is too much is told. */
static void sink_line__pipe_is_full__kept_then_counted(void **state)
{
	static char junk[1U << 16];
	struct fixture *f = *state;
	_cleanup_sbuf_ struct sbuf want = {0};
	_cleanup_sbuf_ struct sbuf got = {0};
	unsigned int kept = 0;
	int r;

	open_pipe(f);
	fill_pipe(f->pipe[1]);
	while ((r = line(f, "a line of the platform")) == 0) {
		sbuf_adds(&want, "heroku[web.1]: a line of the platform\n");
		kept++;
	}
	assert_int_equal(r, -ENOBUFS);
	assert_true(f->sink.stuck);
	assert_in_range(kept, 100, 2000);
	assert_int_equal(line(f, "a line of the platform"), -ENOBUFS);
	assert_int_equal(f->sink.dropped, 2);

	assert_int_equal(fd_read_full(f->pipe[0], junk, sizeof(junk)), sizeof(junk));
	while (f->sink.stuck) {
		sink_wait(&f->sink, clock_ms() + 100);
		sbuf_adds(&got, read_now(f, f->pipe[0]));
	}
	assert_int_equal(line(f, "after"), 0);
	sbuf_adds(&got, read_now(f, f->pipe[0]));
	sbuf_adds(&want, "heroku[web.1]: after\n");
	assert_ptr_equal(
		strstr(sbuf_str(&got), "heroku[web.1]: Error L12: 2 messages dropped since "),
		sbuf_str(&got) + STAMP_BYTES + 1);
	assert_records(strchr(sbuf_str(&got), '\n') + 1, sbuf_str(&want));
	assert_int_equal(f->sink.dropped, 2);
}

static void sink_close__pipe_stays_full__ends_in_time(void **state)
{
	struct fixture *f = *state;
	uint64_t began = clock_ms();

	open_pipe(f);
	fill_pipe(f->pipe[1]);
	assert_int_equal(line(f, "never read"), 0);
	sink_close(&f->sink);
	assert_in_range(clock_ms() - began, SINK_CLOSE_MS, 100 * SINK_CLOSE_MS);
}

static void on_stop(struct loop *loop, void *data)
{
	(void)data;
	loop->quit = true;
}

static void run_for(struct loop *loop, int timer, uint64_t ms)
{
	loop->quit = false;
	loop_timer_arm(loop, timer, clock_ms() + ms);
	assert_int_equal(loop_run(loop), 0);
}

static void sink_attach__pipe_gets_room__written_by_the_loop(void **state)
{
	static char junk[1U << 16];
	struct fixture *f = *state;
	struct loop loop;
	int timer;

	loop_init(&loop);
	timer = loop_timer_add(&loop, on_stop, NULL);
	open_pipe(f);
	fill_pipe(f->pipe[1]);
	assert_int_equal(line(f, "before the loop"), 0);
	assert_int_equal(sink_attach(&f->sink, &loop), 0);
	assert_int_equal(sink_attach(&f->sink, &loop), 0);
	assert_int_equal(loop.n_timers, 2);
	assert_int_equal(line(f, "in the loop"), 0);
	run_for(&loop, timer, 10);
	assert_true(f->sink.stuck);
	assert_int_equal(fd_read_full(f->pipe[0], junk, sizeof(junk)), sizeof(junk));
	run_for(&loop, timer, 10);
	assert_false(f->sink.stuck);
	assert_records(read_now(f, f->pipe[0]),
		       "heroku[web.1]: before the loop\nheroku[web.1]: in the loop\n");
}

/* The loop of a monitor is gone before its sink is closed: what waits is still written. */
static void sink_detach__pipe_is_full__written_without_the_loop(void **state)
{
	static char junk[1U << 16];
	struct fixture *f = *state;
	struct loop loop;

	loop_init(&loop);
	sink_detach(NULL);
	sink_detach(&f->sink);
	open_pipe(f);
	assert_int_equal(sink_attach(&f->sink, &loop), 0);
	fill_pipe(f->pipe[1]);
	assert_int_equal(line(f, "one"), 0);
	assert_true(f->sink.watched);
	sink_detach(&f->sink);
	assert_int_equal(loop.sources[0].fd, -1);
	memset(&loop, 0xff, sizeof(loop));
	assert_int_equal(fd_read_full(f->pipe[0], junk, sizeof(junk)), sizeof(junk));
	assert_int_equal(line(f, "two"), 0);
	sink_close(&f->sink);
	assert_records(read_now(f, f->pipe[0]), "heroku[web.1]: one\nheroku[web.1]: two\n");
}

static void sink_attach__loop_is_full__error(void **state)
{
	struct fixture *f = *state;
	struct loop loop;

	loop_init(&loop);
	for (int i = 0; i < LOOP_MAX_TIMERS; i++)
		assert_int_equal(loop_timer_add(&loop, on_stop, NULL), i);
	open_pipe(f);
	assert_int_equal(sink_attach(&f->sink, &loop), -ENOSPC);
	assert_null(f->sink.loop);
}

static void on_never(struct loop *loop, int fd, short revents, void *data)
{
	(void)loop;
	(void)fd;
	(void)revents;
	(void)data;
	fail();
}

/* Without a place among the sources a timer does. */
static void sink_attach__no_source_free__written_by_the_timer(void **state)
{
	static char junk[1U << 16];
	struct fixture *f = *state;
	struct loop loop;
	int timer, silent[LOOP_MAX_SOURCES][2];

	loop_init(&loop);
	timer = loop_timer_add(&loop, on_stop, NULL);
	for (size_t i = 0; i < LOOP_MAX_SOURCES; i++) {
		assert_int_equal(pipe2(silent[i], O_CLOEXEC), 0);
		assert_int_equal(loop_add(&loop, silent[i][0], POLLIN, on_never, NULL), 0);
	}
	open_pipe(f);
	fill_pipe(f->pipe[1]);
	assert_int_equal(sink_attach(&f->sink, &loop), 0);
	assert_int_equal(line(f, "one"), 0);
	run_for(&loop, timer, 10);
	assert_true(f->sink.stuck);
	assert_int_equal(fd_read_full(f->pipe[0], junk, sizeof(junk)), sizeof(junk));
	run_for(&loop, timer, 3 * 64);
	assert_records(read_now(f, f->pipe[0]), "heroku[web.1]: one\n");
	for (size_t i = 0; i < LOOP_MAX_SOURCES; i++) {
		close_fdp(&silent[i][0]);
		close_fdp(&silent[i][1]);
	}
}

/* Nothing of the buffers stays while nobody prints. */
static void sink_attach__idle__pages_are_given_back(void **state)
{
	unsigned char in_memory[sizeof(struct sink_area) / 4096 + 1] = {0};
	struct fixture *f = *state;
	struct loop loop;
	int timer;

	loop_init(&loop);
	timer = loop_timer_add(&loop, on_stop, NULL);
	open_files(f);
	assert_int_equal(sink_attach(&f->sink, &loop), 0);
	assert_int_equal(line(f, "one"), 0);
	assert_int_equal(mincore(f->sink.area, sizeof(struct sink_area), in_memory), 0);
	assert_non_null(memchr(in_memory, 1, sizeof(in_memory)));
	run_for(&loop, timer, SINK_IDLE_MS + 50);
	assert_int_equal(mincore(f->sink.area, sizeof(struct sink_area), in_memory), 0);
	assert_null(memchr(in_memory, 1, sizeof(in_memory)));
	assert_int_equal(line(f, "two"), 0);
	assert_records(log_text(f, "web.1.log", NULL), "heroku[web.1]: one\nheroku[web.1]: two\n");
}

/* As of a pipe that belongs to another user: the description is everybody's. */
static void sink_line__shared_description__never_blocks(void **state)
{
	static char text[OUTPUT_LINE_BYTES];
	struct fixture *f = *state;
	unsigned int lines = 0;
	size_t bytes;

	memset(text, 'x', sizeof(text));
	open_pipe(f);
	close_fdp(&f->sink.fd);
	f->sink.fd = fcntl(f->pipe[1], F_DUPFD_CLOEXEC, 3);
	f->sink.shared = true;
	for (; !f->sink.stuck; lines++)
		assert_int_equal(sink_line(&f->sink, "app", "web.1", text, sizeof(text)), 0);
	bytes = strlen(read_now(f, f->pipe[0]));
	assert_in_range(bytes, 1U << 15, 1U << 16);
	assert_int_equal(sink_flush(&f->sink), 0);
	bytes += strlen(read_now(f, f->pipe[0]));
	assert_int_equal(bytes, lines * (sizeof(text) + STAMP_BYTES + strlen(" app[web.1]: \n")));
	close_fdp(&f->pipe[0]);
	assert_int_equal(line(f, "gone"), -EPIPE);
}

static void sink_line__socket__full_and_gone(void **state)
{
	static char text[OUTPUT_LINE_BYTES];
	struct fixture *f = *state;
	unsigned int lines = 0;
	size_t bytes = 0;

	memset(text, 'x', sizeof(text));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->pipe), 0);
	sink_open_fd(&f->sink, f->pipe[1]);
	assert_int_equal(fcntl(f->sink.fd, F_GETFL) & O_NONBLOCK, 0);
	for (; !f->sink.stuck; lines++)
		assert_int_equal(sink_line(&f->sink, "app", "web.1", text, sizeof(text)), 0);
	while (f->sink.stuck) {
		bytes += strlen(read_now(f, f->pipe[0]));
		sink_wait(&f->sink, clock_ms() + 100);
	}
	bytes += strlen(read_now(f, f->pipe[0]));
	assert_int_equal(bytes, lines * (sizeof(text) + STAMP_BYTES + strlen(" app[web.1]: \n")));
	close_fdp(&f->pipe[0]);
	assert_int_equal(line(f, "gone"), -EPIPE);
}

/* ---- several monitors ----------------------------------------------------------------------- */

#define WRITERS	     4
#define LINES_EACH   300
#define MAX_OF_LINES (OUTPUT_LINE_BYTES + 100)

static void write_many(struct fixture *f, unsigned int writer)
{
	static char text[OUTPUT_LINE_BYTES];
	char dyno[16];

	str_fmt(dyno, sizeof(dyno), "web.%u", writer);
	memset(text, (int)('a' + writer), sizeof(text));
	sink_open_fd(&f->sink, f->pipe[1]);
	for (unsigned int i = 0; i < LINES_EACH; i++) {
		/* Lengths on both sides of PIPE_BUF. */
		size_t len = (i * 1237 + writer * 311) % sizeof(text);

		if (sink_line(&f->sink, "app", dyno, text, len) < 0)
			_exit(1);
		while (f->sink.stuck)
			sink_wait(&f->sink, clock_ms() + 50);
	}
	sink_close(&f->sink);
	_exit(0);
}

static unsigned int check_line(const char *text, const char *end)
{
	unsigned int writer;

	assert_true(end - text > STAMP_BYTES && is_stamp(text));
	text += STAMP_BYTES;
	assert_memory_equal(text, " app[web.", 9);
	writer = (unsigned int)(text[9] - '0');
	assert_in_range(writer, 0, WRITERS - 1);
	assert_memory_equal(text + 10, "]: ", 3);
	for (text += 13; text < end; text++)
		assert_int_equal(*text, 'a' + writer);
	return writer;
}

/* T34: else the rest of a long line could begin a line of the log. */
static void sink_line__several_monitors_at_a_slow_pipe__records_do_not_mix(void **state)
{
	static char buf[2 * MAX_OF_LINES];
	struct fixture *f = *state;
	unsigned int lines[WRITERS] = {0};
	size_t len = 0;
	ssize_t n;
	int status;

	assert_int_equal(pipe2(f->pipe, O_CLOEXEC), 0);
	for (unsigned int i = 0; i < WRITERS; i++)
		if (fork_child() == 0)
			write_many(f, i);
	close_fdp(&f->pipe[1]);
	while ((n = read(f->pipe[0], buf + len, MIN_OF((size_t)3000, sizeof(buf) - len))) > 0) {
		char *end, *text = buf;

		len += (size_t)n;
		while ((end = memchr(text, '\n', len))) {
			lines[check_line(text, end)]++;
			len -= (size_t)(end + 1 - text);
			text = end + 1;
		}
		memmove(buf, text, len);
		assert_true(len < MAX_OF_LINES);
	}
	assert_int_equal(len, 0);
	for (unsigned int i = 0; i < WRITERS; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
		assert_int_equal(lines[i], LINES_EACH);
	}
}

/* A monitor that was stopped in the middle of a record: others wait, and do not spin. */
static void sink_line__another_monitor_keeps_the_lock__waits_by_the_timer(void **state)
{
	struct fixture *f = *state;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct timespec before, after;
	struct loop loop;
	int timer, ready[2];
	pid_t pid;
	char c;

	loop_init(&loop);
	timer = loop_timer_add(&loop, on_stop, NULL);
	open_pipe(f);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork_child();
	if (pid == 0) {
		if (fcntl(f->pipe[1], F_SETLK, &lock) == 0 && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(sink_attach(&f->sink, &loop), 0);
	assert_int_equal(line(f, "one"), 0);
	assert_true(f->sink.stuck);
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before), 0);
	run_for(&loop, timer, 300);
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after), 0);
	assert_true(f->sink.stuck);
	assert_in_range((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec -
				before.tv_nsec,
			0, 30000000);
	assert_string_equal(read_now(f, f->pipe[0]), "");

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	run_for(&loop, timer, 200);
	assert_false(f->sink.stuck);
	assert_records(read_now(f, f->pipe[0]), "heroku[web.1]: one\n");
	close_fdp(&ready[0]);
	close_fdp(&ready[1]);
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(sink_line__any_bytes__one_record),
		WITH_DIR(sink_line__few_long_lines__kept_beyond_the_size),
		WITH_DIR(sink_remove_ended__a_sink_has_it_open__stays),
		WITH_DIR(sink_line__longer_than_a_record__in_pieces),
		WITH_DIR(sink_line__long_names__head_is_cut_and_still_a_record),
		WITH_DIR(sink_line__sink_never_opened__lost_and_counted),
		WITH_DIR(sink_line__no_memory__lost_and_counted),
		WITH_DIR(sink_open_files__fresh_place__for_the_owner_alone),
		WITH_DIR(sink_open_files__again__appends),
		WITH_DIR(sink_open_files__torn_end__next_record_begins_a_line),
		WITH_DIR(sink_open_files__place_of_another_kind__error),
		WITH_DIR(sink_line__file_is_full__turned_over),
		WITH_DIR(sink_line__name_of_the_older_file_is_a_directory__turned_over),
		WITH_DIR(sink_line__log_was_removed__made_anew_when_turned_over),
		WITH_DIR(sink_line__directory_was_removed__lost_until_it_is_back),
		WITH_DIR(sink_line__disk_is_full__counted_and_told_once_it_is_not),
		WITH_DIR(sink_line__note_is_cut__told_again),
		WITH_DIR(sink_close__losses_not_told__told_then),
		WITH_DIR(sink_remove_files__some_and_none__gone_with_an_empty_directory),
		WITH_DIR(sink_remove_files__name_is_a_directory__error),
		WITH_DIR(sink_open_fd__pipe__mode_of_the_callers_is_left_alone),
		WITH_DIR(sink_open_fd__regular_file__written),
		WITH_DIR(sink_open_fd__dev_full__lost_and_counted),
		WITH_DIR(sink_line__reader_is_gone__lost_and_counted),
		WITH_DIR(sink_line__pipe_is_full__kept_then_counted),
		WITH_DIR(sink_close__pipe_stays_full__ends_in_time),
		WITH_DIR(sink_attach__pipe_gets_room__written_by_the_loop),
		WITH_DIR(sink_detach__pipe_is_full__written_without_the_loop),
		WITH_DIR(sink_attach__loop_is_full__error),
		WITH_DIR(sink_attach__no_source_free__written_by_the_timer),
		WITH_DIR(sink_attach__idle__pages_are_given_back),
		WITH_DIR(sink_line__shared_description__never_blocks),
		WITH_DIR(sink_line__socket__full_and_gone),
		WITH_DIR(sink_line__several_monitors_at_a_slow_pipe__records_do_not_mix),
		WITH_DIR(sink_line__another_monitor_keeps_the_lock__waits_by_the_timer),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests_name("sink", tests, NULL, NULL);
}
