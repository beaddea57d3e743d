/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pastaargs.h - the arguments of pasta(1) for the network of one dyno: everything that pasta would
 * find out by itself, or share by default, is said.
 *
 * The namespaces come as the standard input and output: later versions close every descriptor above
 * standard error before they read their arguments.
 */
#ifndef DYNO_MODEL_PASTAARGS_H
#define DYNO_MODEL_PASTAARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/netpool.h"

/* Of pasta, the descriptors that are the dyno's namespaces. */
#define PASTAARGS_NETNS_FD  0
#define PASTAARGS_USERNS_FD 1

/* The dyno's end, as with links that root makes. Source: CONTRACT 9.1 */
#define PASTAARGS_LINK "eth0"

/* More than are ever written, with the NULL. */
#define PASTAARGS_MAX 48U

/* "127.0.0.1/" and a port. */
#define PASTAARGS_PORT_BYTES 24U

/**
 * struct pastaargs_plan - the network as the dyno sees it.
 * @pool: its range, of which the host's address is the gateway
 * @address: of the dyno, in host byte order
 * @link6: link of the host that its IPv6 goes out by; NULL: the dyno has no IPv6
 * @port: of the host's 127.0.0.1, where connections to the same port of the dyno are taken; 0: none
 * @names: what is asked of the gateway on UDP port 53 goes to the host's first resolver
 */
struct pastaargs_plan {
	struct netpool pool;
	uint32_t address;
	const char *link6;
	uint16_t port;
	bool names;
};

/** struct pastaargs - the arguments, and the texts among them. */
struct pastaargs {
	const char *argv[PASTAARGS_MAX];
	uint32_t n;
	char address[NETPOOL_TEXT4_BYTES];
	char gateway[NETPOOL_TEXT4_BYTES];
	char len[4];
	char address6[NETPOOL_TEXT6_BYTES];
	char port[PASTAARGS_PORT_BYTES];
};

/**
 * pastaargs_make() - write them.
 * @path: of the program, borrowed
 * @ret: points into itself: not to be moved
 */
void pastaargs_make(const struct pastaargs_plan *plan, const char *path, struct pastaargs *ret);

#endif
