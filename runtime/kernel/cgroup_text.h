/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_text.h - the texts in which the kernel counts what a leaf did, read into struct
 * cgroup_stat: lines of "WORD NUMBER" (memory.stat), and of "WORD KEY=NUMBER ..." (io.stat,
 * *.pressure).  Words that are not known are passed over, as the kernel adds new ones.  Pure.
 *
 * Not here: which file has what, and on which version of control groups.
 */
#ifndef DYNO_CGROUP_TEXT_H
#define DYNO_CGROUP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/cgroup_stat.h"

/**
 * struct cgroup_key - one number of a text.
 * @word: what stands before it
 * @at: offset of its field in struct cgroup_stat, added to (so that parts of a sum may share one)
 * @divisor: of the number, to have the unit of the field; 0: 1
 * @needed: without it the text is not what it should be
 */
struct cgroup_key {
	const char *word;
	size_t at;
	unsigned int divisor;
	bool needed;
};

/** cgroup_stat_add() - add to the field at an offset; stops at the largest number. */
void cgroup_stat_add(struct cgroup_stat *stat, size_t at, uint64_t n);

/**
 * cgroup_text_lines() - lines of "WORD NUMBER".
 * @text: with a NUL behind it
 * @keys, @n: the words that count; at most 32
 * @stat: added to; of no use after an error
 * Return: 0; -EINVAL: a word that is needed is missing, or a number is none.
 */
int cgroup_text_lines(const char *text, const struct cgroup_key *keys, size_t n,
		      struct cgroup_stat *stat);

/**
 * cgroup_text_io() - io.stat: the numbers of all devices together.  As cgroup_text_lines().
 * @text: is cut up
 */
int cgroup_text_io(char *text, const struct cgroup_key *keys, size_t n, struct cgroup_stat *stat);

/**
 * cgroup_text_io_v1() - a file of blkio: lines of "254:0 Read 4096", ended by one of all devices,
 * "Total 4096".
 * @text: is cut up
 * @reads_at, @writes_at: offsets of the fields
 * Return: 0; -EINVAL: it has another form, or no end.
 */
int cgroup_text_io_v1(char *text, size_t reads_at, size_t writes_at, struct cgroup_stat *stat);

/**
 * cgroup_text_psi() - a pressure file.
 * @text: is cut up
 * @ret: untouched on failure
 * Return: 0; -EINVAL. "full" may be missing, as for cpu before Linux 5.13.
 */
int cgroup_text_psi(char *text, struct cgroup_psi *ret);

#endif
