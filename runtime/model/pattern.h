/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern.h - which dynos a user means: "web.1", "web", "APP/web.1", "APP/", each with * and ? as
 * in a shell.  Whether there are any is not its matter.
 */
#ifndef DYNO_PATTERN_H
#define DYNO_PATTERN_H

#include <stdbool.h>

/**
 * pattern_match() - whether a dyno is meant.
 * @pattern: NULL: every dyno.  A part before a slash is the app's; what follows is the dyno's name
 *           or, without a dot, its type; with nothing there every dyno of the app
 */
bool pattern_match(const char *pattern, const char *app, const char *name, const char *type);

#endif
