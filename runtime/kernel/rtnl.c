/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnl.c - rtnetlink by hand: each request is one message of fixed small size and its answer.
 *
 * Why not libnl-route: linked into a static program it brings half a megabyte, and look-ups of names
 * that such a program cannot make, for six messages (measured 2026-11: 507 KB; a start of the
 * program takes 0.55 ms in place of 0.54).
 */
#include "kernel/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "base/fd.h"
#include "base/util.h"

/* The largest is a pair of links, under 200 bytes. */
#define REQUEST_BYTES 512U

/* One part of a dump. Source: netlink(7) */
#define REPLY_BYTES 16384

/* An answer is made inside the request; one that does not come would block the launch for ever. */
#define REPLY_TIMEOUT_SEC 5

/* Of both ends of every pair, and locally administered: without address resolution a packet bears
 * the sender's own address, and that must be the receiver's. */
static const uint8_t link_address[6] = {0x02, 'd', 'y', 'n', 'o', 0x01};

/* struct request - a message that is being written. */
struct request {
	union {
		struct nlmsghdr head;
		char bytes[REQUEST_BYTES];
	};
};

int rtnl_open(void)
{
	static const struct timeval timeout = {.tv_sec = REPLY_TIMEOUT_SEC};
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* ---- writing -------------------------------------------------------------------------------- */

static void *begin(struct request *req, uint16_t type, uint16_t flags, size_t body)
{
	memset(req, 0, sizeof(*req));
	req->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
	req->head.nlmsg_type = type;
	req->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	req->head.nlmsg_seq = 1;
	return NLMSG_DATA(&req->head);
}

/* Room at the end of the message; requests are small and of known size. */
static void *extend(struct request *req, size_t size)
{
	size_t at = NLMSG_ALIGN(req->head.nlmsg_len);

	req->head.nlmsg_len = (uint32_t)(at + size);
	return req->bytes + at;
}

static struct rtattr *attr(struct request *req, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = extend(req, RTA_LENGTH(len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len > 0)
		memcpy(RTA_DATA(a), data, len);
	return a;
}

static void attr_u32(struct request *req, uint16_t type, uint32_t value)
{
	(void)attr(req, type, &value, sizeof(value));
}

static void attr_text(struct request *req, uint16_t type, const char *text)
{
	(void)attr(req, type, text, strlen(text) + 1);
}

static void nest_end(struct request *req, struct rtattr *nest)
{
	nest->rta_len = (uint16_t)(req->bytes + req->head.nlmsg_len - (char *)nest);
}

/* ---- asking --------------------------------------------------------------------------------- */

static int transact(int fd, const struct request *req)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_BYTES + 256];
	const struct nlmsghdr *reply = (const void *)buf;
	struct nlmsgerr answer;
	ssize_t n;

	if (send(fd, req, req->head.nlmsg_len, MSG_NOSIGNAL) < 0)
		return -errno;
	do
		n = recv(fd, buf, sizeof(buf), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n < NLMSG_LENGTH(sizeof(answer)) || reply->nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	memcpy(&answer, NLMSG_DATA(reply), sizeof(answer));
	return answer.error;
}

/* ---- links ---------------------------------------------------------------------------------- */

static const struct ifinfomsg link_up = {
	.ifi_family = AF_UNSPEC,
	.ifi_flags = IFF_UP | IFF_NOARP,
	.ifi_change = IFF_UP | IFF_NOARP,
};

/* The peer comes first, and a link cannot be up without one. */
static const struct ifinfomsg link_down = {
	.ifi_family = AF_UNSPEC,
	.ifi_flags = IFF_NOARP,
	.ifi_change = IFF_NOARP,
};

int rtnl_add_veth(int fd, const struct rtnl_veth *veth)
{
	struct request req;
	struct ifinfomsg *head =
		begin(&req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
	struct rtattr *info;
	struct rtattr *data;
	struct rtattr *peer;

	*head = link_up;
	head->ifi_index = (int)veth->index;
	attr_text(&req, IFLA_IFNAME, veth->name);
	(void)attr(&req, IFLA_ADDRESS, link_address, sizeof(link_address));
	info = attr(&req, IFLA_LINKINFO, NULL, 0);
	attr_text(&req, IFLA_INFO_KIND, "veth");
	data = attr(&req, IFLA_INFO_DATA, NULL, 0);
	peer = attr(&req, VETH_INFO_PEER, &link_down, sizeof(link_down));
	attr_text(&req, IFLA_IFNAME, veth->peer);
	(void)attr(&req, IFLA_ADDRESS, link_address, sizeof(link_address));
	attr_u32(&req, IFLA_NET_NS_FD, (uint32_t)veth->peer_netns_fd);
	nest_end(&req, peer);
	nest_end(&req, data);
	nest_end(&req, info);
	return transact(fd, &req);
}

int rtnl_link_up(int fd, uint32_t index)
{
	struct request req;
	struct ifinfomsg *head = begin(&req, RTM_NEWLINK, 0, sizeof(struct ifinfomsg));

	*head = link_up;
	head->ifi_index = (int)index;
	return transact(fd, &req);
}

int rtnl_delete_link(int fd, const char *name)
{
	struct request req;

	(void)begin(&req, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
	attr_text(&req, IFLA_IFNAME, name);
	return transact(fd, &req);
}

int rtnl_link_index(int fd, const char *name)
{
	struct ifreq ifr = {.ifr_ifindex = 0};

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return -ENODEV;
	memcpy(ifr.ifr_name, name, strlen(name));
	return ioctl(fd, SIOCGIFINDEX, &ifr) < 0 ? -errno : ifr.ifr_ifindex;
}

/* ---- addresses and routes ------------------------------------------------------------------- */

static size_t address_bytes(int family)
{
	return family == AF_INET6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
}

static void write_address(struct request *req, int family, const void *address, uint32_t index)
{
	size_t len = address_bytes(family);
	struct ifaddrmsg *head = NLMSG_DATA(&req->head);

	*head = (struct ifaddrmsg){
		.ifa_family = (uint8_t)family,
		.ifa_prefixlen = (uint8_t)(len * 8),
		/* Nobody else can have it: no packet has to find that out first. */
		.ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
		.ifa_index = index,
	};
	(void)attr(req, IFA_LOCAL, address, len);
	(void)attr(req, IFA_ADDRESS, address, len);
}

int rtnl_add_address(int fd, int family, const void *address, uint32_t index)
{
	struct request req;

	(void)begin(&req, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifaddrmsg));
	write_address(&req, family, address, index);
	return transact(fd, &req);
}

int rtnl_delete_address(int fd, int family, const void *address, uint32_t index)
{
	struct request req;

	(void)begin(&req, RTM_DELADDR, 0, sizeof(struct ifaddrmsg));
	write_address(&req, family, address, index);
	return transact(fd, &req);
}

int rtnl_add_route(int fd, int family, const void *dst, const void *src, uint32_t index)
{
	struct request req;
	struct rtmsg *head =
		begin(&req, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct rtmsg));
	size_t len = address_bytes(family);

	*head = (struct rtmsg){
		.rtm_family = (uint8_t)family,
		.rtm_dst_len = (uint8_t)(dst ? len * 8 : 0),
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};
	if (dst)
		(void)attr(&req, RTA_DST, dst, len);
	if (src)
		(void)attr(&req, RTA_PREFSRC, src, len);
	attr_u32(&req, RTA_OIF, index);
	return transact(fd, &req);
}

/* ---- the routes of the host ----------------------------------------------------------------- */

struct routes {
	struct netpool *ret;
	int max;
	int n;
};

/* Those of the local table are the host's own addresses, which have routes of their range too. */
static void take_route(struct routes *routes, const struct nlmsghdr *msg)
{
	struct rtmsg head;
	const char *at = (const char *)NLMSG_DATA(msg) + NLMSG_ALIGN(sizeof(head));
	const char *end = (const char *)msg + msg->nlmsg_len;
	uint32_t be = 0;

	if (msg->nlmsg_len < NLMSG_LENGTH(sizeof(head)))
		return;
	memcpy(&head, NLMSG_DATA(msg), sizeof(head));
	if (head.rtm_family != AF_INET || head.rtm_table == RT_TABLE_LOCAL)
		return;
	while (end - at >= (ptrdiff_t)sizeof(struct rtattr)) {
		struct rtattr a;

		memcpy(&a, at, sizeof(a));
		if (a.rta_len < sizeof(a) || a.rta_len > end - at)
			return;
		if (a.rta_type == RTA_DST && a.rta_len == RTA_LENGTH(sizeof(be)))
			memcpy(&be, at + RTA_LENGTH(0), sizeof(be));
		if (RTA_ALIGN(a.rta_len) >= end - at)
			break;
		at += RTA_ALIGN(a.rta_len);
	}
	if (routes->n < routes->max)
		routes->ret[routes->n] = (struct netpool){ntohl(be), head.rtm_dst_len};
	routes->n++;
}

/* Return: 1: the dump goes on; 0: it is over; -errno. */
static int take_part(struct routes *routes, const char *at, size_t left)
{
	while (left >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *msg = (const void *)at;
		size_t len = msg->nlmsg_len;
		int num = 0;

		if (len < sizeof(*msg) || len > left)
			return -EPROTO;
		if (msg->nlmsg_type == NLMSG_DONE)
			return 0;
		if (msg->nlmsg_type == NLMSG_ERROR) {
			if (len >= NLMSG_LENGTH(sizeof(num)))
				memcpy(&num, NLMSG_DATA(msg), sizeof(num));
			return num < 0 ? num : -EPROTO;
		}
		if (msg->nlmsg_type == RTM_NEWROUTE)
			take_route(routes, msg);
		len = MIN_OF(NLMSG_ALIGN(len), left);
		at += len;
		left -= len;
	}
	return 1;
}

int rtnl_routes(int fd, struct netpool *ret, int max)
{
	_Alignas(struct nlmsghdr) char buf[REPLY_BYTES];
	struct routes routes = {.ret = ret, .max = max};
	struct request req;
	struct rtmsg *head = begin(&req, RTM_GETROUTE, NLM_F_DUMP, sizeof(struct rtmsg));
	int r;

	head->rtm_family = AF_INET;
	req.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (send(fd, &req, req.head.nlmsg_len, MSG_NOSIGNAL) < 0)
		return -errno;
	do {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n < 0 && errno == EINTR)
			r = 1;
		else
			r = n < 0 ? -errno : take_part(&routes, buf, (size_t)n);
	} while (r > 0);
	return r < 0 ? r : routes.n;
}

/* ---- routes that come ----------------------------------------------------------------------- */

int rtnl_watch_routes(int fd)
{
	static const int groups[] = {RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};
	const struct sockaddr_nl any = {.nl_family = AF_NETLINK};

	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return -errno;
	return 0;
}

/* One message, as each is a packet of its own here. */
static bool is_default(const char *buf, size_t len, int family)
{
	const struct nlmsghdr *msg = (const void *)buf;
	struct rtmsg head;

	if (len < NLMSG_LENGTH(sizeof(head)) || msg->nlmsg_type != RTM_NEWROUTE)
		return false;
	memcpy(&head, NLMSG_DATA(msg), sizeof(head));
	return head.rtm_family == family && head.rtm_dst_len == 0 &&
	       head.rtm_table == RT_TABLE_MAIN && head.rtm_type == RTN_UNICAST;
}

int rtnl_new_default(int fd, int family)
{
	_Alignas(struct nlmsghdr) char buf[REPLY_BYTES];
	ssize_t n;

	for (;;) {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n >= 0 && is_default(buf, (size_t)n, family))
			return 1;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}
