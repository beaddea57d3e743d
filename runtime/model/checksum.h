/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checksum.h - SHA-256 digests as text: the forms users and the platform API write, and R17.  It
 * computes no digest.
 */
#ifndef DYNO_CHECKSUM_H
#define DYNO_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#define CHECKSUM_BYTES	   32U
#define CHECKSUM_HEX_BYTES 65U	/* 64 digits and the NUL */
#define CHECKSUM_R17_BYTES 256U /* room for checksum_r17() */

/**
 * checksum_parse() - "SHA256:<hex>", "sha256:<hex>" or 64 bare digits, either case.
 * @ret: CHECKSUM_BYTES
 * Errors: -EINVAL (ERR_USAGE).
 */
int checksum_parse(const char *text, uint8_t *ret, struct dyno_err *err);

/** checksum_hex() - 64 lower-case digits. @buf: CHECKSUM_HEX_BYTES. Return: @buf. */
char *checksum_hex(const uint8_t *sum, char *buf);

/** checksum_digest() - "sha256:<hex>". @buf: DYNO_DIGEST_BYTES. Return: @buf. */
char *checksum_digest(const uint8_t *sum, char *buf);

/**
 * checksum_r17() - the platform's line for a mismatch, in its exact wording (CONTRACT table b).
 * @buf: CHECKSUM_R17_BYTES
 * Return: @buf.
 */
char *checksum_r17(const uint8_t *expected, const uint8_t *actual, char *buf);

#endif
