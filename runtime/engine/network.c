/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/nft.h"
#include "kernel/rtnl.h"
#include "kernel/slot.h"

/* The dyno's end. Source: CONTRACT 9.1 */
#define LINK_INSIDE "eth0"

/* Its number inside: above those that modules of tunnels may take in a new namespace, and known
 * beforehand, so that nothing has to be asked. Source: own choice */
#define LINK_INSIDE_INDEX 64

/* A link's number is an int above 0. Source: include/linux/netdevice.h */
#define LINK_BITS 31

/* A link that is made takes this from the default of its namespace. */
#define NO_ADVERTS "/proc/sys/net/ipv6/conf/default/accept_ra"

void network_init(struct network *net)
{
	*net = (struct network){.lock_fd = -EBADF,
				.route_fd = -EBADF,
				.filter_fd = -EBADF,
				.group_fd = -EBADF,
				.pasta = PASTA_INIT};
}

/* ---- before the launch ---------------------------------------------------------------------- */

/* An address that no live dyno has: neither one of this run directory, which would hold the lock,
 * nor one of another, or one whose link is still on its way out. */
static int try_address(struct network *net, uint32_t address)
{
	char name[NETPOOL_NAME_BYTES];
	int r = slot_lock(net->lock_fd, address, 1);

	if (r < 0)
		return r;
	r = rtnl_link_index(net->route_fd, netpool_link(address, name));
	if (r == -ENODEV) {
		net->address = address;
		return 0;
	}
	(void)slot_unlock(net->lock_fd, address, 1); /* it would go with the descriptor */
	return r < 0 ? r : -EAGAIN;
}

static int take_address(struct network *net, int run_fd, struct dyno_err *err)
{
	const struct netpool *pool = &net->note.pool;
	uint32_t count = netpool_count(pool);
	uint32_t start = (uint32_t)slot_random(count);
	char cidr[NETPOOL_CIDR_BYTES];

	net->lock_fd = slot_open(run_fd, SLOT_FILE_ADDRESSES);
	if (net->lock_fd < 0)
		return err_set(err, ERR_RUN_DIR, -net->lock_fd, "open %s in the run directory",
			       SLOT_FILE_ADDRESSES);
	for (uint32_t i = 0; i < count; i++) {
		int r = try_address(net,
				    netpool_nth(pool, (uint32_t)((start + (uint64_t)i) % count)));

		if (r == 0)
			return 0;
		if (r != -EAGAIN)
			return err_set(err, ERR_NETWORK, -r, "take an address");
	}
	err_set(err, ERR_NETWORK, EADDRNOTAVAIL, "take one of the %u addresses of %s", count,
		netpool_format(pool, cidr));
	err_hint(err, "stop dynos, or give a wider range with --subnet after dyno gc --network");
	return -EADDRNOTAVAIL;
}

int network_prepare(struct network *net, int run_fd, const struct dyno_run_opts *opts,
		    const char *app, struct dyno_err *err)
{
	int r = netrules_egress_parse(opts->egress, netpool_host(&net->note.pool), &net->egress,
				      err);

	if (r < 0)
		return r;
	net->route_fd = rtnl_open();
	if (net->route_fd < 0)
		return err_set(err, ERR_NETWORK, -net->route_fd, "open a socket for links");
	r = take_address(net, run_fd, err);
	if (r < 0)
		return r;
	if (opts->network == DYNO_NET_PRIVATE_APP) {
		net->group_fd =
			openat(run_fd, app, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (net->group_fd < 0)
			return err_set(err, ERR_RUN_DIR, errno, "open the run directory of %s",
				       app);
	}
	netpool_text4(net->address, net->text);
	netpool_text4(netpool_host(&net->note.pool), net->host_text);
	if (net->note.ipv6)
		netpool_text6(net->address, net->text6);
	return 0;
}

/* ---- in the dyno's namespace ---------------------------------------------------------------- */

static int link_failed(const struct network *net, int r, struct dyno_err *err)
{
	err_set(err, ERR_NETWORK, -r, "make the link of %s", net->text);
	if (r == -EEXIST)
		err_hint(err, "a dyno of another run directory has just taken it: start again");
	if (r == -EOPNOTSUPP)
		err_hint(err,
			 "the kernel has no veth: modprobe veth; or use --network host or none");
	return r;
}

static int address_inside(const struct network *net, int fd)
{
	const uint32_t be = htonl(net->address);
	uint8_t own6[16];
	int r = rtnl_add_address(fd, AF_INET, &be, LINK_INSIDE_INDEX);

	if (r == 0)
		r = rtnl_add_route(fd, AF_INET, NULL, NULL, LINK_INSIDE_INDEX);
	if (r < 0 || !net->note.ipv6)
		return r;
	netpool_addr6(net->address, own6);
	r = rtnl_add_address(fd, AF_INET6, own6, LINK_INSIDE_INDEX);
	if (r < 0)
		return r;
	if (net->note.ipv6_out)
		return rtnl_add_route(fd, AF_INET6, NULL, NULL, LINK_INSIDE_INDEX);
	/* Without a way out an app must hear so at once, and not wait for an answer. */
	netpool_addr6(netpool_host(&net->note.pool), own6);
	return rtnl_add_route(fd, AF_INET6, own6, NULL, LINK_INSIDE_INDEX);
}

static int narrow_egress(struct network *net, struct dyno_err *err)
{
	_cleanup_sbuf_ struct sbuf text = {0};
	int r;

	if (net->egress.reach == NETRULES_ALL)
		return 0;
	netrules_egress(&net->egress, netpool_host(&net->note.pool), &text);
	if (sbuf_ok(&text) < 0)
		return err_set(err, ERR_MEMORY, ENOMEM, "write the rules of the egress");
	r = nft_run(text.data, text.len, err);
	if (r < 0)
		return r;
	net->filter_fd = nft_open();
	return net->filter_fd < 0 ? err_set(err, ERR_NETWORK, -net->filter_fd,
					    "open a socket for the counter of the egress")
				  : 0;
}

/* The rules first: the link carries nothing before they stand. */
static int make_inside(struct network *net, int host_ns_fd, struct dyno_err *err)
{
	char name[NETPOOL_NAME_BYTES];
	const struct rtnl_veth veth = {
		.name = LINK_INSIDE,
		.index = LINK_INSIDE_INDEX,
		.peer = netpool_link(net->address, name),
		.peer_netns_fd = host_ns_fd,
	};
	_cleanup_close_ int fd = -EBADF;
	int r = narrow_egress(net, err);

	if (r < 0)
		return r;
	if (net->note.ipv6)
		(void)file_write_at(AT_FDCWD, NO_ADVERTS, "0"); /* the host drops them too */
	fd = rtnl_open();
	if (fd < 0)
		return err_set(err, ERR_NETWORK, -fd, "open a socket for links");
	r = rtnl_add_veth(fd, &veth);
	if (r < 0)
		return link_failed(net, r, err);
	r = address_inside(net, fd);
	return r < 0 ? err_set(err, ERR_NETWORK, -r, "give the dyno the address %s", net->text) : 0;
}

/* ---- on the host ---------------------------------------------------------------------------- */

static int route_to_dyno(struct network *net)
{
	const uint32_t be = htonl(net->address);
	const uint32_t host = htonl(netpool_host(&net->note.pool));
	char name[NETPOOL_NAME_BYTES];
	uint8_t own6[16];
	int r = rtnl_link_index(net->route_fd, netpool_link(net->address, name));

	if (r < 0)
		return r;
	net->link = (uint32_t)r;
	r = rtnl_link_up(net->route_fd, net->link);
	if (r == 0)
		r = rtnl_add_route(net->route_fd, AF_INET, &be, &host, net->link);
	if (r < 0 || !net->note.ipv6)
		return r;
	netpool_addr6(net->address, own6);
	return rtnl_add_route(net->route_fd, AF_INET6, own6, NULL, net->link);
}

/* The numbers of links of one namespace; a run directory may serve several. */
static int range_of_links(int ns_fd, uint64_t *ret)
{
	struct stat st;

	if (fstat(ns_fd, &st) < 0)
		return -errno;
	/* Source: include/linux/proc_ns.h: 32 bits, of which the first are set in all of them */
	*ret = ((uint64_t)st.st_ino & INT32_MAX) << LINK_BITS;
	return 0;
}

/* That of the members that live, or else a new one; nobody may come between look and lock. */
static int join_group(struct network *net, int host_ns_fd)
{
	uint64_t first = 0, number = 0;
	int r = range_of_links(host_ns_fd, &first);

	if (r == 0 && flock(net->group_fd, LOCK_EX) < 0)
		r = -errno;
	if (r < 0)
		return r;
	r = slot_find(net->group_fd, first, UINT64_C(1) << LINK_BITS, &number);
	if (r == -ENOENT) {
		number = first + net->link;
		r = 0;
	}
	if (r == 0)
		r = slot_share(net->group_fd, number);
	(void)flock(net->group_fd, LOCK_UN); /* it is ours */
	if (r == 0)
		net->group = (uint32_t)(number - first);
	return r;
}

/*
 * The members of an app are known by the numbers of their links, which the kernel does not give
 * again: what a killed monitor leaves in the sets is nobody's.
 */
static int tell_group(const struct network *net, const char *verb, struct dyno_err *err)
{
	_cleanup_sbuf_ struct sbuf text = {0};

	sbuf_addf(&text, "%s element inet " NETRULES_TABLE " app_of { %u : %u }\n", verb, net->link,
		  net->group);
	sbuf_addf(&text, "%s element inet " NETRULES_TABLE " members { %u . %u }\n", verb,
		  net->group, net->link);
	if (sbuf_ok(&text) < 0)
		return err_set(err, ERR_MEMORY, ENOMEM, "write the rules of the app");
	return nft_run(text.data, text.len, err);
}

int network_connect(struct network *net, int pidfd, struct dyno_err *err)
{
	_cleanup_close_ int host_ns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int r;

	if (host_ns_fd < 0)
		return err_set(err, ERR_NETWORK, errno, "open the host's network namespace");
	if (setns(pidfd, CLONE_NEWNET) < 0)
		return err_set(err, ERR_NETWORK, errno, "enter the dyno's network namespace");
	r = make_inside(net, host_ns_fd, err);
	if (setns(host_ns_fd, CLONE_NEWNET) < 0)
		return err_set(err, ERR_NETWORK, errno, "come back to the host's network");
	if (r < 0)
		return r;
	r = route_to_dyno(net);
	if (r < 0)
		return err_set(err, ERR_NETWORK, -r, "make the route to %s", net->text);
	if (net->group_fd < 0)
		return 0;
	r = join_group(net, host_ns_fd);
	if (r < 0)
		return err_set(err, ERR_NETWORK, -r, "join the group of the app");
	return tell_group(net, "add", err);
}

/* ---- afterwards ----------------------------------------------------------------------------- */

static void leave_group(struct network *net)
{
	if (!net->group)
		return;
	/* Of no effect any more, and gone with the table at the latest. */
	(void)tell_group(net, "delete", NULL);
	(void)slot_unlock(net->group_fd, 0, INT64_MAX); /* it would go with the descriptor */
	net->group = 0;
}

void network_drop(struct network *net)
{
	char name[NETPOOL_NAME_BYTES];

	leave_group(net);
	pasta_end(&net->pasta);
	close_fdp(&net->filter_fd);
	if (net->route_fd >= 0) /* it may have gone already, with its namespace */
		(void)rtnl_delete_link(net->route_fd, netpool_link(net->address, name));
}

int network_denied(const struct network *net, uint64_t *ret)
{
	if (net->filter_fd < 0)
		return -ENOENT;
	return nft_counter(net->filter_fd, NETRULES_TABLE, NETRULES_COUNTER, ret);
}

void network_done(struct network *net)
{
	leave_group(net);
	pasta_end(&net->pasta);
	net->link = 0;
	close_fdp(&net->group_fd);
	close_fdp(&net->filter_fd);
	close_fdp(&net->route_fd);
	close_fdp(&net->lock_fd);
}
