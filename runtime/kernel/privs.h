/* SPDX-License-Identifier: Apache-2.0 */
/*
 * privs.h - giving up: capabilities, ids, and every way back to them.  Each step is one function
 * so that start and exec can only do the same.
 */
#ifndef DYNO_PRIVS_H
#define DYNO_PRIVS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <dyno.h>

/**
 * privs_drop_bounding() - empty the bounding set, so that no exec can ever gain a capability.
 *
 * Should: be called after setns to a user namespace, which refills the set.
 * Return: 0, or -errno with ERR_LAUNCH.
 * Context: [child]
 */
int privs_drop_bounding(struct dyno_err *err);

/**
 * privs_set_ids() - become @uid and @gid in all three ids.
 * @drop_groups: give up the supplementary groups (not possible where setgroups is denied)
 *
 * Mustn't: be the last step: it clears PR_SET_PDEATHSIG.
 * Return: 0, or -errno with ERR_LAUNCH.
 * Context: [child]
 */
int privs_set_ids(uid_t uid, gid_t gid, bool drop_groups, struct dyno_err *err);

/** privs_die_with_parent() - SIGKILL for the caller when its parent ends. [child] */
int privs_die_with_parent(struct dyno_err *err);

/**
 * privs_clear() - no_new_privs, and every capability set empty (ambient too).
 * Return: 0, or -errno with ERR_LAUNCH.
 * Context: [child]
 */
int privs_clear(struct dyno_err *err);

/** PRIVS_CAP() - the bit of a capability in a set. */
#define PRIVS_CAP(cap) (1ULL << (cap))

/**
 * privs_keep() - give up every capability that is not in @caps, for good: in all sets, and in the
 * bounding set, so that no exec brings one back; and no_new_privs.
 * @caps: PRIVS_CAP()s; one that the caller lacks it does not get
 *
 * Return: 0, or -errno with ERR_LAUNCH.
 * Context: any
 */
int privs_keep(uint64_t caps, struct dyno_err *err);

#endif
