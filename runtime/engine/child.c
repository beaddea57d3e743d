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
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/close_range.h>
#include <linux/magic.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "engine/child.h"
#include "init/proto.h"
#include "kernel/link.h"
#include "kernel/listen.h"
#include "kernel/privs.h"
#include "kernel/seccomp.h"
#include "kernel/userns.h"

#include "base/childsafe.h"

/* Source: linux/sched.h, which cannot be included beside sched.h */
#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif

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

/* The dyno's streams become 0 to 2.  What already has one of these numbers goes aside first. */
static int step_stdio(struct launch *l, struct dyno_err *err)
{
	int from[3];
	int i;

	for (i = 0; i < 3; i++) {
		from[i] = l->stdio[i];
		if (from[i] < 0 || from[i] == i || from[i] > STDERR_FILENO)
			continue;
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (from[i] < 0)
			return err_set(err, ERR_LAUNCH, errno, "put stream %d aside", i);
	}
	for (i = 0; i < 3; i++) {
		if (from[i] < 0)
			continue;
		if (from[i] == i ? fcntl(i, F_SETFD, 0) < 0 : dup2(from[i], i) < 0)
			return err_set(err, ERR_LAUNCH, errno, "place stream %d", i);
	}
	return 0;
}

/*
 * A monitor may well run with more than a dyno should have: in real time, out of the reach of the
 * OOM killer, without address randomisation.  What makes a process less than others stays.
 */
static int shed_caller(struct dyno_err *err)
{
	const struct sched_param usual = {0};
	long policy = syscall(SYS_sched_getscheduler, 0);
	_cleanup_close_ int fd = -EBADF;
	char sign = '0';

	if ((policy == SCHED_FIFO || policy == SCHED_RR || policy == SCHED_DEADLINE) &&
	    syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &usual) < 0)
		return err_set(err, ERR_LAUNCH, errno, "leave real-time scheduling");
	if (personality(PER_LINUX) < 0)
		return err_set(err, ERR_LAUNCH, errno, "take the usual personality");
	fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	if (fd >= 0 && pread(fd, &sign, 1, 0) == 1 && sign == '-' && pwrite(fd, "0", 1, 0) != 1)
		return err_set(err, ERR_LAUNCH, errno, "come within reach of the OOM killer");
	return 0;
}

static int step_session(struct launch *l, struct dyno_err *err)
{
	int r = shed_caller(err);

	(void)l;
	if (r < 0)
		return r;
	if (setsid() < 0)
		return err_set(err, ERR_LAUNCH, errno, "start a session");
	(void)umask(0); /* nodes get the modes that the plan names; set for the command later */
	return 0;
}

/*
 * An app may open its output anew (/dev/stdout): a pipe of the caller must then be the app's. Only
 * pipes without a name: whatever has one belongs to somebody.  The group does, and only for
 * writing: the owner could read what others write to the same pipe, and take it from its maker.
 */
static int step_output(struct launch *l, struct dyno_err *err)
{
	int fd;

	(void)err;
	for (fd = STDOUT_FILENO; !l->rootless && fd <= STDERR_FILENO; fd++) {
		struct statfs fs;
		struct stat st;

		if (fstatfs(fd, &fs) < 0 || fs.f_type != PIPEFS_MAGIC)
			continue;
		if (fstat(fd, &st) < 0 || fchown(fd, (uid_t)-1, child_gid(l, true)) < 0 ||
		    fchmod(fd, (st.st_mode & S_IRWXU) | S_IWGRP) < 0)
			break; /* a pipe all the same, only not to be opened anew */
	}
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

/* A message to the monitor that carries a descriptor. */
static int send_fd(const struct launch *l, enum init_msg_type type, int value, int fd,
		   struct dyno_err *err)
{
	struct init_msg msg = {.type = type, .value = value};
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
	return send_fd(l, INIT_MSG_LISTEN_FD, 0, fd, err);
}

/* They outlive the mount namespace: what was written can be read when nobody writes any more. */
static int step_uppers(struct launch *l, struct dyno_err *err)
{
	_cleanup_close_ int app_fd = -EBADF;
	int r;

	if (!l->want_upper_fds)
		return 0;
	r = child_app_upper(l, &app_fd, err);
	if (r == 0)
		r = send_fd(l, INIT_MSG_UPPER_FD, 0, l->upper_fd, err);
	if (r == 0 && app_fd >= 0)
		r = send_fd(l, INIT_MSG_UPPER_FD, 1, app_fd, err);
	return r;
}

static int step_loopback(struct launch *l, struct dyno_err *err)
{
	if (l->spec->network == SPEC_NET_HOST)
		return 0;
	return link_loopback_up(err);
}

/* ---- giving up ---------------------------------------------------------------------------- */

/* Without CAP_SYS_RESOURCE the caller's own hard limit is the most there is. */
static int set_rlimit(__rlimit_resource_t resource, uint64_t value)
{
	struct rlimit64 lim = {.rlim_cur = value, .rlim_max = value};
	struct rlimit64 now;

	if (prlimit64(0, resource, &lim, NULL) == 0)
		return 0;
	if (errno != EPERM || prlimit64(0, resource, NULL, &now) < 0)
		return -errno;
	lim.rlim_cur = lim.rlim_max = now.rlim_max;
	return prlimit64(0, resource, &lim, NULL) < 0 ? -errno : 0;
}

static int step_rlimits(struct launch *l, struct dyno_err *err)
{
	size_t i;
	int r;

	for (i = 0; i < l->spec->process.n_rlimits; i++) {
		const struct spec_rlimit *want = &l->spec->process.rlimits[i];

		r = set_rlimit((__rlimit_resource_t)want->resource, want->value);
		if (r < 0)
			return err_set(err, ERR_LAUNCH, -r, "set resource limit %d",
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
	{"stdio", step_stdio, NULL},
	{"session", step_session, NULL},
	{"output", step_output, NULL},
	{"cgroup-join", step_cgroup, NULL},
	{"cgroup-namespace", step_cgroup_namespace, NULL},
	{"own-ids", step_own_ids, NULL},
	{"listen-socket", step_listen_socket, NULL},
	{"loopback", step_loopback, NULL},
	{"private", child_private, NULL},
	{"layers", child_layers, NULL},
	{"scratch", child_scratch, NULL},
	{"files", child_files, NULL},
	{"uppers", step_uppers, NULL},
	{"overlay", child_overlay, NULL},
	{"mounts", child_mounts, NULL},
	{"pivot", child_pivot, NULL},
	{"hostname", child_hostname, NULL},
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
