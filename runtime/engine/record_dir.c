/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/record_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/str.h"
#include "model/name.h"

/* Tries at a directory that is removed at the same time. */
#define DIR_TRIES 8

int record_path(const char *app, const char *name, char *buf, size_t size)
{
	if (name_check_app(app, NULL) < 0)
		return -EINVAL;
	if (str_fmt(buf, size, RECORD_DIR "/%s/%s", app, name) >= size)
		return -ENAMETOOLONG;
	return 0;
}

/* Exactly that mode, whatever the umask. */
static int make_dir(int dir_fd, const char *path)
{
	if (mkdirat(dir_fd, path, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	return fchmodat(dir_fd, path, 0700, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int record_make_dir(struct store *store, const char *app)
{
	char path[LINEFILE_PATH_BYTES];
	int r;

	str_fmt(path, sizeof(path), RECORD_DIR "/%s", app);
	r = make_dir(store->data_fd, path);
	if (r != -ENOENT)
		return r;
	r = make_dir(store->data_fd, RECORD_DIR);
	return r < 0 ? r : make_dir(store->data_fd, path);
}

/* The directory is made only where it is missing: the way of every later one has no more calls. */
int record_open(struct store *store, const char *app, const char *name, struct linefile *ret)
{
	char path[LINEFILE_PATH_BYTES];
	int r = record_path(app, name, path, sizeof(path));

	if (r < 0)
		return r;
	for (int tries = 0; tries < DIR_TRIES; tries++) {
		r = linefile_open(store->data_fd, path, true, ret);
		if (r != -ENOENT)
			return r;
		r = record_make_dir(store, app);
		if (r < 0)
			return r;
	}
	return -ENOENT;
}

int record_failed(struct store *store, const char *app, int r, const char *operation,
		  struct dyno_err *err)
{
	err_set(err, ERR_RECORD, -r, "%s the records of the app %s in %s", operation, app,
		store->data_dir);
	if (r == -ENOSPC || r == -EDQUOT)
		err_hint(err, "free space with `dyno slug gc --unused`, or use another --data-dir");
	else if (r == -EROFS || r == -EACCES || r == -EPERM)
		err_hint(err, "name a directory that you may write with --data-dir");
	return r;
}

static bool is_app(int dir_fd, const char *name)
{
	struct stat st;

	return name_check_app(name, NULL) == 0 &&
	       fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

int record_each_app(struct store *store, record_app_fn fn, void *data, struct dyno_err *err)
{
	struct dir dir = DIR_INIT;
	const char *name;
	int r = dir_open(store->data_fd, RECORD_DIR, &dir);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set(err, ERR_RECORD, -r, "read %s/" RECORD_DIR, store->data_dir);
	while (r == 0 && (name = dir_next_name(&dir)))
		r = is_app(dir.fd, name) ? fn(data, name) : 0;
	dir_done(&dir);
	return r;
}
