/* SPDX-License-Identifier: Apache-2.0 */
#include "model/sizefile.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "model/limits.h"
#include "model/text.h"

#define KEY_CORES "cores"

/* Limits that a size has; the others are not a size's business. */
static const enum limit keys[] = {LIMIT_MEMORY, LIMIT_MEMORY_HARD, LIMIT_SWAP,
				  LIMIT_CPUS,	LIMIT_CPU_WEIGHT,  LIMIT_PIDS};

/**
 * struct entry - a line taken apart.
 * @text: the line, each word with a NUL behind it
 * @at: what is not read yet
 */
struct entry {
	char text[SIZEFILE_LINE_MAX];
	char *at;
	const char *name;
	struct limits_ask ask;
	uint32_t cores;
};

static bool name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len >= SIZEFILE_NAME_BYTES || !(text_is_alpha(name[0]) || text_is_digit(name[0])))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!text_is_word(name[i]) && name[i] != '-' && name[i] != '.')
			return false;
	return true;
}

/* Return: the next word, NULL at the end of the line. */
static char *next_word(struct entry *e)
{
	char *word = e->at + strspn(e->at, " \t");

	e->at = word + strcspn(word, " \t");
	if (*e->at)
		*e->at++ = '\0';
	return *word ? word : NULL;
}

static int bad_word(const char *word, struct dyno_err *err)
{
	char shown[48];

	(void)err_set(err, ERR_USAGE, 0, "\"%s\" is not KEY=VALUE",
		      str_escape(shown, sizeof(shown), word));
	err_hint(err, "keys are memory, memory-hard, swap, cpus, cpu-weight, pids and " KEY_CORES);
	return -EINVAL;
}

static int set_key(struct entry *e, char *word, struct dyno_err *err)
{
	char *value = strchr(word, '=');

	if (!value || !value[1])
		return bad_word(word, err);
	*value++ = '\0';
	if (str_eq(word, KEY_CORES)) {
		if (num_parse_u32(value, SIZEFILE_CORES_MAX, &e->cores) == 0 && e->cores > 0)
			return 0;
		return err_set(err, ERR_USAGE, EINVAL, KEY_CORES " are 1 to %u, not \"%s\"",
			       SIZEFILE_CORES_MAX, value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!str_eq(word, limits_name(keys[i])))
			continue;
		if (e->ask.text[keys[i]])
			return err_set(err, ERR_USAGE, EINVAL, "%s stands twice", word);
		e->ask.text[keys[i]] = value;
		return 0;
	}
	return bad_word(word, err);
}

static int check_name(const char *name, struct dyno_err *err)
{
	char shown[48];

	if (!name_is_valid(name)) {
		(void)err_set(err, ERR_USAGE, 0, "\"%s\" is no name of a size",
			      str_escape(shown, sizeof(shown), name));
		err_hint(err, "letters, digits, \".\", \"_\" and \"-\", up to %u",
			 SIZEFILE_NAME_BYTES - 1);
		return -EINVAL;
	}
	if (size_find(name)) {
		(void)err_set(err, ERR_USAGE, 0, "%s is a size of dyno's own", name);
		err_hint(err, "give it another name");
		return -EINVAL;
	}
	return 0;
}

/* A size is what its line amounts to where nothing else is said. */
static int make_size(const struct entry *e, struct dyno_size *ret, struct dyno_err *err)
{
	struct limits l;
	int r = limits_resolve(&e->ask, size_find(SIZE_NONE), NULL, &l, err);

	if (r < 0)
		return r;
	*ret = (struct dyno_size){
		.name = e->name,
		.ram_bytes = l.memory_bytes,
		.hard_bytes = l.hard_bytes,
		.cpu_shares = (uint32_t)l.cpu_shares,
		.cpu_quota_usec = (uint32_t)l.cpu_quota_usec,
		.cores = e->cores,
		.process_limit = (uint32_t)l.pids,
	};
	return 0;
}

static int read_line(const struct text_lines *line, struct dyno_size *ret, struct entry *e,
		     struct dyno_err *err)
{
	char *word;
	int r;

	*e = (struct entry){.at = e->text};
	if (line->len >= sizeof(e->text))
		return err_set(err, ERR_USAGE, EINVAL, "it is longer than %zu bytes",
			       sizeof(e->text) - 1);
	if (line->len == 0 || memchr(line->s, '\0', line->len))
		return err_set(err, ERR_USAGE, EINVAL, "it holds a NUL byte");
	memcpy(e->text, line->s, line->len);
	e->name = next_word(e);
	r = check_name(e->name ? e->name : "", err);
	while (r == 0 && (word = next_word(e)))
		r = set_key(e, word, err);
	return r < 0 ? r : make_size(e, ret, err);
}

int sizefile_each(const char *text, size_t len, sizefile_fn fn, void *data, struct dyno_err *err)
{
	struct text_lines lines = {.next = text + text_skip_bom(text, len), .end = text + len};
	struct dyno_size size;
	struct entry entry;
	int r;

	while (text_lines_next(&lines)) {
		text_trim(&lines.s, &lines.len);
		if (lines.len == 0 || lines.s[0] == '#')
			continue;
		r = read_line(&lines, &size, &entry, err);
		if (r < 0) {
			err_context(err, "line %u", lines.number);
			return -EINVAL;
		}
		r = fn(data, &size, lines.s, lines.len);
		if (r != 0)
			return r;
	}
	return 0;
}
