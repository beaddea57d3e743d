/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttywish.h - whether a command gets a terminal of its own, by what its caller's streams are.
 */
#ifndef DYNO_TTYWISH_H
#define DYNO_TTYWISH_H

#include <sys/ioctl.h>

#include <dyno.h>

#include "engine/launch.h"

/**
 * ttywish_find() - decide.
 * @want: DYNO_TTY_AUTO: where input and output are terminals; error output that is none stays apart
 * @stdio: the caller's streams; no other descriptor is looked at, and of no terminal only the first
 * @ret_tty: with the size; all zero where it gets none
 * @ret_size: of the first terminal among them; zero: unknown
 */
void ttywish_find(enum dyno_tty want, const int stdio[3], struct launch_tty *ret_tty,
		  struct winsize *ret_size);

#endif
