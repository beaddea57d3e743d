/* SPDX-License-Identifier: Apache-2.0 */
#include "model/appspec.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/err.h"
#include "base/str.h"
#include "model/etcfile.h"
#include "model/scratchplan.h"

/* Names of the nodes beside the root. */
#define BESIDE_MASK	 "mask"
#define BESIDE_BOOT_ID	 "boot_id"
#define BESIDE_APP_UPPER "app-upper"
#define BESIDE_APP_WORK	 "app-work"

/* Source: contract 2.8 */
#define SHM_INODES 2048U

/* A tmpfs that is asked for holds so many files, be it ever so small. Source: own choice */
#define TMPFS_INODES_MIN 64U

/* Fixed parts of the mount list: see mounts_fixed and the ones for the app. */
#define MOUNTS_EXTRA 1U

void uuid_format(const uint8_t random[16], char buf[UUID_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;
	size_t o = 0;

	for (i = 0; i < 16; i++) {
		uint8_t b = random[i];

		if (i == 6)
			b = (uint8_t)((b & 0x0f) | 0x40); /* version 4: RFC 9562 5.4 */
		if (i == 8)
			b = (uint8_t)((b & 0x3f) | 0x80);
		if (i == 4 || i == 6 || i == 8 || i == 10)
			buf[o++] = '-';
		buf[o++] = digits[b >> 4];
		buf[o++] = digits[b & 0x0f];
	}
	buf[o] = '\0';
}

/* ---- files -------------------------------------------------------------------------------- */

/* Writes the text of one generated file. */
typedef void (*text_fn)(const struct appspec_input *in, struct sbuf *out);

static void text_passwd(const struct appspec_input *in, struct sbuf *out)
{
	etc_passwd(out, in->uid);
}

static void text_group(const struct appspec_input *in, struct sbuf *out)
{
	etc_group(out, in->uid);
}

static void text_hosts(const struct appspec_input *in, struct sbuf *out)
{
	etc_hosts(out, in->hostname, in->address);
	if (in->host_name)
		etc_hosts_add(out, in->host_name, in->host_address);
}

static void text_hostname(const struct appspec_input *in, struct sbuf *out)
{
	etc_hostname(out, in->hostname);
}

static void text_resolv(const struct appspec_input *in, struct sbuf *out)
{
	bool none = in->network == SPEC_NET_NONE;

	etc_resolv_conf(out, none ? NULL : in->resolv_conf, none ? 0 : in->resolv_len,
			in->network == SPEC_NET_HOST);
}

static void text_profile(const struct appspec_input *in, struct sbuf *out)
{
	etc_profile(out, limits_web_concurrency(in->limits));
}

static void text_bashrc(const struct appspec_input *in, struct sbuf *out)
{
	(void)in;
	etc_bashrc(out);
}

static void text_memory(const struct appspec_input *in, struct sbuf *out)
{
	etc_memory_limit(out, in->limits->memory_bytes);
}

static void text_memory_max(const struct appspec_input *in, struct sbuf *out)
{
	etc_cgroup_max(out, in->limits->memory_bytes);
}

static void text_pids_max(const struct appspec_input *in, struct sbuf *out)
{
	etc_cgroup_max(out, in->limits->pids);
}

static void text_cpu_max(const struct appspec_input *in, struct sbuf *out)
{
	etc_cpu_max(out, in->limits->cpu_quota_usec, SIZE_CPU_PERIOD_USEC);
}

static void text_boot_id(const struct appspec_input *in, struct sbuf *out)
{
	sbuf_addf(out, "%s\n", in->boot_id);
}

struct node_plan {
	const char *path;
	text_fn text; /* NULL: a directory */
	mode_t mode;
	enum spec_place place;
	bool own;
	bool only_directory; /* where the app is a directory of the caller */
};

/* Source: contract 2.4, 2.5, 2.9; parents first.  The names of v2 are where libuv and others look
 * that do not ask which trees are mounted. */
static const struct node_plan node_plans[] = {
	{"etc", NULL, 0755, SPEC_IN_ROOT, false, false},
	{"etc/passwd", text_passwd, 0444, SPEC_IN_ROOT, false, false},
	{"etc/group", text_group, 0444, SPEC_IN_ROOT, false, false},
	{"etc/hosts", text_hosts, 0444, SPEC_IN_ROOT, false, false},
	{"etc/hostname", text_hostname, 0444, SPEC_IN_ROOT, false, false},
	{"etc/resolv.conf", text_resolv, 0444, SPEC_IN_ROOT, false, false},
	{"etc/profile", text_profile, 0444, SPEC_IN_ROOT, false, false},
	{"etc/bash.bashrc", text_bashrc, 0444, SPEC_IN_ROOT, false, false},
	{"sys", NULL, 0555, SPEC_IN_ROOT, false, false},
	{"sys/fs", NULL, 0555, SPEC_IN_ROOT, false, false},
	{"sys/fs/cgroup", NULL, 0555, SPEC_IN_ROOT, false, false},
	{"sys/fs/cgroup/memory.max", text_memory_max, 0444, SPEC_IN_ROOT, false, false},
	{"sys/fs/cgroup/cpu.max", text_cpu_max, 0444, SPEC_IN_ROOT, false, false},
	{"sys/fs/cgroup/pids.max", text_pids_max, 0444, SPEC_IN_ROOT, false, false},
	{"sys/fs/cgroup/memory", NULL, 0555, SPEC_IN_ROOT, false, false},
	{"sys/fs/cgroup/memory/memory.limit_in_bytes", text_memory, 0444, SPEC_IN_ROOT, false,
	 false},
	{BESIDE_MASK, NULL, 0555, SPEC_BESIDE_ROOT, false, false},
	{BESIDE_BOOT_ID, text_boot_id, 0444, SPEC_BESIDE_ROOT, false, false},
	{BESIDE_APP_UPPER, NULL, 0755, SPEC_BESIDE_ROOT, true, true},
	{BESIDE_APP_WORK, NULL, 0755, SPEC_BESIDE_ROOT, false, true},
};

static int make_text(const struct appspec_input *in, text_fn text, struct arena *arena,
		     struct spec_node *node)
{
	_cleanup_sbuf_ struct sbuf buf = {0};

	text(in, &buf);
	if (sbuf_ok(&buf) < 0)
		return -ENOMEM;
	node->data = arena_memdup(arena, sbuf_str(&buf), buf.len);
	node->len = buf.len;
	return node->data ? 0 : -ENOMEM;
}

static int make_nodes(const struct appspec_input *in, struct arena *arena, struct dyno_spec *spec)
{
	struct spec_node *nodes = arena_calloc(arena, ARRAY_SIZE(node_plans), sizeof(*nodes));
	size_t n = 0;
	size_t i;

	if (!nodes)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(node_plans); i++) {
		const struct node_plan *p = &node_plans[i];

		if (p->only_directory && in->app_is_root)
			continue;
		nodes[n] = (struct spec_node){
			.path = p->path,
			.mode = p->mode,
			.place = p->place,
			.own = p->own,
		};
		if (p->text && make_text(in, p->text, arena, &nodes[n]) < 0)
			return -ENOMEM;
		n++;
	}
	spec->nodes = nodes;
	spec->n_nodes = n;
	return 0;
}

/* ---- mounts ------------------------------------------------------------------------------- */

/* Source: contract 2.7, 2.8, 2.9 */
static const struct spec_mount mounts_fixed[] = {
	{.kind = SPEC_MOUNT_PROC, .target = "proc"},
	{.kind = SPEC_MOUNT_DEV, .target = "dev"},
	{.kind = SPEC_MOUNT_DEVPTS, .target = "dev/pts"},
	{.kind = SPEC_MOUNT_TMPFS, .target = "dev/shm", .inodes = SHM_INODES, .mode = 0700},
	{.kind = SPEC_MOUNT_MASK_FILE, .target = "proc/kcore"},
	{.kind = SPEC_MOUNT_MASK_FILE, .target = "proc/timer_list"},
	{.kind = SPEC_MOUNT_MASK_DIR, .target = "proc/scsi", .source = BESIDE_MASK},
	/* Anybody may have the kernel watch it for him, without end and at nobody's cost. */
	{.kind = SPEC_MOUNT_MASK_DIR, .target = "proc/pressure", .source = BESIDE_MASK},
	{.kind = SPEC_MOUNT_FILE,
	 .target = "proc/sys/kernel/random/boot_id",
	 .source = BESIDE_BOOT_ID},
};

static struct spec_mount asked_mount(const struct mountplan *plan)
{
	static const enum spec_mount_kind kinds[] = {
		[MOUNTPLAN_WRITABLE] = SPEC_MOUNT_AGAIN,
		[MOUNTPLAN_TMPFS] = SPEC_MOUNT_TMPFS,
		[MOUNTPLAN_HOST] = SPEC_MOUNT_HOST,
	};
	struct spec_mount m = {
		.kind = kinds[plan->kind],
		.target = plan->target,
		.source = plan->source,
		.layer = plan->layer,
		.make = !plan->below_host,
		.asked = true,
		.file = plan->file,
		.writable = plan->writable,
		.bytes = plan->bytes,
		.inodes = plan->inodes,
		.mode = 0755,
	};

	if (plan->kind == MOUNTPLAN_TMPFS && !m.inodes)
		m.inodes = MAX_OF(m.bytes / SCRATCH_INODE_BYTES, TMPFS_INODES_MIN);
	return m;
}

/* What the dyno itself has at or below a path, or above it; NULL: nothing. */
static const char *own_thing(const char *target)
{
	static const char *const tops[] = {"proc", "sys", "dev"}; /* and all below */
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tops); i++)
		if (mountplan_holds(tops[i], target))
			return tops[i];
	for (i = 0; i < ARRAY_SIZE(node_plans); i++)
		if (node_plans[i].place == SPEC_IN_ROOT &&
		    mountplan_holds(target, node_plans[i].path))
			return node_plans[i].path;
	return NULL;
}

int appspec_check_mounts(const struct mountplans *mounts, struct dyno_err *err)
{
	size_t n_host = 0;
	size_t i;

	for (i = 0; i < mounts->n; i++) {
		const struct mountplan *plan = &mounts->items[i];
		const char *own = own_thing(plan->target);

		if (own) {
			err_set(err, ERR_MOUNT_INVALID, 0, "mount at /%s: /%s is of dyno's making",
				plan->target, own);
			err_hint(err, "choose another path inside");
			return -EINVAL;
		}
		n_host += plan->kind == MOUNTPLAN_HOST;
	}
	if (n_host > SPEC_MAX_HOST)
		return err_set(err, ERR_MOUNT_INVALID, E2BIG,
			       "mount %zu files and directories of the host, %u are the most",
			       n_host, SPEC_MAX_HOST);
	return 0;
}

static int make_mounts(const struct appspec_input *in, struct arena *arena, struct dyno_spec *spec,
		       struct dyno_err *err)
{
	size_t n_asked = in->mounts ? in->mounts->n : 0;
	size_t room = ARRAY_SIZE(mounts_fixed) + in->n_binds + MOUNTS_EXTRA + n_asked;
	struct spec_mount *m = arena_calloc(arena, room, sizeof(*m));
	size_t n = 0;
	size_t i;

	if (in->n_binds > APPSPEC_MAX_BINDS)
		return err_set(err, ERR_STACK, E2BIG, "bind %zu directories of a stack",
			       in->n_binds);
	if (!m)
		return err_set(err, ERR_MEMORY, ENOMEM, "plan the mounts");
	for (i = 0; i < in->n_binds; i++)
		m[n++] = (struct spec_mount){.kind = in->private_stack ? SPEC_MOUNT_APART
								       : SPEC_MOUNT_BIND,
					     .target = in->binds[i] + 1,
					     .source = in->binds[i]};
	for (i = 0; i < ARRAY_SIZE(mounts_fixed); i++) {
		m[n] = mounts_fixed[i];
		/* The one whose room is a setting. */
		if (m[n].kind == SPEC_MOUNT_TMPFS)
			m[n].bytes = in->limits->shm_bytes;
		n++;
	}
	if (!in->app_is_root)
		m[n++] = (struct spec_mount){.kind = SPEC_MOUNT_OVERLAY,
					     .target = "app",
					     .source = BESIDE_APP_UPPER ":" BESIDE_APP_WORK,
					     .layer = in->app};
	for (i = 0; i < n_asked; i++)
		m[n++] = asked_mount(&in->mounts->items[i]);
	spec->mounts = m;
	spec->n_mounts = n;
	return 0;
}

/* ---- the rest ----------------------------------------------------------------------------- */

static int make_rlimits(const struct appspec_input *in, struct arena *arena, struct dyno_spec *spec)
{
	struct spec_rlimit *lim = arena_calloc(arena, 3, sizeof(*lim));
	size_t n = 0;

	if (!lim)
		return -ENOMEM;
	/* No core file is that small, and none is piped to a program of the host, as with 0 it would
	 * be. Source: core(5); coredump_pipe() in fs/coredump.c of the kernel */
	lim[n++] = (struct spec_rlimit){.resource = RLIMIT_CORE, .value = 1};
	lim[n++] = (struct spec_rlimit){.resource = RLIMIT_NOFILE, .value = in->limits->nofile};
	/* Source: contract 3.13: tools read the size from it */
	if (in->limits->pids)
		lim[n++] =
			(struct spec_rlimit){.resource = RLIMIT_NPROC, .value = in->limits->pids};
	spec->process.rlimits = lim;
	spec->process.n_rlimits = n;
	return 0;
}

static void make_limits(const struct appspec_input *in, struct spec_limits *lim)
{
	const struct limits *l = in->limits;

	/* Without swap a limit at the quota would kill what R14 only reports (contract 11.1). */
	lim->memory_bytes = in->swap ? l->memory_bytes : l->hard_bytes;
	lim->memory_swap_bytes = l->hard_bytes;
	lim->pids = l->pids;
	lim->cpu_shares = l->cpu_shares;
	lim->cpu_quota_usec = l->cpu_quota_usec;
	lim->cpu_period_usec = l->cpu_quota_usec ? SIZE_CPU_PERIOD_USEC : 0;
	lim->io_weight = l->io_weight;
	lim->io = l->io;
	lim->n_io = l->n_io;
	lim->cpuset = l->cpuset;
}

static void make_root(const struct appspec_input *in, struct spec_root *root)
{
	size_t n = 0;

	if (in->app_is_root)
		root->layers[n++] = in->app;
	root->layers[n++] = in->stack;
	root->n_layers = n;
	root->upper = in->scratch_mounted ? SPEC_UPPER_MOUNT
		      : in->scratch_path  ? SPEC_UPPER_DISK
					  : SPEC_UPPER_TMPFS;
	root->upper_path = in->scratch_path;
	root->upper_fd = in->scratch_mounted ? in->scratch_fd : -1;
	root->read_only = in->mounts && in->mounts->read_only;
	root->upper_bytes = in->scratch_bytes;
	root->upper_inodes = in->scratch_inodes;
}

int appspec_compile(const struct appspec_input *in, struct arena *arena, struct dyno_spec *ret,
		    struct dyno_err *err)
{
	struct dyno_spec spec = {
		.hostname = in->hostname,
		.process = {.argv = in->argv,
			    .envp = in->envp,
			    .cwd = "/app", /* Source: contract 2.10 */
			    .uid = in->uid,
			    .gid = in->uid, /* Source: contract 1.10 */
			    .umask = 022,
			    .affinity = in->affinity},
		.network = in->network,
		.seccomp = !in->unconfined,
		.filter = in->filter,
		.n_filter = in->n_filter,
	};
	int r;

	make_root(in, &spec.root);
	make_limits(in, &spec.limits);
	if (make_rlimits(in, arena, &spec) < 0 || make_nodes(in, arena, &spec) < 0)
		return err_set(err, ERR_MEMORY, ENOMEM, "plan the dyno");
	r = make_mounts(in, arena, &spec, err);
	if (r < 0)
		return r;
	*ret = spec;
	return 0;
}
