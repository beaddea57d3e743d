/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copyout_find.c - what a path means to a dyno, found from outside.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "rootfs/copyout.h"

/* Where a relative path begins. Source: contract 2.10 */
#define RELATIVE_TO "/app/"

bool copyout_is_kernels(int fd)
{
	static const unsigned long kinds[] = {
		PROC_SUPER_MAGIC,   SYSFS_MAGIC,	 DEVPTS_SUPER_MAGIC,
		CGROUP_SUPER_MAGIC, DEBUGFS_MAGIC,	 TRACEFS_MAGIC,
		SECURITYFS_MAGIC,   CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,
	};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if ((unsigned long)fs.f_type == kinds[i])
			return true;
	return false;
}

static int failed_path(struct dyno_err *err, int num, const char *what, const char *path)
{
	char text[256];

	return err_set(err, ERR_IO, num, "%s \"%s\"", what, str_escape(text, sizeof(text), path));
}

int copyout_refuse_kernels(struct dyno_err *err, const char *path)
{
	char text[200];
	int r = err_set(err, ERR_IO, EINVAL, "copy \"%s\"", str_escape(text, sizeof(text), path));

	err_hint(err, "it is made by the kernel as it is read, and no file: use `dyno exec`");
	return r;
}

static bool is_dots(const char *name)
{
	return str_eq(name, ".") || str_eq(name, "..");
}

/* @full: is cut at its last component, where that is not to be followed. */
static int open_source(int root_fd, char *full, struct copyout_source *ret)
{
	const bool slash = full[strlen(full) - 1] == '/';
	size_t len;
	const char *base = path_basename(full, &len);

	if (len >= sizeof(ret->name))
		return -ENAMETOOLONG;
	str_fmt(ret->label, sizeof(ret->label), "%.*s", (int)len, base);
	str_fmt(ret->name, sizeof(ret->name), "%s", ret->label);
	if (len == 0 || is_dots(ret->label)) {
		str_fmt(ret->label, sizeof(ret->label), ".");
		ret->content = true;
	}
	if (ret->content || slash)
		str_fmt(ret->name, sizeof(ret->name), ".");
	else
		full[base - full] = '\0';
	ret->dir_fd = open_in_root(root_fd, full, O_PATH | O_DIRECTORY);
	return ret->dir_fd < 0 ? ret->dir_fd : 0;
}

int copyout_find(int root_fd, const char *path, struct copyout_source *ret, struct dyno_err *err)
{
	_cleanup_(copyout_done) struct copyout_source source = COPYOUT_SOURCE_INIT;
	char full[PATH_MAX];
	struct stat st;
	int r = 0;

	if (*path == '\0')
		return err_set(err, ERR_USAGE, 0, "the path to copy is empty");
	if (str_fmt(full, sizeof(full), "%s%s", *path == '/' ? "" : RELATIVE_TO, path) >=
	    sizeof(full))
		r = -ENAMETOOLONG;
	if (r == 0)
		r = open_source(root_fd, full, &source);
	if (r == 0 && fstatat(source.dir_fd, source.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r < 0)
		return failed_path(err, -r, "open", path);
	if (copyout_is_kernels(source.dir_fd))
		return copyout_refuse_kernels(err, path);
	*ret = source;
	source.dir_fd = -EBADF;
	return 0;
}

void copyout_done(struct copyout_source *source)
{
	close_fdp(&source->dir_fd);
}
