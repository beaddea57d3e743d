/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink.h - where the lines of one dyno go: a descriptor of the caller's, or files of the data
 * directory, logs/<app>/<dyno>.log and an older .log.1.  Each line is a record that begins with
 * the time and with a source that nobody inside can forge, and holds no other newline than its
 * last, nor a NUL but before that: it says that the next record goes on with the same line, see
 * logline.h, also on what tells standard error.
 *
 * Nothing here waits.  A pipe that is full keeps what it was given and is watched in the loop until
 * it has room; a disk that is full, or a pipe without a reader, loses it, counted, and says so in
 * the log once it can.  SIGPIPE is to be ignored, and SIGXFSZ.
 */
#ifndef DYNO_SINK_H
#define DYNO_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "base/loop.h"
#include "rootfs/store.h"

/* Directory below the data directory, with one of each app. */
#define LOGS_DIR "logs"

/* A longer line becomes several records. Source: contract 10.3 */
#define OUTPUT_LINE_BYTES 10000U
/* Of both log files, where nothing else is set. Source: own choice */
#define SINK_KEEP_BYTES (64U * 1024U * 1024U)
/* The least that may be set: a file has room for many batches. Source: own choice */
#define SINK_KEEP_MIN_BYTES (1024U * 1024U)
/* One log file; a second, older one is kept. */
#define SINK_FILE_BYTES (SINK_KEEP_BYTES / 2)
/* A file with fewer lines is not turned over, however long these are: so many can always be shown.
 * Source: contract 10.4 */
#define SINK_KEEP_LINES 1500U
/* Of one read and of one write. Source: pipe(7), the default capacity */
#define SINK_BATCH_BYTES (64U * 1024U)
/* Room for the platform's lines beyond a batch that waits: a dozen restarts.  Own choice */
#define SINK_RESERVE_BYTES (16U * 1024U)
/* "TIME SOURCE[DYNO]: ", a name of 63 bytes on either side, a mark, and more. Own choice */
#define SINK_HEAD_BYTES 256U
/* A head is copied by so many bytes at a time. Source: most heads are one; two words of the widest
 * kind, a cache line */
#define SINK_BLOCK_BYTES 64U
/* A newline, and L12 as a record. Own choice */
#define SINK_NOTE_BYTES 512U
/* After a second the buffers are given back to the host.  Own choice */
#define SINK_IDLE_MS 1000U
/* How long sink_close() waits for a reader.  Own choice */
#define SINK_CLOSE_MS 1000U

struct feed;
struct output;
struct output_stream;

/**
 * struct sink_area - the buffers of a sink and of all that is read for it, a mapping of their own:
 * while nobody prints no page of it is there.
 * @in: an unfinished line right before the place where a read begins
 * @head: how the records of a batch begin
 * @out: a gap for a note, a batch, the reserve; behind it the rest of a block
 */
struct sink_area {
	char in[OUTPUT_LINE_BYTES + SINK_BATCH_BYTES];
	char head[SINK_HEAD_BYTES];
	char out[SINK_NOTE_BYTES + SINK_BATCH_BYTES + SINK_RESERVE_BYTES + SINK_BLOCK_BYTES];
};

/**
 * struct sink - set up by sink_open_*(), ended by sink_close().
 * @dir_fd: logs/<app>; -EBADF: the lines go to a descriptor of the caller's
 * @fd: owned; of a pipe a description of our own where that can be had
 * @name: of the log file in @dir_fd
 * @platform: source of the note about losses; NULL: "heroku"; borrowed
 * @dyno: of the last record
 * @feed: gets every record too, for --log; NULL: none; borrowed, see sink_feed()
 * @bytes: of the log file
 * @lines: of the log file; those before it was opened only if @counted
 * @file_bytes: when it is turned over
 * @dropped: records lost so far
 * @drop: a descriptor without room is not waited for: the oldest records that wait are lost
 *
 * Internal: the rest.
 * @told, @promised: of @dropped, what the log says, and with the note that is being written
 * @since_us: time of the first loss that is not told
 * @can_be_full: a pipe, socket or terminal: no write without room
 * @is_socket, @is_fifo: as fstat(2) has it
 * @shared: non-blocking mode is not ours to set
 * @torn: what was written last is an unfinished record
 * @locked: against other monitors, see sink.c
 * @stuck: there was no room for all of it
 * @lock_wait: for want of the lock; @feed_wait: as the feed is full; @hurried: see sink_hurry()
 * @watched: the loop waits for room
 * @armed: @timer is set
 * @from, @to: what is still to be written, in @area->out
 * @fed: of @area->out, what the feed has not got begins there
 * @records: put into it
 * @outputs, @held, @held_text, @held_len, @on_room: see output.c
 */
struct sink {
	int dir_fd;
	int fd;
	char name[96];
	const char *platform;
	char dyno[64];
	struct feed *feed;
	uint64_t bytes;
	uint64_t lines;
	uint64_t file_bytes;
	uint64_t dropped;
	bool drop;

	uint64_t told;
	uint64_t promised;
	uint64_t since_us;
	bool can_be_full;
	bool is_socket;
	bool is_fifo;
	bool shared;
	bool torn;
	bool counted;
	bool locked;
	bool stuck;
	bool lock_wait;
	bool feed_wait;
	bool hurried;
	bool watched;
	bool armed;
	struct sink_area *area;
	size_t head_len;
	size_t from;
	size_t to;
	size_t fed;
	uint64_t records;
	struct loop *loop;
	int timer;
	unsigned int retry_ms;
	struct output *outputs;
	struct output_stream *held;
	const char *held_text;
	size_t held_len;
	void (*on_room)(struct sink *sink);
};

/** SINK_INIT - loses everything; sink_close() may be called on it. */
#define SINK_INIT                                              \
	(struct sink)                                          \
	{                                                      \
		.dir_fd = -9 /* -EBADF */, .fd = -9 /* same */ \
	}

/**
 * sink_open_fd() - lines go to @fd, borrowed for this call: it is opened anew or duplicated, and
 * neither its mode nor that of its description is changed.  A pipe or socket without a reader loses
 * its lines; one that is full makes the monitor stop reading from the app until there is room.
 * Several monitors may share a pipe: their records do not mix.
 */
void sink_open_fd(struct sink *sink, int fd);

/**
 * sink_open_files() - lines go to log files, appended.  They are locked while the sink lives, so
 * that sink_remove_ended() leaves them alone.  How many bytes are kept @file_bytes of the sink says,
 * to be set after this call; SINK_FILE_BYTES by default.
 * Return: 0, or -errno with ERR_IO.
 */
int sink_open_files(struct sink *sink, struct store *store, const char *app, const char *dyno,
		    struct dyno_err *err);

/** sink_remove_files() - forget the log files of a dyno, and the directory of an app without any.
 * Return: 0 or -errno. */
int sink_remove_files(struct store *store, const char *app, const char *dyno);

/** sink_remove_ended() - the same, but only if no sink has them open.
 * Return: 1: removed, or there were none; 0: somebody writes to them; -errno. */
int sink_remove_ended(struct store *store, const char *app, const char *dyno);

/** sink_feed() - hand every record to @feed too, borrowed until sink_close(), and take from it what
 * it says of itself.  Before sink_attach(), which attaches it as well. */
void sink_feed(struct sink *sink, struct feed *feed);

/**
 * sink_attach() - watch for room in @loop, borrowed until sink_detach() or sink_close(); it has
 * one timer more by it.  Without a loop what waits is written with the next line.
 * Return: 0, -ENOMEM, or -ENOSPC: no timer, or no place for the feed.
 */
int sink_attach(struct sink *sink, struct loop *loop);

/** sink_detach() - the loop ends, and so have all outputs.  NULL and one without a loop are fine. */
void sink_detach(struct sink *sink);

/**
 * sink_line() - one record: "TIME SOURCE[DYNO]: TEXT\n"; of a text longer than OUTPUT_LINE_BYTES
 * several.
 * @text: @len bytes as they came; a newline within becomes \n, NUL \x00; the rest is left alone
 * Return: 0: written, or kept until there is room; -errno: lost and counted (-ENOBUFS: too much
 * waits for room).
 */
int sink_line(struct sink *sink, const char *source, const char *dyno, const char *text,
	      size_t len);

/** sink_close() - write what waits for room, for SINK_CLOSE_MS at most. */
void sink_close(struct sink *sink);

/* ---- of the files of this module ------------------------------------------------------------ */

/** sink_file_ready() - open the log file where it is not, and turn it over where @more bytes would
 * be too many. Return: 0 or -errno. */
int sink_file_ready(struct sink *sink, uint64_t more);

/** sink_prepare() - see that there are buffers. Return: 0; -ENOMEM. */
int sink_prepare(struct sink *sink);

/** sink_displace() - lose the older half of what waits for room; what is left of a record that was
 * begun stays. Return: whether there was any. */
bool sink_displace(struct sink *sink);

/* ---- records by the batch, for output.c ----------------------------------------------------- */

/** sink_head() - how the records that follow begin; their time is now. @err: they come from
 * standard error */
void sink_head(struct sink *sink, const char *source, const char *dyno, bool err);

/* Of a record: the next one goes on with the same line; it is known to hold neither newline nor NUL. */
#define SINK_PARTIAL (1U << 0)
#define SINK_PLAIN   (1U << 1)

/**
 * sink_put() - one record, to be written by sink_flush() or when the batch is full.
 * @len: OUTPUT_LINE_BYTES at most
 * @flags: SINK_PARTIAL, SINK_PLAIN
 * Return: 0; -EAGAIN: no room, it was not taken; never where the sink drops.
 */
int sink_put(struct sink *sink, const char *text, size_t len, unsigned int flags);

/** sink_flush() - write what is there. Return: 0; -EAGAIN: not all of it, see @stuck; -errno: the
 * rest is lost and counted. */
int sink_flush(struct sink *sink);

/** sink_is_full() - no record can be taken until there is room. */
static inline bool sink_is_full(const struct sink *sink)
{
	return sink->stuck && (!sink->drop || sink->feed_wait);
}

/** sink_lose() - count @n records as lost. */
void sink_lose(struct sink *sink, uint64_t n);

/** sink_records() - newlines of a text. */
uint64_t sink_records(const char *text, size_t len);

/** sink_later() - @on_room is called once more, within SINK_IDLE_MS. */
void sink_later(struct sink *sink);

/** sink_hurry() - whether a feed that blocks is not waited for all the same: whose end has come may
 * lose lines there, the oldest first, but not in the log. */
void sink_hurry(struct sink *sink, bool hurried);

/** sink_wait() - for room, @until_ms (CLOCK_BOOTTIME) at most, and sink_flush(). */
void sink_wait(struct sink *sink, uint64_t until_ms);

#endif
