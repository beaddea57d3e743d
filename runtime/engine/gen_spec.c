/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gen_spec.c - the root of a start: which layers, whose files, what /etc says.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "engine/generation.h"
#include "kernel/slot.h"
#include "model/etcfile.h"
#include "model/uidrange.h"
#include "rootfs/copytree.h"

/* The host's resolv.conf; more than any resolver reads. Source: own choice */
#define RESOLV_MAX_BYTES 65536U

static int make_uuids(struct generation *gen, struct dyno_err *err)
{
	uint8_t random[32];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_set(err, ERR_IO, errno, "read random bytes");
	uuid_format(random, gen->hostname);
	uuid_format(random + 16, gen->boot_id);
	return 0;
}

/* The user inside: the tree's owner, so that no file has to change hands. */
static void choose_uid(struct generation *gen)
{
	const struct store_entry *e = &gen->app->entry;

	gen->app_layer.owner = SPEC_OWNER_SAME;
	gen->uid = e->uid;
	if (e->kind == STORE_SLUG)
		return;
	if (e->uid >= UID_APP_FIRST && e->uid <= UID_APP_LAST && !gen->app->rootless)
		return;
	gen->uid = UID_APP_FIRST + (uint32_t)slot_random(UID_APP_LAST - UID_APP_FIRST + 1);
	if (!gen->app->rootless)
		gen->app_layer.owner = e->owner_uid;
}

static int find_app_layer(struct generation *gen, struct dyno_err *err)
{
	const struct store_entry *e = &gen->app->entry;

	gen->app_layer.owned = true;
	gen->app_layer.fd = gen->app->slug.layer_fd;
	gen->app_layer.path = gen->app->opts->slug;
	choose_uid(gen);
	if (e->kind == STORE_DIRECTORY)
		return 0;
	/* "sha256:<hex>" is the directory sha256-<hex> */
	gen->app_layer.path = arena_fmt(&gen->arena, "%s/slugs/sha256-%s/" STORE_TREE,
					gen->app->store->data_dir, e->digest + STRLEN("sha256:"));
	return gen->app_layer.path ? 0 : err_set(err, ERR_MEMORY, ENOMEM, "name the layer");
}

static bool has_swap(void)
{
	struct sysinfo info;

	return sysinfo(&info) == 0 && info.totalswap > 0;
}

static void read_resolver_file(struct generation *gen, const char *path, struct appspec_input *in)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text;
	size_t len;

	if (fd < 0 || fd_read_all(fd, RESOLV_MAX_BYTES, &gen->arena, &text, &len) < 0)
		return; /* a host without a resolver: so has the dyno */
	in->resolv_conf = text;
	in->resolv_len = len;
}

/* pasta can ask a resolver on the host's loopback in the dyno's place: that asks the gateway. */
static int forward_names(struct generation *gen, struct appspec_input *in)
{
	char *text;

	if (!gen->network.by_pasta || !etc_resolv_on_loopback(in->resolv_conf, in->resolv_len))
		return 0;
	text = arena_fmt(&gen->arena, "nameserver %s\n%.*s", gen->network.gateway_text,
			 (int)in->resolv_len, in->resolv_conf);
	if (!text)
		return -ENOMEM;
	gen->network.plan.names = true;
	in->resolv_conf = text;
	in->resolv_len = strlen(text);
	return 0;
}

/*
 * A resolver on the host's loopback is not heard in another network.  Where it is systemd's, the
 * servers that it asks itself stand in a file of its own.
 */
static int read_resolv(struct generation *gen, struct appspec_input *in, struct dyno_err *err)
{
	if (gen->app->network == DYNO_NET_NONE)
		return 0;
	read_resolver_file(gen, "/etc/resolv.conf", in);
	if (!app_is_private(gen->app))
		return 0;
	if (!etc_resolv_reachable(in->resolv_conf, in->resolv_len))
		read_resolver_file(gen, "/run/systemd/resolve/resolv.conf", in);
	if (!etc_resolv_reachable(in->resolv_conf, in->resolv_len) && forward_names(gen, in) < 0)
		return err_set(err, ERR_MEMORY, ENOMEM, "name a resolver");
	gen->no_resolver = !etc_resolv_reachable(in->resolv_conf, in->resolv_len);
	return 0;
}

/* Under what name and address the dyno finds itself and its host. */
static void name_addresses(struct generation *gen, struct appspec_input *in)
{
	if (app_is_private(gen->app)) {
		in->network = SPEC_NET_PRIVATE;
		in->address = gen->network.text;
		in->host_address = gen->network.host_text[0] ? gen->network.host_text : NULL;
	} else if (gen->app->network == DYNO_NET_HOST) {
		in->network = SPEC_NET_HOST;
		in->host_address = "127.0.0.1";
	} else {
		in->network = SPEC_NET_NONE;
	}
	in->host_name = in->host_address ? NETWORK_HOST_NAME : NULL;
}

/*
 * The CPUs it is bound to.  Dynos of one size begin one behind the other, by the number of their
 * range of ids, so that they spread over the host.
 */
static void choose_cpus(const struct generation *gen, struct cpulist *ret)
{
	const struct limits *l = &gen->app->limits;
	uint32_t n = limits_cpus(l);
	uint64_t slot = gen->app->rootless ? slot_random(CPULIST_MAX) : gen->base / IDS_PER_SLOT;

	*ret = l->cpuset;
	if (cpulist_count(ret) == 0 && l->cpu_view == LIMITS_VIEW_QUOTA && n > 0)
		cpulist_pick(&gen->app->cpus, n, slot * n, ret);
}

int gen_make_spec(struct generation *gen, struct dyno_err *err)
{
	const char *binds[STACK_BINDS_MAX];
	struct appspec_input in = {
		.hostname = gen->hostname,
		.boot_id = gen->boot_id,
		.argv = gen->app->command.argv,
		.envp = gen->envp,
		.limits = &gen->app->limits,
		.app_is_root = gen->app->entry.kind == STORE_SLUG,
		.swap = has_swap(),
		.scratch_path = gen->scratch.path,
		.scratch_mounted = gen->scratch.mount_fd >= 0,
		.scratch_fd = gen->scratch.mount_fd,
		.scratch_bytes = gen->scratch.bytes,
		.scratch_inodes = gen->scratch.inodes,
		.mounts = &gen->app->mounts,
		.private_stack = gen->app->opts->private_stack,
		.unconfined = gen->app->filter.unconfined,
		.filter = gen->app->filter.code,
		.n_filter = gen->app->filter.len,
	};
	size_t i;
	int r;

	choose_cpus(gen, &in.affinity);
	if (!gen->app_layer.path) {
		r = find_app_layer(gen, err);
		if (r < 0)
			return r;
	}
	in.app = gen->app_layer;
	in.uid = gen->uid;
	in.stack.fd = gen->app->stack.root_fd;
	in.stack.owner = SPEC_OWNER_SAME;
	in.stack.path = arena_fmt(&gen->arena, "%s/stacks/%s/root", gen->app->store->data_dir,
				  gen->app->stack.name);
	if (!in.stack.path)
		return err_set(err, ERR_MEMORY, ENOMEM, "name the stack");
	for (i = 0; i < gen->app->stack.n_binds; i++)
		binds[i] = gen->app->stack.binds[i].path;
	in.binds = binds;
	in.n_binds = gen->app->stack.n_binds;
	r = read_resolv(gen, &in, err);
	if (r < 0)
		return r;
	name_addresses(gen, &in);
	r = make_uuids(gen, err);
	if (r < 0)
		return r;
	return appspec_compile(&in, &gen->arena, &gen->spec, err);
}

int gen_copy_layer(struct generation *gen, struct dyno_err *err)
{
	const uint32_t host_uid = gen->base + gen->uid;
	const struct scratch_want want = {
		.plain = true,
		/* No app's name begins with "+": gc can tell it from the dyno's own scratch. */
		.name = arena_fmt(&gen->arena, SCRATCH_COPY "%s", gen->leaf_name),
	};
	_cleanup_close_ int from = -EBADF;
	_cleanup_close_ int to = -EBADF;
	int r;

	if (!want.name)
		return err_set(err, ERR_MEMORY, ENOMEM, "name the copy of a layer");
	r = scratch_make(gen->app->store, &want, &gen->arena, &gen->copy, err);
	if (r < 0)
		return r;
	from = openat(gen->app_layer.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = open(gen->copy.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || to < 0)
		return err_set(err, ERR_SCRATCH, errno, "open the copy of a layer");
	r = copytree(from, to, host_uid, host_uid, err);
	if (r < 0)
		return r;
	close_fdp(&gen->copy_fd);
	gen->copy_fd = take_fd(&to);
	gen->app_layer.path = gen->copy.path;
	gen->app_layer.fd = gen->copy_fd;
	gen->app_layer.owner = SPEC_OWNER_HOST;
	return gen_make_spec(gen, err);
}
