/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack.c - dyno-pack: an app's directory as a slug in Heroku's form (./app/…), the same bytes for
 * the same files wherever and whenever it is made: members sorted by name, one time, no owners,
 * modes 0755 or 0644, hard links as files of their own, GNU tar headers, gzip without name and
 * time.  Devices, fifos and sockets are refused rather than left out, since the unpacker refuses
 * them too and a silent gap would be found by nobody.
 *
 * Or a copy out of a dyno that runs: a plain tar with the times and modes that are there, of what
 * there is, without what vanishes meanwhile and what is no file; see copyout.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <nettle/sha2.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "rootfs/copyout.h"
#include "rootfs/pack_ignore.h"
#include "rootfs/pack_names.h"
#include "rootfs/pack_proto.h"
#include "rootfs/unpack_limits.h"
#include "rootfs/unpack_proto.h"

#define IGNORE_FILE	 ".slugignore"
#define IGNORE_MAX_BYTES (1U << 20)
#define READ_BYTES	 (256U << 10)
#define PROGRESS_MS	 50U
#define TOP		 "./app"

/**
 * struct packing - one run.
 * @copy: of a dyno, not a slug
 * @verb: for errors
 * @path: of the member at hand: of a slug from "./app", of a copy from its label
 * @shown: offset in @path of what errors name
 * @buffer: for reading files
 * @write_errno: why the output failed; libarchive's own report has only words
 */
struct packing {
	bool copy;
	const char *verb;
	size_t shown;
	struct archive *archive;
	struct archive_entry *entry;
	struct ignore ignore;
	struct arena arena;
	struct sha256_ctx sha;
	time_t time;
	uint64_t done_bytes;
	uint64_t told_ms;
	int write_errno;
	char path[UNPACK_PATH_MAX + 1];
	char buffer[READ_BYTES];
};

static void say(const struct unpack_msg *msg)
{
	/* A caller that is gone has nothing to hear. */
	(void)fd_write_full(PACK_FD_CONTROL, msg, sizeof(*msg));
}

static void say_progress(struct packing *p)
{
	struct unpack_msg msg = {.kind = UNPACK_MSG_PROGRESS};
	uint64_t now = clock_ms();

	if (now - p->told_ms < PROGRESS_MS)
		return;
	p->told_ms = now;
	msg.u.progress.done_bytes = p->done_bytes;
	say(&msg);
}

static int failed(const struct packing *p, struct dyno_err *err, int num, const char *operation)
{
	char shown[256];

	return err_set(err, ERR_IO, num, "%s \"%s\"", operation,
		       str_escape(shown, sizeof(shown), p->path + p->shown));
}

static int archive_failed(const struct packing *p, struct dyno_err *err)
{
	const char *said = archive_error_string(p->archive);
	int r;

	if (p->write_errno)
		return err_set(err, ERR_IO, p->write_errno, "write the archive");
	r = failed(p, err, 0, p->verb);
	err_context(err, "%s", said ? said : "the archive writer failed");
	return r;
}

static la_ssize_t on_write(struct archive *a, void *data, const void *bytes, size_t len)
{
	struct packing *p = data;
	ssize_t n = fd_write_full(STDOUT_FILENO, bytes, len);

	if (n < 0) {
		p->write_errno = (int)-n;
		archive_set_error(a, p->write_errno, "write failed");
		return -1;
	}
	sha256_update(&p->sha, len, bytes);
	return (la_ssize_t)len;
}

/* ---- members -------------------------------------------------------------------------------- */

/* A slug's modes are of two kinds, whoever packs it with whatever umask. */
static mode_t member_mode(const struct packing *p, const struct stat *st)
{
	if (p->copy)
		return st->st_mode & (S_IFMT | 0777);
	if (S_ISLNK(st->st_mode))
		return S_IFLNK | 0777;
	if (S_ISDIR(st->st_mode))
		return S_IFDIR | 0755;
	return S_IFREG | (st->st_mode & 0100 ? 0755 : 0644);
}

static int put_header(struct packing *p, const struct stat *st, const char *target,
		      struct dyno_err *err)
{
	struct archive_entry *e = archive_entry_clear(p->entry);

	archive_entry_set_pathname(e, p->path);
	archive_entry_set_mode(e, member_mode(p, st));
	archive_entry_set_size(e, S_ISREG(st->st_mode) ? (la_int64_t)st->st_size : 0);
	archive_entry_set_mtime(e, p->copy ? st->st_mtim.tv_sec : p->time, 0);
	archive_entry_set_uid(e, 0);
	archive_entry_set_gid(e, 0);
	if (target)
		archive_entry_set_symlink(e, target);
	if (archive_write_header(p->archive, e) < ARCHIVE_OK)
		return archive_failed(p, err);
	return 0;
}

/* Of a file that becomes shorter while a dyno writes to it the rest is zeros, as of a hole. */
static int put_content(struct packing *p, int fd, uint64_t size, struct dyno_err *err)
{
	uint64_t left = size;

	while (left > 0) {
		ssize_t n = fd_read_full(fd, p->buffer, MIN_OF(left, (uint64_t)READ_BYTES));

		if (n < 0)
			return failed(p, err, (int)-n, "read");
		if (n == 0)
			return p->copy ? 0
				       : failed(p, err, 0, "became shorter while it was packed:");
		if (archive_write_data(p->archive, p->buffer, (size_t)n) != n)
			return archive_failed(p, err);
		left -= (uint64_t)n;
		p->done_bytes += (uint64_t)n;
		say_progress(p);
	}
	return 0;
}

/* What a dyno that runs has removed since its directory was read. */
static bool is_gone(const struct packing *p, int num, unsigned int depth)
{
	return p->copy && depth > 0 && num == ENOENT;
}

static int put_file(struct packing *p, int dir_fd, const char *name, unsigned int depth,
		    struct dyno_err *err)
{
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 && is_gone(p, errno, depth))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return failed(p, err, errno, "open");
	if (!S_ISREG(st.st_mode))
		return p->copy && depth > 0 ? 0 : failed(p, err, 0, "changed its kind meanwhile:");
	r = put_header(p, &st, NULL, err);
	return r < 0 ? r : put_content(p, fd, (uint64_t)st.st_size, err);
}

static int put_link(struct packing *p, int dir_fd, const char *name, const struct stat *st,
		    struct dyno_err *err)
{
	char target[UNPACK_PATH_MAX + 1];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));

	if (n < 0 && p->copy && (errno == ENOENT || errno == EINVAL))
		return 0; /* removed or exchanged meanwhile */
	if (n < 0 || n == (ssize_t)sizeof(target))
		return failed(p, err, n < 0 ? errno : ENAMETOOLONG, "read link");
	target[n] = '\0';
	return put_header(p, st, target, err);
}

static int refuse_kind(const struct packing *p, unsigned int depth, struct dyno_err *err)
{
	char shown[256];

	if (p->copy && depth > 0)
		return 0;
	if (p->copy)
		return failed(p, err, EINVAL, "neither file, directory nor link:");
	(void)err_set(err, ERR_SLUG_TYPE, 0, "pack \"%s\": neither file, directory nor link",
		      str_escape(shown, sizeof(shown), p->path + STRLEN(TOP "/")));
	err_hint(err, "remove it, or name it in " IGNORE_FILE);
	return -EINVAL;
}

/* ---- directories ---------------------------------------------------------------------------- */

static int put_dir(struct packing *p, int dir_fd, unsigned int depth, struct dyno_err *err);

static int put_subdir(struct packing *p, int dir_fd, const char *name, unsigned int depth,
		      struct dyno_err *err)
{
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && is_gone(p, errno, depth))
		return 0;
	if (fd < 0)
		return failed(p, err, errno, "open directory");
	if (p->copy && copyout_is_kernels(fd))
		return depth > 0 ? 0 : copyout_refuse_kernels(err, p->path);
	return put_dir(p, fd, depth, err);
}

/* @p->path is that of the entry. */
static int put_entry(struct packing *p, int dir_fd, const char *name, unsigned int depth,
		     struct dyno_err *err)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return is_gone(p, errno, depth) ? 0 : failed(p, err, errno, "stat");
	if (!p->copy && ignore_matches(&p->ignore, p->path + STRLEN(TOP "/"), S_ISDIR(st.st_mode)))
		return 0;
	if (S_ISDIR(st.st_mode))
		return put_subdir(p, dir_fd, name, depth, err);
	if (S_ISREG(st.st_mode))
		return put_file(p, dir_fd, name, depth, err);
	if (S_ISLNK(st.st_mode))
		return put_link(p, dir_fd, name, &st, err);
	return refuse_kind(p, depth, err);
}

/* @p->path is that of the directory on entry and on return. */
static int put_name(struct packing *p, int dir_fd, const char *name, unsigned int depth,
		    struct dyno_err *err)
{
	size_t len = strlen(p->path);
	int r;

	if (str_fmt(p->path + len, sizeof(p->path) - len, "/%s", name) >= sizeof(p->path) - len)
		return failed(p, err, ENAMETOOLONG, p->verb);
	r = put_entry(p, dir_fd, name, depth, err);
	p->path[len] = '\0';
	return r;
}

/* Recursion is bounded by the cap of the unpacker, which would refuse more. */
static int put_dir(struct packing *p, int dir_fd, unsigned int depth, struct dyno_err *err)
{
	_cleanup_(names_done) struct names names = {0};
	struct stat st;
	int r;

	if (depth == UNPACK_DEPTH_MAX)
		return failed(p, err, ELOOP, p->verb);
	r = fstat(dir_fd, &st) < 0 ? failed(p, err, errno, "stat") : put_header(p, &st, NULL, err);
	if (r < 0)
		return r;
	r = names_read(dir_fd, &names);
	if (r < 0)
		return failed(p, err, -r, "read directory");
	for (size_t i = 0; i < names.n; i++) {
		r = put_name(p, dir_fd, names.items[i], depth + 1, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int read_ignore(struct packing *p, struct dyno_err *err)
{
	size_t len;
	char *text;
	int r = file_read_beneath(PACK_FD_DIR, IGNORE_FILE, IGNORE_MAX_BYTES, &p->arena, &text,
				  &len);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = ignore_parse(text, &p->arena, &p->ignore);
	return r < 0 ? err_set(err, ERR_IO, -r, "read " IGNORE_FILE) : 0;
}

static int open_archive(struct packing *p, struct dyno_err *err)
{
	p->archive = archive_write_new();
	p->entry = archive_entry_new();
	if (!p->archive || !p->entry)
		return err_set(err, ERR_MEMORY, ENOMEM, "allocate the archive writer");
	if (archive_write_set_format_gnutar(p->archive) < ARCHIVE_OK ||
	    (!p->copy && (archive_write_add_filter_gzip(p->archive) < ARCHIVE_OK ||
			  archive_write_set_options(p->archive, "gzip:!timestamp") < ARCHIVE_OK)) ||
	    /* the end is not filled up to a tape's block */
	    archive_write_set_bytes_in_last_block(p->archive, 1) < ARCHIVE_OK ||
	    archive_write_open(p->archive, p, NULL, on_write, NULL) < ARCHIVE_OK)
		return archive_failed(p, err);
	return 0;
}

static int close_archive(struct packing *p, int r, struct dyno_err *err)
{
	if (r == 0 && archive_write_close(p->archive) < ARCHIVE_OK)
		r = archive_failed(p, err);
	if (p->archive)
		(void)archive_write_free(p->archive); /* closed, or given up */
	archive_entry_free(p->entry);
	arena_done(&p->arena);
	return r;
}

static int pack(struct packing *p, uint8_t *ret_sha256, struct dyno_err *err)
{
	int r = read_ignore(p, err);

	sha256_init(&p->sha);
	(void)str_fmt(p->path, sizeof(p->path), "%s", TOP);
	if (r == 0)
		r = open_archive(p, err);
	if (r == 0)
		r = put_dir(p, PACK_FD_DIR, 0, err);
	r = close_archive(p, r, err);
	sha256_digest(&p->sha, UNPACK_SHA256_BYTES, ret_sha256);
	return r;
}

static int copy(struct packing *p, const char *name, const char *label, struct dyno_err *err)
{
	int r;

	(void)str_fmt(p->path, sizeof(p->path), "%s", label);
	r = open_archive(p, err);
	if (r == 0)
		r = put_entry(p, PACK_FD_DIR, name, 0, err);
	return close_archive(p, r, err);
}

/* Return: 0; -errno: told; 1: not called as it should be. */
static int run(struct packing *p, int argc, char **argv, struct unpack_msg *digest,
	       struct dyno_err *err)
{
	uint64_t seconds;
	int r;

	if (argc == 4 && str_eq(argv[1], PACK_COPY)) {
		p->copy = true;
		p->verb = "copy";
		return copy(p, argv[2], argv[3], err);
	}
	if (argc != 2 || num_parse_u64(argv[1], INT32_MAX, &seconds) < 0)
		return 1;
	p->verb = "pack";
	p->shown = STRLEN("./");
	p->time = (time_t)seconds;
	r = pack(p, digest->u.digest, err);
	if (r == 0)
		say(digest);
	return r;
}

int main(int argc, char **argv)
{
	struct packing *p = calloc(1, sizeof(*p));
	struct unpack_msg digest = {.kind = UNPACK_MSG_DIGEST};
	struct unpack_msg end = {.kind = UNPACK_MSG_DONE};
	struct dyno_err err = {0};
	int r = p ? run(p, argc, argv, &digest, &err) : 1;

	free(p);
	if (r > 0)
		return 2; /* no person calls it: there is nothing to explain */
	if (r < 0) {
		end.kind = UNPACK_MSG_ERROR;
		end.u.err = err;
	}
	say(&end);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
