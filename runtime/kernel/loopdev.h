/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loopdev.h - a file as a block device that goes by itself: with the last user of the device, be it
 * a mount or a descriptor, the kernel lets go of the file.  So nothing is left of a killed launcher.
 */
#ifndef DYNO_LOOPDEV_H
#define DYNO_LOOPDEV_H

#include <dyno.h>

/* "/dev/loop" and a number. */
#define LOOPDEV_PATH_BYTES 24

/** loopdev_usable() - whether a free loop device can be had. Return: 0, or -errno as below. */
int loopdev_usable(void);

/**
 * loopdev_attach() - a free loop device that shows @file_fd.
 * @file_fd: a regular file, open for reading and writing; borrowed
 * @path: receives the name of the device
 *
 * Its reads and writes go past the page cache of the file where the file system can: else every
 * byte would be in memory twice, once out of reach of the control group's limit.
 * Return: a descriptor that holds the device until something else does; or -errno: -ENOENT, -ENXIO,
 * -ENODEV: the kernel has no loop devices, or this container none; -EPERM, -EACCES: it may not be
 * used; -EBUSY: others were faster each time; -ENOSPC: there are no more.
 */
int loopdev_attach(int file_fd, char path[LOOPDEV_PATH_BYTES]);

#endif
