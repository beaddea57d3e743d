/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/place.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "model/dynospec.h"

int place_write(int dir_fd, const char *name, const char *text, size_t len)
{
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = fd_write_full(fd, text, len);
	return n < 0 ? (int)n : 0;
}

int place_read_spec(int dir_fd, struct arena *arena, const char **ret, size_t *ret_len,
		    struct dyno_err *err)
{
	_cleanup_close_ int fd = openat(dir_fd, PLACE_SPEC, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char *text;
	int r;

	if (fd < 0)
		return err_set(err, ERR_RUN_DIR, errno, "open " PLACE_SPEC " of the dyno");
	r = fd_read_all(fd, DYNOSPEC_MAX_BYTES, arena, &text, ret_len);
	if (r < 0)
		return err_set(err, ERR_RUN_DIR, -r, "read " PLACE_SPEC " of the dyno");
	*ret = text;
	return 0;
}

/* Return: a descriptor of its place, where one of that type (NULL: any) has a spec; -ENOENT. */
static int find_place(int run_fd, const char *app, const char *type)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;
	int r = dir_open(run_fd, app, &dir);

	while (r == 0 && (name = dir_next_name(&dir))) {
		_cleanup_close_ int fd = -EBADF;
		const char *rest = type ? str_starts(name, type) : name;
		struct stat st;

		if (name[0] == '.' || !rest || (type && rest[0] != '.'))
			continue;
		fd = openat(dir.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && fstatat(fd, PLACE_SPEC, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return take_fd(&fd);
	}
	return -ENOENT;
}

int place_find_spec(int run_fd, const char *app, const char *type, struct arena *arena,
		    const char **ret, struct dyno_err *err)
{
	_cleanup_close_ int place_fd = type ? find_place(run_fd, app, type) : -ENOENT;
	size_t len;

	if (place_fd < 0)
		place_fd = find_place(run_fd, app, NULL);
	if (place_fd >= 0)
		return place_read_spec(place_fd, arena, ret, &len, err);
	err_set(err, ERR_NOT_FOUND, ENOENT, "find a dyno of the app %s", app);
	err_hint(err, "start it: dyno start -a %s SLUG TYPE=N", app);
	return -ENOENT;
}
