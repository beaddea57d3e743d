/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/members.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <jansson.h>

#include "base/json.h"

/* ---- writing -------------------------------------------------------------------------------- */

static void write_status(struct sbuf *b, const char *name, int value)
{
	if (value < 0)
		json_unknown(b, name);
	else
		json_u64(b, name, (uint64_t)value);
}

/* A larger one than a reader takes for an integer is no count of anything. */
static void write_count(struct sbuf *b, const char *name, uint64_t value)
{
	if (value > INT64_MAX)
		json_unknown(b, name);
	else
		json_u64(b, name, value);
}

static void write_one(const struct member *m, const char *field, struct sbuf *b)
{
	switch (m->kind) {
	case MEMBER_STR:
		json_str(b, m->name, *(const char *const *)(const void *)field);
		break;
	case MEMBER_TEXT:
		json_str(b, m->name, *field ? field : NULL);
		break;
	case MEMBER_U16:
		json_u64(b, m->name, *(const uint16_t *)(const void *)field);
		break;
	case MEMBER_U32:
		json_u64(b, m->name, *(const uint32_t *)(const void *)field);
		break;
	case MEMBER_U64:
		json_u64(b, m->name, *(const uint64_t *)(const void *)field);
		break;
	case MEMBER_INT:
	case MEMBER_STATUS:
		write_status(b, m->name, *(const int *)(const void *)field);
		break;
	case MEMBER_FLAG:
		json_bool(b, m->name, *(const int *)(const void *)field != 0);
		break;
	case MEMBER_COUNT:
		write_count(b, m->name, *(const uint64_t *)(const void *)field);
		break;
	}
}

void members_write(const struct member_table *table, const void *from, struct sbuf *b)
{
	for (size_t i = 0; i < table->n; i++)
		write_one(&table->list[i], (const char *)from + table->list[i].offset, b);
}

int members_keep(const struct member_table *table, void *of, struct arena *arena)
{
	for (size_t i = 0; i < table->n; i++) {
		const char **field;

		if (table->list[i].kind != MEMBER_STR)
			continue;
		field = (const char **)(void *)((char *)of + table->list[i].offset);
		if (!*field)
			continue;
		*field = arena_strdup(arena, *field);
		if (!*field)
			return -ENOMEM;
	}
	return 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

static void json_freep(json_t **json)
{
	json_decref(*json);
}

/* @value: NULL and null are the empty number. */
static int read_number(const json_t *value, uint64_t max, uint64_t empty, uint64_t *ret)
{
	*ret = empty;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > max)
		return -EINVAL;
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

static int read_flag(const json_t *value, int *ret)
{
	*ret = 0;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_boolean(value))
		return -EINVAL;
	*ret = json_is_true(value);
	return 0;
}

static int read_str(const json_t *value, struct arena *arena, const char **ret)
{
	*ret = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return -EINVAL;
	*ret = arena_strdup(arena, json_string_value(value));
	return *ret ? 0 : -ENOMEM;
}

static int read_text(const json_t *value, char *ret, size_t size)
{
	ret[0] = '\0';
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value) || json_string_length(value) >= size)
		return -EINVAL;
	memcpy(ret, json_string_value(value), json_string_length(value) + 1);
	return 0;
}

static int read_one(const struct member *m, const json_t *value, char *field, struct arena *arena)
{
	static const uint64_t max[] = {
		[MEMBER_U16] = UINT16_MAX, [MEMBER_U32] = UINT32_MAX, [MEMBER_U64] = UINT64_MAX,
		[MEMBER_INT] = INT_MAX,	   [MEMBER_STATUS] = INT_MAX, [MEMBER_COUNT] = UINT64_MAX,
	};
	bool zero_counts = m->kind == MEMBER_STATUS || m->kind == MEMBER_COUNT;
	uint64_t number;
	int r;

	if (m->kind == MEMBER_STR)
		return read_str(value, arena, (const char **)(void *)field);
	if (m->kind == MEMBER_TEXT)
		return read_text(value, field, m->size);
	if (m->kind == MEMBER_FLAG)
		return read_flag(value, (int *)(void *)field);

	r = read_number(value, max[m->kind], zero_counts ? UINT64_MAX : 0, &number);
	if (r < 0)
		return r;
	if (m->kind == MEMBER_U16)
		*(uint16_t *)(void *)field = (uint16_t)number;
	else if (m->kind == MEMBER_U32)
		*(uint32_t *)(void *)field = (uint32_t)number;
	else if (m->kind == MEMBER_U64 || m->kind == MEMBER_COUNT)
		*(uint64_t *)(void *)field = number;
	else
		*(int *)(void *)field = number == UINT64_MAX ? -1 : (int)number;
	return 0;
}

static int read_set(const struct member_set *set, const json_t *object, struct arena *arena)
{
	for (size_t i = 0; i < set->table->n; i++) {
		const struct member *m = &set->table->list[i];
		int r = read_one(m, json_object_get(object, m->name), (char *)set->to + m->offset,
				 arena);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_schema(const json_t *object, unsigned int schema)
{
	const json_t *value = json_object_get(object, "schema");

	if (schema == 0)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 1 ||
	    json_integer_value(value) > (json_int_t)schema)
		return -EINVAL;
	return 0;
}

int members_read(const char *text, size_t len, unsigned int schema, const struct member_set *sets,
		 size_t n_sets, struct arena *arena)
{
	_cleanup_(json_freep) json_t *object = NULL;
	json_error_t why;
	int r;

	object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!object)
		return json_error_code(&why) == json_error_out_of_memory ? -ENOMEM : -EINVAL;
	if (!json_is_object(object))
		return -EINVAL;
	r = check_schema(object, schema);
	for (size_t i = 0; i < n_sets && r == 0; i++)
		r = read_set(&sets[i], object, arena);
	return r;
}
