/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pasta.h - a way out for a network namespace whose owner has no rights on the host: the program
 * pasta (package passt), which stands between a tun device inside and sockets outside.
 *
 * It confines itself: it joins the user namespace given to it, keeps two capabilities there, has an
 * empty root, a filter of system calls, and is not to be looked at.  What it does not do by itself
 * is to end with the namespace.
 */
#ifndef DYNO_PASTA_H
#define DYNO_PASTA_H

#include <stddef.h>

#include <dyno.h>

#include "model/pastaargs.h"

/* What it makes the dyno's link of. */
#define PASTA_TUN "/dev/net/tun"

/* Its last words are shown to this length. Source: struct dyno_err */
#define PASTA_SAID_BYTES 160U

/**
 * struct pasta - one that runs, or PASTA_INIT.
 * @pidfd: a child of this process
 * @said_fd: what it writes to its standard error
 */
struct pasta {
	int pidfd;
	int said_fd;
};

#define PASTA_INIT                                 \
	{                                          \
		.pidfd = -EBADF, .said_fd = -EBADF \
	}

/**
 * pasta_usable() - whether this user has what it takes.
 * Return: 0, or -errno with @err set: ERR_HELPER (there is no such program), ERR_NETWORK (no tun
 * device, or none that this user may open), each with what mends it.
 */
int pasta_usable(struct dyno_err *err);

/** pasta_tun_usable() - whether this user may open the tun device.
 * Return: 0, or -errno with ERR_NETWORK, and what mends it as the hint. */
int pasta_tun_usable(struct dyno_err *err);

/**
 * pasta_start() - start it; what it does becomes visible in the namespace.
 * @net_fd: of the namespace (borrowed); @userns_fd: the user namespace that owns it (borrowed)
 * Return: 0, or -errno with ERR_HELPER, ERR_IO.
 */
int pasta_start(struct pasta *pasta, const struct pastaargs_plan *plan, int net_fd, int userns_fd,
		struct dyno_err *err);

/** pasta_said() - the last line that it wrote, escaped; "" where there is none. */
void pasta_said(const struct pasta *pasta, char buf[PASTA_SAID_BYTES]);

/** pasta_end() - end it, if it runs, and wait for that: its port is free again. */
void pasta_end(struct pasta *pasta);

#endif
