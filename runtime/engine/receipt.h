/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receipt.h - the discard receipt: what a dyno wrote, summed up and listed in a manifest beside its
 * exit record, before it goes.  The walk is the monitor's, outside the dyno's control group, and is
 * bounded, so that a dyno of a million files does not hold up its own restart.
 */
#ifndef DYNO_RECEIPT_H
#define DYNO_RECEIPT_H

#include <stdbool.h>
#include <stddef.h>

#include <dyno.h>

#include "rootfs/store.h"
#include "rootfs/upper.h"

/* Bounds of the walk that a restart waits for. Source: own choice */
#define RECEIPT_MAX_CHANGES 20000U
#define RECEIPT_MAX_MS	    500U

#define RECEIPT_NAME_BYTES  64

/**
 * struct receipt_source - an upper directory and how its overlay was mounted; all borrowed.
 * See struct upper_opts; with a second overlay on /app (a directory as slug) there are two of them.
 * @prefix: before each path: "/" or "/app/"
 */
struct receipt_source {
	int upper_fd;
	struct upper_opts opts;
	const char *prefix;
};

/**
 * struct receipt - the sum.
 * @totals: of all sources
 * @cut: a bound was met: the totals are lower bounds
 * @manifest: name of the list below the app's records; "" where nothing was written
 */
struct receipt {
	struct upper_totals totals;
	bool cut;
	char manifest[RECEIPT_NAME_BYTES];
};

/**
 * receipt_take() - walk the sources and keep the list.
 * @store: whose data directory has the records
 * @app, @dyno: whom it is about
 * @ret: @totals are filled as far as it came, on failure too
 * Return: 0, or -errno with ERR_RECORD: there is no manifest; with ERR_IO, ERR_MEMORY, ERR_INTERNAL:
 * the walk ended early.
 */
int receipt_take(struct store *store, const char *app, const char *dyno,
		 const struct receipt_source *sources, size_t n_sources, struct receipt *ret,
		 struct dyno_err *err);

/** receipt_text() - the sum in words, see upper_receipt_text(); "at least" where the walk was cut.
 * @buf: receives at most @size - 1 bytes and a NUL. Return: the length of the whole text. */
size_t receipt_text(const struct receipt *receipt, char *buf, size_t size);

/**
 * receipt_read() - a kept manifest, one change after the other; see dyno_diff().  One that is not
 * complete ends with "unread" of "/".
 * Return: 0, what @fn returned, or -errno with ERR_RECORD (-ENOENT: it is gone).
 */
int receipt_read(struct store *store, const char *app, const char *manifest, dyno_written_fn fn,
		 void *data, struct dyno_err *err);

/** receipt_tell() - hand an upper_change on as a dyno_written. @prefix: see receipt_source
 * Return: what @fn returned. */
int receipt_tell(const struct upper_change *change, const char *prefix, dyno_written_fn fn,
		 void *data);

#endif
