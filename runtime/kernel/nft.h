/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nft.h - the kernel's packet filter: what stands there is asked by netlink, which costs
 * microseconds; what is to stand there is told by the program nft(8), which costs milliseconds.
 */
#ifndef DYNO_NFT_H
#define DYNO_NFT_H

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
