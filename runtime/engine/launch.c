/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clone.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/initimage.h"
#include "engine/launch_internal.h"
#include "kernel/probe.h"
#include "kernel/slot.h"
#include "kernel/userns.h"
#include "rootfs/mounts.h"

/* Stack of the child: the steps' frames, none over a few KiB; most of it is never touched. */
#define CHILD_STACK_BYTES (48U * 1024U)

void launch_init(struct launch *l)
{
	size_t i;

	*l = (struct launch){
		.place_fd = -EBADF,
		.pidfd = -EBADF,
		.channel_fd = -EBADF,
		.stdio = {-EBADF, -EBADF, -EBADF},
		.listen_fd = -EBADF,
		.tty_fd = -EBADF,
		.upper_fds = {-EBADF, -EBADF},
		.root_fds = {-EBADF, -EBADF},
		.leaf = CGROUP_LEAF_INIT,
		.euid = geteuid(),
		.egid = getegid(),
		.userns_fd = -EBADF,
		.owner_fd = -EBADF,
		.child_channel_fd = -EBADF,
		.image_fd = -EBADF,
		.app_layer_fd = -EBADF,
		.scratch_fd = -EBADF,
		.upper_fd = -EBADF,
		.root_fd = -EBADF,
		.app_fd = -EBADF,
		.proc_fd = -EBADF,
		.dev_fd = -EBADF,
		.host_proc_fd = -EBADF,
		.fault = {.kill_fd = -EBADF},
	};
	for (i = 0; i < ARRAY_SIZE(l->owner_userns_fd); i++)
		l->owner_userns_fd[i] = -EBADF;
	for (i = 0; i < ARRAY_SIZE(l->host_fd); i++)
		l->host_fd[i] = -EBADF;
	for (i = 0; i < ARRAY_SIZE(l->layer_fd); i++)
		l->layer_fd[i] = -EBADF;
}

/* A tree of one foreign owner is shown as the process's user by a map of that single id. */
static int owner_map(struct launch *l, const struct spec_layer *layer, int *ret_fd,
		     struct dyno_err *err)
{
	struct id_map map = {.count = 1};

	if (layer->owner < 0)
		return 0;
	map.inside = (uint32_t)layer->owner;
	map.outside = l->base + l->spec->process.uid;
	*ret_fd = userns_make(&map, err);
	return *ret_fd < 0 ? *ret_fd : 0;
}

/*
 * A mount of the host with its owners mapped, or without a map where its file system takes none,
 * which is told.  It is made here and only attached by the child: a trial mount would cost the
 * kernel milliseconds to give up.
 */
static int host_mount(struct launch *l, const struct spec_mount *m, int *ret_fd,
		      struct dyno_err *err)
{
	const struct spec_layer *layer = &m->layer;
	uint64_t attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	_cleanup_close_ int userns = -EBADF;
	struct dyno_err refused = {0};
	int r = owner_map(l, layer, &userns, err);

	if (r < 0)
		return r;
	if (!m->writable)
		attrs |= MOUNT_ATTR_RDONLY;
	r = mounts_clone(layer->path, layer->fd, userns >= 0 ? userns : l->userns_fd, attrs,
			 &refused);
	if (r == -EOPNOTSUPP) {
		l->unmapped = layer->path;
		r = mounts_clone(layer->path, layer->fd, -1, attrs, &refused);
	}
	if (r < 0) {
		*err = refused;
		return r;
	}
	*ret_fd = r;
	return 0;
}

static int host_mounts(struct launch *l, struct dyno_err *err)
{
	size_t n = 0;
	size_t i;
	int r;

	for (i = 0; i < l->spec->n_mounts; i++) {
		if (l->spec->mounts[i].kind != SPEC_MOUNT_HOST)
			continue;
		r = host_mount(l, &l->spec->mounts[i], &l->host_fd[n++], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void close_host_mounts(struct launch *l)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(l->host_fd); i++)
		close_fdp(&l->host_fd[i]);
}

static int step_user_namespaces(struct launch *l, struct dyno_err *err)
{
	const struct id_map map = {.inside = 0, .outside = l->base, .count = IDS_PER_SLOT};
	size_t i;
	int r;

	if (l->rootless)
		return 0;
	l->userns_fd = userns_make(&map, err);
	if (l->userns_fd < 0)
		return l->userns_fd;
	for (i = 0; i < l->spec->root.n_layers; i++) {
		r = owner_map(l, &l->spec->root.layers[i], &l->owner_userns_fd[i], err);
		if (r < 0)
			return r;
	}
	for (i = 0; i < l->spec->n_mounts; i++) {
		if (l->spec->mounts[i].kind != SPEC_MOUNT_OVERLAY)
			continue;
		r = owner_map(l, &l->spec->mounts[i].layer, &l->owner_userns_fd[SPEC_MAX_LAYERS],
			      err);
		if (r < 0)
			return r;
	}
	return host_mounts(l, err);
}

static int step_leaf(struct launch *l, struct dyno_err *err)
{
	const struct spec_limits *s = &l->spec->limits;
	const struct cgroup_limits limits = {
		.memory_bytes = s->memory_bytes,
		.memory_swap_bytes = s->memory_swap_bytes,
		.pids = s->pids,
		.cpu_shares = s->cpu_shares,
		.cpu_quota_usec = s->cpu_quota_usec,
		.cpu_period_usec = s->cpu_period_usec,
		.io_weight = s->io_weight,
		.io = s->io,
		.n_io = s->n_io,
		.cpuset = &s->cpuset,
		.lenient = !l->require_limits,
	};

	if (!l->cgroups || l->cgroups->kind == CGROUP_NONE)
		return 0;
	return cgroup_leaf_create(l->cgroups, l->leaf_name, &limits, &l->leaf, err);
}

static void undo_leaf(struct launch *l)
{
	if (!l->cgroups || l->leaf.kind == CGROUP_NONE)
		return;
	cgroup_leaf_done(&l->leaf);
	/* What a dying process keeps busy beyond the wait is removed by gc. */
	(void)cgroup_leaf_remove(l->cgroups, l->leaf_name);
	l->leaf.kind = CGROUP_NONE;
}

int launch_channel(struct launch *l, struct dyno_err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, ERR_LAUNCH, errno, "make the status channel");
	l->channel_fd = pair[0];
	l->child_channel_fd = pair[1];
	return 0;
}

void launch_undo_channel(struct launch *l)
{
	close_fdp(&l->channel_fd);
	close_fdp(&l->child_channel_fd);
}

int launch_image(struct launch *l, struct dyno_err *err)
{
	int fd = fd_memfd_sealed("dyno-init", initimage_start, initimage_bytes());

	if (fd < 0)
		return err_set(err, ERR_LAUNCH, -fd, "make the image of dyno-init");
	l->image_fd = fd;
	return 0;
}

void launch_undo_image(struct launch *l)
{
	close_fdp(&l->image_fd);
}

/* See init/proto.h. */
static const char *init_name(struct launch *l)
{
	const char *name = l->joins ? INIT_NAME_JOIN : l->tty.wanted ? INIT_NAME_TTY : INIT_NAME;

	if (l->n_sockets == 0)
		return name;
	(void)str_fmt(l->init_name, sizeof(l->init_name), "%s%c%zu", name, INIT_NAME_MORE,
		      l->n_sockets); /* LISTENFD_MAX of them: it fits */
	return l->init_name;
}

int launch_argv(struct launch *l, struct dyno_err *err)
{
	const char *const *argv = l->spec->process.argv;
	size_t n;

	for (n = 0; argv[n]; n++)
		;
	l->init_argv = calloc(n + 2, sizeof(*l->init_argv));
	if (!l->init_argv)
		return err_set(err, ERR_MEMORY, ENOMEM, "copy the command");
	l->init_argv[0] = init_name(l);
	memcpy(l->init_argv + 1, argv, n * sizeof(*argv));
	return 0;
}

void launch_undo_argv(struct launch *l)
{
	free(l->init_argv);
	l->init_argv = NULL;
}

int launch_namespaces(const struct launch *l)
{
	int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;

	return l->spec->network == SPEC_NET_HOST ? flags : flags | CLONE_NEWNET;
}

static uint64_t clone_flags(const struct launch *l)
{
	uint64_t flags = (uint64_t)launch_namespaces(l);

	if (l->rootless)
		flags |= CLONE_NEWUSER;
	/*
	 * Rootless the child makes a second user namespace by itself, which the kernel refuses to
	 * a process that shares its memory.
	 */
	if (!l->rootless && !l->slow_layers && !l->network)
		flags |= CLONE_VM | CLONE_VFORK;
	return flags;
}

static int clone_failed(struct launch *l, int num, struct dyno_err *err)
{
	if (num == ENOSPC && probe_explain_limit(num, err) > 0)
		return -num;
	if (l->rootless && (num == EPERM || num == ENOSPC || num == EUSERS))
		return probe_explain_userns(num, err);
	if (num == EAGAIN) {
		err_set(err, ERR_HOST_LIMIT, num, "start a process");
		err_hint(err, "raise the limit of processes (ulimit -u, pids.max) or stop some");
		return -num;
	}
	err_set(err, ERR_LAUNCH, num, "make the dyno's namespaces");
	if (num == EPERM)
		err_hint(err, "dyno needs CAP_SYS_ADMIN, or user namespaces: see dyno doctor");
	else if (num == ENOSPC)
		err_hint(err, "raise the limits under /proc/sys/user");
	return -num;
}

static int step_clone(struct launch *l, struct dyno_err *err)
{
	/* Not cleared: only what the child touches becomes a page. */
	__attribute__((uninitialized, aligned(16))) char stack[CHILD_STACK_BYTES];
	struct clone_plan plan = {
		.flags = clone_flags(l),
		.stack = stack,
		.stack_bytes = sizeof(stack),
		.cgroup_fd = l->leaf.kind != CGROUP_NONE && l->leaf.clone_into ? l->leaf.clone_fd
									       : -EBADF,
		.fn = launch_in_child,
		.arg = l,
	};
	pid_t pid;

	pid = clone_call(&plan, &l->pidfd, &l->in_cgroup);
	if (pid < 0)
		return clone_failed(l, -pid, err);
	l->pid = pid;
	/* The child's change of ids has marked the shared memory as not to be looked at. */
	if (plan.flags & CLONE_VM)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	close_fdp(&l->child_channel_fd);
	close_fdp(&l->image_fd);
	close_host_mounts(l);
	cgroup_leaf_joined(&l->leaf);
	return 0;
}

/* Only of a child that a later step leaves behind: one that is told of is reaped by who is told. */
static void undo_clone(struct launch *l)
{
	int status;

	if (l->pidfd < 0)
		return;
	(void)launch_kill(l); /* already gone is what is wanted */
	(void)proc_wait(l->pidfd, &status);
	close_fdp(&l->pidfd);
}

/*
 * A child that has ended has said why by the channel, which is nearer to the cause.  One that is on
 * its way has no namespaces any more (-ESRCH) before it lets go of the channel.
 * Source: kernel/exit.c, exit_task_namespaces() before exit_task_work()
 */
static bool child_is_gone(const struct launch *l, int failure)
{
	struct pollfd p = {.fd = l->channel_fd};
	int r;

	do
		r = poll(&p, 1, failure == -ESRCH ? LAUNCH_TIMEOUT_MS : 0);
	while (r < 0 && errno == EINTR);
	return r > 0 && p.revents & POLLHUP;
}

/*
 * The socket of the child's namespace is the first thing that it says.  What else it may say, that
 * it has failed, is left for who watches the channel.
 */
static void await_listen_fd(struct launch *l)
{
	struct pollfd p = {.fd = l->channel_fd, .events = POLLIN};
	struct dyno_err ignored;
	struct init_msg msg;
	ssize_t n;
	int r;

	do
		r = poll(&p, 1, LAUNCH_TIMEOUT_MS);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return;
	n = recv(l->channel_fd, &msg, sizeof(msg), MSG_PEEK | MSG_DONTWAIT);
	if (n == sizeof(msg) && msg.type == INIT_MSG_LISTEN_FD) {
		(void)launch_receive(l, &msg, &ignored); /* nothing but this is heard */
		return;
	}
	p.events = 0; /* its end is near */
	(void)poll(&p, 1, LAUNCH_TIMEOUT_MS);
}

static int connect_network(struct launch *l, struct dyno_err *err)
{
	if (!l->network->by_pasta)
		return network_connect(l->network, l->pidfd, err);
	await_listen_fd(l);
	if (l->listen_fd < 0)
		return err_set(err, ERR_LAUNCH_TIMEOUT, ETIMEDOUT,
			       "hear of the dyno's network namespace within %u seconds (R99)",
			       LAUNCH_TIMEOUT_MS / 1000);
	return network_user_connect(l->network, l->pidfd, l->listen_fd, err);
}

static int step_network(struct launch *l, struct dyno_err *err)
{
	const struct init_msg msg = {.type = INIT_MSG_NETWORK};
	int r;

	if (!l->network)
		return 0;
	r = connect_network(l, err);
	if (r < 0 && !child_is_gone(l, r))
		return r;
	*err = (struct dyno_err){0};
	(void)send(l->channel_fd, &msg, sizeof(msg), MSG_NOSIGNAL); /* gone: the channel tells */
	return 0;
}

static void undo_user_namespaces(struct launch *l)
{
	size_t i;

	close_fdp(&l->userns_fd);
	for (i = 0; i < ARRAY_SIZE(l->owner_userns_fd); i++)
		close_fdp(&l->owner_userns_fd[i]);
	close_host_mounts(l);
}

static const struct step steps[] = {
	{"user-namespaces", step_user_namespaces, undo_user_namespaces},
	{"leaf", step_leaf, undo_leaf},
	{"channel", launch_channel, launch_undo_channel},
	{"image", launch_image, launch_undo_image},
	{"argv", launch_argv, launch_undo_argv},
	{"clone", step_clone, undo_clone},
	{"network", step_network, NULL},
};
const struct step_table launch_parent = {steps, ARRAY_SIZE(steps)};

int launch_start(struct launch *l, struct dyno_err *err)
{
	int r = steps_run(&launch_parent, step_first(&launch_parent), l, err);

	if (r < 0) {
		/* The failed step cleans up after itself or not at all; its undo is harmless. */
		steps_undo(&launch_parent, err->stage, l);
		return r;
	}
	return 0;
}

/* Where a descriptor that came with a message is kept; NULL: it has no place. */
static int *place_of(struct launch *l, const struct init_msg *msg)
{
	if (msg->type == INIT_MSG_LISTEN_FD)
		return &l->listen_fd;
	if (msg->type == INIT_MSG_TTY_FD)
		return &l->tty_fd;
	if (msg->type == INIT_MSG_UPPER_FD && msg->value >= 0 && msg->value < LAUNCH_UPPERS)
		return &l->upper_fds[msg->value];
	if (msg->type == INIT_MSG_ROOT_FD && msg->value >= 0 && msg->value < LAUNCH_UPPERS)
		return &l->root_fds[msg->value];
	return NULL;
}

/*
 * Keeps or closes it, whatever the message: dyno-init sends none, and the tenant cannot speak here,
 * but a descriptor that nobody knows of would stay for the monitor's life.
 */
static void keep_passed_fd(struct launch *l, const struct init_msg *msg, int *fd)
{
	int *place = place_of(l, msg);

	if (*fd < 0 || !place)
		return;
	close_fdp(place);
	*place = take_fd(fd);
	if (msg->type == INIT_MSG_UPPER_FD)
		l->upper_inodes = msg->scope;
}

static void take_passed_fd(struct msghdr *mh, int *ret_fd)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(mh);

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(*ret_fd));
}

ssize_t launch_take_message(int channel_fd, struct launch_report *ret, int *ret_fd)
{
	struct iovec iov = {.iov_base = ret, .iov_len = sizeof(*ret)};
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do
		n = recvmsg(channel_fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	take_passed_fd(&mh, ret_fd);
	return n;
}

int launch_receive(struct launch *l, struct init_msg *ret, struct dyno_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	struct launch_report report;
	ssize_t n = launch_take_message(l->channel_fd, &report, &fd);

	if (n < 0)
		return n == -EAGAIN ? 0 : n == -ECONNRESET ? -EPIPE : (int)n;
	if (n == 0)
		return -EPIPE;
	if ((size_t)n < sizeof(report.head))
		return -EPROTO;
	keep_passed_fd(l, &report.head, &fd);
	if (report.head.type == INIT_MSG_LAUNCH_FAILED) {
		if ((size_t)n != sizeof(report))
			return -EPROTO;
		*err = report.err;
	}
	*ret = report.head;
	return 1;
}

int launch_signal(struct launch *l, int sig, enum init_scope scope)
{
	struct init_msg msg = {.type = INIT_MSG_SIGNAL, .value = sig, .scope = scope};

	if (send(l->channel_fd, &msg, sizeof(msg), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

int launch_kill(struct launch *l)
{
	int r;

	/* The group first: it also holds what may have been put in from outside. */
	if (l->cgroups && l->leaf.kind != CGROUP_NONE)
		(void)cgroup_leaf_kill(l->cgroups, l->leaf_name); /* pid 1 follows anyway */
	r = proc_kill(l->pidfd, SIGKILL);
	/* A filter may know no pidfds.  Of a child that is not reaped the number is its own. */
	if (r < 0 && r != -ESRCH)
		r = kill(l->pid, SIGKILL) < 0 ? -errno : 0;
	return r;
}

void launch_done(struct launch *l)
{
	size_t i;

	close_fdp(&l->listen_fd);
	close_fdp(&l->tty_fd);
	for (i = 0; i < ARRAY_SIZE(l->upper_fds); i++)
		close_fdp(&l->upper_fds[i]);
	for (i = 0; i < ARRAY_SIZE(l->root_fds); i++)
		close_fdp(&l->root_fds[i]);
	close_fdp(&l->pidfd);
	steps_undo(&launch_parent, launch_parent.n, l);
}
