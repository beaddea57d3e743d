/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h - a file system of a given size in a file: what limits the writes of one dyno where the
 * data directory's own file system cannot.  The file has no name and takes no room but for what is
 * written; it goes with its last user, the loop device, which goes with the mount.  So nothing has to
 * be removed, by nobody.
 *
 * The file system is made once per size, by mkfs.ext4, and kept as a template in "images" of the data
 * directory: 0.1 MB each, copied in 0.5 ms, where mkfs takes 10 ms (measured 2026-11, ext4).
 */
#ifndef DYNO_IMAGE_H
#define DYNO_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <dyno.h>

/* Below the data directory: templates. */
#define IMAGE_DIR "images"

/* More inodes than one for each block the file system cannot hold.  Source: mke2fs(8), -i and -b */
#define IMAGE_INODE_BYTES 4096U

/**
 * struct image_plan - what is wanted; both are met, and exceeded by a few percent at most.
 * @bytes: for content
 * @inodes: for files and directories; at most one for IMAGE_INODE_BYTES of @bytes
 */
struct image_plan {
	uint64_t bytes;
	uint64_t inodes;
};

/** image_mkfs() - the path of mkfs.ext4; NULL: this host has none where it belongs. */
const char *image_mkfs(void);

/**
 * image_mount() - a fresh, empty file system.
 * @data_fd: the data directory, O_PATH will do
 * @ret_unfit: set where this host has no means for it (no loop device, no mkfs.ext4, no ext4),
 *             whatever the size; not touched else
 *
 * The mount is detached, nodev, nosuid and noatime: the host's table of mounts never shows it.
 * Return: the mount, or -errno with ERR_SCRATCH.
 * Context: parent
 */
int image_mount(int data_fd, const struct image_plan *plan, bool *ret_unfit, struct dyno_err *err);

/**
 * image_drop() - give the file system up with all in it; its last process has ended.
 * @mount_fd: closed
 *
 * What was written and is not on disk yet need not come there: without this the kernel would write
 * all of it out before it frees it (measured: 1070 ms for 300 MB, with it 20 ms).
 */
void image_drop(int *mount_fd);

#endif
