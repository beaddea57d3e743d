/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h - the child's steps.  child.c has the table of a launch and the steps that make
 * namespaces, child_root.c those that build the root, child_steps.c and child_tty.c those that a
 * start shares with whoever joins.
 */
#ifndef DYNO_ENGINE_CHILD_H
#define DYNO_ENGINE_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "engine/launch.h"
#include "engine/step.h"

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

/* Steps of every process of a dyno, in their order in the table launch_child. [child] */
int child_deadline(struct launch *l, struct dyno_err *err);
int child_parent(struct launch *l, struct dyno_err *err);
int child_stdio(struct launch *l, struct dyno_err *err);
int child_shed(struct launch *l, struct dyno_err *err);
int child_session(struct launch *l, struct dyno_err *err);
int child_output(struct launch *l, struct dyno_err *err);
int child_cgroup(struct launch *l, struct dyno_err *err);
int child_rlimits(struct launch *l, struct dyno_err *err);
int child_affinity(struct launch *l, struct dyno_err *err);
int child_bounding(struct launch *l, struct dyno_err *err);
int child_ids(struct launch *l, struct dyno_err *err);
int child_lifeline(struct launch *l, struct dyno_err *err);
int child_terminal(struct launch *l, struct dyno_err *err);
int child_directory(struct launch *l, struct dyno_err *err);
int child_privileges(struct launch *l, struct dyno_err *err);
int child_descriptors(struct launch *l, struct dyno_err *err);
int child_seccomp(struct launch *l, struct dyno_err *err);
int child_exec(struct launch *l, struct dyno_err *err);

/* Steps that build the root, in their order. [child] */
int child_private(struct launch *l, struct dyno_err *err);
int child_layers(struct launch *l, struct dyno_err *err);
int child_scratch(struct launch *l, struct dyno_err *err);
int child_files(struct launch *l, struct dyno_err *err);
int child_overlay(struct launch *l, struct dyno_err *err);
int child_mounts(struct launch *l, struct dyno_err *err);
int child_pivot(struct launch *l, struct dyno_err *err);
int child_hostname(struct launch *l, struct dyno_err *err);

/** child_send_fd() - a message to the monitor that carries a descriptor. [child] */
int child_send_fd(const struct launch *l, const struct init_msg *msg, int fd, struct dyno_err *err);

/** child_run() - run a table, whose last step does not return; tell the monitor of a failure and
 * end. [child] */
void child_run(const struct step_table *table, const struct launch *launch) _noreturn_;

/** child_app_upper() - the upper directory of the overlay on /app.
 * @ret_fd: O_PATH; left alone where the plan has no such overlay. [child] */
int child_app_upper(const struct launch *l, int *ret_fd, struct dyno_err *err);

#endif
