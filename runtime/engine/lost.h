/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lost.h - dynos whose monitor died without a word: whoever comes next ends what is left of them
 * and writes the exit record that the monitor could not.
 */
#ifndef DYNO_LOST_H
#define DYNO_LOST_H

#include <dyno.h>

#include "engine/host.h"
#include "engine/state.h"

/**
 * lost_bury() - of a place that was taken over: record what state.json says as supervisor-lost, and
 * remove what the dead monitor kept in the place.  Control groups and scratch of that name are
 * ended and removed too.
 * @state: claimed; stays so
 *
 * A place without a state.json of this boot leaves no record.
 * Return: 1: a record was written; 0: none; -errno.
 */
int lost_bury(struct dyno_host *host, struct state *state, struct dyno_err *err);

/** lost_collect() - lost_bury() for every dead place, and release it.
 * Return: how many, or -errno. */
int lost_collect(struct dyno_host *host, struct dyno_err *err);

#endif
