/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netpool.h - the addresses of private networks: which range dynos take them from, and which
 * address, IPv6 address and link name belong to each.  Pure arithmetic; what is in use is not its
 * business.
 *
 * IPv4 addresses are numbers in host byte order here.  The first address of a range is its name,
 * the second the host's, the last its broadcast; all others are for dynos.
 */
#ifndef DYNO_MODEL_NETPOOL_H
#define DYNO_MODEL_NETPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

/* Longest and shortest prefix of a range: five dynos, or 16 million. Source: own choice */
#define NETPOOL_LEN_MAX 29U
#define NETPOOL_LEN_MIN 8U

/* Prefix of a range that is chosen. Source: DESIGN, "172.16.0.0/16, else the next" */
#define NETPOOL_LEN_DEFAULT 16U

/* Buffers for texts. Source: linux/if.h, IFNAMSIZ; netinet/in.h, INET6_ADDRSTRLEN */
#define NETPOOL_NAME_BYTES  16U
#define NETPOOL_TEXT4_BYTES 16U
#define NETPOOL_TEXT6_BYTES 46U
#define NETPOOL_CIDR_BYTES  19U

/* The host's end of a dyno's link has this before its address in hexadecimal. */
#define NETPOOL_LINK_PREFIX "dyno-"

/** struct netpool - a range of IPv4 addresses: all that share the first @len bits of @base. */
struct netpool {
	uint32_t base;
	uint32_t len;
};

/**
 * netpool_parse() - "172.16.0.0/16", with no bit set behind the prefix.
 * Return: 0, or -EINVAL with ERR_USAGE and @ret untouched.
 */
int netpool_parse(const char *text, struct netpool *ret, struct dyno_err *err);

/** netpool_overlap() - whether an address is in both. */
bool netpool_overlap(const struct netpool *a, const struct netpool *b);

/**
 * netpool_choose() - the first of the ranges 172.16.0.0/16, 172.17.0.0/16 ... 172.31.0.0/16 that no
 * route of the host leads into.
 * @routes: destinations of the host's routes; one of length 0 leads everywhere and does not count
 * Return: 0; -EADDRNOTAVAIL: none is free.
 */
int netpool_choose(const struct netpool *routes, size_t n, struct netpool *ret);

/** netpool_count() - addresses for dynos. */
uint32_t netpool_count(const struct netpool *pool);

/** netpool_nth() - the address of the dyno number @n, which is below netpool_count(). */
uint32_t netpool_nth(const struct netpool *pool, uint32_t n);

/** netpool_host() - the address under which dynos reach the host. */
uint32_t netpool_host(const struct netpool *pool);

/** netpool_format() - "172.16.0.0/16". Return: @buf. */
char *netpool_format(const struct netpool *pool, char buf[NETPOOL_CIDR_BYTES]);

/** netpool_text4() - "172.16.1.2". Return: @buf. */
char *netpool_text4(uint32_t address, char buf[NETPOOL_TEXT4_BYTES]);

/** netpool_addr6() - the IPv6 address beside an IPv4 one, in the one local prefix of dyno:
 * fd64:796e:6f00::/64 and the same 32 bits. */
void netpool_addr6(uint32_t address, uint8_t ret[16]);

/** netpool_text6() - netpool_addr6() as text. Return: @buf. */
char *netpool_text6(uint32_t address, char buf[NETPOOL_TEXT6_BYTES]);

/** netpool_link() - the name of the host's end: "dyno-ac100102". Return: @buf. */
char *netpool_link(uint32_t address, char buf[NETPOOL_NAME_BYTES]);

#endif
