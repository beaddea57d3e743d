/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain.h - the inside of dyno-drain: one drain, whatever its kind, and what all of them share.
 *
 * A drain is asked to go on (service) after every wait of the one loop.  It sends what it can
 * without waiting, and says what it waits for: a descriptor, or a time.
 */
#ifndef DYNO_DRAIN_DRAIN_H
#define DYNO_DRAIN_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

#include <dyno.h>

#include "base/logline.h"
#include "base/str.h"
#include "drain/ring.h"
#include "model/logurl.h"

/* Waits between tries: doubled from the first to the last. Source: own choice */
#define DRAIN_RETRY_FIRST_MS 250U
#define DRAIN_RETRY_MAX_MS   30000U
/* Losses are told to the dyno's log so long after the first, and then no more often than that.
 * Source: own choice */
#define DRAIN_TELL_FIRST_MS 1000U
#define DRAIN_TELL_MS	    20000U
/* Source: contract 10.8 */
#define DRAIN_CONNECT_MS 3000L
#define DRAIN_REQUEST_MS 5000L
#define DRAIN_TRIES	 3U
/* Of a connection, what the kernel keeps that nobody has read. Source: own choice */
#define DRAIN_SOCKET_BYTES (128 * 1024)
/* "TIME SOURCE[DYNO]: Error L14 ... URI" */
#define DRAIN_NOTE_BYTES 1024U

struct drain;

/**
 * struct drain_kind - what a kind of drain does.
 * @open: before the first line, with the caller's directories and rights; may be NULL
 * @service: go on; never waits
 * @done: a transfer of libcurl's that the drain has begun is over
 * @close: give back all
 */
struct drain_kind {
	int (*open)(struct drain *d, struct dyno_err *err);
	void (*service)(struct drain *d, uint64_t now_ms);
	void (*done)(struct drain *d, CURLcode code);
	void (*close)(struct drain *d);
};

extern const struct drain_kind drain_file;
extern const struct drain_kind drain_datagram;
extern const struct drain_kind drain_stream;
extern const struct drain_kind drain_https;

/**
 * struct drain_loss - records that did not get through.
 * @count, @since_us: not yet told in the drain itself
 * @untold, @untold_since_us: not yet told in the dyno's log
 */
struct drain_loss {
	uint64_t count;
	uint64_t since_us;
	uint64_t untold;
	uint64_t untold_since_us;
};

/**
 * struct drain_shared - of all drains of a dyno.
 * @app, @dyno, @platform: its names, and the source of notes
 * @feed_fd: of the monitor
 * @closing: the monitor has ended: what there is is tried to be sent for a while
 */
struct drain_shared {
	struct ring ring;
	CURLM *multi;
	const char *app;
	const char *dyno;
	const char *platform;
	int feed_fd;
	bool block;
	bool closing;
};

/**
 * struct drain - one.
 * @seq: of the ring's record that is next; @passed: what those before it stood for
 * @token: see logurl_token()
 * @displaced, @lost: L10, L13
 * @bad_cert: L14 was told for this row of failures
 * @tell_ms: when losses may be told again
 * @wake_ms: service is due then; UINT64_MAX: only when something happens
 * @poll_fd, @poll_events: what is waited for; -1: nothing. CURL_WAIT_*
 * @failures: in a row; @retry_at_ms: the next try
 * @busy: it has taken records that are not delivered
 * @note, @note_len: a note about losses that is next, in place of the ring's record
 * @note_count: how many it tells of; @note_since_us: when the first of them was lost
 * @weight: records that were taken and may still be lost, see drain_settled(); @noted,
 * @noted_since_us: those that notes among them tell of
 * @out, @out_from: what is being sent
 *
 * Of files: @fd, @is_regular, @is_socket; @locked: against other helpers, see outlet.c; @torn: what
 * stands last in it is an unfinished line; @fresh: not looked at since it was opened; @dev, @ino:
 * which it is; @turn_ms: when it may be tried to be turned over again; @told: why it cannot was
 * told.
 * Of libcurl: @easy, @added: to the shared handle; @connected, @since_ms: of a stream, or when an
 * HTTPS drain began to gather; @headers, @tries, @in_flight, @frame: of one request.
 */
struct drain {
	const struct drain_kind *kind;
	struct drain_shared *shared;
	struct logurl url;
	uint64_t seq;
	uint64_t passed;
	char token_buf[LOGURL_TOKEN_BYTES];
	const char *token;
	struct drain_loss displaced;
	struct drain_loss lost;
	bool bad_cert;
	uint64_t tell_ms;
	uint64_t wake_ms;
	int poll_fd;
	short poll_events;
	unsigned int failures;
	uint64_t retry_at_ms;
	bool busy;
	char note[DRAIN_NOTE_BYTES];
	size_t note_len;
	uint64_t note_count;
	uint64_t note_since_us;
	uint64_t weight;
	uint64_t noted;
	uint64_t noted_since_us;
	struct sbuf out;
	size_t out_from;

	int fd;
	bool is_regular;
	bool is_socket;
	bool locked;
	bool torn;
	bool fresh;
	bool told;
	uint64_t dev;
	uint64_t ino;
	uint64_t turn_ms;
	CURL *easy;
	bool added;
	bool connected;
	uint64_t since_ms;
	struct curl_slist *headers;
	unsigned int tries;
	uint64_t in_flight;
	uint64_t frame[2];
};

/* ---- outlet.c -------------------------------------------------------------------------------- */

/** outlet_open() - what a drain into a file or a descriptor writes to. Return: 0; -errno with
 * ERR_IO. */
int outlet_open(struct drain *d, struct dyno_err *err);

/**
 * outlet_ready() - lock it, and see that a batch of @more bytes may be written to it: a line that
 * was torn is ended, a file that bears its name no more is opened anew, one that is full turned
 * over.
 * Return: 0; -EBUSY: somebody else has the lock; -EAGAIN: no room; -errno.
 */
int outlet_ready(struct drain *d, size_t more, uint64_t now_ms);

/** outlet_write() - some of a batch. Return: bytes, 1 or more; -EAGAIN: no room; -errno. */
ssize_t outlet_write(const struct drain *d, const char *text, size_t len);

/** outlet_unlock() - let others go on; what is not locked is fine. */
void outlet_unlock(struct drain *d);

/* ---- drain.c --------------------------------------------------------------------------------- */

/** drain_next() - what is to be sent next: a note about losses, or a record. Return: whether there
 * is any; it is valid until drain_taken(). */
bool drain_next(struct drain *d, struct logline *ret);

/** drain_taken() - what drain_next() has told is on its way. */
void drain_taken(struct drain *d);

/** drain_stands_for() - of how many of the dyno's records a record tells: the monitor's note of those
 * it could not hand over (L12) of as many. */
uint64_t drain_stands_for(const char *text, size_t len);

/** drain_warn() - a line for the dyno's log. Return: whether it is on its way. */
bool drain_warn(const struct drain *d, const char *text);

/** drain_waiting() - records of the ring that were not taken. */
uint64_t drain_waiting(const struct drain *d);

/** drain_through() - of the dyno's records, how many it is through with, see drainpage.h. */
uint64_t drain_through(const struct drain *d);

/** drain_settled() - what was taken has got through. */
void drain_settled(struct drain *d);

/** drain_lose() - what was taken since drain_settled() did not get through.  What a note among it
 * has told of is told again, but not to the dyno's log, which has heard of it. */
void drain_lose(struct drain *d);

/** drain_failed() - a try has failed: the next one comes after a while. */
void drain_failed(struct drain *d, uint64_t now_ms);

/** drain_went_well() - the row of failures has ended. */
void drain_went_well(struct drain *d);

/** drain_may_try() - whether it is time; else @wake_ms is set. */
bool drain_may_try(struct drain *d, uint64_t now_ms);

/** drain_certificate() - tell a bad certificate (L14), once in a row of failures. */
void drain_certificate(struct drain *d);

/** drain_tell() - tell the dyno's log what was lost, when it is time. */
void drain_tell(struct drain *d, uint64_t now_ms);

/** drain_curl() - a handle with what all kinds need of it. Return: NULL: no memory. */
CURL *drain_curl(struct drain *d);

/**
 * drain_connect() - begin to look the host up and to connect to it, by @d->easy; the kind's done()
 * hears of the end.  Nobody waits for a name server.
 * Return: 0; -ENOMEM: nothing has begun.
 */
int drain_connect(struct drain *d);

/** drain_disconnect() - give @d->easy back, whatever it was at; its socket goes with it. */
void drain_disconnect(struct drain *d);

/** drain_socket() - that of @d->easy. Return: it, borrowed; -1: there is none. */
int drain_socket(const struct drain *d);

/** drain_is_certificate() - whether libcurl has failed over the server's certificate. */
bool drain_is_certificate(CURLcode code);

#endif
