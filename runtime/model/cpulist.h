/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpulist.h - sets of CPUs and their text, "0-3,8", as the kernel and taskset(1) write them.  Pure.
 */
#ifndef DYNO_CPULIST_H
#define DYNO_CPULIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CPUs that a set can hold. Source: CPU_SETSIZE of glibc, 1024 */
#define CPULIST_MAX 1024U

/* The longest text: every other CPU, four digits and a comma each, and the NUL. */
#define CPULIST_BYTES (CPULIST_MAX / 2 * 5 + 1)

/** struct cpulist - a set of CPUs; zero-initialised it is empty. In the layout of cpu_set_t. */
struct cpulist {
	uint64_t bits[CPULIST_MAX / 64];
};

/**
 * cpulist_parse() - "0-3,8", blanks and a newline at the end allowed.
 * Return: 0; -EINVAL: empty or no such list; -ERANGE: a CPU of CPULIST_MAX or more.
 */
int cpulist_parse(const char *text, struct cpulist *ret);

/** cpulist_format() - the shortest text of a set, cut to @size. Return: @buf. */
char *cpulist_format(const struct cpulist *list, char *buf, size_t size);

/** cpulist_count() - how many CPUs are in it. */
unsigned int cpulist_count(const struct cpulist *list);

/** cpulist_has() - whether @cpu is in it. */
bool cpulist_has(const struct cpulist *list, unsigned int cpu);

/** cpulist_within() - whether all of @list are in @all. */
bool cpulist_within(const struct cpulist *list, const struct cpulist *all);

/**
 * cpulist_pick() - @n CPUs of @from, beginning behind the first @skip of them and going round: so
 * that sets of one size and steps of that size spread over all.
 * @n: more than there are means all
 */
void cpulist_pick(const struct cpulist *from, unsigned int n, uint64_t skip, struct cpulist *ret);

#endif
