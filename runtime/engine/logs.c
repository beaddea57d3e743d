/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs.c - dyno_log_*(): the logs of one app's dynos as one.
 *
 * Theory of operation.  Reading goes in rounds.  Each log is asked how long it is now, and goes so
 * far and no further in this round: one that grows faster than it can be read holds up no other.
 * Of the lines at hand the oldest is told, out of a heap; lines of one log keep their order even if
 * the clock was set back.  Lines that come at the same time may reach the disk in another order
 * than their times have, by as much as a monitor needs to write, and are told so.
 */
#include "engine/logs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/timetext.h"
#include "engine/host.h"

static int failed(const struct dyno_log *log, int r, struct dyno_err *err)
{
	if (r == -ENOMEM)
		return err_set(err, ERR_MEMORY, ENOMEM, "read logs");
	(void)err_set(err, ERR_IO, -r, "read the logs of the app %s in %s", log->app,
		      log->store->data_dir);
	if (r == -EMFILE)
		err_hint(err, "name some dynos, or raise the limit with ulimit -n");
	return r;
}

/* ---- the dynos ------------------------------------------------------------------------------- */

static bool is_known(const struct dyno_log *log, const char *dyno)
{
	for (size_t i = 0; i < log->n; i++) {
		if (str_eq(log->sources[i]->file.name, dyno))
			return true;
	}
	return false;
}

static int grow(struct dyno_log *log)
{
	size_t cap = log->cap ? 2 * log->cap : 16;
	struct log_source **sources = realloc(log->sources, cap * sizeof(struct log_source *));
	size_t *heap;

	if (!sources)
		return -ENOMEM;
	log->sources = sources;
	heap = realloc(log->heap, cap * sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	log->heap = heap;
	log->cap = cap;
	return 0;
}

static int add_source(void *data, const char *dyno)
{
	struct dyno_log *log = data;
	struct log_source *source;
	int r = 0;

	if (!logs_is_meant(&log->choice, log->app, dyno) || is_known(log, dyno))
		return 0;
	if (log->n == log->cap)
		r = grow(log);
	source = r == 0 ? calloc(1, sizeof(*source)) : NULL;
	if (!source)
		return -ENOMEM;
	source->file = LOGFILE_INIT;
	str_fmt(source->file.name, sizeof(source->file.name), "%s", dyno);
	r = logfile_open(log->dir_fd, &source->file);
	if (r < 0) {
		free(source);
		return r;
	}
	log->sources[log->n++] = source;
	return 0;
}

static int by_name(const void *x, const void *y)
{
	struct log_source *const *a = x, *const *b = y;

	return strcmp((*a)->file.name, (*b)->file.name);
}

/* Where times are equal the order of the names decides, the same at each call. */
static int add_sources(struct dyno_log *log)
{
	int r = logs_each(log->dir_fd, add_source, log);

	if (r == 0 && log->n > 1)
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): it holds pointers */
		qsort(log->sources, log->n, sizeof(*log->sources), by_name);
	return r;
}

/* The directory goes with the last log in it, and another comes with the next one. */
static void renew_dir(struct dyno_log *log)
{
	_cleanup_close_ int fd = logs_dir(log->store, log->app);
	struct stat was, is;

	if (fd < 0 || fstat(log->dir_fd, &was) < 0 || fstat(fd, &is) < 0 ||
	    (was.st_dev == is.st_dev && was.st_ino == is.st_ino))
		return;
	close_fdp(&log->dir_fd);
	log->dir_fd = take_fd(&fd);
	logs_watch_dir(log);
}

static int look(struct dyno_log *log)
{
	int r;

	logs_watch_read(log);
	if (!log->look)
		return 0;
	renew_dir(log);
	r = logs_each(log->dir_fd, add_source, log);
	log->look = r < 0;
	return r;
}

/* ---- the heap -------------------------------------------------------------------------------- */

static bool is_before(const struct dyno_log *log, size_t a, size_t b)
{
	uint64_t time_a = log->sources[a]->time_us, time_b = log->sources[b]->time_us;

	return time_a != time_b ? time_a < time_b : a < b;
}

static void swap(size_t *a, size_t *b)
{
	size_t was = *a;

	*a = *b;
	*b = was;
}

static void sift_down(struct dyno_log *log, size_t i)
{
	for (;;) {
		size_t least = i, left = 2 * i + 1;

		for (size_t child = left; child < left + 2 && child < log->n_heap; child++) {
			if (is_before(log, log->heap[child], log->heap[least]))
				least = child;
		}
		if (least == i)
			return;
		swap(&log->heap[i], &log->heap[least]);
		i = least;
	}
}

static void make_heap(struct dyno_log *log)
{
	log->n_heap = 0;
	for (size_t i = 0; i < log->n; i++) {
		if (log->sources[i]->ready)
			log->heap[log->n_heap++] = i;
	}
	for (size_t i = log->n_heap / 2; i-- > 0;)
		sift_down(log, i);
}

/* The first of the heap has changed its line, or has none any more. */
static void settle_first(struct dyno_log *log)
{
	if (!log->sources[log->heap[0]]->ready)
		log->heap[0] = log->heap[--log->n_heap];
	sift_down(log, 0);
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* The next line of a log that was asked for. Return: 0; -errno. */
static int step(const struct dyno_log *log, struct log_source *s)
{
	uint64_t time_us;
	int r;

	s->ready = false;
	while ((r = logfile_next(log->dir_fd, &s->file)) > 0) {
		s->parsed = logline_parse(s->file.line, s->file.len, &s->record);
		if (s->parsed && time_parse(s->record.time.s, s->record.time.len, &time_us) == 0)
			s->time_us = time_us;
		if (!logs_is_wanted(log, s->parsed, &s->record))
			continue;
		s->ready = true;
		return 0;
	}
	return r;
}

static int begin_round(struct dyno_log *log)
{
	int r = look(log);

	for (size_t i = 0; r == 0 && i < log->n; i++) {
		struct log_source *s = log->sources[i];

		r = logfile_look(log->dir_fd, &s->file);
		if (r == 0 && !s->ready)
			r = step(log, s);
	}
	make_heap(log);
	return r;
}

static int tell(const struct dyno_log *log, struct log_source *s, dyno_log_fn fn, void *data)
{
	char source[NAME_BYTES] = "";
	struct dyno_log_line line = {
		.app = log->app,
		.dyno = s->file.name,
		.source = source,
		.time_us = s->time_us,
		.text = s->file.line,
		.text_len = s->file.len,
		.record = s->file.line,
		.record_len = s->file.len,
	};

	if (s->parsed) {
		str_fmt(source, sizeof(source), "%.*s", (int)s->record.source.len,
			s->record.source.s);
		line.text = s->record.text.s;
		line.text_len = s->record.text.len;
		line.partial = s->record.partial;
		line.stream = logline_stream_name(s->record.stream);
	}
	s->ready = false;
	return fn(data, &line);
}

DYNO_PUBLIC int dyno_log_read(struct dyno_log *log, dyno_log_fn fn, void *data,
			      struct dyno_err *err)
{
	int r = begin_round(log);

	while (r == 0 && log->n_heap > 0) {
		struct log_source *s = log->sources[log->heap[0]];
		int told = tell(log, s, fn, data);

		if (told != 0)
			return told;
		r = step(log, s);
		settle_first(log);
	}
	return r < 0 ? failed(log, r, err) : 0;
}

/* ---- the handle ------------------------------------------------------------------------------ */

static int copy_choice(struct dyno_log *log, const struct dyno_log_opts *opts)
{
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): it holds pointers */
	const char **patterns = arena_calloc(&log->arena, opts->n_patterns + 1, sizeof(*patterns));

	if (!patterns)
		return -ENOMEM;
	for (size_t i = 0; i < opts->n_patterns; i++) {
		patterns[i] = arena_strdup(&log->arena, opts->patterns[i]);
		if (!patterns[i])
			return -ENOMEM;
	}
	log->choice = (struct log_choice){.patterns = patterns, .n_patterns = opts->n_patterns};
	return 0;
}

static int check_source(struct dyno_log *log, const char *source, struct dyno_err *err)
{
	if (!source)
		return 0;
	log->origin = str_eq(source, LOGLINE_APP) ? LOG_APP : LOG_PLATFORM;
	if (log->origin == LOG_APP || str_eq(source, "heroku"))
		return 0;
	(void)err_set(err, ERR_USAGE, 0, "no source \"%s\"", source);
	err_hint(err, "app, or heroku for the platform's own lines");
	return -EINVAL;
}

static int open_log(struct dyno_log *log, const struct dyno_log_opts *opts, struct dyno_err *err)
{
	int r = check_source(log, opts->source, err);

	if (r < 0)
		return r;
	r = copy_choice(log, opts);
	if (r < 0)
		return failed(log, r, err);
	log->choice.app = opts->app;
	r = logs_find_app(log->store, &log->choice, log->app, err);
	if (r < 0)
		return r;
	log->choice.app = NULL; /* the caller's */
	log->since_us = opts->since_us;
	log->dir_fd = logs_dir(log->store, log->app);
	r = log->dir_fd < 0 ? log->dir_fd : add_sources(log);
	if (r == 0)
		r = logs_seek(log, opts->lines);
	return r < 0 ? failed(log, r, err) : 0;
}

DYNO_PUBLIC int dyno_log_open(struct dyno_host *host, const struct dyno_log_opts *opts,
			      struct dyno_log **ret, struct dyno_err *err)
{
	struct dyno_log *log;
	struct store *store;
	int r = host_store(host, &store, err);

	if (r < 0)
		return r;
	log = calloc(1, sizeof(*log));
	if (!log) {
		err_set(err, ERR_MEMORY, ENOMEM, "read logs");
		return -ENOMEM;
	}
	log->store = store;
	log->dir_fd = log->epoll_fd = log->inotify_fd = log->timer_fd = -EBADF;
	r = open_log(log, opts, err);
	if (r < 0)
		dyno_log_close(log);
	else
		*ret = log;
	return r;
}

DYNO_PUBLIC void dyno_log_close(struct dyno_log *log)
{
	if (!log)
		return;
	for (size_t i = 0; i < log->n; i++) {
		logfile_done(&log->sources[i]->file);
		free(log->sources[i]);
	}
	free(log->sources);
	free(log->heap);
	close_fdp(&log->dir_fd);
	close_fdp(&log->epoll_fd);
	close_fdp(&log->inotify_fd);
	close_fdp(&log->timer_fd);
	arena_done(&log->arena);
	free(log);
}

DYNO_PUBLIC int dyno_logs(struct dyno_host *host, const struct dyno_log_opts *opts, dyno_log_fn fn,
			  void *data, struct dyno_err *err)
{
	struct dyno_log *log = NULL;
	int r = dyno_log_open(host, opts, &log, err);

	if (r == 0)
		r = dyno_log_read(log, fn, data, err);
	dyno_log_close(log);
	return r;
}
