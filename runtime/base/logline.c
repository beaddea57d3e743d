/* SPDX-License-Identifier: Apache-2.0 */
#include "base/logline.h"

#include <string.h>

#include "base/json.h"
#include "base/util.h"

/* "2026-06-01T12:00:00": what a time has at the least. */
#define TIME_LEAST 19

/* Cuts what stands before @end off @rest. False: there is no @end in it. */
static bool cut(struct logline_part *rest, const char *end, struct logline_part *ret)
{
	size_t len = strlen(end);
	const char *at = memmem(rest->s, rest->len, end, len);

	if (!at)
		return false;
	ret->s = rest->s;
	ret->len = (size_t)(at - rest->s);
	rest->s = at + len;
	rest->len -= ret->len + len;
	return true;
}

static bool take_mark(struct logline_part *rest)
{
	if (rest->len == 0 || rest->s[0] != LOGLINE_ERR)
		return false;
	rest->s++;
	rest->len--;
	return true;
}

/* Names hold neither blanks nor brackets, so that the first of each ends a part. */
bool logline_parse(const char *line, size_t len, struct logline *ret)
{
	struct logline_part rest = {line, MIN_OF(len, LOGLINE_HEAD_BYTES)};
	struct logline r = {0};
	bool err;

	if (!cut(&rest, " ", &r.time) || r.time.len < TIME_LEAST)
		return false;
	err = take_mark(&rest);
	if (!cut(&rest, "[", &r.source) || !cut(&rest, "]: ", &r.dyno))
		return false;
	if (memchr(r.source.s, ' ', r.source.len) || memchr(r.dyno.s, ' ', r.dyno.len))
		return false;
	r.partial = logline_trim(line, &len);
	r.text.s = rest.s;
	r.text.len = len - (size_t)(rest.s - line);
	if (logline_is_app(&r))
		r.stream = err ? LOGLINE_STDERR : LOGLINE_STDOUT;
	*ret = r;
	return true;
}

bool logline_trim(const char *line, size_t *io_len)
{
	if (*io_len == 0 || line[*io_len - 1] != LOGLINE_PARTIAL)
		return false;
	(*io_len)--;
	return true;
}

const char *logline_stream_name(enum logline_stream stream)
{
	static const char *const names[] = {NULL, "stdout", "stderr"};

	_Static_assert(ARRAY_SIZE(names) == LOGLINE_STDERR + 1, "each stream has its name");
	return names[stream];
}

static void add_member(struct sbuf *b, const char *name, const struct logline_part *value)
{
	sbuf_addf(b, ",\"%s\":", name);
	sbuf_add_json(b, value->s, value->len);
}

void logline_json(const struct logline *record, struct sbuf *b)
{
	json_begin(b);
	add_member(b, "time", &record->time);
	add_member(b, "source", &record->source);
	add_member(b, "dyno", &record->dyno);
	if (record->stream)
		json_str(b, "stream", logline_stream_name(record->stream));
	add_member(b, "text", &record->text);
	if (record->partial)
		json_bool(b, "partial", true);
	json_end(b);
}

bool logline_is_app(const struct logline *record)
{
	return record->source.len == STRLEN(LOGLINE_APP) &&
	       memcmp(record->source.s, LOGLINE_APP, STRLEN(LOGLINE_APP)) == 0;
}
