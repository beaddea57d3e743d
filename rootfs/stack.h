/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.h - the base system under an app: a directory that becomes the lowest layer of `/`, and a
 * list of host directories bound over it.  Nothing is mounted here.
 *
 * The stack `host` is the host's own /usr with a skeleton of directories and a minimal generated
 * /etc, kept under stacks/host-<key> of the data directory; the key is a hash of the stat facts of
 * everything it is made from, so that a change on the host makes a new one at the next start and
 * never disturbs a running dyno.  Any other name is the directory stacks/<name>/root as it is.
 */
#ifndef DYNO_STACK_H
#define DYNO_STACK_H

#include <stddef.h>

#include <dyno.h>

#include "rootfs/store.h"

/* Host directories that one stack binds: /usr, and on hosts where /bin and the like are not links
 * into it, those five (bin, sbin, lib, lib32, lib64, libx32). */
#define STACK_BINDS_MAX 8

/* Room for "host-" + 16 hex digits, or a name of at most 63 bytes. */
#define STACK_NAME_BYTES 64

/** struct stack_bind - a host directory to be seen read-only at the same path.
 * @path: absolute, static text; exists in the layer as an empty directory */
struct stack_bind {
	const char *path;
};

/**
 * struct stack - a stack in use; ended by stack_done().
 * @root_fd: the layer, O_RDONLY|O_DIRECTORY: directories, links and /etc; all of it owned by the
 *           effective user of the caller
 * @lock_fd: holds a shared flock that keeps the collector away
 * @name: "host-<key>" or the given name
 * @binds, @n_binds: mount these over the layer, read-only
 */
struct stack {
	int root_fd;
	int lock_fd;
	char name[STACK_NAME_BYTES];
	struct stack_bind binds[STACK_BINDS_MAX];
	size_t n_binds;
};

/** STACK_INIT - holds nothing; stack_done() may be called on it. */
#define STACK_INIT                                        \
	(struct stack)                                    \
	{                                                 \
		.root_fd = -9 /* -EBADF */, .lock_fd = -9 \
	}

/**
 * stack_acquire() - find or make a stack and hold it.
 * @name: "host", or the name of a directory under stacks/; NULL: "host"
 *
 * The warm path stats the sources of the host stack and opens two directories.
 * Return: 0, or -errno. Errors: ERR_STACK, ERR_STORE_IO.
 */
int stack_acquire(struct store *store, const char *name, struct stack *ret, struct dyno_err *err);

/** stack_done() - give the stack up. */
void stack_done(struct stack *stack);

/**
 * stack_gc() - remove host stacks that are neither current nor in use; called by store_gc().
 * Return: how many, or -errno.
 */
int stack_gc(struct store *store, store_gc_fn fn, void *data, struct dyno_err *err);

#endif
