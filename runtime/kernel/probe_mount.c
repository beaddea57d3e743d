/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_mount.c - probes of file systems: real mounts, in a mount namespace of a child, over the
 * file system that holds the data directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/probe_priv.h"
#include "kernel/userns.h"

/* A descriptor under its name in /proc: the one path by which a layer can be named to overlay. */
struct fd_path {
	char text[32];
};

static struct fd_path fd_path(int fd)
{
	struct fd_path path = {""};

	(void)str_fmt(path.text, sizeof(path.text), "/proc/self/fd/%d", fd);
	return path;
}

static int fs_set(int fs, const char *key, const char *value)
{
	return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0) == 0 ? 0 : -errno;
}

/* Return: a detached mount of a configured file system, or -errno. */
static int fs_finish(int fs)
{
	int fd;

	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* A tmpfs attached at @path in the namespace of the child. Return: its root, or -errno. */
static int tmpfs_at(const char *path)
{
	_cleanup_close_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	_cleanup_close_ int fd = fs < 0 ? -errno : fs_finish(fs);

	if (fd < 0)
		return fd;
	if (move_mount(fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) != 0)
		return -errno;
	return take_fd(&fd);
}

static int child_mount_api(const struct probe_ctx *ctx)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	_cleanup_close_ int tmpfs = -EBADF;
	_cleanup_close_ int tree = -EBADF;
	int r = probe_enter_mounts();

	(void)ctx;
	if (r < 0)
		return r;
	tmpfs = tmpfs_at("/sys");
	if (tmpfs < 0)
		return tmpfs;
	tree = open_tree(tmpfs, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return -errno;
	return mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0 ? 0 : -errno;
}

void probe_mount_api(const struct probe_ctx *ctx, struct probe_result *ret)
{
	probe_say_syscall(ret, probe_in_child(child_mount_api, ctx), DYNO_MISSING,
			  "fsopen, fsmount, move_mount, open_tree, mount_setattr",
			  "roots are built by them");
}

/* How the lower layer is named to the kernel. */
enum layer_form { LAYER_FD, LAYER_APPEND, LAYER_PATH };

static int set_layer(int fs, int lower, enum layer_form form)
{
	switch (form) {
	case LAYER_FD:
		return fsconfig(fs, FSCONFIG_SET_FD, "lowerdir+", NULL, lower) == 0 ? 0 : -errno;
	case LAYER_APPEND:
		return fs_set(fs, "lowerdir+", fd_path(lower).text);
	case LAYER_PATH:
		break;
	}
	return fs_set(fs, "lowerdir", fd_path(lower).text);
}

static int make_dir(int dir_fd, const char *name)
{
	int fd;

	if (mkdirat(dir_fd, name, 0755) != 0)
		return -errno;
	fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int configure_overlay(int fs, int lower, int upper, int work, enum layer_form form,
			     bool rootless)
{
	int r = set_layer(fs, lower, form);

	if (r == 0)
		r = fs_set(fs, "upperdir", fd_path(upper).text);
	if (r == 0)
		r = fs_set(fs, "workdir", fd_path(work).text);
	if (r == 0 && rootless && fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) != 0)
		r = -errno;
	return r;
}

/*
 * Overlay over the data directory's file system, with its upper in a tmpfs, and a file made in it,
 * as a dyno does.
 */
static int try_overlay(const struct probe_ctx *ctx, enum layer_form form)
{
	char data[PATH_MAX];
	bool rootless = geteuid() != 0;
	_cleanup_close_ int lower = -EBADF, tmpfs = -EBADF, upper = -EBADF, work = -EBADF;
	_cleanup_close_ int fs = -EBADF, root = -EBADF, file = -EBADF;
	int r = probe_enter_mounts();

	if (r < 0)
		return r;
	probe_existing_dir(ctx->data_dir ? ctx->data_dir : "/", data, sizeof(data));
	/* Opened in this namespace: overlay takes no layer of another. */
	lower = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fs = fsopen("overlay", FSOPEN_CLOEXEC);
	if (lower < 0 || fs < 0)
		return -errno;
	tmpfs = tmpfs_at("/sys");
	upper = tmpfs < 0 ? tmpfs : make_dir(tmpfs, "upper");
	work = upper < 0 ? upper : make_dir(tmpfs, "work");
	if (work < 0)
		return work;

	r = configure_overlay(fs, lower, upper, work, form, rootless);
	root = r < 0 ? r : fs_finish(fs);
	if (root < 0)
		return root;
	file = openat(root, ".dyno-probe", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return file < 0 ? -errno : 0;
}

static int child_overlay_fd(const struct probe_ctx *ctx)
{
	return try_overlay(ctx, LAYER_FD);
}

static int child_overlay_append(const struct probe_ctx *ctx)
{
	return try_overlay(ctx, LAYER_APPEND);
}

static int child_overlay_path(const struct probe_ctx *ctx)
{
	return try_overlay(ctx, LAYER_PATH);
}

void probe_overlay(const struct probe_ctx *ctx, struct probe_result *ret)
{
	int r = probe_in_child(child_overlay_path, ctx);

	if (r == -ENODEV) {
		probe_say(ret, DYNO_MISSING, "the kernel has no overlay file system");
		probe_fix(ret, "modprobe overlay");
	} else if (r < 0) {
		probe_say(ret, DYNO_MISSING, "overlay over the data directory%s: %s",
			  geteuid() == 0 ? "" : ", with userxattr", err_errno_text(-r));
		probe_fix(ret, "put the data directory on ext4, xfs, btrfs or tmpfs: --data-dir");
	} else {
		probe_say(ret, DYNO_OK, "mounted over the data directory's file system%s",
			  geteuid() == 0 ? "" : ", with userxattr");
	}
}

void probe_overlay_layers(const struct probe_ctx *ctx, struct probe_result *ret)
{
	if (probe_in_child(child_overlay_fd, ctx) == 0)
		probe_say(ret, DYNO_OK, "lowerdir+ takes descriptors");
	else if (probe_in_child(child_overlay_append, ctx) == 0)
		probe_say(ret, DYNO_FALLBACK,
			  "lowerdir+ takes paths only: layers are named by "
			  "/proc/self/fd");
	else
		probe_say(ret, DYNO_FALLBACK,
			  "no lowerdir+: layers are named in one lowerdir= by "
			  "/proc/self/fd");
}

static int child_tmpfs_xattr(const struct probe_ctx *ctx)
{
	_cleanup_close_ int tmpfs = -EBADF, dir = -EBADF;
	int r = probe_enter_mounts();

	(void)ctx;
	if (r < 0)
		return r;
	tmpfs = tmpfs_at("/sys");
	if (tmpfs < 0)
		return tmpfs;
	if (mkdirat(tmpfs, "d", 0755) != 0)
		return -errno;
	dir = openat(tmpfs, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fsetxattr(dir, "user.dyno", "y", 1, 0) != 0)
		return -errno;
	return 0;
}

void probe_tmpfs_xattr(const struct probe_ctx *ctx, struct probe_result *ret)
{
	int r = probe_in_child(child_tmpfs_xattr, ctx);

	if (r == 0)
		probe_say(ret, DYNO_OK, "tmpfs keeps user.* attributes");
	else if (geteuid() == 0)
		probe_say(ret, DYNO_OK, "tmpfs keeps no user.* attributes; root needs none");
	else
		probe_say(ret, DYNO_FALLBACK,
			  "tmpfs keeps no user.* attributes (%s): writes go to disk",
			  err_errno_text(-r));
}

static int child_idmap(const struct probe_ctx *ctx)
{
	/* Any map will do: nothing is written through the mount. */
	static const struct id_map map = {.inside = 0, .outside = 1U << 30, .count = 65536};
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};
	char data[PATH_MAX];
	_cleanup_close_ int tree = -EBADF;
	_cleanup_close_ int userns = userns_make(&map, NULL);

	if (userns < 0)
		return userns;
	probe_existing_dir(ctx->data_dir ? ctx->data_dir : "/", data, sizeof(data));
	tree = open_tree(AT_FDCWD, data, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return -errno;
	attr.userns_fd = (unsigned int)userns;
	return mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0 ? 0 : -errno;
}

void probe_idmap(const struct probe_ctx *ctx, struct probe_result *ret)
{
	int r;

	if (geteuid() != 0) {
		probe_say(ret, DYNO_OK, "not needed without root: a dyno has one id");
		return;
	}
	r = probe_in_child(child_idmap, ctx);
	if (r == 0) {
		probe_say(ret, DYNO_OK, "the data directory's file system takes id maps");
		return;
	}
	probe_say(ret, DYNO_FALLBACK,
		  "the data directory's file system refuses id maps (%s): slugs are unpacked anew "
		  "for each dyno",
		  err_errno_text(-r));
	probe_fix(ret, "put the data directory on ext4, xfs, btrfs, or on tmpfs from Linux 6.3 on");
}
