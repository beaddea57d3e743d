/* SPDX-License-Identifier: Apache-2.0 */
/*
 * release.h - the `.release` file that buildpacks leave in a slug (CONTRACT 4.6, 5.7, 5.9).  It is
 * the subset of YAML that their bin/release writes, and no YAML reader: what is outside the subset
 * is refused by line, never guessed.  Values are data: nothing is evaluated.
 *
 *   file   = [byte order mark] ["---"] sections ["..."]
 *   sections at column 0: default_process_types, config_vars (maps), addons (read over)
 *   a map is "{}" or lines "key: scalar" with one indentation of spaces
 *   a list is "[]", "[a, b]", or lines "- item"
 *   scalar = plain, which may go on in deeper indented lines (each break becomes a blank)
 *          | '...' ('' is ')  |  "..." (YAML escapes), both may go on over lines likewise
 *          | "|" and a literal block, also "|-", "|+", with a digit ("|2-") too
 *   comments: "#" at the beginning of a line or after a blank
 */
#ifndef DYNO_RELEASE_H
#define DYNO_RELEASE_H

#include <stddef.h>

#include <dyno.h>

#include "base/arena.h"
#include "model/environ.h"
#include "model/procfile.h"

/* Largest file worth reading.  Source: own bound; bin/release prints some hundred bytes. */
#define RELEASE_MAX_BYTES (1U << 20)

/**
 * struct release - what a .release file holds.
 * @types: default_process_types
 * @vars: config_vars, to be applied as ENV_SLUG
 */
struct release {
	struct proc_types types;
	struct env_pairs vars;
};

/**
 * release_parse() - read a .release file's text.
 * @text: @len bytes, borrowed for the call
 * @arena: owns what is returned
 *
 * The message begins "line N: "; the caller adds the name with err_context().
 * Errors: -EINVAL (ERR_PROCFILE, ERR_NAME, ERR_ENV_KEY), -E2BIG (ERR_ENV_SIZE), -ENOMEM.
 */
int release_parse(const char *text, size_t len, struct arena *arena, struct release *ret,
		  struct dyno_err *err);

#endif
