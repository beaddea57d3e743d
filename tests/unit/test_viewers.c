/* SPDX-License-Identifier: Apache-2.0 */
/* test_viewers.c - those who look on: the ring, who is too slow, the one who types, and the ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/util.h"
#include "engine/viewers.h"

/* @takes: of each input so many bytes; @timer: ends a turn of the loop */
struct world {
	struct loop loop;
	struct viewers v;
	int timer;
	char input[16384];
	size_t n_input;
	size_t takes;
	unsigned int ends, gone, writers_gone;
};

static ptrdiff_t on_input(void *data, const char *bytes, size_t len)
{
	struct world *w = data;
	const size_t n = MIN_OF(len, w->takes);

	assert_true(w->n_input + n <= sizeof(w->input));
	memcpy(w->input + w->n_input, bytes, n);
	w->n_input += n;
	return (ptrdiff_t)n;
}

static void on_end(void *data)
{
	((struct world *)data)->ends++;
}

static void on_gone(void *data, bool writer)
{
	struct world *w = data;

	w->gone++;
	w->writers_gone += writer;
}

static void on_timer(struct loop *loop, void *data)
{
	(void)data;
	loop->quit = true;
}

static int setup(void **state)
{
	static struct world w;

	w = (struct world){.takes = SIZE_MAX};
	loop_init(&w.loop);
	w.timer = loop_timer_add(&w.loop, on_timer, &w);
	w.v = (struct viewers){
		.loop = &w.loop,
		.on_input = on_input,
		.on_end = on_end,
		.on_gone = on_gone,
		.data = &w,
	};
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	viewers_done(&w->v, 0);
	return 0;
}

/* Everything that is ready has been done when the deadline of now comes. */
static void turn(struct world *w)
{
	for (int i = 0; i < 3; i++) {
		w->loop.quit = false;
		loop_timer_arm(&w->loop, w->timer, clock_ms());
		assert_int_equal(loop_run(&w->loop), 0);
	}
}

/* Return: the client's end, which does not block. */
static int join(struct world *w, uint64_t id, bool writer)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	assert_int_equal(viewers_add(&w->v, pair[1], id, writer), 0);
	return pair[0];
}

/* What has come to a client so far, frames without their heads. */
struct shown {
	char text[2 * VIEWERS_RING_BYTES];
	size_t n;
	size_t lost;
	char streams[64];
	size_t n_streams;
};

/* Whole frames alone are read, as all that was sent is there. Return: whether there was one. */
static bool read_frame(int fd, struct shown *s)
{
	struct viewer_frame frame;
	ssize_t n = recv(fd, &frame, sizeof(frame), 0);

	if (n <= 0)
		return false;
	assert_int_equal(n, sizeof(frame));
	if (s->n_streams < sizeof(s->streams) - 1)
		s->streams[s->n_streams++] = "?oel"[frame.stream & 3];
	if (frame.stream == VIEWER_LOST) {
		s->lost += frame.len;
		return true;
	}
	assert_true(s->n + frame.len <= sizeof(s->text));
	assert_int_equal(recv(fd, s->text + s->n, frame.len, MSG_WAITALL), frame.len);
	s->n += frame.len;
	return true;
}

static struct shown *read_all(struct world *w, int fd)
{
	static struct shown s;

	s = (struct shown){0};
	turn(w);
	while (read_frame(fd, &s))
		turn(w);
	return &s;
}

static void viewers_add__newcomer__sees_what_was_printed_last(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int early = join(w, 1, false);
	_cleanup_close_ int late = -EBADF;
	struct shown *s;

	viewers_put(&w->v, VIEWER_OUT, "one", 3);
	viewers_put(&w->v, VIEWER_ERR, "two", 3);
	s = read_all(w, early);
	assert_memory_equal(s->text, "onetwo", 6);
	assert_string_equal(s->streams, "oe");
	late = join(w, 2, false);
	viewers_put(&w->v, VIEWER_OUT, "three", 5);
	s = read_all(w, late);
	assert_int_equal(s->n, 11);
	assert_memory_equal(s->text, "onetwothree", 11);
	s = read_all(w, early);
	assert_memory_equal(s->text, "three", 5);
	assert_int_equal(s->lost, 0);
}

static void viewers_put__slow_viewer__loses_and_is_told_how_much(void **state)
{
	static char chunk[10000];
	struct world *w = *state;
	_cleanup_close_ int slow = join(w, 1, false);
	const size_t rounds = 200;
	size_t n = 0, lost = 0;
	bool more = true;

	for (size_t i = 0; i < rounds; i++) {
		memset(chunk, 'a' + (int)(i % 26), sizeof(chunk));
		viewers_put(&w->v, VIEWER_OUT, chunk, sizeof(chunk));
		turn(w);
	}
	while (more) {
		static struct shown part;

		part = (struct shown){0};
		turn(w);
		more = read_frame(slow, &part);
		n += part.n;
		lost += part.lost;
	}
	assert_true(lost > 0);
	assert_int_equal(n + lost, rounds * sizeof(chunk));
	assert_int_equal(w->gone, 0);
}

static void viewers_add__second_writer_or_too_many__refused(void **state)
{
	struct world *w = *state;
	int fds[VIEWERS_MAX];
	int pair[2];

	fds[0] = join(w, 1, true);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(viewers_add(&w->v, pair[1], 2, true), -EBUSY);
	close_fdp(&pair[0]);
	for (size_t i = 1; i < VIEWERS_MAX; i++)
		fds[i] = join(w, 10 + i, false);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(viewers_add(&w->v, pair[1], 2, false), -ENOSPC);
	close_fdp(&pair[0]);
	assert_true(viewers_has(&w->v, 1));
	assert_true(viewers_remove_writer(&w->v));
	assert_false(viewers_remove_writer(&w->v));
	assert_false(viewers_has(&w->v, 1));
	assert_int_equal(w->gone, 0); /* it was let go */
	for (size_t i = 0; i < VIEWERS_MAX; i++)
		close_fdp(&fds[i]);
}

static void viewers__input_that_is_not_taken__waits_and_is_offered_again(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int writer = join(w, 1, true);
	_cleanup_close_ int other = join(w, 2, false);
	char text[9000];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	w->takes = 100;
	assert_int_equal(send(writer, text, sizeof(text), 0), sizeof(text));
	assert_int_equal(send(other, "no", 2, 0), 2);
	turn(w);
	assert_int_equal(w->n_input, 100);
	turn(w); /* nothing is asked for meanwhile */
	assert_int_equal(w->n_input, 100);
	w->takes = SIZE_MAX;
	for (int i = 0; i < 4; i++) {
		viewers_input_ready(&w->v);
		turn(w);
	}
	assert_int_equal(w->n_input, sizeof(text));
	assert_memory_equal(w->input, text, sizeof(text));
}

static void viewers__half_close_is_the_end_of_input_a_close_the_loss_of_the_writer(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int writer = join(w, 1, true);
	_cleanup_close_ int other = join(w, 2, false);
	struct shown *s;

	assert_int_equal(send(writer, "x", 1, 0), 1);
	assert_int_equal(shutdown(writer, SHUT_WR), 0);
	turn(w);
	assert_int_equal(w->n_input, 1);
	assert_int_equal(w->ends, 1);
	viewers_put(&w->v, VIEWER_OUT, "still", 5);
	s = read_all(w, writer);
	assert_memory_equal(s->text, "still", 5);
	close_fdp(&other);
	turn(w);
	assert_int_equal(w->gone, 1);
	assert_int_equal(w->writers_gone, 0);
	close_fdp(&writer);
	turn(w);
	assert_int_equal(w->writers_gone, 1);

	writer = join(w, 3, true);
	close_fdp(&writer); /* at once: its input has no end, it was cut */
	turn(w);
	assert_int_equal(w->writers_gone, 2);
	assert_int_equal(w->ends, 1);
	writer = join(w, 4, true);
	viewers_remove(&w->v, 4);
	turn(w);
	assert_int_equal(w->writers_gone, 2);
}

static void viewers_done__what_is_left__is_shown_first(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int fd = join(w, 1, false);
	static struct shown s;

	viewers_put(&w->v, VIEWER_OUT, "last", 4);
	viewers_done(&w->v, 1000);
	assert_true(read_frame(fd, &s));
	assert_memory_equal(s.text, "last", 4);
	assert_false(read_frame(fd, &s));
	assert_int_equal(w->gone, 0);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(viewers_add__newcomer__sees_what_was_printed_last),
		WITH_WORLD(viewers_put__slow_viewer__loses_and_is_told_how_much),
		WITH_WORLD(viewers_add__second_writer_or_too_many__refused),
		WITH_WORLD(viewers__input_that_is_not_taken__waits_and_is_offered_again),
		WITH_WORLD(viewers__half_close_is_the_end_of_input_a_close_the_loss_of_the_writer),
		WITH_WORLD(viewers_done__what_is_left__is_shown_first),
	};

	return cmocka_run_group_tests_name("viewers", tests, NULL, NULL);
}
