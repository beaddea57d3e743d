/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.h - the last records of a dyno, which all of its drains read from, each at a place of its
 * own.  It is bounded in number and in bytes: a new record displaces the oldest, whoever has not
 * read that one.
 */
#ifndef DYNO_DRAIN_RING_H
#define DYNO_DRAIN_RING_H

#include <stddef.h>
#include <stdint.h>

/* Records. Source: contract 10.8 */
#define RING_RECORDS 1024U
/* All of them together: 1024 of the longest would be 40 MiB. Source: own choice */
#define RING_BYTES (4U * 1024U * 1024U)

/**
 * struct ring_record - @len bytes, without a newline.
 * @stands_for: records of the dyno: more than 1 where it tells of others that never came
 */
struct ring_record {
	uint64_t stands_for;
	size_t len;
	char text[];
};

/**
 * struct ring - zero is an empty one.
 * @first: number of the oldest record that is there; @next: of the next to come
 * @bytes: of all records
 * @displaced: what those before @first stood for
 */
struct ring {
	struct ring_record *slots[RING_RECORDS];
	uint64_t first;
	uint64_t next;
	uint64_t displaced;
	size_t bytes;
};

/** ring_add() - copy a record in. Without memory it counts as one, and cannot be had. */
void ring_add(struct ring *ring, const char *text, size_t len, uint64_t stands_for);

/** ring_get() - a record from @first on and below @next. Return: borrowed; NULL: not there. */
const struct ring_record *ring_get(const struct ring *ring, uint64_t number);

void ring_done(struct ring *ring);

#endif
