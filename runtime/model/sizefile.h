/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sizefile.h - sizes of one's own, a line each: dyno-sizes(5).  Pure.
 */
#ifndef DYNO_SIZEFILE_H
#define DYNO_SIZEFILE_H

#include <stddef.h>

#include <dyno.h>

#include "model/size.h"

/* Longest file and longest line. Source: own choice: thousands of sizes, each limit twice as long
 * as its longest value */
#define SIZEFILE_MAX_BYTES (64U << 10)
#define SIZEFILE_LINE_MAX  256U

/* Longest name with its NUL. Source: NEAREST_WORD_MAX, so that a mistyped one can be told */
#define SIZEFILE_NAME_BYTES 40U

/* Most cores that a size can name. Source: CPULIST_MAX */
#define SIZEFILE_CORES_MAX 1024U

/** sizefile_fn() - one size. @size: valid, and its name, during the call only
 * @line, @len: how it was written, not NUL-terminated
 * Return: 0, or what ends the walk. */
typedef int (*sizefile_fn)(void *data, const struct dyno_size *size, const char *line, size_t len);

/**
 * sizefile_each() - the sizes of a text in their order.
 * @text, @len: any bytes
 * Return: 0; what @fn returned, if not 0; -EINVAL with ERR_USAGE, which names the line: it is none,
 * or its size one of the table's.
 */
int sizefile_each(const char *text, size_t len, sizefile_fn fn, void *data, struct dyno_err *err);

#endif
