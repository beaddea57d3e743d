/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_dynospec.c - any bytes as a dyno-spec(5).  What is accepted must be written so that it is
 * read again and written as the same text.
 */
#include <assert.h>

#include "base/err.h"
#include "model/dynospec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena a = {0};
	_cleanup_sbuf_ struct sbuf first = {0}, second = {0};
	struct dyno_start_opts opts = {0}, again = {0};
	struct dyno_err err;

	if (dynospec_parse((const char *)data, size, &a, &opts, &err) < 0) {
		assert(err.kind == ERR_SPEC && err.msg[0] && err.hint[0]);
		return 0;
	}
	dynospec_format(&opts, &first);
	if (first.len > DYNOSPEC_MAX_BYTES)
		return 0;
	assert(dynospec_parse(first.data, first.len, &a, &again, &err) == 0);
	dynospec_format(&again, &second);
	assert(sbuf_ok(&first) == 0 && sbuf_ok(&second) == 0);
	assert(str_eq(sbuf_str(&first), sbuf_str(&second)));
	return 0;
}
