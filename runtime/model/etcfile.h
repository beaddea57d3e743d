/* SPDX-License-Identifier: Apache-2.0 */
/*
 * etcfile.h - the texts of the files that are made anew for each dyno (CONTRACT 2.4, 2.5, 2.14).
 * It writes into buffers; where they are mounted is decided elsewhere.
 *
 * Each function appends to @out and cannot fail but by memory, which sbuf_ok(@out) tells.
 */
#ifndef DYNO_ETCFILE_H
#define DYNO_ETCFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* What the v1 file shows where there is no limit.  Source: kernel, PAGE_COUNTER_MAX * 4096 on
 * 64 bits: LONG_MAX rounded down to a page. */
#define ETC_MEMORY_UNLIMITED_BYTES 9223372036854771712ULL

/* Gid of the terminals of a devpts with gid=5.  Source: CONTRACT 2.7; base-passwd of Debian. */
#define ETC_GID_TTY 5U

/* Longest line of a resolv.conf that is passed on.  Source: glibc reads lines of BUFSIZ, 8192. */
#define ETC_RESOLV_LINE_MAX_BYTES 8192U

/** etc_passwd() - root, nobody and u<uid> with its home /app and /bin/bash (CONTRACT 1.10). */
void etc_passwd(struct sbuf *out, uint32_t uid);

/** etc_group() - root, tty, nogroup, and the primary group, which has two names: dyno, u<uid>. */
void etc_group(struct sbuf *out, uint32_t uid);

/** etc_hosts() - localhost, and @hostname at @address (NULL: 127.0.1.1), already checked. */
void etc_hosts(struct sbuf *out, const char *hostname, const char *address);

/** etc_hosts_add() - one name more. */
void etc_hosts_add(struct sbuf *out, const char *name, const char *address);

/** etc_hostname() - @hostname and a newline. */
void etc_hostname(struct sbuf *out, const char *hostname);

/** etc_nsswitch() - files, and dns for hosts: no module beyond glibc's own. */
void etc_nsswitch(struct sbuf *out);

/**
 * etc_profile() - what bash --login reads first: the prompt, then every .sh file of
 * $HOME/.profile.d in the order of the C locale, then a default for WEB_CONCURRENCY unless
 * something has set it (CONTRACT 0.5, 2.14, 3.1, 3.2).  On a terminal COLUMNS and LINES become the
 * shell's alone (8.3).  Any POSIX shell can read it.
 * @web_concurrency: 0: no default
 */
void etc_profile(struct sbuf *out, uint32_t web_concurrency);

/** etc_bashrc() - /etc/bash.bashrc: the prompt. */
void etc_bashrc(struct sbuf *out);

/**
 * etc_resolv_conf() - the host's resolv.conf without what a resolver would not read.
 * @text: @len bytes, any bytes; NULL: the dyno has no network, the file stays empty
 * @loopback: servers on the host's loopback are passed on, which only the host's network reaches
 */
void etc_resolv_conf(struct sbuf *out, const char *text, size_t len, bool loopback);

/** etc_resolv_reachable() - whether such a file names a server that is not on the loopback. */
bool etc_resolv_reachable(const char *text, size_t len);

/** etc_resolv_on_loopback() - whether it names a server within 127.0.0.0/8. */
bool etc_resolv_on_loopback(const char *text, size_t len);

/** etc_memory_limit() - memory.limit_in_bytes (CONTRACT 2.5). @bytes: 0: no limit */
void etc_memory_limit(struct sbuf *out, uint64_t bytes);

/** etc_cgroup_max() - memory.max and pids.max as v2 has them. @value: 0: "max" */
void etc_cgroup_max(struct sbuf *out, uint64_t value);

/** etc_cpu_max() - cpu.max: quota and period in microseconds. @quota_usec: 0: "max" */
void etc_cpu_max(struct sbuf *out, uint64_t quota_usec, uint64_t period_usec);

#endif
