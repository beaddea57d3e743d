/* SPDX-License-Identifier: Apache-2.0 */
/*
 * envfile.h - env files: lines, NUL-separated, or one flat JSON object.  It knows nothing of layers
 * and never expands, executes or evaluates anything: `$VAR`, `$(cmd)` and backticks are text.
 *
 * Lines (the usual .env):
 *
 *   file     = [byte order mark] *( line LF ), the last LF may be missing, CR LF is LF
 *   line     = *WS [ comment | ["export" 1*WS] key "=" value ]
 *   comment  = "#" anything
 *   value    = *WS ( single | double ) *WS [comment]  |  plain
 *   single   = "'" anything but "'", newlines too "'"        literal
 *   double   = '"' text, newlines too '"'                    \n \t \r \" \\ \$ \` are undone, a
 *                                                            backslash before a newline joins the
 *                                                            lines, any other one stays, as in bash
 *   plain    = up to the end of the line or a "#" that a blank precedes; blanks at its ends are cut;
 *              quotes inside it are text
 *   key      = [A-Za-z_][A-Za-z0-9_]*, no blank before the "="
 *
 * A quote that begins a value must be closed, and nothing but a comment may follow it.  A key set
 * twice takes its last value.
 *
 * NUL-separated (`env -0`, /proc/PID/environ): where the file holds a NUL byte; KEY=value NUL,
 * every byte of the value literal, errors name the entry.
 *
 * JSON: where the first byte that is not blank is "{"; one object, values are strings, numbers
 * (their text is the value) or true and false; null, arrays, objects, keys set twice and \u0000
 * are refused.
 */
#ifndef DYNO_ENVFILE_H
#define DYNO_ENVFILE_H

#include <stddef.h>

#include <dyno.h>

#include "base/arena.h"
#include "model/environ.h"

/* Largest file worth reading.  Source: own bound, twice what execve(2) takes by default, so that a
 * file somewhat too big is answered with the names of its biggest variables. */
#define ENVFILE_MAX_BYTES (4U << 20)

/**
 * envfile_parse() - read an env file's text.
 * @text: @len bytes, borrowed for the call
 * @arena: owns what is returned
 * @ret: pairs in the order of the file; a key may stand there twice, the later one counts
 *
 * The message begins "line N: " (or "entry N: "); the caller adds the name with err_context().
 * Errors: -EINVAL (ERR_ENV_SYNTAX, ERR_ENV_KEY), -E2BIG (ERR_ENV_SIZE: over ENV_VARS_MAX_COUNT),
 * -ENOMEM.
 */
int envfile_parse(const char *text, size_t len, struct arena *arena, struct env_pairs *ret,
		  struct dyno_err *err);

#endif
