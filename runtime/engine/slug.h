/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slug.h - what an acquired slug says of itself: its process types and default config vars, read
 * from the tree by descriptor, each file as a regular file of bounded size or not at all.
 */
#ifndef DYNO_ENGINE_SLUG_H
#define DYNO_ENGINE_SLUG_H

#include <stdbool.h>

#include <dyno.h>

#include "base/arena.h"
#include "model/environ.h"
#include "model/procfile.h"
#include "rootfs/store.h"

/**
 * struct slug - ended by slug_done(); the texts live in the caller's arena.
 * @layer_fd: the directory that becomes a layer
 * @app_fd: the app's tree
 * @types: of the Procfile, and of .release where the Procfile does not name them (contract 4.6)
 * @vars: config_vars of .release (contract 5.9)
 * @notes: what was odd in the Procfile
 */
struct slug {
	int layer_fd;
	int app_fd;
	struct proc_types types;
	struct env_pairs vars;
	struct procfile_notes notes;
};

/** SLUG_INIT - holds nothing. */
#define SLUG_INIT                                         \
	(struct slug)                                     \
	{                                                 \
		.layer_fd = -9 /* -EBADF */, .app_fd = -9 \
	}

/**
 * slug_read() - open the trees of @entry and read its Procfile and .release.
 * @with_types: false: the Procfile is not read and @types is that of .release alone
 * @arena: owns the texts
 *
 * A slug without either file has no types; that is the caller's concern.
 * Return: 0, or -errno. Errors: ERR_PROCFILE (also for a Procfile that is no regular file),
 * ERR_SLUG_EMPTY, ERR_MEMORY.
 */
int slug_read(const struct store_entry *entry, bool with_types, struct arena *arena,
	      struct slug *ret, struct dyno_err *err);

/** slug_done() - close its descriptors. */
void slug_done(struct slug *slug);

#endif
