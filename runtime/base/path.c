/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.c - opening beneath a directory, making directories, the last component.  Removal of trees
 * is in rmtree.c.
 */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "base/fd.h"

/* A rename elsewhere on the host makes the kernel give up a lookup through "..".
 * Source: openat2(2), EAGAIN; a busy host needs one or two retries. */
#define OPENAT2_RETRIES 64

static int openat2_raw(int dirfd, const char *path, const struct open_how *how, size_t size)
{
	return (int)syscall(SYS_openat2, dirfd, path, how, size);
}

/*
 * Whether openat2 is missing, or hidden by a filter that answers EPERM (old container runtimes do).
 * A size of 0 is refused by the call itself with EINVAL, so any other answer is not its own.
 */
static bool openat2_hidden(int num)
{
	if (num == ENOSYS)
		return true;
	return num == EPERM && openat2_raw(-1, NULL, NULL, 0) < 0 && errno != EINVAL;
}

/* The link at @name explains an ENOTDIR of O_DIRECTORY | O_NOFOLLOW. */
static int explain_notdir(int dirfd, const char *name, int num)
{
	struct stat st;

	if (num == ENOTDIR && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		return -ELOOP;
	return -num;
}

/* Opens the last component without following it, whatever the caller's flags say of links. */
static int open_last(int dirfd, const char *name, int flags, mode_t mode)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return explain_notdir(dirfd, name, errno);

	/* With O_PATH the link itself is opened, which is right only if it was asked for. */
	if ((flags & O_PATH) && !(flags & O_NOFOLLOW)) {
		if (fstat(fd, &st) < 0)
			return -errno;
		if (S_ISLNK(st.st_mode))
			return -ELOOP;
	}
	return take_fd(&fd);
}

/*
 * Copies the component at *@path and steps over it and its slashes; "." and nothing are skipped.
 * Return: 1; 0 at the end of the path; -EXDEV for ".."; -ENAMETOOLONG.
 */
static int next_component(const char **path, char name[NAME_MAX + 1])
{
	const char *p = *path;
	size_t len;

	for (;;) {
		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (len != 1 || *p != '.')
			break;
		p++;
	}
	if (len == 0)
		return 0;
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	if (len == 2 && p[0] == '.' && p[1] == '.')
		return -EXDEV;

	memcpy(name, p, len);
	name[len] = '\0';
	*path = p + len;
	return 1;
}

/* The way without openat2: each component by itself, no link and no ".." in any. */
static int open_walk(int dirfd, const char *path, int flags, mode_t mode)
{
	_cleanup_close_ int held = -EBADF;
	char name[NAME_MAX + 1], after[NAME_MAX + 1];
	int at = dirfd, r, more;

	if (*path == '\0')
		return -ENOENT;
	if (*path == '/')
		return -EXDEV;

	r = next_component(&path, name);
	if (r < 0)
		return r;
	if (r == 0)
		return open_last(at, ".", flags, mode);

	for (;;) {
		const char *rest = path;
		int next;

		more = next_component(&path, after);
		if (more < 0)
			return more;
		if (more == 0 && *rest) { /* "name/" and "name/." are a directory */
			if (flags & O_CREAT)
				return -EISDIR;
			flags |= O_DIRECTORY;
		}
		if (more == 0)
			return open_last(at, name, flags, mode);

		next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return explain_notdir(at, name, errno);
		close_fdp(&held);
		at = held = next;
		memcpy(name, after, sizeof(name));
	}
}

/* @resolve: RESOLVE_*. @walked: the path for the walk, where openat2 is missing. */
static int open_resolved(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve,
			 const char *walked)
{
	const bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
	const struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.mode = creates ? mode : 0,
		.resolve = resolve | RESOLVE_NO_MAGICLINKS,
	};
	int fd, num = 0;

	for (int i = 0; i < OPENAT2_RETRIES; i++) {
		fd = openat2_raw(dirfd, path, &how, sizeof(how));
		if (fd >= 0)
			return fd;
		num = errno;
		if (num != EAGAIN && num != EINTR)
			break;
	}
	if (openat2_hidden(num))
		return open_walk(dirfd, walked, flags, mode);
	return -num;
}

int open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	return open_resolved(dirfd, path, flags, mode, RESOLVE_BENEATH, path);
}

int open_in_root(int dirfd, const char *path, int flags)
{
	const char *relative = path + strspn(path, "/");

	return open_resolved(dirfd, path, flags, 0, RESOLVE_IN_ROOT, *relative ? relative : ".");
}

/* One directory of a path: made, or there already. */
static int mkdir_one(int dirfd, const char *path, mode_t mode)
{
	struct stat st;
	int num;

	if (mkdirat(dirfd, path, mode) == 0)
		return 0;
	num = errno;

	/* Not only EEXIST: a directory above may be read-only or not writable for us. */
	if (fstatat(dirfd, path, &st, 0) == 0)
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	return -num;
}

int path_mkdir_p(int dirfd, const char *path, mode_t mode)
{
	char prefix[PATH_MAX];
	size_t len = strlen(path), at = 0;
	int r;

	if (len == 0)
		return -ENOENT;
	if (len >= sizeof(prefix))
		return -ENAMETOOLONG;

	memcpy(prefix, path, len + 1);
	for (;;) {
		at += strspn(prefix + at, "/");
		at += strcspn(prefix + at, "/");
		prefix[at] = '\0';
		r = mkdir_one(dirfd, prefix, mode);
		if (r < 0 || at == len)
			return r;
		prefix[at] = '/';
	}
}

const char *path_basename(const char *path, size_t *ret_len)
{
	size_t end = strlen(path), start;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (start = end; start > 0 && path[start - 1] != '/'; start--)
		;
	*ret_len = end - start;
	return path + start;
}

bool path_leads_to(int dirfd, const char *name, int fd)
{
	struct stat a;
	struct stat b;

	return fstat(fd, &a) == 0 && fstatat(dirfd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}
