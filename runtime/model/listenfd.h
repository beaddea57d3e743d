/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listenfd.h - what --listen-fd says: sockets of the caller that a dyno accepts on, and how it is
 * told of them.  Pure: whether a descriptor is such a socket is the engine's to find out.
 */
#ifndef DYNO_MODEL_LISTENFD_H
#define DYNO_MODEL_LISTENFD_H

#include <stddef.h>

#include <dyno.h>

#include "base/arena.h"

/* Sockets of one dyno: HTTP and HTTPS over both families, and as many again. Source: own choice */
#define LISTENFD_MAX 8U
/* The first number that they have in the dyno. Source: sd_listen_fds(3), SD_LISTEN_FDS_START */
#define LISTENFD_FIRST 3
/* Longest name. Source: sd_listen_fds(3), FileDescriptorName= */
#define LISTENFD_NAME_MAX 255U
/* What one without a name is called beside those that have one. Source: sd_listen_fds(3) */
#define LISTENFD_NAMELESS "unknown"

/**
 * struct listenfds - the sockets in their order.
 * @fds: numbers in the process that holds them, borrowed
 * @names: of each, NULL for none
 */
struct listenfds {
	int fds[LISTENFD_MAX];
	const char *names[LISTENFD_MAX];
	size_t n;
};

/**
 * listenfds_parse() - words of the form "N[=NAME]"; N is LISTENFD_FIRST or more, a name has
 * printable characters of ASCII other than ":".
 * @arena: for the names
 * Errors: -EINVAL, -E2BIG (ERR_USAGE), -ENOMEM.
 */
int listenfds_parse(const char *const *words, size_t n, struct arena *arena, struct listenfds *ret,
		    struct dyno_err *err);

/**
 * listenfds_names() - the names as LISTEN_FDNAMES has them: "web:admin".
 * @ret: in @arena; NULL where none has a name
 * Errors: -ENOMEM.
 */
int listenfds_names(const struct listenfds *fds, struct arena *arena, const char **ret,
		    struct dyno_err *err);

/**
 * listenfds_words() - the words for a process that has the same sockets from @first on.
 * @ret: @fds->n words in @arena
 * Errors: -ENOMEM.
 */
int listenfds_words(const struct listenfds *fds, int first, struct arena *arena,
		    const char *const **ret, struct dyno_err *err);

#endif
