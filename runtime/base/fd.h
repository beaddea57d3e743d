/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd.h - file descriptors: ownership, complete reads and writes, small files.  EINTR is handled
 * here and nowhere else.
 */
#ifndef DYNO_FD_H
#define DYNO_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <dyno.h>

#include "base/arena.h"
#include "base/util.h"

/** close_fdp() - close *@fd unless negative and set it to -EBADF; errno is kept. [child] */
void close_fdp(int *fd);
#define _cleanup_close_ _cleanup_(close_fdp)

/** take_fd() - hand a descriptor over: yields it and leaves -EBADF behind. */
static inline int take_fd(int *fd)
{
	int v = *fd;

	*fd = -9 /* -EBADF */;
	return v;
}

/**
 * fd_read_full() / fd_write_full() - the whole of @len, or less only at the end of file.
 *
 * On a non-blocking descriptor a write waits for room, and so does a read once it has begun; a
 * read that finds nothing at all returns -EAGAIN.
 * Return: bytes moved, or -errno. Context: any, [child]
 */
ssize_t fd_read_full(int fd, void *buf, size_t len);
ssize_t fd_write_full(int fd, const void *buf, size_t len);

/**
 * fd_read_all() - everything up to the end of file, at most @max bytes.
 * @ret: NUL-terminated, in @arena
 * Return: 0; -EFBIG when there is more than @max; -errno.
 */
int fd_read_all(int fd, size_t max_bytes, struct arena *arena, char **ret, size_t *ret_len);

/**
 * file_read_beneath() - a small regular file by a relative path that stays beneath @dirfd.
 *
 * Opened with openat2(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS), O_NONBLOCK and a check of the
 * inode's kind, so that a fifo, a device or a link out of the tree is an error and never a hang.
 * Return: 0; -EFBIG above @max_bytes; -EINVAL when it is not a regular file; -errno of the open.
 */
int file_read_beneath(int dirfd, const char *path, size_t max_bytes, struct arena *arena,
		      char **ret, size_t *ret_len);

/** fd_used_inodes() - inodes in use on a file system of limited number. [child]
 * Return: 0 where that is unknown, or not limited. */
uint32_t fd_used_inodes(int fd);

/** file_write_at() - write @data to an existing file (cgroup, proc); one write(2). [child]
 * Return: 0 or -errno. */
int file_write_at(int dirfd, const char *path, const char *data);

/**
 * fd_copy_sparse() - the first @size bytes of @from to @to, an empty file.
 *
 * Holes stay holes: else a file that cost its maker nothing would fill the host.  No more is copied
 * than @size: an end that moves away is not run after.
 * Return: 0, or -errno.
 */
int fd_copy_sparse(int from, int to, off_t size);

/**
 * fd_memfd_sealed() - an executable memfd of @data that nobody can change any more.
 * Return: the descriptor (close-on-exec), or -errno.
 */
int fd_memfd_sealed(const char *name, const void *data, size_t len);

/**
 * fd_close_others() - close every descriptor from 3 on but those of @keep. [child]
 * @keep: gets sorted; may hold negative ones, and one twice
 * Return: 0 or -errno.
 */
int fd_close_others(int *keep, size_t n);

/** fd_ensure_stdio() - open /dev/null on 0, 1 and 2 where the caller left them closed.
 * Return: 0 or -errno. */
int fd_ensure_stdio(void);

#endif
