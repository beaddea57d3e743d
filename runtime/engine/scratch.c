/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define SCRATCH_DIR "scratch"

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

int scratch_remove(struct store *store, const char *name)
{
	_cleanup_close_ int all = open_all(store, false);

	if (all < 0)
		return all == -ENOENT ? 0 : all;
	return path_remove_tree(all, name);
}

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
	if (mkdirat(all, want->name, 0700) < 0)
		return -errno;
	if (want->plain)
		return 0;
	fd = openat(all, want->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : probe_xattr(fd, want->rootless);
	if (r < 0)
		(void)unlinkat(all, want->name, AT_REMOVEDIR); /* ours, and empty */
	return r;
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
	*ret = (struct scratch){.store = store, .name = want->name, .path = path};
	return 0;
}

void scratch_done(struct scratch *s)
{
	if (!s->path)
		return;
	(void)scratch_remove(s->store, s->name); /* what would not go is gc's */
	s->path = NULL;
}

static void close_dirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir); /* only read from */
}

int scratch_each(struct store *store, scratch_fn fn, void *data)
{
	_cleanup_(close_dirp) DIR *dir = NULL;
	struct dirent *e;
	int fd = open_all(store, false);
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	dir = fdopendir(fd);
	if (!dir) {
		close_fdp(&fd);
		return -ENOMEM;
	}
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		r = fn(data, e->d_name);
		if (r)
			return r;
	}
	return 0;
}
