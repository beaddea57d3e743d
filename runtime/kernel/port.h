/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.h - the reservation of $PORT on this host: one lock per port (slot.h) and, where the dyno
 * shares the host's network, a look whether a stranger has the port.  Which ports may be chosen is
 * the model's business (model/port.h); who listens later is the listener probe's (listen.h).
 */
#ifndef DYNO_KERNEL_PORT_H
#define DYNO_KERNEL_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <dyno.h>

/**
 * struct port_want - what port is asked for.
 * @fixed: exactly this one (--port); 0: any of the range
 * @first: first port of the range to choose from
 * @count: how many ports the range has
 * @shared: the dyno lives in the network namespace of the caller: lock the port against other
 *          dynos and bind it once; false: its namespace is its own and no port can be taken there
 * @distinct: of one that is not shared: while there are ports left it is no other dyno's all the same,
 *          so that a port alone tells dynos apart; of one that is shared: it is bound in both namespaces
 */
struct port_want {
	uint16_t fixed;
	uint16_t first;
	uint16_t count;
	bool shared;
	bool distinct;
};

/**
 * port_reserve() - choose a port and keep other dynos off it.
 * @run_dir_fd: the run directory (borrowed); not used unless @want->shared or @want->distinct
 * @ret_lock_fd: keeps the reservation until closed, owned by the caller; -EBADF where none is
 *               needed
 * @ret_port: the port, host byte order
 *
 * The port is not kept bound: the app binds it itself.  Between the two a stranger may come first;
 * a listener probe tells then.
 * Return: 0 or -errno.
 * Errors: ERR_PORT -EADDRINUSE (fixed port taken: the message names the dyno or the stranger;
 * range: all taken), -EACCES (fixed port below ip_unprivileged_port_start); ERR_RUN_DIR.
 */
int port_reserve(int run_dir_fd, const struct port_want *want, int *ret_lock_fd, uint16_t *ret_port,
		 struct dyno_err *err);

/**
 * port_is_free() - bind the port over TCP on all IPv4 and IPv6 addresses and let go at once.
 * Return: 1; 0 when an address is in use; -errno (-EACCES: privileged port).
 */
int port_is_free(uint16_t port);

/** struct port_owner - who has a port: process (best effort: 0 and "" when not to be seen), uid. */
struct port_owner {
	int32_t pid;
	uint32_t uid;
	char comm[16];
};

/**
 * port_find_owner() - the process that listens on a TCP port of this network namespace.
 * Return: 0 when a listener was found; -ENOENT when there is none; -errno.
 */
int port_find_owner(uint16_t port, struct port_owner *ret);

#endif
