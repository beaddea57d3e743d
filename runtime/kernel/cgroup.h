/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.h - one leaf control group per start of a dyno, on cgroup v2, v1 or both: find the trees,
 * make the leaf with its limits, put a process in, read what it did, kill, remove.
 *
 * Not here: which limits a size has (model/size.h), the cgroup namespace, what an OOM kill means
 * for the dyno.  No dyno's process is ever moved by its id: it joins by itself (v1) or is born
 * inside (v2), which is both exact and, on v1, four orders of magnitude cheaper.
 */
#ifndef DYNO_CGROUP_H
#define DYNO_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

struct cpulist;
struct limits_io;

/* Where the trees are mounted. Source: file-hierarchy(7), systemd's and every container's place. */
#define CGROUP_ROOT "/sys/fs/cgroup"

/* The one directory of ours in each tree; the leaves are its children. */
#define CGROUP_PARENT "dyno"

/* Longest leaf name with its NUL. Source: NAME_MAX of kernfs, 255. */
#define CGROUP_NAME_BYTES 256

/**
 * enum cgroup_kind - what this host offers to this caller.
 * @CGROUP_NONE: no limits can be set; cgroup_host.reason says why
 * @CGROUP_V1: one tree per controller
 * @CGROUP_V2: one tree for all
 * @CGROUP_HYBRID: controllers as on v1, and a v2 tree without controllers, used to start inside
 *                 and to kill
 */
enum cgroup_kind { CGROUP_NONE, CGROUP_V1, CGROUP_V2, CGROUP_HYBRID };

/* The trees a leaf may live in. Co-mounted v1 controllers count once, as the first named. */
enum cgroup_tree {
	CGROUP_TREE_UNIFIED,
	CGROUP_TREE_MEMORY,
	CGROUP_TREE_CPU,
	CGROUP_TREE_PIDS,
	CGROUP_TREE_CPUACCT,
	CGROUP_TREE_IO,
	CGROUP_TREE_CPUSET,
	_CGROUP_TREE_MAX
};

/* Bits of cgroup_host.controllers. */
#define CGROUP_HAS_MEMORY (1U << 0)
#define CGROUP_HAS_CPU	  (1U << 1)
#define CGROUP_HAS_PIDS	  (1U << 2)
#define CGROUP_HAS_IO	  (1U << 3) /* blkio on v1 */
#define CGROUP_HAS_CPUSET (1U << 4)
/* What every dyno has, and what a dyno joins only where somebody asks for it. */
#define CGROUP_HAS_ALL	 (CGROUP_HAS_MEMORY | CGROUP_HAS_CPU | CGROUP_HAS_PIDS)
#define CGROUP_HAS_EXTRA (CGROUP_HAS_IO | CGROUP_HAS_CPUSET)

/* Beside bits of CGROUP_HAS_EXTRA: only where our directory is there already. */
#define CGROUP_AS_IT_IS (1U << 31)
/* Beside CGROUP_AS_IT_IS: as root on v2, our directory at the root of the tree, even for a caller
 * that has a group of its own. */
#define CGROUP_AT_ROOT (1U << 30)

/**
 * struct cgroup_layout - where the trees are, found by cgroup_layout_find() or by a test.
 * @mount: mount point of each tree, "" where there is none
 * @read_only: the mount is; known only of the usual places
 * @own: path of the calling process in each tree, relative to the mount point, starting with "/"
 * @extra: bits of CGROUP_HAS_EXTRA to use besides, CGROUP_AS_IT_IS, CGROUP_AT_ROOT; set by whoever
 *         opens it
 */
struct cgroup_layout {
	char mount[_CGROUP_TREE_MAX][128];
	bool read_only[_CGROUP_TREE_MAX];
	char own[_CGROUP_TREE_MAX][512];
	unsigned int extra;
};

/**
 * struct cgroup_host - the trees opened for use; zero-initialised it is not usable, see
 * cgroup_host_open().
 * @kind: see enum cgroup_kind
 * @parent_fd: our directory (CGROUP_PARENT) in each tree, O_PATH; -EBADF where there is none
 * @home: in which tree's directory the files of a controller are: itself, or the tree that it is
 *        mounted together with
 * @extra: see struct cgroup_layout
 * @controllers: CGROUP_HAS_* that a leaf will have
 * @given: as root, the directory is in a group that the service manager has given to the caller
 * @reason: why there is no limit, or which controllers are missing and where; "" when all is well
 * @fix: the command that mends it, "" where there is none
 */
struct cgroup_host {
	enum cgroup_kind kind;
	int parent_fd[_CGROUP_TREE_MAX];
	enum cgroup_tree home[_CGROUP_TREE_MAX];
	unsigned int extra;
	unsigned int controllers;
	bool given;
	char reason[224];
	char fix[160];
};

/**
 * struct cgroup_limits - limits of a leaf; 0 stands for "no limit" everywhere.
 * @memory_bytes: memory without swap above which the group must swap or reclaim
 * @memory_swap_bytes: memory and swap together above which the kernel kills (the hard mark); at
 *                     least @memory_bytes. Where swap cannot be counted the kernel kills at this
 *                     much memory
 * @pids: processes and threads
 * @cpu_shares: relative weight, 1024 = one share (v1 scale)
 * @cpu_quota_usec: CPU time per @cpu_period_usec
 * @cpu_period_usec: 0: 100000
 * @io_weight: share of the disks, 100 is the kernel's default
 * @io, @n_io: bandwidth of disks, by the numbers of the devices; borrowed
 * @cpuset: CPUs to run on; NULL or empty: all; borrowed
 * @lenient: one that the kernel refuses is no error but noted in the leaf
 */
struct cgroup_limits {
	uint64_t memory_bytes;
	uint64_t memory_swap_bytes;
	uint64_t pids;
	uint64_t cpu_shares;
	uint64_t cpu_quota_usec;
	uint64_t cpu_period_usec;
	uint32_t io_weight;
	const struct limits_io *io;
	size_t n_io;
	const struct cpulist *cpuset;
	bool lenient;
};

/**
 * struct cgroup_leaf - one dyno's group.  Its descriptors are close-on-exec.
 * @kind: CGROUP_NONE: nothing was made and every operation on it succeeds without effect
 * @name: directory name below CGROUP_PARENT, the same in each tree
 * @clone_fd: the v2 directory, for CLONE_INTO_CGROUP; -EBADF where there is no v2 tree
 * @tasks_fd: v1 "tasks" files for cgroup_join_self(); -EBADF where not needed
 * @id: number of the v2 group, as sockets and other facts of the kernel name it; 0: no v2 tree
 * @refused: CGROUP_HAS_* of which a limit was refused when it was made
 * @refusal: the first of them and why, "" where none was
 * @clone_into: clone3() must be given @clone_fd: on v2 always, on a hybrid for cgroup.kill
 */
struct cgroup_leaf {
	enum cgroup_kind kind;
	char name[CGROUP_NAME_BYTES];
	int clone_fd;
	int tasks_fd[_CGROUP_TREE_MAX];
	uint64_t id;
	unsigned int refused;
	char refusal[128];
	bool clone_into;
};

/** CGROUP_LEAF_INIT - a leaf that holds nothing; for _cleanup_cgroup_leaf_ and join. */
#define CGROUP_LEAF_INIT                                                         \
	{                                                                        \
		.clone_fd = -9, .tasks_fd = {[0 ... _CGROUP_TREE_MAX - 1] = -9}, \
	}

/**
 * cgroup_layout_find() - read the trees out of mountinfo and /proc/PID/cgroup texts.  Pure.
 * @mountinfo, @mountinfo_len: as of proc(5); need not be NUL-terminated
 * @self, @self_len: the text of /proc/self/cgroup
 * @ret: first mount of each tree; a tree mounted nowhere stays ""
 * Return: 0; -EINVAL where neither text holds a well-formed line.
 */
int cgroup_layout_find(const char *mountinfo, size_t mountinfo_len, const char *self,
		       size_t self_len, struct cgroup_layout *ret);

/**
 * cgroup_host_open() - find the trees and make our directory in each.
 * @root: CGROUP_ROOT, or the root of a fake tree in tests
 * @ret: cgroup_host_done() releases it
 *
 * As root the directory is at the root of each tree; on v2 in the caller's own group, or the one
 * around, where that is marked as delegated, is root's, and has every controller that limits need.
 * Without root it is in the caller's own group where that is writable, else beside it.  An own group
 * is used only if nobody but the caller and its children is in it: these then move to a leaf of it,
 * as v2 wants no processes in inner groups.
 * The usual mount points are tried first, by statfs; mountinfo is read only where nothing is there.
 * Return: 0 also where no limits can be set: @ret->kind is CGROUP_NONE then and ->reason says why;
 * -errno when /proc cannot be read (ERR_CGROUP).
 */
int cgroup_host_open(const char *root, struct cgroup_host *ret, struct dyno_err *err);

/**
 * cgroup_host_open_with() - the same with controllers that only some dynos use.
 * @extra: bits of CGROUP_HAS_EXTRA; what of them cannot be had is not in @ret->controllers.
 *         CGROUP_HAS_EXTRA | CGROUP_AS_IT_IS: for those who look for leaves in all trees; where
 *         @ret->given tells it, they look once more with CGROUP_AT_ROOT
 */
int cgroup_host_open_with(const char *root, unsigned int extra, struct cgroup_host *ret,
			  struct dyno_err *err);

/**
 * cgroup_make_way() - leave a group of one's own for a leaf of it, where that is what opening it
 * would do: before processes are started that open it themselves and could not leave for others.
 * What cannot be had is theirs to tell.
 */
void cgroup_make_way(const char *root);

/**
 * cgroup_host_open_layout() - the same on trees that are already known.
 * @root: act as root does, whoever the caller is
 */
void cgroup_host_open_layout(const struct cgroup_layout *layout, bool root,
			     struct cgroup_host *ret);

/** cgroup_host_done() - closes the descriptors; the directories stay. */
void cgroup_host_done(struct cgroup_host *host);

/**
 * cgroup_leaf_create() - a fresh leaf with its limits, ready to be joined.
 * @host: its directories are opened anew where they were cleared away meanwhile
 * @name: one path component; an empty group of that name that was left behind is replaced
 * @limits: NULL: none
 * @ret: cgroup_leaf_done() closes it, cgroup_leaf_remove() removes the group
 *
 * A limit whose controller is missing is left out: compare @host->controllers where it matters.
 * Return: 0 or -errno; nothing is left behind on failure.
 * Errors: ERR_CGROUP: -EBUSY (a live group of that name), -EINVAL (the name), -errno.
 */
int cgroup_leaf_create(struct cgroup_host *host, const char *name,
		       const struct cgroup_limits *limits, struct cgroup_leaf *ret,
		       struct dyno_err *err);

/**
 * cgroup_leaf_open() - a leaf that exists, to be joined by one more process.
 * @ret: cgroup_leaf_done() closes it
 * Return: 0 or -errno; on failure @ret is as it was.
 * Errors: ERR_CGROUP: -ENOENT (it is gone), -EINVAL (the name), -errno.
 */
int cgroup_leaf_open(const struct cgroup_host *host, const char *name, struct cgroup_leaf *ret,
		     struct dyno_err *err);

/**
 * cgroup_leaf_limit() - write limits to a leaf that exists.  A value of 0 is not written: a fresh
 * leaf has no limits.
 * Return: 0 or -errno. Errors: ERR_CGROUP with file and value.
 */
int cgroup_leaf_limit(const struct cgroup_host *host, const char *name,
		      const struct cgroup_limits *limits, struct dyno_err *err);

/**
 * cgroup_join_self() - move the calling thread into the v1 trees of the leaf.  [child]
 *
 * Writes "0" to each "tasks" file, never to cgroup.procs, which waits for an RCU grace period
 * (12 ms measured). The v2 tree is entered by CLONE_INTO_CGROUP only.
 * Return: 0 or -errno. Context: the child, before it has threads or children.
 */
int cgroup_join_self(const struct cgroup_leaf *leaf);

/** cgroup_leaf_joined() - close the descriptors that only a launch needs. */
void cgroup_leaf_joined(struct cgroup_leaf *leaf);

/** cgroup_leaf_done() - close all descriptors; the group stays. */
void cgroup_leaf_done(struct cgroup_leaf *leaf);
#define _cleanup_cgroup_leaf_ _cleanup_(cgroup_leaf_done)

/**
 * cgroup_leaf_kill() - SIGKILL to every process of the leaf, however fast they fork.
 * Return: 0; -EOPNOTSUPP where there is no v2 tree or no cgroup.kill: kill pid 1 of the dyno's pid
 * namespace instead, then the leaf must become empty; -ENOENT (no such leaf); -errno.
 */
int cgroup_leaf_kill(const struct cgroup_host *host, const char *name);

/**
 * cgroup_leaf_empty() - whether no process is left in any tree of the leaf.
 * Return: 1, 0, or -errno; a leaf that does not exist is empty.
 */
int cgroup_leaf_empty(const struct cgroup_host *host, const char *name);

/**
 * cgroup_leaf_remove() - remove the leaf and groups below it from each tree.
 *
 * A dying process keeps a group busy for a moment: retried for at most CGROUP_REMOVE_MS.
 * Return: 0 (also when there is none); -EBUSY when processes stay in it; -errno.
 */
int cgroup_leaf_remove(const struct cgroup_host *host, const char *name);

/* How long cgroup_leaf_remove() waits for dying processes. Source: a process that was
 * killed leaves its group within 1 ms when idle (measured); room for a loaded machine. */
#define CGROUP_REMOVE_MS 200U

/**
 * cgroup_each_leaf() - the leaves whose name ends in @suffix ("" for all), each once, whichever
 * trees it is in.  The callback may remove the leaf; its non-zero return ends the walk.
 * Return: 0, what the callback returned, or -errno.
 */
typedef int (*cgroup_leaf_fn)(void *data, const char *name);
int cgroup_each_leaf(const struct cgroup_host *host, const char *suffix, cgroup_leaf_fn fn,
		     void *data);

#endif
