/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminal.h - the caller's terminal, joined to a stream: the master of a dyno's own pseudo terminal,
 * or a socket.  It is raw for that time, so that each key is the dyno's to interpret.
 *
 * Theory of operation.  A process of its own, the pump, carries the bytes; the caller waits for the
 * command meanwhile.  Either restores the terminal's modes when it sees the end of the other, by
 * SIGKILL too.  The pump reads keys only while the stream takes them, so that a dyno that does not
 * read keeps nobody from seeing its output, and what is typed meanwhile waits in the terminal.
 *
 * The modes are put back only where they still are those that the pump has set: a shell that has its
 * terminal again has its own.
 */
#ifndef DYNO_CLI_TERMINAL_H
#define DYNO_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

#include <dyno.h>

/* Longest sequence of keys that detaches. Source: own choice */
#define TERMINAL_KEYS_MAX 16U

/**
 * struct terminal_io - what the terminal is joined to; borrowed.
 * @stream_fd: the master of a pseudo terminal, or a stream socket; made non-blocking.  The end of a
 *             socket is the pump's end; a pseudo terminal may be opened again, so the caller tells that
 * @keep_fd: one more descriptor that the functions need in the pump; negative: none
 * @resize: the terminal has this size: at the beginning and at each change; may be NULL
 * @show: what has come from the stream, in place of standard output.  Return: 0, or -errno, at which
 *        the client counts as lost; NULL: as it is to standard output
 * @data: for both, which are called in the pump
 * @detach_keys, @n_detach_keys: typed in a row they end the pump and go no further; none: 0
 * @idle_ms: when no byte has passed for so long either way, the client counts as lost; 0: never
 * @viewer: what is typed goes nowhere, but for @detach_keys
 */
struct terminal_io {
	int stream_fd;
	int keep_fd;
	int (*resize)(void *data, unsigned int rows, unsigned int columns);
	int (*show)(void *data, const char *bytes, size_t len);
	void *data;
	const char *detach_keys;
	size_t n_detach_keys;
	uint64_t idle_ms;
	bool viewer;
};

/** enum terminal_end - why a pump has ended; its exit status. */
enum terminal_end {
	TERMINAL_ENDED,	   /* the stream has, or the caller has told so */
	TERMINAL_DETACHED, /* by the keys */
	TERMINAL_LOST, /* the caller's terminal is gone, or nobody reads the output, or the pump was killed */
};

/**
 * struct terminal - a pump and who started it.
 * @pidfd: of the pump: readable when it has ended
 * @end_fd: a socket whose other end is the pump's; closed to end it
 * @asked: the last question on it
 * @deaf: the pump was too slow to answer one
 * @has_modes, @saved, @raw: standard input is a terminal: its modes before, and during
 */
struct terminal {
	int pidfd;
	int end_fd;
	unsigned char asked;
	bool deaf;
	bool has_modes;
	struct termios saved;
	struct termios raw;
};

#define TERMINAL_INIT                                              \
	(struct terminal)                                          \
	{                                                          \
		.pidfd = -9 /* -EBADF */, .end_fd = -9 /* same */, \
	}

/**
 * terminal_start() - start the pump between standard input and output and a stream.
 *
 * Standard input that is no terminal is passed on as it is; at its end a pseudo terminal gets the
 * character that means it, a socket its half-close.
 * Return: 0, or -errno with ERR_IO.
 */
int terminal_start(struct terminal *terminal, const struct terminal_io *io, struct dyno_err *err);

/** terminal_is_started() - whether lines of the caller's own need a carriage return. */
static inline bool terminal_is_started(const struct terminal *terminal)
{
	return terminal->pidfd >= 0;
}

/**
 * terminal_catch_up() - before a line of the caller's own: all that has come so far is shown first.  A
 * pump that cannot at the moment is waited for once, for a moment.
 */
void terminal_catch_up(struct terminal *terminal);

/** terminal_restore() - put the modes back after a pump that was killed; else it has done so.  Input
 * that nobody has read yet is dropped. */
void terminal_restore(const struct terminal *terminal);

/**
 * terminal_finish() - nothing more will come: wait until the pump has shown what there is, and
 * restore the modes.  A pump that somebody has stopped is continued once, then killed.
 */
enum terminal_end terminal_finish(struct terminal *terminal);

/** terminal_resize() - @resize for a pseudo terminal. @data: its descriptor, an int */
int terminal_resize(void *data, unsigned int rows, unsigned int columns);

/* ---- terminal_pump.c ------------------------------------------------------------------------- */

/**
 * struct terminal_pump - what a pump has besides its stream.
 * @end_fd: hung up when nothing more will come; a byte is sent back when all there is has been shown
 * @raw: modes of standard input; NULL: it is no terminal
 */
struct terminal_pump {
	int end_fd;
	const struct termios *raw;
};

/** terminal_pump() - carry bytes until the end. Context: the pump; SIGPIPE is ignored */
enum terminal_end terminal_pump(const struct terminal_io *io, const struct terminal_pump *how);

/**
 * struct terminal_keys - looks for a sequence in what is typed.
 * @keys, @n: the sequence
 * @seen: so many of them were typed last and are held back
 */
struct terminal_keys {
	const char *keys;
	size_t n;
	size_t seen;
};

/**
 * terminal_keys_filter() - pass on what is not the sequence.
 * @out: room for @len + TERMINAL_KEYS_MAX bytes
 * @ret_found: it was typed; what follows it is dropped
 * Return: bytes in @out.
 */
size_t terminal_keys_filter(struct terminal_keys *keys, const char *in, size_t len, char *out,
			    bool *ret_found);

#endif
