/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/slug.h"

#include <errno.h>
#include <fcntl.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "model/release.h"

void slug_done(struct slug *slug)
{
	close_fdp(&slug->layer_fd);
	close_fdp(&slug->app_fd);
}

/* What a process or the host is short of says nothing of the tree. */
static enum err_class kind_of(int num)
{
	return num == EMFILE || num == ENFILE || num == ENOMEM ? ERR_IO : ERR_STORE_DAMAGED;
}

static int open_trees(const struct store_entry *e, struct slug *s, struct dyno_err *err)
{
	if (e->kind == STORE_DIRECTORY) {
		s->app_fd = open_beneath(e->dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);
		s->layer_fd = open_beneath(e->dir_fd, ".", O_PATH | O_DIRECTORY, 0);
	} else {
		s->layer_fd = open_beneath(e->dir_fd, STORE_TREE, O_PATH | O_DIRECTORY, 0);
		s->app_fd = open_beneath(e->dir_fd, STORE_APP, O_RDONLY | O_DIRECTORY, 0);
	}
	if (s->layer_fd < 0 || s->app_fd < 0) {
		int num = s->layer_fd < 0 ? -s->layer_fd : -s->app_fd;

		return err_set(err, kind_of(num), num, "open the app's tree");
	}
	return 0;
}

/* Return: 1 with the text, 0 when there is no such file, or -errno. */
static int read_text(const struct slug *s, const char *name, size_t max_bytes, struct arena *arena,
		     char **ret, size_t *ret_len, struct dyno_err *err)
{
	int r = file_read_beneath(s->app_fd, name, max_bytes, arena, ret, ret_len);

	if (r == 0)
		return 1;
	if (r == -ENOENT)
		return 0;
	err_set(err, ERR_PROCFILE, -r, "read %s of the slug", name);
	if (r == -EINVAL || r == -EXDEV || r == -ELOOP)
		err_hint(err, "%s must be a regular file in the root of the app", name);
	else if (r == -EFBIG)
		err_hint(err, "%s may have %zu bytes at the most", name, max_bytes);
	return r;
}

static int read_procfile(struct slug *s, struct arena *arena, struct proc_types *ret,
			 struct dyno_err *err)
{
	char *text;
	size_t len;
	int r = read_text(s, "Procfile", PROCFILE_MAX_BYTES, arena, &text, &len, err);

	if (r <= 0)
		return r;
	return procfile_parse(text, len, arena, ret, &s->notes, err);
}

static int read_release(struct slug *s, struct arena *arena, struct release *ret,
			struct dyno_err *err)
{
	char *text;
	size_t len;
	int r = read_text(s, ".release", RELEASE_MAX_BYTES, arena, &text, &len, err);

	if (r <= 0)
		return r;
	return release_parse(text, len, arena, ret, err);
}

int slug_read(const struct store_entry *entry, bool with_types, struct arena *arena,
	      struct slug *ret, struct dyno_err *err)
{
	_cleanup_(slug_done) struct slug s = SLUG_INIT;
	struct proc_types types = {0};
	struct release release = {0};
	int r;

	r = open_trees(entry, &s, err);
	if (r == 0 && with_types)
		r = read_procfile(&s, arena, &types, err);
	if (r == 0)
		r = read_release(&s, arena, &release, err);
	if (r == 0)
		r = proc_types_merge(&types, &release.types, arena, &s.types, err);
	if (r < 0)
		return r;
	s.vars = release.vars;
	*ret = s;
	s = SLUG_INIT;
	return 0;
}
