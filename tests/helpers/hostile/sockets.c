/* SPDX-License-Identifier: Apache-2.0 */
/* sockets.c - families and protocols of sockets, most of which load a module of the kernel. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "hostile.h"

#define UPPER_HALF (1UL << 32)

/* Families and protocols that the headers may lack. Source: linux/socket.h, linux/in.h */
enum {
	FAMILY_KCM = 41,
	FAMILY_QIPCRTR = 42,
	FAMILY_SMC = 43,
	FAMILY_XDP = 44,
	PROTO_L2TP = 115,
};

#define SOCKET(id, family, type, protocol)                                                   \
	static int try_##id(void)                                                            \
	{                                                                                    \
		return result(syscall(SYS_socket, (unsigned long)(family), type, protocol)); \
	}

SOCKET(vsock, AF_VSOCK, SOCK_STREAM, 0)
SOCKET(vsock_upper, AF_VSOCK | UPPER_HALF, SOCK_STREAM, 0)
SOCKET(packet_raw, AF_PACKET, SOCK_RAW, 0)
SOCKET(packet_datagram, AF_PACKET, SOCK_DGRAM, 0)
SOCKET(alg, AF_ALG, SOCK_SEQPACKET, 0)
SOCKET(key, AF_KEY, SOCK_RAW, 2)
SOCKET(bluetooth, AF_BLUETOOTH, SOCK_RAW, 1)
SOCKET(can, AF_CAN, SOCK_RAW, 1)
SOCKET(x25, AF_X25, SOCK_SEQPACKET, 0)
SOCKET(ax25, AF_AX25, SOCK_SEQPACKET, 0)
SOCKET(appletalk, AF_APPLETALK, SOCK_DGRAM, 0)
SOCKET(rds, AF_RDS, SOCK_SEQPACKET, 0)
SOCKET(tipc, AF_TIPC, SOCK_SEQPACKET, 0)
SOCKET(llc, AF_LLC, SOCK_STREAM, 0)
SOCKET(pppox, AF_PPPOX, SOCK_DGRAM, 0)
SOCKET(kcm, FAMILY_KCM, SOCK_DGRAM, 0)
SOCKET(qipcrtr, FAMILY_QIPCRTR, SOCK_DGRAM, 0)
SOCKET(smc, FAMILY_SMC, SOCK_STREAM, 0)
SOCKET(xdp, FAMILY_XDP, SOCK_RAW, 0)
SOCKET(sctp, AF_INET, SOCK_STREAM, IPPROTO_SCTP)
SOCKET(sctp6, AF_INET6, SOCK_STREAM, IPPROTO_SCTP)
SOCKET(dccp, AF_INET, SOCK_DCCP, IPPROTO_DCCP)
SOCKET(udplite, AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE)
SOCKET(l2tp, AF_INET, SOCK_DGRAM, PROTO_L2TP)
SOCKET(raw, AF_INET, SOCK_RAW, IPPROTO_RAW)
SOCKET(raw_icmp, AF_INET, SOCK_RAW, IPPROTO_ICMP)
SOCKET(raw_tcp, AF_INET, SOCK_RAW, IPPROTO_TCP)
SOCKET(raw6, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)
SOCKET(netlink_diag, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG)
SOCKET(netlink_audit, AF_NETLINK, SOCK_RAW, NETLINK_AUDIT)
SOCKET(netlink_filter, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER)
SOCKET(netlink_uevent, AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT)
SOCKET(netlink_generic, AF_NETLINK, SOCK_RAW, NETLINK_GENERIC)
SOCKET(netlink_crypto, AF_NETLINK, SOCK_RAW, NETLINK_CRYPTO)
SOCKET(netlink_xfrm, AF_NETLINK, SOCK_RAW, NETLINK_XFRM)
SOCKET(netlink_generic_upper, AF_NETLINK, SOCK_RAW, NETLINK_GENERIC | UPPER_HALF)

/* What an app does every day. */
SOCKET(tcp, AF_INET, SOCK_STREAM, 0)
SOCKET(udp6, AF_INET6, SOCK_DGRAM, 0)
SOCKET(unix, AF_UNIX, SOCK_STREAM, 0)
SOCKET(netlink_route, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)

static int try_pair_tipc(void)
{
	int pair[2];

	return result(socketpair(AF_TIPC, SOCK_SEQPACKET, 0, pair));
}

/* Asking routing is allowed; changing it takes rights over the network namespace. */
static int try_route_change(void)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} request = {
		.head = {.nlmsg_len = sizeof(request),
			 .nlmsg_type = RTM_NEWLINK,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.info = {.ifi_index = 1, .ifi_change = IFF_UP, .ifi_flags = IFF_UP},
	};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[256];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0)
		return -errno;
	if (recv(fd, &answer, sizeof(answer), 0) < (ssize_t)sizeof(answer.head))
		return -EIO;
	return answer.error.error;
}

static int option(int level, int name)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 100;

	return fd < 0 ? -errno : result(setsockopt(fd, level, name, &on, sizeof(on)));
}

static int try_priority(void)
{
	return option(SOL_SOCKET, SO_PRIORITY);
}

static int try_mark(void)
{
	return option(SOL_SOCKET, SO_MARK);
}

static int try_force_buffer(void)
{
	return option(SOL_SOCKET, SO_RCVBUFFORCE);
}

static int try_transparent(void)
{
	return option(IPPROTO_IP, IP_TRANSPARENT);
}

static int try_low_port(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(81)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd < 0 ? -errno : result(bind(fd, (struct sockaddr *)&to, sizeof(to)));
}

#define A(id)                 \
	{                     \
#id, try_##id \
	}

/* clang-format off */
const struct attempt socket_attempts[] = {
	A(vsock), A(vsock_upper), A(packet_raw), A(packet_datagram), A(alg), A(key), A(bluetooth),
	A(can), A(x25), A(ax25), A(appletalk), A(rds), A(tipc), A(llc), A(pppox), A(kcm),
	A(qipcrtr), A(smc), A(xdp), A(sctp), A(sctp6), A(dccp), A(udplite), A(l2tp), A(raw),
	A(raw_icmp), A(raw_tcp), A(raw6), A(netlink_diag), A(netlink_audit), A(netlink_filter),
	A(netlink_uevent), A(netlink_generic), A(netlink_crypto), A(netlink_xfrm),
	A(netlink_generic_upper), A(pair_tipc), A(route_change), A(priority), A(mark),
	A(force_buffer), A(transparent), A(low_port),
	A(tcp), A(udp6), A(unix), A(netlink_route),
	{NULL, NULL},
};
/* clang-format on */
