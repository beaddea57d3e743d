/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mountplan.h - the mounts that a caller asks for: what stays writable of a read-only root, memory
 * of its own, files and directories of the host.  From text to a list in the order of mounting.
 * Pure: whether a source exists is not known here, nor what the dyno itself needs of its paths.
 */
#ifndef DYNO_MOUNTPLAN_H
#define DYNO_MOUNTPLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "base/arena.h"
#include "model/spec.h"

/* Mounts of one dyno that are asked for; each costs some 20 us a start. Source: own choice */
#define MOUNTPLAN_MAX 64U

/* A tmpfs without a size. Source: own choice: small beside the smallest quota, 512M (contract 11.6) */
#define MOUNTPLAN_TMPFS_BYTES (64ULL << 20)

enum mountplan_kind {
	MOUNTPLAN_WRITABLE, /* the same directory again, where the root is read-only */
	MOUNTPLAN_TMPFS,    /* memory */
	MOUNTPLAN_HOST,	    /* a file or directory of the host */
};

/**
 * struct mountplan - one mount.
 * @kind: see above
 * @target: where, relative to `/`, without "." and empty components
 * @source: MOUNTPLAN_HOST: as it was given
 * @writable: MOUNTPLAN_HOST: the dyno may write to it
 * @below_host: the mount point lies on another host's directory, where nothing may be made
 * @bytes, @inodes: MOUNTPLAN_TMPFS: limits; 0 inodes: the default
 * @layer: MOUNTPLAN_HOST: for who opens the source, see struct spec_mount
 * @file: MOUNTPLAN_HOST: the same: it is no directory
 */
struct mountplan {
	enum mountplan_kind kind;
	const char *target;
	const char *source;
	bool writable;
	bool below_host;
	uint64_t bytes;
	uint64_t inodes;
	struct spec_layer layer;
	bool file;
};

/**
 * struct mountplans - all of a dyno.
 * @read_only: `/` is, but for what @items has
 * @items: sorted: what holds another one comes first
 */
struct mountplans {
	bool read_only;
	struct mountplan *items;
	size_t n;
};

/**
 * mountplan_parse() - read_only, writable, tmpfs and mounts of the settings.
 * @opts: borrowed
 * @arena: holds the list
 *
 * A read-only root gets /tmp and /var/tmp as writable ones, unless these are asked for otherwise.
 * Return: 0, or -errno with ERR_MOUNT_INVALID: -EINVAL: not of the form, a target that is not
 * absolute or has "..", `/` itself, the same one twice, a writable one without a read-only root or
 * within another mount; -E2BIG: too many.  ERR_MEMORY.  On failure @ret is untouched.
 */
int mountplan_parse(const struct dyno_run_opts *opts, struct arena *arena, struct mountplans *ret,
		    struct dyno_err *err);

/** mountplan_holds() - whether the relative path @path is @top or lies below it. */
bool mountplan_holds(const char *top, const char *path);

#endif
