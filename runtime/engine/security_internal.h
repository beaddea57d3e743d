/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security_internal.h - one look at how a process is confined, shared by its files: security.c (whose
 * processes), security_rights.c and security_place.c (rows of the answer).
 */
#ifndef DYNO_SECURITY_INTERNAL_H
#define DYNO_SECURITY_INTERNAL_H

#include <stdbool.h>

#include <dyno.h>

#include "base/arena.h"
#include "base/str.h"

#define INIT_LABEL "init"
#define MAIN_LABEL "main"

/**
 * struct look - the process at hand.
 * @label: "main", "init" or its number inside
 * @dir: of /proc, O_PATH
 * @pid: as the host numbers it
 * @status: its text, read once
 * @unfiltered: why a filter that is there is none, or NULL
 * @weaker: rows with DYNO_WEAKER so far
 */
struct look {
	struct arena *arena;
	const char *label;
	int dir;
	int pid;
	const char *status;
	const char *unfiltered;
	dyno_security_fn fn;
	void *data;
	int weaker;
};

/* ---- security.c ---- */

/** security_tell() - one row. @reason: why it does not hold */
void security_tell(struct look *l, enum dyno_hold verdict, const char *name, const char *fact,
		   const char *reason);
void security_tell_unknown(struct look *l, const char *name, int num);

/** security_tell_if() - a row that holds, or is weaker than promised for @reason. */
void security_tell_if(struct look *l, bool holds, const char *name, const struct sbuf *fact,
		      const char *reason);

/** security_read() - a file of the process's directory in /proc.
 * Return: its text, of the arena; NULL with errno set. */
char *security_read(struct look *l, const char *file);

/* ---- rows, in the order in which they are told ---- */

void security_rights(struct look *l);
void security_place(struct look *l);

/** security_limits() - limits, labels, and whether it can be looked into. @closed_promised: it must
 * not */
void security_limits(struct look *l, bool closed_promised);

/** security_reach() - of pid 1: descriptors and mounts. */
void security_reach(struct look *l);

#endif
