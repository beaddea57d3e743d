/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health.h - asks a dyno that is up, from time to time, whether it still works: a TCP connection to
 * $PORT, an HTTP request, or a command inside it.  Failures in a row up to a threshold are an
 * event; what follows is the supervisor's.  Nothing here blocks the monitor.
 */
#ifndef DYNO_HEALTH_H
#define DYNO_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "base/arena.h"
#include "base/loop.h"
#include "engine/join.h"

#define HEALTH_INTERVAL_MS 10000U
#define HEALTH_TIMEOUT_MS  5000U
#define HEALTH_THRESHOLD   3U

/* Longest path of a request. Source: own choice */
#define HEALTH_PATH_BYTES 1024U
/* "HTTP/1.1 200" and what must follow. Source: RFC 9112, 4 */
#define HEALTH_ANSWER_BYTES 13U
/* How often a command that was given up is looked for, where the loop cannot tell. Own choice */
#define HEALTH_REAP_MS 100U
/* Read of an answer, so that an app that sends a page is not cut off in the middle of it; of a
 * longer one only the beginning. Source: own choice */
#define HEALTH_BODY_BYTES (64U * 1024U)

enum health_kind { HEALTH_NONE, HEALTH_TCP, HEALTH_HTTP, HEALTH_EXEC };

/**
 * struct health_plan - what is asked.
 * @path: of HTTP, begins with "/"
 * @command: of EXEC: for bash --login -c, as a Procfile's line
 * @interval_ms: from one question to the next; 0: HEALTH_INTERVAL_MS
 * @timeout_ms: for an answer; 0: HEALTH_TIMEOUT_MS
 * @threshold: failures in a row; 0: HEALTH_THRESHOLD
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
 * @ret is left alone.  Errors: -EINVAL (ERR_HEALTH), -ENOMEM (ERR_MEMORY).
 */
int health_parse(const char *text, struct arena *arena, struct health_plan *ret,
		 struct dyno_err *err);

/** health_fn - told once, when @count failures in a row have reached the threshold.
 * @cause: "connect to 127.0.0.1:5000: connection refused".  health_stop() may be called. */
typedef void (*health_fn)(void *data, uint32_t count, const char *cause);

/**
 * struct health - one generation's checks; set up by health_init(), and not to be moved.
 * @cause: of the last failure
 *
 * Internal: the rest.
 * @busy: a question waits for its answer, until @timer
 * @began_ms: when it was asked
 * @fd: of TCP and HTTP
 * @ipv6: it is the second address that is tried
 * @connected: one of them has answered
 * @first_num: errno of the first
 * @answer, @answer_len, @body_len: of HTTP, what was read
 * @join: of EXEC; its pidfd stays until the process was waited for, also when it was given up
 * @sent: the failures were told
 */
struct health {
	const struct health_plan *plan;
	struct loop *loop;
	struct launch *launch;
	uint16_t port;
	health_fn fn;
	void *data;
	const char *const *envp;
	char cause[128];

	int timer;
	uint64_t began_ms;
	bool busy;
	bool sent;
	uint32_t failures;
	int fd;
	bool ipv6;
	bool connected;
	int first_num;
	char answer[HEALTH_ANSWER_BYTES + 1];
	size_t answer_len;
	size_t body_len;
	struct join join;
	const char *argv[5];
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
 * @launch: borrowed until health_stop().  Where it has a network of its own its @listen_fd is what
 *          TCP and HTTP get there by: see @want_listen_fd
 * @envp: of the dyno, for EXEC
 */
void health_start(struct health *health, struct launch *launch, uint16_t port,
		  const char *const *envp);

/**
 * health_stop() - no more questions; one under way is given up.  A command is killed at once, and
 * waited for by the loop: until then the dyno's pid 1 cannot end.
 */
void health_stop(struct health *health);

/* ---- of the files of this module ------------------------------------------------------------ */

/** health_ask_tcp() - TCP and HTTP: connect, and for HTTP ask. */
void health_ask_tcp(struct health *health);

/** health_end_tcp() - hang up. */
void health_end_tcp(struct health *health);

/** health_late_tcp() - the time is over: the answer as far as it has come. */
void health_late_tcp(struct health *health);

/** health_ask_exec() - EXEC: start the command. */
void health_ask_exec(struct health *health);

/** health_end_exec() - kill the command; it is waited for by the loop. */
void health_end_exec(struct health *health);

/** health_reap_exec() - wait for a command that was killed, if it has ended; the loop was full, or
 * it hangs in the kernel. Return: whether it is still there. */
bool health_reap_exec(struct health *health);

/** health_good() / health_bad() - the answer.  The last call of who makes it: the owner may stop
 * the checks in it. @fmt: the cause */
void health_good(struct health *health);
void health_bad(struct health *health, const char *fmt, ...) _printf_(2, 3);

/** health_limit() - "5 seconds", "500 ms": the time for an answer. @buf: 32 bytes */
const char *health_limit(const struct health *health, char buf[32]);

#endif
