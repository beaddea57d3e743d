/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/lost.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "base/timetext.h"
#include "engine/record.h"
#include "engine/scratch.h"
#include "engine/statefile.h"
#include "kernel/cgroup.h"
#include "model/supervise.h"

/* How often a control group is looked at until it is empty. */
#define LOOK_MS 2

/**
 * struct grave - one place that is being cleared.
 * @store: NULL: it cannot be opened
 * @tag: of the run directory
 * @facts: what the monitor last knew; only with @known
 * @until_ms: when processes are no longer waited for
 */
struct grave {
	struct dyno_host *host;
	struct state *state;
	struct store *store;
	char tag[STATE_TAG_BYTES];
	struct cgroup_host cgroups;
	struct arena arena;
	struct dyno_facts facts;
	bool known;
	uint64_t until_ms;
};

/* ---- processes ------------------------------------------------------------------------------ */

/* Whether a name is that of one of the dyno's starts. */
static bool is_of(const struct grave *g, const char *leaf)
{
	char app[STATE_NAME_BYTES];
	char dyno[STATE_NAME_BYTES];

	return state_leaf_split(leaf, g->tag, app, dyno) == 0 && str_eq(app, g->state->app) &&
	       str_eq(dyno, g->state->dyno);
}

/*
 * Where the group cannot be killed as one, the death of the monitor has killed pid 1 (lifeline,
 * PDEATHSIG), and the kernel the rest.
 */
static int end_leaf(void *data, const char *name)
{
	struct grave *g = data;

	if (!is_of(g, name))
		return 0;
	(void)cgroup_leaf_kill(&g->cgroups, name); /* as above */
	while (cgroup_leaf_empty(&g->cgroups, name) == 0) {
		if (clock_ms() >= g->until_ms)
			return 0;	      /* gc meets it again */
		(void)poll(NULL, 0, LOOK_MS); /* a signal only makes it shorter */
	}
	(void)cgroup_leaf_remove(&g->cgroups, name); /* gc meets what stays */
	return 0;
}

/* A number may be another's by now: it is waited for only where it is an init of ours. */
static bool is_init(int pid)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int fd = -EBADF;
	char path[32];
	char *name;

	str_fmt(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && fd_read_all(fd, 64, &arena, &name, NULL) == 0 &&
	       str_eq(name, "dyno-init\n");
}

/* Where there are no control groups. */
static void wait_init(const struct grave *g)
{
	_cleanup_close_ int fd = -EBADF;
	uint64_t now = clock_ms();

	if (!g->known || g->facts.info.init_pid <= 0 || now >= g->until_ms)
		return;
	fd = pidfd_open(g->facts.info.init_pid, 0);
	if (fd < 0 || !is_init(g->facts.info.init_pid))
		return;
	(void)poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, (int)(g->until_ms - now));
}

/* Return: whether our groups may be in another place too. What fails is met again by gc, which
 * reports it. */
static bool end_leaves(struct grave *g, unsigned int where)
{
	const unsigned int extra = CGROUP_HAS_EXTRA | CGROUP_AS_IT_IS | where;
	bool given;

	if (cgroup_host_open_with(CGROUP_ROOT, extra, &g->cgroups, NULL) < 0)
		return false;
	given = g->cgroups.given;
	(void)cgroup_each_leaf(&g->cgroups, "", end_leaf, g);
	cgroup_host_done(&g->cgroups);
	return given;
}

static void end_processes(struct grave *g)
{
	g->until_ms = clock_ms() + LOST_WAIT_MS;
	if (end_leaves(g, 0))
		(void)end_leaves(g, CGROUP_AT_ROOT); /* one that a launcher elsewhere has made */
	wait_init(g);
}

static int remove_scratch(void *data, const char *name)
{
	struct grave *g = data;
	const char *leaf = str_starts(name, SCRATCH_COPY);

	if (is_of(g, leaf ? leaf : name))
		(void)scratch_remove_dead(g->store, name); /* gc meets what stays */
	return 0;
}

/* ---- the record ----------------------------------------------------------------------------- */

static bool is_ended(const struct dyno_info *info)
{
	int state = sup_state_find(info->state);

	return state == SUP_DOWN || state == SUP_COMPLETE || state == SUP_FAILED;
}

static bool is_running(const struct dyno_info *info)
{
	int state = sup_state_find(info->state);

	return state == SUP_STARTING || state == SUP_UP || state == SUP_STOPPING;
}

/* Whether a record tells of the same end: its monitor wrote it before it died, or somebody was
 * killed between the record and the removal of the place. */
static int is_told(void *data, const struct record *record)
{
	const struct grave *g = data;
	const struct dyno_facts *a = &g->facts;
	const struct dyno_facts *b = &record->facts;

	if (!str_eq(a->info.name, b->info.name) || a->info.monitor_pid != b->info.monitor_pid ||
	    a->monitor_start != b->monitor_start || !str_eq(a->boot_id, b->boot_id))
		return 0;
	if (b->info.reason && str_eq(b->info.reason, sup_reason_name(SUP_BY_SUPERVISOR_LOST)))
		return 1;
	return is_ended(&a->info) && record->gen == a->info.restarts + 1;
}

static struct record make_record(const struct grave *g)
{
	struct record record = {
		.facts = g->facts,
		.gen = g->facts.info.restarts + 1,
		.ended_us = time_now_us(),
		.manifest = "",
	};
	struct dyno_info *info = &record.facts.info;

	if (is_ended(info))
		return record; /* it ended well, and only its record is missing */
	if (is_running(info)) {
		info->exit_code = 128 + SIGKILL;
		info->signal = SIGKILL;
		if (g->facts.started_us > 0 && record.ended_us > g->facts.started_us)
			record.up_ms = (record.ended_us - g->facts.started_us) / 1000;
	}
	info->state = sup_state_name(SUP_CRASHED);
	info->reason = sup_reason_name(SUP_BY_SUPERVISOR_LOST);
	info->since_us = record.ended_us;
	info->next_try_us = 0;
	return record;
}

static void begin_event(const struct record *record, const char *event, struct sbuf *b)
{
	json_open(b, NULL, '{');
	json_u64(b, "schema", JSON_SCHEMA);
	json_str(b, "event", event);
	json_time(b, "time", record->ended_us);
	json_str(b, "app", record->facts.info.app);
	json_str(b, "dyno", record->facts.info.name);
}

static void end_event(const struct grave *g, struct sbuf *b)
{
	json_close(b, '}');
	if (sbuf_ok(b) == 0)
		(void)record_event(g->store, g->state->app, b->data, b->len); /* a history */
}

/* The events that its monitor would have told. */
static void tell(const struct grave *g, const struct record *record)
{
	_cleanup_sbuf_ struct sbuf ended = {0};
	_cleanup_sbuf_ struct sbuf changed = {0};
	const struct dyno_info *info = &record->facts.info;

	if (is_ended(&g->facts.info))
		return;
	if (is_running(&g->facts.info)) {
		begin_event(record, "exit", &ended);
		json_u64(&ended, "start", record->gen);
		json_u64(&ended, "exit_code", (uint64_t)info->exit_code);
		json_u64(&ended, "signal", (uint64_t)info->signal);
		json_str(&ended, "reason", info->reason);
		json_u64(&ended, "up_ms", record->up_ms);
		json_u64(&ended, "restarts", info->restarts);
		end_event(g, &ended);
	}
	begin_event(record, "state", &changed);
	json_str(&changed, "from", g->facts.info.state);
	json_str(&changed, "to", info->state);
	json_str(&changed, "reason", info->reason);
	end_event(g, &changed);
}

/* Return: 1: written; 0: there is one; -errno. */
static int keep_record(struct grave *g, struct dyno_err *err)
{
	struct record record;
	int r;

	/* Its end was recorded before its files were kept. */
	if (g->facts.info.kept)
		return 0;
	r = g->store ? 0 : host_store(g->host, &g->store, err);

	if (r < 0)
		return r;
	r = record_each(g->store, g->state->app, is_told, g, err);
	if (r)
		return r < 0 ? r : 0;
	record = make_record(g);
	r = record_add(g->store, &record, err);
	if (r < 0)
		return r;
	tell(g, &record);
	return 1;
}

/* ---- the place ------------------------------------------------------------------------------ */

static int empty_place(const struct state *state, struct dyno_err *err)
{
	struct dir dir = DIR_INIT;
	const char *name;
	int r = dir_open(state->dir_fd, ".", &dir);

	while (r == 0 && (name = dir_next_name(&dir)))
		r = path_remove_tree(dir.fd, name);
	dir_done(&dir);
	if (r < 0)
		return err_set(err, ERR_RUN_DIR, -r, "empty the directory of the dyno %s/%s",
			       state->app, state->dyno);
	return 0;
}

static int look(struct grave *g, struct dyno_err *err)
{
	struct dyno_err ignored;
	int r = state_tag(g->state->run_fd, g->tag);

	if (r < 0)
		return err_set(err, ERR_RUN_DIR, -r, "look at the run directory");
	if (host_store(g->host, &g->store, &ignored) < 0)
		g->store = NULL;
	r = statefile_read(g->state->dir_fd, &g->arena, &g->facts);
	if (r == -ENOMEM)
		return err_set(err, ERR_MEMORY, ENOMEM, "read the state of %s", g->state->dyno);
	g->known = r == 0;
	g->facts.info.app = g->state->app;
	g->facts.info.name = g->state->dyno;
	return 0;
}

static int bury(struct grave *g, bool must_keep, struct dyno_err *err)
{
	int kept = 0;
	int r = look(g, err);

	if (r < 0)
		return r;
	end_processes(g);
	if (g->store)
		(void)scratch_each(g->store, remove_scratch, g); /* gc meets what stays */
	if (g->known)
		kept = keep_record(g, must_keep ? err : NULL);
	if (kept < 0 && must_keep)
		return kept;
	r = empty_place(g->state, err);
	return r < 0 ? r : kept > 0;
}

int lost_bury(struct dyno_host *host, struct state *state, struct dyno_err *err)
{
	struct grave g = {.host = host, .state = state};
	int r = bury(&g, false, err);

	arena_done(&g.arena);
	return r;
}

int lost_collect_one(struct dyno_host *host, struct state *state, struct dyno_err *err)
{
	struct grave g = {.host = host, .state = state};
	int r = bury(&g, true, err);

	arena_done(&g.arena);
	return r;
}

/* ---- all of them ---------------------------------------------------------------------------- */

struct collect {
	struct dyno_host *host;
	int count;
	int failed;
	struct dyno_err *err;
};

static int collect_one(void *data, struct state *state)
{
	struct collect *c = data;
	int r = lost_collect_one(c->host, state, c->failed ? NULL : c->err);

	if (r < 0) {
		c->failed = c->failed ? c->failed : r;
		return 0;
	}
	state_release(state);
	c->count++;
	return 0;
}

int lost_collect(struct dyno_host *host, struct dyno_err *err)
{
	struct collect c = {.host = host, .err = err};
	_cleanup_close_ int lock_fd = -EBADF;
	int run_fd;
	int r;

	r = host_run_dir(host, &run_fd, err);
	if (r == 0)
		r = state_collect_begin(run_fd, &lock_fd, err);
	if (r == 0)
		r = state_each_dead(run_fd, collect_one, &c, err);
	if (r < 0)
		return r;
	return c.failed ? c.failed : c.count;
}
