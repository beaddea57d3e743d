/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_outlet.c - files that lines are sent to: turned over by their size, shared by the helpers of
 * several dynos, renamed, emptied and removed by strangers (C10.1).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "drain/drain.h"

#define TIME "2026-06-01T12:00:00.123456+00:00"
#define HEAD TIME " app[web.1]: "

struct fixture {
	char dir[64];
	char path[80];
	int dir_fd;
	int feed[2];
	struct drain_shared *shared;
	struct drain d;
	struct dyno_err err;
	struct arena arena;
};

static void new_drain(struct fixture *f, uint64_t size, uint32_t count)
{
	f->d = (struct drain){.shared = f->shared, .kind = &drain_file, .fd = -EBADF};
	f->d.poll_fd = -1;
	f->d.seq = f->shared->ring.next;
	f->d.url = (struct logurl){
		.kind = LOGURL_FILE,
		.path = f->path,
		.shown = f->path,
		.size_bytes = size,
		.count = count,
	};
}

static void close_drain(struct fixture *f)
{
	f->d.kind->close(&f->d);
	sbuf_done(&f->d.out);
	f->d.out = (struct sbuf){0};
}

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){.dir = "/tmp/dyno-test-outlet.XXXXXX"};
	if (!mkdtemp(f.dir) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.feed) < 0)
		return -1;
	f.dir_fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)str_fmt(f.path, sizeof(f.path), "%s/log", f.dir);
	f.shared = calloc(1, sizeof(*f.shared));
	if (!f.shared || f.dir_fd < 0)
		return -1;
	f.shared->app = "shop";
	f.shared->dyno = "web.1";
	f.shared->platform = "heroku";
	f.shared->feed_fd = f.feed[0];
	new_drain(&f, 0, 0);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = path_remove_tree(tmp_fd, f->dir + STRLEN("/tmp/"));

	close_drain(f);
	ring_done(&f->shared->ring);
	free(f->shared);
	close_fdp(&tmp_fd);
	close_fdp(&f->dir_fd);
	close_fdp(&f->feed[0]);
	close_fdp(&f->feed[1]);
	arena_done(&f->arena);
	return r;
}

static void open_drain(struct fixture *f)
{
	assert_int_equal(f->d.kind->open(&f->d, &f->err), 0);
}

static void add(struct fixture *f, const char *text)
{
	char record[256];
	const size_t len = str_fmt(record, sizeof(record), HEAD "%s", text);

	ring_add(&f->shared->ring, record, len, 1);
}

static void service(struct fixture *f, uint64_t now_ms)
{
	f->d.kind->service(&f->d, now_ms);
}

/* One record, by itself. */
static void print(struct fixture *f, const char *text)
{
	add(f, text);
	service(f, 1);
	assert_int_equal(drain_waiting(&f->d), 0);
}

/* What is in a file: texts without their heads. NULL: there is none. */
static const char *texts(struct fixture *f, const char *name)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	const char *at, *end;
	char *text = NULL;

	if (file_read_beneath(f->dir_fd, name, 1 << 20, &f->arena, &text, NULL) < 0)
		return NULL;
	for (at = text; *at; at = end + 1) {
		end = strchr(at, '\n');
		assert_non_null(end);
		if (strncmp(at, HEAD, STRLEN(HEAD)) == 0)
			at += STRLEN(HEAD);
		sbuf_addf(&b, "%.*s,", (int)(end - at), at);
	}
	return arena_strdup(&f->arena, sbuf_str(&b));
}

static void put_file(struct fixture *f, const char *name, const char *text)
{
	_cleanup_close_ int fd =
		openat(f->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(fd_write_full(fd, text, strlen(text)), strlen(text));
}

/* ---- turning over ---------------------------------------------------------------------------- */

static void outlet_ready__file_is_full__older_ones_have_numbers_and_the_oldest_goes(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	new_drain(f, 2 * STRLEN(HEAD "1\n"), 3); /* two lines each */
	open_drain(f);
	print(f, "1");
	print(f, "2");
	assert_null(texts(f, "log.1"));
	print(f, "3");
	assert_string_equal(texts(f, "log.1"), "1,2,");
	assert_string_equal(texts(f, "log"), "3,");
	for (char text[] = "4"; text[0] <= '9'; text[0]++)
		print(f, text);
	assert_string_equal(texts(f, "log"), "9,");
	assert_string_equal(texts(f, "log.1"), "7,8,");
	assert_string_equal(texts(f, "log.2"), "5,6,");
	assert_null(texts(f, "log.3"));
	assert_int_equal(fstatat(f->dir_fd, "log.2", &st, 0), 0);
	assert_int_equal(st.st_size, f->d.url.size_bytes);
	assert_int_equal(f->d.lost.count, 0);
}

/* One that was there, and one line that is longer than a file may be. */
static void outlet_ready__file_is_there__counts_and_an_empty_one_takes_any_line(void **state)
{
	struct fixture *f = *state;

	put_file(f, "log", "as long as a file may be\n");
	new_drain(f, 16, 2);
	open_drain(f);
	print(f, "one");
	assert_string_equal(texts(f, "log.1"), "as long as a file may be,");
	assert_string_equal(texts(f, "log"), "one,");
	print(f, "two");
	assert_string_equal(texts(f, "log.1"), "one,");
	assert_string_equal(texts(f, "log"), "two,");
	assert_null(texts(f, "log.2"));
}

/* As a helper leaves them that was killed while it turned a file over, or somebody who tidies up. */
static void outlet_ready__number_is_free__nothing_above_it_moves(void **state)
{
	struct fixture *f = *state;

	put_file(f, "log.1", "b\n");
	put_file(f, "log.3", "a\n");
	new_drain(f, STRLEN(HEAD "1\n"), 4);
	open_drain(f);
	print(f, "1");
	print(f, "2");
	assert_string_equal(texts(f, "log"), "2,");
	assert_string_equal(texts(f, "log.1"), "1,");
	assert_string_equal(texts(f, "log.2"), "b,");
	assert_string_equal(texts(f, "log.3"), "a,");
}

static void outlet_ready__mode_of_the_file__is_that_of_the_next(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	put_file(f, "log", "");
	assert_int_equal(fchmodat(f->dir_fd, "log", 0664, 0), 0);
	new_drain(f, STRLEN(HEAD "1\n"), 2);
	open_drain(f);
	print(f, "1");
	print(f, "2");
	assert_int_equal(fstatat(f->dir_fd, "log", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0664);
}

/* As a helper leaves it that was killed between the steps, and as one does that is at it. */
static void outlet_ready__a_turn_has_not_ended__is_ended_or_waited_for(void **state)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct fixture *f = *state;
	int other;

	put_file(f, "log.0", "b\n");
	put_file(f, "log.1", "a\n");
	new_drain(f, STRLEN(HEAD "1\n"), 5);
	open_drain(f);
	print(f, "1");
	other = openat(f->dir_fd, "log.0", O_WRONLY | O_CLOEXEC);
	assert_int_equal(fcntl(other, F_OFD_SETLK, &whole), 0);
	add(f, "2");
	service(f, 1);
	assert_true(f->d.busy);
	assert_false(f->d.locked);
	assert_string_equal(texts(f, "log"), "1,");
	assert_string_equal(texts(f, "log.0"), "b,");
	close_fdp(&other);
	service(f, 11);
	assert_false(f->d.busy);
	assert_string_equal(texts(f, "log"), "2,");
	assert_null(texts(f, "log.0"));
	assert_string_equal(texts(f, "log.1"), "1,");
	assert_string_equal(texts(f, "log.2"), "b,");
	assert_string_equal(texts(f, "log.3"), "a,");
}

/* No line is lost for it, and the dyno's log says why the file grows: once. */
static void outlet_ready__name_is_taken_by_a_directory__grows_and_is_told(void **state)
{
	struct fixture *f = *state;
	char got[512] = "", said[512];

	assert_int_equal(mkdirat(f->dir_fd, "log.1", 0700), 0);
	new_drain(f, STRLEN(HEAD "1\n"), 2);
	open_drain(f);
	print(f, "1");
	print(f, "2");
	print(f, "3");
	f->d.turn_ms = 0; /* as if the time had come to try again */
	print(f, "4");
	assert_string_equal(texts(f, "log.0"), "1,");
	assert_string_equal(texts(f, "log"), "2,3,4,");
	assert_true(recv(f->feed[1], got, sizeof(got) - 1, MSG_DONTWAIT) > 0);
	(void)str_fmt(said, sizeof(said),
		      "Warning: the log %s cannot be turned over and grows: ", f->path);
	assert_memory_equal(got, said, strlen(said));
	assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1);
	assert_int_equal(unlinkat(f->dir_fd, "log.1", AT_REMOVEDIR), 0);
	f->d.turn_ms = 0;
	print(f, "5");
	assert_null(texts(f, "log.0"));
	assert_string_equal(texts(f, "log.1"), "2,3,4,");
	assert_string_equal(texts(f, "log"), "5,");
}

static void outlet_open__what_cannot_be_turned_over__is_refused(void **state)
{
	static const char *const names[] = {"link", "fifo"};
	struct fixture *f = *state;

	put_file(f, "file", "");
	assert_int_equal(symlinkat("file", f->dir_fd, "link"), 0);
	assert_int_equal(mkfifoat(f->dir_fd, "fifo", 0600), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_close_ int reader =
			openat(f->dir_fd, names[i], O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		(void)str_fmt(f->path, sizeof(f->path), "%s/%s", f->dir, names[i]);
		new_drain(f, 1 << 20, 5);
		assert_true(f->d.kind->open(&f->d, &f->err) < 0);
		assert_non_null(strstr(f->err.msg, "only a file can be turned over"));
		assert_int_equal(f->d.fd, -EBADF);
		new_drain(f, 0, 0);
		assert_int_equal(f->d.kind->open(&f->d, &f->err), 0);
		close_drain(f);
	}
}

/* ---- strangers ------------------------------------------------------------------------------- */

static void outlet_ready__renamed_emptied_removed__next_line_goes_where_the_name_leads(void **state)
{
	struct fixture *f = *state;

	for (int turns = 0; turns < 2; turns++) {
		new_drain(f, turns > 0 ? 1 << 20 : 0, 5);
		open_drain(f);
		print(f, "1");
		assert_int_equal(renameat(f->dir_fd, "log", f->dir_fd, "log.old"), 0);
		print(f, "2"); /* none was made in its place */
		assert_string_equal(texts(f, "log.old"), "1,");
		assert_string_equal(texts(f, "log"), "2,");
		assert_int_equal(renameat(f->dir_fd, "log", f->dir_fd, "log.old"), 0);
		put_file(f, "log", "new\n"); /* as logrotate's "create" does */
		print(f, "3");
		assert_string_equal(texts(f, "log.old"), "2,");
		assert_string_equal(texts(f, "log"), "new,3,");
		put_file(f, "log", ""); /* "copytruncate" */
		print(f, "4");
		assert_string_equal(texts(f, "log"), "4,");
		assert_int_equal(unlinkat(f->dir_fd, "log", 0), 0);
		print(f, "5");
		assert_string_equal(texts(f, "log"), "5,");
		assert_int_equal(f->d.lost.count, 0);
		assert_int_equal(unlinkat(f->dir_fd, "log", 0), 0);
		close_drain(f);
	}
}

/* Nobody will see what is written to a file without a name. */
static void
outlet_ready__removed_with_its_directory__lost_and_counted_until_it_is_back(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdirat(f->dir_fd, "d", 0700), 0);
	(void)str_fmt(f->path, sizeof(f->path), "%s/d/log", f->dir);
	new_drain(f, 0, 0);
	open_drain(f);
	print(f, "1");
	assert_int_equal(path_remove_tree(f->dir_fd, "d"), 0);
	print(f, "2");
	assert_int_equal(f->d.lost.count, 1);
	assert_int_equal(mkdirat(f->dir_fd, "d", 0700), 0);
	add(f, "3");
	service(f, f->d.retry_at_ms);
	assert_non_null(strstr(texts(f, "d/log"), "Error L13: 1 messages lost since "));
	assert_non_null(strstr(texts(f, "d/log"), ",3,"));
}

/* Half a line of a helper that was killed is a line of its own, of this one's losses too. */
static void outlet_ready__torn_end__next_record_begins_a_line(void **state)
{
	struct fixture *f = *state;

	put_file(f, "log", "half");
	open_drain(f);
	print(f, "1");
	assert_string_equal(texts(f, "log"), "half,1,");
	assert_int_equal(renameat(f->dir_fd, "log", f->dir_fd, "log.old"), 0);
	put_file(f, "log", "half");
	print(f, "2");
	assert_string_equal(texts(f, "log"), "half,2,");
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A limit on the file stands for a full disk (T44): lines are whole or lost, and what is lost is
 * counted, also where the file could be turned over. */
static void outlet_write__disk_is_full__counted_and_told_once_it_is_not(void **state)
{
	struct fixture *f = *state;

	new_drain(f, 1 << 20, 3);
	open_drain(f);
	print(f, "1");
	limit_files(STRLEN(HEAD "1\n") + 20);
	add(f, "2");
	add(f, "3");
	service(f, 1);
	assert_int_equal(f->d.lost.count, 2);
	assert_true(f->d.torn);
	add(f, "4");
	service(f, f->d.retry_at_ms); /* not even the end of the torn line, and so the note too */
	assert_int_equal(f->d.lost.count, 3);
	limit_files(RLIM_INFINITY);
	add(f, "5");
	service(f, f->d.retry_at_ms);
	assert_int_equal(drain_waiting(&f->d), 0);
	assert_int_equal(f->d.lost.count, 0);
	assert_non_null(strstr(texts(f, "log"), "1,2026-06-01T12:00:00.,"));
	assert_non_null(strstr(texts(f, "log"), "Error L13: 3 messages lost since "));
	assert_non_null(strstr(texts(f, "log"), ",5,"));
}

static void outlet_ready__another_has_the_lock__waits(void **state)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct fixture *f = *state;
	int other;

	new_drain(f, 1 << 20, 5);
	open_drain(f);
	other = open(f->path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(fcntl(other, F_OFD_SETLK, &whole), 0);
	add(f, "1");
	service(f, 1);
	assert_true(f->d.busy);
	assert_int_equal(f->d.wake_ms, 1 + 10);
	assert_string_equal(texts(f, "log"), "");
	close_fdp(&other);
	service(f, 11);
	assert_false(f->d.busy);
	assert_string_equal(texts(f, "log"), "1,");
}

/* What is open already is followed nowhere, and who has locked it holds up nobody. */
static void outlet_ready__descriptor_of_the_callers__is_left_alone(void **state)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct fixture *f = *state;
	_cleanup_close_ int fd = open(f->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	f->d.url = (struct logurl){.kind = LOGURL_FD, .fd = fd, .shown = "fd:0"};
	open_drain(f);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &whole), 0);
	assert_int_equal(renameat(f->dir_fd, "log", f->dir_fd, "log.old"), 0);
	print(f, "1");
	print(f, "2");
	assert_string_equal(texts(f, "log.old"), "1,2,");
	assert_null(texts(f, "log"));
}

/* ---- several dynos --------------------------------------------------------------------------- */

#define WRITERS	   4
#define LINES_EACH 2000
#define FILE_BYTES 8192

/* The helper of one dyno, as it goes on while others have the lock. */
static void write_lines(struct fixture *f, unsigned int writer)
{
	char text[64];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	new_drain(f, FILE_BYTES, 100);
	if (f->d.kind->open(&f->d, &f->err) < 0)
		_exit(1);
	for (unsigned int i = 0; i < LINES_EACH; i++) {
		(void)str_fmt(text, sizeof(text), "%u %u .", writer, i);
		add(f, text);
		if (i % (writer + 3) > 0)
			continue;
		do {
			service(f, 1);
			if (f->d.busy)
				(void)poll(NULL, 0, 1);
		} while (f->d.busy || drain_waiting(&f->d) > 0);
	}
	service(f, 1);
	while (f->d.busy) {
		(void)poll(NULL, 0, 1);
		service(f, 1);
	}
	_exit(f->d.lost.count > 0 || f->d.displaced.count > 0 ? 2 : 0);
}

/* Lines of one file. @next: of each writer, or NULL: any order */
static size_t check_file(struct fixture *f, const char *name, unsigned int *next,
			 bool seen[WRITERS][LINES_EACH])
{
	char *text = NULL, *line, *save = NULL;
	unsigned int writer, number;
	size_t len, n = 0;
	char dot;

	assert_int_equal(file_read_beneath(f->dir_fd, name, 1 << 20, &f->arena, &text, &len), 0);
	assert_in_range(len, 0, FILE_BYTES);
	assert_true(len == 0 || text[len - 1] == '\n');
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), n++) {
		assert_memory_equal(line, HEAD, STRLEN(HEAD));
		assert_int_equal(sscanf(line + STRLEN(HEAD), "%u %u %c", &writer, &number, &dot),
				 3);
		assert_int_equal(dot, '.');
		assert_in_range(writer, 0, WRITERS - 1);
		assert_in_range(number, 0, LINES_EACH - 1);
		assert_false(seen[writer][number]);
		seen[writer][number] = true;
		if (next)
			assert_int_equal(number, next[writer]++);
	}
	return n;
}

static void start_writers(struct fixture *f, pid_t pids[WRITERS])
{
	for (unsigned int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			write_lines(f, i);
	}
}

static void outlet__several_helpers_at_one_file__each_line_once_whole_and_in_order(void **state)
{
	static bool seen[WRITERS][LINES_EACH];
	struct fixture *f = *state;
	unsigned int next[WRITERS] = {0}, files = 0;
	pid_t pids[WRITERS];
	char name[32] = "log";
	size_t n = 0;
	int status;

	memset(seen, 0, sizeof(seen));
	start_writers(f, pids);
	for (size_t i = 0; i < WRITERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	while (faccessat(f->dir_fd, name, F_OK, 0) == 0)
		(void)str_fmt(name, sizeof(name), "log.%u", ++files);
	/* as many as it takes: nobody has turned over one that was not full */
	assert_in_range(files, WRITERS * LINES_EACH * STRLEN(HEAD) / FILE_BYTES,
			WRITERS * LINES_EACH * (STRLEN(HEAD) + 20) / (FILE_BYTES - 4096));
	for (; files > 1; files--) {
		(void)str_fmt(name, sizeof(name), "log.%u", files - 1);
		n += check_file(f, name, next, seen);
	}
	n += check_file(f, "log", next, seen);
	assert_int_equal(n, WRITERS * LINES_EACH);
}

static bool is_over(const pid_t pids[WRITERS], bool done[WRITERS])
{
	size_t n = 0;
	int status;

	for (size_t i = 0; i < WRITERS; i++) {
		if (!done[i] && waitpid(pids[i], &status, WNOHANG) == pids[i]) {
			assert_int_equal(status, 0);
			done[i] = true;
		}
		n += done[i];
	}
	return n == WRITERS;
}

/* Somebody renames the file all the while, as logrotate does once a day. */
static void outlet__stranger_renames_a_file_that_is_turned_over__each_line_once(void **state)
{
	static bool seen[WRITERS][LINES_EACH];
	struct fixture *f = *state;
	bool done[WRITERS] = {false};
	const struct dirent *entry;
	unsigned int renamed = 0;
	pid_t pids[WRITERS];
	char name[32];
	size_t n = 0;
	DIR *dir;

	memset(seen, 0, sizeof(seen));
	start_writers(f, pids);
	while (!is_over(pids, done)) {
		(void)str_fmt(name, sizeof(name), "stranger.%u", renamed);
		if (renameat(f->dir_fd, "log", f->dir_fd, name) == 0)
			renamed++;
		(void)poll(NULL, 0, 1);
	}
	dir = opendir(f->dir);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			n += check_file(f, entry->d_name, NULL, seen);
	assert_int_equal(closedir(dir), 0);
	assert_int_equal(n, WRITERS * LINES_EACH);
	assert_true(renamed > 0);
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILE(outlet_ready__file_is_full__older_ones_have_numbers_and_the_oldest_goes),
		WITH_FILE(outlet_ready__file_is_there__counts_and_an_empty_one_takes_any_line),
		WITH_FILE(outlet_ready__number_is_free__nothing_above_it_moves),
		WITH_FILE(outlet_ready__mode_of_the_file__is_that_of_the_next),
		WITH_FILE(outlet_ready__a_turn_has_not_ended__is_ended_or_waited_for),
		WITH_FILE(outlet_ready__name_is_taken_by_a_directory__grows_and_is_told),
		WITH_FILE(outlet_open__what_cannot_be_turned_over__is_refused),
		WITH_FILE(
			outlet_ready__renamed_emptied_removed__next_line_goes_where_the_name_leads),
		WITH_FILE(
			outlet_ready__removed_with_its_directory__lost_and_counted_until_it_is_back),
		WITH_FILE(outlet_ready__torn_end__next_record_begins_a_line),
		WITH_FILE(outlet_write__disk_is_full__counted_and_told_once_it_is_not),
		WITH_FILE(outlet_ready__another_has_the_lock__waits),
		WITH_FILE(outlet_ready__descriptor_of_the_callers__is_left_alone),
		WITH_FILE(outlet__several_helpers_at_one_file__each_line_once_whole_and_in_order),
		WITH_FILE(outlet__stranger_renames_a_file_that_is_turned_over__each_line_once),
	};

	(void)signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests_name("outlet", tests, NULL, NULL);
}
