/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_tasks.h - which tasks of a leaf run.  The kernel counts them for itself alone: each task's
 * own state is read, so this is for who asks seldom.
 */
#ifndef DYNO_CGROUP_TASKS_H
#define DYNO_CGROUP_TASKS_H

#include <stdint.h>

#include "kernel/cgroup.h"

/* Tasks that are looked at; some 10 us each. Source: own choice, 16 times the default limit of a
 * dyno: what has more of them is counted short */
#define CGROUP_TASKS_MAX 4096U

/**
 * cgroup_leaf_running() - threads that run or wait for a CPU (state R of proc(5)) now.
 * @proc: where /proc is, for tests
 * Return: 0; -EOPNOTSUPP: no control group; -ENOENT: no such leaf; -errno.
 */
int cgroup_leaf_running(const struct cgroup_host *host, const char *name, const char *proc,
			uint64_t *ret);

#endif
