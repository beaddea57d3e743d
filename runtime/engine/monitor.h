/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.h - keeps one dyno, from its first launch until it has come to rest: it feeds the pure
 * table of model/supervise.h with what happens, and does what that decides.  It is the only parent
 * of the dyno's processes, and everything it holds goes with it.
 */
#ifndef DYNO_MONITOR_H
#define DYNO_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include <dyno.h>

#include "engine/app.h"
#include "engine/feed.h"
#include "engine/output.h"
#include "model/listenfd.h"

/* How often a booting web dyno is looked at: often at first, since `up` is the answer to a human;
 * a look costs about 10 us. Source: contract 6.2 saw 45 ms */
#define MONITOR_LOOK_MS	     10U
#define MONITOR_LOOK_SLOW_MS 50U
/* When the looks slow down, and how often the wrong binds are looked for. */
#define MONITOR_LOOK_SLOW_AFTER_MS 2000U
#define MONITOR_EXPLAIN_MS	   500U
/* How long output is read after the last process has gone: only a descriptor that was handed out
 * of the dyno can keep the pipe open. Source: own choice */
#define MONITOR_DRAIN_MS 1000U

/**
 * struct monitor_plan - what to do with it; borrowed.
 * @app: found, with its place held
 * @supervised: it is restarted by its policy, its output goes to @sink, its events are kept; else
 *              it is a run in the foreground on the caller's own terminal or files
 * @signal_fd: signalfd: TERM (and, if supervised, INT) stops, others are passed on
 * @keep_fd: the dyno is stopped when the other end is closed; negative: none
 * @report_fd: where the first launch's end is told, see monitor_report(); negative: none
 * @oomlog_fd: see oomlog_open(); negative: it is opened when it is needed
 * @sink: of lines, if supervised
 * @log, @log_data: of platform lines, if not
 * @up: see dyno.h; it gets @log_data too
 * @timing: may be NULL
 */
struct monitor_plan {
	struct app *app;
	bool supervised;
	int signal_fd;
	int keep_fd;
	int report_fd;
	int oomlog_fd;
	struct sink *sink;
	void (*log)(void *data, const char *source, const char *dyno, const char *text);
	void *log_data;
	void (*up)(void *data, const char *dyno, const char *where);
	struct dyno_timing *timing;
};

/**
 * monitor_run() - until no process of the dyno lives and no start is planned.
 * @ret: exit_code, signal, reason, port and up_ms of the last end, when the command ever ran
 *
 * Return: 0 when the command ran, however it ended; -errno when it never could be started, with the
 * class and stage of the failure.
 */
int monitor_run(const struct monitor_plan *plan, struct dyno_outcome *ret, struct dyno_err *err);

/**
 * monitor_give_up() - for good, the capabilities that no start, join or look at a dyno takes.
 * @ret_oomlog_fd: see oomlog_open(): it may be closed to who has given up; negative: it was before
 *
 * Nothing without root: newuidmap is setuid, and no_new_privs would turn that off.
 * Return: 0, or -errno with ERR_LAUNCH.
 * Context: a process of its own, before it has opened anything
 */
int monitor_give_up(int *ret_oomlog_fd, struct dyno_err *err);

/*
 * Descriptors that dyno-monitor is started with, from 0 on.  Those of no use are
 * /dev/null.
 */
enum monitor_fd {
	MONITOR_FD_PLACE = 3, /* the dyno's place, locked */
	MONITOR_FD_REPORT,    /* takes one struct monitor_report */
	MONITOR_FD_LOG,	      /* lines of app and platform */
	MONITOR_FD_KEEP,      /* its end is the dyno's */
	MONITOR_FD_EVENTS,    /* events as lines of JSON */
	MONITOR_FD_LOGS,      /* the first of FEED_FDS_MAX that "fd:N" of --log means, N from 0 */
	/* The first of LISTENFD_MAX to listen on; those of no use are not open. */
	MONITOR_FD_SOCKETS = MONITOR_FD_LOGS + FEED_FDS_MAX,
	_MONITOR_FD_MAX = MONITOR_FD_SOCKETS + LISTENFD_MAX,
};

/**
 * struct monitor_report - one packet from a monitor to who started it.
 * @failed: @err says why; else the command was executed
 */
struct monitor_report {
	uint32_t failed;
	uint32_t reserved;
	struct dyno_err err;
};

#endif
