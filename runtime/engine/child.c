/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.c - the child's side of a launch: the steps that make namespaces, and the table of all of
 * them, whose order is the security argument (see launch.h).
 *
 * Everything here may run in the parent's memory.  The descriptor table is a copy, the signal
 * handlers are a copy, the credentials and namespaces are the child's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "engine/child.h"
#include "init/proto.h"
#include "kernel/link.h"
#include "kernel/listen.h"
#include "kernel/userns.h"

#include "base/childsafe.h"

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

int child_send_fd(const struct launch *l, const struct init_msg *msg, int fd, struct dyno_err *err)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = sizeof(*msg)};
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

	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	*(int *)(void *)CMSG_DATA(&control.head) = fd;
	if (sendmsg(l->child_channel_fd, &mh, MSG_NOSIGNAL) < 0)
		return err_set(err, ERR_LAUNCH, errno, "hand over a descriptor");
	return 0;
}

static int step_listen_socket(struct launch *l, struct dyno_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (!l->want_listen_fd)
		return 0;
	r = listen_probe_open(&fd);
	if (r < 0)
		return err_set(err, ERR_LAUNCH, -r, "open a socket that lists listeners");
	return child_send_fd(l, &(struct init_msg){.type = INIT_MSG_LISTEN_FD}, fd, err);
}

/* They outlive the mount namespace: what was written can be read when nobody writes any more. */
static int step_uppers(struct launch *l, struct dyno_err *err)
{
	struct init_msg msg = {.type = INIT_MSG_UPPER_FD};
	_cleanup_close_ int app_fd = -EBADF;
	int r;

	if (!l->want_upper_fds)
		return 0;
	/* What the app finds is not its own, as root: without a new inode it has changed nothing. */
	if (l->spec->root.upper == SPEC_UPPER_TMPFS && !l->rootless)
		msg.scope = fd_used_inodes(l->upper_fd);
	r = child_app_upper(l, &app_fd, err);
	if (r == 0)
		r = child_send_fd(l, &msg, l->upper_fd, err);
	msg.value = 1;
	if (r == 0 && app_fd >= 0)
		r = child_send_fd(l, &msg, app_fd, err);
	return r;
}

static bool has_overlay_on_app(const struct dyno_spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (spec->mounts[i].kind == SPEC_MOUNT_OVERLAY)
			return true;
	return false;
}

/* Nothing of the tenant has run yet: each path is what the launch has made it. */
static int step_roots(struct launch *l, struct dyno_err *err)
{
	static const char *const paths[LAUNCH_UPPERS] = {"/", "/app"};
	struct init_msg msg = {.type = INIT_MSG_ROOT_FD};
	const int n = has_overlay_on_app(l->spec) ? LAUNCH_UPPERS : 1;
	int r = 0;

	for (; l->want_root_fds && r == 0 && msg.value < n; msg.value++) {
		_cleanup_close_ int fd =
			open(paths[msg.value], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0)
			return err_set(err, ERR_LAUNCH, errno, "open %s", paths[msg.value]);
		r = child_send_fd(l, &msg, fd, err);
	}
	return r;
}

static int step_loopback(struct launch *l, struct dyno_err *err)
{
	if (l->spec->network == SPEC_NET_HOST)
		return 0;
	return link_loopback_up(err);
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

/* The first word on the channel, which the monitor says once the links stand. */
static int step_network_wait(struct launch *l, struct dyno_err *err)
{
	struct init_msg msg;
	ssize_t n;

	if (!l->network)
		return 0;
	do
		n = recv(l->child_channel_fd, &msg, sizeof(msg), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(err, ERR_LAUNCH, errno, "wait for the network");
	if (n != sizeof(msg) || msg.type != INIT_MSG_NETWORK)
		_exit(LAUNCH_EXIT_DEADLINE); /* nobody is left to be told */
	return 0;
}

static const struct step steps[] = {
	{"deadline", child_deadline, NULL},
	{"parent", child_parent, NULL},
	{"stdio", child_stdio, NULL},
	{"shed", child_shed, NULL},
	{"session", child_session, NULL},
	{"output", child_output, NULL},
	{"cgroup-join", child_cgroup, NULL},
	{"cgroup-namespace", step_cgroup_namespace, NULL},
	{"own-ids", step_own_ids, NULL},
	{"listen-socket", step_listen_socket, NULL},
	{"loopback", step_loopback, NULL},
	/* the root */
	{"private", child_private, NULL},
	{"layers", child_layers, NULL},
	{"scratch", child_scratch, NULL},
	{"files", child_files, NULL},
	{"overlay", child_overlay, NULL},
	{"mounts", child_mounts, NULL},
	{"uppers", step_uppers, NULL},
	{"pivot", child_pivot, NULL},
	{"roots", step_roots, NULL},
	{"hostname", child_hostname, NULL},
	/* giving up */
	{"affinity", child_affinity, NULL},
	{"rlimits", child_rlimits, NULL},
	{"user-namespace", step_user_namespace, NULL},
	{"bounding-set", child_bounding, NULL},
	{"ids", child_ids, NULL},
	{"lifeline", child_lifeline, NULL},
	{"terminal", child_terminal, NULL},
	{"directory", child_directory, NULL},
	{"privileges", child_privileges, NULL},
	{"network-wait", step_network_wait, NULL},
	{"descriptors", child_descriptors, NULL},
	{"seccomp", child_seccomp, NULL},
	{"exec", child_exec, NULL},
};
const struct step_table launch_child = {steps, ARRAY_SIZE(steps)};

void child_run(const struct step_table *table, const struct launch *launch)
{
	/* A copy: the original may be the parent's own, whose descriptors keep their numbers. */
	struct launch l = *launch;
	struct launch_report report = {.head = {.type = INIT_MSG_LAUNCH_FAILED}};

	(void)steps_run(table, step_first(table), &l, &report.err);
	/* Only a failure comes back. */
	(void)send(l.child_channel_fd, &report, sizeof(report), MSG_NOSIGNAL);
	_exit(125);
}

void launch_in_child(void *arg)
{
	child_run(&launch_child, arg);
}
