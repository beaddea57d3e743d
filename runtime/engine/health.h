/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health.h - asks a dyno that is up, from time to time, whether it still works: a TCP connection to
 * $PORT, an HTTP request, or a command inside it.  Failures in a row up to a threshold are an
 * event; what follows is the supervisor's.  Nothing here blocks the monitor.
 */
#ifndef DYNO_HEALTH_H
#define DYNO_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include <dyno.h>

#include "base/arena.h"
#include "base/loop.h"
#include "engine/join.h"

#define HEALTH_INTERVAL_MS 10000U
#define HEALTH_TIMEOUT_MS  5000U
#define HEALTH_THRESHOLD   3U

enum health_kind { HEALTH_NONE, HEALTH_TCP, HEALTH_HTTP, HEALTH_EXEC };

/**
 * struct health_plan - what is asked.
 * @path: of HTTP, begins with "/"
 * @command: of EXEC: for bash --login -c, as a Procfile's line
 */
struct health_plan {
	enum health_kind kind;
	const char *path;
	const char *command;
	uint64_t interval_ms;
	uint64_t timeout_ms;
	uint32_t threshold;
};

/**
 * health_parse() - "tcp", "http:/path", "exec:COMMAND" into @ret->kind and its text; the rest of
 * @ret is left alone.  Errors: -EINVAL (ERR_HEALTH).
 */
int health_parse(const char *text, struct arena *arena, struct health_plan *ret,
		 struct dyno_err *err);

/** health_fn - told once, when @count failures in a row have reached the threshold.
 * @cause: "connect to 127.0.0.1:5000: connection refused" */
typedef void (*health_fn)(void *data, uint32_t count, const char *cause);

/**
 * struct health - one generation's checks; set up by health_init().  Members are its own.
 */
struct health {
	const struct health_plan *plan;
	struct loop *loop;
	struct launch *launch;
	uint16_t port;
	health_fn fn;
	void *data;
	const char *const *envp;
	int timer;
	int fd;
	struct join join;
	bool busy;
	bool sent;
	uint32_t failures;
	char cause[128];
};

/**
 * health_init() - nothing is asked yet.
 * @loop: has one timer more by it
 * Return: 0 or -errno (-ENOSPC: no timer).
 */
int health_init(struct health *health, struct loop *loop, const struct health_plan *plan,
		health_fn fn, void *data);

/**
 * health_start() - the generation is up: the first question comes one interval from now.
 * @launch: borrowed until health_stop()
 * @envp: of the dyno, for EXEC
 */
void health_start(struct health *health, struct launch *launch, uint16_t port,
		  const char *const *envp);

/** health_stop() - no more questions; one under way is given up. */
void health_stop(struct health *health);

#endif
