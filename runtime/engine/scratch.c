/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/projquota.h"
#include "rootfs/image.h"

#define SCRATCH_DIR "scratch"

/* Tries at a directory that a collector takes before it is locked. */
#define MAKE_TRIES 64

/* A default image is not made smaller. Source: own choice */
#define IMAGE_DEFAULT_MIN_BYTES (16ULL << 20)

/* Where an upper layer takes no attributes an overlay mounts all the same, and then fails the
 * removal of every directory of a lower layer.  Source: fs/overlayfs/super.c, "noxattr" */
static int probe_xattr(int fd, bool rootless)
{
	const char *name = rootless ? "user.overlay.probe" : "trusted.overlay.probe";

	return fsetxattr(fd, name, "", 0, 0) < 0 ? -errno : 0;
}

bool scratch_no_tmpfs(bool rootless)
{
	_cleanup_close_ int fd = -EBADF;

	if (!rootless)
		return false;
	/* A memfd lives on the kernel's own tmpfs: what it takes, every tmpfs takes. */
	fd = memfd_create("probe", MFD_CLOEXEC);
	return fd < 0 || probe_xattr(fd, true) < 0;
}

const char *scratch_limit_name(enum scratch_limit limit)
{
	static const char *const names[] = {
		[SCRATCH_UNLIMITED] = "none",
		[SCRATCH_TMPFS] = "tmpfs",
		[SCRATCH_QUOTA] = "project-quota",
		[SCRATCH_IMAGE] = "loop-image",
	};

	_Static_assert(ARRAY_SIZE(names) == _SCRATCH_LIMIT_MAX, "every limit has a name");
	return names[limit];
}

/* ---- directories ---------------------------------------------------------------------------- */

/* Return: the directory of all scratches, made where it is missing; -errno. */
static int open_all(struct store *store, bool make)
{
	int fd;

	if (make && mkdirat(store->data_fd, SCRATCH_DIR, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(store->data_fd, SCRATCH_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Without its limits: removing a deep tree may take a little more room first. */
static int remove_dir(int all, const char *name, int fd)
{
	projquota_release(all, projquota_id(fd));
	return path_remove_tree(all, name);
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
	return remove_dir(all, name, fd);
}

/* The name is ours by lock: what stands there is the remain of a dead launcher. */
static int remove_remains(int all, const char *name)
{
	_cleanup_close_ int fd = openat(all, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 && errno == ENOENT ? 0 : remove_dir(all, name, fd);
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

/* Two that look for a free project at once would find the same. */
static int claim_project(int all, int fd, const struct scratchplan *plan)
{
	int r = flock(all, LOCK_EX) < 0 ? -errno : 0;

	if (r == 0)
		r = projquota_claim(fd, plan->bytes, plan->inodes);
	(void)flock(all, LOCK_UN); /* the descriptor is closed next anyway */
	return r;
}

/* @plan: a limit by project quota; NULL: none.  Return: the directory's descriptor, which is its
 * lock; -errno. */
static int make_dir(int all, const struct scratch_want *want, const struct scratchplan *plan)
{
	_cleanup_close_ int fd = -EBADF;
	int r = remove_remains(all, want->name);

	if (r < 0)
		return r;
	fd = make_locked(all, want->name);
	if (fd < 0)
		return fd;
	r = want->plain ? 0 : probe_xattr(fd, want->rootless);
	if (r == 0 && plan)
		r = claim_project(all, fd, plan);
	if (r < 0) {
		(void)unlinkat(all, want->name, AT_REMOVEDIR); /* ours, and empty */
		return r;
	}
	return take_fd(&fd);
}

/* ---- the choice ----------------------------------------------------------------------------- */

/* What a scratch is made of; all borrowed. */
struct making {
	struct store *store;
	const struct scratch_want *want;
	struct arena *arena;
	int all;
	struct scratch *ret;
	struct dyno_err *err;
};

static int failed(const struct making *m, int num, const char *path)
{
	err_set(m->err, ERR_SCRATCH, num, "make the scratch %s", path);
	err_hint(m->err, "choose another place with --data-dir, or --scratch tmpfs");
	return -num;
}

static int use_directory(const struct making *m, const struct scratchplan *plan)
{
	const char *name = m->want->name;
	const char *path = arena_fmt(m->arena, "%s/" SCRATCH_DIR "/%s", m->store->data_dir, name);
	int r;

	if (!path)
		return err_set(m->err, ERR_MEMORY, ENOMEM, "name the scratch");
	r = make_dir(m->all, m->want, plan);
	if (r < 0)
		return failed(m, -r, path);
	m->ret->limit = plan ? SCRATCH_QUOTA : SCRATCH_UNLIMITED;
	m->ret->bytes = plan ? plan->bytes : 0;
	m->ret->inodes = plan ? plan->inodes : 0;
	m->ret->path = path;
	m->ret->lock_fd = r;
	return 0;
}

/* No limit can be had, for the reason and with the remedy in @why. */
static int use_unlimited(const struct making *m, const struct dyno_err *why)
{
	if (m->want->plan->asked || m->want->require) {
		if (m->err)
			*m->err = *why;
		err_context(m->err, "limit a scratch on disk");
		return why->num ? -why->num : -EOPNOTSUPP;
	}
	str_fmt(m->ret->warning, sizeof(m->ret->warning),
		"nothing limits what the dyno writes to the disk: %s%s%s", why->msg,
		why->hint[0] ? "; " : "", why->hint);
	return use_directory(m, NULL);
}

/*
 * What is written to an image when the data directory is full is lost, without a word to the app.  So
 * a default is no more than half of what is free, in steps of two, as each size has its template.
 */
static void plan_image(const struct making *m, struct image_plan *ret)
{
	const struct scratchplan *plan = m->want->plan;
	struct statvfs fs;

	*ret = (struct image_plan){.bytes = plan->bytes, .inodes = plan->inodes};
	if (plan->asked || fstatvfs(m->all, &fs) < 0)
		return;
	while (ret->bytes > IMAGE_DEFAULT_MIN_BYTES && ret->bytes / fs.f_frsize > fs.f_bavail / 2) {
		ret->bytes /= 2;
		ret->inodes /= 2;
	}
}

static int use_disk(const struct making *m)
{
	const struct scratchplan *plan = m->want->plan;
	struct image_plan image;
	struct dyno_err why = {0};
	bool unfit = false;

	if (plan->unlimited)
		return use_directory(m, NULL);
	if (m->want->rootless) {
		err_set(&why, ERR_SCRATCH, EOPNOTSUPP,
			"without root there is no quota and no image");
		err_hint(&why, "use --scratch tmpfs:SIZE");
		return use_unlimited(m, &why);
	}
	if (projquota_enforced(m->all) > 0)
		return use_directory(m, plan);
	plan_image(m, &image);
	m->ret->mount_fd = image_mount(m->store->data_fd, &image, &unfit, &why);
	if (m->ret->mount_fd >= 0) {
		m->ret->limit = SCRATCH_IMAGE;
		m->ret->bytes = image.bytes;
		m->ret->inodes = image.inodes;
		return 0;
	}
	if (unfit)
		return use_unlimited(m, &why);
	if (m->err)
		*m->err = why;
	return m->ret->mount_fd;
}

static void warn_of_memory(const struct scratchplan *plan, char *buf, size_t size)
{
	char bytes[16];
	char room[16];

	(void)num_format_size(bytes, plan->bytes);
	(void)num_format_size(room, plan->room_bytes);
	str_fmt(buf, size,
		"a scratch of %s in memory is more than the %s that the limits leave beside the "
		"quota: the dyno may be killed before it sees \"no space left\"",
		bytes, room);
}

int scratch_make(struct store *store, const struct scratch_want *want, struct arena *arena,
		 struct scratch *ret, struct dyno_err *err)
{
	struct scratch scratch = SCRATCH_INIT;
	_cleanup_close_ int all = -EBADF;
	struct making m = {store, want, arena, -EBADF, &scratch, err};
	int r;

	scratch.store = store;
	scratch.name = want->name;
	if (!want->plain && !want->plan->disk) {
		scratch.limit = SCRATCH_TMPFS;
		scratch.bytes = want->plan->bytes;
		scratch.inodes = want->plan->inodes;
		if (want->plan->over)
			warn_of_memory(want->plan, scratch.warning, sizeof(scratch.warning));
		*ret = scratch;
		return 0;
	}
	all = open_all(store, true);
	if (all < 0)
		return failed(&m, -all, store->data_dir);
	m.all = all;
	r = want->plain ? use_directory(&m, NULL) : use_disk(&m);
	if (r == 0)
		*ret = scratch;
	return r;
}

void scratch_disown(struct scratch *s)
{
	close_fdp(&s->mount_fd);
	close_fdp(&s->lock_fd);
	s->path = NULL;
}

void scratch_done(struct scratch *s)
{
	_cleanup_close_ int all = -EBADF;

	image_drop(&s->mount_fd);
	if (!s->path)
		return;
	all = open_all(s->store, false);
	if (all >= 0)
		(void)remove_dir(all, s->name, s->lock_fd); /* what would not go is gc's */
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
