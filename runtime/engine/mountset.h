/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mountset.h - the mounts that a caller asks for, with the host's files and directories among them
 * opened: by the caller's own rights and before anything of a slug is touched.  From then on a
 * source is that inode; where its path leads later does not matter but to refuse it.
 */
#ifndef DYNO_MOUNTSET_H
#define DYNO_MOUNTSET_H

#include <stdbool.h>

#include <dyno.h>

#include "base/arena.h"
#include "model/mountplan.h"

/**
 * struct mountset_where - what a source is held against.
 * @run_fd, @data_fd: dyno's own directories; they, what they hold and what holds them are refused
 * @rootless: owners are not mapped
 */
struct mountset_where {
	int run_fd;
	int data_fd;
	bool rootless;
};

/**
 * mountset_open() - parse the settings, open and check the sources.
 * @arena: holds the list
 * @ret: mountset_done() closes what it holds, also after an error
 *
 * Symbolic links of a source's path are followed; its layer gets the path that they led to.
 * Return: 0, or -errno with ERR_MOUNT_INVALID: see mountplan_parse(), appspec_check_mounts(); a
 * source that cannot be opened; -EINVAL: one that is no directory, file or socket, that is or holds
 * or lies in a directory of dyno, that is the host's root or of a proc, sysfs or cgroup file
 * system; -EPERM: to be writable, but root's or of a group whose number is not the owner's.
 */
int mountset_open(const struct dyno_run_opts *opts, const struct mountset_where *where,
		  struct arena *arena, struct mountplans *ret, struct dyno_err *err);

/** mountset_words() - @mounts of the settings, with the sources' paths as they were found.
 * Return: 0, or -ENOMEM with ERR_MEMORY. */
int mountset_words(const struct mountplans *set, struct arena *arena, const char *const **ret,
		   size_t *ret_n, struct dyno_err *err);

/** mountset_done() - close the sources. */
void mountset_done(struct mountplans *set);

#endif
