/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dynos.h - the inside of the public handle struct dyno: a connection to one monitor, and what is
 * known of one that has ended.
 */
#ifndef DYNO_DYNOS_H
#define DYNO_DYNOS_H

#include <dyno.h>

#include "base/arena.h"
#include "base/str.h"
#include "engine/ctl.h"
#include "engine/host.h"
#include "engine/record.h"
#include "engine/statefile.h"
#include "model/name.h"

/**
 * struct dyno - set up by dyno_open().
 * @fd: asks; the answers come at once
 * @watch_fd: events, once they are asked for; -EBADF before
 * @monitor_pid, @monitor_start: who answers, to tell him from a later one of the same name
 * @packet: CTL_PACKET_BYTES, for the event at hand; NULL before the first
 * @text: an event of our own
 */
struct dyno {
	struct dyno_host *host;
	char app[NAME_BYTES];
	char name[NAME_BYTES];
	int fd;
	int watch_fd;
	int monitor_pid;
	uint64_t monitor_start;
	char *packet;
	struct sbuf text;
};

/**
 * dynos_ask() - ctl_ask() with a usual time limit and no payload.
 * @ret_text, @ret_fds: may be NULL
 * Return: as ctl_ask(), but -ENOENT with ERR_NOT_FOUND where the monitor has hung up.
 */
int dynos_ask(struct dyno *dyno, const struct ctl_request *request, struct sbuf *ret_text,
	      int *ret_fds, struct dyno_err *err);

/**
 * dynos_open() - dyno_open(), or to the process that holds the files of one that has ended.
 * @kept: take only the latter; else only a live one
 */
int dynos_open(struct dyno_host *host, const char *app, const char *name, bool kept,
	       struct dyno **ret, struct dyno_err *err);

/** dynos_facts() - what the monitor says now. @arena: holds the strings. Errors: as dynos_ask(). */
int dynos_facts(struct dyno *dyno, struct arena *arena, struct dyno_facts *ret,
		struct dyno_err *err);

/** dynos_init_pid() - the host's number of its dyno-init.  It may end at any moment.
 * Return: 0; -ESRCH with ERR_NOT_FOUND: no generation lives. Errors: as dynos_ask(). */
int dynos_init_pid(struct dyno *dyno, int *ret, struct dyno_err *err);

/**
 * dynos_watch() - a further connection to the same monitor, subscribed: its first packet is there.
 * @ret_fd: the caller's
 * Return: 0; -EPIPE with ERR_NOT_FOUND: it has ended; -errno.
 */
int dynos_watch(struct dyno *dyno, int *ret_fd, struct dyno_err *err);

/** dynos_connect() - a further connection to the same monitor.
 * Return: a descriptor, the caller's; -EPIPE with ERR_NOT_FOUND: it has ended; -errno. */
int dynos_connect(struct dyno *dyno, struct dyno_err *err);

/** dynos_not_found() - report a dyno that does not live, and how it ended.
 * Return: -ENOENT with ERR_NOT_FOUND. */
int dynos_not_found(struct dyno_host *host, const char *app, const char *name,
		    struct dyno_err *err);

/**
 * struct dyno_end - the end of a generation, out of its record.
 * @state, @reason: static
 * @manifest: "" none
 */
struct dyno_end {
	const char *state;
	const char *reason;
	int exit_code;
	int signal;
	uint16_t port;
	uint64_t up_ms;
	uint64_t ended_us;
	char manifest[RECEIPT_NAME_BYTES];
};

/**
 * dynos_last_end() - the newest record of a dyno.
 * @of: only of its monitor; NULL: of any
 * Return: 1; 0: there is none; -errno with ERR_RECORD, ERR_STORE_IO.
 */
int dynos_last_end(struct dyno_host *host, const char *app, const char *name, const struct dyno *of,
		   struct dyno_end *ret, struct dyno_err *err);

#endif
