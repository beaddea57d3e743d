/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack_proto.h - what dyno and dyno-unpack say to each other, over one SOCK_SEQPACKET socket.
 *
 * Both are built from one tree and never mixed, so a message is a struct, not a format; it begins
 * with its kind, and its length must be that of the struct.
 *
 *   dyno-unpack unpack   hashes the archive (PROGRESS…), says DIGEST and waits.  The caller looks
 *                        whether that digest is in the store; it closes the socket, or it answers
 *                        GO.  Then the archive is read once more and unpacked (PROGRESS…), and
 *                        DONE or ERROR ends it.
 *   dyno-unpack verify   waits for GO, then says DIFFERENCE… and DONE or ERROR.
 */
#ifndef DYNO_UNPACK_PROTO_H
#define DYNO_UNPACK_PROTO_H

#include <stdint.h>

#include <dyno.h>

/* Descriptors of the helper. 0 and 1 are /dev/null, 2 is the caller's. */
enum unpack_fd {
	UNPACK_FD_CONTROL = 3,
	UNPACK_FD_ARCHIVE = 4,	/* read-only, positioned reads only; verify: /dev/null */
	UNPACK_FD_TARGET = 5,	/* an empty directory; verify: the tree */
	UNPACK_FD_MANIFEST = 6, /* read-write, empty; verify: read-only */
	UNPACK_FD_COUNT,
};

enum unpack_msg_kind {
	UNPACK_MSG_PROGRESS = 1,
	UNPACK_MSG_DIGEST,
	UNPACK_MSG_GO,
	UNPACK_MSG_DONE,
	UNPACK_MSG_ERROR,
	UNPACK_MSG_DIFFERENCE,
};

#define UNPACK_SHA256_BYTES 32

/* A manifest's path as it is told; longer ones are cut. */
#define UNPACK_TOLD_PATH_BYTES 1024

/**
 * struct unpack_go - the caller's permission.
 * @uid, @gid: who shall own the tree; the helper becomes that user before it reads the archive's
 *             content.  Ignored where @drop is 0 (rootless: it stays what it is)
 * @drop: change root, user and groups
 * @manifest_sha256: verify: what the manifest must hash to
 */
struct unpack_go {
	uint32_t uid;
	uint32_t gid;
	uint32_t drop;
	uint8_t manifest_sha256[UNPACK_SHA256_BYTES];
};

/**
 * struct unpack_done - the result.
 * @heroku_form: the app is the directory `app` of the target; else the target is the app
 * @differences: verify: how many were told
 * @files: regular files, directories and links that were made
 * @tree_bytes: sum of the sizes of the regular files
 * @manifest_sha256: of the manifest as written
 */
struct unpack_done {
	uint32_t heroku_form;
	uint32_t differences;
	uint64_t files;
	uint64_t tree_bytes;
	uint8_t manifest_sha256[UNPACK_SHA256_BYTES];
};

struct unpack_difference {
	char what[16]; /* "changed", "missing", "added" */
	char path[UNPACK_TOLD_PATH_BYTES];
};

struct unpack_msg {
	uint32_t kind;
	uint32_t pad;
	union {
		struct {
			uint64_t done_bytes;
			uint64_t total_bytes;
		} progress;
		uint8_t digest[UNPACK_SHA256_BYTES];
		struct unpack_go go;
		struct unpack_done done;
		struct dyno_err err;
		struct unpack_difference difference;
	} u;
};

#endif
