/* SPDX-License-Identifier: Apache-2.0 */
/* security_rights.c - what a process may do, and how much of it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/security_internal.h"
#include "model/procfacts.h"

/* ---- rights --------------------------------------------------------------------------------- */

static void look_seccomp(struct look *l)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	uint64_t mode, filters = 0;

	if (procfacts_u64(l->status, "Seccomp", 10, &mode) < 0) {
		security_tell_unknown(l, "seccomp", ENOENT);
		return;
	}
	sbuf_addf(&fact, "mode %llu", (unsigned long long)mode);
	if (procfacts_u64(l->status, "Seccomp_filters", 10, &filters) == 0)
		sbuf_addf(&fact, ", %llu filters", (unsigned long long)filters);
	security_tell_if(l, mode == 2 && !l->unfiltered, "seccomp", &fact,
			 l->unfiltered ? l->unfiltered : "it may make every system call");
}

static void look_no_new_privs(struct look *l)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	uint64_t set;

	if (procfacts_u64(l->status, "NoNewPrivs", 10, &set) < 0) {
		security_tell_unknown(l, "no-new-privs", ENOENT);
		return;
	}
	sbuf_addf(&fact, "%llu", (unsigned long long)set);
	security_tell_if(l, set == 1, "no-new-privs", &fact,
			 "setuid programs give it other rights");
}

static void look_caps(struct look *l)
{
	static const struct {
		const char *field, *name;
	} sets[] = {
		{"CapInh", "inheritable-capabilities"}, {"CapPrm", "permitted-capabilities"},
		{"CapEff", "effective-capabilities"},	{"CapBnd", "bounding-capabilities"},
		{"CapAmb", "ambient-capabilities"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		_cleanup_sbuf_ struct sbuf fact = {0};
		uint64_t caps;

		if (procfacts_u64(l->status, sets[i].field, 16, &caps) < 0) {
			security_tell_unknown(l, sets[i].name, ENOENT);
			continue;
		}
		procfacts_caps(&fact, caps);
		security_tell_if(l, caps == 0, sets[i].name, &fact, "a dyno has no capability");
	}
}

void security_rights(struct look *l)
{
	look_seccomp(l);
	look_no_new_privs(l);
	look_caps(l);
}

/* ---- limits --------------------------------------------------------------------------------- */

/* "Max open files            10000                10000                files" */
static bool find_limit(const char *limits, const char *title, char soft[32], char hard[32])
{
	const char *line = strstr(limits, title);
	char *const out[] = {soft, hard};

	if (!line)
		return false;
	line += strlen(title);
	for (size_t i = 0; i < 2; i++) {
		size_t len;

		line += strspn(line, " ");
		len = strcspn(line, " \n");
		if (len == 0 || len >= 32)
			return false;
		memcpy(out[i], line, len);
		out[i][len] = '\0';
		line += len;
	}
	return true;
}

/* Where a crash starts a program of the host, 1 and no other limit keeps it from being started. */
static bool core_is_held(const char *hard)
{
	_cleanup_close_ int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
	char first = '|';

	if (str_eq(hard, "1"))
		return true;
	if (fd < 0 || fd_read_full(fd, &first, 1) != 1)
		return false;
	return str_eq(hard, "0") && first != '|';
}

static void look_limits(struct look *l)
{
	static const struct {
		const char *title, *name;
	} wanted[] = {
		{"Max open files", "limit-nofile"},
		{"Max processes", "limit-nproc"},
		{"Max core file size", "limit-core"},
	};
	const char *limits = security_read(l, "limits");

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		_cleanup_sbuf_ struct sbuf fact = {0};
		char soft[32], hard[32];

		if (!limits || !find_limit(limits, wanted[i].title, soft, hard)) {
			security_tell_unknown(l, wanted[i].name, limits ? EINVAL : errno);
			continue;
		}
		sbuf_addf(&fact, "%s, at most %s", soft, hard);
		security_tell_if(l, !str_eq(wanted[i].name, "limit-core") || core_is_held(hard),
				 wanted[i].name, &fact,
				 "a crash writes a file, or starts a program of the host");
	}
}

static void look_oom(struct look *l)
{
	char *text = security_read(l, "oom_score_adj");

	if (!text) {
		security_tell_unknown(l, "oom-score-adj", errno);
		return;
	}
	text[strcspn(text, "\n")] = '\0';
	security_tell(l, *text == '-' ? DYNO_WEAKER : DYNO_HOLDS, "oom-score-adj", text,
		      "the host's processes are killed before it");
}

/* ---- what the kernel's modules make of it --------------------------------------------------- */

static void look_label(struct look *l)
{
	char *text = security_read(l, "attr/current");

	if (!text && errno != EINVAL && errno != ENOENT) {
		security_tell_unknown(l, "security-label", errno);
		return;
	}
	if (text)
		text[strcspn(text, "\n")] = '\0';
	security_tell(l, DYNO_HOLDS, "security-label", text && *text ? text : "none", "");
}

static void look_keyring(struct look *l)
{
	security_tell(l, DYNO_UNKNOWN, "session-keyring", "",
		      "the kernel names it to the process itself only");
}

/* Files of a process that must not be looked at belong to the root of its namespace, not to it. */
static void look_dumpable(struct look *l, bool closed_promised)
{
	struct stat st;
	uint32_t ids[4];
	bool closed;

	if (fstatat(l->dir, "environ", &st, 0) < 0 || procfacts_ids(l->status, "Uid", ids) < 0) {
		security_tell_unknown(l, "dumpable", errno);
		return;
	}
	closed = st.st_uid != ids[1];
	security_tell(l, closed || !closed_promised ? DYNO_HOLDS : DYNO_WEAKER, "dumpable",
		      closed ? "no" : "yes", "the app can look into it, and change it");
}

void security_limits(struct look *l, bool closed_promised)
{
	look_limits(l);
	look_oom(l);
	look_label(l);
	look_keyring(l);
	look_dumpable(l, closed_promised);
}
