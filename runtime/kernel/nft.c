/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/nft.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/util.h"

#define REQUEST_BYTES 512U
#define REPLY_BYTES   4096U
/* One part of a dump. Source: netlink(7) */
#define DUMP_BYTES 16384U

/* The kernel answers inside the request, but may load a module first. */
#define REPLY_TIMEOUT_SEC 10

/* Before the content of an attribute. Source: linux/netlink.h, NLA_HDRLEN, whose type is int */
#define HEAD_BYTES sizeof(struct nlattr)

/* Of the bytes that nft(8) keeps beside a table: the comment. Source: libnftnl, udata.h */
#define UDATA_COMMENT 0

/* What nft says of a mistake is shown to this length. Source: struct dyno_err */
#define SAID_BYTES 160U

static size_t aligned(size_t len)
{
	return (len + NLA_ALIGNTO - 1) & ~(size_t)(NLA_ALIGNTO - 1);
}

int nft_open(void)
{
	static const struct timeval timeout = {.tv_sec = REPLY_TIMEOUT_SEC};
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* ---- asking --------------------------------------------------------------------------------- */

struct request {
	union {
		struct nlmsghdr head;
		char bytes[REQUEST_BYTES];
	};
};

static void begin(struct request *req, uint16_t type)
{
	struct nfgenmsg *gen;

	memset(req, 0, sizeof(*req));
	req->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(sizeof(*gen));
	req->head.nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	req->head.nlmsg_flags = NLM_F_REQUEST;
	req->head.nlmsg_seq = 1;
	gen = NLMSG_DATA(&req->head);
	gen->nfgen_family = NFPROTO_INET;
	gen->version = NFNETLINK_V0;
}

static void add(struct request *req, uint16_t type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(req->head.nlmsg_len);
	const struct nlattr head = {.nla_len = (uint16_t)(HEAD_BYTES + len), .nla_type = type};

	if (at + aligned(head.nla_len) > sizeof(req->bytes))
		return; /* names are constants, and short */
	memcpy(req->bytes + at, &head, sizeof(head));
	memcpy(req->bytes + at + HEAD_BYTES, data, len);
	req->head.nlmsg_len = (uint32_t)(at + head.nla_len);
}

/* @data: an attribute's content */
struct piece {
	const char *data;
	size_t len;
};

static bool find(struct piece in, uint16_t type, struct piece *ret)
{
	while (in.len >= sizeof(struct nlattr)) {
		struct nlattr head;
		size_t step;

		memcpy(&head, in.data, sizeof(head));
		if (head.nla_len < sizeof(head) || head.nla_len > in.len)
			return false;
		if ((head.nla_type & NLA_TYPE_MASK) == type) {
			*ret = (struct piece){in.data + HEAD_BYTES, head.nla_len - HEAD_BYTES};
			return true;
		}
		step = MIN_OF(aligned(head.nla_len), in.len);
		in.data += step;
		in.len -= step;
	}
	return false;
}

/* Return: 0 with the attributes of the one object asked for; -errno. */
static int ask(int fd, const struct request *req, char buf[REPLY_BYTES], struct piece *ret)
{
	const struct nlmsghdr *reply = (const void *)buf;
	struct nlmsgerr answer;
	ssize_t n;

	if (send(fd, req, req->head.nlmsg_len, MSG_NOSIGNAL) < 0)
		return -errno;
	do
		n = recv(fd, buf, REPLY_BYTES, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n < NLMSG_LENGTH(sizeof(struct nfgenmsg)) || reply->nlmsg_len > (size_t)n)
		return -EPROTO;
	if (reply->nlmsg_type == NLMSG_ERROR) {
		if ((size_t)n < NLMSG_LENGTH(sizeof(answer)))
			return -EPROTO;
		memcpy(&answer, NLMSG_DATA(reply), sizeof(answer));
		return answer.error < 0 ? answer.error : -EPROTO;
	}
	*ret = (struct piece){(const char *)NLMSG_DATA(reply) +
				      NLMSG_ALIGN(sizeof(struct nfgenmsg)),
			      reply->nlmsg_len - NLMSG_LENGTH(sizeof(struct nfgenmsg))};
	return 0;
}

int nft_comment(int fd, const char *table, char *buf, size_t size)
{
	_Alignas(struct nlmsghdr) char space[REPLY_BYTES];
	struct request req;
	struct piece attrs;
	struct piece udata;
	int r;

	begin(&req, NFT_MSG_GETTABLE);
	add(&req, NFTA_TABLE_NAME, table, strlen(table) + 1);
	r = ask(fd, &req, space, &attrs);
	if (r < 0)
		return r;
	buf[0] = '\0';
	if (!find(attrs, NFTA_TABLE_USERDATA, &udata))
		return 0;
	/* Type, length, value; each of one byte, but for the last. */
	while (udata.len >= 2 && (size_t)(uint8_t)udata.data[1] + 2 <= udata.len) {
		size_t len = (uint8_t)udata.data[1];

		if (udata.data[0] == UDATA_COMMENT && len > 0) {
			str_fmt(buf, size, "%.*s", (int)len, udata.data + 2);
			return 0;
		}
		udata.data += len + 2;
		udata.len -= len + 2;
	}
	return 0;
}

int nft_counter(int fd, const char *table, const char *name, uint64_t *ret_packets)
{
	const uint32_t type = htonl(NFT_OBJECT_COUNTER);
	_Alignas(struct nlmsghdr) char space[REPLY_BYTES];
	struct request req;
	struct piece attrs;
	struct piece data;
	struct piece packets;
	uint64_t be;
	int r;

	begin(&req, NFT_MSG_GETOBJ);
	add(&req, NFTA_OBJ_TABLE, table, strlen(table) + 1);
	add(&req, NFTA_OBJ_NAME, name, strlen(name) + 1);
	add(&req, NFTA_OBJ_TYPE, &type, sizeof(type));
	r = ask(fd, &req, space, &attrs);
	if (r < 0)
		return r;
	if (!find(attrs, NFTA_OBJ_DATA, &data) || !find(data, NFTA_COUNTER_PACKETS, &packets) ||
	    packets.len != sizeof(be))
		return -EPROTO;
	memcpy(&be, packets.data, sizeof(be));
	*ret_packets = be64toh(be);
	return 0;
}

/* ---- chains of others ----------------------------------------------------------------------- */

static const char *family_name(uint8_t family)
{
	return family == NFPROTO_IPV4 ? "ip" : family == NFPROTO_IPV6 ? "ip6" : "inet";
}

static bool is_number(struct piece attrs, uint16_t type, uint32_t *ret)
{
	struct piece number;
	uint32_t be;

	if (!find(attrs, type, &number) || number.len != sizeof(be))
		return false;
	memcpy(&be, number.data, sizeof(be));
	*ret = ntohl(be);
	return true;
}

/* Whether the message is of a chain as struct nft_chain tells of. */
static bool read_chain(const struct nlmsghdr *msg, struct nft_chain *ret)
{
	const struct nfgenmsg *gen = NLMSG_DATA(msg);
	const struct piece attrs = {(const char *)gen + NLMSG_ALIGN(sizeof(*gen)),
				    msg->nlmsg_len - NLMSG_LENGTH(sizeof(*gen))};
	struct piece hook, table, name;
	uint32_t policy, at;

	if (gen->nfgen_family != NFPROTO_IPV4 && gen->nfgen_family != NFPROTO_IPV6 &&
	    gen->nfgen_family != NFPROTO_INET)
		return false;
	if (!is_number(attrs, NFTA_CHAIN_POLICY, &policy) || policy != NF_DROP ||
	    !find(attrs, NFTA_CHAIN_HOOK, &hook) || !is_number(hook, NFTA_HOOK_HOOKNUM, &at) ||
	    (at != NF_INET_LOCAL_IN && at != NF_INET_FORWARD) ||
	    !find(attrs, NFTA_CHAIN_TABLE, &table) || !find(attrs, NFTA_CHAIN_NAME, &name))
		return false;
	ret->family = family_name(gen->nfgen_family);
	ret->forward = at == NF_INET_FORWARD;
	str_fmt(ret->table, sizeof(ret->table), "%.*s", (int)table.len, table.data);
	str_fmt(ret->name, sizeof(ret->name), "%.*s", (int)name.len, name.data);
	return true;
}

/* Return: 1: the dump goes on; 0: it is over; -errno. */
static int read_chains(const char *at, size_t left, struct nft_chain *ret, int max, int *n)
{
	struct nft_chain chain;

	while (left >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *msg = (const void *)at;
		size_t len = msg->nlmsg_len;
		int num = 0;

		if (len < sizeof(*msg) || len > left)
			return -EPROTO;
		if (msg->nlmsg_type == NLMSG_DONE || msg->nlmsg_type == NLMSG_ERROR) {
			if (len >= NLMSG_LENGTH(sizeof(num)))
				memcpy(&num, NLMSG_DATA(msg), sizeof(num));
			return num;
		}
		if (len >= NLMSG_LENGTH(sizeof(struct nfgenmsg)) && read_chain(msg, &chain)) {
			if (*n < max)
				ret[*n] = chain;
			(*n)++;
		}
		len = MIN_OF(NLMSG_ALIGN(len), left);
		at += len;
		left -= len;
	}
	return 1;
}

int nft_dropping(int fd, struct nft_chain *ret, int max)
{
	_Alignas(struct nlmsghdr) char buf[DUMP_BYTES];
	struct request req;
	struct nfgenmsg *gen;
	int n = 0;
	int r;

	begin(&req, NFT_MSG_GETCHAIN);
	req.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	gen = NLMSG_DATA(&req.head);
	gen->nfgen_family = NFPROTO_UNSPEC;
	if (send(fd, &req, req.head.nlmsg_len, MSG_NOSIGNAL) < 0)
		return -errno;
	do {
		ssize_t got = recv(fd, buf, sizeof(buf), 0);

		if (got < 0 && errno == EINTR)
			r = 1;
		else
			r = got < 0 ? -errno : read_chains(buf, (size_t)got, ret, max, &n);
	} while (r > 0);
	return r < 0 ? r : n;
}

/* ---- telling -------------------------------------------------------------------------------- */

int nft_program(const char **ret_path)
{
	static const char *const paths[] = {"/usr/sbin/nft", "/sbin/nft", "/usr/local/sbin/nft",
					    "/usr/bin/nft"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int fd = open(paths[i], O_PATH | O_CLOEXEC);

		if (fd < 0)
			continue;
		*ret_path = paths[i];
		return fd;
	}
	return -ENOENT;
}

/* The first line that it wrote, which says what is wrong and in which of our lines. */
static void read_said(int fd, char buf[SAID_BYTES])
{
	ssize_t n = pread(fd, buf, SAID_BYTES - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

static int spawn(const char *path, int exe_fd, int in_fd, int said_fd, struct dyno_err *err)
{
	const char *const argv[] = {path, "-f", "-", NULL};
	const int fds[] = {in_fd, -1, said_fd};
	const struct proc_spawn how = {
		.argv = argv, .fds = fds, .n_fds = ARRAY_SIZE(fds), .exe_fd = exe_fd};
	_cleanup_close_ int pidfd = -EBADF;
	char said[SAID_BYTES];
	int status = 0;
	int r = proc_spawn(&how, &pidfd, err);

	if (r < 0)
		return r;
	r = proc_wait(pidfd, &status);
	if (r < 0)
		return err_set(err, ERR_IO, -r, "wait for nft");
	if (status == 0)
		return 0;
	read_said(said_fd, said);
	err_set(err, ERR_NETWORK, 0, "nft ended with status %d: %s", status, said);
	return -EIO;
}

int nft_run(const char *text, size_t len, struct dyno_err *err)
{
	const char *path = "";
	_cleanup_close_ int exe_fd = nft_program(&path);
	_cleanup_close_ int in_fd = -EBADF;
	_cleanup_close_ int said_fd = -EBADF;

	if (exe_fd < 0) {
		err_set(err, ERR_HELPER, ENOENT, "find the program nft");
		err_hint(err, "apt install nftables, or use --network host or none");
		return -ENOENT;
	}
	in_fd = memfd_create("nft-commands", MFD_CLOEXEC);
	said_fd = memfd_create("nft-said", MFD_CLOEXEC);
	if (in_fd < 0 || said_fd < 0 || fd_write_full(in_fd, text, len) < 0 ||
	    lseek(in_fd, 0, SEEK_SET) < 0)
		return err_set(err, ERR_IO, errno, "hand nft its commands");
	return spawn(path, exe_fd, in_fd, said_fd, err);
}
