/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - the slug store: archives unpacked once, found again by digest or by the identity of
 * the archive's inode, held by locks that the kernel drops with their holder.  It is neither the
 * unpacker (dyno-unpack, a caged program of its own) nor does it mount anything.
 *
 * Layout below the data directory (mode 0700, owned by the effective user):
 *
 *   slugs/sha256-<hex>/root/app/...   the tree; everything below root/app is owned by the slug's
 *                                     uid, as which it is seen inside a dyno too (rootless: by
 *                                     the caller)
 *                     /meta.json      sizes and times, for people and `dyno slug info`
 *                     /manifest       one line a member, for `dyno slug verify`
 *                     /complete       symlink "1:<sha256 of manifest>": made last, removed first
 *   slugs/index/<identity>            symlink to ../sha256-<hex>, by (dev, ino, size, mtime, ctime)
 *   tmp/<random>/                     half-made entries, each locked by its maker
 *   locks/sha256-<hex>                held while that digest is unpacked or removed
 *   stacks/<name>/root/               see stack.h
 *
 * An entry appears by rename(2) after its bytes are on disk, so it is whole or absent.  A user of
 * an entry holds a shared flock(2) on its directory; whoever removes one takes it exclusively,
 * removes `complete`, and renames the directory away, so that a late comer who got the lock on a
 * dying directory sees that `complete` is gone and looks again.
 */
#ifndef DYNO_STORE_H
#define DYNO_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <dyno.h>

#include "rootfs/copyout.h"

/* The tree of an entry, relative to its directory: what becomes `/` and `/app` of a dyno. */
#define STORE_TREE "root"
#define STORE_APP  "root/app"

/**
 * struct store - an open store.
 * @data_fd: the data directory, O_PATH
 * @data_dir: its path, for messages; borrowed from the caller of store_open()
 * @owner: user who must own it and everything in it but the trees: the effective user
 */
struct store {
	int data_fd;
	const char *data_dir;
	uid_t owner;
};

/** STORE_INIT - a store that is not open; store_done() may be called on it. */
#define STORE_INIT                         \
	(struct store)                     \
	{                                  \
		.data_fd = -9 /* -EBADF */ \
	}

/**
 * store_open() - open the data directory, making it where it is missing.
 * @data_dir: absolute path, borrowed until store_done()
 * @ret: to be ended by store_done()
 *
 * The last component is made with mode 0700, parents with 0755.  A directory that others may write
 * or that belongs to somebody else is refused, since its content decides what runs.
 * Return: 0, or -errno. Errors: ERR_STORE_IO.
 */
int store_open(const char *data_dir, struct store *ret, struct dyno_err *err);

/** store_done() - close; locks held by entries live on in their own descriptors. */
void store_done(struct store *store);

/* Progress of a hash, unpack, verify or pack; the pointers are valid during the call. */
typedef void (*store_progress_fn)(void *data, const struct dyno_progress *progress);

/**
 * struct store_request - what to acquire.
 * @source: path of an archive or of a directory, "-" for stdin, or "sha256:<hex>"
 * @checksum: "SHA256:<hex>" the archive must have, or NULL; given, the archive is always hashed
 * @libexec_dir: directory of dyno-unpack; NULL: see store_helper_find()
 * @progress, @data: may be NULL
 * @cancel_fd: long waits end with -EINTR and ERR_CANCELLED once it is readable, which is not read
 *             from; 0: none
 */
struct store_request {
	const char *source;
	const char *checksum;
	const char *libexec_dir;
	store_progress_fn progress;
	void *data;
	int cancel_fd;
};

enum store_kind {
	STORE_SLUG,	 /* an entry of the store: mount @dir_fd/STORE_TREE as a layer of `/` */
	STORE_DIRECTORY, /* a directory that the caller named: it is the app itself, not stored */
};

/**
 * struct store_entry - something to run from; ended by store_entry_done().
 * @kind: what @dir_fd is
 * @dir_fd: O_RDONLY|O_DIRECTORY, close-on-exec.  STORE_SLUG: the entry's directory, holding a
 *          shared flock for as long as this descriptor (or a copy of it) is open.
 *          STORE_DIRECTORY: the app tree, no lock
 * @digest: "sha256:<hex>"; "" for a directory
 * @uid: the user inside the dyno: 1000-59999 from the digest; for a directory its owner's uid,
 *       0 where root owns it (the caller chooses then)
 * @owner_uid, @owner_gid: who owns the tree on disk (rootless: the caller)
 * @unpacked: this call unpacked it
 */
struct store_entry {
	enum store_kind kind;
	int dir_fd;
	char digest[DYNO_DIGEST_BYTES];
	uint32_t uid;
	uint32_t owner_uid;
	uint32_t owner_gid;
	bool unpacked;
};

/** STORE_ENTRY_INIT - holds nothing; store_entry_done() may be called on it. */
#define STORE_ENTRY_INIT                  \
	(struct store_entry)              \
	{                                 \
		.dir_fd = -9 /* -EBADF */ \
	}

/**
 * store_acquire() - find or make the entry of a slug and hold it.
 * @ret: to be ended by store_entry_done()
 *
 * The warm path is eight system calls: open and fstat of the archive, one readlinkat of the index,
 * open and flock of the entry, one readlinkat of `complete`, one fstatat for the owner, one close.
 * Otherwise dyno-unpack hashes the archive, one caller per digest unpacks it and the others wait
 * for that.
 * Return: 0, or -errno. Errors: ERR_SLUG_*, ERR_STORE_*, ERR_HELPER.
 */
int store_acquire(struct store *store, const struct store_request *req, struct store_entry *ret,
		  struct dyno_err *err);

/** store_entry_done() - give the entry up; half-built and empty ones are fine. */
void store_entry_done(struct store_entry *entry);

/**
 * struct store_info - facts on one entry.
 * @digest: "sha256:<hex>"
 * @archive_bytes, @tree_bytes, @files, @added_us: as in struct dyno_slug_info
 * @uid: owner of the tree and user of the dyno
 * @in_use: somebody holds the shared lock
 * @dir_fd: the entry's directory, O_RDONLY|O_DIRECTORY, not locked; borrowed during a call
 */
struct store_info {
	char digest[DYNO_DIGEST_BYTES];
	uint64_t archive_bytes;
	uint64_t tree_bytes;
	uint64_t files;
	uint64_t added_us;
	uint32_t uid;
	bool in_use;
	int dir_fd;
};

/** store_each() - every complete entry, by digest; a non-zero return of @fn ends it.
 * Return: what @fn returned, 0, or -errno. */
typedef int (*store_info_fn)(void *data, const struct store_info *info);
int store_each(struct store *store, store_info_fn fn, void *data, struct dyno_err *err);

/**
 * store_resolve() - the whole digest from "sha256:<hex>", bare hex, or a unique beginning of at
 * least STORE_PREFIX_MIN digits.
 * @ret_digest: DYNO_DIGEST_BYTES
 * Return: 0, or -errno. Errors: ERR_STORE_NOT_FOUND, ERR_USAGE when it is not unique.
 */
#define STORE_PREFIX_MIN 4
int store_resolve(struct store *store, const char *which, char *ret_digest, struct dyno_err *err);

/** store_info() - the facts on one entry; @digest as for store_resolve(). */
int store_info(struct store *store, const char *digest, store_info_fn fn, void *data,
	       struct dyno_err *err);

/** store_verify() - compare a tree with its manifest, in the caged helper.
 * Return: number of differences told to @fn, or -errno. */
typedef void (*store_verify_fn)(void *data, const char *difference, const char *path);
int store_verify(struct store *store, const char *digest, const char *libexec_dir,
		 store_verify_fn fn, void *data, struct dyno_err *err);

/** store_remove() - remove one entry. Errors: ERR_STORE_BUSY while a dyno uses it. */
int store_remove(struct store *store, const char *digest, struct dyno_err *err);

/**
 * store_gc() - remove what killed unpackers left, index links and lock files without an entry,
 * and host stacks of former states of the host; with @unused every entry that nobody uses too.
 * @fn: told each removed thing ("entry", "half-made entry", "index link", "stack") and its name;
 *      may be NULL
 * @ret_bytes: bytes of the removed entries' trees; may be NULL
 * Return: things removed, or -errno.
 */
typedef void (*store_gc_fn)(void *data, const char *kind, const char *name);
int store_gc(struct store *store, bool unused, store_gc_fn fn, void *data, uint64_t *ret_bytes,
	     struct dyno_err *err);

/** store_pack() - run dyno-pack over @dir into @out_fd. @ret_digest: DYNO_DIGEST_BYTES. */
int store_pack(const char *dir, int out_fd, const char *libexec_dir, store_progress_fn progress,
	       void *data, char *ret_digest, struct dyno_err *err);

/** store_pack_copy() - run dyno-pack: a tar of @source into @out_fd, see copyout.h. */
int store_pack_copy(const struct copyout_source *source, int out_fd, const char *libexec_dir,
		    store_progress_fn progress, void *data, struct dyno_err *err);

/**
 * store_helper_find() - the path of a helper program of dyno.
 * @libexec_dir: where to look, alone; NULL: beside the running executable, or the shared library
 *               where this is part of one, then in ../libexec/dyno seen from there, then where
 *               `make install` has put it
 * @buf: receives the path
 * Return: 0, or -errno. Errors: ERR_HELPER.
 */
int store_helper_find(const char *libexec_dir, const char *name, char *buf, size_t size,
		      struct dyno_err *err);

#endif
