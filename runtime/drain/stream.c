/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - syslog over TCP and TLS.  libcurl makes the connection and speaks TLS, all else is
 * here: messages with their length before them, one behind the other.
 *
 * When a connection ends, a message that was not sent whole is sent again whole over the next one.
 * What the other end's kernel has taken and its program never read is lost unseen: the protocol
 * has no answer that would tell.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "drain/drain.h"
#include "model/logframe.h"

/* Sent at once. Source: a record of TLS */
#define SEND_BYTES (16U * 1024U)
/* A connection that has held so long is no failure when it ends. Source: own choice */
#define GOOD_MS 5000U

static void disconnect(struct drain *d)
{
	drain_disconnect(d);
	d->connected = false;
	d->poll_fd = -1;
}

/* What was sent whole goes from @out; the rest is sent again from its beginning. */
static void forget_sent(struct drain *d)
{
	size_t from = 0;

	while (from < d->out_from) {
		const char *blank = memchr(d->out.data + from, ' ', d->out.len - from);
		size_t len = 0;

		for (const char *p = d->out.data + from; p < blank; p++)
			len = 10 * len + (size_t)(*p - '0');
		len += (size_t)(blank + 1 - (d->out.data + from));
		if (from + len > d->out_from)
			break;
		from += len;
	}
	memmove(d->out.data, d->out.data + from, d->out.len - from);
	d->out.len -= from;
	d->out_from = 0;
}

static void lose_connection(struct drain *d, uint64_t now_ms)
{
	if (d->connected && now_ms - d->since_ms >= GOOD_MS)
		drain_went_well(d);
	disconnect(d);
	if (d->out.len > 0)
		forget_sent(d);
	drain_failed(d, now_ms);
}

static void stream_done(struct drain *d, CURLcode code)
{
	const uint64_t now = clock_ms();

	if (code == CURLE_OK) {
		d->connected = true;
		d->bad_cert = false;
		d->since_ms = now;
		return;
	}
	if (drain_is_certificate(code))
		drain_certificate(d);
	lose_connection(d, now);
}

/* What a server says is of no interest, but its end is. */
static bool is_closed(struct drain *d)
{
	char buf[512];
	size_t n;
	CURLcode code;

	do
		code = curl_easy_recv(d->easy, buf, sizeof(buf), &n);
	while (code == CURLE_OK && n > 0);
	return code != CURLE_AGAIN;
}

static bool fill(struct drain *d)
{
	struct logline line;

	if (d->out_from < d->out.len)
		return true;
	d->out.len = d->out_from = 0;
	drain_settled(d);
	while (d->out.len < SEND_BYTES && drain_next(d, &line)) {
		logframe_syslog(&d->out, &line, d->token, true);
		drain_taken(d);
		if (sbuf_ok(&d->out) < 0) {
			sbuf_done(&d->out); /* those before it are lost with it */
			d->out = (struct sbuf){0};
			drain_lose(d);
			break;
		}
	}
	return d->out.len > 0;
}

/* Return: CURLE_OK: nothing is left; CURLE_AGAIN: no room. */
static CURLcode send_all(struct drain *d)
{
	CURLcode code = CURLE_OK;
	size_t n = 0;

	while (code == CURLE_OK && fill(d)) {
		code = curl_easy_send(d->easy, d->out.data + d->out_from, d->out.len - d->out_from,
				      &n);
		if (code == CURLE_OK)
			d->out_from += n;
	}
	return code;
}

static void wait_for(struct drain *d, bool room)
{
	d->poll_fd = drain_socket(d);
	d->poll_events = (short)(CURL_WAIT_POLLIN | (room ? CURL_WAIT_POLLOUT : 0));
}

static void stream_service(struct drain *d, uint64_t now_ms)
{
	CURLcode code;

	d->wake_ms = UINT64_MAX;
	d->poll_fd = -1;
	d->busy = d->out_from < d->out.len;
	if (!d->easy && drain_may_try(d, now_ms) && drain_connect(d) < 0)
		lose_connection(d, now_ms);
	if (!d->connected)
		return;
	code = is_closed(d) ? CURLE_SEND_ERROR : send_all(d);
	d->busy = d->out_from < d->out.len;
	if (code == CURLE_OK || code == CURLE_AGAIN)
		wait_for(d, code == CURLE_AGAIN);
	else
		lose_connection(d, now_ms);
}

const struct drain_kind drain_stream = {
	.service = stream_service, .done = stream_done, .close = disconnect};
