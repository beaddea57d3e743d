/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_output.c - from the processes' output to the log: lines and their limits (C10.1, C10.3),
 * text that imitates the platform's (T34), floods with a slow, a killed and no reader (T35), pipes
 * that somebody keeps open (T29).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/errclass.h"
#include "base/fd.h"
#include "base/logline.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/output.h"
#include "livedyno.h"

#define TIME	   "2026-06-01T12:00:00.123456+00:00"
#define SOURCE	   "app[web.1]: "
#define HEAD_BYTES STRLEN(TIME " " SOURCE)
#define LONG_LIMIT 20000U

/**
 * struct fixture - an output on its loop, its sink a file or a pipe.
 * @held_open: a copy of the dyno's end of standard output
 */
struct fixture {
	char dir[64];
	struct store store;
	struct sink sink;
	struct loop loop;
	struct output output;
	struct arena arena;
	struct dyno_err err;
	int pipe[2];
	int held_open;
	int timer;
	unsigned int rounds;
};

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){
		.sink = SINK_INIT,
		.output = OUTPUT_INIT,
		.pipe = {-EBADF, -EBADF},
		.held_open = -EBADF,
	};
	loop_init(&f.loop);
	str_fmt(f.dir, sizeof(f.dir), "/tmp/dyno-test-output.XXXXXX");
	*state = &f;
	return mkdtemp(f.dir) && store_open(f.dir, &f.store, &f.err) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	output_close(&f->output);
	sink_close(&f->sink);
	store_done(&f->store);
	close_fdp(&f->pipe[0]);
	close_fdp(&f->pipe[1]);
	close_fdp(&f->held_open);
	arena_done(&f->arena);
	r = path_remove_tree(tmp_fd, f->dir + strlen("/tmp/"));
	close_fdp(&tmp_fd);
	return r;
}

static void on_stop(struct loop *loop, void *data)
{
	(void)data;
	loop->quit = true;
}

static void open_output(struct fixture *f)
{
	f->timer = loop_timer_add(&f->loop, on_stop, NULL);
	assert_int_equal(output_open(&f->output, &f->loop, &f->sink, "web.1", &f->err), 0);
}

static void to_files(struct fixture *f)
{
	assert_int_equal(sink_open_files(&f->sink, &f->store, "shop", "web.1", &f->err), 0);
	open_output(f);
}

static void to_pipe(struct fixture *f)
{
	assert_int_equal(pipe2(f->pipe, O_CLOEXEC), 0);
	sink_open_fd(&f->sink, f->pipe[1]);
	close_fdp(&f->pipe[1]);
	open_output(f);
}

static void run_for(struct fixture *f, uint64_t ms)
{
	f->loop.quit = false;
	loop_timer_arm(&f->loop, f->timer, clock_ms() + ms);
	assert_int_equal(loop_run(&f->loop), 0);
}

/* What must happen is waited for: an app comes to print when there is a processor for it. */
#define run_until(f, condition)                                       \
	do {                                                          \
		for (unsigned int turns = 0; !(condition); turns++) { \
			assert_true(turns < 20000);                   \
			run_for(f, 1);                                \
		}                                                     \
	} while (0)

/* The app's end of a stream, which stays open beyond output_started(). */
static int dyno_end(const struct fixture *f, size_t i)
{
	int fd = fcntl(f->output.child_fd[i], F_DUPFD_CLOEXEC, 3);

	assert_true(fd >= 0);
	return fd;
}

static void print_bytes(int fd, const char *text, size_t len)
{
	assert_int_equal(fd_write_full(fd, text, len), len);
}

static void print(int fd, const char *text)
{
	print_bytes(fd, text, strlen(text));
}

static const char *log_text(struct fixture *f, size_t *ret_len)
{
	char *text = NULL;

	assert_int_equal(file_read_beneath(f->store.data_fd, "logs/shop/web.1.log",
					   2 * SINK_FILE_BYTES, &f->arena, &text, ret_len),
			 0);
	return text;
}

/* Of the record that next() has found: whether it goes on in the one after it, and whether standard
 * error had it. */
static bool last_partial;
static bool last_err;

/* The next record of a text, received at whatever time. Return: its length. */
static size_t next(const char **text, size_t *left, const char **ret)
{
	const char *end = memchr(*text, '\n', *left);
	struct logline r;
	size_t len;

	assert_non_null(end);
	len = (size_t)(end - *text);
	assert_true(logline_parse(*text, len, &r));
	assert_int_equal(r.time.len, STRLEN(TIME));
	for (size_t i = 0; i < r.time.len; i++) {
		char c = r.time.s[i];

		assert_int_equal(c >= '0' && c <= '9' && i < 30 ? '0' : c,
				 TIME[i] >= '0' && TIME[i] <= '9' && i < 30 ? '0' : TIME[i]);
	}
	assert_memory_equal(r.source.s, SOURCE, STRLEN(SOURCE));
	assert_ptr_equal(r.text.s, r.source.s + STRLEN(SOURCE));
	*ret = r.text.s;
	*left -= len + 1;
	*text = end + 1;
	last_partial = r.partial;
	last_err = r.stream == LOGLINE_STDERR;
	return r.text.len;
}

static void assert_lines(struct fixture *f, const char *const *want, size_t n)
{
	size_t left;
	const char *line, *text = log_text(f, &left);

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(next(&text, &left, &line), strlen(want[i]));
		assert_memory_equal(line, want[i], strlen(want[i]));
	}
	assert_int_equal(left, 0);
}

/* What is in the pipes now, through the loop. */
static void print_and_drain(struct fixture *f, int fd, const char *text, size_t len)
{
	assert_int_equal(output_started(&f->output), 0);
	print_bytes(fd, text, len);
	close_fdp(&fd);
	run_for(f, 1);
	output_drain(&f->output, 1000);
}

/* ---- lines ---------------------------------------------------------------------------------- */

static void output__both_streams__lines_of_one_log(void **state)
{
	static const char *const want[] = {"one", "", "two", "and three", "no newline at exit"};
	struct fixture *f = *state;
	int out, err;

	to_files(f);
	out = dyno_end(f, 0);
	err = dyno_end(f, 1);
	assert_int_equal(output_started(&f->output), 0);
	print(out, "one\n\ntwo\nand ");
	run_for(f, 1);
	print(out, "three\n");
	run_for(f, 1);
	print(err, "no newline ");
	run_for(f, 1);
	print(err, "at exit");
	close_fdp(&out);
	close_fdp(&err);
	run_for(f, 1);
	assert_int_equal(f->output.stream[0].fd, -EBADF);
	assert_int_equal(f->output.stream[1].fd, -EBADF);
	output_drain(&f->output, 0);
	assert_lines(f, want, ARRAY_SIZE(want));
	assert_true(last_err);
	assert_int_equal(f->sink.dropped, 0);
}

/* A failure that is told on standard error comes before what is printed after it (C10.1). */
static void output__both_streams_in_one_breath__in_the_order_of_the_app(void **state)
{
	static const char *const want[] = {"1", "2", "3", "4", "5", "6", "7", "8"};
	struct fixture *f = *state;
	int fds[2];

	to_files(f);
	fds[0] = dyno_end(f, 0);
	fds[1] = dyno_end(f, 1);
	assert_int_equal(output_started(&f->output), 0);
	/* err out, out err, err out: each pair before the monitor looks; the last one at the end */
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		print(fds[i / 2 % 2 == i % 2], want[i]);
		print(fds[i / 2 % 2 == i % 2], "\n");
		if (i % 2 == 1 && i < 6)
			run_for(f, 1);
	}
	close_fdp(&fds[0]);
	close_fdp(&fds[1]);
	output_drain(&f->output, 1000);
	assert_lines(f, want, ARRAY_SIZE(want));
}

/* An app that finds its output in non-blocking mode loses lines. */
static void output_open__dynos_ends__block(void **state)
{
	struct fixture *f = *state;

	to_files(f);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(fcntl(f->output.child_fd[i], F_GETFL) & O_NONBLOCK, 0);
		assert_int_not_equal(fcntl(f->output.child_fd[i], F_GETFD) & FD_CLOEXEC, 0);
		assert_int_not_equal(fcntl(f->output.stream[i].fd, F_GETFD) & FD_CLOEXEC, 0);
	}
	assert_int_equal(output_started(&f->output), 0);
	assert_int_equal(f->output.child_fd[0], -EBADF);
	assert_int_equal(f->output.child_fd[1], -EBADF);
}

/* C10.3: pieces of 10,000 bytes, each its own record, none for the newline alone. */
static void output__long_line__in_pieces(void **state)
{
	static const struct {
		size_t len;
		size_t pieces;
		bool newline;
	} cases[] = {
		{1, 1, true},	  {9999, 1, true},   {10000, 1, true},	{10001, 2, true},
		{19999, 2, true}, {20000, 2, true},  {20001, 3, true},	{60000, 6, true},
		{9999, 1, false}, {10000, 1, false}, {10001, 2, false}, {20000, 2, false},
	};
	static char line[60001];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f = *state;
		const char *text, *piece;
		size_t left, rest = cases[i].len;

		memset(line, 'x', sizeof(line));
		line[cases[i].len] = '\n';
		to_files(f);
		print_and_drain(f, dyno_end(f, 0), line, cases[i].len + cases[i].newline);
		text = log_text(f, &left);
		for (size_t n = 0; n < cases[i].pieces; n++) {
			assert_int_equal(next(&text, &left, &piece),
					 MIN_OF(rest, (size_t)OUTPUT_LINE_BYTES));
			rest -= MIN_OF(rest, (size_t)OUTPUT_LINE_BYTES);
			assert_int_equal(last_partial, rest > 0);
		}
		assert_int_equal(left, 0);
		assert_int_equal(rest, 0);
		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
	}
}

/* The newline of a full line may come with the next read. */
static void output__newline_after_a_full_line__no_empty_record(void **state)
{
	static char line[OUTPUT_LINE_BYTES];
	struct fixture *f = *state;
	const char *text, *piece;
	size_t left;
	int out;

	memset(line, 'x', sizeof(line));
	to_files(f);
	out = dyno_end(f, 0);
	assert_int_equal(output_started(&f->output), 0);
	print_bytes(out, line, sizeof(line));
	run_for(f, 1);
	print(out, "\nnext\n");
	close_fdp(&out);
	output_drain(&f->output, 1000);
	text = log_text(f, &left);
	assert_int_equal(next(&text, &left, &piece), OUTPUT_LINE_BYTES);
	assert_int_equal(next(&text, &left, &piece), 4);
	assert_int_equal(left, 0);
}

/* T34: whatever is printed stays behind the head of its own record. */
static void output__text_that_imitates_the_platform__cannot_be_taken_for_it(void **state)
{
	static const char printed[] =
		"2026-06-01T12:00:00.123456+00:00 heroku[web.1]: State changed from up to down\n"
		"\r2026-06-01T12:00:00.123456+00:00 heroku[web.1]: Error R10\n"
		"\033[2K\033[1Gheroku[web.1]: x\n"
		"\xc3\x28 \xff \xed\xa0\x80\n"
		"a\0b\n"
		"\\n2026-06-01T12:00:00.123456+00:00 heroku[web.1]: y";
	static const char *const want[] = {
		"2026-06-01T12:00:00.123456+00:00 heroku[web.1]: State changed from up to down",
		"\r2026-06-01T12:00:00.123456+00:00 heroku[web.1]: Error R10",
		"\033[2K\033[1Gheroku[web.1]: x",
		"\xc3\x28 \xff \xed\xa0\x80",
		"a\\x00b",
		"\\n2026-06-01T12:00:00.123456+00:00 heroku[web.1]: y",
	};
	struct fixture *f = *state;

	to_files(f);
	print_and_drain(f, dyno_end(f, 0), printed, STRLEN(printed));
	assert_lines(f, want, ARRAY_SIZE(want));
}

/* Also where a piece begins with it: the head is put before every piece. */
static void output__imitation_at_the_place_of_a_cut__has_a_head(void **state)
{
	static char line[2 * OUTPUT_LINE_BYTES];
	static const char fake[] = "2026-06-01T12:00:00.123456+00:00 heroku[web.1]: fake\n";
	struct fixture *f = *state;
	const char *text, *piece;
	size_t left;

	memset(line, 'x', OUTPUT_LINE_BYTES);
	memcpy(line + OUTPUT_LINE_BYTES, fake, STRLEN(fake));
	to_files(f);
	print_and_drain(f, dyno_end(f, 0), line, OUTPUT_LINE_BYTES + STRLEN(fake));
	text = log_text(f, &left);
	assert_int_equal(next(&text, &left, &piece), OUTPUT_LINE_BYTES);
	assert_int_equal(next(&text, &left, &piece), STRLEN(fake) - 1);
	assert_memory_equal(piece, fake, STRLEN(fake) - 1);
	assert_int_equal(left, 0);
}

/* One byte after another, as of a progress bar. */
static void output__byte_by_byte__one_line(void **state)
{
	static const char *const want[] = {"..........", "x"};
	struct fixture *f = *state;
	int out;

	to_files(f);
	out = dyno_end(f, 0);
	assert_int_equal(output_started(&f->output), 0);
	for (int i = 0; i < 10; i++) {
		print(out, ".");
		run_for(f, 1);
	}
	assert_int_equal(f->output.stream[0].len, 10);
	print(out, "\nx\n");
	run_for(f, 1);
	assert_null(f->output.stream[0].buf);
	close_fdp(&out);
	output_drain(&f->output, 1000);
	assert_lines(f, want, ARRAY_SIZE(want));
}

/* ---- floods --------------------------------------------------------------------------------- */

/* Lines "0000000 xxx…", numbered from 0. */
static void flood(int fd, unsigned int lines, size_t len)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	char number[16];

	for (unsigned int i = 0; i < lines; i++) {
		str_fmt(number, sizeof(number), "%07u ", i);
		sbuf_adds(&b, number);
		for (size_t n = strlen(number); n < len; n++)
			sbuf_addc(&b, 'x');
		sbuf_addc(&b, '\n');
		if (b.len < 30000 && i + 1 < lines)
			continue;
		if (fd_write_full(fd, b.data, b.len) < 0)
			_exit(1);
		b.len = 0;
	}
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

/* An app that prints and ends. */
static pid_t start_flood(struct fixture *f, int fd, unsigned int lines, size_t len)
{
	pid_t pid = fork_child();

	if (pid == 0) {
		close_fdp(&f->pipe[0]); /* the log's reader is another process */
		flood(fd, lines, len);
		_exit(0);
	}
	return pid;
}

static bool has_ended(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, WNOHANG) != pid)
		return false;
	assert_int_equal(status, 0);
	return true;
}

/* Numbers in order, nothing lost, nothing twice. Return: lines seen. */
static unsigned int check_flood(const char **text, size_t *left, size_t len, unsigned int from)
{
	const char *line;
	char number[16];

	while (memchr(*text, '\n', *left)) {
		assert_int_equal(next(text, left, &line), len);
		str_fmt(number, sizeof(number), "%07u ", from++);
		assert_memory_equal(line, number, 8);
	}
	return from;
}

static void output__flood__all_lines_in_the_file(void **state)
{
	struct fixture *f = *state;
	const char *text;
	size_t left;
	pid_t pid;

	to_files(f);
	pid = start_flood(f, f->output.child_fd[0], 100000, 60);
	assert_int_equal(output_started(&f->output), 0);
	do
		run_for(f, 5);
	while (!has_ended(pid));
	output_drain(&f->output, 1000);
	text = log_text(f, &left);
	assert_int_equal(check_flood(&text, &left, 60, 0), 100000);
	assert_int_equal(left, 0);
}

/* T34: of 100 MiB without a newline no more than a piece is ever kept. */
static void output__line_of_100_mib__in_constant_memory(void **state)
{
	static const char chunk[1U << 20] = {[0 ...(1U << 20) - 1] = 'x'};
	struct fixture *f = *state;
	unsigned int mib = 0;
	pid_t pid;

	to_files(f);
	pid = fork_child();
	if (pid == 0) {
		while (mib++ < 100)
			if (fd_write_full(f->output.child_fd[1], chunk, sizeof(chunk)) < 0)
				_exit(1);
		_exit(0);
	}
	assert_int_equal(output_started(&f->output), 0);
	do {
		run_for(f, 5);
		assert_true(f->output.stream[1].len <= OUTPUT_LINE_BYTES);
	} while (!has_ended(pid));
	output_drain(&f->output, 1000);
	assert_int_equal(f->sink.dropped, 0);
	/* Two files of bounded size are what is left of it. */
	assert_true(f->sink.bytes <= SINK_FILE_BYTES);
}

static uint64_t cpu_us(void)
{
	struct rusage u;

	assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Reads @bytes of the sink's pipe. */
static void read_sink(struct fixture *f, struct sbuf *b, size_t bytes)
{
	char buf[4096];
	ssize_t n;

	while (bytes > 0) {
		n = read(f->pipe[0], buf, MIN_OF(bytes, sizeof(buf)));
		if (n <= 0)
			return;
		sbuf_add(b, buf, (size_t)n);
		bytes -= (size_t)n;
	}
}

/* T35, slow reader: the app waits, the monitor sleeps, and nothing is lost. */
static void output__slow_reader__app_waits_and_nothing_spins(void **state)
{
	struct fixture *f = *state;
	_cleanup_sbuf_ struct sbuf b = {0};
	const char *text;
	uint64_t before;
	size_t left;
	pid_t pid;

	to_pipe(f);
	pid = start_flood(f, f->output.child_fd[0], LONG_LIMIT, 60);
	assert_int_equal(output_started(&f->output), 0);
	run_until(f, f->sink.stuck);
	before = cpu_us();
	run_for(f, 300);
	assert_in_range(cpu_us() - before, 0, 30000);
	assert_false(has_ended(pid));
	assert_true(f->output.stream[0].paused);

	assert_int_equal(fcntl(f->pipe[0], F_SETFL, O_NONBLOCK), 0);
	do {
		read_sink(f, &b, 20000);
		run_for(f, 1);
	} while (!has_ended(pid));
	while (f->output.stream[0].fd >= 0 || f->sink.stuck) {
		read_sink(f, &b, SIZE_MAX);
		run_for(f, 1);
	}
	read_sink(f, &b, SIZE_MAX);
	text = b.data;
	left = b.len;
	assert_int_equal(check_flood(&text, &left, 60, 0), LONG_LIMIT);
	assert_int_equal(left, 0);
	assert_int_equal(f->sink.dropped, 0);
}

/* Empty lines grow by the length of a head: what was read does not fit, and is held. */
static void output__slow_reader_of_empty_lines__nothing_is_lost(void **state)
{
	static char newlines[60000];
	struct fixture *f = *state;
	_cleanup_sbuf_ struct sbuf b = {0};
	const char *line, *text;
	size_t left;
	int out;

	memset(newlines, '\n', sizeof(newlines));
	to_pipe(f);
	out = dyno_end(f, 0);
	assert_int_equal(output_started(&f->output), 0);
	print_bytes(out, newlines, sizeof(newlines));
	run_until(f, f->sink.held);
	assert_ptr_equal(f->sink.held, &f->output.stream[0]);
	/* A line of the platform goes before what is held. */
	assert_int_equal(sink_line(&f->sink, "app", "web.1", "platform", 8), 0);
	print(out, "last\n");
	close_fdp(&out);
	assert_int_equal(fcntl(f->pipe[0], F_SETFL, O_NONBLOCK), 0);
	while (f->output.stream[0].fd >= 0 || f->sink.stuck) {
		read_sink(f, &b, SIZE_MAX);
		run_for(f, 1);
	}
	read_sink(f, &b, SIZE_MAX);
	text = b.data;
	left = b.len;
	for (unsigned int i = 0, full = 0; i < sizeof(newlines) + 2; i++) {
		size_t len = next(&text, &left, &line);

		assert_int_equal(len, i == sizeof(newlines) + 1 ? 4 : len ? 8 : 0);
		full += len > 0;
		assert_true(full <= 2);
	}
	assert_int_equal(left, 0);
}

/* T35, no reader for a while, and lines may be dropped: the app goes on, and what is dropped is
 * known. */
static void output__reader_sleeps_and_sink_drops__app_goes_on(void **state)
{
	struct fixture *f = *state;
	_cleanup_sbuf_ struct sbuf b = {0};
	uint64_t lines = 0, told = 0;
	const char *text, *note;
	size_t left;
	pid_t pid;

	to_pipe(f);
	f->sink.drop = true;
	pid = start_flood(f, f->output.child_fd[0], 50000, 60);
	assert_int_equal(output_started(&f->output), 0);
	run_until(f, has_ended(pid));
	output_drain(&f->output, 50);
	assert_true(f->sink.dropped > 0);
	assert_int_equal(fcntl(f->pipe[0], F_SETFL, O_NONBLOCK), 0);
	while (f->sink.stuck) {
		read_sink(f, &b, SIZE_MAX);
		sink_wait(&f->sink, clock_ms() + 10);
	}
	sink_close(&f->sink);
	read_sink(f, &b, SIZE_MAX);
	for (text = b.data, left = b.len; left > 0;) {
		const char *end = memchr(text, '\n', left);

		assert_non_null(end);
		note = memmem(text, (size_t)(end - text), "Error L12: ", STRLEN("Error L12: "));
		if (note)
			told += strtoull(note + STRLEN("Error L12: "), NULL, 10);
		else
			lines++;
		left -= (size_t)(end + 1 - text);
		text = end + 1;
	}
	assert_true(lines > 0);
	assert_int_equal(lines + told, 50000);
}

/* T35, killed reader: the app goes on, and what is lost is known. */
static void output__reader_is_killed__app_goes_on_and_losses_are_counted(void **state)
{
	struct fixture *f = *state;
	_cleanup_sbuf_ struct sbuf b = {0};
	uint64_t before;
	pid_t pid;

	to_pipe(f);
	pid = start_flood(f, f->output.child_fd[0], LONG_LIMIT, 60);
	assert_int_equal(output_started(&f->output), 0);
	run_until(f, f->sink.stuck);
	read_sink(f, &b, 50 * (HEAD_BYTES + 61));
	close_fdp(&f->pipe[0]);
	do
		run_for(f, 5);
	while (!has_ended(pid));
	output_drain(&f->output, 1000);
	/* What the pipe still held nobody has read, and nobody can know that. */
	assert_in_range(f->sink.dropped, LONG_LIMIT - 50 - (1U << 16) / (HEAD_BYTES + 61) - 2,
			LONG_LIMIT - 50);
	before = cpu_us();
	run_for(f, 200);
	assert_in_range(cpu_us() - before, 0, 20000);
}

/* T35, no reader at all: every line is counted. */
static void output__no_reader__every_line_is_counted(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	to_pipe(f);
	close_fdp(&f->pipe[0]);
	pid = start_flood(f, f->output.child_fd[1], LONG_LIMIT, 60);
	assert_int_equal(output_started(&f->output), 0);
	do
		run_for(f, 5);
	while (!has_ended(pid));
	output_drain(&f->output, 1000);
	assert_int_equal(f->sink.dropped, LONG_LIMIT);
}

/* An overlapping restart: two generations at a slow reader. */
static void output__two_generations_at_a_slow_reader__nothing_is_lost(void **state)
{
	struct fixture *f = *state;
	struct output second = OUTPUT_INIT;
	_cleanup_sbuf_ struct sbuf b = {0};
	const char *line, *text;
	unsigned int lines = 0;
	size_t left;
	pid_t pids[2];

	to_pipe(f);
	assert_int_equal(output_open(&second, &f->loop, &f->sink, "web.1", &f->err), 0);
	assert_int_equal(f->loop.n_timers, 2);
	pids[0] = start_flood(f, f->output.child_fd[0], LONG_LIMIT, 1);
	pids[1] = start_flood(f, second.child_fd[1], LONG_LIMIT, 1);
	assert_int_equal(output_started(&f->output), 0);
	assert_int_equal(output_started(&second), 0);
	assert_int_equal(fcntl(f->pipe[0], F_SETFL, O_NONBLOCK), 0);
	while (f->output.stream[0].fd >= 0 || second.stream[1].fd >= 0 || f->sink.stuck) {
		read_sink(f, &b, 30000);
		run_for(f, 1);
	}
	read_sink(f, &b, SIZE_MAX);
	text = b.data;
	left = b.len;
	for (; left > 0; lines++)
		assert_int_equal(next(&text, &left, &line), 8);
	assert_int_equal(lines, 2 * LONG_LIMIT);
	assert_int_equal(waitpid(pids[0], NULL, 0), pids[0]);
	assert_int_equal(waitpid(pids[1], NULL, 0), pids[1]);
	output_close(&second);
	assert_ptr_equal(f->sink.outputs, &f->output);
}

/* ---- the end -------------------------------------------------------------------------------- */

/* T29: somebody outside has got the descriptor. */
static void output_drain__pipe_is_kept_open__ends_at_the_limit(void **state)
{
	static const char *const want[] = {"done", "unfinished"};
	struct fixture *f = *state;
	uint64_t began;

	to_files(f);
	f->held_open = dyno_end(f, 0);
	assert_int_equal(output_started(&f->output), 0);
	print(f->held_open, "done\nunfinished");
	began = clock_ms();
	output_drain(&f->output, 50);
	assert_in_range(clock_ms() - began, 50, 20000);
	assert_int_equal(f->output.stream[0].fd, -EBADF);
	assert_lines(f, want, ARRAY_SIZE(want));
}

static void output_drain__no_time__what_is_there_is_written(void **state)
{
	static const char *const want[] = {"done", "unfinished"};
	struct fixture *f = *state;

	to_files(f);
	f->held_open = dyno_end(f, 1);
	assert_int_equal(output_started(&f->output), 0);
	print(f->held_open, "done\nunfinished");
	output_drain(&f->output, 0);
	assert_lines(f, want, ARRAY_SIZE(want));
}

/* What a reader that does not read keeps the dyno from saying is counted. */
static void output_drain__sink_stays_full__rest_is_counted(void **state)
{
	struct fixture *f = *state;
	_cleanup_sbuf_ struct sbuf b = {0};
	const char *line, *text;
	unsigned int lines = 0;
	uint64_t began;
	size_t left;
	pid_t pid;

	to_pipe(f);
	pid = start_flood(f, f->output.child_fd[0], 5000, 60);
	assert_int_equal(output_started(&f->output), 0);
	run_until(f, f->sink.stuck);
	/* Until it can print the rest, which is still more than the reader's pipe holds. */
	while (b.len < 3500 * (HEAD_BYTES + 61)) {
		run_until(f, f->sink.stuck);
		read_sink(f, &b, MIN_OF((size_t)4096, 3500 * (HEAD_BYTES + 61) - b.len));
		run_for(f, 1);
	}
	run_until(f, has_ended(pid));
	began = clock_ms();
	output_drain(&f->output, 50);
	assert_true(clock_ms() - began >= 50);
	assert_true(f->sink.stuck);
	assert_true(f->sink.dropped > 0);
	assert_null(f->sink.held);

	assert_int_equal(fcntl(f->pipe[0], F_SETFL, O_NONBLOCK), 0);
	while (f->sink.stuck) {
		read_sink(f, &b, SIZE_MAX);
		sink_wait(&f->sink, clock_ms() + 10);
	}
	read_sink(f, &b, SIZE_MAX);
	text = b.data;
	left = b.len;
	while (left > 0) {
		if (text[STRLEN("2026-06-01T12:00:00.123456+00:00 ")] == 'h') {
			/* L12 */
			left -= (size_t)(strchr(text, '\n') + 1 - text);
			text = strchr(text, '\n') + 1;
			continue;
		}
		assert_int_equal(next(&text, &left, &line), 60);
		lines++;
	}
	assert_int_equal(lines + f->sink.dropped, 5000);
}

static void output_close__while_held__counted_and_forgotten(void **state)
{
	static char newlines[60000];
	struct fixture *f = *state;
	int out;

	memset(newlines, '\n', sizeof(newlines));
	to_pipe(f);
	out = dyno_end(f, 0);
	assert_int_equal(output_started(&f->output), 0);
	print_bytes(out, newlines, sizeof(newlines));
	run_until(f, f->sink.held);
	output_close(&f->output);
	close_fdp(&out);
	assert_null(f->sink.held);
	assert_null(f->sink.outputs);
	assert_in_range(f->sink.dropped, sizeof(newlines) / 2, sizeof(newlines));
	run_for(f, 5);
}

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

static void output_close__any_time__no_descriptor_is_left(void **state)
{
	struct fixture *f = *state;
	unsigned int before = open_fds();
	struct output o = OUTPUT_INIT;

	output_drain(&o, 1000);
	output_close(&o);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sink_open_files(&f->sink, &f->store, "shop", "web.1", &f->err), 0);
		assert_int_equal(output_open(&o, &f->loop, &f->sink, "web.1", &f->err), 0);
		if (i > 0)
			assert_int_equal(output_started(&o), 0);
		if (i > 1)
			output_drain(&o, 10);
		output_close(&o);
		sink_close(&f->sink);
	}
	assert_int_equal(open_fds(), before);
}

static void output_open__no_descriptors__error(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, low;
	int r;

	assert_int_equal(sink_open_files(&f->sink, &f->store, "shop", "web.1", &f->err), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)fcntl(0, F_DUPFD_CLOEXEC, 3) + 3;
	assert_int_equal(close((int)low.rlim_cur - 3), 0); /* three are free, four are needed */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	r = output_open(&f->output, &f->loop, &f->sink, "web.1", &f->err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(f->err.kind, ERR_IO);
	assert_non_null(strstr(f->err.msg, "web.1"));
	assert_int_equal(f->output.stream[0].fd, -9);
	assert_null(f->sink.outputs);
}

static void on_never(struct loop *loop, int fd, short revents, void *data)
{
	(void)loop;
	(void)fd;
	(void)revents;
	(void)data;
	fail();
}

static void output_started__loop_is_full__error(void **state)
{
	struct fixture *f = *state;

	to_files(f);
	for (int i = 0; i < LOOP_MAX_SOURCES; i++)
		assert_int_equal(loop_add(&f->loop, 1000 + i, POLLIN, on_never, NULL), 0);
	assert_int_equal(output_started(&f->output), -ENOSPC);
}

/* ---- in a live dyno ------------------------------------------------------------------------- */

static const char *const argv_print[] = {
	"bash", "-c",
	"echo one; echo two >/dev/stdout; echo three >&2; echo four >/dev/stderr; printf five; "
	"sleep 100 & exit 0",
	NULL};

/* An app may open its streams anew, whoever it is; what it leaves behind ends with it. */
static void live_print(struct live *v, const struct live_case *c)
{
	static const struct {
		const char *text;
		enum logline_stream stream;
	} want[] = {{"one", LOGLINE_STDOUT},
		    {"two", LOGLINE_STDOUT},
		    {"three", LOGLINE_STDERR},
		    {"four", LOGLINE_STDERR},
		    {"five", LOGLINE_STDOUT}};
	struct logline r;
	struct sink sink;
	struct output o;
	struct loop loop;
	char text[4096] = "", *line = text;
	int fd, status;

	live_make(v, c, argv_print);
	loop_init(&loop);
	MUST(sink_open_files(&sink, &v->store, "shop", "web.1", &v->err) == 0);
	MUST(output_open(&o, &loop, &sink, "web.1", &v->err) == 0);
	v->launch.stdio[1] = o.child_fd[0];
	v->launch.stdio[2] = o.child_fd[1];
	live_start(v);
	MUST(output_started(&o) == 0);
	live_wait(v, INIT_MSG_EXITED);
	MUST(launch_kill(&v->launch) == 0);
	MUST(proc_wait(v->launch.pidfd, &status) == 0);
	output_drain(&o, 1000);
	MUST(sink.dropped == 0);
	output_close(&o);
	sink_close(&sink);
	fd = openat(v->store.data_fd, "logs/shop/web.1.log", O_RDONLY | O_CLOEXEC);
	MUST(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && close(fd) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		char *end = strchr(line, '\n');

		MUST(end && logline_parse(line, (size_t)(end - line), &r));
		MUST(r.text.len == strlen(want[i].text));
		MUST(memcmp(r.text.s, want[i].text, r.text.len) == 0);
		MUST(r.stream == want[i].stream);
		line = end + 1;
	}
	MUST(*line == '\0');
	live_done(v);
}

static void output__live_dyno__its_streams_can_be_opened_anew(void **state)
{
	static const struct live_case cases[] = {{.rootless = false}, {.rootless = true}};
	size_t skipped = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int status = live_run(&cases[i], live_print);

		skipped += status == LIVE_SKIP;
		assert_true(status == 0 || status == LIVE_SKIP);
	}
	if (skipped == ARRAY_SIZE(cases))
		skip();
}

#define WITH_OUTPUT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_OUTPUT(output__both_streams__lines_of_one_log),
		WITH_OUTPUT(output__both_streams_in_one_breath__in_the_order_of_the_app),
		WITH_OUTPUT(output_open__dynos_ends__block),
		WITH_OUTPUT(output__long_line__in_pieces),
		WITH_OUTPUT(output__newline_after_a_full_line__no_empty_record),
		WITH_OUTPUT(output__text_that_imitates_the_platform__cannot_be_taken_for_it),
		WITH_OUTPUT(output__imitation_at_the_place_of_a_cut__has_a_head),
		WITH_OUTPUT(output__byte_by_byte__one_line),
		WITH_OUTPUT(output__flood__all_lines_in_the_file),
		WITH_OUTPUT(output__line_of_100_mib__in_constant_memory),
		WITH_OUTPUT(output__slow_reader__app_waits_and_nothing_spins),
		WITH_OUTPUT(output__slow_reader_of_empty_lines__nothing_is_lost),
		WITH_OUTPUT(output__reader_is_killed__app_goes_on_and_losses_are_counted),
		WITH_OUTPUT(output__no_reader__every_line_is_counted),
		WITH_OUTPUT(output__two_generations_at_a_slow_reader__nothing_is_lost),
		WITH_OUTPUT(output_drain__pipe_is_kept_open__ends_at_the_limit),
		WITH_OUTPUT(output_drain__no_time__what_is_there_is_written),
		WITH_OUTPUT(output__reader_sleeps_and_sink_drops__app_goes_on),
		WITH_OUTPUT(output_drain__sink_stays_full__rest_is_counted),
		WITH_OUTPUT(output_close__while_held__counted_and_forgotten),
		WITH_OUTPUT(output_close__any_time__no_descriptor_is_left),
		WITH_OUTPUT(output_open__no_descriptors__error),
		WITH_OUTPUT(output_started__loop_is_full__error),
		cmocka_unit_test(output__live_dyno__its_streams_can_be_opened_anew),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
