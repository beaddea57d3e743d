/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h - what this host offers, found out by doing it: each probe tries one facility, in a
 * child of its own where it must not touch the caller, and says what it found and what mends it.
 * No probe looks at the kernel's version.  The launcher does not run these: it tries and falls
 * back; only `dyno doctor` and tests do.
 */
#ifndef DYNO_PROBE_H
#define DYNO_PROBE_H

#include <stddef.h>

#include <dyno.h>

#define PROBE_TEXT_BYTES 256

/**
 * struct probe_ctx - what the probes may use; all borrowed.
 * @run_dir, @data_dir, @libexec_dir: paths of the host handle
 */
struct probe_ctx {
	const char *run_dir;
	const char *data_dir;
	const char *libexec_dir;
};

/**
 * struct probe_result - what one probe found.
 * @verdict: DYNO_OK; DYNO_FALLBACK: missing, dyno does without in the way @fact names; DYNO_WARN:
 *           works, but; DYNO_MISSING: dyno cannot run dynos like this
 * @fact: what was found
 * @fix: command or setting that mends it, ""
 */
struct probe_result {
	enum dyno_verdict verdict;
	char fact[PROBE_TEXT_BYTES];
	char fix[PROBE_TEXT_BYTES];
};

struct probe {
	const char *name;
	void (*fn)(const struct probe_ctx *ctx, struct probe_result *ret);
};

/** probe_at() - the @i-th probe in the order of the report. Return: NULL past the end. */
const struct probe *probe_at(size_t i);

/** probe_run() - one probe; @ret is complete whatever happens. */
void probe_run(const struct probe *probe, const struct probe_ctx *ctx, struct probe_result *ret);

/**
 * probe_existing_dir() - a directory as it is, or its nearest parent that exists.
 * @buf: receives the path
 */
void probe_existing_dir(const char *path, char *buf, size_t size);

/**
 * struct userns_facts - what decides why a user namespace was refused.
 * @num: errno of the failed clone, unshare or id map write
 * @unprivileged_clone: kernel.unprivileged_userns_clone; -1: no such sysctl
 * @max_namespaces: user.max_user_namespaces; -1: not readable
 * @apparmor_restrict: kernel.apparmor_restrict_unprivileged_userns; -1: none
 * @seccomp_mode: "Seccomp:" of /proc/self/status: 2 when filtered
 * @chrooted: the root of the caller is not the root of its mount namespace
 * @root: the effective user is 0
 */
struct userns_facts {
	int num;
	long unprivileged_clone;
	long max_namespaces;
	long apparmor_restrict;
	int seccomp_mode;
	int chrooted;
	int root;
};

/**
 * probe_userns_reason() - the class, message and hint for the facts.  Pure.
 * Return: -@facts->num, with @err set to ERR_USERNS, _SYSCTL, _APPARMOR, _LIMIT or _SECCOMP.
 */
int probe_userns_reason(const struct userns_facts *facts, struct dyno_err *err);

/**
 * probe_explain_limit() - whether the settings allow no namespace of a kind that is not `user`.
 * @num: positive errno of the call that failed
 *
 * One clone makes all kinds, so only the settings tell which was not to be had.
 * Return: 1 with ERR_HOST_LIMIT, or 0 when none is to blame.
 */
int probe_explain_limit(int num, struct dyno_err *err);

/**
 * probe_explain_userns() - why a user namespace could not be made here.
 * @num: positive errno of the call that failed
 *
 * Reads the sysctls and calls probe_userns_reason(); the launcher uses it on its error path.
 * Return: -@num, always with @err set.
 */
int probe_explain_userns(int num, struct dyno_err *err);

#endif
