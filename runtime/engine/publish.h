/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish.h - the way to the forwarder of a published port.  There is one for each app and port of
 * the host, found by a socket in the run directory; whoever needs it first binds the port and starts
 * it, and it ends when nobody is connected to it any more.  What is said to it is in
 * forward/proto.h; who listens behind it is the monitors' business.
 */
#ifndef DYNO_ENGINE_PUBLISH_H
#define DYNO_ENGINE_PUBLISH_H

#include <stdint.h>

#include <dyno.h>

#include "model/publish.h"

/**
 * struct publish_ask - who comes to a forwarder.
 * @run_fd: the run directory, borrowed
 * @libexec_dir: see store_helper_find()
 * @app: whose port it is to be
 * @dyno: NULL: nobody's dyno, the forwarder is only to be there until dynos have come
 * @hold_ms: how long clients wait for a dyno; 0: PUBLISH_HOLD_MS
 */
struct publish_ask {
	int run_fd;
	const char *libexec_dir;
	const char *app;
	const char *dyno;
	uint64_t hold_ms;
};

/**
 * publish_open() - connect to the forwarder of a port, which is started where there is none.
 * @p: what is asked for; of a search the port becomes the one that was found
 * @ret_fd: non-blocking; closing it is a goodbye
 *
 * Return: 0 or -errno.
 * Errors: ERR_PORT: -EADDRINUSE, with who has it as far as that is known; -EACCES; -EADDRNOTAVAIL:
 * the address is not the host's; ERR_HELPER; ERR_RUN_DIR.
 */
int publish_open(const struct publish_ask *ask, struct publish *p, int *ret_fd,
		 struct dyno_err *err);

/** publish_collect() - remove names of forwarders that were killed. @fn: told each
 * Return: how many. */
int publish_collect(int run_fd, void (*fn)(void *data, const char *kind, const char *name),
		    void *data);

#endif
