/* SPDX-License-Identifier: Apache-2.0 */
#include "model/logurl.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"

/* Names a token may have: they stand between blanks in every message. Source: RFC 5424, HOSTNAME */
#define TOKEN_MAX 255U

static const struct {
	const char *prefix;
	enum logurl_kind kind;
} schemes[] = {
	{"file:", LOGURL_FILE},
	{"json:", LOGURL_JSON},
	{"fd:", LOGURL_FD},
	{"journald", LOGURL_JOURNALD_SOCKET},
	{"syslog+udp://", LOGURL_UDP},
	{"syslog+tcp://", LOGURL_TCP},
	{"syslog+tls://", LOGURL_TLS},
	{"https://", LOGURL_HTTPS},
};

static int no_memory(struct dyno_err *err)
{
	return err_set(err, ERR_MEMORY, ENOMEM, "keep where the lines go");
}

static int refuse(const struct logurl *u, const char *why, struct dyno_err *err)
{
	(void)err_set(err, ERR_USAGE, 0, "log to %.100s: %s", u->shown, why);
	err_hint(err, "file:PATH or json:PATH [#size=10M&count=5], fd:N, journald, syslog+udp://, "
		      "syslog+tcp:// or syslog+tls://HOST:PORT, https://...");
	return -EINVAL;
}

static bool is_network(enum logurl_kind kind)
{
	return kind >= LOGURL_UDP;
}

/* Between the scheme and the path: without the user and the password before an '@'. */
static const char *host_of(const char *rest, size_t *ret_len)
{
	size_t len = strcspn(rest, "/?#");
	const char *at = memrchr(rest, '@', len);

	if (at) {
		len -= (size_t)(at + 1 - rest);
		rest = at + 1;
	}
	*ret_len = len;
	return rest;
}

/* What a message may say of it. */
static const char *show(struct arena *arena, const char *text, const char *scheme, bool network)
{
	const char *rest = text + strlen(scheme);
	const char *host, *path;
	size_t len;

	if (!network)
		return text;
	host = host_of(rest, &len);
	path = host + len;
	return arena_fmt(arena, "%s%.*s%.*s", scheme, (int)len, host, (int)strcspn(path, "?#"),
			 path);
}

/* ---- what stands behind the '#' ------------------------------------------------------------- */

static bool is_token(const char *s)
{
	if (!*s || strlen(s) > TOKEN_MAX)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s >= '\177')
			return false;
	return true;
}

static int read_file_setting(struct logurl *u, const char *name, const char *value,
			     struct dyno_err *err)
{
	if (str_eq(name, "size")) {
		if (num_parse_size(value, &u->size_bytes) < 0)
			return refuse(u, "size= takes a number of bytes, as 10M", err);
		if (u->size_bytes < LOGURL_SIZE_MIN)
			return refuse(u, "size=1M is the least", err);
	} else if (str_eq(name, "count")) {
		if (num_parse_u32(value, LOGURL_COUNT_MAX, &u->count) < 0 ||
		    u->count < LOGURL_COUNT_MIN)
			return refuse(u, "count= takes a number of files, 2 to 100", err);
	} else {
		return refuse(u, "behind # stand size=SIZE and count=N", err);
	}
	return 0;
}

static int read_setting(struct logurl *u, char *setting, struct dyno_err *err)
{
	char *value = strchr(setting, '=');

	if (!value)
		return refuse(u, "a setting behind # is no NAME=VALUE", err);
	*value++ = '\0';
	if (!is_network(u->kind))
		return read_file_setting(u, setting, value, err);
	if (str_eq(setting, "ca") && value[0] == '/')
		u->ca = value;
	else if (str_eq(setting, "ca"))
		return refuse(u, "ca= takes a whole path", err);
	else if (str_eq(setting, "token") && is_token(value))
		u->token = value;
	else
		return refuse(u, "behind # stand token=WORD and ca=FILE", err);
	return 0;
}

static int read_settings(struct logurl *u, char *text, struct dyno_err *err)
{
	int r = 0;

	while (r == 0 && text) {
		char *next = strchr(text, '&');

		if (next)
			*next++ = '\0';
		r = read_setting(u, text, err);
		text = next;
	}
	return r;
}

/* ---- the kinds ------------------------------------------------------------------------------ */

static int read_fd(struct logurl *u, const char *rest, struct dyno_err *err)
{
	uint32_t fd;

	if (num_parse_u32(rest, INT32_MAX, &fd) < 0)
		return refuse(u, "no number of a descriptor", err);
	u->fd = (int)fd;
	return 0;
}

/* A file may have a '#' in its name. */
static int read_file(struct logurl *u, char *rest, struct dyno_err *err)
{
	char *settings = strrchr(rest, '#');
	int r = 0;

	u->path = rest;
	if (settings && strchr(settings, '=')) {
		*settings++ = '\0';
		r = read_settings(u, settings, err);
	}
	if (r < 0)
		return r;
	if (!*rest)
		return refuse(u, "no path", err);
	if (u->count > 0 && u->size_bytes == 0)
		return refuse(u, "count= takes a size= beside it", err);
	if (u->size_bytes > 0 && u->count == 0)
		u->count = LOGURL_COUNT_DEFAULT;
	return 0;
}

/* "journald", or "journald:SOCKET" for one elsewhere. */
static int read_journald(struct logurl *u, const char *rest, struct dyno_err *err)
{
	u->path = LOGURL_JOURNALD;
	if (!*rest)
		return 0;
	u->path = rest + 1;
	return rest[0] == ':' && rest[1] == '/' ? 0 : refuse(u, "no path of a socket", err);
}

/* "HOST", "HOST:PORT", "[IPV6]:PORT"; cut in place. */
static int read_host(struct logurl *u, char *rest, struct dyno_err *err)
{
	char *port = NULL;
	uint32_t n = u->kind == LOGURL_TLS ? LOGURL_PORT_TLS : LOGURL_PORT;
	size_t len = strcspn(rest, "/?");

	if (rest[len] && !(rest[len] == '/' && rest[len + 1] == '\0'))
		return refuse(u, "more than a host and a port", err);
	rest[len] = '\0';
	if (strchr(rest, '@'))
		return refuse(u, "syslog has no users", err);
	u->host = rest;
	if (rest[0] == '[') {
		port = strchr(rest, ']');
		if (!port)
			return refuse(u, "no ] behind the address", err);
		u->host = rest + 1;
		*port++ = '\0';
		if (*port && *port != ':')
			return refuse(u, "no port behind the address", err);
		port = *port ? port + 1 : NULL;
	} else {
		port = strchr(rest, ':');
		if (port)
			*port++ = '\0';
	}
	if (!*u->host)
		return refuse(u, "no host", err);
	if (port && (num_parse_u32(port, UINT16_MAX, &n) < 0 || n == 0))
		return refuse(u, "no number of a port", err);
	u->port = (uint16_t)n;
	return 0;
}

static int read_rest(struct logurl *u, char *whole, char *rest, struct dyno_err *err)
{
	char *settings = is_network(u->kind) ? strchr(rest, '#') : NULL;
	size_t len;

	if (settings)
		*settings++ = '\0';
	if (u->kind == LOGURL_FILE || u->kind == LOGURL_JSON)
		return read_file(u, rest, err);
	if (u->kind == LOGURL_FD)
		return read_fd(u, rest, err);
	if (u->kind == LOGURL_JOURNALD_SOCKET)
		return read_journald(u, rest, err);
	if (u->kind == LOGURL_HTTPS) {
		if (*host_of(rest, &len) == ':' || len == 0)
			return refuse(u, "no host", err);
		u->url = whole;
	} else {
		int r = read_host(u, rest, err);

		if (r < 0)
			return r;
	}
	return read_settings(u, settings, err);
}

/* A blank, a control byte or a quote in one would be a second word of a message, or worse. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == '\177' || *text == '"')
			return false;
	return true;
}

int logurl_parse(const char *text, struct arena *arena, struct logurl *ret, struct dyno_err *err)
{
	struct logurl u = {.shown = "a URL", .fd = -1};
	char *whole;

	if (strlen(text) >= LOGURL_BYTES)
		return refuse(&u, "too long", err);
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		const char *prefix = schemes[i].prefix;
		int r;

		if (!str_starts(text, prefix))
			continue;
		u.kind = schemes[i].kind;
		if (is_network(u.kind) && !is_plain(text))
			return refuse(&u, "a blank or a control byte in it", err);
		if (strchr(text, '\n'))
			return refuse(&u, "a newline in it", err);
		whole = arena_strdup(arena, text);
		u.shown = whole ? show(arena, text, prefix, is_network(u.kind)) : NULL;
		if (!u.shown)
			return no_memory(err);
		r = read_rest(&u, whole, whole + strlen(prefix), err);
		if (r == 0)
			*ret = u;
		return r;
	}
	return refuse(&u, "of no known kind", err);
}

/* ---- the token ------------------------------------------------------------------------------ */

/* Source: FNV-1a, 64 bits */
static uint64_t hash(uint64_t h, const char *s)
{
	do
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
	while (*s++);
	return h;
}

const char *logurl_token(const struct logurl *url, const char *app, char buf[LOGURL_TOKEN_BYTES])
{
	const uint64_t a = hash(hash(UINT64_C(14695981039346656037), app), url->shown);
	const uint64_t b = hash(hash(a, url->shown), app);

	if (url->token)
		return url->token;
	/* Source: RFC 9562, version 8: bits of one's own */
	(void)str_fmt(buf, LOGURL_TOKEN_BYTES, "d.%08x-%04x-8%03x-%04x-%04x%08x",
		      (unsigned int)(a >> 32), (unsigned int)(a >> 16 & 0xffff),
		      (unsigned int)(a & 0xfff), (unsigned int)(b >> 48 & 0x3fff) | 0x8000U,
		      (unsigned int)(b >> 32 & 0xffff), (unsigned int)(b & 0xffffffff));
	return buf;
}
