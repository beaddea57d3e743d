/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start_internal.h - what the files of dyno_start() share: the call, and its steps.
 */
#ifndef DYNO_START_INTERNAL_H
#define DYNO_START_INTERNAL_H

#include <limits.h>
#include <stddef.h>

#include <dyno.h>

#include "engine/app.h"
#include "engine/feed.h"
#include "engine/publish.h"
#include "engine/state.h"

/* The name of a monitor's program, which start_find() looks for. */
#define MONITOR_PROGRAM "dyno-monitor"

/**
 * struct pending - a monitor that has not reported yet.
 * @report_fd: owned; hears one struct monitor_report
 */
struct pending {
	struct pending *next;
	char dyno[STATE_NAME_BYTES];
	int report_fd;
};

/**
 * struct start - one call of dyno_start() or dyno_scale().
 * @opts: as they were asked for, and after start_find() as a monitor can use them
 * @app: the slug and what is said of it
 * @helper: path of the monitor's program
 * @log_fds, @n_log_fds: the caller's descriptors that lines go to; borrowed
 * @first, @last: the monitors that were started, in their order
 * @keepers, @n_keepers: keep the forwarders of published ports until monitors have come; owned
 * @fn, @data: told of each change
 * @started: dynos that are there now and were not before
 * @changes: what was told
 */
struct start {
	struct dyno_host *host;
	struct dyno_start_opts opts;
	struct arena arena;
	struct app app;
	char helper[PATH_MAX];
	int log_fds[FEED_FDS_MAX];
	size_t n_log_fds;
	struct pending *first;
	struct pending **last;
	int keepers[PUBLISH_MAX];
	size_t n_keepers;
	dyno_change_fn fn;
	void *data;
	int started;
	int changes;
};

/** start_no_memory() - Return: -ENOMEM, with ERR_MEMORY. */
int start_no_memory(struct dyno_err *err);

/**
 * start_find() - look at the slug and the settings, and make them such as a monitor can use: whole
 * paths, the content of env files, numbers of descriptors as it will have them.
 * @s: its @opts and @app are set; its arena holds what is made
 * Return: 0 or -errno.
 * Errors: those of the slug (app_find_slug(), slug_read()), ERR_USAGE, ERR_HELPER, ERR_MEMORY, ERR_IO.
 */
int start_find(struct start *s, struct dyno_err *err);

/** start_tell() - count a change and tell the caller of it. */
void start_tell(struct start *s, const char *dyno, enum dyno_change change);

/**
 * start_publish() - open the ports that the types to start publish, and write what was found into
 * @s->opts, so that every monitor is told of a port and not of the search for one.
 * Return: 0 or -errno; start_end_keepers() in both cases.
 * Errors: those of publish_parse() and publish_open(), ERR_USAGE, ERR_MEMORY.
 */
int start_publish(struct start *s, struct dyno_err *err);

/** start_end_keepers() - let go of forwarders; those that no monitor has come to end. */
void start_end_keepers(struct start *s);

/**
 * start_stop_beyond() - stop the dynos of a type whose numbers are above @want->count, the highest
 * first.
 * Return: 0 or -errno. Errors: those of dyno_each() and dyno_stop().
 */
int start_stop_beyond(struct start *s, const struct dyno_scale *want, struct dyno_err *err);

#endif
