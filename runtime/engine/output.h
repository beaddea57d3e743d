/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.h - what the processes of a dyno print: two pipes a generation, cut into lines, each line
 * stamped with the time of its receipt and the source that nobody inside can forge, and written to
 * a sink.  Reading is the loop's: the monitor never waits for an app, nor an app for the monitor
 * longer than the sink does.
 */
#ifndef DYNO_OUTPUT_H
#define DYNO_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "base/loop.h"
#include "rootfs/store.h"

/* A longer line becomes several records. Source: contract 10.3 */
#define OUTPUT_LINE_BYTES 10000U
/* One log file; a second, older one is kept. Source: own choice */
#define SINK_FILE_BYTES (16U * 1024U * 1024U)

/**
 * struct sink - where lines go: a descriptor of the caller's, or files of the data directory,
 * logs/<app>/<dyno>.log and .log.1.
 */
struct sink {
	struct store *store;
	int dir_fd;
	int fd;
	char name[96];
	uint64_t bytes;
	uint64_t dropped;
	bool files;
	bool is_pipe;
};

#define SINK_INIT                                              \
	(struct sink)                                          \
	{                                                      \
		.dir_fd = -9 /* -EBADF */, .fd = -9 /* same */ \
	}

/** sink_open_fd() - lines go to @fd, borrowed.  A pipe or socket without a reader takes no more;
 * one that is full makes the monitor stop reading from the app until there is room. */
void sink_open_fd(struct sink *sink, int fd);

/** sink_open_files() - lines go to log files, appended. Return: 0, or -errno with ERR_IO. */
int sink_open_files(struct sink *sink, struct store *store, const char *app, const char *dyno,
		    struct dyno_err *err);

/** sink_remove_files() - forget the log files of a dyno. Return: 0 or -errno. */
int sink_remove_files(struct store *store, const char *app, const char *dyno);

/**
 * sink_line() - one record: "TIME SOURCE[DYNO]: TEXT\n", in one write.
 * @text: @len bytes as they came; a newline within becomes \n, NUL \x00; the rest is left alone
 * Return: 0; -EAGAIN: no room now; -errno: lost and counted.
 */
int sink_line(struct sink *sink, const char *source, const char *dyno, const char *text,
	      size_t len);

void sink_close(struct sink *sink);

struct output_stream {
	struct output *output;
	int fd; /* the monitor's end */
	char *buf;
	size_t len;
};

/**
 * struct output - both streams of one generation; set up by output_open().
 * @child_fd: the ends for the dyno: standard output and error; closed by output_started()
 */
struct output {
	struct loop *loop;
	struct sink *sink;
	const char *dyno;
	struct output_stream stream[2];
	int child_fd[2];
};

#define OUTPUT_INIT                                                                     \
	(struct output)                                                                 \
	{                                                                               \
		.stream = {{.fd = -9 /* -EBADF */}, {.fd = -9}}, .child_fd = { -9, -9 } \
	}

/** output_open() - two pipes. @sink, @dyno: borrowed until output_close()
 * Return: 0, or -errno with ERR_IO, ERR_MEMORY. */
int output_open(struct output *output, struct loop *loop, struct sink *sink, const char *dyno,
		struct dyno_err *err);

/** output_started() - the dyno has its ends: close ours of them, and read from the loop. */
int output_started(struct output *output);

/**
 * output_drain() - after the last process is gone: read what is left, to the end of both pipes or
 * for @limit_ms, and write an unfinished line.
 */
void output_drain(struct output *output, uint64_t limit_ms);

void output_close(struct output *output);

#endif
