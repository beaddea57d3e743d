/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_loop.c - the event loop: callbacks that add and remove, order of deadlines, interruptions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/util.h"

/* What the callbacks of a test have seen. */
struct seen {
	char order[32];
	size_t n;
	int pipes[4][2];
	int timers[4];
	unsigned int rounds;
};

static void note(struct seen *s, char c)
{
	assert_true(s->n + 1 < sizeof(s->order));
	s->order[s->n++] = c;
}

static int setup_pipes(void **state)
{
	static struct seen s;

	memset(&s, 0, sizeof(s));
	for (size_t i = 0; i < ARRAY_SIZE(s.pipes); i++)
		if (pipe2(s.pipes[i], O_CLOEXEC | O_NONBLOCK) < 0)
			return -1;
	*state = &s;
	return 0;
}

static int teardown_pipes(void **state)
{
	struct seen *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(s->pipes); i++) {
		close_fdp(&s->pipes[i][0]);
		close_fdp(&s->pipes[i][1]);
	}
	return 0;
}

static void poke(struct seen *s, size_t i)
{
	assert_int_equal(write(s->pipes[i][1], "x", 1), 1);
}

static void stop(struct loop *loop, void *data)
{
	note(data, '.');
	loop->quit = true;
}

/* Ends every test, also one whose callback does not come. */
static void stop_in(struct loop *loop, struct seen *s, uint64_t ms)
{
	loop_timer_arm(loop, loop_timer_add(loop, stop, s), clock_ms() + ms);
}

static void on_read(struct loop *loop, int fd, short revents, void *data)
{
	struct seen *s = data;
	char c;

	if (revents & POLLIN && read(fd, &c, 1) == 1) {
		note(s, 'r');
		return;
	}
	note(s, 'h');
	assert_true(revents & POLLHUP);
	loop_remove(loop, fd);
}

static void loop_run__readable_and_closed__are_told(void **state)
{
	struct seen *s = *state;
	struct loop loop;

	loop_init(&loop);
	assert_int_equal(loop_add(&loop, s->pipes[0][0], POLLIN, on_read, s), 0);
	poke(s, 0);
	poke(s, 0);
	close_fdp(&s->pipes[0][1]);
	stop_in(&loop, s, 20);
	assert_int_equal(loop_run(&loop), 0);
	assert_string_equal(s->order, "rrh.");
}

static void on_read_remove_all(struct loop *loop, int fd, short revents, void *data)
{
	struct seen *s = data;

	(void)fd;
	(void)revents;
	note(s, 'a');
	for (size_t i = 0; i < ARRAY_SIZE(s->pipes); i++)
		loop_remove(loop, s->pipes[i][0]);
}

static void loop_remove__in_a_callback__silences_the_rest(void **state)
{
	struct seen *s = *state;
	struct loop loop;

	loop_init(&loop);
	for (size_t i = 0; i < ARRAY_SIZE(s->pipes); i++) {
		assert_int_equal(loop_add(&loop, s->pipes[i][0], POLLIN, on_read_remove_all, s), 0);
		poke(s, i);
	}
	stop_in(&loop, s, 20);
	assert_int_equal(loop_run(&loop), 0);
	assert_string_equal(s->order, "a.");
	loop_remove(&loop, 4711);
	loop_remove(&loop, -1);
}

static void on_wrong(struct loop *loop, int fd, short revents, void *data)
{
	(void)loop;
	(void)fd;
	(void)revents;
	note(data, '!');
}

/* Puts another source into the slot of one whose result of this round is still to come. */
static void on_read_replace(struct loop *loop, int fd, short revents, void *data)
{
	struct seen *s = data;

	(void)revents;
	note(s, 'a');
	loop_remove(loop, fd);
	loop_remove(loop, s->pipes[1][0]);
	assert_int_equal(loop_add(loop, s->pipes[2][0], POLLIN, on_wrong, s), 0);
	assert_int_equal(loop_add(loop, s->pipes[3][0], POLLIN, on_wrong, s), 0);
}

static void loop_add__in_a_callback__gets_no_result_of_its_predecessor(void **state)
{
	struct seen *s = *state;
	struct loop loop;

	loop_init(&loop);
	assert_int_equal(loop_add(&loop, s->pipes[0][0], POLLIN, on_read_replace, s), 0);
	assert_int_equal(loop_add(&loop, s->pipes[1][0], POLLIN, on_wrong, s), 0);
	poke(s, 0);
	poke(s, 1);
	stop_in(&loop, s, 20);
	assert_int_equal(loop_run(&loop), 0);
	assert_string_equal(s->order, "a.");
}

static void loop_add__full_or_twice__is_refused(void **state)
{
	struct loop loop;

	(void)state;
	loop_init(&loop);
	for (int i = 0; i < LOOP_MAX_SOURCES; i++)
		assert_int_equal(loop_add(&loop, 1000 + i, POLLIN, on_wrong, NULL), 0);
	assert_int_equal(loop_add(&loop, 2000, POLLIN, on_wrong, NULL), -ENOSPC);
	assert_int_equal(loop_add(&loop, 1003, POLLIN, on_wrong, NULL), -EEXIST);
	loop_remove(&loop, 1003);
	assert_int_equal(loop_add(&loop, 2000, POLLIN, on_wrong, NULL), 0);
	for (int i = 0; i < LOOP_MAX_TIMERS; i++)
		assert_int_equal(loop_timer_add(&loop, stop, NULL), i);
	assert_int_equal(loop_timer_add(&loop, stop, NULL), -ENOSPC);
}

static void on_a(struct loop *loop, void *data)
{
	(void)loop;
	note(data, 'a');
}

static void on_b(struct loop *loop, void *data)
{
	(void)loop;
	note(data, 'b');
}

static void on_c(struct loop *loop, void *data)
{
	(void)loop;
	note(data, 'c');
}

static void loop_timers__several_due__come_in_order_of_their_deadlines(void **state)
{
	struct seen *s = *state;
	uint64_t now = clock_ms();
	struct loop loop;
	int a, b, c;

	loop_init(&loop);
	a = loop_timer_add(&loop, on_a, s);
	b = loop_timer_add(&loop, on_b, s);
	c = loop_timer_add(&loop, on_c, s);
	loop_timer_arm(&loop, a, now + 15);
	loop_timer_arm(&loop, b, 0); /* long past */
	loop_timer_arm(&loop, c, now + 5);
	stop_in(&loop, s, 25);
	assert_int_equal(loop_run(&loop), 0);
	assert_string_equal(s->order, "bca.");
	assert_true(clock_ms() - now >= 25);
}

static void on_disarm(struct loop *loop, void *data)
{
	struct seen *s = data;

	note(s, 'd');
	loop_timer_disarm(loop, s->timers[0]);
}

static void loop_timer_disarm__due_in_the_same_round__does_not_fire(void **state)
{
	struct seen *s = *state;
	struct loop loop;
	int d;

	loop_init(&loop);
	s->timers[0] = loop_timer_add(&loop, on_a, s);
	d = loop_timer_add(&loop, on_disarm, s);
	loop_timer_arm(&loop, d, 1);
	loop_timer_arm(&loop, s->timers[0], 2);
	stop_in(&loop, s, 10);
	assert_int_equal(loop_run(&loop), 0);
	assert_string_equal(s->order, "d.");
}

static void on_again(struct loop *loop, void *data)
{
	struct seen *s = data;

	s->rounds++;
	loop_timer_arm(loop, s->timers[0], 0);
}

static void loop_timers__armed_again_for_the_past__starve_nobody(void **state)
{
	struct seen *s = *state;
	struct loop loop;

	loop_init(&loop);
	s->timers[0] = loop_timer_add(&loop, on_again, s);
	loop_timer_arm(&loop, s->timers[0], 0);
	assert_int_equal(loop_add(&loop, s->pipes[0][0], POLLIN, on_read, s), 0);
	poke(s, 0);
	stop_in(&loop, s, 10);
	assert_int_equal(loop_run(&loop), 0);
	assert_string_equal(s->order, "r.");
	assert_true(s->rounds > 1);
}

/* What is readable is seen before the deadline that it met. */
static void loop_run__event_and_deadline_at_once__event_comes_first(void **state)
{
	struct seen *s = *state;
	struct loop loop;

	loop_init(&loop);
	assert_int_equal(loop_add(&loop, s->pipes[0][0], POLLIN, on_read, s), 0);
	poke(s, 0);
	loop_timer_arm(&loop, loop_timer_add(&loop, stop, s), 0);
	assert_int_equal(loop_run(&loop), 0);
	assert_string_equal(s->order, "r.");
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* T45: a signal each millisecond delays no deadline and ends no wait early. */
static void loop_run__interrupted__keeps_its_deadline(void **state)
{
	const struct sigaction sa = {.sa_handler = on_alarm}, dfl = {.sa_handler = SIG_DFL};
	const struct itimerval on = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};
	struct seen *s = *state;
	uint64_t start = clock_ms();
	struct loop loop;

	loop_init(&loop);
	assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &on, NULL), 0);
	stop_in(&loop, s, 50);
	assert_int_equal(loop_run(&loop), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &dfl, NULL), 0);
	assert_string_equal(s->order, ".");
	assert_in_range(clock_ms() - start, 50, 20000);
}

static void on_invalid(struct loop *loop, int fd, short revents, void *data)
{
	assert_int_equal(revents, POLLNVAL);
	note(data, 'n');
	loop_remove(loop, fd);
}

static void loop_run__closed_descriptor__is_told(void **state)
{
	struct seen *s = *state;
	struct loop loop;
	int fd = dup(s->pipes[0][0]);

	loop_init(&loop);
	assert_int_equal(loop_add(&loop, fd, POLLIN, on_invalid, s), 0);
	close_fdp(&fd);
	stop_in(&loop, s, 10);
	assert_int_equal(loop_run(&loop), 0);
	assert_string_equal(s->order, "n.");
}

#define WITH_PIPES(test) cmocka_unit_test_setup_teardown(test, setup_pipes, teardown_pipes)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PIPES(loop_run__readable_and_closed__are_told),
		WITH_PIPES(loop_remove__in_a_callback__silences_the_rest),
		WITH_PIPES(loop_add__in_a_callback__gets_no_result_of_its_predecessor),
		cmocka_unit_test(loop_add__full_or_twice__is_refused),
		WITH_PIPES(loop_timers__several_due__come_in_order_of_their_deadlines),
		WITH_PIPES(loop_timer_disarm__due_in_the_same_round__does_not_fire),
		WITH_PIPES(loop_timers__armed_again_for_the_past__starve_nobody),
		WITH_PIPES(loop_run__event_and_deadline_at_once__event_comes_first),
		WITH_PIPES(loop_run__interrupted__keeps_its_deadline),
		WITH_PIPES(loop_run__closed_descriptor__is_told),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
