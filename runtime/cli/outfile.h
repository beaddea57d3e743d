/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile.h - a file that appears whole or not at all: it is written without a name and given its
 * name when complete, so that a failure or a kill leaves nothing and an older file stays as it was.
 */
#ifndef DYNO_CLI_OUTFILE_H
#define DYNO_CLI_OUTFILE_H

#include <limits.h>
#include <stdbool.h>

#include <dyno.h>

/**
 * struct outfile - one file being written.
 * @fd: where to write; owned
 * @path: borrowed until outfile_done()
 * @temp: name it has meanwhile; empty while it has none
 * @direct: @path is a device, a pipe or the like, or "-": it is written as it stands
 */
struct outfile {
	int fd;
	const char *path;
	char temp[PATH_MAX];
	bool direct;
};

/**
 * outfile_open() - begin to write.
 * @path: "-" is standard output
 * @replace: an existing regular file is to be replaced; else it is an error (EEXIST)
 * Return: 0, or -errno with err set.
 */
int outfile_open(struct outfile *file, const char *path, bool replace, struct dyno_err *err);

/** outfile_commit() - flush it to disk and give it its name. Return: 0, or -errno with err set. */
int outfile_commit(struct outfile *file, struct dyno_err *err);

/** outfile_done() - close it; without a commit nothing stays. */
void outfile_done(struct outfile *file);

#endif
