/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h - what the two files of the child's side share: child.c has the table and the steps
 * before and after the root, child_root.c those that build it.
 */
#ifndef DYNO_ENGINE_CHILD_H
#define DYNO_ENGINE_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/launch.h"

/** child_uid() / child_gid() - the host's id of root inside, or with @own of the process's user;
 * rootless there is one id for both. [child] */
static inline uint32_t child_uid(const struct launch *l, bool own)
{
	if (l->rootless)
		return l->euid;
	return l->base + (own ? l->spec->process.uid : 0);
}

static inline uint32_t child_gid(const struct launch *l, bool own)
{
	if (l->rootless)
		return l->egid;
	return l->base + (own ? l->spec->process.gid : 0);
}

/* Steps of launch_child_steps, in their order; see there. [child] */
int child_private(struct launch *l, struct dyno_err *err);
int child_layers(struct launch *l, struct dyno_err *err);
int child_scratch(struct launch *l, struct dyno_err *err);
int child_files(struct launch *l, struct dyno_err *err);
int child_overlay(struct launch *l, struct dyno_err *err);
int child_mounts(struct launch *l, struct dyno_err *err);
int child_pivot(struct launch *l, struct dyno_err *err);
int child_hostname(struct launch *l, struct dyno_err *err);

/** child_app_upper() - the upper directory of the overlay on /app.
 * @ret_fd: O_PATH; left alone where the plan has no such overlay. [child] */
int child_app_upper(const struct launch *l, int *ret_fd, struct dyno_err *err);

#endif
