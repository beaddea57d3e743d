/* SPDX-License-Identifier: Apache-2.0 */
#include "drain/ring.h"

#include <stdlib.h>
#include <string.h>

static void drop_oldest(struct ring *ring)
{
	struct ring_record **slot = &ring->slots[ring->first++ % RING_RECORDS];

	if (*slot)
		ring->bytes -= (*slot)->len;
	ring->displaced += *slot ? (*slot)->stands_for : 1;
	free(*slot);
	*slot = NULL;
}

void ring_add(struct ring *ring, const char *text, size_t len, uint64_t stands_for)
{
	struct ring_record *record = malloc(sizeof(*record) + len);

	while (ring->next - ring->first >= RING_RECORDS ||
	       (ring->bytes + len > RING_BYTES && ring->first < ring->next))
		drop_oldest(ring);
	ring->slots[ring->next++ % RING_RECORDS] = record;
	if (!record)
		return;
	record->stands_for = stands_for;
	record->len = len;
	memcpy(record->text, text, len);
	ring->bytes += len;
}

const struct ring_record *ring_get(const struct ring *ring, uint64_t number)
{
	return number < ring->first || number >= ring->next ? NULL
							    : ring->slots[number % RING_RECORDS];
}

void ring_done(struct ring *ring)
{
	while (ring->first < ring->next)
		drop_oldest(ring);
}
