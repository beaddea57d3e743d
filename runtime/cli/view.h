/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.h - what goes on until somebody leaves it: ^C, which is no failure, or the reader's end of a
 * pipe that is closed; and a terminal that changes its size meanwhile.
 */
#ifndef DYNO_CLI_VIEW_H
#define DYNO_CLI_VIEW_H

#include <poll.h>
#include <stdbool.h>

#include <dyno.h>

#include "base/util.h"

/* Descriptors that a wait looks at: signals, and standard output. */
#define VIEW_FDS 2U

/**
 * view_open() - from now on INT and TERM are waited for.
 * @resize: WINCH, too
 * @own: VIEW_FDS descriptors for poll(2); the first is the caller's to close
 * Return: that descriptor, or -errno with ERR_IO.
 */
int view_open(bool resize, struct pollfd *own, struct dyno_err *err);

/** view_is_left() - after poll(2): somebody has left. */
bool view_is_left(const struct pollfd *own);

/** enum view_end - why view_wait() has returned. */
enum view_end { VIEW_TIME, VIEW_RESIZED, VIEW_LEFT };

/** view_wait() - until the time is over, or something of the above happens.
 * @until_ms: CLOCK_BOOTTIME */
enum view_end view_wait(struct pollfd *own, uint64_t until_ms);

#endif
