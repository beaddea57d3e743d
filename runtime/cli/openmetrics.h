/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openmetrics.h - what dynos use as OpenMetrics text, for those who collect.  The names are stable:
 * families are only ever added, and every one is there, with or without samples.
 */
#ifndef DYNO_CLI_OPENMETRICS_H
#define DYNO_CLI_OPENMETRICS_H

#include <stddef.h>

#include "base/str.h"
#include "cli/usage.h"

/** openmetrics_add() - the whole exposition, to its "# EOF"; a number that is not known has no
 * sample. */
void openmetrics_add(struct sbuf *b, const struct usage *const *list, size_t n);

/** openmetrics_tells() - whether a number of struct dyno_stats is in some family. @at: its offset */
bool openmetrics_tells(size_t at);

#endif
