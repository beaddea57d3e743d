/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timetext.h - the time of day as text, RFC 3339 in UTC.  Deadlines and measurements are clock.h's.
 */
#ifndef DYNO_TIMETEXT_H
#define DYNO_TIMETEXT_H

#include <stdint.h>

/* "2026-06-01T12:00:00.123456+00:00" with its NUL, and room for years of five digits and more. */
#define TIME_BYTES 48

/** time_format() - microseconds since the epoch in the form of RFC 3339, UTC. Return: @buf.
 * gmtime(3) is not used: it reads the file of the time zone. */
char *time_format(uint64_t us, char buf[TIME_BYTES]);

/** time_now_us() - microseconds since the epoch. */
uint64_t time_now_us(void);

#endif
