/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

#include "base/childsafe.h"

/* What a file system context says on a failed step, one line. Source: fs/fs_context.c */
#define FS_LOG_BYTES 160
/* "/dev/" and the name of a node. */
#define DEV_PATH_BYTES 32

int mounts_make_private(struct dyno_err *err)
{
	struct mount_attr attr = {.propagation = MS_PRIVATE};

	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return err_set(err, ERR_MOUNT, errno, "make the mounts private");
	return 0;
}

static bool same_inode(int a, int b)
{
	struct stat sa;
	struct stat sb;

	if (fstat(a, &sa) < 0 || fstat(b, &sb) < 0)
		return false;
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static int attrs_failed(int num, bool mapped, const char *path, struct dyno_err *err)
{
	if (!mapped || num != EINVAL)
		return err_set(err, ERR_MOUNT, num, "set the attributes of the mount of %s", path);
	err_set(err, ERR_IDMAP, EOPNOTSUPP, "map the ids of the mount of %s", path);
	err_hint(err, "keep --data-dir on a file system that takes id maps, such as ext4 or xfs");
	return -EOPNOTSUPP;
}

int mounts_clone(const char *path, int expect_fd, int userns_fd, uint64_t attrs,
		 struct dyno_err *err)
{
	/* Of a shared mount the copy would be a peer: what is mounted there later would be seen. */
	struct mount_attr attr = {.attr_set = attrs, .propagation = MS_PRIVATE};
	/* A path that must lead to a known inode may do so through a link. */
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
			     (expect_fd < 0 ? (unsigned int)AT_SYMLINK_NOFOLLOW : 0U);
	_cleanup_close_ int fd = -EBADF;
	bool others = false;

	fd = open_tree(AT_FDCWD, path, flags);
	/* A mount with others locked below it (rootless) can only be taken with them. */
	if (fd < 0 && errno == EINVAL) {
		fd = open_tree(AT_FDCWD, path, flags | AT_RECURSIVE);
		others = true;
	}
	if (fd < 0)
		return err_set(err, ERR_MOUNT, errno, "clone the mount of %s", path);
	if (expect_fd >= 0 && !same_inode(fd, expect_fd))
		return err_set(err, ERR_MOUNT, ESTALE, "clone the mount of %s", path);
	/* They are seen, so they are as read-only as the one asked for; ids are that one's alone. */
	if (others && mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return err_set(err, ERR_MOUNT, errno, "set the attributes of the mounts below %s",
			       path);
	if (userns_fd >= 0) {
		attr.attr_set |= MOUNT_ATTR_IDMAP;
		attr.userns_fd = (unsigned int)userns_fd;
	}
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return attrs_failed(errno, userns_fd >= 0, path, err);
	return take_fd(&fd);
}

/* The context's own words on what it did not like; they are the only hint there is. */
static int fs_failed(int fs, const char *type, const char *what, struct dyno_err *err)
{
	int num = errno;
	char log[FS_LOG_BYTES];
	char text[FS_LOG_BYTES];
	ssize_t n = read(fs, log, sizeof(log) - 1);

	if (n <= 0)
		return err_set(err, ERR_MOUNT, num, "%s %s", what, type);
	while (n > 0 && log[n - 1] == '\n')
		n--;
	log[n] = '\0';
	/* A line begins with its level, one letter and a blank. */
	return err_set(err, ERR_MOUNT, num, "%s %s (%s)", what, type,
		       str_escape(text, sizeof(text), n > 2 && log[1] == ' ' ? log + 2 : log));
}

static int fs_open(const char *type, struct dyno_err *err)
{
	int fs = fsopen(type, FSOPEN_CLOEXEC);
	int num = errno;

	if (fs >= 0)
		return fs;
	if (num == ENOSYS) {
		err_set(err, ERR_KERNEL, num, "open a %s by the new mount interface", type);
		err_hint(err, "Linux 5.12 or later is needed, and no filter that hides fsopen");
		return -num;
	}
	err_set(err, ERR_MOUNT, num, "open a %s", type);
	if (num == ENODEV)
		err_hint(err, "the kernel has no %s: load its module (modprobe %s)", type, type);
	return -num;
}

static int fs_string(int fs, const char *key, const char *value)
{
	return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0);
}

static int fs_number(int fs, const char *key, uint64_t value)
{
	char text[24];

	str_fmt(text, sizeof(text), "%llu", (unsigned long long)value);
	return fs_string(fs, key, text);
}

static int fs_mode(int fs, const char *key, mode_t mode)
{
	char text[12];

	str_fmt(text, sizeof(text), "%04o", mode);
	return fs_string(fs, key, text);
}

static int fs_mount(int fs, const char *type, unsigned int attrs, struct dyno_err *err)
{
	int fd;

	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fs_failed(fs, type, "create a", err);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, attrs);
	if (fd < 0)
		return fs_failed(fs, type, "mount a", err);
	return fd;
}

int mounts_tmpfs(const struct tmpfs_plan *plan, struct dyno_err *err)
{
	_cleanup_close_ int fs = fs_open("tmpfs", err);

	if (fs < 0)
		return fs;
	if (fs_number(fs, "size", plan->bytes) < 0 ||
	    (plan->inodes && fs_number(fs, "nr_inodes", plan->inodes) < 0) ||
	    fs_mode(fs, "mode", plan->mode) < 0 ||
	    (plan->uid && fs_number(fs, "uid", plan->uid) < 0) ||
	    (plan->gid && fs_number(fs, "gid", plan->gid) < 0))
		return fs_failed(fs, "tmpfs", "configure a", err);
	return fs_mount(fs, "tmpfs", plan->attrs, err);
}

int mounts_overlay(const struct overlay_plan *plan, struct dyno_err *err)
{
	_cleanup_close_ int fs = fs_open("overlay", err);

	if (fs < 0)
		return fs;
	if (plan->userxattr && fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
		return fs_failed(fs, "overlay", "configure a userxattr", err);
	if (plan->is_volatile && fsconfig(fs, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0)
		return fs_failed(fs, "overlay", "configure a volatile", err);
	if (fs_string(fs, "lowerdir", plan->lower) < 0 ||
	    (plan->upper && (fs_string(fs, "upperdir", plan->upper) < 0 ||
			     fs_string(fs, "workdir", plan->work) < 0)))
		return fs_failed(fs, "overlay", "give its layers to an", err);
	return fs_mount(fs, "overlay", plan->attrs, err);
}

int mounts_proc(struct dyno_err *err)
{
	_cleanup_close_ int fs = fs_open("proc", err);

	if (fs < 0)
		return fs;
	return fs_mount(fs, "proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
}

int mounts_devpts(int64_t tty_gid, struct dyno_err *err)
{
	_cleanup_close_ int fs = fs_open("devpts", err);

	if (fs < 0)
		return fs;
	/* Source: contract 2.7: mode=620, ptmxmode=666, max=1024 */
	if (fs_string(fs, "mode", "0620") < 0 || fs_string(fs, "ptmxmode", "0666") < 0 ||
	    fs_string(fs, "max", "1024") < 0 ||
	    (tty_gid >= 0 && fs_number(fs, "gid", (uint64_t)tty_gid) < 0))
		return fs_failed(fs, "devpts", "configure a", err);
	return fs_mount(fs, "devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);
}

struct dev_node {
	const char *name;
	unsigned int major;
	unsigned int minor;
};

/* Source: Documentation/admin-guide/devices.txt */
static const struct dev_node dev_nodes[] = {
	{"null", 1, 3},	  {"zero", 1, 5},    {"full", 1, 7},
	{"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
};

static const char *const dev_links[][2] = {
	{"/proc/self/fd", "fd"},       {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
	{"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"},
};

static const char *const dev_dirs[] = {"pts", "shm"};

static int dev_make(int dev_fd, const struct dev_node *node, struct dyno_err *err)
{
	if (mknodat(dev_fd, node->name, S_IFCHR | 0666, makedev(node->major, node->minor)) < 0)
		return err_set(err, ERR_MOUNT, errno, "make the device node /dev/%s", node->name);
	return 0;
}

static int dev_bind(int dev_fd, const struct dev_node *node, struct dyno_err *err)
{
	_cleanup_close_ int mnt = -EBADF;
	_cleanup_close_ int at = -EBADF;
	char path[DEV_PATH_BYTES];
	struct stat st;

	str_fmt(path, sizeof(path), "/dev/%s", node->name);
	mnt = mounts_clone(path, -1, -1, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);
	if (mnt < 0)
		return mnt;
	/* A host may have anything at that name: only the device itself is let in. */
	if (fstat(mnt, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(node->major, node->minor))
		return err_set(err, ERR_MOUNT, ENODEV, "bind %s", path);
	at = openat(dev_fd, node->name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
	if (at < 0)
		return err_set(err, ERR_MOUNT, errno, "make the mount point of %s", path);
	return mounts_attach(mnt, dev_fd, node->name, err);
}

/* In the order of creation; the links' own ids matter to nobody but ls. */
static int dev_give(int dev_fd, uid_t uid, gid_t gid, struct dyno_err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dev_nodes) + ARRAY_SIZE(dev_links) + ARRAY_SIZE(dev_dirs); i++) {
		size_t l = i - ARRAY_SIZE(dev_nodes);
		const char *name = i < ARRAY_SIZE(dev_nodes) ? dev_nodes[i].name
				   : l < ARRAY_SIZE(dev_links)
					   ? dev_links[l][1]
					   : dev_dirs[l - ARRAY_SIZE(dev_links)];

		if (fchownat(dev_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
			return err_set(err, ERR_MOUNT, errno, "give away /dev/%s", name);
	}
	return 0;
}

int mounts_dev_fill(int dev_fd, bool bind, uid_t uid, gid_t gid, struct dyno_err *err)
{
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(dev_nodes); i++) {
		r = bind ? dev_bind(dev_fd, &dev_nodes[i], err)
			 : dev_make(dev_fd, &dev_nodes[i], err);
		if (r < 0)
			return r;
	}
	for (i = 0; i < ARRAY_SIZE(dev_links); i++)
		if (symlinkat(dev_links[i][0], dev_fd, dev_links[i][1]) < 0)
			return err_set(err, ERR_MOUNT, errno, "make /dev/%s", dev_links[i][1]);
	for (i = 0; i < ARRAY_SIZE(dev_dirs); i++)
		if (mkdirat(dev_fd, dev_dirs[i], 0755) < 0)
			return err_set(err, ERR_MOUNT, errno, "make /dev/%s", dev_dirs[i]);
	return bind ? 0 : dev_give(dev_fd, uid, gid, err);
}

static bool has_slash(const char *path)
{
	for (; *path; path++)
		if (*path == '/')
			return true;
	return false;
}

int mounts_attach(int mount_fd, int root_fd, const char *path, struct dyno_err *err)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	_cleanup_close_ int at = -EBADF;
	int r;

	/* One component is never followed by move_mount; more could pass through a link. */
	if (!has_slash(path)) {
		r = move_mount(mount_fd, "", root_fd, path, MOVE_MOUNT_F_EMPTY_PATH);
	} else {
		at = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
		if (at < 0)
			return err_set(err, ERR_MOUNT, errno, "open the mount point /%s", path);
		return mounts_attach_over(mount_fd, at, path, err);
	}
	if (r < 0)
		return err_set(err, ERR_MOUNT, errno, "attach the mount of /%s", path);
	return 0;
}

int mounts_attach_over(int mount_fd, int at_fd, const char *path, struct dyno_err *err)
{
	if (move_mount(mount_fd, "", at_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
	    0)
		return err_set(err, ERR_MOUNT, errno, "attach the mount of /%s", path);
	return 0;
}

/* ---- mount points of the caller's choice ---------------------------------------------------- */

static int point_open(int at_fd, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};

	return (int)syscall(SYS_openat2, at_fd, path, &how, sizeof(how));
}

static int point_failed(const struct point_plan *plan, int num, struct dyno_err *err)
{
	err_set(err, ERR_MOUNT_INVALID, num, "open the mount point /%s", plan->path);
	if (num == ELOOP)
		err_hint(err, "the slug or the stack has a symbolic link in this path: name the "
			      "path that it leads to");
	else if (num == ENOTDIR || num == EISDIR)
		err_hint(err, "a directory goes over a directory, a file over a file");
	else if (num == EROFS)
		err_hint(err, "it is missing in a read-only directory of the host: choose a path "
			      "that is there, or one outside");
	else if (num == ENOENT)
		err_hint(err, "make it in the directory that is mounted above it: dyno makes "
			      "nothing in a directory of the host");
	return -num;
}

/* Makes one component. Return: 0 or -errno; that it is there is fine. */
static int point_make_one(int at_fd, const char *name, bool file, const struct point_plan *plan)
{
	_cleanup_close_ int fd = -EBADF;

	if (file) {
		fd = openat(at_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0644);
		if (fd < 0)
			return errno == EEXIST ? 0 : -errno;
	} else if (mkdirat(at_fd, name, 0755) < 0) {
		return errno == EEXIST ? 0 : -errno;
	}
	if (plan->give && fchownat(at_fd, name, plan->uid, plan->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

/* The next component of *@path into @name. Return: whether it is the last. */
static bool point_next(const char **path, char name[NAME_MAX + 1])
{
	size_t n = 0;

	while (**path && **path != '/' && n < NAME_MAX)
		name[n++] = *(*path)++;
	name[n] = '\0';
	while (**path == '/')
		(*path)++;
	return **path == '\0';
}

static int point_make(int root_fd, const struct point_plan *plan)
{
	const char *path = plan->path;
	_cleanup_close_ int at = -EBADF;
	char name[NAME_MAX + 1];
	bool last;
	int fd;
	int r;

	do {
		last = point_next(&path, name);
		fd = point_open(at >= 0 ? at : root_fd, name);
		if (fd < 0 && errno == ENOENT) {
			r = point_make_one(at >= 0 ? at : root_fd, name, last && plan->file, plan);
			if (r < 0)
				return r;
			fd = point_open(at >= 0 ? at : root_fd, name);
		}
		if (fd < 0)
			return -errno;
		close_fdp(&at);
		at = fd;
	} while (!last);
	return take_fd(&at);
}

int mounts_point(int root_fd, const struct point_plan *plan, struct dyno_err *err)
{
	_cleanup_close_ int fd = point_open(root_fd, plan->path);
	struct stat st;

	if (fd < 0)
		fd = errno == ENOENT && plan->make ? point_make(root_fd, plan) : -errno;
	if (fd < 0)
		return point_failed(plan, -fd, err);
	if (fstat(fd, &st) < 0)
		return point_failed(plan, errno, err);
	if (S_ISDIR(st.st_mode) == plan->file)
		return point_failed(plan, plan->file ? EISDIR : ENOTDIR, err);
	return take_fd(&fd);
}

int mounts_attach_at(int mount_fd, const char *path, struct dyno_err *err)
{
	if (move_mount(mount_fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_set(err, ERR_MOUNT, errno, "attach the root at %s", path);
	return 0;
}

int mounts_set(int mount_fd, uint64_t attrs, struct dyno_err *err)
{
	struct mount_attr attr = {.attr_set = attrs};

	if (mount_setattr(mount_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_set(err, ERR_MOUNT, errno, "set the attributes of a mount");
	return 0;
}

int mounts_pivot(int root_fd, struct dyno_err *err)
{
	if (fchdir(root_fd) < 0)
		return err_set(err, ERR_MOUNT, errno, "enter the new root");
	/* The old root lands on top of the new one at the same place and is detached from there. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_set(err, ERR_MOUNT, errno, "pivot to the new root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_set(err, ERR_MOUNT, errno, "detach the host's root");
	if (chdir("/") < 0)
		return err_set(err, ERR_MOUNT, errno, "enter /");
	return 0;
}
