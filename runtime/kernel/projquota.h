/* SPDX-License-Identifier: Apache-2.0 */
/*
 * projquota.h - a limit on the bytes and inodes below one directory, by a project quota of the file
 * system it is on (ext4, xfs: mounted with prjquota).  A project is a number on each inode that new
 * ones inherit; which numbers are in use the file system itself knows, so nothing is kept beside it.
 * This module sets and lifts limits; it makes and removes no files.
 */
#ifndef DYNO_PROJQUOTA_H
#define DYNO_PROJQUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include <dyno.h>

/* Our project ids.  Source: own choice, far above what /etc/projid and container engines, which
 * count from 1 or 1000 on, give out; the kernel takes any number but the last one. */
#define PROJQUOTA_FIRST 0x64790000U
#define PROJQUOTA_COUNT 65536U

/**
 * projquota_enforced() - whether the file system keeps to limits of projects.
 * @fd: anything on it but O_PATH
 * Return: 1; 0: it does not, now; -ENOSYS: the kernel has no quotactl_fd(2) (5.14); -errno.
 */
int projquota_enforced(int fd);

/**
 * projquota_claim() - give an empty directory a project of its own, with limits.
 * @dir_fd: the directory; what is made in it later counts
 * @bytes: of all blocks, rounded up to KiB; 0: no limit
 * @inodes: the directory itself is one; 0: no limit
 *
 * The caller excludes others who claim on behalf of the same directory of scratches.  On failure the
 * directory may keep a project, but no limit.
 * Return: 0; -EUSERS: no number is free; -errno (-EPERM: not root of the first user namespace).
 */
int projquota_claim(int dir_fd, uint64_t bytes, uint64_t inodes);

/**
 * projquota_id() - the project of a directory, where it is one of ours.
 * Return: the number, 0 for none.
 */
uint32_t projquota_id(int dir_fd);

/**
 * projquota_release() - lift the limits of a project, whose files are gone: the number is free.
 * @fd: on the file system
 * @id: from projquota_id(); 0 is fine
 */
void projquota_release(int fd, uint32_t id);

#endif
