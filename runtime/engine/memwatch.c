/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/memwatch.h"

#include <errno.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/cgroup_oom.h"
#include "kernel/cgroup_stat.h"

#define NEVER UINT64_MAX

static void arm_timer(struct memwatch *w)
{
	loop_timer_arm(w->loop, w->timer, MIN_OF(w->period_at_ms, w->kill_at_ms));
}

/* An overlay answers for the file system of its upper directory. */
static int stat_scratch(const struct memwatch *w, struct statfs *ret)
{
	char path[32];

	if (w->scratch_fd >= 0)
		return fstatfs(w->scratch_fd, ret);
	(void)str_fmt(path, sizeof(path), "/proc/%d/root", w->init_pid);
	return statfs(path, ret);
}

/* Bytes in use of a scratch in memory; 0 where that cannot be told. */
static uint64_t scratch_bytes(const struct memwatch *w)
{
	struct statfs fs;

	if (!w->scratch || stat_scratch(w, &fs) != 0 || fs.f_bfree > fs.f_blocks)
		return 0;
	return (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize;
}

int memwatch_sample(const struct memwatch *w, struct memmark_sample *ret)
{
	struct cgroup_stat stat;
	int r = w->host ? cgroup_leaf_memory(w->host, w->leaf, &stat) : -EOPNOTSUPP;

	if (r < 0)
		return r;
	*ret = (struct memmark_sample){
		.at_ms = clock_ms(),
		.anon_bytes = stat.anon_bytes,
		.shmem_bytes = stat.shmem_bytes,
		.scratch_bytes = scratch_bytes(w),
		.swap_bytes = stat.swap_bytes,
		.file_bytes = stat.file_bytes,
		.kernel_bytes = stat.kernel_bytes,
	};
	return 0;
}

/* ---- the quota ------------------------------------------------------------------------------- */

static void on_charged(struct loop *loop, int fd, short revents, void *data);

/* What is charged is at or below the quota: the next word is the kernel's, where it has one. */
static void wait_for_charge(struct memwatch *w)
{
	if (w->charged_fd >= 0 && loop_add(w->loop, w->charged_fd, POLLIN, on_charged, w) == 0)
		w->period_at_ms = NEVER;
	else
		w->period_at_ms = clock_ms() + MEMWATCH_PERIOD_MS;
}

static void look_closely(struct memwatch *w)
{
	struct memmark_sample sample;
	enum memmark_level level;

	if (memwatch_sample(w, &sample) < 0)
		return;
	level = memmark_judge(&w->mark, &sample);
	if (level == MEMMARK_BELOW) {
		memmark_forget(&w->mark);
		return;
	}
	memmark_add(&w->mark, &sample);
	w->fn(w->data, level == MEMMARK_HARD ? MEMWATCH_HARD : MEMWATCH_SOFT);
}

static void look(struct memwatch *w)
{
	uint64_t counter, charged = 0;
	uint64_t low = w->mark.quota_bytes ? w->mark.quota_bytes : w->mark.hard_bytes;

	/* Read out before it is looked, so that what happens meanwhile is told again. */
	if (w->charged_fd >= 0 && read(w->charged_fd, &counter, sizeof(counter)) < 0)
		counter = 0; /* nothing was told */
	if (low == 0) {
		w->period_at_ms = NEVER; /* no mark: only kills are told */
		return;
	}
	if (cgroup_leaf_charged(w->host, w->leaf, &charged) < 0 || charged <= low) {
		memmark_forget(&w->mark);
		wait_for_charge(w);
		return;
	}
	w->period_at_ms = clock_ms() + MEMWATCH_PERIOD_MS;
	look_closely(w);
}

static void on_charged(struct loop *loop, int fd, short revents, void *data)
{
	struct memwatch *w = data;

	(void)revents;
	loop_remove(loop, fd); /* until the period is over */
	look(w);
	if (w->on)
		arm_timer(w);
}

/* ---- kills ----------------------------------------------------------------------------------- */

static void on_oom(struct loop *loop, int fd, short revents, void *data);

static void wait_for_oom(struct memwatch *w)
{
	w->kill_at_ms = NEVER;
	if (w->oom_fd >= 0)
		(void)loop_add(w->loop, w->oom_fd, POLLIN, on_oom, w); /* else the exit tells */
}

/* The kernel tells before it kills: it is looked again until it has, or has found memory. */
static void look_for_kill(struct memwatch *w)
{
	uint64_t counter;
	struct cgroup_oom oom;

	if (w->oom_fd >= 0 && read(w->oom_fd, &counter, sizeof(counter)) < 0)
		counter = 0; /* nothing was told */
	if (cgroup_leaf_oom(w->host, w->leaf, &oom) == 0 && oom.kills > w->kills) {
		w->kills = oom.kills;
		wait_for_oom(w);
		w->fn(w->data, MEMWATCH_OOM);
		return;
	}
	if (w->wait_ms > MEMWATCH_KILL_LAST_MS) {
		wait_for_oom(w);
		return;
	}
	w->kill_at_ms = clock_ms() + w->wait_ms;
	w->wait_ms *= 2;
}

static void on_oom(struct loop *loop, int fd, short revents, void *data)
{
	struct memwatch *w = data;

	(void)revents;
	loop_remove(loop, fd);
	w->wait_ms = MEMWATCH_KILL_FIRST_MS;
	look_for_kill(w);
	if (w->on)
		arm_timer(w);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static void arm(struct memwatch *w)
{
	struct cgroup_oom oom;
	int fd;

	w->armed = true;
	fd = cgroup_notify_oom(w->host, w->leaf);
	if (fd >= 0) {
		w->oom_fd = fd;
		wait_for_oom(w);
	}
	if (w->mark.quota_bytes != 0) {
		fd = cgroup_notify_charged(w->host, w->leaf, w->mark.quota_bytes);
		if (fd >= 0)
			w->charged_fd = fd; /* else it is looked each period */
	}
	/* A process may have been killed before anybody was told; where the main one was not, nobody
	 * else will tell. */
	if (w->oom_fd >= 0 && cgroup_leaf_oom(w->host, w->leaf, &oom) == 0 &&
	    oom.kills > w->kills) {
		w->kills = oom.kills;
		w->fn(w->data, MEMWATCH_OOM);
	}
}

static void on_timer(struct loop *loop, void *data)
{
	struct memwatch *w = data;
	uint64_t now = clock_ms();

	(void)loop;
	if (w->on && !w->armed)
		arm(w);
	if (w->on && w->period_at_ms <= now)
		look(w);
	if (w->on && w->kill_at_ms <= now)
		look_for_kill(w);
	if (w->on)
		arm_timer(w);
}

int memwatch_init(struct memwatch *w, struct loop *loop, memwatch_fn fn, void *data)
{
	int timer = loop_timer_add(loop, on_timer, w);

	if (timer < 0)
		return timer;
	*w = (struct memwatch)MEMWATCH_INIT;
	w->loop = loop;
	w->timer = timer;
	w->fn = fn;
	w->data = data;
	return 0;
}

void memwatch_start(struct memwatch *w, const struct memwatch_plan *plan)
{
	if (!plan->host || plan->host->kind == CGROUP_NONE ||
	    !(plan->host->controllers & CGROUP_HAS_MEMORY))
		return;
	memmark_init(&w->mark, plan->quota_bytes, plan->hard_bytes);
	w->host = plan->host;
	w->leaf = plan->leaf;
	w->scratch = plan->scratch;
	w->scratch_fd = plan->scratch_fd;
	w->init_pid = plan->init_pid;
	w->on = true;
	w->armed = false;
	w->kills = 0;
	w->kill_at_ms = NEVER;
	w->period_at_ms = clock_ms() + MEMWATCH_ARM_MS;
	arm_timer(w);
}

void memwatch_stop(struct memwatch *w)
{
	if (!w->loop)
		return;
	w->on = false;
	loop_remove(w->loop, w->charged_fd);
	loop_remove(w->loop, w->oom_fd);
	close_fdp(&w->charged_fd);
	close_fdp(&w->oom_fd);
	loop_timer_disarm(w->loop, w->timer);
}
