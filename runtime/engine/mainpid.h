/* SPDX-License-Identifier: Apache-2.0 */
/* mainpid.h - the host's number of a dyno's main process, asked of the kernel when it is wanted. */
#ifndef DYNO_MAINPID_H
#define DYNO_MAINPID_H

/**
 * mainpid_of() - the command's process below a live dyno-init.
 * @init_pid: as the host numbers it; 0: none
 * Return: its number; 0: it cannot be told, or is gone.
 */
int mainpid_of(int init_pid);

#endif
