/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.h - paths of users and slugs: opened beneath a directory, made, removed, never followed
 * outside.
 */
#ifndef DYNO_PATH_H
#define DYNO_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <dyno.h>

/**
 * open_beneath() - open a relative path that must resolve beneath @dirfd, without magic links.
 * @flags: as for openat(2); O_CLOEXEC is added
 * @mode: for O_CREAT
 *
 * Where openat2(2) is missing the path is walked component by component with O_NOFOLLOW, so that
 * a symlink anywhere in it is an error.
 * Return: a descriptor, or -errno (-EXDEV: it leads outside; -ELOOP: a link in the fallback walk).
 */
int open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/**
 * open_in_root() - open a path as a process would whose root is @dirfd: absolute, through links and
 * "..", but never out of it, and without magic links.
 * @flags: as for openat(2) without O_CREAT; O_CLOEXEC is added
 *
 * Where openat2(2) is missing a link or a ".." in the path is an error, as in open_beneath().
 * Return: a descriptor, or -errno.
 */
int open_in_root(int dirfd, const char *path, int flags);

/** path_mkdir_p() - make @path (may be absolute) and its parents with @mode; existing is fine.
 * Return: 0 or -errno. */
int path_mkdir_p(int dirfd, const char *path, mode_t mode);

/**
 * path_remove_tree() - remove @name under @dirfd with all below, by descriptors.
 * @name: one component, no slash; a file or a link is removed as such
 *
 * Never follows a symlink, never crosses into another mount (those entries are left and -EXDEV is
 * returned), needs memory and descriptors of constant size whatever the depth; directories of
 * mode 0 are opened up first.
 * Return: 0 (also when there is nothing); -errno of the first entry that would not go.
 */
int path_remove_tree(int dirfd, const char *name);

/** path_leads_to() - whether the name is the very file that is open, no link to it. */
bool path_leads_to(int dirfd, const char *name, int fd);

/** path_basename() - the part after the last slash of a path without trailing slashes; points
 * into @path and may therefore include trailing slashes, *@ret_len does not. */
const char *path_basename(const char *path, size_t *ret_len);

#endif
