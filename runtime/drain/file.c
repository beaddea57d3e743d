/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c - drains into files and descriptors, as lines of text or JSON.  A pipe that is full is
 * waited for.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fd.h"
#include "drain/drain.h"
#include "model/logframe.h"

/* Written at once. Source: pipe(7), the default capacity */
#define WRITE_BYTES (64U * 1024U)
/* How often is looked for a lock. Source: own choice */
#define LOCK_MS 10U

/* A note begins a batch, and a record that stands for several ends one: of what was written in part
 * the rest can be counted. */
static void fill(struct drain *d)
{
	struct logline line;

	d->out.len = d->out_from = 0;
	drain_settled(d);
	while (d->out.len < WRITE_BYTES && d->weight + (d->noted > 0) == d->in_flight &&
	       drain_next(d, &line)) {
		if (d->note_len > 0 && d->in_flight > 0)
			break;
		if (d->url.kind == LOGURL_JSON)
			logline_json(&line, &d->out);
		else
			logframe_text(&d->out, &line);
		drain_taken(d);
		d->in_flight++;
	}
	if (sbuf_ok(&d->out) < 0) {
		sbuf_done(&d->out);
		d->out = (struct sbuf){0};
		drain_lose(d);
		d->in_flight = 0;
	}
}

/* The lines that are not in the file whole. */
static void lose_rest(struct drain *d)
{
	uint64_t unwritten = 0, written;

	for (size_t i = d->out_from; i < d->out.len; i++)
		unwritten += d->out.data[i] == '\n';
	written = d->in_flight - unwritten;
	if (written > 0 && d->noted > 0) {
		d->noted = 0;
		written--;
	}
	d->weight -= written;
	drain_lose(d);
}

static int write_out(struct drain *d)
{
	while (d->out_from < d->out.len) {
		const ssize_t n =
			outlet_write(d, d->out.data + d->out_from, d->out.len - d->out_from);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		d->out_from += (size_t)n;
		d->torn = d->out.data[d->out_from - 1] != '\n';
	}
	return 0;
}

static void file_service(struct drain *d, uint64_t now_ms)
{
	d->poll_fd = -1;
	d->wake_ms = UINT64_MAX;
	if (!drain_may_try(d, now_ms))
		return;
	for (;;) {
		int r;

		if (d->out_from == d->out.len)
			fill(d);
		if (d->out.len == 0)
			break;
		r = outlet_ready(d, d->out.len, now_ms);
		if (r == 0)
			r = write_out(d);
		if (r == -EBUSY) {
			d->wake_ms = now_ms + LOCK_MS;
			break;
		}
		if (!d->torn || r != -EAGAIN)
			outlet_unlock(d);
		if (r == -EAGAIN) {
			d->poll_fd = d->fd;
			d->poll_events = CURL_WAIT_POLLOUT;
			break;
		}
		if (r < 0) {
			lose_rest(d);
			drain_failed(d, now_ms);
		} else {
			drain_went_well(d);
		}
		d->out.len = d->out_from = 0;
		d->in_flight = 0;
		if (r < 0)
			break;
	}
	d->busy = d->out_from < d->out.len;
}

static void file_close(struct drain *d)
{
	close_fdp(&d->fd);
}

const struct drain_kind drain_file = {
	.open = outlet_open, .service = file_service, .close = file_close};
