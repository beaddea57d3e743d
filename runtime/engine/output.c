/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c - lines of the streams, from one read to the next.
 *
 * Theory of operation.  All streams of a sink read into its one buffer, so that a dyno that does
 * not print costs nothing; only the beginning of a line that has not ended is kept by its stream.
 * When the sink is full in the middle of what was read, the rest stays in the buffer (it is held)
 * and no stream of the sink reads any more: the pipes fill up, and the app waits.  Once there is
 * room what is held comes first, then every stream again.
 *
 * Two pipes have no common order.  poll(2) says that both have something, but not which of them
 * had it first, and an app that writes to both in one breath is faster than a monitor wakes up.
 * epoll(7) keeps the order in which they became ready, and is asked for nothing else.  What an app
 * writes to both by turns while one is read is told stream by stream.
 */
#include "engine/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"

#define OUTPUT_SOURCE "app"

/* Reads in one round of the loop, so that an app that never pauses leaves room for the rest. */
#define READS_AT_ONCE 4
/* Of a stream whose end nobody waits for, to count what is lost.  Source: pipe(7), the largest pipe
 * that an app may make of its own is 1 MiB */
#define LAST_READ_BYTES 4096
#define LAST_READS	256

/* ---- lines ---------------------------------------------------------------------------------- */

/* Length of the next record in a text, and what it takes from it. Return: false: none yet. */
static bool next_record(const char *text, size_t len, bool end, size_t *ret_len, size_t *ret_taken)
{
	const size_t window = MIN_OF(len, (size_t)OUTPUT_LINE_BYTES + 1);
	const char *newline = memchr(text, '\n', window);

	if (newline) {
		*ret_len = (size_t)(newline - text);
		*ret_taken = *ret_len + 1;
		return true;
	}
	/* A full line is no piece yet: nothing but its newline may follow. */
	*ret_len = *ret_taken = MIN_OF(len, (size_t)OUTPUT_LINE_BYTES);
	return window > OUTPUT_LINE_BYTES || (end && len > 0);
}

static void keep(struct output_stream *s, const char *text, size_t len)
{
	char *buf = len > 0 ? realloc(s->buf, len) : NULL;

	if (!buf)
		free(s->buf);
	if (!buf && len > 0)
		sink_lose(s->output->sink, 1);
	if (buf)
		memcpy(buf, text, len);
	s->buf = buf;
	s->len = buf ? len : 0;
}

static void hold(struct output_stream *s, const char *text, size_t len)
{
	struct sink *sink = s->output->sink;

	sink->held = s;
	sink->held_text = text;
	sink->held_len = len;
	keep(s, NULL, 0);
}

/* @text lies in the sink's buffer, with all that its stream has kept. */
static void take(struct output_stream *s, const char *text, size_t len)
{
	struct sink *sink = s->output->sink;
	/* A record has no newline; whether there is a NUL is asked once of all of them. */
	const unsigned int plain = memchr(text, '\0', len) ? 0 : SINK_PLAIN;
	size_t record, taken;

	sink_head(sink, OUTPUT_SOURCE, s->output->dyno, s == &s->output->stream[1]);
	while (next_record(text, len, s->fd < 0, &record, &taken)) {
		/* What no newline has ended goes on, unless it is the end of all. */
		const bool partial = taken == record && taken < len;

		if (sink_put(sink, text, record, plain | (partial ? SINK_PARTIAL : 0)) == -EAGAIN) {
			hold(s, text, len);
			return;
		}
		text += taken;
		len -= taken;
	}
	keep(s, text, len);
}

static void take_held(struct sink *sink)
{
	take(take_ptr(&sink->held), sink->held_text, sink->held_len);
}

/* ---- streams -------------------------------------------------------------------------------- */

static char *place_of_read(const struct output_stream *s)
{
	return s->output->sink->area->in + OUTPUT_LINE_BYTES;
}

/* The beginning of the line, right before what was or will be read. */
static const char *fetch_kept(const struct output_stream *s)
{
	char *text = place_of_read(s) - s->len;

	if (s->len > 0)
		memcpy(text, s->buf, s->len);
	return text;
}

static void lose_kept(struct output_stream *s)
{
	sink_lose(s->output->sink, s->len > 0 ? 1 : 0);
	keep(s, NULL, 0);
}

/* Where the place of its last line is taken by one that is held, nobody waits for it any more: this
 * is the end of a drain. */
static void end_stream(struct output_stream *s)
{
	loop_remove(s->output->loop, s->fd);
	close_fdp(&s->fd);
	s->paused = false;
	if (s->len == 0)
		return;
	if (s->output->sink->held)
		lose_kept(s);
	else
		take(s, fetch_kept(s), s->len);
}

/* Return: whether there may be more. */
static bool read_stream(struct output_stream *s)
{
	ssize_t n = read(s->fd, place_of_read(s), SINK_BATCH_BYTES);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		end_stream(s);
		return false;
	}
	if (s->output->tap)
		s->output->tap(s->output->tap_data, (size_t)(s - s->output->stream),
			       place_of_read(s), (size_t)n);
	take(s, fetch_kept(s), s->len + (size_t)n);
	return (size_t)n == SINK_BATCH_BYTES;
}

static void read_some(struct output_stream *s)
{
	struct sink *sink = s->output->sink;

	for (int i = 0; i < READS_AT_ONCE && !sink_is_full(sink) && read_stream(s); i++)
		;
	if (!sink_is_full(sink))
		(void)sink_flush(sink); /* what is lost is counted, what is left has @stuck */
}

/* Of the streams that became ready since this was asked last. @otherwise: nobody can tell */
static size_t first_ready(const struct output *output, size_t otherwise)
{
	struct epoll_event ready[ARRAY_SIZE(output->stream)];

	return epoll_wait(output->order_fd, ready, ARRAY_SIZE(ready), 0) > 0 ? ready[0].data.u32
									     : otherwise;
}

static void read_or_pause(struct output_stream *s)
{
	if (s->fd < 0 || s->paused)
		return;
	if (!sink_is_full(s->output->sink))
		read_some(s);
	if (sink_is_full(s->output->sink) && s->fd >= 0) {
		loop_remove(s->output->loop, s->fd);
		s->paused = true;
	}
}

static void on_readable(struct loop *loop, int fd, short revents, void *data)
{
	struct output_stream *s = data, *stream = s->output->stream;
	const size_t first = first_ready(s->output, (size_t)(s - stream));

	(void)loop;
	(void)fd;
	(void)revents;
	if (&stream[first] != s)
		read_or_pause(&stream[first]);
	read_or_pause(s);
}

static int watch(struct output_stream *s)
{
	int r = loop_add(s->output->loop, s->fd, POLLIN, on_readable, s);

	s->paused = r < 0;
	return r;
}

static void on_room(struct sink *sink)
{
	if (sink->held)
		take_held(sink);
	if (!sink->stuck && sink_flush(sink) == -EAGAIN && sink_is_full(sink))
		return;
	for (struct output *o = sink->outputs; o && !sink_is_full(sink); o = o->next)
		for (size_t i = 0; i < ARRAY_SIZE(o->stream); i++)
			if (o->stream[i].paused && watch(&o->stream[i]) < 0)
				sink_later(sink); /* its place in the loop is taken */
}

/* ---- an output ------------------------------------------------------------------------------ */

static int open_stream(struct output *output, size_t i)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	output->stream[i] = (struct output_stream){.output = output, .fd = fds[0]};
	output->child_fd[i] = fds[1];
	/* Of this end alone: an app expects its output to block. */
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	event.data.u32 = (uint32_t)i;
	(void)epoll_ctl(output->order_fd, EPOLL_CTL_ADD, fds[0], &event); /* or no order is told */
	return 0;
}

int output_open(struct output *output, struct loop *loop, struct sink *sink, const char *dyno,
		struct dyno_err *err)
{
	int r;

	*output = (struct output){
		.stream = {{.fd = -EBADF}, {.fd = -EBADF}},
		.child_fd = {-EBADF, -EBADF},
		.order_fd = epoll_create1(EPOLL_CLOEXEC),
		.tap = output->tap,
		.tap_data = output->tap_data,
	};
	r = sink_attach(sink, loop);
	if (r < 0) {
		close_fdp(&output->order_fd);
		return err_set(err, r == -ENOMEM ? ERR_MEMORY : ERR_IO, -r, "prepare the log of %s",
			       dyno);
	}
	output->loop = loop;
	output->sink = sink;
	output->dyno = dyno;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(output->stream); i++)
		r = open_stream(output, i);
	if (r < 0) {
		output_close(output);
		return err_set(err, ERR_IO, -r, "make pipes for the output of %s", dyno);
	}
	output->next = sink->outputs;
	sink->outputs = output;
	sink->on_room = on_room;
	return 0;
}

int output_started(struct output *output)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(output->stream); i++) {
		close_fdp(&output->child_fd[i]);
		r = watch(&output->stream[i]);
	}
	return r;
}

static bool has_held(const struct output *output)
{
	return output->sink->held && output->sink->held->output == output;
}

/* One wait for either stream, and what there is of both. */
static void drain_streams(struct output *output, uint64_t until_ms)
{
	struct pollfd p[ARRAY_SIZE(output->stream)];
	const uint64_t now = clock_ms();
	size_t first;

	for (size_t i = 0; i < ARRAY_SIZE(p); i++)
		p[i] = (struct pollfd){.fd = output->stream[i].fd, .events = POLLIN};
	(void)poll(p, ARRAY_SIZE(p), until_ms > now ? (int)(until_ms - now) : 0);
	first = first_ready(output, 0);
	for (size_t n = 0; n < ARRAY_SIZE(p); n++) {
		const size_t i = (first + n) % ARRAY_SIZE(p);

		if (p[i].fd >= 0 && p[i].revents && !sink_is_full(output->sink))
			read_some(&output->stream[i]);
	}
}

static void drain_round(struct output *output, uint64_t until_ms)
{
	struct sink *sink = output->sink;

	if (!sink_is_full(sink)) {
		drain_streams(output, until_ms);
		return;
	}
	sink_wait(sink, until_ms);
	if (!sink_is_full(sink))
		on_room(sink);
}

static void hurry(struct sink *sink)
{
	sink_hurry(sink, true);
	if (!sink_is_full(sink))
		on_room(sink);
}

/* What a full sink does not take any more. */
static void lose_stream(struct output_stream *s)
{
	char buf[LAST_READ_BYTES];
	bool unfinished = s->len > 0;
	ssize_t n = 1;

	keep(s, NULL, 0);
	for (int i = 0; s->fd >= 0 && n > 0 && i < LAST_READS; i++) {
		n = read(s->fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		sink_lose(s->output->sink, sink_records(buf, (size_t)n));
		unfinished = buf[n - 1] != '\n';
	}
	sink_lose(s->output->sink, unfinished ? 1 : 0);
}

/* The beginning of a line is kept again: its newline may be in the pipe. */
static void lose_held(struct sink *sink)
{
	const char *text = sink->held_text, *end = text + sink->held_len;
	const char *newline = memrchr(text, '\n', sink->held_len);
	const char *rest = newline ? newline + 1 : text;

	sink_lose(sink, sink_records(text, sink->held_len));
	keep(take_ptr(&sink->held), rest, MIN_OF((size_t)(end - rest), (size_t)OUTPUT_LINE_BYTES));
}

/* The time is over: an unfinished line is the last, and what a full sink has left is counted. */
static void drain_rest(struct output *output)
{
	if (has_held(output))
		lose_held(output->sink);
	for (size_t i = 0; i < ARRAY_SIZE(output->stream); i++) {
		if (sink_is_full(output->sink))
			lose_stream(&output->stream[i]);
		end_stream(&output->stream[i]);
	}
	if (has_held(output)) /* by a line that has just ended: output_close() counts it */
		lose_held(output->sink);
}

static bool is_open(const struct output *output)
{
	return output->stream[0].fd >= 0 || output->stream[1].fd >= 0 || has_held(output);
}

void output_drain(struct output *output, uint64_t limit_ms)
{
	const uint64_t now = clock_ms(), limit = MIN_OF(limit_ms, (uint64_t)INT32_MAX);
	const uint64_t until = now + limit;
	/* What a drain that hangs does not take is to be in the log all the same. */
	const uint64_t patient = now + limit / 2;

	if (!output->sink)
		return;
	while (is_open(output)) {
		drain_round(output, output->sink->hurried ? until : patient);
		if (clock_ms() >= until)
			break;
		if (!output->sink->hurried && clock_ms() >= patient)
			hurry(output->sink);
	}
	drain_rest(output);
	if (!output->sink->stuck)
		(void)sink_flush(output->sink);
	sink_hurry(output->sink, false);
}

void output_close(struct output *output)
{
	struct output **p = output->sink ? &output->sink->outputs : NULL;

	if (output->sink && has_held(output))
		lose_held(output->sink);
	for (size_t i = 0; i < ARRAY_SIZE(output->stream); i++) {
		struct output_stream *s = &output->stream[i];

		if (s->fd >= 0)
			loop_remove(output->loop, s->fd);
		close_fdp(&s->fd);
		close_fdp(&output->child_fd[i]);
		if (s->len > 0)
			lose_kept(s);
	}
	close_fdp(&output->order_fd);
	while (p && *p && *p != output)
		p = &(*p)->next;
	if (p && *p)
		*p = output->next;
	*output = OUTPUT_INIT;
}
