/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_internal.h - what the files of the slug store share: names, locks, half-made directories,
 * the look at an entry, the conversation with dyno-unpack.  Nobody else includes it.
 */
#ifndef DYNO_STORE_INTERNAL_H
#define DYNO_STORE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "model/checksum.h"
#include "rootfs/store.h"
#include "rootfs/unpack_proto.h"

/* Directories below the data directory. */
#define STORE_SLUGS  "slugs"
#define STORE_INDEX  "slugs/index"
#define STORE_TMP    "tmp"
#define STORE_LOCKS  "locks"
#define STORE_STACKS "stacks"

/* Files of an entry. */
#define ENTRY_META     "meta.json"
#define ENTRY_MANIFEST "manifest"
#define ENTRY_COMPLETE "complete"
#define ENTRY_STAGE    "stage" /* where the archive is unpacked; never in a complete entry */

/* What `complete` begins with; another schema is an entry of another version, made anew. */
#define ENTRY_SCHEMA "1:"

#define ENTRY_PREFIX "sha256-"

/* "sha256-" + 64 digits + NUL */
#define ENTRY_NAME_BYTES 72

/* "slugs/" before it */
#define ENTRY_PATH_BYTES (ENTRY_NAME_BYTES + 8)

/* "index/" and five numbers of 16 hex digits, the times with 8 more of nanoseconds. */
#define IDENTITY_BYTES 128

/* Directory below tmp/: 16 hex digits. */
#define TMP_NAME_BYTES 20

/** store_io_error() - report a failed call on the store, with what to do about a full disk. */
int store_io_error(const struct store *store, struct dyno_err *err, int num, const char *operation,
		   const char *name);

/** store_make_dir() - make a directory of exactly @mode, whatever the umask; existing is fine.
 * Return: 0 or -errno. */
int store_make_dir(int dirfd, const char *path, mode_t mode);

/** store_prepare() - make the directories that are missing below the data directory. */
int store_prepare(struct store *store, struct dyno_err *err);

/** store_entry_name() - "sha256-<hex>". @buf: ENTRY_NAME_BYTES. Return: @buf. */
char *store_entry_name(const uint8_t *sha256, char *buf);

/** store_entry_path() - "slugs/sha256-<hex>". @buf: ENTRY_PATH_BYTES. Return: @buf. */
char *store_entry_path(const uint8_t *sha256, char *buf);

enum entry_state {
	ENTRY_FOUND,   /* whole, and held by a shared lock */
	ENTRY_ABSENT,  /* nothing there */
	ENTRY_DYING,   /* somebody removes it at this moment */
	ENTRY_DAMAGED, /* there, but not what the store made */
};

/**
 * store_entry_open() - look at an entry and hold it, by five system calls.
 * @ret: only with ENTRY_FOUND
 * @ret_damage: only with ENTRY_DAMAGED: what is wrong; static text
 * Return: an enum entry_state, or -errno.
 */
int store_entry_open(struct store *store, const uint8_t *sha256, struct store_entry *ret,
		     const char **ret_damage, struct dyno_err *err);

/** store_entry_evict() - take an entry out of the store and remove it; the caller holds the lock
 * of its digest, or a full disk has no room for one. Errors: -EBUSY without a report while it is
 * in use. */
int store_entry_evict(struct store *store, const uint8_t *sha256, struct dyno_err *err);

/* ---- the index ------------------------------------------------------------------------------ */

/** store_index_name() - "slugs/index/<identity>". @buf: IDENTITY_BYTES. Return: @buf. */
char *store_index_name(const struct stat *st, char *buf);

/** store_index_find() - digest of an archive seen before. @ret_sha256: CHECKSUM_BYTES.
 * Return: 0, or -ENOENT. */
int store_index_find(struct store *store, const struct stat *st, uint8_t *ret_sha256);

/** store_index_add() - remember an archive; a failure only costs a hash at the next start. */
void store_index_add(struct store *store, const struct stat *st, const uint8_t *sha256);

/* ---- locks and half-made things ------------------------------------------------------------- */

/**
 * store_lock() - take the exclusive lock @name, waiting for it.
 *
 * The lock file is removed by its holder, so that none is left; a waiter that gets a removed one
 * begins anew.
 */
int store_lock(struct store *store, const char *name, int *ret_fd, struct dyno_err *err);

/** store_unlock() - remove the lock file and let go; -EBADF is fine. */
void store_unlock(struct store *store, const char *name, int *fd);

/**
 * store_tmp_make() - a new directory below tmp/, locked by its descriptor.
 * @name: TMP_NAME_BYTES
 * @ret_fd: O_RDONLY|O_DIRECTORY with an exclusive flock
 */
int store_tmp_make(struct store *store, char *name, int *ret_fd, struct dyno_err *err);

/** store_tmp_remove() - remove what is @name below tmp/ with all in it; what will not go now is
 * nobody's once its lock is let go, and the next sweep tries again. Return: 0 or -errno. */
int store_tmp_remove(struct store *store, const char *name);

/** store_tmp_sweep() - remove directories below tmp/ whose maker is dead.
 * Return: how many, or -errno. */
int store_tmp_sweep(struct store *store, store_gc_fn fn, void *data, struct dyno_err *err);

/** store_random_name() - 16 hex digits. @buf: TMP_NAME_BYTES. */
void store_random_name(char *buf);

/* ---- adding --------------------------------------------------------------------------------- */

/**
 * struct store_archive - what to add.
 * @fd: a regular file; borrowed
 * @st: its facts, by which it is found again; NULL for one without a name (stdin)
 * @settled: a change from now on would change the facts
 */
struct store_archive {
	int fd;
	const struct stat *st;
	bool settled;
};

/** store_add() - the cold path: hash, look, unpack, publish. */
int store_add(struct store *store, const struct store_request *req,
	      const struct store_archive *archive, struct store_entry *ret, struct dyno_err *err);

/** store_check_digest() - whether a digest is the one that --checksum asks for.
 * Errors: ERR_SLUG_DIGEST, ERR_USAGE. */
int store_check_digest(const char *checksum, const uint8_t *sha256, struct dyno_err *err);

/** store_spool() - copy stdin to a nameless file of the store. @cancel_fd: see store_request;
 * @ret_fd: the caller closes it. */
int store_spool(struct store *store, int cancel_fd, int *ret_fd, struct dyno_err *err);

/** store_wait() - until @fd can be read. @cancel_fd: see store_request. Return: 0; -EINTR with
 * ERR_CANCELLED; -errno. */
int store_wait(int fd, int cancel_fd, struct dyno_err *err);

/* ---- the helper ----------------------------------------------------------------------------- */

/**
 * struct helper - a running helper program; ended by helper_done().
 * @name: for messages; static text
 * @control: socket
 * @pidfd: of the process
 * @cancel_fd: see store_request; set before the start
 */
struct helper {
	const char *name;
	int control;
	int pidfd;
	int cancel_fd;
};

#define HELPER_INIT                                     \
	(struct helper)                                 \
	{                                               \
		.control = -9 /* -EBADF */, .pidfd = -9 \
	}

/** helper_start() - run `dyno-unpack @mode`. The descriptors are borrowed. */
int helper_start(const char *libexec_dir, const char *mode, int archive_fd, int target_fd,
		 int manifest_fd, struct helper *ret, struct dyno_err *err);

/** helper_say_go() - let it work. */
int helper_say_go(struct helper *helper, const struct unpack_go *go, struct dyno_err *err);

/** helper_hear() - its next message; one of kind UNPACK_MSG_ERROR, and its death, are returned as
 * an error. */
int helper_hear(struct helper *helper, struct unpack_msg *ret, struct dyno_err *err);

/** helper_done() - end and reap it. */
void helper_done(struct helper *helper);

#endif
