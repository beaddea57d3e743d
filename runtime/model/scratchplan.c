/* SPDX-License-Identifier: Apache-2.0 */
#include "model/scratchplan.h"

#include "base/util.h"

/* Bytes and the inodes that go with them take no more than @room. */
static uint64_t bytes_within(uint64_t room)
{
	const uint64_t unit = SCRATCH_INODE_BYTES + SCRATCH_INODE_COST_BYTES;

	return room / unit * SCRATCH_INODE_BYTES;
}

static uint64_t default_inodes(uint64_t bytes)
{
	return MAX_OF(bytes / SCRATCH_INODE_BYTES, (uint64_t)SCRATCH_INODES_MIN);
}

static uint64_t room_of(const struct scratchplan_input *in)
{
	uint64_t taken = in->quota_bytes + in->other_bytes;

	return in->hard_bytes > taken ? in->hard_bytes - taken : 0;
}

static bool fits(const struct scratchplan_input *in, uint64_t room)
{
	uint64_t inodes = in->inodes ? in->inodes : default_inodes(in->bytes);

	return in->bytes <= room && inodes <= (room - in->bytes) / SCRATCH_INODE_COST_BYTES;
}

/* Where nobody has said: memory if it has the room. */
static bool choose_disk(const struct scratchplan_input *in, uint64_t room, const char **ret_why)
{
	if (!in->hard_bytes) {
		*ret_why = "there is no hard mark for memory";
		return false;
	}
	if (in->bytes && fits(in, room)) {
		*ret_why = "the size fits between quota and hard mark";
		return false;
	}
	if (in->bytes) {
		*ret_why = "the size does not fit between quota and hard mark";
		return true;
	}
	if (bytes_within(room) < SCRATCH_TMPFS_MIN_BYTES) {
		*ret_why = "no room between quota and hard mark";
		return true;
	}
	*ret_why = "as much as fits between quota and hard mark";
	return false;
}

static uint64_t tmpfs_bytes(const struct scratchplan_input *in, uint64_t room)
{
	uint64_t bytes = bytes_within(room);

	if (!in->hard_bytes)
		return SCRATCH_TMPFS_BYTES;
	/* Asked for, be there room or not: half the quota, which counts as the app's own memory. */
	if (bytes < SCRATCH_TMPFS_MIN_BYTES)
		bytes = in->quota_bytes / 2 / SCRATCH_INODE_BYTES * SCRATCH_INODE_BYTES;
	return MIN_OF(MAX_OF(bytes, SCRATCH_TMPFS_MIN_BYTES), SCRATCH_DISK_BYTES);
}

void scratchplan_make(const struct scratchplan_input *in, struct scratchplan *ret)
{
	uint64_t room = room_of(in);
	struct scratchplan plan = {
		.disk = in->kind == DYNO_SCRATCH_DISK,
		.bytes = in->bytes,
		.inodes = in->inodes,
		.asked = in->bytes || in->inodes,
		.room_bytes = room,
		.why = "asked for",
	};

	if (in->kind == DYNO_SCRATCH_AUTO)
		plan.disk = choose_disk(in, room, &plan.why);
	if (!plan.disk && in->no_tmpfs) {
		plan.disk = true;
		plan.why = "a tmpfs takes no user.* attributes here";
	}
	plan.unlimited = plan.disk && in->bytes >= DYNO_SCRATCH_NO_LIMIT;
	if (!plan.bytes)
		plan.bytes = plan.disk ? SCRATCH_DISK_BYTES : tmpfs_bytes(in, room);
	if (!plan.inodes)
		plan.inodes = default_inodes(plan.bytes);
	plan.over =
		!plan.disk && in->hard_bytes &&
		(plan.bytes > room || plan.inodes > (room - plan.bytes) / SCRATCH_INODE_COST_BYTES);
	*ret = plan;
}
