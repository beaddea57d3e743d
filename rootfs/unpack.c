/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack.c - dyno-unpack: the program that reads archives, for nobody but dyno.  It is told what
 * to do by unpack_proto.h's messages and descriptors, opens nothing by path, and is caged before
 * it looks at any content; hashing the archive, which interprets nothing, comes before that.
 */
#include <errno.h>
#include <locale.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "rootfs/manifest.h"
#include "rootfs/unpack_cage.h"
#include "rootfs/unpack_limits.h"
#include "rootfs/unpack_proto.h"
#include "rootfs/unpack_source.h"
#include "rootfs/unpack_tar.h"
#include "rootfs/unpack_verify.h"

/* Progress is told no more often; a terminal's bar needs no more. */
#define PROGRESS_MS	    50U
#define PROGRESS_STEP_BYTES (1U << 20)
#define HASH_READ_BYTES	    (1U << 20)

/**
 * struct progress - what was told last.
 * @source: NULL while hashing
 */
struct progress {
	const struct source *source;
	uint64_t total_bytes;
	uint64_t told_bytes;
	uint64_t told_ms;
};

static void say(const struct unpack_msg *msg)
{
	/* A caller that is gone has nothing to hear; the work ends at its next message. */
	(void)fd_write_full(UNPACK_FD_CONTROL, msg, sizeof(*msg));
}

static void say_progress(struct progress *p, uint64_t done_bytes)
{
	struct unpack_msg msg = {.kind = UNPACK_MSG_PROGRESS};
	uint64_t now;

	if (done_bytes - p->told_bytes < PROGRESS_STEP_BYTES)
		return;
	p->told_bytes = done_bytes;
	now = clock_ms();
	if (now - p->told_ms < PROGRESS_MS)
		return;
	p->told_ms = now;
	msg.u.progress.done_bytes = done_bytes;
	msg.u.progress.total_bytes = p->total_bytes;
	say(&msg);
}

static void on_tick(void *data)
{
	struct progress *p = data;

	say_progress(p, source_consumed(p->source));
}

/**
 * struct hashing - the archive being read for the first time.
 * @file: its bytes, kept where they are few enough
 * @buffer: to read into where they are not
 */
struct hashing {
	struct source_file file;
	uint8_t *buffer;
	struct sha256_ctx sha;
	uint8_t sha256[UNPACK_SHA256_BYTES];
};

/* Memory for the whole archive.  Where it cannot be had the archive is read twice. */
static uint8_t *keep_memory(uint64_t size)
{
	void *memory;

	if (size == 0 || size > UNPACK_KEEP_MAX_BYTES)
		return NULL;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	(void)madvise(memory, size, MADV_HUGEPAGE); /* only faster */
	return memory;
}

static int changed(struct dyno_err *err)
{
	return err_set(err, ERR_SLUG_CHANGED, 0, "the slug changed while it was read");
}

static int hash_pieces(struct hashing *h, uint8_t *memory, struct dyno_err *err)
{
	struct progress progress = {.total_bytes = h->file.size};
	uint64_t at = 0;

	for (;;) {
		uint8_t *to = memory ? memory + at : h->buffer;
		uint64_t room = memory ? h->file.size - at : HASH_READ_BYTES;
		ssize_t n =
			pread(h->file.fd, to, MIN_OF(room, (uint64_t)HASH_READ_BYTES), (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, ERR_SLUG_OPEN, errno, "read the slug");
		if (n == 0)
			break;
		sha256_update(&h->sha, (size_t)n, to);
		at += (uint64_t)n;
		if (at > UNPACK_ARCHIVE_MAX_BYTES)
			return err_set(err, ERR_SLUG_LIMIT, 0, "the slug is larger than 2 GiB");
		say_progress(&progress, at);
	}
	/* A file that grows is read up to its former size into memory, which is as good a moment
	 * as any; one that shrank is not what it was. */
	if (memory && at < h->file.size)
		return changed(err);
	h->file.size = at;
	return 0;
}

static int hash_archive(struct hashing *h, struct dyno_err *err)
{
	uint8_t *memory;
	struct stat st;
	int r;

	if (fstat(h->file.fd, &st) < 0)
		return err_set(err, ERR_SLUG_OPEN, errno, "stat the slug");
	h->file.size = (uint64_t)st.st_size;
	memory = keep_memory(h->file.size);
	h->buffer = memory ? NULL : malloc(HASH_READ_BYTES);
	if (!memory && !h->buffer)
		return err_set(err, ERR_MEMORY, ENOMEM, "allocate for hashing");
	sha256_init(&h->sha);
	r = hash_pieces(h, memory, err);
	sha256_digest(&h->sha, UNPACK_SHA256_BYTES, h->sha256);
	h->file.memory = memory;
	free(take_ptr(&h->buffer));
	return r;
}

/* Wait for the permission; a closed socket means that the digest was all there was to learn. */
static bool wait_go(struct unpack_go *ret)
{
	struct unpack_msg msg;
	ssize_t n;

	do
		n = read(UNPACK_FD_CONTROL, &msg, sizeof(msg));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(msg) || msg.kind != UNPACK_MSG_GO)
		return false;
	*ret = msg.u.go;
	return true;
}

/*
 * libarchive turns names of pax headers from UTF-8 to the multibyte encoding of the locale, and
 * hands out no name, or a mutilated one, where that fails.  In C.UTF-8, which the C library has
 * built in, bytes come out as they went in.  It is the locale of this thread only.
 */
static int use_utf8(struct dyno_err *err)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);

	if (!utf8)
		return err_set(err, ERR_HELPER, errno, "use the locale C.UTF-8");
	(void)uselocale(utf8);
	return 0;
}

static int write_end(struct tree *tree, const struct unpack_tar *job, struct unpack_done *done,
		     struct dyno_err *err)
{
	struct manifest_end end = {
		.heroku_form = unpack_form_is_heroku(&tree->form),
		.members = tree->entries,
		.tree_bytes = job->tree_bytes,
	};
	int r;

	manifest_add_end(&tree->manifest, &end);
	r = tree_flush(tree, err);
	if (r < 0)
		return r;
	r = verify_hash_fd(UNPACK_FD_MANIFEST, done->manifest_sha256);
	if (r < 0)
		return tree_io_error(err, -r, "read", "manifest");
	done->heroku_form = end.heroku_form;
	done->files = end.members;
	done->tree_bytes = end.tree_bytes;
	return 0;
}

static int unpack_into(struct source *source, const struct hashing *first, struct unpack_done *done,
		       struct dyno_err *err)
{
	struct progress progress = {.source = source, .total_bytes = first->file.size};
	uint8_t again[UNPACK_SHA256_BYTES];
	struct unpack_tar job = {.source = source, .tick = on_tick, .data = &progress};
	struct tree tree;
	int r;

	tree_init(&tree, UNPACK_FD_TARGET, UNPACK_FD_MANIFEST);
	job.tree = &tree;
	source_start(source);
	r = unpack_tar(&job, err);
	if (r == 0 && !first->file.memory) {
		source_digest(source, again);
		if (memcmp(again, first->sha256, sizeof(again)) != 0)
			r = changed(err);
	}
	if (r == 0)
		r = write_end(&tree, &job, done, err);
	tree_done(&tree);
	return r;
}

static int mode_unpack(struct unpack_done *done, struct dyno_err *err)
{
	struct unpack_msg msg = {.kind = UNPACK_MSG_DIGEST};
	struct source *source = NULL;
	struct cage cage = {.target_fd = UNPACK_FD_TARGET, .writes = true};
	struct hashing first = {.file = {.fd = UNPACK_FD_ARCHIVE}};
	struct unpack_go go;
	int r;

	r = hash_archive(&first, err);
	if (r < 0)
		return r;
	memcpy(msg.u.digest, first.sha256, sizeof(first.sha256));
	say(&msg);
	if (!wait_go(&go))
		_exit(EXIT_SUCCESS);

	cage.drop = go.drop != 0;
	cage.uid = go.uid;
	cage.gid = go.gid;
	(void)umask(0);
	r = use_utf8(err);
	if (r == 0)
		r = cage_enter(&cage, err);
	if (r == 0)
		r = source_open(&first.file, &source, err);
	if (r == 0)
		r = cage_shut(err);
	if (r == 0)
		r = unpack_into(source, &first, done, err);
	source_free(source);
	return r;
}

static void on_difference(void *data, const char *what, const char *path)
{
	struct unpack_msg msg = {.kind = UNPACK_MSG_DIFFERENCE};

	(void)data;
	(void)str_fmt(msg.u.difference.what, sizeof(msg.u.difference.what), "%s", what);
	(void)str_fmt(msg.u.difference.path, sizeof(msg.u.difference.path), "%s", path);
	say(&msg);
}

static int mode_verify(struct unpack_done *done, struct dyno_err *err)
{
	struct cage cage = {.target_fd = UNPACK_FD_TARGET};
	struct verify job = {
		.tree_fd = UNPACK_FD_TARGET,
		.manifest_fd = UNPACK_FD_MANIFEST,
		.tell = on_difference,
	};
	struct unpack_go go;
	int r;

	if (!wait_go(&go))
		_exit(EXIT_SUCCESS);
	cage.drop = go.drop != 0;
	cage.uid = go.uid;
	cage.gid = go.gid;
	job.manifest_sha256 = go.manifest_sha256;
	job.uid = go.uid;
	r = cage_enter(&cage, err);
	if (!cage.drop)
		job.uid = geteuid(); /* as the cage shows it */
	if (r == 0)
		r = cage_shut(err);
	if (r == 0)
		r = verify_tree(&job, done, err);
	return r;
}

int main(int argc, char **argv)
{
	struct unpack_msg msg = {.kind = UNPACK_MSG_DONE};
	struct dyno_err err = {0};
	struct unpack_done done = {0};
	int r;

	if (argc == 2 && str_eq(argv[1], "unpack"))
		r = mode_unpack(&done, &err);
	else if (argc == 2 && str_eq(argv[1], "verify"))
		r = mode_verify(&done, &err);
	else
		return 2; /* no person calls it: there is nothing to explain */

	msg.u.done = done;
	if (r < 0) {
		msg.kind = UNPACK_MSG_ERROR;
		msg.u.err = err;
	}
	say(&msg);
	/* Nothing is buffered, and what runs at a usual exit may need calls that the cage forbids. */
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
