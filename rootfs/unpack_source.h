/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack_source.h - an archive's bytes, decompressed by a thread of their own ahead of whoever
 * takes them.  gzip is inflated by ISA-L, zstd and xz by their libraries; what a plain file holds
 * is passed on as it is.
 *
 * Theory of operation.  Blocks of fixed size go round: the thread fills blocks of compressed
 * input and of output, and queues both; the taker hashes the input blocks (so the digest is that
 * of the very bytes that were decompressed) and is given the output blocks.  Inflating takes
 * longer than making the files, so hashing there is free, and memory is the blocks and no more.
 *
 * The thread is made by source_open() and then waits; it touches no archive byte before
 * source_start(), which is called after the cage is shut, when no thread can be made any more.
 */
#ifndef DYNO_UNPACK_SOURCE_H
#define DYNO_UNPACK_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <dyno.h>

#include "rootfs/unpack_proto.h"

struct source;

/**
 * struct source_file - the archive; borrowed by the source.
 * @fd: a regular file
 * @memory: its bytes, already hashed; NULL: they are read from @fd and hashed again
 * @size: of @memory
 */
struct source_file {
	int fd;
	const uint8_t *memory;
	uint64_t size;
};

/** source_open() - set up, and make the thread; it waits on return. */
int source_open(const struct source_file *file, struct source **ret, struct dyno_err *err);

/** source_start() - let the thread begin. */
void source_start(struct source *s);

/**
 * source_next() - the next piece of the decompressed stream.
 * @ret_data: valid until the next call
 * Return: its length, 0 at the end, or -errno.
 * Errors: ERR_SLUG_FORMAT, ERR_SLUG_TRUNCATED, ERR_SLUG_LIMIT, ERR_IO.
 */
ssize_t source_next(struct source *s, const void **ret_data, struct dyno_err *err);

/** source_consumed() - compressed bytes taken so far. */
uint64_t source_consumed(const struct source *s);

/** source_digest() - sha256 of all that was read from the descriptor; once, after source_next()
 * gave 0.  Of an archive in memory nothing is read, nor is there a need: ask only for others. */
void source_digest(struct source *s, uint8_t ret[UNPACK_SHA256_BYTES]);

/** source_free() - stop the thread and free everything; NULL is fine. */
void source_free(struct source *s);

#endif
