/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack_tree.h - the tree being unpacked: directories, files and links made beneath one
 * descriptor.  It knows nothing of archives and does not write file content.
 *
 * Theory of operation.  A member's directories are opened one component at a time, each with
 * O_NOFOLLOW from the descriptor of the one before, so no symbolic link of the archive is ever
 * followed, whatever it was when, and nothing outside can be reached: there is no path to resolve.
 * The chain of the last member's directories stays open, since archives are written directory by
 * directory: the usual file costs one openat(2), its writes, and a close(2).
 *
 * The tree belongs to its unpacker alone and begins empty.  So a name that exists was unpacked in
 * this run, and a look at it followed by an action on it is no race.
 *
 * Modes are the archive's permission bits, without set-id and sticky bits, and with read and write
 * (directories: search) for the owner.  The owner is the app, which could give itself these bits
 * anyway; and the tree must remain readable to the app, writable to the unpacker, and removable.
 * With that the mode can be given at creation, also to a directory whose children come later.
 */
#ifndef DYNO_UNPACK_TREE_H
#define DYNO_UNPACK_TREE_H

#include <stdint.h>
#include <sys/types.h>

#include <dyno.h>

#include "base/str.h"
#include "rootfs/unpack_path.h"

/**
 * struct tree_level - one open directory of the chain.
 * @fd: O_PATH
 * @end: length of its path in tree.chain
 */
struct tree_level {
	int fd;
	size_t end;
};

/**
 * struct tree - set up by tree_init().
 * @root_fd: borrowed
 * @manifest_fd: receives the lines; borrowed, -1: none
 * @manifest: lines not yet written
 * @chain: path of the deepest open directory
 * @levels, @n_levels: the open directories of @chain, from the top
 * @entries: things made, implied directories and later replaced ones included
 * @form: what the top level holds
 */
struct tree {
	int root_fd;
	int manifest_fd;
	struct sbuf manifest;
	char chain[UNPACK_PATH_MAX + 1];
	struct tree_level levels[UNPACK_DEPTH_MAX];
	unsigned int n_levels;
	uint32_t entries;
	struct unpack_form form;
};

/** tree_init() - an empty tree in the empty directory @root_fd. The caller has set umask 0. */
void tree_init(struct tree *tree, int root_fd, int manifest_fd);

/** tree_done() - close what is open. */
void tree_done(struct tree *tree);

/** tree_dir() - make a directory; an existing one gets @mode. The root ("") is left as it is.
 * Errors: ERR_SLUG_PATH, ERR_SLUG_DUPLICATE, ERR_SLUG_LIMIT, ERR_STORE_IO, as all of these. */
int tree_dir(struct tree *tree, const struct unpack_path *path, mode_t mode, struct dyno_err *err);

/** tree_symlink() - make a link; @target is any text, it is never followed here. */
int tree_symlink(struct tree *tree, const struct unpack_path *path, const char *target,
		 struct dyno_err *err);

/**
 * tree_hardlink() - a further name of a regular file made earlier.  Never a copy in its stead:
 * tools that fell back to copying could be made to read any file of the host.
 * Errors: ERR_SLUG_LINK when there is no such regular file.
 */
int tree_hardlink(struct tree *tree, const struct unpack_path *path,
		  const struct unpack_path *target, struct dyno_err *err);

/** tree_file() - make an empty regular file. @ret_fd: O_WRONLY, the caller closes it. */
int tree_file(struct tree *tree, const struct unpack_path *path, mode_t mode, int *ret_fd,
	      struct dyno_err *err);

/** tree_file_note() - put a finished file into the manifest. */
int tree_file_note(struct tree *tree, const struct unpack_path *path, mode_t mode,
		   uint64_t size_bytes, uint64_t crc64, struct dyno_err *err);

/** tree_flush() - write the manifest's lines out. */
int tree_flush(struct tree *tree, struct dyno_err *err);

/** tree_io_error() - report a failed call on the tree, with what to do about a full disk. */
int tree_io_error(struct dyno_err *err, int num, const char *operation, const char *path);

#endif
