/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_join.c - the one step that the child does itself; apart from cgroup.c because it runs
 * between clone and exec.
 */
#include <errno.h>
#include <unistd.h>

#include "kernel/cgroup.h"

#include "base/childsafe.h"

int cgroup_join_self(const struct cgroup_leaf *leaf)
{
	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		if (leaf->tasks_fd[t] < 0)
			continue;
		/* 0 is the writing thread; kernfs takes it in one write or not at all. */
		if (write(leaf->tasks_fd[t], "0", 1) != 1)
			return -errno;
	}
	return 0;
}
