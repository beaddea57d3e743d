/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nft.h - the kernel's packet filter: what stands there is asked by netlink, which costs
 * microseconds; what is to stand there is told by the program nft(8), which costs milliseconds.
 */
#ifndef DYNO_NFT_H
#define DYNO_NFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

/** nft_open() - a socket that asks about the caller's network namespace. Return: it, or -errno. */
int nft_open(void);

/**
 * nft_comment() - the comment of a table of the family inet.
 * @buf: "" where it has none
 * Return: 0; -ENOENT: there is no such table; -errno.
 */
int nft_comment(int fd, const char *table, char *buf, size_t size);

/**
 * nft_counter() - packets that a named counter has counted, of a table of the family inet.
 * Return: 0; -ENOENT: there is none; -errno.
 */
int nft_counter(int fd, const char *table, const char *name, uint64_t *ret_packets);

/* Longest name of a table or chain that is told of. Source: linux/netfilter/nf_tables.h, 256 */
#define NFT_NAME_BYTES 256

/**
 * struct nft_chain - a chain that drops or may drop what its rules do not know.
 * @family: "ip", "ip6" or "inet"
 * @forward: of packets that pass through the host; else of those that are for it
 */
struct nft_chain {
	const char *family;
	char table[NFT_NAME_BYTES];
	char name[NFT_NAME_BYTES];
	bool forward;
};

/**
 * nft_dropping() - chains of the caller's namespace at the hooks input and forward whose policy is
 * to drop.  Those of iptables-nft are among them, those of iptables-legacy are not.
 * @ret: @max of them are filled
 * Return: how many there are, which may be more than @max; -errno.
 */
int nft_dropping(int fd, struct nft_chain *ret, int max);

/** nft_program() - nft(8). @ret_path: where it is. Return: it, O_PATH; -ENOENT: not installed. */
int nft_program(const char **ret_path);

/**
 * nft_run() - have nft(8) carry out commands, all or none, in the caller's network namespace.
 * @text: the commands, @len bytes
 * Return: 0, or -errno: ERR_HELPER: it is not installed or does not start; ERR_NETWORK with what
 * it said; ERR_IO.
 * Context: parent
 */
int nft_run(const char *text, size_t len, struct dyno_err *err);

#endif
