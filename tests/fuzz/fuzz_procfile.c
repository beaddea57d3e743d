/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_procfile.c - any bytes as a Procfile.  What is accepted must be well formed, and written out
 * in the plain form it must be read as the same types.
 */
#include <assert.h>

#include "base/str.h"
#include "model/name.h"
#include "model/procfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena a = {0};
	_cleanup_sbuf_ struct sbuf plain = {0};
	struct proc_types types, again;
	struct procfile_notes notes;
	struct dyno_err err;

	if (procfile_parse((const char *)data, size, &a, &types, &notes, &err) < 0)
		return 0;

	for (size_t i = 0; i < types.n; i++) {
		assert(name_check_type(types.items[i].name, NULL) == 0);
		assert(*types.items[i].command != '\0');
		assert(proc_types_find(&types, types.items[i].name) == &types.items[i]);
		sbuf_addf(&plain, "%s:%s\n", types.items[i].name, types.items[i].command);
	}
	if (procfile_parse(sbuf_str(&plain), plain.len, &a, &again, NULL, &err) < 0)
		return 0; /* a line at its limit grew by the colon */
	assert(again.n == types.n);
	for (size_t i = 0; i < types.n; i++)
		assert(str_eq(again.items[i].command, types.items[i].command));
	return 0;
}
