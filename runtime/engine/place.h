/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.h - files in a dyno's place that outlive the call that wrote them: spec.json, what its
 * monitor works from and what the next dyno of the app is made like.
 */
#ifndef DYNO_PLACE_H
#define DYNO_PLACE_H

#include <stddef.h>

#include <dyno.h>

#include "base/arena.h"

#define PLACE_SPEC "spec.json"

/** place_write() - a new file, readable by its owner alone. Return: 0 or -errno. */
int place_write(int dir_fd, const char *name, const char *text, size_t len);

/**
 * place_read_spec() - the spec of one place.
 * @ret: NUL-terminated, in the arena
 * Return: 0, or -errno with ERR_RUN_DIR.
 */
int place_read_spec(int dir_fd, struct arena *arena, const char **ret, size_t *ret_len,
		    struct dyno_err *err);

/**
 * place_find_spec() - the spec of a live dyno of @app, one of @type (may be NULL) before others; what
 * was run once is none.
 * Errors: ERR_NOT_FOUND where none has one.
 */
int place_find_spec(int run_fd, const char *app, const char *type, struct arena *arena,
		    const char **ret, struct dyno_err *err);

#endif
