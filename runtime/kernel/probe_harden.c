/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_harden.c - probes of settings by which a host makes its users, and so its dynos, stronger
 * than they need be.  None of them keeps a dyno from running.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/probe_priv.h"

/* Each start takes three namespaces of a kind at most, a restart has two generations. Source: room
 * for 150 dynos */
#define USERNS_FEW 1000

/* Longest mountinfo read. Source: fs.mount-max of 100,000, some 100 bytes each */
#define MOUNTS_MAX_BYTES ((size_t)16 << 20)

/**
 * struct harden_setting - a sysctl that is a number.
 * @path: below /proc/sys
 * @name: as sysctl(8) has it
 * @least: from which value on it hardens, and what mends it
 * @good: what holds then
 * @bad: what does not hold below
 * @absent: what holds where the kernel has no such setting; NULL: the same as @bad
 */
struct harden_setting {
	const char *path;
	const char *name;
	long least;
	const char *good;
	const char *bad;
	const char *absent;
};

static void say_setting(const struct harden_setting *s, struct probe_result *ret)
{
	char path[128];
	long value;

	(void)str_fmt(path, sizeof(path), "/proc/sys/%s", s->path);
	value = probe_read_long(path);
	if (value >= s->least) {
		probe_say(ret, DYNO_OK, "%s is %ld: %s", s->name, value, s->good);
	} else if (value < 0 && s->absent) {
		probe_say(ret, DYNO_FALLBACK, "no %s: %s", s->name, s->absent);
	} else if (value < 0) {
		probe_say(ret, DYNO_WARN, "%s cannot be read: %s", s->name, s->bad);
	} else {
		probe_say(ret, DYNO_WARN, "%s is %ld: %s", s->name, value, s->bad);
		probe_fix(ret, "sysctl -w %s=%ld", s->name, s->least);
	}
}

void probe_ptrace_scope(const struct probe_ctx *ctx, struct probe_result *ret)
{
	static const struct harden_setting setting = {
		.path = "kernel/yama/ptrace_scope",
		.name = "kernel.yama.ptrace_scope",
		.least = 1,
		.good = "a user's processes cannot take each other over",
		.bad = "any process of a user takes over his others; in dynos the filter forbids "
		       "it",
		.absent = "only the system call filter keeps a dyno's processes from each other",
	};

	(void)ctx;
	say_setting(&setting, ret);
}

void probe_unprivileged_bpf(const struct probe_ctx *ctx, struct probe_result *ret)
{
	static const struct harden_setting setting = {
		.path = "kernel/unprivileged_bpf_disabled",
		.name = "kernel.unprivileged_bpf_disabled",
		.least = 1,
		.good = "only root loads programs into the kernel",
		.bad = "every user may load programs into the kernel; in dynos the filter "
		       "forbids it",
		.absent = "this kernel has no BPF",
	};

	(void)ctx;
	say_setting(&setting, ret);
}

void probe_dmesg_restrict(const struct probe_ctx *ctx, struct probe_result *ret)
{
	static const struct harden_setting setting = {
		.path = "kernel/dmesg_restrict",
		.name = "kernel.dmesg_restrict",
		.least = 1,
		.good = "only root reads the kernel's log",
		.bad = "every user reads the kernel's log, with the crashes of dynos in it",
	};

	(void)ctx;
	say_setting(&setting, ret);
}

void probe_kptr_restrict(const struct probe_ctx *ctx, struct probe_result *ret)
{
	static const struct harden_setting setting = {
		.path = "kernel/kptr_restrict",
		.name = "kernel.kptr_restrict",
		.least = 1,
		.good = "the kernel's addresses are hidden",
		.bad = "files of /proc that dynos see may tell addresses of the kernel",
	};

	(void)ctx;
	say_setting(&setting, ret);
}

void probe_protected_links(const struct probe_ctx *ctx, struct probe_result *ret)
{
	static const char *const kinds[] = {"hardlinks", "symlinks", "fifos", "regular"};
	char path[64], off[64] = "", fix[160] = "sysctl -w";
	size_t n = 0, at = STRLEN("sysctl -w");

	(void)ctx;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		(void)str_fmt(path, sizeof(path), "/proc/sys/fs/protected_%s", kinds[i]);
		if (probe_read_long(path) != 0)
			continue;
		n += str_fmt(off + n, sizeof(off) - n, "%s%s", n ? ", " : "", kinds[i]);
		at += str_fmt(fix + at, sizeof(fix) - at, " fs.protected_%s=1", kinds[i]);
	}
	if (n == 0) {
		probe_say(ret, DYNO_OK, "files of others in shared directories are no traps");
		return;
	}
	probe_say(ret, DYNO_WARN,
		  "fs.protected_* is off for %s: a file that another user has put into a shared "
		  "directory can be a trap",
		  off);
	probe_fix(ret, "%s", fix);
}

void probe_userns_limit(const struct probe_ctx *ctx, struct probe_result *ret)
{
	long max = probe_read_long("/proc/sys/user/max_user_namespaces");

	(void)ctx;
	if (max >= USERNS_FEW) {
		probe_say(ret, DYNO_OK, "%ld user namespaces for each user", max);
		return;
	}
	if (max < 0)
		probe_say(ret, DYNO_WARN, "user.max_user_namespaces cannot be read");
	else
		probe_say(ret, DYNO_WARN, "%ld user namespaces for each user: a dyno takes up to 3",
			  max);
	probe_fix(ret, "sysctl -w user.max_user_namespaces=15000");
}

void probe_overcommit(const struct probe_ctx *ctx, struct probe_result *ret)
{
	long mode = probe_read_long("/proc/sys/vm/overcommit_memory");

	(void)ctx;
	if (mode != 2) {
		probe_say(ret, DYNO_OK, "vm.overcommit_memory is %ld", mode);
		return;
	}
	probe_say(ret, DYNO_WARN,
		  "vm.overcommit_memory is 2: runtimes that reserve more memory than they use "
		  "(V8, Go, the JVM) may fail, and dynos can starve each other");
	probe_fix(ret, "sysctl -w vm.overcommit_memory=0");
}

void probe_hidepid(const struct probe_ctx *ctx, struct probe_result *ret)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	char *text;
	size_t len;

	(void)ctx;
	if (fd < 0 || fd_read_all(fd, MOUNTS_MAX_BYTES, &arena, &text, &len) < 0) {
		probe_say(ret, DYNO_WARN, "the mounts of this host cannot be read");
		return;
	}
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (!strstr(line, " /proc ") || !strstr(line, " - proc "))
			continue;
		if (strstr(line, "hidepid=")) {
			probe_say(ret, DYNO_OK, "users of this host see their own processes only");
			return;
		}
	}
	probe_say(ret, DYNO_OK,
		  "every user of this host sees all processes, dynos see their own only");
}

void probe_seccomp_actions(const struct probe_ctx *ctx, struct probe_result *ret)
{
	static const char *const wanted[] = {"kill_process", "errno", "allow"};
	char text[PROBE_TEXT_BYTES / 2];
	int r = probe_read_file("/proc/sys/kernel/seccomp/actions_avail", text, sizeof(text));

	(void)ctx;
	if (r < 0) {
		probe_say(ret, DYNO_WARN, "what filters can do is not told: %s",
			  err_errno_text(-r));
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (strstr(text, wanted[i]))
			continue;
		probe_say(ret, DYNO_MISSING, "filters have no action %s: %s", wanted[i], text);
		probe_fix(ret, "use a newer kernel");
		return;
	}
	probe_say(ret, DYNO_OK, "%s", text);
}

void probe_lsm(const struct probe_ctx *ctx, struct probe_result *ret)
{
	char text[PROBE_TEXT_BYTES / 2], shown[PROBE_TEXT_BYTES / 2];
	int r = probe_read_file("/sys/kernel/security/lsm", text, sizeof(text));

	(void)ctx;
	if (r == 0)
		probe_say(ret, DYNO_OK, "%s", str_escape(shown, sizeof(shown), text));
	else
		probe_say(ret, DYNO_FALLBACK, "the list of security modules cannot be read: %s",
			  err_errno_text(-r));
	if (r == -ENOENT)
		probe_fix(ret, "mount -t securityfs none /sys/kernel/security");
}
