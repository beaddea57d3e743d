/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sampler.h - asks the monitors of dynos what these use, again and again: those that come are asked
 * from then on, those that end are forgotten.
 */
#ifndef DYNO_CLI_SAMPLER_H
#define DYNO_CLI_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>

#include <dyno.h>

#include "cli/cli.h"
#include "cli/usage.h"

/**
 * struct sampled - one dyno; its own memory.
 * @usage: its strings are here too
 * @dyno: the connection; NULL: none
 * @silent_ms: it did not answer in time: left alone until then (CLOCK_BOOTTIME)
 */
struct sampled {
	struct usage usage;
	struct dyno *dyno;
	uint64_t silent_ms;
	char app[64];
	char name[64];
	char type[64];
	char state[16];
	char label[2 * 64];
};

/**
 * struct sampler - set @cli, @host, @patterns and @n_patterns; ended by sampler_done().
 * @patterns: see dyno_each(), NULL in it: all
 * @tell: failures are told on standard error
 * @items, @n, @cap: live dynos, in the order of the patterns and of dyno_each()
 * @next: how many of them the list of this round has had
 * @failed: monitors that have not answered in the last round
 * @no_memory: the list of this round could not be kept
 */
struct sampler {
	struct cli *cli;
	struct dyno_host *host;
	const char *const *patterns;
	size_t n_patterns;
	bool tell;
	struct sampled **items;
	size_t n;
	size_t cap;
	size_t next;
	size_t failed;
	bool no_memory;
};

/**
 * sampler_round() - find the dynos, ask each once.
 * Return: 0, or -errno: of the list, or without memory; a monitor that fails is counted.
 */
int sampler_round(struct sampler *s, struct dyno_err *err);

/** sampler_list() - what is known now. @arena: holds the array. Return: NULL: without memory */
const struct usage *const *sampler_list(const struct sampler *s, struct arena *arena);

void sampler_done(struct sampler *s);

#endif
