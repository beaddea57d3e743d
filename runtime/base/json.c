/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - writes JSON into a buffer. */
#include "base/json.h"

#include <string.h>

#include "base/timetext.h"

/* A value needs a comma before it unless it is the first: the last byte tells. */
static void value_start(struct sbuf *b, const char *name)
{
	if (b->len > 0 && !strchr("{[\n", b->data[b->len - 1]))
		sbuf_addc(b, ',');
	if (name) {
		sbuf_add_json(b, name, strlen(name));
		sbuf_addc(b, ':');
	}
}

void json_open(struct sbuf *b, const char *name, char bracket)
{
	value_start(b, name);
	sbuf_addc(b, bracket);
}

void json_close(struct sbuf *b, char bracket)
{
	sbuf_addc(b, bracket);
}

void json_str(struct sbuf *b, const char *name, const char *value)
{
	if (!value) {
		json_unknown(b, name);
		return;
	}
	value_start(b, name);
	sbuf_add_json(b, value, strlen(value));
}

void json_u64(struct sbuf *b, const char *name, uint64_t value)
{
	value_start(b, name);
	sbuf_addf(b, "%llu", (unsigned long long)value);
}

void json_i64(struct sbuf *b, const char *name, int64_t value)
{
	value_start(b, name);
	sbuf_addf(b, "%lld", (long long)value);
}

void json_tenths(struct sbuf *b, const char *name, uint64_t tenths)
{
	value_start(b, name);
	sbuf_addf(b, "%llu.%u", (unsigned long long)(tenths / 10), (unsigned int)(tenths % 10));
}

void json_bool(struct sbuf *b, const char *name, bool value)
{
	value_start(b, name);
	sbuf_adds(b, value ? "true" : "false");
}

void json_unknown(struct sbuf *b, const char *name)
{
	value_start(b, name);
	sbuf_adds(b, "null");
}

void json_time(struct sbuf *b, const char *name, uint64_t us)
{
	char text[TIME_BYTES];

	time_format(us, text);
	json_str(b, name, text);
}

void json_begin(struct sbuf *b)
{
	json_open(b, NULL, '{');
	json_u64(b, "schema", JSON_SCHEMA);
}

void json_end(struct sbuf *b)
{
	json_close(b, '}');
	sbuf_addc(b, '\n');
}
