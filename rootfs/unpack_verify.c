/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation.  The manifest is mapped and read twice.  The first time makes an index of
 * (hash of the path, position of the line), sorted: of the lines with one path only the last counts,
 * and that index later tells whether something found in the tree is in the manifest at all.  The
 * second time each line that counts is compared with the tree.  Then the tree is walked for what
 * the manifest does not have.  Memory is 16 bytes a member, and one line.
 */
#include "rootfs/unpack_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <isa-l/crc64.h>
#include <nettle/sha2.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "rootfs/manifest.h"
#include "rootfs/unpack_limits.h"

#define READ_BYTES (256U << 10)

/* A line's longest form: two paths, each byte as \xHH, and the facts. */
#define LINE_MAX_BYTES (2 * 4 * (UNPACK_PATH_MAX + 1) + 64)

/* What a manifest may be. Source: the cap on members times a generous mean line. */
#define MANIFEST_MAX_BYTES (UNPACK_ENTRIES_MAX * UINT64_C(1024))

struct known {
	uint64_t hash;
	uint64_t at;
};

/**
 * struct state - of one comparison.
 * @text, @len: the mapped manifest without its last line
 * @known, @n_known: the index
 * @end: the last line
 * @line: a copy of the line at hand, since parsing changes it; @origin: of another
 * @path: of the walk
 * @buffer: for reading files
 */
struct state {
	const struct verify *job;
	const char *text;
	size_t len;
	size_t mapped;
	struct known *known;
	size_t n_known;
	struct manifest_end end;
	uint32_t differences;
	char line[LINE_MAX_BYTES];
	char origin[LINE_MAX_BYTES];
	char path[UNPACK_PATH_MAX + 1];
	uint8_t buffer[READ_BYTES];
};

int verify_hash_fd(int fd, uint8_t ret[UNPACK_SHA256_BYTES])
{
	uint8_t *buffer = malloc(READ_BYTES);
	struct sha256_ctx sha;
	uint64_t at = 0;
	ssize_t n;

	if (!buffer)
		return -ENOMEM;
	sha256_init(&sha);
	while ((n = pread(fd, buffer, READ_BYTES, (off_t)at)) > 0) {
		sha256_update(&sha, (size_t)n, buffer);
		at += (uint64_t)n;
	}
	free(buffer);
	if (n < 0)
		return -errno;
	sha256_digest(&sha, UNPACK_SHA256_BYTES, ret);
	return 0;
}

static int damaged(struct dyno_err *err, const char *how)
{
	(void)err_set(err, ERR_STORE_DAMAGED, 0, "the entry's manifest %s", how);
	err_hint(err, "remove the entry with `dyno slug rm` and add the slug again");
	return -EINVAL;
}

/* The path of a line relative to the app, or NULL for a member that was dropped and for the app's
 * own directory. */
static const char *app_path(const struct state *s, const char *path)
{
	const char *below;

	if (!s->end.heroku_form)
		return path;
	below = str_starts(path, "app/");
	return below;
}

/* 64 bits of the path; a collision would only hide a stray, and no one can choose both. */
static uint64_t path_hash(const char *path)
{
	return crc64_ecma_refl(0, (const unsigned char *)path, strlen(path));
}

/* Parse the line at @at, which @line keeps. Return: its length with the newline, 0 at the end,
 * -EINVAL. */
static ssize_t parse_to(const struct state *s, size_t at, char line[LINE_MAX_BYTES],
			struct manifest_entry *ret)
{
	const char *newline;
	size_t len;

	if (at == s->len)
		return 0;
	newline = memchr(s->text + at, '\n', s->len - at);
	if (!newline)
		return -EINVAL;
	len = (size_t)(newline - s->text) - at;
	if (len >= LINE_MAX_BYTES)
		return -EINVAL;
	memcpy(line, s->text + at, len);
	line[len] = '\0';
	if (manifest_parse(line, ret) < 0)
		return -EINVAL;
	return (ssize_t)len + 1;
}

static ssize_t parse_at(struct state *s, size_t at, struct manifest_entry *ret)
{
	return parse_to(s, at, s->line, ret);
}

static int open_manifest(struct state *s, struct dyno_err *err)
{
	uint8_t sha[UNPACK_SHA256_BYTES];
	const char *last;
	struct stat st;
	void *map;
	int r = verify_hash_fd(s->job->manifest_fd, sha);

	if (r < 0 || fstat(s->job->manifest_fd, &st) < 0)
		return err_set(err, ERR_STORE_IO, r < 0 ? -r : errno, "read the manifest");
	if (memcmp(sha, s->job->manifest_sha256, sizeof(sha)) != 0)
		return damaged(err, "is not the one that was written");
	if (st.st_size <= 0 || (uint64_t)st.st_size > MANIFEST_MAX_BYTES)
		return damaged(err, "has an impossible size");
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, s->job->manifest_fd, 0);
	if (map == MAP_FAILED)
		return err_set(err, ERR_STORE_IO, errno, "map the manifest");
	s->text = map;
	s->mapped = (size_t)st.st_size;
	s->len = s->mapped - 1;
	last = memrchr(s->text, '\n', s->len);
	last = last ? last + 1 : s->text;
	s->len = (size_t)(last - s->text);
	if (s->mapped - s->len > sizeof(s->line))
		return damaged(err, "has no last line");
	memcpy(s->line, last, s->mapped - s->len - 1);
	s->line[s->mapped - s->len - 1] = '\0';
	if (manifest_parse_end(s->line, &s->end) < 0)
		return damaged(err, "has no last line");
	return 0;
}

static int compare_known(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static int build_index(struct state *s, struct dyno_err *err)
{
	struct manifest_entry e;
	size_t lines = 0;
	size_t at = 0;
	ssize_t n;

	for (size_t i = 0; i < s->len; i++)
		lines += s->text[i] == '\n';
	s->known = calloc(lines + 1, sizeof(*s->known));
	if (!s->known)
		return err_set(err, ERR_MEMORY, ENOMEM, "index the manifest");
	while ((n = parse_at(s, at, &e)) > 0) {
		const char *path = app_path(s, e.path);

		if (path)
			s->known[s->n_known++] = (struct known){path_hash(path), at};
		at += (size_t)n;
	}
	if (n < 0)
		return damaged(err, "cannot be read");
	qsort(s->known, s->n_known, sizeof(*s->known), compare_known);
	return 0;
}

/* The last line before @end that has this path; NULL: none. */
static const struct known *find_before(const struct state *s, uint64_t hash, uint64_t end)
{
	size_t low = 0, high = s->n_known;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->known[middle].hash < hash ||
		    (s->known[middle].hash == hash && s->known[middle].at < end))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || s->known[low - 1].hash != hash)
		return NULL;
	return &s->known[low - 1];
}

static const struct known *find_known(const struct state *s, uint64_t hash)
{
	return find_before(s, hash, UINT64_MAX);
}

static void tell(struct state *s, const char *what, const char *path)
{
	s->differences++;
	s->job->tell(s->job->data, what, path);
}

/* ---- one member ---------------------------------------------------------------------------- */

static bool same_content(struct state *s, int fd, const struct manifest_entry *e)
{
	uint64_t crc = 0, total = 0;
	ssize_t n;

	while ((n = fd_read_full(fd, s->buffer, sizeof(s->buffer))) > 0) {
		crc = crc64_ecma_refl(crc, s->buffer, (uint64_t)n);
		total += (uint64_t)n;
	}
	return n == 0 && total == e->size_bytes && crc == e->crc64;
}

static bool same_file(struct state *s, const char *path, const struct manifest_entry *e,
		      const struct stat *st)
{
	_cleanup_close_ int fd = -EBADF;

	if (!S_ISREG(st->st_mode) || (st->st_mode & 07777) != e->mode ||
	    (uint64_t)st->st_size != e->size_bytes)
		return false;
	fd = open_beneath(s->job->tree_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	return fd >= 0 && same_content(s, fd, e);
}

static bool same_link(int fd, const struct manifest_entry *e, const struct stat *st)
{
	char target[UNPACK_PATH_MAX + 1];
	ssize_t n;

	if (!S_ISLNK(st->st_mode))
		return false;
	n = readlinkat(fd, "", target, sizeof(target));
	return n >= 0 && (size_t)n == strlen(e->target) &&
	       memcmp(target, e->target, (size_t)n) == 0;
}

/* The file that the link at @at became a name of. Return: whether there is one. */
static bool find_origin(struct state *s, const struct manifest_entry *link, uint64_t at,
			struct manifest_entry *ret)
{
	const char *target = link->target;
	const struct known *line;

	do {
		const char *path = app_path(s, target);

		line = path ? find_before(s, path_hash(path), at) : NULL;
		if (!line || parse_to(s, (size_t)line->at, s->origin, ret) <= 0)
			return false;
		at = line->at;
		target = ret->target;
	} while (ret->type == 'h');
	return ret->type == 'f';
}

/*
 * A further name of a file; its content is compared under its first name, unless that one was
 * dropped with all that is outside the app, or was given to another file later.
 */
static bool same_inode(struct state *s, const char *name, const struct manifest_entry *e,
		       uint64_t at, const struct stat *st)
{
	const char *path = app_path(s, e->target);
	const struct known *last = path ? find_known(s, path_hash(path)) : NULL;
	_cleanup_close_ int fd = -EBADF;
	struct manifest_entry origin;
	struct stat first;

	if (!S_ISREG(st->st_mode))
		return false;
	if (!path)
		return true;
	if (last && last->at > at)
		return find_origin(s, e, at, &origin) && same_file(s, name, &origin, st);
	fd = open_beneath(s->job->tree_fd, path, O_PATH | O_NOFOLLOW, 0);
	return fd >= 0 && fstat(fd, &first) == 0 && first.st_ino == st->st_ino;
}

static void compare_member(struct state *s, const char *path, const struct manifest_entry *e,
			   uint64_t at)
{
	_cleanup_close_ int fd = open_beneath(s->job->tree_fd, path, O_PATH | O_NOFOLLOW, 0);
	struct stat st;
	bool same;

	if (fd < 0) {
		tell(s, fd == -ENOENT ? "missing" : "changed", path);
		return;
	}
	if (fstat(fd, &st) < 0) {
		tell(s, "changed", path);
		return;
	}
	if (e->type == 'f')
		same = same_file(s, path, e, &st);
	else if (e->type == 'd')
		same = S_ISDIR(st.st_mode) && (st.st_mode & 07777) == e->mode;
	else if (e->type == 'l')
		same = same_link(fd, e, &st);
	else
		same = same_inode(s, path, e, at, &st);
	if (!same || st.st_uid != s->job->uid)
		tell(s, "changed", path);
}

static int compare_all(struct state *s, struct dyno_err *err)
{
	struct manifest_entry e;
	size_t at = 0;
	ssize_t n;

	while ((n = parse_at(s, at, &e)) > 0) {
		const char *path = app_path(s, e.path);
		const struct known *last = path ? find_known(s, path_hash(path)) : NULL;

		if (last && last->at == at)
			compare_member(s, path, &e, at);
		at += (size_t)n;
	}
	return n < 0 ? damaged(err, "cannot be read") : 0;
}

/* ---- strays -------------------------------------------------------------------------------- */

/* Append a name to the walk's path. Return: false where it would not fit. */
static bool path_push(struct state *s, const char *name)
{
	size_t len = strlen(s->path);
	size_t add = strlen(name);

	if (len + 1 + add > UNPACK_PATH_MAX)
		return false;
	if (len > 0)
		s->path[len++] = '/';
	memcpy(s->path + len, name, add + 1);
	return true;
}

/* One name of a directory.
 * Return: whether @ret is a directory to walk next; if not, the path is as before. */
static bool look_at(struct state *s, const struct dir *in, const struct dirent *d,
		    unsigned int depth, struct dir *ret)
{
	size_t len = strlen(s->path);
	bool found = false;

	if (!path_push(s, d->d_name)) {
		tell(s, "added", s->path);
		return false;
	}
	if (!find_known(s, path_hash(s->path)))
		tell(s, "added", s->path);
	else if (d->d_type == DT_DIR && depth < UNPACK_DEPTH_MAX)
		found = dir_open(in->fd, d->d_name, ret) == 0;
	if (!found)
		s->path[len] = '\0';
	return found;
}

static int walk(struct state *s, struct dyno_err *err)
{
	struct dir dirs[UNPACK_DEPTH_MAX + 1];
	unsigned int n = 1;
	int r = dir_open(s->job->tree_fd, ".", &dirs[0]);

	if (r < 0)
		return err_set(err, ERR_STORE_IO, -r, "read the entry's tree");
	while (n > 0) {
		const struct dirent *d = dir_next(&dirs[n - 1]);
		char *slash;

		if (d) {
			n += look_at(s, &dirs[n - 1], d, n, &dirs[n]);
			continue;
		}
		if (r == 0)
			r = -errno; /* 0 at the end of a directory */
		dir_done(&dirs[--n]);
		slash = strrchr(s->path, '/');
		*(slash ? slash : s->path) = '\0';
	}
	return r < 0 ? err_set(err, ERR_STORE_IO, -r, "read the entry's tree") : 0;
}

int verify_tree(const struct verify *job, struct unpack_done *ret, struct dyno_err *err)
{
	struct state *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, ERR_MEMORY, ENOMEM, "allocate for the comparison");
	s->job = job;
	r = open_manifest(s, err);
	if (r == 0)
		r = build_index(s, err);
	if (r == 0)
		r = compare_all(s, err);
	if (r == 0)
		r = walk(s, err);
	if (r == 0) {
		ret->differences = s->differences;
		ret->files = s->end.members;
		ret->tree_bytes = s->end.tree_bytes;
	}
	if (s->text)
		(void)munmap((void *)(uintptr_t)s->text, s->mapped); /* read-only mapping */
	free(s->known);
	free(s);
	return r;
}
