/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statefile.h - state.json in a dyno's place: what its monitor last knew, for those who list dynos
 * without asking each monitor.  A hint only: whether the dyno lives is told by the lock on the
 * place, and a file of another boot tells nothing.
 */
#ifndef DYNO_STATEFILE_H
#define DYNO_STATEFILE_H

#include <dyno.h>

#include "base/arena.h"
#include "base/str.h"
#include "engine/members.h"

#define STATEFILE_NAME "state.json"
/* Version of the form.  Members are only ever added; what a reader does not know it passes by. */
#define STATEFILE_SCHEMA 1
/* Longest file. Source: own choice, a command of 10,000 bytes and room */
#define STATEFILE_MAX_BYTES (64U * 1024U)

/**
 * struct dyno_facts - what is kept of a dyno: what is told of it, and what makes the numbers safe.
 * @info: strings are borrowed; @live and @pid are not kept
 * @boot_id: of the host, "" unknown
 * @monitor_start: start time of the monitor in clock ticks after boot (proc(5), stat, 22): with
 *                 another one its number is an innocent process's
 * @started_us: when the last generation was launched
 */
struct dyno_facts {
	struct dyno_info info;
	char boot_id[40];
	uint64_t monitor_start;
	uint64_t started_us;
};

/* The members of struct dyno_facts, for objects that hold more than these. */
extern const struct member_table statefile_table;

/** statefile_format() - the facts as one JSON object, without a newline. */
void statefile_format(const struct dyno_facts *facts, struct sbuf *b);

/**
 * statefile_parse() - the facts of a text.
 * @arena: holds the strings
 * Return: 0; -EINVAL: not of the form, or of a later schema; -ENOMEM.
 */
int statefile_parse(const char *text, size_t len, struct arena *arena, struct dyno_facts *ret);

/**
 * statefile_write() - replace the file in a place, so that a reader sees the old or the new one.
 * @dir_fd: the place
 * Return: 0 or -errno.
 */
int statefile_write(int dir_fd, const struct dyno_facts *facts);

/**
 * statefile_read() - the facts of a place.
 * Return: 0; -ENOENT: none yet; -ESTALE: of another boot; -EINVAL; -ENOMEM; -errno.
 */
int statefile_read(int dir_fd, struct arena *arena, struct dyno_facts *ret);

/** statefile_boot_id() - of this boot; "" where it cannot be read. @buf: 40 bytes */
void statefile_boot_id(char buf[40]);

/** statefile_start_time() - @monitor_start of a process; 0: there is none. */
uint64_t statefile_start_time(int pid);

#endif
