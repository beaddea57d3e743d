/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timetext.h - the time of day as text, RFC 3339 in UTC.  Deadlines and measurements are clock.h's.
 */
#ifndef DYNO_TIMETEXT_H
#define DYNO_TIMETEXT_H

#include <stddef.h>
#include <stdint.h>

/* "2026-06-01T12:00:00.123456+00:00" with its NUL, and room for years of five digits and more. */
#define TIME_BYTES 48

/** time_format() - microseconds since the epoch in the form of RFC 3339, UTC. Return: @buf.
 * gmtime(3) is not used: it reads the file of the time zone. */
char *time_format(uint64_t us, char buf[TIME_BYTES]);

/**
 * time_parse() - the other way round: "2026-06-01", "2026-06-01T12:00", "…:00" and up to nine
 * digits of a fraction, of which six count, each of them alone or with Z or an offset as +02:00
 * behind it; a blank does for the T.
 * @s: @len bytes
 * Return: 0; -EINVAL: no such time, or none after 1970.
 */
int time_parse(const char *s, size_t len, uint64_t *ret_us);

/** time_now_us() - microseconds since the epoch. */
uint64_t time_now_us(void);

#endif
