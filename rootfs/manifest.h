/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.h - the list of what an archive put into the store: one line a member, in the order of
 * the archive.  It finds bit rot, edits and strays; that nobody forged it is known from its own
 * sha256 in the entry's `complete` link.
 *
 *   f <mode> <size> <crc64> TAB <path>         d <mode> TAB <path>
 *   l TAB <target> TAB <path>                  h TAB <path of the first name> TAB <path>
 *   end <app|root> <members> <bytes>
 *
 * mode is octal, crc64 hexadecimal (ECMA-182, reflected), paths are relative to the archive's root
 * with control bytes and the backslash as \xHH.  Of two lines with one path the later holds.  The
 * last line says whether the app is the archive's root or its directory `app`; with `app`, lines
 * of other paths are of members that were dropped.
 */
#ifndef DYNO_MANIFEST_H
#define DYNO_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/**
 * struct manifest_entry - one line.
 * @type: 'f', 'd', 'l' or 'h'
 * @mode: permission bits of a file or directory
 * @size_bytes, @crc64: of a file
 * @target: of a link; NULL otherwise
 * @path: the member
 */
struct manifest_entry {
	char type;
	uint32_t mode;
	uint64_t size_bytes;
	uint64_t crc64;
	const char *target;
	const char *path;
};

/**
 * struct manifest_end - the last line.
 * @heroku_form: the app is the directory `app`
 * @members, @tree_bytes: of the archive, dropped members included
 */
struct manifest_end {
	bool heroku_form;
	uint64_t members;
	uint64_t tree_bytes;
};

/** manifest_add() - append a line, newline included. Failures are kept in @out. */
void manifest_add(struct sbuf *out, const struct manifest_entry *entry);
void manifest_add_end(struct sbuf *out, const struct manifest_end *end);

/**
 * manifest_parse() - one line without its newline.
 * @line: NUL-terminated; changed in place, the pointers of @ret lead into it
 * Return: 0, or -EINVAL.
 */
int manifest_parse(char *line, struct manifest_entry *ret);

/** manifest_parse_end() - the last line. Return: 0, -EINVAL when it is another one. */
int manifest_parse_end(const char *line, struct manifest_end *ret);

#endif
