/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_user.c - the private network of a caller without root: a namespace with one link, which
 * pasta (kernel/pasta.h) connects to sockets of the host.
 *
 * Theory of operation.  The socket that the child sends before all else belongs to its namespace;
 * by it the kernel names the namespace and the user namespace that owns it, which the launcher may
 * enter for having made it.  The child may have become anything meanwhile.  Another socket made
 * inside tells of routes: pasta configures its link in one go, and the route to everywhere is the
 * last of it.
 *
 * The addresses inside are of no meaning outside: several dynos may have the same.  They are taken
 * from a range that the host has no route to, so that each of the host's own networks is reached,
 * and the host itself by the address that it has there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/network.h"
#include "kernel/netsock.h"
#include "kernel/rtnl.h"
#include "kernel/slot.h"

/* Beyond every network of a host: the kernel is asked how it would go there, nothing is sent.
 * Source: root hints of the DNS, a.root-servers.net */
#define FAR4 "198.41.0.4"
#define FAR6 "2001:503:ba3e::2:30"

/* Any; a datagram socket needs one to be connected. */
#define FAR_PORT 53

/* pasta needs 50 ms, and many may start at once. Source: measured 2026-11; below the deadline of a
 * launch, so that this says what was slow */
#define STAND_TIMEOUT_MS 8000U

/* The routes of both families come in one go; that of IPv6 does not come where the pattern's link
 * has lost its address since. Source: own choice */
#define STAND6_TIMEOUT_MS 250U

/* ---- before the launch ---------------------------------------------------------------------- */

int network_user_check(const struct dyno_run_opts *opts, struct dyno_err *err)
{
	if (opts->network == DYNO_NET_PRIVATE_APP) {
		err_set(err, ERR_NETWORK, EPERM,
			"connect the dynos of an app without root: each has a network apart");
		err_hint(err, "use --network private and --publish, or --network host");
		return -EPERM;
	}
	if (opts->egress && !str_eq(opts->egress, "all")) {
		err_set(err, ERR_NETWORK, EPERM,
			"narrow the egress without root: pasta lets every connection out");
		err_hint(err, "leave --egress out, or use --network none");
		return -EPERM;
	}
	return 0;
}

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* The address under which this host sends far away. Return: whether it has one. */
static bool find_source(int family, union address *ret)
{
	_cleanup_close_ int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	union address to = {.any.sa_family = (sa_family_t)family};
	socklen_t len = family == AF_INET ? sizeof(to.in) : sizeof(to.in6);

	if (family == AF_INET) {
		to.in.sin_port = htons(FAR_PORT);
		(void)inet_pton(AF_INET, FAR4, &to.in.sin_addr); /* a constant */
	} else {
		to.in6.sin6_port = htons(FAR_PORT);
		(void)inet_pton(AF_INET6, FAR6, &to.in6.sin6_addr);
	}
	return fd >= 0 && connect(fd, &to.any, len) == 0 && getsockname(fd, &ret->any, &len) == 0;
}

/* The link that has an IPv6 address. @ret: "" where none has it any more */
static void find_link(const struct in6_addr *address, char ret[IF_NAMESIZE])
{
	struct ifaddrs *all;

	ret[0] = '\0';
	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		const struct sockaddr_in6 *in6 = (const void *)i->ifa_addr;

		if (in6 && in6->sin6_family == AF_INET6 &&
		    memcmp(&in6->sin6_addr, address, sizeof(*address)) == 0)
			str_fmt(ret, IF_NAMESIZE, "%s", i->ifa_name);
	}
	freeifaddrs(all);
}

/* A host that is connected to nothing has no name inside. */
static void find_host(struct network *net)
{
	union address source;

	if (find_source(AF_INET, &source))
		netpool_text4(ntohl(source.in.sin_addr.s_addr), net->host_text);
	if (find_source(AF_INET6, &source))
		find_link(&source.in6.sin6_addr, net->link6);
}

int network_user_prepare(struct network *net, const struct dyno_run_opts *opts, uint16_t port,
			 struct dyno_err *err)
{
	struct pastaargs_plan *plan = &net->plan;
	_cleanup_close_ int fd = rtnl_open();
	int r;

	if (fd < 0)
		return err_set(err, ERR_NETWORK, -fd, "open a socket for links");
	r = network_choose_pool(fd, opts->subnet, &plan->pool, err);
	if (r < 0)
		return r;
	plan->address = netpool_nth(&plan->pool, (uint32_t)slot_random(netpool_count(&plan->pool)));
	plan->port = port;
	find_host(net);
	plan->link6 = net->link6[0] ? net->link6 : NULL;
	net->by_pasta = true;
	net->address = plan->address;
	netpool_text4(plan->address, net->text);
	netpool_text4(netpool_host(&plan->pool), net->gateway_text);
	if (plan->link6)
		netpool_text6(plan->address, net->text6);
	return 0;
}

/* ---- at the launch -------------------------------------------------------------------------- */

static int pasta_failed(const struct pasta *pasta, const char *what, struct dyno_err *err)
{
	char said[PASTA_SAID_BYTES];

	pasta_said(pasta, said);
	err_set(err, ERR_NETWORK, 0, "%s%s%s", what, said[0] ? ": " : "", said);
	err_hint(err, "see dyno doctor; or use --network host or none");
	return -EIO;
}

/**
 * struct stand - what is waited for.
 * @route_fd: tells of routes inside
 * @init_pidfd: of the dyno's first process, which may end meanwhile
 */
struct stand {
	const struct pasta *pasta;
	int route_fd;
	int init_pidfd;
};

/* Return: 1: there is a way out; 0: not within the time; -errno with @err set. */
static int await_route(const struct stand *s, int family, uint64_t ms, struct dyno_err *err)
{
	struct pollfd p[] = {{.fd = s->route_fd, .events = POLLIN},
			     {.fd = s->pasta->pidfd, .events = POLLIN},
			     {.fd = s->init_pidfd, .events = POLLIN}};
	const uint64_t until_ms = clock_ms() + ms;
	uint64_t now = until_ms - ms;
	int r = rtnl_new_default(s->route_fd, family);

	while (r == 0 && now < until_ms) {
		if (poll(p, ARRAY_SIZE(p), (int)(until_ms - now)) < 0 && errno != EINTR)
			return err_set(err, ERR_NETWORK, errno, "wait for pasta");
		if (p[1].revents)
			return pasta_failed(s->pasta, "pasta has ended", err);
		if (p[2].revents)
			return err_set(err, ERR_NETWORK, ESRCH, "make the network of the dyno");
		r = rtnl_new_default(s->route_fd, family);
		now = clock_ms();
	}
	return r < 0 ? err_set(err, ERR_NETWORK, -r, "hear of routes") : r;
}

static int await_stand(const struct network *net, const struct stand *s, struct dyno_err *err)
{
	int r = await_route(s, AF_INET, STAND_TIMEOUT_MS, err);

	if (r == 0)
		return pasta_failed(s->pasta, "pasta has made no network in time", err);
	if (r > 0 && net->text6[0])
		r = await_route(s, AF_INET6, STAND6_TIMEOUT_MS, err);
	return r < 0 ? r : 0;
}

int network_user_connect(struct network *net, int init_pidfd, int of_fd, struct dyno_err *err)
{
	_cleanup_close_ int net_fd = -EBADF;
	_cleanup_close_ int userns_fd = -EBADF;
	_cleanup_close_ int route_fd = -EBADF;
	struct stand stand = {.pasta = &net->pasta, .init_pidfd = init_pidfd};
	int r = netsock_namespaces(of_fd, &net_fd, &userns_fd);

	if (r < 0)
		return err_set(err, ERR_NETWORK, -r, "find the dyno's network namespace");
	route_fd = netsock_open(of_fd, AF_NETLINK);
	r = route_fd < 0 ? route_fd : rtnl_watch_routes(route_fd);
	if (r < 0)
		return err_set(err, ERR_NETWORK, -r, "watch the dyno's routes");
	r = pasta_start(&net->pasta, &net->plan, net_fd, userns_fd, err);
	if (r < 0)
		return r;
	stand.route_fd = route_fd;
	r = await_stand(net, &stand, err);
	if (r < 0)
		pasta_end(&net->pasta);
	return r;
}
