/* SPDX-License-Identifier: Apache-2.0 */
/* option.c - fills a verb's options from argv, the environment and a file, by the verb's table. */
#include "cli/option.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/nearest.h"
#include "base/str.h"
#include "cli/value.h"

size_t opt_count(const struct opt_set *set)
{
	return (set->shared ? set->shared->n : 0) + set->n_own + set->n_common;
}

const struct opt *opt_at(const struct opt_set *set, size_t i)
{
	size_t n_shared = set->shared ? set->shared->n : 0;

	if (i < n_shared)
		return &set->shared->items[i];
	i -= n_shared;
	return i < set->n_own ? &set->own[i] : &set->common[i - set->n_own];
}

int opt_find(const struct opt_set *set, const char *name, size_t len)
{
	for (size_t i = 0; i < opt_count(set); i++) {
		const char *known = opt_at(set, i)->name;

		if (strncmp(known, name, len) == 0 && known[len] == '\0')
			return (int)i;
	}
	return -ENOENT;
}

bool opt_is_set(const struct opt_parser *p, const char *name)
{
	int i = opt_find(p->set, name, strlen(name));

	return i >= 0 && ((p->done | p->now) & OPT_BIT(i));
}

char *opt_env_name(const char *name, char *buf)
{
	char *out = buf + STRLEN(OPT_ENV_PREFIX);

	memcpy(buf, OPT_ENV_PREFIX, STRLEN(OPT_ENV_PREFIX));
	for (size_t i = 0; i < OPT_NAME_BYTES - 1 && name[i]; i++) {
		char c = name[i];

		if (c == '-')
			c = '_';
		else if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		*out++ = c;
	}
	*out = '\0';
	return buf;
}

const char *opt_kind_name(enum opt_kind kind)
{
#define OPT_KIND_NAME(enumerator, type, name) [enumerator] = (name),
	static const char *const names[] = {OPT_KINDS(OPT_KIND_NAME)};
#undef OPT_KIND_NAME

	_Static_assert(ARRAY_SIZE(names) == _OPT_KIND_MAX, "a name for each kind");
	return names[kind];
}

/* ---- one value --------------------------------------------------------------------------------*/

/* The room for a list doubles whenever its length is a power of two. */
static int list_add(struct opt_parser *p, struct opt_list *list, const char *value,
		    struct dyno_err *err)
{
	if ((list->n & (list->n - 1)) == 0) {
		const char **items =
			arena_calloc(p->arena, list->n ? 2 * list->n : 1, sizeof(*items));

		if (!items)
			return err_set(err, ERR_MEMORY, ENOMEM, "keep a list of values");
		if (list->n)
			memcpy(items, list->items, list->n * sizeof(*items));
		list->items = items;
	}
	list->items[list->n++] = value;
	return 0;
}

static int field_set(struct opt_parser *p, const struct opt *o, const char *value,
		     struct dyno_err *err)
{
	void *field = (char *)p->target + o->offset;

	switch (o->kind) {
	case OPT_FLAG:
		return value_bool(value, field, err);
	case OPT_STRING:
		*(const char **)field = value;
		return 0;
	case OPT_LIST:
		return list_add(p, field, value, err);
	case OPT_SIZE:
		return value_size(value, field, err);
	case OPT_DURATION:
		return value_duration(value, field, err);
	case OPT_PORT:
		return value_port(value, field, err);
	case OPT_CHOICE:
		return value_choice(value, o->choices, field, err);
	case OPT_PARSED:
		return o->parse(value, field, err);
	case _OPT_KIND_MAX:
		break;
	}
	return err_set(err, ERR_INTERNAL, 0, "option --%s has no kind", o->name);
}

/* A stronger source keeps its value; within one source lists grow and the last scalar wins. */
static int opt_set(struct opt_parser *p, size_t i, const char *value, struct dyno_err *err)
{
	unsigned __int128 bit = OPT_BIT(i);

	if (p->done & bit)
		return 0;
	p->now |= bit;
	return field_set(p, opt_at(p->set, i), value, err);
}

static void source_end(struct opt_parser *p)
{
	p->done |= p->now;
	p->now = 0;
}

/* ---- the command line -------------------------------------------------------------------------*/

static int long_unknown(const struct opt_set *set, const char *name, size_t len,
			struct dyno_err *err)
{
	char word[NEAREST_WORD_MAX + 1];
	struct nearest near = {.word = word};
	int r = err_set(err, ERR_USAGE, 0, "%s: no option --%.*s", set->verb, (int)len, name);

	str_fmt(word, sizeof(word), "%.*s", (int)len, name);
	for (size_t i = 0; i < opt_count(set); i++)
		nearest_offer(&near, opt_at(set, i)->name);
	if (near.best)
		err_hint(err, "did you mean --%s? dyno help %s lists all", near.best, set->verb);
	return r;
}

/* Sets an option of argv; @attached is what stood in the same word, or NULL. */
static int argv_set(struct opt_parser *p, size_t i, const char *attached, const char *const **argv,
		    struct dyno_err *err)
{
	const struct opt *o = opt_at(p->set, i);
	const char *value = attached;

	if (!value && o->kind == OPT_FLAG)
		value = "yes";
	if (!value) {
		value = (*argv)[1];
		if (!value)
			return err_set(err, ERR_USAGE, 0, "%s: --%s needs a value: --%s %s",
				       p->set->verb, o->name, o->name, o->arg);
		(*argv)++;
	}

	int r = opt_set(p, i, value, err);

	if (r < 0)
		err_context(err, "%s: --%s", p->set->verb, o->name);
	return r;
}

static int parse_long(struct opt_parser *p, const char *const **argv, struct opt_operands *out,
		      struct dyno_err *err)
{
	const char *name = **argv + STRLEN("--");
	size_t len = strcspn(name, "=");
	int i = opt_find(p->set, name, len);

	if (i >= 0)
		return argv_set(p, (size_t)i, name[len] ? name + len + 1 : NULL, argv, err);
	if (str_eq(name, "help")) {
		out->help = true;
		return 0;
	}
	return long_unknown(p->set, name, len, err);
}

static int find_letter(const struct opt_set *set, char letter)
{
	for (size_t i = 0; i < opt_count(set); i++) {
		if (opt_at(set, i)->letter == letter)
			return (int)i;
	}
	return -ENOENT;
}

static int letter_unknown(const struct opt_set *set, const char *word, char letter,
			  struct dyno_err *err)
{
	int r = err_set(err, ERR_USAGE, 0, "%s: no option -%c in \"%s\"", set->verb, letter, word);
	const char *name = word + 1;

	if (opt_find(set, name, strcspn(name, "=")) >= 0)
		err_hint(err, "did you mean -%s, with two dashes?", word);
	return r;
}

static int parse_letters(struct opt_parser *p, const char *const **argv, struct opt_operands *out,
			 struct dyno_err *err)
{
	const char *word = **argv;

	for (const char *c = word + 1; *c; c++) {
		int i = find_letter(p->set, *c);

		if (i < 0 && *c == 'h') {
			out->help = true;
			return 0;
		}
		if (i < 0)
			return letter_unknown(p->set, word, *c, err);
		if (opt_at(p->set, (size_t)i)->kind != OPT_FLAG)
			return argv_set(p, (size_t)i, c[1] ? c + 1 : NULL, argv, err);

		int r = argv_set(p, (size_t)i, NULL, argv, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static size_t argv_count(const char *const *argv)
{
	size_t n = 0;

	while (argv[n])
		n++;
	return n;
}

int opt_parse_argv(struct opt_parser *p, const char *const *argv, struct opt_operands *ret,
		   struct dyno_err *err)
{
	struct opt_operands out = {0};
	const char **items = arena_calloc(p->arena, argv_count(argv) + 1, sizeof(*items));
	bool ended = false;

	if (!items)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the operands");

	for (; *argv && !out.help; argv++) {
		const char *word = *argv;
		int r = 0;

		if (ended || word[0] != '-' || word[1] == '\0') {
			ended = ended || p->set->operand_ends;
			items[out.n++] = word;
		} else if (str_eq(word, "--")) {
			ended = true;
		} else if (word[1] == '-') {
			r = parse_long(p, &argv, &out, err);
		} else {
			r = parse_letters(p, &argv, &out, err);
		}
		if (r < 0)
			return r;
	}

	source_end(p);
	out.items = items;
	*ret = out;
	return 0;
}

/* ---- the environment --------------------------------------------------------------------------*/

/* "BOOT_TIMEOUT" becomes "boot-timeout". False: not in the form of a variable of ours. */
static bool name_from_env(const char *key, size_t len, char name[OPT_NAME_BYTES])
{
	if (len == 0 || len >= OPT_NAME_BYTES)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = key[i];

		if (c >= 'A' && c <= 'Z')
			name[i] = (char)(c - 'A' + 'a');
		else if (c == '_')
			name[i] = '-';
		else if (c >= '0' && c <= '9')
			name[i] = c;
		else
			return false;
	}
	name[len] = '\0';
	return true;
}

/* Each line of a variable is one value of a list. */
static int lines_set(struct opt_parser *p, size_t i, const char *value, struct dyno_err *err)
{
	char *line = arena_strdup(p->arena, value);

	if (!line)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep a list of values");

	while (line) {
		char *next = strchr(line, '\n');

		if (next)
			*next++ = '\0';
		if (*line) {
			int r = opt_set(p, i, line, err);

			if (r < 0)
				return r;
		}
		line = next;
	}
	return 0;
}

/* @env: the name is to be shown as that of a variable. */
static int unknown_name(const struct opt_parser *p, const char *name, bool env,
			struct dyno_err *err)
{
	char variable[STRLEN(OPT_ENV_PREFIX) + OPT_NAME_BYTES];
	struct nearest near = {.word = name};
	int r = err_set(err, ERR_USAGE, 0, "no verb has an option \"%s\"", name);

	for (size_t i = 0; i < opt_count(p->set); i++)
		nearest_offer(&near, opt_at(p->set, i)->name);
	if (near.best)
		err_hint(err, "did you mean %s?",
			 env ? opt_env_name(near.best, variable) : near.best);
	else
		err_hint(err, "dyno help %s lists the names", p->set->verb);
	return r;
}

static int environ_one(struct opt_parser *p, const char *key, struct dyno_err *err)
{
	size_t len = strcspn(key, "=");
	const char *value = key[len] ? key + len + 1 : "";
	char name[OPT_NAME_BYTES] = "";
	int r;

	if (!*value)
		return 0;

	int i = name_from_env(key, len, name) ? opt_find(p->set, name, strlen(name)) : -ENOENT;

	if (i < 0)
		r = p->known(name) ? 0 : unknown_name(p, name, true, err);
	else if (opt_at(p->set, (size_t)i)->kind == OPT_LIST)
		r = lines_set(p, (size_t)i, value, err);
	else
		r = opt_set(p, (size_t)i, value, err);

	if (r < 0)
		err_context(err, OPT_ENV_PREFIX "%.*s", (int)len, key);
	return r;
}

int opt_parse_environ(struct opt_parser *p, const char *const *envp, struct dyno_err *err)
{
	for (; *envp; envp++) {
		const char *key = str_starts(*envp, OPT_ENV_PREFIX);

		if (!key)
			continue;

		int r = environ_one(p, key, err);

		if (r < 0)
			return r;
	}

	source_end(p);
	return 0;
}

/* ---- the file ---------------------------------------------------------------------------------*/

#define BLANKS " \t\r"

static char *trim(char *s)
{
	s += strspn(s, BLANKS);

	size_t len = strlen(s);

	while (len > 0 && strchr(BLANKS, s[len - 1]))
		len--;
	s[len] = '\0';
	return s;
}

static int config_line(struct opt_parser *p, char *line, struct dyno_err *err)
{
	char *value = strchr(line, '=');

	if (!value)
		return err_set(err, ERR_USAGE, 0, "not of the form \"option = value\"");
	*value++ = '\0';

	const char *name = trim(line);
	int i = opt_find(p->set, name, strlen(name));

	if (i < 0)
		return p->known(name) ? 0 : unknown_name(p, name, false, err);
	return opt_set(p, (size_t)i, trim(value), err);
}

int opt_parse_config(struct opt_parser *p, const char *path, char *text, struct dyno_err *err)
{
	unsigned int number = 0;

	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		number++;
		line = trim(line);
		if (*line == '\0' || *line == '#')
			continue;

		int r = config_line(p, line, err);

		if (r < 0) {
			err_context(err, "%s:%u", path, number);
			return r;
		}
	}

	source_end(p);
	return 0;
}
