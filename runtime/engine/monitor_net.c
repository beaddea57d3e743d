/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_net.c - what a monitor tells of its dyno's network. */
#include <poll.h>

#include "base/json.h"
#include "base/str.h"
#include "engine/monitor_internal.h"

const char *net_word(const struct monitor *m)
{
	static const char *const words[] = {
		[DYNO_NET_HOST] = "host",
		[DYNO_NET_NONE] = "none",
		[DYNO_NET_PRIVATE] = "private",
		[DYNO_NET_PRIVATE_APP] = "private:app",
	};

	return words[m->app->network];
}

void net_facts(const struct slot *slot, struct dyno_info *info)
{
	const struct network *net = &slot->gen.network;

	if (!net->address)
		return;
	/* By pasta its own addresses are known inside alone: outside it is the host's loopback. */
	info->address = net->by_pasta ? "127.0.0.1" : net->text;
	info->address6 = !net->by_pasta && net->text6[0] ? net->text6 : NULL;
}

void net_inspect(const struct slot *slot, struct sbuf *b)
{
	const struct network *net = &slot->gen.network;
	const char *egress = slot->gen.app->opts->egress;
	struct dyno_info info = {0};
	uint64_t denied;

	if (!net->address)
		return;
	net_facts(slot, &info);
	json_str(b, "address", info.address);
	json_str(b, "address6", info.address6);
	if (net->by_pasta) {
		json_str(b, "via", "pasta");
		json_str(b, "inside_address", net->text);
		json_str(b, "inside_address6", net->text6[0] ? net->text6 : NULL);
	}
	json_str(b, "host_address", net->host_text[0] ? net->host_text : NULL);
	json_str(b, "egress", egress ? egress : "all");
	if (network_denied(net, &denied) == 0)
		json_u64(b, "egress_denied", denied);
	else
		json_unknown(b, "egress_denied");
}

/* Once: the host's resolver is what it is for every start. */
void net_warn(const struct slot *slot)
{
	if (!slot->gen.no_resolver || slot->m->told_resolver)
		return;
	slot->m->told_resolver = true;
	tell_warning(slot->m,
		     "no resolver can be reached from a private network: the host's listens on its "
		     "loopback only; have it listen on the address of " NETWORK_HOST_NAME
		     ", or name another in /etc/resolv.conf");
}

/* Its sockets of the host are gone with it, and the dyno's link too. */
static void on_pasta_gone(struct loop *loop, int fd, short revents, void *data)
{
	struct slot *slot = data;
	struct pasta *pasta = &slot->gen.network.pasta;
	char said[PASTA_SAID_BYTES];
	char text[PASTA_SAID_BYTES + 96];

	(void)revents;
	loop_remove(loop, fd);
	pasta_said(pasta, said);
	pasta_end(pasta);
	str_fmt(text, sizeof(text),
		"the dyno has no network any more: pasta has ended%s%s; restart the dyno",
		said[0] ? ": " : "", said);
	tell_warning(slot->m, text);
	mon_settle(slot->m);
}

int net_watch(struct slot *slot)
{
	const int fd = slot->gen.network.pasta.pidfd;

	return fd < 0 ? 0 : loop_add(&slot->m->loop, fd, POLLIN, on_pasta_gone, slot);
}

void net_unwatch(struct slot *slot)
{
	const int fd = slot->gen.network.pasta.pidfd;

	if (fd >= 0)
		loop_remove(&slot->m->loop, fd);
}
