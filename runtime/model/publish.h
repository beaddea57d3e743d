/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish.h - what --publish says: a port of the host behind which the dynos of a process type
 * answer.  Pure: whether the port is free is the engine's to find out.
 */
#ifndef DYNO_MODEL_PUBLISH_H
#define DYNO_MODEL_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "model/name.h"

/* Ports of the host that one dyno answers on. Source: own choice */
#define PUBLISH_MAX 8U
/* How many ports from the first on "PORT+" looks at. Source: own choice */
#define PUBLISH_SEARCH 100U
/* An IPv6 address with its scope, and the NUL. Source: INET6_ADDRSTRLEN, and room for "%name" */
#define PUBLISH_ADDRESS_BYTES 64U
/* "[ADDRESS]:PORT" with the NUL. */
#define PUBLISH_TEXT_BYTES (PUBLISH_ADDRESS_BYTES + 10U)
/* How long a connection is held while no dyno is up. Source: contract 6.11, H20 */
#define PUBLISH_HOLD_MS UINT64_C(75000)
/* Longest hold. Source: own choice, a day: above it nobody waits any more */
#define PUBLISH_HOLD_MAX_MS (UINT64_C(24) * 3600 * 1000)

/**
 * struct publish - one port.
 * @address: numeric, without brackets; "": every address of the host
 * @port: of the host
 * @search: the first free one from @port on ("PORT+"); a wish, where others are orders
 * @type: process type of the dynos behind it
 */
struct publish {
	char address[PUBLISH_ADDRESS_BYTES];
	uint16_t port;
	bool search;
	char type[NAME_BYTES];
};

/**
 * publish_parse() - "8080", "127.0.0.1:8080", "[::1]:8080", "5000+", each with "=TYPE" after it;
 * the type is web where none is named.
 * Return: 0, or -EINVAL with ERR_USAGE.
 */
int publish_parse(const char *text, struct publish *ret, struct dyno_err *err);

/** publish_where() - "8080", "127.0.0.1:8080", "[::1]:8080". Return: @buf. */
char *publish_where(const struct publish *p, char buf[PUBLISH_TEXT_BYTES]);

/** publish_is_off() - the word that publishes nothing: "none". */
bool publish_is_off(const char *text);

#endif
