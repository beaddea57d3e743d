/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack_path.h - names of archive members: made canonical, refused where they lead outside, and
 * the question in which form a slug is.  Pure text, no file is touched.
 */
#ifndef DYNO_UNPACK_PATH_H
#define DYNO_UNPACK_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include <dyno.h>

#include "rootfs/unpack_limits.h"

/* Room for a name made printable in a message. */
#define UNPACK_SHOWN_BYTES 120

/** unpack_shown() - @name made printable, its end cut to "..." where it is long.
 * @buf: UNPACK_SHOWN_BYTES. Return: @buf. */
char *unpack_shown(char *buf, const char *name);

/**
 * struct unpack_path - a member's path: relative, no empty, "." or ".." component.
 * @text: the components with single slashes between them; "" is the root of the tree
 * @len: length of @text
 * @depth: number of components
 */
struct unpack_path {
	char text[UNPACK_PATH_MAX + 1];
	size_t len;
	unsigned int depth;
};

/**
 * unpack_path_parse() - a canonical path from a member's name or a hard link's target.
 * @name: as it stands in the archive; NULL: the archive gave none
 *
 * An absolute name or one with a ".." anywhere is refused and never bent into shape: no honest
 * slug has one, and a tool that bends it elsewhere would unpack another tree.
 * Return: 0, or -errno. Errors: ERR_SLUG_PATH, ERR_SLUG_LIMIT (length, depth).
 */
int unpack_path_parse(const char *name, struct unpack_path *ret, struct dyno_err *err);

/**
 * struct unpack_form - what was seen of an archive's top level; zero-initialised.
 * @app_dir: there is a directory `app`
 * @others: there is something beside it
 * @root_marker, @app_marker: a Procfile, .release, .profile or .profile.d at the top, or in `app`
 */
struct unpack_form {
	bool app_dir;
	bool others;
	bool root_marker;
	bool app_marker;
};

/** unpack_form_note() - take one member's path into account. */
void unpack_form_note(struct unpack_form *form, const struct unpack_path *path, bool is_dir);

/**
 * unpack_form_is_heroku() - whether the app is the directory `app` and not the archive's root.
 *
 * Heroku's own slugs have every member beneath ./app/ and anything else is dropped.  Other makers
 * put the app at the root, and many of these apps have a directory `app` of their own (Rails).  So:
 * the app is in `app` where that is all there is, or where it holds what starts an app (a Procfile
 * or the like) and the root does not.  The order of the members and how they write "./" play no
 * part, so the same files give the same answer whoever packed them.
 */
bool unpack_form_is_heroku(const struct unpack_form *form);

#endif
