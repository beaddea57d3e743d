/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation.h - one start of a dyno: the ids, the port, the environment and the root that are its
 * alone, from their reservation to their removal.  Two of a dyno may live at once.
 */
#ifndef DYNO_GENERATION_H
#define DYNO_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include <dyno.h>

#include "base/arena.h"
#include "engine/app.h"
#include "engine/launch.h"
#include "engine/network.h"
#include "engine/receipt.h"
#include "engine/scratch.h"
#include "model/appspec.h"
#include "model/environ.h"
#include "model/scratchplan.h"
#include "model/spec.h"

/* Paths of the launcher's making in an upper: see struct upper_opts. */
#define GEN_HIDDEN_MAX 64

/**
 * struct generation - all that one start holds, in the order in which it is found out.
 * @app: borrowed
 * @id: 1, 2, ...
 * @ids_fd, @base: the lock of its range of host ids, and the host's id 0 of it
 * @uid: the user inside
 * @port_fd, @port: the lock of $PORT
 * @network: the private network, where it has one
 * @no_resolver: no server of names that the host has can be reached from there
 * @host_listen_fd: asks who listens in the host's network, where the dyno shares it
 * @scratch_plan, @scratch: where its writes go, and how many they may be
 * @copy: a copy of the app's layer, where its file system takes no id map
 * @app_layer: the app's layer as the spec gets it
 * @tty: a terminal for the command
 * @timing: for the launch; may be NULL
 * @shared_timing: times that a child with memory of its own writes to
 * @lowers, @app_lower, @hidden, @app_hidden: for gen_sources(),
 *    listed at its first call
 */
struct generation {
	struct app *app;
	uint32_t id;
	struct arena arena;
	char leaf_name[CGROUP_NAME_BYTES];
	char boot_id[UUID_BYTES];
	char hostname[UUID_BYTES];
	int ids_fd;
	uint32_t base;
	uint32_t uid;
	int port_fd;
	uint16_t port;
	struct network network;
	bool no_resolver;
	int host_listen_fd;
	struct scratchplan scratch_plan;
	struct scratch scratch;
	struct scratch copy;
	int copy_fd;
	struct spec_layer app_layer;
	const char *const *envp;
	struct launch_tty tty;
	struct dyno_spec spec;
	struct launch launch;
	struct dyno_timing *timing;
	struct dyno_timing *shared_timing;
	struct upper_layer lowers[UPPER_LOWERS_MAX];
	struct upper_layer app_lower;
	const char *hidden[GEN_HIDDEN_MAX];
	const char *app_hidden[GEN_HIDDEN_MAX];
	size_t n_hidden;
	size_t n_app_hidden;
};

/** gen_init() - holds nothing. */
void gen_init(struct generation *gen, struct app *app, uint32_t id);

/**
 * gen_prepare() - reserve and compile all that a launch needs.
 * Errors: ERR_IDS, ERR_PORT, ERR_ENV_*, ERR_SCRATCH, ERR_MEMORY.
 */
int gen_prepare(struct generation *gen, struct dyno_err *err);

/**
 * gen_launch() - start it; how that ends is told by the channel, see launch.h.
 * @stdio: see struct launch; NULL: those of this process
 * Return: 0, or -errno with class and stage.
 */
int gen_launch(struct generation *gen, const int stdio[3], struct dyno_err *err);

/**
 * gen_launch_copy() - after a launch that failed with ERR_IDMAP: again, on a copy of the app's
 * layer.  Return: 1: launched; 0: that was tried already; -errno.
 */
int gen_launch_copy(struct generation *gen, const int stdio[3], struct dyno_err *err);

/** gen_hint() - what the user could choose in place of what failed, where @err says nothing. */
void gen_hint(const struct generation *gen, struct dyno_err *err);

/** gen_is_unwritten() - whether it is known, without a walk, that it wrote nothing: as root to memory,
 * when no inode came to those that the launch has made. */
bool gen_is_unwritten(const struct generation *gen);

/**
 * gen_sources() - what it wrote, to be walked as long as it is not done.
 * Return: how many of @ret (LAUNCH_UPPERS) are filled.
 */
size_t gen_sources(struct generation *gen, struct receipt_source *ret);

/** gen_rest() - give back all but its files and its ids; its last process has ended.  gen_sources()
 * may still be called; gen_done() gives back the rest. */
void gen_rest(struct generation *gen);

/** gen_disown() - gen_done(), but its files are another process's now, which has all descriptors. */
void gen_disown(struct generation *gen);

/** gen_done() - give all of it back; its last process has ended. */
void gen_done(struct generation *gen);

/* ---- parts of gen_prepare(), in files of their own ---- */

/** gen_make_environment() - @envp of the command, and @tty. Errors: ERR_ENV_*. */
int gen_make_environment(struct generation *gen, struct dyno_err *err);

/**
 * gen_read_env_file() - the pairs of one env file, with the limits of envfile.h.
 * @ret: strings in @arena
 * Errors: ERR_ENV_SYNTAX, with @path.
 */
int gen_read_env_file(const char *path, struct arena *arena, struct env_pairs *ret,
		      struct dyno_err *err);

/** gen_make_spec() - @spec, @uid, @app_layer. Errors: ERR_MEMORY, ERR_STACK. */
int gen_make_spec(struct generation *gen, struct dyno_err *err);

/**
 * gen_copy_layer() - copy the app's layer into the data directory, owned by the dyno's ids, and
 * make the spec anew: the fallback for a file system that takes no id map.
 * Return: 0, or -errno with ERR_SCRATCH.
 */
int gen_copy_layer(struct generation *gen, struct dyno_err *err);

#endif
