/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.c - finding the trees and our directory in each (the host side), see cgroup.h.
 *
 * Theory of operation: the hot path is one statfs and one open per tree; everything that costs
 * more (mountinfo, making directories, enabling controllers) happens once per boot of the host or
 * only where the usual is not there.  Nothing is written to a tree's root but subtree_control of
 * v2, and there only controllers that are not enabled yet.
 */
#include "kernel/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/cgroup_extra.h"
#include "kernel/cgroup_limit.h"
#include "kernel/cgroup_priv.h"

/* Longest mountinfo read. Source: 100 mounts cost 700 us a clone (measured); 4 MiB is 30,000. */
#define MOUNTINFO_MAX_BYTES ((size_t)4 << 20)

/* Longest /proc/PID/cgroup. Source: a path is at most PATH_MAX, the kernel has 14 controllers. */
#define SELF_MAX_BYTES ((size_t)64 << 10)

const struct cgroup_tree_info cgroup_trees[_CGROUP_TREE_MAX] = {
	[CGROUP_TREE_UNIFIED] = {"unified", NULL, 0},
	[CGROUP_TREE_MEMORY] = {"memory", "memory", CGROUP_HAS_MEMORY},
	[CGROUP_TREE_CPU] = {"cpu", "cpu", CGROUP_HAS_CPU},
	[CGROUP_TREE_PIDS] = {"pids", "pids", CGROUP_HAS_PIDS},
	/* Accounting only: no limit depends on it. */
	[CGROUP_TREE_CPUACCT] = {"cpuacct", NULL, 0},
	[CGROUP_TREE_IO] = {"blkio", "io", CGROUP_HAS_IO},
	[CGROUP_TREE_CPUSET] = {"cpuset", "cpuset", CGROUP_HAS_CPUSET},
};

static bool is_fs(const char *path, uint32_t magic, bool *ret_read_only)
{
	struct statfs fs;

	if (statfs(path, &fs) != 0 || (uint32_t)fs.f_type != magic)
		return false;
	*ret_read_only = fs.f_flags & ST_RDONLY;
	return true;
}

/* Whether a v1 tree is one of those that only some dynos join, and of these none that is wanted. */
static bool is_unwanted(int tree, unsigned int extra)
{
	return (cgroup_trees[tree].has & CGROUP_HAS_EXTRA & ~extra) != 0;
}

/* The places where everybody mounts the trees. Return: whether any is there. */
static bool layout_usual(const char *root, unsigned int extra, struct cgroup_layout *ret)
{
	struct cgroup_layout layout = {0};
	bool any = false;

	if (is_fs(root, CGROUP2_SUPER_MAGIC, &layout.read_only[CGROUP_TREE_UNIFIED])) {
		(void)str_fmt(layout.mount[CGROUP_TREE_UNIFIED], sizeof(layout.mount[0]), "%s",
			      root);
		*ret = layout;
		return true;
	}

	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		uint32_t magic =
			t == CGROUP_TREE_UNIFIED ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC;
		char *mount = layout.mount[t];

		if (is_unwanted(t, extra))
			continue;
		(void)str_fmt(mount, sizeof(layout.mount[t]), "%s/%s", root, cgroup_trees[t].name);
		if (is_fs(mount, magic, &layout.read_only[t]))
			any = true;
		else
			mount[0] = '\0';
	}
	if (any)
		*ret = layout;
	return any;
}

static int read_proc(const char *path, size_t max_bytes, struct arena *arena, char **ret,
		     size_t *ret_len, struct dyno_err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : fd_read_all(fd, max_bytes, arena, ret, ret_len);

	return r < 0 ? err_set(err, ERR_CGROUP, -r, "read %s", path) : 0;
}

/* The caller's own group of v2, for root; unknown it stays "". */
static void layout_read_own(struct cgroup_layout *layout)
{
	_cleanup_arena_ struct arena arena = {0};
	struct cgroup_layout own;
	char *self = NULL;
	size_t len = 0;

	if (read_proc("/proc/self/cgroup", SELF_MAX_BYTES, &arena, &self, &len, NULL) == 0 &&
	    cgroup_layout_find("", 0, self, len, &own) == 0)
		memcpy(layout->own, own.own, sizeof(layout->own));
}

static int layout_read(struct cgroup_layout *ret, struct dyno_err *err)
{
	_cleanup_arena_ struct arena arena = {0};
	char *mounts = NULL, *self = NULL;
	size_t mounts_len = 0, self_len = 0;
	int r;

	r = read_proc("/proc/self/mountinfo", MOUNTINFO_MAX_BYTES, &arena, &mounts, &mounts_len,
		      err);
	if (r < 0)
		return r;
	r = read_proc("/proc/self/cgroup", SELF_MAX_BYTES, &arena, &self, &self_len, err);
	if (r < 0)
		return r;

	r = cgroup_layout_find(mounts, mounts_len, self, self_len, ret);
	return r < 0 ? err_set(err, ERR_CGROUP, -r, "understand /proc/self/mountinfo") : 0;
}

int cgroup_host_open(const char *root, struct cgroup_host *ret, struct dyno_err *err)
{
	return cgroup_host_open_with(root, 0, ret, err);
}

int cgroup_host_open_with(const char *root, unsigned int extra, struct cgroup_host *ret,
			  struct dyno_err *err)
{
	bool is_root = geteuid() == 0;
	struct cgroup_layout layout;
	int r;

	/* Where the caller itself is does not matter to root on v1. */
	if (!is_root || !layout_usual(root, extra, &layout)) {
		r = layout_read(&layout, err);
		if (r < 0)
			return r;
	} else if (str_eq(layout.mount[CGROUP_TREE_UNIFIED], root)) {
		layout_read_own(&layout);
	}
	layout.extra = extra;
	cgroup_host_open_layout(&layout, is_root, ret);
	return 0;
}

void cgroup_make_way(const char *root)
{
	struct cgroup_host host;

	if (cgroup_host_open(root, &host, NULL) == 0)
		cgroup_host_done(&host);
}

void cgroup_set_reason(struct cgroup_host *host, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)str_vfmt(host->reason, sizeof(host->reason), fmt, ap);
	va_end(ap);
	host->fix[0] = '\0';
}

int cgroup_open_parent(int base_fd, bool root)
{
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_close_ int fd = openat(base_fd, CGROUP_PARENT, flags);

	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(base_fd, CGROUP_PARENT, 0755) != 0 && errno != EEXIST)
			return -errno;
		fd = openat(base_fd, CGROUP_PARENT, flags);
	}
	if (fd < 0)
		return -errno;
	/* An administrator may have handed the directory to the caller: that counts, not the uid. */
	if (!root && faccessat(fd, ".", W_OK, AT_EACCESS) != 0)
		return -errno;
	return take_fd(&fd);
}

/* Trees mounted together are one directory: the same inode of the same file system. */
static enum cgroup_tree find_home(int fds[], enum cgroup_tree tree)
{
	struct stat mine, other;

	if (fstat(fds[tree], &mine) != 0)
		return tree;
	for (int t = CGROUP_TREE_MEMORY; t < (int)tree; t++)
		if (fds[t] >= 0 && fstat(fds[t], &other) == 0 && mine.st_dev == other.st_dev &&
		    mine.st_ino == other.st_ino)
			return (enum cgroup_tree)t;
	return tree;
}

static void open_v1_tree(const struct cgroup_layout *layout, enum cgroup_tree tree, int bases[],
			 bool root, struct cgroup_host *host)
{
	int fd;

	bases[tree] = open(layout->mount[tree], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (bases[tree] < 0)
		return;

	host->home[tree] = find_home(bases, tree);
	if (host->home[tree] == tree) {
		fd = layout->read_only[tree] ? -EROFS : cgroup_open_parent(bases[tree], root);
		if (fd < 0) {
			cgroup_set_reason(host, "%s is %s", layout->mount[tree],
					  fd == -EROFS ? "mounted read-only"
						       : "not writable for this user");
			(void)str_fmt(host->fix, sizeof(host->fix), "%s",
				      fd == -EROFS ? "mount it read-write"
						   : "run dyno as root, or boot with "
						     "systemd.unified_cgroup_hierarchy=1");
			return;
		}
		host->parent_fd[tree] = fd;
	}
	if (host->parent_fd[host->home[tree]] >= 0)
		host->controllers |= cgroup_trees[tree].has;
}

static int open_v1(const struct cgroup_layout *layout, bool root, struct cgroup_host *host)
{
	bool hybrid = layout->mount[CGROUP_TREE_UNIFIED][0] != '\0';
	int bases[_CGROUP_TREE_MAX];

	for (int t = 0; t < _CGROUP_TREE_MAX; t++)
		bases[t] = -EBADF;
	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		if (layout->mount[t][0] == '\0' || (cgroup_trees[t].has & CGROUP_HAS_EXTRA))
			continue;
		/* Every group of a v2 tree counts CPU time: cpu.stat. */
		if (t == CGROUP_TREE_CPUACCT && hybrid)
			continue;
		open_v1_tree(layout, (enum cgroup_tree)t, bases, root, host);
	}
	for (int t = 0; t < _CGROUP_TREE_MAX; t++)
		close_fdp(&bases[t]);

	if ((host->controllers & CGROUP_HAS_ALL) != CGROUP_HAS_ALL && host->reason[0] == '\0') {
		char list[32];

		cgroup_set_reason(host, "controllers %s are not mounted",
				  cgroup_controllers_text(CGROUP_HAS_ALL & ~host->controllers, list,
							  sizeof(list)));
		(void)str_fmt(
			host->fix, sizeof(host->fix),
			"mount them below %s, or boot with systemd.unified_cgroup_hierarchy=1",
			CGROUP_ROOT);
	}
	return host->controllers ? 0 : -ENOENT;
}

/* Our directory may be another tree's too, where both are mounted together. */
static void settle_extra(struct cgroup_host *host, enum cgroup_tree tree, int *fd)
{
	host->parent_fd[tree] = *fd;
	host->home[tree] = find_home(host->parent_fd, tree);
	if (host->home[tree] == tree)
		(void)take_fd(fd);
	else
		host->parent_fd[tree] = -EBADF;
	host->controllers |= cgroup_trees[tree].has;
}

/* One that is not there is missing only for the dyno that asks for it: no reason is told. */
static void open_v1_extra(const struct cgroup_layout *layout, enum cgroup_tree tree, bool root,
			  struct cgroup_host *host)
{
	_cleanup_close_ int base = -EBADF;
	_cleanup_close_ int fd = -EBADF;

	if (layout->mount[tree][0] == '\0' || is_unwanted(tree, layout->extra))
		return;
	base = open(layout->mount[tree], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (base < 0 || layout->read_only[tree])
		return;
	if ((layout->extra & CGROUP_AS_IT_IS) && faccessat(base, CGROUP_PARENT, F_OK, 0) != 0)
		return;
	fd = cgroup_open_parent(base, root);
	if (fd < 0)
		return;
	if (tree == CGROUP_TREE_CPUSET)
		cgroup_prepare_cpuset(base, fd);
	settle_extra(host, tree, &fd);
}

static bool layout_has_v1(const struct cgroup_layout *layout)
{
	for (int t = CGROUP_TREE_MEMORY; t < _CGROUP_TREE_MAX; t++)
		if (layout->mount[t][0] != '\0' && !(cgroup_trees[t].has & CGROUP_HAS_EXTRA))
			return true;
	return false;
}

void cgroup_host_open_layout(const struct cgroup_layout *layout, bool root, struct cgroup_host *ret)
{
	bool v1 = layout_has_v1(layout);
	bool v2 = layout->mount[CGROUP_TREE_UNIFIED][0] != '\0';
	struct cgroup_host host = {.extra = layout->extra};
	int r;

	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		host.parent_fd[t] = -EBADF;
		host.home[t] = v1 ? (enum cgroup_tree)t : CGROUP_TREE_UNIFIED;
	}

	if (v1) {
		r = open_v1(layout, root, &host);
		if (r == 0 && layout->extra) {
			open_v1_extra(layout, CGROUP_TREE_IO, root, &host);
			open_v1_extra(layout, CGROUP_TREE_CPUSET, root, &host);
		}
		v2 = host.parent_fd[CGROUP_TREE_UNIFIED] >= 0;
		host.kind = v2 ? CGROUP_HYBRID : CGROUP_V1;
	} else if (v2) {
		r = cgroup_open_v2(layout, root, &host);
		host.kind = CGROUP_V2;
	} else {
		cgroup_set_reason(&host, "no control groups are mounted");
		(void)str_fmt(host.fix, sizeof(host.fix), "mount -t cgroup2 cgroup2 %s",
			      CGROUP_ROOT);
		r = -ENOENT;
	}

	/* A leaf that limits nothing is not worth its cost. */
	if (r < 0) {
		cgroup_host_done(&host);
		host.kind = CGROUP_NONE;
		host.controllers = 0;
	}
	*ret = host;
}

/* Our directory of one tree again, made anew where it is gone. Return: 0 or -errno. */
static int mend_tree(struct cgroup_host *host, enum cgroup_tree tree, bool root)
{
	_cleanup_close_ int base =
		openat(host->parent_fd[tree], "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct cgroup_host again = *host;
	int r;

	if (base < 0)
		return -errno;
	if (host->kind == CGROUP_V2) {
		r = cgroup_prepare_v2(base, "", root, &again);
	} else {
		r = cgroup_open_parent(base, root);
		again.parent_fd[tree] = r;
		if (r >= 0 && tree == CGROUP_TREE_CPUSET)
			cgroup_prepare_cpuset(base, r);
	}
	if (r < 0)
		return r;
	close_fdp(&host->parent_fd[tree]);
	*host = again;
	return 0;
}

int cgroup_host_mend(struct cgroup_host *host)
{
	const bool root = geteuid() == 0;

	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		int r = host->parent_fd[t] < 0 ? 0 : mend_tree(host, (enum cgroup_tree)t, root);

		if (r < 0)
			return r;
	}
	return 0;
}

void cgroup_host_done(struct cgroup_host *host)
{
	if (!host || host->kind == CGROUP_NONE)
		return;
	for (int t = 0; t < _CGROUP_TREE_MAX; t++)
		close_fdp(&host->parent_fd[t]);
}
