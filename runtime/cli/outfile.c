/* SPDX-License-Identifier: Apache-2.0 */
/* outfile.c - a file that appears whole or not at all. */
#include "cli/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

/* Less what the umask takes, as for any program's output. */
#define OUTFILE_MODE 0666

/* Room for "/proc/self/fd/" and a number. */
#define FD_PATH_BYTES 40

/* The directory part of @path with its slash: "" for a name alone. */
static size_t dir_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) + 1 : 0;
}

/* A name beside the last one, on the same file system, that nobody else has. */
static int temp_name(struct outfile *file)
{
	uint64_t random;
	size_t dir = dir_len(file->path);

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	if (str_fmt(file->temp, sizeof(file->temp), "%.*s.dyno-%016llx", (int)dir, file->path,
		    (unsigned long long)random) >= sizeof(file->temp)) {
		file->temp[0] = '\0';
		return -ENAMETOOLONG;
	}
	return 0;
}

/* Without a name where the file system can, since not even a SIGKILL leaves that behind. */
static int open_nameless(struct outfile *file)
{
	char dir[PATH_MAX];
	size_t len = dir_len(file->path);

	if (len + 2 > sizeof(dir))
		return -ENAMETOOLONG;
	str_fmt(dir, sizeof(dir), "%.*s.", (int)len, file->path);

	int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, OUTFILE_MODE);

	return fd < 0 ? -errno : fd;
}

static int open_named(struct outfile *file)
{
	int r = temp_name(file);

	if (r < 0)
		return r;

	int fd = open(file->temp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, OUTFILE_MODE);

	if (fd >= 0)
		return fd;
	r = -errno;
	file->temp[0] = '\0';
	return r;
}

/* What stands at @path already: 1 when it is to be written as it stands, 0 when it is not there or
 * is a regular file that may be replaced. */
static int check_existing(const char *path, bool replace)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT && *path ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return 1;
	return replace ? 0 : -EEXIST;
}

/* Return: a descriptor, or -errno. */
static int open_path(struct outfile *file, bool replace)
{
	int r = check_existing(file->path, replace);

	if (r < 0)
		return r;
	file->direct = r > 0;
	if (file->direct) {
		int fd = open(file->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

		return fd < 0 ? -errno : fd;
	}

	r = open_nameless(file);
	if (r == -EOPNOTSUPP || r == -EISDIR || r == -EINVAL)
		r = open_named(file);
	return r;
}

static int open_stdout(struct outfile *file)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	file->direct = true;
	return fd < 0 ? -errno : fd;
}

int outfile_open(struct outfile *file, const char *path, bool replace, struct dyno_err *err)
{
	*file = (struct outfile){.fd = -EBADF, .path = path};

	int fd = str_eq(path, "-") ? open_stdout(file) : open_path(file, replace);

	if (fd < 0)
		return err_set(err, ERR_IO, -fd, "write %s", path);

	file->fd = fd;
	return 0;
}

/* linkat() cannot replace: the file gets a name beside the last one first. */
static int give_name(struct outfile *file)
{
	char fd_path[FD_PATH_BYTES];
	int r;

	if (!file->temp[0]) {
		r = temp_name(file);
		if (r < 0)
			return r;
		/* The descriptor is ours and nameless; this is the way open(2) tells to link it. */
		str_fmt(fd_path, sizeof(fd_path), "/proc/self/fd/%d", file->fd);
		if (linkat(AT_FDCWD, fd_path, AT_FDCWD, file->temp, AT_SYMLINK_FOLLOW) < 0) {
			r = -errno;
			file->temp[0] = '\0';
			return r;
		}
	}
	if (renameat(AT_FDCWD, file->temp, AT_FDCWD, file->path) < 0)
		return -errno;
	file->temp[0] = '\0';
	return 0;
}

int outfile_commit(struct outfile *file, struct dyno_err *err)
{
	if (file->direct)
		return 0;
	if (fsync(file->fd) < 0)
		return err_set(err, ERR_IO, errno, "write %s", file->path);

	int r = give_name(file);

	if (r < 0)
		return err_set(err, ERR_IO, -r, "name %s", file->path);
	return 0;
}

void outfile_done(struct outfile *file)
{
	if (file->temp[0])
		(void)unlink(file->temp); /* it was never complete; gone already is as good */
	file->temp[0] = '\0';
	close_fdp(&file->fd);
}
