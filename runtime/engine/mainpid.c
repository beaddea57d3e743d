/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/mainpid.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"

/* What is read of a process's children and status. Source: a status has a line of all groups, of
 * 65536 at most (NGROUPS_MAX) */
#define PROC_MAX_BYTES (1024U * 1024U)

/* The command is the first process that dyno-init starts. Source: contract 1.3 */
#define MAIN_PID "2"

static int read_proc(struct arena *arena, const char *path, char **ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd_read_all(fd, PROC_MAX_BYTES, arena, ret, NULL);
}

/* Whether a process has that number in the innermost of its pid namespaces. */
static bool is_numbered(struct arena *arena, uint32_t pid, const char *number)
{
	char path[32];
	char *text;
	char *line;

	str_fmt(path, sizeof(path), "/proc/%u/status", pid);
	if (read_proc(arena, path, &text) < 0)
		return false;
	line = strstr(text, "\nNSpid:");
	if (!line)
		return false;
	line[1 + strcspn(line + 1, "\n")] = '\0';
	return str_eq(strrchr(line, '\t') + 1, number);
}

int mainpid_of(int init_pid)
{
	_cleanup_arena_ struct arena arena = {0};
	char path[64];
	char *pids = NULL;

	if (init_pid <= 0)
		return 0;
	str_fmt(path, sizeof(path), "/proc/%d/task/%d/children", init_pid, init_pid);
	if (read_proc(&arena, path, &pids) < 0)
		return 0;
	while (pids && *pids) {
		size_t len = strcspn(pids, " ");
		char *next = pids + len + (pids[len] != '\0');
		uint32_t pid;

		pids[len] = '\0';
		if (num_parse_u32(pids, INT_MAX, &pid) == 0 && is_numbered(&arena, pid, MAIN_PID))
			return (int)pid;
		pids = next;
	}
	return 0;
}
