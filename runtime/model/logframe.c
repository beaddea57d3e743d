/* SPDX-License-Identifier: Apache-2.0 */
#include "model/logframe.h"

#include <endian.h>
#include <stdint.h>

/* Source: RFC 5424, 6: APP-NAME and PROCID */
#define APP_NAME_MAX 48
#define PROCID_MAX   128
/* Longest head: PRI, version, time, a token of 255 bytes, the names, marks between them */
#define HEAD_BYTES 600

static unsigned int pri(const struct logline *r)
{
	return logline_is_app(r) ? LOGFRAME_PRI_APP : LOGFRAME_PRI_SYSTEM;
}

static int cut(const struct logline_part *part, int max)
{
	return (int)MIN_OF(part->len, (size_t)max);
}

static size_t head(char *buf, const struct logline *r, const char *host, const char *mark)
{
	size_t len = str_fmt(buf, HEAD_BYTES, "<%u>1 %.*s %s %.*s %.*s %s ", pri(r),
			     cut(&r->time, 64), r->time.s, host, cut(&r->source, APP_NAME_MAX),
			     r->source.s, cut(&r->dyno, PROCID_MAX), r->dyno.s, mark);

	return MIN_OF(len, (size_t)HEAD_BYTES - 1);
}

void logframe_syslog(struct sbuf *b, const struct logline *r, const char *token, bool counted)
{
	char text[HEAD_BYTES];
	const size_t len = head(text, r, token, "- -");

	if (counted)
		sbuf_addf(b, "%zu ", len + r->text.len);
	sbuf_add(b, text, len);
	sbuf_add(b, r->text.s, r->text.len);
}

void logframe_logplex(struct sbuf *b, const struct logline *r)
{
	char text[HEAD_BYTES];
	const size_t len = head(text, r, "host", "-");

	sbuf_addf(b, "%zu ", len + r->text.len + 1);
	sbuf_add(b, text, len);
	sbuf_add(b, r->text.s, r->text.len);
	sbuf_addc(b, '\n');
}

static void field(struct sbuf *b, const char *name, const struct logline_part *value)
{
	sbuf_addf(b, "%s=%.*s\n", name, (int)value->len, value->s);
}

/* Source: systemd's JOURNAL_NATIVE_PROTOCOL: a value of any bytes stands behind its length, 64 bits
 * little-endian */
void logframe_journal(struct sbuf *b, const struct logline *r, const char *app)
{
	const uint64_t len = htole64(r->text.len);

	/* Source: syslog(3), LOG_INFO and LOG_NOTICE */
	sbuf_addf(b, "PRIORITY=%u\nSYSLOG_FACILITY=%u\n", logline_is_app(r) ? 6U : 5U, pri(r) / 8);
	sbuf_addf(b, "SYSLOG_IDENTIFIER=%s/%.*s\nDYNO_APP=%s\n", app, (int)r->dyno.len, r->dyno.s,
		  app);
	field(b, "DYNO_NAME", &r->dyno);
	field(b, "DYNO_SOURCE", &r->source);
	if (r->stream)
		sbuf_addf(b, "DYNO_STREAM=%s\n", logline_stream_name(r->stream));
	field(b, "SYSLOG_TIMESTAMP", &r->time);
	sbuf_adds(b, "MESSAGE\n");
	sbuf_add(b, &len, sizeof(len));
	sbuf_add(b, r->text.s, r->text.len);
	sbuf_addc(b, '\n');
}

void logframe_text(struct sbuf *b, const struct logline *r)
{
	sbuf_add(b, r->time.s, r->time.len);
	sbuf_addc(b, ' ');
	sbuf_add(b, r->source.s, (size_t)(r->text.s + r->text.len - r->source.s));
	sbuf_addc(b, '\n');
}
