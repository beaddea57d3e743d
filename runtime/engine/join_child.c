/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join_child.c - the two processes of a join: the one in between, which enters the dyno's
 * namespaces, and the one that it starts there.
 *
 * Theory of operation.  A start has the dyno for itself; who joins comes among tenants.  They see a
 * process from the moment at which it is born in their pid namespace, and once it has their user id
 * they may stop or kill it.  So:
 *
 * - Nobody waits for the second process.  The monitor is suspended only for the first one, which no
 *   tenant sees: it never is in the pid namespace, only its child is.  (And it never is in the
 *   dyno's control group: there it could be made to wait for memory.)
 * - What the second process is born with is what must never be seen: the memory is a copy of the
 *   monitor's, but cannot be looked at (not dumpable, which keeps tenants from mem, maps, environ,
 *   fd, exe, cwd and root in /proc, from ptrace and all that asks like it); the arguments, which
 *   /proc shows to everybody, are erased; the mount and network namespaces, whose mounts and
 *   sockets /proc shows too, are the dyno's; of descriptors there are only those that the steps
 *   need, and when the first path of the tenant is walked, none but its streams, the channel and
 *   the image.
 * - The program of the host is never executed with a tenant's path as its argument: a script with
 *   "#!/proc/self/exe" would be given it, and rootless it may be the tenant's to write.  dyno-init
 *   comes first, from a sealed image, as it does at a start.
 *
 * Everything else is done by the steps of child_steps.c in the order of a start.
 */
#include "engine/join_child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clone.h"
#include "base/err.h"
#include "base/fd.h"
#include "engine/child.h"
#include "engine/launch_internal.h"

#include "base/childsafe.h"

/* Source: proc(5): 52 numbers of at most 20 digits, and a name */
#define STAT_BYTES 2048
/* The fields arg_start and arg_end. Source: proc(5), /proc/PID/stat */
#define STAT_ARG_START 48
#define STAT_ARG_END   49

/* ---- not to be seen ------------------------------------------------------------------------- */

/* A change of credentials sets this anew, to a sysctl that may say anything. */
static int set_undumpable(struct dyno_err *err)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(err, ERR_LAUNCH, errno, "keep tenants from looking at the process");
	return 0;
}

static uintptr_t stat_field(const char *text, unsigned int wanted)
{
	const char *p = __builtin_strrchr(text, ')'); /* the end of field 2; a name may hold any */
	unsigned int field = 2;
	uintptr_t value = 0;

	while (p && *p && field < wanted)
		if (*p++ == ' ')
			field++;
	while (p && *p >= '0' && *p <= '9')
		value = value * 10 + (uintptr_t)(*p++ - '0');
	return value;
}

/* /proc/PID/cmdline is everybody's to read, whatever else is not. */
static int erase_arguments(struct dyno_err *err)
{
	_cleanup_close_ int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	char text[STAT_BYTES];
	uintptr_t start;
	uintptr_t end;
	ssize_t n;

	if (fd < 0)
		return err_set(err, ERR_LAUNCH, errno, "open /proc/self/stat");
	n = fd_read_full(fd, text, sizeof(text) - 1);
	if (n < 0)
		return err_set(err, ERR_LAUNCH, (int)-n, "read /proc/self/stat");
	text[n] = '\0';
	start = stat_field(text, STAT_ARG_START);
	end = stat_field(text, STAT_ARG_END);
	if (start == 0 || end < start)
		return err_set(err, ERR_INTERNAL, EINVAL, "find the arguments of the process");
	__builtin_memset((void *)start, 0, end - start);
	return 0;
}

static int close_others(int *keep, size_t n, struct dyno_err *err)
{
	int r = fd_close_others(keep, n);

	return r < 0 ? err_set(err, ERR_LAUNCH, -r, "close the monitor's descriptors") : 0;
}

/* ---- the process that joins ----------------------------------------------------------------- */

static int join_cgroup_namespace(struct launch *l, struct dyno_err *err)
{
	if (setns(l->pidfd, CLONE_NEWCGROUP) < 0)
		return err_set(err, ERR_LAUNCH, errno, "enter the cgroup namespace");
	return 0;
}

static int join_user_namespace(struct launch *l, struct dyno_err *err)
{
	if (setns(l->userns_fd, CLONE_NEWUSER) < 0)
		return err_set(err, ERR_USERNS, errno, "enter the user namespace");
	return set_undumpable(err);
}

/* While there still are capabilities that no tenant has, which by itself keeps them off. */
static int join_ids(struct launch *l, struct dyno_err *err)
{
	int r = child_ids(l, err);

	return r < 0 ? r : set_undumpable(err);
}

/* From here on paths are the tenant's, who may have made links to /proc/self/fd. */
static int join_closed(struct launch *l, struct dyno_err *err)
{
	int keep[] = {l->child_channel_fd, l->image_fd, l->fault.kill_fd};

	return close_others(keep, ARRAY_SIZE(keep), err);
}

static const struct step child_rows[] = {
	{"join-cgroup", child_cgroup, NULL},
	{"join-cgroup-namespace", join_cgroup_namespace, NULL},
	{"join-deadline", child_deadline, NULL},
	{"join-parent", child_parent, NULL},
	{"join-session", child_session, NULL},
	{"join-affinity", child_affinity, NULL},
	{"join-rlimits", child_rlimits, NULL},
	{"join-user-namespace", join_user_namespace, NULL},
	{"join-bounding-set", child_bounding, NULL},
	{"join-ids", join_ids, NULL},
	{"join-lifeline", child_lifeline, NULL},
	{"join-closed", join_closed, NULL},
	{"join-terminal", child_terminal, NULL},
	{"join-directory", child_directory, NULL},
	{"join-privileges", child_privileges, NULL},
	{"join-descriptors", child_descriptors, NULL},
	{"join-seccomp", child_seccomp, NULL},
	{"join-exec", child_exec, NULL},
};
const struct step_table join_child = {child_rows, ARRAY_SIZE(child_rows)};

static void join_in_child(void *arg)
{
	child_run(&join_child, arg);
}

/* ---- the process in between ----------------------------------------------------------------- */

static int enter_hidden(struct launch *l, struct dyno_err *err)
{
	int r = set_undumpable(err);

	(void)l;
	return r < 0 ? r : erase_arguments(err);
}

static int enter_closed(struct launch *l, struct dyno_err *err)
{
	int keep[7 + _CGROUP_TREE_MAX] = {
		l->child_channel_fd, l->image_fd,      l->pidfd,	 l->userns_fd,
		l->owner_fd,	     l->leaf.clone_fd, l->fault.kill_fd,
	};
	size_t n = 7;
	int t;

	for (t = 0; t < _CGROUP_TREE_MAX; t++)
		keep[n++] = l->leaf.tasks_fd[t];
	return close_others(keep, n, err);
}

/* Rootless only who is in the namespace that owns the others may enter them. */
static int enter_owner(struct launch *l, struct dyno_err *err)
{
	if (!l->rootless)
		return 0;
	if (setns(l->owner_fd, CLONE_NEWUSER) < 0)
		return err_set(err, ERR_USERNS, errno, "enter the outer user namespace");
	return set_undumpable(err);
}

static int enter_namespaces(struct launch *l, struct dyno_err *err)
{
	if (setns(l->pidfd, launch_namespaces(l)) < 0)
		return err_set(err, ERR_LAUNCH, errno, "enter the dyno's namespaces");
	return 0;
}

static int fork_failed(int num, struct dyno_err *err)
{
	if (num != EAGAIN)
		return err_set(err, ERR_LAUNCH, num, "start a process in the dyno");
	err_set(err, ERR_HOST_LIMIT, num, "start a process in the dyno");
	err_hint(err, "the dyno has as many processes as its size allows");
	return -num;
}

/* A child of the monitor; this process has done its work. */
static int enter_fork(struct launch *l, struct dyno_err *err)
{
	const struct clone_plan plan = {
		.flags = CLONE_PARENT,
		.cgroup_fd = l->leaf.kind != CGROUP_NONE && l->leaf.clone_into ? l->leaf.clone_fd
									       : -EBADF,
		.ret_pid = l->joined,
		.fn = join_in_child,
		.arg = l,
	};
	pid_t pid = clone_call(&plan, NULL, &l->in_cgroup);

	if (pid < 0)
		return fork_failed(-pid, err);
	_exit(0);
}

static const struct step middle_rows[] = {
	{"enter-deadline", child_deadline, NULL},
	{"enter-parent", child_parent, NULL},
	{"enter-hidden", enter_hidden, NULL},
	{"enter-stdio", child_stdio, NULL},
	{"enter-shed", child_shed, NULL},
	{"enter-output", child_output, NULL},
	{"enter-closed", enter_closed, NULL},
	{"enter-owner", enter_owner, NULL},
	{"enter-namespaces", enter_namespaces, NULL},
	{"enter-fork", enter_fork, NULL},
};
const struct step_table join_middle = {middle_rows, ARRAY_SIZE(middle_rows)};

void join_in_middle(void *arg)
{
	child_run(&join_middle, arg);
}
