/* SPDX-License-Identifier: Apache-2.0 */
#include "model/mountplan.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"

/* What a program must be able to write to, whatever it is. Source: FHS 3.18, 5.15; /dev/shm is a
 * mount of its own */
static const char *const always_writable[] = {"tmp", "var/tmp"};

/* Most inodes of a tmpfs. Source: as for --scratch */
#define INODES_MAX UINT32_MAX

/* So much of a setting is shown in an error. */
#define SHOWN_BYTES 160U

bool mountplan_holds(const char *top, const char *path)
{
	const char *rest = str_starts(path, top);

	return rest && (*rest == '\0' || *rest == '/');
}

/* ---- one setting ---------------------------------------------------------------------------- */

/**
 * struct reader - the settings being read.
 * @option: the one at hand, and its text
 */
struct reader {
	struct arena *arena;
	struct dyno_err *err;
	const char *option;
	const char *text;
	struct mountplans all;
};

static int no_memory(struct dyno_err *err)
{
	return err_set(err, ERR_MEMORY, ENOMEM, "plan the mounts");
}

static int wrong(const struct reader *r, const char *why, const char *hint)
{
	char shown[SHOWN_BYTES];

	err_set(r->err, ERR_MOUNT_INVALID, 0, "read %s \"%s\": %s", r->option,
		str_escape(shown, sizeof(shown), r->text), why);
	err_hint(r->err, "%s", hint);
	return -EINVAL;
}

/* Appends a component. False: it is none that a mount point may have. */
static bool add_component(struct sbuf *b, const char *name, size_t len)
{
	if (len == 0 || (len == 1 && name[0] == '.'))
		return true;
	if ((len == 2 && name[0] == '.' && name[1] == '.') || len > NAME_MAX)
		return false;
	if (b->len > 0)
		sbuf_add(b, "/", 1);
	sbuf_add(b, name, len);
	return b->len < PATH_MAX;
}

/* The path up to @len, relative and in its shortest form. */
static int read_target(const struct reader *r, const char *path, size_t len, const char **ret)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	size_t at = 0;

	if (len == 0 || path[0] != '/')
		return wrong(r, "the path inside is not absolute", "it begins with /");
	while (at < len) {
		size_t n = strcspn(path + at, "/");

		n = MIN_OF(n, len - at);
		if (!add_component(&b, path + at, n))
			return wrong(r, "the path inside has a \"..\", or is too long",
				     "name the path itself");
		at += n + 1;
	}
	if (sbuf_ok(&b) < 0)
		return no_memory(r->err);
	if (b.len == 0)
		return wrong(r, "the path inside is / itself", "name a directory below it");
	*ret = arena_memdup(r->arena, b.data, b.len);
	return *ret ? 0 : no_memory(r->err);
}

static int read_writable(const struct reader *r, struct mountplan *plan)
{
	plan->kind = MOUNTPLAN_WRITABLE;
	if (!r->all.read_only)
		return wrong(r, "nothing is read-only", "--writable goes with --read-only");
	return read_target(r, r->text, strlen(r->text), &plan->target);
}

/* "SIZE[:INODES]", each may be empty. */
static bool read_limits(const char *text, struct arena *arena, struct mountplan *plan)
{
	const size_t len = strcspn(text, ":");
	const char *size = arena_memdup(arena, text, len);
	const char *inodes = text[len] ? text + len + 1 : "";

	if (!size || (size[0] && (num_parse_size(size, &plan->bytes) < 0 || plan->bytes == 0)))
		return false;
	return !inodes[0] ||
	       (num_parse_u64(inodes, INODES_MAX, &plan->inodes) == 0 && plan->inodes > 0);
}

static int read_tmpfs(const struct reader *r, struct mountplan *plan)
{
	const size_t len = strcspn(r->text, ":");

	plan->kind = MOUNTPLAN_TMPFS;
	plan->bytes = MOUNTPLAN_TMPFS_BYTES;
	if (r->text[len] && !read_limits(r->text + len + 1, r->arena, plan))
		return wrong(r, "its limits are none",
			     "write PATH[:SIZE[:INODES]], such as /cache:128M:10000");
	return read_target(r, r->text, len, &plan->target);
}

static int read_host(const struct reader *r, struct mountplan *plan)
{
	static const char form[] = "write SRC:DST[:ro|:rw], neither path with a colon";
	const size_t len = strcspn(r->text, ":");
	const char *target = r->text + len + 1;
	const char *mode;

	plan->kind = MOUNTPLAN_HOST;
	if (len == 0 || r->text[len] == '\0')
		return wrong(r, "it has not two paths", form);
	mode = target + strcspn(target, ":");
	if (mode[0] && !str_eq(mode, ":ro") && !str_eq(mode, ":rw"))
		return wrong(r, "what follows the two paths is neither ro nor rw", form);
	plan->writable = str_eq(mode, ":rw");
	plan->source = arena_memdup(r->arena, r->text, len);
	if (!plan->source)
		return no_memory(r->err);
	return read_target(r, target, (size_t)(mode - target), &plan->target);
}

/* ---- all of them ---------------------------------------------------------------------------- */

typedef int (*read_fn)(const struct reader *r, struct mountplan *plan);

static int read_list(struct reader *r, const char *option, read_fn read, const char *const *list,
		     size_t n)
{
	int rc;

	r->option = option;
	for (size_t i = 0; i < n; i++) {
		r->text = list[i];
		rc = read(r, &r->all.items[r->all.n]);
		if (rc < 0)
			return rc;
		r->all.n++;
	}
	return 0;
}

static bool has_target(const struct mountplans *all, const char *target)
{
	for (size_t i = 0; i < all->n; i++)
		if (str_eq(all->items[i].target, target))
			return true;
	return false;
}

static void add_always(struct mountplans *all)
{
	for (size_t i = 0; all->read_only && i < ARRAY_SIZE(always_writable); i++)
		if (!has_target(all, always_writable[i]))
			all->items[all->n++] = (struct mountplan){.kind = MOUNTPLAN_WRITABLE,
								  .target = always_writable[i]};
}

static int by_target(const void *a, const void *b)
{
	const struct mountplan *pa = a;
	const struct mountplan *pb = b;

	return strcmp(pa->target, pb->target);
}

/* Of two that meet the holder comes first, as "a" does before "a/b". */
static int check_pair(const struct mountplan *holder, struct mountplan *held, struct dyno_err *err)
{
	if (!mountplan_holds(holder->target, held->target))
		return 0;
	held->below_host |= holder->kind == MOUNTPLAN_HOST;
	if (str_eq(holder->target, held->target)) {
		err_set(err, ERR_MOUNT_INVALID, 0, "mount at /%s: that is asked for twice",
			held->target);
		err_hint(err, "leave one of them out");
		return -EINVAL;
	}
	if (held->kind != MOUNTPLAN_WRITABLE || holder->kind == MOUNTPLAN_WRITABLE)
		return 0;
	err_set(err, ERR_MOUNT_INVALID, 0, "keep /%s writable: it lies in the mount at /%s",
		held->target, holder->target);
	err_hint(err, "leave --writable /%s out: --tmpfs is writable, --mount is with :rw",
		 held->target);
	return -EINVAL;
}

static int check_pairs(const struct mountplans *all, struct dyno_err *err)
{
	int rc;

	for (size_t i = 0; i < all->n; i++) {
		for (size_t k = i + 1; k < all->n; k++) {
			rc = check_pair(&all->items[i], &all->items[k], err);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int mountplan_parse(const struct dyno_run_opts *o, struct arena *arena, struct mountplans *ret,
		    struct dyno_err *err)
{
	const size_t n = o->n_writable + o->n_tmpfs + o->n_mounts;
	struct reader r = {.arena = arena, .err = err, .all.read_only = o->read_only};
	int rc;

	if (n == 0 && !o->read_only) {
		*ret = (struct mountplans){0};
		return 0;
	}
	if (n > MOUNTPLAN_MAX)
		return err_set(err, ERR_MOUNT_INVALID, E2BIG, "plan %zu mounts, %u are the most", n,
			       MOUNTPLAN_MAX);
	r.all.items = arena_calloc(arena, n + ARRAY_SIZE(always_writable), sizeof(*r.all.items));
	if (!r.all.items)
		return no_memory(err);
	rc = read_list(&r, "--writable", read_writable, o->writable, o->n_writable);
	if (rc == 0)
		rc = read_list(&r, "--tmpfs", read_tmpfs, o->tmpfs, o->n_tmpfs);
	if (rc == 0)
		rc = read_list(&r, "--mount", read_host, o->mounts, o->n_mounts);
	if (rc < 0)
		return rc;
	add_always(&r.all);
	qsort(r.all.items, r.all.n, sizeof(*r.all.items), by_target);
	rc = check_pairs(&r.all, err);
	if (rc == 0)
		*ret = r.all;
	return rc;
}
