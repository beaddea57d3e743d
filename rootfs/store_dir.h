/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_dir.h - the names in one directory of the store, without "." and "..".
 */
#ifndef DYNO_STORE_DIR_H
#define DYNO_STORE_DIR_H

#include <dirent.h>

/**
 * struct store_dir - an open directory.
 * @stream: owns @fd
 * @fd: for calls on the names; not to be closed
 */
struct store_dir {
	DIR *stream;
	int fd;
};

#define STORE_DIR_INIT                \
	(struct store_dir)            \
	{                             \
		.fd = -9 /* -EBADF */ \
	}

/** store_dir_open() - open @path below @dirfd. Return: 0 or -errno. */
int store_dir_open(int dirfd, const char *path, struct store_dir *ret);

/** store_dir_next() - the next name, valid until the next call. Return: NULL at the end. */
const char *store_dir_next(struct store_dir *dir);

/** store_dir_done() - close it. */
void store_dir_done(struct store_dir *dir);

#endif
