/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain.h - why a command could not be executed, found out after the fact from the outside.
 */
#ifndef DYNO_ENGINE_EXPLAIN_H
#define DYNO_ENGINE_EXPLAIN_H

#include <stddef.h>

#include "engine/slug.h"
#include "rootfs/stack.h"

/**
 * explain_exec() - a sentence on the file that @command names, if it lies in the app's tree.
 * @command: a path as seen from /app, or a whole shell command: its first word counts
 * @buf: "bin/server is an aarch64 binary, this host is x86_64"; empty where there is nothing to say
 * Return: the length of the text.
 */
size_t explain_exec(const struct slug *slug, const struct stack *stack, const char *command,
		    char *buf, size_t size);

#endif
