/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/loopdev.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include <linux/loop.h>

#include "base/fd.h"
#include "base/str.h"

/* Between the question for a free one and its use another process may take it. Source: own choice */
#define ATTACH_TRIES 32

static int configure(int fd, int file_fd)
{
	const struct loop_config config = {
		.fd = (unsigned int)file_fd,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
	};

	return ioctl(fd, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

/* Kernels before 6.14 refuse direct access where they cannot have it, later ones do without. */
static int configure_any(int fd, int file_fd)
{
	const struct loop_config buffered = {
		.fd = (unsigned int)file_fd,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int r = configure(fd, file_fd);

	if (r != -EINVAL)
		return r;
	return ioctl(fd, LOOP_CONFIGURE, &buffered) < 0 ? -errno : 0;
}

/* Return: an open loop device that was free a moment ago; -errno. */
static int open_free(int control, char path[LOOPDEV_PATH_BYTES])
{
	int n = ioctl(control, LOOP_CTL_GET_FREE);
	int fd;

	if (n < 0)
		return -errno;
	str_fmt(path, LOOPDEV_PATH_BYTES, "/dev/loop%d", n);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int loopdev_usable(void)
{
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	char path[LOOPDEV_PATH_BYTES];
	int fd = control < 0 ? -errno : open_free(control, path);

	if (fd < 0)
		return fd;
	close_fdp(&fd);
	return 0;
}

int loopdev_attach(int file_fd, char path[LOOPDEV_PATH_BYTES])
{
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int tries;

	if (control < 0)
		return -errno;
	for (tries = 0; tries < ATTACH_TRIES; tries++) {
		_cleanup_close_ int fd = open_free(control, path);
		int r;

		if (fd < 0)
			return fd;
		r = configure_any(fd, file_fd);
		if (r == 0)
			return take_fd(&fd);
		if (r != -EBUSY)
			return r;
	}
	return -EBUSY;
}
