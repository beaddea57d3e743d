/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_host.c - probes of what an administrator sets up: control groups, directories, programs,
 * ranges of ids.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_limit.h"
#include "kernel/pasta.h"
#include "kernel/probe_priv.h"
#include "kernel/program.h"
#include "model/port.h"

/* Space below which the data directory is reported. Source: a Heroku slug is at most 500 MB
 * compressed, about four times that unpacked; Dev Center, "Slug Compiler". */
#define DATA_FREE_BYTES	 ((uint64_t)2 << 30)
#define DATA_FREE_INODES 100000U

/* ---- control groups -------------------------------------------------------------------------- */

void probe_cgroup(const struct probe_ctx *ctx, struct probe_result *ret)
{
	static const char *const kinds[] = {
		[CGROUP_NONE] = "none",
		[CGROUP_V1] = "v1",
		[CGROUP_V2] = "v2",
		[CGROUP_HYBRID] = "v1 controllers with a v2 tree",
	};
	struct dyno_err err = {0};
	struct cgroup_host host;
	int r = cgroup_host_open(CGROUP_ROOT, &host, &err);

	(void)ctx;
	if (r < 0) {
		probe_say(ret, DYNO_WARN, "%s: %s", err.msg, err_errno_text(-r));
		return;
	}
	if (host.kind == CGROUP_NONE)
		probe_say(ret, DYNO_WARN, "no limits can be set: %s", host.reason);
	else if (host.reason[0] != '\0')
		probe_say(ret, DYNO_WARN, "%s; %s", kinds[host.kind], host.reason);
	else
		probe_say(ret, DYNO_OK, "%s", kinds[host.kind]);
	probe_fix(ret, "%s", host.fix);
	cgroup_host_done(&host);
}

/* @find_above: the limit of a group around all dynos; NULL: the controller has none of use */
static void probe_controller(unsigned int has, const char *what,
			     void (*find_above)(const struct cgroup_host *, struct cgroup_above *),
			     struct probe_result *ret)
{
	struct cgroup_above above = {0};
	struct cgroup_host host;

	if (cgroup_host_open(CGROUP_ROOT, &host, NULL) < 0 || host.kind == CGROUP_NONE) {
		probe_say(ret, DYNO_WARN, "no %s", what);
		probe_fix(ret, "see cgroup");
		return;
	}
	if (find_above)
		find_above(&host, &above);
	if (above.value) {
		probe_say(ret, DYNO_OK, "%s can be set; all dynos together: %llu, by %s", what,
			  (unsigned long long)above.value, above.group);
	} else if (host.controllers & has) {
		probe_say(ret, DYNO_OK, "%s can be set", what);
	} else {
		probe_say(ret, DYNO_WARN, "no %s: %s", what, host.reason);
		probe_fix(ret, "%s", host.fix);
	}
	cgroup_host_done(&host);
}

void probe_cgroup_memory(const struct probe_ctx *ctx, struct probe_result *ret)
{
	(void)ctx;
	probe_controller(CGROUP_HAS_MEMORY, "limit of memory", cgroup_memory_above, ret);
}

void probe_cgroup_cpu(const struct probe_ctx *ctx, struct probe_result *ret)
{
	(void)ctx;
	probe_controller(CGROUP_HAS_CPU, "share of CPU", NULL, ret);
}

void probe_cgroup_pids(const struct probe_ctx *ctx, struct probe_result *ret)
{
	(void)ctx;
	probe_controller(CGROUP_HAS_PIDS, "limit of processes", cgroup_pids_above, ret);
}

/* A controller that only those dynos join whose limits need it. */
static void probe_extra(unsigned int has, const char *what, enum dyno_verdict verdict,
			const char *without, struct probe_result *ret)
{
	struct cgroup_host host;
	bool is_there, v2;

	if (cgroup_host_open_with(CGROUP_ROOT, has, &host, NULL) < 0 || host.kind == CGROUP_NONE) {
		probe_say(ret, verdict, "%s", without);
		probe_fix(ret, "see cgroup");
		return;
	}
	is_there = host.controllers & has;
	v2 = host.kind == CGROUP_V2;
	cgroup_host_done(&host);
	if (is_there) {
		probe_say(ret, DYNO_OK, "%s", what);
		return;
	}
	probe_say(ret, verdict, "%s", without);
	if (v2 && geteuid() != 0)
		probe_fix(ret, "as root: systemctl edit user@.service, [Service] "
			       "Delegate=cpu cpuset io memory pids");
	else if (v2)
		probe_fix(ret, "look for cgroup_disable= on the kernel command line");
	else
		probe_fix(ret, "mount -t cgroup -o %s cgroup " CGROUP_ROOT "/%s",
			  has == CGROUP_HAS_IO ? "blkio" : "cpuset",
			  has == CGROUP_HAS_IO ? "blkio" : "cpuset");
}

void probe_cgroup_io(const struct probe_ctx *ctx, struct probe_result *ret)
{
	(void)ctx;
	probe_extra(CGROUP_HAS_IO, "share and bandwidth of disks can be set", DYNO_WARN,
		    "no share or bandwidth of disks: --io-weight and --io-max limit nothing", ret);
}

void probe_cgroup_cpuset(const struct probe_ctx *ctx, struct probe_result *ret)
{
	(void)ctx;
	probe_extra(CGROUP_HAS_CPUSET, "a set of CPUs holds", DYNO_FALLBACK,
		    "no controller of CPU sets: --cpuset is an affinity, which an app can change",
		    ret);
}

/*
 * Whether our directory of a tree has a file; groups below it have the same.
 * Return: 1, 0, or -ENOENT with the result set where there are no groups at all.
 */
static int tree_has(enum cgroup_tree tree, const char *file, struct probe_result *ret)
{
	struct cgroup_host host;
	int has;

	if (cgroup_host_open(CGROUP_ROOT, &host, NULL) < 0 || host.kind == CGROUP_NONE) {
		probe_say(ret, DYNO_FALLBACK, "no control groups");
		probe_fix(ret, "see cgroup");
		return -ENOENT;
	}
	has = host.parent_fd[host.home[tree]] >= 0 &&
	      faccessat(host.parent_fd[host.home[tree]], file, F_OK, 0) == 0;
	cgroup_host_done(&host);
	return has;
}

void probe_cgroup_swap(const struct probe_ctx *ctx, struct probe_result *ret)
{
	int has = tree_has(CGROUP_TREE_MEMORY, "memory.swap.max", ret);

	(void)ctx;
	if (has == 0)
		has = tree_has(CGROUP_TREE_MEMORY, "memory.memsw.limit_in_bytes", ret);
	if (has > 0) {
		probe_say(ret, DYNO_OK, "swap is counted");
	} else if (has == 0) {
		probe_say(ret, DYNO_FALLBACK,
			  "swap is not counted: the hard mark bounds memory without swap");
		probe_fix(ret, "add swapaccount=1 to the kernel command line");
	}
}

void probe_cgroup_kill(const struct probe_ctx *ctx, struct probe_result *ret)
{
	int has = tree_has(CGROUP_TREE_UNIFIED, "cgroup.kill", ret);

	(void)ctx;
	if (has > 0)
		probe_say(ret, DYNO_OK, "cgroup.kill");
	else if (has == 0)
		probe_say(ret, DYNO_FALLBACK,
			  "no cgroup.kill: pid 1 of the dyno is killed, and "
			  "the kernel kills the rest");
}

void probe_cgroup_oom_group(const struct probe_ctx *ctx, struct probe_result *ret)
{
	int has = tree_has(CGROUP_TREE_MEMORY, "memory.oom.group", ret);

	(void)ctx;
	if (has > 0)
		probe_say(ret, DYNO_OK, "memory.oom.group");
	else if (has == 0)
		probe_say(ret, DYNO_FALLBACK,
			  "no memory.oom.group: the kernel kills one process, "
			  "dyno the others");
}

/* ---- the machine ----------------------------------------------------------------------------- */

void probe_pressure(const struct probe_ctx *ctx, struct probe_result *ret)
{
	char text[128];
	int r = probe_read_file("/proc/pressure/memory", text, sizeof(text));

	(void)ctx;
	if (r == 0) {
		probe_say(ret, DYNO_OK, "pressure is measured");
		return;
	}
	probe_say(ret, DYNO_FALLBACK, "no pressure figures (%s): causes of slowness stay unnamed",
		  err_errno_text(-r));
	probe_fix(ret, "add psi=1 to the kernel command line");
}

void probe_swap(const struct probe_ctx *ctx, struct probe_result *ret)
{
	char text[512];
	int r = probe_read_file("/proc/swaps", text, sizeof(text));

	(void)ctx;
	/* One line is the heading. */
	if (r == 0 && strchr(text, '\n')) {
		probe_say(ret, DYNO_OK, "swap is on");
		return;
	}
	probe_say(ret, DYNO_FALLBACK, "no swap: between quota and hard mark a dyno uses memory");
	probe_fix(ret, "swapon, or zram: apt install systemd-zram-generator");
}

/* With a limit of 1, and no other, no program is started; see appspec.c. */
static void probe_core_program(const char *shown, struct probe_result *ret)
{
	struct rlimit now;

	if (geteuid() == 0 || (getrlimit(RLIMIT_CORE, &now) == 0 && now.rlim_max > 0)) {
		probe_say(ret, DYNO_OK, "dynos are kept from the program of the host: %s", shown);
		return;
	}
	probe_say(ret, DYNO_WARN, "a crash of a dyno's process starts a program of the host: %s",
		  shown);
	probe_fix(ret, "let the hard limit of core files (ulimit -Hc) be above 0, or: "
		       "sysctl -w kernel.core_pattern=core");
}

void probe_core_pattern(const struct probe_ctx *ctx, struct probe_result *ret)
{
	char text[PROBE_TEXT_BYTES], shown[PROBE_TEXT_BYTES / 2];
	int r = probe_read_file("/proc/sys/kernel/core_pattern", text, sizeof(text));

	(void)ctx;
	if (r < 0) {
		probe_say(ret, DYNO_WARN, "core_pattern: %s", err_errno_text(-r));
		return;
	}
	(void)str_escape(shown, sizeof(shown), text);
	if (text[0] == '@') {
		probe_say(ret, DYNO_WARN, "what crashes is sent to a socket of the host: %s",
			  shown);
		probe_fix(ret, "see that its server can handle hostile processes, or: "
			       "sysctl -w kernel.core_pattern=core");
	} else if (text[0] == '|') {
		probe_core_program(shown, ret);
	} else {
		probe_say(ret, DYNO_OK, "no program is started by a crash: %s", shown);
	}
}

void probe_port_range(const struct probe_ctx *ctx, struct probe_result *ret)
{
	char text[64];
	char *second;
	uint32_t low = 0, high = 0;
	int r = probe_read_file("/proc/sys/net/ipv4/ip_local_port_range", text, sizeof(text));

	(void)ctx;
	second = r == 0 ? strchr(text, '\t') : NULL;
	if (second)
		*second++ = '\0';
	if (!second || num_parse_u32(text, UINT16_MAX, &low) != 0 ||
	    num_parse_u32(second, UINT16_MAX, &high) != 0) {
		probe_say(ret, DYNO_WARN, "ip_local_port_range cannot be read");
		return;
	}
	if (low > PORT_LAST || high < PORT_FIRST) {
		probe_say(ret, DYNO_OK, "$PORT is from %u-%u, outgoing connections from %u-%u",
			  (unsigned int)PORT_FIRST, (unsigned int)PORT_LAST, low, high);
		return;
	}
	probe_say(ret, DYNO_WARN,
		  "outgoing connections (%u-%u) may take the ports that dynos get (%u-%u)", low,
		  high, (unsigned int)PORT_FIRST, (unsigned int)PORT_LAST);
	probe_fix(ret, "sysctl -w net.ipv4.ip_local_reserved_ports=%u-%u", (unsigned int)PORT_FIRST,
		  (unsigned int)PORT_LAST);
}

/* ---- directories ----------------------------------------------------------------------------- */

/* Whether @path can be made and written to. */
static void probe_dir(const char *path, const char *option, const char *variable,
		      struct probe_result *ret)
{
	char near[PATH_MAX];
	bool exists;

	if (!path) {
		probe_say(ret, DYNO_MISSING, "no place for it: %s is not set", variable);
		probe_fix(ret, "set %s, or give %s DIR", variable, option);
		return;
	}
	probe_existing_dir(path, near, sizeof(near));
	exists = str_eq(near, path);
	if (faccessat(AT_FDCWD, near, W_OK | X_OK, AT_EACCESS) != 0) {
		probe_say(ret, DYNO_MISSING, "%s: %s", near, err_errno_text(errno));
		probe_fix(ret, "make it writable for this user, or give %s DIR", option);
	} else {
		probe_say(ret, DYNO_OK, exists ? "%s is writable" : "%s will be made", path);
	}
}

void probe_run_dir(const struct probe_ctx *ctx, struct probe_result *ret)
{
	probe_dir(ctx->run_dir, "--run-dir", "XDG_RUNTIME_DIR", ret);
}

void probe_data_dir(const struct probe_ctx *ctx, struct probe_result *ret)
{
	probe_dir(ctx->data_dir, "--data-dir", "XDG_DATA_HOME", ret);
}

void probe_data_space(const struct probe_ctx *ctx, struct probe_result *ret)
{
	char near[PATH_MAX], shown[16];
	struct statvfs fs;
	uint64_t bytes;

	probe_existing_dir(ctx->data_dir ? ctx->data_dir : "/", near, sizeof(near));
	if (statvfs(near, &fs) != 0) {
		probe_say(ret, DYNO_WARN, "statvfs %s: %s", near, err_errno_text(errno));
		return;
	}
	bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	(void)num_format_size(shown, bytes);
	/* File systems that make inodes as needed say 0 of 0. */
	if (fs.f_files != 0 && fs.f_favail < DATA_FREE_INODES)
		probe_say(ret, DYNO_WARN, "%llu inodes are free for slugs, %s",
			  (unsigned long long)fs.f_favail, shown);
	else
		probe_say(ret, bytes < DATA_FREE_BYTES ? DYNO_WARN : DYNO_OK,
			  "%s are free for slugs", shown);
	if (ret->verdict == DYNO_WARN)
		probe_fix(ret, "dyno slug gc, or give --data-dir DIR on a larger file system");
}

/* ---- programs and ids ------------------------------------------------------------------------ */

static void probe_program(const char *name, enum dyno_verdict verdict, const char *without,
			  const char *package, struct probe_result *ret)
{
	char path[PATH_MAX];

	if (program_find(name, path, sizeof(path))) {
		probe_say(ret, DYNO_OK, "%s", path);
		return;
	}
	probe_say(ret, verdict, "%s is not installed; %s", name, without);
	probe_fix(ret, "apt install %s", package);
}

void probe_bash(const struct probe_ctx *ctx, struct probe_result *ret)
{
	(void)ctx;
	probe_program("bash", DYNO_MISSING, "commands of the host stack run in it", "bash", ret);
}

void probe_nft(const struct probe_ctx *ctx, struct probe_result *ret)
{
	(void)ctx;
	probe_program("nft", DYNO_FALLBACK, "networks are host and none only", "nftables", ret);
}

void probe_pasta(const struct probe_ctx *ctx, struct probe_result *ret)
{
	(void)ctx;
	probe_program("pasta", DYNO_FALLBACK, "without root, networks are host and none only",
		      "passt", ret);
}

void probe_tun(const struct probe_ctx *ctx, struct probe_result *ret)
{
	struct dyno_err err = {0};
	int r;

	(void)ctx;
	if (geteuid() == 0) {
		probe_say(ret, DYNO_OK, "not needed as root");
		return;
	}
	r = pasta_tun_usable(&err);
	if (r == 0) {
		probe_say(ret, DYNO_OK, PASTA_TUN " can be opened");
		return;
	}
	probe_say(ret, DYNO_FALLBACK, PASTA_TUN ": %s; networks are host and none only",
		  err_errno_text(-r));
	probe_fix(ret, "%s", err.hint);
}

/* Longest file of users read. Source: subuid(5) sets no bound; a line for 100,000 users each. */
#define USERS_MAX_BYTES ((size_t)8 << 20)

static char *read_users(const char *file, struct arena *arena)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);
	char *text;
	size_t len;

	return fd >= 0 && fd_read_all(fd, USERS_MAX_BYTES, arena, &text, &len) == 0 ? text : NULL;
}

/*
 * The user's name as /etc/passwd has it, else the number.  Not getpwuid(): a static program would
 * load the host's name service modules for it.
 */
static void user_name(uid_t uid, char *buf, size_t size)
{
	_cleanup_arena_ struct arena arena = {0};
	char *text = read_users("/etc/passwd", &arena);
	char number[16];

	(void)str_fmt(number, sizeof(number), "%u", uid);
	(void)str_fmt(buf, size, "%s", number);
	if (!text)
		return;
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *password = strchr(line, ':');
		char *id = password ? strchr(password + 1, ':') : NULL;
		const char *rest = id ? str_starts(id + 1, number) : NULL;

		if (!rest || *rest != ':')
			continue;
		(void)str_fmt(buf, size, "%.*s", (int)(password - line), line);
		return;
	}
}

/* Whether a line of /etc/subuid names the user, by name or by number. */
static bool has_range(const char *file, const char *user, uid_t uid)
{
	_cleanup_arena_ struct arena arena = {0};
	char *text = read_users(file, &arena);
	char number[16];

	if (!text)
		return false;
	(void)str_fmt(number, sizeof(number), "%u", uid);

	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *rest = str_starts(line, user);

		if (!rest || *rest != ':')
			rest = str_starts(line, number);
		if (rest && *rest == ':')
			return true;
	}
	return false;
}

static bool is_privileged(const char *path)
{
	char caps[64];
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	return ((st.st_mode & S_ISUID) && st.st_uid == 0) ||
	       getxattr(path, "security.capability", caps, sizeof(caps)) > 0;
}

void probe_subids_verdict(const struct subid_facts *facts, const char *user,
			  struct probe_result *ret)
{
	static const char one_id[] = "dynos have one id";

	if (facts->root) {
		probe_say(ret, DYNO_OK, "not needed as root");
	} else if (!facts->has_uid_range || !facts->has_gid_range) {
		probe_say(ret, DYNO_FALLBACK, "no range of ids in /etc/%s; %s",
			  facts->has_uid_range ? "subgid" : "subuid", one_id);
		probe_fix(ret,
			  "as root: usermod --add-subuids 100000-165535 "
			  "--add-subgids 100000-165535 %s",
			  user);
	} else if (!facts->has_newuidmap || !facts->has_newgidmap) {
		probe_say(ret, DYNO_FALLBACK, "%s is not installed; %s",
			  facts->has_newuidmap ? "newgidmap" : "newuidmap", one_id);
		probe_fix(ret, "apt install uidmap");
	} else if (!facts->helpers_privileged) {
		probe_say(ret, DYNO_FALLBACK,
			  "newuidmap has neither the setuid bit nor "
			  "capabilities; %s",
			  one_id);
		probe_fix(ret, "as root: chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap");
	} else {
		probe_say(ret, DYNO_OK, "ranges for %s and the helpers that map them", user);
	}
}

void probe_id_ranges(const struct probe_ctx *ctx, struct probe_result *ret)
{
	char uid_helper[PATH_MAX], gid_helper[PATH_MAX], user[64];
	uid_t uid = geteuid();
	struct subid_facts facts = {
		.root = uid == 0,
		.has_newuidmap = program_find("newuidmap", uid_helper, sizeof(uid_helper)),
		.has_newgidmap = program_find("newgidmap", gid_helper, sizeof(gid_helper)),
	};

	(void)ctx;
	user_name(uid, user, sizeof(user));
	facts.has_uid_range = has_range("/etc/subuid", user, uid);
	facts.has_gid_range = has_range("/etc/subgid", user, uid);
	facts.helpers_privileged = is_privileged(uid_helper) && is_privileged(gid_helper);
	probe_subids_verdict(&facts, user, ret);
}
