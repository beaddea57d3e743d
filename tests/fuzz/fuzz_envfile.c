/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_envfile.c - any bytes as an env file.  The pairs of every accepted one must have good names
 * and survive the NUL-separated form unchanged.
 */
#include <assert.h>
#include <string.h>

#include "base/str.h"
#include "model/envfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena a = {0};
	_cleanup_sbuf_ struct sbuf zero = {0};
	struct env_pairs pairs, again;
	struct dyno_err err;

	if (envfile_parse((const char *)data, size, &a, &pairs, &err) < 0)
		return 0;

	for (size_t i = 0; i < pairs.n; i++) {
		assert(env_key_check(pairs.items[i].key, strlen(pairs.items[i].key), NULL) == 0);
		sbuf_addf(&zero, "%s=%s", pairs.items[i].key, pairs.items[i].value);
		sbuf_addc(&zero, '\0');
	}
	assert(envfile_parse(sbuf_str(&zero), zero.len, &a, &again, &err) == 0);
	assert(again.n == pairs.n);
	for (size_t i = 0; i < pairs.n; i++) {
		assert(str_eq(again.items[i].key, pairs.items[i].key));
		assert(str_eq(again.items[i].value, pairs.items[i].value));
	}
	return 0;
}
