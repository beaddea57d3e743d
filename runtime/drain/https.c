/* SPDX-License-Identifier: Apache-2.0 */
/*
 * https.c - drains over HTTPS in the manner of Logplex: records are gathered for a moment, and sent
 * as one request; see contract 10.5 and 10.8.
 */
#include <string.h>

#include "base/clock.h"
#include "drain/drain.h"
#include "model/logframe.h"

/* Source: contract 10.8 */
#define BATCH_RECORDS 500U
#define BATCH_MS      250U
/* Own choice: a request is to be over in 5 s. */
#define BATCH_BYTES  (1024U * 1024U)
#define HEADER_BYTES 384U

static void drop_request(struct drain *d)
{
	if (d->added)
		(void)curl_multi_remove_handle(d->shared->multi, d->easy); /* it is in there */
	d->added = false;
	curl_slist_free_all(d->headers);
	d->headers = NULL;
}

static bool add_header(struct drain *d, const char *name, const char *value)
{
	struct curl_slist *list;
	char header[HEADER_BYTES];

	(void)str_fmt(header, sizeof(header), "%s: %s", name, value);
	list = curl_slist_append(d->headers, header);
	if (list)
		d->headers = list;
	return list;
}

static bool add_headers(struct drain *d)
{
	char count[24], frame[48];

	(void)str_fmt(count, sizeof(count), "%llu", (unsigned long long)d->in_flight);
	(void)str_fmt(frame, sizeof(frame), "%016llx%016llx", (unsigned long long)d->frame[0],
		      (unsigned long long)d->frame[1]);
	return add_header(d, "Content-Type", "application/logplex-1") &&
	       add_header(d, "Logplex-Msg-Count", count) &&
	       add_header(d, "Logplex-Frame-Id", frame) &&
	       add_header(d, "Logplex-Drain-Token", d->token) &&
	       add_header(d, "User-Agent", "Logplex/dyno-" DYNO_VERSION) &&
	       add_header(d, "Expect", ""); /* no question before the body */
}

static bool set_options(struct drain *d)
{
	CURL *easy = d->easy;

	return curl_easy_setopt(easy, CURLOPT_URL, d->url.url) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
		       CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, DRAIN_REQUEST_MS) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_POSTFIELDS, d->out.data) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)d->out.len) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTPHEADER, d->headers) == CURLE_OK;
}

static void give_up(struct drain *d)
{
	drain_lose(d);
	d->in_flight = 0;
	d->out.len = 0;
}

static void begin(struct drain *d, uint64_t now_ms)
{
	d->tries++;
	if (!d->easy)
		d->easy = drain_curl(d);
	if (d->easy && add_headers(d) && set_options(d) &&
	    curl_multi_add_handle(d->shared->multi, d->easy) == CURLM_OK) {
		d->added = true;
		return;
	}
	drop_request(d);
	if (d->tries >= DRAIN_TRIES)
		give_up(d);
	drain_failed(d, now_ms);
}

static void https_done(struct drain *d, CURLcode code)
{
	long status = 0;

	(void)curl_easy_getinfo(d->easy, CURLINFO_RESPONSE_CODE, &status); /* 0: none came */
	drop_request(d);
	if (code == CURLE_OK && status >= 200 && status < 300) {
		d->in_flight = 0;
		d->out.len = 0;
		drain_settled(d);
		drain_went_well(d);
		return;
	}
	if (drain_is_certificate(code))
		drain_certificate(d);
	/* What is refused would be refused again, the next request perhaps not: it is made later, and
	 * at last seldom, as there always is one: the note of what was lost. */
	if (d->tries >= DRAIN_TRIES ||
	    (code == CURLE_OK && status >= 400 && status < 500 && status != 429))
		give_up(d);
	drain_failed(d, clock_ms());
}

/* Return: whether there is a request to be made now. */
static bool gather(struct drain *d, uint64_t now_ms)
{
	struct logline line;

	if (!drain_next(d, &line)) {
		d->since_ms = 0;
		return false;
	}
	if (d->since_ms == 0)
		d->since_ms = now_ms;
	if (drain_waiting(d) < BATCH_RECORDS && now_ms < d->since_ms + BATCH_MS &&
	    !d->shared->closing) {
		d->wake_ms = d->since_ms + BATCH_MS;
		return false;
	}
	d->since_ms = 0;
	d->tries = 0;
	d->frame[1]++;
	while (d->in_flight < BATCH_RECORDS && d->out.len < BATCH_BYTES && drain_next(d, &line)) {
		logframe_logplex(&d->out, &line);
		drain_taken(d);
		d->in_flight++;
	}
	if (sbuf_ok(&d->out) == 0)
		return true;
	sbuf_done(&d->out);
	d->out = (struct sbuf){0};
	give_up(d);
	return false;
}

static void https_service(struct drain *d, uint64_t now_ms)
{
	d->wake_ms = UINT64_MAX;
	if (!d->added && drain_may_try(d, now_ms) && (d->in_flight > 0 || gather(d, now_ms)))
		begin(d, now_ms);
	d->busy = d->in_flight > 0;
}

static void https_close(struct drain *d)
{
	drop_request(d);
	curl_easy_cleanup(d->easy);
	d->easy = NULL;
}

const struct drain_kind drain_https = {
	.service = https_service, .done = https_done, .close = https_close};
