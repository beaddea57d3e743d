/* SPDX-License-Identifier: Apache-2.0 */
/* facts.h - what is told of a dyno to programs: the same members, whichever verb prints them. */
#ifndef DYNO_CLI_FACTS_H
#define DYNO_CLI_FACTS_H

#include <dyno.h>

#include "base/str.h"

/** facts_outcome() - the last end that its facts tell of; exit_code is -1 where that is unknown. */
struct dyno_outcome facts_outcome(const struct dyno_info *info);

/** facts_end_json() - the members that tell of an end. @out: NULL: unknown */
void facts_end_json(struct sbuf *b, const struct dyno_outcome *out);

/** facts_outcome_json() - a line: who, and how it ended. @out: NULL: it has not */
void facts_outcome_json(struct sbuf *b, const struct dyno_info *info,
			const struct dyno_outcome *out);

/** facts_json() - the members that `ps --json` prints of a dyno. */
void facts_json(struct sbuf *b, const struct dyno_info *info);

#endif
