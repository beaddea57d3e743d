/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack_ignore.h - what stays out of a slug: .git, .DS_Store, and what .slugignore says.
 *
 * A line of .slugignore is a pattern of fnmatch(3); blank lines and lines from # are none.  With a
 * slash in it (but at its end) it is matched against the path from the root of the app, else
 * against a name anywhere; a slash at its end restricts it to directories.  "!" takes nothing
 * back: as on Heroku, such lines do nothing.
 */
#ifndef DYNO_PACK_IGNORE_H
#define DYNO_PACK_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct ignore_rule;

/** struct ignore - rules; zero-initialised there are only the built-in ones. */
struct ignore {
	struct ignore_rule *rules;
	size_t n;
};

/** ignore_parse() - read the text of a .slugignore; it is changed and borrowed.
 * Return: 0, or -ENOMEM. */
int ignore_parse(char *text, struct arena *arena, struct ignore *ret);

/** ignore_matches() - whether @path (from the root of the app, no "./") stays out. */
bool ignore_matches(const struct ignore *ignore, const char *path, bool is_dir);

#endif
