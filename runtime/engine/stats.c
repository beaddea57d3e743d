/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/openat2.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/num.h"
#include "base/statfields.h"
#include "engine/members.h"
#include "model/memmark.h"

/* A line of 17 numbers for each interface. Source: own choice, some hundred of them */
#define NETDEV_BYTES 16384U
/* Where an interface's line has bytes and packets received, and sent. Source: proc(5), net/dev */
enum { RX_BYTES = 0, RX_PACKETS = 1, TX_BYTES = 8, TX_PACKETS = 9, NETDEV_NUMBERS = 16 };

/* ---- the control group ---------------------------------------------------------------------- */

static void take_cpu(struct dyno_stats *stats, const struct cgroup_stat *from)
{
	if (from->has & CGROUP_STAT_CPU) {
		stats->cpu_usec = from->cpu_usec;
		stats->cpu_user_usec = from->user_usec;
		stats->cpu_system_usec = from->system_usec;
	}
	if (from->has & CGROUP_STAT_THROTTLE) {
		stats->cpu_periods = from->cpu_periods;
		stats->cpu_throttled = from->cpu_throttled;
		stats->cpu_throttled_usec = from->cpu_throttled_usec;
	}
}

static void take_memory(struct dyno_stats *stats, const struct cgroup_stat *from)
{
	if (from->has & CGROUP_STAT_MEMORY) {
		stats->memory_bytes = from->memory_bytes;
		stats->memory_anon_bytes = from->anon_bytes;
		stats->memory_shmem_bytes = from->shmem_bytes;
		stats->memory_file_bytes = from->file_bytes;
		stats->memory_kernel_bytes = from->kernel_bytes;
	}
	/* A process that runs has had pages charged: the kernel does not tell them on v2. */
	if ((from->has & CGROUP_STAT_MEMORY) && from->pgpgin > 0) {
		stats->memory_pgpgin = from->pgpgin;
		stats->memory_pgpgout = from->pgpgout;
	}
	if (from->has & CGROUP_STAT_PEAK)
		stats->memory_peak_bytes = from->memory_peak_bytes;
	if (from->has & CGROUP_STAT_SWAP)
		stats->memory_swap_bytes = from->swap_bytes;
	if (from->has & CGROUP_STAT_OOM) {
		stats->ooms = from->ooms;
		stats->oom_kills = from->oom_kills;
	}
}

static void take_pids(struct dyno_stats *stats, const struct cgroup_stat *from)
{
	if (!(from->has & CGROUP_STAT_PIDS))
		return;
	stats->pids = from->pids;
	stats->pids_denied = from->pids_denied;
	if (from->pids_peak > 0) /* 0: the kernel does not tell */
		stats->pids_peak = from->pids_peak;
}

static void take_io(struct dyno_stats *stats, const struct cgroup_stat *from)
{
	if (!(from->has & CGROUP_STAT_IO))
		return;
	stats->io_read_bytes = from->io_read_bytes;
	stats->io_write_bytes = from->io_write_bytes;
	stats->io_reads = from->io_reads;
	stats->io_writes = from->io_writes;
}

static void take_pressure(struct dyno_stats *stats, const struct cgroup_stat *from)
{
	if (!(from->has & CGROUP_STAT_PSI))
		return;
	stats->cpu_pressure_some_usec = from->cpu_psi.some_usec;
	stats->cpu_pressure_full_usec = from->cpu_psi.full_usec;
	stats->memory_pressure_some_usec = from->memory_psi.some_usec;
	stats->memory_pressure_full_usec = from->memory_psi.full_usec;
	stats->io_pressure_some_usec = from->io_psi.some_usec;
	stats->io_pressure_full_usec = from->io_psi.full_usec;
}

void stats_take_cgroup(struct dyno_stats *stats, const struct cgroup_stat *from)
{
	take_cpu(stats, from);
	take_memory(stats, from);
	take_pids(stats, from);
	take_io(stats, from);
	take_pressure(stats, from);
}

/* ---- the network ---------------------------------------------------------------------------- */

/* The numbers behind "NAME:". Return: 0 or -EINVAL. */
static int read_numbers(const char *at, uint64_t n[NETDEV_NUMBERS])
{
	for (size_t i = 0; i < NETDEV_NUMBERS; i++) {
		char number[24];
		size_t len;

		at += strspn(at, " ");
		len = strcspn(at, " \n");
		if (len >= sizeof(number))
			return -EINVAL;
		str_fmt(number, sizeof(number), "%.*s", (int)len, at);
		if (num_parse_u64(number, UINT64_MAX, &n[i]) < 0)
			return -EINVAL;
		at += len;
	}
	return 0;
}

int stats_take_netdev(struct dyno_stats *stats, const char *text)
{
	uint64_t sum[NETDEV_NUMBERS] = {0};

	/* Two lines of headings, which hold bars where the others hold a colon. */
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *name = line + strspn(line, " ");
		size_t len = strcspn(name, ":|\n");
		uint64_t n[NETDEV_NUMBERS];

		if (name[len] == '|')
			continue;
		if (name[len] != ':' || read_numbers(name + len + 1, n) < 0)
			return -EINVAL;
		if (len == STRLEN("lo") && memcmp(name, "lo", len) == 0)
			continue;
		for (size_t i = 0; i < NETDEV_NUMBERS; i++)
			sum[i] += n[i];
	}
	stats->net_rx_bytes = sum[RX_BYTES];
	stats->net_rx_packets = sum[RX_PACKETS];
	stats->net_tx_bytes = sum[TX_BYTES];
	stats->net_tx_packets = sum[TX_PACKETS];
	return 0;
}

static void gather_network(pid_t pid, struct dyno_stats *stats)
{
	_cleanup_free_ char *text = malloc(NETDEV_BYTES);
	_cleanup_close_ int fd = -EBADF;
	char path[32];
	ssize_t n;

	str_fmt(path, sizeof(path), "/proc/%d/net/dev", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!text || fd < 0)
		return;
	n = fd_read_full(fd, text, NETDEV_BYTES - 1);
	if (n < 0 || n == NETDEV_BYTES - 1) /* cut: rather nothing than a part */
		return;
	text[n] = '\0';
	(void)stats_take_netdev(stats, text); /* of another form: unknown */
}

/* ---- file systems --------------------------------------------------------------------------- */

/* Of one that has no limit, statfs(2) tells 0 blocks or inodes. */
static void take_space(const struct statfs *fs, uint64_t *used, uint64_t *most)
{
	if (fs->f_blocks == 0)
		return;
	*used = (uint64_t)(fs->f_blocks - fs->f_bfree) * (uint64_t)fs->f_bsize;
	*most = (uint64_t)fs->f_blocks * (uint64_t)fs->f_bsize;
}

/* The dyno's root, opened for its path alone; its overlay answers for the scratch space, and the
 * directory that the child has handed out does where there is one. */
static int open_root(pid_t pid)
{
	char path[32];

	str_fmt(path, sizeof(path), "/proc/%d/root", (int)pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Of a file system of the host's, which others write to as well, nothing is told. */
static void gather_scratch(const struct generation *gen, int root_fd, struct dyno_stats *stats)
{
	const int upper_fd = gen->launch.upper_fds[0];
	struct statfs fs;

	if (gen->scratch.limit == SCRATCH_UNLIMITED ||
	    fstatfs(upper_fd >= 0 ? upper_fd : root_fd, &fs) < 0)
		return;
	take_space(&fs, &stats->scratch_bytes, &stats->scratch_limit_bytes);
	if (fs.f_files > 0) {
		stats->scratch_inodes = fs.f_files - fs.f_ffree;
		stats->scratch_limit_inodes = fs.f_files;
	}
}

/* Through no link, and looked at only where it is the kernel's memory, which answers at once. */
static void gather_shm(int root_fd, struct dyno_stats *stats)
{
	const struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	_cleanup_close_ int fd = (int)syscall(SYS_openat2, root_fd, "dev/shm", &how, sizeof(how));
	struct statfs fs;

	if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC)
		take_space(&fs, &stats->shm_bytes, &stats->shm_limit_bytes);
}

/* ---- what is held ---------------------------------------------------------------------------- */

static uint64_t known(uint64_t value)
{
	return value == DYNO_STATS_UNKNOWN ? 0 : value;
}

void stats_take_used(struct dyno_stats *stats, bool scratch_in_memory)
{
	const struct memmark_sample sample = {
		.anon_bytes = stats->memory_anon_bytes,
		.shmem_bytes = known(stats->memory_shmem_bytes),
		.swap_bytes = known(stats->memory_swap_bytes),
		.scratch_bytes = scratch_in_memory ? known(stats->scratch_bytes) : 0,
	};

	if (stats->memory_anon_bytes != DYNO_STATS_UNKNOWN)
		stats->memory_used_bytes = memmark_quota_use(&sample);
}

/* ---- all of it ------------------------------------------------------------------------------ */

void stats_gather(const struct generation *gen, struct dyno_stats *stats)
{
	const struct launch *launch = &gen->launch;
	_cleanup_close_ int root_fd = open_root(launch->pid);
	struct cgroup_stat group;

	if (launch->cgroups && launch->leaf.kind != CGROUP_NONE &&
	    cgroup_leaf_stat(launch->cgroups, launch->leaf_name, &group) == 0)
		stats_take_cgroup(stats, &group);
	if (gen->spec.network != SPEC_NET_HOST)
		gather_network(launch->pid, stats);
	gather_scratch(gen, root_fd, stats);
	gather_shm(root_fd, stats);
	stats_take_used(stats, gen->scratch.limit == SCRATCH_TMPFS);
}

/* ---- the object ----------------------------------------------------------------------------- */

#define NAME_ROW(name)	MEMBER(struct dyno_stats, #name, name),
#define COUNT_ROW(name) MEMBER_AS(struct dyno_stats, #name, name, MEMBER_COUNT),

static const struct member members[] = {NAME_ROW(app) NAME_ROW(name) NAME_ROW(type) NAME_ROW(state)
						DYNO_STAT_FIELDS(COUNT_ROW)};

static const struct member_table table = {members, ARRAY_SIZE(members)};

void stats_format(const struct dyno_stats *stats, struct sbuf *b)
{
	json_open(b, NULL, '{');
	json_u64(b, "schema", STATS_SCHEMA);
	members_write(&table, stats, b);
	json_close(b, '}');
}

/* A monitor of an older version does not know every number; the five that always are there every
 * one has told. */
static bool is_whole(const struct dyno_stats *stats)
{
	return stats->app && stats->name && stats->type && stats->state &&
	       stats->start != DYNO_STATS_UNKNOWN && stats->taken_usec != DYNO_STATS_UNKNOWN &&
	       stats->uptime_ms != DYNO_STATS_UNKNOWN && stats->restarts != DYNO_STATS_UNKNOWN &&
	       stats->crashes != DYNO_STATS_UNKNOWN;
}

int stats_parse(const char *text, size_t len, struct arena *arena, struct dyno_stats *ret)
{
	struct dyno_stats read;
	const struct member_set set = {&table, &read};
	int r;

	statfields_clear(&read);
	r = members_read(text, len, STATS_SCHEMA, &set, 1, arena);
	if (r < 0)
		return r;
	if (!is_whole(&read))
		return -EINVAL;
	*ret = read;
	return 0;
}
