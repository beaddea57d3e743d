/* SPDX-License-Identifier: Apache-2.0 */
#include "model/pastaargs.h"

#include <assert.h>
#include <stddef.h>

#include "base/str.h"
#include "base/util.h"

/* The gateway's hardware address: the default is the one of the host's own link, which is nobody's
 * business inside. */
#define GATEWAY_MAC "02:64:79:6e:6f:01"

/* IPv6 leaves by a link-local address, which pasta answers for. */
#define GATEWAY6 "fe80::1"

static void add(struct pastaargs *args, const char *word)
{
	assert(args->n + 1 < PASTAARGS_MAX);
	args->argv[args->n++] = word;
	args->argv[args->n] = NULL;
}

static void add_two(struct pastaargs *args, const char *option, const char *value)
{
	add(args, option);
	add(args, value);
}

static void add_always(struct pastaargs *args)
{
	static const char *const words[] = {
		/* a child of ours to its end, which we bring about */
		"--foreground",
		"--quiet",
		"--no-netns-quit",
		/* the link is ready as it comes: nobody inside asks for addresses */
		"--config-net",
		"--ns-ifname",
		PASTAARGS_LINK,
		"--mac-addr",
		GATEWAY_MAC,
		"--no-dhcp",
		"--no-dhcpv6",
		"--no-ra",
		/* by default whatever listens on one side is opened on the other, every second */
		"--udp-ports",
		"none",
		"--tcp-ns",
		"none",
		"--udp-ns",
		"none",
		/* by default the gateway stands for the host's loopback */
		"--no-map-gw",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		add(args, words[i]);
	add_two(args, "--netns", "/proc/self/fd/" STRINGIFY(PASTAARGS_NETNS_FD));
	add_two(args, "--userns", "/proc/self/fd/" STRINGIFY(PASTAARGS_USERNS_FD));
}

/*
 * With all addresses given a link of the host is needed as a pattern alone; without one pasta looks
 * for a default route, and ends where there is none.  For IPv6 it must be one that has IPv6.
 */
static void add_addresses(struct pastaargs *args, const struct pastaargs_plan *plan)
{
	(void)netpool_text4(plan->address, args->address);
	(void)netpool_text4(netpool_host(&plan->pool), args->gateway);
	str_fmt(args->len, sizeof(args->len), "%u", plan->pool.len);
	add_two(args, "--address", args->address);
	add_two(args, "--netmask", args->len);
	add_two(args, "--gateway", args->gateway);
	add_two(args, "--interface", plan->link6 ? plan->link6 : "lo");
	if (!plan->link6) {
		add(args, "--ipv4-only");
		return;
	}
	(void)netpool_text6(plan->address, args->address6);
	add_two(args, "--address", args->address6);
	add_two(args, "--gateway", GATEWAY6);
}

void pastaargs_make(const struct pastaargs_plan *plan, const char *path, struct pastaargs *ret)
{
	ret->n = 0;
	add(ret, path);
	add_always(ret);
	add_addresses(ret, plan);
	str_fmt(ret->port, sizeof(ret->port), "127.0.0.1/%u", plan->port);
	add_two(ret, "--tcp-ports", plan->port ? ret->port : "none");
	if (plan->names)
		add_two(ret, "--dns-forward", ret->gateway);
	else
		add_two(ret, "--dns", "none");
}
