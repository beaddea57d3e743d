/* SPDX-License-Identifier: Apache-2.0 */
/*
 * viewers.h - those who look at what a dyno prints, as it comes: the last of it in a ring, a stream
 * socket each, and one among them whose bytes are the dyno's input.
 *
 * Nobody waits for a viewer: what one does not read in time is lost to it alone, and it is told how
 * much.  What it is sent is a row of frames: struct viewer_frame, then @len bytes.
 */
#ifndef DYNO_VIEWERS_H
#define DYNO_VIEWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"

/* What a newcomer is shown. Source: own choice, some screens */
#define VIEWERS_RING_BYTES (64U * 1024U)
/* Bytes in a frame. Source: own choice, below the ring by far */
#define VIEWERS_FRAME_BYTES 4096U
/* Source: own choice; each takes a place in the loop */
#define VIEWERS_MAX 8U

/* What a frame holds: of standard output or a terminal, of standard error; no bytes, but in @len how
 * many were lost. */
enum viewer_stream { VIEWER_OUT = 1, VIEWER_ERR = 2, VIEWER_LOST = 3 };

/** struct viewer_frame - the head of one; numbers of the host's order, both ends are on it. */
struct viewer_frame {
	uint32_t stream;
	uint32_t len;
};

struct viewer;

/**
 * struct viewers - zeroed but for @loop and the functions.
 * @on_input: bytes of the writer's.  Return: how many are taken, the rest is offered again by
 *            viewers_input_ready(); -errno: none ever will be
 * @on_end: the writer has closed his side, and hears on
 * @on_gone: a viewer has left; it is freed next
 * @data: for these
 *
 * Internal: the rest.
 * @ring, @from, @to: frames; offsets count all bytes that ever were in it
 */
struct viewers {
	struct loop *loop;
	ptrdiff_t (*on_input)(void *data, const char *bytes, size_t len);
	void (*on_end)(void *data);
	void (*on_gone)(void *data, bool writer);
	void *data;

	char *ring;
	uint64_t from;
	uint64_t to;
	struct viewer *list[VIEWERS_MAX];
};

/** viewers_put() - something was printed; without memory for a ring it is not shown. */
void viewers_put(struct viewers *v, enum viewer_stream stream, const char *bytes, size_t len);

/**
 * viewers_add() - one more, who is shown first what the ring has.
 * @fd: a stream socket, taken
 * @id: names it
 * Return: 0; -EBUSY: there is a writer; -ENOSPC: no place is left; -ENOMEM. @fd is closed then.
 */
int viewers_add(struct viewers *v, int fd, uint64_t id, bool writer);

/** viewers_has() - whether one of this name is there. */
bool viewers_has(const struct viewers *v, uint64_t id);

/** viewers_remove() - let one go, without @on_gone. */
void viewers_remove(struct viewers *v, uint64_t id);

/** viewers_remove_writer() - the same of the writer. Return: whether there was one. */
bool viewers_remove_writer(struct viewers *v);

/** viewers_input_ready() - there is room for input again. */
void viewers_input_ready(struct viewers *v);

/** viewers_done() - show what there is for @limit_ms at most, and let all go. */
void viewers_done(struct viewers *v, uint64_t limit_ms);

#endif
