/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_release.c - any bytes as a release file.  What is accepted must be well formed, and every
 * value must be taken into an environment or a list of types without further ado.
 */
#include <assert.h>
#include <string.h>

#include "base/str.h"
#include "model/name.h"
#include "model/release.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena a = {0};
	struct release out = {0};
	struct dyno_err err;

	if (release_parse((const char *)data, size, &a, &out, &err) < 0) {
		assert(out.types.n == 0 && out.vars.n == 0 && err.msg[0] != '\0');
		return 0;
	}
	for (size_t i = 0; i < out.types.n; i++) {
		assert(name_check_type(out.types.items[i].name, NULL) == 0);
		assert(*out.types.items[i].command != '\0' && out.types.items[i].line > 0);
		assert(proc_types_find(&out.types, out.types.items[i].name) == &out.types.items[i]);
	}
	for (size_t i = 0; i < out.vars.n; i++) {
		assert(env_key_check(out.vars.items[i].key, strlen(out.vars.items[i].key), NULL) ==
		       0);
		assert(strlen(out.vars.items[i].value) <= 4 * size);
	}
	return 0;
}
