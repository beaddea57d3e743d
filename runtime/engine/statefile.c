/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/num.h"

/* Renamed to the file once it is whole; the place has one writer. */
#define NEW_NAME STATEFILE_NAME ".new"

/* A stat line: 52 numbers and a name of 15 bytes. Source: proc(5) */
#define STAT_BYTES 2048
/* Fields between the name and the start time. Source: proc(5), stat, (3) to (21) */
#define STAT_SKIP		   19

#define FACT(name, field)	   MEMBER(struct dyno_facts, name, field)
#define FACT_AS(name, field, kind) MEMBER_AS(struct dyno_facts, name, field, kind)

static const struct member members[] = {
	FACT("app", info.app),
	FACT("name", info.name),
	FACT("type", info.type),
	FACT("state", info.state),
	FACT_AS("oneoff", info.oneoff, MEMBER_FLAG),
	FACT_AS("kept", info.kept, MEMBER_FLAG),
	FACT("init_pid", info.init_pid),
	FACT("monitor_pid", info.monitor_pid),
	FACT("port", info.port),
	FACT("address", info.address),
	FACT("address6", info.address6),
	FACT("published", info.published),
	FACT("start", info.start),
	FACT_AS("swapping", info.swapping, MEMBER_FLAG),
	FACT("restarts", info.restarts),
	FACT("crashes", info.crashes),
	FACT("since_us", info.since_us),
	FACT_AS("exit_code", info.exit_code, MEMBER_STATUS),
	FACT("signal", info.signal),
	FACT("reason", info.reason),
	FACT("detail", info.detail),
	FACT("next_try_us", info.next_try_us),
	FACT("slug", info.slug),
	FACT("command", info.command),
	FACT("boot_id", boot_id),
	FACT("monitor_start", monitor_start),
	FACT("started_us", started_us),
};

const struct member_table statefile_table = {members, ARRAY_SIZE(members)};

void statefile_format(const struct dyno_facts *facts, struct sbuf *b)
{
	json_open(b, NULL, '{');
	json_u64(b, "schema", STATEFILE_SCHEMA);
	members_write(&statefile_table, facts, b);
	json_close(b, '}');
}

int statefile_parse(const char *text, size_t len, struct arena *arena, struct dyno_facts *ret)
{
	struct dyno_facts read = {0};
	const struct member_set set = {&statefile_table, &read};
	int r = members_read(text, len, STATEFILE_SCHEMA, &set, 1, arena);

	if (r < 0)
		return r;
	/* Nobody can be told of a dyno without these. */
	if (!read.info.app || !read.info.name || !read.info.type || !read.info.state)
		return -EINVAL;
	*ret = read;
	return 0;
}

int statefile_write(int dir_fd, const struct dyno_facts *facts)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_sbuf_ struct sbuf b = {0};
	ssize_t n;

	statefile_format(facts, &b);
	sbuf_addc(&b, '\n');
	if (sbuf_ok(&b) < 0)
		return -ENOMEM;
	if (b.len > STATEFILE_MAX_BYTES)
		return -EFBIG; /* nobody would read it */
	fd = openat(dir_fd, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	n = fd_write_full(fd, b.data, b.len);
	if (n < 0)
		return (int)n;
	return renameat(dir_fd, NEW_NAME, dir_fd, STATEFILE_NAME) < 0 ? -errno : 0;
}

int statefile_read(int dir_fd, struct arena *arena, struct dyno_facts *ret)
{
	struct dyno_facts read;
	char boot_id[sizeof(read.boot_id)];
	char *text;
	size_t len;
	int r;

	r = file_read_beneath(dir_fd, STATEFILE_NAME, STATEFILE_MAX_BYTES, arena, &text, &len);
	if (r < 0)
		return r == -EFBIG ? -EINVAL : r;
	r = statefile_parse(text, len, arena, &read);
	if (r < 0)
		return r;
	statefile_boot_id(boot_id);
	if (!str_eq(read.boot_id, boot_id))
		return -ESTALE;
	*ret = read;
	return 0;
}

/* The beginning of a small file of /proc, NUL-terminated. Return: its length, or -errno. */
static ssize_t read_proc(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -errno : fd_read_full(fd, buf, size - 1);

	if (n >= 0)
		buf[n] = '\0';
	return n;
}

void statefile_boot_id(char buf[40])
{
	if (read_proc("/proc/sys/kernel/random/boot_id", buf, 40) < 0)
		buf[0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

uint64_t statefile_start_time(int pid)
{
	char path[32];
	char text[STAT_BYTES];
	char *field;
	uint64_t start;

	str_fmt(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_proc(path, text, sizeof(text)) < 0)
		return 0;
	field = strrchr(text, ')'); /* the name before it is the process's own choice */
	for (int i = 0; i < STAT_SKIP + 1 && field; i++)
		field = strchr(field + 1, ' ');
	if (!field)
		return 0;
	field++;
	field[strcspn(field, " ")] = '\0';
	return num_parse_u64(field, UINT64_MAX, &start) < 0 ? 0 : start;
}
