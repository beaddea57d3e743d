/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink.c - batches of records and how they are written.
 *
 * Theory of operation.  Records are put into one buffer, a batch, and written by as few calls as it
 * takes.  What a full pipe leaves of a batch stays where it is, and nothing is put behind it but
 * lines of the platform, into the reserve; output.c stops reading.  What cannot be written at all
 * is counted by its newlines, of which a record has one.  A note about losses, and the newline
 * that ends a torn record, are put into the gap before the next batch, so that they and the first
 * record that got through stand together.
 *
 * Several monitors may write to one pipe of a foreground `dyno start`.  The kernel keeps together
 * only writes of PIPE_BUF bytes, which is less than a record: the rest of a line, put behind
 * another monitor's record, would begin a line of the log, and an app could write the platform's
 * words there.  So each takes a lock of fcntl(2) on the pipe, for the time of a write, and keeps
 * it while a record of its own is torn.  The kernel gives it back when a monitor dies.
 */
#include "engine/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/timetext.h"
#include "engine/feed.h"
#include "model/lines.h"

/* A lock is held for microseconds, or until a slow reader reads. */
#define RETRY_FIRST_MS 1U
#define RETRY_MAX_MS   64U

int sink_prepare(struct sink *sink)
{
	void *p;

	if (sink->area)
		return 0;
	p = mmap(NULL, sizeof(*sink->area), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	sink->area = p;
	sink->from = sink->to = sink->fed = SINK_NOTE_BYTES;
	return 0;
}

void sink_lose(struct sink *sink, uint64_t n)
{
	if (n > 0 && sink->dropped == sink->promised)
		sink->since_us = time_now_us();
	sink->dropped += n;
}

/* ---- waiting for room ----------------------------------------------------------------------- */

static int write_batch(struct sink *sink);

static void go_on(struct sink *sink)
{
	if (sink_flush(sink) == -EAGAIN)
		return;
	/* What was lost meanwhile is told now: the next line may be long in coming. */
	if (sink->dropped != sink->told && write_batch(sink) == -EAGAIN)
		return;
	if (sink->on_room)
		sink->on_room(sink);
}

static void on_writable(struct loop *loop, int fd, short revents, void *data)
{
	struct sink *sink = data;

	(void)revents; /* an error is told by the write */
	loop_remove(loop, fd);
	sink->watched = false;
	go_on(sink);
}

static void arm(struct sink *sink, uint64_t ms)
{
	sink->armed = true;
	loop_timer_arm(sink->loop, sink->timer, clock_ms() + ms);
}

static void on_timer(struct loop *loop, void *data)
{
	struct sink *sink = data;

	(void)loop;
	sink->armed = false;
	if (sink->stuck) {
		if (!sink->watched)
			go_on(sink);
		return;
	}
	/* Once a second, not after each batch, whose next would fault the pages in again. */
	(void)madvise(sink->area, sizeof(*sink->area), MADV_DONTNEED); /* a favour only */
	if (sink->on_room)
		sink->on_room(sink);
}

static void watch(struct sink *sink)
{
	if (!sink->loop || sink->watched || sink->feed_wait)
		return; /* a feed calls */
	if (!sink->lock_wait && loop_add(sink->loop, sink->fd, POLLOUT, on_writable, sink) == 0) {
		sink->watched = true;
		return;
	}
	arm(sink, sink->retry_ms);
	sink->retry_ms = MIN_OF(2 * sink->retry_ms, RETRY_MAX_MS);
}

void sink_later(struct sink *sink)
{
	if (sink->loop && !sink->armed)
		arm(sink, SINK_IDLE_MS);
}

int sink_attach(struct sink *sink, struct loop *loop)
{
	int r = sink_prepare(sink);

	if (r < 0 || sink->loop)
		return r;
	if (sink->feed)
		r = feed_attach(sink->feed, loop);
	if (r == 0)
		r = loop_timer_add(loop, on_timer, sink);
	if (r < 0)
		return r;
	sink->loop = loop;
	sink->timer = r;
	sink->retry_ms = RETRY_FIRST_MS;
	if (sink->stuck)
		watch(sink);
	return 0;
}

void sink_detach(struct sink *sink)
{
	if (!sink || !sink->loop)
		return;
	if (sink->watched)
		loop_remove(sink->loop, sink->fd);
	loop_timer_disarm(sink->loop, sink->timer);
	if (sink->feed)
		feed_detach(sink->feed);
	sink->watched = false;
	sink->armed = false;
	sink->loop = NULL;
	sink->outputs = NULL;
	sink->held = NULL;
	sink->on_room = NULL;
}

void sink_wait(struct sink *sink, uint64_t until_ms)
{
	const uint64_t now = clock_ms();
	struct pollfd p = {.fd = sink->lock_wait ? -1 : sink->fd, .events = POLLOUT};
	uint64_t ms = until_ms > now ? until_ms - now : 0;

	if (sink->feed_wait) {
		feed_wait(sink->feed, (int)MIN_OF(ms, (uint64_t)SINK_CLOSE_MS));
		(void)sink_flush(sink); /* as below */
		return;
	}
	ms = MIN_OF(ms, sink->lock_wait ? RETRY_FIRST_MS : SINK_CLOSE_MS);
	(void)poll(&p, 1, (int)ms); /* the flush says what came of it */
	(void)sink_flush(sink);	    /* and keeps what it has to say in @stuck */
}

/* ---- writing -------------------------------------------------------------------------------- */

static int set_lock(const struct sink *sink, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};

	return fcntl(sink->fd, F_SETLK, &lock) < 0 ? -errno : 0;
}

/* Return: 0, also where no lock can be had at all; -EAGAIN: another monitor has it. */
static int lock(struct sink *sink)
{
	int r;

	sink->lock_wait = false;
	if (sink->locked || !(sink->is_fifo || sink->is_socket))
		return 0;
	r = set_lock(sink, F_WRLCK);
	sink->locked = r == 0;
	sink->lock_wait = r == -EAGAIN || r == -EACCES;
	return sink->lock_wait ? -EAGAIN : 0;
}

static void unlock(struct sink *sink)
{
	if (sink->locked)
		(void)set_lock(sink, F_UNLCK); /* it was ours */
	sink->locked = false;
}

static bool has_room(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, 0) > 0;
}

static ssize_t write_some(const struct sink *sink, const char *buf, size_t len)
{
	ssize_t n;

	if (sink->is_socket) {
		n = send(sink->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (sink->can_be_full && sink->shared) {
		/* Where there is room there is room for PIPE_BUF. */
		if (!has_room(sink->fd))
			return -EAGAIN;
		n = write(sink->fd, buf, MIN_OF(len, (size_t)PIPE_BUF));
	} else {
		n = write(sink->fd, buf, len);
	}
	if (n > 0)
		return n;
	return n == 0 ? -EIO : errno == EINTR ? -EAGAIN : -errno;
}

/* What must stand before the next batch: the end of a torn record, and how many were lost. */
static void put_note(struct sink *sink)
{
	char since[TIME_BYTES], now[TIME_BYTES];
	char text[256], note[SINK_NOTE_BYTES];
	const struct line_args args = {.count = sink->dropped - sink->told,
				       .since = time_format(sink->since_us, since)};
	size_t len = 0;

	if (sink->torn)
		note[len++] = '\n';
	if (sink->dropped != sink->told) {
		(void)line_format(LINE_L12, &args, text, sizeof(text));
		len += str_fmt(note + len, sizeof(note) - len, "%s %s[%s]: %s\n",
			       time_format(time_now_us(), now),
			       sink->platform ? sink->platform : "heroku", sink->dyno, text);
	}
	len = MIN_OF(len, sizeof(note) - 1);
	sink->from = SINK_NOTE_BYTES - len;
	memcpy(sink->area->out + sink->from, note, len);
	sink->promised = sink->dropped;
}

static int write_all(struct sink *sink)
{
	while (sink->from < sink->to) {
		ssize_t n = write_some(sink, sink->area->out + sink->from, sink->to - sink->from);

		if (n < 0)
			return (int)n;
		sink->from += (size_t)n;
		sink->bytes += (uint64_t)n;
		sink->torn = sink->area->out[sink->from - 1] != '\n';
		if (sink->from >= SINK_NOTE_BYTES)
			sink->told = sink->promised;
	}
	return 0;
}

uint64_t sink_records(const char *text, size_t len)
{
	const char *end = text + len;
	uint64_t n = 0;

	while ((text = memchr(text, '\n', (size_t)(end - text)))) {
		text++;
		n++;
	}
	return n;
}

/* The rest cannot be written: what the note says is still to be told, the records are gone. */
static void lose_rest(struct sink *sink)
{
	const size_t from = MAX_OF(sink->from, (size_t)SINK_NOTE_BYTES);

	sink->promised = sink->told;
	sink_lose(sink, sink_records(sink->area->out + from, sink->to - from));
}

static int try_write(struct sink *sink)
{
	int r;

	/* What is begun is ended: the feed had room for it then. */
	sink->feed_wait =
		sink->feed && sink->feed->block && !sink->hurried && feed_is_full(sink->feed);
	if (sink->feed_wait)
		return -EAGAIN;
	r = lock(sink);
	if (r == 0 && sink->dir_fd >= 0)
		r = sink_file_ready(sink, sink->to - SINK_NOTE_BYTES);
	if (r == 0 && sink->from == SINK_NOTE_BYTES && (sink->torn || sink->dropped != sink->told))
		put_note(sink);
	return r < 0 ? r : write_all(sink);
}

/* Each record once, and before it may be gone. */
static void feed_to(struct sink *sink, size_t end)
{
	if (sink->feed && sink->fed < end)
		feed_batch(sink->feed, sink->area->out + sink->fed, end - sink->fed);
	sink->fed = end;
}

static int write_batch(struct sink *sink)
{
	int r = try_write(sink);

	sink->stuck = r == -EAGAIN;
	if (sink->stuck) {
		if (!sink->torn)
			unlock(sink);
		watch(sink);
		return r;
	}
	if (r < 0)
		lose_rest(sink);
	unlock(sink);
	feed_to(sink, sink->to);
	sink->lines += sink->records;
	sink->records = 0;
	sink->from = sink->to = sink->fed = SINK_NOTE_BYTES;
	sink->retry_ms = RETRY_FIRST_MS;
	sink_later(sink);
	return r;
}

int sink_flush(struct sink *sink)
{
	return sink->from == sink->to ? 0 : write_batch(sink); /* equal without an area, too */
}

/* ---- batches that wait ---------------------------------------------------------------------- */

/* The beginning of the first record of which nothing is written. */
static size_t first_whole(const struct sink *sink)
{
	const char *out = sink->area->out, *end;

	if (sink->from <= SINK_NOTE_BYTES)
		return SINK_NOTE_BYTES;
	if (out[sink->from - 1] == '\n')
		return sink->from;
	end = memchr(out + sink->from, '\n', sink->to - sink->from);
	return end ? (size_t)(end + 1 - out) : sink->to;
}

/* At once, so that not every record moves all that is behind it. */
bool sink_displace(struct sink *sink)
{
	const size_t first = first_whole(sink), half = first + (sink->to - first) / 2;
	char *out = sink->area->out;
	const char *end = memchr(out + half, '\n', sink->to - half);
	const size_t cut = end ? (size_t)(end + 1 - out) : sink->to;

	feed_to(sink, cut);
	sink_lose(sink, sink_records(out + first, cut - first));
	memmove(out + first, out + cut, sink->to - cut);
	sink->to -= cut - first;
	sink->fed = first;
	return cut > first;
}

/* ---- the feed ------------------------------------------------------------------------------- */

/* What the helper says is for the dyno's log: to its drains it has said it itself. */
static void on_told(void *data, const char *text, size_t len)
{
	struct sink *sink = data;
	struct feed *feed = sink->feed;

	(void)sink_flush(sink); /* what is before it goes to the feed */
	sink->feed = NULL;
	(void)sink_line(sink, sink->platform ? sink->platform : "heroku", feed->dyno, text, len);
	sink->feed = feed;
}

static void on_feed_room(void *data)
{
	struct sink *sink = data;

	if (sink->feed_wait)
		go_on(sink);
}

void sink_feed(struct sink *sink, struct feed *feed)
{
	sink->feed = feed;
	feed->told = on_told;
	feed->on_room = on_feed_room;
	feed->data = sink;
}

void sink_hurry(struct sink *sink, bool hurried)
{
	sink->hurried = hurried;
	if (hurried && sink->feed_wait)
		(void)write_batch(sink); /* what is left has @stuck */
}

void sink_close(struct sink *sink)
{
	const uint64_t until = clock_ms() + SINK_CLOSE_MS;

	sink_hurry(sink, true);
	while (sink->stuck && clock_ms() < until)
		sink_wait(sink, until);
	if (sink->area && !sink->stuck && (sink->torn || sink->dropped != sink->told))
		(void)write_batch(sink); /* of a note alone: the last chance */
	while (sink->stuck && clock_ms() < until)
		sink_wait(sink, until);
	sink_detach(sink);
	close_fdp(&sink->fd);
	close_fdp(&sink->dir_fd);
	if (sink->area)
		(void)munmap(sink->area, sizeof(*sink->area)); /* a mapping of ours */
	*sink = SINK_INIT;
}
