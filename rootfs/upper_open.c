/* SPDX-License-Identifier: Apache-2.0 */
/* upper_open.c - descriptors, marks and paths of the walk over an upper directory. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "rootfs/upper_internal.h"

static const char *const mark_names[_MARK_MAX] = {
	[MARK_OPAQUE] = "opaque",     [MARK_REDIRECT] = "redirect", [MARK_METACOPY] = "metacopy",
	[MARK_WHITEOUT] = "whiteout", [MARK_ORIGIN] = "origin",
};

void upper_slot_close(struct slot *s)
{
	close_fdp(&s->upper_fd);
	close_fdp(&s->list_fd);
	for (size_t i = 0; i < UPPER_LOWERS_MAX; i++)
		close_fdp(&s->lower_fd[i]);
	s->level = -1;
}

void upper_slot_init(struct slot *s)
{
	s->level = -1;
	s->upper_fd = s->list_fd = -EBADF;
	for (size_t i = 0; i < UPPER_LOWERS_MAX; i++)
		s->lower_fd[i] = -EBADF;
	s->pos = s->len = 0;
}

/* Closes the uppermost open level, unless it is the one being listed. Return: whether it could. */
static bool give_way(struct walk *w)
{
	struct slot *top = NULL;

	for (size_t i = 0; i < WINDOW_LEVELS; i++) {
		struct slot *s = &w->slot[i];

		if (s->level >= 0 && s->level != (int)w->depth - 1 &&
		    (!top || s->level < top->level))
			top = s;
	}
	if (top)
		upper_slot_close(top);
	return top;
}

/*
 * Opens a directory by a path of several components, through no link and no other mount.  The
 * fallback of open_beneath() walks without links by itself.
 */
static int open_strict(int dirfd, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (unsigned int)flags,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	if (fd < 0 && errno == ENOSYS)
		return open_beneath(dirfd, path, flags, 0);
	return fd < 0 ? -errno : (int)fd;
}

int upper_open_dir(struct walk *w, int dirfd, const char *path, int flags)
{
	int fd;

	do {
		fd = open_strict(dirfd, path, flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	} while ((fd == -EMFILE || fd == -ENFILE) && give_way(w));
	return fd;
}

int upper_open_name(struct walk *w, int dirfd, const char *name)
{
	int fd;

	do {
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	} while ((fd == -EMFILE || fd == -ENFILE) && give_way(w));
	return fd;
}

/*
 * Reads a mark of an entry, "." for the directory itself.  The path goes through the descriptor's
 * link in /proc, which names the open directory and nothing else, and does not follow its last
 * component: there is no getxattrat(2) before 6.13, and an O_PATH descriptor takes no fgetxattr(2).
 * Return: its length, 0 included, or -errno (-ENODATA: not marked).
 */
ssize_t upper_mark_read(const struct walk *w, int dirfd, const char *name, enum mark mark,
			char *buf, size_t size)
{
	char path[sizeof("/proc/self/fd/-2147483648/") + NAME_MAX];
	char attribute[sizeof("trusted.overlay.") + STRLEN("metacopy")];
	ssize_t n;

	(void)str_fmt(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	(void)str_fmt(attribute, sizeof(attribute), "%s.overlay.%s",
		      w->opts->userxattr ? "user" : "trusted", mark_names[mark]);
	n = lgetxattr(path, attribute, buf, size);
	return n < 0 ? -errno : n;
}

bool upper_mark_has(const struct walk *w, int dirfd, const char *name, enum mark mark)
{
	return upper_mark_read(w, dirfd, name, mark, NULL, 0) >= 0;
}

/* "x" only says that there may be whiteouts in the form of attributes. */
bool upper_is_opaque(const struct walk *w, int dirfd)
{
	char value = 0;

	return upper_mark_read(w, dirfd, ".", MARK_OPAQUE, &value, 1) == 1 && value == 'y';
}

bool upper_is_copy(const struct walk *w, int dirfd, const char *name)
{
	return w->opts->n_lowers == 0 && upper_mark_has(w, dirfd, name, MARK_ORIGIN);
}

/* ---- paths ----------------------------------------------------------------------------------- */

bool upper_path_join(struct walk *w, const struct level *l, const char *name)
{
	size_t slash = l->path_len > 0;
	size_t len = strlen(name);

	if (l->path_len + slash + len >= sizeof(w->path))
		return false;
	if (slash)
		w->path[l->path_len] = '/';
	memcpy(w->path + l->path_len + slash, name, len + 1);
	return true;
}

int upper_path_in_lowers(const struct walk *w, const struct level *l, const char *path, char *buf)
{
	const struct move *m = l->moves > 0 ? &w->move[l->moves - 1] : NULL;
	const char *rest = m ? path + m->path_len : path;

	if (str_fmt(buf, PATH_MAX, "%s%s", m ? m->from : "", rest) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

bool upper_is_hidden(const struct walk *w, bool *ret_all)
{
	*ret_all = false;
	for (size_t i = 0; i < w->opts->n_hidden; i++) {
		const char *rest = str_starts(w->opts->hidden[i], w->path);

		if (rest && (*rest == '\0' || str_eq(rest, "/"))) {
			*ret_all = *rest == '/';
			return true;
		}
	}
	return false;
}

int upper_stat_entry(int dirfd, const char *name, struct statx *ret)
{
	struct statx stx = {0};

	if (statx(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_WANTED, &stx) < 0)
		return -errno;
	*ret = stx;
	return 0;
}
