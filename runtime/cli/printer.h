/* SPDX-License-Identifier: Apache-2.0 */
/*
 * printer.h - a process that shows the records of several monitors on standard output until the
 * last of them has closed its end of a pipe.  It is apart from the command, so that a reader who stops
 * reading, a terminal held by ^S, keeps nobody from stopping the dynos.
 */
#ifndef DYNO_CLI_PRINTER_H
#define DYNO_CLI_PRINTER_H

#include <dyno.h>

#include "cli/logview.h"

/* How it ended, as an exit status. */
#define PRINTER_DONE 0 /* every record was shown */
#define PRINTER_GONE 1 /* nobody reads standard output any more */

/**
 * printer_start() - fork it.
 * @view: copied
 * @ret_log_fd: the pipe's end for the monitors
 * @ret_pidfd: readable when it has ended; its status is read by proc_wait()
 *
 * It outlives a command that is killed, to the last words of the dynos, and holds no other
 * descriptor than standard output and error.
 * Return: 0, or -errno with ERR_IO.  Context: parent, single-threaded
 */
int printer_start(const struct logview *view, int *ret_log_fd, int *ret_pidfd,
		  struct dyno_err *err);

#endif
