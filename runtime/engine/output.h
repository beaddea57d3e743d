/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.h - what the processes of a dyno print: two pipes a generation, cut into lines, each line
 * stamped with the time of its receipt and written to a sink.  Reading is the loop's: the monitor
 * never waits for an app, nor an app for the monitor longer than the sink does.
 */
#ifndef DYNO_OUTPUT_H
#define DYNO_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "base/loop.h"
#include "engine/sink.h"

/**
 * struct output_stream - one of the two.
 * @fd: the monitor's end; -EBADF: it has ended
 * @paused: not in the loop, as the sink is full
 * @buf, @len: beginning of a line whose end has not come, OUTPUT_LINE_BYTES at most
 */
struct output_stream {
	struct output *output;
	int fd;
	bool paused;
	char *buf;
	size_t len;
};

/**
 * struct output - both streams of one generation; set up by output_open(), and not to be moved
 * until output_close().
 * @child_fd: the ends for the dyno: standard output and error; closed by output_started()
 * @order_fd: an epoll instance that tells which stream had something first; -EBADF: nobody can tell
 * @tap: gets what is read as well, from which of the two; NULL: nobody does; kept by output_open()
 * @next: of the same sink
 */
struct output {
	struct loop *loop;
	struct sink *sink;
	const char *dyno;
	struct output_stream stream[2];
	int child_fd[2];
	int order_fd;
	void (*tap)(void *data, size_t stream, const char *bytes, size_t len);
	void *tap_data;
	struct output *next;
};

#define OUTPUT_INIT                                                                    \
	(struct output)                                                                \
	{                                                                              \
		.stream = {{.fd = -9 /* -EBADF */}, {.fd = -9}}, .child_fd = {-9, -9}, \
		.order_fd = -9                                                         \
	}

/**
 * output_open() - two pipes.
 * @sink, @dyno: borrowed until output_close(); the sink is attached to @loop
 * Return: 0, or -errno with ERR_IO, ERR_MEMORY.
 */
int output_open(struct output *output, struct loop *loop, struct sink *sink, const char *dyno,
		struct dyno_err *err);

/** output_started() - the dyno has its ends: close ours of them, and read from the loop.
 * Return: 0, or -ENOSPC: the loop is full. */
int output_started(struct output *output);

/**
 * output_drain() - after the last process is gone: read what is left, to the end of both pipes or
 * for @limit_ms, and write an unfinished line.  What a full sink has not taken by then is lost and
 * counted; a feed that blocks is waited for half of the time.
 */
void output_drain(struct output *output, uint64_t limit_ms);

/** output_close() - stop reading; what was not read is lost. */
void output_close(struct output *output);

#endif
