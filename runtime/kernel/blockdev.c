/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/blockdev.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"

/* Largest numbers of a device. Source: linux/kdev_t.h: 12 and 20 bits */
#define MAJOR_MAX 4095U
#define MINOR_MAX 1048575U

/* "254:0\n", or the list of schedulers of a disk, the one in use in brackets. */
#define SYS_TEXT_BYTES 256

static int read_sys(int dir_fd, const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -errno : fd_read_full(fd, buf, size - 1);

	if (n < 0)
		return (int)n;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

/* "254:0". Return: 0 or -EINVAL. */
static int parse_numbers(const char *text, uint32_t *ret_major, uint32_t *ret_minor)
{
	char copy[24], *rest = copy;
	uint32_t major_nr, minor_nr;
	const char *first;

	if (str_fmt(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return -EINVAL;
	first = strsep(&rest, ":");
	if (!rest || num_parse_u32(first, MAJOR_MAX, &major_nr) < 0 ||
	    num_parse_u32(rest, MINOR_MAX, &minor_nr) < 0)
		return -EINVAL;
	*ret_major = major_nr;
	*ret_minor = minor_nr;
	return 0;
}

static int no_disk(const char *text, struct dyno_err *err)
{
	char shown[64];

	(void)err_set(err, ERR_USAGE, 0, "limit io-max: \"%s\" is on no disk",
		      str_escape(shown, sizeof(shown), text));
	err_hint(err, "lsblk shows the disks and their numbers");
	return -EINVAL;
}

/* The device of a path: its own where it is one, else the one that it is on. */
static int numbers_of_path(const char *path, uint32_t *ret_major, uint32_t *ret_minor,
			   struct dyno_err *err)
{
	struct stat st;
	dev_t dev;

	if (stat(path, &st) < 0) {
		int num = errno;
		char shown[64];

		(void)err_set(err, ERR_USAGE, num, "limit io-max: look at \"%s\"",
			      str_escape(shown, sizeof(shown), path));
		err_hint(err, "name a disk as lsblk(8) shows it, or a file on it");
		return -num;
	}
	dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	*ret_major = major(dev);
	*ret_minor = minor(dev);
	return 0;
}

/* The disk of a partition is the directory around its own. Return: 0 or -errno. */
static int whole_disk(const char *sys, uint32_t *io_major, uint32_t *io_minor)
{
	char path[PATH_MAX], text[SYS_TEXT_BYTES];
	_cleanup_close_ int dir = -EBADF;

	(void)str_fmt(path, sizeof(path), "%s/dev/block/%u:%u", sys, *io_major, *io_minor);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	if (faccessat(dir, "partition", F_OK, 0) != 0)
		return 0;
	if (read_sys(dir, "../dev", text, sizeof(text)) < 0)
		return -ENODEV;
	return parse_numbers(text, io_major, io_minor);
}

int blockdev_find(const char *sys, const char *text, size_t len, uint32_t *ret_major,
		  uint32_t *ret_minor, struct dyno_err *err)
{
	uint32_t major_nr, minor_nr;
	char path[PATH_MAX];
	int r = 0;

	if (str_fmt(path, sizeof(path), "%.*s", (int)MIN_OF(len, sizeof(path)), text) >=
	    sizeof(path))
		return err_set(err, ERR_USAGE, ENAMETOOLONG, "limit io-max: name a disk");
	if (path[0] == '/') {
		r = numbers_of_path(path, &major_nr, &minor_nr, err);
	} else if (parse_numbers(path, &major_nr, &minor_nr) < 0) {
		char shown[64];

		(void)err_set(err, ERR_USAGE, 0, "limit io-max: \"%s\" names no disk",
			      str_escape(shown, sizeof(shown), path));
		err_hint(err, "give its numbers, such as 8:0, or an absolute path");
		r = -EINVAL;
	}
	if (r < 0)
		return r;
	if (whole_disk(sys, &major_nr, &minor_nr) < 0)
		return no_disk(path, err);
	*ret_major = major_nr;
	*ret_minor = minor_nr;
	return 0;
}

bool blockdev_any_weighed(const char *sys)
{
	_cleanup_dir_ struct dir disks = DIR_INIT;
	const struct dirent *entry;
	char path[PATH_MAX];
	bool found = false;

	(void)str_fmt(path, sizeof(path), "%s/block", sys);
	if (dir_open(AT_FDCWD, path, &disks) < 0)
		return false;
	while (!found && (entry = dir_next(&disks))) {
		char text[SYS_TEXT_BYTES];

		(void)str_fmt(path, sizeof(path), "%s/queue/scheduler", entry->d_name);
		found = read_sys(disks.fd, path, text, sizeof(text)) == 0 && strstr(text, "[bfq]");
	}
	return found;
}
