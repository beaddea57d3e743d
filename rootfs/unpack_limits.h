/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack_limits.h - every cap on what an archive may ask of the unpacker.  Heroku refuses slugs
 * above 500 MB compressed and checkouts above 1 GB; the caps are a few times that, so that no real
 * app meets them and no hostile one gets far.
 */
#ifndef DYNO_UNPACK_LIMITS_H
#define DYNO_UNPACK_LIMITS_H

#include <stdint.h>

/* Compressed bytes. Source: Heroku Dev Center "Slug Compiler", 500 MB; four times that. */
#define UNPACK_ARCHIVE_MAX_BYTES (UINT64_C(2) << 30)

/* Sum of the sizes of all regular files, holes included (whoever copies the tree pays for them).
 * Source: Heroku Dev Center "Limits", a checkout of 1 GB; four times that. */
#define UNPACK_TREE_MAX_BYTES (UINT64_C(4) << 30)

/* Members, directories that only a path implies included.
 * Source: measured, the largest npm and Rails trees at hand have about 150,000 files. */
#define UNPACK_ENTRIES_MAX 1000000

/* The decompressed stream: the tree, and for each member 4 KiB of headers and padding. */
#define UNPACK_STREAM_MAX_BYTES (UNPACK_TREE_MAX_BYTES + UNPACK_ENTRIES_MAX * UINT64_C(4096))

/* Components of a path; one descriptor is held for each. Source: npm 2, the deepest tree maker
 * known, reached about 60. */
#define UNPACK_DEPTH_MAX 128

/* Source: NAME_MAX of Linux, path_resolution(7). */
#define UNPACK_NAME_MAX 255

/* Source: PATH_MAX of Linux without its NUL, path_resolution(7). */
#define UNPACK_PATH_MAX 4095

/* A stream that grows more than this many times is a bomb, once it is past the free part: text
 * compresses 5 to 20 times, and one zero-filled database file must not refuse a whole app.
 * Source: RFC 1951, deflate ends at about 1032; measured, slugs have 3 to 6. */
#define UNPACK_RATIO_MAX	200
#define UNPACK_RATIO_FREE_BYTES (UINT64_C(256) << 20)

/* Memory of one xz or zstd decoder. Source: xz(1), -9 needs 65 MiB; zstd(1), 128 MiB is what a
 * decoder accepts without --long. */
#define UNPACK_XZ_MEMORY_BYTES (UINT64_C(160) << 20)
#define UNPACK_ZSTD_WINDOW_LOG 27

/* An archive up to this size is read once, into memory; a larger one twice, and hashed twice.
 * Source: measured 2026-11, the second reading and hashing is a tenth of an unpack; a host that
 * runs the app has as much to spare for a second. */
#define UNPACK_KEEP_MAX_BYTES (UINT64_C(128) << 20)

/* Address space of the process: the kept archive, decoder, blocks, stacks, and the C library's
 * arenas of 64 MiB. */
#define UNPACK_ADDRESS_SPACE_BYTES (UINT64_C(1024) << 20)

#endif
