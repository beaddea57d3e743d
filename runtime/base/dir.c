/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

int dir_take(int fd, struct dir *ret)
{
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (!stream) {
		int r = -errno;

		close_fdp(&fd);
		return r;
	}
	*ret = (struct dir){.stream = stream, .fd = fd};
	return 0;
}

int dir_open(int dirfd, const char *path, struct dir *ret)
{
	return dir_take(openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), ret);
}

const struct dirent *dir_next(struct dir *dir)
{
	const struct dirent *d;

	do {
		errno = 0;
		d = readdir(dir->stream);
	} while (d && (str_eq(d->d_name, ".") || str_eq(d->d_name, "..")));
	return d;
}

const char *dir_next_name(struct dir *dir)
{
	const struct dirent *d = dir_next(dir);

	return d ? d->d_name : NULL;
}

void dir_done(struct dir *dir)
{
	if (dir->stream)
		(void)closedir(dir->stream); /* fails only for a bad stream */
	*dir = DIR_INIT;
}
