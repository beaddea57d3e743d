/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child_steps.c - the steps that every process of a dyno goes through, whether it starts the dyno
 * or joins it: there is one way to become a tenant.
 *
 * Everything here may run in the parent's memory.
 */
#include "engine/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <linux/magic.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "init/proto.h"
#include "kernel/privs.h"
#include "kernel/seccomp.h"
#include "model/listenfd.h"

#include "base/childsafe.h"

/* Source: linux/sched.h, which cannot be included beside sched.h */
#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif

static void deadline_struck(int sig)
{
	(void)sig;
	_exit(LAUNCH_EXIT_DEADLINE);
}

/* A suspended parent cannot watch the clock, and pid 1 ignores a signal without a handler. */
int child_deadline(struct launch *l, struct dyno_err *err)
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
int child_parent(struct launch *l, struct dyno_err *err)
{
	close_fdp(&l->channel_fd); /* a copy; the parent keeps its own */
	close_fdp(&l->place_fd);
	return privs_die_with_parent(err);
}

/* The dyno's streams become 0 to 2.  What already has one of these numbers goes aside first. */
int child_stdio(struct launch *l, struct dyno_err *err)
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
int child_shed(struct launch *l, struct dyno_err *err)
{
	const struct sched_param usual = {0};
	long policy = syscall(SYS_sched_getscheduler, 0);
	_cleanup_close_ int fd = -EBADF;
	char sign = '0';

	(void)l;
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

/*
 * Through a session keyring its holders read and change each other's keys, whatever their ids and
 * namespaces are: the caller's must not be inherited.  An empty one counts against its quota.
 */
static int join_keyring(const struct dyno_spec *spec, struct dyno_err *err)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0)
		return 0;
	/* No keys, or a filter around this process, which the dyno inherits too. */
	if (errno == ENOSYS || errno == EPERM)
		return 0;
	/* The default filter refuses keyctl, by which alone a key can be read. */
	if (spec->seccomp && !spec->filter)
		return 0;
	err_set(err, ERR_HOST_LIMIT, errno, "join a new session keyring");
	err_hint(err, "raise kernel.keys.maxkeys, or leave --seccomp out: the default filter keeps "
		      "dynos from keys");
	return -err->num;
}

int child_session(struct launch *l, struct dyno_err *err)
{
	int r = join_keyring(l->spec, err);

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
int child_output(struct launch *l, struct dyno_err *err)
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

int child_cgroup(struct launch *l, struct dyno_err *err)
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

int child_rlimits(struct launch *l, struct dyno_err *err)
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

int child_affinity(struct launch *l, struct dyno_err *err)
{
	const struct cpulist *cpus = &l->spec->process.affinity;

	if (cpulist_count(cpus) > 0 && syscall(SYS_sched_setaffinity, 0, sizeof(*cpus), cpus) < 0)
		return err_set(err, ERR_LAUNCH, errno, "bind the dyno to its CPUs");
	return 0;
}

int child_bounding(struct launch *l, struct dyno_err *err)
{
	(void)l;
	return privs_drop_bounding(err);
}

int child_ids(struct launch *l, struct dyno_err *err)
{
	return privs_set_ids(l->spec->process.uid, l->spec->process.gid, !l->rootless, err);
}

/*
 * setresuid has cleared the parent-death signal.  Armed anew it does not tell of a parent that
 * ended in between; the channel does.
 */
int child_lifeline(struct launch *l, struct dyno_err *err)
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

int child_directory(struct launch *l, struct dyno_err *err)
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

int child_privileges(struct launch *l, struct dyno_err *err)
{
	(void)l;
	return privs_clear(err);
}

/* Out of the way of the numbers below @least. */
static int lift(int *fd, int least, struct dyno_err *err)
{
	int up;

	if (*fd >= least)
		return 0;
	up = fcntl(*fd, F_DUPFD_CLOEXEC, least);
	if (up < 0)
		return err_set(err, ERR_LAUNCH, errno, "move a descriptor");
	*fd = up;
	return 0;
}

/*
 * Descriptors 0 to 2, the channel, and behind it the sockets that the command listens on are all that
 * crosses into dyno-init.
 */
int child_descriptors(struct launch *l, struct dyno_err *err)
{
	const int least = INIT_CHANNEL_FD + 1 + (int)l->n_sockets;
	const struct itimerval off = {0};
	int sockets[LISTENFD_MAX];
	size_t i;
	int r;

	(void)umask(l->spec->process.umask);
	r = lift(&l->image_fd, least, err);
	if (r == 0 && l->child_channel_fd != INIT_CHANNEL_FD)
		r = lift(&l->child_channel_fd, least, err);
	for (i = 0; r == 0 && i < l->n_sockets; i++) {
		sockets[i] = l->sockets[i];
		r = lift(&sockets[i], least, err);
	}
	if (r < 0)
		return r;
	if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return err_set(err, ERR_LAUNCH, errno, "close all descriptors on exec");
	if (l->child_channel_fd == INIT_CHANNEL_FD ? fcntl(INIT_CHANNEL_FD, F_SETFD, 0) < 0
						   : dup2(l->child_channel_fd, INIT_CHANNEL_FD) < 0)
		return err_set(err, ERR_LAUNCH, errno, "place the status channel");
	l->child_channel_fd = INIT_CHANNEL_FD;
	for (i = 0; i < l->n_sockets; i++)
		if (dup2(sockets[i], INIT_CHANNEL_FD + 1 + (int)i) < 0)
			return err_set(err, ERR_LAUNCH, errno, "place a socket to listen on");
	if (setitimer(ITIMER_REAL, &off, NULL) < 0)
		return err_set(err, ERR_LAUNCH, errno, "clear the deadline");
	return 0;
}

int child_seccomp(struct launch *l, struct dyno_err *err)
{
	const struct dyno_spec *spec = l->spec;
	int r = 0;

	if (spec->seccomp && !spec->filter)
		r = seccomp_profile_load(SECCOMP_PROFILE_DEFAULT);
	else
		r = seccomp_profile_load(SECCOMP_PROFILE_CORE);
	if (r == 0 && spec->seccomp && spec->filter)
		r = seccomp_program_load(spec->filter, spec->n_filter);
	if (r < 0)
		return err_set(err, ERR_LAUNCH, -r, "load the system call filter");
	return 0;
}

int child_exec(struct launch *l, struct dyno_err *err)
{
	(void)syscall(SYS_execveat, l->image_fd, "", l->init_argv, l->spec->process.envp,
		      AT_EMPTY_PATH);
	if (errno != EAGAIN)
		return err_set(err, ERR_LAUNCH, errno, "execute dyno-init");
	/* The kernel lets anybody become the user, and refuses here. */
	err_set(err, ERR_HOST_LIMIT, EAGAIN, "execute dyno-init");
	err_hint(err, "the dyno has as many processes as its size allows");
	return -EAGAIN;
}
