/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memmark.h - memory against its two marks: what counts for the quota (R14) and what for the hard
 * mark (R15), how fast it grows, and when it will be at the mark.  Pure: samples come from a
 * control group, what they lead to is supervise.h's business.
 *
 * Counted for the quota is what processes hold: their own memory, memory they share (/dev/shm,
 * tmpfs mounts) and what of these is in swap, without the files of a scratch in memory, which has a
 * limit of its own.  The hard mark holds for the scratch too.  Page cache counts for neither: the
 * kernel takes it back when it is needed.  Source: CONTRACT 11.3, of its two texts that of R15
 */
#ifndef DYNO_MEMMARK_H
#define DYNO_MEMMARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Samples that growth is told from: at one each 20 s the last minute. Source: own choice */
#define MEMMARK_PAST 4

/* Files that are named. Source: own choice, they stand in one line */
#define MEMMARK_FILES 3

/* Longest path that is kept of one; a longer one is cut. Source: own choice, as above */
#define MEMMARK_PATH_BYTES 256

/**
 * struct memmark_sample - a moment; 0 where the host does not tell.
 * @at_ms: of any clock that does not go back
 * @anon_bytes: memory of processes
 * @shmem_bytes: files in memory: shared memory and tmpfs, the scratch among them
 * @scratch_bytes: of a scratch in memory
 * @swap_bytes: of these in swap
 * @file_bytes: page cache
 * @kernel_bytes: of the kernel for the dyno
 */
struct memmark_sample {
	uint64_t at_ms;
	uint64_t anon_bytes;
	uint64_t shmem_bytes;
	uint64_t scratch_bytes;
	uint64_t swap_bytes;
	uint64_t file_bytes;
	uint64_t kernel_bytes;
};

/** enum memmark_level - which mark a sample is above. */
enum memmark_level { MEMMARK_BELOW, MEMMARK_SOFT, MEMMARK_HARD };

/**
 * struct memmark_file - one of the biggest files of a scratch in memory.
 * @path: as the dyno sees it, control bytes escaped
 */
struct memmark_file {
	uint64_t bytes;
	char path[MEMMARK_PATH_BYTES];
};

/**
 * struct memmark - marks and the last samples; set up by memmark_init().
 * @quota_bytes, @hard_bytes: 0: no such mark
 * @past, @n: what was charged, oldest first
 * @last: the newest sample
 * @files: biggest first; 0 bytes: none
 */
struct memmark {
	uint64_t quota_bytes;
	uint64_t hard_bytes;
	struct {
		uint64_t at_ms;
		uint64_t bytes;
	} past[MEMMARK_PAST];
	size_t n;
	struct memmark_sample last;
	struct memmark_file files[MEMMARK_FILES];
};

void memmark_init(struct memmark *m, uint64_t quota_bytes, uint64_t hard_bytes);

/** memmark_quota_use() - what counts for the quota. */
uint64_t memmark_quota_use(const struct memmark_sample *sample);

/** memmark_hard_use() - what counts for the hard mark. */
uint64_t memmark_hard_use(const struct memmark_sample *sample);

/** memmark_judge() - which mark a sample is above. */
enum memmark_level memmark_judge(const struct memmark *m, const struct memmark_sample *sample);

/** memmark_add() - keep a sample, for growth. Times that go back begin anew. */
void memmark_add(struct memmark *m, const struct memmark_sample *sample);

/** memmark_forget() - it is below the quota again: the next samples have nothing to do with these. */
void memmark_forget(struct memmark *m);

/**
 * memmark_growth() - bytes a second over the samples kept; negative: it shrinks.
 * Return: false where there are less than two.
 */
bool memmark_growth(const struct memmark *m, int64_t *ret);

/**
 * memmark_hard_in() - when the hard mark is reached at the present growth, from the last sample on.
 * Return: false: it is not in sight.
 */
bool memmark_hard_in(const struct memmark *m, uint64_t *ret_ms);

/** memmark_file_add() - a file of the scratch: kept if it is among the biggest. @path: raw bytes;
 * @prefix: before it */
void memmark_file_add(struct memmark *m, const char *prefix, const char *path, uint64_t bytes);

/**
 * memmark_text() - what it is made of, in words: "processes 430 MB, files in memory 90 MB; growing
 * 3.0 MB a second, hard limit in about 40 s; biggest /app/tmp/x, 80 MB".
 * @buf: receives at most @size - 1 bytes and a NUL
 * Return: the length of the whole text.
 */
size_t memmark_text(const struct memmark *m, char *buf, size_t size);

#endif
