/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_name.c - any string as a name and as a slug's path: accepted names are plain file names, and
 * what is derived from a path is always an accepted name.
 */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "model/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena a = {0};
	char *name = arena_memdup(&a, data, size);
	char buf[NAME_BYTES], type[NAME_BYTES], again[NAME_BYTES];
	struct dyno_err err;
	uint32_t n;

	if (name_check_dyno(name, &err) == 0) {
		assert(strlen(name) <= NAME_MAX_BYTES && !strpbrk(name, "/ \n:=\x1b"));
		assert(name[0] != '.' && name[0] != '-' && name[0] != '\0');
		if (name_split_dyno(name, type, sizeof(type), &n) == 0) {
			assert(name_format_dyno(type, n, again, sizeof(again), &err) == 0);
			assert(str_eq(again, name));
		}
	}
	if (name_app_from_slug(name, buf, sizeof(buf)) == 0)
		assert(name_check_app(buf, &err) == 0);
	return 0;
}
