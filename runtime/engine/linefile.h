/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linefile.h - files of lines that many processes append to and anybody may read, one record a
 * line.  What a line says is not looked at here.
 *
 * Theory of operation.  Who changes a file holds an exclusive flock on it, so that an append is
 * whole or taken back, and nothing is appended to a file that another has replaced meanwhile: after
 * the lock the name must still lead to it, or it is opened anew.  Who reads takes no lock: a file
 * only grows until it is replaced by rename(2), and a last line without its end is not told.
 *
 * Nothing is synchronised to disk: a monitor must not wait for one, and after a loss of power the
 * last lines, or after a replacement all, may be gone.
 */
#ifndef DYNO_LINEFILE_H
#define DYNO_LINEFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest path of a file. Source: "records/", a name, "/events.1.new" */
#define LINEFILE_PATH_BYTES 128
/* Longest line with its end. Source: twice the longest state.json */
#define LINEFILE_LINE_BYTES (128U * 1024U)
/* What is read of a file, the end of it. Source: above what the users of this module let grow */
#define LINEFILE_READ_BYTES (8U * 1024U * 1024U)
/* How long others are waited for, who hold the lock for some 10 us. Source: own choice, so that a
 * process that was stopped with the lock does not stop every monitor of the app */
#define LINEFILE_LOCK_MS 2000U

/**
 * struct linefile - a file held for a change.
 * @fd: with an exclusive lock
 * @dir_fd: borrowed
 * @path: below it
 * @size_bytes: now
 */
struct linefile {
	int fd;
	int dir_fd;
	char path[LINEFILE_PATH_BYTES];
	uint64_t size_bytes;
};

#define LINEFILE_INIT                \
	(struct linefile)            \
	{                            \
		.fd = -9 /* EBADF */ \
	}

/**
 * linefile_open() - hold a file, made with mode 0600 where it is missing and @create says so.
 * Return: 0; -ENOENT: no file, or no directory for it; -EBUSY: held or replaced by others for too
 * long; -errno.
 */
int linefile_open(int dir_fd, const char *path, bool create, struct linefile *ret);

/** linefile_close() - let go. */
void linefile_close(struct linefile *file);

/**
 * linefile_append() - one line.
 * @line: @len bytes, the last one a newline
 * Return: 0, or -errno: nothing was appended.
 */
int linefile_append(struct linefile *file, const char *line, size_t len);

/** linefile_count() - the lines that there are. Return: how many, or -errno. */
int64_t linefile_count(const struct linefile *file);

/**
 * linefile_filter() - replace the file by one of those lines for which @keep says true; the file
 * goes where none is left.  It is held no longer then, but has to be closed.
 * @keep: is told each line, @text NUL-terminated
 * Return: lines dropped, or -errno: nothing has changed.
 */
typedef bool (*linefile_keep_fn)(void *data, const char *text, size_t len);
int linefile_filter(struct linefile *file, linefile_keep_fn keep, void *data);

/** linefile_turn() - give the file another name, in the place of what has it; the next one to open
 * it begins a new file.  Return: 0 or -errno. */
int linefile_turn(struct linefile *file, const char *to);

/**
 * linefile_read() - the whole of a file.
 * @ret: lines, each ended by NUL, one behind the other; to be freed
 * Return: 0; -ENOENT; -errno.
 */
int linefile_read(int dir_fd, const char *path, char **ret, size_t *ret_len);

/** linefile_read_fd() - the same of an open file. */
int linefile_read_fd(int fd, char **ret, size_t *ret_len);

#endif
