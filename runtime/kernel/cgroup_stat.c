/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_stat.c - reads the counters of a leaf, see cgroup_stat.h.
 *
 * Theory of operation: each part (CPU, memory, ...) is read into a copy that counts only once all
 * its texts were there and whole, so that a part is told completely or not at all.  Which files make
 * a part, and which of their words count, stands here; how texts are read, in cgroup_text.h.
 */
#include "kernel/cgroup_stat.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/str.h"
#include "kernel/cgroup_priv.h"
#include "kernel/cgroup_text.h"

/* Longest text. Source: memory.stat of 6.18 is 2.3 KB; io.stat has up to 150 bytes a device: a
 * hundred devices. What is longer is not told rather than told in part. */
#define TEXT_BYTES ((size_t)16 << 10)

/* Nanoseconds in a microsecond. */
#define NSEC	    1000U

#define FIELD(name) offsetof(struct cgroup_stat, name)

static const struct cgroup_key cpu_v2[] = {
	{"usage_usec", FIELD(cpu_usec), 0, true},
	{"user_usec", FIELD(user_usec), 0, true},
	{"system_usec", FIELD(system_usec), 0, true},
};

static const struct cgroup_key throttle_v2[] = {
	{"nr_periods", FIELD(cpu_periods), 0, true},
	{"nr_throttled", FIELD(cpu_throttled), 0, true},
	{"throttled_usec", FIELD(cpu_throttled_usec), 0, true},
};

static const struct cgroup_key throttle_v1[] = {
	{"nr_periods", FIELD(cpu_periods), 0, true},
	{"nr_throttled", FIELD(cpu_throttled), 0, true},
	{"throttled_time", FIELD(cpu_throttled_usec), NSEC, true},
};

/* The "file" of v2 and the "cache" of v1 hold shmem too, which is taken out afterwards. */
static const struct cgroup_key memory_v2[] = {
	{"anon", FIELD(anon_bytes), 0, true},
	{"file", FIELD(file_bytes), 0, true},
	{"shmem", FIELD(shmem_bytes), 0, true},
};

/* Linux 5.18 has the sum, older ones its parts. Source: cgroup-v2.rst, memory.stat. */
static const struct cgroup_key kernel_v2[] = {{"kernel", FIELD(kernel_bytes), 0, true}};

static const struct cgroup_key kernel_parts_v2[] = {
	{"kernel_stack", FIELD(kernel_bytes), 0, true},
	{"pagetables", FIELD(kernel_bytes), 0, false},
	{"percpu", FIELD(kernel_bytes), 0, false},
	{"slab", FIELD(kernel_bytes), 0, true},
};

/* The sums with groups below it, of which a tool in the dyno may have made some. */
static const struct cgroup_key memory_v1[] = {
	{"total_rss", FIELD(anon_bytes), 0, true},    {"total_cache", FIELD(file_bytes), 0, true},
	{"total_shmem", FIELD(shmem_bytes), 0, true}, {"total_pgpgin", FIELD(pgpgin), 0, false},
	{"total_pgpgout", FIELD(pgpgout), 0, false},
};

static const struct cgroup_key swap_v1[] = {{"total_swap", FIELD(swap_bytes), 0, true}};

static const struct cgroup_key oom_v2[] = {
	{"oom", FIELD(ooms), 0, true},
	{"oom_kill", FIELD(oom_kills), 0, true},
};

static const struct cgroup_key oom_v1[] = {{"oom_kill", FIELD(oom_kills), 0, true}};

static const struct cgroup_key pids_denied[] = {{"max", FIELD(pids_denied), 0, true}};

static const struct cgroup_key io_v2[] = {
	{"rbytes", FIELD(io_read_bytes), 0, false},
	{"wbytes", FIELD(io_write_bytes), 0, false},
	{"rios", FIELD(io_reads), 0, false},
	{"wios", FIELD(io_writes), 0, false},
};

/* ---- files ----------------------------------------------------------------------------------- */

/**
 * struct reader - a leaf that is being read.
 * @home: see struct cgroup_host
 * @text: the file read last
 */
struct reader {
	const struct cgroup_host *host;
	const char *name;
	struct cgroup_stat *stat;
	bool v2;
	char text[TEXT_BYTES];
};

/* Return: 0; -EFBIG; -errno. */
static int read_text(struct reader *r, enum cgroup_tree tree, const char *file)
{
	ssize_t n;

	if (r->host->parent_fd[tree] < 0)
		return -ENOENT;
	n = cgroup_leaf_read(r->host, tree, r->name, file, r->text, sizeof(r->text));
	if (n < 0)
		return (int)n;
	return (size_t)n < sizeof(r->text) - 1 ? 0 : -EFBIG;
}

static int read_keys(struct reader *r, enum cgroup_tree tree, const char *file,
		     const struct cgroup_key *keys, size_t n, struct cgroup_stat *stat)
{
	int e = read_text(r, tree, file);

	return e < 0 ? e : cgroup_text_lines(r->text, keys, n, stat);
}

/* One number alone, added to the field at @at. */
static int read_number(struct reader *r, enum cgroup_tree tree, const char *file, size_t at,
		       unsigned int divisor, struct cgroup_stat *stat)
{
	int e = read_text(r, tree, file);
	char *rest = r->text;
	uint64_t n;

	if (e < 0)
		return e;
	e = num_parse_u64(strsep(&rest, "\n"), UINT64_MAX, &n);
	if (e < 0)
		return e;
	cgroup_stat_add(stat, at, n / divisor);
	return 0;
}

#define KEYS(keys) keys, ARRAY_SIZE(keys)

/* Try a step on a copy, which becomes @stat with @bit where it went well. */
typedef int (*part_fn)(struct reader *r, struct cgroup_stat *stat);

static void take_part(struct reader *r, part_fn fn, unsigned int bit)
{
	struct cgroup_stat copy = *r->stat;

	if (fn(r, &copy) < 0)
		return;
	copy.has |= bit;
	*r->stat = copy;
}

static enum cgroup_tree home(const struct reader *r, enum cgroup_tree controller)
{
	return r->host->home[controller];
}

static int part_cpu(struct reader *r, struct cgroup_stat *stat)
{
	enum cgroup_tree tree;
	int e;

	/* Every group of a v2 tree counts, with and without the controller. */
	if (r->host->parent_fd[CGROUP_TREE_UNIFIED] >= 0)
		return read_keys(r, CGROUP_TREE_UNIFIED, "cpu.stat", KEYS(cpu_v2), stat);

	tree = home(r, CGROUP_TREE_CPUACCT);
	e = read_number(r, tree, "cpuacct.usage", FIELD(cpu_usec), NSEC, stat);
	if (e == 0)
		e = read_number(r, tree, "cpuacct.usage_user", FIELD(user_usec), NSEC, stat);
	if (e == 0)
		e = read_number(r, tree, "cpuacct.usage_sys", FIELD(system_usec), NSEC, stat);
	return e;
}

static int part_throttle(struct reader *r, struct cgroup_stat *stat)
{
	if (r->v2)
		return read_keys(r, CGROUP_TREE_UNIFIED, "cpu.stat", KEYS(throttle_v2), stat);
	return read_keys(r, home(r, CGROUP_TREE_CPU), "cpu.stat", KEYS(throttle_v1), stat);
}

/* Memory of the kernel for the leaf, out of the memory.stat in @r; 0 where it is not told. */
static void take_kernel_v2(const struct reader *r, struct cgroup_stat *stat)
{
	struct cgroup_stat sum = {0}, parts = {0};

	if (cgroup_text_lines(r->text, KEYS(kernel_v2), &sum) == 0)
		stat->kernel_bytes = sum.kernel_bytes;
	else if (cgroup_text_lines(r->text, KEYS(kernel_parts_v2), &parts) == 0)
		stat->kernel_bytes = parts.kernel_bytes;
}

static int part_memory_v2(struct reader *r, struct cgroup_stat *stat)
{
	const enum cgroup_tree tree = CGROUP_TREE_UNIFIED;
	int e = read_number(r, tree, "memory.current", FIELD(memory_bytes), 1, stat);

	if (e == 0)
		e = read_keys(r, tree, "memory.stat", KEYS(memory_v2), stat);
	if (e == 0)
		take_kernel_v2(r, stat);
	return e;
}

static int part_memory_v1(struct reader *r, struct cgroup_stat *stat)
{
	const enum cgroup_tree tree = home(r, CGROUP_TREE_MEMORY);
	int e = read_number(r, tree, "memory.usage_in_bytes", FIELD(memory_bytes), 1, stat);

	if (e == 0)
		e = read_keys(r, tree, "memory.stat", KEYS(memory_v1), stat);
	if (e < 0)
		return e;
	/* Booted with swapaccount=0 there is no such line. */
	if (cgroup_text_lines(r->text, KEYS(swap_v1), stat) == 0)
		stat->has |= CGROUP_STAT_SWAP;
	/* Not counted apart where booted with cgroup.memory=nokmem. */
	(void)read_number(r, tree, "memory.kmem.usage_in_bytes", FIELD(kernel_bytes), 1, stat);
	return 0;
}

/* memory.stat is the costly one of all files (the kernel sums up what each CPU has): read once. */
static int part_memory(struct reader *r, struct cgroup_stat *stat)
{
	int e = r->v2 ? part_memory_v2(r, stat) : part_memory_v1(r, stat);

	if (e < 0)
		return e;
	stat->file_bytes -= MIN_OF(stat->shmem_bytes, stat->file_bytes);
	return 0;
}

static int part_swap_v2(struct reader *r, struct cgroup_stat *stat)
{
	if (!r->v2)
		return -EOPNOTSUPP;
	return read_number(r, CGROUP_TREE_UNIFIED, "memory.swap.current", FIELD(swap_bytes), 1,
			   stat);
}

static int part_peak(struct reader *r, struct cgroup_stat *stat)
{
	return read_number(r, home(r, CGROUP_TREE_MEMORY),
			   r->v2 ? "memory.peak" : "memory.max_usage_in_bytes",
			   FIELD(memory_peak_bytes), 1, stat);
}

static int part_oom(struct reader *r, struct cgroup_stat *stat)
{
	const enum cgroup_tree tree = home(r, CGROUP_TREE_MEMORY);

	if (r->v2)
		return read_keys(r, tree, "memory.events", KEYS(oom_v2), stat);
	return read_keys(r, tree, "memory.oom_control", KEYS(oom_v1), stat);
}

static int part_pids(struct reader *r, struct cgroup_stat *stat)
{
	const enum cgroup_tree tree = home(r, CGROUP_TREE_PIDS);
	int e = read_number(r, tree, "pids.current", FIELD(pids), 1, stat);

	return e < 0 ? e : read_keys(r, tree, "pids.events", KEYS(pids_denied), stat);
}

/* Linux 6.11. */
static int part_pids_peak(struct reader *r, struct cgroup_stat *stat)
{
	return read_number(r, home(r, CGROUP_TREE_PIDS), "pids.peak", FIELD(pids_peak), 1, stat);
}

/* What all disks together have done, by what the file counts. */
static int read_io_v1(struct reader *r, const char *file, size_t reads_at, size_t writes_at,
		      struct cgroup_stat *stat)
{
	int e = read_text(r, home(r, CGROUP_TREE_IO), file);

	return e < 0 ? e : cgroup_text_io_v1(r->text, reads_at, writes_at, stat);
}

static int part_io(struct reader *r, struct cgroup_stat *stat)
{
	int e;

	if (r->v2) {
		e = read_text(r, CGROUP_TREE_UNIFIED, "io.stat");
		return e < 0 ? e : cgroup_text_io(r->text, KEYS(io_v2), stat);
	}
	if ((r->host->controllers & CGROUP_HAS_IO) == 0)
		return -EOPNOTSUPP;
	e = read_io_v1(r, "blkio.throttle.io_service_bytes_recursive", FIELD(io_read_bytes),
		       FIELD(io_write_bytes), stat);
	return e < 0 ? e
		     : read_io_v1(r, "blkio.throttle.io_serviced_recursive", FIELD(io_reads),
				  FIELD(io_writes), stat);
}

static int part_psi(struct reader *r, struct cgroup_stat *stat)
{
	const struct {
		const char *file;
		struct cgroup_psi *to;
	} files[] = {
		{"cpu.pressure", &stat->cpu_psi},
		{"memory.pressure", &stat->memory_psi},
		{"io.pressure", &stat->io_psi},
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int e = read_text(r, CGROUP_TREE_UNIFIED, files[i].file);

		if (e == 0)
			e = cgroup_text_psi(r->text, files[i].to);
		if (e < 0)
			return e;
	}
	return 0;
}

/* What is read, and the bit that says so; 0: belongs to one above it. */
struct part {
	part_fn fn;
	unsigned int bit;
};

static const struct part memory_parts[] = {
	{part_memory, CGROUP_STAT_MEMORY},
	{part_swap_v2, CGROUP_STAT_SWAP},
	{part_peak, CGROUP_STAT_PEAK},
};

static const struct part other_parts[] = {
	{part_cpu, CGROUP_STAT_CPU}, {part_throttle, CGROUP_STAT_THROTTLE},
	{part_oom, CGROUP_STAT_OOM}, {part_pids, CGROUP_STAT_PIDS},
	{part_pids_peak, 0},	     {part_io, CGROUP_STAT_IO},
	{part_psi, CGROUP_STAT_PSI},
};

static void take_parts(struct reader *r, const struct part *parts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		take_part(r, parts[i].fn, parts[i].bit);
}

/* Return: 0, -ENOENT where no tree has the leaf, -errno. */
static int find_leaf(const struct cgroup_host *host, const char *name)
{
	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		if (host->parent_fd[t] < 0)
			continue;
		if (faccessat(host->parent_fd[t], name, F_OK, 0) == 0)
			return 0;
		if (errno != ENOENT)
			return -errno;
	}
	return -ENOENT;
}

int cgroup_leaf_stat(const struct cgroup_host *host, const char *name, struct cgroup_stat *ret)
{
	struct cgroup_stat stat = {0};
	struct reader reader = {.host = host, .name = name, .stat = &stat};
	int r;

	if (host->kind != CGROUP_NONE) {
		r = find_leaf(host, name);
		if (r < 0)
			return r;
		reader.v2 = host->kind == CGROUP_V2;
		if (host->controllers & CGROUP_HAS_MEMORY)
			take_parts(&reader, memory_parts, ARRAY_SIZE(memory_parts));
		take_parts(&reader, other_parts, ARRAY_SIZE(other_parts));
	}
	*ret = stat;
	return 0;
}

int cgroup_leaf_memory(const struct cgroup_host *host, const char *name, struct cgroup_stat *ret)
{
	struct cgroup_stat stat = {0};
	struct reader reader = {.host = host, .name = name, .stat = &stat};
	int r;

	if (host->kind == CGROUP_NONE || (host->controllers & CGROUP_HAS_MEMORY) == 0)
		return -EOPNOTSUPP;
	r = find_leaf(host, name);
	if (r < 0)
		return r;
	reader.v2 = host->kind == CGROUP_V2;
	take_parts(&reader, memory_parts, ARRAY_SIZE(memory_parts));
	if ((stat.has & CGROUP_STAT_MEMORY) == 0)
		return -EIO;
	*ret = stat;
	return 0;
}
