/* SPDX-License-Identifier: Apache-2.0 */
#include "model/procfile.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "model/name.h"
#include "model/text.h"

/* Bytes of an odd line that a note shows.  Source: own choice, fits beside the reason. */
#define NOTE_QUOTE_BYTES 48U

/* Bytes of a list of types in an error's hint. */
#define LIST_BYTES 120U

struct reader {
	struct arena *arena;
	struct proc_types types;
	size_t types_cap;
	struct procfile_notes notes;
	size_t notes_cap;
	unsigned int line;
};

static int note(struct reader *r, const char *text)
{
	if (!text)
		return -ENOMEM;
	if (r->notes.n == PROCFILE_NOTES_MAX_COUNT) {
		r->notes.dropped++;
		return 0;
	}

	r->notes.items = text_grow(r->arena, r->notes.items, r->notes.n, &r->notes_cap,
				   sizeof(*r->notes.items));
	if (!r->notes.items)
		return -ENOMEM;
	r->notes.items[r->notes.n++] = (struct procfile_note){DYNO_WARN, r->line, text};
	return 0;
}

/* A line that the platform passes over in silence: "ignored", the reason, and how it begins. */
static int note_ignored(struct reader *r, const char *why, const char *s, size_t len)
{
	char shown[NOTE_QUOTE_BYTES], head[NOTE_QUOTE_BYTES];

	(void)str_fmt(head, sizeof(head), "%.*s", (int)MIN_OF(len, sizeof(head) - 1), s);
	return note(r, arena_fmt(r->arena, "ignored, %s: %s", why,
				 str_escape(shown, sizeof(shown), head)));
}

static int check_duplicate(struct reader *r, const struct proc_type *type, struct dyno_err *err)
{
	const struct proc_type *first = proc_types_find(&r->types, type->name);

	if (!first)
		return 0;
	if (!str_eq(first->command, type->command)) {
		(void)err_set(err, ERR_PROCFILE, 0,
			      "line %u: type \"%s\" stands on line %u with "
			      "another command",
			      type->line, type->name, first->line);
		err_hint(err, "keep one of the two lines");
		return -EINVAL;
	}
	return 1;
}

static int note_odd_type(struct reader *r, const struct proc_type *type, bool colon)
{
	char dyno[NAME_BYTES];
	int rc = 0;

	if (!colon && type->command[0] == ':')
		rc = note(r, arena_fmt(r->arena,
				       "the blank before the colon makes \": ...\" the "
				       "command of type \"%s\"",
				       type->name));
	else if (!colon)
		rc = note(r, arena_fmt(r->arena, "no colon after the type \"%s\"", type->name));
	if (rc < 0)
		return rc;

	if (name_format_dyno(type->name, 1, dyno, sizeof(dyno), NULL) < 0)
		return note(r, arena_fmt(r->arena,
					 "type \"%s\" makes no name of a dyno, it runs "
					 "only with --name",
					 type->name));
	if (str_eq(type->name, "run"))
		return note(r, "type \"run\" has the name of one-off dynos");
	return 0;
}

static int add_type(struct reader *r, struct proc_type type, bool colon, struct dyno_err *err)
{
	int rc;

	rc = check_duplicate(r, &type, err);
	if (rc < 0)
		return rc;
	if (rc > 0) {
		if (note(r, arena_fmt(r->arena, "type \"%s\" stands here again", type.name)) < 0)
			goto nomem;
		return 0;
	}

	if (r->types.n == PROC_TYPES_MAX_COUNT)
		return err_set(err, ERR_PROCFILE, 0, "line %u: more than %u process types", r->line,
			       PROC_TYPES_MAX_COUNT);

	r->types.items = text_grow(r->arena, r->types.items, r->types.n, &r->types_cap,
				   sizeof(*r->types.items));
	if (!r->types.items || note_odd_type(r, &type, colon) < 0)
		goto nomem;
	r->types.items[r->types.n++] = type;
	return 0;
nomem:
	return err_set(err, ERR_MEMORY, ENOMEM, "read Procfile");
}

static bool is_type_char(char c)
{
	return text_is_word(c) || c == '-';
}

/*
 * What kind of line this is.
 * Return: NULL for a definition, with @ret_type_len and *@s, *@len moved to the command; else why
 * the line defines nothing.
 */
static const char *split_line(const char **s, size_t *len, size_t *ret_type_len, bool *ret_colon)
{
	size_t n = 0;

	while (n < *len && is_type_char((*s)[n]))
		n++;
	if (n == 0)
		return "no type at the beginning";
	if (n < *len && (*s)[n] != ':' && !text_is_blank((*s)[n]))
		return "a type has letters, digits, \"_\" and \"-\" only";

	*ret_type_len = n;
	*ret_colon = n < *len && (*s)[n] == ':';
	*s += n + *ret_colon;
	*len -= n + *ret_colon;
	text_trim(s, len);
	return *len > 0 ? NULL : "no command";
}

static int read_line(struct reader *r, const char *s, size_t len, struct dyno_err *err)
{
	const char *begin, *why;
	struct proc_type type = {.line = r->line};
	size_t begin_len, type_len;
	bool colon;

	text_trim(&s, &len);
	if (len == 0 || s[0] == '#')
		return 0;

	begin = s;
	begin_len = len;
	why = split_line(&s, &len, &type_len, &colon);
	if (why) {
		if (note_ignored(r, why, begin, begin_len) < 0)
			return err_set(err, ERR_MEMORY, ENOMEM, "read Procfile");
		return 0;
	}
	if (type_len > PROC_TYPE_MAX_BYTES)
		return err_set(err, ERR_PROCFILE, 0,
			       "line %u: a type's name of %zu bytes, at most "
			       "%u are allowed",
			       r->line, type_len, PROC_TYPE_MAX_BYTES);

	type.name = arena_memdup(r->arena, begin, type_len);
	type.command = arena_memdup(r->arena, s, len);
	if (!type.name || !type.command)
		return err_set(err, ERR_MEMORY, ENOMEM, "read Procfile");
	return add_type(r, type, colon, err);
}

/* What no reader could mean, whatever else the line holds. */
static int check_line(const struct text_lines *lines, struct dyno_err *err)
{
	if (lines->len > PROCFILE_LINE_MAX_BYTES)
		return err_set(err, ERR_PROCFILE, 0, "line %u: %zu bytes, at most %u are allowed",
			       lines->number, lines->len, PROCFILE_LINE_MAX_BYTES);
	if (lines->len > 0 && memchr(lines->s, '\0', lines->len)) {
		(void)err_set(err, ERR_PROCFILE, 0, "line %u: a NUL byte", lines->number);
		err_hint(err, "save the file as UTF-8 text");
		return -EINVAL;
	}
	return 0;
}

int procfile_parse(const char *text, size_t len, struct arena *arena, struct proc_types *ret,
		   struct procfile_notes *notes, struct dyno_err *err)
{
	struct reader r = {.arena = arena};
	struct text_lines lines = {.next = text, .end = text + len};
	int rc;

	lines.next += text_skip_bom(text, len);
	while (text_lines_next(&lines)) {
		r.line = lines.number;
		rc = check_line(&lines, err);
		if (rc < 0)
			return rc;
		rc = read_line(&r, lines.s, lines.len, err);
		if (rc < 0)
			return rc;
	}

	*ret = r.types;
	if (notes)
		*notes = r.notes;
	return 0;
}

const struct proc_type *proc_types_find(const struct proc_types *types, const char *name)
{
	for (size_t i = 0; i < types->n; i++)
		if (str_eq(types->items[i].name, name))
			return &types->items[i];
	return NULL;
}

int proc_types_require(const struct proc_types *types, const char *name,
		       const struct proc_type **ret, struct dyno_err *err)
{
	const struct proc_type *type = proc_types_find(types, name);
	char list[LIST_BYTES], shown[NAME_BYTES];

	if (type) {
		*ret = type;
		return 0;
	}
	if (types->n == 0) {
		(void)err_set(err, ERR_PROCFILE_MISSING, 0,
			      "find process type \"%s\": the slug "
			      "defines none",
			      str_escape(shown, sizeof(shown), name));
		err_hint(err, "add a Procfile with a line such as \"web: COMMAND\"");
		return -EINVAL;
	}
	(void)err_set(err, ERR_PROCFILE_TYPE, 0, "find process type \"%s\"",
		      str_escape(shown, sizeof(shown), name));
	err_hint(err, "the slug's types are: %s", proc_types_list(types, list, sizeof(list)));
	return -EINVAL;
}

int proc_types_merge(const struct proc_types *procfile, const struct proc_types *defaults,
		     struct arena *arena, struct proc_types *ret, struct dyno_err *err)
{
	struct proc_types all = {0};

	all.items = arena_calloc(arena, procfile->n + defaults->n + 1, sizeof(*all.items));
	if (!all.items)
		return err_set(err, ERR_MEMORY, ENOMEM, "merge process types");

	for (size_t i = 0; i < procfile->n; i++)
		all.items[all.n++] = procfile->items[i];
	for (size_t i = 0; i < defaults->n; i++)
		if (!proc_types_find(procfile, defaults->items[i].name))
			all.items[all.n++] = defaults->items[i];
	*ret = all;
	return 0;
}

char *proc_types_list(const struct proc_types *types, char *buf, size_t size)
{
	static const char more[] = ", ...";
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < types->n; i++) {
		const char *name = types->items[i].name;
		size_t need = strlen(name) + (i > 0 ? 2 : 0);
		size_t rest = i + 1 < types->n ? STRLEN(more) : 0;

		if (len + need + rest >= size) {
			(void)str_fmt(buf + len, size - len, "%s", i > 0 ? more : "...");
			break;
		}
		len += str_fmt(buf + len, size - len, "%s%s", i > 0 ? ", " : "", name);
	}
	return buf;
}
