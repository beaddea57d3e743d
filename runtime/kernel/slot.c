/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slot.c - byte-range locks as an allocator.  A file of no bytes may be locked at any offset: the
 * lock table of the kernel is all the state there is.
 */
#include "kernel/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/util.h"

int slot_open(int dir_fd, const char *name)
{
	/* 0600: whoever may open the file could lock every number and so deny all starts. */
	int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	return fd < 0 ? -errno : fd;
}

static struct flock slot_range(short type, uint64_t first, uint64_t count)
{
	/* l_pid must be 0 for F_OFD_*: the designated initialiser sees to it. */
	return (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)first,
		.l_len = (off_t)count,
	};
}

int slot_lock(int fd, uint64_t first, uint64_t count)
{
	struct flock range = slot_range(F_WRLCK, first, count);

	if (fcntl(fd, F_OFD_SETLK, &range) == 0)
		return 0;
	/* fcntl(2): either errno may stand for a conflict. */
	return errno == EACCES ? -EAGAIN : -errno;
}

int slot_unlock(int fd, uint64_t first, uint64_t count)
{
	struct flock range = slot_range(F_UNLCK, first, count);

	return fcntl(fd, F_OFD_SETLK, &range) == 0 ? 0 : -errno;
}

int slot_share(int fd, uint64_t number)
{
	struct flock range = slot_range(F_RDLCK, number, 1);

	if (fcntl(fd, F_OFD_SETLK, &range) == 0)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

int slot_find(int fd, uint64_t first, uint64_t count, uint64_t *ret)
{
	struct flock range = slot_range(F_WRLCK, first, count);

	if (fcntl(fd, F_OFD_GETLK, &range) != 0)
		return -errno;
	if (range.l_type == F_UNLCK)
		return -ENOENT;
	*ret = MAX_OF((uint64_t)range.l_start, first);
	return 0;
}

int slot_taken(int fd, uint64_t first, uint64_t count)
{
	uint64_t ignored;
	int r = slot_find(fd, first, count, &ignored);

	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

uint64_t slot_random(uint64_t n)
{
	uint64_t value;

	if (n == 0)
		return 0;
	/*
	 * Early in a boot the pool may not be ready; waiting for it would be wrong, and the clock
	 * spreads searches well enough: exclusion comes from the locks, not from chance.
	 */
	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value)) {
		struct timespec now;

		(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
		value = (uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 20);
	}
	return value % n;
}

static int ids_open(int run_dir_fd, struct dyno_err *err)
{
	int fd = slot_open(run_dir_fd, SLOT_FILE_IDS);

	if (fd < 0)
		return err_set(err, ERR_RUN_DIR, -fd, "open %s in the run directory",
			       SLOT_FILE_IDS);
	return fd;
}

int ids_reserve(int run_dir_fd, uint32_t first_uid, uint32_t n_slots, int *ret_fd,
		uint32_t *ret_base, struct dyno_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	uint64_t end = (uint64_t)first_uid + (uint64_t)n_slots * IDS_PER_SLOT;
	uint64_t start;

	/* The last id, 2^32 - 1, is the kernel's "no id". */
	if (n_slots == 0 || end > UINT32_MAX)
		return err_set(err, ERR_IDS, EINVAL, "use %u ranges of user ids from %u on",
			       n_slots, first_uid);

	fd = ids_open(run_dir_fd, err);
	if (fd < 0)
		return fd;

	start = slot_random(n_slots);
	for (uint32_t i = 0; i < n_slots; i++) {
		uint64_t slot = (start + i) % n_slots;
		uint64_t base = first_uid + slot * IDS_PER_SLOT;
		int r = slot_lock(fd, base, IDS_PER_SLOT);

		if (r == 0) {
			*ret_base = (uint32_t)base;
			*ret_fd = take_fd(&fd);
			return 0;
		}
		if (r != -EAGAIN)
			return err_set(err, ERR_RUN_DIR, -r, "lock %s in the run directory",
				       SLOT_FILE_IDS);
	}

	(void)err_set(err, ERR_IDS, EUSERS, "take one of %u ranges of user ids from %u on", n_slots,
		      first_uid);
	err_hint(err, "each running dyno holds one: stop some, or give more with --uid-range");
	return -EUSERS;
}
