/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/store_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

int store_dir_open(int dirfd, const char *path, struct store_dir *ret)
{
	_cleanup_close_ int fd =
		openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *stream;

	if (fd < 0)
		return -errno;
	stream = fdopendir(fd);
	if (!stream)
		return -errno;
	ret->stream = stream;
	ret->fd = take_fd(&fd);
	return 0;
}

const char *store_dir_next(struct store_dir *dir)
{
	struct dirent *d;

	do
		d = readdir(dir->stream);
	while (d && (str_eq(d->d_name, ".") || str_eq(d->d_name, "..")));
	return d ? d->d_name : NULL;
}

void store_dir_done(struct store_dir *dir)
{
	if (dir->stream)
		(void)closedir(dir->stream); /* fails only for a bad stream */
	dir->stream = NULL;
	dir->fd = -EBADF;
}
