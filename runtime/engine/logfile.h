/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logfile.h - the log of one dyno as a reader sees it: NAME.log, which grows, and an older
 * NAME.log.1, as sink.c writes them, forwards line by line across every turn, and backwards to find
 * where the last lines begin.  Whatever the files hold, memory is bounded and an end is reached.
 *
 * Theory of operation.  The writer gives NAME.log the name NAME.log.1, in the place of what had it,
 * and never writes to it again.  So a file that is open and no longer bears the first name is
 * final: read to its end it is followed by the next one.  Files are told apart by their inodes,
 * which cannot be given to others while they are open.  Nothing is locked: a reader that is slow,
 * stopped or killed is none of the writer's business; what a turn takes away from a reader that is
 * two files behind is gone.
 */
#ifndef DYNO_LOGFILE_H
#define DYNO_LOGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/logline.h"
#include "model/name.h"

/* A longer line comes in pieces. Source: above the longest record, sink.h: 4 * 10000 bytes and a
 * head */
#define LOGFILE_LINE_BYTES (64U * 1024U)
/* Read at once backwards, and at first forwards: thousands of dynos may be read together.
 * Source: own choice */
#define LOGFILE_BLOCK_BYTES 8192U

/**
 * struct logfile - zero but for LOGFILE_INIT it is before the first line of a log that is not there
 * yet; ended by logfile_done().
 * @name: of the dyno
 * @line, @len: the line that logfile_next() has found, without its newline, until the next call
 *
 * Internal: the rest.
 * @fd: of the file that is read; -EBADF: none was there
 * @next_fd: of the one that follows it, if it was open already
 * @at: offset in @fd of what is read next
 * @limit: of @fd, how far this round goes
 * @final: nothing will be written to @fd any more
 * @buf, @cap, @from, @to: read and not yet told
 */
struct logfile {
	char name[NAME_BYTES];
	const char *line;
	size_t len;

	int fd;
	int next_fd;
	uint64_t at;
	uint64_t limit;
	bool final;
	char *buf;
	size_t cap;
	size_t from;
	size_t to;
};

#define LOGFILE_INIT                                               \
	(struct logfile)                                           \
	{                                                          \
		.fd = -9 /* -EBADF */, .next_fd = -9 /* -EBADF */, \
	}

/**
 * logfile_open() - what there is of a log now.
 * @dir_fd: the directory of the app's logs
 * Return: 0, also where there is nothing; -errno.
 */
int logfile_open(int dir_fd, struct logfile *file);

/** logfile_done() - close it.  A file that is not open is fine. */
void logfile_done(struct logfile *file);

/**
 * logfile_look() - begin a round: logfile_next() goes as far as the file goes now.
 * Return: 0; -errno.
 */
int logfile_look(int dir_fd, struct logfile *file);

/**
 * logfile_next() - the next whole line.  An unfinished one is told once nobody will finish it.
 * Return: 1; 0: none in this round; -errno.
 */
int logfile_next(int dir_fd, struct logfile *file);

/**
 * struct logback - reads the files of a log backwards, from the end that they have now.
 * @line_fd, @line_at: where the line found last begins; before the first: the end of the log
 * @head, @head_len: its beginning
 *
 * Internal: the rest.
 * @fd: that is read; @older: another follows
 * @pos: all from there on is told
 * @base, @n: what of @fd is in @buf
 */
struct logback {
	int line_fd;
	uint64_t line_at;
	char head[LOGLINE_HEAD_BYTES];
	size_t head_len;

	const struct logfile *file;
	int fd;
	bool older;
	uint64_t pos;
	uint64_t base;
	size_t n;
	char buf[LOGFILE_BLOCK_BYTES];
};

/** logback_begin() - at the end of the last whole line. @file: borrowed, just opened
 * Return: 0; -errno. */
int logback_begin(const struct logfile *file, struct logback *ret);

/** logback_next() - one line towards the beginning. Return: 1; 0: it was the first; -errno. */
int logback_next(struct logback *back);

/** logfile_seek() - forwards from where @back is. */
void logfile_seek(struct logfile *file, int line_fd, uint64_t line_at);

#endif
