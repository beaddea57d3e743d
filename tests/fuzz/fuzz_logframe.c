/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_logframe.c - any bytes as a record, in each form that others read: one line is one record, one
 * length is one message, and JSON is UTF-8 without control bytes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/logframe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One counted message takes all of @b. */
static void check_length(const struct sbuf *b)
{
	char *end;
	const size_t len = strtoul(b->data, &end, 10);

	assert(*end == ' ' && end + 1 + len == b->data + b->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_sbuf_ struct sbuf tcp = {0}, plex = {0}, json = {0}, text = {0};
	const char *end = memchr(data, '\n', size);
	struct logline r;

	if (!logline_parse((const char *)data, end ? (size_t)(end - (const char *)data) : size, &r))
		return 0;
	logframe_syslog(&tcp, &r, "d.token", true);
	logframe_logplex(&plex, &r);
	check_length(&tcp);
	check_length(&plex);
	logline_json(&r, &json);
	assert(str_is_utf8(json.data, json.len) && strlen(json.data) == json.len);
	assert(memchr(json.data, '\n', json.len) == json.data + json.len - 1);
	logframe_text(&text, &r);
	assert(memchr(text.data, '\n', text.len) == text.data + text.len - 1);
	return 0;
}
