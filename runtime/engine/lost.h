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

/* How long processes that are being killed are waited for. Source: they leave within milliseconds;
 * one that cannot be killed (in an uninterruptible call) must not hold up the others */
#define LOST_WAIT_MS 1000U

/**
 * lost_bury() - of a place that was taken over: record what state.json says as supervisor-lost, and
 * remove what the dead monitor kept in the place.  Control groups and scratch of that name are
 * ended and removed too.
 * @state: claimed; stays so
 *
 * A place without a state.json of this boot leaves no record.  The place is wanted for a new start:
 * where the record cannot be kept, as on a full disk, it goes without.
 * Return: 1: a record was written; 0: none; -errno.
 */
int lost_bury(struct dyno_host *host, struct state *state, struct dyno_err *err);

/**
 * lost_collect_one() - lost_bury() by one who does not need the place: where the record cannot be
 * kept, state.json stays for the next one.
 * Return: as lost_bury(); on failure the place must not be released.
 */
int lost_collect_one(struct dyno_host *host, struct state *state, struct dyno_err *err);

/**
 * lost_collect() - lost_collect_one() for every dead place, and release it.
 * Return: how many, or -errno: the first failure, with all others collected.
 */
int lost_collect(struct dyno_host *host, struct dyno_err *err);

#endif
