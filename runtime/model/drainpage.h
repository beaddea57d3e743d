/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drainpage.h - what a monitor and its dyno-drain share besides their socket: a page, so that the one
 * knows what was in the other when it was killed.  The helper alone writes.
 */
#ifndef DYNO_DRAINPAGE_H
#define DYNO_DRAINPAGE_H

#include <stdint.h>

/* Descriptors of the helper: the socket, the page, and from here on what "fd:N" means. */
#define DRAIN_FD_FEED 3
#define DRAIN_FD_PAGE 4
#define DRAIN_FD_LOGS 5

/**
 * struct drain_page - mapped by both.
 * @settled: of the records that this helper was handed, how many the slowest drain is through with:
 * they were delivered, or the drain was told that they are lost.  Read and written atomically.
 */
struct drain_page {
	uint64_t settled;
};

#endif
