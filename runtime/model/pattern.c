/* SPDX-License-Identifier: Apache-2.0 */
#include "model/pattern.h"

#include <stddef.h>
#include <string.h>

/*
 * One star is remembered, the last one: what the ones before it took need never be changed, so that
 * no pattern takes longer than its length times that of the text.
 */
static bool glob(const char *pattern, size_t len, const char *text)
{
	const char *end = pattern + len;
	const char *star = NULL;
	const char *resume = NULL;

	while (*text) {
		if (pattern < end && *pattern == '*') {
			star = pattern++;
			resume = text;
		} else if (pattern < end && (*pattern == '?' || *pattern == *text)) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}

bool pattern_match(const char *pattern, const char *app, const char *name, const char *type)
{
	const char *slash = pattern ? strchr(pattern, '/') : NULL;
	size_t len;

	if (!pattern)
		return true;
	if (slash && !glob(pattern, (size_t)(slash - pattern), app))
		return false;
	pattern = slash ? slash + 1 : pattern;
	len = strlen(pattern);
	if (slash && len == 0)
		return true;
	return glob(pattern, len, name) || (!strchr(pattern, '.') && glob(pattern, len, type));
}
