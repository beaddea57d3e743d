/* SPDX-License-Identifier: Apache-2.0 */
/* signame.h - names of signals, as kill(1) knows them, without the C library's tables. */
#ifndef DYNO_SIGNAME_H
#define DYNO_SIGNAME_H

#include <dyno.h>

/* Highest signal of the kernel. Source: signal(7), _NSIG */
#define SIGNAME_MAX   64
#define SIGNAME_BYTES 16

/**
 * signame_parse() - "TERM", "SIGTERM", "sigterm", "15" or "RTMIN+1".
 * Return: the number, or -EINVAL with ERR_USAGE.
 */
int signame_parse(const char *text, struct dyno_err *err);

/** signame_text() - "SIGTERM"; "signal 40" for one without a name. @buf: SIGNAME_BYTES
 * Return: @buf. */
char *signame_text(int sig, char buf[SIGNAME_BYTES]);

#endif
