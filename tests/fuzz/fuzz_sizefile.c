/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_sizefile.c - any bytes as a file of sizes.  What is accepted is a size that its own line
 * gives again, with a hard mark that is not below its quota, and never one of the table's.
 */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "model/sizefile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int same(void *data, const struct dyno_size *size, const char *line, size_t len)
{
	const struct dyno_size *first = data;

	(void)line;
	assert(len > 0 && size->ram_bytes == first->ram_bytes);
	assert(size->hard_bytes == first->hard_bytes && str_eq(size->name, first->name));
	return 1;
}

static int check(void *data, const struct dyno_size *size, const char *line, size_t len)
{
	struct dyno_size copy = *size;
	struct dyno_err err;

	(void)data;
	assert(!size_find(size->name) && strlen(size->name) < SIZEFILE_NAME_BYTES);
	assert(size->hard_bytes == 0 || size->hard_bytes >= size->ram_bytes);
	assert(sizefile_each(line, len, same, &copy, &err) == 1);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dyno_err err;

	(void)sizefile_each((const char *)data, size, check, NULL, &err);
	return 0;
}
