/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - the place of one dyno in the run directory: <run>/<app>/<dyno>/.  The directory's own
 * lock (flock on it) says that the dyno is alive; the kernel drops it with its holder.  Whatever
 * stands there without a lock is a remain, to be taken over or removed.
 */
#ifndef DYNO_STATE_H
#define DYNO_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

/* Names are of 63 bytes at most, see model/name.h. */
#define STATE_NAME_BYTES 64U

/* Eight hex digits, see state_tag(). */
#define STATE_TAG_BYTES 9U

/**
 * struct state - one claimed place; ended by state_release().
 * @run_fd: the run directory, borrowed
 * @dir_fd: the dyno's directory, with an exclusive flock
 * @app, @dyno: names
 */
struct state {
	int run_fd;
	int dir_fd;
	char app[STATE_NAME_BYTES];
	char dyno[STATE_NAME_BYTES];
};

/** STATE_INIT - no place; state_release() may be called on it. */
#define STATE_INIT                                      \
	(struct state)                                  \
	{                                               \
		.run_fd = -9 /* -EBADF */, .dir_fd = -9 \
	}

/**
 * state_claim() - take the place of a dyno with a given name.
 * @run_fd: O_PATH directory, borrowed until state_release()
 * @ret_remains: what a dead launcher left was taken over
 *
 * Return: 0, or -errno. Errors: ERR_NAME_TAKEN -EEXIST; ERR_RUN_DIR.
 */
int state_claim(int run_fd, const char *app, const char *dyno, struct state *ret, bool *ret_remains,
		struct dyno_err *err);

/** state_claim_type() - the lowest free "TYPE.N", N from 1. Errors: as above. */
int state_claim_type(int run_fd, const char *app, const char *type, struct state *ret,
		     bool *ret_remains, struct dyno_err *err);

/** state_claim_oneoff() - a free "run.NNNN" of four random digits (contract 3.5). */
int state_claim_oneoff(int run_fd, const char *app, struct state *ret, bool *ret_remains,
		       struct dyno_err *err);

/**
 * state_adopt() - a place whose lock was handed over with its descriptor.
 * @dir_fd: becomes the state's
 */
void state_adopt(int run_fd, const char *app, const char *dyno, int dir_fd, struct state *ret);

/** state_release() - remove the place and let go; the app's directory too when it was the last. */
void state_release(struct state *state);

/**
 * state_collect_begin() - become the collector: the one process that may take what is dead.
 * @ret_fd: the run directory's lock; to be closed. A claim that meets a place the collector has
 *          taken waits for that close.
 * Return: 0, or -errno with ERR_RUN_DIR.
 */
int state_collect_begin(int run_fd, int *ret_fd, struct dyno_err *err);

/**
 * state_each() - every place below the run directory, in no order. The caller is the collector.
 * @fn: @alive: it is somebody's, and @state has no more than names; else it is claimed for the call.
 *      Its non-zero return ends the walk and is returned
 * Return: 0, what @fn returned, or -errno with ERR_RUN_DIR.
 */
typedef int (*state_place_fn)(void *data, struct state *state, bool alive);
int state_each(int run_fd, state_place_fn fn, void *data, struct dyno_err *err);

/**
 * state_each_dead() - every place below the run directory that nobody holds, claimed for the call.
 * The caller is the collector.
 * @fn: its non-zero return ends the walk and is returned; it releases the state or leaves it
 * Return: 0, what @fn returned, or -errno with ERR_RUN_DIR.
 */
typedef int (*state_fn)(void *data, struct state *state);
int state_each_dead(int run_fd, state_fn fn, void *data, struct dyno_err *err);

/**
 * state_take_dead() - take the place of a dyno that nobody holds, whether or not it is there: what
 * bears its name is then safe from a start of the same name. The caller is the collector.
 * @ret: ended by state_release()
 * @ret_remains: the place was there
 * Return: 1: taken; 0: the dyno is alive; -errno.
 */
int state_take_dead(int run_fd, const char *app, const char *dyno, struct state *ret,
		    bool *ret_remains);

/**
 * state_tag() - eight hex digits that tell the control groups of one run directory from those of
 * another: of its device and inode.
 * Return: 0 or -errno.
 */
int state_tag(int run_fd, char tag[STATE_TAG_BYTES]);

/** state_leaf_name() - "APP@DYNO@GEN.TAG", the control group of one start. @buf: CGROUP_NAME_BYTES
 * @gen: 1, 2, ...: two starts of a dyno overlap, and none takes the group of another */
void state_leaf_name(const char *app, const char *dyno, uint32_t gen, const char *tag, char *buf,
		     size_t size);

/** state_leaf_split() - the names back out of it. Return: 0; -EINVAL when it is none of @tag. */
int state_leaf_split(const char *leaf, const char *tag, char app[STATE_NAME_BYTES],
		     char dyno[STATE_NAME_BYTES]);

#endif
