/* SPDX-License-Identifier: Apache-2.0 */
#include "model/netrules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"

/* Of the form of the host's table: one of another number is not understood. */
#define NOTE_VERSION "dyno 1 "

/* ---- the note ------------------------------------------------------------------------------- */

char *netrules_note_format(const struct netrules_note *note, char buf[NETRULES_NOTE_BYTES])
{
	char cidr[NETPOOL_CIDR_BYTES];

	str_fmt(buf, NETRULES_NOTE_BYTES, NOTE_VERSION "%s forward=%s ipv6=%s",
		netpool_format(&note->pool, cidr), note->forward_was_off ? "ours" : "theirs",
		!note->ipv6	 ? "no"
		: note->ipv6_out ? "out"
				 : "host");
	return buf;
}

/* The next word of @text, cut at a blank. Return: what is behind it; NULL: it is too long. */
static const char *next_word(const char *text, char *word, size_t size)
{
	size_t len = strcspn(text, " ");

	if (len >= size)
		return NULL;
	memcpy(word, text, len);
	word[len] = '\0';
	return text[len] ? text + len + 1 : text + len;
}

int netrules_note_parse(const char *text, struct netrules_note *ret)
{
	struct netrules_note note = {0};
	char word[32];

	text = str_starts(text, NOTE_VERSION);
	if (!text)
		return -EINVAL;
	text = next_word(text, word, sizeof(word));
	if (!text || netpool_parse(word, &note.pool, NULL) < 0)
		return -EINVAL;
	text = next_word(text, word, sizeof(word));
	if (!text || (!str_eq(word, "forward=ours") && !str_eq(word, "forward=theirs")))
		return -EINVAL;
	note.forward_was_off = str_eq(word, "forward=ours");
	text = next_word(text, word, sizeof(word));
	if (!text || *text || !str_starts(word, "ipv6="))
		return -EINVAL;
	note.ipv6_out = str_eq(word, "ipv6=out");
	note.ipv6 = note.ipv6_out || str_eq(word, "ipv6=host");
	*ret = note;
	return 0;
}

/* ---- the host's table ----------------------------------------------------------------------- */

/* An ICMP error that comes while connect(2) still holds its socket is heard of a second later; a
 * reset at once. */
static const char refuse_chain[] = "	chain refuse {\n"
				   "		meta l4proto tcp reject with tcp reset\n"
				   "		reject with icmpx type admin-prohibited\n"
				   "	}\n";

/*
 * A packet from a dyno must come by the link that its source address would be answered by: nobody
 * speaks in another's name, nor in the host's.  To the host and, by it, outwards a dyno may open
 * connections; between two dynos, and from outside to a dyno, none.  The host itself is not
 * stopped by anything here.
 */
static const char host_chains[] =
	"	chain prerouting {\n"
	"		type filter hook prerouting priority raw; policy accept;\n"
	"		iifname \"dyno-*\" fib saddr . iif oif missing counter drop\n"
	"	}\n"
	"	chain input {\n"
	"		type filter hook input priority filter; policy accept;\n"
	"		iifname \"dyno-*\" icmpv6 type { nd-router-advert, nd-redirect } drop\n"
	"	}\n"
	"	chain forward {\n"
	"		type filter hook forward priority filter; policy accept;\n"
	"		oifname \"dyno-*\" ct state established,related accept\n"
	"		iifname \"dyno-*\" oifname \"dyno-*\" meta mark set iif map @app_of "
	"meta mark . oif @members accept\n"
	"		iifname \"dyno-*\" oifname \"dyno-*\" counter jump refuse\n"
	"		oifname \"dyno-*\" counter drop\n"
	"	}\n"
	"	chain postrouting {\n"
	"		type nat hook postrouting priority srcnat; policy accept;\n"
	"		iifname \"dyno-*\" oifname != \"dyno-*\" masquerade\n"
	"	}\n";

void netrules_host(const struct netrules_note *note, struct sbuf *out)
{
	char text[NETRULES_NOTE_BYTES];

	netrules_note_format(note, text);
	sbuf_addf(out, "create table inet " NETRULES_TABLE " { comment \"%s\"; }\n", text);
	sbuf_adds(out, "table inet " NETRULES_TABLE " {\n"
		       "	map app_of { type iface_index : mark; }\n"
		       "	set members { type mark . iface_index; }\n");
	sbuf_adds(out, refuse_chain);
	sbuf_adds(out, host_chains);
	sbuf_adds(out, "}\n");
}

/* ---- egress --------------------------------------------------------------------------------- */

static const char *const reach_words[] = {
	[NETRULES_ALL] = "all",
	[NETRULES_HOST] = "host",
	[NETRULES_NONE] = "none",
	[NETRULES_LIST] = NULL,
};
_Static_assert(ARRAY_SIZE(reach_words) == _NETRULES_REACH_MAX, "every reach has its word");

static bool parse_range(const char *text, size_t len, struct netrules_range *ret)
{
	char address[NETPOOL_TEXT6_BYTES];
	const char *slash = memchr(text, '/', len);
	size_t n = slash ? (size_t)(slash - text) : len;
	uint32_t most;

	if (n >= sizeof(address))
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	*ret = (struct netrules_range){.family = strchr(address, ':') ? AF_INET6 : AF_INET};
	most = ret->family == AF_INET6 ? 128 : 32;
	ret->len = most;
	if (inet_pton(ret->family, address, ret->address) != 1)
		return false;
	if (!slash)
		return true;
	n = len - n - 1;
	if (n >= sizeof(address))
		return false;
	memcpy(address, slash + 1, n);
	address[n] = '\0';
	return num_parse_u32(address, most, &ret->len) == 0;
}

static void host_range(uint32_t host, struct netrules_range *ret)
{
	const uint32_t be = htonl(host);

	*ret = (struct netrules_range){.family = AF_INET, .len = 32};
	memcpy(ret->address, &be, sizeof(be));
}

static int wrong(const char *text, struct dyno_err *err)
{
	err_set(err, ERR_USAGE, EINVAL, "use \"%s\" as --egress", text);
	err_hint(err,
		 "all, host, none, or at most %u of \"host\", addresses and ranges: "
		 "192.0.2.0/24,2001:db8::1",
		 NETRULES_EGRESS_MAX);
	return -EINVAL;
}

int netrules_egress_parse(const char *text, uint32_t host, struct netrules_egress *ret,
			  struct dyno_err *err)
{
	const char *at = text;
	size_t i;

	ret->reach = NETRULES_ALL;
	ret->n = 0;
	if (!text)
		return 0;
	for (i = 0; i < ARRAY_SIZE(reach_words); i++) {
		if (!reach_words[i] || !str_eq(text, reach_words[i]))
			continue;
		ret->reach = (enum netrules_reach)i;
		return 0;
	}
	ret->reach = NETRULES_LIST;
	for (;;) {
		size_t len = strcspn(at, ",");

		if (ret->n == NETRULES_EGRESS_MAX)
			return wrong(text, err);
		if (len == STRLEN("host") && memcmp(at, "host", len) == 0)
			host_range(host, &ret->ranges[ret->n]);
		else if (!parse_range(at, len, &ret->ranges[ret->n]))
			return wrong(text, err);
		ret->n++;
		if (!at[len])
			return 0;
		at += len + 1;
	}
}

static void add_range(const struct netrules_range *range, struct sbuf *out)
{
	char text[NETPOOL_TEXT6_BYTES] = "";

	(void)inet_ntop(range->family, range->address, text, sizeof(text)); /* it has the room */
	sbuf_addf(out, "		%s daddr %s/%u accept\n",
		  range->family == AF_INET6 ? "ip6" : "ip", text, range->len);
}

/*
 * Answers pass, so that a router and the host can reach the dyno.  It stands in the dyno's own
 * namespace, which nobody inside owns, and goes with it.
 */
void netrules_egress(const struct netrules_egress *egress, uint32_t host, struct sbuf *out)
{
	struct netrules_range range;
	size_t i;

	sbuf_adds(out, "create table inet " NETRULES_TABLE "\n"
		       "table inet " NETRULES_TABLE " {\n"
		       "	counter " NETRULES_COUNTER " { }\n");
	sbuf_adds(out, refuse_chain);
	sbuf_adds(out, "	chain output {\n"
		       "		type filter hook output priority filter; policy accept;\n"
		       "		oifname \"lo\" accept\n"
		       "		ct state established,related accept\n");
	if (egress->reach == NETRULES_HOST) {
		host_range(host, &range);
		add_range(&range, out);
	}
	for (i = 0; egress->reach == NETRULES_LIST && i < egress->n; i++)
		add_range(&egress->ranges[i], out);
	sbuf_adds(out, "		counter name " NETRULES_COUNTER " jump refuse\n"
		       "	}\n"
		       "}\n");
}
