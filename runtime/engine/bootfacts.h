/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bootfacts.h - what the kernel says of a dyno's processes and sockets while it boots: /proc of all
 * that live below its dyno-init.  It is asked for seldom: at a boot timeout, and by people.  What it
 * means is model/bootcause.h's matter.
 */
#ifndef DYNO_BOOTFACTS_H
#define DYNO_BOOTFACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/listen.h"
#include "model/bootcause.h"

/**
 * struct bootfacts_ask - which dyno.
 * @init_pid: its dyno-init, as the host numbers it
 * @port: $PORT
 * @shared: it has the host's network, where others may have the port
 * @age_ms: since its command runs
 * @before: as of struct boot_facts; borrowed
 * @binds: its listening sockets where they are known; NULL: they are found by its descriptors
 */
struct bootfacts_ask {
	int init_pid;
	uint16_t port;
	bool shared;
	uint64_t age_ms;
	const char *before;
	const struct listen_fact *binds;
};

/**
 * bootfacts_explain() - why it does not listen on $PORT: what it listens on instead, and the cause,
 * as far as they can be seen.
 * @ret: cut at its end; "" where something listens as it should, and where nothing is known
 * Return: the cause.
 */
enum boot_cause bootfacts_explain(const struct bootfacts_ask *ask, char *ret, size_t size);

#endif
