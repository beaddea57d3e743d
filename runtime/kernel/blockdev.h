/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blockdev.h - which disk is meant, and whether disks are shared by weight.
 *
 * Bandwidth is limited of whole disks only, so that a partition, and a file on one, mean its disk.
 */
#ifndef DYNO_BLOCKDEV_H
#define DYNO_BLOCKDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

/* Where the kernel lists devices. Source: sysfs(5) */
#define BLOCKDEV_SYS "/sys"

/**
 * blockdev_find() - the numbers of a disk.
 * @sys: BLOCKDEV_SYS, or a tree of a test
 * @text, @len: "254:0", or an absolute path: of a device, or of a file or directory on one
 * Return: 0, or -errno with ERR_USAGE: neither of both, no such file, or on no disk at all (tmpfs,
 * overlay, network).
 */
int blockdev_find(const char *sys, const char *text, size_t len, uint32_t *ret_major,
		  uint32_t *ret_minor, struct dyno_err *err);

/** blockdev_any_weighed() - whether the scheduler of some disk goes by weights of control groups.
 * @sys: as above. Source: bfq-iosched.rst: of those that a disk can have it is "bfq" alone. */
bool blockdev_any_weighed(const char *sys);

#endif
