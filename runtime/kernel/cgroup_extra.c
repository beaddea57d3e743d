/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/cgroup_extra.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "kernel/cgroup_priv.h"

/* The largest weight that the schedulers of disks take. Source: bfq-iosched.rst, weight;
 * blkio-controller.rst, blkio.weight */
#define DISK_WEIGHT_MAX 1000U

/* A line of io.max is at most 110 bytes, one of a v1 file 40. Source: cgroup-v2.rst; room for a
 * hundred devices */
#define IO_TEXT_BYTES 12288U

/* Longest of "254:0 rbps=18446744073709551615 ...". */
#define IO_VALUE_BYTES 160U

static bool has(const struct cgroup_host *host, unsigned int controller)
{
	return host->kind != CGROUP_NONE && (host->controllers & controller) != 0;
}

/* ---- disks ----------------------------------------------------------------------------------- */

/* Where the share of the disks may stand, and the most that it takes.  Which scheduler a kernel
 * offers decides which of them there are. */
struct weight_file {
	const char *name;
	uint32_t max;
};

static const struct weight_file weights_v2[] = {
	{"io.weight", LIMITS_WEIGHT_MAX},
	{"io.bfq.weight", DISK_WEIGHT_MAX},
};
static const struct weight_file weights_v1[] = {
	{"blkio.bfq.weight", DISK_WEIGHT_MAX},
	{"blkio.weight", DISK_WEIGHT_MAX},
};
_Static_assert(ARRAY_SIZE(weights_v1) == ARRAY_SIZE(weights_v2), "one loop for both");

static const struct weight_file *weight_files(const struct cgroup_host *host)
{
	return host->kind == CGROUP_V2 ? weights_v2 : weights_v1;
}

/* All of them that are there: which one counts is for each disk's scheduler to say. */
static int write_weight(const struct cgroup_host *host, const char *name, uint32_t weight,
			struct cgroup_leaf *leaf, struct dyno_err *err)
{
	const enum cgroup_tree tree = host->home[CGROUP_TREE_IO];
	const struct weight_file *files = weight_files(host);
	struct cgroup_refusal refusal = {.has = CGROUP_HAS_IO, .num = ENOENT};
	bool taken = false;
	char value[16];

	for (size_t i = 0; i < ARRAY_SIZE(weights_v1); i++) {
		int r;

		(void)str_fmt(value, sizeof(value), "%u", MIN_OF(weight, files[i].max));
		r = cgroup_leaf_write(host, tree, name, files[i].name, value);
		taken |= r == 0;
		if (r == 0 || r == -ENOENT)
			continue;
		refusal.file = files[i].name;
		refusal.num = -r;
		break;
	}
	if (taken && refusal.num == ENOENT)
		return 0;
	if (!refusal.file)
		refusal.file = files[0].name;
	refusal.value = value;
	return cgroup_refused(&refusal, name, leaf, err);
}

/* The four rates in one order, and what the files call them. */
#define N_RATES 4
static const char *const rates_v2[N_RATES] = {"rbps", "wbps", "riops", "wiops"};
static const char *const rates_v1[N_RATES] = {
	"blkio.throttle.read_bps_device",
	"blkio.throttle.write_bps_device",
	"blkio.throttle.read_iops_device",
	"blkio.throttle.write_iops_device",
};

static void rates_of(struct limits_io *io, uint64_t *ret[N_RATES])
{
	ret[0] = &io->rbps;
	ret[1] = &io->wbps;
	ret[2] = &io->riops;
	ret[3] = &io->wiops;
}

static int put(const struct cgroup_host *host, const char *name, const char *file,
	       const char *value, struct cgroup_leaf *leaf, struct dyno_err *err)
{
	int r = cgroup_leaf_write(host, host->home[CGROUP_TREE_IO], name, file, value);

	return r == 0 ? 0
		      : cgroup_refused(&(struct cgroup_refusal){CGROUP_HAS_IO, file, value, -r},
				       name, leaf, err);
}

static int write_io(const struct cgroup_host *host, const char *name, const struct limits_io *from,
		    struct cgroup_leaf *leaf, struct dyno_err *err)
{
	struct limits_io io = *from;
	uint64_t *rates[N_RATES];
	char value[IO_VALUE_BYTES];
	size_t len = str_fmt(value, sizeof(value), "%u:%u", io.major, io.minor);
	const size_t device = len;
	int r = 0;

	rates_of(&io, rates);
	for (size_t i = 0; r == 0 && i < N_RATES; i++) {
		if (*rates[i] == 0)
			continue;
		if (host->kind == CGROUP_V2) {
			len += str_fmt(value + len, sizeof(value) - len, " %s=%llu", rates_v2[i],
				       (unsigned long long)*rates[i]);
			continue;
		}
		(void)str_fmt(value + device, sizeof(value) - device, " %llu",
			      (unsigned long long)*rates[i]);
		r = put(host, name, rates_v1[i], value, leaf, err);
	}
	return host->kind == CGROUP_V2 ? put(host, name, "io.max", value, leaf, err) : r;
}

/* ---- CPUs ------------------------------------------------------------------------------------ */

/* The CPUs of a file of the v1 tree, as they are written to others. Return: the length or -errno. */
static ssize_t read_list(int dir_fd, const char *file, char *buf, size_t size)
{
	_cleanup_close_ int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -errno : fd_read_full(fd, buf, size - 1);

	if (n < 0)
		return n;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return n;
}

static void copy_list(int from_fd, int to_fd, const char *file)
{
	char theirs[CPULIST_BYTES], ours[CPULIST_BYTES];

	if (read_list(from_fd, file, theirs, sizeof(theirs)) <= 0)
		return;
	/* As a rule they are alike: what is not written needs no lock of the kernel's. */
	if (read_list(to_fd, file, ours, sizeof(ours)) >= 0 && str_eq(theirs, ours))
		return;
	(void)file_write_at(to_fd, file, theirs); /* the leaf's own write tells */
}

void cgroup_prepare_cpuset(int base_fd, int parent_fd)
{
	copy_list(base_fd, parent_fd, "cpuset.cpus");
	copy_list(base_fd, parent_fd, "cpuset.mems");
}

/* A new group of v1 has neither CPUs nor memory, and nobody can join it. */
static void fill_v1(const struct cgroup_host *host, const char *name)
{
	int parent_fd = host->parent_fd[host->home[CGROUP_TREE_CPUSET]];
	_cleanup_close_ int leaf_fd =
		openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (leaf_fd >= 0)
		cgroup_prepare_cpuset(parent_fd, leaf_fd);
}

static int write_cpuset(const struct cgroup_host *host, const char *name,
			const struct cpulist *cpus, struct cgroup_leaf *leaf, struct dyno_err *err)
{
	char value[CPULIST_BYTES];
	int r;

	if (host->kind != CGROUP_V2)
		fill_v1(host, name);
	if (!cpus || cpulist_count(cpus) == 0)
		return 0;
	(void)cpulist_format(cpus, value, sizeof(value));
	r = cgroup_leaf_write(host, host->home[CGROUP_TREE_CPUSET], name, "cpuset.cpus", value);
	return r == 0 ? 0
		      : cgroup_refused(&(struct cgroup_refusal){CGROUP_HAS_CPUSET, "cpuset.cpus",
								value, -r},
				       name, leaf, err);
}

int cgroup_write_extra(const struct cgroup_host *host, const char *name,
		       const struct cgroup_limits *limits, struct cgroup_leaf *leaf,
		       struct dyno_err *err)
{
	int r = 0;

	if (has(host, CGROUP_HAS_CPUSET))
		r = write_cpuset(host, name, limits->cpuset, leaf, err);
	if (!has(host, CGROUP_HAS_IO))
		return r;
	if (r == 0 && limits->io_weight != 0)
		r = write_weight(host, name, limits->io_weight, leaf, err);
	for (size_t i = 0; r == 0 && i < limits->n_io; i++)
		r = write_io(host, name, &limits->io[i], leaf, err);
	return r;
}

/* ---- what is in force ------------------------------------------------------------------------ */

int cgroup_read_io_weight(const struct cgroup_host *host, const char *name, uint32_t *ret)
{
	const struct weight_file *files = weight_files(host);
	char text[64];

	if (!has(host, CGROUP_HAS_IO))
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(weights_v1); i++) {
		ssize_t n = cgroup_leaf_read(host, host->home[CGROUP_TREE_IO], name, files[i].name,
					     text, sizeof(text));
		const char *number;

		if (n == -ENOENT)
			continue;
		if (n < 0)
			return (int)n;
		/* The first line is the share; devices with one of their own may follow. */
		text[strcspn(text, "\n")] = '\0';
		number = str_starts(text, "default ");
		return num_parse_u32(number ? number : text, LIMITS_WEIGHT_MAX, ret);
	}
	return -ENOENT;
}

/* The rest of the line that begins with the device, NULL where there is none. */
static char *line_of(char *text, const struct limits_io *io)
{
	char device[32];
	char *line;

	(void)str_fmt(device, sizeof(device), "%u:%u ", io->major, io->minor);
	while ((line = strsep(&text, "\n")))
		if (str_starts(line, device))
			return line + strlen(device);
	return NULL;
}

/* "rbps=1048576 wbps=max riops=max wiops=max". Return: 0 or -EINVAL. */
static int parse_rates(char *line, uint64_t *rates[N_RATES])
{
	char *word;

	while ((word = strsep(&line, " "))) {
		const char *key = strsep(&word, "=");

		for (size_t i = 0; i < N_RATES; i++)
			if (str_eq(key, rates_v2[i]) && word && !str_eq(word, "max") &&
			    num_parse_u64(word, UINT64_MAX, rates[i]) < 0)
				return -EINVAL;
	}
	return 0;
}

int cgroup_read_io(const struct cgroup_host *host, const char *name, struct limits_io *io)
{
	struct limits_io found = {.major = io->major, .minor = io->minor};
	const enum cgroup_tree tree = host->home[CGROUP_TREE_IO];
	const bool v2 = host->kind == CGROUP_V2;
	uint64_t *rates[N_RATES];

	if (!has(host, CGROUP_HAS_IO))
		return -ENOENT;
	rates_of(&found, rates);
	for (size_t i = 0; i < (v2 ? 1 : N_RATES); i++) {
		__attribute__((uninitialized)) char text[IO_TEXT_BYTES];
		ssize_t n = cgroup_leaf_read(host, tree, name, v2 ? "io.max" : rates_v1[i], text,
					     sizeof(text));
		char *line = n < 0 ? NULL : line_of(text, io);
		int r = (int)MIN_OF(n, 0);

		if (line)
			r = v2 ? parse_rates(line, rates)
			       : num_parse_u64(line, UINT64_MAX, rates[i]);
		if (r < 0)
			return r;
	}
	io->rbps = found.rbps;
	io->wbps = found.wbps;
	io->riops = found.riops;
	io->wiops = found.wiops;
	return 0;
}

int cgroup_read_cpuset(const struct cgroup_host *host, const char *name, struct cpulist *ret)
{
	char text[CPULIST_BYTES];
	ssize_t n;

	if (!has(host, CGROUP_HAS_CPUSET))
		return -ENOENT;
	n = cgroup_leaf_read(host, host->home[CGROUP_TREE_CPUSET], name,
			     host->kind == CGROUP_V2 ? "cpuset.cpus.effective"
						     : "cpuset.effective_cpus",
			     text, sizeof(text));
	return n < 0 ? (int)n : cpulist_parse(text, ret);
}
