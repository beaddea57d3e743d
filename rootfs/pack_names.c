/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/pack_names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/dir.h"
#include "base/str.h"

void names_done(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
}

static int names_add(struct names *names, const char *name)
{
	if (names->n == names->cap) {
		size_t cap = names->cap ? names->cap * 2 : 32;
		char **grown = realloc(names->items, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		names->items = grown;
		names->cap = cap;
	}
	names->items[names->n] = strdup(name);
	return names->items[names->n++] ? 0 : -ENOMEM;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int names_read(int dir_fd, struct names *ret)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	int r = dir_open(dir_fd, ".", &dir);

	if (r < 0)
		return r;
	while (r == 0 && (name = dir_next_name(&dir)))
		r = names_add(ret, name);
	if (r == 0 && errno)
		r = -errno;
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), compare_names);
	return r;
}
