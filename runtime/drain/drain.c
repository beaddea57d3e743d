/* SPDX-License-Identifier: Apache-2.0 */
/* drain.c - what the kinds of drains have in common: what is next, what was lost, when to try. */
#include "drain/drain.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/timetext.h"
#include "model/lines.h"

/* "https://[" host "]:" port */
#define URL_BYTES 512U

/* ---- losses ---------------------------------------------------------------------------------- */

static void count_loss(struct drain_loss *loss, uint64_t n)
{
	const uint64_t now = time_now_us();

	if (n > 0 && loss->count == 0)
		loss->since_us = now;
	if (n > 0 && loss->untold == 0)
		loss->untold_since_us = now;
	loss->count += n;
	loss->untold += n;
}

/* The ring goes on without those who are slow. */
static void catch_up(struct drain *d)
{
	const struct ring *ring = &d->shared->ring;

	if (d->seq >= ring->first)
		return;
	count_loss(&d->displaced, ring->displaced - d->passed);
	d->seq = ring->first;
	d->passed = ring->displaced;
}

void drain_settled(struct drain *d)
{
	d->weight = d->noted = 0;
}

void drain_lose(struct drain *d)
{
	count_loss(&d->lost, d->weight);
	if (d->noted > 0 && (d->lost.count == 0 || d->noted_since_us < d->lost.since_us))
		d->lost.since_us = d->noted_since_us;
	d->lost.count += d->noted;
	drain_settled(d);
}

static size_t format_loss(enum line_id id, uint64_t count, uint64_t since_us, char *buf,
			  size_t size)
{
	char since[TIME_BYTES];
	const struct line_args args = {.count = count, .since = time_format(since_us, since)};
	const size_t len = line_format(id, &args, buf, size);

	return MIN_OF(len, size - 1);
}

/* A line of the dyno's log.  A monitor that does not read is not waited for. */
static bool tell_monitor(const struct drain *d, char *text, size_t len)
{
	text[len] = '\n';
	return send(d->shared->feed_fd, text, len + 1, MSG_DONTWAIT | MSG_NOSIGNAL) ==
	       (ssize_t)len + 1;
}

bool drain_warn(const struct drain *d, const char *text)
{
	char line[DRAIN_NOTE_BYTES];
	const size_t len = str_fmt(line, sizeof(line) - 1, "Warning: %s", text);

	return tell_monitor(d, line, MIN_OF(len, sizeof(line) - 2));
}

static void tell_loss(const struct drain *d, enum line_id id, struct drain_loss *loss)
{
	char text[256];
	size_t len;

	if (loss->untold == 0)
		return;
	len = format_loss(id, loss->untold, loss->untold_since_us, text, sizeof(text) - 1);
	if (tell_monitor(d, text, len))
		loss->untold = 0;
}

void drain_tell(struct drain *d, uint64_t now_ms)
{
	catch_up(d);
	if (d->displaced.untold == 0 && d->lost.untold == 0)
		return;
	if (d->tell_ms <= now_ms && d->tell_ms != 0) {
		tell_loss(d, LINE_L10, &d->displaced);
		tell_loss(d, LINE_L13, &d->lost);
		d->tell_ms = now_ms + DRAIN_TELL_MS;
	} else if (d->tell_ms == 0) {
		d->tell_ms = now_ms + DRAIN_TELL_FIRST_MS;
	}
	d->wake_ms = MIN_OF(d->wake_ms, d->tell_ms);
}

void drain_certificate(struct drain *d)
{
	const struct line_args args = {.text = "bad certificate", .uri = d->url.shown};
	char text[DRAIN_NOTE_BYTES];
	size_t len;

	if (d->bad_cert)
		return;
	len = line_format(LINE_L14, &args, text, sizeof(text) - 1);
	d->bad_cert = tell_monitor(d, text, MIN_OF(len, sizeof(text) - 2));
}

uint64_t drain_stands_for(const char *text, size_t len)
{
	static const char note[] = "Error L12: ";
	struct logline line;
	uint64_t n = 0;

	if (!logline_parse(text, len, &line) || line.text.len <= STRLEN(note) ||
	    (line.source.len == STRLEN(LOGLINE_APP) &&
	     memcmp(line.source.s, LOGLINE_APP, line.source.len) == 0) ||
	    memcmp(line.text.s, note, STRLEN(note)) != 0)
		return 1;
	for (size_t i = STRLEN(note); i < line.text.len; i++) {
		const char c = line.text.s[i];

		if (c < '0' || c > '9')
			break;
		n = 10 * n + (uint64_t)(c - '0');
	}
	return n > 0 ? n : 1;
}

/* ---- what is next ---------------------------------------------------------------------------- */

static bool make_note(struct drain *d, enum line_id id, struct drain_loss *loss)
{
	char now[TIME_BYTES], text[256];

	if (loss->count == 0)
		return false;
	(void)format_loss(id, loss->count, loss->since_us, text, sizeof(text));
	d->note_len =
		str_fmt(d->note, sizeof(d->note), "%s %s[%s]: %s", time_format(time_now_us(), now),
			d->shared->platform, d->shared->dyno, text);
	d->note_len = MIN_OF(d->note_len, sizeof(d->note) - 1);
	d->note_count = loss->count;
	d->note_since_us = loss->since_us;
	loss->count = 0;
	return true;
}

/* Goes on to the next record. Return: what the one behind it stands for. */
static uint64_t pass(struct drain *d)
{
	const struct ring_record *record = ring_get(&d->shared->ring, d->seq++);
	const uint64_t n = record ? record->stands_for : 1;

	d->passed += n;
	return n;
}

bool drain_next(struct drain *d, struct logline *ret)
{
	const struct ring *ring = &d->shared->ring;

	catch_up(d);
	if (d->note_len == 0 && !make_note(d, LINE_L10, &d->displaced))
		(void)make_note(d, LINE_L13, &d->lost);
	if (d->note_len > 0 && logline_parse(d->note, d->note_len, ret))
		return true;
	d->note_len = 0;
	for (; d->seq < ring->next; (void)pass(d)) {
		const struct ring_record *record = ring_get(ring, d->seq);

		if (!record)
			count_loss(&d->lost, 1); /* there was no memory for it */
		else if (logline_parse(record->text, record->len, ret))
			return true;
	}
	return false;
}

void drain_taken(struct drain *d)
{
	if (d->note_len > 0) {
		d->note_len = 0;
		if (d->noted == 0 || d->note_since_us < d->noted_since_us)
			d->noted_since_us = d->note_since_us;
		d->noted += d->note_count; /* whoever loses the note loses the count with it */
	} else {
		d->weight += pass(d);
	}
}

uint64_t drain_waiting(const struct drain *d)
{
	return d->shared->ring.next - d->seq;
}

uint64_t drain_through(const struct drain *d)
{
	return d->passed - d->weight - d->noted - d->displaced.count - d->lost.count -
	       (d->note_len > 0 ? d->note_count : 0);
}

/* ---- when to try ----------------------------------------------------------------------------- */

/* At the end there is no later: it is tried as often as may be. */
static uint64_t pause_ms(const struct drain *d)
{
	unsigned int failures = d->shared->closing ? 1 : d->failures;
	uint64_t ms = DRAIN_RETRY_FIRST_MS;

	while (--failures > 0 && ms < DRAIN_RETRY_MAX_MS)
		ms *= 2;
	return MIN_OF(ms, (uint64_t)DRAIN_RETRY_MAX_MS);
}

void drain_failed(struct drain *d, uint64_t now_ms)
{
	d->failures++;
	d->retry_at_ms = now_ms + pause_ms(d);
	d->wake_ms = d->retry_at_ms;
	d->poll_fd = -1;
}

void drain_went_well(struct drain *d)
{
	d->failures = 0;
	d->bad_cert = false;
}

bool drain_may_try(struct drain *d, uint64_t now_ms)
{
	if (d->failures == 0 || now_ms >= d->retry_at_ms)
		return true;
	d->wake_ms = MIN_OF(d->wake_ms, d->retry_at_ms);
	return false;
}

/* ---- libcurl --------------------------------------------------------------------------------- */

static size_t ignore_body(char *data, size_t size, size_t n, void *unused)
{
	(void)data;
	(void)unused;
	return size * n;
}

/* What a server that hangs holds of the kernel's memory is bounded too. */
static int bound_socket(void *unused, curl_socket_t fd, curlsocktype purpose)
{
	const int bytes = DRAIN_SOCKET_BYTES;

	(void)unused;
	(void)purpose;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)); /* a favour */
	return CURL_SOCKOPT_OK;
}

CURL *drain_curl(struct drain *d)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return NULL;
	/* None of these can fail but for want of memory, and then the transfer does. */
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, d);
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, DRAIN_CONNECT_MS);
	(void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_body);
	(void)curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, bound_socket);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Who gives a look-up up does not wait for the thread that is at it: it ends by itself. */
	(void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
	if (d->url.ca)
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, d->url.ca);
	return easy;
}

/* Of UDP: an address is found and bound to the socket as for a stream, and nothing is sent. */
static curl_socket_t datagram_socket(void *data, curlsocktype purpose, struct curl_sockaddr *to)
{
	(void)data;
	(void)purpose;
	return socket(to->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int drain_connect(struct drain *d)
{
	const bool v6 = strchr(d->url.host, ':');
	char url[URL_BYTES];

	(void)str_fmt(url, sizeof(url), "%s://%s%s%s:%u",
		      d->url.kind == LOGURL_TLS ? "https" : "http", v6 ? "[" : "", d->url.host,
		      v6 ? "]" : "", (unsigned int)d->url.port);
	d->easy = drain_curl(d);
	if (!d->easy || curl_easy_setopt(d->easy, CURLOPT_URL, url) != CURLE_OK ||
	    curl_easy_setopt(d->easy, CURLOPT_CONNECT_ONLY, 1L) != CURLE_OK ||
	    curl_easy_setopt(d->easy, CURLOPT_TIMEOUT_MS, DRAIN_REQUEST_MS) != CURLE_OK ||
	    (d->url.kind == LOGURL_UDP &&
	     curl_easy_setopt(d->easy, CURLOPT_OPENSOCKETFUNCTION, datagram_socket) != CURLE_OK) ||
	    curl_multi_add_handle(d->shared->multi, d->easy) != CURLM_OK) {
		drain_disconnect(d);
		return -ENOMEM;
	}
	d->added = true;
	return 0;
}

void drain_disconnect(struct drain *d)
{
	if (d->added)
		(void)curl_multi_remove_handle(d->shared->multi, d->easy); /* it is in there */
	curl_easy_cleanup(d->easy);
	d->easy = NULL;
	d->added = false;
}

int drain_socket(const struct drain *d)
{
	curl_socket_t fd = CURL_SOCKET_BAD;

	(void)curl_easy_getinfo(d->easy, CURLINFO_ACTIVESOCKET, &fd); /* bad where there is none */
	return fd == CURL_SOCKET_BAD ? -1 : fd;
}

bool drain_is_certificate(CURLcode code)
{
	return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
	       code == CURLE_SSL_ISSUER_ERROR;
}
