/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_priv.h - what the files of the cgroup module and their tests share; for nobody else.
 */
#ifndef DYNO_CGROUP_PRIV_H
#define DYNO_CGROUP_PRIV_H

#include <sys/types.h>

#include "base/util.h"
#include "kernel/cgroup.h"

/**
 * struct cgroup_tree_info - one tree.
 * @name: its usual directory, and the controller's name on v1
 * @v2: the controller's name on v2, NULL where it is none that limits
 * @has: CGROUP_HAS_* of the controller, 0: none that limits
 */
struct cgroup_tree_info {
	const char *name;
	const char *v2;
	unsigned int has;
};

extern const struct cgroup_tree_info cgroup_trees[_CGROUP_TREE_MAX];

/** cgroup_set_reason() - why there are no limits, or not all; forgets what would mend it. */
_printf_(2, 3) void cgroup_set_reason(struct cgroup_host *host, const char *fmt, ...);

/**
 * cgroup_open_parent() - our directory in a tree, made where it is missing.
 * @root: who calls may do everything
 * Return: an O_PATH descriptor, or -errno (-EACCES, -EROFS: not for us).
 */
int cgroup_open_parent(int base_fd, bool root);

/* Where a launcher moves itself, so that the group it was given may have groups with controllers. */
#define CGROUP_LAUNCHER "dyno.launcher"

/**
 * cgroup_step_aside() - move the caller and its children out of a group into CGROUP_LAUNCHER below
 * it, so that it holds no processes itself.
 * Return: 0; -EBUSY: processes of others are in it, and nothing was moved; -errno.
 */
int cgroup_step_aside(int dir_fd);

/** cgroup_open_v2() - where there is nothing but a v2 tree. Return: 0, or -errno with the reason in
 * @host. */
int cgroup_open_v2(const struct cgroup_layout *layout, bool root, struct cgroup_host *host);

/**
 * cgroup_prepare_v2() - make our directory in a v2 group usable: controllers on in the group, and
 * in ours.
 * @base_fd: the group; borrowed
 * @where: its path, for people
 * Return: 0, or -errno with the reason in @host.
 */
int cgroup_prepare_v2(int base_fd, const char *where, bool root, struct cgroup_host *host);

/**
 * cgroup_host_mend() - open our directories anew, after one of them was removed: they are empty
 * between the last leaf of one start and the first of another, and anybody may clear them away.
 * Return: 0 or -errno.
 */
int cgroup_host_mend(struct cgroup_host *host);

/* The default weight of a group and what it is on v1. Source: cgroup-v2.rst, cpu.weight. */
#define CGROUP_WEIGHT_DEFAULT 100U
#define CGROUP_SHARES_DEFAULT 1024U

/* Writes that the limits of one leaf need at most. */
#define CGROUP_PLAN_MAX 12

/* What to do when a file is missing: that is an error, no matter, or the next write's turn. */
enum cgroup_absent { CGROUP_ABSENT_FAIL, CGROUP_ABSENT_SKIP, CGROUP_ABSENT_NEXT };

/**
 * struct cgroup_write - one write to a leaf.
 * @tree: in whose directory the file is
 * @file: name of the file
 * @value: text to write
 * @absent: see enum cgroup_absent
 * @has: CGROUP_HAS_* of its controller
 */
struct cgroup_write {
	enum cgroup_tree tree;
	const char *file;
	char value[48];
	enum cgroup_absent absent;
	unsigned int has;
};

/**
 * cgroup_plan() - the writes that put @limits on a leaf of @host, in order.  Pure.
 * @plan: room for CGROUP_PLAN_MAX
 *
 * A write marked CGROUP_ABSENT_NEXT is followed by one that is made only where its file is missing.
 * Return: how many.
 */
size_t cgroup_plan(const struct cgroup_host *host, const struct cgroup_limits *limits,
		   struct cgroup_write *plan);

/* Longest path of a file of a leaf. Source: NAME_MAX of both components. */
#define CGROUP_PATH_BYTES (2 * CGROUP_NAME_BYTES + 1)

/** cgroup_leaf_path() - "NAME/FILE", below our directory. @buf: CGROUP_PATH_BYTES */
void cgroup_leaf_path(char *buf, const char *name, const char *file);

/** cgroup_leaf_write() - write to a file of a leaf that must be there. Return: 0 or -errno. */
int cgroup_leaf_write(const struct cgroup_host *host, enum cgroup_tree tree, const char *name,
		      const char *file, const char *value);

/**
 * struct cgroup_refusal - a write that the kernel did not take.
 * @has: CGROUP_HAS_* of the controller
 * @num: the errno, positive
 */
struct cgroup_refusal {
	unsigned int has;
	const char *file;
	const char *value;
	int num;
};

/**
 * cgroup_refused() - what a refused write means.
 * @leaf: takes note of it, and it is no error; NULL: it is one
 * Return: 0, or -errno with ERR_CGROUP.
 */
int cgroup_refused(const struct cgroup_refusal *refusal, const char *name, struct cgroup_leaf *leaf,
		   struct dyno_err *err);

/** cgroup_write_limits() - all of @limits. @leaf: as for cgroup_refused(). */
int cgroup_write_limits(const struct cgroup_host *host, const char *name,
			const struct cgroup_limits *limits, struct cgroup_leaf *leaf,
			struct dyno_err *err);

/**
 * cgroup_leaf_read() - the text of a small file of a leaf, with a NUL behind it.
 * @size: of @buf; what does not fit is cut off
 * Return: the length, or -errno (-ENOENT: no such leaf or file, -ENODEV: it was just removed).
 */
ssize_t cgroup_leaf_read(const struct cgroup_host *host, enum cgroup_tree tree, const char *name,
			 const char *file, char *buf, size_t size);

/**
 * cgroup_leaf_key() - the number behind "KEY " at the beginning of a line of a leaf's file, in the
 * directory of the memory controller.
 * Return: 0; -ENOENT: no such leaf, file or line; -EINVAL, -ERANGE; -errno.
 */
int cgroup_leaf_key(const struct cgroup_host *host, const char *name, const char *file,
		    const char *key, uint64_t *ret);

#endif
