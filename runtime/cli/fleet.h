/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fleet.h - the dynos that one command has started: connections to their monitors, whether they are
 * up, how they ended.
 */
#ifndef DYNO_CLI_FLEET_H
#define DYNO_CLI_FLEET_H

#include <stdbool.h>
#include <stddef.h>

#include <dyno.h>

#include "base/util.h"

/* Room for a name and a word of the library, with the NUL. */
#define FLEET_NAME_BYTES 64
#define FLEET_WORD_BYTES 32
/* Addresses and ports of the host. Source: two of the longest that people write */
#define FLEET_PORTS_BYTES 128

/**
 * struct fleet_dyno - one dyno.
 * @change: what was told of it
 * @ask, @watch: connections, for questions and for events; NULL when it has ended
 * @event_fd: of @watch, for poll(2); -EBADF when it has ended
 * @ended: for good: it has no monitor any more
 * @up, @crashed: it is up; it has crashed since its last good start, or is crashed
 * @monitor_pid: 0: none
 * @exit_code: of its last end; -1: none yet
 * @state, @reason: words of struct dyno_info; "" unknown
 * @last_state: as its monitor has said at the end; "" not yet
 * @published: ports of the host that lead to it; "" none
 */
struct fleet_dyno {
	char app[FLEET_NAME_BYTES];
	char name[FLEET_NAME_BYTES];
	enum dyno_change change;
	struct dyno *ask;
	struct dyno *watch;
	int event_fd;
	bool ended;
	bool up;
	bool crashed;
	int monitor_pid;
	int exit_code;
	char state[FLEET_WORD_BYTES];
	char reason[FLEET_WORD_BYTES];
	char last_state[FLEET_WORD_BYTES];
	char published[FLEET_PORTS_BYTES];
};

/**
 * struct fleet - zero-initialised with @host it is empty.
 * @host: borrowed
 * @failed: a dyno could not be kept for want of memory
 */
struct fleet {
	struct dyno_host *host;
	struct fleet_dyno *dynos;
	size_t n;
	bool failed;
};

/** fleet_prepare() - raise the limit of files as far as may be: each dyno takes some. */
void fleet_prepare(void);

/** fleet_add() - the callback for dyno_start() and dyno_scale(). @data: a struct fleet */
void fleet_add(void *data, const char *app, const char *name, enum dyno_change change);

/** fleet_check() - Return: 0, or -ENOMEM with err set when fleet_add() had no memory. */
int fleet_check(const struct fleet *fleet, struct dyno_err *err);

/**
 * fleet_connect() - to every monitor that it is not connected to.  A dyno that has ended meanwhile
 * is marked so, and so is one whose monitor cannot be reached.
 * Return: 0, or -errno of the first of the latter, with err set.
 */
int fleet_connect(struct fleet *fleet, struct dyno_err *err);

/** fleet_event() - @event_fd of a dyno is readable: find out what it is now. */
void fleet_event(struct fleet *fleet, struct fleet_dyno *dyno);

/** fleet_stop() - ask every dyno to stop for good. @at_once: by SIGKILL
 * Return: how many could not be asked. */
size_t fleet_stop(struct fleet *fleet, bool at_once);

/** fleet_n_live() / fleet_n_up() - dynos that have a monitor; that are up or have completed. */
size_t fleet_n_live(const struct fleet *fleet);
size_t fleet_n_up(const struct fleet *fleet);

/** fleet_bad_status() - exit status for a dyno that has crashed or failed, 0 for one that has not. */
int fleet_bad_status(const struct fleet_dyno *dyno);

/** fleet_monitor_pidfd() - a descriptor of the dyno's monitor, surely its own.
 * Return: the caller's to close, or -errno with err set. */
int fleet_monitor_pidfd(struct fleet_dyno *dyno, struct dyno_err *err);

void fleet_done(struct fleet *fleet);
#define _cleanup_fleet_ _cleanup_(fleet_done)

#endif
