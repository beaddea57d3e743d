/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/unpack_path.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

char *unpack_shown(char *buf, const char *name)
{
	static const char dots[] = "...";

	(void)str_escape(buf, UNPACK_SHOWN_BYTES, name);
	/* Escaping may stop some bytes before the end, not to cut an escape in two. */
	if (strlen(name) >= UNPACK_SHOWN_BYTES || strlen(buf) >= UNPACK_SHOWN_BYTES - 4) {
		size_t len = MIN_OF(strlen(buf), UNPACK_SHOWN_BYTES - sizeof(dots));

		memcpy(buf + len, dots, sizeof(dots));
	}
	return buf;
}

static int refuse(struct dyno_err *err, enum err_class kind, const char *why, const char *name)
{
	char shown[UNPACK_SHOWN_BYTES];

	return err_set(err, kind, 0, "%s: member \"%s\"", why, unpack_shown(shown, name));
}

static bool is_dots(const char *component, size_t len)
{
	return len == 2 && component[0] == '.' && component[1] == '.';
}

static int add_component(struct unpack_path *p, const char *component, size_t len, const char *name,
			 struct dyno_err *err)
{
	if (len > UNPACK_NAME_MAX)
		return refuse(err, ERR_SLUG_LIMIT,
			      "a name is longer than " STRINGIFY(UNPACK_NAME_MAX) " bytes", name);
	if (p->depth == UNPACK_DEPTH_MAX)
		return refuse(err, ERR_SLUG_LIMIT,
			      "a path is deeper than " STRINGIFY(UNPACK_DEPTH_MAX) " directories",
			      name);
	if (p->len + 1 + len > UNPACK_PATH_MAX)
		return refuse(err, ERR_SLUG_LIMIT,
			      "a path is longer than " STRINGIFY(UNPACK_PATH_MAX) " bytes", name);

	if (p->len > 0)
		p->text[p->len++] = '/';
	memcpy(p->text + p->len, component, len);
	p->len += len;
	p->text[p->len] = '\0';
	p->depth++;
	return 0;
}

int unpack_path_parse(const char *name, struct unpack_path *ret, struct dyno_err *err)
{
	const char *s = name;

	if (!name || !name[0])
		return err_set(err, ERR_SLUG_PATH, 0, "a member of the slug has an empty name");
	if (name[0] == '/')
		return refuse(err, ERR_SLUG_PATH, "absolute path", name);

	ret->len = 0;
	ret->depth = 0;
	ret->text[0] = '\0';
	while (*s) {
		size_t len = strcspn(s, "/");
		int r;

		if (is_dots(s, len))
			return refuse(err, ERR_SLUG_PATH, "path with \"..\"", name);
		if (len > 0 && !(len == 1 && s[0] == '.')) {
			r = add_component(ret, s, len, name, err);
			if (r < 0)
				return r;
		}
		s += len;
		s += *s == '/';
	}
	return 0;
}

/* What only the top of an app holds: the files that the platform itself reads. */
static bool is_marker(const char *component)
{
	static const char *const markers[] = {"Procfile", ".release", ".profile", ".profile.d"};
	size_t len = strcspn(component, "/");

	for (size_t i = 0; i < ARRAY_SIZE(markers); i++)
		if (strlen(markers[i]) == len && memcmp(markers[i], component, len) == 0)
			return true;
	return false;
}

void unpack_form_note(struct unpack_form *form, const struct unpack_path *path, bool is_dir)
{
	const char *below = str_starts(path->text, "app");

	if (path->depth == 0)
		return;
	if (below && *below == '/') {
		form->app_dir = true;
		form->app_marker |= is_marker(below + 1);
	} else if (below && *below == '\0' && is_dir) {
		form->app_dir = true;
	} else {
		form->others = true;
		form->root_marker |= is_marker(path->text);
	}
}

bool unpack_form_is_heroku(const struct unpack_form *form)
{
	if (!form->app_dir)
		return false;
	return !form->others || (form->app_marker && !form->root_marker);
}
