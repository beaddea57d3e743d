/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch.h - where a dyno's writes go when they are not kept in memory: a directory of the data
 * directory, made for one start and removed after it, or a file system in a file without a name.
 * Each directory is locked by its maker (flock on it): unlike the run directory it outlives a boot of
 * the host, and must tell by itself whether it is somebody's.  The file system goes by itself.
 */
#ifndef DYNO_ENGINE_SCRATCH_H
#define DYNO_ENGINE_SCRATCH_H

#include <stdbool.h>

#include <dyno.h>

#include "base/arena.h"
#include "model/scratchplan.h"
#include "rootfs/store.h"

/* Before the name of a scratch that holds the copy of a layer. */
#define SCRATCH_COPY "+"

/* A warning, cut where it is longer. */
#define SCRATCH_WARNING_BYTES 192

/**
 * struct scratch_want - what is asked for; all borrowed.
 * @plan: where, and how much
 * @rootless: nothing on disk can be limited
 * @require: no limit is an error, not a warning
 * @plain: the launcher's own files are kept there: no overlay writes to it, with the attributes it
 *         needs, and no limit is on it; @plan is not looked at
 * @name: directory name, unique among live dynos: that of the control group
 */
struct scratch_want {
	const struct scratchplan *plan;
	bool rootless;
	bool require;
	bool plain;
	const char *name;
};

/** enum scratch_limit - what keeps the writes within the plan. */
enum scratch_limit {
	SCRATCH_UNLIMITED,
	SCRATCH_TMPFS,
	SCRATCH_QUOTA, /* a project quota of the data directory's file system */
	SCRATCH_IMAGE, /* a file system in a file */
	_SCRATCH_LIMIT_MAX,
};

/**
 * struct scratch - ended by scratch_done().
 * @limit: see above
 * @bytes, @inodes: of the limit; 0: none
 * @path: the directory; NULL: a tmpfs, made by the child, or @mount_fd
 * @lock_fd: of the directory, with an exclusive flock
 * @mount_fd: the file system in a file, detached; kept to the end of the dyno
 * @warning: to be told, ""
 */
struct scratch {
	struct store *store;
	const char *name;
	enum scratch_limit limit;
	uint64_t bytes;
	uint64_t inodes;
	const char *path;
	int lock_fd;
	int mount_fd;
	char warning[SCRATCH_WARNING_BYTES];
};

/** SCRATCH_INIT - none. */
#define SCRATCH_INIT                                                    \
	(struct scratch)                                                \
	{                                                               \
		.lock_fd = -9 /* -EBADF */, .mount_fd = -9 /* -EBADF */ \
	}

/**
 * scratch_make() - the place for a dyno's writes, where it is not the child that makes it.
 *
 * On disk the limit is a project quota where the data directory's file system keeps to it, else a
 * file system in a file.  Where this host has neither, or without root, a limit that was asked for
 * is refused, and one that was not becomes a warning.
 * Return: 0, or -errno with ERR_SCRATCH.
 */
int scratch_make(struct store *store, const struct scratch_want *want, struct arena *arena,
		 struct scratch *ret, struct dyno_err *err);

/** scratch_limit_name() - "none", "tmpfs", "project-quota", "loop-image". */
const char *scratch_limit_name(enum scratch_limit limit);

/** scratch_no_tmpfs() - whether no overlay can write to a tmpfs here: rootless it takes user.*
 * attributes only from Linux 6.6 on. */
bool scratch_no_tmpfs(bool rootless);

/** scratch_disown() - close it: another process has its descriptors, and removes it. */
void scratch_disown(struct scratch *scratch);

/** scratch_done() - remove it with all in it; its last process has ended. */
void scratch_done(struct scratch *scratch);

/**
 * scratch_each() - names of all scratch directories.
 * @fn: non-zero ends the walk and is returned; it may remove the directory
 */
typedef int (*scratch_fn)(void *data, const char *name);
int scratch_each(struct store *store, scratch_fn fn, void *data);

/** scratch_remove_dead() - one by name, unless its maker lives.
 * Return: 0; -EBUSY: it is in use; -ENOENT: it is gone; -errno. */
int scratch_remove_dead(struct store *store, const char *name);

#endif
