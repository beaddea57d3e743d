/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_netrules.c - any string as a table's note, as a range and as an egress: what is accepted is
 * the same when it is written and read again, and no byte of it reaches nft but as an address.
 */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "model/netrules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena a = {0};
	_cleanup_sbuf_ struct sbuf rules = {0};
	char *text = arena_memdup(&a, data, size);
	char written[NETRULES_NOTE_BYTES];
	struct netrules_egress egress;
	struct netrules_note note, again;
	struct netpool pool;
	struct dyno_err err;

	if (netrules_note_parse(text, &note) == 0) {
		assert(netrules_note_parse(netrules_note_format(&note, written), &again) == 0);
		assert(again.pool.base == note.pool.base && again.ipv6_out == note.ipv6_out);
	}
	if (netpool_parse(text, &pool, &err) == 0)
		assert(netpool_nth(&pool, netpool_count(&pool) - 1) > pool.base);
	if (netrules_egress_parse(text, 1, &egress, &err) == 0) {
		netrules_egress(&egress, 1, &rules);
		assert(sbuf_ok(&rules) < 0 || !strpbrk(sbuf_str(&rules), "#\\$`'"));
	}
	return 0;
}
