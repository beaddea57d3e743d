/* SPDX-License-Identifier: Apache-2.0 */
/*
 * procfacts.h - reading what the kernel writes under /proc/PID: status, mountinfo, id maps.  Pure:
 * the texts are the caller's, and names in them are a tenant's.
 */
#ifndef DYNO_PROCFACTS_H
#define DYNO_PROCFACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/**
 * procfacts_field() - the value of a line "NAME:\tVALUE" of a status.
 * @ret_len: its length, without blanks before it
 * Return: points into @status; NULL where there is no such line.
 */
const char *procfacts_field(const char *status, const char *name, size_t *ret_len);

/** procfacts_u64() - a line's first number, in @base 10 or 16. Return: 0; -ENOENT; -EINVAL. */
int procfacts_u64(const char *status, const char *name, unsigned int base, uint64_t *ret);

/** procfacts_ids() - the four numbers of "Uid" or "Gid". Return: 0; -ENOENT; -EINVAL. */
int procfacts_ids(const char *status, const char *name, uint32_t ret[4]);

/** procfacts_caps() - append the names of a set, "none" for an empty one; one that has no name here
 * as a number. */
void procfacts_caps(struct sbuf *b, uint64_t set);

/**
 * procfacts_inside() - what an id of the host is inside, by the text of a uid_map or gid_map.
 * Return: 0; -ENOENT: it is not mapped.
 */
int procfacts_inside(const char *map, uint32_t outside, uint32_t *ret);

/** procfacts_maps_root() - whether a map gives somebody inside the host's id 0. */
bool procfacts_maps_root(const char *map);

/**
 * struct procfacts_mount - one line of a mountinfo, within the text.
 * @root: of the file system that is mounted, @point: where, both as they are, not escaped
 * @options: of the mount, @super: of the file system
 * @fs, @source: its type, and what it was made of, "none" as a rule where that is memory
 */
struct procfacts_mount {
	const char *root;
	const char *point;
	const char *options;
	const char *fs;
	const char *source;
	const char *super;
};

/**
 * procfacts_mount() - the next line; the text is taken apart in place.
 * @cursor: begins at the text; NULL after its last line
 * Return: 1; 0: no more; -EINVAL: no line of a mountinfo.
 */
int procfacts_mount(char **cursor, struct procfacts_mount *ret);

/** procfacts_has() - whether a list "rw,nosuid" has a word. */
bool procfacts_has(const char *options, const char *word);

#endif
