/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.h - watches one launched dyno until its last process is gone: what dyno-init says, who
 * listens on $PORT, the caller's signals, the deadlines.  It decides nothing about restarts.
 */
#ifndef DYNO_MONITOR_H
#define DYNO_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include <dyno.h>

#include "base/loop.h"
#include "engine/launch.h"
#include "model/lines.h"

/* How often a booting web dyno is looked at: often at first, since `up` is the answer to a human;
 * a look costs about 10 us. Source: contract 6.2 saw 45 ms */
#define MONITOR_LOOK_MS	     10U
#define MONITOR_LOOK_SLOW_MS 50U
/* When the looks slow down, and how often the wrong binds are looked for. */
#define MONITOR_LOOK_SLOW_AFTER_MS 2000U
#define MONITOR_EXPLAIN_MS	   500U

enum monitor_state { MONITOR_STARTING, MONITOR_UP, MONITOR_STOPPING };

/**
 * struct monitor_plan - what to do with it; borrowed.
 * @dyno: name for the log's source
 * @command: text for the log
 * @formation: a process type: it has crashed when it ends; else a one-off, which completes
 * @web: `up` means that $PORT is listened on, within @boot_timeout_ms
 * @port: $PORT
 * @listen_fd: asks about the host's network namespace; negative: the launch hands one out
 * @listen_uid: owner of the dyno's sockets, or LISTEN_ANY_UID
 * @explain: sockets of @listen_uid are the dyno's alone, so that a wrong bind can be named
 * @boot_timeout_ms, @grace_ms: see struct dyno_run_opts
 * @log, @log_data, @log_source: see struct dyno_run_opts
 */
struct monitor_plan {
	const char *dyno;
	const char *command;
	bool formation;
	bool web;
	uint16_t port;
	int listen_fd;
	uint32_t listen_uid;
	bool explain;
	uint64_t boot_timeout_ms;
	uint64_t grace_ms;
	void (*log)(void *data, const char *source, const char *dyno, const char *text);
	void *log_data;
	const char *log_source;
};

/** monitor_line() - one line of the platform. @args: see line_format() */
void monitor_line(const struct monitor_plan *plan, enum line_id id, const struct line_args *args);

/** monitor_warn() - a line of warning. @text: escaped already where its origin is unknown */
void monitor_warn(const struct monitor_plan *plan, const char *text);

/**
 * monitor_run() - until the dyno is gone.
 * @launch: started
 * @signal_fd: the caller's signals
 * @ret: exit_code, signal, reason and up_ms are set when the command ran
 *
 * Return: 0 when the command ran, however it ended; -errno when it could not be started, with the
 * class and stage of the failure.
 */
int monitor_run(const struct monitor_plan *plan, struct launch *launch, int signal_fd,
		struct dyno_outcome *ret, struct dyno_err *err);

#endif
