/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_extra.h - the limits whose controllers only those dynos join that ask for them: the share
 * and the bandwidth of disks (blkio, io), and a set of CPUs that nobody inside can leave (cpuset).
 */
#ifndef DYNO_CGROUP_EXTRA_H
#define DYNO_CGROUP_EXTRA_H

#include <stdint.h>

#include <dyno.h>

#include "kernel/cgroup.h"
#include "model/cpulist.h"
#include "model/limits.h"

/**
 * cgroup_write_extra() - these limits of @limits, and on v1 what a group of CPUs needs before a
 * process can join it, whether there is a limit or not.
 * @leaf: takes note of what is refused, and the rest is written; NULL: that is an error
 * Return: 0, or -errno with ERR_CGROUP.
 */
int cgroup_write_extra(const struct cgroup_host *host, const char *name,
		       const struct cgroup_limits *limits, struct cgroup_leaf *leaf,
		       struct dyno_err *err);

/**
 * cgroup_prepare_cpuset() - give our directory of the v1 tree the CPUs and the memory nodes of the
 * one around it: a new one has none, and nothing may be given to its leaves then.
 * @base_fd, @parent_fd: the directory around ours, and ours
 */
void cgroup_prepare_cpuset(int base_fd, int parent_fd);

/** cgroup_read_io_weight() - share of the disks in force. Return: 0 or -errno (-ENOENT: none). */
int cgroup_read_io_weight(const struct cgroup_host *host, const char *name, uint32_t *ret);

/**
 * cgroup_read_io() - bandwidth of one device in force.
 * @io: @major and @minor are taken, the four rates set; 0: no limit
 * Return: 0, or -errno with @io as it was.
 */
int cgroup_read_io(const struct cgroup_host *host, const char *name, struct limits_io *io);

/** cgroup_read_cpuset() - the CPUs that processes of the leaf can run on. Return: 0 or -errno. */
int cgroup_read_cpuset(const struct cgroup_host *host, const char *name, struct cpulist *ret);

#endif
