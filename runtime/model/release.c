/* SPDX-License-Identifier: Apache-2.0 */
#include "model/release.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "model/name.h"
#include "model/text.h"
#include "model/yaml.h"

/* Bytes of a key that a message shows. */
#define SHOWN_BYTES 48U

enum section { SECTION_TYPES, SECTION_VARS, SECTION_ADDONS, _SECTION_MAX };

static const char *const section_names[] = {
	[SECTION_TYPES] = "default_process_types",
	[SECTION_VARS] = "config_vars",
	[SECTION_ADDONS] = "addons",
};
_Static_assert(ARRAY_SIZE(section_names) == _SECTION_MAX, "one name for each section");

struct reader {
	struct yaml y;
	unsigned int seen[_SECTION_MAX];
	struct release out;
	size_t types_cap;
	size_t vars_cap;
};

static int refuse_duplicate(const struct reader *r, unsigned int line, const char *key,
			    unsigned int first)
{
	char shown[SHOWN_BYTES];

	(void)err_set(r->y.err, ERR_PROCFILE, 0, "line %u: \"%s\" stands on line %u too", line,
		      str_escape(shown, sizeof(shown), key), first);
	return -EINVAL;
}

static int add_type(struct reader *r, const char *key, char *value, unsigned int line)
{
	const struct proc_type *first = proc_types_find(&r->out.types, key);
	const char *command = value;
	size_t len = strlen(value);
	int rc;

	rc = name_check_type(key, r->y.err);
	if (rc < 0) {
		err_context(r->y.err, "line %u", line);
		return rc;
	}
	if (first)
		return refuse_duplicate(r, line, key, first->line);
	while (len > 0 && (value[len - 1] == '\n' || text_is_blank(value[len - 1])))
		value[--len] = '\0';
	if (len == 0)
		return err_set(r->y.err, ERR_PROCFILE, 0, "line %u: type \"%s\" has no command",
			       line, key);
	if (r->out.types.n == PROC_TYPES_MAX_COUNT)
		return err_set(r->y.err, ERR_PROCFILE, 0, "line %u: more than %u process types",
			       line, PROC_TYPES_MAX_COUNT);

	r->out.types.items = text_grow(r->y.arena, r->out.types.items, r->out.types.n,
				       &r->types_cap, sizeof(*r->out.types.items));
	if (!r->out.types.items)
		return yaml_no_memory(&r->y);
	r->out.types.items[r->out.types.n++] = (struct proc_type){key, command, line};
	return 0;
}

static int add_var(struct reader *r, const char *key, const char *value, unsigned int line)
{
	int rc;

	rc = env_key_check(key, strlen(key), r->y.err);
	if (rc < 0) {
		err_context(r->y.err, "line %u", line);
		return rc;
	}
	for (size_t i = 0; i < r->out.vars.n; i++)
		if (str_eq(r->out.vars.items[i].key, key))
			return refuse_duplicate(r, line, key, r->out.vars.items[i].line);
	if (r->out.vars.n == ENV_VARS_MAX_COUNT)
		return err_set(r->y.err, ERR_ENV_SIZE, E2BIG, "line %u: more than %u config vars",
			       line, ENV_VARS_MAX_COUNT);

	r->out.vars.items = text_grow(r->y.arena, r->out.vars.items, r->out.vars.n, &r->vars_cap,
				      sizeof(*r->out.vars.items));
	if (!r->out.vars.items)
		return yaml_no_memory(&r->y);
	r->out.vars.items[r->out.vars.n++] = (struct env_pair){key, value, line};
	return 0;
}

static int read_map(struct reader *r, enum section section)
{
	size_t indent = r->y.indent;
	char *key = NULL, *value = NULL;
	unsigned int line;
	int rc;

	while (!r->y.eof && r->y.indent > 0) {
		if (r->y.indent != indent)
			return yaml_fail(&r->y, "an indentation that does not fit the line before");
		line = r->y.lines.number;
		rc = yaml_read_key(&r->y, &key);
		if (rc == 0)
			rc = yaml_read_scalar(&r->y, indent, &value);
		if (rc == 0)
			rc = section == SECTION_TYPES ? add_type(r, key, value, line)
						      : add_var(r, key, value, line);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Items of a list, at the section's own column too, and whatever stands under them. */
static int skip_list(struct reader *r)
{
	int rc = 0;

	while (rc == 0 && !r->y.eof && (r->y.indent > 0 || yaml_at_list_item(&r->y)))
		rc = yaml_next(&r->y);
	return rc;
}

static bool take_flow_list(struct reader *r)
{
	const char *close;

	if (r->y.p == r->y.end || *r->y.p != '[')
		return false;
	close = memchr(r->y.p, ']', (size_t)(r->y.end - r->y.p));
	if (close)
		r->y.p = close + 1;
	return close != NULL;
}

/* What follows "section:". */
static int read_body(struct reader *r, enum section section)
{
	bool closed;
	int rc;

	if (yaml_at_line_end(&r->y)) {
		rc = yaml_next(&r->y);
		if (rc < 0 || r->y.eof)
			return rc;
		if (section == SECTION_ADDONS)
			return skip_list(r);
		return r->y.indent > 0 ? read_map(r, section) : 0;
	}

	closed = section == SECTION_ADDONS ? take_flow_list(r) : yaml_take(&r->y, "{}");
	if (!closed || !yaml_at_line_end(&r->y)) {
		(void)yaml_fail(&r->y, "a section whose value is not understood");
		err_hint(r->y.err, section == SECTION_ADDONS
					   ? "write [] or lines \"- item\""
					   : "write {} or lines \"  key: value\"");
		return -EINVAL;
	}
	return yaml_next(&r->y);
}

static int read_section(struct reader *r)
{
	char shown[SHOWN_BYTES];
	char *key = NULL;
	int rc;

	if (r->y.indent > 0)
		return yaml_fail(&r->y, "an indented line that belongs to no section");
	rc = yaml_read_key(&r->y, &key);
	if (rc < 0)
		return rc;

	for (size_t i = 0; i < _SECTION_MAX; i++) {
		if (!str_eq(key, section_names[i]))
			continue;
		if (r->seen[i])
			return refuse_duplicate(r, r->y.lines.number, key, r->seen[i]);
		r->seen[i] = r->y.lines.number;
		return read_body(r, (enum section)i);
	}
	(void)err_set(r->y.err, ERR_PROCFILE, 0, "line %u: unknown section \"%s\"",
		      r->y.lines.number, str_escape(shown, sizeof(shown), key));
	err_hint(r->y.err, "known are default_process_types, config_vars and addons");
	return -EINVAL;
}

/* "---" or nothing, then perhaps "{}", as a buildpack writes that has nothing to say. */
static int read_start(struct reader *r)
{
	bool started;

	if (r->y.eof || r->y.indent > 0)
		return 0;
	started = yaml_take(&r->y, "---");
	if (started && yaml_at_line_end(&r->y))
		return yaml_next(&r->y);
	if (!yaml_take(&r->y, "{}"))
		return started ? yaml_fail(&r->y, "text after \"---\"") : 0;
	if (!yaml_at_line_end(&r->y))
		return yaml_fail(&r->y, "text after \"{}\"");
	return yaml_next(&r->y);
}

int release_parse(const char *text, size_t len, struct arena *arena, struct release *ret,
		  struct dyno_err *err)
{
	struct reader r = {.y = {.arena = arena, .err = err}};
	int rc;

	rc = yaml_start(&r.y, text, len);
	if (rc == 0)
		rc = read_start(&r);
	while (rc == 0 && !r.y.eof) {
		if (r.y.indent == 0 && yaml_take(&r.y, "...") && yaml_at_line_end(&r.y))
			break;
		rc = read_section(&r);
	}
	if (rc == 0)
		*ret = r.out;
	return rc;
}
