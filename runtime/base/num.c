/* SPDX-License-Identifier: Apache-2.0 */
/*
 * num.c - numbers from text, strictly, and sizes to text.  No sign, no blank, no locale.
 */
#include "base/num.h"

#include <errno.h>

#include "base/str.h"

#define MS_PER_S UINT64_C(1000)

/* Reads leading digits. Return: 0, -EINVAL where there is none, -ERANGE. */
static int parse_digits(const char *s, uint64_t *ret, const char **ret_rest)
{
	uint64_t v = 0;
	bool overflow = false;

	if (*s < '0' || *s > '9')
		return -EINVAL;

	for (; *s >= '0' && *s <= '9'; s++) {
		overflow |= __builtin_mul_overflow(v, 10, &v);
		overflow |= __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v);
	}
	*ret_rest = s;
	if (overflow)
		return -ERANGE;
	*ret = v;
	return 0;
}

int num_parse_u64(const char *s, uint64_t max, uint64_t *ret)
{
	const char *rest = "";
	uint64_t v = 0;
	int r = parse_digits(s, &v, &rest);

	if (*rest)
		return -EINVAL; /* "99999999999999999999x" is no number, not a large one */
	if (r < 0)
		return r;
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int num_parse_u32(const char *s, uint32_t max, uint32_t *ret)
{
	uint64_t v = 0;
	int r = num_parse_u64(s, max, &v);

	if (r < 0)
		return r;
	*ret = (uint32_t)v;
	return 0;
}

struct unit {
	const char *text;
	uint64_t factor;
};

/* Digits and one of the units, whose table decides all of what may follow. */
static int parse_with_unit(const char *s, const struct unit *units, size_t n_units, uint64_t *ret)
{
	const char *rest = "";
	uint64_t v = 0;
	int r = parse_digits(s, &v, &rest);

	if (r == -EINVAL)
		return r;

	for (size_t i = 0; i < n_units; i++) {
		if (!str_eq(rest, units[i].text))
			continue;
		if (r < 0 || __builtin_mul_overflow(v, units[i].factor, &v))
			return -ERANGE;
		*ret = v;
		return 0;
	}
	return -EINVAL;
}

int num_parse_size(const char *s, uint64_t *ret_bytes)
{
#define SIZE_UNIT(letter, lower, shift)                                    \
	{letter, UINT64_C(1) << (shift)}, {lower, UINT64_C(1) << (shift)}, \
		{letter "B", UINT64_C(1) << (shift)},                      \
	{                                                                  \
		letter "iB", UINT64_C(1) << (shift)                        \
	}
	static const struct unit units[] = {
		{"", 1},
		{"B", 1},
		SIZE_UNIT("K", "k", 10),
		SIZE_UNIT("M", "m", 20),
		SIZE_UNIT("G", "g", 30),
		SIZE_UNIT("T", "t", 40),
	};
#undef SIZE_UNIT

	return parse_with_unit(s, units, ARRAY_SIZE(units), ret_bytes);
}

int num_parse_duration(const char *s, uint64_t *ret_ms)
{
	static const struct unit units[] = {
		{"", MS_PER_S},		{"ms", 1},
		{"s", MS_PER_S},	{"m", 60 * MS_PER_S},
		{"h", 3600 * MS_PER_S}, {"d", 24 * 3600 * MS_PER_S},
	};

	return parse_with_unit(s, units, ARRAY_SIZE(units), ret_ms);
}

/* Room for a size as text: "1023 B", "9.9 MB". */
#define SIZE_TEXT_BYTES 16

char *num_format_size(char *buf, uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	unsigned int i = 0;
	uint64_t whole, rest, tenths;

	while (i + 1 < STRLEN(units) && bytes >> (10 * (i + 1)))
		i++;
	if (i == 0) {
		(void)str_fmt(buf, SIZE_TEXT_BYTES, "%u B", (unsigned int)bytes);
		return buf;
	}

	whole = bytes >> (10 * i);
	rest = bytes & ((UINT64_C(1) << (10 * i)) - 1);
	tenths = (rest * 10 + (UINT64_C(1) << (10 * i - 1))) >> (10 * i);
	if (whole * 10 + tenths < 100) {
		tenths += whole * 10;
		(void)str_fmt(buf, SIZE_TEXT_BYTES, "%u.%u %cB", (unsigned int)(tenths / 10),
			      (unsigned int)(tenths % 10), units[i]);
		return buf;
	}

	whole += rest >> (10 * i - 1); /* rounded half up */
	if (whole == 1024 && i + 1 < STRLEN(units))
		(void)str_fmt(buf, SIZE_TEXT_BYTES, "1.0 %cB", units[i + 1]);
	else
		(void)str_fmt(buf, SIZE_TEXT_BYTES, "%u %cB", (unsigned int)whole, units[i]);
	return buf;
}
