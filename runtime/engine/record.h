/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - what is kept of dynos that have ended, below the data directory: one exit record a
 * generation, the last RECORD_KEEP an app, and the events of its dynos.
 *
 *   records/<app>/exits    a line of JSON each, appended by one write, compacted under a lock
 *                /events   the same, the older half in events.1
 *                /<name>   manifests, see receipt.h
 */
#ifndef DYNO_RECORD_H
#define DYNO_RECORD_H

#include <stdint.h>

#include <dyno.h>

#include "base/arena.h"
#include "engine/receipt.h"
#include "engine/statefile.h"
#include "rootfs/store.h"

/* Source: DESIGN of the directories: the last 20 an app */
#define RECORD_KEEP 20U
/* When the events are turned over. Source: own choice, some thousands of lines */
#define RECORD_EVENTS_BYTES (256U * 1024U)

/**
 * struct record - one exit record; strings borrowed.
 * @facts: the dyno as it ended: @info.state is what came of it, @info.reason, @exit_code, @signal
 *         are those of this end
 * @gen: 1 for the first start of its monitor
 * @ended_us: microseconds since the epoch
 * @up_ms: from the execution of the command; 0: it was not executed
 * @written: the receipt in words; NULL: none was taken
 * @files, @bytes: of the receipt
 * @manifest: see struct receipt; "" none
 */
struct record {
	struct dyno_facts facts;
	uint32_t gen;
	uint64_t ended_us;
	uint64_t up_ms;
	const char *written;
	uint64_t files;
	uint64_t bytes;
	const char *manifest;
};

/** record_add() - append one. Return: 0, or -errno with ERR_RECORD. */
int record_add(struct store *store, const struct record *record, struct dyno_err *err);

/**
 * record_each() - the records of an app, oldest first.
 * @app: NULL: of every app
 * @fn: the record is valid during the call; non-zero ends the walk and is returned
 */
typedef int (*record_fn)(void *data, const struct record *record);
int record_each(struct store *store, const char *app, record_fn fn, void *data,
		struct dyno_err *err);

/** record_event() - append an event. @json: one line, without newline
 * Return: 0; -EINVAL: no single line; -errno. */
int record_event(struct store *store, const char *app, const char *json, size_t len);

/**
 * struct event_key - what every event says of itself.
 * @time: RFC 3339 in UTC with microseconds: as text it sorts by time
 * @app, @dyno: whose it is
 */
struct event_key {
	const char *time;
	const char *app;
	const char *dyno;
};

/** record_event_key() - the key of an event. @ret: strings are in @arena
 * Return: 0; -EINVAL: none of ours; -ENOMEM. */
int record_event_key(const char *json, struct arena *arena, struct event_key *ret);

/** record_each_event() - events of an app (NULL: of all), oldest first within an app. */
int record_each_event(struct store *store, const char *app, dyno_event_fn fn, void *data,
		      struct dyno_err *err);

/** record_forget() - drop records, manifests and events of one dyno.
 * Return: records dropped, or -errno with ERR_RECORD. */
int record_forget(struct store *store, const char *app, const char *dyno, struct dyno_err *err);

#endif
