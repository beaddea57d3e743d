/* SPDX-License-Identifier: Apache-2.0 */
/* facts.c - what is told of a dyno. */
#include "cli/facts.h"

#include "base/json.h"

struct dyno_outcome facts_outcome(const struct dyno_info *info)
{
	struct dyno_outcome out = {
		.exit_code = info->exit_code,
		.signal = info->signal,
		.reason = info->reason,
	};

	return out;
}

static void json_positive(struct sbuf *b, const char *name, int value)
{
	if (value > 0)
		json_u64(b, name, (uint64_t)value);
	else
		json_unknown(b, name);
}

static void json_known_time(struct sbuf *b, const char *name, uint64_t us)
{
	if (us)
		json_time(b, name, us);
	else
		json_unknown(b, name);
}

void facts_json(struct sbuf *b, const struct dyno_info *info)
{
	json_str(b, "name", info->name);
	json_str(b, "app", info->app);
	json_str(b, "type", info->type);
	json_str(b, "state", info->state);
	json_bool(b, "kept", info->kept);
	json_positive(b, "pid", info->pid);
	json_positive(b, "init_pid", info->init_pid);
	json_positive(b, "monitor_pid", info->monitor_pid);
	json_positive(b, "port", info->port);
	json_str(b, "address", info->address);
	json_str(b, "address6", info->address6);
	json_str(b, "published", info->published);
	json_u64(b, "restarts", info->restarts);
	json_known_time(b, "since", info->since_us);
	if (info->exit_code >= 0)
		json_u64(b, "exit_code", (uint64_t)info->exit_code);
	else
		json_unknown(b, "exit_code");
	json_positive(b, "signal", info->signal);
	json_str(b, "reason", info->reason);
	json_str(b, "detail", info->detail);
	json_known_time(b, "next_try", info->next_try_us);
}

void facts_end_json(struct sbuf *b, const struct dyno_outcome *out)
{
	if (out && out->exit_code >= 0)
		json_u64(b, "exit_code", (uint64_t)out->exit_code);
	else
		json_unknown(b, "exit_code");
	json_positive(b, "signal", out ? out->signal : 0);
	json_str(b, "reason", out ? out->reason : NULL);
}

void facts_outcome_json(struct sbuf *b, const struct dyno_info *info,
			const struct dyno_outcome *out)
{
	json_begin(b);
	json_str(b, "app", info->app);
	json_str(b, "name", info->name);
	facts_end_json(b, out);
	json_end(b);
}
