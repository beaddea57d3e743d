/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/place.h"

#include <errno.h>
#include <fcntl.h>
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

/* What was run once has settings of its own, such as that it is not restarted.  A spec that cannot be
 * read is no such: whoever works from it says what is wrong. */
static bool is_oneoff(const char *text, size_t len, struct arena *arena)
{
	struct dyno_start_opts opts = {0};
	struct dyno_err ignored;

	return dynospec_parse(text, len, arena, &opts, &ignored) == 0 && opts.oneoff;
}

/* Of one of that type, or (NULL) of any. Return: 1; 0: there is none; -errno. */
static int find_spec(int run_fd, const char *app, const char *type, struct arena *arena,
		     const char **ret, struct dyno_err *err)
{
	_cleanup_dir_ struct dir dir = DIR_INIT;
	const char *name;

	if (dir_open(run_fd, app, &dir) < 0)
		return 0;
	while ((name = dir_next_name(&dir))) {
		_cleanup_close_ int fd = -EBADF;
		const char *rest = type ? str_starts(name, type) : name;
		size_t len;
		int r;

		if (name[0] == '.' || !rest || (type && rest[0] != '.'))
			continue;
		fd = openat(dir.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = fd < 0 ? -ENOENT : place_read_spec(fd, arena, ret, &len, err);
		if (r == -ENOENT)
			continue; /* it runs in the foreground, or ends just now */
		if (r < 0)
			return r;
		if (!is_oneoff(*ret, len, arena))
			return 1;
	}
	return 0;
}

int place_find_spec(int run_fd, const char *app, const char *type, struct arena *arena,
		    const char **ret, struct dyno_err *err)
{
	int r = type ? find_spec(run_fd, app, type, arena, ret, err) : 0;

	if (r == 0)
		r = find_spec(run_fd, app, NULL, arena, ret, err);
	if (r != 0)
		return r < 0 ? r : 0;
	err_set(err, ERR_NOT_FOUND, ENOENT, "find a dyno of the app %s", app);
	err_hint(err, "start it: dyno start -a %s SLUG TYPE=N", app);
	return -ENOENT;
}
