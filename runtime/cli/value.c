/* SPDX-License-Identifier: Apache-2.0 */
/* value.c - the values of options, from text. */
#include "cli/value.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/nearest.h"
#include "base/num.h"
#include "base/str.h"
#include "base/timetext.h"

/* Longest text of a SIZE or INODES that can be meant: 2^64 has 20 digits, "KiB" adds three. */
#define SCRATCH_PART_BYTES 32

/* Most inodes of a tmpfs. Source: tmpfs(5), nr_inodes is an unsigned long; more than 2^32 is a
 * slip of the hand. */
#define SCRATCH_INODES_MAX UINT32_MAX

/* A bare number from here on is a time, not a duration of 31 years. Source: own choice, 2001 */
#define EPOCH_LEAST UINT64_C(1000000000)

/* More of anything is a slip of the hand. Source: own choice */
#define COUNT_MAX 10000U

int value_bool(const char *s, bool *ret, struct dyno_err *err)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{"1", true},  {"yes", true}, {"true", true},   {"on", true},
		{"0", false}, {"no", false}, {"false", false}, {"off", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(s, words[i].word) == 0) {
			*ret = words[i].value;
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, 0, "\"%s\" is neither yes nor no", s);
}

int value_port(const char *s, uint16_t *ret, struct dyno_err *err)
{
	uint32_t port;

	if (num_parse_u32(s, UINT16_MAX, &port) < 0 || port == 0)
		return err_set(err, ERR_USAGE, 0, "\"%s\" is not a port from 1 to 65535", s);

	*ret = (uint16_t)port;
	return 0;
}

int value_size(const char *s, uint64_t *ret_bytes, struct dyno_err *err)
{
	uint64_t bytes;

	if (num_parse_size(s, &bytes) < 0 || bytes == 0)
		return err_set(err, ERR_USAGE, 0, "\"%s\" is not a size such as 64M or 2G", s);

	*ret_bytes = bytes;
	return 0;
}

int value_duration(const char *s, uint64_t *ret_ms, struct dyno_err *err)
{
	uint64_t ms;

	if (num_parse_duration(s, &ms) < 0 || ms == 0)
		return err_set(err, ERR_USAGE, 0, "\"%s\" is not a time such as 10s, 5m or 24h", s);

	*ret_ms = ms;
	return 0;
}

int value_fd(const char *s, void *field, struct dyno_err *err)
{
	uint32_t fd;

	if (num_parse_u32(s, INT_MAX, &fd) < 0 || fd == 0)
		return err_set(err, ERR_USAGE, 0, "\"%s\" is not a descriptor's number, 1 or more",
			       s);

	*(int *)field = (int)fd;
	return 0;
}

int value_count(const char *s, void *field, struct dyno_err *err)
{
	uint32_t count;

	if (num_parse_u32(s, COUNT_MAX, &count) < 0 || count == 0)
		return err_set(err, ERR_USAGE, 0, "\"%s\" is not a number from 1 to %u", s,
			       COUNT_MAX);

	*(unsigned int *)field = count;
	return 0;
}

static int choice_unknown(const char *s, const char *const *choices, struct dyno_err *err)
{
	struct nearest near = {.word = s};
	char list[DYNO_ERR_HINT_BYTES] = "";
	size_t len = 0;

	for (size_t i = 0; choices[i]; i++) {
		nearest_offer(&near, choices[i]);
		if (len < sizeof(list))
			len += str_fmt(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
				       choices[i]);
	}

	int r = err_set(err, ERR_USAGE, 0, "\"%s\" is none of: %s", s, list);

	if (near.best)
		err_hint(err, "did you mean %s?", near.best);
	return r;
}

/* "@1780315200", or the number alone, as `date +%s` prints it: so long ago there was no log. */
static bool parse_epoch(const char *s, uint64_t *ret_us)
{
	bool marked = s[0] == '@';
	uint64_t seconds;

	if (num_parse_u64(s + marked, UINT64_MAX / 1000000, &seconds) < 0 ||
	    (!marked && seconds < EPOCH_LEAST))
		return false;
	*ret_us = seconds * 1000000;
	return true;
}

static bool parse_since(const char *s, uint64_t *ret_us)
{
	const uint64_t now_us = time_now_us();
	uint64_t ago_ms;

	if (parse_epoch(s, ret_us))
		return true;
	if (num_parse_duration(s, &ago_ms) == 0 && ago_ms < now_us / 1000) {
		*ret_us = now_us - ago_ms * 1000;
		return true;
	}
	return time_parse(s, strlen(s), ret_us) == 0;
}

int value_since(const char *s, void *field, struct dyno_err *err)
{
	uint64_t us;
	int r;

	if (!parse_since(s, &us)) {
		r = err_set(err, ERR_USAGE, 0, "\"%s\" is no time", s);
		err_hint(err, "so long ago, as 10m, or a time in UTC, as 2026-06-01T12:00:00Z");
		return r;
	}
	*(uint64_t *)field = MAX_OF(us, UINT64_C(1));
	return 0;
}

int value_choice(const char *s, const char *const *choices, unsigned int *ret, struct dyno_err *err)
{
	for (unsigned int i = 0; choices[i]; i++) {
		if (str_eq(s, choices[i])) {
			*ret = i;
			return 0;
		}
	}
	return choice_unknown(s, choices, err);
}

/* Cuts the next colon-separated part of *@s off into @part. False: it is longer than any number. */
static bool scratch_part(const char **s, char part[SCRATCH_PART_BYTES])
{
	size_t len = strcspn(*s, ":");

	if (len >= SCRATCH_PART_BYTES)
		return false;
	memcpy(part, *s, len);
	part[len] = '\0';
	*s += len;
	if (**s == ':')
		(*s)++;
	return true;
}

static bool scratch_parse(const char *s, struct value_scratch *ret)
{
	char kind[SCRATCH_PART_BYTES], size[SCRATCH_PART_BYTES], inodes[SCRATCH_PART_BYTES];

	if (!scratch_part(&s, kind) || !scratch_part(&s, size) || !scratch_part(&s, inodes) || *s)
		return false;

	if (str_eq(kind, "auto"))
		ret->kind = DYNO_SCRATCH_AUTO;
	else if (str_eq(kind, "tmpfs"))
		ret->kind = DYNO_SCRATCH_TMPFS;
	else if (str_eq(kind, "disk"))
		ret->kind = DYNO_SCRATCH_DISK;
	else
		return false;

	if (str_eq(size, "none") && ret->kind == DYNO_SCRATCH_DISK && !inodes[0])
		ret->bytes = DYNO_SCRATCH_NO_LIMIT;
	else if (size[0] && (num_parse_size(size, &ret->bytes) < 0 || ret->bytes == 0))
		return false;
	if (inodes[0] &&
	    (num_parse_u64(inodes, SCRATCH_INODES_MAX, &ret->inodes) < 0 || ret->inodes == 0))
		return false;
	return true;
}

int value_scratch(const char *s, void *field, struct dyno_err *err)
{
	struct value_scratch scratch = {0};

	if (!scratch_parse(s, &scratch))
		return err_set(
			err, ERR_USAGE, 0,
			"\"%s\" is not of the form auto|tmpfs|disk[:SIZE[:INODES]], disk:none", s);

	*(struct value_scratch *)field = scratch;
	return 0;
}

int value_lines(const char *s, void *field, struct dyno_err *err)
{
	struct value_lines lines = {.n = UINT64_MAX, .set = true};
	int r;

	if (!str_eq(s, "all") && num_parse_u64(s, UINT64_MAX - 1, &lines.n) < 0) {
		r = err_set(err, ERR_USAGE, 0, "\"%s\" is no number of lines", s);
		err_hint(err, "0 or more, or all");
		return r;
	}
	*(struct value_lines *)field = lines;
	return 0;
}
