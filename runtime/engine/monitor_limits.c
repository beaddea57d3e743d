/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_limits.c - the limits of a start, for inspect: as asked for, and as the kernel tells. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/monitor_internal.h"
#include "kernel/cgroup_extra.h"
#include "kernel/cgroup_limit.h"

/* The line of /proc/PID/limits. Source: fs/proc/base.c of the kernel */
#define FILES_LINE "Max open files"

/**
 * struct in_force - what the kernel holds a start to.
 * @known: CGROUP_HAS_* of @limits
 * @cpuset, @cpuset_known: CPUs that the control group keeps it to
 * @io_weight: 0: not known
 * @io, @io_known: the devices that were asked for, in their order
 * @nofile: 0: not known
 */
struct in_force {
	struct cgroup_limits limits;
	unsigned int known;
	struct cpulist cpuset;
	bool cpuset_known;
	uint32_t io_weight;
	struct limits_io io[LIMITS_IO_MAX];
	bool io_known;
	uint64_t nofile;
};

/* Open files of pid 1 of the dyno, which are the command's. Return: 0 where it cannot be told. */
static uint64_t read_nofile(int pid)
{
	char path[32], text[4096];
	_cleanup_close_ int fd = -EBADF;
	const char *line;
	uint64_t value = 0;
	ssize_t n;

	(void)str_fmt(path, sizeof(path), "/proc/%d/limits", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	line = strstr(text, FILES_LINE);
	if (!line)
		return 0;
	line += STRLEN(FILES_LINE);
	line += strspn(line, " ");
	text[(size_t)(line - text) + strcspn(line, " \n")] = '\0';
	return num_parse_u64(line, UINT64_MAX, &value) < 0 ? 0 : value;
}

static bool read_io(const struct launch *l, const struct limits *asked, struct in_force *f)
{
	int r = asked->n_io > 0 ? 0 : -ENOENT;

	for (size_t i = 0; r == 0 && i < asked->n_io; i++) {
		f->io[i] = asked->io[i];
		r = cgroup_read_io(l->cgroups, l->leaf_name, &f->io[i]);
	}
	return r == 0;
}

static void read_extra(const struct launch *l, const struct limits *asked, struct in_force *f)
{
	f->cpuset_known = cpulist_count(&asked->cpuset) > 0 &&
			  cgroup_read_cpuset(l->cgroups, l->leaf_name, &f->cpuset) == 0;
	f->io_known = read_io(l, asked, f);
	if (cgroup_read_io_weight(l->cgroups, l->leaf_name, &f->io_weight) < 0)
		f->io_weight = 0;
}

static void read_in_force(const struct slot *slot, struct in_force *ret)
{
	const struct launch *l = &slot->gen.launch;

	*ret = (struct in_force){0};
	if (l->cgroups && l->leaf.kind != CGROUP_NONE) {
		if (cgroup_limits_read(l->cgroups, l->leaf_name, &ret->limits, &ret->known) < 0)
			ret->known = 0;
		read_extra(l, &slot->gen.app->limits, ret);
	}
	if (l->pid > 0)
		ret->nofile = read_nofile(l->pid);
}

static void json_in_force(struct sbuf *b, bool known, uint64_t value)
{
	if (known)
		json_u64(b, "in_force", value);
	else
		json_unknown(b, "in_force");
}

static void json_cpus(struct sbuf *b, const char *key, const struct cpulist *cpus)
{
	char text[CPULIST_BYTES];

	json_str(b, key, cpulist_format(cpus, text, sizeof(text)));
}

static void add_rate(struct sbuf *b, const char *key, uint64_t rate, bool *any)
{
	if (rate == 0)
		return;
	sbuf_addf(b, "%s%s=%llu", *any ? "," : "", key, (unsigned long long)rate);
	*any = true;
}

/* As the option has them, a blank between devices; one without any limit is left out. */
static void json_io(struct sbuf *b, const char *key, const struct limits_io *io, size_t n)
{
	_cleanup_sbuf_ struct sbuf text = {0};

	for (size_t i = 0; i < n; i++) {
		bool any = false;

		if ((io[i].rbps | io[i].wbps | io[i].riops | io[i].wiops) == 0)
			continue;
		sbuf_addf(&text, "%s%u:%u:", text.len ? " " : "", io[i].major, io[i].minor);
		add_rate(&text, "rbps", io[i].rbps, &any);
		add_rate(&text, "wbps", io[i].wbps, &any);
		add_rate(&text, "riops", io[i].riops, &any);
		add_rate(&text, "wiops", io[i].wiops, &any);
	}
	b->failed |= text.failed;
	json_str(b, key, sbuf_str(&text));
}

/* CPU time in the period that settings mean. */
static uint64_t quota_of(const struct cgroup_limits *l)
{
	return l->cpu_period_usec ? l->cpu_quota_usec * SIZE_CPU_PERIOD_USEC / l->cpu_period_usec
				  : l->cpu_quota_usec;
}

static void tell_in_force(enum limit limit, const struct in_force *f, const struct limits *asked,
			  struct sbuf *b)
{
	const struct cgroup_limits *l = &f->limits;
	uint64_t both = l->memory_swap_bytes;

	switch ((unsigned int)limit) {
	case LIMIT_MEMORY:
		json_in_force(b, f->known & CGROUP_HAS_MEMORY, l->memory_bytes);
		break;
	case LIMIT_MEMORY_HARD:
		json_in_force(b, f->known & CGROUP_HAS_MEMORY, both);
		break;
	case LIMIT_SWAP:
		json_in_force(b, (f->known & CGROUP_HAS_MEMORY) && both, both - l->memory_bytes);
		break;
	case LIMIT_CPUS:
		json_in_force(b, f->known & CGROUP_HAS_CPU, quota_of(l));
		break;
	case LIMIT_CPU_WEIGHT:
		json_in_force(b, f->known & CGROUP_HAS_CPU, limits_weight(l->cpu_shares));
		break;
	case LIMIT_CPUSET:
		if (f->cpuset_known)
			json_cpus(b, "in_force", &f->cpuset);
		else
			json_unknown(b, "in_force");
		break;
	case LIMIT_PIDS:
		json_in_force(b, f->known & CGROUP_HAS_PIDS, l->pids);
		break;
	case LIMIT_IO_WEIGHT:
		json_in_force(b, f->io_weight > 0, f->io_weight);
		break;
	case LIMIT_IO_MAX:
		if (f->io_known)
			json_io(b, "in_force", f->io, asked->n_io);
		else
			json_unknown(b, "in_force");
		break;
	case LIMIT_NOFILE:
		json_in_force(b, f->nofile > 0, f->nofile);
		break;
	case LIMIT_SHM: /* without it there would have been no start */
		json_in_force(b, true, asked->shm_bytes);
		break;
	default:
		json_unknown(b, "in_force");
		break;
	}
}

static void tell_limit(enum limit limit, const struct limits *asked, const struct in_force *f,
		       struct sbuf *b)
{
	json_open(b, NULL, '{');
	json_str(b, "name", limits_name(limit));
	if (limit == LIMIT_CPUSET && limits_value(asked, limit) > 0)
		json_cpus(b, "asked", &asked->cpuset);
	else if (limit == LIMIT_IO_MAX && asked->n_io > 0)
		json_io(b, "asked", asked->io, asked->n_io);
	else if (limits_value(asked, limit) > 0 || limit == LIMIT_SWAP)
		json_u64(b, "asked", limits_value(asked, limit));
	else
		json_unknown(b, "asked");
	json_str(b, "from", limits_from_name(asked->from[limit]));
	tell_in_force(limit, f, asked, b);
	json_close(b, '}');
}

/* A smaller limit of a group above is what counts, and nobody would look for it there. */
static void tell_above(const char *name, const struct cgroup_above *above, uint64_t asked,
		       struct sbuf *b)
{
	if (above->value == 0 || (asked > 0 && above->value >= asked))
		return;
	json_open(b, NULL, '{');
	json_str(b, "name", name);
	json_u64(b, "limit", above->value);
	json_str(b, "group", above->group);
	json_close(b, '}');
}

void tell_limits(const struct slot *slot, struct sbuf *b)
{
	const struct app *app = slot->gen.app;
	struct cgroup_above above;
	struct in_force f;

	read_in_force(slot, &f);
	json_str(b, "size", app->limits.size);
	json_open(b, "limits", '[');
	for (enum limit i = 0; i < _LIMIT_MAX; i++)
		tell_limit(i, &app->limits, &f, b);
	json_close(b, ']');
	json_open(b, "limits_above", '[');
	if (app->have_cgroups) {
		cgroup_memory_above(&app->cgroups, &above);
		tell_above(limits_name(LIMIT_MEMORY), &above, app->limits.hard_bytes, b);
		cgroup_pids_above(&app->cgroups, &above);
		tell_above(limits_name(LIMIT_PIDS), &above, app->limits.pids, b);
	}
	json_close(b, ']');
	json_open(b, "not_limited", '[');
	for (size_t i = 0; i < app->n_warnings; i++)
		json_str(b, NULL, app->warnings[i]);
	if (slot->gen.launch.leaf.refused)
		json_str(b, NULL, slot->gen.launch.leaf.refusal);
	json_close(b, ']');
}
