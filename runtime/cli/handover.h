/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover.h - what a supervisor outside is handed: a file with the number of the process to watch,
 * or descriptors of the monitors themselves.
 */
#ifndef DYNO_CLI_HANDOVER_H
#define DYNO_CLI_HANDOVER_H

#include <dyno.h>

#include "cli/fleet.h"

/** handover_pid_file() - "PID\n" into @path, which appears whole. Return: 0, -errno with err set. */
int handover_pid_file(const char *path, int pid, struct dyno_err *err);

/** handover_pid_file_remove() - if it is a file and still holds @pid: another process may have
 * replaced it. */
void handover_pid_file_remove(const char *path, int pid);

/**
 * handover_pidfds() - connect to the unix stream socket @path and send one message for each dyno:
 * the text "APP/NAME\n" and with it the pidfd of the dyno's monitor (SCM_RIGHTS).
 * @fleet: connected
 * Return: 0, or -errno with err set (ERR_IO, ERR_NOT_FOUND).
 */
int handover_pidfds(const char *path, struct fleet *fleet, struct dyno_err *err);

#endif
