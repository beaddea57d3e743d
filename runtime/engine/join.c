/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join.c - the monitor's side of a join: what the two processes need (see join_child.c), and what
 * became of them.
 */
#include "engine/join.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/nsfs.h>

#include "base/clone.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/join_child.h"
#include "engine/launch_internal.h"

/* "/proc/" pid "/ns/user" */
#define PROC_PATH_BYTES 40
/* Source: linux/err.h, MAX_ERRNO */
#define ERRNO_MAX 4095

/* ---- steps ---------------------------------------------------------------------------------- */

static int step_leaf(struct launch *l, struct dyno_err *err)
{
	if (!l->cgroups || l->cgroups->kind == CGROUP_NONE)
		return 0;
	return cgroup_leaf_open(l->cgroups, l->leaf_name, &l->leaf, err);
}

/*
 * Of pid 1, whose number cannot be another's: it is a child that nobody has waited for.  It hides,
 * but not from whoever made its user namespace.
 */
static int step_user_namespaces(struct launch *l, struct dyno_err *err)
{
	char path[PROC_PATH_BYTES];

	str_fmt(path, sizeof(path), "/proc/%d/ns/user", l->pid);
	l->userns_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (l->userns_fd < 0)
		return err_set(err, ERR_USERNS, errno, "open %s", path);
	if (!l->rootless)
		return 0;
	l->owner_fd = ioctl(l->userns_fd, NS_GET_PARENT);
	if (l->owner_fd < 0)
		return err_set(err, ERR_USERNS, errno, "open the outer user namespace");
	return 0;
}

static void undo_user_namespaces(struct launch *l)
{
	close_fdp(&l->userns_fd);
	close_fdp(&l->owner_fd);
}

static void undo_leaf(struct launch *l)
{
	cgroup_leaf_done(&l->leaf);
}

/* What the process in between has left: its report, where it has one. */
static int middle_failed(struct launch *l, int status, struct dyno_err *err)
{
	struct launch_report report;
	ssize_t n;

	close_fdp(&l->child_channel_fd);
	n = recv(l->channel_fd, &report, sizeof(report), MSG_DONTWAIT);
	if (n == (ssize_t)sizeof(report) && report.head.type == INIT_MSG_LAUNCH_FAILED) {
		*err = report.err;
		return report.err.num > 0 ? -report.err.num : -EINVAL;
	}
	if (status == LAUNCH_EXIT_DEADLINE)
		return err_set(err, ERR_LAUNCH_TIMEOUT, ETIMEDOUT,
			       "enter the dyno within %u seconds", LAUNCH_TIMEOUT_MS / 1000);
	return err_set(err, ERR_LAUNCH_LOST, 0,
		       "enter the dyno: the process on the way ended with status %d", status);
}

/* Ends a process that nobody can be given. */
static int disown(pid_t pid, int num, struct dyno_err *err)
{
	(void)kill(pid, SIGKILL); /* a child that was not waited for: the number is its own */
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	return err_set(err, ERR_IO, num, "watch the process %d", pid);
}

static int run_middle(struct launch *l, struct dyno_err *err)
{
	/* With memory of its own, and waited for all the same. */
	const struct clone_plan plan = {
		.flags = CLONE_VFORK,
		.cgroup_fd = -EBADF,
		.fn = join_in_middle,
		.arg = l,
	};
	/* The process may run its command before it is watched: nothing may keep it from being. */
	_cleanup_close_ int place = pidfd_open(getpid(), 0);
	_cleanup_close_ int pidfd = -EBADF;
	int in_cgroup = 0;
	int status = 0;
	pid_t pid;

	if (place < 0)
		return err_set(err, ERR_IO, errno, "watch a process");
	pid = clone_call(&plan, &pidfd, &in_cgroup);
	if (pid < 0) {
		err_set(err, ERR_HOST_LIMIT, -pid, "start a process");
		err_hint(err, "raise the limit of processes (ulimit -u, pids.max) or stop some");
		return pid;
	}
	(void)proc_wait(pidfd, &status); /* it has ended */
	if (*l->joined == 0)
		return middle_failed(l, status, err);
	l->pid = *l->joined;
	close_fdp(&place);
	l->pidfd = pidfd_open(l->pid, 0);
	return l->pidfd < 0 ? disown(l->pid, errno, err) : 0;
}

/*
 * The number is written by the kernel to a page that both share: whatever becomes of the process
 * in between, one that it has started is known, and can be waited for.
 */
static int step_clone(struct launch *l, struct dyno_err *err)
{
	int r;

	l->joined = mmap(NULL, sizeof(*l->joined), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (l->joined == MAP_FAILED)
		return err_set(err, ERR_MEMORY, errno, "share a page");
	r = run_middle(l, err);
	(void)munmap(l->joined, sizeof(*l->joined)); /* our own mapping */
	l->joined = NULL;
	return r;
}

static const struct step rows[] = {
	{"join-leaf", step_leaf, undo_leaf},
	{"join-user-namespaces", step_user_namespaces, undo_user_namespaces},
	{"join-channel", launch_channel, launch_undo_channel},
	{"join-image", launch_image, launch_undo_image},
	{"join-argv", launch_argv, launch_undo_argv},
	{"join-clone", step_clone, NULL},
};
const struct step_table join_parent = {rows, ARRAY_SIZE(rows)};

/* ---- interface ------------------------------------------------------------------------------ */

/*
 * Whether pid 1 has begun to end, long before it is a zombie: it has given up its memory.  From then
 * on the kernel refuses this and that by all sorts of errors.
 */
static bool is_ending(const struct launch *target)
{
	struct pollfd p = {.fd = target->pidfd, .events = POLLIN};
	char path[PROC_PATH_BYTES];
	_cleanup_close_ int fd = -EBADF;
	char pages[2];

	if (poll(&p, 1, 0) != 0)
		return true;
	str_fmt(path, sizeof(path), "/proc/%d/statm", target->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, pages, 2) == 2 && pages[0] == '0' && pages[1] == ' ';
}

static int explain(const struct join *join, struct dyno_err *err)
{
	if (err->kind != ERR_EXEC_MISSING && err->kind != ERR_EXEC_PERM && is_ending(join->target))
		return err_set(err, ERR_NOT_FOUND, ESRCH, "join the dyno: it is ending");
	if (err->stage)
		err_context(err, "launch step %s", step_name(err->stage));
	return err->num > 0 ? -err->num : -EINVAL;
}

/* The launch of the target with what is different; nothing in it is the target's to close. */
static void plan_join(const struct join *join, const struct dyno_spec *spec, int null_fd,
		      struct launch *l)
{
	int i;

	*l = *join->target;
	l->spec = spec;
	l->timing = NULL;
	l->joins = true;
	l->tty = join->tty;
	l->n_sockets = 0; /* they are the command's alone */
	for (i = 0; i < 3; i++)
		l->stdio[i] = join->stdio[i] < 0 ? null_fd : join->stdio[i];
	l->leaf = (struct cgroup_leaf)CGROUP_LEAF_INIT;
	l->userns_fd = l->owner_fd = -EBADF;
	l->channel_fd = l->child_channel_fd = l->image_fd = -EBADF;
	l->init_argv = NULL;
}

int join_start(struct join *join, struct dyno_err *err)
{
	struct dyno_spec spec = *join->target->spec;
	_cleanup_close_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct launch l;
	int r;

	if (null_fd < 0)
		return err_set(err, ERR_IO, errno, "open /dev/null");
	spec.process.argv = join->argv;
	spec.process.envp = join->envp;
	plan_join(join, &spec, null_fd, &l);
	r = steps_run(&join_parent, step_first(&join_parent), &l, err);
	if (r == 0) {
		join->pid = l.pid;
		join->pidfd = l.pidfd;
		join->channel_fd = take_fd(&l.channel_fd);
		join->executes = false;
		(void)str_escape(join->command, sizeof(join->command), join->argv[0]);
	}
	/* The rest was for the processes, which have it. */
	steps_undo(&join_parent, join_parent.n, &l);
	return r < 0 ? explain(join, err) : 0;
}

/* It is about to end, or must; until then it would keep the dyno's pid 1 from ending. */
static int failed(struct join *join, struct dyno_err *err)
{
	int status;

	(void)proc_kill(join->pidfd, SIGKILL); /* has it ended already, so much the better */
	(void)proc_wait(join->pidfd, &status);
	close_fdp(&join->pidfd);
	return explain(join, err);
}

static int exec_failed(struct join *join, int num, struct dyno_err *err)
{
	bool missing = num == ENOENT || num == ENOTDIR;

	if (num <= 0 || num > ERRNO_MAX)
		num = EPROTO;
	err_set(err, missing ? ERR_EXEC_MISSING : ERR_EXEC_PERM, num, "execute %s", join->command);
	return failed(join, err);
}

/*
 * Whether a signal of somebody else's has ended it: that of the dyno's stop meets whoever is on his
 * way in as it meets the rest, and is the end that its command would have had.  A fault is our own.
 */
static bool is_stopped(const struct join *join)
{
	int sig;

	(void)proc_kill(join->pidfd, SIGKILL); /* what has ended keeps the status it has */
	sig = proc_peek_signal(join->pidfd);
	return sig > 0 && sig != SIGSYS && sig != SIGSEGV && sig != SIGBUS && sig != SIGILL &&
	       sig != SIGABRT;
}

/* The channel has come to its end. */
static int ended(struct join *join, struct dyno_err *err)
{
	if (join->executes || (!is_ending(join->target) && is_stopped(join)))
		return 1;
	err_set(err, ERR_LAUNCH_LOST, 0, "join the dyno: the process ended before its command ran");
	return failed(join, err);
}

/* Return: as join_result(); 0: there may be more. */
static int on_message(struct join *join, struct launch_report *report, size_t len, int *fd,
		      struct dyno_err *err)
{
	if (len < sizeof(report->head))
		return 0;
	if (report->head.type == INIT_MSG_TTY_FD && !join->executes) {
		close_fdp(&join->tty_fd);
		join->tty_fd = take_fd(fd);
	}
	if (report->head.type == INIT_MSG_EXEC_FAILED)
		return exec_failed(join, report->head.value, err);
	if (report->head.type == INIT_MSG_STARTED)
		join->executes = true;
	/* After that the process is a tenant, whose word is not taken for ours. */
	if (report->head.type != INIT_MSG_LAUNCH_FAILED || len != sizeof(*report) || join->executes)
		return 0;
	*err = report->err;
	return failed(join, err);
}

int join_result(struct join *join, struct dyno_err *err)
{
	struct launch_report report;
	ssize_t n;
	int r = 0;

	do {
		_cleanup_close_ int fd = -EBADF;

		n = launch_take_message(join->channel_fd, &report, &fd);
		if (n == 0 || n == -ECONNRESET)
			return ended(join, err);
		if (n < 0)
			return n == -EAGAIN ? 0
					    : err_set(err, ERR_IO, (int)-n, "hear of the process");
		r = on_message(join, &report, (size_t)n, &fd, err);
	} while (r == 0);
	return r;
}

void join_done(struct join *join)
{
	close_fdp(&join->channel_fd);
	close_fdp(&join->pidfd);
	close_fdp(&join->tty_fd);
}
