/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_look.c - who listens on $PORT, and who listens elsewhere in its place. */
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/bootfacts.h"
#include "engine/monitor_internal.h"
#include "kernel/listen.h"

static bool shares_network(const struct slot *slot)
{
	return slot->gen.app->network == DYNO_NET_HOST;
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

/* Return: false: it is not known which are the dyno's. */
static bool find_binds(const struct slot *slot, struct listen_fact *ret)
{
	/* Rootless in the host's network others of the same user listen too. */
	if ((shares_network(slot) && slot->gen.app->rootless) || listen_fd(slot) < 0)
		return false;
	return listen_probe_all(listen_fd(slot), slot->gen.port, listen_uid(slot), ret) >= 0;
}

/* What the dyno listens on, where that is not what was expected.
 * Return: listeners in all; @text is empty where there is nothing to say. */
static unsigned int look_binds(const struct slot *slot, char *text, size_t size)
{
	struct listen_fact fact;

	text[0] = '\0';
	if (!find_binds(slot, &fact))
		return 0;
	(void)listen_explain(&fact, slot->gen.port, text, size);
	return fact.n_total;
}

void look_cause(const struct slot *slot, char *text, size_t size)
{
	struct listen_fact binds;
	const struct bootfacts_ask ask = {
		.init_pid = slot->gen.launch.pid,
		.port = slot->gen.port,
		.shared = shares_network(slot),
		.age_ms = clock_ms() - slot->started_ms,
		.before = slot->warned,
		.binds = find_binds(slot, &binds) ? &binds : NULL,
	};

	(void)bootfacts_explain(&ask, text, size); /* the text is the answer */
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

/* How a client in the same network reaches a listener: by loopback, where it listens everywhere. */
static void address_of(const struct listen_socket *s, struct slot *slot)
{
	const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(s->port)};
	const struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(s->port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	struct sockaddr_in *in = (struct sockaddr_in *)&slot->at;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&slot->at;

	if (s->family == AF_INET || (s->scope == LISTEN_ANY && !s->v6only)) {
		*in = v4;
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (s->scope != LISTEN_ANY)
			memcpy(&in->sin_addr, s->addr, sizeof(in->sin_addr));
		slot->at_len = sizeof(*in);
		return;
	}
	*in6 = v6;
	if (s->scope != LISTEN_ANY)
		memcpy(&in6->sin6_addr, s->addr, sizeof(in6->sin6_addr));
	slot->at_len = sizeof(*in6);
}

/* Of several listeners one for everybody is the surest. */
static void keep_address(const struct listen_fact *fact, struct slot *slot)
{
	const struct listen_socket *best = NULL;

	for (unsigned int i = 0; i < fact->n_on_port; i++) {
		const struct listen_socket *s = &fact->sockets[i];

		if (s->scope != LISTEN_LOOPBACK &&
		    (!best || (best->scope != LISTEN_ANY && s->scope == LISTEN_ANY)))
			best = s;
	}
	if (best)
		address_of(best, slot);
}

static bool is_bound(struct slot *slot)
{
	struct listen_fact fact;

	if (listen_fd(slot) < 0 ||
	    listen_probe_port(listen_fd(slot), slot->gen.port, listen_uid(slot), &fact) <= 0 ||
	    !fact.reachable)
		return false;
	keep_address(&fact, slot);
	return true;
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
