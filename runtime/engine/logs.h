/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs.h - the inside of struct dyno_log: the logs of the dynos of one app, read together.
 */
#ifndef DYNO_LOGS_H
#define DYNO_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "base/arena.h"
#include "base/logline.h"
#include "engine/logfile.h"
#include "engine/sink.h"
#include "model/name.h"
#include "rootfs/store.h"

/**
 * struct log_source - the log of one dyno.
 * @time_us: of its line at hand, or of the one before where that tells none
 * @parsed: the line at hand has a head, in @record
 * @ready: a line is at hand
 */
struct log_source {
	struct logfile file;
	struct logline record;
	uint64_t time_us;
	bool parsed;
	bool ready;
};

/**
 * struct log_choice - which dynos are meant; strings borrowed.
 * @app: NULL: any
 * @loose: a pattern may be the name of an app, too
 */
struct log_choice {
	const char *app;
	const char *const *patterns;
	size_t n_patterns;
	bool loose;
};

/** enum log_origin - whose lines. */
enum log_origin { LOG_ANY, LOG_APP, LOG_PLATFORM };

/**
 * struct dyno_log - set up by dyno_log_open().
 * @arena: what @choice borrows
 * @store: borrowed
 * @dir_fd: of the app's logs
 * @since_us, @origin: see struct dyno_log_opts
 * @sources, @n, @cap: by address: the heap refers to them
 * @heap, @n_heap: indices of sources with a line at hand, the oldest line first
 * @epoll_fd, @inotify_fd, @timer_fd: -EBADF until dyno_log_fd()
 * @look: the directory may have changed
 */
struct dyno_log {
	char app[NAME_BYTES];
	struct arena arena;
	struct store *store;
	struct log_choice choice;
	uint64_t since_us;
	enum log_origin origin;
	int dir_fd;
	struct log_source **sources;
	size_t n;
	size_t cap;
	size_t *heap;
	size_t n_heap;
	int epoll_fd;
	int inotify_fd;
	int timer_fd;
	bool look;
};

/* ---- logs_find.c ----------------------------------------------------------------------------- */

/** logs_dir() - the directory of an app's logs. Return: a descriptor; -errno. */
int logs_dir(struct store *store, const char *app);

/** logs_is_meant() - whether a dyno is chosen. */
bool logs_is_meant(const struct log_choice *choice, const char *app, const char *dyno);

/**
 * logs_each() - the dynos that have a log in a directory; some come twice.
 * @fn: non-zero ends the walk and is returned
 */
typedef int (*logs_each_fn)(void *data, const char *dyno);
int logs_each(int dir_fd, logs_each_fn fn, void *data);

/**
 * logs_find_app() - the one app that a choice means.
 * @choice: @loose is set
 * @app: NAME_BYTES
 * Errors: ERR_NOT_FOUND; ERR_USAGE: several; ERR_IO.
 */
int logs_find_app(struct store *store, struct log_choice *choice, char *app, struct dyno_err *err);

/* ---- logs_seek.c ----------------------------------------------------------------------------- */

/** logs_is_wanted() - whether a line is one of those asked for. @parsed: @record is valid */
bool logs_is_wanted(const struct dyno_log *log, bool parsed, const struct logline *record);

/** logs_seek() - place all sources before the last @lines lines, none of them older than @since_us.
 * Return: 0; -errno. */
int logs_seek(struct dyno_log *log, uint64_t lines);

/* ---- logs_watch.c ---------------------------------------------------------------------------- */

/** logs_watch_read() - take what has been told; @look of @log says whether the directory may have
 * changed. */
void logs_watch_read(struct dyno_log *log);

/** logs_watch_dir() - look at @dir_fd from now on. */
void logs_watch_dir(struct dyno_log *log);

#endif
