/* SPDX-License-Identifier: Apache-2.0 */
/*
 * envjson.h - env files in JSON (RFC 8259): one object of scalars, read strictly.  No general JSON
 * reader: nothing may be nested, so it needs no depth and no tree.
 */
#ifndef DYNO_ENVJSON_H
#define DYNO_ENVJSON_H

#include <stddef.h>

#include <dyno.h>

#include "base/arena.h"
#include "model/environ.h"

/**
 * envjson_parse() - read the JSON form of an env file; see envfile.h.
 * @text: @len bytes, borrowed for the call
 * @arena: owns what is returned
 * Errors: as envfile_parse().
 */
int envjson_parse(const char *text, size_t len, struct arena *arena, struct env_pairs *ret,
		  struct dyno_err *err);

#endif
