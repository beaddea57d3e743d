/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lock.c - locks by name, and half-made directories that are locked by their makers: what a
 * killed process leaves is unlocked, and so known to be nobody's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "rootfs/store_internal.h"

#define LOCK_MODE 0600
#define TMP_MODE  0700
#define DIR_MODE  0700

int store_make_dir(int dirfd, const char *path, mode_t mode)
{
	if (mkdirat(dirfd, path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	return fchmodat(dirfd, path, mode, 0) < 0 ? -errno : 0;
}

int store_prepare(struct store *store, struct dyno_err *err)
{
	static const char *const dirs[] = {STORE_SLUGS, STORE_INDEX, STORE_TMP, STORE_LOCKS,
					   STORE_STACKS};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		int r = store_make_dir(store->data_fd, dirs[i], DIR_MODE);

		if (r < 0)
			return store_io_error(store, err, -r, "make", dirs[i]);
	}
	return 0;
}

static int flock_wait(int fd, int how)
{
	int r;

	do
		r = flock(fd, how);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* Whether the inode that was locked is still the one that has the name. */
static bool is_linked(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

int store_lock(struct store *store, const char *name, int *ret_fd, struct dyno_err *err)
{
	char path[IDENTITY_BYTES + 8];

	(void)str_fmt(path, sizeof(path), STORE_LOCKS "/%s", name);
	for (;;) {
		_cleanup_close_ int fd = openat(
			store->data_fd, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, LOCK_MODE);
		int r;

		if (fd < 0)
			return store_io_error(store, err, errno, "make", path);
		r = flock_wait(fd, LOCK_EX);
		if (r < 0)
			return store_io_error(store, err, -r, "lock", path);
		if (is_linked(fd)) {
			*ret_fd = take_fd(&fd);
			return 0;
		}
	}
}

void store_unlock(struct store *store, const char *name, int *fd)
{
	char path[IDENTITY_BYTES + 8];

	if (*fd < 0)
		return;
	(void)str_fmt(path, sizeof(path), STORE_LOCKS "/%s", name);
	/* Under the lock, so it is ours that goes; a failure leaves a file that gc removes. */
	(void)unlinkat(store->data_fd, path, 0);
	close_fdp(fd);
}

/* ---- half-made directories ----------------------------------------------------------------- */

void store_random_name(char *buf)
{
	uint64_t random = 0;

	/* Too little entropy cannot be after boot; a clash is met by EEXIST in any case. */
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	(void)str_fmt(buf, TMP_NAME_BYTES, "%016llx", (unsigned long long)random);
}

static void tmp_path(char *buf, size_t size, const char *name)
{
	(void)str_fmt(buf, size, STORE_TMP "/%s", name);
}

/* Clashing names and collectors that came between: each is rare, many in a row mean trouble. */
#define TMP_TRIES 64

int store_tmp_make(struct store *store, char *name, int *ret_fd, struct dyno_err *err)
{
	char path[TMP_NAME_BYTES + 8];
	int r = 0;

	for (unsigned int i = 0; i < TMP_TRIES; i++) {
		_cleanup_close_ int fd = -EBADF;

		store_random_name(name);
		tmp_path(path, sizeof(path), name);
		if (mkdirat(store->data_fd, path, TMP_MODE) < 0) {
			if (errno == EEXIST)
				continue;
			return store_io_error(store, err, errno, "make", path);
		}
		(void)!fchmodat(store->data_fd, path, TMP_MODE, 0); /* against the umask */
		fd = openat(store->data_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue; /* a collector took it before it was locked */
		if (fd < 0)
			return store_io_error(store, err, errno, "open", path);
		r = flock_wait(fd, LOCK_EX);
		if (r < 0)
			return store_io_error(store, err, -r, "lock", path);
		if (is_linked(fd)) {
			*ret_fd = take_fd(&fd);
			return 0;
		}
	}
	return store_io_error(store, err, EEXIST, "make", STORE_TMP);
}

int store_tmp_remove(struct store *store, const char *name)
{
	_cleanup_close_ int tmp_fd =
		openat(store->data_fd, STORE_TMP, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return tmp_fd < 0 ? -errno : path_remove_tree(tmp_fd, name);
}

/* Remove one directory below tmp/ unless its maker lives. Return: 1 when it was removed. */
static int sweep_one(int tmp_fd, const char *name)
{
	_cleanup_close_ int fd =
		openat(tmp_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == EACCES && fchmodat(tmp_fd, name, TMP_MODE, 0) == 0)
		fd = openat(tmp_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? unlinkat(tmp_fd, name, 0) == 0 : 0;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	return path_remove_tree(tmp_fd, name) == 0;
}

int store_tmp_sweep(struct store *store, store_gc_fn fn, void *data, struct dyno_err *err)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	int count = 0;
	int r = dir_open(store->data_fd, STORE_TMP, &dir);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return store_io_error(store, err, -r, "read", STORE_TMP);
	while ((name = dir_next_name(&dir)))
		if (sweep_one(dir.fd, name) == 1) {
			if (fn)
				fn(data, "half-made entry", name);
			count++;
		}
	return count;
}
