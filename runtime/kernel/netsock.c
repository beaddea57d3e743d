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
	const int *place_fds; /* become the sockets */
	size_t n;
};

static int open_here(int family)
{
	const int type = family == AF_NETLINK ? SOCK_RAW : SOCK_STREAM;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

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
	for (size_t i = 0; i < v->n; i++) {
		fd = open_here(v->family);
		if (fd < 0)
			return fd;
		if (dup3(fd, v->place_fds[i], O_CLOEXEC) < 0)
			return -errno;
		close_fdp(&fd);
	}
	return 0;
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

/* Descriptors of any kind, in place of which the sockets come. Return: 0 or -errno. */
static int make_places(int of_fd, int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fds[i] = fcntl(of_fd, F_DUPFD_CLOEXEC, 3);
		if (fds[i] >= 0)
			continue;
		fds[i] = -errno;
		return fds[i];
	}
	return 0;
}

int netsock_namespaces(int of_fd, int *ret_net_fd, int *ret_userns_fd)
{
	_cleanup_close_ int net_fd = ioctl(of_fd, SIOCGSKNS);
	int userns_fd;

	if (net_fd < 0)
		return -errno;
	userns_fd = ioctl(net_fd, NS_GET_USERNS);
	if (userns_fd < 0)
		return -errno;
	*ret_net_fd = take_fd(&net_fd);
	*ret_userns_fd = userns_fd;
	return 0;
}

static int open_inside(int of_fd, int family, const int *places, size_t n)
{
	_cleanup_close_ int net_fd = -EBADF;
	_cleanup_close_ int userns_fd = -EBADF;
	struct visit v;
	int r = netsock_namespaces(of_fd, &net_fd, &userns_fd);

	if (r < 0)
		return r;
	v = (struct visit){.userns_fd = userns_fd,
			   .net_fd = net_fd,
			   .family = family,
			   .place_fds = places,
			   .n = n};
	return visit(&v);
}

int netsock_open_many(int of_fd, int family, int *ret_fds, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n; i++)
		ret_fds[i] = -EBADF;
	if (of_fd >= 0) {
		r = make_places(of_fd, ret_fds, n);
		if (r == 0)
			r = open_inside(of_fd, family, ret_fds, n);
	}
	for (size_t i = 0; of_fd < 0 && r == 0 && i < n; i++) {
		ret_fds[i] = open_here(family);
		r = MIN_OF(ret_fds[i], 0);
	}
	for (size_t i = 0; r < 0 && i < n; i++)
		close_fdp(&ret_fds[i]);
	return r;
}

int netsock_open(int of_fd, int family)
{
	int fd;
	int r = netsock_open_many(of_fd, family, &fd, 1);

	return r < 0 ? r : fd;
}
