/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack_tar.h - from a decompressed stream to a tree: libarchive reads the tar formats, every
 * decision on what may be made is taken here and in unpack_tree.
 */
#ifndef DYNO_UNPACK_TAR_H
#define DYNO_UNPACK_TAR_H

#include <dyno.h>

#include "rootfs/unpack_source.h"
#include "rootfs/unpack_tree.h"

/**
 * struct unpack_tar - one run.
 * @source: started
 * @tree: empty
 * @tick, @data: called for each member and each piece of a large one; may be NULL
 * @tree_bytes, @members: of everything unpacked, filled in
 */
struct unpack_tar {
	struct source *source;
	struct tree *tree;
	void (*tick)(void *data);
	void *data;
	uint64_t tree_bytes;
	uint64_t members;
};

/**
 * unpack_tar() - unpack all, to the last byte of the source.
 *
 * A regular file keeps its time of modification, since Python and make compare it; directories and
 * links do not, for nobody does.  Owner, group, access lists, attributes and flags are ignored.
 * Return: 0, or -errno. Errors: ERR_SLUG_*, ERR_STORE_IO.
 */
int unpack_tar(struct unpack_tar *job, struct dyno_err *err);

#endif
