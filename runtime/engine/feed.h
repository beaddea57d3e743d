/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed.h - a monitor's end of the helper that sends its lines elsewhere (--log): a socket, and a
 * process at the other end of it that may be slow, or dead.
 *
 * Nothing here waits, but for the helper's first word when the monitor starts, and a moment at the
 * end.  What the socket has no room for is kept, FEED_LEFT_BYTES at the most.  What is more displaces
 * the oldest of it, which is counted (L12); or, where the feed blocks, its sink takes no more until
 * there is room.  A helper that has died is started again, at longer and longer intervals: what it
 * had not delivered counts as lost, what it had not got waits for the next one.
 */
#ifndef DYNO_FEED_H
#define DYNO_FEED_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "base/loop.h"
#include "base/str.h"
#include "model/drainpage.h"

#define FEED_PROGRAM "dyno-drain"

/* Descriptors that "fd:N" may mean, of one dyno. Source: own choice */
#define FEED_FDS_MAX 4U
/* Words of --log-policy. */
#define LOG_POLICY_DROP	 "drop-oldest"
#define LOG_POLICY_BLOCK "block"

/* From the death of a helper to the next one. Source: own choice */
#define FEED_RETRY_FIRST_MS 1000U
#define FEED_RETRY_MAX_MS   60000U
/* What waits for room beyond what the socket holds: two batches of the sink's. Own choice */
#define FEED_LEFT_BYTES (192U * 1024U)
/* How long feed_close() waits for a helper that does not read. Source: own choice */
#define FEED_CLOSE_MS 1000U
/* Longest line that a helper may tell. Source: twice an L14 */
#define FEED_TOLD_BYTES 2048U

/**
 * struct feed_plan - what a helper is told; borrowed by feed_open() only, but for @fds.
 * @libexec_dir: where the helper is; NULL: the usual places
 * @source: of notes about losses
 * @urls: as logurl_parse() takes them; "fd:N" is @fds[N]
 */
struct feed_plan {
	const char *libexec_dir;
	const char *app;
	const char *dyno;
	const char *source;
	const char *const *urls;
	size_t n_urls;
	int fds[FEED_FDS_MAX];
	size_t n_fds;
	bool block;
};

/**
 * struct feed - set up by feed_open(), ended by feed_close().
 * @block: a sink waits for it
 * @dropped: records lost so far
 * @told: hears lines for the dyno's log; @on_room: there is room again. Set by the sink
 *
 * Internal: the rest.
 * @fd: the socket; -EBADF: no helper lives
 * @helper: its path; @config: what each is told at first
 * @page: the helper's; @given: records that it was handed
 * @left, @from: what the socket did not take; @torn: of the first record in it the socket has a part
 * @noted: of @dropped, what the drains were told; @since_us: when the first of the others was lost
 * @in, @in_len: a line that the helper has not ended
 */
struct feed {
	bool block;
	uint64_t dropped;
	void (*told)(void *data, const char *text, size_t len);
	void (*on_room)(void *data);
	void *data;

	int fd;
	char helper[PATH_MAX];
	struct sbuf config;
	int fds[FEED_FDS_MAX];
	size_t n_fds;
	char source[64];
	char dyno[64];
	struct drain_page *page;
	uint64_t given;
	struct sbuf left;
	size_t from;
	bool torn;
	uint64_t noted;
	uint64_t since_us;
	struct loop *loop;
	int timer;
	bool wants_room;
	uint64_t retry_ms;
	uint64_t born_ms;
	char in[FEED_TOLD_BYTES];
	size_t in_len;
};

/**
 * feed_open() - start the helper, and hear that it has opened all it was told.
 * Return: 0, or -errno with ERR_HELPER, or the class of what cannot be opened.
 */
int feed_open(struct feed *feed, const struct feed_plan *plan, struct dyno_err *err);

/** feed_attach() - watch the helper in @loop, borrowed until feed_detach(); it has one timer more.
 * Return: 0, or -ENOSPC. */
int feed_attach(struct feed *feed, struct loop *loop);

/** feed_detach() - the loop ends. */
void feed_detach(struct feed *feed);

/** feed_is_full() - a batch given now would wait, and may displace others. */
bool feed_is_full(const struct feed *feed);

/** feed_batch() - hand over whole records, each with its newline. */
void feed_batch(struct feed *feed, const char *text, size_t len);

/** feed_wait() - for room, @ms at most, without the loop. */
void feed_wait(struct feed *feed, int ms);

/** feed_close() - hand over what is left, in FEED_CLOSE_MS at most, and let go: the helper ends by
 * itself, soon. */
void feed_close(struct feed *feed);

#endif
