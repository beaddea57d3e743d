/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copyout.h - a path of a dyno's root copied out to the host while the dyno runs.  Whatever it does
 * to its tree meanwhile, nothing is read from beyond its root, nothing written beyond the
 * destination, nothing waited for, and nothing but directories, regular files and links is copied.
 */
#ifndef DYNO_COPYOUT_H
#define DYNO_COPYOUT_H

#include <limits.h>
#include <stdbool.h>

#include <dyno.h>

/* Directories below one another; two descriptors are held for each.  Source: twice what the
 * unpacker lets in, and half of the usual limit of descriptors, 1024. */
#define COPYOUT_MAX_DEPTH 256

/**
 * struct copyout_source - what is to be copied; ended by copyout_done().
 * @dir_fd: a directory of the dyno
 * @name: an entry of it, not to be followed; "." is the directory itself
 * @label: its name in the copy
 * @content: only what is in it: the path ended in "/.", or is the root
 */
struct copyout_source {
	int dir_fd;
	char name[NAME_MAX + 1];
	char label[NAME_MAX + 1];
	bool content;
};

/** COPYOUT_SOURCE_INIT - none. */
#define COPYOUT_SOURCE_INIT               \
	(struct copyout_source)           \
	{                                 \
		.dir_fd = -9 /* -EBADF */ \
	}

/**
 * copyout_find() - the source by its path.
 * @root_fd: the dyno's root, borrowed
 * @path: absolute as the dyno sees it, or relative to /app; a link at its end is meant itself,
 *        unless a slash follows
 * Return: 0, or -errno with ERR_USAGE (it is empty), ERR_IO (-EINVAL: on a file system of the kernel's
 * own, such as /proc: what stands there is the host's as much as the dyno's).
 */
int copyout_find(int root_fd, const char *path, struct copyout_source *ret, struct dyno_err *err);

/** copyout_done() - close it. */
void copyout_done(struct copyout_source *source);

/** copyout_refuse_kernels() - the report of that. @path: as the user named it. Return: -EINVAL. */
int copyout_refuse_kernels(struct dyno_err *err, const char *path);

/** copyout_is_kernels() - whether @fd is on a file system that holds no files of anybody's. */
bool copyout_is_kernels(int fd);

/**
 * copyout() - copy with all below.
 * @dest: a directory to copy into, under the label; a file to be replaced; or a name that is made.
 *        A link there is not followed, unless a slash follows
 *
 * Made as the caller's own: with his umask, without setuid, setgid and sticky bits; times are kept.
 * What is in the way is replaced by files and links, entered if both are directories, else refused.
 * Other kinds and the kernel's own file systems are left out; what vanishes meanwhile too.  On
 * failure what was copied stays.
 * Return: 0, or -errno with ERR_IO (-ELOOP: deeper than COPYOUT_MAX_DEPTH), ERR_USAGE.
 */
int copyout(const struct copyout_source *source, const char *dest, struct dyno_err *err);

#endif
