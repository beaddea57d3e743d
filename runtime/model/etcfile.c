/* SPDX-License-Identifier: Apache-2.0 */
#include "model/etcfile.h"

#include <string.h>

#include "model/environ.h"
#include "model/text.h"

void etc_passwd(struct sbuf *out, uint32_t uid)
{
	sbuf_adds(out, "root:x:0:0:root:/root:/bin/bash\n"
		       "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
	sbuf_addf(out, "u%u:x:%u:%u:u%u:" ENV_HOME_DEFAULT ":/bin/bash\n", uid, uid, uid, uid);
}

void etc_group(struct sbuf *out, uint32_t uid)
{
	sbuf_addf(out, "root:x:0:\ntty:x:%u:\nnogroup:x:65534:\n", ETC_GID_TTY);
	/* The first name of a gid is what ls shows (CONTRACT 1.11); the second is for look-ups. */
	sbuf_addf(out, "dyno:x:%u:\nu%u:x:%u:\n", uid, uid, uid);
}

void etc_hosts(struct sbuf *out, const char *hostname, const char *address)
{
	sbuf_adds(out, "127.0.0.1 localhost localhost.localdomain\n"
		       "::1 localhost ip6-localhost ip6-loopback\n");
	sbuf_addf(out, "%s %s\n", address ? address : "127.0.1.1", hostname);
}

void etc_hosts_add(struct sbuf *out, const char *name, const char *address)
{
	sbuf_addf(out, "%s %s\n", address, name);
}

void etc_hostname(struct sbuf *out, const char *hostname)
{
	sbuf_adds(out, hostname);
	sbuf_addc(out, '\n');
}

void etc_nsswitch(struct sbuf *out)
{
	sbuf_adds(out, "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
		       "networks: files\nprotocols: files\nservices: files\n");
}

/*
 * The list of a for loop is made before its first turn, so LC_ALL=C is needed for that moment only:
 * the first turn puts back what was there, and the empty word at the end sees to it that there is
 * one.  Restoring a locale that the stack lacks makes bash complain, which it has done once
 * already, at its start.  Only regular files: a fifo would hang the boot.
 */
static const char profile_scripts[] =
	"_dyno_locale=\"${LC_ALL-}\"\n"
	"_dyno_state=\"${LC_ALL+set}\"\n"
	"LC_ALL=C\n"
	"for _dyno_script in \"${HOME-}\"/.profile.d/*.sh ''; do\n"
	"	case \"$_dyno_state\" in\n"
	"	set) { LC_ALL=\"$_dyno_locale\"; } 2>/dev/null ;;\n"
	"	'') unset LC_ALL ;;\n"
	"	esac\n"
	"	_dyno_state=restored\n"
	"	if [ -f \"$_dyno_script\" ] && [ -r \"$_dyno_script\" ]; then\n"
	"		. \"$_dyno_script\"\n"
	"	fi\n"
	"done\n"
	"unset _dyno_script _dyno_locale _dyno_state\n";

/*
 * The size of the terminal as the caller had it: for command lines, and no program's to believe, which
 * would not see it change.
 */
static const char profile_terminal[] =
	"[ ! -t 0 ] || [ -z \"${BASH_VERSION-}\" ] || export -n COLUMNS LINES\n";

void etc_profile(struct sbuf *out, uint32_t web_concurrency)
{
	sbuf_adds(out, profile_terminal);
	sbuf_adds(out, "export PS1='" ENV_PS1_DEFAULT "'\n");
	sbuf_adds(out, profile_scripts);
	if (web_concurrency > 0)
		sbuf_addf(out, "export WEB_CONCURRENCY=\"${WEB_CONCURRENCY-%u}\"\n",
			  web_concurrency);
}

void etc_bashrc(struct sbuf *out)
{
	sbuf_adds(out, "PS1='" ENV_PS1_DEFAULT "'\n");
}

/* Whether a resolver reads the line.  Source: resolv.conf(5). */
static bool is_resolver_line(const char *s, size_t len)
{
	static const char *const keywords[] = {"nameserver", "search", "domain", "options",
					       "sortlist"};

	if (len > ETC_RESOLV_LINE_MAX_BYTES)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text_is_control(s[i]))
			return false;

	for (size_t i = 0; i < ARRAY_SIZE(keywords); i++) {
		size_t n = strlen(keywords[i]);

		if (len > n && memcmp(s, keywords[i], n) == 0 && text_is_blank(s[n]))
			return true;
	}
	return false;
}

/* The address of a nameserver line. Return: whether it is one. */
static bool nameserver(const char *s, size_t len, const char **ret, size_t *ret_len)
{
	const size_t n = STRLEN("nameserver");

	if (len <= n || memcmp(s, "nameserver", n) != 0 || !text_is_blank(s[n]))
		return false;
	*ret = s + n;
	*ret_len = len - n;
	text_trim(ret, ret_len);
	return true;
}

/* 127.0.0.0/8, and ::1 with it, as a resolver's file has them. */
static bool is_loopback4(const char *s, size_t len)
{
	return len >= 4 && memcmp(s, "127.", 4) == 0;
}

static bool is_loopback(const char *s, size_t len)
{
	return is_loopback4(s, len) || (len >= 3 && memcmp(s, "::1", 3) == 0);
}

/** struct resolver_line - one that a resolver reads. @server: whom it names; NULL: none */
struct resolver_line {
	struct text_lines lines;
	const char *server;
	size_t server_len;
};

static struct resolver_line resolver_lines(const char *text, size_t len)
{
	return (struct resolver_line){.lines = {.next = text, .end = text ? text + len : NULL}};
}

static bool resolver_line_next(struct resolver_line *line)
{
	struct text_lines *lines = &line->lines;

	while (text_lines_next(lines)) {
		text_trim(&lines->s, &lines->len);
		if (!is_resolver_line(lines->s, lines->len))
			continue;
		if (!nameserver(lines->s, lines->len, &line->server, &line->server_len))
			line->server = NULL;
		return true;
	}
	return false;
}

void etc_resolv_conf(struct sbuf *out, const char *text, size_t len, bool loopback)
{
	struct resolver_line line = resolver_lines(text, len);

	while (resolver_line_next(&line)) {
		if (!loopback && line.server && is_loopback(line.server, line.server_len))
			continue;
		sbuf_add(out, line.lines.s, line.lines.len);
		sbuf_addc(out, '\n');
	}
}

/* Whether a server is named that fits. */
static bool has_server(const char *text, size_t len, bool (*fits)(const char *s, size_t len))
{
	struct resolver_line line = resolver_lines(text, len);

	while (resolver_line_next(&line))
		if (line.server && fits(line.server, line.server_len))
			return true;
	return false;
}

static bool is_elsewhere(const char *s, size_t len)
{
	return !is_loopback(s, len);
}

bool etc_resolv_reachable(const char *text, size_t len)
{
	return has_server(text, len, is_elsewhere);
}

bool etc_resolv_on_loopback(const char *text, size_t len)
{
	return has_server(text, len, is_loopback4);
}

void etc_memory_limit(struct sbuf *out, uint64_t bytes)
{
	sbuf_addf(out, "%ju\n", (uintmax_t)(bytes ? bytes : ETC_MEMORY_UNLIMITED_BYTES));
}

void etc_cgroup_max(struct sbuf *out, uint64_t value)
{
	if (value)
		sbuf_addf(out, "%ju\n", (uintmax_t)value);
	else
		sbuf_adds(out, "max\n");
}

void etc_cpu_max(struct sbuf *out, uint64_t quota_usec, uint64_t period_usec)
{
	if (quota_usec)
		sbuf_addf(out, "%ju %ju\n", (uintmax_t)quota_usec, (uintmax_t)period_usec);
	else
		sbuf_addf(out, "max %ju\n", (uintmax_t)period_usec);
}
