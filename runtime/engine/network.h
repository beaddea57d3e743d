/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.h - a dyno's own network with a way out: an address, a routed pair of links, and the
 * host's part, which all dynos share; or, for a caller without root, pasta (network_user.c).
 *
 * Theory of operation.  The dyno's namespace has one link, eth0, whose other end stands on the
 * host.  Both have the same hardware address and no address resolution: what goes in at one end
 * comes out at the other, and there is nobody whose answers could be forged.  The dyno has one
 * address and a route to everywhere by eth0; the host has a route to that one address.  The host's
 * firewall table (model/netrules.h) goes by the names of links, so that a start touches no rule.
 *
 * Who has an address is told by a lock in the run directory (kernel/slot.h), and by the kernel,
 * which gives a link's name only once.  Nothing has to be taken back: the links go with the dyno's
 * namespace, the route with the link, the lock with its holder.
 *
 * Dynos of an app that may reach each other are a group, and its number in the firewall is that of
 * the link of its first member, which the kernel gives to no other link of the host.  All members
 * share a lock of that number on the app's directory, where who comes later finds it: two apps
 * cannot have one number, whatever they are called, and a group ends with its last member.
 */
#ifndef DYNO_ENGINE_NETWORK_H
#define DYNO_ENGINE_NETWORK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <dyno.h>

#include "kernel/pasta.h"
#include "model/netpool.h"
#include "model/netrules.h"

/* The name under which a dyno finds its host. */
#define NETWORK_HOST_NAME "host.dyno.internal"

/**
 * struct network - the private network of one start; network_init(), then network_prepare().
 * @lock_fd: keeps @address
 * @route_fd: asks the host's links and routes
 * @filter_fd: asks the table inside the dyno; negative: it has none
 * @group_fd: the app's directory, keeps @group; negative: no other dyno may be reached
 * @address: of the dyno, in host byte order; 0: not prepared
 * @group: of dynos that may reach each other, once connected; 0: none
 * @link: number of the host's end, once connected
 * @note: what the host's table says
 * @egress: to where it may open connections
 * @text, @text6: its addresses; @text6 is "" where the host has no IPv6
 * @host_text: the host's address for it; "": it has none
 * @by_pasta: it is a caller's without root: @text is known inside alone, and only these matter:
 * @pasta: what connects it, once connected
 * @plan: what that is told, of which @link6 is in @link6
 * @gateway_text: whom the dyno may ask for names, where @plan.names is set
 */
struct network {
	int lock_fd;
	int route_fd;
	int filter_fd;
	int group_fd;
	uint32_t address;
	uint32_t group;
	uint32_t link;
	struct netrules_note note;
	struct netrules_egress egress;
	char text[NETPOOL_TEXT4_BYTES];
	char text6[NETPOOL_TEXT6_BYTES];
	char host_text[NETPOOL_TEXT4_BYTES];
	bool by_pasta;
	struct pasta pasta;
	struct pastaargs_plan plan;
	char link6[IF_NAMESIZE];
	char gateway_text[NETPOOL_TEXT4_BYTES];
};

/** network_init() - holds nothing. */
void network_init(struct network *net);

/**
 * network_prepare() - take an address; @net->note is filled, by network_host().
 * @run_fd: the run directory (borrowed)
 * @app: the app's name; its directory is there
 * Return: 0, or -errno: ERR_NETWORK, ERR_USAGE (an egress that is none), ERR_RUN_DIR.
 */
int network_prepare(struct network *net, int run_fd, const struct dyno_run_opts *opts,
		    const char *app, struct dyno_err *err);

/**
 * network_connect() - make the links, addresses, routes and the table of a namespace that is new.
 * @pidfd: of a process in it
 * Return: 0, or -errno with ERR_NETWORK, ERR_HELPER; -ESRCH: the process has ended.
 * Context: parent; it enters the other namespace and comes back
 */
int network_connect(struct network *net, int pidfd, struct dyno_err *err);

/** network_drop() - take the links away before their namespace goes, for another try. */
void network_drop(struct network *net);

/** network_denied() - packets that the egress has refused. Return: 0; -errno: nothing counts. */
int network_denied(const struct network *net, uint64_t *ret);

/** network_done() - give all of it back; the last process inside has ended. */
void network_done(struct network *net);

/* ---- without root ---- */

/**
 * network_user_check() - whether what is said of the network can be had without root.
 * Return: 0, or -EPERM with ERR_NETWORK: that takes rules or links of the host.
 */
int network_user_check(const struct dyno_run_opts *opts, struct dyno_err *err);

/**
 * network_user_prepare() - network_prepare() for a caller without root; nothing is taken.
 * @port: of the dyno, which is to be reached on the host's 127.0.0.1 too
 * Return: 0, or -errno: ERR_NETWORK, ERR_USAGE (a range that is none).
 */
int network_user_prepare(struct network *net, const struct dyno_run_opts *opts, uint16_t port,
			 struct dyno_err *err);

/**
 * network_user_connect() - start pasta, and wait until the link stands.
 * @init_pidfd: of the dyno's first process
 * @of_fd: a socket that was made in the namespace
 * Return: 0, or -errno with ERR_NETWORK, ERR_HELPER and nothing left running.
 * Context: parent
 */
int network_user_connect(struct network *net, int init_pidfd, int of_fd, struct dyno_err *err);

/* ---- the host's part ---- */

/**
 * network_choose_pool() - a range that no route of the host leads into.
 * @fd: of rtnl_open()
 * @subnet: the one that is asked for; NULL: any
 * Return: 0, or -errno: ERR_NETWORK, ERR_USAGE.
 */
int network_choose_pool(int fd, const char *subnet, struct netpool *ret, struct dyno_err *err);

/**
 * network_host() - the host's table, made where it is missing, with its address on the loopback
 * and forwarding.
 * @subnet: range that is asked for; NULL: any
 * Return: 0, or -errno: ERR_NETWORK, ERR_USAGE, ERR_HELPER, ERR_RUN_DIR.
 */
int network_host(int run_fd, const char *subnet, struct netrules_note *ret, struct dyno_err *err);

/**
 * network_host_remove() - take the host's part away, and put forwarding back where it was off.
 * Return: 1; 0: there was none; -errno: ERR_NETWORK -EBUSY: dynos are up; others.
 */
int network_host_remove(int run_fd, struct dyno_err *err);

/** network_host_lost() - whether somebody has removed the table below dynos that are up. */
bool network_host_lost(void);

#endif
