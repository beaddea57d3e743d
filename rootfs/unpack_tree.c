/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/unpack_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "rootfs/manifest.h"

/* What a directory and a file have at least; see the theory of operation. */
#define DIR_MODE_MIN  0700U
#define FILE_MODE_MIN 0600U
#define MODE_MASK     0777U

/* Mode of a directory that only the path of another member implies. */
#define DIR_MODE_IMPLIED 0755U

/* Lines are collected up to this size, so that writing them costs nothing to speak of. */
#define MANIFEST_FLUSH_BYTES (64U << 10)

void tree_init(struct tree *t, int root_fd, int manifest_fd)
{
	*t = (struct tree){.root_fd = root_fd, .manifest_fd = manifest_fd};
}

static void leave_to(struct tree *t, unsigned int n_levels)
{
	while (t->n_levels > n_levels)
		close_fdp(&t->levels[--t->n_levels].fd);
	t->chain[n_levels ? t->levels[n_levels - 1].end : 0] = '\0';
}

void tree_done(struct tree *t)
{
	leave_to(t, 0);
	sbuf_done(&t->manifest);
}

int tree_io_error(struct dyno_err *err, int num, const char *operation, const char *path)
{
	char shown[UNPACK_SHOWN_BYTES];
	int r = err_set(err, ERR_STORE_IO, num, "%s \"%s\" in the store", operation,
			unpack_shown(shown, path));

	if (num == ENOSPC || num == EDQUOT)
		err_hint(err, "free space with `dyno slug gc --unused`, or use another --data-dir");
	else if (num == EROFS)
		err_hint(err, "the data directory is read-only: use another --data-dir");
	return r;
}

static int name_error(struct dyno_err *err, enum err_class kind, int num, const char *why,
		      const char *path)
{
	char shown[UNPACK_SHOWN_BYTES];

	return err_set(err, kind, num, "%s: member \"%s\"", why, unpack_shown(shown, path));
}

static int count_entry(struct tree *t, struct dyno_err *err)
{
	if (t->entries == UNPACK_ENTRIES_MAX)
		return err_set(err, ERR_SLUG_LIMIT, 0,
			       "the slug has more than " STRINGIFY(UNPACK_ENTRIES_MAX) " members");
	t->entries++;
	return 0;
}

int tree_flush(struct tree *t, struct dyno_err *err)
{
	ssize_t n;

	if (sbuf_ok(&t->manifest) < 0)
		return err_set(err, ERR_MEMORY, ENOMEM, "collect the manifest");
	if (t->manifest_fd >= 0 && t->manifest.len > 0) {
		n = fd_write_full(t->manifest_fd, t->manifest.data, t->manifest.len);
		if (n < 0)
			return tree_io_error(err, (int)-n, "write", "manifest");
	}
	t->manifest.len = 0;
	return 0;
}

static int note(struct tree *t, const struct manifest_entry *entry, struct dyno_err *err)
{
	manifest_add(&t->manifest, entry);
	if (t->manifest.len < MANIFEST_FLUSH_BYTES && !t->manifest.failed)
		return 0;
	return tree_flush(t, err);
}

/* Why a component could not be entered: it is there, and is no directory. */
static int blocked(int parent_fd, const char *name, const char *path, struct dyno_err *err)
{
	struct stat st;

	if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		return name_error(err, ERR_SLUG_PATH, ELOOP, "path through a symbolic link", path);
	return name_error(err, ERR_SLUG_DUPLICATE, 0, "path through something not a directory",
			  path);
}

/* Open the directory @name, the last component of the first @end bytes of @path; make it where it
 * is missing. */
static int enter(struct tree *t, const char *name, const char *path, size_t end,
		 struct dyno_err *err)
{
	int parent_fd = t->n_levels ? t->levels[t->n_levels - 1].fd : t->root_fd;
	int fd, r;

	fd = openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		struct manifest_entry entry = {'d', DIR_MODE_IMPLIED, 0, 0, NULL, t->chain};

		if (mkdirat(parent_fd, name, DIR_MODE_IMPLIED) < 0)
			return tree_io_error(err, errno, "make directory", path);
		memcpy(t->chain, path, end);
		t->chain[end] = '\0';
		r = count_entry(t, err);
		if (r < 0)
			return r;
		r = note(t, &entry, err);
		if (r < 0)
			return r;
		fd = openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return blocked(parent_fd, name, path, err);
	if (fd < 0)
		return tree_io_error(err, errno, "open directory", path);

	memcpy(t->chain, path, end);
	t->chain[end] = '\0';
	t->levels[t->n_levels++] = (struct tree_level){fd, end};
	return 0;
}

/* Leave the directories of the chain that do not lead to @path. */
static void keep_common(struct tree *t, const struct unpack_path *path, size_t dir_len)
{
	unsigned int keep = 0;

	while (keep < t->n_levels) {
		size_t end = t->levels[keep].end;

		if (end > dir_len || (path->text[end] != '/' && path->text[end] != '\0') ||
		    memcmp(t->chain, path->text, end) != 0)
			break;
		keep++;
	}
	leave_to(t, keep);
}

/*
 * Make the chain lead to the directory of @path.
 * Return: descriptor of the directory, borrowed; @ret_name: the last component, within @path.
 */
static int reach(struct tree *t, const struct unpack_path *path, const char **ret_name,
		 struct dyno_err *err)
{
	const char *slash = memrchr(path->text, '/', path->len);
	size_t dir_len = slash ? (size_t)(slash - path->text) : 0;
	size_t at;

	keep_common(t, path, dir_len);
	at = t->n_levels ? t->levels[t->n_levels - 1].end + 1 : 0;
	while (at < dir_len) {
		size_t len = strcspn(path->text + at, "/");
		char name[UNPACK_NAME_MAX + 1];
		int r;

		memcpy(name, path->text + at, len);
		name[len] = '\0';
		r = enter(t, name, path->text, at + len, err);
		if (r < 0)
			return r;
		at += len + 1;
	}
	*ret_name = slash ? slash + 1 : path->text;
	return t->n_levels ? t->levels[t->n_levels - 1].fd : t->root_fd;
}

/* A member named again replaces the former only where both are of one kind. */
static int make_way(int dir_fd, const char *name, mode_t kind, const char *path,
		    struct dyno_err *err)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_io_error(err, errno, "stat", path);
	if ((st.st_mode & S_IFMT) != kind)
		return name_error(err, ERR_SLUG_DUPLICATE, 0, "named twice, in two kinds", path);
	if (unlinkat(dir_fd, name, 0) < 0)
		return tree_io_error(err, errno, "replace", path);
	return 0;
}

/* What every member begins with: counted, noted for the form, its directory reached. */
static int begin(struct tree *t, const struct unpack_path *path, bool is_dir, const char **ret_name,
		 struct dyno_err *err)
{
	int r = count_entry(t, err);

	if (r < 0)
		return r;
	if (path->depth == 0)
		return name_error(err, ERR_SLUG_DUPLICATE, 0,
				  "the top of the slug is not a directory", ".");
	unpack_form_note(&t->form, path, is_dir);
	return reach(t, path, ret_name, err);
}

int tree_dir(struct tree *t, const struct unpack_path *path, mode_t mode, struct dyno_err *err)
{
	mode_t final = (mode & MODE_MASK) | DIR_MODE_MIN;
	struct manifest_entry entry = {'d', final, 0, 0, NULL, path->text};
	const char *name;
	struct stat st;
	int dir_fd;

	if (path->depth == 0)
		return count_entry(t, err);
	dir_fd = begin(t, path, true, &name, err);
	if (dir_fd < 0)
		return dir_fd;

	if (mkdirat(dir_fd, name, final) < 0) {
		if (errno != EEXIST)
			return tree_io_error(err, errno, "make directory", path->text);
		if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return tree_io_error(err, errno, "stat", path->text);
		if (!S_ISDIR(st.st_mode))
			return name_error(err, ERR_SLUG_DUPLICATE, 0, "named twice, in two kinds",
					  path->text);
		if (fchmodat(dir_fd, name, final, 0) < 0)
			return tree_io_error(err, errno, "set mode of", path->text);
	}
	return note(t, &entry, err);
}

int tree_symlink(struct tree *t, const struct unpack_path *path, const char *target,
		 struct dyno_err *err)
{
	struct manifest_entry entry = {'l', 0, 0, 0, target, path->text};
	const char *name;
	int dir_fd, r;

	if (!target || !target[0])
		return name_error(err, ERR_SLUG_LINK, 0, "symbolic link to nothing", path->text);
	if (strlen(target) > UNPACK_PATH_MAX)
		return name_error(
			err, ERR_SLUG_LIMIT, 0,
			"a link's target is longer than " STRINGIFY(UNPACK_PATH_MAX) " bytes",
			path->text);
	dir_fd = begin(t, path, false, &name, err);
	if (dir_fd < 0)
		return dir_fd;

	r = symlinkat(target, dir_fd, name);
	if (r < 0 && errno == EEXIST) {
		r = make_way(dir_fd, name, S_IFLNK, path->text, err);
		if (r < 0)
			return r;
		r = symlinkat(target, dir_fd, name);
	}
	if (r < 0)
		return tree_io_error(err, errno, "make link", path->text);
	return note(t, &entry, err);
}

/* Open the directory of a hard link's target, from the top and apart from the chain.
 * Return: a descriptor, or -errno of the component that is missing or no directory. */
static int open_target_dir(const struct tree *t, const struct unpack_path *target,
			   const char **ret_name)
{
	_cleanup_close_ int fd = fcntl(t->root_fd, F_DUPFD_CLOEXEC, 3);
	const char *s = target->text;
	size_t len;

	while (fd >= 0 && s[len = strcspn(s, "/")] == '/') {
		char name[UNPACK_NAME_MAX + 1];
		int next;

		memcpy(name, s, len);
		name[len] = '\0';
		next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -errno;
		close_fdp(&fd);
		fd = next;
		s += len + 1;
	}
	if (fd < 0)
		return -errno;
	*ret_name = s;
	return take_fd(&fd);
}

static bool same_file(const struct stat *a, int dir_fd, const char *name)
{
	struct stat b;

	return fstatat(dir_fd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a->st_ino == b.st_ino &&
	       a->st_dev == b.st_dev;
}

int tree_hardlink(struct tree *t, const struct unpack_path *path, const struct unpack_path *target,
		  struct dyno_err *err)
{
	struct manifest_entry entry = {'h', 0, 0, 0, target->text, path->text};
	_cleanup_close_ int target_fd = -EBADF;
	const char *name, *target_name;
	struct stat st;
	int dir_fd, r;

	dir_fd = begin(t, path, false, &name, err);
	if (dir_fd < 0)
		return dir_fd;

	target_fd = target->depth ? open_target_dir(t, target, &target_name) : -EISDIR;
	if (target_fd < 0 || fstatat(target_fd, target_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return name_error(err, ERR_SLUG_LINK, target_fd < 0 ? -target_fd : errno,
				  "hard link to a member that has not come", path->text);
	if (!S_ISREG(st.st_mode))
		return name_error(err, ERR_SLUG_LINK, 0,
				  "hard link to something not a regular file", path->text);

	r = linkat(target_fd, target_name, dir_fd, name, 0);
	if (r < 0 && errno == EEXIST) {
		if (same_file(&st, dir_fd, name))
			return 0;
		r = make_way(dir_fd, name, S_IFREG, path->text, err);
		if (r < 0)
			return r;
		r = linkat(target_fd, target_name, dir_fd, name, 0);
	}
	if (r < 0 && errno == EMLINK)
		return name_error(err, ERR_SLUG_LIMIT, EMLINK, "too many hard links to one file",
				  path->text);
	if (r < 0)
		return tree_io_error(err, errno, "make link", path->text);
	return note(t, &entry, err);
}

int tree_file(struct tree *t, const struct unpack_path *path, mode_t mode, int *ret_fd,
	      struct dyno_err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	mode_t final = (mode & MODE_MASK) | FILE_MODE_MIN;
	const char *name;
	int dir_fd, fd, r;

	dir_fd = begin(t, path, false, &name, err);
	if (dir_fd < 0)
		return dir_fd;

	fd = openat(dir_fd, name, flags, final);
	if (fd < 0 && errno == EEXIST) {
		/* Removed, not truncated: other names of the old file keep its content. */
		r = make_way(dir_fd, name, S_IFREG, path->text, err);
		if (r < 0)
			return r;
		fd = openat(dir_fd, name, flags, final);
	}
	if (fd < 0)
		return tree_io_error(err, errno, "make file", path->text);
	*ret_fd = fd;
	return 0;
}

int tree_file_note(struct tree *t, const struct unpack_path *path, mode_t mode, uint64_t size_bytes,
		   uint64_t crc64, struct dyno_err *err)
{
	struct manifest_entry entry = {
		.type = 'f',
		.mode = (mode & MODE_MASK) | FILE_MODE_MIN,
		.size_bytes = size_bytes,
		.crc64 = crc64,
		.path = path->text,
	};

	return note(t, &entry, err);
}
