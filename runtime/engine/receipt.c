/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/receipt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "base/timetext.h"
#include "engine/members.h"
#include "engine/record_dir.h"
#include "model/text.h"

/* Longest manifest. Source: own choice; 20 of them an app are kept */
#define MANIFEST_MAX_BYTES (1024U * 1024U)
/* Collected before it is written. */
#define MANIFEST_WRITE_BYTES (16U * 1024U)
/* Longest path with what stands before it. Source: the longest prefix is "/app/" */
#define TOLD_BYTES (PATH_MAX + 8)
/* Names of manifests that are tried: they are times, and an app has many dynos. */
#define NAME_TRIES 64
/* The last line of a list that is not complete. */
#define AND_MORE "{\"change\":\"unread\",\"path\":\"/\"}\n"

/* ---- one change ----------------------------------------------------------------------------- */

/* The path as the dyno sees it: "." is the directory that the prefix names. */
static const char *absolute(const char *prefix, const char *path, char *buf, size_t size)
{
	size_t len;

	if (!str_eq(path, ".")) {
		str_fmt(buf, size, "%s%s", prefix, path);
		return buf;
	}
	len = strlen(prefix);
	str_fmt(buf, size, "%.*s", (int)(len > 1 ? len - 1 : len), prefix);
	return buf;
}

int receipt_tell(const struct upper_change *change, const char *prefix, dyno_written_fn fn,
		 void *data)
{
	__attribute__((uninitialized)) char path[TOLD_BYTES];
	__attribute__((uninitialized)) char from[TOLD_BYTES];
	const struct dyno_written written = {
		.change = upper_kind_name(change->kind),
		.path = absolute(prefix, change->path, path, sizeof(path)),
		.from = change->from ? absolute(prefix, change->from, from, sizeof(from)) : NULL,
		.mode = change->mode,
		.size_bytes = change->size_bytes,
	};

	return fn(data, &written);
}

/* A path is bytes, and not all bytes are a JSON string. */
static void write_path(struct sbuf *b, const char *name, const char *hex_name, const char *path)
{
	_cleanup_sbuf_ struct sbuf hex = {0};

	if (str_is_utf8(path, strlen(path))) {
		json_str(b, name, path);
		return;
	}
	for (; *path; path++)
		sbuf_addf(&hex, "%02x", (unsigned char)*path);
	json_str(b, hex_name, sbuf_ok(&hex) < 0 ? NULL : hex.data);
}

static int write_line(void *data, const struct dyno_written *written)
{
	struct sbuf *b = data;

	json_open(b, NULL, '{');
	json_str(b, "change", written->change);
	write_path(b, "path", "path_hex", written->path);
	if (written->from)
		write_path(b, "from", "from_hex", written->from);
	json_u64(b, "mode", written->mode);
	json_u64(b, "size_bytes", written->size_bytes);
	json_close(b, '}');
	sbuf_addc(b, '\n');
	return 0;
}

/* ---- taking --------------------------------------------------------------------------------- */

/**
 * struct take - a receipt that is being taken.
 * @prefix: of the source that is walked
 * @fd: the manifest, once there is a change
 * @buf: of it, not yet written
 * @bytes: of the manifest, with those in @buf
 * @changes: told so far
 * @until_ms: when the walk ends
 * @full: the manifest takes no more
 * @failed: -errno of the manifest; the sum goes on without it
 */
struct take {
	struct store *store;
	const char *app;
	const char *prefix;
	struct receipt *ret;
	int fd;
	struct sbuf buf;
	uint64_t bytes;
	unsigned int changes;
	uint64_t until_ms;
	bool full;
	int failed;
};

static int open_manifest(struct take *t)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	uint64_t now = time_now_us();
	char path[LINEFILE_PATH_BYTES];
	int r = -EEXIST;

	for (unsigned int i = 0; i < NAME_TRIES && (r == -EEXIST || r == -ENOENT); i++, now++) {
		str_fmt(t->ret->manifest, sizeof(t->ret->manifest), RECORD_MANIFEST "%016llx",
			(unsigned long long)now);
		r = record_path(t->app, t->ret->manifest, path, sizeof(path));
		if (r < 0)
			return r;
		t->fd = openat(t->store->data_fd, path, flags, 0600);
		r = t->fd < 0 ? -errno : 0;
		if (r == -ENOENT && record_make_dir(t->store, t->app) < 0)
			return r;
	}
	return r;
}

static void flush(struct take *t)
{
	ssize_t n;

	if (t->failed < 0 || t->buf.len == 0)
		return;
	if (sbuf_ok(&t->buf) < 0)
		t->failed = -ENOMEM;
	else if (t->fd < 0)
		t->failed = open_manifest(t);
	if (t->failed < 0)
		return;
	n = fd_write_full(t->fd, t->buf.data, t->buf.len);
	t->failed = n < 0 ? (int)n : 0;
	t->buf.len = 0;
}

static void add_line(struct take *t, const char *line, size_t len)
{
	sbuf_add(&t->buf, line, len);
	t->bytes += len;
	if (t->buf.len >= MANIFEST_WRITE_BYTES)
		flush(t);
}

static void list(struct take *t, const struct upper_change *change)
{
	_cleanup_sbuf_ struct sbuf line = {0};

	if (t->full || t->failed < 0)
		return;
	(void)receipt_tell(change, t->prefix, write_line, &line); /* it has no failure */
	if (sbuf_ok(&line) < 0)
		t->failed = -ENOMEM;
	else if (t->bytes + line.len + STRLEN(AND_MORE) > MANIFEST_MAX_BYTES)
		t->full = true;
	else
		add_line(t, line.data, line.len);
}

/* The sum names paths as the list does, but for the slash before them. */
static void sum(struct take *t, const struct upper_change *change)
{
	__attribute__((uninitialized)) char path[TOLD_BYTES];
	struct upper_change whole = *change;

	whole.path = absolute(t->prefix, change->path, path, sizeof(path)) + 1;
	if (!*whole.path)
		whole.path = ".";
	upper_totals_add(&t->ret->totals, &whole);
}

static int take_change(void *data, const struct upper_change *change)
{
	struct take *t = data;

	if (t->changes == RECEIPT_MAX_CHANGES || clock_ms() >= t->until_ms) {
		t->ret->cut = true;
		return 1;
	}
	t->changes++;
	sum(t, change);
	list(t, change);
	return 0;
}

static int walk(struct take *t, const struct receipt_source *sources, size_t n_sources,
		struct dyno_err *err)
{
	int r = 0;

	for (size_t i = 0; i < n_sources && r == 0; i++) {
		t->prefix = sources[i].prefix;
		r = upper_walk(sources[i].upper_fd, &sources[i].opts, take_change, t, err);
	}
	return r < 0 ? r : 0;
}

/* What is not whole is worth nothing: a list that could not be written is no list. */
static void drop_manifest(struct take *t)
{
	char path[LINEFILE_PATH_BYTES];

	if (t->fd >= 0 && record_path(t->app, t->ret->manifest, path, sizeof(path)) == 0)
		(void)unlinkat(t->store->data_fd, path, 0); /* else it is an orphan */
	t->ret->manifest[0] = '\0';
}

int receipt_take(struct store *store, const char *app, const char *dyno,
		 const struct receipt_source *sources, size_t n_sources, struct receipt *ret,
		 struct dyno_err *err)
{
	struct take t = {
		.store = store,
		.app = app,
		.ret = ret,
		.fd = -EBADF,
		.until_ms = clock_ms() + RECEIPT_MAX_MS,
	};
	int r;

	*ret = (struct receipt){0};
	r = walk(&t, sources, n_sources, err);
	if (t.changes > 0 && (t.full || ret->cut || r < 0))
		add_line(&t, AND_MORE, STRLEN(AND_MORE));
	flush(&t);
	if (t.failed < 0)
		drop_manifest(&t);
	close_fdp(&t.fd);
	sbuf_done(&t.buf);
	if (r < 0)
		return r;
	if (t.failed < 0) {
		record_failed(store, app, t.failed, "add to", err);
		err_context(err, "list what %s wrote", dyno);
	}
	return t.failed;
}

size_t receipt_text(const struct receipt *receipt, char *buf, size_t size)
{
	struct upper_totals totals = receipt->totals;

	totals.unread += receipt->cut;
	return upper_receipt_text(&totals, buf, size);
}

/* ---- reading -------------------------------------------------------------------------------- */

/**
 * struct listed - one line of a manifest.
 * @path_hex, @from_hex: in their place, where they are no text
 */
struct listed {
	const char *change;
	const char *path;
	const char *path_hex;
	const char *from;
	const char *from_hex;
	uint32_t mode;
	uint64_t size_bytes;
};

#define LISTED(name, field) MEMBER(struct listed, name, field)

static const struct member members[] = {
	LISTED("change", change),	  LISTED("path", path),
	LISTED("path_hex", path_hex),	  LISTED("from", from),
	LISTED("from_hex", from_hex),	  LISTED("mode", mode),
	LISTED("size_bytes", size_bytes),
};

static const struct member_table listed_table = {members, ARRAY_SIZE(members)};

/* Return: the text, or that which @hex stands for; NULL: there is neither. */
static const char *either(const char *text, const char *hex, struct arena *arena)
{
	size_t len = hex ? strlen(hex) / 2 : 0;
	char *bytes;

	if (text || !hex)
		return text;
	bytes = arena_alloc(arena, len + 1);
	for (size_t i = 0; bytes && i < len; i++) {
		int high = text_hex(hex[2 * i]);
		int low = text_hex(hex[2 * i + 1]);

		if (high < 0 || low < 0 || high + low == 0)
			return NULL;
		bytes[i] = (char)(high << 4 | low);
	}
	return bytes;
}

static int tell_line(const char *line, dyno_written_fn fn, void *data)
{
	_cleanup_arena_ struct arena arena = {0};
	struct listed listed = {0};
	const struct member_set set = {&listed_table, &listed};
	struct dyno_written written;

	if (members_read(line, strlen(line), 0, &set, 1, &arena) < 0)
		return 0; /* of another version, or damaged */
	written = (struct dyno_written){
		.change = listed.change,
		.path = either(listed.path, listed.path_hex, &arena),
		.from = either(listed.from, listed.from_hex, &arena),
		.mode = listed.mode,
		.size_bytes = listed.size_bytes,
	};
	return written.change && written.path ? fn(data, &written) : 0;
}

int receipt_read(struct store *store, const char *app, const char *manifest, dyno_written_fn fn,
		 void *data, struct dyno_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[LINEFILE_PATH_BYTES];
	size_t len = 0;
	int r = -EINVAL;

	if (str_starts(manifest, RECORD_MANIFEST) && !strchr(manifest, '/'))
		r = record_path(app, manifest, path, sizeof(path));
	if (r == 0)
		r = linefile_read(store->data_fd, path, &text, &len);
	if (r < 0)
		return record_failed(store, app, r, "read the manifest in", err);
	for (const char *line = text; r == 0 && line < text + len; line += strlen(line) + 1)
		r = tell_line(line, fn, data);
	return r;
}
