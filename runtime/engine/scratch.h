/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch.h - where a dyno's writes go when they are not kept in memory: a directory of the data
 * directory, made for one start and removed after it.  Each is locked by its maker (flock on the
 * directory): unlike the run directory it outlives a boot of the host, and must tell by itself
 * whether it is somebody's.
 */
#ifndef DYNO_ENGINE_SCRATCH_H
#define DYNO_ENGINE_SCRATCH_H

#include <stdbool.h>

#include <dyno.h>

#include "base/arena.h"
#include "rootfs/store.h"

/* Before the name of a scratch that holds the copy of a layer. */
#define SCRATCH_COPY "+"

/** struct scratch_want - what is asked for; all borrowed.
 * @kind: as the user said
 * @bytes, @inodes: limits as the user said; 0: none
 * @rootless: tmpfs is only fit where it takes user.* attributes (6.6); else it is disk
 * @plain: files are only kept there: no overlay writes to it, with the attributes it needs
 * @name: directory name, unique among live dynos: that of the control group
 */
struct scratch_want {
	enum dyno_scratch kind;
	uint64_t bytes;
	uint64_t inodes;
	bool rootless;
	bool plain;
	const char *name;
};

/**
 * struct scratch - ended by scratch_done().
 * @path: the directory; NULL: a tmpfs, made by the child
 * @lock_fd: of the directory, with an exclusive flock
 */
struct scratch {
	struct store *store;
	const char *name;
	const char *path;
	int lock_fd;
};

/** SCRATCH_INIT - none. */
#define SCRATCH_INIT                       \
	(struct scratch)                   \
	{                                  \
		.lock_fd = -9 /* -EBADF */ \
	}

/**
 * scratch_make() - a fresh directory where one is needed.
 * @ret: @path NULL for tmpfs
 * Return: 0, or -errno with ERR_SCRATCH.
 */
int scratch_make(struct store *store, const struct scratch_want *want, struct arena *arena,
		 struct scratch *ret, struct dyno_err *err);

/** scratch_done() - remove the directory with all in it. */
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
