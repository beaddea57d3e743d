/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnl.h - links, addresses and routes: the few requests of rtnetlink that a private network is
 * made of.  A socket works on the network namespace in which it was made, whoever uses it later.
 */
#ifndef DYNO_RTNL_H
#define DYNO_RTNL_H

#include <stdint.h>

#include "model/netpool.h"

/** rtnl_open() - a socket of the caller's namespace. Return: a descriptor, or -errno. */
int rtnl_open(void);

/**
 * struct rtnl_veth - a pair of links, neither with address resolution: what one sends the other
 * takes, since both have the same hardware address.
 * @name, @index: the end in the socket's namespace, which is up, and its number there
 * @peer: the other end, which is down
 * @peer_netns_fd: its namespace
 */
struct rtnl_veth {
	const char *name;
	uint32_t index;
	const char *peer;
	int peer_netns_fd;
};

/** rtnl_add_veth() - Return: 0; -EEXIST: one of the names is taken; -errno. */
int rtnl_add_veth(int fd, const struct rtnl_veth *veth);

/** rtnl_link_up() - have it carry packets. Return: 0 or -errno. */
int rtnl_link_up(int fd, uint32_t index);

/** rtnl_delete_link() - with its peer. Return: 0; -ENODEV: there is none; -errno. */
int rtnl_delete_link(int fd, const char *name);

/** rtnl_link_index() - Return: its number; -ENODEV: there is none; -errno. @fd: any socket */
int rtnl_link_index(int fd, const char *name);

/**
 * rtnl_add_address() - an address with its whole length as the prefix.
 * @family: AF_INET or AF_INET6
 * @address: 4 or 16 bytes
 * Return: 0; -EEXIST; -errno.
 */
int rtnl_add_address(int fd, int family, const void *address, uint32_t index);

/** rtnl_delete_address() - Return: 0; -EADDRNOTAVAIL: there is none; -errno. */
int rtnl_delete_address(int fd, int family, const void *address, uint32_t index);

/**
 * rtnl_add_route() - by a link, without a gateway.
 * @dst: one address; NULL: everywhere
 * @src: which address is the sender's; NULL: the kernel chooses
 * Return: 0; -EEXIST; -errno.
 */
int rtnl_add_route(int fd, int family, const void *dst, const void *src, uint32_t index);

/**
 * rtnl_routes() - destinations of the IPv4 routes of all tables but the local one.
 * @ret: @max of them are filled
 * Return: how many there are, which may be more than @max; -errno.
 */
int rtnl_routes(int fd, struct netpool *ret, int max);

/** rtnl_watch_routes() - be told by this socket of routes that come from now on.
 * Return: 0 or -errno. */
int rtnl_watch_routes(int fd);

/**
 * rtnl_new_default() - what a watching socket, which does not block, has been told.
 * @family: AF_INET or AF_INET6
 * Return: 1: a route to everywhere has come, and what was told behind it is left to be read; 0: not
 * yet; -errno.
 */
int rtnl_new_default(int fd, int family);

#endif
