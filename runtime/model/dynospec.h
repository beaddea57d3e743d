/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dynospec.h - dyno-spec(5): the settings of a dyno or a formation as JSON, read and written.  It
 * is what an orchestrator hands in, and what a monitor is given to work from.  It judges the form
 * alone: whether the words mean anything is for those who read the settings.
 */
#ifndef DYNO_DYNOSPEC_H
#define DYNO_DYNOSPEC_H

#include <stddef.h>

#include <dyno.h>

#include "base/arena.h"
#include "base/str.h"

/* Version of the form; a text of a later one is refused. */
#define DYNOSPEC_SCHEMA 1

/* Longest text. Source: own choice; config vars are 64 kB at most (contract 3.7), the rest small */
#define DYNOSPEC_MAX_BYTES (1024U * 1024U)

/**
 * dynospec_parse() - settings from a JSON object.
 * @text: @len bytes; need not end in NUL
 * @arena: holds the strings
 * @io: members that are zero or NULL are set where the text has their key; what was set before
 *      stays.  Lists (operands, env, scale) are taken from the text only where they are empty, but
 *      config vars of the text come before those that stand in @io, so that the latter win.
 *
 * Strict: unknown and duplicate keys, wrong types, numbers out of range, NUL in a string, anything
 * after the object are refused, the key being named.
 * Return: 0, or -errno with ERR_SPEC; -ENOMEM with ERR_MEMORY.  On failure @io is as it was.
 */
int dynospec_parse(const char *text, size_t len, struct arena *arena, struct dyno_start_opts *io,
		   struct dyno_err *err);

/**
 * dynospec_format() - the same settings as JSON, those that are not zero; read again they are the
 * same.  Callbacks and descriptors are no settings.
 * @b: gets one object without a newline; no memory: see sbuf_ok()
 *
 * Of a config var or a type that stands twice the last is written, as it is the one that counts.
 * Numbers past INT64_MAX become that.  What is no setting at all (a config var without "=") is
 * written so that dynospec_parse() refuses it.
 */
void dynospec_format(const struct dyno_start_opts *opts, struct sbuf *b);

/** dynospec_key() - the @i-th key in the order of writing. Return: NULL past the last. */
const char *dynospec_key(size_t i);

#endif
