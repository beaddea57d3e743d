/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile - what a hostile app tries, attempt by attempt, each told on one line.  It is a static
 * program that tests put into a slug; outside a dyno it shows what the machine itself forbids.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <sys/types.h>

/* One thing tried, by a process of its own that ends afterwards. */
struct attempt {
	const char *name;
	/* Return: 0 or more where it was possible, else -errno. */
	int (*try)(void);
};

/* A process that an attempt has made to be its victim: ended with it, be it stopped or not. */
extern pid_t attempt_sibling;

extern const struct attempt call_attempts[];
extern const struct attempt socket_attempts[];
extern const struct attempt file_attempts[];

/* The other modes; @args: what follows the mode's name. Return: a status for exit(). */
int mode_syscalls(char **args);
int mode_facts(char **args);
int mode_writable(char **args);
int mode_watch(char **args);
int mode_give(char **args);
int mode_look(char **args);
int mode_opened(char **args);
int mode_bomb(char **args);

/* Return: 0 or more, or -errno, of a call that gave @r. */
int result(long r);

#endif
