/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memwatch.h - watches the memory of one start of a dyno: above the quota, above the hard mark, or
 * killed for want of it.
 *
 * Theory of operation.  On v1 the kernel tells by an eventfd when what is charged passes the quota,
 * and when there is none left: a dyno that stays below costs nothing.  On v2 nobody tells of the
 * quota, so one number is read a period; and nobody needs to tell of a kill, as the whole group
 * goes at once (memory.oom.group).  What is charged has page cache in it: only when it is above the
 * quota is it looked what it is made of, which costs more, then once a period until it is below.  A
 * notification is answered once a period at most, so that a dyno that swings around its quota is no
 * work.
 */
#ifndef DYNO_MEMWATCH_H
#define DYNO_MEMWATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "kernel/cgroup.h"
#include "model/memmark.h"

/* How often R14 repeats, and memory is looked at. Source: CONTRACT 10.11, "about every 20 s" */
#define MEMWATCH_PERIOD_MS 20000U
/* A command that is younger is not watched yet: to be notified costs up to 13 ms (cgroup_oom.h).
 * Source: own choice */
#define MEMWATCH_ARM_MS 1000U
/* The kernel tells that it will kill, and does so afterwards: how long it is waited for, first and
 * in all. Source: own choice */
#define MEMWATCH_KILL_FIRST_MS 5U
#define MEMWATCH_KILL_LAST_MS  1000U

/** enum memwatch_what - what is told. */
enum memwatch_what {
	MEMWATCH_SOFT, /* above the quota: again each period */
	MEMWATCH_HARD, /* above the hard mark, where the kernel does not see to it */
	MEMWATCH_OOM,  /* the kernel has killed a process of it */
};

typedef void (*memwatch_fn)(void *data, enum memwatch_what what);

/**
 * struct memwatch - see above; zero-initialised and MEMWATCH_INIT watch nothing.
 * @scratch: there is one in memory
 * @scratch_fd: a directory on it, O_PATH, borrowed; negative: it is asked for by @init_pid
 * @mark: the marks, and what was seen last
 * @charged_fd, @oom_fd: eventfds; negative: none
 * @period_at_ms, @kill_at_ms: deadlines; UINT64_MAX: none
 * @kills: that are known
 * @wait_ms: for the kernel to kill
 */
struct memwatch {
	struct loop *loop;
	int timer;
	const struct cgroup_host *host;
	const char *leaf;
	bool scratch;
	int scratch_fd;
	int init_pid;
	memwatch_fn fn;
	void *data;
	struct memmark mark;
	bool on;
	bool armed;
	int charged_fd;
	int oom_fd;
	uint64_t period_at_ms;
	uint64_t kill_at_ms;
	uint64_t kills;
	uint64_t wait_ms;
};

#define MEMWATCH_INIT                                             \
	{                                                         \
		.scratch_fd = -9, .charged_fd = -9, .oom_fd = -9, \
	}

/**
 * memwatch_init() - once for a slot of a monitor. @fn: called from the loop, may stop the watch
 * Return: 0, -ENOSPC: the loop has no timer left.
 */
int memwatch_init(struct memwatch *w, struct loop *loop, memwatch_fn fn, void *data);

/**
 * struct memwatch_plan - what to watch; all borrowed until memwatch_stop().
 * @host, @leaf: the control group
 * @scratch, @scratch_fd: see struct memwatch
 * @init_pid: the dyno's pid 1, not reaped before memwatch_stop()
 * @quota_bytes, @hard_bytes: 0: no such mark
 */
struct memwatch_plan {
	const struct cgroup_host *host;
	const char *leaf;
	bool scratch;
	int scratch_fd;
	int init_pid;
	uint64_t quota_bytes;
	uint64_t hard_bytes;
};

/** memwatch_start() - the command runs: watch it in a while. Nothing happens without a memory
 * controller. It makes no system call but for the time. */
void memwatch_start(struct memwatch *w, const struct memwatch_plan *plan);

/** memwatch_stop() - no more; @mark stays. */
void memwatch_stop(struct memwatch *w);

/**
 * memwatch_sample() - what its memory is made of now.
 * Return: 0 or -errno, see cgroup_leaf_memory().
 */
int memwatch_sample(const struct memwatch *w, struct memmark_sample *ret);

#endif
