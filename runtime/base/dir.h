/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir.h - the names in one directory, without "." and "..".
 */
#ifndef DYNO_DIR_H
#define DYNO_DIR_H

#include <dirent.h>

#include "base/util.h"

/**
 * struct dir - an open directory.
 * @stream: owns @fd
 * @fd: for calls on the names; not to be closed
 */
struct dir {
	DIR *stream;
	int fd;
};

#define DIR_INIT                      \
	(struct dir)                  \
	{                             \
		.fd = -9 /* -EBADF */ \
	}

/** dir_open() - open @path below @dirfd, which is no symbolic link. Return: 0 or -errno. */
int dir_open(int dirfd, const char *path, struct dir *ret);

/** dir_take() - read an open directory from its beginning.  @fd: taken, on failure closed; negative:
 * what errno says. Return: 0 or -errno. */
int dir_take(int fd, struct dir *ret);

/** dir_next() - the next entry, valid until the next call. Return: NULL at the end, and where the
 * rest cannot be read: errno is not 0 then. */
const struct dirent *dir_next(struct dir *dir);

/** dir_next_name() - its name alone. */
const char *dir_next_name(struct dir *dir);

/** dir_done() - close it. */
void dir_done(struct dir *dir);
#define _cleanup_dir_ _cleanup_(dir_done)

#endif
