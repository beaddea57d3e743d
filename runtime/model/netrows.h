/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netrows.h - rows of /proc/PID/net/tcp, udp and unix: sockets of one network namespace.  Pure: the
 * texts are the caller's, and paths in them are a tenant's.
 */
#ifndef DYNO_NETROWS_H
#define DYNO_NETROWS_H

#include <stdint.h>

/**
 * struct netrow - one socket of TCP or UDP.
 * @family: AF_INET or AF_INET6
 * @state: as the kernel numbers it, TCP_LISTEN and its like
 * @port, @peer_port: host byte order
 * @addr, @peer: in network byte order, 4 or 16 bytes used
 * @inode: as in /proc/PID/fd "socket:[N]"
 */
struct netrow {
	int family;
	uint8_t state;
	uint16_t port;
	uint16_t peer_port;
	uint8_t addr[16];
	uint8_t peer[16];
	uint32_t inode;
};

/**
 * netrows_next() - the next row of tcp, tcp6, udp or udp6; a line that is none is passed by.
 * @at: begins at the text, and is moved behind the row
 * @family: of the file
 * Return: 1; 0: no more.
 */
int netrows_next(const char **at, int family, struct netrow *ret);

/* A path of sun_path, or "@" and the name of one that is in no file system. Source: unix(7) */
#define NETROWS_PATH_BYTES 112

/**
 * struct netrow_unix - one socket of a path.
 * @listens: connections are taken
 */
struct netrow_unix {
	int listens;
	uint32_t inode;
	char path[NETROWS_PATH_BYTES];
};

/** netrows_next_unix() - the same of the file unix, those with a path. */
int netrows_next_unix(const char **at, struct netrow_unix *ret);

/* Longest "[address]:port" with its NUL. Source: INET6_ADDRSTRLEN, and what is around it */
#define NETROWS_TEXT_BYTES 64

/** netrows_text() - "127.0.0.1:5000", "[::1]:5000". Return: @buf. */
char *netrows_text(int family, const uint8_t *addr, uint16_t port, char buf[NETROWS_TEXT_BYTES]);

#endif
