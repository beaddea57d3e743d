/* SPDX-License-Identifier: Apache-2.0 */
/* upper_totals.c - the sum of what was written, and its words. */
#include <limits.h>
#include <sys/stat.h>

#include "base/num.h"
#include "base/str.h"
#include "base/util.h"
#include "rootfs/upper.h"

const char *upper_kind_name(enum upper_kind kind)
{
	static const char *const names[] = {
		[UPPER_ADDED] = "added", [UPPER_CHANGED] = "changed", [UPPER_DELETED] = "deleted",
		[UPPER_MOVED] = "moved", [UPPER_UNREAD] = "unread",
	};

	_Static_assert(ARRAY_SIZE(names) == _UPPER_KIND_MAX, "every kind has a name");
	return names[kind];
}

static void add_file(struct upper_totals *t, const struct upper_change *c)
{
	if (c->linked)
		return;
	t->files++;
	t->bytes += c->bytes;
	if (c->bytes > t->biggest_bytes) {
		t->biggest_bytes = c->bytes;
		(void)str_fmt(t->biggest, sizeof(t->biggest), "%s", c->path);
	}
}

void upper_totals_add(struct upper_totals *totals, const struct upper_change *change)
{
	switch (change->kind) {
	case UPPER_ADDED:
	case UPPER_CHANGED:
		if (S_ISDIR(change->mode))
			totals->dirs++;
		else
			add_file(totals, change);
		break;
	case UPPER_DELETED:
		totals->deleted++;
		break;
	case UPPER_MOVED:
		totals->moved++;
		break;
	case UPPER_UNREAD:
		totals->unread++;
		break;
	case _UPPER_KIND_MAX:
		break;
	}
}

size_t upper_receipt_text(const struct upper_totals *totals, char *buf, size_t size)
{
	const struct upper_totals *t = totals;
	char sum[16], biggest_sum[16], biggest[PATH_MAX] = "", deleted[48] = "";

	if (t->files + t->dirs + t->deleted + t->moved + t->unread == 0)
		return str_fmt(buf, size, "wrote nothing");
	(void)num_format_size(sum, t->bytes);
	(void)num_format_size(biggest_sum, t->biggest_bytes);
	(void)str_escape(biggest, sizeof(biggest), t->biggest);
	if (t->deleted > 0)
		(void)str_fmt(deleted, sizeof(deleted), "; deleted %llu",
			      (unsigned long long)t->deleted);
	return str_fmt(buf, size, "wrote %s%llu file%s, %s, discarded%s%s%s%s%s",
		       t->unread ? "at least " : "", (unsigned long long)t->files,
		       t->files == 1 ? "" : "s", sum, deleted, *biggest ? "; biggest " : "",
		       biggest, *biggest ? ", " : "", *biggest ? biggest_sum : "");
}
