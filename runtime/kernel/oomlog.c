/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oomlog.c - see oomlog.h.
 *
 * Theory of operation: two records tell of a kill, why and that; of the first the kernel leaves out
 * some where there are many.  Of all that a record holds only the name of the killed process is of the
 * tenant's choosing (15 bytes, control groups have names of ours).  So a text is read from both
 * ends: what stands before the name from its beginning, what stands behind it from its end, and what
 * is between them is the name, be it "x,pid=1".
 */
#include "kernel/oomlog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "kernel/cgroup.h"

/* Records are stamped by another clock than ours. Source: own choice */
#define SLACK_US 1000000U

/* Source: dump_oom_victim() in mm/oom_kill.c, mem_cgroup_print_oom_context() in mm/memcontrol.c */
#define OOM_BEGIN  "oom-kill:"
#define OOM_GLOBAL ",global_oom"
#define OOM_GROUP  ",oom_memcg="
#define OOM_VICTIM ",task_memcg="
#define OOM_COMM   ",task="
#define OOM_PID	   ",pid="
#define OOM_UID	   ",uid="

/* Source: __oom_kill_process() there; unlike the above it is never left out */
#define DEED_GROUP "Memory cgroup out of memory: Killed process "
#define DEED_HOST  "Out of memory: Killed process "
#define DEED_SIZES ") total-vm:"
#define DEED_UID   ", UID:"

/* The last @what that begins before @end. Return: NULL: there is none. */
static const char *find_last(const char *from, const char *end, const char *what)
{
	size_t len = strlen(what);

	for (const char *p = end; p-- > from;)
		if (strncmp(p, what, len) == 0)
			return p;
	return NULL;
}

/* A number that ends at @end. */
static int parse_number(const char *from, const char *end, uint64_t max, uint64_t *ret)
{
	char text[24];

	if ((size_t)(end - from) >= sizeof(text))
		return -EINVAL;
	(void)str_fmt(text, sizeof(text), "%.*s", (int)(end - from), from);
	return num_parse_u64(text, max, ret);
}

static void copy(char *buf, size_t size, const char *from, const char *end)
{
	(void)str_fmt(buf, size, "%.*s", (int)(end - from), from);
}

/* "LEVEL,SEQUENCE,MICROSECONDS,FLAGS;TEXT". Source: ABI/testing/dev-kmsg */
static int parse_head(const char *record, const char **ret_text, uint64_t *ret_us)
{
	const char *text = strchr(record, ';');
	const char *us = strchr(record, ',');

	us = us ? strchr(us + 1, ',') : NULL;
	if (!text || !us || us > text)
		return -EINVAL;
	*ret_text = text + 1;
	us++;
	return parse_number(us, us + strcspn(us, ",;"), UINT64_MAX, ret_us);
}

/* Where the name of the killed process begins, when it was in @leaf; else NULL. */
static const char *find_victim(const char *groups, const char *leaf)
{
	char want[2 * CGROUP_NAME_BYTES];

	(void)str_fmt(want, sizeof(want), "/" CGROUP_PARENT "/%s" OOM_COMM, leaf);
	groups = strstr(groups, OOM_VICTIM);
	groups = groups ? strstr(groups, want) : NULL;
	return groups ? groups + strlen(want) : NULL;
}

static void take_limit(const char *text, const char *leaf, struct oomlog_kill *kill)
{
	const char *victim = strstr(text, OOM_VICTIM);
	const char *group = strstr(text, OOM_GROUP);
	char own[2 * CGROUP_NAME_BYTES];

	if (!group || group > victim) {
		kill->limit = OOMLOG_HOST;
		return;
	}
	copy(kill->group, sizeof(kill->group), group + STRLEN(OOM_GROUP), victim);
	(void)str_fmt(own, sizeof(own), "/" CGROUP_PARENT "/%s", leaf);
	kill->limit = str_ends(kill->group, own) ? OOMLOG_OWN : OOMLOG_PARENT;
}

/* The record that says why, and has the groups. Return: 0, -ENOENT, -EINVAL. */
static int parse_cause(const char *text, const char *leaf, struct oomlog_kill *kill)
{
	const char *comm = find_victim(text, leaf);
	const char *end, *pid, *uid;
	uint64_t number = 0;

	if (!comm)
		return -ENOENT;
	end = comm + strcspn(comm, "\n");
	uid = find_last(comm, end, OOM_UID);
	pid = uid ? find_last(comm, uid, OOM_PID) : NULL;
	if (!pid || parse_number(pid + STRLEN(OOM_PID), uid, INT32_MAX, &number) < 0)
		return -EINVAL;
	kill->pid = (int)number;
	copy(kill->comm, sizeof(kill->comm), comm, pid);
	take_limit(text, leaf, kill);
	return 0;
}

/* The record of the deed: "Killed process PID (NAME) total-vm:... UID:N ...". */
static int parse_deed(const char *text, uint32_t want, struct oomlog_kill *kill)
{
	const char *end = text + strcspn(text, "\n");
	const char *sizes = find_last(text, end, DEED_SIZES);
	const char *uid = sizes ? find_last(sizes, end, DEED_UID) : NULL;
	size_t digits = strspn(text, "0123456789");
	uint64_t number = 0;

	if (!uid || text[digits] != ' ' || text[digits + 1] != '(' || text + digits + 2 > sizes)
		return -EINVAL;
	uid += STRLEN(DEED_UID);
	if (parse_number(uid, uid + strspn(uid, "0123456789"), UINT32_MAX, &number) < 0)
		return -EINVAL;
	if (number != want || want == OOMLOG_NO_UID)
		return -ENOENT;
	if (parse_number(text, text + digits, INT32_MAX, &number) < 0)
		return -EINVAL;
	kill->pid = (int)number;
	copy(kill->comm, sizeof(kill->comm), text + digits + 2, sizes);
	return 0;
}

int oomlog_parse(const char *record, const struct oomlog_who *who, struct oomlog_kill *ret,
		 uint64_t *ret_us)
{
	struct oomlog_kill kill = {0};
	const char *text, *rest;
	uint64_t us = 0;
	int r = parse_head(record, &text, &us);

	if (r < 0)
		return r;
	if (str_starts(text, OOM_BEGIN)) {
		r = parse_cause(text, who->leaf, &kill);
	} else if ((rest = str_starts(text, DEED_GROUP))) {
		kill.limit = OOMLOG_GROUP;
		r = parse_deed(rest, who->uid, &kill);
	} else if ((rest = str_starts(text, DEED_HOST))) {
		kill.limit = OOMLOG_HOST;
		r = parse_deed(rest, who->uid, &kill);
	} else {
		r = -ENOENT;
	}
	if (r < 0)
		return r;
	*ret = kill;
	*ret_us = us;
	return 0;
}

int oomlog_open(void)
{
	_cleanup_close_ int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		return -errno;
	return take_fd(&fd);
}

int oomlog_find(int fd, const struct oomlog_who *who, bool all, uint64_t since_us,
		struct oomlog_kill *ret)
{
	struct oomlog_kill best = {0};
	char record[OOMLOG_RECORD_BYTES];
	int found = -ENOENT;

	if (all && lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	for (unsigned int i = 0; i < OOMLOG_MAX_RECORDS; i++) {
		/* One record a call, whole or not at all: fd_read_full() would join them. */
		ssize_t n = read(fd, record, sizeof(record) - 1);
		struct oomlog_kill kill;
		uint64_t us;

		/* EPIPE: records were overwritten, the next are there. */
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n <= 0)
			break; /* EAGAIN: the end */
		record[n] = '\0';
		if (oomlog_parse(record, who, &kill, &us) < 0 || us + SLACK_US < since_us)
			continue;
		if (best.group[0] && !kill.group[0])
			continue;
		best = kill;
		found = 0;
	}
	if (found == 0)
		*ret = best;
	return found;
}
