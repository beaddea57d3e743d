/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pump.c - what runs through a connection (forward/pump.c) between two pairs of sockets: copied
 * pieces, pieces that fill the room, a receiver that takes nothing, the end of each direction.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/util.h"
#include "forward/forward.h"

/* ---- what pump.c asks of its neighbours ------------------------------------------------------ */

static bool closed, closed_by_reset;

void conn_close(struct forward *f, struct conn *conn, bool reset)
{
	(void)f;
	for (size_t i = 0; i < ENDS; i++)
		pipe_close(&conn->ends[i].pipe);
	closed = true;
	closed_by_reset = reset;
}

void conn_move(struct forward *f, struct conn *conn, enum conn_state state)
{
	(void)f;
	conn->state = state;
}

void start_release(struct forward *f, struct start *start)
{
	(void)f;
	(void)start;
}

/* ---- a connection ---------------------------------------------------------------------------- */

/* @client, @dyno: the far ends */
struct fixture {
	struct forward f;
	struct conn conn;
	int client;
	int dyno;
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	int fds[2];

	if (!x)
		return -1;
	TAILQ_INIT(&x->f.more);
	x->conn.state = CONN_OPEN;
	for (size_t i = 0; i < ENDS; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
			return -1;
		x->conn.ends[i] = (struct end){.conn = &x->conn,
					       .fd = fds[0],
					       .readable = true,
					       .writable = true,
					       .pipe = {{-EBADF, -EBADF}}};
		*(i == CLIENT ? &x->client : &x->dyno) = fds[1];
	}
	closed = closed_by_reset = false;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	for (size_t i = 0; i < ENDS; i++) {
		close_fdp(&x->conn.ends[i].fd);
		pipe_close(&x->conn.ends[i].pipe);
	}
	while (x->f.n_pipes > 0)
		pipe_close(&x->f.pipes[--x->f.n_pipes]);
	close_fdp(&x->client);
	close_fdp(&x->dyno);
	free(x);
	return 0;
}

/* A stretch of bytes that tells its place. */
static void write_pattern(char *at, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (char)((from + i) * 7 + ((from + i) >> 8));
}

static void say(int fd, size_t from, size_t n)
{
	char piece[1 << 15];

	assert_true(n <= sizeof(piece));
	write_pattern(piece, from, n);
	assert_int_equal(send(fd, piece, n, MSG_NOSIGNAL), n);
}

/* All that is there now must go on with the pattern. Return: how much it was. */
static size_t hear(int fd, size_t from)
{
	char got[4096], want[4096];
	size_t n = 0;
	ssize_t r;

	while ((r = recv(fd, got, sizeof(got), 0)) > 0) {
		write_pattern(want, from + n, (size_t)r);
		assert_memory_equal(got, want, (size_t)r);
		n += (size_t)r;
	}
	return n;
}

/* As epoll would tell. */
static void again(struct fixture *x, size_t i)
{
	x->conn.ends[i].readable = true;
	pump(&x->f, &x->conn);
}

static void pump__pieces_around_the_room__arrive_whole(void **state)
{
	static const size_t sizes[] = {1,
				       100,
				       FORWARD_ROOM_BYTES - 1,
				       FORWARD_ROOM_BYTES,
				       FORWARD_ROOM_BYTES + 1,
				       3 * FORWARD_ROOM_BYTES + 5,
				       2};
	struct fixture *x = *state;
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		say(x->client, at, sizes[i]);
		again(x, CLIENT);
		assert_int_equal(hear(x->dyno, at), sizes[i]);
		say(x->dyno, at, sizes[i]);
		again(x, DYNO);
		assert_int_equal(hear(x->client, at), sizes[i]);
		at += sizes[i];
		assert_false(x->conn.ends[CLIENT].readable);
		assert_false(x->conn.ends[CLIENT].bulk);
	}
	assert_false(closed);
}

static void pump__a_small_piece__takes_no_pipe(void **state)
{
	struct fixture *x = *state;

	say(x->client, 0, 200);
	again(x, CLIENT);
	assert_int_equal(hear(x->dyno, 0), 200);
	assert_int_equal(x->f.n_pipes, 0);
	say(x->client, 0, FORWARD_ROOM_BYTES + 200);
	again(x, CLIENT);
	assert_int_equal(hear(x->dyno, 0), FORWARD_ROOM_BYTES + 200);
	assert_int_equal(x->f.n_pipes, 1); /* and rests there again */
}

/* The receiver is full and nothing has told so yet: the piece waits, and comes before later ones. */
static void pump__receiver_full__kept_in_order(void **state)
{
	struct fixture *x = *state;
	struct end *dyno = &x->conn.ends[DYNO];
	char junk[4096] = {0};
	size_t filled = 0;
	ssize_t n;

	while ((n = send(dyno->fd, junk, sizeof(junk), MSG_NOSIGNAL)) > 0)
		filled += (size_t)n;
	assert_int_equal(errno, EAGAIN);
	say(x->client, 0, 300);
	again(x, CLIENT);
	assert_false(dyno->writable);
	assert_int_equal(x->conn.ends[CLIENT].held, 300);
	say(x->client, 300, 500);
	again(x, CLIENT);
	assert_int_equal(x->conn.ends[CLIENT].held, 300);
	while (filled > 0) {
		n = recv(x->dyno, junk, MIN_OF(filled, sizeof(junk)), 0);
		assert_true(n > 0);
		filled -= (size_t)n;
	}
	dyno->writable = true;
	pump(&x->f, &x->conn);
	assert_int_equal(hear(x->dyno, 0), 800);
	assert_int_equal(x->conn.ends[CLIENT].held, 0);
	assert_false(closed);
}

static void pump__last_words__arrive_before_the_end(void **state)
{
	struct fixture *x = *state;
	char c;

	say(x->client, 0, 700);
	assert_int_equal(shutdown(x->client, SHUT_WR), 0);
	x->conn.ends[CLIENT].hung_up = true;
	again(x, CLIENT);
	assert_int_equal(hear(x->dyno, 0), 700);
	assert_int_equal(recv(x->dyno, &c, 1, 0), 0);
	assert_true(x->conn.ends[DYNO].shut);
	assert_false(closed);
	say(x->dyno, 0, 20000);
	assert_int_equal(shutdown(x->dyno, SHUT_WR), 0);
	x->conn.ends[DYNO].hung_up = true;
	again(x, DYNO);
	assert_int_equal(hear(x->client, 0), 20000);
	assert_true(closed);
	assert_false(closed_by_reset);
}

/* What the receiver did not take is lost; what it has said itself is not. */
static void pump__receiver_gone__its_words_arrive(void **state)
{
	struct fixture *x = *state;

	say(x->dyno, 0, 50);
	close_fdp(&x->dyno);
	x->conn.ends[DYNO].hung_up = true;
	say(x->client, 0, 100);
	again(x, CLIENT);
	assert_int_equal(hear(x->client, 0), 50);
	assert_true(x->conn.ends[DYNO].shut);
}

int main(void)
{
#define FIXED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		FIXED(pump__pieces_around_the_room__arrive_whole),
		FIXED(pump__a_small_piece__takes_no_pipe),
		FIXED(pump__receiver_full__kept_in_order),
		FIXED(pump__last_words__arrive_before_the_end),
		FIXED(pump__receiver_gone__its_words_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
