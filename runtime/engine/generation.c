/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/generation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/listen.h"
#include "kernel/port.h"
#include "kernel/slot.h"
#include "model/port.h"
#include "model/uidrange.h"

/* What a receipt may read to tell files apart; a restart waits for it. Source: own choice */
#define GEN_COMPARE_BYTES (4U * 1024U * 1024U)

void gen_init(struct generation *gen, struct app *app, uint32_t id)
{
	*gen = (struct generation){
		.app = app,
		.id = id,
		.ids_fd = -EBADF,
		.port_fd = -EBADF,
		.host_listen_fd = -EBADF,
		.scratch = SCRATCH_INIT,
		.copy = SCRATCH_INIT,
		.copy_fd = -EBADF,
	};
	network_init(&gen->network);
	launch_init(&gen->launch);
}

static void unshare_timing(struct generation *gen)
{
	if (!gen->shared_timing)
		return;
	*gen->timing = *gen->shared_timing;
	(void)munmap(gen->shared_timing, sizeof(*gen->shared_timing)); /* our own mapping */
	gen->shared_timing = NULL;
}

void gen_done(struct generation *gen)
{
	unshare_timing(gen);
	launch_done(&gen->launch);
	network_done(&gen->network);
	close_fdp(&gen->copy_fd);
	scratch_done(&gen->copy);
	scratch_done(&gen->scratch);
	close_fdp(&gen->host_listen_fd);
	close_fdp(&gen->port_fd);
	close_fdp(&gen->ids_fd);
	arena_done(&gen->arena);
}

void gen_rest(struct generation *gen)
{
	struct launch *l = &gen->launch;
	int upper_fds[LAUNCH_UPPERS];
	int root_fds[LAUNCH_UPPERS];

	unshare_timing(gen);
	memcpy(upper_fds, l->upper_fds, sizeof(upper_fds));
	memcpy(root_fds, l->root_fds, sizeof(root_fds));
	for (size_t i = 0; i < LAUNCH_UPPERS; i++)
		l->upper_fds[i] = l->root_fds[i] = -EBADF;
	launch_done(l);
	memcpy(l->upper_fds, upper_fds, sizeof(upper_fds));
	memcpy(l->root_fds, root_fds, sizeof(root_fds));
	network_done(&gen->network);
	close_fdp(&gen->host_listen_fd);
	close_fdp(&gen->port_fd);
}

void gen_disown(struct generation *gen)
{
	scratch_disown(&gen->copy);
	scratch_disown(&gen->scratch);
	gen_done(gen);
}

/* ---- preparation --------------------------------------------------------------------------- */

static void mark(struct generation *gen, const char *name)
{
	struct dyno_timing *t = gen->timing;

	if (!t || t->n == DYNO_TIMING_MAX)
		return;
	t->name[t->n] = name;
	t->at_ns[t->n++] = clock_ns();
}

static int reserve_ids(struct generation *gen, struct dyno_err *err)
{
	const char *given = gen->app->opts->uid_range;
	struct uidrange range = UIDRANGE_DEFAULT;
	int r;

	if (gen->app->rootless && given) {
		err_set(err, ERR_USAGE, EPERM, "use a range of ids without root");
		err_hint(err, "leave --uid-range out: rootless a dyno has the caller's id alone");
		return -EPERM;
	}
	if (gen->app->rootless)
		return 0;
	if (given) {
		r = uidrange_parse(given, &range, err);
		if (r < 0)
			return r;
	}
	return ids_reserve(gen->app->run_fd, range.first, uidrange_slots(&range), &gen->ids_fd,
			   &gen->base, err);
}

static int reserve_port(struct generation *gen, struct dyno_err *err)
{
	const struct port_want want = {
		.fixed = gen->app->opts->port,
		.first = PORT_FIRST,
		.count = PORT_COUNT,
		.shared = app_port_is_hosts(gen->app),
		.distinct = app_is_private(gen->app),
	};

	return port_reserve(gen->app->run_fd, &want, &gen->port_fd, &gen->port, err);
}

static int prepare_network(struct generation *gen, struct dyno_err *err)
{
	struct app *app = gen->app;
	int r;

	if (!app_is_private(app))
		return 0;
	if (app->rootless)
		return network_user_prepare(&gen->network, app->opts, gen->port, err);
	/* The table that was there at the last start may have been removed since. */
	if (!app->network_fresh) {
		r = network_host(app->run_fd, app->opts->subnet, &app->network_note, err);
		if (r < 0)
			return r;
	}
	app->network_fresh = false;
	gen->network.note = app->network_note;
	return network_prepare(&gen->network, app->run_fd, app->opts, app->name, err);
}

/* Of the dyno's memory file systems all but the scratch. */
static uint64_t other_tmpfs_bytes(const struct generation *gen)
{
	uint64_t bytes = gen->app->limits.shm_bytes;
	size_t i;

	for (i = 0; i < gen->app->mounts.n; i++)
		if (gen->app->mounts.items[i].kind == MOUNTPLAN_TMPFS)
			bytes += gen->app->mounts.items[i].bytes;
	return bytes;
}

static int make_scratch(struct generation *gen, struct dyno_err *err)
{
	const struct dyno_run_opts *opts = gen->app->opts;
	const struct limits *limits = &gen->app->limits;
	const struct scratchplan_input in = {
		.kind = opts->scratch,
		.bytes = opts->scratch_bytes,
		.inodes = opts->scratch_inodes,
		.no_tmpfs =
			opts->scratch != DYNO_SCRATCH_DISK && scratch_no_tmpfs(gen->app->rootless),
		.quota_bytes = limits->memory_bytes,
		.hard_bytes = limits->hard_bytes,
		.other_bytes = other_tmpfs_bytes(gen),
	};
	const struct scratch_want want = {
		.plan = &gen->scratch_plan,
		.require = opts->require_limits,
		.rootless = gen->app->rootless,
		.name = gen->leaf_name,
	};

	scratchplan_make(&in, &gen->scratch_plan);
	return scratch_make(gen->app->store, &want, &gen->arena, &gen->scratch, err);
}

int gen_prepare(struct generation *gen, struct dyno_err *err)
{
	static const struct {
		const char *name;
		int (*fn)(struct generation *, struct dyno_err *);
	} phases[] = {
		{"ids", reserve_ids},	      {"port", reserve_port},
		{"address", prepare_network}, {"environment", gen_make_environment},
		{"scratch", make_scratch},    {"plan", gen_make_spec},
	};
	size_t i;
	int r;

	state_leaf_name(gen->app->name, gen->app->place.dyno, gen->id, gen->app->tag,
			gen->leaf_name, sizeof(gen->leaf_name));
	for (i = 0; i < ARRAY_SIZE(phases); i++) {
		r = phases[i].fn(gen, err);
		if (r < 0)
			return r;
		mark(gen, phases[i].name);
	}
	return 0;
}

/* ---- launch -------------------------------------------------------------------------------- */

static void plan_launch(struct generation *gen, const int stdio[3])
{
	struct launch *l = &gen->launch;
	struct app *app = gen->app;

	l->spec = &gen->spec;
	l->place_fd = app->place.dir_fd;
	l->run_path = app->run_path;
	l->rootless = app->rootless;
	l->base = gen->base;
	l->cgroups = app->have_cgroups ? &app->cgroups : NULL;
	l->leaf_name = gen->leaf_name;
	l->require_limits = app->opts->require_limits;
	/* By it readiness is told, health is asked and clients come, in a network of its own, and
	 * pasta finds that. */
	l->want_listen_fd =
		(app->web || app->opts->health || app->n_publish > 0 || gen->network.by_pasta) &&
		app->network != DYNO_NET_HOST;
	l->tty = gen->tty;
	l->sockets = app->sockets.fds;
	l->n_sockets = app->sockets.n;
	l->want_upper_fds = !app->opts->no_receipt || app->opts->keep;
	l->want_root_fds = app->opts->keep;
	l->slow_layers = app->slow_layers;
	l->network = app_is_private(gen->app) ? &gen->network : NULL;
	l->timing = gen->timing;
	if (stdio)
		memcpy(l->stdio, stdio, sizeof(l->stdio));
}

#ifdef DYNO_WITH_FAULTS
static int plan_fault(struct generation *gen, struct dyno_err *err)
{
	const char *text = getenv("DYNO_FAULT");
	int r;

	if (!text)
		return 0;
	r = step_fault_parse(text, &gen->launch.fault, err);
	if (r < 0)
		return r;
	return step_fault_arm(&gen->launch.fault, err);
}
#else
static int plan_fault(struct generation *gen, struct dyno_err *err)
{
	(void)gen;
	(void)err;
	return 0;
}
#endif

/* Rootless, and with a private network, the child has its own memory: its times come through a shared page. */
static void share_timing(struct generation *gen)
{
	void *page;

	if ((!gen->app->rootless && !app_is_private(gen->app)) || !gen->timing)
		return;
	page = mmap(NULL, sizeof(*gen->shared_timing), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return;
	gen->shared_timing = page;
	*gen->shared_timing = *gen->timing;
	gen->launch.timing = gen->shared_timing;
}

/* In the host's network it is asked who listens there, among all; elsewhere the child sends a
 * socket of its own namespace. */
static void open_listen(struct generation *gen)
{
	if (gen->app->web && gen->app->network == DYNO_NET_HOST && gen->host_listen_fd < 0)
		(void)listen_probe_open(&gen->host_listen_fd); /* without it: never up, R10 */
}

int gen_launch(struct generation *gen, const int stdio[3], struct dyno_err *err)
{
	int r;

	plan_launch(gen, stdio);
	r = plan_fault(gen, err);
	if (r < 0)
		return r;
	open_listen(gen);
	share_timing(gen);
	return launch_start(&gen->launch, err);
}

int gen_launch_copy(struct generation *gen, const int stdio[3], struct dyno_err *err)
{
	int r;

	if (gen->copy.path)
		return 0;
	unshare_timing(gen);
	launch_done(&gen->launch);
	launch_init(&gen->launch);
	network_drop(&gen->network);
	r = gen_copy_layer(gen, err);
	if (r == 0)
		r = gen_launch(gen, stdio, err);
	return r < 0 ? r : 1;
}

/* The child knows a failed call; only here is known what the user can choose instead. */
void gen_hint(const struct generation *gen, struct dyno_err *err)
{
	if (err->hint[0])
		return;
	if (gen->app->filter.own && (err->kind == ERR_LAUNCH || err->kind == ERR_LAUNCH_LOST ||
				     (err->kind == ERR_EXEC_PERM && gen->tty.wanted)))
		err_hint(err, "the policy of --seccomp must allow what dyno-init does: see "
			      "`man dyno-run`");
	if (err->kind != ERR_SCRATCH)
		return;
	if (gen->copy.path)
		err_hint(err, "keep slugs where ids can be mapped, with --data-dir on ext4 or xfs");
	else if (gen->scratch.limit == SCRATCH_UNLIMITED)
		err_hint(err, "choose another place with --data-dir, or --scratch tmpfs");
	else
		err_hint(err, "give the dyno more room: --scratch %s:SIZE:INODES",
			 gen->scratch_plan.disk ? "disk" : "tmpfs");
}

/* ---- what it wrote ------------------------------------------------------------------------- */

/* What the overlay's id map added to the ids of a layer's files. */
static uint32_t id_shift(const struct generation *gen, const struct spec_layer *layer)
{
	if (gen->app->rootless || layer->owner == SPEC_OWNER_HOST)
		return 0;
	if (layer->owner >= 0)
		return gen->base + gen->spec.process.uid - (uint32_t)layer->owner;
	return gen->base;
}

static struct upper_layer lower_of(const struct generation *gen, const struct spec_layer *layer)
{
	return (struct upper_layer){.fd = layer->fd, .id_shift = id_shift(gen, layer)};
}

/*
 * Mount points are of the launcher's making, with all below.  Directories on the way to one may be
 * too: those are not told, but what is below them is.  Without memory more is told.
 */
static size_t hide_point(struct generation *gen, const char *target, const char **list, size_t n)
{
	const char *slash = strchr(target, '/');
	const char *path;

	for (; slash && n < GEN_HIDDEN_MAX; slash = strchr(slash + 1, '/')) {
		path = arena_memdup(&gen->arena, target, (size_t)(slash - target));
		if (path)
			list[n++] = path;
	}
	path = n < GEN_HIDDEN_MAX ? arena_fmt(&gen->arena, "%s/", target) : NULL;
	if (path)
		list[n++] = path;
	return n;
}

/* Those below @top, relative to it; NULL: all. */
static size_t hide_points(struct generation *gen, const char *top, const char **list, size_t n)
{
	size_t i;

	for (i = 0; i < gen->spec.n_mounts; i++) {
		const struct spec_mount *m = &gen->spec.mounts[i];
		const char *target = top ? str_starts(m->target, top) : m->target;

		if (m->asked && m->kind != SPEC_MOUNT_AGAIN && target && target[0])
			n = hide_point(gen, target, list, n);
	}
	return n;
}

static void list_hidden(struct generation *gen)
{
	size_t n = 0;
	size_t i;

	if (gen->n_hidden > 0)
		return; /* of the dyno's own there are always some */
	for (i = 0; i < gen->spec.n_nodes && n < GEN_HIDDEN_MAX; i++)
		if (gen->spec.nodes[i].place == SPEC_IN_ROOT)
			gen->hidden[n++] = gen->spec.nodes[i].path;
	gen->n_hidden = hide_points(gen, NULL, gen->hidden, n);
	gen->n_app_hidden = hide_points(gen, "app/", gen->app_hidden, 0);
}

static const struct spec_layer *overlay_on_app(const struct generation *gen)
{
	size_t i;

	for (i = 0; i < gen->spec.n_mounts; i++)
		if (gen->spec.mounts[i].kind == SPEC_MOUNT_OVERLAY)
			return &gen->spec.mounts[i].layer;
	return NULL;
}

bool gen_is_unwritten(const struct generation *gen)
{
	const struct launch *l = &gen->launch;

	return l->upper_inodes > 0 && fd_used_inodes(l->upper_fds[0]) == l->upper_inodes;
}

size_t gen_sources(struct generation *gen, struct receipt_source *ret)
{
	const struct spec_layer *app = overlay_on_app(gen);
	const struct spec_root *root = &gen->spec.root;
	size_t n = 0;
	size_t i;

	list_hidden(gen);
	if (gen->launch.upper_fds[0] >= 0) {
		for (i = 0; i < root->n_layers && i < UPPER_LOWERS_MAX; i++)
			gen->lowers[i] = lower_of(gen, &root->layers[i]);
		ret[n++] = (struct receipt_source){
			.upper_fd = gen->launch.upper_fds[0],
			.opts = {.lowers = gen->lowers,
				 .n_lowers = i,
				 .userxattr = gen->app->rootless,
				 .hidden = gen->hidden,
				 .n_hidden = gen->n_hidden,
				 .compare_bytes = GEN_COMPARE_BYTES},
			.prefix = "/",
		};
	}
	if (app && gen->launch.upper_fds[1] >= 0) {
		gen->app_lower = lower_of(gen, app);
		ret[n++] = (struct receipt_source){
			.upper_fd = gen->launch.upper_fds[1],
			.opts = {.lowers = &gen->app_lower,
				 .n_lowers = 1,
				 .userxattr = gen->app->rootless,
				 .hidden = gen->app_hidden,
				 .n_hidden = gen->n_app_hidden,
				 .compare_bytes = GEN_COMPARE_BYTES},
			.prefix = "/app/",
		};
	}
	return n;
}
