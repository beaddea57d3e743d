/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack_names.h - the names in a directory in an order that does not depend on its file system.
 */
#ifndef DYNO_PACK_NAMES_H
#define DYNO_PACK_NAMES_H

#include <stddef.h>

/**
 * struct names - of one directory, sorted by their bytes; ended by names_done().
 */
struct names {
	char **items;
	size_t n, cap;
};

/**
 * names_read() - all but "." and "..".
 * @dir_fd: O_PATH will do; borrowed
 * @ret: zeroed; on failure it holds those that were read
 * Return: 0 or -errno.
 */
int names_read(int dir_fd, struct names *ret);

/** names_done() - free them. */
void names_done(struct names *names);

#endif
