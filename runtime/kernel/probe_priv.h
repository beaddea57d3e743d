/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_priv.h - the one list of probes, and what their files share; for nobody else.
 */
#ifndef DYNO_PROBE_PRIV_H
#define DYNO_PROBE_PRIV_H

#include <stdbool.h>

#include "base/util.h"
#include "kernel/probe.h"

/* PROBE(name, function): in the order of the report. */
#define DYNO_PROBES(PROBE)                                \
	PROBE("kernel", probe_kernel)                     \
	PROBE("user-namespaces", probe_userns)            \
	PROBE("id-ranges", probe_id_ranges)               \
	PROBE("mount-api", probe_mount_api)               \
	PROBE("overlay", probe_overlay)                   \
	PROBE("overlay-layers", probe_overlay_layers)     \
	PROBE("tmpfs-xattr", probe_tmpfs_xattr)           \
	PROBE("idmapped-mounts", probe_idmap)             \
	PROBE("clone3", probe_clone3)                     \
	PROBE("pidfd", probe_pidfd)                       \
	PROBE("openat2", probe_openat2)                   \
	PROBE("close-range", probe_close_range)           \
	PROBE("memfd-exec", probe_memfd)                  \
	PROBE("seccomp", probe_seccomp)                   \
	PROBE("landlock", probe_landlock)                 \
	PROBE("sock-diag", probe_sock_diag)               \
	PROBE("cgroup", probe_cgroup)                     \
	PROBE("cgroup-memory", probe_cgroup_memory)       \
	PROBE("cgroup-cpu", probe_cgroup_cpu)             \
	PROBE("cgroup-pids", probe_cgroup_pids)           \
	PROBE("cgroup-io", probe_cgroup_io)               \
	PROBE("cgroup-cpuset", probe_cgroup_cpuset)       \
	PROBE("cgroup-swap", probe_cgroup_swap)           \
	PROBE("cgroup-kill", probe_cgroup_kill)           \
	PROBE("cgroup-oom-group", probe_cgroup_oom_group) \
	PROBE("pressure", probe_pressure)                 \
	PROBE("swap", probe_swap)                         \
	PROBE("core-pattern", probe_core_pattern)         \
	PROBE("user-namespace-limit", probe_userns_limit) \
	PROBE("ptrace-scope", probe_ptrace_scope)         \
	PROBE("unprivileged-bpf", probe_unprivileged_bpf) \
	PROBE("dmesg-restrict", probe_dmesg_restrict)     \
	PROBE("kptr-restrict", probe_kptr_restrict)       \
	PROBE("protected-links", probe_protected_links)   \
	PROBE("overcommit", probe_overcommit)             \
	PROBE("hidepid", probe_hidepid)                   \
	PROBE("seccomp-actions", probe_seccomp_actions)   \
	PROBE("security-modules", probe_lsm)              \
	PROBE("port-range", probe_port_range)             \
	PROBE("run-dir", probe_run_dir)                   \
	PROBE("data-dir", probe_data_dir)                 \
	PROBE("data-space", probe_data_space)             \
	PROBE("bash", probe_bash)                         \
	PROBE("nft", probe_nft)                           \
	PROBE("pasta", probe_pasta)                       \
	PROBE("tun", probe_tun)

#define DYNO_PROBE_DECLARE(name, function) \
	void function(const struct probe_ctx *ctx, struct probe_result *ret);
DYNO_PROBES(DYNO_PROBE_DECLARE)
#undef DYNO_PROBE_DECLARE

/** probe_say() - set verdict and fact; the fix stays as it is. */
void probe_say(struct probe_result *ret, enum dyno_verdict verdict, const char *fmt, ...)
	_printf_(3, 4);

/** probe_fix() - say what mends it. */
void probe_fix(struct probe_result *ret, const char *fmt, ...) _printf_(2, 3);

/**
 * probe_say_syscall() - the verdict for one facility that works or does not.
 * @r: 0 or more: it works; -errno
 * @verdict: where it does not
 * @what: name of the call
 * @without: how dyno does without, or that it cannot
 */
void probe_say_syscall(struct probe_result *ret, int r, enum dyno_verdict verdict, const char *what,
		       const char *without);

/* Runs in a child of its own; what it does to its namespaces and limits ends with it. */
typedef int (*probe_child_fn)(const struct probe_ctx *ctx);

/**
 * probe_in_child() - run @fn in a fork and wait at most PROBE_CHILD_MS.
 * Return: what @fn returned (0, or a negative errno); -ETIMEDOUT, -EINTR when a signal killed it;
 * -errno of the fork.
 */
int probe_in_child(probe_child_fn fn, const struct probe_ctx *ctx);

/* A probe that takes longer hangs: a dead network file system. Source: chosen. */
#define PROBE_CHILD_MS 5000

/**
 * probe_enter_mounts() - in a child: an own mount namespace, cut off from the host's; without
 * root in a user namespace of one id.
 * Return: 0 or -errno.
 */
int probe_enter_mounts(void);

/**
 * probe_read_file() - a small text file, without its last newline.
 * Return: 0, or -errno; @buf is "" then.
 */
int probe_read_file(const char *path, char *buf, size_t size);

/** probe_read_long() - a sysctl of one number. Return: its value, -1 where it cannot be read. */
long probe_read_long(const char *path);

/**
 * struct subid_facts - what decides whether a user has a range of ids of its own.
 * @root: no range is needed
 * @has_uid_range, @has_gid_range: a line of /etc/subuid, /etc/subgid names the user
 * @has_newuidmap, @has_newgidmap: the helper was found
 * @helpers_privileged: both are setuid root or have a file capability
 */
struct subid_facts {
	bool root;
	bool has_uid_range;
	bool has_gid_range;
	bool has_newuidmap;
	bool has_newgidmap;
	bool helpers_privileged;
};

/** probe_subids_verdict() - the result for the facts.  Pure. @user: for the fix */
void probe_subids_verdict(const struct subid_facts *facts, const char *user,
			  struct probe_result *ret);

#endif
