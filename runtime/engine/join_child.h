/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join_child.h - the two processes that join.c starts; see there.
 */
#ifndef DYNO_ENGINE_JOIN_CHILD_H
#define DYNO_ENGINE_JOIN_CHILD_H

/** join_in_middle() - enters the dyno and starts the process that joins; never returns.
 * @launch: a struct launch with @joins; @joined is shared with the monitor. Context: [child] */
void join_in_middle(void *launch);

#endif
