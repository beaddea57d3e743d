/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_logs.c - the logs of an app's dynos read as one (C10.2): their order, how many, from when on,
 * across turns and removals of the files, and files that are damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errclass.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/timetext.h"
#include "engine/logs.h"

/* Every line has this time, and microseconds of its own. */
#define DAY "2026-06-01T12:00:00."

struct fixture {
	char dir[64];
	int dir_fd;
	struct dyno_host *host;
	struct dyno_log *log;
	struct dyno_err err;
	struct sbuf out;
};

static int set_up(void **state)
{
	static struct fixture f;
	struct dyno_host_opts opts = {0};

	f = (struct fixture){.dir_fd = -EBADF};
	str_fmt(f.dir, sizeof(f.dir), "/tmp/dyno-logs.XXXXXX");
	*state = &f;
	if (!mkdtemp(f.dir))
		return -1;
	f.dir_fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	opts.data_dir = f.dir;
	opts.run_dir = f.dir;
	return f.dir_fd >= 0 && mkdirat(f.dir_fd, "logs", 0700) == 0 &&
			       mkdirat(f.dir_fd, "logs/shop", 0700) == 0 &&
			       dyno_host_open(&opts, &f.host, &f.err) == 0
		       ? 0
		       : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	dyno_log_close(f->log);
	dyno_host_free(f->host);
	sbuf_done(&f->out);
	close_fdp(&f->dir_fd);
	r = path_remove_tree(tmp_fd, f->dir + strlen("/tmp/"));
	close_fdp(&tmp_fd);
	return r;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Appends bytes to logs/@path. */
static void put(const struct fixture *f, const char *path, const char *text, size_t len)
{
	_cleanup_close_ int fd = -EBADF;
	char name[128];

	str_fmt(name, sizeof(name), "logs/%s", path);
	fd = openat(f->dir_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, len), len);
}

static void put_text(const struct fixture *f, const char *path, const char *text)
{
	put(f, path, text, strlen(text));
}

/* A record of app[@dyno] for each number, which is its time and its text. */
static void put_numbers(const struct fixture *f, const char *path, const char *dyno,
			unsigned int from, unsigned int to, unsigned int step)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	for (unsigned int i = from; i < to; i += step)
		sbuf_addf(&b, DAY "%06u+00:00 app[%s]: %u\n", i, dyno, i);
	put(f, path, sbuf_str(&b), b.len);
}

static void turn(const struct fixture *f, const char *dyno)
{
	char from[128], to[128];

	str_fmt(from, sizeof(from), "logs/shop/%s.log", dyno);
	str_fmt(to, sizeof(to), "logs/shop/%s.log.1", dyno);
	assert_int_equal(renameat(f->dir_fd, from, f->dir_fd, to), 0);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int add_text(void *data, const struct dyno_log_line *line)
{
	struct fixture *f = data;

	sbuf_add(&f->out, line->text, line->text_len);
	sbuf_addc(&f->out, ' ');
	return 0;
}

static const char *texts(struct fixture *f)
{
	f->out.len = 0;
	sbuf_adds(&f->out, "");
	assert_int_equal(dyno_log_read(f->log, add_text, f, &f->err), 0);
	if (f->out.len > 0)
		f->out.data[--f->out.len] = '\0';
	return sbuf_str(&f->out);
}

static int open_log(struct fixture *f, struct dyno_log_opts opts)
{
	dyno_log_close(f->log);
	f->log = NULL;
	return dyno_log_open(f->host, &opts, &f->log, &f->err);
}

static const char *texts_of(struct fixture *f, struct dyno_log_opts opts)
{
	assert_int_equal(open_log(f, opts), 0);
	return texts(f);
}

#define ALL ((struct dyno_log_opts){.lines = DYNO_LOG_ALL})

static void dyno_log_read__two_dynos__in_the_order_of_their_times(void **state)
{
	struct fixture *f = *state;

	put_numbers(f, "shop/web.1.log", "web.1", 1, 10, 3);
	put_numbers(f, "shop/web.2.log.1", "web.2", 2, 6, 3);
	put_numbers(f, "shop/web.2.log", "web.2", 8, 10, 3);
	put_numbers(f, "shop/worker.1.log", "worker.1", 3, 10, 3);
	assert_string_equal(texts_of(f, ALL), "1 2 3 4 5 6 7 8 9");
	assert_string_equal(texts(f), "");
}

static void dyno_log_read__equal_times_and_a_clock_set_back__files_keep_their_order(void **state)
{
	struct fixture *f = *state;

	put_numbers(f, "shop/a.1.log", "a.1", 7, 8, 1);
	put_numbers(f, "shop/a.1.log", "a.1", 3, 4, 1);
	put_numbers(f, "shop/a.1.log", "a.1", 7, 8, 1);
	put_numbers(f, "shop/b.1.log", "b.1", 7, 8, 1);
	assert_string_equal(texts_of(f, (struct dyno_log_opts){.lines = 4}), "7 3 7 7");
}

/* Any number, at and around the border of the two files. */
static void dyno_log_open__some_lines__exactly_the_last(void **state)
{
	struct fixture *f = *state;

	put_numbers(f, "shop/web.1.log.1", "web.1", 0, 500, 2);
	put_numbers(f, "shop/web.1.log", "web.1", 500, 1000, 2);
	put_numbers(f, "shop/web.2.log", "web.2", 1, 1000, 2);
	for (unsigned int n = 0; n<1010; n += n> 520 ? 61 : 1) {
		_cleanup_sbuf_ struct sbuf b = {0};

		for (unsigned int i = n < 1000 ? 1000 - n : 0; i < 1000; i++)
			sbuf_addf(&b, "%s%u", b.len ? " " : "", i);
		assert_string_equal(texts_of(f, (struct dyno_log_opts){.lines = n}), sbuf_str(&b));
	}
}

static void dyno_log_open__a_long_log__far_back_across_blocks(void **state)
{
	struct fixture *f = *state;
	_cleanup_sbuf_ struct sbuf b = {0};
	const size_t lengths[] = {1, 8000, 8191, 8192, 8193, 40000, 3, 65000, 10};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		sbuf_addf(&b, DAY "%06zu+00:00 app[web.1]: %zu", i, i);
		for (size_t n = 0; n < lengths[i]; n++)
			sbuf_addc(&b, '.');
		sbuf_addc(&b, '\n');
	}
	put(f, "shop/web.1.log", sbuf_str(&b), b.len);
	for (size_t n = 1; n <= ARRAY_SIZE(lengths); n++) {
		char *text, *save = NULL;
		size_t i = ARRAY_SIZE(lengths) - n;

		(void)texts_of(f, (struct dyno_log_opts){.lines = n});
		for (text = strtok_r(f->out.data, " ", &save); text;
		     text = strtok_r(NULL, " ", &save), i++) {
			assert_int_equal(text[0], '0' + (int)i);
			assert_int_equal(strlen(text), 1 + lengths[i]);
		}
		assert_int_equal(i, ARRAY_SIZE(lengths));
	}
}

static void dyno_log_open__since__nothing_older(void **state)
{
	struct fixture *f = *state;
	struct dyno_log_opts opts = ALL;

	put_numbers(f, "shop/web.1.log.1", "web.1", 0, 50, 2);
	put_numbers(f, "shop/web.1.log", "web.1", 50, 100, 2);
	put_numbers(f, "shop/web.2.log", "web.2", 1, 100, 2);
	assert_int_equal(time_parse(DAY "000096", strlen(DAY "000096"), &opts.since_us), 0);
	assert_string_equal(texts_of(f, opts), "96 97 98 99");
	opts.lines = 3;
	assert_string_equal(texts_of(f, opts), "97 98 99");
	opts.lines = 50;
	assert_string_equal(texts_of(f, opts), "96 97 98 99");
	opts.since_us += 1000000;
	assert_string_equal(texts_of(f, opts), "");
}

static int check_line(void *data, const struct dyno_log_line *line)
{
	assert_string_equal(line->app, "shop");
	assert_string_equal(line->dyno, "web.1");
	assert_string_equal(line->source, "app");
	assert_int_equal(line->time_us, UINT64_C(1780315200) * 1000000 + 7);
	assert_int_equal(line->record_len, strlen(DAY "000007+00:00 app[web.1]: 7"));
	(*(int *)data)++;
	return 5;
}

static void dyno_logs__a_callback_that_has_enough__is_called_no_more(void **state)
{
	struct fixture *f = *state;
	struct dyno_log_opts opts = ALL;
	int calls = 0;

	put_numbers(f, "shop/web.1.log", "web.1", 7, 9, 1);
	assert_int_equal(dyno_logs(f->host, &opts, check_line, &calls, &f->err), 5);
	assert_int_equal(calls, 1);
	/* The next call goes on behind it. */
	assert_int_equal(open_log(f, opts), 0);
	assert_int_equal(dyno_log_read(f->log, check_line, &calls, &f->err), 5);
	assert_string_equal(texts(f), "8");
}

static void dyno_log_open__source__the_others_do_not_count(void **state)
{
	struct fixture *f = *state;
	struct dyno_log_opts opts = {.lines = 2};

	put_text(f, "shop/web.1.log",
		 DAY "000001+00:00 heroku[web.1]: up\n" DAY "000002+00:00 app[web.1]: a\n" DAY
		     "000003+00:00 app[web.1]: heroku[web.1]: b\n" DAY
		     "000004+00:00 platform[web.1]: down\n" DAY "000005+00:00 app[web.1]: c\n");
	opts.source = "app";
	assert_string_equal(texts_of(f, opts), "heroku[web.1]: b c");
	opts.source = "heroku";
	assert_string_equal(texts_of(f, opts), "up down");
	opts.source = "router";
	assert_int_equal(open_log(f, opts), -EINVAL);
	assert_int_equal(f->err.kind, ERR_USAGE);
}

/* ---- which ----------------------------------------------------------------------------------- */

static void put_apps(const struct fixture *f)
{
	assert_int_equal(mkdirat(f->dir_fd, "logs/blog", 0700), 0);
	assert_int_equal(mkdirat(f->dir_fd, "logs/empty", 0700), 0);
	put_text(f, "shop/web.1.log", DAY "000001+00:00 app[web.1]: shop/web.1\n");
	put_text(f, "shop/run.7.log.1", DAY "000002+00:00 app[run.7]: shop/run.7\n");
	put_text(f, "blog/web.1.log", DAY "000003+00:00 app[web.1]: blog/web.1\n");
	put_text(f, "blog/notes", "no log\n");
	put_text(f, "blog/.log", "none of any name\n");
}

static void dyno_log_open__words__the_app_and_the_dynos_that_are_meant(void **state)
{
	static const struct {
		const char *app, *word, *texts;
		uint16_t kind;
	} cases[] = {
		{"shop", NULL, "shop/web.1 shop/run.7", 0},
		{NULL, "shop", "shop/web.1 shop/run.7", 0},
		{NULL, "shop/", "shop/web.1 shop/run.7", 0},
		{NULL, "shop/web.1", "shop/web.1", 0},
		{"shop", "web", "shop/web.1", 0},
		{NULL, "run", "shop/run.7", 0},
		{NULL, "r*", "shop/run.7", 0},
		{"blog", "web.*", "blog/web.1", 0},
		{NULL, NULL, NULL, ERR_USAGE},
		{NULL, "web", NULL, ERR_USAGE},
		{NULL, "", NULL, ERR_NOT_FOUND},
		{NULL, "wob", NULL, ERR_NOT_FOUND},
		{"shop", "blog/web.1", NULL, ERR_NOT_FOUND},
		{"empty", NULL, NULL, ERR_NOT_FOUND},
		{"../logs/shop", NULL, NULL, ERR_NOT_FOUND},
		{NULL, "../logs/shop", NULL, ERR_NOT_FOUND},
	};
	struct fixture *f = *state;

	put_apps(f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dyno_log_opts opts = {.app = cases[i].app,
					     .patterns = &cases[i].word,
					     .n_patterns = cases[i].word ? 1 : 0,
					     .lines = 9};

		if (cases[i].texts) {
			assert_string_equal(texts_of(f, opts), cases[i].texts);
			continue;
		}
		assert_true(open_log(f, opts) < 0);
		assert_int_equal(f->err.kind, cases[i].kind);
	}
}

static void dyno_log_open__nothing_kept__says_so(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_log(f, ALL), -ENOENT);
	assert_string_equal(f->err.msg, "no log");
	assert_int_equal(path_remove_tree(f->dir_fd, "logs"), 0);
	assert_int_equal(open_log(f, ALL), -ENOENT);
}

/* ---- following ------------------------------------------------------------------------------- */

static void dyno_log_read__turns__no_line_lost_or_doubled(void **state)
{
	struct fixture *f = *state;

	put_numbers(f, "shop/web.1.log", "web.1", 0, 3, 1);
	assert_string_equal(texts_of(f, (struct dyno_log_opts){.lines = 1}), "2");
	put_numbers(f, "shop/web.1.log", "web.1", 3, 5, 1);
	turn(f, "web.1");
	assert_string_equal(texts(f), "3 4");
	assert_string_equal(texts(f), "");
	put_numbers(f, "shop/web.1.log", "web.1", 5, 7, 1);
	assert_string_equal(texts(f), "5 6");
	/* Two turns between two looks: all three files. */
	put_numbers(f, "shop/web.1.log", "web.1", 7, 8, 1);
	turn(f, "web.1");
	put_numbers(f, "shop/web.1.log", "web.1", 8, 9, 1);
	turn(f, "web.1");
	put_numbers(f, "shop/web.1.log", "web.1", 9, 10, 1);
	assert_string_equal(texts(f), "7 8 9");
	/* A turn between the history and the first look. */
	assert_int_equal(open_log(f, (struct dyno_log_opts){.lines = 0}), 0);
	turn(f, "web.1");
	put_numbers(f, "shop/web.1.log", "web.1", 10, 11, 1);
	assert_string_equal(texts(f), "10");
}

static void dyno_log_read__half_a_line__waits_for_its_end(void **state)
{
	struct fixture *f = *state;

	put_numbers(f, "shop/web.1.log", "web.1", 0, 2, 1);
	put_text(f, "shop/web.1.log", DAY "000002+00:00 app[web.1]: 2");
	assert_string_equal(texts_of(f, (struct dyno_log_opts){.lines = 1}), "1");
	put_text(f, "shop/web.1.log", ".5\n");
	assert_string_equal(texts(f), "2.5");
	put_text(f, "shop/web.1.log", DAY "000003+00:00 app[web.1]: torn");
	assert_string_equal(texts(f), "");
	turn(f, "web.1"); /* nobody will write its end */
	assert_string_equal(texts(f), "torn");
}

static void dyno_log_read__a_log_that_is_new_or_made_again__from_its_first_line(void **state)
{
	struct fixture *f = *state;
	struct pollfd p = {.events = POLLIN};

	put_numbers(f, "shop/web.1.log", "web.1", 0, 2, 1);
	assert_int_equal(open_log(f, (struct dyno_log_opts){.lines = 1}), 0);
	p.fd = dyno_log_fd(f->log, &f->err);
	assert_true(p.fd >= 0);
	assert_int_equal(dyno_log_fd(f->log, &f->err), p.fd);
	assert_string_equal(texts(f), "1");

	put_numbers(f, "shop/web.2.log", "web.2", 2, 4, 1);
	assert_int_equal(poll(&p, 1, 20000), 1);
	assert_string_equal(texts(f), "2 3");
	/* As `dyno rm` of both does, with the directory. */
	assert_int_equal(unlinkat(f->dir_fd, "logs/shop/web.1.log", 0), 0);
	assert_int_equal(unlinkat(f->dir_fd, "logs/shop/web.2.log", 0), 0);
	assert_int_equal(unlinkat(f->dir_fd, "logs/shop", AT_REMOVEDIR), 0);
	for (const char *s = "wait"; *s; s = texts(f)) /* a file that is gone has no more lines */
		assert_int_equal(poll(&p, 1, 20000), 1);
	assert_int_equal(mkdirat(f->dir_fd, "logs/shop", 0700), 0);
	put_numbers(f, "shop/web.1.log", "web.1", 4, 6, 1);
	do
		assert_int_equal(poll(&p, 1, 20000), 1);
	while (!*texts(f));
	assert_string_equal(sbuf_str(&f->out), "4 5");
	/* The watch is on the new one. */
	put_numbers(f, "shop/web.1.log", "web.1", 6, 7, 1);
	do
		assert_int_equal(poll(&p, 1, 20000), 1);
	while (!*texts(f));
	assert_string_equal(sbuf_str(&f->out), "6");
}

static void dyno_log_read__a_file_that_is_emptied__goes_on_at_its_beginning(void **state)
{
	struct fixture *f = *state;

	put_numbers(f, "shop/web.1.log", "web.1", 0, 9, 1);
	assert_int_equal(open_log(f, (struct dyno_log_opts){.lines = 0}), 0);
	assert_string_equal(texts(f), "");
	{
		_cleanup_close_ int fd =
			openat(f->dir_fd, "logs/shop/web.1.log", O_WRONLY | O_TRUNC | O_CLOEXEC);

		assert_true(fd >= 0);
	}
	put_numbers(f, "shop/web.1.log", "web.1", 9, 10, 1);
	assert_string_equal(texts(f), "9");
}

/* ---- damage ---------------------------------------------------------------------------------- */

static int count_bytes(void *data, const struct dyno_log_line *line)
{
	assert_true(line->record_len <= LOGFILE_LINE_BYTES);
	*(size_t *)data += line->record_len;
	return 0;
}

static void dyno_log_read__damage__told_as_text_in_its_place(void **state)
{
	struct fixture *f = *state;

	put_text(f, "shop/web.1.log.1", "garbage\n");
	put_numbers(f, "shop/web.1.log.1", "web.1", 1, 2, 1);
	put_text(f, "shop/web.1.log.1", "\n9999-99-99T99:99:99.999999+00:00 app[web.1]: when\n");
	put_numbers(f, "shop/web.1.log", "web.1", 3, 4, 1);
	put_numbers(f, "shop/web.2.log", "web.2", 2, 5, 2);
	assert_string_equal(texts_of(f, ALL), "garbage 1  when 2 3 4");
	assert_string_equal(texts_of(f, (struct dyno_log_opts){.lines = 5}), " when 2 3 4");
	assert_string_equal(texts_of(f, (struct dyno_log_opts){.lines = 3, .source = "app"}),
			    "when 3 4");
}

static void dyno_log_read__a_hole_of_nul__pieces_of_bounded_length(void **state)
{
	struct fixture *f = *state;
	const off_t hole = 1000000;
	size_t bytes = 0;

	put_numbers(f, "shop/web.1.log", "web.1", 1, 2, 1);
	{
		_cleanup_close_ int fd =
			openat(f->dir_fd, "logs/shop/web.1.log", O_WRONLY | O_CLOEXEC);
		off_t end = lseek(fd, 0, SEEK_END);

		assert_int_equal(ftruncate(fd, end + hole), 0);
	}
	put_text(f, "shop/web.1.log", "\n");
	put_numbers(f, "shop/web.1.log", "web.1", 2, 3, 1);
	assert_string_equal(texts_of(f, (struct dyno_log_opts){.lines = 1}), "2");
	assert_int_equal(open_log(f, (struct dyno_log_opts){.lines = 2}), 0);
	assert_int_equal(dyno_log_read(f->log, count_bytes, &bytes, &f->err), 0);
	assert_int_equal(bytes, (size_t)hole + strlen(DAY "000002+00:00 app[web.1]: 2"));
}

static void dyno_log_open__no_files__passed_by(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdirat(f->dir_fd, "logs/shop/dir.1.log", 0700), 0);
	assert_int_equal(mkfifoat(f->dir_fd, "logs/shop/fifo.1.log", 0600), 0);
	assert_int_equal(symlinkat("/etc/passwd", f->dir_fd, "logs/shop/link.1.log"), 0);
	put_text(f, "shop/none.1.log", "");
	put_numbers(f, "shop/web.1.log", "web.1", 1, 3, 1);
	assert_string_equal(texts_of(f, (struct dyno_log_opts){.lines = 9}), "1 2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(dyno_log_read__two_dynos__in_the_order_of_their_times),
		TEST(dyno_log_read__equal_times_and_a_clock_set_back__files_keep_their_order),
		TEST(dyno_log_open__some_lines__exactly_the_last),
		TEST(dyno_log_open__a_long_log__far_back_across_blocks),
		TEST(dyno_log_open__since__nothing_older),
		TEST(dyno_logs__a_callback_that_has_enough__is_called_no_more),
		TEST(dyno_log_open__source__the_others_do_not_count),
		TEST(dyno_log_open__words__the_app_and_the_dynos_that_are_meant),
		TEST(dyno_log_open__nothing_kept__says_so),
		TEST(dyno_log_read__turns__no_line_lost_or_doubled),
		TEST(dyno_log_read__half_a_line__waits_for_its_end),
		TEST(dyno_log_read__a_log_that_is_new_or_made_again__from_its_first_line),
		TEST(dyno_log_read__a_file_that_is_emptied__goes_on_at_its_beginning),
		TEST(dyno_log_read__damage__told_as_text_in_its_place),
		TEST(dyno_log_read__a_hole_of_nul__pieces_of_bounded_length),
		TEST(dyno_log_open__no_files__passed_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
