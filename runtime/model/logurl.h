/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logurl.h - what stands after --log: where the lines of a dyno go besides its log.  Pure: nothing
 * is opened or looked up.
 *
 *   file:PATH  json:PATH  fd:N  journald[:SOCKET]
 *   syslog+udp://HOST[:PORT]  syslog+tcp://HOST[:PORT]  syslog+tls://HOST[:PORT]  https://...
 *
 * Those that go through a network take settings behind a '#', which is never sent: token=WORD, the
 * name that the receiver knows the drain by, and ca=FILE, the certificates to trust.  Files take
 * size=SIZE, from which on they are turned over, and count=N, how many there are then; a '#'
 * without a '=' behind it belongs to the path.
 */
#ifndef DYNO_LOGURL_H
#define DYNO_LOGURL_H

#include <stdint.h>

#include <dyno.h>

#include "base/arena.h"

/* Sinks of one dyno. Source: own choice, above the five drains of contract 10.4 */
#define LOGURL_MAX 16U
/* Longest. Source: own choice; servers take 8 kB at most */
#define LOGURL_BYTES 4096U

/* Where nothing else is said. Source: RFC 5426, RFC 6587 names none but 514 is in use; RFC 5425;
 * sd-daemon */
#define LOGURL_PORT	514U
#define LOGURL_PORT_TLS 6514U
#define LOGURL_JOURNALD "/run/systemd/journal/socket"

/* Least size of a file that is turned over: it has room for any batch; the number of them, and what
 * it may be. Source: own choice */
#define LOGURL_SIZE_MIN	     (1024U * 1024U)
#define LOGURL_COUNT_DEFAULT 5U
#define LOGURL_COUNT_MIN     2U
#define LOGURL_COUNT_MAX     100U

enum logurl_kind {
	LOGURL_FILE,
	LOGURL_JSON,
	LOGURL_FD,
	LOGURL_JOURNALD_SOCKET,
	LOGURL_UDP,
	LOGURL_TCP,
	LOGURL_TLS,
	LOGURL_HTTPS,
	_LOGURL_KIND_MAX,
};

/**
 * struct logurl - one, in its parts; strings belong to the arena.
 * @path: of a file, or of journald's socket
 * @size_bytes: from which on a file is turned over; 0: never; @count: how many of them there are
 * @fd: number of a descriptor
 * @host, @port: of syslog; an address of IPv6 without its brackets
 * @url: of HTTPS, as it is asked for
 * @token, @ca: NULL: not given
 * @shown: for messages: nothing that may be a secret
 */
struct logurl {
	enum logurl_kind kind;
	const char *path;
	uint64_t size_bytes;
	uint32_t count;
	int fd;
	const char *host;
	uint16_t port;
	const char *url;
	const char *token;
	const char *ca;
	const char *shown;
};

/**
 * logurl_parse() - take one apart.
 * Return: 0, or -errno with ERR_USAGE, ERR_MEMORY; the message shows no user, password or query.
 */
int logurl_parse(const char *text, struct arena *arena, struct logurl *ret, struct dyno_err *err);

/**
 * logurl_token() - the name that the receiver knows a drain by: the one given, or "d." and a UUID
 * made of the app's name and of what may be shown of the URL, the same at every start.
 * @buf: LOGURL_TOKEN_BYTES. Return: the one given, or @buf.
 */
#define LOGURL_TOKEN_BYTES 40U
const char *logurl_token(const struct logurl *url, const char *app, char buf[LOGURL_TOKEN_BYTES]);

#endif
