/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish.c - Theory of operation.  A name in the run directory leads to the forwarder's socket.  A
 * name without a listener is of one that was killed, or is just ending, which has freed the port
 * before.  Who finds nobody takes the one lock of all published ports, looks again, binds the port,
 * makes the socket and hands both to the forwarder; so no two start one, and what is wrong with the
 * port is known before anything is started.
 */
#include "engine/publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "forward/proto.h"
#include "kernel/port.h"
#include "rootfs/store.h"

#define PROGRAM "dyno-forward"
/* No name of an app begins with a dot. */
#define LOCK_NAME   ".publish"
#define NAME_PREFIX ".publish-"
#define FILE_BYTES  (sizeof(NAME_PREFIX) + PUBLISH_TEXT_BYTES)

/* For a forwarder to answer. Source: own choice, a thousand times what it takes */
#define ANSWER_MS UINT64_C(5000)
/* Forwarders that end while they are asked. Source: own choice */
#define TRIES 8
/* Monitors that connect at once. Source: own choice */
#define BACKLOG 128

/* ---- the name ------------------------------------------------------------------------------- */

static char *name_of(const struct publish *p, char buf[FILE_BYTES])
{
	(void)str_fmt(buf, FILE_BYTES, NAME_PREFIX "%s-%u", p->address, (unsigned int)p->port);
	return buf;
}

/* By a descriptor: the path of a run directory may be longer than sun_path. */
static void address_of(int run_fd, const char *name, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)str_fmt(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", run_fd, name);
}

/* Return: a descriptor; -ENOENT, -ECONNREFUSED: nobody; -errno. */
static int connect_to(int run_fd, const char *name)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un at;

	address_of(run_fd, name, &at);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	return take_fd(&fd);
}

static bool is_nobody(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED;
}

/* ---- the port ------------------------------------------------------------------------------- */

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Return: a listener; -errno. */
static int listen_at(const union address *at)
{
	static const int on = 1, off = 0;
	const int family = at->any.sa_family;
	const socklen_t len = family == AF_INET ? sizeof(at->in) : sizeof(at->in6);
	_cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* Connections of the forwarder before may still rest there; :: takes IPv4 clients too. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) ||
	    bind(fd, &at->any, len) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	return take_fd(&fd);
}

/* Every address: by IPv6 for both, where this host has it. */
static int listen_everywhere(uint16_t port)
{
	const union address v6 = {.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
	const union address v4 = {.in = {.sin_family = AF_INET, .sin_port = htons(port)}};
	int r = listen_at(&v6);

	return r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL ? listen_at(&v4) : r;
}

static int listen_on(const struct publish *p)
{
	union address at = {0};

	if (!p->address[0])
		return listen_everywhere(p->port);
	if (inet_pton(AF_INET, p->address, &at.in.sin_addr) == 1) {
		at.in.sin_family = AF_INET;
		at.in.sin_port = htons(p->port);
	} else if (inet_pton(AF_INET6, p->address, &at.in6.sin6_addr) == 1) {
		at.in6.sin6_family = AF_INET6;
		at.in6.sin6_port = htons(p->port);
	} else {
		return -EINVAL;
	}
	return listen_at(&at);
}

static int err_taken(const struct publish *p, struct dyno_err *err)
{
	char where[PUBLISH_TEXT_BYTES], comm[64];
	struct port_owner owner;

	(void)publish_where(p, where);
	if (port_find_owner(p->port, &owner) != 0)
		(void)err_set(err, ERR_PORT, EADDRINUSE, "publish port %s", where);
	else if (owner.pid == 0)
		(void)err_set(err, ERR_PORT, EADDRINUSE,
			      "publish port %s: a process of user %u listens on it", where,
			      owner.uid);
	else
		(void)err_set(err, ERR_PORT, EADDRINUSE,
			      "publish port %s: process %d (%s) of user %u listens on it", where,
			      owner.pid, str_escape(comm, sizeof(comm), owner.comm), owner.uid);
	err_hint(err, "publish another port, or the first free one: --publish %s+", where);
	return -EADDRINUSE;
}

static int err_listen(const struct publish *p, int num, struct dyno_err *err)
{
	char where[PUBLISH_TEXT_BYTES];

	if (num == EADDRINUSE)
		return err_taken(p, err);
	(void)err_set(err, ERR_PORT, num, "publish port %s", publish_where(p, where));
	if (num == EACCES)
		err_hint(err, "ports below the sysctl net.ipv4.ip_unprivileged_port_start are "
			      "root's: publish one from 1024 on");
	if (num == EADDRNOTAVAIL)
		err_hint(err, "the address must be one of this host's");
	return -num;
}

/* ---- the forwarder -------------------------------------------------------------------------- */

/* Return: the socket that monitors connect to; -errno. */
static int make_control(int run_fd, const char *name)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un at;

	address_of(run_fd, name, &at);
	(void)unlinkat(run_fd, name, 0); /* of one that was killed, if there is any */
	/* bind(2) gives the file the mode of the socket, less the umask. */
	if (fd < 0 || fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return take_fd(&fd);
}

static int run_program(const struct publish_ask *ask, const char *name, int port_fd, int control_fd,
		       struct dyno_err *err)
{
	const char *argv[] = {PROGRAM, ask->app, name, NULL};
	int fds[_FORWARD_FD_MAX] = {-1, -1, -1};
	struct proc_spawn how = {.argv = argv, .fds = fds, .n_fds = _FORWARD_FD_MAX};
	_cleanup_close_ int exe_fd = -EBADF;
	_cleanup_close_ int pidfd = -EBADF;
	char path[PATH_MAX];
	int status = 0;
	int r = store_helper_find(ask->libexec_dir, PROGRAM, path, sizeof(path), err);

	if (r < 0)
		return r;
	exe_fd = open(path, O_PATH | O_CLOEXEC);
	if (exe_fd < 0)
		return err_set(err, ERR_HELPER, errno, "open %s", path);
	how.exe_fd = exe_fd;
	fds[FORWARD_FD_PORT] = port_fd;
	fds[FORWARD_FD_CONTROL] = control_fd;
	fds[FORWARD_FD_RUN] = ask->run_fd;
	r = proc_spawn(&how, &pidfd, err);
	if (r < 0)
		return r;
	/* The forwarder is its child: nobody of this process's family, who would have to reap it. */
	r = proc_wait(pidfd, &status);
	return r < 0 || status != 0 ? err_set(err, ERR_HELPER, r < 0 ? -r : EIO, "start " PROGRAM)
				    : 0;
}

static int start_one(const struct publish_ask *ask, const struct publish *p, const char *name,
		     struct dyno_err *err)
{
	_cleanup_close_ int port_fd = listen_on(p);
	_cleanup_close_ int control_fd = -EBADF;
	int r;

	if (port_fd < 0)
		return err_listen(p, -port_fd, err);
	control_fd = make_control(ask->run_fd, name);
	if (control_fd < 0)
		return err_set(err, ERR_RUN_DIR, -control_fd, "make the socket of a forwarder");
	r = run_program(ask, name, port_fd, control_fd, err);
	if (r < 0)
		(void)unlinkat(ask->run_fd, name, 0); /* else gc finds it */
	return r;
}

static int take_lock(int run_fd)
{
	_cleanup_close_ int fd =
		openat(run_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	do
		r = flock(fd, LOCK_EX);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : take_fd(&fd);
}

/* Return: a connection; -errno. */
static int start_and_connect(const struct publish_ask *ask, const struct publish *p,
			     const char *name, struct dyno_err *err)
{
	_cleanup_close_ int lock_fd = take_lock(ask->run_fd);
	int r;

	if (lock_fd < 0)
		return err_set(err, ERR_RUN_DIR, -lock_fd, "lock the published ports");
	r = connect_to(ask->run_fd, name); /* somebody else may have been first */
	if (!is_nobody(r))
		return r < 0 ? err_set(err, ERR_RUN_DIR, -r, "reach a forwarder") : r;
	r = start_one(ask, p, name, err);
	if (r < 0)
		return r;
	r = connect_to(ask->run_fd, name);
	return r < 0 ? err_set(err, ERR_RUN_DIR, -r, "reach a forwarder") : r;
}

/* ---- the introduction ----------------------------------------------------------------------- */

/* Return: 0; -EPIPE: it is just ending; -ETIMEDOUT; -errno. */
static int hear(int fd, struct forward_msg *ret)
{
	const uint64_t until_ms = clock_ms() + ANSWER_MS;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (;;) {
		uint64_t now_ms = clock_ms();
		int r = poll(&p, 1, now_ms < until_ms ? (int)(until_ms - now_ms) : 0);
		ssize_t n;

		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno == EINTR)
			continue;
		n = r < 0 ? -1 : recv(fd, ret, sizeof(*ret), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return errno == ECONNRESET ? -EPIPE : -errno;
		return n == 0 ? -EPIPE : n < (ssize_t)sizeof(*ret) ? -EPROTO : 0;
	}
}

static int err_refused(const struct publish *p, const struct forward_msg *msg, struct dyno_err *err)
{
	char where[PUBLISH_TEXT_BYTES], app[FORWARD_NAME_BYTES];

	(void)publish_where(p, where);
	(void)err_set(err, ERR_PORT, EADDRINUSE, "publish port %s: the app %.*s has published it",
		      where, (int)sizeof(app) - 1, msg->app);
	err_hint(err, "publish another port, or the first free one: --publish %s+", where);
	return -EADDRINUSE;
}

static int introduce(int fd, const struct publish_ask *ask, const struct publish *p,
		     struct dyno_err *err)
{
	struct forward_msg hello = {
		.type = FORWARD_HELLO,
		.value = ask->hold_ms ? ask->hold_ms : PUBLISH_HOLD_MS,
		.flags = ask->dyno ? 0 : FORWARD_KEEP,
	};
	struct forward_msg answer;
	char where[PUBLISH_TEXT_BYTES];
	int r = 0;

	(void)str_fmt(hello.app, sizeof(hello.app), "%s", ask->app);
	(void)str_fmt(hello.dyno, sizeof(hello.dyno), "%s", ask->dyno ? ask->dyno : "");
	if (send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0)
		r = errno == ECONNRESET ? -EPIPE : -errno;
	if (r == 0)
		r = hear(fd, &answer);
	if (r == 0 && answer.type == FORWARD_REFUSED)
		return err_refused(p, &answer, err);
	if (r == -EPIPE)
		return r;
	if (r < 0) {
		(void)err_set(err, ERR_PORT, -r, "ask the forwarder of port %s",
			      publish_where(p, where));
		err_hint(err, "is it stopped? its name is " PROGRAM);
	}
	return r;
}

static int open_port(const struct publish_ask *ask, const struct publish *p, int *ret_fd,
		     struct dyno_err *err)
{
	char name[FILE_BYTES];

	(void)name_of(p, name);
	for (int i = 0; i < TRIES; i++) {
		_cleanup_close_ int fd = connect_to(ask->run_fd, name);
		int r;

		if (fd < 0)
			fd = start_and_connect(ask, p, name, err);
		if (fd < 0)
			return fd;
		r = introduce(fd, ask, p, err);
		if (r == 0)
			*ret_fd = take_fd(&fd);
		if (r != -EPIPE)
			return r;
	}
	return err_set(err, ERR_PORT, EAGAIN, "reach the forwarder of port %u",
		       (unsigned int)p->port);
}

int publish_open(const struct publish_ask *ask, struct publish *p, int *ret_fd,
		 struct dyno_err *err)
{
	struct publish one = *p;
	int r = -EADDRINUSE;

	one.search = false;
	if (!p->search)
		return open_port(ask, p, ret_fd, err);
	for (unsigned int i = 0; i < PUBLISH_SEARCH && p->port + i <= UINT16_MAX; i++) {
		one.port = (uint16_t)(p->port + i);
		r = open_port(ask, &one, ret_fd, err);
		if (r == 0)
			*p = one;
		if (r != -EADDRINUSE)
			return r;
	}
	(void)err_set(err, ERR_PORT, EADDRINUSE, "publish one of %u ports from %u on",
		      PUBLISH_SEARCH, (unsigned int)p->port);
	err_hint(err, "name another port, or publish none: --publish none");
	return r;
}

/* ---- what killed ones leave ----------------------------------------------------------------- */

int publish_collect(int run_fd, void (*fn)(void *data, const char *kind, const char *name),
		    void *data)
{
	_cleanup_close_ int lock_fd = -EBADF;
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	int n = 0;

	if (faccessat(run_fd, LOCK_NAME, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* nothing was ever published */
	lock_fd = take_lock(run_fd);
	if (lock_fd < 0 || dir_open(run_fd, ".", &dir) < 0)
		return 0;
	while ((name = dir_next_name(&dir))) {
		_cleanup_close_ int fd = -EBADF;

		if (!str_starts(name, NAME_PREFIX))
			continue;
		fd = connect_to(run_fd, name);
		if (fd != -ECONNREFUSED || unlinkat(run_fd, name, 0) < 0)
			continue;
		fn(data, "published port", name + STRLEN(NAME_PREFIX));
		n++;
	}
	return n;
}
