/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define SCRATCH_DIR "scratch"

/* Tries at a directory that a collector takes before it is locked. */
#define MAKE_TRIES 64

/* Where an upper layer takes no attributes an overlay mounts all the same, and then fails the
 * removal of every directory of a lower layer.  Source: fs/overlayfs/super.c, "noxattr" */
static int probe_xattr(int fd, bool rootless)
{
	const char *name = rootless ? "user.overlay.probe" : "trusted.overlay.probe";

	return fsetxattr(fd, name, "", 0, 0) < 0 ? -errno : 0;
}

/* A memfd lives on the kernel's own tmpfs: what it takes, every tmpfs takes. */
static bool tmpfs_takes_user_xattr(void)
{
	_cleanup_close_ int fd = memfd_create("probe", MFD_CLOEXEC);

	return fd >= 0 && probe_xattr(fd, true) == 0;
}

/* Return: the directory of all scratches, made where it is missing; -errno. */
static int open_all(struct store *store, bool make)
{
	int fd;

	if (make && mkdirat(store->data_fd, SCRATCH_DIR, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(store->data_fd, SCRATCH_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int scratch_remove_dead(struct store *store, const char *name)
{
	_cleanup_close_ int all = open_all(store, false);
	_cleanup_close_ int fd = -EBADF;

	if (all < 0)
		return all;
	fd = openat(all, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* What is no directory is none of ours, and nobody's. */
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return unlinkat(all, name, 0) < 0 ? -errno : 0;
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	/* Its maker has just removed it: what has the name now is another's. */
	if (!path_leads_to(all, name, fd))
		return -ENOENT;
	return path_remove_tree(all, name);
}

/* Return: a new directory, locked; -errno. */
static int make_locked(int all, const char *name)
{
	int tries;

	for (tries = 0; tries < MAKE_TRIES; tries++) {
		_cleanup_close_ int fd = -EBADF;

		if (mkdirat(all, name, 0700) < 0)
			return -errno;
		fd = openat(all, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno != ENOENT)
			return -errno;
		/* A collector that was faster holds it only to remove it. */
		if (fd < 0 || flock(fd, LOCK_EX) < 0 || !path_leads_to(all, name, fd))
			continue;
		return take_fd(&fd);
	}
	return -EBUSY;
}

/* Return: the directory's descriptor, which is its lock; -errno. */
static int make_dir(struct store *store, const struct scratch_want *want)
{
	_cleanup_close_ int all = open_all(store, true);
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (all < 0)
		return all;
	/* The name is ours by lock: what stands there is the remain of a dead launcher. */
	r = path_remove_tree(all, want->name);
	if (r < 0)
		return r;
	fd = make_locked(all, want->name);
	if (fd < 0)
		return fd;
	r = want->plain ? 0 : probe_xattr(fd, want->rootless);
	if (r < 0) {
		(void)unlinkat(all, want->name, AT_REMOVEDIR); /* ours, and empty */
		return r;
	}
	return take_fd(&fd);
}

int scratch_make(struct store *store, const struct scratch_want *want, struct arena *arena,
		 struct scratch *ret, struct dyno_err *err)
{
	bool disk = want->kind == DYNO_SCRATCH_DISK;
	const char *path;
	int r;

	if (!disk && (!want->rootless || tmpfs_takes_user_xattr()))
		return 0;
	if (want->bytes || want->inodes) {
		err_set(err, ERR_SCRATCH, EOPNOTSUPP, "limit a scratch on disk");
		err_hint(err, "leave the size out, or use --scratch tmpfs:SIZE");
		return -EOPNOTSUPP;
	}
	path = arena_fmt(arena, "%s/" SCRATCH_DIR "/%s", store->data_dir, want->name);
	if (!path)
		return err_set(err, ERR_MEMORY, ENOMEM, "name the scratch");
	r = make_dir(store, want);
	if (r < 0) {
		err_set(err, ERR_SCRATCH, -r, "make the scratch %s", path);
		err_hint(err, "choose another place with --data-dir, or --scratch tmpfs");
		return r;
	}
	*ret = (struct scratch){.store = store, .name = want->name, .path = path, .lock_fd = r};
	return 0;
}

void scratch_done(struct scratch *s)
{
	_cleanup_close_ int all = -EBADF;

	if (!s->path)
		return;
	all = open_all(s->store, false);
	if (all >= 0)
		(void)path_remove_tree(all, s->name); /* what would not go is gc's */
	close_fdp(&s->lock_fd);
	s->path = NULL;
}

int scratch_each(struct store *store, scratch_fn fn, void *data)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	int fd = open_all(store, false);
	int r = fd < 0 ? fd : dir_take(fd, &dir);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((name = dir_next_name(&dir))) {
		if (name[0] == '.')
			continue;
		r = fn(data, name);
		if (r)
			return r;
	}
	return 0;
}
