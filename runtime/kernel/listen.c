/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen.c - NETLINK_SOCK_DIAG by hand.
 *
 * The kernel filters: the state mask makes it walk the table of listeners only, never that of
 * connections, and a byte code of one comparison leaves the sockets of one source port.  TCP over
 * IPv4 and IPv6 are two requests, since one request names one family.
 *
 * Why not libnl-idiag: it can send no byte code, so that every poll would copy all listeners of
 * the host into a cache of objects, and a static program would carry its parsers and constructors
 * through every start.
 */
#include "kernel/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#include "base/fd.h"
#include "base/str.h"

#include "base/childsafe.h"

/* One part of a dump. Source: netlink(7), a reader's buffer of 8 KiB is never too small; the
 * kernel makes larger parts only for readers that offer more. */
#define REPLY_BYTES 16384

/* A dump is interrupted when sockets come and go meanwhile: asked again this often. */
#define DUMP_TRIES 5

/* A reply is made inside the request; one that does not come would block the monitor for ever. */
#define REPLY_TIMEOUT_SEC 2

/* The byte code: "if source port == N, accept", one operation and its argument. */
struct port_filter {
	struct inet_diag_bc_op op;
	struct inet_diag_bc_op port;
};

/* Where a byte code jumps to reject: one word past its end. Source: inet_diag_bc_run(). */
#define FILTER_REJECT (sizeof(struct port_filter) + 4)

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 diag;
	struct rtattr attr;
	struct port_filter filter;
};

int listen_probe_open(int *ret_fd)
{
	static const struct timeval timeout = {.tv_sec = REPLY_TIMEOUT_SEC};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0) {
		int r = -errno;

		close_fdp(&fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* @port: 0 asks for every listener. */
static int send_request(int fd, uint8_t family, uint16_t port, uint32_t seq)
{
	struct request req = {
		.header =
			{
				.nlmsg_type = SOCK_DIAG_BY_FAMILY,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
				.nlmsg_seq = seq,
			},
		.diag =
			{
				.sdiag_family = family,
				.sdiag_protocol = IPPROTO_TCP,
				.idiag_states = 1U << TCP_LISTEN,
			},
		.attr =
			{
				.rta_type = INET_DIAG_REQ_BYTECODE,
				.rta_len = RTA_LENGTH(sizeof(struct port_filter)),
			},
		.filter =
			{
				.op =
					{
						.code = INET_DIAG_BC_S_EQ,
						.yes = sizeof(struct port_filter),
						.no = FILTER_REJECT,
					},
				.port = {.no = port},
			},
	};
	ssize_t n;

	req.header.nlmsg_len = port != 0 ? sizeof(req) : (uint32_t)offsetof(struct request, attr);
	n = send(fd, &req, req.header.nlmsg_len, MSG_NOSIGNAL);
	return n < 0 ? -errno : 0;
}

enum listen_scope listen_scope_of(uint8_t family, const uint8_t *addr)
{
	static const uint8_t zero[16];
	static const uint8_t loopback6[16] = {[15] = 1};
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (family == AF_INET) {
		if (memcmp(addr, zero, 4) == 0)
			return LISTEN_ANY;
		return addr[0] == 127 ? LISTEN_LOOPBACK : LISTEN_OTHER;
	}
	if (memcmp(addr, zero, sizeof(zero)) == 0)
		return LISTEN_ANY;
	if (memcmp(addr, loopback6, sizeof(loopback6)) == 0)
		return LISTEN_LOOPBACK;
	if (memcmp(addr, mapped, sizeof(mapped)) == 0)
		return listen_scope_of(AF_INET, addr + sizeof(mapped));
	return LISTEN_OTHER;
}

static void read_attrs(const struct nlmsghdr *msg, struct listen_socket *s)
{
	const char *at = (const char *)NLMSG_DATA(msg) + NLMSG_ALIGN(sizeof(struct inet_diag_msg));
	const char *end = (const char *)msg + msg->nlmsg_len;

	while (end - at >= (ptrdiff_t)sizeof(struct rtattr)) {
		struct rtattr attr;

		memcpy(&attr, at, sizeof(attr));
		if (attr.rta_len < sizeof(attr) || attr.rta_len > end - at)
			return;
		if (attr.rta_type == INET_DIAG_SKV6ONLY && attr.rta_len > sizeof(attr))
			s->v6only = at[RTA_LENGTH(0)] != 0;
		if (attr.rta_type == INET_DIAG_CGROUP_ID &&
		    attr.rta_len >= RTA_LENGTH(sizeof(s->cgroup_id)))
			memcpy(&s->cgroup_id, at + RTA_LENGTH(0), sizeof(s->cgroup_id));
		/* The last attribute need not be padded. */
		if (RTA_ALIGN(attr.rta_len) >= end - at)
			return;
		at += RTA_ALIGN(attr.rta_len);
	}
}

/* The others make room for the sockets of the wanted port. */
void listen_fact_add(struct listen_fact *fact, uint16_t port, const struct listen_socket *s)
{
	bool wanted = s->port == port;

	fact->n_total++;
	if (wanted && s->scope != LISTEN_LOOPBACK)
		fact->reachable = true;
	if (!wanted) {
		if (fact->n < LISTEN_MAX_SOCKETS)
			fact->sockets[fact->n++] = *s;
		return;
	}
	if (fact->n_on_port == LISTEN_MAX_SOCKETS)
		return;
	if (fact->n < LISTEN_MAX_SOCKETS)
		fact->n++;
	fact->sockets[fact->n - 1] = fact->sockets[fact->n_on_port];
	fact->sockets[fact->n_on_port++] = *s;
}

static void read_socket(const struct nlmsghdr *msg, uint16_t port, uint32_t uid,
			struct listen_fact *fact)
{
	struct listen_socket s = {0};
	struct inet_diag_msg diag;

	if (msg->nlmsg_len < NLMSG_LENGTH(sizeof(diag)))
		return;
	memcpy(&diag, NLMSG_DATA(msg), sizeof(diag));
	if (uid != LISTEN_ANY_UID && diag.idiag_uid != uid)
		return;

	s.port = ntohs(diag.id.idiag_sport);
	s.family = diag.idiag_family;
	s.uid = diag.idiag_uid;
	s.inode = diag.idiag_inode;
	memcpy(s.addr, diag.id.idiag_src, sizeof(s.addr));
	s.scope = listen_scope_of(s.family, s.addr);
	read_attrs(msg, &s);
	listen_fact_add(fact, port, &s);
}

/* What one message of a dump means for the dump. */
enum part { PART_MORE, PART_DONE };

/* Return: enum part, -EINTR when the dump must be repeated, -errno. */
static int read_message(const struct nlmsghdr *msg, uint16_t port, uint32_t uid,
			struct listen_fact *fact)
{
	int num = 0;

	if (msg->nlmsg_flags & NLM_F_DUMP_INTR)
		return -EINTR;
	if (msg->nlmsg_type == SOCK_DIAG_BY_FAMILY) {
		read_socket(msg, port, uid, fact);
		return PART_MORE;
	}
	if (msg->nlmsg_type != NLMSG_DONE && msg->nlmsg_type != NLMSG_ERROR)
		return PART_MORE;

	/* Both begin with a negative errno, or 0. */
	if (msg->nlmsg_len >= NLMSG_LENGTH(sizeof(num)))
		memcpy(&num, NLMSG_DATA(msg), sizeof(num));
	return num < 0 ? num : PART_DONE;
}

static int read_replies(int fd, uint32_t seq, uint16_t port, uint32_t uid, struct listen_fact *fact)
{
	_Alignas(struct nlmsghdr) char buf[REPLY_BYTES];

	for (;;) {
		ssize_t got = recv(fd, buf, sizeof(buf), 0);
		size_t left = (size_t)got;
		const char *at = buf;

		if (got < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (got == 0)
			return -EPROTO;

		while (left >= sizeof(struct nlmsghdr)) {
			const struct nlmsghdr *msg = (const void *)at;
			size_t len = msg->nlmsg_len;
			int r;

			if (len < sizeof(*msg) || len > left)
				return -EPROTO;
			/* Leftovers of a request that was given up are not ours. */
			if (msg->nlmsg_seq == seq) {
				r = read_message(msg, port, uid, fact);
				if (r != PART_MORE)
					return r;
			}
			len = MIN_OF(NLMSG_ALIGN(len), left);
			at += len;
			left -= len;
		}
	}
}

/*
 * Every dump of one probe bears its own number, so that parts of an interrupted one, which are
 * still queued, are told from those of its repetition.
 */
static int probe_family(int fd, uint8_t family, bool all, uint16_t port, uint32_t uid,
			struct listen_fact *fact)
{
	struct listen_fact before = *fact;
	int r = -EINTR;

	for (uint32_t try = 0; r == -EINTR && try < DUMP_TRIES; try++) {
		uint32_t seq = ((uint32_t)family << 8) + try + 1;

		*fact = before;
		r = send_request(fd, family, all ? 0 : port, seq);
		if (r == 0)
			r = read_replies(fd, seq, port, uid, fact);
	}
	return r;
}

static int probe_sockets(int fd, bool all, uint16_t port, uint32_t uid, struct listen_fact *ret)
{
	struct listen_fact fact = {0};
	int r;

	/* Port 0 is nobody's, and the request would ask for all. */
	if (port == 0 && !all)
		return -EINVAL;

	r = probe_family(fd, AF_INET, all, port, uid, &fact);
	if (r < 0)
		return r;
	r = probe_family(fd, AF_INET6, all, port, uid, &fact);
	/* A kernel without IPv6 has no handler for it: no socket either. */
	if (r < 0 && r != -ENOENT)
		return r;

	*ret = fact;
	return (int)fact.n_on_port;
}

int listen_probe_port(int fd, uint16_t port, uint32_t uid, struct listen_fact *ret)
{
	return probe_sockets(fd, false, port, uid, ret);
}

int listen_probe_all(int fd, uint16_t port, uint32_t uid, struct listen_fact *ret)
{
	return probe_sockets(fd, true, port, uid, ret);
}

char *listen_socket_text(const struct listen_socket *s, char buf[LISTEN_TEXT_BYTES])
{
	char addr[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(s->family, s->addr, addr, sizeof(addr)); /* "?" stays for other families */
	(void)str_fmt(buf, LISTEN_TEXT_BYTES, s->family == AF_INET6 ? "[%s]:%u" : "%s:%u", addr,
		      s->port);
	return buf;
}

size_t listen_explain(const struct listen_fact *fact, uint16_t port, char *buf, size_t size)
{
	size_t len = 0;

	if (fact->reachable) {
		if (size > 0)
			buf[0] = '\0';
		return 0;
	}
	if (fact->n == 0)
		return str_fmt(buf, size, "listening on nothing, expected 0.0.0.0:$PORT=%u", port);

	for (unsigned int i = 0; i < fact->n; i++) {
		char text[LISTEN_TEXT_BYTES];

		len += str_fmt(buf + MIN_OF(len, size), size - MIN_OF(len, size), "%s%s",
			       i == 0 ? "listening on " : ", ",
			       listen_socket_text(&fact->sockets[i], text));
	}
	if (fact->n_total > fact->n)
		len += str_fmt(buf + MIN_OF(len, size), size - MIN_OF(len, size), " and %u more",
			       fact->n_total - fact->n);
	len += str_fmt(buf + MIN_OF(len, size), size - MIN_OF(len, size),
		       ", expected 0.0.0.0:$PORT=%u", port);
	return len;
}
