/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security.c - dyno_security(): how the processes of a running dyno are confined, as the kernel
 * tells it under /proc, and nothing that a setting says; but that there is a filter of system calls
 * is all that the kernel tells of it, so that a setting can make this row worse, never better.
 *
 * Theory of operation.  A directory of /proc that is held open stays that of the one process it was
 * opened for: a number that is given to another process later makes reads fail, not lie.  So the
 * directory is opened, and then the monitor says again that the number is its child's, and the
 * process must still live.  Texts may be long (mounts) and are read up to a limit; names in them
 * are a tenant's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/ctl_wire.h"
#include "engine/dynos.h"
#include "engine/mainpid.h"
#include "init/proto.h"
#include "model/procfacts.h"

/* Longest file read. Source: fs.mount-max of 100,000 mounts is for hosts; a dyno has some twenty */
#define LOOK_MAX_BYTES ((size_t)1 << 20)

/* Names of rows are words for programs. */
#define INIT_LABEL "init"
#define MAIN_LABEL "main"

/**
 * struct look - the process at hand.
 * @label: "main", "init" or its number inside
 * @dir: of /proc, O_PATH
 * @pid: as the host numbers it
 * @status: its text, read once
 * @unfiltered: why a filter that is there is none, or NULL
 * @weaker: rows with DYNO_WEAKER so far
 */
struct look {
	struct arena *arena;
	const char *label;
	int dir;
	int pid;
	const char *status;
	const char *unfiltered;
	dyno_security_fn fn;
	void *data;
	int weaker;
};

static void dyno_closep(struct dyno **dyno)
{
	dyno_close(*dyno);
}

static void tell(struct look *l, enum dyno_hold verdict, const char *name, const char *fact,
		 const char *reason)
{
	const struct dyno_security_row row = {
		.process = l->label,
		.pid = l->pid,
		.name = name,
		.verdict = verdict,
		.fact = fact,
		.reason = verdict == DYNO_HOLDS ? "" : reason,
	};

	l->weaker += verdict == DYNO_WEAKER;
	l->fn(l->data, &row);
}

static void tell_unknown(struct look *l, const char *name, int num)
{
	tell(l, DYNO_UNKNOWN, name, "", err_errno_text(num));
}

static void tell_if(struct look *l, bool holds, const char *name, const struct sbuf *fact,
		    const char *reason)
{
	if (sbuf_ok(fact) < 0)
		tell_unknown(l, name, ENOMEM);
	else
		tell(l, holds ? DYNO_HOLDS : DYNO_WEAKER, name, sbuf_str(fact), reason);
}

/* Return: the text; NULL with errno set. */
static char *read_at(struct look *l, const char *file)
{
	_cleanup_close_ int fd = openat(l->dir, file, O_RDONLY | O_CLOEXEC);
	char *text;
	int r;

	if (fd < 0)
		return NULL;
	r = fd_read_all(fd, LOOK_MAX_BYTES, l->arena, &text, NULL);
	if (r < 0)
		errno = -r;
	return r < 0 ? NULL : text;
}

/* ---- rights --------------------------------------------------------------------------------- */

static void look_seccomp(struct look *l)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	uint64_t mode, filters = 0;

	if (procfacts_u64(l->status, "Seccomp", 10, &mode) < 0) {
		tell_unknown(l, "seccomp", ENOENT);
		return;
	}
	sbuf_addf(&fact, "mode %llu", (unsigned long long)mode);
	if (procfacts_u64(l->status, "Seccomp_filters", 10, &filters) == 0)
		sbuf_addf(&fact, ", %llu filters", (unsigned long long)filters);
	tell_if(l, mode == 2 && !l->unfiltered, "seccomp", &fact,
		l->unfiltered ? l->unfiltered : "it may make every system call");
}

/* What the monitor was told; a text of a tenant's in it has its quotes escaped. */
static int look_setting(struct look *l, struct dyno *dyno, struct dyno_err *err)
{
	_cleanup_free_ char *json = NULL;
	int r = dyno_inspect(dyno, &json, err);

	if (r < 0)
		return r;
	if (strstr(json, "\"seccomp\":\"unconfined\""))
		l->unfiltered = "it may make every system call, but sets no limit of core files";
	else if (strstr(json, "\"seccomp_log\":true"))
		l->unfiltered = "calls that it refuses are let through and logged";
	return 0;
}

static void look_no_new_privs(struct look *l)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	uint64_t set;

	if (procfacts_u64(l->status, "NoNewPrivs", 10, &set) < 0) {
		tell_unknown(l, "no-new-privs", ENOENT);
		return;
	}
	sbuf_addf(&fact, "%llu", (unsigned long long)set);
	tell_if(l, set == 1, "no-new-privs", &fact, "setuid programs give it other rights");
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
			tell_unknown(l, sets[i].name, ENOENT);
			continue;
		}
		procfacts_caps(&fact, caps);
		tell_if(l, caps == 0, sets[i].name, &fact, "a dyno has no capability");
	}
}

/* ---- who it is ------------------------------------------------------------------------------ */

static void look_id(struct look *l, const char *field, const char *name, const char *map_file)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	const char *map = read_at(l, map_file);
	uint32_t ids[4], inside = 0;
	bool mapped, same;

	if (!map || procfacts_ids(l->status, field, ids) < 0) {
		tell_unknown(l, name, map ? EINVAL : errno);
		return;
	}
	mapped = procfacts_inside(map, ids[1], &inside) == 0;
	same = ids[0] == ids[1] && ids[1] == ids[2] && ids[2] == ids[3];
	if (mapped)
		sbuf_addf(&fact, "%u inside, ", inside);
	sbuf_addf(&fact, "%u on the host", ids[1]);
	if (!same)
		sbuf_addf(&fact, " (%u %u %u)", ids[0], ids[2], ids[3]);
	if (ids[1] == 0)
		tell_if(l, false, name, &fact, "it is the host's root");
	else
		tell_if(l, mapped && inside != 0 && same, name, &fact,
			"it is not one ordinary user of its namespace");
}

/* A caller without root cannot give up his own groups for the dyno. */
static void look_groups(struct look *l)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	size_t len;
	const char *groups = procfacts_field(l->status, "Groups", &len);

	if (!groups) {
		tell_unknown(l, "groups", ENOENT);
		return;
	}
	while (len > 0 && groups[len - 1] == ' ')
		len--;
	if (len == 0)
		sbuf_adds(&fact, "none");
	else
		sbuf_add(&fact, groups, len);
	tell_if(l, len == 0 || geteuid() != 0, "groups", &fact, "it has groups of the host");
}

static void look_map(struct look *l, const char *file)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	const char *map = read_at(l, file);
	const char *at;

	if (!map) {
		tell_unknown(l, file, errno);
		return;
	}
	/* The columns are padded for people. */
	for (at = map; *at;) {
		size_t len = strcspn(at, " \n");

		sbuf_add(&fact, at, len);
		at += len;
		if (*at == '\n')
			sbuf_adds(&fact, at[1] ? ", " : "");
		else if (fact.len > 0 && len > 0)
			sbuf_addc(&fact, ' ');
		at += *at != '\0';
	}
	tell_if(l, *map && !procfacts_maps_root(map), file, &fact,
		"the host's root is somebody inside");
}

/* ---- where it is ---------------------------------------------------------------------------- */

static void look_namespace(struct look *l, const char *kind, bool own_promised)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	char path[32], name[32], mine[48];
	struct stat st, host;
	bool shared;

	(void)str_fmt(name, sizeof(name), "%s-namespace", kind);
	(void)str_fmt(path, sizeof(path), "ns/%s", kind);
	(void)str_fmt(mine, sizeof(mine), "/proc/self/ns/%s", kind);
	if (fstatat(l->dir, path, &st, 0) < 0 || stat(mine, &host) < 0) {
		tell_unknown(l, name, errno);
		return;
	}
	shared = st.st_dev == host.st_dev && st.st_ino == host.st_ino;
	sbuf_addf(&fact, "%llu, %s", (unsigned long long)st.st_ino, shared ? "the host's" : "own");
	tell_if(l, !shared || !own_promised, name, &fact, "it is not apart from the host");
}

static void look_namespaces(struct look *l)
{
	static const struct {
		const char *kind;
		bool own; /* whatever the network is, and no dyno has a time of its own */
	} kinds[] = {
		{"user", true}, {"mnt", true},	  {"pid", true},  {"ipc", true},
		{"uts", true},	{"cgroup", true}, {"net", false}, {"time", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		look_namespace(l, kinds[i].kind, kinds[i].own);
}

static void look_root(struct look *l)
{
	struct stat st, host;
	bool same;

	if (fstatat(l->dir, "root", &st, 0) < 0 || stat("/", &host) < 0) {
		tell_unknown(l, "root", errno);
		return;
	}
	same = st.st_dev == host.st_dev && st.st_ino == host.st_ino;
	tell(l, same ? DYNO_WEAKER : DYNO_HOLDS, "root", same ? "the host's" : "own",
	     "it sees the files of the host");
}

/* In every tree that can limit something it is in a group that is not the caller's. */
static void look_cgroup(struct look *l)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	_cleanup_close_ int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct look own = {.arena = l->arena, .dir = self};
	char *text = read_at(l, "cgroup");
	const char *mine = self < 0 ? NULL : read_at(&own, "cgroup");
	bool apart = false;

	if (!text || !mine) {
		tell_unknown(l, "cgroup", errno);
		return;
	}
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strstr(mine, line))
			continue;
		apart = true;
		sbuf_addf(&fact, "%s%s", fact.len ? " " : "", line);
	}
	if (!apart)
		sbuf_adds(&fact, "the caller's");
	tell_if(l, apart, "cgroup", &fact, "nothing limits its memory, CPU and processes");
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
	const char *limits = read_at(l, "limits");

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		_cleanup_sbuf_ struct sbuf fact = {0};
		char soft[32], hard[32];

		if (!limits || !find_limit(limits, wanted[i].title, soft, hard)) {
			tell_unknown(l, wanted[i].name, limits ? EINVAL : errno);
			continue;
		}
		sbuf_addf(&fact, "%s, at most %s", soft, hard);
		tell_if(l, !str_eq(wanted[i].name, "limit-core") || core_is_held(hard),
			wanted[i].name, &fact,
			"a crash writes a file, or starts a program of the host");
	}
}

static void look_oom(struct look *l)
{
	char *text = read_at(l, "oom_score_adj");

	if (!text) {
		tell_unknown(l, "oom-score-adj", errno);
		return;
	}
	text[strcspn(text, "\n")] = '\0';
	tell(l, *text == '-' ? DYNO_WEAKER : DYNO_HOLDS, "oom-score-adj", text,
	     "the host's processes are killed before it");
}

/* ---- what the kernel's modules make of it --------------------------------------------------- */

static void look_label(struct look *l)
{
	char *text = read_at(l, "attr/current");

	if (!text && errno != EINVAL && errno != ENOENT) {
		tell_unknown(l, "security-label", errno);
		return;
	}
	if (text)
		text[strcspn(text, "\n")] = '\0';
	tell(l, DYNO_HOLDS, "security-label", text && *text ? text : "none", "");
}

static void look_keyring(struct look *l)
{
	tell(l, DYNO_UNKNOWN, "session-keyring", "",
	     "the kernel names it to the process itself only");
}

/* Files of a process that must not be looked at belong to the root of its namespace, not to it. */
static void look_dumpable(struct look *l, bool closed_promised)
{
	struct stat st;
	uint32_t ids[4];
	bool closed;

	if (fstatat(l->dir, "environ", &st, 0) < 0 || procfacts_ids(l->status, "Uid", ids) < 0) {
		tell_unknown(l, "dumpable", errno);
		return;
	}
	closed = st.st_uid != ids[1];
	tell(l, closed || !closed_promised ? DYNO_HOLDS : DYNO_WEAKER, "dumpable",
	     closed ? "no" : "yes", "the app can look into it, and change it");
}

/* ---- pid 1's descriptors -------------------------------------------------------------------- */

/* 0 to 2 are the caller's choice; the channel to the monitor is a socket; nothing else crosses, and
 * dyno-init itself opens one for its signals. */
static void look_fd(struct look *l, int dir, const char *number)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	char target[256], shown[512], name[32];
	ssize_t n = readlinkat(dir, number, target, sizeof(target) - 1);
	uint32_t fd;
	bool holds;

	if (num_parse_u32(number, INT32_MAX, &fd) < 0)
		return;
	(void)str_fmt(name, sizeof(name), "descriptor-%u", fd);
	if (n < 0) {
		tell_unknown(l, name, errno);
		return;
	}
	target[n] = '\0';
	holds = fd < INIT_CHANNEL_FD || (fd == INIT_CHANNEL_FD && str_starts(target, "socket:")) ||
		str_eq(target, "anon_inode:[signalfd]");
	sbuf_adds(&fact, str_escape(shown, sizeof(shown), target));
	tell_if(l, holds, name, &fact, "it leads out of the dyno");
}

static void look_fds(struct look *l)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	int r = dir_open(l->dir, "fd", &dir);

	if (r < 0) {
		tell_unknown(l, "descriptors", -r);
		return;
	}
	while ((name = dir_next_name(&dir)))
		look_fd(l, dir.fd, name);
}

/* ---- mounts --------------------------------------------------------------------------------- */

/* Whether what is written there ends with the dyno: its overlays are of its own upper, and its tmpfs
 * is no part of one of the host. */
static bool is_thrown_away(const struct procfacts_mount *m)
{
	if (str_eq(m->fs, "tmpfs"))
		return str_eq(m->root, "/") && str_eq(m->source, "none");
	return str_eq(m->fs, "overlay") || str_eq(m->fs, "proc") || str_eq(m->fs, "devpts");
}

/* Source: contract 2.7 to 2.9; the masks are /dev/null, which a mount without devices would close */
static const char *mount_flaw(const struct procfacts_mount *m)
{
	bool device = str_eq(m->point, "/dev") || str_starts(m->point, "/dev/") ||
		      (str_starts(m->point, "/proc/") && str_eq(m->root, "/null"));

	if (!procfacts_has(m->options, "nosuid"))
		return "setuid programs work on it";
	if (!device && !procfacts_has(m->options, "nodev"))
		return "devices work on it";
	if (procfacts_has(m->options, "rw") && procfacts_has(m->super, "rw") && !device &&
	    !is_thrown_away(m))
		return "what is written there outlives the dyno";
	return NULL;
}

static void look_mount(struct look *l, const struct procfacts_mount *m)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	const char *flaw = mount_flaw(m);

	sbuf_add_escaped(&fact, m->point, strlen(m->point));
	sbuf_addf(&fact, " %s %s", m->fs, m->options);
	tell_if(l, !flaw, "mount", &fact, flaw);
}

/* What tells of the host stands under a mount, or is not there at all. */
static void look_mask(struct look *l, const char *path, bool covered)
{
	char name[64], inside[64];
	struct stat st;
	bool there;

	(void)str_fmt(name, sizeof(name), "masked%s", path);
	(void)str_fmt(inside, sizeof(inside), "root%s", path);
	there = fstatat(l->dir, inside, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!there && errno != ENOENT) {
		tell_unknown(l, name, errno);
		return;
	}
	tell(l, covered || !there ? DYNO_HOLDS : DYNO_WEAKER, name,
	     covered ? "covered"
	     : there ? "open"
		     : "not there",
	     "it tells of the host");
}

static void look_mounts(struct look *l)
{
	/* Source: contract 2.9 */
	static const char *const masks[] = {"/proc/kcore", "/proc/timer_list", "/proc/scsi",
					    "/proc/pressure"};
	bool covered[ARRAY_SIZE(masks)] = {false};
	char *text = read_at(l, "mountinfo");
	struct procfacts_mount m;
	int r;

	if (!text) {
		tell_unknown(l, "mount", errno);
		return;
	}
	while ((r = procfacts_mount(&text, &m)) > 0) {
		for (size_t i = 0; i < ARRAY_SIZE(masks); i++)
			covered[i] |= str_eq(m.point, masks[i]);
		look_mount(l, &m);
	}
	if (r < 0)
		tell_unknown(l, "mount", -r);
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++)
		look_mask(l, masks[i], covered[i]);
}

/* ---- processes ------------------------------------------------------------------------------ */

static int look_process(struct look *l, struct dyno_err *err)
{
	bool init = str_eq(l->label, INIT_LABEL);

	l->status = read_at(l, "status");
	if (!l->status)
		return err_set(err, ERR_NOT_FOUND, errno, "read the state of process %d", l->pid);
	look_seccomp(l);
	look_no_new_privs(l);
	look_caps(l);
	look_id(l, "Uid", "user", "uid_map");
	look_id(l, "Gid", "group", "gid_map");
	look_groups(l);
	look_map(l, "uid_map");
	look_map(l, "gid_map");
	look_namespaces(l);
	look_root(l);
	look_cgroup(l);
	look_limits(l);
	look_oom(l);
	look_label(l);
	look_keyring(l);
	look_dumpable(l, init);
	if (!init)
		return 0;
	look_fds(l);
	look_mounts(l);
	return 0;
}

static int open_process(int pid)
{
	char path[32];
	int fd;

	(void)str_fmt(path, sizeof(path), "/proc/%d", pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int ask_pids(struct dyno *dyno, int *ret_init, int *ret_main, struct dyno_err *err)
{
	int r = dynos_init_pid(dyno, ret_init, err);

	if (r == 0)
		*ret_main = mainpid_of(*ret_init);
	return r;
}

/* Its number may have become another's before the directory was opened: but not while its parent
 * still says that it is his, and it lives after that. */
static int open_init(struct dyno *dyno, int *ret_pid, int *ret_main, struct dyno_err *err)
{
	_cleanup_close_ int pidfd = -EBADF;
	_cleanup_close_ int dir = -EBADF;
	int again, pid;
	int r = ask_pids(dyno, &pid, ret_main, err);

	if (r < 0)
		return r;
	pidfd = pidfd_open(pid, 0);
	dir = open_process(pid);
	r = ask_pids(dyno, &again, ret_main, err);
	if (r < 0)
		return r;
	if (pidfd < 0 || dir < 0 || again != pid || pidfd_send_signal(pidfd, 0, NULL, 0) < 0)
		return err_set(err, ERR_NOT_FOUND, ESRCH, "find the processes of %s/%s", dyno->app,
			       dyno->name);
	*ret_pid = pid;
	return take_fd(&dir);
}

/* Return: whether both are in one pid namespace; the link needs the right to look at both. */
static bool same_pids(int a, int b)
{
	struct stat x, y;

	return fstatat(a, "ns/pid", &x, 0) == 0 && fstatat(b, "ns/pid", &y, 0) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The number in the innermost pid namespace is the last. */
static bool is_numbered(struct look *l, uint32_t number)
{
	char *text = read_at(l, "status");
	char want[16], *last;
	const char *line;
	size_t len;

	line = text ? procfacts_field(text, "NSpid", &len) : NULL;
	if (!line)
		return false;
	text = arena_memdup(l->arena, line, len);
	last = text ? strrchr(text, '\t') : NULL;
	(void)str_fmt(want, sizeof(want), "%u", number);
	return last && str_eq(last + 1, want);
}

/* A process by its number inside. Return: its directory, and number on the host; -ESRCH. */
static int find_inside(int init_dir, uint32_t number, int *ret_pid)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	int r = dir_open(AT_FDCWD, "/proc", &dir);

	if (r < 0)
		return r;
	while ((name = dir_next_name(&dir))) {
		_cleanup_arena_ struct arena arena = {0};
		_cleanup_close_ int fd = -EBADF;
		struct look l = {.arena = &arena};
		uint32_t pid;

		if (num_parse_u32(name, INT32_MAX, &pid) < 0)
			continue;
		fd = open_process((int)pid);
		l.dir = fd;
		if (fd < 0 || !is_numbered(&l, number) || !same_pids(fd, init_dir))
			continue;
		*ret_pid = (int)pid;
		return take_fd(&fd);
	}
	return -ESRCH;
}

static int look_inside(struct look *like, int init_dir, uint32_t number, struct dyno_err *err)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int fd = -EBADF;
	char label[16];
	struct look l = *like;
	int r;

	fd = find_inside(init_dir, number, &l.pid);
	if (fd < 0)
		return err_set(err, ERR_NOT_FOUND, -fd, "find process %u of the dyno", number);
	(void)str_fmt(label, sizeof(label), "%u", number);
	l.arena = &arena;
	l.dir = fd;
	l.label = label;
	r = look_process(&l, err);
	like->weaker = l.weaker;
	return r;
}

/* The main process may have ended, and others live on. */
static int look_main(struct look *like, int init_dir, int pid, struct dyno_err *err)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int fd = pid > 0 ? open_process(pid) : -EBADF;
	struct look l = *like;
	int r;

	if (fd < 0 || !same_pids(fd, init_dir)) {
		l.label = MAIN_LABEL;
		tell(&l, DYNO_UNKNOWN, "process", "", "it is not to be found, or not to be read");
		return 0;
	}
	l.arena = &arena;
	l.dir = fd;
	l.pid = pid;
	l.label = MAIN_LABEL;
	r = look_process(&l, err);
	like->weaker = l.weaker;
	return r;
}

DYNO_PUBLIC int dyno_security(struct dyno_host *host, const char *app, const char *name, int pid,
			      dyno_security_fn fn, void *data, struct dyno_err *err)
{
	_cleanup_(dyno_closep) struct dyno *dyno = NULL;
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int dir = -EBADF;
	struct look l = {.arena = &arena, .label = INIT_LABEL, .fn = fn, .data = data};
	int main_pid = 0;
	int r = dyno_open(host, app, name, &dyno, err);

	if (r < 0)
		return r;
	dir = open_init(dyno, &l.pid, &main_pid, err);
	if (dir < 0)
		return dir;
	l.dir = dir;
	r = look_setting(&l, dyno, err);
	if (r == 0)
		r = look_main(&l, dir, main_pid, err);
	if (r == 0)
		r = look_process(&l, err);
	if (r == 0 && pid > 0)
		r = look_inside(&l, dir, (uint32_t)pid, err);
	return r < 0 ? r : l.weaker;
}
