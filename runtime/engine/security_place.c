/* SPDX-License-Identifier: Apache-2.0 */
/* security_place.c - who a process is, where, and what it can reach. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/security_internal.h"
#include "init/proto.h"
#include "model/procfacts.h"

/* ---- who it is ------------------------------------------------------------------------------ */

static void look_id(struct look *l, const char *field, const char *name, const char *map_file)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	const char *map = security_read(l, map_file);
	uint32_t ids[4], inside = 0;
	bool mapped, same;

	if (!map || procfacts_ids(l->status, field, ids) < 0) {
		security_tell_unknown(l, name, map ? EINVAL : errno);
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
		security_tell_if(l, false, name, &fact, "it is the host's root");
	else
		security_tell_if(l, mapped && inside != 0 && same, name, &fact,
				 "it is not one ordinary user of its namespace");
}

/* A caller without root cannot give up his own groups for the dyno. */
static void look_groups(struct look *l)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	size_t len;
	const char *groups = procfacts_field(l->status, "Groups", &len);

	if (!groups) {
		security_tell_unknown(l, "groups", ENOENT);
		return;
	}
	while (len > 0 && groups[len - 1] == ' ')
		len--;
	if (len == 0)
		sbuf_adds(&fact, "none");
	else
		sbuf_add(&fact, groups, len);
	security_tell_if(l, len == 0 || geteuid() != 0, "groups", &fact,
			 "it has groups of the host");
}

static void look_map(struct look *l, const char *file)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	const char *map = security_read(l, file);
	const char *at;

	if (!map) {
		security_tell_unknown(l, file, errno);
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
	security_tell_if(l, *map && !procfacts_maps_root(map), file, &fact,
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
		security_tell_unknown(l, name, errno);
		return;
	}
	shared = st.st_dev == host.st_dev && st.st_ino == host.st_ino;
	sbuf_addf(&fact, "%llu, %s", (unsigned long long)st.st_ino, shared ? "the host's" : "own");
	security_tell_if(l, !shared || !own_promised, name, &fact, "it is not apart from the host");
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
		security_tell_unknown(l, "root", errno);
		return;
	}
	same = st.st_dev == host.st_dev && st.st_ino == host.st_ino;
	security_tell(l, same ? DYNO_WEAKER : DYNO_HOLDS, "root", same ? "the host's" : "own",
		      "it sees the files of the host");
}

/* In every tree that can limit something it is in a group that is not the caller's. */
static void look_cgroup(struct look *l)
{
	_cleanup_sbuf_ struct sbuf fact = {0};
	_cleanup_close_ int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct look own = {.arena = l->arena, .dir = self};
	char *text = security_read(l, "cgroup");
	const char *mine = self < 0 ? NULL : security_read(&own, "cgroup");
	bool apart = false;

	if (!text || !mine) {
		security_tell_unknown(l, "cgroup", errno);
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
	security_tell_if(l, apart, "cgroup", &fact, "nothing limits its memory, CPU and processes");
}

void security_place(struct look *l)
{
	look_id(l, "Uid", "user", "uid_map");
	look_id(l, "Gid", "group", "gid_map");
	look_groups(l);
	look_map(l, "uid_map");
	look_map(l, "gid_map");
	look_namespaces(l);
	look_root(l);
	look_cgroup(l);
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
		security_tell_unknown(l, name, errno);
		return;
	}
	target[n] = '\0';
	holds = fd < INIT_CHANNEL_FD || (fd == INIT_CHANNEL_FD && str_starts(target, "socket:")) ||
		str_eq(target, "anon_inode:[signalfd]");
	sbuf_adds(&fact, str_escape(shown, sizeof(shown), target));
	security_tell_if(l, holds, name, &fact, "it leads out of the dyno");
}

static void look_fds(struct look *l)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	int r = dir_open(l->dir, "fd", &dir);

	if (r < 0) {
		security_tell_unknown(l, "descriptors", -r);
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
	security_tell_if(l, !flaw, "mount", &fact, flaw);
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
		security_tell_unknown(l, name, errno);
		return;
	}
	security_tell(l, covered || !there ? DYNO_HOLDS : DYNO_WEAKER, name,
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
	char *text = security_read(l, "mountinfo");
	struct procfacts_mount m;
	int r;

	if (!text) {
		security_tell_unknown(l, "mount", errno);
		return;
	}
	while ((r = procfacts_mount(&text, &m)) > 0) {
		for (size_t i = 0; i < ARRAY_SIZE(masks); i++)
			covered[i] |= str_eq(m.point, masks[i]);
		look_mount(l, &m);
	}
	if (r < 0)
		security_tell_unknown(l, "mount", -r);
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++)
		look_mask(l, masks[i], covered[i]);
}

void security_reach(struct look *l)
{
	look_fds(l);
	look_mounts(l);
}
