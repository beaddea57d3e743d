/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netsock.h - TCP sockets in another network namespace.  A socket belongs for ever to the namespace
 * it was made in, so that one made inside is a connection to what listens there, without any
 * address, route or rule in between.
 */
#ifndef DYNO_NETSOCK_H
#define DYNO_NETSOCK_H

#include <stddef.h>

/**
 * netsock_open() - a socket of a network namespace.
 * @of_fd: a socket made in that namespace, as listen_probe_open() makes them; negative: the
 *         caller's own namespace
 * @family: AF_INET or AF_INET6: a stream; AF_NETLINK: one that asks about links and routes
 *
 * The caller has CAP_SYS_ADMIN over that namespace, or is the user who has made the user namespace
 * it belongs to.
 * Return: a descriptor, non-blocking and close-on-exec, or -errno.
 * Context: parent, single-threaded
 */
int netsock_open(int of_fd, int family);

/**
 * netsock_open_many() - @n of them at the price of little more than one.
 * @ret_fds: the caller's on success, all or none
 * Return: 0 or -errno. Context: as above
 */
int netsock_open_many(int of_fd, int family, int *ret_fds, size_t n);

/**
 * netsock_namespaces() - the network namespace in which a socket was made, and the user namespace
 * that owns it, whatever its processes have become since.
 * @ret_net_fd, @ret_userns_fd: the caller's on success
 * Return: 0 or -errno. Context: the caller has the rights of netsock_open()
 */
int netsock_namespaces(int of_fd, int *ret_net_fd, int *ret_userns_fd);

#endif
