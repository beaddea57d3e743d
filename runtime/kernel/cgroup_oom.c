/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/cgroup_oom.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "kernel/cgroup_priv.h"

/* Names of memory's files on v1: with swap, and alone where booted with swapaccount=0. */
#define V1_BOTH	 "memory.memsw.usage_in_bytes"
#define V1_ALONE "memory.usage_in_bytes"

static bool has_memory(const struct cgroup_host *host)
{
	return host->kind != CGROUP_NONE && (host->controllers & CGROUP_HAS_MEMORY) != 0;
}

static int read_number(const struct cgroup_host *host, const char *name, const char *file,
		       uint64_t *ret)
{
	char text[32];
	ssize_t n = cgroup_leaf_read(host, host->home[CGROUP_TREE_MEMORY], name, file, text,
				     sizeof(text));

	if (n < 0)
		return (int)n;
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	return num_parse_u64(text, UINT64_MAX, ret);
}

int cgroup_leaf_charged(const struct cgroup_host *host, const char *name, uint64_t *ret)
{
	uint64_t bytes = 0, swap = 0;
	int r;

	if (!has_memory(host))
		return -EOPNOTSUPP;
	if (host->kind != CGROUP_V2) {
		r = read_number(host, name, V1_BOTH, &bytes);
		if (r == -ENOENT)
			r = read_number(host, name, V1_ALONE, &bytes);
	} else {
		r = read_number(host, name, "memory.current", &bytes);
		/* not there where swap is not counted */
		if (r == 0 && read_number(host, name, "memory.swap.current", &swap) < 0)
			swap = 0;
	}
	if (r < 0)
		return r;
	*ret = bytes + swap;
	return 0;
}

/* ---- what the counters say ------------------------------------------------------------------- */

/* memory.events.local counts "oom" in the group whose limit it was, "oom_kill" in the killed one's;
 * a leaf has no groups below that are not its own. */
static int read_v2(const struct cgroup_host *host, const char *name, struct cgroup_oom *oom)
{
	uint64_t own = 0;
	int r = cgroup_leaf_key(host, name, "memory.events", "oom_kill", &oom->kills);

	if (r < 0 || oom->kills == 0)
		return r;
	/* Linux 5.2 */
	if (cgroup_leaf_key(host, name, "memory.events.local", "oom", &own) == 0)
		oom->limit = own > 0 ? CGROUP_LIMIT_OWN : CGROUP_LIMIT_ABOVE;
	if (read_number(host, name, "memory.peak", &oom->peak_bytes) < 0)
		oom->peak_bytes = 0; /* before 5.19 */
	return 0;
}

/* What is charged is charged in batches, so that the most ever is not quite the limit.
 * Source: MEMCG_CHARGE_BATCH is 64 pages, and a huge page is 2 MiB */
#define LIMIT_SLACK_BYTES (4ULL << 20)

/* Whether the leaf was at a limit of its own. The counter of failures is not kept for both files by
 * every kernel (none for memory and swap together in 6.18, measured). */
static bool was_at_limit(const struct cgroup_host *host, const char *name, const char *failed,
			 const char *limit, const char *most)
{
	uint64_t n = 0, limit_bytes = 0, most_bytes = 0;

	if (read_number(host, name, failed, &n) == 0 && n > 0)
		return true;
	return read_number(host, name, limit, &limit_bytes) == 0 &&
	       read_number(host, name, most, &most_bytes) == 0 &&
	       most_bytes + LIMIT_SLACK_BYTES >= limit_bytes;
}

static int read_v1(const struct cgroup_host *host, const char *name, struct cgroup_oom *oom)
{
	int r = cgroup_leaf_key(host, name, "memory.oom_control", "oom_kill", &oom->kills);

	if (r < 0 || oom->kills == 0)
		return r;
	oom->limit = was_at_limit(host, name, "memory.failcnt", "memory.limit_in_bytes",
				  "memory.max_usage_in_bytes") ||
				     was_at_limit(host, name, "memory.memsw.failcnt",
						  "memory.memsw.limit_in_bytes",
						  "memory.memsw.max_usage_in_bytes")
			     ? CGROUP_LIMIT_OWN
			     : CGROUP_LIMIT_ABOVE;
	if (read_number(host, name, "memory.max_usage_in_bytes", &oom->peak_bytes) < 0)
		oom->peak_bytes = 0;
	return 0;
}

int cgroup_leaf_oom(const struct cgroup_host *host, const char *name, struct cgroup_oom *ret)
{
	struct cgroup_oom oom = {0};
	int r;

	if (!has_memory(host))
		return -EOPNOTSUPP;
	r = host->kind == CGROUP_V2 ? read_v2(host, name, &oom) : read_v1(host, name, &oom);
	if (r < 0)
		return r;
	*ret = oom;
	return 0;
}

/* ---- notifications --------------------------------------------------------------------------- */

static int open_file(const struct cgroup_host *host, const char *name, const char *file, int flags)
{
	char path[2 * CGROUP_NAME_BYTES + 1];
	int fd;

	(void)str_fmt(path, sizeof(path), "%s/%s", name, file);
	fd = openat(host->parent_fd[host->home[CGROUP_TREE_MEMORY]], path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Source: admin-guide/cgroup-v1/memory.rst, 9 and 10: "EVENT-FD FILE-FD ARGUMENT"; the file may be
 * closed afterwards. */
static int notify(const struct cgroup_host *host, const char *name, const char *file,
		  const char *argument)
{
	_cleanup_close_ int event = -EBADF;
	_cleanup_close_ int control = -EBADF;
	_cleanup_close_ int about = open_file(host, name, file, O_RDONLY);
	char text[64];
	size_t len;

	if (about < 0)
		return about;
	control = open_file(host, name, "cgroup.event_control", O_WRONLY);
	if (control < 0)
		return control;
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return -errno;
	len = str_fmt(text, sizeof(text), "%d %d %s", event, about, argument);
	if (write(control, text, len) < 0)
		return -errno;
	return take_fd(&event);
}

int cgroup_notify_charged(const struct cgroup_host *host, const char *name, uint64_t bytes)
{
	char number[24];
	int r;

	if (!has_memory(host) || host->kind == CGROUP_V2)
		return -EOPNOTSUPP;
	(void)str_fmt(number, sizeof(number), "%llu", (unsigned long long)bytes);
	r = notify(host, name, V1_BOTH, number);
	return r == -ENOENT ? notify(host, name, V1_ALONE, number) : r;
}

int cgroup_notify_oom(const struct cgroup_host *host, const char *name)
{
	if (!has_memory(host) || host->kind == CGROUP_V2)
		return -EOPNOTSUPP;
	return notify(host, name, "memory.oom_control", "");
}
