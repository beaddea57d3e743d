/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack_internal.h - between the finding of the host stack and its making.
 */
#ifndef DYNO_STACK_INTERNAL_H
#define DYNO_STACK_INTERNAL_H

#include <stdbool.h>

#include <dyno.h>

#include "rootfs/store.h"

enum stack_verb { STACK_DIR, STACK_LINK, STACK_TOP, STACK_TEXT, STACK_COPY, STACK_ALSO };

/* Longest path and argument of a description's line. */
#define STACK_WORD_BYTES 64

/**
 * struct stack_line - one line of a description.
 * @path: relative to the root
 * @mode: STACK_DIR: its mode
 * @arg: STACK_LINK: where it leads; STACK_TEXT: which text
 */
struct stack_line {
	enum stack_verb verb;
	unsigned int mode;
	char path[STACK_WORD_BYTES];
	char arg[STACK_WORD_BYTES];
};

/**
 * stack_line_next() - read the next line of a description.
 * @at: the place in the text; moved on
 * Return: 1, 0 at the end, -EINVAL for a line that is not of the grammar in stack/host.conf.
 */
int stack_line_next(const char **at, struct stack_line *ret);

/** stack_host_description() - the compiled-in stack/host.conf. */
const char *stack_host_description(void);

/**
 * stack_build() - make the layer that @description says.
 * @host_fd: the host's root directory
 * @root_fd: an empty directory
 * @lock_modes: the files belong to the user whom the app is (rootless): nothing is left writable
 * Return: 0, or -errno. Errors: ERR_STACK.
 */
int stack_build(const char *description, int host_fd, int root_fd, bool lock_modes,
		struct dyno_err *err);

#endif
