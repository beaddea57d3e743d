/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_list.c - what is in the store: listing, finding by a short digest, facts, verifying,
 * removing, collecting.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "rootfs/stack.h"
#include "rootfs/store_internal.h"

/* It is written by us and has about 250 bytes. */
#define META_MAX_BYTES 4096

#define DIR_FLAGS      (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* ---- names ---------------------------------------------------------------------------------- */

/**
 * struct digests - every name of the form of an entry's, sorted; owned by the arena.
 */
struct digests {
	struct arena arena;
	const char **hex;
	size_t n, cap;
};

static void digests_done(struct digests *d)
{
	arena_done(&d->arena);
}

static int digests_add(struct digests *d, const char *hex)
{
	if (d->n == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 64;
		const char **grown = arena_calloc(&d->arena, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		if (d->n)
			memcpy(grown, d->hex, d->n * sizeof(*grown));
		d->hex = grown;
		d->cap = cap;
	}
	d->hex[d->n] = arena_strdup(&d->arena, hex);
	return d->hex[d->n++] ? 0 : -ENOMEM;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int digests_read(struct store *store, struct digests *ret, struct dyno_err *err)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	uint8_t sha256[CHECKSUM_BYTES];
	const char *name;
	int r = dir_open(store->data_fd, STORE_SLUGS, &dir);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return store_io_error(store, err, -r, "read", STORE_SLUGS);
	while ((name = dir_next_name(&dir))) {
		const char *hex = str_starts(name, ENTRY_PREFIX);

		if (!hex || checksum_parse(hex, sha256, NULL) < 0)
			continue;
		r = digests_add(ret, hex);
		if (r < 0)
			return err_set(err, ERR_MEMORY, -r, "list the store");
	}
	if (ret->n)
		qsort(ret->hex, ret->n, sizeof(*ret->hex), compare_text);
	return 0;
}

static int not_stored(struct dyno_err *err, const char *which)
{
	(void)err_set(err, ERR_STORE_NOT_FOUND, 0, "no slug %.80s is stored", which);
	err_hint(err, "`dyno slug ls` lists what is there");
	return -ENOENT;
}

int store_resolve(struct store *store, const char *which, char *ret_digest, struct dyno_err *err)
{
	_cleanup_(digests_done) struct digests all = {0};
	const char *hex = str_starts(which, "sha256:");
	const char *found = NULL;
	uint8_t sha256[CHECKSUM_BYTES];
	size_t len;
	int r;

	hex = hex ? hex : which;
	len = strlen(hex);
	if (checksum_parse(hex, sha256, NULL) == 0) {
		(void)checksum_digest(sha256, ret_digest);
		return 0;
	}
	if (len < STORE_PREFIX_MIN || strspn(hex, "0123456789abcdef") != len)
		return err_set(err, ERR_USAGE, 0,
			       "%.80s is no digest: sha256: and at least %d hexadecimal digits",
			       which, STORE_PREFIX_MIN);
	r = digests_read(store, &all, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < all.n; i++) {
		if (!str_starts(all.hex[i], hex))
			continue;
		if (found)
			return err_set(err, ERR_USAGE, 0, "%s is the beginning of two digests",
				       which);
		found = all.hex[i];
	}
	if (!found)
		return not_stored(err, which);
	(void)checksum_parse(found, sha256, NULL); /* seen to be one above */
	(void)checksum_digest(sha256, ret_digest);
	return 0;
}

/* ---- facts ---------------------------------------------------------------------------------- */

static int meta_number(const char *text, const char *key, uint64_t *ret)
{
	char quoted[32], digits[24];
	const char *at;
	size_t len;

	(void)str_fmt(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(text, quoted);
	if (!at)
		return -EINVAL;
	at += strlen(quoted);
	len = strspn(at, "0123456789");
	if (len == 0 || len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, at, len);
	digits[len] = '\0';
	return num_parse_u64(digits, UINT64_MAX, ret);
}

static bool is_in_use(int dir_fd)
{
	if (flock(dir_fd, LOCK_EX | LOCK_NB) < 0)
		return true;
	(void)flock(dir_fd, LOCK_UN); /* cannot fail for a lock that is held */
	return false;
}

static int read_info(int dir_fd, const uint8_t *sha256, struct store_info *ret)
{
	_cleanup_arena_ struct arena arena = {0};
	uint64_t uid = 0;
	size_t len;
	char *text;
	int r = file_read_beneath(dir_fd, ENTRY_META, META_MAX_BYTES, &arena, &text, &len);

	if (r < 0)
		return r;
	(void)checksum_digest(sha256, ret->digest);
	if (meta_number(text, "archive_bytes", &ret->archive_bytes) < 0 ||
	    meta_number(text, "tree_bytes", &ret->tree_bytes) < 0 ||
	    meta_number(text, "files", &ret->files) < 0 ||
	    meta_number(text, "added_us", &ret->added_us) < 0 ||
	    meta_number(text, "uid", &uid) < 0 || uid > UINT32_MAX)
		return -EINVAL;
	ret->uid = (uint32_t)uid;
	ret->dir_fd = dir_fd;
	ret->in_use = is_in_use(dir_fd);
	return 0;
}

/* Return: what @fn returned; -ENOENT for what is not complete; -errno. */
static int visit(struct store *store, const uint8_t *sha256, store_info_fn fn, void *data,
		 struct dyno_err *err)
{
	char path[ENTRY_PATH_BYTES];
	_cleanup_close_ int fd = openat(store->data_fd, store_entry_path(sha256, path), DIR_FLAGS);
	struct store_info info = {0};
	struct stat st;
	int r;

	if (fd < 0 || fstatat(fd, ENTRY_COMPLETE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -ENOENT;
	r = read_info(fd, sha256, &info);
	if (r < 0) {
		(void)err_set(err, ERR_STORE_DAMAGED, -r, "read %s/%s/%s", store->data_dir, path,
			      ENTRY_META);
		err_hint(err, "remove the entry with `dyno slug rm` and add the slug again");
		return r;
	}
	return fn(data, &info);
}

int store_each(struct store *store, store_info_fn fn, void *data, struct dyno_err *err)
{
	_cleanup_(digests_done) struct digests all = {0};
	uint8_t sha256[CHECKSUM_BYTES];
	int r = digests_read(store, &all, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < all.n; i++) {
		(void)checksum_parse(all.hex[i], sha256, NULL); /* seen to be one when read */
		r = visit(store, sha256, fn, data, err);
		if (r != 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

/* From any form of a digest to its bytes. */
static int resolve_bytes(struct store *store, const char *which, uint8_t *ret_sha256,
			 struct dyno_err *err)
{
	char digest[DYNO_DIGEST_BYTES];
	int r = store_resolve(store, which, digest, err);

	return r < 0 ? r : checksum_parse(digest, ret_sha256, err);
}

int store_info(struct store *store, const char *digest, store_info_fn fn, void *data,
	       struct dyno_err *err)
{
	uint8_t sha256[CHECKSUM_BYTES];
	int r = resolve_bytes(store, digest, sha256, err);

	if (r < 0)
		return r;
	r = visit(store, sha256, fn, data, err);
	return r == -ENOENT ? not_stored(err, digest) : r;
}

/* ---- verifying ------------------------------------------------------------------------------ */

static int hear_differences(struct helper *helper, store_verify_fn fn, void *data,
			    struct dyno_err *err)
{
	struct unpack_msg msg;

	for (;;) {
		int r = helper_hear(helper, &msg, err);

		if (r < 0)
			return r;
		if (msg.kind == UNPACK_MSG_DONE)
			return (int)MIN_OF(msg.u.done.differences, (uint32_t)INT32_MAX);
		if (msg.kind != UNPACK_MSG_DIFFERENCE)
			return err_set(err, ERR_HELPER, EPROTO, "dyno-unpack said %u", msg.kind);
		msg.u.difference.what[sizeof(msg.u.difference.what) - 1] = '\0';
		msg.u.difference.path[sizeof(msg.u.difference.path) - 1] = '\0';
		if (fn)
			fn(data, msg.u.difference.what, msg.u.difference.path);
	}
}

static int expected_manifest(int dir_fd, uint8_t *ret_sha256)
{
	char text[STRLEN(ENTRY_SCHEMA) + CHECKSUM_HEX_BYTES];
	ssize_t n = readlinkat(dir_fd, ENTRY_COMPLETE, text, sizeof(text));

	if (n != (ssize_t)sizeof(text) - 1)
		return -EINVAL;
	text[n] = '\0';
	if (!str_starts(text, ENTRY_SCHEMA))
		return -EINVAL;
	return checksum_parse(text + STRLEN(ENTRY_SCHEMA), ret_sha256, NULL);
}

int store_verify(struct store *store, const char *digest, const char *libexec_dir,
		 store_verify_fn fn, void *data, struct dyno_err *err)
{
	_cleanup_(store_entry_done) struct store_entry entry = STORE_ENTRY_INIT;
	_cleanup_(helper_done) struct helper helper = HELPER_INIT;
	_cleanup_close_ int manifest_fd = -EBADF;
	_cleanup_close_ int tree_fd = -EBADF;
	struct store_request req = {0};
	struct unpack_go go = {.drop = store->owner == 0};
	char full[DYNO_DIGEST_BYTES];
	int r = store_resolve(store, digest, full, err);

	if (r < 0)
		return r;
	req.source = full;
	r = store_acquire(store, &req, &entry, err);
	if (r < 0)
		return r;
	tree_fd = openat(entry.dir_fd, STORE_APP, DIR_FLAGS);
	manifest_fd = openat(entry.dir_fd, ENTRY_MANIFEST, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (tree_fd < 0 || manifest_fd < 0 ||
	    expected_manifest(entry.dir_fd, go.manifest_sha256) < 0) {
		r = err_set(err, ERR_STORE_DAMAGED, 0, "store entry %s lacks its manifest", full);
		err_hint(err, "remove the entry with `dyno slug rm` and add the slug again");
		return r;
	}
	go.uid = entry.owner_uid;
	go.gid = entry.owner_gid;
	r = helper_start(libexec_dir, "verify", -1, tree_fd, manifest_fd, &helper, err);
	if (r == 0)
		r = helper_say_go(&helper, &go, err);
	return r < 0 ? r : hear_differences(&helper, fn, data, err);
}

/* ---- removing ------------------------------------------------------------------------------- */

/* Whether the directory that was locked still has the name: another remover may have been faster,
 * and an adder after it. */
static bool is_current(struct store *store, const char *path, int fd)
{
	struct stat held, named;

	return fstat(fd, &held) == 0 &&
	       fstatat(store->data_fd, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* Remove an entry without its mark out of sight, so that its name is free at once; where a quota
 * leaves no room for another name (btrfs), where it stands. */
static int remove_tree(struct store *store, const uint8_t *sha256, struct dyno_err *err)
{
	char path[ENTRY_PATH_BYTES], gone[TMP_NAME_BYTES + 8], name[TMP_NAME_BYTES];
	_cleanup_close_ int slugs_fd = -EBADF;
	int r;

	(void)store_entry_path(sha256, path);
	store_random_name(name);
	(void)str_fmt(gone, sizeof(gone), STORE_TMP "/%s", name);
	if (renameat(store->data_fd, path, store->data_fd, gone) == 0) {
		r = store_tmp_remove(store, name);
		return r < 0 ? store_io_error(store, err, -r, "remove", gone) : 0;
	}
	if (errno != ENOSPC && errno != EDQUOT)
		return store_io_error(store, err, errno, "remove", path);
	slugs_fd = openat(store->data_fd, STORE_SLUGS, DIR_FLAGS);
	r = slugs_fd < 0 ? -errno : path_remove_tree(slugs_fd, path + STRLEN(STORE_SLUGS "/"));
	return r < 0 ? store_io_error(store, err, -r, "remove", path) : 0;
}

int store_entry_evict(struct store *store, const uint8_t *sha256, struct dyno_err *err)
{
	char path[ENTRY_PATH_BYTES];
	_cleanup_close_ int fd = -EBADF;
	int r = store_prepare(store, err);

	if (r < 0)
		return r;
	(void)store_entry_path(sha256, path);
	fd = openat(store->data_fd, path, DIR_FLAGS);
	if (fd < 0 && errno == ENOENT)
		return 0;
	/* What is no directory has no lock either, and goes as it is. */
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (fd >= 0 && !is_current(store, path, fd))
		return 0;
	if (fd >= 0 && unlinkat(fd, ENTRY_COMPLETE, 0) < 0 && errno != ENOENT && errno != EISDIR)
		return store_io_error(store, err, errno, "remove the mark of", path);
	return remove_tree(store, sha256, err);
}

/* Forget every archive whose link leads to an entry that is not there. Return: how many. */
static int sweep_index(struct store *store, store_gc_fn fn, void *data)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	struct stat st;
	int count = 0;

	if (dir_open(store->data_fd, STORE_INDEX, &dir) < 0)
		return 0;
	while ((name = dir_next_name(&dir))) {
		if (fstatat(dir.fd, name, &st, 0) == 0 || errno != ENOENT)
			continue;
		if (unlinkat(dir.fd, name, 0) < 0)
			continue;
		if (fn)
			fn(data, "index link", name);
		count++;
	}
	return count;
}

static int remove_locked(struct store *store, const uint8_t *sha256, struct dyno_err *err)
{
	char name[ENTRY_NAME_BYTES], digest[DYNO_DIGEST_BYTES];
	int lock_fd = -EBADF;
	int r = store_prepare(store, err);

	if (r < 0)
		return r;
	r = store_lock(store, store_entry_name(sha256, name), &lock_fd, err);
	/* A full disk must not forbid what makes room on it.  The lock of the digest spares adders
	 * an error; what keeps removers apart is the lock on the entry itself. */
	if (r < 0 && r != -ENOSPC && r != -EDQUOT)
		return r;
	r = store_entry_evict(store, sha256, err);
	if (r == -EBUSY)
		(void)err_set(err, ERR_STORE_BUSY, EBUSY, "slug %s is in use",
			      checksum_digest(sha256, digest));
	store_unlock(store, name, &lock_fd);
	return r;
}

int store_remove(struct store *store, const char *digest, struct dyno_err *err)
{
	uint8_t sha256[CHECKSUM_BYTES];
	char path[ENTRY_PATH_BYTES];
	struct stat st;
	int r = resolve_bytes(store, digest, sha256, err);

	if (r < 0)
		return r;
	if (fstatat(store->data_fd, store_entry_path(sha256, path), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? not_stored(err, digest)
				       : store_io_error(store, err, errno, "stat", path);
	r = remove_locked(store, sha256, err);
	if (r == -EBUSY)
		err_hint(err, "stop the dynos that use it: dyno ps");
	else if (r == 0)
		(void)sweep_index(store, NULL, NULL);
	return r;
}

/* ---- collecting ----------------------------------------------------------------------------- */

/* Locks whose holder died before it removed the file. */
static int sweep_locks(struct store *store, store_gc_fn fn, void *data)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	int count = 0;

	if (dir_open(store->data_fd, STORE_LOCKS, &dir) < 0)
		return 0;
	while ((name = dir_next_name(&dir))) {
		_cleanup_close_ int fd = openat(dir.fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;

		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		/* Removed by its holder between open and lock: the name may be another's by now. */
		if (fstat(fd, &st) < 0 || st.st_nlink == 0 || unlinkat(dir.fd, name, 0) < 0)
			continue;
		if (fn)
			fn(data, "lock", name);
		count++;
	}
	return count;
}

/**
 * struct collecting - one run of store_gc() over the entries.
 */
struct collecting {
	struct store *store;
	bool unused;
	store_gc_fn fn;
	void *data;
	uint64_t bytes;
	int count;
};

static int size_of(void *data, const struct store_info *info)
{
	*(uint64_t *)data = info->tree_bytes;
	return 0;
}

static int collect_entry(struct collecting *c, const char *hex, struct dyno_err *err)
{
	uint8_t sha256[CHECKSUM_BYTES];
	uint64_t bytes = 0;
	char digest[DYNO_DIGEST_BYTES];
	int r;

	(void)checksum_parse(hex, sha256, NULL); /* seen to be one when read */
	r = visit(c->store, sha256, size_of, &bytes, NULL);
	/* What is not complete is nobody's: an entry appears with its mark, and loses it first. */
	if (r != -ENOENT && !c->unused)
		return 0;
	r = remove_locked(c->store, sha256, err);
	if (r == -EBUSY)
		return 0;
	if (r < 0)
		return r;
	if (c->fn)
		c->fn(c->data, "entry", checksum_digest(sha256, digest));
	c->bytes += bytes;
	c->count++;
	return 0;
}

static int collect_entries(struct collecting *c, struct dyno_err *err)
{
	_cleanup_(digests_done) struct digests all = {0};
	int r = digests_read(c->store, &all, err);

	for (size_t i = 0; r == 0 && i < all.n; i++)
		r = collect_entry(c, all.hex[i], err);
	return r;
}

int store_gc(struct store *store, bool unused, store_gc_fn fn, void *data, uint64_t *ret_bytes,
	     struct dyno_err *err)
{
	struct collecting c = {.store = store, .unused = unused, .fn = fn, .data = data};
	int swept, stacks;
	int r = collect_entries(&c, err);

	if (r < 0)
		return r;
	swept = store_tmp_sweep(store, fn, data, err);
	if (swept < 0)
		return swept;
	stacks = stack_gc(store, fn, data, err);
	if (stacks < 0)
		return stacks;
	if (ret_bytes)
		*ret_bytes = c.bytes;
	return c.count + swept + stacks + sweep_index(store, fn, data) +
	       sweep_locks(store, fn, data);
}
