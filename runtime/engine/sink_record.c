/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_record.c - texts of an app or of the platform as records of a batch: the head before each,
 * and what within a text would end it.
 */
#include "engine/sink.h"

#include <errno.h>
#include <string.h>

#include "base/logline.h"
#include "base/str.h"
#include "base/timetext.h"

/* One record escaped from end to end. */
_Static_assert(SINK_HEAD_BYTES + 4 * OUTPUT_LINE_BYTES + 2 <= SINK_BATCH_BYTES,
	       "a batch has room for any record");
_Static_assert(SINK_HEAD_BYTES % SINK_BLOCK_BYTES == 0, "a head is whole blocks");

void sink_head(struct sink *sink, const char *source, const char *dyno, bool err)
{
	static const char mark[] = {LOGLINE_ERR, '\0'};
	char now[TIME_BYTES];
	size_t len;

	(void)str_fmt(sink->dyno, sizeof(sink->dyno), "%s", dyno);
	len = str_fmt(sink->area->head, SINK_HEAD_BYTES,
		      "%s %s%s[%s]: ", time_format(time_now_us(), now), err ? mark : "", source,
		      dyno);
	sink->head_len = MIN_OF(len, (size_t)SINK_HEAD_BYTES - 1);
}

static size_t count_byte(const char *text, size_t len, char c)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == c;
	return n;
}

static void escape(char *to, const char *text, size_t len)
{
	static const char newline[] = {'\\', 'n'}, nul[] = {'\\', 'x', '0', '0'};

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n') {
			memcpy(to, newline, sizeof(newline));
			to += sizeof(newline);
		} else if (text[i] == '\0') {
			memcpy(to, nul, sizeof(nul));
			to += sizeof(nul);
		} else {
			*to++ = text[i];
		}
	}
}

/* In blocks of a constant size, which are moves and no call; the text goes over what is too much of
 * the last one. */
static char *put_head(const struct sink *sink, char *to)
{
	for (size_t i = 0; i < sink->head_len; i += SINK_BLOCK_BYTES)
		memcpy(to + i, sink->area->head + i, SINK_BLOCK_BYTES);
	return to + sink->head_len;
}

/* Return: false when there is no room for it below @limit. */
static bool put(struct sink *sink, const char *text, size_t len, unsigned int flags, size_t limit)
{
	const bool partial = flags & SINK_PARTIAL;
	const bool plain =
		(flags & SINK_PLAIN) || (!memchr(text, '\0', len) && !memchr(text, '\n', len));
	const size_t grown =
		plain ? len : len + 3 * count_byte(text, len, '\0') + count_byte(text, len, '\n');
	char *to = sink->area->out + sink->to;

	if (sink->to + sink->head_len + grown + partial + 1 > SINK_NOTE_BYTES + limit)
		return false;
	to = put_head(sink, to);
	if (plain)
		memcpy(to, text, len);
	else
		escape(to, text, len);
	to += grown;
	if (partial)
		*to++ = LOGLINE_PARTIAL;
	*to++ = '\n';
	sink->to = (size_t)(to - sink->area->out);
	sink->records++;
	return true;
}

int sink_put(struct sink *sink, const char *text, size_t len, unsigned int flags)
{
	/* Of an empty batch any is taken. */
	while (!put(sink, text, len, flags, SINK_BATCH_BYTES)) {
		if (sink_flush(sink) != -EAGAIN)
			continue;
		if (sink_is_full(sink))
			return -EAGAIN;
		if (sink_displace(sink))
			continue;
		sink_lose(sink, 1); /* no room beside what is left of a long one */
		break;
	}
	return 0;
}

int sink_line(struct sink *sink, const char *source, const char *dyno, const char *text, size_t len)
{
	int r = sink_prepare(sink);

	if (r < 0) {
		sink_lose(sink, 1);
		return r;
	}
	sink_head(sink, source, dyno, false);
	do {
		const size_t piece = MIN_OF(len, (size_t)OUTPUT_LINE_BYTES);

		if (!put(sink, text, piece, piece < len ? SINK_PARTIAL : 0,
			 SINK_BATCH_BYTES + SINK_RESERVE_BYTES)) {
			r = -ENOBUFS;
			sink_lose(sink, 1);
			break;
		}
		text += piece;
		len -= piece;
		/* What waits for room has somebody who looks for it, but for a sink without a loop. */
		r = sink->stuck && sink->loop ? 0 : sink_flush(sink);
	} while (len > 0);
	return r == -EAGAIN ? 0 : r;
}
