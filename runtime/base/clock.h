/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - time: milliseconds of CLOCK_BOOTTIME for deadlines (it runs on through a suspend and
 * does not jump), nanoseconds of CLOCK_MONOTONIC for measuring.
 */
#ifndef DYNO_CLOCK_H
#define DYNO_CLOCK_H

#include <stdint.h>
#include <time.h>

/** clock_ms() - now, in milliseconds since boot, suspend included. [child] */
static inline uint64_t clock_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t); /* cannot fail for this clock */
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/** clock_ns() - now, for measuring only. [child] */
static inline uint64_t clock_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#endif
