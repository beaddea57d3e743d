/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_tell.c - what a monitor says as it happens: the platform's lines, events for programs, and one
 * exit record a generation.
 */
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/timetext.h"
#include "engine/monitor_internal.h"
#include "engine/receipt.h"
#include "engine/record.h"

/* ---- events --------------------------------------------------------------------------------- */

/* The description behind the caller's descriptor is his: it is not made non-blocking, so only as
 * much is written as a pipe takes at once. */
static void write_events(int fd, const char *json, size_t len)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	char line[PIPE_BUF];

	if (len + 1 > sizeof(line) || poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		return; /* a reader that is slow or gone misses it; the records have it */
	memcpy(line, json, len);
	line[len] = '\n';
	if (write(fd, line, len + 1) < 0)
		return; /* as above */
}

static bool is_heard(const struct monitor *m)
{
	size_t i;

	if (m->plan->supervised || m->app->opts->events_fd > 0)
		return true;
	for (i = 0; i < ARRAY_SIZE(m->ctl.clients); i++)
		if (m->ctl.clients[i].fd >= 0 && m->ctl.clients[i].watches)
			return true;
	return false;
}

static void begin(const struct monitor *m, struct sbuf *b, const char *event)
{
	json_open(b, NULL, '{');
	json_u64(b, "schema", JSON_SCHEMA);
	json_str(b, "event", event);
	json_time(b, "time", time_now_us());
	json_str(b, "app", m->app->name);
	json_str(b, "dyno", m->app->place.dyno);
}

static void end(struct monitor *m, struct sbuf *b)
{
	json_close(b, '}');
	if (sbuf_ok(b) < 0)
		return; /* without memory nobody can be told */
	ctl_event(&m->ctl, b->data, b->len);
	if (m->app->opts->events_fd > 0)
		write_events(m->app->opts->events_fd, b->data, b->len);
	if (m->plan->supervised)
		(void)record_event(m->app->store, m->app->name, b->data, b->len); /* a history */
}

/* ---- lines ---------------------------------------------------------------------------------- */

void tell_log(struct monitor *m, const char *text)
{
	const char *dyno = m->app->place.dyno;

	if (m->plan->supervised)
		(void)sink_line(m->plan->sink, m->app->log_source, dyno, text, strlen(text));
	else if (m->plan->log)
		m->plan->log(m->plan->log_data, m->app->log_source, dyno, text);
}

void tell_line(struct monitor *m, enum line_id id, const struct line_args *args)
{
	__attribute__((uninitialized)) char text[LINE_BYTES];
	_cleanup_sbuf_ struct sbuf b = {0};

	(void)line_format(id, args, text, sizeof(text)); /* a longer one is cut, as any record */
	tell_log(m, text);
	if (id == LINE_STATE || !is_heard(m))
		return;
	begin(m, &b, "line");
	json_str(&b, "line", line_name(id));
	json_str(&b, "text", text);
	end(m, &b);
}

void tell_warning(struct monitor *m, const char *text)
{
	tell_line(m, LINE_WARNING, &(struct line_args){.text = text});
}

/* A crash that was followed by a stop in place of a start: the dyno is down, and is to be listed so;
 * the newest line of its records is what counts. */
static void settle_record(struct monitor *m)
{
	struct record record = {
		.gen = m->recorded_gen,
		.ended_us = time_now_us(),
		.up_ms = m->last.up_ms,
		.manifest = m->recorded_manifest,
	};
	struct dyno_err ignored;

	if (!m->recorded || m->recorded_state == m->sup.front.state)
		return;
	tell_facts(m, &record.facts);
	record.facts.info.live = 0;
	record.facts.info.reason = sup_reason_name(SUP_BY_STOP);
	m->recorded_state = m->sup.front.state;
	(void)record_add(m->app->store, &record, &ignored); /* the event tells it too */
}

/* How this host reaches it; with no network but loopback nobody does. */
static void tell_up(struct monitor *m)
{
	char where[NETPOOL_TEXT4_BYTES + 8];
	struct dyno_facts facts;

	if (!m->plan->up || !m->app->web)
		return;
	tell_facts(m, &facts);
	if (!facts.info.address || !facts.info.port)
		return;
	str_fmt(where, sizeof(where), "%s:%u", facts.info.address, facts.info.port);
	m->plan->up(m->plan->log_data, m->app->place.dyno, where);
}

void tell_change(struct monitor *m, enum sup_state from, enum sup_state to)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	/* Before it is told: who hears of it may look at once. */
	if (to == SUP_DOWN)
		settle_record(m);
	tell_line(m, LINE_STATE,
		  &(struct line_args){.from = sup_state_name(from), .to = sup_state_name(to)});
	if (to == SUP_UP)
		tell_up(m);
	if (!is_heard(m))
		return;
	begin(m, &b, "state");
	json_str(&b, "from", sup_state_name(from));
	json_str(&b, "to", sup_state_name(to));
	end(m, &b);
}

void tell_port(struct sbuf *b, uint16_t port)
{
	if (port)
		json_u64(b, "port", port);
	else
		json_unknown(b, "port");
}

void tell_launch(struct monitor *m, const struct slot *slot)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	if (!is_heard(m))
		return;
	begin(m, &b, "launch");
	json_u64(&b, "start", slot->gen.id);
	json_u64(&b, "init_pid", (uint64_t)slot->gen.launch.pid);
	tell_port(&b, slot->gen.port);
	end(m, &b);
}

void tell_memory(struct monitor *m, const struct slot *slot, bool hard)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	if (!is_heard(m))
		return;
	begin(m, &b, "memory");
	json_u64(&b, "start", slot->gen.id);
	json_str(&b, "above", hard ? "hard" : "quota");
	mem_json(slot, &slot->mem.mark.last, &b);
	end(m, &b);
}

void tell_oom(struct monitor *m, const struct slot *slot)
{
	const struct mem_oom *oom = &slot->oom;
	_cleanup_sbuf_ struct sbuf b = {0};

	if (!is_heard(m))
		return;
	begin(m, &b, "oom");
	json_u64(&b, "start", slot->gen.id);
	json_str(&b, "limit", mem_limit_name(oom->limit));
	json_str(&b, "control_group", oom->group[0] ? oom->group : NULL);
	json_u64(&b, "kills", oom->kills);
	json_str(&b, "victim", oom->comm[0] ? oom->comm : NULL);
	if (oom->pid)
		json_u64(&b, "victim_pid", (uint64_t)oom->pid);
	else
		json_unknown(&b, "victim_pid");
	json_u64(&b, "peak_bytes", oom->peak_bytes);
	json_str(&b, "text", oom->text);
	end(m, &b);
}

/* The kernel's kill says more than a timeout that it came before. */
const char *tell_detail(const struct slot *slot)
{
	return slot->oom.text[0] ? slot->oom.text : slot->boot_cause[0] ? slot->boot_cause : NULL;
}

/* ---- the end of a generation ---------------------------------------------------------------- */

static void take_receipt(struct monitor *m, struct slot *slot, struct receipt *receipt)
{
	struct receipt_source sources[LAUNCH_UPPERS];
	struct dyno_err ignored;
	size_t n;

	if (m->app->opts->no_receipt || gen_is_unwritten(&slot->gen))
		return;
	n = gen_sources(&slot->gen, sources);
	if (n == 0)
		return;
	/* What could be counted is told; a list that could not be kept is missed by diff alone. */
	(void)receipt_take(m->app->store, m->app->name, m->app->place.dyno, sources, n, receipt,
			   &ignored);
}

/* What the end of a generation makes of the dyno.  Of one that was replaced its state tells nothing;
 * and one that stops while what it replaced still does is down: no end says "stopping". */
static enum sup_state state_after(const struct monitor *m, const struct slot *slot)
{
	const enum sup_state state = m->sup.front.state;

	return slot->gen.id == m->sup.front.id && state != SUP_STOPPING ? state : SUP_DOWN;
}

static void add_record(struct monitor *m, struct slot *slot, enum sup_reason reason,
		       const struct receipt *receipt, const char *written)
{
	struct record record = {
		.gen = slot->gen.id,
		.ended_us = time_now_us(),
		.up_ms = slot->started ? slot->up_ms : 0,
		.written = written,
		.files = receipt->totals.files,
		.bytes = receipt->totals.bytes,
		.manifest = receipt->manifest,
	};
	struct dyno_err ignored;

	tell_facts(m, &record.facts);
	record.facts.info.live = 0;
	record.facts.info.state = sup_state_name(state_after(m, slot));
	record.facts.info.exit_code = slot->exit_code;
	record.facts.info.signal = slot->signal;
	record.facts.info.reason = sup_reason_name(reason);
	record.facts.info.detail = tell_detail(slot);
	record.facts.info.port = slot->gen.port;
	record.facts.info.init_pid = slot->gen.launch.pid;
	record.facts.started_us = slot->launched_us;
	(void)record_add(m->app->store, &record, &ignored); /* the event tells it too */
	m->recorded = true;
	m->recorded_state = state_after(m, slot);
	m->recorded_gen = slot->gen.id;
	str_fmt(m->recorded_manifest, sizeof(m->recorded_manifest), "%s", receipt->manifest);
}

static void tell_exit(struct monitor *m, const struct slot *slot, enum sup_reason reason)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	begin(m, &b, "exit");
	json_u64(&b, "start", slot->gen.id);
	json_u64(&b, "exit_code", (uint64_t)slot->exit_code);
	if (slot->signal)
		json_u64(&b, "signal", (uint64_t)slot->signal);
	else
		json_unknown(&b, "signal");
	json_str(&b, "reason", sup_reason_name(reason));
	json_str(&b, "detail", tell_detail(slot));
	json_u64(&b, "up_ms", slot->started ? slot->up_ms : 0);
	json_u64(&b, "restarts", sup_restarts(&m->sup));
	if (!slot->started)
		json_str(&b, "error", slot->err.msg);
	end(m, &b);
}

static void tell_discard(struct monitor *m, const struct slot *slot, const struct receipt *receipt,
			 const char *written)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	begin(m, &b, "discard");
	json_u64(&b, "start", slot->gen.id);
	json_str(&b, "text", written);
	json_u64(&b, "files", receipt->totals.files);
	json_u64(&b, "bytes", receipt->totals.bytes);
	json_u64(&b, "dirs", receipt->totals.dirs);
	json_u64(&b, "deleted", receipt->totals.deleted);
	json_bool(&b, "cut", receipt->cut || receipt->totals.unread > 0);
	end(m, &b);
}

void tell_end(struct monitor *m, struct slot *slot, enum sup_reason reason)
{
	static const struct receipt none;
	struct receipt receipt = none;
	char written[512] = "";

	take_receipt(m, slot, &receipt);
	if (slot->gen.launch.upper_fds[0] >= 0)
		(void)receipt_text(&receipt, written, sizeof(written));
	add_record(m, slot, reason, &receipt, written[0] ? written : NULL);
	if (!is_heard(m))
		return;
	tell_exit(m, slot, reason);
	if (written[0])
		tell_discard(m, slot, &receipt, written);
}

void tell_over(struct monitor *m)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	if (!is_heard(m))
		return;
	begin(m, &b, "end");
	json_str(&b, "state", sup_state_name(m->sup.front.state));
	end(m, &b);
}
