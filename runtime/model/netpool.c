/* SPDX-License-Identifier: Apache-2.0 */
#include "model/netpool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"

/* 172.16.0.0/12, the middle one of the private ranges. Source: RFC 1918 */
#define FIRST_BASE 0xac100000U
#define N_RANGES   16U

/* A local prefix (RFC 4193) that is one for all hosts: its addresses never leave one. */
static const uint8_t prefix6[8] = {0xfd, 0x64, 0x79, 0x6e, 0x6f, 0x00, 0x00, 0x00};

static uint32_t mask_of(uint32_t len)
{
	return len == 0 ? 0 : ~0U << (32 - len);
}

static int wrong(const char *text, struct dyno_err *err)
{
	err_set(err, ERR_USAGE, EINVAL, "use \"%s\" as a range of addresses", text);
	err_hint(err, "write it as 172.20.0.0/16: a prefix of %u to %u bits, all others 0",
		 NETPOOL_LEN_MIN, NETPOOL_LEN_MAX);
	return -EINVAL;
}

int netpool_parse(const char *text, struct netpool *ret, struct dyno_err *err)
{
	const char *slash = strchr(text, '/');
	char address[NETPOOL_TEXT4_BYTES];
	struct in_addr in;
	struct netpool pool;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return wrong(text, err);
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (inet_pton(AF_INET, address, &in) != 1 ||
	    num_parse_u32(slash + 1, NETPOOL_LEN_MAX, &pool.len) < 0 || pool.len < NETPOOL_LEN_MIN)
		return wrong(text, err);
	pool.base = ntohl(in.s_addr);
	if (pool.base & ~mask_of(pool.len))
		return wrong(text, err);
	*ret = pool;
	return 0;
}

bool netpool_overlap(const struct netpool *a, const struct netpool *b)
{
	uint32_t mask = mask_of(a->len < b->len ? a->len : b->len);

	return (a->base & mask) == (b->base & mask);
}

int netpool_choose(const struct netpool *routes, size_t n, struct netpool *ret)
{
	uint32_t i;

	for (i = 0; i < N_RANGES; i++) {
		const struct netpool pool = {FIRST_BASE + (i << (32 - NETPOOL_LEN_DEFAULT)),
					     NETPOOL_LEN_DEFAULT};
		size_t at = 0;

		while (at < n && (routes[at].len == 0 || !netpool_overlap(&pool, &routes[at])))
			at++;
		if (at == n) {
			*ret = pool;
			return 0;
		}
	}
	return -EADDRNOTAVAIL;
}

uint32_t netpool_count(const struct netpool *pool)
{
	return (1U << (32 - pool->len)) - 3;
}

uint32_t netpool_nth(const struct netpool *pool, uint32_t n)
{
	return pool->base + 2 + n;
}

uint32_t netpool_host(const struct netpool *pool)
{
	return pool->base + 1;
}

char *netpool_text4(uint32_t address, char buf[NETPOOL_TEXT4_BYTES])
{
	str_fmt(buf, NETPOOL_TEXT4_BYTES, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
		address >> 8 & 255, address & 255);
	return buf;
}

char *netpool_format(const struct netpool *pool, char buf[NETPOOL_CIDR_BYTES])
{
	char base[NETPOOL_TEXT4_BYTES];

	str_fmt(buf, NETPOOL_CIDR_BYTES, "%s/%u", netpool_text4(pool->base, base), pool->len);
	return buf;
}

void netpool_addr6(uint32_t address, uint8_t ret[16])
{
	const uint32_t be = htonl(address);

	memset(ret, 0, 16);
	memcpy(ret, prefix6, sizeof(prefix6));
	memcpy(ret + 12, &be, sizeof(be));
}

char *netpool_text6(uint32_t address, char buf[NETPOOL_TEXT6_BYTES])
{
	uint8_t bytes[16];

	netpool_addr6(address, bytes);
	(void)inet_ntop(AF_INET6, bytes, buf, NETPOOL_TEXT6_BYTES); /* it has the room */
	return buf;
}

char *netpool_link(uint32_t address, char buf[NETPOOL_NAME_BYTES])
{
	str_fmt(buf, NETPOOL_NAME_BYTES, NETPOOL_LINK_PREFIX "%08x", address);
	return buf;
}
