/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record_dir.h - the names below records/ that the files of exit records, events and manifests
 * share.  Nobody else includes it.
 */
#ifndef DYNO_RECORD_DIR_H
#define DYNO_RECORD_DIR_H

#include <stddef.h>

#include <dyno.h>

#include "engine/linefile.h"
#include "rootfs/store.h"

/* Directory below the data directory, with one of each app. */
#define RECORD_DIR "records"

/* Files of an app. */
#define RECORD_EXITS	  "exits"
#define RECORD_EVENTS	  "events"
#define RECORD_EVENTS_OLD "events.1"
#define RECORD_MANIFEST	  "written." /* and hex digits */

/** record_path() - "records/APP/NAME". Return: 0; -EINVAL: no app has such a name;
 * -ENAMETOOLONG. */
int record_path(const char *app, const char *name, char *buf, size_t size);

/** record_make_dir() - the directory of an app, mode 0700; existing is fine. Return: 0 or -errno. */
int record_make_dir(struct store *store, const char *app);

/** record_open() - hold a file of an app, made with its directory where it is missing.
 * Return: as linefile_open(); -EINVAL: no app has such a name. */
int record_open(struct store *store, const char *app, const char *name, struct linefile *ret);

/** record_failed() - report ERR_RECORD with what to do. @r: -errno
 * @operation: "read". Return: @r. */
int record_failed(struct store *store, const char *app, int r, const char *operation,
		  struct dyno_err *err);

/** record_each_app() - the apps that have a directory, in no order.
 * @fn: non-zero ends the walk and is returned
 * Return: 0, what @fn returned, or -errno with ERR_RECORD. */
typedef int (*record_app_fn)(void *data, const char *app);
int record_each_app(struct store *store, record_app_fn fn, void *data, struct dyno_err *err);

/** record_forget_events() - drop the events of one dyno. Return: 0 or -errno. */
int record_forget_events(struct store *store, const char *app, const char *dyno);

#endif
