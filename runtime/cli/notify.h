/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.h - tells whoever started the command how far its dynos are: the service manager by the
 * socket named in NOTIFY_SOCKET, see sd_notify(3), and anybody by a descriptor.
 */
#ifndef DYNO_CLI_NOTIFY_H
#define DYNO_CLI_NOTIFY_H

#include <stdbool.h>

#include <dyno.h>

/**
 * struct notify - set up by notify_open().
 * @socket_fd: connected to NOTIFY_SOCKET; -EBADF: there is none
 * @ready_fd: the caller's; 0: none, or told already
 * @ready: it was told
 */
struct notify {
	int socket_fd;
	int ready_fd;
	bool ready;
};

/** NOTIFY_INIT - nobody is told; notify_close() may be called on it. */
#define NOTIFY_INIT                          \
	(struct notify)                      \
	{                                    \
		.socket_fd = -9 /* -EBADF */ \
	}

/**
 * notify_open() - find out whom to tell.  A NOTIFY_SOCKET that cannot be reached gives a line on
 * standard error.
 * @ready_fd: open for writing; gets the line "READY=1" and is closed then; 0: none
 */
void notify_open(struct notify *notify, int ready_fd);

/** notify_ready() - the dynos are up; told once. */
void notify_ready(struct notify *notify);

/** notify_status() - one line for people who ask the service manager. */
void notify_status(const struct notify *notify, const char *text);

/** notify_stopping() - the dynos are asked to stop. */
void notify_stopping(const struct notify *notify);

void notify_close(struct notify *notify);

#endif
