/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratchplan.h - where a dyno's writes go and how many they may be, from what was asked for and
 * from the room that its memory limits leave.  Pure.
 *
 * What is written to memory counts towards the dyno's memory.  An app that keeps to its quota shall
 * meet "no space left" when it writes too much, and never the OOM killer: all of its memory file
 * systems together may be no larger than what lies between the quota and the hard mark.
 */
#ifndef DYNO_SCRATCHPLAN_H
#define DYNO_SCRATCHPLAN_H

#include <stdbool.h>
#include <stdint.h>

#include <dyno.h>

/* A file in memory is an inode and a directory entry of the kernel, charged to the dyno.
 * Source: /proc/slabinfo: shmem_inode_cache 760 and dentry 192 bytes (Linux 6.18, x86-64) */
#define SCRATCH_INODE_COST_BYTES 1024U

/* Bytes per inode, where no number of inodes is given. Source: mke2fs.conf(5), inode_ratio */
#define SCRATCH_INODE_BYTES 16384U

/* Fewer inodes than that and the launch itself has too few. Source: measured, 40 and some room */
#define SCRATCH_INODES_MIN 128U

/* Without a quota for memory; with less room than that memory is not the place; and a default on
 * disk, where no published number exists (contract 2.12). Source: own choices */
#define SCRATCH_TMPFS_BYTES	(256ULL << 20)
#define SCRATCH_TMPFS_MIN_BYTES (16ULL << 20)
#define SCRATCH_DISK_BYTES	(4ULL << 30)

/**
 * struct scratchplan_input - what is asked for, and the memory.
 * @kind, @bytes, @inodes: as the user said; 0: the default
 * @no_tmpfs: no overlay can write to a tmpfs here
 * @quota_bytes, @hard_bytes: the memory the app may use, and that at which it is killed; 0: none
 * @other_bytes: of the dyno's other memory file systems: /dev/shm, --tmpfs
 */
struct scratchplan_input {
	enum dyno_scratch kind;
	uint64_t bytes;
	uint64_t inodes;
	bool no_tmpfs;
	uint64_t quota_bytes;
	uint64_t hard_bytes;
	uint64_t other_bytes;
};

/**
 * struct scratchplan - what it is to be.
 * @disk: else memory
 * @unlimited: on disk, knowingly
 * @bytes, @inodes: the limit, never 0
 * @asked: the limit is the user's word, not a default
 * @over: it is in memory, and larger than the room
 * @room_bytes: for memory file systems but the others; 0: none, or no limit
 * @why: the choice in words, static
 */
struct scratchplan {
	bool disk;
	bool unlimited;
	uint64_t bytes;
	uint64_t inodes;
	bool asked;
	bool over;
	uint64_t room_bytes;
	const char *why;
};

/** scratchplan_make() - the choice. */
void scratchplan_make(const struct scratchplan_input *in, struct scratchplan *ret);

#endif
