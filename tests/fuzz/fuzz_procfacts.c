/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_procfacts.c - any text as a status, an id map and a mountinfo: the parts of a mount stay
 * within the text and are not longer than it.
 */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "model/procfacts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(const char *text, size_t size, const char *part)
{
	assert(part >= text && part + strlen(part) <= text + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena a = {0};
	char *text = arena_memdup(&a, data, size), *cursor = text;
	struct procfacts_mount m;
	uint32_t ids[4], inside;
	uint64_t value;

	(void)procfacts_u64(text, "CapEff", 16, &value);
	(void)procfacts_u64(text, "Seccomp", 10, &value);
	(void)procfacts_ids(text, "Uid", ids);
	(void)procfacts_inside(text, 5, &inside);
	while (procfacts_mount(&cursor, &m) > 0) {
		check_part(text, size, m.root);
		check_part(text, size, m.point);
		check_part(text, size, m.fs);
		check_part(text, size, m.source);
		(void)procfacts_has(m.options, "rw");
		(void)procfacts_has(m.super, "nosuid");
	}
	return 0;
}
