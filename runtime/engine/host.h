/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h - the inside of the public handle dyno_host: where things are, and the directories opened
 * once they are needed.  Finding out what the kernel offers is not its job (doctor does that).
 */
#ifndef DYNO_HOST_H
#define DYNO_HOST_H

#include <dyno.h>

#include "base/arena.h"
#include "rootfs/store.h"

/**
 * struct dyno_host - set up by dyno_host_open(), which touches no file.
 * @arena: owns the strings
 * @run_dir, @data_dir: absolute paths; NULL where the user has no such place (rootless without
 *                      XDG_RUNTIME_DIR): the error comes from host_run_dir(), when one is needed
 * @libexec_dir: as given, NULL: see store_helper_find()
 * @run_fd: the run directory once host_run_dir() was called, else -EBADF
 * @store: open once host_store() was called
 * @progress, @data: of the caller
 */
struct dyno_host {
	struct arena arena;
	const char *run_dir;
	const char *data_dir;
	const char *libexec_dir;
	int run_fd;
	struct store store;
	void (*progress)(void *data, const struct dyno_progress *progress);
	void *data;
};

/**
 * host_run_dir() - the run directory, made (mode 0755 as root, 0700 rootless) and checked at the
 * first call.
 * @ret_fd: O_PATH|O_DIRECTORY, borrowed until dyno_host_free()
 * Return: 0, or -errno. Errors: ERR_RUN_DIR: missing place, foreign owner, writable by others.
 */
int host_run_dir(struct dyno_host *host, int *ret_fd, struct dyno_err *err);

/** host_store() - the slug store, opened at the first call. @ret: borrowed.
 * Return: 0, or -errno. Errors: ERR_STORE_IO. */
int host_store(struct dyno_host *host, struct store **ret, struct dyno_err *err);

#endif
