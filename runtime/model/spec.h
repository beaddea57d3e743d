/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec.h - the kernel-level plan of one container: what to execute, as whom, on which layers, with
 * which mounts and limits.  Front ends compile to it, the engine carries it out without knowing
 * which one made it.  How a container is supervised is not in here.
 *
 * Ids in a spec are those seen inside; the engine adds the base of the host range.  All strings
 * and arrays belong to the arena of whoever compiled the spec.
 */
#ifndef DYNO_SPEC_H
#define DYNO_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/cpulist.h"

struct limits_io;
struct sock_filter;

/* More than a slug over a stack needs; the overlay takes them as they stand, uppermost first. */
#define SPEC_MAX_LAYERS 8

/* Mounts of the host that a dyno has besides; each may hold an id map. Source: own choice */
#define SPEC_MAX_HOST 16

/**
 * struct spec_rlimit - one resource limit; the engine lowers it to the caller's hard limit.
 * @resource: RLIMIT_*
 * @value: soft and hard
 */
struct spec_rlimit {
	int resource;
	uint64_t value;
};

/**
 * struct spec_process - the command.
 * @argv, @envp: NULL-terminated; argv[0] is looked up along PATH
 * @cwd: absolute path inside
 * @uid, @gid: ids inside
 * @umask: file mode creation mask
 * @rlimits, @n_rlimits: see above
 * @affinity: CPUs that it is bound to; empty: none in particular
 */
struct spec_process {
	const char *const *argv;
	const char *const *envp;
	const char *cwd;
	uint32_t uid;
	uint32_t gid;
	mode_t umask;
	const struct spec_rlimit *rlimits;
	size_t n_rlimits;
	struct cpulist affinity;
};

/* The ids on disk are those seen inside. */
#define SPEC_OWNER_SAME (-1)
/* The ids on disk are those of the host range: nothing is to be mapped. */
#define SPEC_OWNER_HOST (-2)

/**
 * struct spec_layer - one read-only directory tree.
 * @path: where it is on the host
 * @fd: the same directory, held open by the caller of the engine
 * @owner: SPEC_OWNER_*, or the one host id whose files shall belong to the process's user
 * @owned: the process's user must own its files; else it may be shown with foreign owners where
 *         its file system takes no id map
 */
struct spec_layer {
	const char *path;
	int fd;
	int64_t owner;
	bool owned;
};

enum spec_upper {
	SPEC_UPPER_TMPFS, /* memory, with limits */
	SPEC_UPPER_DISK,  /* a directory of the host */
	SPEC_UPPER_MOUNT, /* a file system of its own, on disk */
};

/**
 * struct spec_root - `/`.
 * @layers, @n_layers: uppermost first
 * @upper: where writes go
 * @upper_bytes, @upper_inodes: limits; for a tmpfs to be set, else set already
 * @upper_path: directory for SPEC_UPPER_DISK, on a file system fit for overlay
 * @upper_fd: detached mount for SPEC_UPPER_MOUNT
 * @read_only: it and SPEC_MOUNT_OVERLAY are, once all mounts stand
 */
struct spec_root {
	struct spec_layer layers[SPEC_MAX_LAYERS];
	size_t n_layers;
	enum spec_upper upper;
	uint64_t upper_bytes;
	uint64_t upper_inodes;
	const char *upper_path;
	int upper_fd;
	bool read_only;
};

enum spec_place {
	SPEC_IN_ROOT,	  /* in the upper layer: seen at this path */
	SPEC_BESIDE_ROOT, /* next to the upper layer: a source for mounts, not seen by itself */
};

/**
 * struct spec_node - a directory (@data NULL) or file that the launcher makes before the command.
 * @path: relative to `/` or to the place beside; parents come first in the list
 * @data, @len: content of a file
 * @mode: permission bits
 * @place: where
 * @own: it belongs to the process's user; else to root inside
 */
struct spec_node {
	const char *path;
	const char *data;
	size_t len;
	mode_t mode;
	enum spec_place place;
	bool own;
};

enum spec_mount_kind {
	SPEC_MOUNT_BIND,      /* a host directory, read-only */
	SPEC_MOUNT_APART,     /* the same by an overlay: its locks and watches are the dyno's own */
	SPEC_MOUNT_OVERLAY,   /* @layer with an upper of its own */
	SPEC_MOUNT_PROC,      /* of the new pid namespace */
	SPEC_MOUNT_DEV,	      /* a tmpfs with the standard nodes; read-only in the end */
	SPEC_MOUNT_DEVPTS,    /* a private instance */
	SPEC_MOUNT_TMPFS,     /* owned by the process's user */
	SPEC_MOUNT_MASK_FILE, /* /dev/null over a file, where there is one */
	SPEC_MOUNT_MASK_DIR,  /* a directory beside the root over one, where there is one */
	SPEC_MOUNT_FILE,      /* a file beside the root over one inside, where there is one */
	SPEC_MOUNT_AGAIN,     /* the same directory over itself: writable in a read-only root */
	SPEC_MOUNT_HOST,      /* @layer, a directory or a file */
	_SPEC_MOUNT_MAX
};

/**
 * struct spec_mount - one mount inside, carried out in the order of the list.
 * @kind: see above
 * @target: relative to `/`
 * @source: SPEC_MOUNT_BIND, SPEC_MOUNT_APART: absolute path on the host; SPEC_MOUNT_FILE, SPEC_MOUNT_MASK_DIR: the
 *          path of a node beside the root; SPEC_MOUNT_OVERLAY: paths of two such directories that
 *          take its writes, upper and work, separated by ":"
 * @layer: SPEC_MOUNT_OVERLAY, SPEC_MOUNT_HOST
 * @make: @target is made where it is missing, owned by the process's user; no link may be in it
 * @asked: @target was asked for from outside: what is wrong with it is the asker's to mend
 * @file: SPEC_MOUNT_HOST: it is no directory
 * @writable: SPEC_MOUNT_HOST
 * @bytes, @inodes, @mode: SPEC_MOUNT_TMPFS
 */
struct spec_mount {
	enum spec_mount_kind kind;
	const char *target;
	const char *source;
	struct spec_layer layer;
	bool make;
	bool asked;
	bool file;
	bool writable;
	uint64_t bytes;
	uint64_t inodes;
	mode_t mode;
};

enum spec_network {
	SPEC_NET_HOST,	  /* the caller's */
	SPEC_NET_NONE,	  /* an own namespace with a loopback */
	SPEC_NET_PRIVATE, /* the same with a link, an address and a way out */
};

/**
 * struct spec_limits - limits of the control group; 0: none.
 * @memory_bytes, @memory_swap_bytes, @pids, @cpu_shares: as struct cgroup_limits
 * @cpu_quota_usec, @cpu_period_usec: as there
 * @io_weight, @io, @n_io, @cpuset: as there
 */
struct spec_limits {
	uint64_t memory_bytes;
	uint64_t memory_swap_bytes;
	uint64_t pids;
	uint64_t cpu_shares;
	uint64_t cpu_quota_usec;
	uint64_t cpu_period_usec;
	uint32_t io_weight;
	const struct limits_io *io;
	size_t n_io;
	struct cpulist cpuset;
};

/**
 * struct dyno_spec - the whole plan.
 * @hostname: of the uts namespace
 * @process, @root, @limits: see above
 * @nodes, @n_nodes: files of the upper layer, parents first
 * @mounts, @n_mounts: in order
 * @network: the network namespace
 * @seccomp: load a filter of system calls
 * @filter, @n_filter: its instructions; NULL: the default one
 */
struct dyno_spec {
	const char *hostname;
	struct spec_process process;
	struct spec_root root;
	const struct spec_node *nodes;
	size_t n_nodes;
	const struct spec_mount *mounts;
	size_t n_mounts;
	enum spec_network network;
	bool seccomp;
	const struct sock_filter *filter;
	size_t n_filter;
	struct spec_limits limits;
};

#endif
