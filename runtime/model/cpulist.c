/* SPDX-License-Identifier: Apache-2.0 */
#include "model/cpulist.h"

#include <errno.h>

#include "base/str.h"

static void add(struct cpulist *list, unsigned int cpu)
{
	list->bits[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

bool cpulist_has(const struct cpulist *list, unsigned int cpu)
{
	return cpu < CPULIST_MAX && (list->bits[cpu / 64] >> (cpu % 64) & 1);
}

/* Digits at *@at. Return: the number, -EINVAL where there is none, -ERANGE. */
static int take_number(const char **at)
{
	unsigned int n = 0;
	const char *s = *at;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		n = n * 10 + (unsigned int)(*s - '0');
		if (n >= CPULIST_MAX)
			return -ERANGE;
	}
	*at = s;
	return (int)n;
}

static int take_range(const char **at, struct cpulist *list)
{
	int first = take_number(at);
	int last = first;

	if (first < 0)
		return first;
	if (**at == '-') {
		(*at)++;
		last = take_number(at);
	}
	if (last < 0)
		return last;
	if (last < first)
		return -EINVAL;
	for (int cpu = first; cpu <= last; cpu++)
		add(list, (unsigned int)cpu);
	return 0;
}

int cpulist_parse(const char *text, struct cpulist *ret)
{
	struct cpulist list = {0};
	const char *at = text;
	int r;

	for (;;) {
		r = take_range(&at, &list);
		if (r < 0)
			return r;
		if (*at != ',')
			break;
		at++;
	}
	while (*at == ' ' || *at == '\n')
		at++;
	if (*at)
		return -EINVAL;
	*ret = list;
	return 0;
}

char *cpulist_format(const struct cpulist *list, char *buf, size_t size)
{
	size_t len = 0;
	unsigned int cpu = 0;

	buf[0] = '\0';
	while (cpu < CPULIST_MAX && len < size) {
		unsigned int last = cpu;

		if (!cpulist_has(list, cpu)) {
			cpu++;
			continue;
		}
		while (cpulist_has(list, last + 1))
			last++;
		len += str_fmt(buf + len, size - len, "%s%u", len ? "," : "", cpu);
		if (last > cpu && len < size)
			len += str_fmt(buf + len, size - len, "-%u", last);
		cpu = last + 1;
	}
	return buf;
}

unsigned int cpulist_count(const struct cpulist *list)
{
	unsigned int n = 0;

	for (size_t i = 0; i < CPULIST_MAX / 64; i++)
		n += (unsigned int)__builtin_popcountll(list->bits[i]);
	return n;
}

bool cpulist_within(const struct cpulist *list, const struct cpulist *all)
{
	for (size_t i = 0; i < CPULIST_MAX / 64; i++)
		if (list->bits[i] & ~all->bits[i])
			return false;
	return true;
}

void cpulist_pick(const struct cpulist *from, unsigned int n, uint64_t skip, struct cpulist *ret)
{
	unsigned int there = cpulist_count(from);
	unsigned int seen = 0;
	struct cpulist list = {0};

	n = n < there ? n : there;
	skip = there ? skip % there : 0;
	for (unsigned int cpu = 0; n > 0 && cpu < CPULIST_MAX; cpu++) {
		if (!cpulist_has(from, cpu))
			continue;
		/* The i-th is taken where i is in [skip, skip + n), counted round. */
		if ((seen + there - skip) % there < n)
			add(&list, cpu);
		seen++;
	}
	*ret = list;
}
