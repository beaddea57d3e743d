/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_priv.h - what the files of the cgroup module and their tests share; for nobody else.
 */
#ifndef DYNO_CGROUP_PRIV_H
#define DYNO_CGROUP_PRIV_H

#include <sys/types.h>

#include "kernel/cgroup.h"

/**
 * struct cgroup_tree_info - one tree.
 * @name: its usual directory, and the controller's name
 * @has: CGROUP_HAS_* of the controller, 0: none that limits
 */
struct cgroup_tree_info {
	const char *name;
	unsigned int has;
};

extern const struct cgroup_tree_info cgroup_trees[_CGROUP_TREE_MAX];

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
