/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_spec.c - the root of a run: which layers, whose files, what /etc says.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "engine/run_internal.h"
#include "kernel/slot.h"
#include "model/uidrange.h"
#include "rootfs/copytree.h"

/* The host's resolv.conf; more than any resolver reads. Source: own choice */
#define RESOLV_MAX_BYTES 65536U

static int make_uuids(struct run *run, struct dyno_err *err)
{
	uint8_t random[32];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_set(err, ERR_IO, errno, "read random bytes");
	uuid_format(random, run->hostname);
	uuid_format(random + 16, run->boot_id);
	return 0;
}

/* The user inside: the tree's owner, so that no file has to change hands. */
static void choose_uid(struct run *run)
{
	const struct store_entry *e = &run->entry;

	run->app_layer.owner = SPEC_OWNER_SAME;
	run->uid = e->uid;
	if (e->kind == STORE_SLUG)
		return;
	if (e->uid >= UID_APP_FIRST && e->uid <= UID_APP_LAST && !run->rootless)
		return;
	run->uid = UID_APP_FIRST + (uint32_t)slot_random(UID_APP_LAST - UID_APP_FIRST + 1);
	if (!run->rootless)
		run->app_layer.owner = e->owner_uid;
}

static int find_app_layer(struct run *run, struct dyno_err *err)
{
	const struct store_entry *e = &run->entry;

	run->app_layer.owned = true;
	run->app_layer.fd = run->slug.layer_fd;
	run->app_layer.path = run->opts->slug;
	choose_uid(run);
	if (e->kind == STORE_DIRECTORY)
		return 0;
	/* "sha256:<hex>" is the directory sha256-<hex> */
	run->app_layer.path = arena_fmt(&run->arena, "%s/slugs/sha256-%s/" STORE_TREE,
					run->store->data_dir, e->digest + STRLEN("sha256:"));
	return run->app_layer.path ? 0 : err_set(err, ERR_MEMORY, ENOMEM, "name the layer");
}

static bool has_swap(void)
{
	struct sysinfo info;

	return sysinfo(&info) == 0 && info.totalswap > 0;
}

static int read_resolv(struct run *run, struct appspec_input *in)
{
	_cleanup_close_ int fd = -EBADF;
	char *text;
	size_t len;

	if (run->opts->network == DYNO_NET_NONE)
		return 0;
	fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fd_read_all(fd, RESOLV_MAX_BYTES, &run->arena, &text, &len) < 0)
		return 0; /* a host without a resolver: so has the dyno */
	in->resolv_conf = text;
	in->resolv_len = len;
	return 0;
}

int run_make_spec(struct run *run, struct dyno_err *err)
{
	const char *binds[STACK_BINDS_MAX];
	struct appspec_input in = {
		.hostname = run->hostname,
		.boot_id = run->boot_id,
		.argv = run->command.argv,
		.envp = run->envp,
		.size = run->size,
		.app_is_root = run->entry.kind == STORE_SLUG,
		.swap = has_swap(),
		.scratch_path = run->scratch.path,
		.scratch_bytes = run->opts->scratch_bytes,
		.scratch_inodes = run->opts->scratch_inodes,
		.network = run->opts->network == DYNO_NET_NONE ? SPEC_NET_NONE : SPEC_NET_HOST,
	};
	size_t i;
	int r;

	if (!run->app_layer.path) {
		r = find_app_layer(run, err);
		if (r < 0)
			return r;
	}
	in.app = run->app_layer;
	in.uid = run->uid;
	in.stack.fd = run->stack.root_fd;
	in.stack.owner = SPEC_OWNER_SAME;
	in.stack.path =
		arena_fmt(&run->arena, "%s/stacks/%s/root", run->store->data_dir, run->stack.name);
	if (!in.stack.path)
		return err_set(err, ERR_MEMORY, ENOMEM, "name the stack");
	for (i = 0; i < run->stack.n_binds; i++)
		binds[i] = run->stack.binds[i].path;
	in.binds = binds;
	in.n_binds = run->stack.n_binds;
	r = read_resolv(run, &in);
	if (r == 0)
		r = make_uuids(run, err);
	if (r < 0)
		return r;
	return appspec_compile(&in, &run->arena, &run->spec, err);
}

int run_copy_layer(struct run *run, struct dyno_err *err)
{
	const uint32_t host_uid = run->base + run->uid;
	const struct scratch_want want = {
		.kind = DYNO_SCRATCH_DISK,
		.plain = true,
		/* No app's name begins with "+": gc can tell it from the dyno's own scratch. */
		.name = arena_fmt(&run->arena, SCRATCH_COPY "%s", run->leaf_name),
	};
	_cleanup_close_ int from = -EBADF;
	_cleanup_close_ int to = -EBADF;
	int r;

	if (!want.name)
		return err_set(err, ERR_MEMORY, ENOMEM, "name the copy of a layer");
	r = scratch_make(run->store, &want, &run->arena, &run->copy, err);
	if (r < 0)
		return r;
	from = openat(run->app_layer.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = open(run->copy.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || to < 0)
		return err_set(err, ERR_SCRATCH, errno, "open the copy of a layer");
	r = copytree(from, to, host_uid, host_uid, err);
	if (r < 0)
		return r;
	close_fdp(&run->copy_fd);
	run->copy_fd = take_fd(&to);
	run->app_layer.path = run->copy.path;
	run->app_layer.fd = run->copy_fd;
	run->app_layer.owner = SPEC_OWNER_HOST;
	return run_make_spec(run, err);
}
