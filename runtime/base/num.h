/* SPDX-License-Identifier: Apache-2.0 */
/*
 * num.h - numbers from text: base 10, all of it, in range, or an error.  Never "0 on error".
 */
#ifndef DYNO_NUM_H
#define DYNO_NUM_H

#include <stdint.h>

/**
 * num_parse_u64() - digits only: no sign, no blank, no leading "+", no octal.
 * @max: largest value allowed
 * Return: 0; -EINVAL (not a number, or empty), -ERANGE (larger than @max).
 */
int num_parse_u64(const char *s, uint64_t max, uint64_t *ret);

/** num_parse_u32() - the same for 32 bits. */
int num_parse_u32(const char *s, uint32_t max, uint32_t *ret);

/**
 * num_parse_size() - bytes, with an optional suffix K, M, G, T (1024^n; "k" too, "KiB"/"KB" forms
 * accepted: K, KB, KiB all mean 1024).
 * Return: 0, -EINVAL, -ERANGE.
 */
int num_parse_size(const char *s, uint64_t *ret_bytes);

/**
 * num_parse_duration() - milliseconds from "10s", "5m", "24h", "500ms", "2d"; a bare number means
 * seconds.
 * Return: 0, -EINVAL, -ERANGE.
 */
int num_parse_duration(const char *s, uint64_t *ret_ms);

/**
 * num_format_size() - "4.2 MB" style text for people (1024^n, one decimal under 10).
 * Return: @buf, which holds at least 16 bytes.
 */
char *num_format_size(char *buf, uint64_t bytes);

#endif
