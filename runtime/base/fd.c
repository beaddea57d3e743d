/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd.c - complete reads and writes, small files, sealed memory files.  The one place that knows
 * EINTR and short transfers.
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/path.h"

/* Source: linux/memfd.h and linux/fcntl.h of Linux 6.3; libc's headers may be older. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

/* First guess for files whose size the kernel does not tell (proc, pipes): a page. */
#define READ_ALL_FIRST_BYTES 4096

/* One sendfile(2) moves at most this much. Source: sendfile(2) */
#define SEND_MAX_BYTES 0x7ffff000

void close_fdp(int *fd)
{
	int saved = errno;

	/* Never repeated: Linux frees the number even when it returns EINTR. */
	if (*fd >= 0)
		(void)close(*fd); /* what could fail was written before, and checked there */
	*fd = -EBADF;
	errno = saved;
}

static int wait_ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

ssize_t fd_read_full(int fd, void *buf, size_t len)
{
	size_t done = 0;
	int r;

	while (done < len) {
		ssize_t n = read(fd, (char *)buf + done, len - done);

		if (n > 0) {
			done += (size_t)n;
		} else if (n == 0) {
			break;
		} else if (errno == EAGAIN && done > 0) {
			r = wait_ready(fd, POLLIN);
			if (r < 0)
				return r;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return (ssize_t)done;
}

ssize_t fd_write_full(int fd, const void *buf, size_t len)
{
	size_t done = 0;
	int r;

	while (done < len) {
		ssize_t n = write(fd, (const char *)buf + done, len - done);

		if (n > 0) {
			done += (size_t)n;
		} else if (n == 0) {
			return -EIO; /* no file system does this; going on would spin */
		} else if (errno == EAGAIN) {
			r = wait_ready(fd, POLLOUT);
			if (r < 0)
				return r;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return (ssize_t)done;
}

/* A capacity to begin with: one byte more than the file has, so that its end is seen at once. */
static size_t first_capacity(int fd, size_t most)
{
	struct stat st;
	size_t guess = READ_ALL_FIRST_BYTES;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		guess = (uint64_t)st.st_size >= most ? most : (size_t)st.st_size + 1;
	return MIN_OF(guess, most);
}

int fd_read_all(int fd, size_t max_bytes, struct arena *arena, char **ret, size_t *ret_len)
{
	/* One byte above the limit tells "exactly at it" from "more than it". */
	size_t most = MIN_OF(max_bytes, (size_t)SSIZE_MAX - 2) + 1;
	size_t cap = first_capacity(fd, most), len = 0;
	char *buf = arena_alloc(arena, cap + 1);

	if (!buf)
		return -ENOMEM;

	for (;;) {
		ssize_t n = fd_read_full(fd, buf + len, cap - len);
		char *larger;

		if (n < 0)
			return (int)n;
		len += (size_t)n;
		if (len < cap)
			break;
		if (cap == most)
			return -EFBIG;

		cap = cap > most / 2 ? most : cap * 2;
		larger = arena_alloc(arena, cap + 1);
		if (!larger)
			return -ENOMEM;
		memcpy(larger, buf, len);
		buf = larger;
	}

	buf[len] = '\0';
	*ret = buf;
	if (ret_len)
		*ret_len = len;
	return 0;
}

int file_read_beneath(int dirfd, const char *path, size_t max_bytes, struct arena *arena,
		      char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	fd = open_beneath(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd == -ENXIO)
		return -EINVAL; /* a socket, or a device without a driver */
	if (fd < 0)
		return fd;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;

	return fd_read_all(fd, max_bytes, arena, ret, ret_len);
}

uint32_t fd_used_inodes(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0 || fs.f_files <= fs.f_ffree ||
	    fs.f_files - fs.f_ffree > UINT32_MAX)
		return 0;
	return (uint32_t)(fs.f_files - fs.f_ffree);
}

int file_write_at(int dirfd, const char *path, const char *data)
{
	_cleanup_close_ int fd = -EBADF;
	size_t len = strlen(data);
	ssize_t n;

	fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;

	/* The kernel parses each write as one order: the rest of a short one would be another. */
	do {
		n = write(fd, data, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int fd_memfd_sealed(const char *name, const void *data, size_t len)
{
	const unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	_cleanup_close_ int fd = -EBADF;
	ssize_t n;

	/* Since 6.3 the host may demand that execution is asked for; before, that is EINVAL. */
	fd = memfd_create(name, flags | MFD_EXEC);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, flags);
	if (fd < 0)
		return -errno;

	n = fd_write_full(fd, data, len);
	if (n < 0)
		return (int)n;

	if (fcntl(fd, F_ADD_SEALS, seals | F_SEAL_EXEC) < 0 &&
	    (errno != EINVAL || fcntl(fd, F_ADD_SEALS, seals) < 0))
		return -errno;

	return take_fd(&fd);
}

static void sort(int *fds, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		int fd = fds[i];
		size_t j = i;

		for (; j > 0 && fds[j - 1] > fd; j--)
			fds[j] = fds[j - 1];
		fds[j] = fd;
	}
}

int fd_close_others(int *keep, size_t n)
{
	unsigned int next = STDERR_FILENO + 1;

	sort(keep, n);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < (int)next)
			continue;
		if ((unsigned int)keep[i] > next &&
		    syscall(SYS_close_range, next, (unsigned int)keep[i] - 1, 0) < 0)
			return -errno;
		next = (unsigned int)keep[i] + 1;
	}
	return syscall(SYS_close_range, next, ~0U, 0) < 0 ? -errno : 0;
}

int fd_ensure_stdio(void)
{
	for (int i = 0; i < 3; i++) {
		int fd;

		if (fcntl(i, F_GETFD) >= 0)
			continue;

		/* The lowest free number is i.  Not close-on-exec: it is meant to be inherited. */
		fd = open("/dev/null", O_RDWR | O_NOCTTY); /* lint: stdio is inherited */
		if (fd < 0)
			return -errno;
		if (fd != i) {
			close_fdp(&fd);
			return -EBADF;
		}
	}
	return 0;
}

static int send_range(int from, int to, off_t at, off_t end)
{
	if (lseek(to, at, SEEK_SET) < 0)
		return -errno;
	while (at < end) {
		size_t want = (size_t)MIN_OF(end - at, (off_t)SEND_MAX_BYTES);
		ssize_t n = sendfile(to, from, &at, want);

		if (n == 0)
			return 0; /* it became shorter */
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return 0;
}

int fd_copy_sparse(int from, int to, off_t size)
{
	off_t data = 0;
	off_t hole = 0;
	int r = 0;

	while (r == 0 && hole < size) {
		data = lseek(from, hole, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0)
			data = hole; /* its file system knows of no holes */
		hole = lseek(from, data, SEEK_HOLE);
		if (hole <= data || hole > size)
			hole = size;
		r = send_range(from, to, data, hole);
	}
	if (r == 0 && ftruncate(to, size) < 0)
		r = -errno;
	return r;
}
