/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch_internal.h - steps of the parent's side that a start and a join share.
 */
#ifndef DYNO_LAUNCH_INTERNAL_H
#define DYNO_LAUNCH_INTERNAL_H

#include "engine/launch.h"

/** launch_channel() - the status channel. Errors: ERR_LAUNCH. Context: parent */
int launch_channel(struct launch *launch, struct dyno_err *err);
void launch_undo_channel(struct launch *launch);

/** launch_image() - dyno-init as a file that nobody can change. Errors: ERR_LAUNCH. */
int launch_image(struct launch *launch, struct dyno_err *err);
void launch_undo_image(struct launch *launch);

/** launch_argv() - the arguments of dyno-init. Errors: ERR_MEMORY. */
int launch_argv(struct launch *launch, struct dyno_err *err);
void launch_undo_argv(struct launch *launch);

/**
 * launch_take_message() - one packet of a status channel, without blocking.
 * @ret_fd: a descriptor that came along, the caller's to close; else left alone
 * Return: bytes; 0 at the end; -errno. Context: parent
 */
ssize_t launch_take_message(int channel_fd, struct launch_report *ret, int *ret_fd);

/** launch_namespaces() - CLONE_NEW* of the namespaces that a dyno has of its own and a process
 * enters as it is made; those of users and control groups have steps. Context: any, [child] */
int launch_namespaces(const struct launch *launch);

#endif
