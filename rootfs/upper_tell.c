/* SPDX-License-Identifier: Apache-2.0 */
/* upper_tell.c - what the walk over an upper directory tells of an entry. */
#include <errno.h>
#include <sys/stat.h>

#include "base/str.h"
#include "base/util.h"
#include "rootfs/upper_internal.h"

int upper_tell_unread(struct walk *w, const char *path, int r)
{
	const struct upper_change c = {.kind = UPPER_UNREAD, .path = path, .num = -r};

	return w->fn(w->data, &c);
}

int upper_level_unread(struct walk *w, struct level *l, int r)
{
	if (l->unread)
		return 0;
	l->unread = true;
	w->path[l->path_len] = '\0';
	return upper_tell_unread(w, l->path_len > 0 ? w->path : ".", r);
}

bool upper_same_mount(const struct walk *w, const struct statx *stx)
{
	return stx->stx_dev_major == w->top.stx_dev_major &&
	       stx->stx_dev_minor == w->top.stx_dev_minor &&
	       (!(stx->stx_mask & w->top.stx_mask & STATX_MNT_ID) ||
		stx->stx_mnt_id == w->top.stx_mnt_id);
}

/* Return: 1 for an inode seen before, 0 for a new one, -ENOSPC for a full table. */
static int link_seen(struct walk *w, uint64_t ino)
{
	size_t at = (size_t)((ino * UINT64_C(0x9e3779b97f4a7c15)) >> 32);

	for (;; at++) {
		uint64_t *place = &w->links[at % LINKS_MAX];

		if (*place == ino)
			return 1;
		if (*place != 0)
			continue;
		if (w->n_links >= LINKS_MAX / 4 * 3)
			return -ENOSPC;
		*place = ino;
		w->n_links++;
		return 0;
	}
}

static void count_bytes(struct walk *w, const struct statx *stx, struct upper_change *c)
{
	int seen;

	if (S_ISDIR(stx->stx_mode))
		return;
	/* A hole was not written, and a last block not to its end. */
	if (S_ISREG(stx->stx_mode))
		c->bytes = MIN_OF(stx->stx_size, stx->stx_blocks * 512);
	if (stx->stx_nlink <= 1)
		return;
	seen = link_seen(w, stx->stx_ino);
	c->linked = seen == 1;
	if (seen == 1)
		c->bytes = 0;
	else if (seen < 0)
		c->bytes /= stx->stx_nlink;
}

static void fill_stat(const struct statx *stx, uint32_t id_shift, struct upper_change *c)
{
	c->mode = stx->stx_mode;
	c->uid = stx->stx_uid + id_shift;
	c->gid = stx->stx_gid + id_shift;
	c->size_bytes = S_ISDIR(stx->stx_mode) ? 0 : stx->stx_size;
	c->mtime_us = stx->stx_mtime.tv_sec * 1000000 + stx->stx_mtime.tv_nsec / 1000;
}

int upper_tell(struct walk *w, const struct entry *e, enum upper_kind kind, unsigned int what,
	       const char *from)
{
	struct upper_change c = {.kind = kind, .what = what, .path = w->path, .from = from};

	if (e->hidden)
		return 0;
	fill_stat(&e->stx, 0, &c);
	count_bytes(w, &e->stx, &c);
	return w->fn(w->data, &c);
}

int upper_tell_deleted(struct walk *w, const struct entry *e)
{
	struct upper_change c = {.kind = UPPER_DELETED, .path = w->path};

	if (e->hidden)
		return 0;
	if (e->before.found)
		fill_stat(&e->before.stx, w->opts->lowers[e->before.layer].id_shift, &c);
	return w->fn(w->data, &c);
}
