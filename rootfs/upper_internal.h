/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upper_internal.h - the walk over an upper directory, shared by its files: upper.c (levels and
 * entries), upper_open.c (descriptors, marks, paths), upper_compare.c and upper_tell.c.
 */
#ifndef DYNO_UPPER_INTERNAL_H
#define DYNO_UPPER_INTERNAL_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "rootfs/upper.h"

/* Source: every level adds at least a slash and one byte to the path, and the top is one. */
#define LEVELS_MAX (PATH_MAX / 2 + 1)

/* Levels that are open at a time, each with up to 1 + UPPER_LOWERS_MAX descriptors.
 * Source: as deep as most trees (measured: node_modules 19), far below the limit of 1024 files. */
#define WINDOW_LEVELS 16

/* Some 100 entries a call.  Must hold one entry of NAME_MAX bytes. */
#define LIST_BYTES 4096

/* Moved directories within moved directories that are followed. */
#define MOVES_MAX 8

/* Inodes with several names that are told apart, a power of two; beyond three quarters of it each
 * name counts with its share.  Source: pnpm and git make thousands, seldom more. */
#define LINKS_MAX    8192

#define STATX_WANTED (STATX_BASIC_STATS | STATX_MNT_ID)

_Static_assert(UPPER_LOWERS_MAX <= 8, "one bit each in an uint8_t");

/* The overlay's marks.  Source: fs/overlayfs/overlayfs.h, enum ovl_xattr */
enum mark { MARK_OPAQUE, MARK_REDIRECT, MARK_METACOPY, MARK_WHITEOUT, MARK_ORIGIN, _MARK_MAX };

/* A directory on the way to where the walk is. */
struct level {
	uint64_t ino;
	off64_t offset; /* where its listing goes on */
	uint16_t path_len;
	uint8_t lowers; /* bit i: lower i has this directory, and it would merge */
	uint8_t phase;	/* 0: the upper is listed; 1 + i: lower i, for what is gone */
	uint8_t moves;	/* moved directories on the way, itself included */
	bool opaque;	/* what the lowers have does not show through */
	bool unread;	/* told once already */
};

/* The open descriptors of a level. */
struct slot {
	int level; /* negative: unused */
	int upper_fd;
	int list_fd; /* for listing a lower */
	int lower_fd[UPPER_LOWERS_MAX];
	size_t pos;
	size_t len;
	_Alignas(struct dirent64) char list[LIST_BYTES];
};

/* A moved directory: what is below @path_len bytes of the path is in the lowers below @from. */
struct move {
	uint16_t path_len;
	char from[PATH_MAX];
};

struct walk {
	const struct upper_opts *opts;
	upper_fn fn;
	void *data;
	int top_fd; /* borrowed */
	struct statx top;
	uint64_t compare_left_bytes;
	unsigned int depth; /* levels in use */
	unsigned int n_links;
	char path[PATH_MAX];
	struct move move[MOVES_MAX];
	struct level level[LEVELS_MAX];
	struct slot slot[WINDOW_LEVELS];
	uint64_t links[LINKS_MAX]; /* inode numbers by hash; 0: free */
};

/* What a name was, according to the lower layers. */
struct before {
	bool found;
	unsigned int layer; /* that it was found in */
	uint8_t lowers;	    /* of its directories, that merge */
	struct statx stx;
};

/* An entry of the level that is being listed. */
struct entry {
	struct level *level;
	struct slot *slot;
	const char *name;
	struct statx stx;
	struct before before;
	bool hidden;
};

/* ---- upper_open.c: all return 0, a descriptor or a length, or -errno ---- */

void upper_slot_init(struct slot *s);
void upper_slot_close(struct slot *s);

/** upper_open_dir() - a directory by a path of several components, through no link and no other
 * mount, closing levels on the way as long as there are too few descriptors. */
int upper_open_dir(struct walk *w, int dirfd, const char *path, int flags);

/** upper_open_name() - a directory that an open one has listed; whoever asks looks at the mount
 * himself. */
int upper_open_name(struct walk *w, int dirfd, const char *name);

/** upper_stat_entry() - of an entry itself, no link followed and nothing mounted. */
int upper_stat_entry(int dirfd, const char *name, struct statx *ret);

/** upper_mark_read() - a mark of an entry, "." for the directory itself.
 * Return: its length, 0 included; -ENODATA: not marked; -errno. */
ssize_t upper_mark_read(const struct walk *w, int dirfd, const char *name, enum mark mark,
			char *buf, size_t size);
bool upper_mark_has(const struct walk *w, int dirfd, const char *name, enum mark mark);
bool upper_is_opaque(const struct walk *w, int dirfd);

/** upper_is_copy() - whether an entry was copied from a lower layer; asked only where there is none
 * to look at. */
bool upper_is_copy(const struct walk *w, int dirfd, const char *name);

/** upper_path_join() - put "directory/name" into w->path. Return: false where there is no room. */
bool upper_path_join(struct walk *w, const struct level *l, const char *name);

/** upper_path_in_lowers() - where the lower layers have what @path, on or below level @l, is; it
 * may be w->path. @buf: PATH_MAX */
int upper_path_in_lowers(const struct walk *w, const struct level *l, const char *path, char *buf);

/** upper_is_hidden() - whether the path is not to be told; *@ret_all: nor anything below. */
bool upper_is_hidden(const struct walk *w, bool *ret_all);

/* ---- upper_compare.c ---- */

bool upper_is_whiteout(const struct walk *w, int dirfd, const char *name, const struct statx *stx);

/** upper_look_below() - what @name is in the lower layers that have the directory.
 * Return: 0 or -errno. */
int upper_look_below(const struct walk *w, const struct level *l, const struct slot *s,
		     const char *name, struct before *ret);

/** upper_move_source() - where the lower layers have what a redirect of an entry points to.
 * @buf: PATH_MAX. Return: 0 or -errno. */
int upper_move_source(struct walk *w, const struct entry *e, const char *redirect, char *buf);

/** upper_compare() - what has changed in an entry that was there before.
 * Return: UPPER_WHAT_*, 0 for nothing. */
unsigned int upper_compare(struct walk *w, const struct entry *e);

/* ---- upper_tell.c: all return 0, or what ends the walk ---- */

bool upper_same_mount(const struct walk *w, const struct statx *stx);
int upper_tell_unread(struct walk *w, const char *path, int r);

/** upper_level_unread() - something in the directory of @l cannot be looked at: told once. */
int upper_level_unread(struct walk *w, struct level *l, int r);

/** upper_tell() - an entry that is there. @from: of a moved one, else NULL */
int upper_tell(struct walk *w, const struct entry *e, enum upper_kind kind, unsigned int what,
	       const char *from);
int upper_tell_deleted(struct walk *w, const struct entry *e);

#endif
