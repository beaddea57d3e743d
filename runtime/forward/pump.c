/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pump.c - from one socket to the other.  A small piece is copied: a read that leaves room has found
 * all there was, so that two calls do.  A large one goes through a pipe, where pages change their owner
 * and no byte is copied; a pipe is filled only when it is empty, so that a read that finds nothing
 * speaks of the socket and not of the pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "forward/forward.h"

/* Bytes of one splice: what a pipe holds. Source: pipe(7) */
#define CHUNK_BYTES 65536
/* Chunks of one connection and round, so that no download starves the others. Source: own choice */
#define SHARE 16

/* ---- pipes ---------------------------------------------------------------------------------- */

void pipe_close(struct pipe_fds *p)
{
	close_fdp(&p->fd[0]);
	close_fdp(&p->fd[1]);
}

void pipe_rest(struct forward *f, struct pipe_fds *p)
{
	if (p->fd[0] < 0)
		return;
	if (f->n_pipes == FORWARD_PIPES) {
		pipe_close(p);
		return;
	}
	f->pipes[f->n_pipes++] = *p;
	*p = (struct pipe_fds){{-EBADF, -EBADF}};
}

static int pipe_take(struct forward *f, struct pipe_fds *ret)
{
	if (f->n_pipes > 0) {
		*ret = f->pipes[--f->n_pipes];
		return 0;
	}
	return pipe2(ret->fd, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
}

/* ---- one direction -------------------------------------------------------------------------- */

/* What became of a try: something moved; nothing can now; the connection is broken. */
enum result { MOVED, STUCK, BROKEN };

static ssize_t move_bytes(int from, int to, size_t n)
{
	ssize_t r;

	do
		r = splice(from, NULL, to, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

/* What a read has found: nothing now, the end, or a break. */
static enum result found_none(struct end *from, ssize_t n)
{
	if (n == -EAGAIN) {
		from->readable = from->bulk = false;
		return STUCK;
	}
	from->ended = n == 0;
	return n == 0 ? STUCK : BROKEN;
}

static enum result fill(struct forward *f, struct end *from)
{
	ssize_t n;

	if (from->pipe.fd[0] < 0 && pipe_take(f, &from->pipe) < 0)
		return BROKEN;
	n = move_bytes(from->fd, from->pipe.fd[1], CHUNK_BYTES);
	if (n > 0) {
		from->held = (size_t)n;
		return MOVED;
	}
	pipe_rest(f, &from->pipe);
	return found_none(from, n);
}

/* What the receiver has not taken waits in a pipe. */
static enum result keep(struct forward *f, struct end *from, size_t sent)
{
	const size_t left = from->held - sent;

	from->held = 0;
	if (pipe_take(f, &from->pipe) < 0 ||
	    write(from->pipe.fd[1], f->room + sent, left) != (ssize_t)left)
		return BROKEN;
	from->held = left;
	return MOVED;
}

static enum result copy(struct forward *f, struct end *from, struct end *to)
{
	ssize_t n = recv(from->fd, f->room, sizeof(f->room), MSG_DONTWAIT);

	if (n <= 0)
		return found_none(from, n < 0 ? -errno : 0);
	from->held = (size_t)n;
	from->bulk = from->held == sizeof(f->room);
	from->readable = from->bulk || from->hung_up;
	n = send(to->fd, f->room, from->held, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN)
		return BROKEN;
	if ((size_t)MAX_OF(n, 0) < from->held) {
		to->writable = false;
		return keep(f, from, (size_t)MAX_OF(n, 0));
	}
	from->held = 0;
	return MOVED;
}

static enum result take(struct forward *f, struct end *from, struct end *to)
{
	if (from->ended || !from->readable)
		return STUCK;
	return from->bulk || !to->writable ? fill(f, from) : copy(f, from, to);
}

static enum result drain(struct forward *f, struct end *from, struct end *to)
{
	ssize_t n;

	if (!to->writable)
		return STUCK;
	n = move_bytes(from->pipe.fd[0], to->fd, from->held);
	if (n == -EAGAIN) {
		to->writable = false;
		return STUCK;
	}
	if (n <= 0)
		return BROKEN;
	from->held -= (size_t)n;
	if (from->held == 0)
		pipe_rest(f, &from->pipe);
	return MOVED;
}

/* The receiver wants no more: what it has said itself is still worth to be told. */
static void refuse_more(struct end *from, struct end *to)
{
	pipe_close(&from->pipe);
	from->held = 0;
	from->ended = true;
	to->shut = true;
}

/* Return: MOVED: its share is used up; STUCK; BROKEN: by who was read from. */
static enum result move(struct forward *f, struct end *from, struct end *to)
{
	for (unsigned int i = 0; i < 2 * SHARE; i++) {
		enum result r = from->held ? drain(f, from, to) : take(f, from, to);

		if (r == BROKEN && from->held) {
			refuse_more(from, to);
			return STUCK;
		}
		if (r == BROKEN)
			return BROKEN;
		if (r == STUCK && from->ended && from->held == 0 && !to->shut) {
			(void)shutdown(to->fd, SHUT_WR); /* it may have gone: the next read tells */
			to->shut = true;
		}
		if (r == STUCK)
			return STUCK;
	}
	return MOVED;
}

/* ---- both ----------------------------------------------------------------------------------- */

/* The dyno has said its last word, and no longer counts for its start. */
static void become_half(struct forward *f, struct conn *conn)
{
	struct start *start = conn->start;

	conn->start = NULL;
	if (start)
		start_release(f, start);
	conn->until_ms = clock_ms() + FORWARD_HALF_MS;
	conn_move(f, conn, CONN_HALF);
}

void pump(struct forward *f, struct conn *conn)
{
	struct end *client = &conn->ends[CLIENT], *dyno = &conn->ends[DYNO];
	enum result up = move(f, client, dyno);
	enum result down = move(f, dyno, client);

	/* Upwards may have moved on what downwards has told, and the other way round. */
	if (up == BROKEN || down == BROKEN) {
		conn_close(f, conn, true);
		return;
	}
	if (client->shut && dyno->shut) {
		conn_close(f, conn, false);
		return;
	}
	if (client->shut)
		become_half(f, conn);
	if ((up == MOVED || down == MOVED) && !conn->queued) {
		conn->queued = true;
		TAILQ_INSERT_TAIL(&f->more, conn, more);
	}
}
