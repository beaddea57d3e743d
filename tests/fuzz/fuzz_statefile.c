/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_statefile.c - any bytes as a state.json: what is taken for one is written so that it is read
 * again as the same.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "engine/statefile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena a = {0};
	_cleanup_sbuf_ struct sbuf once = {0};
	_cleanup_sbuf_ struct sbuf twice = {0};
	struct dyno_facts facts, again;

	if (statefile_parse((const char *)data, size, &a, &facts) < 0)
		return 0;
	statefile_format(&facts, &once);
	assert(!strchr(sbuf_str(&once), '\n'));
	assert(statefile_parse(once.data, once.len, &a, &again) == 0);
	statefile_format(&again, &twice);
	assert(str_eq(once.data, twice.data));
	return 0;
}
