/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_internal.h - one run of the app front end, shared by its three files: run.c (the phases),
 * run_env.c (what the command's environment is) and run_spec.c (what its root is).
 */
#ifndef DYNO_RUN_INTERNAL_H
#define DYNO_RUN_INTERNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <dyno.h>

#include "base/arena.h"
#include "engine/host.h"
#include "engine/launch.h"
#include "engine/monitor.h"
#include "engine/scratch.h"
#include "engine/slug.h"
#include "engine/state.h"
#include "kernel/cgroup.h"
#include "model/appspec.h"
#include "model/command.h"
#include "model/name.h"
#include "model/size.h"
#include "rootfs/stack.h"
#include "rootfs/store.h"

/**
 * struct run - all that one run holds, in the order in which it is found out.
 * @run_path: the dyno's own directory
 * @scratch: where its writes go, if not to memory
 * @copy: a copy of the app's layer, where its file system takes no id map
 * @app_layer: the app's layer as the spec gets it
 * @base: host id of id 0 inside
 * @uid: the user inside
 * @shared_timing: times that a child with memory of its own writes to
 */
struct run {
	struct dyno_host *host;
	const struct dyno_run_opts *opts;
	struct arena arena;
	bool rootless;
	int run_fd;
	struct store *store;
	char app[NAME_BYTES];
	char tag[STATE_TAG_BYTES];
	char leaf_name[CGROUP_NAME_BYTES];
	char run_path[PATH_MAX];
	char boot_id[UUID_BYTES];
	char hostname[UUID_BYTES];

	struct store_entry entry;
	struct stack stack;
	struct slug slug;
	struct command command;
	struct state state;
	struct scratch scratch;
	int ids_fd;
	int port_fd;
	int host_listen_fd;
	struct scratch copy;
	int copy_fd;
	struct spec_layer app_layer;
	uint32_t base;
	uint32_t uid;
	uint16_t port;
	const struct dyno_size *size;
	const char *const *envp;
	struct dyno_spec spec;
	struct cgroup_host cgroups;
	bool have_cgroups;
	struct launch launch;
	struct monitor_plan plan;
	struct dyno_timing *shared_timing;
};

/** run_make_environment() - phase: @envp of the command. Errors: ERR_ENV_*. */
int run_make_environment(struct run *run, struct dyno_err *err);

/** run_make_spec() - phase: @spec, @uid, @app_layer. Errors: ERR_MEMORY, ERR_STACK. */
int run_make_spec(struct run *run, struct dyno_err *err);

/**
 * run_copy_layer() - copy the app's layer into the data directory, owned by the dyno's ids, and
 * make the spec anew: the fallback for a file system that takes no id map.
 * Return: 0, or -errno with ERR_SCRATCH.
 */
int run_copy_layer(struct run *run, struct dyno_err *err);

#endif
