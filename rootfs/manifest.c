/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/manifest.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"

#define CRC_DIGITS  16
#define MODE_DIGITS 4

/* The terminal's escaping would not do: it must be undone, whatever bytes the name has. */
static void add_name(struct sbuf *out, const char *name)
{
	const char *start = name;

	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		if (c >= 0x20 && c != 0x7f && c != '\\')
			continue;
		sbuf_add(out, start, (size_t)(name - start));
		sbuf_addf(out, "\\x%02x", c);
		start = name + 1;
	}
	sbuf_add(out, start, (size_t)(name - start));
}

void manifest_add(struct sbuf *out, const struct manifest_entry *e)
{
	sbuf_addc(out, e->type);
	if (e->type == 'f')
		sbuf_addf(out, " %04o %llu %016llx", e->mode, (unsigned long long)e->size_bytes,
			  (unsigned long long)e->crc64);
	else if (e->type == 'd')
		sbuf_addf(out, " %04o", e->mode);
	if (e->target) {
		sbuf_addc(out, '\t');
		add_name(out, e->target);
	}
	sbuf_addc(out, '\t');
	add_name(out, e->path);
	sbuf_addc(out, '\n');
}

void manifest_add_end(struct sbuf *out, const struct manifest_end *end)
{
	sbuf_addf(out, "end %s %llu %llu\n", end->heroku_form ? "app" : "root",
		  (unsigned long long)end->members, (unsigned long long)end->tree_bytes);
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Exactly @digits of @base, no more, no less: the writer pads. */
static int parse_padded(const char *s, unsigned int base, size_t digits, uint64_t *ret)
{
	uint64_t v = 0;

	if (strlen(s) != digits)
		return -EINVAL;
	for (; *s; s++) {
		int d = digit_value(*s);

		if (d < 0 || (unsigned int)d >= base)
			return -EINVAL;
		v = v * base + (unsigned int)d;
	}
	*ret = v;
	return 0;
}

static int unescape(char *s)
{
	char *to = s;

	while (*s) {
		int hi, lo;

		if (*s != '\\') {
			*to++ = *s++;
			continue;
		}
		if (s[1] != 'x' || (hi = digit_value(s[2])) < 0 || (lo = digit_value(s[3])) < 0)
			return -EINVAL;
		if (hi == 0 && lo == 0)
			return -EINVAL;
		*to++ = (char)(hi * 16 + lo);
		s += 4;
	}
	*to = '\0';
	return 0;
}

/* Cut @*rest at the next @sep and yield what stood before it; NULL at the end of the line. */
static char *next_field(char **rest, char sep)
{
	char *start = *rest;
	char *end;

	if (!start)
		return NULL;
	end = strchr(start, sep);
	if (end)
		*end++ = '\0';
	*rest = end;
	return start;
}

static int parse_facts(char *facts, struct manifest_entry *e)
{
	uint64_t mode = 0;
	char *type = next_field(&facts, ' ');
	char *field;

	if (strlen(type) != 1 || !strchr("fdlh", type[0]))
		return -EINVAL;
	e->type = type[0];
	if (e->type == 'l' || e->type == 'h')
		return facts ? -EINVAL : 0;

	field = next_field(&facts, ' ');
	if (!field || parse_padded(field, 8, MODE_DIGITS, &mode) < 0)
		return -EINVAL;
	e->mode = (uint32_t)mode;
	if (e->type == 'd')
		return facts ? -EINVAL : 0;

	field = next_field(&facts, ' ');
	if (!field || num_parse_u64(field, UINT64_MAX, &e->size_bytes) < 0 || !facts)
		return -EINVAL;
	return parse_padded(facts, 16, CRC_DIGITS, &e->crc64);
}

int manifest_parse(char *line, struct manifest_entry *ret)
{
	struct manifest_entry e = {0};
	char *rest = line;
	char *facts = next_field(&rest, '\t');
	char *name;

	if (parse_facts(facts, &e) < 0)
		return -EINVAL;
	if (e.type == 'l' || e.type == 'h') {
		char *target = next_field(&rest, '\t');

		if (!target || unescape(target) < 0)
			return -EINVAL;
		e.target = target;
	}
	name = next_field(&rest, '\t');
	if (!name || rest || !*name || unescape(name) < 0)
		return -EINVAL;
	e.path = name;
	*ret = e;
	return 0;
}

int manifest_parse_end(const char *line, struct manifest_end *ret)
{
	struct manifest_end end = {0};
	char copy[64];
	char *rest = copy;
	const char *form, *members;
	const char *s = str_starts(line, "end ");

	if (!s || strlen(s) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, s, strlen(s) + 1);
	form = next_field(&rest, ' ');
	members = next_field(&rest, ' ');
	if (!members || !rest)
		return -EINVAL;
	if (!str_eq(form, "app") && !str_eq(form, "root"))
		return -EINVAL;
	end.heroku_form = str_eq(form, "app");
	if (num_parse_u64(members, UINT64_MAX, &end.members) < 0 ||
	    num_parse_u64(rest, UINT64_MAX, &end.tree_bytes) < 0)
		return -EINVAL;
	*ret = end;
	return 0;
}
