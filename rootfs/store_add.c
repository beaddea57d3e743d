/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_add.c - the cold path: from an archive to a complete entry.
 *
 * Theory of operation.  Two locks are taken, always in this order.  The first is of the archive's
 * identity, so that of many starts of one file one hashes it and the others find it in the index.
 * The second is of its digest, known after hashing: one unpacks, and whoever comes by another file
 * of the same content finds the entry.  The tree is made in a directory below tmp/ that its maker
 * keeps locked; when all of it is on disk it is renamed into place with that lock, which becomes
 * the shared lock of the caller.  Nobody ever sees a part of it; what a killed maker leaves is
 * unlocked and swept by whoever comes next.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "model/uidrange.h"
#include "rootfs/store_internal.h"
#include "rootfs/unpack_limits.h"

#define TREE_DIR_MODE 0755
#define FILE_MODE     0600
#define SPOOL_BYTES   (256U << 10)
/* Source: num_format_size() */
#define SIZE_TEXT_BYTES 16

/**
 * struct adding - one run; ended by adding_done().
 * @lock_names: what store_unlock() needs
 * @identity_fd, @digest_fd: the two locks
 * @tmp_name, @tmp_fd: the half-made entry
 * @stage_fd, @manifest_fd: for the helper
 * @sha256: once hashed
 * @hashed: @sha256 is known
 */
struct adding {
	struct store *store;
	const struct store_request *req;
	const struct store_archive *archive;
	char identity_name[IDENTITY_BYTES];
	char digest_name[ENTRY_NAME_BYTES];
	int identity_fd;
	int digest_fd;
	char tmp_name[TMP_NAME_BYTES];
	int tmp_fd;
	int stage_fd;
	int manifest_fd;
	struct helper helper;
	uint8_t sha256[CHECKSUM_BYTES];
	bool hashed;
};

static void adding_done(struct adding *a)
{
	helper_done(&a->helper);
	close_fdp(&a->stage_fd);
	close_fdp(&a->manifest_fd);
	if (a->tmp_fd >= 0)
		(void)store_tmp_remove(a->store, a->tmp_name); /* else the next sweep does */
	close_fdp(&a->tmp_fd);
	store_unlock(a->store, a->digest_name, &a->digest_fd);
	store_unlock(a->store, a->identity_name, &a->identity_fd);
}

static int make_tmp(struct adding *a, struct dyno_err *err)
{
	int r = store_tmp_make(a->store, a->tmp_name, &a->tmp_fd, err);

	if (r < 0)
		return r;
	r = store_make_dir(a->tmp_fd, STORE_TREE, TREE_DIR_MODE);
	if (r == 0)
		r = store_make_dir(a->tmp_fd, ENTRY_STAGE, TREE_DIR_MODE);
	if (r < 0)
		return store_io_error(a->store, err, -r, "make directories in", STORE_TMP);
	a->stage_fd = openat(a->tmp_fd, ENTRY_STAGE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	a->manifest_fd =
		openat(a->tmp_fd, ENTRY_MANIFEST, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	if (a->stage_fd < 0 || a->manifest_fd < 0 || fchmod(a->manifest_fd, FILE_MODE) < 0)
		return store_io_error(a->store, err, errno, "make", STORE_TMP);
	return 0;
}

static void report_progress(const struct adding *a, const struct unpack_msg *msg)
{
	struct dyno_progress p = {
		.what = a->hashed ? "unpack" : "hash",
		.name = a->req->source,
		.done_bytes = msg->u.progress.done_bytes,
		.total_bytes = msg->u.progress.total_bytes,
	};

	if (a->req->progress)
		a->req->progress(a->req->data, &p);
}

/* Hear progress until a message of @kind comes. */
static int hear_until(struct adding *a, uint32_t kind, struct unpack_msg *msg, struct dyno_err *err)
{
	for (;;) {
		int r = helper_hear(&a->helper, msg, err);

		if (r < 0)
			return r;
		if (msg->kind == kind)
			return 0;
		if (msg->kind != UNPACK_MSG_PROGRESS)
			return err_set(err, ERR_HELPER, EPROTO, "dyno-unpack said %u, not %u",
				       msg->kind, kind);
		report_progress(a, msg);
	}
}

static int learn_digest(struct adding *a, struct dyno_err *err)
{
	struct unpack_msg msg;
	int r = helper_start(a->req->libexec_dir, "unpack", a->archive->fd, a->stage_fd,
			     a->manifest_fd, &a->helper, err);

	if (r < 0)
		return r;
	r = hear_until(a, UNPACK_MSG_DIGEST, &msg, err);
	if (r < 0)
		return r;
	memcpy(a->sha256, msg.u.digest, sizeof(a->sha256));
	a->hashed = true;
	return a->req->checksum ? store_check_digest(a->req->checksum, a->sha256, err) : 0;
}

/* Return: 1 when the entry is there, 0 when it is to be made, -errno. */
static int find_or_clear(struct adding *a, struct store_entry *ret, struct dyno_err *err)
{
	char digest[DYNO_DIGEST_BYTES];
	const char *damage = NULL;
	int r = store_entry_open(a->store, a->sha256, ret, &damage, err);

	if (r < 0)
		return r;
	if (r == ENTRY_FOUND)
		return 1;
	if (r == ENTRY_ABSENT)
		return 0;
	r = store_entry_evict(a->store, a->sha256, err);
	if (r != -EBUSY)
		return r;
	(void)err_set(err, ERR_STORE_DAMAGED, EBUSY, "store entry %s is in use, and %s",
		      checksum_digest(a->sha256, digest), damage ? damage : "is being removed");
	err_hint(err, "stop the dynos that use it, then try again");
	return -EBUSY;
}

/* ---- publishing ---------------------------------------------------------------------------- */

/* The app is what was unpacked, or its directory `app`. */
static int place_tree(struct adding *a, bool heroku_form, struct dyno_err *err)
{
	const char *app = heroku_form ? ENTRY_STAGE "/app" : ENTRY_STAGE;

	if (renameat(a->tmp_fd, app, a->tmp_fd, STORE_APP) < 0)
		return store_io_error(a->store, err, errno, "rename the tree in", STORE_TMP);
	if (heroku_form) {
		int r = path_remove_tree(a->tmp_fd, ENTRY_STAGE);

		if (r < 0)
			return store_io_error(a->store, err, -r, "remove dropped members in",
					      STORE_TMP);
	}
	return 0;
}

static int write_meta(struct adding *a, const struct unpack_done *done, struct dyno_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_sbuf_ struct sbuf text = {0};
	char digest[DYNO_DIGEST_BYTES];
	struct timespec now;
	struct stat st;
	ssize_t n;

	if (fstat(a->archive->fd, &st) < 0)
		return store_io_error(a->store, err, errno, "stat the slug for", ENTRY_META);
	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
	sbuf_addf(&text,
		  "{\"schema\":1,\"digest\":\"%s\",\"archive_bytes\":%llu,\"tree_bytes\":%llu,"
		  "\"files\":%llu,\"added_us\":%llu,\"uid\":%u}\n",
		  checksum_digest(a->sha256, digest), (unsigned long long)st.st_size,
		  (unsigned long long)done->tree_bytes, (unsigned long long)done->files,
		  (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000,
		  uid_for_digest(a->sha256));
	if (sbuf_ok(&text) < 0)
		return err_set(err, ERR_MEMORY, ENOMEM, "write " ENTRY_META);

	fd = openat(a->tmp_fd, ENTRY_META, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	if (fd < 0 || fchmod(fd, FILE_MODE) < 0)
		return store_io_error(a->store, err, errno, "make", ENTRY_META);
	n = fd_write_full(fd, text.data, text.len);
	if (n < 0)
		return store_io_error(a->store, err, (int)-n, "write", ENTRY_META);
	return 0;
}

static int write_complete(struct adding *a, const struct unpack_done *done, struct dyno_err *err)
{
	char text[STRLEN(ENTRY_SCHEMA) + CHECKSUM_HEX_BYTES] = ENTRY_SCHEMA;

	(void)checksum_hex(done->manifest_sha256, text + STRLEN(ENTRY_SCHEMA));
	if (symlinkat(text, a->tmp_fd, ENTRY_COMPLETE) < 0)
		return store_io_error(a->store, err, errno, "make", ENTRY_COMPLETE);
	return 0;
}

/* After a power loss the entry is whole or absent: everything below is written out before the
 * name appears.  One syncfs() for some ten thousand files, since an fsync() of each takes longer
 * by orders of magnitude. */
static int publish(struct adding *a, struct dyno_err *err)
{
	_cleanup_close_ int slugs_fd = -EBADF;
	char tmp[TMP_NAME_BYTES + 8], path[ENTRY_PATH_BYTES];

	slugs_fd = openat(a->store->data_fd, STORE_SLUGS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (slugs_fd < 0)
		return store_io_error(a->store, err, errno, "open", STORE_SLUGS);
	if (syncfs(a->tmp_fd) < 0)
		return store_io_error(a->store, err, errno, "write out", STORE_TMP);
	(void)str_fmt(tmp, sizeof(tmp), STORE_TMP "/%s", a->tmp_name);
	if (renameat(a->store->data_fd, tmp, a->store->data_fd, store_entry_path(a->sha256, path)) <
	    0)
		return store_io_error(a->store, err, errno, "publish", path);
	if (flock(a->tmp_fd, LOCK_SH) < 0)
		return store_io_error(a->store, err, errno, "lock", path);
	close_fdp(&a->tmp_fd);
	if (fsync(slugs_fd) < 0)
		return store_io_error(a->store, err, errno, "write out", STORE_SLUGS);
	return 0;
}

/* What a slug that did not fit needs: more than there was before the first byte of it. */
static void tell_need(const struct adding *a, const struct statvfs *before, struct dyno_err *err)
{
	char size[SIZE_TEXT_BYTES];

	if (!err)
		return;
	if (err->num == EDQUOT)
		err_context(err, "the slug needs more than the quota leaves in %s",
			    a->store->data_dir);
	if (err->num != ENOSPC)
		return;
	(void)num_format_size(size, (uint64_t)before->f_bavail * before->f_frsize);
	if (before->f_files > 0)
		err_context(err, "the slug needs more than the %s and %llu inodes free in %s", size,
			    (unsigned long long)before->f_favail, a->store->data_dir);
	else
		err_context(err, "the slug needs more than the %s free in %s", size,
			    a->store->data_dir);
}

static int unpack(struct adding *a, struct store_entry *ret, struct dyno_err *err)
{
	struct unpack_go go = {.drop = a->store->owner == 0};
	const char *damage = "";
	struct statvfs room = {0};
	struct unpack_msg msg;
	int r;

	(void)fstatvfs(a->tmp_fd, &room); /* for a message; zeros say enough */
	go.uid = go.drop ? uid_for_digest(a->sha256) : a->store->owner;
	go.gid = go.uid;
	if (go.drop && fchown(a->stage_fd, go.uid, go.gid) < 0) {
		r = store_io_error(a->store, err, errno, "give away", STORE_TMP);
		err_hint(err, "user %u cannot be used here: run as the user itself, not as root",
			 go.uid);
		return r;
	}
	r = helper_say_go(&a->helper, &go, err);
	if (r == 0)
		r = hear_until(a, UNPACK_MSG_DONE, &msg, err);
	if (r == 0)
		r = place_tree(a, msg.u.done.heroku_form != 0, err);
	if (r == 0)
		r = write_meta(a, &msg.u.done, err);
	if (r == 0)
		r = write_complete(a, &msg.u.done, err);
	if (r == 0)
		r = publish(a, err);
	if (r < 0) {
		tell_need(a, &room, err);
		return r;
	}

	/* Still under the lock of the digest, so nobody can have removed it. */
	r = store_entry_open(a->store, a->sha256, ret, &damage, err);
	if (r < 0)
		return r;
	if (r != ENTRY_FOUND)
		return err_set(err, ERR_INTERNAL, 0, "the new store entry is unusable: %s", damage);
	ret->unpacked = true;
	return 0;
}

/* Remember the archive, unless it was changed meanwhile. */
static void remember(struct adding *a)
{
	struct stat now;
	char before[IDENTITY_BYTES], after[IDENTITY_BYTES];

	if (!a->archive->st || !a->archive->settled || fstat(a->archive->fd, &now) < 0)
		return;
	if (str_eq(store_index_name(a->archive->st, before), store_index_name(&now, after)))
		store_index_add(a->store, &now, a->sha256);
}

static int lock_identity(struct adding *a, struct dyno_err *err)
{
	char index[IDENTITY_BYTES];

	if (!a->archive->st)
		return 0;
	(void)str_fmt(a->identity_name, sizeof(a->identity_name), "id-%s",
		      store_index_name(a->archive->st, index) + STRLEN(STORE_INDEX "/"));
	return store_lock(a->store, a->identity_name, &a->identity_fd, err);
}

/* Somebody may have hashed this very file while we waited for its lock.
 * Return: 1 when the entry was found. */
static int look_again(struct adding *a, struct store_entry *ret, struct dyno_err *err)
{
	const char *damage;

	if (a->req->checksum || !a->archive->st ||
	    store_index_find(a->store, a->archive->st, a->sha256) < 0)
		return 0;
	return store_entry_open(a->store, a->sha256, ret, &damage, err) == ENTRY_FOUND;
}

int store_add(struct store *store, const struct store_request *req,
	      const struct store_archive *archive, struct store_entry *ret, struct dyno_err *err)
{
	_cleanup_(adding_done) struct adding a = {
		.store = store,
		.req = req,
		.archive = archive,
		.identity_fd = -EBADF,
		.digest_fd = -EBADF,
		.tmp_fd = -EBADF,
		.stage_fd = -EBADF,
		.manifest_fd = -EBADF,
		.helper = HELPER_INIT,
	};
	int r = store_prepare(store, err);

	a.helper.cancel_fd = req->cancel_fd;
	if (r == 0)
		r = lock_identity(&a, err);
	if (r < 0)
		return r;
	if (look_again(&a, ret, err) == 1)
		return 0;
	(void)store_tmp_sweep(store, NULL, NULL, NULL); /* others' remains are no reason to fail */
	r = make_tmp(&a, err);
	if (r == 0)
		r = learn_digest(&a, err);
	if (r == 0)
		r = store_lock(store, store_entry_name(a.sha256, a.digest_name), &a.digest_fd, err);
	if (r < 0)
		return r;
	r = find_or_clear(&a, ret, err);
	if (r == 0)
		r = unpack(&a, ret, err);
	if (r < 0)
		return r;
	remember(&a);
	return 0;
}

/* ---- standard input ------------------------------------------------------------------------ */

static int copy_capped(int from, int cancel_fd, int to, const struct store *store,
		       struct dyno_err *err)
{
	_cleanup_free_ char *buffer = malloc(SPOOL_BYTES);
	uint64_t total = 0;
	ssize_t n;

	if (!buffer)
		return err_set(err, ERR_MEMORY, ENOMEM, "allocate for reading standard input");
	for (;;) {
		ssize_t w;
		int r = store_wait(from, cancel_fd, err);

		if (r < 0)
			return r;
		n = read(from, buffer, SPOOL_BYTES);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return err_set(err, ERR_SLUG_OPEN, errno,
				       "read the slug from standard input");
		if (n == 0)
			return 0;
		total += (uint64_t)n;
		if (total > UNPACK_ARCHIVE_MAX_BYTES)
			return err_set(err, ERR_SLUG_LIMIT, 0,
				       "the slug on standard input is larger than 2 GiB");
		w = fd_write_full(to, buffer, (size_t)n);
		if (w < 0)
			return store_io_error(store, err, (int)-w, "spool to", STORE_TMP);
	}
}

int store_spool(struct store *store, int cancel_fd, int *ret_fd, struct dyno_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	char path[TMP_NAME_BYTES + 8];
	char name[TMP_NAME_BYTES];
	int r = store_prepare(store, err);

	if (r < 0)
		return r;
	fd = openat(store->data_fd, STORE_TMP, O_RDWR | O_TMPFILE | O_CLOEXEC, FILE_MODE);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		store_random_name(name);
		(void)str_fmt(path, sizeof(path), STORE_TMP "/%s", name);
		fd = openat(store->data_fd, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
		if (fd >= 0 && unlinkat(store->data_fd, path, 0) < 0)
			return store_io_error(store, err, errno, "remove", path);
	}
	if (fd < 0)
		return store_io_error(store, err, errno, "make a file in", STORE_TMP);
	r = copy_capped(STDIN_FILENO, cancel_fd, fd, store, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}
