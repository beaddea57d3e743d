/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc.c - dyno_gc(): what killed launchers left behind.  Everything that can be left is locked by
 * its maker or carries a name that leads to a lock: a place in the run directory.  No lock, no
 * owner; and the collector holds that lock while it removes, so that no start of the same name
 * comes in between.
 */
#include <errno.h>
#include <stdbool.h>

#include <dyno.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/host.h"
#include "engine/lost.h"
#include "engine/network.h"
#include "engine/publish.h"
#include "engine/scratch.h"
#include "engine/state.h"
#include "kernel/cgroup.h"

struct gc {
	struct dyno_host *host;
	int run_fd;
	char tag[STATE_TAG_BYTES];
	struct store *store;
	struct cgroup_host cgroups;
	dyno_gc_fn fn;
	void *data;
	int count;
	int failed;
	struct dyno_err *err;
};

static void tell(struct gc *gc, const char *kind, const char *name)
{
	gc->count++;
	if (gc->fn)
		gc->fn(gc->data, kind, name);
}

static void tell_store(void *data, const char *kind, const char *name)
{
	tell(data, kind, name);
}

static int collect_leaf(void *data, const char *name)
{
	struct gc *gc = data;
	struct state state = STATE_INIT;
	char app[STATE_NAME_BYTES];
	char dyno[STATE_NAME_BYTES];
	bool remains;

	/* One of another run directory, or of a live dyno, is not ours to touch. */
	if (state_leaf_split(name, gc->tag, app, dyno) < 0 ||
	    state_take_dead(gc->run_fd, app, dyno, &state, &remains) <= 0)
		return 0;
	(void)cgroup_leaf_kill(&gc->cgroups, name); /* nobody watches these any more */
	if (cgroup_leaf_remove(&gc->cgroups, name) == 0)
		tell(gc, "control group", name);
	if (remains)
		close_fdp(&state.dir_fd); /* collected, and told of, with the places */
	else
		state_release(&state);
	return 0;
}

static int collect_scratch(void *data, const char *name)
{
	struct gc *gc = data;

	if (scratch_remove_dead(gc->store, name) == 0)
		tell(gc, "scratch", name);
	return 0;
}

/* A dyno whose end cannot be recorded now keeps its place; the rest is collected all the same,
 * which may be what makes room. */
static int collect_state(void *data, struct state *state)
{
	struct gc *gc = data;
	char name[2 * STATE_NAME_BYTES];
	int r = lost_collect_one(gc->host, state, gc->failed ? NULL : gc->err);

	if (r < 0) {
		gc->failed = gc->failed ? gc->failed : r;
		return 0;
	}
	str_fmt(name, sizeof(name), "%s/%s", state->app, state->dyno);
	state_release(state);
	tell(gc, "run directory", name);
	return 0;
}

/* Return: 1: our groups may be in another place too; 0; -errno. */
static int collect_leaves(struct gc *gc, unsigned int where, struct dyno_err *err)
{
	const unsigned int extra = CGROUP_HAS_EXTRA | CGROUP_AS_IT_IS | where;
	bool given;
	int r;

	/* Without control groups there is nothing to look for. */
	if (cgroup_host_open_with(CGROUP_ROOT, extra, &gc->cgroups, NULL) < 0)
		return 0;
	given = gc->cgroups.given;
	r = cgroup_each_leaf(&gc->cgroups, "", collect_leaf, gc);
	cgroup_host_done(&gc->cgroups);
	return r < 0 ? err_set(err, ERR_CGROUP, -r, "list the control groups") : given;
}

/* The orphans go first: a place that is gone must not be needed to find them again. */
static int collect(struct gc *gc, struct dyno_err *err)
{
	_cleanup_close_ int lock_fd = -EBADF;
	int r;

	r = state_collect_begin(gc->run_fd, &lock_fd, err);
	if (r < 0)
		return r;
	r = collect_leaves(gc, 0, err);
	if (r > 0)
		r = collect_leaves(gc, CGROUP_AT_ROOT, err);
	if (r < 0)
		return r;
	r = scratch_each(gc->store, collect_scratch, gc);
	if (r < 0)
		return err_set(err, ERR_SCRATCH, -r, "list the scratch directories");
	r = state_each_dead(gc->run_fd, collect_state, gc, err);
	if (r < 0)
		return r;
	(void)publish_collect(gc->run_fd, tell_store, gc); /* it counts what it tells */
	close_fdp(&lock_fd);				   /* the store has locks of its own */
	r = store_gc(gc->store, false, tell_store, gc, NULL, gc->failed ? NULL : err);
	return gc->failed ? gc->failed : MIN_OF(r, 0);
}

DYNO_PUBLIC int dyno_gc(struct dyno_host *host, dyno_gc_fn fn, void *data, struct dyno_err *err)
{
	struct gc gc = {.host = host, .fn = fn, .data = data, .err = err};
	int r;

	r = host_run_dir(host, &gc.run_fd, err);
	if (r == 0)
		r = host_store(host, &gc.store, err);
	if (r < 0)
		return r;
	r = state_tag(gc.run_fd, gc.tag);
	if (r < 0)
		return err_set(err, ERR_RUN_DIR, -r, "look at the run directory");
	r = collect(&gc, err);
	return r < 0 ? r : gc.count;
}

DYNO_PUBLIC int dyno_gc_network(struct dyno_host *host, dyno_gc_fn fn, void *data,
				struct dyno_err *err)
{
	int run_fd;
	int r = host_run_dir(host, &run_fd, err);

	if (r == 0)
		r = network_host_remove(run_fd, err);
	if (r > 0 && fn)
		fn(data, "firewall table", "inet " NETRULES_TABLE);
	return r;
}
