/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_logurl.c - any string as what stands after --log: what is accepted is whole, what a message
 * may show holds no password, and a token is one word.
 */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "model/logurl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena a = {0};
	const char *text = arena_memdup(&a, data, size), *token;
	struct logurl u = {.fd = -1};
	struct dyno_err err = {0};
	char buf[LOGURL_TOKEN_BYTES];
	size_t authority;

	if (logurl_parse(text, &a, &u, &err) < 0)
		return 0;
	assert(u.shown && u.kind < _LOGURL_KIND_MAX && !strchr(text, '\n'));
	token = logurl_token(&u, "shop", buf);
	assert(*token && !strpbrk(token, " \t\r\n\033"));
	if (u.kind < LOGURL_UDP)
		return 0;
	authority = strcspn(strchr(u.shown, '/') + 2, "/?#");
	assert(!strpbrk(u.shown, "?#\" \n\033") &&
	       !memchr(strchr(u.shown, '/') + 2, '@', authority));
	assert(u.kind == LOGURL_HTTPS ? !!u.url : u.host && *u.host && u.port > 0);
	assert(!u.url || !strchr(u.url, '#'));
	return 0;
}
