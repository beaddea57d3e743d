/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slug_api.c - the public functions on slugs: the store's, with the process types read from the
 * trees.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <dyno.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/host.h"
#include "engine/slug.h"
#include "rootfs/store.h"

static struct store_request request(struct dyno_host *host, const char *source)
{
	return (struct store_request){
		.source = source,
		.libexec_dir = host->libexec_dir,
		.progress = host->progress,
		.data = host->data,
	};
}

int dyno_slug_add(struct dyno_host *host, const char *source, const char *checksum,
		  char *ret_digest, struct dyno_err *err)
{
	_cleanup_(store_entry_done) struct store_entry entry = STORE_ENTRY_INIT;
	struct store_request req = request(host, source);
	struct store *store;
	int r = host_store(host, &store, err);

	if (r < 0)
		return r;
	req.checksum = checksum;
	r = store_acquire(store, &req, &entry, err);
	if (r < 0)
		return r;
	if (entry.kind == STORE_DIRECTORY) {
		(void)err_set(err, ERR_SLUG_OPEN, EISDIR, "add %s", source);
		err_hint(err, "make an archive of it: dyno slug pack %.80s", source);
		return -EISDIR;
	}
	memcpy(ret_digest, entry.digest, sizeof(entry.digest));
	return entry.unpacked;
}

/* ---- facts with process types --------------------------------------------------------------- */

/**
 * struct telling - passes the store's facts on with what the slug says of itself.
 */
struct telling {
	dyno_slug_fn fn;
	void *data;
	struct dyno_err *err;
};

static int fill_types(const struct proc_types *types, struct arena *arena,
		      struct dyno_slug_info *info)
{
	const char **names = arena_calloc(arena, types->n + 1, sizeof(*names));
	const char **commands = arena_calloc(arena, types->n + 1, sizeof(*commands));

	if (!names || !commands)
		return -ENOMEM;
	for (size_t i = 0; i < types->n; i++) {
		names[i] = types->items[i].name;
		commands[i] = types->items[i].command;
	}
	info->types = names;
	info->commands = commands;
	info->n_types = types->n;
	return 0;
}

/* A Procfile that cannot be read is a finding of `dyno check`, and no reason to hide a slug. */
static int tell(const struct telling *t, const struct store_entry *entry,
		struct dyno_slug_info *info)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_(slug_done) struct slug slug = SLUG_INIT;
	int r = slug_read(entry, true, &arena, &slug, NULL);

	if (r == 0)
		r = fill_types(&slug.types, &arena, info);
	if (r == -ENOMEM)
		return err_set(t->err, ERR_MEMORY, ENOMEM, "list the process types");
	return t->fn(t->data, info);
}

static int on_info(void *data, const struct store_info *in)
{
	struct telling *t = data;
	struct store_entry entry = {.kind = STORE_SLUG, .dir_fd = in->dir_fd};
	struct dyno_slug_info info = {
		.archive_bytes = in->archive_bytes,
		.tree_bytes = in->tree_bytes,
		.files = in->files,
		.uid = in->uid,
		.added_us = in->added_us,
		.in_use = in->in_use,
	};

	memcpy(info.digest, in->digest, sizeof(info.digest));
	return tell(t, &entry, &info);
}

int dyno_slug_each(struct dyno_host *host, dyno_slug_fn fn, void *data, struct dyno_err *err)
{
	struct telling t = {fn, data, err};
	struct store *store;
	int r = host_store(host, &store, err);

	return r < 0 ? r : store_each(store, on_info, &t, err);
}

static bool is_hex(const char *s)
{
	size_t len = strlen(s);

	return len >= STORE_PREFIX_MIN && strspn(s, "0123456789abcdef") == len;
}

/* Whether @which is a digest and not a path. Bare digits may be a file's name too: the file has
 * precedence, as for `dyno run`. */
static bool means_digest(struct store *store, const char *which)
{
	char digest[DYNO_DIGEST_BYTES];

	if (str_starts(which, "sha256:"))
		return true;
	return is_hex(which) && faccessat(AT_FDCWD, which, F_OK, 0) < 0 &&
	       store_resolve(store, which, digest, NULL) == 0;
}

int dyno_slug_info(struct dyno_host *host, const char *which, dyno_slug_fn fn, void *data,
		   struct dyno_err *err)
{
	_cleanup_(store_entry_done) struct store_entry entry = STORE_ENTRY_INIT;
	struct store_request req = request(host, which);
	struct telling t = {fn, data, err};
	struct dyno_slug_info info = {0};
	struct store *store;
	int r = host_store(host, &store, err);

	if (r < 0)
		return r;
	if (means_digest(store, which))
		return store_info(store, which, on_info, &t, err);
	r = store_acquire(store, &req, &entry, err);
	if (r < 0)
		return r;
	if (entry.kind == STORE_SLUG) {
		char digest[DYNO_DIGEST_BYTES];

		/* Its own lock would count as a use. */
		memcpy(digest, entry.digest, sizeof(digest));
		store_entry_done(&entry);
		return store_info(store, digest, on_info, &t, err);
	}
	info.uid = entry.uid;
	return tell(&t, &entry, &info);
}

/* ---- the rest ------------------------------------------------------------------------------- */

int dyno_slug_verify(struct dyno_host *host, const char *digest, dyno_verify_fn fn, void *data,
		     struct dyno_err *err)
{
	struct store *store;
	int r = host_store(host, &store, err);

	return r < 0 ? r : store_verify(store, digest, host->libexec_dir, fn, data, err);
}

int dyno_slug_remove(struct dyno_host *host, const char *digest, struct dyno_err *err)
{
	struct store *store;
	int r = host_store(host, &store, err);

	return r < 0 ? r : store_remove(store, digest, err);
}

/* Only entries count here; links and locks are nothing a user put there. */
static void count_entries(void *data, const char *kind, const char *name)
{
	(void)name;
	*(int *)data += str_ends(kind, "entry");
}

int dyno_slug_gc(struct dyno_host *host, int unused, uint64_t *ret_bytes, struct dyno_err *err)
{
	struct store *store;
	int entries = 0;
	int r = host_store(host, &store, err);

	if (r == 0)
		r = store_gc(store, unused != 0, count_entries, &entries, ret_bytes, err);
	return r < 0 ? r : entries;
}

int dyno_slug_pack(struct dyno_host *host, const char *dir, int out_fd, char *ret_digest,
		   struct dyno_err *err)
{
	return store_pack(dir, out_fd, host->libexec_dir, host->progress, host->data, ret_digest,
			  err);
}
