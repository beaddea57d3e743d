/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layers.h - where a dyno's writes are and what lies below them, as its monitor hands that to those
 * who look (CTL_LAYERS): descriptors, and a text that says what each of them is.  So the walk is
 * done by the one who asks, with his time and memory, and neither the dyno's nor the monitor's.
 *
 *   {"overlays": [{"prefix": "/", "userxattr": false, "compare_bytes": 0, "lowers": [0, 0],
 *                  "hidden": ["sys/"]}]}
 *
 * A member of "lowers" is the layer's id shift.  The descriptors are those of each overlay in
 * turn: its upper directory and its layers, uppermost first.
 */
#ifndef DYNO_LAYERS_H
#define DYNO_LAYERS_H

#include <stddef.h>

#include <dyno.h>

#include "base/arena.h"
#include "engine/ctl.h"
#include "engine/launch.h"
#include "engine/receipt.h"

/**
 * layers_put() - the monitor's answer.
 * @sources: as for receipt_take()
 * @answer: empty; its descriptors are those of the sources, borrowed
 * Return: 0, or -errno with ERR_INTERNAL (-E2BIG: more than CTL_FDS_MAX descriptors).
 */
int layers_put(const struct receipt_source *sources, size_t n, struct ctl_answer *answer,
	       struct dyno_err *err);

/**
 * layers_get() - the same out of the answer.
 * @fds: as received, borrowed as long as @ret is used
 * @arena: holds lists and texts
 * Return: how many sources, or -errno with ERR_MONITOR (-EPROTO: not of the form), ERR_MEMORY.
 */
int layers_get(const char *text, size_t len, const int *fds, size_t n_fds, struct arena *arena,
	       struct receipt_source ret[LAUNCH_UPPERS], struct dyno_err *err);

#endif
