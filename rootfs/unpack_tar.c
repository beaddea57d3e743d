/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/unpack_tar.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <isa-l/crc64.h>

#include "base/err.h"
#include "base/fd.h"

/* What any file system keeps without loss; a time beyond it is held at the end it passed.
 * Source: ext4 with 128-byte inodes, 32 bits signed. */
#define MTIME_MAX	INT32_MAX

#define TAR_BLOCK_BYTES 512U

/**
 * struct stream - between the source and libarchive.
 * @err: the source's report, which is nearer to the cause than libarchive's
 * @failed: @err is set
 * @total: bytes of the stream so far
 * @last_set: 1 + offset of the last byte that is not zero
 */
struct stream {
	struct unpack_tar *job;
	struct dyno_err err;
	bool failed;
	uint64_t total;
	uint64_t last_set;
};

static ssize_t stream_next(struct stream *st, const void **ret)
{
	const uint8_t *data;
	ssize_t n = source_next(st->job->source, ret, &st->err);
	ssize_t end = n;

	if (n < 0)
		st->failed = true;
	if (n <= 0)
		return n;
	data = *ret;
	while (end > 0 && data[end - 1] == 0)
		end--;
	if (end > 0)
		st->last_set = st->total + (uint64_t)end;
	st->total += (uint64_t)n;
	return n;
}

static la_ssize_t on_read(struct archive *a, void *data, const void **ret)
{
	ssize_t n = stream_next(data, ret);

	if (n < 0)
		archive_set_error(a, EIO, "the source failed");
	return n;
}

/* libarchive's own words end in an object that is shown by us, or in nothing. */
static int tar_error(struct archive *a, struct stream *st, const char *name, struct dyno_err *err)
{
	const char *said = archive_error_string(a);
	char shown[UNPACK_SHOWN_BYTES], why[UNPACK_SHOWN_BYTES];

	if (st->failed) {
		if (err)
			*err = st->err;
		return st->err.num > 0 ? -st->err.num : -EINVAL;
	}
	if (st->total == 0)
		return err_set(err, ERR_SLUG_EMPTY, 0, "the slug holds no member");
	if (st->job->members == 0 && said && strstr(said, "Unrecognized archive format"))
		return err_set(err, ERR_SLUG_FORMAT, 0,
			       "what the slug decompresses to is not a tar archive");
	unpack_shown(why, said ? said : "no reason given");
	if (said && (strstr(said, "runcated") || strstr(said, "nexpected end")))
		return err_set(err, ERR_SLUG_TRUNCATED, 0, "the slug's tar data ends too early: %s",
			       why);
	if (!name)
		return err_set(err, ERR_SLUG_FORMAT, 0, "the slug's tar data is damaged: %s", why);
	return err_set(err, ERR_SLUG_FORMAT, 0, "the slug's tar data is damaged at \"%s\": %s",
		       unpack_shown(shown, name), why);
}

static int check_size(const struct unpack_tar *job, uint64_t size, const struct unpack_path *path,
		      struct dyno_err *err)
{
	char shown[UNPACK_SHOWN_BYTES];

	if (size <= UNPACK_TREE_MAX_BYTES && job->tree_bytes + size <= UNPACK_TREE_MAX_BYTES)
		return 0;
	return err_set(err, ERR_SLUG_LIMIT, 0,
		       "the slug unpacks to more than 4 GiB: member \"%s\" of %llu bytes",
		       unpack_shown(shown, path->text), (unsigned long long)size);
}

static int write_at(int fd, const void *data, size_t len, uint64_t offset, uint64_t *at,
		    const char *path, struct dyno_err *err)
{
	ssize_t n;

	if (offset != *at && lseek(fd, (off_t)offset, SEEK_SET) < 0)
		return tree_io_error(err, errno, "seek in", path);
	n = fd_write_full(fd, data, len);
	if (n < 0)
		return tree_io_error(err, (int)-n, "write", path);
	*at = offset + len;
	return 0;
}

/* crc64 of a hole, without a buffer of its length. */
static uint64_t crc_zeros(uint64_t crc, uint64_t len)
{
	static const uint8_t zeros[4096];

	while (len > 0) {
		uint64_t n = MIN_OF(len, sizeof(zeros));

		crc = crc64_ecma_refl(crc, zeros, n);
		len -= n;
	}
	return crc;
}

/**
 * struct content - a regular file being written.
 * @at: file position
 * @end: bytes known, holes included
 */
struct content {
	int fd;
	uint64_t at;
	uint64_t end;
	uint64_t crc64;
};

static int add_piece(struct content *c, const void *data, size_t len, uint64_t offset,
		     const char *path, struct dyno_err *err)
{
	int r;

	if (offset < c->end)
		return err_set(err, ERR_SLUG_FORMAT, 0, "a sparse member's map runs backwards");
	c->crc64 = crc_zeros(c->crc64, offset - c->end);
	r = write_at(c->fd, data, len, offset, &c->at, path, err);
	if (r < 0)
		return r;
	c->crc64 = crc64_ecma_refl(c->crc64, data, len);
	c->end = offset + len;
	return 0;
}

static int copy_content(struct archive *a, struct stream *st, struct content *c, uint64_t size,
			const struct unpack_path *path, struct dyno_err *err)
{
	for (;;) {
		const void *data;
		size_t len;
		la_int64_t offset;
		int r = archive_read_data_block(a, &data, &len, &offset);

		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN)
			return tar_error(a, st, path->text, err);
		if (len == 0)
			continue;
		if (offset < 0 || (uint64_t)offset > size || len > size - (uint64_t)offset)
			return err_set(err, ERR_SLUG_FORMAT, 0,
				       "a member holds more than its size says");
		r = add_piece(c, data, len, (uint64_t)offset, path->text, err);
		if (r < 0)
			return r;
		if (st->job->tick)
			st->job->tick(st->job->data);
	}
	if (c->end < size) {
		if (ftruncate(c->fd, (off_t)size) < 0)
			return tree_io_error(err, errno, "extend", path->text);
		c->crc64 = crc_zeros(c->crc64, size - c->end);
	}
	return 0;
}

static int set_mtime(int fd, struct archive_entry *e, const char *path, struct dyno_err *err)
{
	struct timespec t[2] = {{.tv_nsec = UTIME_OMIT}, {0}};
	time_t mtime = archive_entry_mtime(e);

	if (!archive_entry_mtime_is_set(e))
		return 0;
	t[1].tv_sec = mtime < 0 ? 0 : MIN_OF(mtime, MTIME_MAX);
	if (mtime >= 0 && mtime <= MTIME_MAX)
		t[1].tv_nsec = archive_entry_mtime_nsec(e);
	if (t[1].tv_nsec < 0 || t[1].tv_nsec > 999999999)
		t[1].tv_nsec = 0;
	if (futimens(fd, t) < 0)
		return tree_io_error(err, errno, "set the time of", path);
	return 0;
}

static int unpack_file(struct archive *a, struct stream *st, struct archive_entry *e,
		       const struct unpack_path *path, struct dyno_err *err)
{
	struct unpack_tar *job = st->job;
	_cleanup_close_ int fd = -EBADF;
	la_int64_t told = archive_entry_size_is_set(e) ? archive_entry_size(e) : 0;
	struct content content = {0};
	mode_t mode = archive_entry_mode(e);
	int r;

	if (told < 0)
		return err_set(err, ERR_SLUG_FORMAT, 0, "a member has a negative size");
	r = check_size(job, (uint64_t)told, path, err);
	if (r < 0)
		return r;
	r = tree_file(job->tree, path, mode, &fd, err);
	if (r < 0)
		return r;
	content.fd = fd;
	r = copy_content(a, st, &content, (uint64_t)told, path, err);
	if (r < 0)
		return r;
	r = set_mtime(fd, e, path->text, err);
	if (r < 0)
		return r;
	job->tree_bytes += (uint64_t)told;
	return tree_file_note(job->tree, path, mode, (uint64_t)told, content.crc64, err);
}

static const char *kind_name(unsigned int type)
{
	switch (type) {
	case AE_IFCHR:
	case AE_IFBLK:
		return "device";
	case AE_IFIFO:
		return "fifo";
	case AE_IFSOCK:
		return "socket";
	default:
		return "member of unknown kind";
	}
}

static int unpack_member(struct archive *a, struct stream *st, struct archive_entry *e,
			 struct unpack_path *path, struct unpack_path *target, struct dyno_err *err)
{
	struct tree *tree = st->job->tree;
	const char *hardlink = archive_entry_hardlink(e);
	char shown[UNPACK_SHOWN_BYTES];
	int r = unpack_path_parse(archive_entry_pathname(e), path, err);

	if (r < 0)
		return r;
	if (hardlink) {
		r = unpack_path_parse(hardlink, target, err);
		if (r < 0) {
			err_context(err, "hard link \"%s\"", unpack_shown(shown, path->text));
			return r;
		}
		return tree_hardlink(tree, path, target, err);
	}
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		return unpack_file(a, st, e, path, err);
	case AE_IFDIR:
		return tree_dir(tree, path, archive_entry_mode(e), err);
	case AE_IFLNK:
		return tree_symlink(tree, path, archive_entry_symlink(e), err);
	default:
		break;
	}
	(void)err_set(err, ERR_SLUG_TYPE, 0, "the slug holds a %s: \"%s\"",
		      kind_name(archive_entry_filetype(e)), unpack_shown(shown, path->text));
	err_hint(err,
		 "a slug holds regular files, directories and links: remove it and pack again");
	return -EINVAL;
}

static int unpack_members(struct archive *a, struct stream *st, struct dyno_err *err)
{
	struct unpack_path path, target;
	struct archive_entry *e;
	int r;

	for (;;) {
		r = archive_read_next_header(a, &e);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			return tar_error(a, st, NULL, err);
		r = unpack_member(a, st, e, &path, &target, err);
		if (r < 0)
			return r;
		st->job->members++;
		if (st->job->tick)
			st->job->tick(st->job->data);
	}
}

/* The rest of the stream must come, since only its end tells that the compressed data was whole,
 * and must be nothing but the zeros that end a tar. */
static int read_rest(struct archive *a, struct stream *st, struct dyno_err *err)
{
	la_int64_t tar_end = archive_filter_bytes(a, 0);
	const void *data;
	ssize_t n;

	do
		n = stream_next(st, &data);
	while (n > 0);
	if (n < 0) {
		if (err)
			*err = st->err;
		return (int)n;
	}
	if (tar_end >= 0 && st->last_set > (uint64_t)tar_end)
		return err_set(err, ERR_SLUG_FORMAT, 0,
			       "the slug has foreign bytes after the end of its tar data");
	if (st->job->members == 0)
		return err_set(err, ERR_SLUG_EMPTY, 0, "the slug holds no member");
	if (st->total - st->last_set < TAR_BLOCK_BYTES) {
		(void)err_set(err, ERR_SLUG_TRUNCATED, 0, "the slug's tar data has no end mark");
		err_hint(err, "transfer the file again and compare its size and sha256");
		return -EINVAL;
	}
	return 0;
}

int unpack_tar(struct unpack_tar *job, struct dyno_err *err)
{
	struct stream st = {.job = job};
	struct archive *a = archive_read_new();
	int r;

	if (!a)
		return err_set(err, ERR_MEMORY, ENOMEM, "allocate the tar reader");
	(void)archive_read_support_format_tar(a); /* fails only without memory: open says so */
	if (archive_read_open(a, &st, NULL, on_read, NULL) < ARCHIVE_WARN)
		r = tar_error(a, &st, NULL, err);
	else
		r = unpack_members(a, &st, err);
	if (r == 0)
		r = read_rest(a, &st, err);
	(void)archive_read_free(a);
	if (r < 0)
		return r;
	return tree_flush(job->tree, err);
}
