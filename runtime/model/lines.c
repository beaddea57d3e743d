/* SPDX-License-Identifier: Apache-2.0 */
#include "model/lines.h"

#include "base/str.h"

#define MS_PER_S 1000U
#define MIB	 (UINT64_C(1) << 20)

/* Digits of a 64-bit number of milliseconds, a point and the NUL. */
struct seconds_text {
	char text[24];
};

static const char *text(const char *s)
{
	return s ? s : "";
}

static const char *stop_signal(const struct line_args *a)
{
	/* Source: CONTRACT 7.1, what a stop sends where nothing else is set */
	return a->stop_signal ? a->stop_signal : "SIGTERM";
}

/* "60", or "0.5" where the setting is no whole number of seconds: never a figure nobody set. */
static const char *seconds(struct seconds_text *s, uint64_t ms)
{
	unsigned long long whole = ms / MS_PER_S;
	unsigned int rest = (unsigned int)(ms % MS_PER_S);
	size_t n = str_fmt(s->text, sizeof(s->text), "%llu.%03u", whole, rest);

	while (s->text[n - 1] == '0')
		n--;
	if (s->text[n - 1] == '.')
		n--;
	s->text[n] = '\0';
	return s->text;
}

static unsigned long long mebibytes(const struct line_args *a)
{
	return a->mem_bytes / MIB + (a->mem_bytes % MIB >= MIB / 2);
}

/* Tenths of a percent of the quota, rounded; 0 where there is none to compare with. */
static unsigned long long permille(const struct line_args *a)
{
	unsigned __int128 scaled = (unsigned __int128)a->mem_bytes * 1000 + a->quota_bytes / 2;

	return a->quota_bytes ? (unsigned long long)(scaled / a->quota_bytes) : 0;
}

size_t line_format(enum line_id id, const struct line_args *args, char *buf, size_t size)
{
	static const struct line_args none;
	const struct line_args *a = args ? args : &none;
	struct seconds_text s;

	switch (id) {
#define LINE_CASE(number, name, ...) \
	case number:                 \
		return str_fmt(buf, size, __VA_ARGS__);
		DYNO_LINES(LINE_CASE)
#undef LINE_CASE
	case _LINE_MAX:
		break;
	}
	return str_fmt(buf, size, "%s", "");
}

const char *line_name(enum line_id id)
{
#define LINE_NAME(number, name, ...) [number] = (name),
	static const char *const names[] = {DYNO_LINES(LINE_NAME)};
#undef LINE_NAME

	return (unsigned int)id < _LINE_MAX ? names[id] : "";
}
