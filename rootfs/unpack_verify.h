/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack_verify.h - compare a tree of the store with its manifest.  It only reads.
 */
#ifndef DYNO_UNPACK_VERIFY_H
#define DYNO_UNPACK_VERIFY_H

#include <stdint.h>

#include <dyno.h>

#include "rootfs/unpack_proto.h"

/**
 * struct verify - one comparison.
 * @tree_fd: the app's directory
 * @manifest_fd: read-only, any position
 * @manifest_sha256: what the manifest must hash to
 * @uid: owner that everything must have
 * @tell: called for each difference: "changed", "missing" or "added", and a path of the app
 * @data: for @tell
 */
struct verify {
	int tree_fd;
	int manifest_fd;
	const uint8_t *manifest_sha256;
	uint32_t uid;
	void (*tell)(void *data, const char *what, const char *path);
	void *data;
};

/**
 * verify_tree() - compare all.
 * @ret: its .differences, .files and .tree_bytes are filled in
 * Return: 0 (differences or not), or -errno.
 * Errors: ERR_STORE_DAMAGED when the manifest itself is not what it was, ERR_STORE_IO.
 */
int verify_tree(const struct verify *job, struct unpack_done *ret, struct dyno_err *err);

/** verify_hash_fd() - sha256 of a whole file, by positioned reads. Return: 0 or -errno. */
int verify_hash_fd(int fd, uint8_t ret[UNPACK_SHA256_BYTES]);

#endif
