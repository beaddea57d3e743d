/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crashtext.h - the words for a crash loop, the same wherever people read of one: in the log, in
 * lists and in errors.
 */
#ifndef DYNO_CRASHTEXT_H
#define DYNO_CRASHTEXT_H

#include <stdint.h>

/* Room for crashtext_format(). */
#define CRASHTEXT_BYTES 64U

/** crashtext_ordinal() - "st", "nd", "rd" or "th", as @n is read. */
const char *crashtext_ordinal(uint32_t n);

/**
 * crashtext_format() - "crashed (3rd), next in 42 s" for people.
 * @tally: crashes in a row; 0: only "crashed"
 * @wait_ms: until the next start; UINT64_MAX: none is planned, and nothing is said of it
 * Return: @buf.
 */
char *crashtext_format(uint32_t tally, uint64_t wait_ms, char buf[CRASHTEXT_BYTES]);

#endif
