/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_mem.c - what memory does to a dyno: R14, R15, kills by the kernel, and their causes. */
#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/monitor_internal.h"
#include "kernel/cgroup_oom.h"
#include "kernel/oomlog.h"

/* Bounds of the look for the biggest files, which holds up the monitor. Source: own choice */
#define MEM_WALK_MAX_CHANGES 4096U
#define MEM_WALK_MAX_MS	     50U
/* So many are looked at however long it takes: a busy machine is no reason to name none. */
#define MEM_WALK_MIN_CHANGES 256U
/* A scratch that is a smaller part of all is not the cause: one in so many. Source: own choice */
#define MEM_WALK_SHARE 10U
/* Only the first of R14 tell the cause: with the second growth is known. Source: own choice */
#define MEM_CAUSE_LINES 2U

/* ---- what it is made of ---------------------------------------------------------------------- */

struct biggest {
	struct memmark *mark;
	const char *prefix;
	unsigned int changes;
	uint64_t until_ms;
};

static int take_file(void *data, const struct upper_change *change)
{
	struct biggest *b = data;

	if (b->changes == MEM_WALK_MAX_CHANGES ||
	    (b->changes >= MEM_WALK_MIN_CHANGES && clock_ms() >= b->until_ms))
		return 1;
	b->changes++;
	if (change->bytes > 0)
		memmark_file_add(b->mark, b->prefix, change->path, change->bytes);
	return 0;
}

static void find_biggest(struct slot *slot)
{
	struct memmark *mark = &slot->mem.mark;
	struct biggest b = {.mark = mark, .until_ms = clock_ms() + MEM_WALK_MAX_MS};
	struct receipt_source sources[LAUNCH_UPPERS];
	struct dyno_err ignored;
	size_t n;

	for (size_t i = 0; i < MEMMARK_FILES; i++)
		mark->files[i] = (struct memmark_file){0};
	if (mark->last.scratch_bytes < memmark_hard_use(&mark->last) / MEM_WALK_SHARE ||
	    mark->last.scratch_bytes == 0)
		return;
	n = gen_sources(&slot->gen, sources);
	for (size_t i = 0; i < n; i++) {
		struct upper_opts opts = sources[i].opts;

		/* What it was before is no matter: nothing is compared. */
		opts.n_lowers = 0;
		opts.compare_bytes = 0;
		b.prefix = sources[i].prefix;
		/* A cause that was not found is only not named. */
		(void)upper_walk(sources[i].upper_fd, &opts, take_file, &b, &ignored);
	}
}

static void json_made_of(const struct memmark_sample *s, struct sbuf *b)
{
	json_u64(b, "used_bytes", memmark_quota_use(s));
	json_u64(b, "anon_bytes", s->anon_bytes);
	json_u64(b, "shmem_bytes", s->shmem_bytes);
	json_u64(b, "scratch_bytes", s->scratch_bytes);
	json_u64(b, "swap_bytes", s->swap_bytes);
	json_u64(b, "cache_bytes", s->file_bytes);
	json_u64(b, "kernel_bytes", s->kernel_bytes);
}

static void json_mark(struct sbuf *b, const char *name, uint64_t bytes)
{
	if (bytes)
		json_u64(b, name, bytes);
	else
		json_unknown(b, name);
}

static void json_cause(const struct memmark *m, struct sbuf *b)
{
	int64_t growth = 0;
	uint64_t ms = 0;

	if (memmark_growth(m, &growth))
		json_i64(b, "growth_bytes_per_s", growth);
	else
		json_unknown(b, "growth_bytes_per_s");
	if (memmark_hard_in(m, &ms))
		json_u64(b, "hard_in_ms", ms);
	else
		json_unknown(b, "hard_in_ms");
	json_open(b, "biggest", '[');
	for (size_t i = 0; i < MEMMARK_FILES && m->files[i].bytes; i++) {
		json_open(b, NULL, '{');
		json_str(b, "path", m->files[i].path);
		json_u64(b, "bytes", m->files[i].bytes);
		json_close(b, '}');
	}
	json_close(b, ']');
}

void mem_json(const struct slot *slot, const struct memmark_sample *sample, struct sbuf *b)
{
	const struct memmark *m = &slot->mem.mark;

	json_mark(b, "quota_bytes", m->quota_bytes);
	json_mark(b, "hard_bytes", m->hard_bytes);
	json_made_of(sample, b);
	json_cause(m, b);
}

void mem_inspect(const struct slot *slot, struct sbuf *b)
{
	struct memmark_sample sample;

	/* Not yet executed, no control group, or it is going. */
	if (!slot->started || memwatch_sample(&slot->mem, &sample) < 0) {
		json_unknown(b, "memory");
		return;
	}
	json_open(b, "memory", '{');
	mem_json(slot, &sample, b);
	json_close(b, '}');
}

/* ---- kills ----------------------------------------------------------------------------------- */

/* The kernel's log has more than the counters, where it can be read. */
static void ask_log(const struct slot *slot, struct mem_oom *oom)
{
	static const enum mem_limit limits[] = {
		[OOMLOG_OWN] = MEM_LIMIT_DYNO,
		[OOMLOG_PARENT] = MEM_LIMIT_PARENT,
		[OOMLOG_HOST] = MEM_LIMIT_HOST,
		[OOMLOG_GROUP] = MEM_LIMIT_UNKNOWN,
	};
	const struct generation *gen = &slot->gen;
	/* Rootless the user may have other processes of that uid. */
	const struct oomlog_who who = {
		.leaf = gen->leaf_name,
		.uid = gen->app->rootless ? OOMLOG_NO_UID : gen->base + gen->uid,
	};
	int kept = slot->m->plan->oomlog_fd;
	_cleanup_close_ int own = kept >= 0 ? -EBADF : oomlog_open();
	int fd = kept >= 0 ? kept : own;
	struct oomlog_kill kill;

	if (fd < 0 || oomlog_find(fd, &who, kept < 0, slot->mem_since_us, &kill) < 0)
		return;
	/* Which of the groups it was the counters know, as far as they do. */
	if (kill.limit != OOMLOG_GROUP)
		oom->limit = limits[kill.limit];
	oom->pid = kill.pid;
	(void)str_escape(oom->comm, sizeof(oom->comm), kill.comm);
	(void)str_escape(oom->group, sizeof(oom->group), kill.group);
}

/* What the dyno itself had, where that was not the cause. */
static void describe_peak(const struct mem_oom *oom, char *buf, size_t size)
{
	char bytes[16];

	if (oom->peak_bytes)
		(void)str_fmt(buf, size, "; the dyno had %s at most",
			      num_format_size(bytes, oom->peak_bytes));
}

/* "Out of memory: " stands before it. */
static void describe(struct mem_oom *oom, uint64_t limit_bytes)
{
	const char *whom = oom->comm[0] ? oom->comm : "a process";
	char where[sizeof(oom->group) + 64] = "";
	char peak[64] = "";
	char size[16];

	switch (oom->limit) {
	case MEM_LIMIT_DYNO:
		(void)str_fmt(where, sizeof(where), " at the dyno's own limit of %s",
			      num_format_size(size, limit_bytes));
		break;
	case MEM_LIMIT_PARENT:
		(void)str_fmt(where, sizeof(where), " at the limit of the control group %s above",
			      oom->group);
		break;
	case MEM_LIMIT_HOST:
		(void)str_fmt(where, sizeof(where), ": the host has no memory left");
		break;
	case MEM_LIMIT_ABOVE:
		(void)str_fmt(where, sizeof(where),
			      " at a limit above the dyno's own, or the host's");
		break;
	case MEM_LIMIT_UNKNOWN:
	case _MEM_LIMIT_MAX:
		break;
	}
	if (oom->limit != MEM_LIMIT_DYNO)
		describe_peak(oom, peak, sizeof(peak));
	(void)str_fmt(oom->text, sizeof(oom->text), "the kernel killed %s%s%s", whom, where, peak);
}

bool mem_find_oom(struct slot *slot)
{
	static const enum mem_limit limits[] = {
		[CGROUP_LIMIT_UNKNOWN] = MEM_LIMIT_UNKNOWN,
		[CGROUP_LIMIT_OWN] = MEM_LIMIT_DYNO,
		[CGROUP_LIMIT_ABOVE] = MEM_LIMIT_ABOVE,
	};
	const struct launch *l = &slot->gen.launch;
	struct mem_oom *oom = &slot->oom;
	struct cgroup_oom counted;

	if (oom->kills > 0)
		return true;
	if (!l->cgroups || l->leaf.kind == CGROUP_NONE ||
	    cgroup_leaf_oom(l->cgroups, l->leaf_name, &counted) < 0 || counted.kills == 0)
		return false;
	oom->kills = counted.kills;
	oom->peak_bytes = counted.peak_bytes;
	oom->limit = limits[counted.limit];
	ask_log(slot, oom);
	describe(oom, slot->gen.spec.limits.memory_swap_bytes);
	tell_oom(slot->m, slot);
	return true;
}

bool mem_oom_beyond(const struct slot *slot)
{
	return slot->oom.limit != MEM_LIMIT_DYNO && slot->oom.limit != MEM_LIMIT_UNKNOWN;
}

const char *mem_limit_name(enum mem_limit limit)
{
	static const char *const names[] = {
		[MEM_LIMIT_UNKNOWN] = NULL,    [MEM_LIMIT_DYNO] = "dyno",
		[MEM_LIMIT_PARENT] = "parent", [MEM_LIMIT_HOST] = "host",
		[MEM_LIMIT_ABOVE] = "above",
	};

	return names[limit];
}

/* ---- the watch ------------------------------------------------------------------------------- */

static void on_oom(struct slot *slot)
{
	struct sup_event_info info = {
		.event = SUP_MEM_HARD,
		.gen = slot->gen.id,
		.now_ms = clock_ms(),
		.oom = true,
	};

	if (!mem_find_oom(slot))
		return;
	info.oom_beyond = mem_oom_beyond(slot);
	mon_feed(slot->m, &info);
}

static void on_memory(void *data, enum memwatch_what what)
{
	struct slot *slot = data;
	struct monitor *m = slot->m;

	if (what == MEMWATCH_OOM) {
		on_oom(slot);
	} else {
		find_biggest(slot);
		tell_memory(m, slot, what == MEMWATCH_HARD);
		mon_event(m, what == MEMWATCH_HARD ? SUP_MEM_HARD : SUP_MEM_SOFT, slot->gen.id);
	}
	mon_settle(m);
}

int mem_init(struct slot *slot)
{
	return memwatch_init(&slot->mem, &slot->m->loop, on_memory, slot);
}

void mem_start(struct slot *slot)
{
	const struct limits *limits = &slot->gen.app->limits;

	slot->mem_since_us = clock_ns() / 1000;
	memwatch_start(&slot->mem, &(struct memwatch_plan){
					   .host = slot->gen.launch.cgroups,
					   .leaf = slot->gen.leaf_name,
					   .scratch = slot->gen.spec.root.upper == SPEC_UPPER_TMPFS,
					   .scratch_fd = slot->gen.launch.upper_fds[0],
					   .init_pid = slot->gen.launch.pid,
					   .quota_bytes = limits->memory_bytes,
					   .hard_bytes = limits->hard_bytes,
				   });
}

void mem_stop(struct slot *slot)
{
	memwatch_stop(&slot->mem);
}

bool mem_line(const struct slot *slot, enum line_id line, struct line_args *args, char *buf,
	      size_t size)
{
	const struct memmark *m = &slot->mem.mark;

	args->mem_bytes = memmark_quota_use(&m->last);
	args->quota_bytes = m->quota_bytes;
	if (line == LINE_OOM) {
		args->text = slot->oom.text;
	} else if (line == LINE_MEMORY_CAUSE) {
		args->text = buf;
		(void)memmark_text(m, buf, size); /* cut, as any record */
		return buf[0] && m->n <= MEM_CAUSE_LINES;
	}
	return true;
}
