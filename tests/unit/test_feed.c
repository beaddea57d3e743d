/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_feed.c - the monitor's end of its dyno-drain: what a helper that does not read, or is dead,
 * costs (T35, C10.8).  The helper is the other end of a socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "engine/feed.h"

#define HEAD	      "2026-06-01T12:00:00.123456+00:00 app[web.1]: "
#define NOTE	      " heroku[web.1]: Error L12: "
#define BATCH_RECORDS 1000U

/* @next: number of the next record; @theirs: the helper's end */
struct fixture {
	struct feed feed;
	struct drain_page page;
	uint64_t next;
	int theirs;
};

static void connect_helper(struct fixture *f)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f->feed.fd = pair[0];
	f->theirs = pair[1];
	f->page.settled = 0;
}

static struct fixture *new_fixture(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->feed = (struct feed){.source = "heroku", .dyno = "web.1", .page = &f->page};
	connect_helper(f);
	return f;
}

static void free_fixture(struct fixture *f)
{
	f->feed.page = NULL; /* no mapping */
	feed_close(&f->feed);
	close_fdp(&f->theirs);
	free(f);
}

static void give_batch(struct fixture *f)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	for (size_t i = 0; i < BATCH_RECORDS; i++)
		sbuf_addf(&b, HEAD "%llu\n", (unsigned long long)f->next++);
	assert_int_equal(sbuf_ok(&b), 0);
	feed_batch(&f->feed, b.data, b.len);
}

/* All that comes while the feed hands over what it has. */
static void read_all(struct fixture *f, struct sbuf *b)
{
	char buf[16384];
	ssize_t n;

	do {
		while ((n = recv(f->theirs, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
			sbuf_add(b, buf, (size_t)n);
		feed_wait(&f->feed, 0);
	} while (recv(f->theirs, buf, 1, MSG_DONTWAIT | MSG_PEEK) > 0);
	assert_int_equal(sbuf_ok(b), 0);
}

/* Whole records alone, numbers in their order, each note in the place of what it counts.
 * Return: the number after the last. */
static uint64_t check(const char *text, uint64_t from)
{
	uint64_t n;

	for (const char *end; *text; text = end + 1) {
		char number[24] = "";

		end = strchr(text, '\n');
		assert_non_null(end);
		if (str_starts(text, HEAD)) {
			text += strlen(HEAD);
			memcpy(number, text, MIN_OF((size_t)(end - text), sizeof(number) - 1));
			assert_int_equal(num_parse_u64(number, UINT64_MAX, &n), 0);
			assert_int_equal(n, from);
			from++;
		} else {
			text = strstr(text, NOTE);
			assert_true(text && text < end);
			text += strlen(NOTE);
			memcpy(number, text, strcspn(text, " "));
			assert_int_equal(num_parse_u64(number, UINT64_MAX, &n), 0);
			from += n;
		}
	}
	return from;
}

static void feed_batch__helper_sleeps__oldest_that_wait_are_lost_and_told(void **state)
{
	struct fixture *f = new_fixture();
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	for (size_t i = 0; i < 100; i++)
		give_batch(f);
	assert_true(feed_is_full(&f->feed));
	assert_true(f->feed.left.len <= FEED_LEFT_BYTES);
	assert_true(f->feed.dropped > 0);
	read_all(f, &b);
	assert_false(feed_is_full(&f->feed));
	/* the last of all is among those that were kept */
	assert_int_equal(check(sbuf_str(&b), 0), f->next);
	assert_non_null(strstr(sbuf_str(&b), NOTE));
	give_batch(f);
	b.len = 0;
	read_all(f, &b);
	assert_int_equal(check(sbuf_str(&b), f->next - BATCH_RECORDS), f->next);
	free_fixture(f);
}

static void feed_batch__helper_reads_a_little_at_a_time__no_record_is_torn(void **state)
{
	struct fixture *f = new_fixture();
	_cleanup_sbuf_ struct sbuf b = {0};
	char buf[7001];

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		ssize_t n = recv(f->theirs, buf, sizeof(buf), MSG_DONTWAIT);

		if (n > 0)
			sbuf_add(&b, buf, (size_t)n);
		give_batch(f);
	}
	read_all(f, &b);
	assert_int_equal(check(sbuf_str(&b), 0), f->next);
	free_fixture(f);
}

/* It was killed with most in the socket, and what it had read only partly delivered. */
static void feed_batch__helper_is_killed__next_one_is_told_what_was_lost(void **state)
{
	struct fixture *f = new_fixture();
	_cleanup_sbuf_ struct sbuf b = {0};
	const uint64_t settled = 1234;
	uint64_t was;

	(void)state;
	for (size_t i = 0; i < 20; i++)
		give_batch(f);
	was = f->feed.dropped;
	assert_true(feed_is_full(&f->feed));
	f->page.settled = settled;
	close_fdp(&f->theirs);
	give_batch(f);
	assert_int_equal(f->feed.fd, -EBADF);
	assert_true(f->feed.dropped > was);
	give_batch(f); /* nobody is there */
	connect_helper(f);
	read_all(f, &b);
	assert_int_equal(check(sbuf_str(&b), settled), f->next);
	free_fixture(f);
}

/* A note that is lost with its helper is not forgotten. */
static void feed_batch__helper_is_killed_with_a_note__count_is_told_again(void **state)
{
	struct fixture *f = new_fixture();
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)state;
	for (size_t round = 0; round < 3; round++) {
		give_batch(f);
		close_fdp(&f->theirs);
		give_batch(f);
		assert_int_equal(f->feed.fd, -EBADF);
		connect_helper(f);
		give_batch(f);
	}
	read_all(f, &b);
	assert_int_equal(check(sbuf_str(&b), 0), f->next);
	free_fixture(f);
}

static void feed_close__helper_sleeps__ends_in_time(void **state)
{
	struct fixture *f = new_fixture();

	(void)state;
	for (size_t i = 0; i < 20; i++)
		give_batch(f);
	free_fixture(f); /* a test that hangs is killed */
}

static void feed_close__helper_is_slow__gets_the_last_record(void **state)
{
	struct fixture *f = new_fixture();
	_cleanup_sbuf_ struct sbuf b = {0};
	char buf[16384];
	uint64_t last;
	pid_t pid;
	ssize_t n;

	(void)state;
	for (size_t i = 0; i < 20; i++)
		give_batch(f);
	last = f->next;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close_fdp(&f->theirs);
		f->feed.page = NULL;
		feed_close(&f->feed);
		_exit(0);
	}
	close_fdp(&f->feed.fd);
	while ((n = recv(f->theirs, buf, sizeof(buf), 0)) > 0)
		sbuf_add(&b, buf, (size_t)n);
	assert_int_equal(sbuf_ok(&b), 0);
	assert_int_equal(check(sbuf_str(&b), 0), last);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	free_fixture(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(feed_batch__helper_sleeps__oldest_that_wait_are_lost_and_told),
		cmocka_unit_test(feed_batch__helper_reads_a_little_at_a_time__no_record_is_torn),
		cmocka_unit_test(feed_batch__helper_is_killed__next_one_is_told_what_was_lost),
		cmocka_unit_test(feed_batch__helper_is_killed_with_a_note__count_is_told_again),
		cmocka_unit_test(feed_close__helper_sleeps__ends_in_time),
		cmocka_unit_test(feed_close__helper_is_slow__gets_the_last_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
