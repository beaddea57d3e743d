/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_look.c - who listens on $PORT, and who listens elsewhere in its place. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/monitor_internal.h"
#include "kernel/listen.h"

static bool shares_network(const struct slot *slot)
{
	return slot->gen.app->opts->network == DYNO_NET_HOST;
}

static int listen_fd(const struct slot *slot)
{
	return shares_network(slot) ? slot->gen.host_listen_fd : slot->gen.launch.listen_fd;
}

/* In the host's network the dyno's sockets are told by their owner. */
static uint32_t listen_uid(const struct slot *slot)
{
	if (!shares_network(slot))
		return LISTEN_ANY_UID;
	return slot->gen.app->rootless ? geteuid() : slot->gen.base + slot->gen.uid;
}

unsigned int look_binds(const struct slot *slot, char *text, size_t size)
{
	struct listen_fact fact;

	text[0] = '\0';
	/* Rootless in the host's network others of the same user listen too. */
	if ((shares_network(slot) && slot->gen.app->rootless) || listen_fd(slot) < 0 ||
	    listen_probe_all(listen_fd(slot), slot->gen.port, listen_uid(slot), &fact) < 0)
		return 0;
	(void)listen_explain(&fact, slot->gen.port, text, size);
	return fact.n_total;
}

/* A wrong bind is named as soon as it is seen, once for each (contract 0.6). */
static void warn_of_binds(struct slot *slot, uint64_t now_ms)
{
	char text[sizeof(slot->warned)];

	if (now_ms < slot->explain_at_ms)
		return;
	slot->explain_at_ms = now_ms + MONITOR_EXPLAIN_MS;
	/* Nothing yet is how every boot begins. */
	if (look_binds(slot, text, sizeof(text)) == 0 || !text[0] || str_eq(text, slot->warned))
		return;
	memcpy(slot->warned, text, sizeof(text));
	tell_warning(slot->m, text);
}

static bool is_bound(const struct slot *slot)
{
	struct listen_fact fact;

	return listen_fd(slot) >= 0 &&
	       listen_probe_port(listen_fd(slot), slot->gen.port, listen_uid(slot), &fact) > 0 &&
	       fact.reachable;
}

void look_timer(struct loop *loop, void *data)
{
	struct slot *slot = data;
	uint64_t now_ms = clock_ms();
	bool slow = now_ms - slot->started_ms > MONITOR_LOOK_SLOW_AFTER_MS;

	if (is_bound(slot)) {
		mon_event(slot->m, SUP_BOUND, slot->gen.id);
	} else {
		warn_of_binds(slot, now_ms);
		loop_timer_arm(loop, slot->look_timer,
			       now_ms + (slow ? MONITOR_LOOK_SLOW_MS : MONITOR_LOOK_MS));
	}
	mon_settle(slot->m);
}

void look_start(struct slot *slot)
{
	if (!slot->gen.app->web)
		return;
	slot->explain_at_ms = slot->started_ms + MONITOR_EXPLAIN_MS;
	loop_timer_arm(&slot->m->loop, slot->look_timer, slot->started_ms + MONITOR_LOOK_MS);
}

void look_stop(struct slot *slot)
{
	loop_timer_disarm(&slot->m->loop, slot->look_timer);
}
