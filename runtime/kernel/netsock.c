/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netsock.c - the namespace is entered by a short-lived child that shares our descriptors and
 * nothing else: a process that has entered a user namespace cannot come back.
 */
#include "kernel/netsock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/nsfs.h>
#include <linux/sockios.h>

#include "base/clone.h"
#include "base/fd.h"
#include "base/proc.h"

#include "base/childsafe.h"

/* The largest errno that the child exits with; above it proc_wait() tells of signals. */
#define EXIT_MAX 127

struct visit {
	int userns_fd;
	int net_fd;
	int family;
	int place_fd; /* becomes the socket */
};

static int open_here(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* Where the namespace is of our own user namespace the first call is refused (EINVAL), and not
 * needed. */
static int open_there(const struct visit *v)
{
	_cleanup_close_ int fd = -EBADF;

	if (setns(v->userns_fd, CLONE_NEWUSER) < 0 && errno != EINVAL)
		return -errno;
	if (setns(v->net_fd, CLONE_NEWNET) < 0)
		return -errno;
	fd = open_here(v->family);
	if (fd < 0)
		return fd;
	return dup3(fd, v->place_fd, O_CLOEXEC) < 0 ? -errno : 0;
}

static void in_child(void *arg)
{
	int r = open_there(arg);

	_exit(-r > EXIT_MAX ? EIO : -r);
}

static int visit(struct visit *v)
{
	const struct clone_plan plan = {
		.flags = CLONE_FILES | CLONE_VFORK,
		.cgroup_fd = -EBADF,
		.fn = in_child,
		.arg = v,
	};
	_cleanup_close_ int pidfd = -EBADF;
	int in_cgroup;
	int status = 0;
	int r = clone_call(&plan, &pidfd, &in_cgroup);

	if (r < 0)
		return r;
	r = proc_wait(pidfd, &status); /* it has ended */
	return r < 0 ? r : status > EXIT_MAX ? -EIO : -status;
}

int netsock_open(int of_fd, int family)
{
	_cleanup_close_ int net_fd = -EBADF;
	_cleanup_close_ int userns_fd = -EBADF;
	_cleanup_close_ int place_fd = -EBADF;
	struct visit v;
	int r;

	if (of_fd < 0)
		return open_here(family);
	net_fd = ioctl(of_fd, SIOCGSKNS);
	if (net_fd < 0)
		return -errno;
	userns_fd = ioctl(net_fd, NS_GET_USERNS);
	if (userns_fd < 0)
		return -errno;
	place_fd = fcntl(of_fd, F_DUPFD_CLOEXEC, 3);
	if (place_fd < 0)
		return -errno;
	v = (struct visit){
		.userns_fd = userns_fd, .net_fd = net_fd, .family = family, .place_fd = place_fd};
	r = visit(&v);
	return r < 0 ? r : take_fd(&place_fd);
}
