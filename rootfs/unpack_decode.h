/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack_decode.h - what kind of file an archive is, and the decompressors, behind two calls for
 * input and output.  It does not know the tar format beyond recognising it.
 */
#ifndef DYNO_UNPACK_DECODE_H
#define DYNO_UNPACK_DECODE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <dyno.h>

enum decode_format { DECODE_PLAIN, DECODE_GZIP, DECODE_ZSTD, DECODE_XZ };

/**
 * struct decode_io - where bytes come from and go to.
 * @read: the next piece of input, valid until the next call. Return: length, 0 at the end, -errno
 * @write: hands over @used bytes of the present room (0: none) and yields new room
 * @data: for both
 */
struct decode_io {
	ssize_t (*read)(void *data, const uint8_t **ret, struct dyno_err *err);
	int (*write)(void *data, size_t used, uint8_t **ret, size_t *ret_room,
		     struct dyno_err *err);
	void *data;
};

/* Bytes that decode_recognise() looks at: the first block of a tar. */
#define DECODE_HEAD_BYTES 512U

/**
 * decode_recognise() - the format by the first bytes of a file.
 * @head: the first @len bytes, DECODE_HEAD_BYTES unless the file is shorter
 *
 * A kind of file that people mistake for a slug (zip, bzip2, a disk image) is named, with the
 * command that makes a slug of it.
 * Return: 0, or -errno. Errors: ERR_SLUG_FORMAT.
 */
int decode_recognise(const uint8_t *head, size_t len, enum decode_format *ret,
		     struct dyno_err *err);

/**
 * decode_run() - decompress everything; concatenated members are one stream.
 * Return: 0, or -errno. Errors: ERR_SLUG_TRUNCATED; ERR_SLUG_FORMAT: damage, trailing bytes;
 * what @io gave.
 */
int decode_run(enum decode_format format, const struct decode_io *io, struct dyno_err *err);

/** decode_limit() - report a met cap as ERR_SLUG_LIMIT. Return: -EFBIG. */
int decode_limit(struct dyno_err *err, const char *what);

#endif
