/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copytree.h - a copy of a tree in which everything belongs to one user: the way out where a file
 * system takes no id map.  A start that needs it pays for every byte, so nothing else uses it.
 */
#ifndef DYNO_COPYTREE_H
#define DYNO_COPYTREE_H

#include <sys/types.h>

#include <dyno.h>

/* Directories open at a time, one a level. Source: above the unpacker's own cap on depth. */
#define COPYTREE_MAX_DEPTH 256

/**
 * copytree() - copy directories, regular files and links; other kinds are left out.
 * @from_fd: directory to copy the content of, borrowed
 * @to_fd: empty directory, borrowed
 * @uid, @gid: owner of each copy; that of @to_fd itself is set too
 *
 * Times are kept, and modes but for setuid and setgid. Nothing is followed, other file systems are not
 * entered. On failure what was copied stays for the caller to remove.
 * Return: 0, or -errno with ERR_SCRATCH (-ELOOP: deeper than COPYTREE_MAX_DEPTH).
 */
int copytree(int from_fd, int to_fd, uid_t uid, gid_t gid, struct dyno_err *err);

#endif
