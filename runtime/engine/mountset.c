/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/mountset.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "model/appspec.h"

/* Deeper than any directory whose path the kernel tells (PATH_MAX). */
#define LEVELS_MAX (PATH_MAX / 2)

static int refuse(const struct mountplan *plan, int num, const char *why, const char *hint,
		  struct dyno_err *err)
{
	err_set(err, ERR_MOUNT_INVALID, 0, "mount %s at /%s: %s", plan->source, plan->target, why);
	err_hint(err, "%s", hint);
	return -num;
}

static bool same_dir(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether the directory @top is @dir_fd or one of those above it. Return: 1, 0 or -errno. */
static int dir_holds(const struct stat *top, int dir_fd)
{
	_cleanup_close_ int at = openat(dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat here, above;
	int up;

	if (at < 0 || fstat(at, &here) < 0)
		return -errno;
	for (unsigned int level = 0; level < LEVELS_MAX; level++) {
		if (same_dir(top, &here))
			return 1;
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return -errno;
		close_fdp(&at);
		at = up;
		if (fstat(at, &above) < 0)
			return -errno;
		if (same_dir(&above, &here))
			return 0;
		here = above;
	}
	return -ELOOP;
}

/* Whether @dir_fd and the source, whose nearest directory is @near_fd, are one within the other. */
static int overlaps(const struct stat *source, int near_fd, int dir_fd)
{
	struct stat dir;
	int r;

	if (fstat(dir_fd, &dir) < 0)
		return -errno;
	r = S_ISDIR(source->st_mode) ? dir_holds(source, dir_fd) : 0;
	return r == 0 ? dir_holds(&dir, near_fd) : r;
}

/* Descriptors do not know their path but for this link; it is read, not opened. */
static int find_path(struct mountplan *plan, struct arena *arena, struct dyno_err *err)
{
	char link[40];
	char path[PATH_MAX];
	ssize_t n;

	str_fmt(link, sizeof(link), "/proc/self/fd/%d", plan->layer.fd);
	n = readlink(link, path, sizeof(path));
	if (n < 0 || n == (ssize_t)sizeof(path))
		return err_set(err, ERR_MOUNT_INVALID, n < 0 ? errno : ENAMETOOLONG,
			       "find the path of %s", plan->source);
	plan->layer.path = arena_memdup(arena, path, (size_t)n);
	if (!plan->layer.path)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the path of %s", plan->source);
	if (path[0] != '/' || memchr(path, ':', (size_t)n))
		return refuse(plan, EINVAL, "its path leads to one that has a colon or is none",
			      "name a path without a colon", err);
	return 0;
}

/* The directory that the source is or is in. */
static int open_near(const struct mountplan *plan)
{
	char path[PATH_MAX];
	char *slash;

	str_fmt(path, sizeof(path), "%s", plan->layer.path);
	slash = strrchr(path, '/');
	if (plan->file && slash)
		slash[1] = '\0';
	return open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* At its usual place or elsewhere. */
static bool is_kernels(int fd, int near_fd)
{
	static const char *const tops[] = {"/proc", "/sys"};
	struct statfs fs;
	struct stat top;

	for (size_t i = 0; i < ARRAY_SIZE(tops); i++)
		if (stat(tops[i], &top) == 0 && dir_holds(&top, near_fd) > 0)
			return true;
	if (fstatfs(fd, &fs) < 0)
		return true;
	return fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC ||
	       fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC;
}

static int check_place(const struct mountplan *plan, const struct stat *st,
		       const struct mountset_where *where, struct dyno_err *err)
{
	static const char hint[] = "mount a directory that is for the app";
	_cleanup_close_ int near = open_near(plan);
	int r = near < 0 ? -errno : 0;

	if (near >= 0 && is_kernels(plan->layer.fd, near))
		return refuse(plan, EINVAL, "it is the kernel's", hint, err);
	if (str_eq(plan->layer.path, "/"))
		return refuse(plan, EINVAL, "it is the host's root", hint, err);
	if (r == 0)
		r = overlaps(st, near, where->run_fd);
	if (r == 0)
		r = overlaps(st, near, where->data_fd);
	if (r < 0)
		return err_set(err, ERR_MOUNT_INVALID, -r, "look at what is above %s",
			       plan->layer.path);
	return r ? refuse(plan, EINVAL, "dyno's own directories are in it, or it in them", hint,
			  err)
		 : 0;
}

static int open_source(struct mountplan *plan, const struct mountset_where *where,
		       struct arena *arena, struct dyno_err *err)
{
	struct stat st;
	int r;

	plan->layer.fd = open(plan->source, O_PATH | O_CLOEXEC);
	if (plan->layer.fd < 0 || fstat(plan->layer.fd, &st) < 0) {
		err_set(err, ERR_MOUNT_INVALID, errno, "open %s, to be mounted at /%s",
			plan->source, plan->target);
		err_hint(err, "what is mounted must be there: dyno makes nothing outside");
		return -err->num;
	}
	plan->file = !S_ISDIR(st.st_mode);
	if (plan->file && !S_ISREG(st.st_mode) && !S_ISSOCK(st.st_mode))
		return refuse(plan, EINVAL, "it is neither a directory nor a file nor a socket",
			      "devices and pipes of the host are not for an app", err);
	r = find_path(plan, arena, err);
	if (r == 0)
		r = check_place(plan, &st, where, err);
	if (r < 0)
		return r;
	/* Whoever made files there as root could make them setuid, for others outside to run. */
	if (!where->rootless && plan->writable && st.st_uid == 0)
		return refuse(plan, EPERM, "it is root's, and the app would write as its owner",
			      "give it to a user (chown), or leave :rw out", err);
	/* One id is mapped, for user and group; what has another one nobody may write to. */
	if (!where->rootless && plan->writable && st.st_gid != st.st_uid)
		return refuse(plan, EPERM, "its group has not the number of its owner",
			      "give it both, as by: chown 1000:1000, or leave :rw out", err);
	plan->layer.owner = SPEC_OWNER_SAME;
	if (!where->rootless && st.st_uid != 0)
		plan->layer.owner = (int64_t)st.st_uid;
	return 0;
}

int mountset_open(const struct dyno_run_opts *opts, const struct mountset_where *where,
		  struct arena *arena, struct mountplans *ret, struct dyno_err *err)
{
	int r = mountplan_parse(opts, arena, ret, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ret->n; i++)
		ret->items[i].layer.fd = -EBADF;
	r = appspec_check_mounts(ret, err);
	for (size_t i = 0; i < ret->n && r == 0; i++)
		if (ret->items[i].kind == MOUNTPLAN_HOST)
			r = open_source(&ret->items[i], where, arena, err);
	return r;
}

int mountset_words(const struct mountplans *set, struct arena *arena, const char *const **ret,
		   size_t *ret_n, struct dyno_err *err)
{
	const char **words = arena_calloc(arena, set->n + 1, sizeof(*words));
	size_t n = 0;

	for (size_t i = 0; i < set->n && words; i++) {
		const struct mountplan *plan = &set->items[i];

		if (plan->kind != MOUNTPLAN_HOST)
			continue;
		words[n] = arena_fmt(arena, "%s:/%s:%s", plan->layer.path, plan->target,
				     plan->writable ? "rw" : "ro");
		if (!words[n++])
			words = NULL;
	}
	if (!words)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the mounts");
	*ret = words;
	*ret_n = n;
	return 0;
}

void mountset_done(struct mountplans *set)
{
	for (size_t i = 0; i < set->n; i++)
		close_fdp(&set->items[i].layer.fd);
	set->n = 0;
}
