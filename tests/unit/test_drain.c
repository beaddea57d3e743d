/* SPDX-License-Identifier: Apache-2.0 */
/* test_drain.c - what the drains of dyno-drain have in common: how losses are counted (C10.8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "drain/drain.h"

#define TIME "2026-06-01T12:00:00.123456+00:00"

static struct drain_shared *new_shared(void)
{
	struct drain_shared *shared = calloc(1, sizeof(*shared));

	assert_non_null(shared);
	shared->app = "shop";
	shared->dyno = "web.1";
	shared->platform = "heroku";
	shared->feed_fd = -EBADF;
	return shared;
}

static void free_shared(struct drain_shared *shared)
{
	ring_done(&shared->ring);
	free(shared);
}

static void add(struct drain_shared *shared, const char *record)
{
	ring_add(&shared->ring, record, strlen(record), drain_stands_for(record, strlen(record)));
}

static void add_lines(struct drain_shared *shared, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add(shared, TIME " app[web.1]: a line");
}

/* A file that takes nothing, as on a full disk: each try loses what it took. */
static void drain_lose__of_notes__each_record_counts_once(void **state)
{
	struct drain_shared *shared = new_shared();
	struct drain d = {.shared = shared, .fd = -EBADF, .poll_fd = -1};
	struct dyno_err err = {0};
	uint64_t now = 1, since;

	(void)state;
	d.kind = &drain_file;
	d.url = (struct logurl){.kind = LOGURL_FILE, .path = "/dev/full", .shown = "/dev/full"};
	if (d.kind->open(&d, &err) < 0) {
		free_shared(shared);
		skip(); /* a place without the device */
	}
	add_lines(shared, 3);
	d.kind->service(&d, now);
	assert_int_equal(d.lost.count, 3);
	assert_int_equal(d.lost.untold, 3);
	since = d.lost.since_us;
	for (size_t i = 0; i < 3; i++) {
		/* the note is lost and nothing else: neither log nor drain counts it again */
		now = d.retry_at_ms;
		d.kind->service(&d, now);
		assert_int_equal(d.lost.count, 3);
		assert_int_equal(d.lost.untold, 3);
		assert_int_equal(d.lost.since_us, since);
	}
	/* two, and a note of the monitor's that tells of seven */
	add_lines(shared, 2);
	add(shared, TIME " heroku[web.1]: Error L12: 7 messages dropped since " TIME ".");
	add_lines(shared, 1);
	for (size_t i = 0; i < 8; i++) {
		now = d.retry_at_ms;
		d.kind->service(&d, now);
	}
	assert_int_equal(drain_waiting(&d), 0);
	assert_int_equal(d.lost.count, 13);
	assert_int_equal(d.lost.untold, 13);
	d.kind->close(&d);
	sbuf_done(&d.out);
	free_shared(shared);
}

/* The rest of a line is lost, and nothing but the note of it comes next. */
static void drain_file__note_behind_a_torn_line__is_a_line(void **state)
{
	struct drain_shared *shared = new_shared();
	struct drain d = {.shared = shared, .fd = -EBADF, .poll_fd = -1};
	char path[] = "/tmp/test_drain.XXXXXX", text[512] = "";
	_cleanup_close_ int fd = mkostemp(path, O_CLOEXEC);
	struct dyno_err err = {0};

	(void)state;
	assert_true(fd >= 0);
	d.kind = &drain_file;
	d.url = (struct logurl){.kind = LOGURL_FILE, .path = path, .shown = path};
	assert_int_equal(d.kind->open(&d, &err), 0);
	assert_int_equal(write(fd, "a li", 4), 4);
	d.torn = true;
	add_lines(shared, 1);
	assert_true(drain_next(&d, &(struct logline){0}));
	drain_taken(&d);
	drain_lose(&d);
	d.kind->service(&d, 1);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_memory_equal(text, "a li\n", 5);
	assert_non_null(strstr(text, " heroku[web.1]: Error L13: 1 messages lost since "));
	assert_int_equal(d.lost.count, 0);
	(void)unlink(path); /* ours */
	d.kind->close(&d);
	sbuf_done(&d.out);
	free_shared(shared);
}

/* What has got through is not lost by a later failure. */
static void drain_lose__of_a_batch_that_was_settled__nothing(void **state)
{
	struct drain_shared *shared = new_shared();
	struct drain d = {.shared = shared, .fd = -EBADF, .poll_fd = -1};
	struct logline line;

	(void)state;
	add_lines(shared, 2);
	assert_true(drain_next(&d, &line));
	drain_taken(&d);
	drain_settled(&d);
	drain_lose(&d);
	assert_int_equal(d.lost.count, 0);
	assert_true(drain_next(&d, &line));
	drain_taken(&d);
	drain_lose(&d);
	assert_int_equal(d.lost.count, 1);
	free_shared(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drain_lose__of_notes__each_record_counts_once),
		cmocka_unit_test(drain_file__note_behind_a_torn_line__is_a_line),
		cmocka_unit_test(drain_lose__of_a_batch_that_was_settled__nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
