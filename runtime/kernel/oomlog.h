/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oomlog.h - the kernel's own words on a process that it killed for want of memory: whom, and at
 * whose limit.  Only its log has both; it may be closed to us, or the line may have been left out
 * because there were too many.
 */
#ifndef DYNO_OOMLOG_H
#define DYNO_OOMLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest record, and name of a process with its escapes. Source: CONSOLE_EXT_LOG_MAX of the kernel
 * is 8192; TASK_COMM_LEN is 16, and "\x00" stands for a byte */
#define OOMLOG_RECORD_BYTES 8192
#define OOMLOG_COMM_BYTES   64

/* How much of the log is looked through. Source: own choice: 1 us a record, and the largest log
 * that kernels are built with has some 200,000 */
#define OOMLOG_MAX_RECORDS 200000U

/** enum oomlog_limit - whose limit it was. */
enum oomlog_limit {
	OOMLOG_OWN,    /* the group's that the process was in */
	OOMLOG_PARENT, /* that of a group above */
	OOMLOG_HOST,   /* none: the host has no memory left */
	OOMLOG_GROUP,  /* one of the first two */
};

/**
 * struct oomlog_kill - one kill.
 * @limit: see enum oomlog_limit
 * @group: of the limit, a path as the kernel counts it, cut where it is long; "": not told
 * @comm: the process's name, escaped by the kernel
 * @pid: its number on the host
 */
struct oomlog_kill {
	enum oomlog_limit limit;
	char group[256];
	char comm[OOMLOG_COMM_BYTES];
	int pid;
};

/**
 * oomlog_open() - the kernel's log from now on.
 * Return: a descriptor, non-blocking, close-on-exec; -EPERM: closed to us (kernel.dmesg_restrict);
 * -errno.
 */
int oomlog_open(void);

/**
 * struct oomlog_who - whose processes are meant.
 * @leaf: name of the control group below CGROUP_PARENT
 * @uid: of the processes on the host, where it is nobody else's, by which a kill is known when there
 *       were too many for the record that has the group; OOMLOG_NO_UID
 */
struct oomlog_who {
	const char *leaf;
	uint32_t uid;
};

#define OOMLOG_NO_UID UINT32_MAX

/**
 * oomlog_find() - the last kill in a leaf, in what the descriptor has not given yet; one with its
 * group goes before one without.
 * @all: look through the whole log
 * @since_us: CLOCK_MONOTONIC: not earlier, give or take a second
 * Return: 0; -ENOENT: not told; -errno.
 */
int oomlog_find(int fd, const struct oomlog_who *who, bool all, uint64_t since_us,
		struct oomlog_kill *ret);

/**
 * oomlog_parse() - one record of /dev/kmsg.  Pure.
 * @record: NUL-terminated
 * @ret_us: its time
 * Return: 0; -ENOENT: of something else, or of another leaf; -EINVAL: it is not whole.
 */
int oomlog_parse(const char *record, const struct oomlog_who *who, struct oomlog_kill *ret,
		 uint64_t *ret_us);

#endif
