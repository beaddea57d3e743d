/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_v2.c - our directory in a tree of version 2: where it may be, and its controllers; see
 * cgroup.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "kernel/cgroup_limit.h"
#include "kernel/cgroup_priv.h"

/* Return: CGROUP_HAS_* of the words in a controllers file, 0 where there is none. */
static unsigned int read_controllers(int dir_fd, const char *file)
{
	unsigned int found = 0;
	char text[256] = " ";
	_cleanup_close_ int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : fd_read_full(fd, text + 1, sizeof(text) - 3);

	if (n <= 0)
		return 0;
	/* Blanks around, so that each word is found whole: "cpu" is not "cpuset". */
	text[n + 1] = '\0';
	for (ssize_t i = 0; i <= n; i++)
		if (text[i] == '\n')
			text[i] = ' ';
	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		char word[16];

		if (cgroup_trees[t].has == 0)
			continue;
		(void)str_fmt(word, sizeof(word), " %s ", cgroup_trees[t].v2);
		if (strstr(text, word))
			found |= cgroup_trees[t].has;
	}
	return found;
}

/* Enable controllers for the children of a group. Return: those that are enabled afterwards;
 * @ret_num: errno of the last refusal of one that every dyno needs, 0. */
static unsigned int enable_controllers(int dir_fd, unsigned int want, int *ret_num)
{
	unsigned int enabled = read_controllers(dir_fd, "cgroup.subtree_control");
	unsigned int offered;

	*ret_num = 0;
	if ((want & ~enabled) == 0)
		return enabled;

	offered = read_controllers(dir_fd, "cgroup.controllers");
	for (int t = 0; t < _CGROUP_TREE_MAX; t++) {
		unsigned int has = cgroup_trees[t].has;
		char word[16];
		int r;

		if ((offered & want & ~enabled & has) == 0)
			continue;
		/* One by one: a refused controller must not take the others with it. */
		(void)str_fmt(word, sizeof(word), "+%s", cgroup_trees[t].v2);
		r = file_write_at(dir_fd, "cgroup.subtree_control", word);
		if (r == 0)
			enabled |= has;
		else if (has & CGROUP_HAS_ALL)
			*ret_num = -r;
	}
	return enabled;
}

static void explain_v2(struct cgroup_host *host, const char *where, int num, bool root)
{
	char list[32];

	(void)cgroup_controllers_text(CGROUP_HAS_ALL & ~host->controllers, list, sizeof(list));
	if (num == EBUSY) {
		cgroup_set_reason(host,
				  "controllers %s cannot be enabled: %s holds processes itself",
				  list, where);
		(void)str_fmt(host->fix, sizeof(host->fix), "%s",
			      root ? "move them to a group below it, as cgroups(7) asks"
				   : "systemd-run --user --scope -p Delegate=yes dyno ...");
	} else if (num == EACCES || num == EPERM || num == EROFS) {
		cgroup_set_reason(host, "%s is %s", where,
				  num == EROFS ? "mounted read-only"
					       : "not delegated to this user");
		(void)str_fmt(host->fix, sizeof(host->fix), "%s",
			      root ? "mount it read-write, or give the container its own cgroups"
				   : "systemd-run --user --scope -p Delegate=yes dyno ...");
	} else {
		cgroup_set_reason(host, "controllers %s are not available in %s", list, where);
		(void)str_fmt(host->fix, sizeof(host->fix), "%s",
			      root ? "look for cgroup_disable= on the kernel command line"
				   : "as root: systemctl edit user@.service, [Service] "
				     "Delegate=cpu memory pids");
	}
}

/* Where controllers are enabled anyway, io costs nothing more, and counts what disks do. */
static unsigned int wanted_of(unsigned int extra)
{
	if (extra & CGROUP_AS_IT_IS)
		return CGROUP_HAS_ALL;
	return CGROUP_HAS_ALL | CGROUP_HAS_IO | (extra & CGROUP_HAS_EXTRA);
}

/* Whether our directory is as it was made by a start before, with what is wanted now. */
static bool is_prepared(int parent_fd, bool root, unsigned int extra, struct cgroup_host *host)
{
	const unsigned int asked = extra & CGROUP_AS_IT_IS ? 0 : extra & CGROUP_HAS_EXTRA;
	const unsigned int want = CGROUP_HAS_ALL | asked;

	if (parent_fd < 0)
		return false;
	host->controllers = read_controllers(parent_fd, "cgroup.subtree_control");
	return (want & ~host->controllers) == 0 &&
	       (root || faccessat(parent_fd, ".", W_OK, AT_EACCESS) == 0);
}

int cgroup_prepare_v2(int base_fd, const char *where, bool root, struct cgroup_host *host)
{
	const unsigned int want = wanted_of(host->extra);
	_cleanup_close_ int parent =
		openat(base_fd, CGROUP_PARENT, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int num = 0, ignored;

	/* The usual case, once a first start has made it. */
	if (is_prepared(parent, root, host->extra, host)) {
		host->parent_fd[CGROUP_TREE_UNIFIED] = take_fd(&parent);
		return 0;
	}

	close_fdp(&parent);
	host->controllers = 0;
	parent = cgroup_open_parent(base_fd, root);
	if (parent < 0) {
		num = -parent;
		explain_v2(host, where, num, root);
		return -num;
	}

	/* The first refusal is the cause: what the group does not give on, ours cannot have. */
	(void)enable_controllers(base_fd, want, &num);
	host->controllers = enable_controllers(parent, want, num ? &ignored : &num);
	if (CGROUP_HAS_ALL & ~host->controllers)
		explain_v2(host, where, num, root);
	if ((host->controllers & CGROUP_HAS_ALL) == 0) {
		(void)unlinkat(base_fd, CGROUP_PARENT, AT_REMOVEDIR); /* stays where it is in use */
		return num ? -num : -ENOENT;
	}

	host->parent_fd[CGROUP_TREE_UNIFIED] = take_fd(&parent);
	return 0;
}

/* The last component of @path is cut off. Return: false when it is the root already. */
static bool path_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || slash[1] == '\0')
		return false;
	slash[slash == path ? 1 : 0] = '\0';
	return true;
}

static int open_group(const struct cgroup_layout *layout, const char *group, char *where,
		      size_t size)
{
	int fd;

	(void)str_fmt(where, size, "%s%s", layout->mount[CGROUP_TREE_UNIFIED],
		      str_eq(group, "/") ? "" : group);
	fd = open(where, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * Make the caller's own group an inner one.
 * Return: 0; -EBUSY when it is the caller's, but not the caller's alone; -errno when it is not.
 */
static int claim_own_group(int own_fd)
{
	if (faccessat(own_fd, ".", W_OK, AT_EACCESS) != 0)
		return -errno;
	return cgroup_step_aside(own_fd);
}

/* Without root: the caller's own group if it may be used, else the one around it. */
static int open_v2_delegated(const struct cgroup_layout *layout, struct cgroup_host *host)
{
	char own[sizeof(layout->mount[0]) + sizeof(layout->own[0])];
	char around[sizeof(own)];
	char group[sizeof(layout->own[0])];
	_cleanup_close_ int around_fd = -EBADF;
	_cleanup_close_ int own_fd = -EBADF;
	bool inside, shared;
	int r;

	(void)str_fmt(group, sizeof(group), "%s", layout->own[CGROUP_TREE_UNIFIED]);
	own_fd = open_group(layout, group, own, sizeof(own));
	if (own_fd < 0) {
		cgroup_set_reason(host, "the caller's own group %s is not visible", own);
		return own_fd;
	}

	/* After stepping aside once, a launcher's children find themselves in its leaf. */
	inside = str_ends(group, "/" CGROUP_LAUNCHER);
	r = inside ? -ENOTEMPTY : claim_own_group(own_fd);
	if (r == 0)
		return cgroup_prepare_v2(own_fd, own, false, host);
	shared = r == -EBUSY;

	if (!path_up(group)) {
		explain_v2(host, own, EBUSY, false);
		return -EBUSY;
	}
	around_fd = open_group(layout, group, around, sizeof(around));
	r = around_fd < 0 ? around_fd : cgroup_prepare_v2(around_fd, around, false, host);
	if (r < 0)
		explain_v2(host, shared ? own : around, shared ? EBUSY : -r, false);
	return r;
}

/*
 * Whether the service manager has given a group away, by a mark that it sets for whoever is in it.
 * Source: systemd's "Control Group APIs and Delegation": either attribute, with the value 1; the
 * second since 251.  Whoever owns a group can mark it, so a user's is none for root to trust.
 */
static bool is_given(int fd, const char *where)
{
	static const char *const marks[] = {"trusted.delegate", "user.delegate"};
	struct stat st;
	char value[2];

	if (fstat(fd, &st) != 0 || st.st_uid != geteuid())
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (getxattr(where, marks[i], value, sizeof(value)) == 1 && value[0] == '1')
			return true;
	return false;
}

/* Our directory in a group that was given away, if all that dynos need can be limited there: at the
 * root of the tree it can. Return: 0 or -errno, with @host as it was. */
static int prepare_given(int fd, const char *where, struct cgroup_host *host)
{
	struct cgroup_host given = *host;
	int r = cgroup_prepare_v2(fd, where, true, &given);

	if (r < 0)
		return r;
	if (CGROUP_HAS_ALL & ~given.controllers) {
		close_fdp(&given.parent_fd[CGROUP_TREE_UNIFIED]);
		(void)unlinkat(fd, CGROUP_PARENT, AT_REMOVEDIR); /* stays where it is in use */
		return -ENOENT;
	}
	given.given = true;
	*host = given;
	return 0;
}

/*
 * As root: the caller's own group where that was given to it and nobody else is in it, or the one
 * around, of which the caller's is the launcher's leaf or one that the manager starts services in.
 * Return: 0 or -errno, with @host as it was.
 */
static int open_v2_given(const struct cgroup_layout *layout, struct cgroup_host *host)
{
	char where[sizeof(layout->mount[0]) + sizeof(layout->own[0])];
	char group[sizeof(layout->own[0])];
	int r = -ENOENT;

	(void)str_fmt(group, sizeof(group), "%s", layout->own[CGROUP_TREE_UNIFIED]);
	/* What is outside of the caller's view, as "/../a" is, has no name here. */
	if (group[0] == '\0' || str_starts(group, "/.."))
		return r;
	for (bool own = true; own || path_up(group); own = false) {
		_cleanup_close_ int fd = open_group(layout, group, where, sizeof(where));

		if (fd >= 0 && is_given(fd, where)) {
			r = own ? cgroup_step_aside(fd) : 0;
			return r < 0 ? r : prepare_given(fd, where, host);
		}
		if (!own)
			break;
	}
	return r;
}

static int open_v2_root(const struct cgroup_layout *layout, struct cgroup_host *host)
{
	char where[sizeof(layout->mount[0]) + 2];
	_cleanup_close_ int fd = open_group(layout, "/", where, sizeof(where));

	if (fd < 0) {
		cgroup_set_reason(host, "%s cannot be opened", where);
		return fd;
	}
	/* Where ours was made before that was so, nothing else would tell. */
	if (layout->read_only[CGROUP_TREE_UNIFIED]) {
		explain_v2(host, where, EROFS, true);
		return -EROFS;
	}
	if (layout->extra & CGROUP_AT_ROOT) {
		if (faccessat(fd, CGROUP_PARENT, F_OK, 0) != 0)
			return -errno;
	} else if (open_v2_given(layout, host) == 0) {
		return 0;
	}
	return cgroup_prepare_v2(fd, where, true, host);
}

int cgroup_open_v2(const struct cgroup_layout *layout, bool root, struct cgroup_host *host)
{
	return root ? open_v2_root(layout, host) : open_v2_delegated(layout, host);
}
