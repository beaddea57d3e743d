/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_net.c - what a monitor tells of its dyno's network. */
#include "base/json.h"
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
	info->address = net->text;
	info->address6 = net->text6[0] ? net->text6 : NULL;
}

void net_inspect(const struct slot *slot, struct sbuf *b)
{
	const struct network *net = &slot->gen.network;
	const char *egress = slot->gen.app->opts->egress;
	uint64_t denied;

	if (!net->address)
		return;
	json_str(b, "address", net->text);
	json_str(b, "address6", net->text6[0] ? net->text6 : NULL);
	json_str(b, "host_address", net->host_text);
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
