/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
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
		sbuf_addf(b, "log=fd:%u\n", DRAIN_FD_LOGS + (unsigned int)(number[0] - '0'));
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

static int spawn(const struct feed *feed, int theirs, int page_fd, struct dyno_err *err)
{
	const char *argv[] = {feed->helper, NULL};
	int fds[DRAIN_FD_LOGS + FEED_FDS_MAX] = {
		-1, -1, -1, [DRAIN_FD_FEED] = theirs, [DRAIN_FD_PAGE] = page_fd};
	const struct proc_spawn how = {
		.argv = argv, .fds = fds, .n_fds = DRAIN_FD_LOGS + feed->n_fds, .exe_fd = -EBADF};
	_cleanup_close_ int pidfd = -EBADF;
	int status;
	int r;

	for (size_t i = 0; i < feed->n_fds; i++)
		fds[DRAIN_FD_LOGS + i] = feed->fds[i];
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

static void unmap_page(struct feed *feed)
{
	if (feed->page)
		(void)munmap(feed->page, sizeof(*feed->page)); /* a mapping of ours */
	feed->page = NULL;
}

/* Each helper has one of its own: nobody else has ever written to it. Return: its descriptor. */
static int make_page(struct feed *feed)
{
	_cleanup_close_ int fd = memfd_create(FEED_PROGRAM, MFD_CLOEXEC);
	void *p;

	if (fd < 0 || ftruncate(fd, sizeof(*feed->page)) < 0)
		return -errno;
	p = mmap(NULL, sizeof(*feed->page), PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	unmap_page(feed);
	feed->page = p;
	return take_fd(&fd);
}

static int start_helper(struct feed *feed, struct dyno_err *err)
{
	_cleanup_close_ int theirs = -EBADF, page_fd = make_page(feed);
	const int room = ROOM_BYTES;
	int pair[2];
	int r;

	if (page_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, ERR_IO, errno, "make a channel to %s", feed->helper);
	feed->fd = pair[0];
	theirs = pair[1];
	(void)setsockopt(feed->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)); /* a favour */
	r = spawn(feed, theirs, page_fd, err);
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

static void lose(struct feed *feed, uint64_t n)
{
	if (n > 0 && feed->dropped == feed->noted)
		feed->since_us = time_now_us();
	feed->dropped += n;
}

/* ---- what is left ---------------------------------------------------------------------------- */

bool feed_is_full(const struct feed *feed)
{
	return feed->from < feed->left.len;
}

/* Where the first record begins of which the socket has nothing. */
static size_t first_whole(const struct feed *feed)
{
	const char *end =
		feed->torn ? memchr(feed->left.data + feed->from, '\n', feed->left.len - feed->from)
			   : NULL;

	return end ? (size_t)(end + 1 - feed->left.data) : feed->from;
}

/* The memory goes too: it is rarely needed. */
static void forget_left(struct feed *feed)
{
	sbuf_done(&feed->left);
	feed->left = (struct sbuf){0};
	feed->from = 0;
}

/* The oldest records go where there would be too much with @more bytes.  What is begun stays. */
static void displace(struct feed *feed, size_t more)
{
	struct sbuf *left = &feed->left;
	size_t first, cut;
	const char *end;

	memmove(left->data, left->data + feed->from, left->len - feed->from);
	left->len -= feed->from;
	feed->from = 0;
	if (left->len + more <= FEED_LEFT_BYTES)
		return;
	first = first_whole(feed);
	cut = MIN_OF(first + left->len + more - FEED_LEFT_BYTES, left->len);
	end = cut > first ? memchr(left->data + cut - 1, '\n', left->len - cut + 1) : NULL;
	cut = end ? (size_t)(end + 1 - left->data) : left->len;
	lose(feed, records(left->data + first, cut - first));
	memmove(left->data + first, left->data + cut, left->len - cut);
	left->len -= cut - first;
}

/* ---- handing over ---------------------------------------------------------------------------- */

/* What nobody says any more that he has delivered is lost, and so is a record that was begun. */
static void count_undelivered(struct feed *feed)
{
	const uint64_t settled = __atomic_load_n(&feed->page->settled, __ATOMIC_RELAXED);

	lose(feed, feed->given - MIN_OF(settled, feed->given));
	feed->given = 0;
	if (!feed->torn)
		return;
	lose(feed, 1);
	feed->from = first_whole(feed);
	feed->torn = false;
	if (!feed_is_full(feed))
		forget_left(feed);
}

/* The next one is started by the timer: this may be in the middle of a batch. */
static void helper_died(struct feed *feed)
{
	if (feed->loop)
		loop_remove(feed->loop, feed->fd);
	close_fdp(&feed->fd);
	feed->wants_room = false;
	count_undelivered(feed);
	if (!feed->loop)
		return;
	if (clock_ms() - feed->born_ms > FEED_RETRY_MAX_MS)
		feed->retry_ms = FEED_RETRY_FIRST_MS;
	loop_timer_arm(feed->loop, feed->timer, clock_ms() + feed->retry_ms);
	feed->retry_ms = MIN_OF(2 * feed->retry_ms, (uint64_t)FEED_RETRY_MAX_MS);
	if (feed->on_room && !feed_is_full(feed))
		feed->on_room(feed->data);
}

static void on_event(struct loop *loop, int fd, short revents, void *data);

static void watch(struct feed *feed, bool room)
{
	if (!feed->loop || feed->fd < 0 || feed->wants_room == room)
		return;
	loop_remove(feed->loop, feed->fd);
	/* The place was ours a moment ago. */
	(void)loop_add(feed->loop, feed->fd, room ? POLLIN | POLLOUT : POLLIN, on_event, feed);
	feed->wants_room = room;
}

/* Return: 0; -EAGAIN: no room; -EPIPE: the helper is gone. */
static int send_some(struct feed *feed, const char *text, size_t len, size_t *io_sent)
{
	while (*io_sent < len) {
		const ssize_t n = send(feed->fd, text + *io_sent, len - *io_sent,
				       MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == ENOBUFS ? -EAGAIN : -EPIPE;
		feed->given += records(text + *io_sent, (size_t)n);
		*io_sent += (size_t)n;
		feed->torn = text[*io_sent - 1] != '\n';
	}
	return 0;
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

/* Between two records.  Return: as send_some(). */
static int send_note(struct feed *feed)
{
	char note[NOTE_BYTES];
	size_t len, sent = 0;
	int r;

	if (feed->dropped == feed->noted)
		return 0;
	len = format_note(feed, note);
	r = send_some(feed, note, len, &sent);
	if (r == -EAGAIN && sent > 0)
		return -EPIPE; /* the kernel takes so little whole, or not at all */
	if (r < 0)
		return r;
	/* Whoever loses the note loses the count with it. */
	feed->given += feed->dropped - feed->noted - 1;
	feed->noted = feed->dropped;
	return 0;
}

/* Return: whether nothing is left, nor to be told. */
static bool send_left(struct feed *feed)
{
	int r = feed->fd < 0 ? -EAGAIN : 0;

	if (r == 0 && feed->torn)
		r = send_some(feed, feed->left.data, first_whole(feed), &feed->from);
	if (r == 0)
		r = send_note(feed);
	if (r == 0)
		r = send_some(feed, feed->left.data, feed->left.len, &feed->from);
	if (r == -EPIPE)
		helper_died(feed);
	if (r < 0)
		return false;
	forget_left(feed);
	return true;
}

/* For the next helper where this one is gone. */
static void keep(struct feed *feed, const char *text, size_t len)
{
	const bool begun = feed->torn && !feed_is_full(feed);

	if (feed_is_full(feed))
		displace(feed, len);
	sbuf_add(&feed->left, text, len);
	if (sbuf_ok(&feed->left) == 0) {
		watch(feed, true);
		return;
	}
	feed->left.failed = false;
	lose(feed, records(text, len));
	if (begun) { /* else the helper would take the next record for the rest of this */
		feed->torn = false;
		helper_died(feed);
	}
}

void feed_batch(struct feed *feed, const char *text, size_t len)
{
	size_t sent = 0;
	int r = send_left(feed) ? send_some(feed, text, len, &sent) : -EAGAIN;

	if (r < 0)
		keep(feed, text + sent, len - sent);
	if (r == -EPIPE && feed->fd >= 0)
		helper_died(feed);
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

static void go_on(struct feed *feed)
{
	const bool sent = send_left(feed);

	watch(feed, !sent);
	if (sent && feed->on_room)
		feed->on_room(feed->data);
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
	if (revents & POLLOUT)
		go_on(feed);
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
		go_on(feed);
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
	const uint64_t until = clock_ms() + FEED_CLOSE_MS;

	feed_detach(feed);
	while (feed->fd >= 0 && !send_left(feed) && feed->fd >= 0 && clock_ms() < until)
		feed_wait(feed, (int)(until - clock_ms()));
	close_fdp(&feed->fd);
	unmap_page(feed);
	sbuf_done(&feed->config);
	sbuf_done(&feed->left);
	*feed = (struct feed){.fd = -EBADF};
}
