/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/pack_ignore.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/str.h"

/**
 * struct ignore_rule - one pattern.
 * @rooted: matched against the whole path
 * @dir_only: matches directories only
 */
struct ignore_rule {
	const char *pattern;
	bool rooted;
	bool dir_only;
};

static const struct ignore_rule built_in[] = {
	{".git", false, false},
	{".DS_Store", false, false},
};

/* Cut blanks and a carriage return from the end. */
static void trim_end(char *line)
{
	size_t len = strlen(line);

	while (len > 0 && strchr(" \t\r", line[len - 1]))
		line[--len] = '\0';
}

static bool parse_line(char *line, struct ignore_rule *ret)
{
	size_t len;

	trim_end(line);
	len = strlen(line);
	if (len == 0 || line[0] == '#' || line[0] == '!')
		return false;
	*ret = (struct ignore_rule){.pattern = line};
	if (line[len - 1] == '/') {
		line[--len] = '\0';
		ret->dir_only = true;
	}
	ret->rooted = strchr(line, '/') != NULL;
	while (*ret->pattern == '/')
		ret->pattern++;
	return *ret->pattern != '\0';
}

int ignore_parse(char *text, struct arena *arena, struct ignore *ret)
{
	size_t lines = 1;
	char *next;

	for (const char *s = text; *s; s++)
		lines += *s == '\n';
	ret->n = 0;
	ret->rules = arena_calloc(arena, lines, sizeof(*ret->rules));
	if (!ret->rules)
		return -ENOMEM;
	for (char *line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		ret->n += parse_line(line, &ret->rules[ret->n]);
	}
	return 0;
}

static bool rule_matches(const struct ignore_rule *rule, const char *path, const char *name,
			 bool is_dir)
{
	if (rule->dir_only && !is_dir)
		return false;
	if (rule->rooted)
		return fnmatch(rule->pattern, path, FNM_PATHNAME) == 0;
	return fnmatch(rule->pattern, name, 0) == 0;
}

bool ignore_matches(const struct ignore *ignore, const char *path, bool is_dir)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < ARRAY_SIZE(built_in); i++)
		if (rule_matches(&built_in[i], path, name, is_dir))
			return true;
	for (size_t i = 0; i < ignore->n; i++)
		if (rule_matches(&ignore->rules[i], path, name, is_dir))
			return true;
	return false;
}
