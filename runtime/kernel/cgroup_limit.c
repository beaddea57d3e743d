/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/cgroup_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "kernel/cgroup_priv.h"
#include "model/cpulist.h"

/* Groups one in another that are looked at. Source: cgroup.max.depth has no default; systemd nests
 * about eight */
#define ABOVE_DEPTH 32

/* From here on v1 means no limit. Source: PAGE_COUNTER_MAX of the kernel, which it rounds down */
#define V1_UNLIMITED (1ULL << 62)

unsigned int cgroup_limits_need(const struct cgroup_limits *limits)
{
	unsigned int need = 0;

	if (limits->memory_bytes || limits->memory_swap_bytes)
		need |= CGROUP_HAS_MEMORY;
	if (limits->cpu_shares || limits->cpu_quota_usec)
		need |= CGROUP_HAS_CPU;
	if (limits->pids)
		need |= CGROUP_HAS_PIDS;
	if (limits->io_weight || limits->n_io)
		need |= CGROUP_HAS_IO;
	if (limits->cpuset && cpulist_count(limits->cpuset))
		need |= CGROUP_HAS_CPUSET;
	return need;
}

char *cgroup_controllers_text(unsigned int set, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (int t = 0; t < _CGROUP_TREE_MAX && len < size; t++)
		if (cgroup_trees[t].has & set)
			len += str_fmt(buf + len, size - len, "%s%s", len ? ", " : "",
				       cgroup_trees[t].v2);
	return buf;
}

/* ---- numbers of files ------------------------------------------------------------------------ */

/* "max", a number, or on v1 one that means max. Return: 0 or -EINVAL. */
static int parse_limit(char *text, uint64_t *ret)
{
	uint64_t n;

	text[strcspn(text, " \n")] = '\0';
	if (str_eq(text, "max") || str_eq(text, "-1")) {
		*ret = 0;
		return 0;
	}
	if (num_parse_u64(text, UINT64_MAX, &n) < 0)
		return -EINVAL;
	*ret = n >= V1_UNLIMITED ? 0 : n;
	return 0;
}

static int read_limit(const struct cgroup_host *host, enum cgroup_tree tree, const char *name,
		      const char *file, uint64_t *ret)
{
	char text[64];
	ssize_t n = cgroup_leaf_read(host, host->home[tree], name, file, text, sizeof(text));

	return n < 0 ? (int)n : parse_limit(text, ret);
}

/* ---- a leaf ---------------------------------------------------------------------------------- */

static int read_memory(const struct cgroup_host *host, const char *name, struct cgroup_limits *l)
{
	const enum cgroup_tree tree = CGROUP_TREE_MEMORY;
	uint64_t swap = 0;
	int r;

	if (host->kind != CGROUP_V2) {
		r = read_limit(host, tree, name, "memory.limit_in_bytes", &l->memory_bytes);
		if (r == 0 && read_limit(host, tree, name, "memory.memsw.limit_in_bytes",
					 &l->memory_swap_bytes) < 0)
			l->memory_swap_bytes = l->memory_bytes; /* swap is not counted */
		return r;
	}
	r = read_limit(host, tree, name, "memory.max", &l->memory_bytes);
	if (r < 0)
		return r;
	r = read_limit(host, tree, name, "memory.swap.max", &swap);
	if (r == 0 && swap == 0) {
		char text[16];

		/* Of "max" and "0", which both are a 0 here, only one is no limit. */
		ssize_t n = cgroup_leaf_read(host, host->home[tree], name, "memory.swap.max", text,
					     sizeof(text));
		if (n > 0 && str_starts(text, "max"))
			return 0;
	}
	l->memory_swap_bytes = l->memory_bytes ? l->memory_bytes + swap : 0;
	return 0;
}

/* "max 100000" or "90000 100000". */
static int read_cpu_max(const struct cgroup_host *host, const char *name, struct cgroup_limits *l)
{
	char text[64];
	ssize_t n = cgroup_leaf_read(host, host->home[CGROUP_TREE_CPU], name, "cpu.max", text,
				     sizeof(text));
	char *period = n > 0 ? strchr(text, ' ') : NULL;

	if (!period)
		return n < 0 ? (int)n : -EINVAL;
	*period++ = '\0';
	if (parse_limit(text, &l->cpu_quota_usec) < 0)
		return -EINVAL;
	return parse_limit(period, &l->cpu_period_usec);
}

static int read_cpu(const struct cgroup_host *host, const char *name, struct cgroup_limits *l)
{
	const enum cgroup_tree tree = CGROUP_TREE_CPU;
	uint64_t weight = 0;
	int r;

	if (host->kind == CGROUP_V2) {
		r = read_limit(host, tree, name, "cpu.weight", &weight);
		l->cpu_shares = (weight * CGROUP_SHARES_DEFAULT + CGROUP_WEIGHT_DEFAULT / 2) /
				CGROUP_WEIGHT_DEFAULT;
		return r < 0 ? r : read_cpu_max(host, name, l);
	}
	r = read_limit(host, tree, name, "cpu.shares", &l->cpu_shares);
	if (r == 0)
		r = read_limit(host, tree, name, "cpu.cfs_quota_us", &l->cpu_quota_usec);
	return r < 0 ? r : read_limit(host, tree, name, "cpu.cfs_period_us", &l->cpu_period_usec);
}

int cgroup_limits_read(const struct cgroup_host *host, const char *name, struct cgroup_limits *ret,
		       unsigned int *ret_known)
{
	struct cgroup_limits l = {0};
	unsigned int known = 0;

	if (host->kind == CGROUP_NONE)
		return -EOPNOTSUPP;
	if ((host->controllers & CGROUP_HAS_MEMORY) && read_memory(host, name, &l) == 0)
		known |= CGROUP_HAS_MEMORY;
	if ((host->controllers & CGROUP_HAS_CPU) && read_cpu(host, name, &l) == 0)
		known |= CGROUP_HAS_CPU;
	if ((host->controllers & CGROUP_HAS_PIDS) &&
	    read_limit(host, CGROUP_TREE_PIDS, name, "pids.max", &l.pids) == 0)
		known |= CGROUP_HAS_PIDS;
	if (known == 0)
		return -ENOENT;
	*ret = l;
	*ret_known = known;
	return 0;
}

/* ---- above ----------------------------------------------------------------------------------- */

static void path_of(int fd, char *buf, size_t size)
{
	char link[32];
	ssize_t n;

	/* Our own descriptor: the kernel's name of the group, as it is mounted. */
	(void)str_fmt(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, size - 1);
	buf[n < 0 ? 0 : n] = '\0';
}

static bool same_fs(int a, int b)
{
	struct stat st, other;

	return fstat(a, &st) == 0 && fstat(b, &other) == 0 && st.st_dev == other.st_dev &&
	       st.st_ino != other.st_ino;
}

/* Something about one group. Return: whether the walk is over. */
typedef bool (*group_fn)(int fd, const char *file, void *data);

/* Our directory and those around it, up to the root of what is mounted. */
static void walk_up(int from_fd, const char *file, group_fn fn, void *data)
{
	_cleanup_close_ int fd = openat(from_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (int depth = 0; fd >= 0 && depth < ABOVE_DEPTH; depth++) {
		int up;

		if (fn(fd, file, data))
			return;
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up >= 0 && !same_fs(fd, up))
			close_fdp(&up);
		close_fdp(&fd);
		fd = up;
	}
}

static ssize_t read_at(int dir_fd, const char *file, char *buf, size_t size)
{
	_cleanup_close_ int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -errno : fd_read_full(fd, buf, size - 1);

	if (n >= 0)
		buf[n] = '\0';
	return n;
}

static bool take_smaller(int fd, const char *file, void *data)
{
	struct cgroup_above *above = data;
	uint64_t value = 0;
	char text[64];

	/* The root of v2 has no such file. */
	if (read_at(fd, file, text, sizeof(text)) <= 0 || parse_limit(text, &value) < 0 ||
	    value == 0)
		return false;
	if (above->value == 0 || value < above->value) {
		above->value = value;
		path_of(fd, above->group, sizeof(above->group));
	}
	return false;
}

static void find_above(const struct cgroup_host *host, unsigned int has, enum cgroup_tree tree,
		       const char *file, struct cgroup_above *ret)
{
	struct cgroup_above above = {0};

	if (host->kind != CGROUP_NONE && (host->controllers & has))
		walk_up(host->parent_fd[host->home[tree]], file, take_smaller, &above);
	*ret = above;
}

void cgroup_memory_above(const struct cgroup_host *host, struct cgroup_above *ret)
{
	find_above(host, CGROUP_HAS_MEMORY, CGROUP_TREE_MEMORY,
		   host->kind == CGROUP_V2 ? "memory.max" : "memory.limit_in_bytes", ret);
}

void cgroup_pids_above(const struct cgroup_host *host, struct cgroup_above *ret)
{
	find_above(host, CGROUP_HAS_PIDS, CGROUP_TREE_PIDS, "pids.max", ret);
}

struct frozen {
	char *group;
	size_t size;
	bool found;
};

static bool look_frozen(int fd, const char *file, void *data)
{
	struct frozen *f = data;
	char text[16];

	if (read_at(fd, file, text, sizeof(text)) <= 0 || text[0] != '1')
		return false;
	path_of(fd, f->group, f->size);
	f->found = true;
	return true;
}

bool cgroup_frozen(const struct cgroup_host *host, char *group, size_t size)
{
	struct frozen f = {.group = group, .size = size};

	if (host->kind != CGROUP_NONE && host->parent_fd[CGROUP_TREE_UNIFIED] >= 0)
		walk_up(host->parent_fd[CGROUP_TREE_UNIFIED], "cgroup.freeze", look_frozen, &f);
	return f.found;
}
