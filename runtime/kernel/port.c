/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/port.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "base/util.h"
#include "kernel/listen.h"
#include "kernel/slot.h"

/* Largest process id plus one. Source: PID_MAX_LIMIT, proc(5) kernel/pid_max on 64 bits. */
#define PID_LIMIT (1U << 22)

/* How a port is tried: as an app without, or with SO_REUSEADDR would. */
enum bind_mode { BIND_PLAIN, BIND_REUSE };

/* Return: 0; -EADDRINUSE; -errno. A family that this host does not have cannot be in the way. */
static int try_bind(int family, uint16_t port, enum bind_mode mode)
{
	static const int one = 1;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} addr = {0};
	socklen_t len = family == AF_INET ? sizeof(addr.in) : sizeof(addr.in6);
	_cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : -errno;

	addr.any.sa_family = (sa_family_t)family;
	if (family == AF_INET)
		addr.in.sin_port = htons(port);
	else
		addr.in6.sin6_port = htons(port);

	/* [::] would take the IPv4 addresses too, and hide which family is in use. */
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0)
		return -errno;
	if (mode == BIND_REUSE && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0)
		return -errno;

	if (bind(fd, &addr.any, len) != 0)
		return errno == EADDRNOTAVAIL ? 0 : -errno;
	return 0;
}

static int try_bind_all(uint16_t port, enum bind_mode mode)
{
	int r = try_bind(AF_INET, port, mode);

	return r < 0 ? r : try_bind(AF_INET6, port, mode);
}

int port_is_free(uint16_t port)
{
	int r = try_bind_all(port, BIND_PLAIN);

	if (r == -EADDRINUSE)
		return 0;
	return r < 0 ? r : 1;
}

/*
 * A fixed port may be held by nothing but connections in TIME-WAIT from the run before; every
 * server sets SO_REUSEADDR for that.  Only listeners and plain binds are in the way then.
 */
static int fixed_is_free(uint16_t port)
{
	int r = port_is_free(port);

	if (r != 0)
		return r;

	r = try_bind_all(port, BIND_REUSE);
	if (r == -EADDRINUSE)
		return 0;
	return r < 0 ? r : 1;
}

/* Whether a directory of descriptors (PID/fd) holds the socket. */
static bool fds_hold_socket(int proc, const char *path, const char *want)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	bool found = false;

	if (dir_open(proc, path, &dir) < 0)
		return false;
	while (!found && (name = dir_next_name(&dir))) {
		char link[64];
		ssize_t n = readlinkat(dir.fd, name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		found = str_eq(link, want);
	}
	return found;
}

static void read_comm(int proc, const char *pid, char comm[16])
{
	char path[64];
	ssize_t n;

	(void)str_fmt(path, sizeof(path), "%s/comm", pid);
	_cleanup_close_ int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);

	n = fd < 0 ? -1 : fd_read_full(fd, comm, 15);
	comm[n > 0 ? n : 0] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
}

/* The first process that holds the socket; processes of others are invisible without rights. */
static void find_process(uint32_t inode, struct port_owner *owner)
{
	_cleanup_dir_ struct dir proc = DIR_INIT;
	const char *name;
	char want[32];

	if (dir_open(AT_FDCWD, "/proc", &proc) < 0)
		return;
	(void)str_fmt(want, sizeof(want), "socket:[%u]", inode);

	while ((name = dir_next_name(&proc))) {
		char path[64];
		uint32_t pid;

		if (num_parse_u32(name, PID_LIMIT, &pid) != 0)
			continue;
		(void)str_fmt(path, sizeof(path), "%u/fd", pid);
		if (!fds_hold_socket(proc.fd, path, want))
			continue;
		owner->pid = (int32_t)pid;
		read_comm(proc.fd, name, owner->comm);
		break;
	}
}

int port_find_owner(uint16_t port, struct port_owner *ret)
{
	_cleanup_close_ int fd = -EBADF;
	struct listen_fact fact;
	struct port_owner owner = {0};
	int r;

	r = listen_probe_open(&fd);
	if (r < 0)
		return r;
	r = listen_probe_port(fd, port, LISTEN_ANY_UID, &fact);
	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;

	owner.uid = fact.sockets[0].uid;
	find_process(fact.sockets[0].inode, &owner);
	*ret = owner;
	return 0;
}

static int err_stranger(uint16_t port, struct dyno_err *err)
{
	struct port_owner owner;
	char comm[64];

	if (port_find_owner(port, &owner) != 0)
		(void)err_set(err, ERR_PORT, EADDRINUSE, "reserve port %u", port);
	else if (owner.pid == 0)
		(void)err_set(err, ERR_PORT, EADDRINUSE,
			      "reserve port %u: a process of user %u listens on it", port,
			      owner.uid);
	else
		(void)err_set(err, ERR_PORT, EADDRINUSE,
			      "reserve port %u: process %d (%s) of user %u listens on it", port,
			      owner.pid, str_escape(comm, sizeof(comm), owner.comm), owner.uid);

	err_hint(err, "end that process, or leave --port away: dyno then chooses a free one");
	return -EADDRINUSE;
}

static int lock_failed(int num, struct dyno_err *err)
{
	return err_set(err, ERR_RUN_DIR, num, "lock %s in the run directory", SLOT_FILE_PORTS);
}

static int err_privileged(uint16_t port, struct dyno_err *err)
{
	(void)err_set(err, ERR_PORT, EACCES, "bind port %u", port);
	err_hint(err, "no dyno has the right to bind a port below the sysctl "
		      "net.ipv4.ip_unprivileged_port_start: use one from 1024 on");
	return -EACCES;
}

/*
 * First port that needs no privilege.  The launcher may well be root and able to bind any: that
 * says nothing about the dyno, which has no capability over its network namespace.
 */
static uint32_t first_unprivileged(const struct port_want *want)
{
	char text[16] = "";
	uint32_t first;
	ssize_t n;

	/* A new network namespace starts with the default. */
	if (!want->shared)
		return IPPORT_RESERVED;

	_cleanup_close_ int fd =
		open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_RDONLY | O_CLOEXEC);

	n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (num_parse_u32(text, UINT16_MAX + 1U, &first) != 0)
		return IPPORT_RESERVED;
	return want->distinct ? MAX_OF(first, (uint32_t)IPPORT_RESERVED) : first;
}

static int reserve_fixed(int fd, uint16_t port, struct dyno_err *err)
{
	int r = slot_lock(fd, port, 1);

	if (r == -EAGAIN) {
		(void)err_set(err, ERR_PORT, EADDRINUSE, "reserve port %u: another dyno has it",
			      port);
		err_hint(err, "leave --port away, or stop that dyno: dyno ps shows the ports");
		return -EADDRINUSE;
	}
	if (r < 0)
		return lock_failed(-r, err);

	r = fixed_is_free(port);
	if (r == 0)
		return err_stranger(port, err);
	if (r == -EACCES)
		return err_privileged(port, err);
	if (r < 0)
		return err_set(err, ERR_PORT, -r, "bind port %u", port);
	return 0;
}

/* Return: the port, or -errno with err set; where all are taken one of them will do. */
static int reserve_distinct(int fd, const struct port_want *want, struct dyno_err *err)
{
	uint64_t start = slot_random(want->count);

	for (uint32_t i = 0; i < want->count; i++) {
		uint16_t port = (uint16_t)(want->first + (start + i) % want->count);
		int r = slot_lock(fd, port, 1);

		if (r == 0)
			return port;
		if (r != -EAGAIN)
			return lock_failed(-r, err);
	}
	return (int)(want->first + start);
}

/* Return: the port, or -errno with err set. */
static int reserve_any(int fd, const struct port_want *want, struct dyno_err *err)
{
	uint64_t start = slot_random(want->count);

	for (uint32_t i = 0; i < want->count; i++) {
		uint16_t port = (uint16_t)(want->first + (start + i) % want->count);
		int r = slot_lock(fd, port, 1);

		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return lock_failed(-r, err);

		r = port_is_free(port);
		if (r > 0)
			return port;
		if (r < 0)
			return err_set(err, ERR_PORT, -r, "bind port %u", port);

		r = slot_unlock(fd, port, 1);
		if (r < 0)
			return lock_failed(-r, err);
	}

	(void)err_set(err, ERR_PORT, EADDRINUSE, "reserve one of the ports %u to %u", want->first,
		      want->first + want->count - 1U);
	err_hint(err, "every one is taken by a dyno or a stranger: see dyno ps and ss -ltnp");
	return -EADDRINUSE;
}

int port_reserve(int run_dir_fd, const struct port_want *want, int *ret_lock_fd, uint16_t *ret_port,
		 struct dyno_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (want->fixed == 0 &&
	    (want->count == 0 || want->first == 0 || want->first + want->count - 1U > UINT16_MAX))
		return err_set(err, ERR_PORT, EINVAL, "choose one of %u ports from %u on",
			       want->count, want->first);

	if (want->fixed != 0 && want->fixed < first_unprivileged(want))
		return err_privileged(want->fixed, err);

	if (!want->shared && (want->fixed || !want->distinct)) {
		*ret_port = want->fixed ? want->fixed
					: (uint16_t)(want->first + slot_random(want->count));
		*ret_lock_fd = -EBADF;
		return 0;
	}

	fd = slot_open(run_dir_fd, SLOT_FILE_PORTS);
	if (fd < 0)
		return err_set(err, ERR_RUN_DIR, -fd, "open %s in the run directory",
			       SLOT_FILE_PORTS);

	if (!want->shared)
		r = reserve_distinct(fd, want, err);
	else
		r = want->fixed ? reserve_fixed(fd, want->fixed, err) : reserve_any(fd, want, err);
	if (r < 0)
		return r;

	*ret_port = want->fixed ? want->fixed : (uint16_t)r;
	*ret_lock_fd = take_fd(&fd);
	return 0;
}
