/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/timetext.h"
#include "model/lines.h"
#include "model/logurl.h"
#include "rootfs/store.h"

/* In the helper: the socket, and behind it what "fd:N" means. Source: drain/main.c */
#define HELPER_FD  3
#define HELPER_FDS 4
/* What the helper may hold up a start by. Source: own choice; it opens files, and a fifo waits for
 * nobody */
#define ANSWER_S 10
/* Of the socket: some batches. Source: own choice; the kernel halves it, and may give less */
#define ROOM_BYTES (512 * 1024)
/* What a helper says that has opened all it was told. */
#define READY '+'
/* A note about losses as a record */
#define NOTE_BYTES 512U

/* ---- the helper ------------------------------------------------------------------------------ */

static void add_url(struct sbuf *b, const char *url)
{
	const char *number = str_starts(url, "fd:");

	if (number)
		sbuf_addf(b, "log=fd:%u\n", HELPER_FDS + (unsigned int)(number[0] - '0'));
	else
		sbuf_addf(b, "log=%s\n", url);
}

static int write_config(struct feed *feed, const struct feed_plan *plan)
{
	struct sbuf *b = &feed->config;

	sbuf_addf(b, "app=%s\ndyno=%s\nsource=%s\n", plan->app, plan->dyno, plan->source);
	if (plan->block)
		sbuf_adds(b, "block=1\n");
	for (size_t i = 0; i < plan->n_urls; i++)
		add_url(b, plan->urls[i]);
	sbuf_adds(b, "\n");
	return sbuf_ok(b);
}

static int spawn(const struct feed *feed, int theirs, struct dyno_err *err)
{
	const char *argv[] = {feed->helper, NULL};
	int fds[HELPER_FDS + FEED_FDS_MAX] = {-1, -1, -1, theirs};
	const struct proc_spawn how = {
		.argv = argv, .fds = fds, .n_fds = HELPER_FDS + feed->n_fds, .exe_fd = -EBADF};
	_cleanup_close_ int pidfd = -EBADF;
	int status;
	int r;

	for (size_t i = 0; i < feed->n_fds; i++)
		fds[HELPER_FDS + i] = feed->fds[i];
	r = proc_spawn(&how, &pidfd, err);
	if (r < 0)
		return r;
	/* The helper itself is its child: it ends behind this process, and nobody reaps it.  The
	 * configuration is on its way, and is what this one waits for. */
	r = fd_write_full(feed->fd, feed->config.data, feed->config.len) < 0 ? -EPIPE : 0;
	(void)proc_wait(pidfd, &status); /* the helper's word says how it went */
	return r < 0 ? err_set(err, ERR_HELPER, EPIPE, "start %s", feed->helper) : 0;
}

/* The helper's first line. */
static int hear(const struct feed *feed, struct dyno_err *err)
{
	const struct timeval limit = {.tv_sec = ANSWER_S};
	char text[ERR_TEXT_BYTES];
	ssize_t n;

	(void)setsockopt(feed->fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
			 sizeof(limit)); /* or for ever */
	do
		n = recv(feed->fd, text, sizeof(text) - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return err_set(err, ERR_HELPER, n < 0 ? errno : EIO, "hear from %s", feed->helper);
	if (text[0] == READY)
		return 0;
	text[n - 1] = '\0';
	(void)err_set(err, ERR_IO, 0, "%s", text);
	err_hint(err, "see --log in dyno-start(1) for what can be named");
	return -EINVAL;
}

static int start_helper(struct feed *feed, struct dyno_err *err)
{
	_cleanup_close_ int theirs = -EBADF;
	const int room = ROOM_BYTES;
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, ERR_IO, errno, "make a channel to %s", feed->helper);
	feed->fd = pair[0];
	theirs = pair[1];
	(void)setsockopt(feed->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)); /* a favour */
	r = spawn(feed, theirs, err);
	close_fdp(&theirs);
	/* Later a monitor waits for no helper: its word comes as a line. */
	if (r == 0 && !feed->loop)
		r = hear(feed, err);
	if (r < 0)
		close_fdp(&feed->fd);
	feed->born_ms = clock_ms();
	feed->in_len = 0;
	return r;
}

int feed_open(struct feed *feed, const struct feed_plan *plan, struct dyno_err *err)
{
	int r;

	*feed = (struct feed){.fd = -EBADF, .block = plan->block, .n_fds = plan->n_fds};
	memcpy(feed->fds, plan->fds, sizeof(feed->fds));
	feed->retry_ms = FEED_RETRY_FIRST_MS;
	(void)str_fmt(feed->source, sizeof(feed->source), "%s", plan->source);
	(void)str_fmt(feed->dyno, sizeof(feed->dyno), "%s", plan->dyno);
	if (write_config(feed, plan) < 0)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep where the lines go");
	r = store_helper_find(plan->libexec_dir, FEED_PROGRAM, feed->helper, sizeof(feed->helper),
			      err);
	if (r == 0)
		r = start_helper(feed, err);
	if (r < 0)
		feed_close(feed);
	return r;
}

/* ---- losses ---------------------------------------------------------------------------------- */

static uint64_t records(const char *text, size_t len)
{
	uint64_t n = 0;

	for (const char *p = text; (p = memchr(p, '\n', (size_t)(text + len - p))); p++)
		n++;
	return n;
}

static void lose(struct feed *feed, const char *text, size_t len)
{
	if (feed->dropped == feed->noted)
		feed->since_us = time_now_us();
	feed->dropped += records(text, len);
}

static void lose_left(struct feed *feed)
{
	if (feed->from < feed->left.len)
		lose(feed, feed->left.data + feed->from, feed->left.len - feed->from);
	sbuf_done(&feed->left);
	feed->left = (struct sbuf){0};
	feed->from = 0;
}

/* ---- handing over ---------------------------------------------------------------------------- */

/* The next one is started by the timer: this may be in the middle of a batch. */
static void helper_died(struct feed *feed)
{
	if (feed->loop)
		loop_remove(feed->loop, feed->fd);
	close_fdp(&feed->fd);
	feed->wants_room = false;
	lose_left(feed);
	if (!feed->loop)
		return;
	if (clock_ms() - feed->born_ms > FEED_RETRY_MAX_MS)
		feed->retry_ms = FEED_RETRY_FIRST_MS;
	loop_timer_arm(feed->loop, feed->timer, clock_ms() + feed->retry_ms);
	feed->retry_ms = MIN_OF(2 * feed->retry_ms, (uint64_t)FEED_RETRY_MAX_MS);
	if (feed->on_room)
		feed->on_room(feed->data); /* nobody is to wait for a helper that is not there */
}

static void on_event(struct loop *loop, int fd, short revents, void *data);

static void watch(struct feed *feed, bool room)
{
	if (!feed->loop || feed->wants_room == room)
		return;
	loop_remove(feed->loop, feed->fd);
	/* The place was ours a moment ago. */
	(void)loop_add(feed->loop, feed->fd, room ? POLLIN | POLLOUT : POLLIN, on_event, feed);
	feed->wants_room = room;
}

/* Return: 0; -EAGAIN: no room; -EPIPE: the helper is gone. */
static int send_some(const struct feed *feed, const char *text, size_t len, size_t *io_sent)
{
	while (*io_sent < len) {
		const ssize_t n = send(feed->fd, text + *io_sent, len - *io_sent,
				       MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == ENOBUFS ? -EAGAIN : -EPIPE;
		*io_sent += (size_t)n;
	}
	return 0;
}

/* Return: whether nothing is left. */
static bool send_left(struct feed *feed)
{
	int r;

	if (feed->fd < 0 || feed->from == feed->left.len)
		return feed->from == feed->left.len;
	r = send_some(feed, feed->left.data, feed->left.len, &feed->from);
	if (r == -EPIPE)
		helper_died(feed);
	if (r < 0)
		return false;
	sbuf_done(&feed->left); /* the memory too: it is rarely needed */
	feed->left = (struct sbuf){0};
	feed->from = 0;
	return true;
}

static size_t format_note(const struct feed *feed, char note[NOTE_BYTES])
{
	char since[TIME_BYTES], now[TIME_BYTES], text[256];
	const struct line_args args = {.count = feed->dropped - feed->noted,
				       .since = time_format(feed->since_us, since)};
	size_t len;

	(void)line_format(LINE_L12, &args, text, sizeof(text));
	len = str_fmt(note, NOTE_BYTES, "%s %s[%s]: %s\n", time_format(time_now_us(), now),
		      feed->source, feed->dyno, text);
	return MIN_OF(len, (size_t)NOTE_BYTES - 1);
}

/* What does not go now is kept, the rest of a record above all. */
static void give(struct feed *feed, const char *text, size_t len)
{
	size_t sent = 0;
	int r = feed->from < feed->left.len ? -EAGAIN : send_some(feed, text, len, &sent);

	if (r == -EPIPE) {
		lose(feed, text + sent, len - sent);
		helper_died(feed);
	} else if (r == -EAGAIN) {
		sbuf_add(&feed->left, text + sent, len - sent);
		if (sbuf_ok(&feed->left) < 0)
			helper_died(
				feed); /* else it would take the next record for the rest of this */
		else
			watch(feed, true);
	}
}

bool feed_is_full(const struct feed *feed)
{
	return feed->fd >= 0 && feed->from < feed->left.len;
}

void feed_batch(struct feed *feed, const char *text, size_t len)
{
	char note[NOTE_BYTES];

	if (feed->fd < 0 || !send_left(feed)) {
		lose(feed, text, len);
		return;
	}
	if (feed->dropped != feed->noted) {
		const uint64_t dropped = feed->dropped;

		give(feed, note, format_note(feed, note));
		if (feed->fd >= 0)
			feed->noted = dropped;
	}
	if (feed->fd >= 0)
		give(feed, text, len);
	else
		lose(feed, text, len);
}

void feed_wait(struct feed *feed, int ms)
{
	struct pollfd p = {.fd = feed->fd, .events = POLLOUT};

	(void)poll(&p, 1, ms); /* the next call says what came of it */
	(void)send_left(feed); /* and keeps what there was no room for */
}

/* ---- what the helper says -------------------------------------------------------------------- */

static void tell_lines(struct feed *feed)
{
	char *end;

	while ((end = memchr(feed->in, '\n', feed->in_len))) {
		const size_t taken = (size_t)(end + 1 - feed->in);

		if (feed->told && feed->in[0] != READY)
			feed->told(feed->data, feed->in, taken - 1);
		feed->in_len -= taken;
		memmove(feed->in, feed->in + taken, feed->in_len);
	}
	if (feed->in_len == sizeof(feed->in))
		feed->in_len = 0; /* no line of a helper's */
}

static void on_event(struct loop *loop, int fd, short revents, void *data)
{
	struct feed *feed = data;
	ssize_t n;

	(void)loop;
	n = recv(fd, feed->in + feed->in_len, sizeof(feed->in) - feed->in_len, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		helper_died(feed);
		return;
	}
	if (n > 0) {
		feed->in_len += (size_t)n;
		tell_lines(feed);
	}
	if (!(revents & POLLOUT) || !send_left(feed))
		return;
	watch(feed, false);
	if (feed->on_room)
		feed->on_room(feed->data);
}

static void on_timer(struct loop *loop, void *data)
{
	static const char restarted[] =
		"Warning: the helper that sends the log elsewhere had ended and is started again";
	struct feed *feed = data;
	struct dyno_err err = {0};

	if (feed->fd >= 0)
		return;
	if (feed->told)
		feed->told(feed->data, restarted, STRLEN(restarted));
	if (start_helper(feed, &err) == 0 &&
	    loop_add(loop, feed->fd, POLLIN, on_event, feed) == 0) {
		feed->wants_room = false;
		return;
	}
	close_fdp(&feed->fd);
	loop_timer_arm(loop, feed->timer, clock_ms() + feed->retry_ms);
	feed->retry_ms = MIN_OF(2 * feed->retry_ms, (uint64_t)FEED_RETRY_MAX_MS);
}

int feed_attach(struct feed *feed, struct loop *loop)
{
	int r;

	if (feed->loop)
		return 0;
	r = loop_timer_add(loop, on_timer, feed);
	if (r < 0)
		return r;
	feed->timer = r;
	feed->loop = loop;
	feed->wants_room = false;
	return feed->fd < 0 ? 0 : loop_add(loop, feed->fd, POLLIN, on_event, feed);
}

void feed_detach(struct feed *feed)
{
	if (!feed->loop)
		return;
	if (feed->fd >= 0)
		loop_remove(feed->loop, feed->fd);
	loop_timer_disarm(feed->loop, feed->timer);
	feed->loop = NULL;
}

void feed_close(struct feed *feed)
{
	feed_detach(feed);
	if (feed_is_full(feed))
		(void)send_left(feed); /* the last chance */
	close_fdp(&feed->fd);
	sbuf_done(&feed->config);
	sbuf_done(&feed->left);
	*feed = (struct feed){.fd = -EBADF};
}
