/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/unpack_decode.h"

#include <errno.h>
#include <string.h>

#include <isa-l/igzip_lib.h>
#include <lzma.h>
#include <zstd.h>

#include "base/err.h"
#include "rootfs/unpack_limits.h"

int decode_limit(struct dyno_err *err, const char *what)
{
	return err_set(err, ERR_SLUG_LIMIT, 0, "%s", what);
}

/* ---- what the file is ---------------------------------------------------------------------- */

#define TAR_CHECKSUM_OFFSET 148U
#define TAR_CHECKSUM_BYTES  8U

/**
 * struct magic - the first bytes of a kind of file.
 * @refused: what it is, where it is no slug; NULL: @format is read
 */
struct magic {
	const char *bytes;
	size_t len;
	enum decode_format format;
	const char *refused;
};

static const struct magic magics[] = {
	{"\x1f\x8b", 2, DECODE_GZIP, NULL},
	{"\x28\xb5\x2f\xfd", 4, DECODE_ZSTD, NULL},
	{"\xfd"
	 "7zXZ\0",
	 6, DECODE_XZ, NULL},
	{"PK\x03\x04", 4, DECODE_PLAIN, "a zip archive"},
	{"PK\x05\x06", 4, DECODE_PLAIN, "an empty zip archive"},
	{"BZh", 3, DECODE_PLAIN, "compressed by bzip2"},
	{"\x1f\x9d", 2, DECODE_PLAIN, "compressed by compress"},
	{"\x5d\x00\x00", 3, DECODE_PLAIN, "compressed by lzma"},
	{"\x04\x22\x4d\x18", 4, DECODE_PLAIN, "compressed by lz4"},
	{"7z\xbc\xaf\x27\x1c", 6, DECODE_PLAIN, "a 7z archive"},
	{"Rar!", 4, DECODE_PLAIN, "a rar archive"},
	{"!<arch>\n", 8, DECODE_PLAIN, "an ar archive or a Debian package"},
	{"\xed\xab\xee\xdb", 4, DECODE_PLAIN, "an rpm package"},
	{"07070", 5, DECODE_PLAIN, "a cpio archive"},
	{"hsqs", 4, DECODE_PLAIN, "a squashfs image"},
	{"\x7f"
	 "ELF",
	 4, DECODE_PLAIN, "an executable program"},
	{"#!", 2, DECODE_PLAIN, "a script"},
	{"<!DOCTYPE", 9, DECODE_PLAIN, "a web page, perhaps of a failed download"},
	{"<html", 5, DECODE_PLAIN, "a web page, perhaps of a failed download"},
	{"<?xml", 5, DECODE_PLAIN, "an XML document, perhaps of a failed download"},
};

/* Whether the first block is a tar header: its checksum is the sum of its bytes with blanks in the
 * place of the checksum.  (Some writers sum signed bytes.) */
static bool is_tar_header(const uint8_t *block)
{
	int64_t sum = 0, signed_sum = 0, told = 0;
	unsigned int i = TAR_CHECKSUM_OFFSET;

	for (unsigned int k = 0; k < DECODE_HEAD_BYTES; k++) {
		bool blank =
			k >= TAR_CHECKSUM_OFFSET && k < TAR_CHECKSUM_OFFSET + TAR_CHECKSUM_BYTES;

		sum += blank ? ' ' : block[k];
		signed_sum += blank ? ' ' : (int8_t)block[k];
	}
	while (i < TAR_CHECKSUM_OFFSET + TAR_CHECKSUM_BYTES && block[i] == ' ')
		i++;
	for (; i < TAR_CHECKSUM_OFFSET + TAR_CHECKSUM_BYTES; i++) {
		if (block[i] < '0' || block[i] > '7')
			break;
		told = told * 8 + (block[i] - '0');
	}
	return told > 0 && (told == sum || told == signed_sum);
}

static bool all_zero(const uint8_t *p, size_t len)
{
	return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

int decode_recognise(const uint8_t *head, size_t len, enum decode_format *ret, struct dyno_err *err)
{
	if (len == 0)
		return err_set(err, ERR_SLUG_FORMAT, 0, "the slug is an empty file");

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		const struct magic *m = &magics[i];

		if (len < m->len || memcmp(head, m->bytes, m->len) != 0)
			continue;
		if (!m->refused) {
			*ret = m->format;
			return 0;
		}
		(void)err_set(err, ERR_SLUG_FORMAT, 0, "the slug is %s, not a tar archive",
			      m->refused);
		err_hint(err, "unpack it and make a slug with `dyno slug pack DIR`");
		return -EINVAL;
	}
	if (len < DECODE_HEAD_BYTES)
		return err_set(
			err, ERR_SLUG_FORMAT, 0,
			"the slug is no archive: %zu bytes that are not gzip, zstd, xz or tar",
			len);
	if (!is_tar_header(head) && !all_zero(head, len)) {
		(void)err_set(
			err, ERR_SLUG_FORMAT, 0,
			"the slug is not a tar archive, nor one compressed by gzip, zstd or xz");
		err_hint(err, "make a slug with `dyno slug pack DIR` or `tar czf`");
		return -EINVAL;
	}
	*ret = DECODE_PLAIN;
	return 0;
}

static int truncated(struct dyno_err *err, const char *format)
{
	(void)err_set(err, ERR_SLUG_TRUNCATED, 0, "the slug's %s data ends too early", format);
	err_hint(err, "transfer the file again and compare its size and sha256");
	return -EINVAL;
}

static int damaged(struct dyno_err *err, const char *format, const char *how)
{
	(void)err_set(err, ERR_SLUG_FORMAT, 0, "the slug's %s data is damaged: %s", format, how);
	err_hint(err, "transfer the file again and compare its size and sha256");
	return -EINVAL;
}

static int trailing(struct dyno_err *err, const char *format)
{
	return err_set(err, ERR_SLUG_FORMAT, 0, "the slug has foreign bytes after its %s data",
		       format);
}

/* ---- gzip ---------------------------------------------------------------------------------- */

static const char *gzip_problem(int code)
{
	switch (code) {
	case ISAL_INVALID_WRAPPER:
		return "bad header";
	case ISAL_UNSUPPORTED_METHOD:
		return "unknown method";
	case ISAL_INCORRECT_CHECKSUM:
		return "the checksum does not match";
	default:
		return "invalid compressed block";
	}
}

/* Between members: more of them, or the zeros that fill a tape's block, and nothing else.
 * Return: 1 when another member begins, 0 when the input at hand is used up, -errno. */
static int gzip_next_member(struct inflate_state *state, struct dyno_err *err)
{
	while (state->avail_in > 0 && *state->next_in == 0) {
		state->next_in++;
		state->avail_in--;
	}
	if (state->avail_in == 0)
		return 0;
	if (*state->next_in != 0x1f)
		return trailing(err, "gzip");
	isal_inflate_reset(state);
	state->crc_flag = ISAL_GZIP;
	return 1;
}

/**
 * struct gzip - one run.
 * @state: of ISA-L
 * @members: begun so far
 * @inside: in the middle of one
 */
struct gzip {
	struct inflate_state state;
	unsigned int members;
	bool inside;
};

/* Inflate what is at hand of the input. */
static int gzip_consume(struct gzip *z, const struct decode_io *io, uint8_t **out, size_t *room,
			struct dyno_err *err)
{
	struct inflate_state *state = &z->state;

	for (;;) {
		int r;

		if (!z->inside) {
			r = gzip_next_member(state, err);
			if (r <= 0)
				return r;
			z->inside = true;
			z->members++;
		}
		state->next_out = *out + (*room - state->avail_out);
		r = isal_inflate(state);
		if (z->members > 1 && (r == ISAL_INVALID_WRAPPER || r == ISAL_UNSUPPORTED_METHOD))
			return trailing(err, "gzip");
		if (r != ISAL_DECOMP_OK && r != ISAL_END_INPUT && r != ISAL_OUT_OVERFLOW)
			return damaged(err, "gzip", gzip_problem(r));
		if (state->block_state == ISAL_BLOCK_FINISH) {
			z->inside = false;
			continue;
		}
		if (state->avail_out == 0) {
			r = io->write(io->data, *room, out, room, err);
			if (r < 0)
				return r;
			state->avail_out = (uint32_t)*room;
			continue;
		}
		if (state->avail_in == 0)
			return 0;
	}
}

static int run_gzip(const struct decode_io *io, struct dyno_err *err)
{
	struct gzip *z = malloc(sizeof(*z));
	const uint8_t *data;
	uint8_t *out;
	size_t room;
	ssize_t n;
	int r;

	if (!z)
		return err_set(err, ERR_MEMORY, ENOMEM, "allocate the gzip decoder");
	isal_inflate_init(&z->state);
	z->inside = false;
	z->members = 0;
	r = io->write(io->data, 0, &out, &room, err);
	if (r < 0)
		goto out;
	z->state.avail_out = (uint32_t)room;
	while ((n = io->read(io->data, &data, err)) > 0) {
		z->state.next_in = (uint8_t *)(uintptr_t)data; /* the library only reads it */
		z->state.avail_in = (uint32_t)n;
		r = gzip_consume(z, io, &out, &room, err);
		if (r < 0)
			goto out;
	}
	r = (int)n;
	if (r == 0 && z->inside)
		r = truncated(err, "gzip");
	if (r == 0)
		r = io->write(io->data, room - z->state.avail_out, &out, &room, err);
out:
	free(z);
	return r;
}

/* ---- zstd ---------------------------------------------------------------------------------- */

/* Decode what is at hand. @hint: 0 where a frame has ended and none begun. */
static int zstd_consume(ZSTD_DStream *zs, ZSTD_inBuffer *in, ZSTD_outBuffer *out, size_t *hint,
			const struct decode_io *io, struct dyno_err *err)
{
	for (;;) {
		bool full;
		size_t code = ZSTD_decompressStream(zs, out, in);

		if (ZSTD_isError(code)) {
			if (*hint == 0)
				return trailing(err, "zstd");
			return damaged(err, "zstd", ZSTD_getErrorName(code));
		}
		*hint = code;
		full = out->pos == out->size;
		if (full) {
			uint8_t *next;
			int r = io->write(io->data, out->pos, &next, &out->size, err);

			if (r < 0)
				return r;
			out->dst = next;
			out->pos = 0;
		}
		/* After a frame's end nothing is held back, and to ask once more would begin
		 * another frame, of which there is nothing. */
		if (in->pos == in->size && (!full || code == 0))
			return 0;
	}
}

static int zstd_loop(ZSTD_DStream *zs, const struct decode_io *io, struct dyno_err *err)
{
	ZSTD_inBuffer in = {NULL, 0, 0};
	ZSTD_outBuffer out = {NULL, 0, 0};
	const uint8_t *data;
	uint8_t *room;
	size_t hint = 1; /* nothing decoded yet: the end of input would be too early */
	ssize_t n;
	int r;

	r = io->write(io->data, 0, &room, &out.size, err);
	if (r < 0)
		return r;
	out.dst = room;
	while ((n = io->read(io->data, &data, err)) > 0) {
		in = (ZSTD_inBuffer){data, (size_t)n, 0};
		r = zstd_consume(zs, &in, &out, &hint, io, err);
		if (r < 0)
			return r;
	}
	if (n < 0)
		return (int)n;
	if (hint != 0)
		return truncated(err, "zstd");
	return io->write(io->data, out.pos, &room, &out.size, err);
}

static int run_zstd(const struct decode_io *io, struct dyno_err *err)
{
	ZSTD_DStream *zs = ZSTD_createDStream();
	int r;

	if (!zs)
		return err_set(err, ERR_MEMORY, ENOMEM, "allocate the zstd decoder");
	(void)ZSTD_DCtx_setParameter(zs, ZSTD_d_windowLogMax, UNPACK_ZSTD_WINDOW_LOG);
	r = zstd_loop(zs, io, err);
	(void)ZSTD_freeDStream(zs); /* cannot fail for a stream that was made */
	return r;
}

/* ---- xz ------------------------------------------------------------------------------------ */

static int xz_problem(lzma_ret code, bool again, struct dyno_err *err)
{
	switch ((int)code) {
	case LZMA_MEMLIMIT_ERROR:
		return decode_limit(err, "the slug's xz data needs more than 160 MiB to decode");
	case LZMA_MEM_ERROR:
		return err_set(err, ERR_MEMORY, ENOMEM, "allocate the xz decoder");
	case LZMA_FORMAT_ERROR:
		return again ? trailing(err, "xz") : damaged(err, "xz", "bad header");
	case LZMA_OPTIONS_ERROR:
		return damaged(err, "xz", "unknown options");
	default:
		return damaged(err, "xz", "invalid compressed block");
	}
}

/**
 * struct xz - one run.
 * @streams: begun so far
 * @inside: in the middle of one
 */
struct xz {
	lzma_stream lzma;
	uint8_t *room;
	size_t size;
	unsigned int streams;
	bool inside;
};

/* Between streams, as in gzip_next_member(): the library's own way of reading several streams
 * would wait for a whole header before it says that foreign bytes are none. */
static int xz_next_stream(struct xz *x, struct dyno_err *err)
{
	while (x->lzma.avail_in > 0 && *x->lzma.next_in == 0) {
		x->lzma.next_in++;
		x->lzma.avail_in--;
	}
	if (x->lzma.avail_in == 0)
		return 0;
	if (*x->lzma.next_in != 0xfd)
		return trailing(err, "xz");
	if (lzma_stream_decoder(&x->lzma, UNPACK_XZ_MEMORY_BYTES, 0) != LZMA_OK)
		return err_set(err, ERR_MEMORY, ENOMEM, "allocate the xz decoder");
	x->inside = true;
	x->streams++;
	return 1;
}

/* Decode what is at hand of the input. */
static int xz_consume(struct xz *x, const struct decode_io *io, struct dyno_err *err)
{
	for (;;) {
		lzma_ret code;
		int r;

		if (!x->inside) {
			r = xz_next_stream(x, err);
			if (r <= 0)
				return r;
		}
		x->lzma.next_out = x->room + (x->size - x->lzma.avail_out);
		code = lzma_code(&x->lzma, LZMA_RUN);
		if (code == LZMA_STREAM_END)
			x->inside = false;
		else if (code != LZMA_OK && code != LZMA_BUF_ERROR)
			return xz_problem(code, x->streams > 1, err);
		if (x->lzma.avail_out == 0) {
			r = io->write(io->data, x->size, &x->room, &x->size, err);
			if (r < 0)
				return r;
			x->lzma.avail_out = x->size;
		} else if (x->inside && x->lzma.avail_in == 0) {
			return 0;
		}
	}
}

static int xz_loop(struct xz *x, const struct decode_io *io, struct dyno_err *err)
{
	const uint8_t *data;
	ssize_t n;
	int r;

	r = io->write(io->data, 0, &x->room, &x->size, err);
	if (r < 0)
		return r;
	x->lzma.avail_out = x->size;
	while ((n = io->read(io->data, &data, err)) > 0) {
		x->lzma.next_in = data;
		x->lzma.avail_in = (size_t)n;
		r = xz_consume(x, io, err);
		if (r < 0)
			return r;
	}
	if (n < 0)
		return (int)n;
	if (x->inside)
		return truncated(err, "xz");
	return io->write(io->data, x->size - x->lzma.avail_out, &x->room, &x->size, err);
}

static int run_xz(const struct decode_io *io, struct dyno_err *err)
{
	struct xz x = {.lzma = LZMA_STREAM_INIT};
	int r = xz_loop(&x, io, err);

	lzma_end(&x.lzma);
	return r;
}

int decode_run(enum decode_format format, const struct decode_io *io, struct dyno_err *err)
{
	switch (format) {
	case DECODE_GZIP:
		return run_gzip(io, err);
	case DECODE_ZSTD:
		return run_zstd(io, err);
	case DECODE_XZ:
		return run_xz(io, err);
	case DECODE_PLAIN:
		break;
	}
	return err_set(err, ERR_INTERNAL, 0, "no decoder for format %d", (int)format);
}
