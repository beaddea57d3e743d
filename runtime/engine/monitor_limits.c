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
#include "kernel/cgroup_limit.h"

/* The line of /proc/PID/limits. Source: fs/proc/base.c of the kernel */
#define FILES_LINE "Max open files"

/**
 * struct in_force - what the kernel holds a start to.
 * @known: CGROUP_HAS_* of @limits
 * @nofile: 0: not known
 */
struct in_force {
	struct cgroup_limits limits;
	unsigned int known;
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

static void read_in_force(const struct slot *slot, struct in_force *ret)
{
	const struct launch *l = &slot->gen.launch;

	*ret = (struct in_force){0};
	if (l->cgroups && l->leaf.kind != CGROUP_NONE &&
	    cgroup_limits_read(l->cgroups, l->leaf_name, &ret->limits, &ret->known) < 0)
		ret->known = 0;
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
	case LIMIT_PIDS:
		json_in_force(b, f->known & CGROUP_HAS_PIDS, l->pids);
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
	char cpus[256];

	json_open(b, NULL, '{');
	json_str(b, "name", limits_name(limit));
	if (limit == LIMIT_CPUSET && limits_value(asked, limit) > 0)
		json_str(b, "asked", cpulist_format(&asked->cpuset, cpus, sizeof(cpus)));
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
