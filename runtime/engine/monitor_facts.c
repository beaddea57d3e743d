/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_facts.c - what a monitor knows now: state.json for those who list, and all of it for who
 * asks.
 */
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/signame.h"
#include "base/str.h"
#include "base/timetext.h"
#include "engine/mainpid.h"
#include "engine/monitor_internal.h"

/* The time of day of a moment of the clock that deadlines are kept in. */
static uint64_t time_of(uint64_t at_ms)
{
	uint64_t now_ms = clock_ms();
	uint64_t now_us = time_now_us();

	if (at_ms == SUP_NEVER)
		return 0;
	return at_ms >= now_ms ? now_us + (at_ms - now_ms) * 1000
			       : now_us - (now_ms - at_ms) * 1000;
}

static void fill_front(struct monitor *m, struct dyno_facts *f)
{
	const struct slot *slot = mon_front(m);

	if (!slot || !m->sup.front.live)
		return;
	f->info.init_pid = slot->gen.launch.pid;
	f->info.port = slot->gen.port;
	net_facts(slot, &f->info);
	f->started_us = slot->launched_us;
}

/* When it is told first, which is beside the command: no start waits for it. */
static void find_identity(struct monitor *m)
{
	if (m->start_time)
		return;
	statefile_boot_id(m->boot_id);
	m->start_time = statefile_start_time(getpid());
}

void tell_facts(struct monitor *m, struct dyno_facts *ret)
{
	find_identity(m);
	*ret = (struct dyno_facts){
		.info = {.app = m->app->name,
			 .name = m->app->place.dyno,
			 .type = m->app->command.type,
			 .state = sup_state_name(m->sup.front.state),
			 .live = 1,
			 .oneoff = m->sup.policy.oneoff,
			 .kept = m->holding,
			 .monitor_pid = getpid(),
			 .address = m->app->network == DYNO_NET_HOST ? "127.0.0.1" : NULL,
			 .published = m->published,
			 .start = m->sup.front.id,
			 .swapping = sup_swapping(&m->sup),
			 .restarts = sup_restarts(&m->sup),
			 .crashes = m->sup.tally,
			 .since_us = time_of(m->sup.front.since_ms),
			 .exit_code = m->have_last ? m->last.exit_code : -1,
			 .signal = m->have_last ? m->last.signal : 0,
			 .reason = m->have_last ? m->last.reason : NULL,
			 .detail = m->have_last && m->last.detail[0] ? m->last.detail : NULL,
			 .next_try_us = time_of(m->sup.backoff_at_ms),
			 .slug = m->app->opts->slug,
			 .command = m->app->command.text},
		.monitor_start = m->start_time,
	};
	str_fmt(ret->boot_id, sizeof(ret->boot_id), "%s", m->boot_id);
	fill_front(m, ret);
}

void tell_state_file(struct monitor *m)
{
	struct dyno_facts facts;

	tell_facts(m, &facts);
	(void)statefile_write(m->app->place.dir_fd, &facts); /* a hint only */
}

void tell_now(struct monitor *m, struct sbuf *b)
{
	_cleanup_sbuf_ struct sbuf state = {0};
	struct dyno_facts facts;

	tell_facts(m, &facts);
	statefile_format(&facts, &state);
	json_open(b, NULL, '{');
	json_str(b, "event", "now");
	json_time(b, "time", time_now_us());
	json_str(b, "dyno", m->app->place.dyno);
	/* The members of the state stand beside these; schema and app are among them, and a key that
	 * stands twice is refused by readers. */
	if (state.len > 2) {
		sbuf_addc(b, ',');
		sbuf_add(b, state.data + 1, state.len - 2);
	}
	json_close(b, '}');
}

static void inspect_generation(const struct slot *slot, struct sbuf *b)
{
	const struct generation *gen = &slot->gen;

	json_open(b, NULL, '{');
	json_u64(b, "start", gen->id);
	json_u64(b, "init_pid", (uint64_t)gen->launch.pid);
	tell_port(b, gen->port);
	json_u64(b, "uid", gen->uid);
	json_u64(b, "host_uid", gen->app->rootless ? geteuid() : gen->base + gen->uid);
	json_str(b, "hostname", gen->hostname);
	json_str(b, "control_group", gen->launch.leaf.kind == CGROUP_NONE ? NULL : gen->leaf_name);
	json_str(b, "scratch",
		 gen->scratch.path	  ? gen->scratch.path
		 : gen->scratch_plan.disk ? "image"
					  : "tmpfs");
	json_str(b, "scratch_limit", scratch_limit_name(gen->scratch.limit));
	json_str(b, "scratch_why", gen->scratch_plan.why);
	if (gen->scratch.limit != SCRATCH_UNLIMITED) {
		json_u64(b, "scratch_bytes", gen->scratch.bytes);
		json_u64(b, "scratch_inodes", gen->scratch.inodes);
	}
	json_bool(b, "layer_copied", gen->copy.path != NULL);
	json_u64(b, "memory_bytes", gen->spec.limits.memory_bytes);
	json_u64(b, "processes", gen->spec.limits.pids);
	net_inspect(slot, b);
	mem_inspect(slot, b);
	tell_limits(slot, b);
	json_time(b, "launched", slot->launched_us);
	json_close(b, '}');
}

static void inspect_policy(const struct monitor *m, struct sbuf *b)
{
	const struct sup_policy *p = &m->sup.policy;
	char signal_name[SIGNAME_BYTES];
	size_t i;

	json_open(b, "policy", '{');
	json_str(b, "restart",
		 p->oneoff || p->restart == SUP_RESTART_NEVER ? "never"
		 : p->restart == SUP_RESTART_ALWAYS	      ? "always"
							      : "on-failure");
	json_str(b, "exit_0", p->exit_0 == SUP_EXIT_0_CRASH ? "crash" : "complete");
	json_str(b, "restart_order", p->order == SUP_STRICT ? "strict" : "overlap");
	json_u64(b, "boot_timeout_ms", p->boot_timeout_ms);
	json_u64(b, "grace_ms", p->grace_ms);
	json_u64(b, "cycle_ms", p->cycle_ms);
	json_u64(b, "cycle_spread_ms", p->cycle_spread_ms);
	json_str(b, "stop_signal", signame_text(m->app->stop_signal, signal_name));
	json_str(b, "stop_scope", m->app->opts->stop_scope ? m->app->opts->stop_scope : "all");
	json_str(b, "health", m->app->opts->health);
	json_open(b, "backoff_ms", '[');
	for (i = 0; i < p->backoff.n; i++)
		json_u64(b, NULL, p->backoff.step_ms[i]);
	json_close(b, ']');
	json_close(b, '}');
}

static void json_pid(struct sbuf *b, const char *name, int pid)
{
	if (pid > 0)
		json_u64(b, name, (uint64_t)pid);
	else
		json_unknown(b, name);
}

static void json_moment(struct sbuf *b, const char *name, uint64_t us)
{
	if (us)
		json_time(b, name, us);
	else
		json_unknown(b, name);
}

/* The members of `dyno ps --json`, by the same names. */
static void inspect_facts(struct monitor *m, struct sbuf *b)
{
	struct dyno_facts facts;
	const struct dyno_info *info = &facts.info;

	tell_facts(m, &facts);
	json_str(b, "name", info->name);
	json_str(b, "app", info->app);
	json_str(b, "type", info->type);
	json_str(b, "state", info->state);
	json_pid(b, "pid", mainpid_of(info->init_pid));
	json_pid(b, "init_pid", info->init_pid);
	json_pid(b, "monitor_pid", info->monitor_pid);
	tell_port(b, info->port);
	json_str(b, "address", info->address);
	json_str(b, "address6", info->address6);
	json_u64(b, "restarts", info->restarts);
	json_u64(b, "crashes", info->crashes);
	json_moment(b, "since", info->since_us);
	if (info->exit_code >= 0)
		json_u64(b, "exit_code", (uint64_t)info->exit_code);
	else
		json_unknown(b, "exit_code");
	if (info->signal)
		json_u64(b, "signal", (uint64_t)info->signal);
	else
		json_unknown(b, "signal");
	json_str(b, "reason", info->reason);
	json_str(b, "detail", info->detail);
	json_moment(b, "next_try", info->next_try_us);
	json_str(b, "slug", info->slug);
	json_str(b, "command", info->command);
}

void tell_inspect(struct monitor *m, struct sbuf *b)
{
	size_t i;

	json_open(b, NULL, '{');
	json_u64(b, "schema", JSON_SCHEMA);
	inspect_facts(m, b);
	json_str(b, "stack", m->app->stack.name);
	json_str(b, "digest", m->app->entry.digest[0] ? m->app->entry.digest : NULL);
	json_str(b, "network", net_word(m));
	if (m->app->no_network)
		json_str(b, "no_network", m->app->no_network);
	json_str(b, "seccomp", m->app->opts->seccomp ? m->app->opts->seccomp : "default");
	json_bool(b, "seccomp_log", m->app->opts->seccomp_log);
	json_bool(b, "rootless", m->app->rootless);
	json_bool(b, "supervised", m->plan->supervised);
	publish_json(m, b);
	inspect_policy(m, b);
	json_open(b, "starts", '[');
	for (i = 0; i < ARRAY_SIZE(m->slots); i++)
		if (m->slots[i].used && !sup_awaits(&m->sup))
			inspect_generation(&m->slots[i], b);
	json_close(b, ']');
	json_close(b, '}');
}
