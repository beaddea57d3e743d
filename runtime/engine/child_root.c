/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child_root.c - the steps that build the dyno's root in its own mount namespace and enter it.
 * Nothing of a tenant runs yet, so nobody can change a name between two steps.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/child.h"
#include "rootfs/mounts.h"

#include "base/childsafe.h"

/* Attributes of everything a tenant can see but the device nodes. */
#define ATTRS_TENANT (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define ATTRS_SHARED (ATTRS_TENANT | MOUNT_ATTR_RDONLY)

/* Directories beside the upper layer that the engine itself makes. */
#define DIR_UPPER "upper"
#define DIR_WORK  "work"
#define DIR_ROOT  "root"
#define DIR_APP	  "app-lower"
/* "lower0" and so on, uppermost first. */
#define DIR_LOWER "lower"
/* A directory of the host below an overlay, by its number in the plan; and nothing above it, since
 * an overlay without an upper layer has two lower ones. Source: fs/overlayfs/super.c */
#define DIR_APART "apart"
#define DIR_EMPTY "empty"

/* All names of an overlay's layers. */
#define LOWER_NAMES_BYTES (SPEC_MAX_LAYERS * sizeof(DIR_LOWER "0:"))

/* A directory beside the root that a plan names. Source: own choice */
#define DIR_NAME_BYTES 32

/* Room for /dev and its few entries. Source: contract 2.7 has 1024 KiB. */
#define DEV_BYTES  (1024U * 1024U)
#define DEV_INODES 64U

/* ---- the root ----------------------------------------------------------------------------- */

int child_private(struct launch *l, struct dyno_err *err)
{
	(void)l;
	return mounts_make_private(err);
}

/*
 * A clone of a tree of the host, read-only. Where the file system takes no id map its files keep
 * foreign owners: for a stack that is a matter of looks, for an app it is not.
 */
static int clone_shared(const char *path, int fd, int userns, bool owned, struct dyno_err *err)
{
	int r = mounts_clone(path, fd, userns, ATTRS_SHARED, err);

	if (r == -EOPNOTSUPP && !owned && userns >= 0)
		r = mounts_clone(path, fd, -1, ATTRS_SHARED, err);
	return r;
}

static int clone_layer(const struct launch *l, const struct spec_layer *layer, int owner_userns,
		       struct dyno_err *err)
{
	int userns = owner_userns >= 0 ? owner_userns : l->userns_fd;

	if (l->rootless || layer->owner == SPEC_OWNER_HOST)
		userns = -1;
	return clone_shared(layer->path, layer->fd, userns, layer->owned, err);
}

/* Before the working directory changes: a slug's path may be relative to the caller's. */
int child_layers(struct launch *l, struct dyno_err *err)
{
	size_t i;

	for (i = 0; i < l->spec->root.n_layers; i++) {
		l->layer_fd[i] =
			clone_layer(l, &l->spec->root.layers[i], l->owner_userns_fd[i], err);
		if (l->layer_fd[i] < 0)
			return l->layer_fd[i];
	}
	for (i = 0; i < l->spec->n_mounts; i++) {
		if (l->spec->mounts[i].kind != SPEC_MOUNT_OVERLAY)
			continue;
		l->app_layer_fd = clone_layer(l, &l->spec->mounts[i].layer,
					      l->owner_userns_fd[SPEC_MAX_LAYERS], err);
		if (l->app_layer_fd < 0)
			return l->app_layer_fd;
	}
	return 0;
}

static int scratch_tmpfs(struct launch *l, struct dyno_err *err)
{
	const struct tmpfs_plan plan = {
		.bytes = l->spec->root.upper_bytes,
		.inodes = l->spec->root.upper_inodes,
		.mode = 0755,
		.uid = l->rootless ? 0 : child_uid(l, false),
		.gid = l->rootless ? 0 : child_gid(l, false),
		.attrs = ATTRS_TENANT,
	};

	l->scratch_fd = mounts_tmpfs(&plan, err);
	if (l->scratch_fd < 0)
		return l->scratch_fd;
	/* Attached, because before 6.15 nothing can be cloned out of a detached mount. */
	return mounts_attach_at(l->scratch_fd, l->run_path, err);
}

static int scratch_dir(struct launch *l, const char *name, struct dyno_err *err)
{
	if (mkdirat(l->scratch_fd, name, 0755) < 0)
		return err_set(err, ERR_SCRATCH, errno, "make the directory %s of the scratch",
			       name);
	if (!l->rootless &&
	    fchownat(l->scratch_fd, name, child_uid(l, false), child_gid(l, false), 0) < 0)
		return err_set(err, ERR_SCRATCH, errno, "give away the directory %s of the scratch",
			       name);
	return 0;
}

/* Made by the parent, which keeps it: it must be attached for the same reason. */
static int scratch_mount(struct launch *l, struct dyno_err *err)
{
	l->scratch_fd = fcntl(l->spec->root.upper_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (l->scratch_fd < 0)
		return err_set(err, ERR_SCRATCH, errno, "keep the scratch");
	return mounts_attach_at(l->scratch_fd, l->run_path, err);
}

static int scratch_open(struct launch *l, struct dyno_err *err)
{
	const char *path = l->spec->root.upper_path;

	if (l->spec->root.upper == SPEC_UPPER_TMPFS)
		return scratch_tmpfs(l, err);
	if (l->spec->root.upper == SPEC_UPPER_MOUNT)
		return scratch_mount(l, err);
	l->scratch_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (l->scratch_fd < 0)
		return err_set(err, ERR_SCRATCH, errno, "open the scratch %s", path);
	return 0;
}

/* From here on every name is relative to the scratch, which is the working directory. */
int child_scratch(struct launch *l, struct dyno_err *err)
{
	static const char *const dirs[] = {DIR_UPPER, DIR_WORK, DIR_ROOT};
	size_t i;
	int r;

	r = scratch_open(l, err);
	for (i = 0; r == 0 && i < ARRAY_SIZE(dirs); i++)
		r = scratch_dir(l, dirs[i], err);
	if (r < 0)
		return r;
	if (fchdir(l->scratch_fd) < 0)
		return err_set(err, ERR_SCRATCH, errno, "enter the scratch");
	l->upper_fd = openat(l->scratch_fd, DIR_UPPER, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (l->upper_fd < 0)
		return err_set(err, ERR_SCRATCH, errno, "open the upper layer");
	return 0;
}

static int make_file(int at, const struct spec_node *node, struct dyno_err *err)
{
	_cleanup_close_ int fd = openat(
		at, node->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, node->mode);
	ssize_t n;

	if (fd < 0)
		return err_set(err, ERR_SCRATCH, errno, "make /%s", node->path);
	n = fd_write_full(fd, node->data, node->len);
	if (n < 0)
		return err_set(err, ERR_SCRATCH, (int)-n, "write /%s", node->path);
	return 0;
}

static int make_node(const struct launch *l, const struct spec_node *node, struct dyno_err *err)
{
	int at = node->place == SPEC_IN_ROOT ? l->upper_fd : l->scratch_fd;
	int r;

	if (node->data) {
		r = make_file(at, node, err);
		if (r < 0)
			return r;
	} else if (mkdirat(at, node->path, node->mode) < 0) {
		return err_set(err, ERR_SCRATCH, errno, "make the directory /%s", node->path);
	}
	if (!l->rootless && fchownat(at, node->path, child_uid(l, node->own),
				     child_gid(l, node->own), AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, ERR_SCRATCH, errno, "give away /%s", node->path);
	return 0;
}

int child_files(struct launch *l, struct dyno_err *err)
{
	size_t i;
	int r;

	for (i = 0; i < l->spec->n_nodes; i++) {
		r = make_node(l, &l->spec->nodes[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A layer must be attached to serve an overlay: see struct overlay_plan. */
static int attach_layer(struct launch *l, int fd, const char *name, struct dyno_err *err)
{
	if (mkdirat(l->scratch_fd, name, 0700) < 0)
		return err_set(err, ERR_SCRATCH, errno, "make the place of the layer %s", name);
	return mounts_attach(fd, l->scratch_fd, name, err);
}

static int make_overlay(const struct launch *l, const char *lower, const char *upper,
			const char *work, struct dyno_err *err)
{
	const struct overlay_plan plan = {
		.lower = lower,
		.upper = upper,
		.work = work,
		.userxattr = l->rootless,
		.is_volatile = l->spec->root.upper != SPEC_UPPER_TMPFS,
		.attrs = ATTRS_TENANT,
	};
	int fd = mounts_overlay(&plan, err);

	/* No xattrs, no whiteouts, an overlay itself: whatever it is, the kernel says "invalid". */
	if (fd == -EINVAL && plan.is_volatile)
		err_hint(err, "the file system of --data-dir may not take an overlay's writes: "
			      "use --scratch tmpfs, or another --data-dir");
	return fd;
}

int child_overlay(struct launch *l, struct dyno_err *err)
{
	char names[LOWER_NAMES_BYTES] = "";
	size_t len = 0;
	size_t i;
	int r;

	for (i = 0; i < l->spec->root.n_layers; i++) {
		char name[sizeof(DIR_LOWER "0")];

		str_fmt(name, sizeof(name), DIR_LOWER "%zu", i);
		r = attach_layer(l, l->layer_fd[i], name, err);
		if (r < 0)
			return r;
		len += str_fmt(names + len, sizeof(names) - len, "%s%s", i ? ":" : "", name);
	}
	l->root_fd = make_overlay(l, names, DIR_UPPER, DIR_WORK, err);
	if (l->root_fd < 0)
		return l->root_fd;
	return mounts_attach(l->root_fd, l->scratch_fd, DIR_ROOT, err);
}

/* ---- mounts inside ------------------------------------------------------------------------ */

static int mount_bind(struct launch *l, const struct spec_mount *m, struct dyno_err *err)
{
	_cleanup_close_ int fd =
		clone_shared(m->source, -1, l->rootless ? -1 : l->userns_fd, false, err);

	if (fd < 0)
		return fd;
	return mounts_attach(fd, l->root_fd, m->target, err);
}

/* Locks and watches are an inode's, and an overlay has inodes of its own. */
static int make_apart(struct launch *l, const char *lower, const char *source, struct dyno_err *err)
{
	const struct overlay_plan plan = {
		.lower = lower,
		.userxattr = l->rootless,
		.attrs = ATTRS_SHARED,
	};
	int fd = mounts_overlay(&plan, err);

	/* Too many overlays upon each other, or mounts below that it would uncover. */
	if (fd == -EINVAL)
		err_hint(err,
			 "%s of this host takes no overlay: leave --private-stack out, or use "
			 "a stack of its own files",
			 source);
	return fd;
}

static int mount_apart(struct launch *l, const struct spec_mount *m, struct dyno_err *err)
{
	_cleanup_close_ int under =
		clone_shared(m->source, -1, l->rootless ? -1 : l->userns_fd, false, err);
	_cleanup_close_ int fd = -EBADF;
	char lower[DIR_NAME_BYTES + sizeof(":" DIR_EMPTY)];
	char name[DIR_NAME_BYTES];
	int r;

	if (under < 0)
		return under;
	if (mkdirat(l->scratch_fd, DIR_EMPTY, 0700) < 0 && errno != EEXIST)
		return err_set(err, ERR_SCRATCH, errno, "make an empty directory of the scratch");
	str_fmt(name, sizeof(name), DIR_APART "%zu", (size_t)(m - l->spec->mounts));
	str_fmt(lower, sizeof(lower), "%s:" DIR_EMPTY, name);
	r = attach_layer(l, under, name, err);
	if (r < 0)
		return r;
	fd = make_apart(l, lower, m->source, err);
	return fd < 0 ? fd : mounts_attach(fd, l->root_fd, m->target, err);
}

/* Splits the "upper:work" of a plan. Return: work, or NULL with the error set. */
static const char *split_dirs(const struct spec_mount *m, char *upper, size_t size,
			      struct dyno_err *err)
{
	const char *colon = __builtin_strchr(m->source, ':');

	if (!colon || (size_t)(colon - m->source) >= size) {
		err_set(err, ERR_INTERNAL, EINVAL, "read the plan of /%s", m->target);
		return NULL;
	}
	str_fmt(upper, size, "%.*s", (int)(colon - m->source), m->source);
	return colon + 1;
}

int child_app_upper(const struct launch *l, int *ret_fd, struct dyno_err *err)
{
	char upper[DIR_NAME_BYTES];
	size_t i;

	for (i = 0; i < l->spec->n_mounts; i++) {
		const struct spec_mount *m = &l->spec->mounts[i];

		if (m->kind != SPEC_MOUNT_OVERLAY)
			continue;
		if (!split_dirs(m, upper, sizeof(upper), err))
			return -EINVAL;
		*ret_fd = openat(l->scratch_fd, upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (*ret_fd < 0)
			return err_set(err, ERR_SCRATCH, errno, "open the upper layer of /%s",
				       m->target);
	}
	return 0;
}

static int mount_overlay(struct launch *l, const struct spec_mount *m, struct dyno_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	char upper[DIR_NAME_BYTES];
	const char *work = split_dirs(m, upper, sizeof(upper), err);
	int r;

	if (!work)
		return -EINVAL;
	r = attach_layer(l, l->app_layer_fd, DIR_APP, err);
	if (r < 0)
		return r;
	fd = make_overlay(l, DIR_APP, upper, work, err);
	if (fd < 0)
		return fd;
	r = mounts_attach(fd, l->root_fd, m->target, err);
	if (r == 0)
		l->app_fd = take_fd(&fd);
	return r;
}

static int mount_proc(struct launch *l, const struct spec_mount *m, struct dyno_err *err)
{
	l->proc_fd = mounts_proc(err);
	if (l->proc_fd < 0)
		return l->proc_fd;
	return mounts_attach(l->proc_fd, l->root_fd, m->target, err);
}

static int mount_dev(struct launch *l, const struct spec_mount *m, struct dyno_err *err)
{
	const struct tmpfs_plan plan = {
		.bytes = DEV_BYTES,
		.inodes = DEV_INODES,
		.mode = 0755,
		.uid = l->rootless ? 0 : child_uid(l, false),
		.gid = l->rootless ? 0 : child_gid(l, false),
		.attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	};
	int r;

	l->dev_fd = mounts_tmpfs(&plan, err);
	if (l->dev_fd < 0)
		return l->dev_fd;
	r = mounts_attach(l->dev_fd, l->root_fd, m->target, err);
	if (r < 0)
		return r;
	return mounts_dev_fill(l->dev_fd, l->rootless, child_uid(l, false), child_gid(l, false),
			       err);
}

/* Targets below /dev are attached by the descriptor of /dev itself. */
static int attach_below(struct launch *l, int fd, const char *target, struct dyno_err *err)
{
	const char *rest = str_starts(target, "dev/");

	if (rest && l->dev_fd >= 0)
		return mounts_attach(fd, l->dev_fd, rest, err);
	return mounts_attach(fd, l->root_fd, target, err);
}

static int mount_devpts(struct launch *l, const struct spec_mount *m, struct dyno_err *err)
{
	/* Source: contract 2.7: gid=5, the group tty; there is no such id in a single-id map. */
	int64_t tty = l->rootless ? -1 : (int64_t)l->base + 5;
	_cleanup_close_ int fd = mounts_devpts(tty, err);

	if (fd < 0)
		return fd;
	return attach_below(l, fd, m->target, err);
}

/* Where a mount goes that was asked for: the path is nobody's that could be trusted with it. */
static int open_point(const struct launch *l, const struct spec_mount *m, struct dyno_err *err)
{
	const struct point_plan plan = {
		.path = m->target,
		.make = m->make,
		.file = m->file,
		.give = !l->rootless,
		.uid = child_uid(l, true),
		.gid = child_gid(l, true),
	};

	return mounts_point(l->root_fd, &plan, err);
}

static int attach_asked(const struct launch *l, int fd, const struct spec_mount *m,
			struct dyno_err *err)
{
	_cleanup_close_ int at = open_point(l, m, err);

	if (at < 0)
		return at;
	return mounts_attach_over(fd, at, m->target, err);
}

static int mount_tmpfs(struct launch *l, const struct spec_mount *m, struct dyno_err *err)
{
	const struct tmpfs_plan plan = {
		.bytes = m->bytes,
		.inodes = m->inodes,
		.mode = m->mode,
		.uid = l->rootless ? l->spec->process.uid : child_uid(l, true),
		.gid = l->rootless ? l->spec->process.gid : child_gid(l, true),
		.attrs = ATTRS_TENANT,
	};
	_cleanup_close_ int fd = mounts_tmpfs(&plan, err);

	if (fd < 0)
		return fd;
	return m->asked ? attach_asked(l, fd, m, err) : attach_below(l, fd, m->target, err);
}

/* A mount of its own of what is there: it does not become read-only with the root. */
static int mount_again(struct launch *l, const struct spec_mount *m, struct dyno_err *err)
{
	_cleanup_close_ int at = open_point(l, m, err);
	_cleanup_close_ int fd = -EBADF;
	struct statvfs fs;

	if (at < 0)
		return at;
	fd = open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (fd < 0 || fstatvfs(fd, &fs) < 0)
		return err_set(err, ERR_MOUNT, errno, "clone the mount of /%s", m->target);
	if (fs.f_flag & ST_RDONLY) {
		err_set(err, ERR_MOUNT_INVALID, EROFS, "keep /%s writable", m->target);
		err_hint(err, "the stack shows the host's own directory there, which no dyno may "
			      "change");
		return -EROFS;
	}
	return mounts_attach_over(fd, at, m->target, err);
}

/* The how manieth of the host's mounts it is. */
static size_t host_number(const struct launch *l, const struct spec_mount *m)
{
	const struct spec_mount *at;
	size_t n = 0;

	for (at = l->spec->mounts; at < m; at++)
		n += at->kind == SPEC_MOUNT_HOST;
	return n;
}

/* As root the parent has made it, as its owners are to be mapped. */
static int mount_host(struct launch *l, const struct spec_mount *m, struct dyno_err *err)
{
	_cleanup_close_ int fd = -EBADF;

	if (l->rootless)
		fd = mounts_clone(m->layer.path, m->layer.fd, -1,
				  m->writable ? ATTRS_TENANT : ATTRS_SHARED, err);
	else
		fd = take_fd(&l->host_fd[host_number(l, m)]);
	return fd < 0 ? fd : attach_asked(l, fd, m, err);
}

/* A mount over something that the kernel may not have: absent is as good as hidden. */
static int mount_over(struct launch *l, int from_fd, const char *name, const char *target,
		      struct dyno_err *err)
{
	struct mount_attr attr = {.attr_set = ATTRS_SHARED | MOUNT_ATTR_NOEXEC};
	const char *rest = str_starts(target, "proc/");
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	if (rest && l->proc_fd >= 0 && fstatat(l->proc_fd, rest, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set(err, ERR_MOUNT, errno, "look at /%s", target);
	fd = open_tree(from_fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (fd < 0)
		return err_set(err, ERR_MOUNT, errno, "clone %s to hide /%s", name, target);
	/* The null device stays writable: that is what it is for. */
	if (from_fd != l->dev_fd && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_set(err, ERR_MOUNT, errno, "make the mount over /%s read-only", target);
	return mounts_attach(fd, rest ? l->proc_fd : l->root_fd, rest ? rest : target, err);
}

static int mount_mask_file(struct launch *l, const struct spec_mount *m, struct dyno_err *err)
{
	return mount_over(l, l->dev_fd, "null", m->target, err);
}

static int mount_beside(struct launch *l, const struct spec_mount *m, struct dyno_err *err)
{
	return mount_over(l, l->scratch_fd, m->source, m->target, err);
}

/* What is mounted over them has flags of its own. */
static int close_root(const struct launch *l, struct dyno_err *err)
{
	int r = mounts_set(l->root_fd, MOUNT_ATTR_RDONLY, err);

	if (r == 0 && l->app_fd >= 0)
		r = mounts_set(l->app_fd, MOUNT_ATTR_RDONLY, err);
	return r;
}

int child_mounts(struct launch *l, struct dyno_err *err)
{
	static int (*const mount_fn[_SPEC_MOUNT_MAX])(struct launch *, const struct spec_mount *,
						      struct dyno_err *) = {
		[SPEC_MOUNT_BIND] = mount_bind,		  [SPEC_MOUNT_OVERLAY] = mount_overlay,
		[SPEC_MOUNT_PROC] = mount_proc,		  [SPEC_MOUNT_DEV] = mount_dev,
		[SPEC_MOUNT_DEVPTS] = mount_devpts,	  [SPEC_MOUNT_TMPFS] = mount_tmpfs,
		[SPEC_MOUNT_MASK_FILE] = mount_mask_file, [SPEC_MOUNT_MASK_DIR] = mount_beside,
		[SPEC_MOUNT_FILE] = mount_beside,	  [SPEC_MOUNT_AGAIN] = mount_again,
		[SPEC_MOUNT_HOST] = mount_host,		  [SPEC_MOUNT_APART] = mount_apart,
	};
	size_t i;
	int r;

	for (i = 0; i < l->spec->n_mounts; i++) {
		const struct spec_mount *m = &l->spec->mounts[i];

		r = mount_fn[m->kind](l, m, err);
		if (r < 0)
			return r;
	}
	if (l->dev_fd >= 0)
		r = mounts_set(l->dev_fd, MOUNT_ATTR_RDONLY, err);
	else
		r = 0;
	return r < 0 || !l->spec->root.read_only ? r : close_root(l, err);
}

int child_pivot(struct launch *l, struct dyno_err *err)
{
	return mounts_pivot(l->root_fd, err);
}

int child_hostname(struct launch *l, struct dyno_err *err)
{
	const char *name = l->spec->hostname;

	if (sethostname(name, __builtin_strlen(name)) < 0)
		return err_set(err, ERR_LAUNCH, errno, "set the hostname");
	return 0;
}
