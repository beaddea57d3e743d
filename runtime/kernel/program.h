/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.h - programs of the host that dyno runs as helpers, by name.
 */
#ifndef DYNO_PROGRAM_H
#define DYNO_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

/**
 * program_find() - look in the directories where a system keeps its programs; the caller's PATH is
 * not trusted for that.
 * @buf: its path
 * Return: whether it is there and this user may execute it.
 */
bool program_find(const char *name, char *buf, size_t size);

#endif
