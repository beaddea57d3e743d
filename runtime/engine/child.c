/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.c - the child's side of a launch: one function per step, in the order of the table at the
 * end, which is the order of the security argument (see launch.h).
 *
 * Everything here may run in the parent's memory.  The descriptor table is a copy, the signal
 * handlers are a copy, the credentials and namespaces are the child's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/launch.h"
#include "init/proto.h"
#include "kernel/link.h"
#include "kernel/listen.h"
#include "kernel/privs.h"
#include "kernel/seccomp.h"
#include "kernel/userns.h"
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

/* All names of an overlay's layers. */
#define LOWER_NAMES_BYTES (SPEC_MAX_LAYERS * sizeof(DIR_LOWER "0:"))

/* Room for /dev and its few entries. Source: contract 2.7 has 1024 KiB. */
#define DEV_BYTES  (1024U * 1024U)
#define DEV_INODES 64U

static uint32_t host_uid(const struct launch *l, bool own)
{
	if (l->rootless)
		return l->euid;
	return l->base + (own ? l->spec->process.uid : 0);
}

static uint32_t host_gid(const struct launch *l, bool own)
{
	if (l->rootless)
		return l->egid;
	return l->base + (own ? l->spec->process.gid : 0);
}

/* ---- before the root --------------------------------------------------------------------- */

static void deadline_struck(int sig)
{
	(void)sig;
	_exit(LAUNCH_EXIT_DEADLINE);
}

/* A suspended parent cannot watch the clock, and pid 1 ignores a signal without a handler. */
static int step_deadline(struct launch *l, struct dyno_err *err)
{
	struct sigaction sa = {.sa_handler = deadline_struck};
	struct itimerval t = {.it_value = {.tv_sec = LAUNCH_TIMEOUT_MS / 1000}};

	(void)l;
	/* What the caller ignores would be ignored by the command too: exec keeps that. */
	proc_reset_signals();
	if (sigaction(SIGALRM, &sa, NULL) < 0 || setitimer(ITIMER_REAL, &t, NULL) < 0)
		return err_set(err, ERR_LAUNCH, errno, "set the deadline of the launch");
	return 0;
}

/* The parent's end must go first: a channel held at both ends never hangs up. */
static int step_parent(struct launch *l, struct dyno_err *err)
{
	(void)close(l->channel_fd); /* a copy; the parent keeps its own */
	return privs_die_with_parent(err);
}

static int step_session(struct launch *l, struct dyno_err *err)
{
	(void)l;
	if (setsid() < 0)
		return err_set(err, ERR_LAUNCH, errno, "start a session");
	(void)umask(0); /* nodes get the modes that the plan names; set for the command later */
	return 0;
}

static int step_cgroup(struct launch *l, struct dyno_err *err)
{
	int r = 0;

	if (!l->cgroups || l->leaf.kind == CGROUP_NONE)
		return 0;
	if (l->leaf.clone_into && !l->in_cgroup)
		r = file_write_at(l->leaf.clone_fd, "cgroup.procs", "0");
	if (r == 0)
		r = cgroup_join_self(&l->leaf);
	if (r < 0)
		return err_set(err, ERR_CGROUP, -r, "join the control group %s", l->leaf_name);
	return 0;
}

/* After the join, so that the root of what the dyno sees is its own group in every tree. */
static int step_cgroup_namespace(struct launch *l, struct dyno_err *err)
{
	(void)l;
	if (unshare(CLONE_NEWCGROUP) < 0)
		return err_set(err, ERR_LAUNCH, errno, "make a cgroup namespace");
	return 0;
}

static int step_own_ids(struct launch *l, struct dyno_err *err)
{
	if (!l->rootless)
		return 0;
	l->host_proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (l->host_proc_fd < 0)
		return err_set(err, ERR_LAUNCH, errno, "open /proc");
	return userns_map_self(l->host_proc_fd, l->spec->process.uid, l->euid, l->egid, err);
}

static int step_listen_socket(struct launch *l, struct dyno_err *err)
{
	struct init_msg msg = {.type = INIT_MSG_LISTEN_FD};
	struct iovec iov = {.iov_base = &msg, .iov_len = sizeof(msg)};
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (!l->want_listen_fd)
		return 0;
	r = listen_probe_open(&fd);
	if (r < 0)
		return err_set(err, ERR_LAUNCH, -r, "open a socket that lists listeners");
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	*(int *)(void *)CMSG_DATA(&control.head) = fd;
	if (sendmsg(l->child_channel_fd, &mh, MSG_NOSIGNAL) < 0)
		return err_set(err, ERR_LAUNCH, errno, "hand over a socket");
	return 0;
}

static int step_loopback(struct launch *l, struct dyno_err *err)
{
	if (l->spec->network == SPEC_NET_HOST)
		return 0;
	return link_loopback_up(err);
}

/* ---- the root ----------------------------------------------------------------------------- */

static int step_private(struct launch *l, struct dyno_err *err)
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
static int step_layers(struct launch *l, struct dyno_err *err)
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
		.uid = l->rootless ? 0 : host_uid(l, false),
		.gid = l->rootless ? 0 : host_gid(l, false),
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
	    fchownat(l->scratch_fd, name, host_uid(l, false), host_gid(l, false), 0) < 0)
		return err_set(err, ERR_SCRATCH, errno, "give away the directory %s of the scratch",
			       name);
	return 0;
}

static int scratch_open(struct launch *l, struct dyno_err *err)
{
	const char *path = l->spec->root.upper_path;

	if (l->spec->root.upper == SPEC_UPPER_TMPFS)
		return scratch_tmpfs(l, err);
	l->scratch_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (l->scratch_fd < 0)
		return err_set(err, ERR_SCRATCH, errno, "open the scratch %s", path);
	return 0;
}

/* From here on every name is relative to the scratch, which is the working directory. */
static int step_scratch(struct launch *l, struct dyno_err *err)
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
	if (!l->rootless && fchownat(at, node->path, host_uid(l, node->own), host_gid(l, node->own),
				     AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, ERR_SCRATCH, errno, "give away /%s", node->path);
	return 0;
}

static int step_files(struct launch *l, struct dyno_err *err)
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
		.is_volatile = l->spec->root.upper == SPEC_UPPER_DISK,
		.attrs = ATTRS_TENANT,
	};
	int fd = mounts_overlay(&plan, err);

	/* No xattrs, no whiteouts, an overlay itself: whatever it is, the kernel says "invalid". */
	if (fd == -EINVAL && plan.is_volatile)
		err_hint(err, "the file system of --data-dir may not take an overlay's writes: "
			      "use --scratch tmpfs, or another --data-dir");
	return fd;
}

static int step_overlay(struct launch *l, struct dyno_err *err)
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

static int mount_overlay(struct launch *l, const struct spec_mount *m, struct dyno_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	char upper[32];
	const char *colon = __builtin_strchr(m->source, ':');
	int r;

	if (!colon)
		return err_set(err, ERR_INTERNAL, EINVAL, "read the plan of /%s", m->target);
	str_fmt(upper, sizeof(upper), "%.*s", (int)(colon - m->source), m->source);
	r = attach_layer(l, l->app_layer_fd, DIR_APP, err);
	if (r < 0)
		return r;
	fd = make_overlay(l, DIR_APP, upper, colon + 1, err);
	if (fd < 0)
		return fd;
	return mounts_attach(fd, l->root_fd, m->target, err);
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
		.uid = l->rootless ? 0 : host_uid(l, false),
		.gid = l->rootless ? 0 : host_gid(l, false),
		.attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	};
	int r;

	l->dev_fd = mounts_tmpfs(&plan, err);
	if (l->dev_fd < 0)
		return l->dev_fd;
	r = mounts_attach(l->dev_fd, l->root_fd, m->target, err);
	if (r < 0)
		return r;
	return mounts_dev_fill(l->dev_fd, l->rootless, host_uid(l, false), host_gid(l, false), err);
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

static int mount_tmpfs(struct launch *l, const struct spec_mount *m, struct dyno_err *err)
{
	const struct tmpfs_plan plan = {
		.bytes = m->bytes,
		.inodes = m->inodes,
		.mode = m->mode,
		.uid = l->rootless ? l->spec->process.uid : host_uid(l, true),
		.gid = l->rootless ? l->spec->process.gid : host_gid(l, true),
		.attrs = ATTRS_TENANT,
	};
	_cleanup_close_ int fd = mounts_tmpfs(&plan, err);

	if (fd < 0)
		return fd;
	return attach_below(l, fd, m->target, err);
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

static int step_mounts(struct launch *l, struct dyno_err *err)
{
	static int (*const mount_fn[_SPEC_MOUNT_MAX])(struct launch *, const struct spec_mount *,
						      struct dyno_err *) = {
		[SPEC_MOUNT_BIND] = mount_bind,		  [SPEC_MOUNT_OVERLAY] = mount_overlay,
		[SPEC_MOUNT_PROC] = mount_proc,		  [SPEC_MOUNT_DEV] = mount_dev,
		[SPEC_MOUNT_DEVPTS] = mount_devpts,	  [SPEC_MOUNT_TMPFS] = mount_tmpfs,
		[SPEC_MOUNT_MASK_FILE] = mount_mask_file, [SPEC_MOUNT_MASK_DIR] = mount_beside,
		[SPEC_MOUNT_FILE] = mount_beside,
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
		return mounts_set(l->dev_fd, MOUNT_ATTR_RDONLY, err);
	return 0;
}

static int step_pivot(struct launch *l, struct dyno_err *err)
{
	return mounts_pivot(l->root_fd, err);
}

static int step_hostname(struct launch *l, struct dyno_err *err)
{
	const char *name = l->spec->hostname;

	if (sethostname(name, __builtin_strlen(name)) < 0)
		return err_set(err, ERR_LAUNCH, errno, "set the hostname");
	return 0;
}

/* ---- giving up ---------------------------------------------------------------------------- */

static int step_rlimits(struct launch *l, struct dyno_err *err)
{
	size_t i;

	for (i = 0; i < l->spec->process.n_rlimits; i++) {
		const struct spec_rlimit *want = &l->spec->process.rlimits[i];
		struct rlimit64 now;
		struct rlimit64 lim = {.rlim_cur = want->value, .rlim_max = want->value};

		/* Without CAP_SYS_RESOURCE the caller's own hard limit is the most there is. */
		if (prlimit64(0, (__rlimit_resource_t)want->resource, NULL, &now) < 0)
			return err_set(err, ERR_LAUNCH, errno, "read resource limit %d",
				       want->resource);
		if (lim.rlim_max > now.rlim_max)
			lim.rlim_cur = lim.rlim_max = now.rlim_max;
		if (prlimit64(0, (__rlimit_resource_t)want->resource, &lim, NULL) < 0)
			return err_set(err, ERR_LAUNCH, errno, "set resource limit %d",
				       want->resource);
	}
	return 0;
}

/*
 * From here on nothing of the root can be changed: the mounts belong to the namespace that is
 * left.  Rootless a second namespace does the same, nested in the one that owns the mounts.
 */
static int step_user_namespace(struct launch *l, struct dyno_err *err)
{
	uint32_t uid = l->spec->process.uid;
	uint32_t gid = l->spec->process.gid;

	if (!l->rootless) {
		if (setns(l->userns_fd, CLONE_NEWUSER) < 0)
			return err_set(err, ERR_USERNS, errno, "enter the user namespace");
		return 0;
	}
	if (unshare(CLONE_NEWUSER) < 0)
		return err_set(err, ERR_USERNS, errno, "make the inner user namespace");
	return userns_map_self(l->proc_fd, uid, uid, gid, err);
}

static int step_bounding(struct launch *l, struct dyno_err *err)
{
	(void)l;
	return privs_drop_bounding(err);
}

static int step_ids(struct launch *l, struct dyno_err *err)
{
	return privs_set_ids(l->spec->process.uid, l->spec->process.gid, !l->rootless, err);
}

/*
 * setresuid has cleared the parent-death signal.  Armed anew it does not tell of a parent that
 * ended in between; the channel does.
 */
static int step_lifeline(struct launch *l, struct dyno_err *err)
{
	struct pollfd p = {.fd = l->child_channel_fd, .events = POLLIN};
	int r = privs_die_with_parent(err);

	if (r < 0)
		return r;
	if (poll(&p, 1, 0) < 0)
		return err_set(err, ERR_LAUNCH, errno, "look at the lifeline");
	if (p.revents & (POLLHUP | POLLERR))
		_exit(LAUNCH_EXIT_DEADLINE); /* nobody is left to be told */
	return 0;
}

static int step_directory(struct launch *l, struct dyno_err *err)
{
	const char *cwd = l->spec->process.cwd;
	char back[64];
	long n;

	if (chdir(cwd) < 0)
		return err_set(err, ERR_LAUNCH, errno, "enter the directory %s", cwd);
	/* A directory outside the root shows itself by a text that is no absolute path. */
	n = syscall(SYS_getcwd, back, sizeof(back));
	if ((n < 0 && errno != ERANGE) || (n > 0 && back[0] != '/'))
		return err_set(err, ERR_LAUNCH, ENOTDIR, "stay within the root in %s", cwd);
	return 0;
}

static int step_privileges(struct launch *l, struct dyno_err *err)
{
	(void)l;
	return privs_clear(err);
}

/* Descriptors 0 to 2 and the channel are all that crosses into dyno-init. */
static int step_descriptors(struct launch *l, struct dyno_err *err)
{
	const struct itimerval off = {0};

	(void)umask(l->spec->process.umask);
	if (l->image_fd == INIT_CHANNEL_FD) {
		l->image_fd = fcntl(l->image_fd, F_DUPFD_CLOEXEC, INIT_CHANNEL_FD + 1);
		if (l->image_fd < 0)
			return err_set(err, ERR_LAUNCH, errno, "move a descriptor");
	}
	if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return err_set(err, ERR_LAUNCH, errno, "close all descriptors on exec");
	if (l->child_channel_fd == INIT_CHANNEL_FD ? fcntl(INIT_CHANNEL_FD, F_SETFD, 0) < 0
						   : dup2(l->child_channel_fd, INIT_CHANNEL_FD) < 0)
		return err_set(err, ERR_LAUNCH, errno, "place the status channel");
	l->child_channel_fd = INIT_CHANNEL_FD;
	if (setitimer(ITIMER_REAL, &off, NULL) < 0)
		return err_set(err, ERR_LAUNCH, errno, "clear the deadline");
	return 0;
}

static int step_seccomp(struct launch *l, struct dyno_err *err)
{
	int r;

	r = seccomp_profile_load(l->spec->seccomp ? SECCOMP_PROFILE_DEFAULT : SECCOMP_PROFILE_NONE);
	if (r < 0)
		return err_set(err, ERR_LAUNCH, -r, "load the system call filter");
	return 0;
}

static int step_exec(struct launch *l, struct dyno_err *err)
{
	(void)syscall(SYS_execveat, l->image_fd, "", l->init_argv, l->spec->process.envp,
		      AT_EMPTY_PATH);
	return err_set(err, ERR_LAUNCH, errno, "execute dyno-init");
}

const struct step launch_child_steps[] = {
	{"deadline", step_deadline, NULL},
	{"parent", step_parent, NULL},
	{"session", step_session, NULL},
	{"cgroup-join", step_cgroup, NULL},
	{"cgroup-namespace", step_cgroup_namespace, NULL},
	{"own-ids", step_own_ids, NULL},
	{"listen-socket", step_listen_socket, NULL},
	{"loopback", step_loopback, NULL},
	{"private", step_private, NULL},
	{"layers", step_layers, NULL},
	{"scratch", step_scratch, NULL},
	{"files", step_files, NULL},
	{"overlay", step_overlay, NULL},
	{"mounts", step_mounts, NULL},
	{"pivot", step_pivot, NULL},
	{"hostname", step_hostname, NULL},
	{"rlimits", step_rlimits, NULL},
	{"user-namespace", step_user_namespace, NULL},
	{"bounding-set", step_bounding, NULL},
	{"ids", step_ids, NULL},
	{"lifeline", step_lifeline, NULL},
	{"directory", step_directory, NULL},
	{"privileges", step_privileges, NULL},
	{"descriptors", step_descriptors, NULL},
	{"seccomp", step_seccomp, NULL},
	{"exec", step_exec, NULL},
};
const size_t launch_child_n = ARRAY_SIZE(launch_child_steps);

void launch_child(void *arg)
{
	/* A copy: the original may be the parent's own, whose descriptors keep their numbers. */
	struct launch l = *(const struct launch *)arg;
	struct launch_report report = {.head = {.type = INIT_MSG_LAUNCH_FAILED}};

	(void)steps_run(launch_child_steps, launch_child_n, (unsigned int)launch_parent_n + 1, &l,
			&report.err);
	/* Only a failure comes back. */
	(void)send(l.child_channel_fd, &report, sizeof(report), MSG_NOSIGNAL);
	_exit(125);
}
