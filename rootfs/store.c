/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.c - opening the store, and the warm path of store_acquire().
 */
#include "rootfs/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "model/uidrange.h"
#include "rootfs/store_internal.h"

/* Nobody else may look into the trees: their owners on disk are ids that a user may have. */
#define DATA_DIR_MODE	 0700
#define DATA_PARENT_MODE 0755
#define OTHERS_WRITE	 0022U

int store_io_error(const struct store *store, struct dyno_err *err, int num, const char *operation,
		   const char *name)
{
	int r = err_set(err, ERR_STORE_IO, num, "%s %s/%s", operation, store->data_dir, name);

	if (num == ENOSPC || num == EDQUOT)
		err_hint(err, "free space with `dyno slug gc --unused`, or use another --data-dir");
	else if (num == EROFS)
		err_hint(err, "the data directory is read-only: use another --data-dir; what is "
			      "stored starts by its digest (dyno slug ls)");
	else if (num == EACCES || num == EPERM)
		err_hint(err, "the data directory belongs to another user: use another --data-dir");
	return r;
}

static int make_data_dir(const char *path, struct dyno_err *err)
{
	size_t base_len;
	const char *base = path_basename(path, &base_len);
	char parent[4096];
	size_t len = (size_t)(base - path);
	int r;

	if (len >= sizeof(parent))
		return err_set(err, ERR_STORE_IO, ENAMETOOLONG, "make %s", path);
	memcpy(parent, path, len);
	parent[len] = '\0';
	r = path_mkdir_p(AT_FDCWD, parent, DATA_PARENT_MODE);
	if (r == 0 && mkdir(path, DATA_DIR_MODE) < 0 && errno != EEXIST)
		r = -errno;
	if (r == 0)
		return 0;
	(void)err_set(err, ERR_STORE_IO, -r, "make the data directory %s", path);
	err_hint(err, "name a directory that you may write with --data-dir");
	return r;
}

int store_open(const char *data_dir, struct store *ret, struct dyno_err *err)
{
	const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	_cleanup_close_ int fd = open(data_dir, flags);
	uid_t owner = geteuid();
	struct stat st;
	int r;

	if (fd < 0 && errno == ENOENT) {
		r = make_data_dir(data_dir, err);
		if (r < 0)
			return r;
		fd = open(data_dir, flags);
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		r = err_set(err, ERR_STORE_IO, errno, "open the data directory %s", data_dir);
		err_hint(err, "name a directory that you may write with --data-dir");
		return r;
	}
	if (st.st_uid != owner || (st.st_mode & OTHERS_WRITE)) {
		(void)err_set(err, ERR_STORE_IO, EPERM,
			      "the data directory %s belongs to user %u with mode %04o", data_dir,
			      st.st_uid, st.st_mode & 07777);
		err_hint(err, "it must be yours alone: chown %u, chmod 700, or another --data-dir",
			 owner);
		return -EPERM;
	}
	ret->data_fd = take_fd(&fd);
	ret->data_dir = data_dir;
	ret->owner = owner;
	return 0;
}

void store_done(struct store *store)
{
	close_fdp(&store->data_fd);
}

void store_entry_done(struct store_entry *entry)
{
	close_fdp(&entry->dir_fd);
}

/* ---- one entry ----------------------------------------------------------------------------- */

char *store_entry_name(const uint8_t *sha256, char *buf)
{
	memcpy(buf, ENTRY_PREFIX, STRLEN(ENTRY_PREFIX));
	(void)checksum_hex(sha256, buf + STRLEN(ENTRY_PREFIX));
	return buf;
}

char *store_entry_path(const uint8_t *sha256, char *buf)
{
	memcpy(buf, STORE_SLUGS "/", STRLEN(STORE_SLUGS "/"));
	(void)store_entry_name(sha256, buf + STRLEN(STORE_SLUGS "/"));
	return buf;
}

/* Whether `complete` is there and of this schema.  It is read after the lock was taken: a remover
 * deletes it first, under the exclusive lock. */
static bool is_complete(int dir_fd)
{
	char text[STRLEN(ENTRY_SCHEMA) + CHECKSUM_HEX_BYTES];
	ssize_t n = readlinkat(dir_fd, ENTRY_COMPLETE, text, sizeof(text));

	return n == (ssize_t)sizeof(text) - 1 &&
	       memcmp(text, ENTRY_SCHEMA, STRLEN(ENTRY_SCHEMA)) == 0;
}

int store_entry_open(struct store *store, const uint8_t *sha256, struct store_entry *ret,
		     const char **ret_damage, struct dyno_err *err)
{
	uint32_t uid = uid_for_digest(sha256);
	char path[ENTRY_PATH_BYTES];
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	fd = openat(store->data_fd, store_entry_path(sha256, path),
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return ENTRY_ABSENT;
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
		*ret_damage = "it is not a directory";
		return ENTRY_DAMAGED;
	}
	if (fd < 0)
		return store_io_error(store, err, errno, "open", path);
	if (flock(fd, LOCK_SH | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return ENTRY_DYING;
		return store_io_error(store, err, errno, "lock", path);
	}
	if (!is_complete(fd)) {
		*ret_damage = "its mark of completeness is missing or of another version";
		return ENTRY_DAMAGED;
	}
	if (fstatat(fd, STORE_APP, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) {
		*ret_damage = "its app directory is missing";
		return ENTRY_DAMAGED;
	}
	if (st.st_uid != (store->owner == 0 ? uid : store->owner)) {
		*ret_damage = "its app directory belongs to another user";
		return ENTRY_DAMAGED;
	}

	*ret = (struct store_entry){
		.kind = STORE_SLUG,
		.dir_fd = take_fd(&fd),
		.uid = uid,
		.owner_uid = st.st_uid,
		.owner_gid = st.st_gid,
	};
	(void)checksum_digest(sha256, ret->digest);
	return ENTRY_FOUND;
}

/* ---- the index ----------------------------------------------------------------------------- */

/* A file changed twice within one tick of the clock keeps its times.  Source: the coarsest tick of
 * Linux is 10 ms (CONFIG_HZ=100); five of them. */
#define RACY_NS UINT64_C(50000000)

static uint64_t to_ns(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_nsec;
}

char *store_index_name(const struct stat *st, char *buf)
{
	(void)str_fmt(buf, IDENTITY_BYTES, STORE_INDEX "/%llx-%llx-%llx-%llx-%llx",
		      (unsigned long long)st->st_dev, (unsigned long long)st->st_ino,
		      (unsigned long long)st->st_size, (unsigned long long)to_ns(&st->st_mtim),
		      (unsigned long long)to_ns(&st->st_ctim));
	return buf;
}

int store_index_find(struct store *store, const struct stat *st, uint8_t *ret_sha256)
{
	char name[IDENTITY_BYTES];
	char link[ENTRY_NAME_BYTES + 4];
	const char *hex;
	ssize_t n;

	n = readlinkat(store->data_fd, store_index_name(st, name), link, sizeof(link) - 1);
	if (n < 0)
		return -ENOENT;
	link[n] = '\0';
	hex = str_starts(link, "../" ENTRY_PREFIX);
	if (!hex || checksum_parse(hex, ret_sha256, NULL) < 0)
		return -ENOENT;
	return 0;
}

void store_index_add(struct store *store, const struct stat *st, const uint8_t *sha256)
{
	char name[IDENTITY_BYTES];
	char link[ENTRY_NAME_BYTES + 4] = "../";

	(void)store_index_name(st, name);
	(void)store_entry_name(sha256, link + 3);
	if (symlinkat(link, store->data_fd, name) == 0 || errno != EEXIST)
		return;
	/* An identity that now has other bytes; whoever comes first puts the right one there. */
	if (unlinkat(store->data_fd, name, 0) == 0)
		(void)!symlinkat(link, store->data_fd, name); /* then it is not remembered */
}

/* Whether the facts in @st can tell a later change apart, at a moment before the file is read. */
static bool is_settled(const struct stat *st)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
	return to_ns(&now) > to_ns(&st->st_ctim) + RACY_NS;
}

/* ---- acquiring ----------------------------------------------------------------------------- */

static int damaged_error(struct dyno_err *err, const uint8_t *sha256, const char *damage)
{
	char digest[DYNO_DIGEST_BYTES];

	(void)err_set(err, ERR_STORE_DAMAGED, 0, "store entry %s: %s",
		      checksum_digest(sha256, digest), damage);
	err_hint(err, "make it anew from its archive: dyno slug rm %.19s; dyno slug add FILE",
		 digest);
	return -EINVAL;
}

int store_check_digest(const char *checksum, const uint8_t *sha256, struct dyno_err *err)
{
	uint8_t expected[CHECKSUM_BYTES];
	char line[CHECKSUM_R17_BYTES];
	int r = checksum_parse(checksum, expected, err);

	if (r < 0)
		return r;
	if (memcmp(expected, sha256, sizeof(expected)) == 0)
		return 0;
	/* The platform's own line: whoever keeps a log puts it there as it is. */
	(void)err_set(err, ERR_SLUG_DIGEST, 0, "%s", checksum_r17(expected, sha256, line));
	err_hint(err, "transfer the slug again, or correct --checksum");
	return -EINVAL;
}

static int acquire_stored(struct store *store, const struct store_request *req,
			  struct store_entry *ret, struct dyno_err *err)
{
	char digest[DYNO_DIGEST_BYTES];
	uint8_t sha256[CHECKSUM_BYTES];
	const char *damage = "";
	int r;

	if (checksum_parse(req->source, sha256, NULL) < 0) {
		r = store_resolve(store, req->source, digest, err);
		if (r < 0)
			return r;
		(void)checksum_parse(digest, sha256, NULL); /* our own text */
	}
	r = req->checksum ? store_check_digest(req->checksum, sha256, err) : 0;
	if (r < 0)
		return r;
	r = store_entry_open(store, sha256, ret, &damage, err);
	if (r == ENTRY_FOUND || r < 0)
		return r < 0 ? r : 0;
	if (r == ENTRY_DAMAGED)
		return damaged_error(err, sha256, damage);
	(void)err_set(err, ERR_STORE_NOT_FOUND, 0, "no slug %s is stored",
		      checksum_digest(sha256, digest));
	err_hint(err, "add it with `dyno slug add FILE`; `dyno slug ls` lists what is there");
	return -ENOENT;
}

static const char *file_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFIFO:
		return "a fifo";
	case S_IFSOCK:
		return "a socket";
	case S_IFCHR:
	case S_IFBLK:
		return "a device";
	default:
		return "of an unknown kind";
	}
}

static int open_source(const char *path, int *ret_fd, struct stat *ret_st, struct dyno_err *err)
{
	/* O_NONBLOCK: a fifo without a writer must be an error and never a hang. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int r;

	if (fd < 0) {
		r = err_set(err, ERR_SLUG_OPEN, errno, "open the slug %s", path);
		if (r == -ENOENT)
			err_hint(err, "SLUG is a file, a directory, - for stdin or sha256:<hex>");
		return r;
	}
	if (fstat(fd, ret_st) < 0)
		return err_set(err, ERR_SLUG_OPEN, errno, "stat the slug %s", path);
	if (!S_ISREG(ret_st->st_mode) && !S_ISDIR(ret_st->st_mode)) {
		(void)err_set(err, ERR_SLUG_OPEN, 0, "the slug %s is %s", path,
			      file_kind(ret_st->st_mode));
		err_hint(err, "to read a stream, give - and redirect it to standard input");
		return -EINVAL;
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

static int acquire_directory(const struct store_request *req, int *fd, const struct stat *st,
			     struct store_entry *ret, struct dyno_err *err)
{
	if (req->checksum) {
		(void)err_set(err, ERR_USAGE, 0, "a directory has no checksum: %s", req->source);
		err_hint(err, "make an archive of it: dyno slug pack %.80s", req->source);
		return -EINVAL;
	}
	*ret = (struct store_entry){
		.kind = STORE_DIRECTORY,
		.dir_fd = take_fd(fd),
		.uid = st->st_uid,
		.owner_uid = st->st_uid,
		.owner_gid = st->st_gid,
	};
	return 0;
}

int store_acquire(struct store *store, const struct store_request *req, struct store_entry *ret,
		  struct dyno_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	uint8_t sha256[CHECKSUM_BYTES];
	const char *damage;
	struct stat st;
	int r;

	if (str_starts(req->source, "sha256:"))
		return acquire_stored(store, req, ret, err);
	if (str_eq(req->source, "-")) {
		r = store_spool(store, req->cancel_fd, &fd, err);
		if (r < 0)
			return r;
		return store_add(store, req, &(struct store_archive){.fd = fd}, ret, err);
	}

	r = open_source(req->source, &fd, &st, err);
	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode))
		return acquire_directory(req, &fd, &st, ret, err);
	if (!req->checksum && store_index_find(store, &st, sha256) == 0) {
		r = store_entry_open(store, sha256, ret, &damage, err);
		if (r == ENTRY_FOUND || r < 0)
			return r < 0 ? r : 0;
	}
	return store_add(store, req, &(struct store_archive){fd, &st, is_settled(&st)}, ret, err);
}
