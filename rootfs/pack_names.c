/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/pack_names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
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
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	int r = 0;

	if (!dir) {
		r = -errno;
		close_fdp(&fd);
		return r;
	}
	while (r == 0 && (errno = 0, d = readdir(dir)))
		if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, ".."))
			r = names_add(ret, d->d_name);
	if (r == 0 && errno)
		r = -errno;
	(void)closedir(dir); /* nothing was written */
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), compare_names);
	return r;
}
