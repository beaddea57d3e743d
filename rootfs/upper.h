/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upper.h - what a dyno has written: the changes that the upper directory of an overlay holds
 * against its lower layers, streamed one by one, and their sum as a receipt.
 *
 * This module reads and compares; it mounts nothing, changes nothing and keeps nothing.  It looks
 * at the layers from outside, so that neither memory nor time of the walk are the dyno's.  Extended
 * attributes of users (ACLs included) are not compared.
 */
#ifndef DYNO_UPPER_H
#define DYNO_UPPER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <dyno.h>

/* Source: a dyno has two, slug and stack; each one costs a descriptor a level of the walk. */
#define UPPER_LOWERS_MAX 8

/** enum upper_kind - what became of a path. */
enum upper_kind {
	UPPER_ADDED,   /* was not there before */
	UPPER_CHANGED, /* see UPPER_WHAT_* */
	UPPER_DELETED, /* it and all below; what is below is not told one by one */
	UPPER_MOVED,  /* a directory of a lower layer with all below, from @from; it takes the place
			* of all that was at @path; what is told below is relative to it */
	UPPER_UNREAD, /* something at or below it could not be looked at, see @num */
	_UPPER_KIND_MAX,
};

#define UPPER_WHAT_TYPE	   (1U << 0) /* a file became a directory, a link a file, ... */
#define UPPER_WHAT_CONTENT (1U << 1) /* size, bytes or time of a file, target of a link, device */
#define UPPER_WHAT_MODE	   (1U << 2)
#define UPPER_WHAT_OWNER   (1U << 3)
#define UPPER_WHAT_UNSURE  (1U << 4) /* it was opened for writing; its bytes were not compared */

/**
 * struct upper_change - one path; valid during the callback only.
 * @kind: what became of it
 * @what: for UPPER_CHANGED and UPPER_MOVED, UPPER_WHAT_*
 * @path: relative to the upper directory, without "./"; raw bytes as the dyno chose them, to be
 *        escaped before they are shown; "." for the top itself
 * @from: for UPPER_MOVED the former path, of the same form; else NULL
 * @mode: type and mode (inode(7)), of what was there in the case of UPPER_DELETED; 0: not known
 * @uid, @gid: ids as the upper's file system holds them; for UPPER_DELETED as they would be there
 * @size_bytes: length of the file, of what was there in the case of UPPER_DELETED
 * @bytes: what this name adds to the sum: 0 for holes, directories, data that stayed in the lower
 *         layer, and for every further name of an inode told before
 * @mtime_us: microseconds since the epoch
 * @linked: a further name of an inode told before
 * @num: for UPPER_UNREAD the errno: EACCES, ENAMETOOLONG, EXDEV (a mount), ESTALE (it changed
 *       meanwhile), EMFILE, ...
 */
struct upper_change {
	enum upper_kind kind;
	unsigned int what;
	const char *path;
	const char *from;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t size_bytes;
	uint64_t bytes;
	int64_t mtime_us;
	bool linked;
	int num;
};

/**
 * struct upper_layer - a lower layer.
 * @fd: its directory, O_PATH will do; borrowed
 * @id_shift: what the overlay's id map added to the ids of this layer's files; 0: not mapped
 */
struct upper_layer {
	int fd;
	uint32_t id_shift;
};

/**
 * struct upper_opts - how the overlay was mounted and what to leave out.
 * @lowers: uppermost first, UPPER_LOWERS_MAX at most. None: kinds are guessed from the overlay's
 *          marks, so that a file put in the place of a deleted one counts as added and a renamed
 *          one as changed, and changed modes of directories are not seen
 * @userxattr: the marks are in user.* (rootless), not in trusted.*. Only one of the two is read:
 *             the other one may be of the dyno's own making
 * @hidden: paths of the launcher's making: "tmp" is not told but what is below it is; "sys/" is
 *          not told with all below
 * @compare_bytes: how much may be read in all, to tell files that were written in the same tick or
 *                 with their time set back from files that were only opened; beyond it they are
 *                 UPPER_WHAT_UNSURE
 */
struct upper_opts {
	const struct upper_layer *lowers;
	size_t n_lowers;
	bool userxattr;
	const char *const *hidden;
	size_t n_hidden;
	uint64_t compare_bytes;
};

/** upper_fn - told each change; non-zero ends the walk and is returned by it. */
typedef int (*upper_fn)(void *data, const struct upper_change *change);

/**
 * upper_walk() - tell every change, a directory before its content, else in no order.
 * @upper_fd: the upper directory, O_PATH will do; borrowed, its offset stays
 * @fn: called with @data
 *
 * Equal to a comparison of the merged tree with the lower layers alone.  A directory that is in the
 * upper only because of something below is not told, nor is a file opened for writing that has the
 * bytes, time, mode and owner that it had.  The top itself is not compared.
 *
 * Memory and descriptors are of constant size, whatever the depth and number of entries.  Links are
 * not followed, mounts not entered.  The tree may change meanwhile: what vanishes is passed by,
 * what comes may be missed.  What cannot be looked at is told as UPPER_UNREAD and passed by.
 *
 * Without @userxattr it needs CAP_SYS_ADMIN in the first user namespace: to others the kernel does
 * not show the marks.
 * Return: 0, what @fn returned, or -errno with ERR_IO, ERR_MEMORY or ERR_INTERNAL (too many layers).
 * Context: parent
 */
int upper_walk(int upper_fd, const struct upper_opts *opts, upper_fn fn, void *data,
	       struct dyno_err *err);

/** upper_kind_name() - "added", "changed", ...; static text. */
const char *upper_kind_name(enum upper_kind kind);

/**
 * struct upper_totals - the sum of a walk; zero-initialised is empty.
 * @files: inodes that are not directories, added or changed
 * @bytes: in them
 * @dirs: directories added or changed
 * @deleted: paths; all below one counts as one
 * @moved: directories
 * @unread: places that could not be looked at: then the rest is a lower bound
 * @biggest_bytes, @biggest: the file with the most bytes; "" for none
 */
struct upper_totals {
	uint64_t files;
	uint64_t bytes;
	uint64_t dirs;
	uint64_t deleted;
	uint64_t moved;
	uint64_t unread;
	uint64_t biggest_bytes;
	char biggest[PATH_MAX];
};

/** upper_totals_add() - count one change. */
void upper_totals_add(struct upper_totals *totals, const struct upper_change *change);

/**
 * upper_receipt_text() - one line for people: "wrote 31 files, 4.2 MB, discarded; biggest
 * app/log/production.log, 3.9 MB", with "at least" where something was unread; "wrote nothing".
 * @buf: receives at most @size - 1 bytes and a NUL; control bytes of the path are escaped
 * Return: the length of the whole text.
 */
size_t upper_receipt_text(const struct upper_totals *totals, char *buf, size_t size);

#endif
