/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dynospec_parse.c - reading dyno-spec(5).  The text is read into settings of its own, and these
 * are merged at the end: an error leaves the caller's untouched.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <jansson.h>

#include "base/err.h"
#include "base/nearest.h"
#include "model/dynospec.h"
#include "model/dynospec_keys.h"
#include "model/text.h"

/* So much of a key or word of the text is shown in an error. */
#define SHOWN "%.60s"

/**
 * struct reader - one text being read.
 * @arena: of the caller, for what is kept
 * @err: of the caller
 * @key: the key at hand
 * @text: the settings so far
 */
struct reader {
	struct arena *arena;
	struct dyno_err *err;
	const char *key;
	struct dyno_start_opts text;
};

/* ---- errors --------------------------------------------------------------------------------- */

static int no_memory(struct dyno_err *err)
{
	return err_set(err, ERR_MEMORY, ENOMEM, "keep the settings");
}

static int wrong(const struct reader *r, const char *what)
{
	return err_set(r->err, ERR_SPEC, 0, "\"" SHOWN "\" is %s", r->key, what);
}

/* A value within the object or list of the key at hand. */
static int wrong_item(const struct reader *r, const char *name, const char *what)
{
	return err_set(r->err, ERR_SPEC, 0, "\"" SHOWN "\": \"" SHOWN "\" %s", r->key, name, what);
}

/* ---- single values -------------------------------------------------------------------------- */

/* The bytes of an even number of hexadecimal digits without a NUL among them; NULL: it is not. */
static char *unhex(struct arena *arena, const char *digits, size_t len)
{
	char *bytes = len % 2 == 0 ? arena_alloc(arena, len / 2 + 1) : NULL;

	for (size_t i = 0; bytes && i < len / 2; i++) {
		int high = text_hex(digits[2 * i]), low = text_hex(digits[2 * i + 1]);

		if (high < 0 || low < 0 || (high | low) == 0)
			return NULL;
		bytes[i] = (char)(high << 4 | low);
	}
	return bytes;
}

/* Return: 0; -EINVAL, with nothing set, when it is no string; -ENOMEM, which is. */
static int get_string(const struct reader *r, json_t *value, const char **ret)
{
	json_t *hex = json_object_get(value, DYNOSPEC_HEX);
	const char *s;

	if (json_is_string(value)) {
		s = arena_memdup(r->arena, json_string_value(value), json_string_length(value));
		if (!s)
			return no_memory(r->err);
	} else {
		if (json_object_size(value) != 1 || !json_is_string(hex))
			return -EINVAL;
		s = unhex(r->arena, json_string_value(hex), json_string_length(hex));
		if (!s)
			return -EINVAL;
	}
	*ret = s;
	return 0;
}

static int read_string(const struct reader *r, json_t *value, const char **ret)
{
	int rc = get_string(r, value, ret);

	return rc == -EINVAL ? wrong(r, "no string") : rc;
}

static int read_number(const struct reader *r, json_t *value, uint64_t max, uint64_t *ret)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value))
		return wrong(r, "no whole number");
	if (n < 0)
		return wrong(r, "a negative number");
	if ((uint64_t)n > max)
		return err_set(r->err, ERR_SPEC, 0, "\"%s\" is %llu, more than %llu", r->key,
			       (unsigned long long)n, (unsigned long long)max);
	*ret = (uint64_t)n;
	return 0;
}

static int read_schema(const struct reader *r, json_t *value)
{
	uint64_t schema = 0;
	int rc = read_number(r, value, INT64_MAX, &schema);

	if (rc < 0 || schema == DYNOSPEC_SCHEMA)
		return rc;
	return err_set(r->err, ERR_SPEC, 0, "\"schema\" is %llu, this version of dyno reads %u",
		       (unsigned long long)schema, DYNOSPEC_SCHEMA);
}

static int read_choice(const struct reader *r, json_t *value, const char *const *words,
		       unsigned int *ret)
{
	_cleanup_sbuf_ struct sbuf all = {0};
	const char *s = json_string_value(value);

	for (unsigned int i = 0; words[i]; i++) {
		if (s && str_eq(s, words[i])) {
			*ret = i;
			return 0;
		}
		sbuf_addf(&all, "%s\"%s\"", i == 0 ? "" : " nor ", words[i]);
	}
	return err_set(r->err, ERR_SPEC, 0, "\"%s\" is neither %s", r->key, sbuf_str(&all));
}

static int read_scalar(struct reader *r, const struct dynospec_row *row, json_t *value, void *at)
{
	uint64_t n = 0;
	int rc = 0;

	switch (row->kind) {
	case KEY_SCHEMA:
		return read_schema(r, value);
	case KEY_STRING:
		return read_string(r, value, at);
	case KEY_CHOICE:
		return read_choice(r, value, row->words, at);
	case KEY_U64:
		return read_number(r, value, INT64_MAX, at);
	case KEY_UINT:
		rc = read_number(r, value, UINT_MAX, &n);
		*(unsigned int *)at = (unsigned int)n;
		return rc;
	case KEY_U16:
		rc = read_number(r, value, UINT16_MAX, &n);
		*(uint16_t *)at = (uint16_t)n;
		return rc;
	case KEY_BOOL:
	case KEY_NOT:
		if (!json_is_boolean(value))
			return wrong(r, "neither true nor false");
		*(int *)at = json_is_true(value) == (row->kind == KEY_BOOL);
		return 0;
	case KEY_LIST:
	case KEY_COMMAND:
	case KEY_ARGV:
	case KEY_ENV:
	case KEY_COUNTS:
	case _KEY_KIND_MAX:
		break;
	}
	return wrong(r, "of no known kind");
}

/* ---- lists and objects ---------------------------------------------------------------------- */

static int read_list(const struct reader *r, json_t *value, const char *const **ret, size_t *ret_n)
{
	const size_t n = json_array_size(value);
	const char **list;

	if (!json_is_array(value))
		return wrong(r, "no list of strings");
	list = arena_calloc(r->arena, n, sizeof(*list));
	if (!list)
		return no_memory(r->err);
	for (size_t i = 0; i < n; i++) {
		int rc = get_string(r, json_array_get(value, i), &list[i]);

		if (rc == -EINVAL)
			return err_set(r->err, ERR_SPEC, 0, "\"%s\": item %zu is no string", r->key,
				       i + 1);
		if (rc < 0)
			return rc;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

/* One string is a list of one: the words of a command line stand in it as the shell reads them. */
static int read_command(struct reader *r, const struct dynospec_row *row, json_t *value,
			const char *const **ret, size_t *ret_n)
{
	const char **list;
	int rc;

	if (r->text.dyno.operands)
		return err_set(r->err, ERR_SPEC, 0, "\"command\" and \"argv\" are both set");
	r->text.dyno.argv_mode = row->kind == KEY_ARGV;
	if (json_is_array(value) || row->kind == KEY_ARGV)
		return read_list(r, value, ret, ret_n);
	list = arena_calloc(r->arena, 1, sizeof(*list));
	if (!list)
		return no_memory(r->err);
	rc = get_string(r, value, list);
	if (rc == -EINVAL)
		return wrong(r, "neither a string nor a list of strings");
	if (rc < 0)
		return rc;
	*ret = list;
	*ret_n = 1;
	return 0;
}

static int read_env(const struct reader *r, json_t *value, const char *const **ret, size_t *ret_n)
{
	const char **list, *name, *text = NULL;
	json_t *item;
	size_t n = 0;

	if (!json_is_object(value))
		return wrong(r, "no object of strings");
	list = arena_calloc(r->arena, json_object_size(value), sizeof(*list));
	if (!list)
		return no_memory(r->err);
	json_object_foreach(value, name, item)
	{
		int rc = get_string(r, item, &text);

		if (rc == -EINVAL)
			return wrong_item(r, name, "is no string");
		if (rc < 0)
			return rc;
		if (strchr(name, '='))
			return wrong_item(r, name, "is no name: it holds \"=\"");
		list[n] = arena_fmt(r->arena, "%s=%s", name, text);
		if (!list[n++])
			return no_memory(r->err);
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

static int read_counts(const struct reader *r, json_t *value, const struct dyno_scale **ret,
		       size_t *ret_n)
{
	struct dyno_scale *list;
	const char *name;
	json_t *item;
	size_t n = 0;

	if (!json_is_object(value))
		return wrong(r, "no object of numbers");
	list = arena_calloc(r->arena, json_object_size(value), sizeof(*list));
	if (!list)
		return no_memory(r->err);
	json_object_foreach(value, name, item)
	{
		json_int_t count = json_integer_value(item);

		if (!json_is_integer(item) || count < 0)
			return wrong_item(r, name, "is no number of dynos");
		if (count > DYNOSPEC_COUNT_MAX)
			return err_set(r->err, ERR_SPEC, 0,
				       "\"%s\": \"" SHOWN "\" is %llu, more than %u", r->key, name,
				       (unsigned long long)count, DYNOSPEC_COUNT_MAX);
		list[n].count = (unsigned int)count;
		list[n].type = arena_strdup(r->arena, name);
		if (!list[n++].type)
			return no_memory(r->err);
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

/* ---- the whole text ------------------------------------------------------------------------- */

static int read_key(struct reader *r, const struct dynospec_row *row, json_t *value)
{
	void *at = (char *)&r->text + row->at;
	size_t *n = (size_t *)((char *)&r->text + row->n_at);

	switch (row->kind) {
	case KEY_LIST:
		return read_list(r, value, at, n);
	case KEY_COMMAND:
	case KEY_ARGV:
		return read_command(r, row, value, at, n);
	case KEY_ENV:
		return read_env(r, value, at, n);
	case KEY_COUNTS:
		return read_counts(r, value, at, n);
	case KEY_SCHEMA:
	case KEY_STRING:
	case KEY_U64:
	case KEY_UINT:
	case KEY_U16:
	case KEY_BOOL:
	case KEY_NOT:
	case KEY_CHOICE:
	case _KEY_KIND_MAX:
		break;
	}
	return read_scalar(r, row, value, at);
}

static const struct dynospec_row *find_row(const char *key)
{
	for (size_t i = 0; i < dynospec_n_rows; i++)
		if (str_eq(dynospec_rows[i].name, key))
			return &dynospec_rows[i];
	return NULL;
}

static int unknown_key(const struct reader *r)
{
	struct nearest near = {.word = r->key};
	int rc;

	for (size_t i = 0; i < dynospec_n_rows; i++)
		nearest_offer(&near, dynospec_rows[i].name);
	rc = err_set(r->err, ERR_SPEC, 0, "unknown key \"" SHOWN "\"", r->key);
	if (near.best)
		err_hint(r->err, "did you mean \"%s\"? See `man dyno-spec`", near.best);
	return rc;
}

/* The schema comes first, wherever it stands: of a later one any key may be unknown. */
static int read_object(struct reader *r, json_t *object)
{
	json_t *value = json_object_get(object, "schema");
	int rc;

	if (!json_is_object(object))
		return err_set(r->err, ERR_SPEC, 0, "it is no object");
	if (!value)
		return err_set(r->err, ERR_SPEC, 0, "\"schema\" is missing, it is to be %u",
			       DYNOSPEC_SCHEMA);
	r->key = "schema";
	rc = read_schema(r, value);
	if (rc < 0)
		return rc;
	json_object_foreach(object, r->key, value)
	{
		const struct dynospec_row *row = find_row(r->key);

		if (!row)
			return unknown_key(r);
		rc = read_key(r, row, value);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int syntax_error(const json_error_t *e, struct dyno_err *err)
{
	enum json_error_code code = json_error_code(e);
	const char *text = e->text;

	/* The library says nothing where it got no memory to say it of. */
	if (code == json_error_out_of_memory || text[0] == '\0')
		return err_set(err, ERR_MEMORY, ENOMEM, "parse JSON");
	if (code == json_error_null_character || code == json_error_null_byte_in_key)
		text = "a string holds a NUL byte";
	return err_set(err, ERR_SPEC, 0, "line %d, column %d: %s", e->line, e->column, text);
}

static void free_json(json_t **value)
{
	json_decref(*value);
}

static int read_text(struct reader *r, const char *text, size_t len)
{
	_cleanup_(free_json) json_t *root = NULL;
	json_error_t e = {0};

	if (len > DYNOSPEC_MAX_BYTES)
		return err_set(r->err, ERR_SPEC, EFBIG, "%zu bytes are more than %u", len,
			       DYNOSPEC_MAX_BYTES);
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	return root ? read_object(r, root) : syntax_error(&e, r->err);
}

/* ---- merging -------------------------------------------------------------------------------- */

/* The config vars of the text, then those of the caller, which win. */
static int merge_env(const struct dyno_run_opts *from, const struct dyno_run_opts *io,
		     struct arena *arena, const char *const **ret)
{
	const char **all = arena_calloc(arena, from->n_env + io->n_env, sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_env; i++)
		all[i] = from->env[i];
	for (size_t i = 0; i < io->n_env; i++)
		all[from->n_env + i] = io->env[i];
	*ret = all;
	return 0;
}

static void merge_scalar(const struct dynospec_row *row, const struct dyno_start_opts *from,
			 struct dyno_start_opts *io)
{
	static const char zero[sizeof(uint64_t)];
	static const size_t sizes[_KEY_KIND_MAX] = {
		[KEY_STRING] = sizeof(const char *),
		[KEY_U64] = sizeof(uint64_t),
		[KEY_UINT] = sizeof(unsigned int),
		[KEY_U16] = sizeof(uint16_t),
		[KEY_BOOL] = sizeof(int),
		[KEY_NOT] = sizeof(int),
		[KEY_CHOICE] = sizeof(enum dyno_scratch),
	};
	char *at = (char *)io + row->at;

	if (memcmp(at, zero, sizes[row->kind]) == 0)
		memcpy(at, (const char *)from + row->at, sizes[row->kind]);
}

static void merge_list(const char *const *const *from, size_t n_from, const char *const **io,
		       size_t *io_n)
{
	if (*io_n > 0)
		return;
	*io = *from;
	*io_n = n_from;
}

static void merge_lists(const struct dyno_start_opts *from, struct dyno_start_opts *io)
{
	struct dyno_run_opts *dyno = &io->dyno;

	if (io->n_scale == 0) {
		io->scale = from->scale;
		io->n_scale = from->n_scale;
	}
	merge_list(&from->dyno.env_files, from->dyno.n_env_files, &dyno->env_files,
		   &dyno->n_env_files);
	merge_list(&from->dyno.publish, from->dyno.n_publish, &dyno->publish, &dyno->n_publish);
	merge_list(&from->dyno.listen_fds, from->dyno.n_listen_fds, &dyno->listen_fds,
		   &dyno->n_listen_fds);
	merge_list(&from->dyno.writable, from->dyno.n_writable, &dyno->writable, &dyno->n_writable);
	merge_list(&from->dyno.tmpfs, from->dyno.n_tmpfs, &dyno->tmpfs, &dyno->n_tmpfs);
	merge_list(&from->dyno.mounts, from->dyno.n_mounts, &dyno->mounts, &dyno->n_mounts);
	merge_list(&from->dyno.io_max, from->dyno.n_io_max, &dyno->io_max, &dyno->n_io_max);
	merge_list(&from->dyno.logs, from->dyno.n_logs, &dyno->logs, &dyno->n_logs);
	/* An argv without a word is one too: it is refused by who runs it. */
	if (dyno->n_operands == 0 && !dyno->argv_mode) {
		dyno->operands = from->dyno.operands;
		dyno->n_operands = from->dyno.n_operands;
		dyno->argv_mode = from->dyno.argv_mode;
	}
}

int dynospec_parse(const char *text, size_t len, struct arena *arena, struct dyno_start_opts *io,
		   struct dyno_err *err)
{
	struct reader r = {.arena = arena, .err = err};
	const char *const *env = NULL;
	int rc;

	rc = read_text(&r, text, len);
	if (rc == 0 && merge_env(&r.text.dyno, &io->dyno, arena, &env) < 0)
		rc = no_memory(err);
	if (rc < 0) {
		err_context(err, "read the specification");
		if (rc != -ENOMEM && !(err && err->hint[0]))
			err_hint(err, "its keys and their forms are in `man dyno-spec`");
		return rc;
	}
	for (size_t i = 0; i < dynospec_n_rows; i++)
		merge_scalar(&dynospec_rows[i], &r.text, io);
	merge_lists(&r.text, io);
	if (r.text.dyno.n_env > 0) {
		io->dyno.env = env;
		io->dyno.n_env += r.text.dyno.n_env;
	}
	return 0;
}
