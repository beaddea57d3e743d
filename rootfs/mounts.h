/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts.h - the mounts that a root is made of, each made detached by the new mount API and then
 * attached by descriptor, so that no path of the host or of a tenant is walked.  This module knows
 * file systems, not dynos: which mounts a dyno has is the plan's business.
 *
 * Everything here runs in the child, after the mount namespace was made: nothing allocates.
 */
#ifndef DYNO_MOUNTS_H
#define DYNO_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <dyno.h>

/**
 * mounts_make_private() - cut the namespace's mounts off from the host's: nothing propagates.
 * Return: 0, or -errno with ERR_MOUNT.
 * Context: [child]
 */
int mounts_make_private(struct dyno_err *err);

/**
 * mounts_clone() - a detached copy of one mount at @path, private to its namespace.
 * @path: walked in the caller's mount namespace
 * @expect_fd: the same inode, opened before: a path that now leads elsewhere is refused; negative:
 *             do not compare, and do not follow a link in the last component
 * @userns_fd: map the ids of the copy by this user namespace; negative: as they are
 * @attrs: MOUNT_ATTR_* to set on the copy
 *
 * Mounts below @path are left out, except where the kernel gives none without the others (in a
 * user namespace, which must not see what they hide); then @attrs are set on these too.
 * Return: the mount, or -errno with ERR_MOUNT; -EOPNOTSUPP with ERR_IDMAP where the file system
 * takes no id map.
 * Context: [child]
 */
int mounts_clone(const char *path, int expect_fd, int userns_fd, uint64_t attrs,
		 struct dyno_err *err);

/**
 * struct tmpfs_plan - a tmpfs.
 * @bytes, @inodes: its limits; 0 inodes: the kernel's default
 * @mode: of its root directory
 * @uid, @gid: host ids of its root directory
 * @attrs: MOUNT_ATTR_*
 */
struct tmpfs_plan {
	uint64_t bytes;
	uint64_t inodes;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	unsigned int attrs;
};

/** mounts_tmpfs() - Return: a detached mount, or -errno with ERR_MOUNT. [child] */
int mounts_tmpfs(const struct tmpfs_plan *plan, struct dyno_err *err);

/**
 * struct overlay_plan - one overlay; all names are relative to the working directory.
 *
 * By name and not by descriptor: before 6.15 a layer must be attached in the caller's namespace,
 * and what is given here is what mountinfo shows to the tenant, so it must say nothing of the host.
 *
 * @lower: layers, uppermost first, separated by ":"
 * @upper, @work: directories of one file system; NULL: none, then there must be two layers
 * @userxattr: keep the marks in user.* (rootless)
 * @is_volatile: skip every sync: the upper is thrown away anyway
 * @attrs: MOUNT_ATTR_*
 */
struct overlay_plan {
	const char *lower;
	const char *upper;
	const char *work;
	bool userxattr;
	bool is_volatile;
	unsigned int attrs;
};

/** mounts_overlay() - Return: a detached mount, or -errno with ERR_MOUNT. [child] */
int mounts_overlay(const struct overlay_plan *plan, struct dyno_err *err);

/** mounts_proc() - the caller's pid namespace. Return: a detached mount, or -errno. [child] */
int mounts_proc(struct dyno_err *err);

/**
 * mounts_devpts() - an own instance of pseudo terminals.
 * @tty_gid: host gid of the slaves; negative: the opener's (rootless)
 * Return: a detached mount, or -errno. [child]
 */
int mounts_devpts(int64_t tty_gid, struct dyno_err *err);

/**
 * mounts_dev_fill() - device nodes, links and directories of /dev.
 * @dev_fd: root of a fresh tmpfs, attached when @bind
 * @bind: bind the host's nodes (no mknod in a user namespace) in place of making them
 * @uid, @gid: host ids that are to own them; not used with @bind
 * Return: 0, or -errno.
 * Context: [child]
 */
int mounts_dev_fill(int dev_fd, bool bind, uid_t uid, gid_t gid, struct dyno_err *err);

/**
 * mounts_attach() - put a detached mount at @path below @root_fd.
 * @path: relative; no component may be a symlink
 * Return: 0, or -errno with ERR_MOUNT.
 * Context: [child]
 */
int mounts_attach(int mount_fd, int root_fd, const char *path, struct dyno_err *err);

/**
 * struct point_plan - a mount point of the caller's choice, in a tree of a tenant.
 * @path: relative, without "." and ".."
 * @make: with its parents, where it is missing; else that is an error
 * @file: it is to be a file, else a directory
 * @give, @uid, @gid: who is to own what is made
 */
struct point_plan {
	const char *path;
	bool make;
	bool file;
	bool give;
	uid_t uid;
	gid_t gid;
};

/**
 * mounts_point() - the place of a mount, walked by descriptors from @root_fd.
 *
 * No component may be a symlink: a tree cannot lead a mount elsewhere.
 * Return: O_PATH, or -errno with ERR_MOUNT_INVALID: -ELOOP: a link; -ENOTDIR, -EISDIR: not what a
 * mount can cover; -ENOENT, -EROFS: it is not there and cannot be made.
 * Context: [child]
 */
int mounts_point(int root_fd, const struct point_plan *plan, struct dyno_err *err);

/** mounts_attach_over() - put a detached mount over @at_fd, which is known as @path. [child] */
int mounts_attach_over(int mount_fd, int at_fd, const char *path, struct dyno_err *err);

/** mounts_attach_at() - the same at an absolute path of the host. [child] */
int mounts_attach_at(int mount_fd, const char *path, struct dyno_err *err);

/** mounts_set() - set attributes of an attached mount. Return: 0, or -errno. [child] */
int mounts_set(int mount_fd, uint64_t attrs, struct dyno_err *err);

/**
 * mounts_pivot() - make @root_fd the root of the namespace and drop the old one with all below.
 * The working directory is the new root afterwards.
 * Return: 0, or -errno with ERR_MOUNT.
 * Context: [child]
 */
int mounts_pivot(int root_fd, struct dyno_err *err);

#endif
