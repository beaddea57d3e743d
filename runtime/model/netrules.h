/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netrules.h - the firewall of private networks as text for nft(8): one table of the host, the same
 * for all dynos, and a small one inside each dyno whose way out is narrowed.  It writes text; who
 * runs nft, and where, is decided elsewhere.
 *
 * The host's table goes by the names of links alone, so that no start has to touch it.  What its
 * maker found and changed on the host stands in the table's own comment: the two cannot part.
 */
#ifndef DYNO_MODEL_NETRULES_H
#define DYNO_MODEL_NETRULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "base/str.h"
#include "model/netpool.h"

/* Of family inet, on the host and inside a dyno. */
#define NETRULES_TABLE "dyno"

/* Of the table inside a dyno: what its egress has refused. */
#define NETRULES_COUNTER "denied"

/* Room for a note. Source: nft(8): a comment has 128 characters at most */
#define NETRULES_NOTE_BYTES 129U

/* Ranges of one --egress. Source: own choice */
#define NETRULES_EGRESS_MAX 64U

/**
 * struct netrules_note - what the host's table is for.
 * @pool: addresses of dynos
 * @forward_was_off: the host did not forward IPv4 before
 * @ipv6: the host has IPv6, and so have dynos
 * @ipv6_out: it forwards IPv6, so dynos have a way out there too
 */
struct netrules_note {
	struct netpool pool;
	bool forward_was_off;
	bool ipv6;
	bool ipv6_out;
};

/** netrules_note_format() - as the comment of the table. Return: @buf. */
char *netrules_note_format(const struct netrules_note *note, char buf[NETRULES_NOTE_BYTES]);

/** netrules_note_parse() - Return: 0; -EINVAL: the table is of another version, or nobody's. */
int netrules_note_parse(const char *text, struct netrules_note *ret);

/** netrules_host() - append the commands that make the host's table; they fail as a whole, with
 * "File exists", where there is one. */
void netrules_host(const struct netrules_note *note, struct sbuf *out);

enum netrules_reach {
	NETRULES_ALL,  /* wherever the host gets */
	NETRULES_HOST, /* the host alone */
	NETRULES_NONE, /* nowhere */
	NETRULES_LIST, /* the ranges named */
	_NETRULES_REACH_MAX,
};

/** struct netrules_range - addresses of one prefix. @family: AF_INET or AF_INET6 */
struct netrules_range {
	int family;
	uint8_t address[16];
	uint32_t len;
};

/** struct netrules_egress - to where a dyno may open connections. */
struct netrules_egress {
	enum netrules_reach reach;
	struct netrules_range ranges[NETRULES_EGRESS_MAX];
	size_t n;
};

/**
 * netrules_egress_parse() - "all", "host", "none", or ranges: "192.0.2.0/24,2001:db8::1"; "host"
 * may be among them.
 * @text: NULL: "all"
 * @host: the host's address for the word "host" in a list
 * Return: 0, or -EINVAL with ERR_USAGE.
 */
int netrules_egress_parse(const char *text, uint32_t host, struct netrules_egress *ret,
			  struct dyno_err *err);

/** netrules_egress() - append the commands that make the table inside a dyno. */
void netrules_egress(const struct netrules_egress *egress, uint32_t host, struct sbuf *out);

#endif
