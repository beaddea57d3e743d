/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_stat.c - reads the counters of a leaf, see cgroup_stat.h.
 *
 * Theory of operation: each part (CPU, memory, ...) is read into a copy that counts only once all
 * its texts were there and whole, so that a part is told completely or not at all.  A text is
 * lines of "WORD NUMBER" (memory.stat), one number alone (pids.current), or lines of
 * "WORD KEY=NUMBER ..." (io.stat, *.pressure); words that are not known are passed over, as the
 * kernel adds new ones.
 */
#include "kernel/cgroup_stat.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/str.h"
#include "kernel/cgroup_priv.h"

/* Longest text. Source: memory.stat of 6.18 is 2.3 KB; io.stat has up to 150 bytes a device: a
 * hundred devices. What is longer is not told rather than told in part. */
#define TEXT_BYTES ((size_t)16 << 10)

/* Nanoseconds in a microsecond. */
#define NSEC 1000U

/**
 * struct key - one number of a text.
 * @word: what stands before it
 * @at: offset of its field in struct cgroup_stat, added to (so that parts of a sum may share one)
 * @divisor: of the number, to have the unit of the field; 0: 1
 * @needed: without it the text is not what it should be
 */
struct key {
	const char *word;
	size_t at;
	unsigned int divisor;
	bool needed;
};

#define FIELD(name) offsetof(struct cgroup_stat, name)

static const struct key cpu_v2[] = {
	{"usage_usec", FIELD(cpu_usec), 0, true},
	{"user_usec", FIELD(user_usec), 0, true},
	{"system_usec", FIELD(system_usec), 0, true},
};

static const struct key throttle_v2[] = {
	{"nr_periods", FIELD(cpu_periods), 0, true},
	{"nr_throttled", FIELD(cpu_throttled), 0, true},
	{"throttled_usec", FIELD(cpu_throttled_usec), 0, true},
};

static const struct key throttle_v1[] = {
	{"nr_periods", FIELD(cpu_periods), 0, true},
	{"nr_throttled", FIELD(cpu_throttled), 0, true},
	{"throttled_time", FIELD(cpu_throttled_usec), NSEC, true},
};

/* The "file" of v2 and the "cache" of v1 hold shmem too, which is taken out afterwards. */
static const struct key memory_v2[] = {
	{"anon", FIELD(anon_bytes), 0, true},
	{"file", FIELD(file_bytes), 0, true},
	{"shmem", FIELD(shmem_bytes), 0, true},
};

/* Linux 5.18 has the sum, older ones its parts. Source: cgroup-v2.rst, memory.stat. */
static const struct key kernel_v2[] = {{"kernel", FIELD(kernel_bytes), 0, true}};

static const struct key kernel_parts_v2[] = {
	{"kernel_stack", FIELD(kernel_bytes), 0, true},
	{"pagetables", FIELD(kernel_bytes), 0, false},
	{"percpu", FIELD(kernel_bytes), 0, false},
	{"slab", FIELD(kernel_bytes), 0, true},
};

/* The sums with groups below it, of which a tool in the dyno may have made some. */
static const struct key memory_v1[] = {
	{"total_rss", FIELD(anon_bytes), 0, true},    {"total_cache", FIELD(file_bytes), 0, true},
	{"total_shmem", FIELD(shmem_bytes), 0, true}, {"total_pgpgin", FIELD(pgpgin), 0, false},
	{"total_pgpgout", FIELD(pgpgout), 0, false},
};

static const struct key swap_v1[] = {{"total_swap", FIELD(swap_bytes), 0, true}};

static const struct key oom_v2[] = {
	{"oom", FIELD(ooms), 0, true},
	{"oom_kill", FIELD(oom_kills), 0, true},
};

static const struct key oom_v1[] = {{"oom_kill", FIELD(oom_kills), 0, true}};

static const struct key pids_denied[] = {{"max", FIELD(pids_denied), 0, true}};

static const struct key io_v2[] = {
	{"rbytes", FIELD(io_read_bytes), 0, false},
	{"wbytes", FIELD(io_write_bytes), 0, false},
	{"rios", FIELD(io_reads), 0, false},
	{"wios", FIELD(io_writes), 0, false},
};

/* ---- texts ----------------------------------------------------------------------------------- */

static void add_to(struct cgroup_stat *stat, size_t at, uint64_t n)
{
	uint64_t old;

	memcpy(&old, (char *)stat + at, sizeof(old));
	n = n > UINT64_MAX - old ? UINT64_MAX : old + n;
	memcpy((char *)stat + at, &n, sizeof(n));
}

/* The key named @word, counted into @stat. Return: its bit, 0 where it is not asked for, -EINVAL. */
static int take_number(const char *word, const char *number, const struct key *keys, size_t n,
		       struct cgroup_stat *stat)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value;

		if (!str_eq(word, keys[i].word))
			continue;
		if (!number || num_parse_u64(number, UINT64_MAX, &value) < 0)
			return -EINVAL;
		add_to(stat, keys[i].at, keys[i].divisor ? value / keys[i].divisor : value);
		return (int)(1U << i);
	}
	return 0;
}

/* Longest line of "WORD NUMBER". Source: workingset_refault_anon and 20 digits are 44. */
#define LINE_BYTES 96

/* Lines of "WORD NUMBER". Return: 0, -EINVAL. */
static int parse_lines(const char *text, const struct key *keys, size_t n, struct cgroup_stat *stat)
{
	unsigned int found = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		char copy[LINE_BYTES], *line = copy;
		const char *word;
		int r;

		/* A line that is longer is cut and then of another word, or no number. */
		(void)str_fmt(copy, sizeof(copy), "%.*s", (int)MIN_OF(len, sizeof(copy)), text);
		text += len + (text[len] == '\n');
		word = strsep(&line, " ");
		r = take_number(word, line, keys, n, stat);
		if (r < 0)
			return r;
		found |= (unsigned int)r;
	}
	for (size_t i = 0; i < n; i++)
		if (keys[i].needed && (found & (1U << i)) == 0)
			return -EINVAL;
	return 0;
}

/* The words "KEY=NUMBER" of io.stat behind the device. Return: 0, -EINVAL. */
static int parse_io(char *text, struct cgroup_stat *stat)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		char *word = strsep(&line, " ");

		while ((word = strsep(&line, " "))) {
			const char *key = strsep(&word, "=");

			if (take_number(key, word, io_v2, ARRAY_SIZE(io_v2), stat) < 0)
				return -EINVAL;
		}
	}
	return 0;
}

/* Lines of "254:0 Read 4096"; one of all devices together, "Total 4096", ends them.
 * Return: 0, -EINVAL. */
static int parse_io_v1(char *text, size_t reads_at, size_t writes_at, struct cgroup_stat *stat)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		const char *device = strsep(&line, " ");
		const char *what;
		uint64_t n;

		if (str_eq(device, "Total"))
			return 0;
		what = strsep(&line, " ");
		if (!what || !line || num_parse_u64(line, UINT64_MAX, &n) < 0)
			return -EINVAL;
		if (str_eq(what, "Read"))
			add_to(stat, reads_at, n);
		else if (str_eq(what, "Write"))
			add_to(stat, writes_at, n);
	}
	return -EINVAL;
}

/* "12.34" as 1234. Source: psi.rst: always two decimals. */
static int parse_hundredths(char *text, uint32_t *ret)
{
	const char *whole = strsep(&text, ".");
	uint32_t a, b;

	if (!text || strlen(text) != 2 || num_parse_u32(whole, UINT32_MAX / 100 - 1, &a) < 0 ||
	    num_parse_u32(text, 99, &b) < 0)
		return -EINVAL;
	*ret = a * 100 + b;
	return 0;
}

/* One line of a pressure file behind its first word. Return: 0, -EINVAL. */
static int parse_psi_line(char *line, uint32_t *ret_avg10, uint64_t *ret_usec)
{
	bool avg = false, total = false;
	char *word;

	while ((word = strsep(&line, " "))) {
		const char *key = strsep(&word, "=");

		if (str_eq(key, "avg10"))
			avg = word && parse_hundredths(word, ret_avg10) == 0;
		else if (str_eq(key, "total"))
			total = word && num_parse_u64(word, UINT64_MAX, ret_usec) == 0;
	}
	return avg && total ? 0 : -EINVAL;
}

/* Return: 0, -EINVAL. "full" is missing for cpu before 5.13. */
static int parse_psi(char *text, struct cgroup_psi *ret)
{
	struct cgroup_psi psi = {0};
	bool some = false;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		const char *word = strsep(&line, " ");
		int r = 0;

		if (str_eq(word, "some")) {
			r = parse_psi_line(line, &psi.some_avg10, &psi.some_usec);
			some = true;
		} else if (str_eq(word, "full")) {
			r = parse_psi_line(line, &psi.full_avg10, &psi.full_usec);
		}
		if (r < 0)
			return r;
	}
	if (!some)
		return -EINVAL;
	*ret = psi;
	return 0;
}

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
		     const struct key *keys, size_t n, struct cgroup_stat *stat)
{
	int e = read_text(r, tree, file);

	return e < 0 ? e : parse_lines(r->text, keys, n, stat);
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
	add_to(stat, at, n / divisor);
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

	if (parse_lines(r->text, KEYS(kernel_v2), &sum) == 0)
		stat->kernel_bytes = sum.kernel_bytes;
	else if (parse_lines(r->text, KEYS(kernel_parts_v2), &parts) == 0)
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
	if (parse_lines(r->text, KEYS(swap_v1), stat) == 0)
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

	return e < 0 ? e : parse_io_v1(r->text, reads_at, writes_at, stat);
}

static int part_io(struct reader *r, struct cgroup_stat *stat)
{
	int e;

	if (r->v2) {
		e = read_text(r, CGROUP_TREE_UNIFIED, "io.stat");
		return e < 0 ? e : parse_io(r->text, stat);
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
			e = parse_psi(r->text, files[i].to);
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
