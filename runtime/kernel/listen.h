/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen.h - who listens on which TCP port of a network namespace: the kernel's own word, which
 * decides `up` and explains a boot that does not get there.
 *
 * A socket of NETLINK_SOCK_DIAG belongs to the namespace it was made in, for ever: the child makes
 * it inside and hands it to the monitor, which needs no right and no setns to ask.  Connecting to
 * the port instead would be seen by the app and cannot tell a loopback bind from none.
 *
 * Raw netlink, without libnl: one request of fixed size and one reply format.  See listen.c for
 * what libnl would have cost a static program.
 */
#ifndef DYNO_LISTEN_H
#define DYNO_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Listeners a fact can name beside the wanted one; more are only counted. */
#define LISTEN_MAX_SOCKETS 16

/* For listen_probe(): sockets of any owner. */
#define LISTEN_ANY_UID UINT32_MAX

/**
 * enum listen_scope - what address a listener is bound to.
 * @LISTEN_ANY: 0.0.0.0 or ::, reachable from everywhere
 * @LISTEN_LOOPBACK: 127.0.0.0/8, ::1 or ::ffff:127.0.0.0/104: reachable from inside only
 * @LISTEN_OTHER: one address
 */
enum listen_scope { LISTEN_ANY, LISTEN_LOOPBACK, LISTEN_OTHER };

/**
 * struct listen_socket - one listening TCP socket.
 * @port: host byte order
 * @family: AF_INET or AF_INET6
 * @scope: see above
 * @v6only: an AF_INET6 socket that takes no IPv4
 * @uid: owner, as the user namespace sees it in which the netlink socket was made
 * @inode: number of the socket, as in /proc/PID/fd "socket:[N]"
 * @cgroup_id: cgroup v2 group in which it was made (st_ino of the directory); 0: the kernel does
 *             not say
 * @addr: the address in network byte order, 4 or 16 bytes used
 */
struct listen_socket {
	uint16_t port;
	uint8_t family;
	enum listen_scope scope;
	bool v6only;
	uint32_t uid;
	uint32_t inode;
	uint64_t cgroup_id;
	uint8_t addr[16];
};

/**
 * struct listen_fact - what listens, in order: on the port wanted first.
 * @n_on_port: how many of @sockets, from the first on, are on the wanted port
 * @n: how many are named in @sockets
 * @n_total: how many there are
 * @reachable: one on the wanted port has a scope other than LISTEN_LOOPBACK
 */
struct listen_fact {
	struct listen_socket sockets[LISTEN_MAX_SOCKETS];
	unsigned int n_on_port;
	unsigned int n;
	unsigned int n_total;
	bool reachable;
};

/**
 * listen_probe_open() - a socket that asks about the network namespace of the caller.  [child]
 * @ret_fd: close-on-exec; owned by the caller
 * Return: 0 or -errno (-EPROTONOSUPPORT: a kernel without NETLINK_SOCK_DIAG).
 */
int listen_probe_open(int *ret_fd);

/**
 * listen_probe_port() - the listeners on one port, filtered by the kernel: cheap on a host with
 * many sockets, fit for polling.
 * @fd: from listen_probe_open()
 * @port: host byte order
 * @uid: only sockets of this owner, LISTEN_ANY_UID for all.  In the host's network namespace this
 *       is what tells the dyno's socket from a stranger's: as root each dyno has a uid of its own.
 *       Rootless all dynos of a caller share the caller's uid: there only the reservation of the
 *       port (port.h) keeps other dynos off, and a process of the caller that is no dyno looks
 *       like one.
 * Return: number of listeners on the port (0: none yet), or -errno.
 */
int listen_probe_port(int fd, uint16_t port, uint32_t uid, struct listen_fact *ret);

/**
 * listen_probe_all() - every listener of the owner, those on @port first: for the explanation.
 * Return: number of listeners on the port, or -errno.
 */
int listen_probe_all(int fd, uint16_t port, uint32_t uid, struct listen_fact *ret);

/** listen_scope_of() - of an address in network byte order. [child] */
enum listen_scope listen_scope_of(uint8_t family, const uint8_t *addr);

/** listen_fact_add() - one more listener; those on @port stand first. [child] */
void listen_fact_add(struct listen_fact *fact, uint16_t port, const struct listen_socket *s);

/* Longest "[address]:port" with its NUL. */
#define LISTEN_TEXT_BYTES 64

/** listen_socket_text() - "127.0.0.1:5000", "[::1]:5000". Return: @buf. [child] */
char *listen_socket_text(const struct listen_socket *s, char buf[LISTEN_TEXT_BYTES]);

/**
 * listen_explain() - one sentence for the platform's log: what the dyno listens on and what was
 * expected, such as "listening on 127.0.0.1:5000, expected 0.0.0.0:$PORT=31742".
 * @fact: of listen_probe_all()
 * Return: the length of the text; 0 and "" when something reachable listens on @port.
 */
size_t listen_explain(const struct listen_fact *fact, uint16_t port, char *buf, size_t size);

#endif
