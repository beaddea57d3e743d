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
#include "kernel/cgroup_limit.h"
#include "kernel/cgroup_priv.h"

/* Longest mountinfo read. Source: 100 mounts cost 700 us a clone (measured); 4 MiB is 30,000. */
#define MOUNTINFO_MAX_BYTES ((size_t)4 << 20)

/* Longest /proc/PID/cgroup. Source: a path is at most PATH_MAX, the kernel has 14 controllers. */
#define SELF_MAX_BYTES ((size_t)64 << 10)

/* Where a launcher moves itself, so that its delegated group may have groups with controllers. */
#define LAUNCHER_GROUP "dyno.launcher"

const struct cgroup_tree_info cgroup_trees[_CGROUP_TREE_MAX] = {
	[CGROUP_TREE_UNIFIED] = {"unified", 0},
	[CGROUP_TREE_MEMORY] = {"memory", CGROUP_HAS_MEMORY},
	[CGROUP_TREE_CPU] = {"cpu", CGROUP_HAS_CPU},
	[CGROUP_TREE_PIDS] = {"pids", CGROUP_HAS_PIDS},
	/* Accounting only: no limit depends on it. */
	[CGROUP_TREE_CPUACCT] = {"cpuacct", 0},
};

static bool is_fs(const char *path, uint32_t magic, bool *ret_read_only)
{
	struct statfs fs;

	if (statfs(path, &fs) != 0 || (uint32_t)fs.f_type != magic)
		return false;
	*ret_read_only = fs.f_flags & ST_RDONLY;
	return true;
}

/* The places where everybody mounts the trees. Return: whether any is there. */
static bool layout_usual(const char *root, struct cgroup_layout *ret)
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
	bool is_root = geteuid() == 0;
	struct cgroup_layout layout;
	int r;

	/* Only without root does it matter where the caller itself is. */
	if (!is_root || !layout_usual(root, &layout)) {
		r = layout_read(&layout, err);
		if (r < 0)
			return r;
	}
	cgroup_host_open_layout(&layout, is_root, ret);
	return 0;
}

_printf_(2, 3) static void set_reason(struct cgroup_host *host, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)str_vfmt(host->reason, sizeof(host->reason), fmt, ap);
	va_end(ap);
	host->fix[0] = '\0';
}

/*
 * Our directory in a tree.
 * Return: an O_PATH descriptor, or -errno (-EACCES, -EROFS: not for us).
 */
static int open_parent(int base_fd, bool root)
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

/* Return: CGROUP_HAS_* of the words in a controllers file, 0 where there is none. */
static unsigned int read_controllers(int dir_fd, const char *file)
{
	unsigned int found = 0;
	char text[256] = " ";
	_cleanup_close_ int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : fd_read_full(fd, text + 1, sizeof(text) - 3);

	if (n <= 0)
		return 0;
	/* Blanks around, so that each word is found whole: "cpu" is not "cpuset". */
	text[n + 1] = '\0';
	for (ssize_t i = 0; i <= n; i++)
		if (text[i] == '\n')
			text[i] = ' ';
	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		char word[16];

		(void)str_fmt(word, sizeof(word), " %s ", cgroup_trees[t].name);
		if (cgroup_trees[t].has != 0 && strstr(text, word))
			found |= cgroup_trees[t].has;
	}
	return found;
}

/* Enable controllers for the children of a group. Return: those that are enabled afterwards;
 * @ret_num: errno of the last refusal, 0. */
static unsigned int enable_controllers(int dir_fd, int *ret_num)
{
	unsigned int enabled = read_controllers(dir_fd, "cgroup.subtree_control");
	unsigned int offered;

	*ret_num = 0;
	if (enabled == CGROUP_HAS_ALL)
		return enabled;

	offered = read_controllers(dir_fd, "cgroup.controllers");
	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		unsigned int has = cgroup_trees[t].has;
		char word[16];
		int r;

		if ((offered & ~enabled & has) == 0)
			continue;
		/* One by one: a refused controller must not take the others with it. */
		(void)str_fmt(word, sizeof(word), "+%s", cgroup_trees[t].name);
		r = file_write_at(dir_fd, "cgroup.subtree_control", word);
		if (r < 0)
			*ret_num = -r;
		else
			enabled |= has;
	}
	return enabled;
}

static void explain_v2(struct cgroup_host *host, const char *where, int num, bool root)
{
	char list[32];

	(void)cgroup_controllers_text(CGROUP_HAS_ALL & ~host->controllers, list, sizeof(list));
	if (num == EBUSY) {
		set_reason(host, "controllers %s cannot be enabled: %s holds processes itself",
			   list, where);
		(void)str_fmt(host->fix, sizeof(host->fix), "%s",
			      root ? "move them to a group below it, as cgroups(7) asks"
				   : "systemd-run --user --scope -p Delegate=yes dyno ...");
	} else if (num == EACCES || num == EPERM || num == EROFS) {
		set_reason(host, "%s is %s", where,
			   num == EROFS ? "mounted read-only" : "not delegated to this user");
		(void)str_fmt(host->fix, sizeof(host->fix), "%s",
			      root ? "mount it read-write, or give the container its own cgroups"
				   : "systemd-run --user --scope -p Delegate=yes dyno ...");
	} else {
		set_reason(host, "controllers %s are not available in %s", list, where);
		(void)str_fmt(host->fix, sizeof(host->fix), "%s",
			      root ? "look for cgroup_disable= on the kernel command line"
				   : "as root: systemctl edit user@.service, [Service] "
				     "Delegate=cpu memory pids");
	}
}

/*
 * Make our directory in a v2 group usable: controllers on in the group, and in ours.
 * Return: 0, or -errno with the reason in @host. @base_fd: borrowed.
 */
static int prepare_v2(int base_fd, const char *where, bool root, struct cgroup_host *host)
{
	_cleanup_close_ int parent =
		openat(base_fd, CGROUP_PARENT, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int num = 0, ignored;

	/* The usual case, once a first start has made it. */
	if (parent >= 0 && read_controllers(parent, "cgroup.subtree_control") == CGROUP_HAS_ALL &&
	    (root || faccessat(parent, ".", W_OK, AT_EACCESS) == 0)) {
		host->controllers = CGROUP_HAS_ALL;
		host->parent_fd[CGROUP_TREE_UNIFIED] = take_fd(&parent);
		return 0;
	}

	close_fdp(&parent);
	parent = open_parent(base_fd, root);
	if (parent < 0) {
		num = -parent;
		explain_v2(host, where, num, root);
		return -num;
	}

	/* The first refusal is the cause: what the group does not give on, ours cannot have. */
	(void)enable_controllers(base_fd, &num);
	host->controllers = enable_controllers(parent, num ? &ignored : &num);
	if (host->controllers != CGROUP_HAS_ALL)
		explain_v2(host, where, num, root);
	if (host->controllers == 0) {
		(void)unlinkat(base_fd, CGROUP_PARENT, AT_REMOVEDIR); /* stays where it is in use */
		return num ? -num : -ENOENT;
	}

	host->parent_fd[CGROUP_TREE_UNIFIED] = take_fd(&parent);
	return 0;
}

/* Whether the caller is the only process of a group. */
static bool alone_in(int dir_fd)
{
	char text[64], me[16];
	_cleanup_close_ int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	(void)str_fmt(me, sizeof(me), "%d\n", getpid());
	return str_eq(text, me);
}

/* Leave an inner group for a leaf of it. Return: 0 or -errno. */
static int step_aside(int dir_fd)
{
	if (mkdirat(dir_fd, LAUNCHER_GROUP, 0755) != 0 && errno != EEXIST)
		return -errno;
	return file_write_at(dir_fd, LAUNCHER_GROUP "/cgroup.procs", "0");
}

/* The last component of @path is cut off. Return: false when it is the root already. */
static bool path_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || slash[1] == '\0')
		return false;
	slash[slash == path ? 1 : 0] = '\0';
	return true;
}

static int open_group(const struct cgroup_layout *layout, const char *group, char *where,
		      size_t size)
{
	int fd;

	(void)str_fmt(where, size, "%s%s", layout->mount[CGROUP_TREE_UNIFIED],
		      str_eq(group, "/") ? "" : group);
	fd = open(where, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * Make the caller's own group an inner one.
 * Return: 0; -EBUSY when it is the caller's, but not the caller's alone; -errno when it is not.
 */
static int claim_own_group(int own_fd)
{
	if (faccessat(own_fd, ".", W_OK, AT_EACCESS) != 0)
		return -errno;
	return alone_in(own_fd) ? step_aside(own_fd) : -EBUSY;
}

/* Without root: the caller's own group if it may be used, else the one around it. */
static int open_v2_delegated(const struct cgroup_layout *layout, struct cgroup_host *host)
{
	char own[sizeof(layout->mount[0]) + sizeof(layout->own[0])];
	char around[sizeof(own)];
	char group[sizeof(layout->own[0])];
	_cleanup_close_ int around_fd = -EBADF;
	_cleanup_close_ int own_fd = -EBADF;
	bool inside, shared;
	int r;

	(void)str_fmt(group, sizeof(group), "%s", layout->own[CGROUP_TREE_UNIFIED]);
	own_fd = open_group(layout, group, own, sizeof(own));
	if (own_fd < 0) {
		set_reason(host, "the caller's own group %s is not visible", own);
		return own_fd;
	}

	/* After stepping aside once, a launcher's children find themselves in its leaf. */
	inside = str_ends(group, "/" LAUNCHER_GROUP);
	r = inside ? -ENOTEMPTY : claim_own_group(own_fd);
	if (r == 0)
		return prepare_v2(own_fd, own, false, host);
	shared = r == -EBUSY;

	if (!path_up(group)) {
		explain_v2(host, own, EBUSY, false);
		return -EBUSY;
	}
	around_fd = open_group(layout, group, around, sizeof(around));
	r = around_fd < 0 ? around_fd : prepare_v2(around_fd, around, false, host);
	if (r < 0)
		explain_v2(host, shared ? own : around, shared ? EBUSY : -r, false);
	return r;
}

static int open_v2_root(const struct cgroup_layout *layout, struct cgroup_host *host)
{
	char where[sizeof(layout->mount[0]) + 2];
	_cleanup_close_ int fd = open_group(layout, "/", where, sizeof(where));

	if (fd < 0) {
		set_reason(host, "%s cannot be opened", where);
		return fd;
	}
	/* Where ours was made before that was so, nothing else would tell. */
	if (layout->read_only[CGROUP_TREE_UNIFIED]) {
		explain_v2(host, where, EROFS, true);
		return -EROFS;
	}
	return prepare_v2(fd, where, true, host);
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
		fd = layout->read_only[tree] ? -EROFS : open_parent(bases[tree], root);
		if (fd < 0) {
			set_reason(host, "%s is %s", layout->mount[tree],
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
		if (layout->mount[t][0] == '\0')
			continue;
		/* Every group of a v2 tree counts CPU time: cpu.stat. */
		if (t == CGROUP_TREE_CPUACCT && hybrid)
			continue;
		open_v1_tree(layout, (enum cgroup_tree)t, bases, root, host);
	}
	for (int t = 0; t < _CGROUP_TREE_MAX; t++)
		close_fdp(&bases[t]);

	if (host->controllers != CGROUP_HAS_ALL && host->reason[0] == '\0') {
		char list[32];

		set_reason(host, "controllers %s are not mounted",
			   cgroup_controllers_text(CGROUP_HAS_ALL & ~host->controllers, list,
						   sizeof(list)));
		(void)str_fmt(
			host->fix, sizeof(host->fix),
			"mount them below %s, or boot with systemd.unified_cgroup_hierarchy=1",
			CGROUP_ROOT);
	}
	return host->controllers ? 0 : -ENOENT;
}

static bool layout_has_v1(const struct cgroup_layout *layout)
{
	for (int t = CGROUP_TREE_MEMORY; t < _CGROUP_TREE_MAX; t++)
		if (layout->mount[t][0] != '\0')
			return true;
	return false;
}

void cgroup_host_open_layout(const struct cgroup_layout *layout, bool root, struct cgroup_host *ret)
{
	bool v1 = layout_has_v1(layout);
	bool v2 = layout->mount[CGROUP_TREE_UNIFIED][0] != '\0';
	struct cgroup_host host = {0};
	int r;

	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		host.parent_fd[t] = -EBADF;
		host.home[t] = v1 ? (enum cgroup_tree)t : CGROUP_TREE_UNIFIED;
	}

	if (v1) {
		r = open_v1(layout, root, &host);
		v2 = host.parent_fd[CGROUP_TREE_UNIFIED] >= 0;
		host.kind = v2 ? CGROUP_HYBRID : CGROUP_V1;
	} else if (v2) {
		r = root ? open_v2_root(layout, &host) : open_v2_delegated(layout, &host);
		host.kind = CGROUP_V2;
	} else {
		set_reason(&host, "no control groups are mounted");
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

void cgroup_host_done(struct cgroup_host *host)
{
	if (!host || host->kind == CGROUP_NONE)
		return;
	for (int t = 0; t < _CGROUP_TREE_MAX; t++)
		close_fdp(&host->parent_fd[t]);
}
