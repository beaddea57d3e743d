/* SPDX-License-Identifier: Apache-2.0 */
/*
 * environ.h - the environment of a dyno: who set which variable, who wins, and whether the kernel
 * will take the result.  It neither reads nor changes the environment of the calling process.
 *
 * Order (CONTRACT 3.1): the platform's variables, env files, -e flags, what the terminal brings;
 * later wins.  That holds for PORT and HOME too: a config var of that name reaches the app as it
 * does on Heroku.  Last come the config_vars of a slug's release file, which are defaults in the
 * sense of ${K:-v} (CONTRACT 5.9): they fill what is unset or empty and override nothing.
 *
 * A name is [A-Za-z_][A-Za-z0-9_]*.  HEROKU_* and __* belong to the platform (CONTRACT 3.7): a slug
 * may not set them; an env file or a flag may, because whoever calls dyno is the platform.
 */
#ifndef DYNO_ENVIRON_H
#define DYNO_ENVIRON_H

#include <stddef.h>
#include <stdint.h>

#include <dyno.h>

#include "base/arena.h"
#include "model/limits.h"

/* Most variables.  Source: 32 kB of config vars (CONTRACT 3.7) hold at most 8192 of "A=b" + NUL. */
#define ENV_VARS_MAX_COUNT 8192U

/* Longest variable or argument with its NUL.  Source: MAX_ARG_STRLEN, 32 pages, execve(2). */
#define ENV_STRING_MAX_BYTES 131072U

/* All strings and pointers of argv and envp under the default stack limit of 8 MiB.
 * Source: execve(2), a quarter of RLIMIT_STACK. */
#define ENV_TOTAL_MAX_BYTES (2U << 20)

/* Kept free for what bash and profile scripts add.  Source: own choice, a page. */
#define ENV_HEADROOM_BYTES 4096U

/* Source: CONTRACT 2.10, 3.4, 2.14. */
#define ENV_HOME_DEFAULT "/app"
#define ENV_PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"
#define ENV_PS1_DEFAULT	 "\\[\\033[01;34m\\]\\w\\[\\033[00m\\] \\[\\033[01;32m\\]$ \\[\\033[00m\\]"

/** enum env_origin - who set a variable, in the order in which the layers are to be applied. */
enum env_origin {
	ENV_PLATFORM,
	ENV_FILE,
	ENV_FLAG,
	ENV_TERMINAL,
	ENV_SLUG,
	_ENV_ORIGIN_MAX,
};

/**
 * struct env_pair - one variable as a file holds it.
 * @key: its name, checked against the grammar
 * @value: taken literally
 * @line: where it stands, from 1
 */
struct env_pair {
	const char *key;
	const char *value;
	unsigned int line;
};

/** struct env_pairs - @n pairs in the order of their file; zero-initialised it is empty. */
struct env_pairs {
	struct env_pair *items;
	size_t n;
};

/**
 * struct env_var - one variable of a dyno.
 * @text: "KEY=value", in the arena
 * @key_len: bytes before the "="
 * @origin: the layer whose value it is
 */
struct env_var {
	const char *text;
	size_t key_len;
	enum env_origin origin;
};

/**
 * struct env - an environment under construction; set @arena, zero the rest.
 * @arena: borrowed; owns every string
 * @vars: @n variables in the order of their first setting
 * @cap: room in @vars
 */
struct env {
	struct arena *arena;
	struct env_var *vars;
	size_t n;
	size_t cap;
};

/**
 * env_key_check() - whether @key (@len bytes, any bytes) may name a variable at all.
 * Errors: -EINVAL (ERR_ENV_KEY), the name shown escaped.
 */
int env_key_check(const char *key, size_t len, struct dyno_err *err);

/**
 * env_set() - set one variable; strings are copied.
 * @origin: ENV_SLUG does not replace a value that is set and not empty
 * Errors: -EINVAL (ERR_ENV_KEY), -E2BIG (ERR_ENV_SIZE: it alone is too long, or there are too many
 * variables), -ENOMEM.
 */
int env_set(struct env *env, const char *key, const char *value, enum env_origin origin,
	    struct dyno_err *err);

/** env_set_text() - the same for "KEY=value", as a flag brings it; -EINVAL without "=". */
int env_set_text(struct env *env, const char *text, enum env_origin origin, struct dyno_err *err);

/** env_set_pairs() - a whole layer; the error names the line. Errors: as env_set(). */
int env_set_pairs(struct env *env, const struct env_pairs *pairs, enum env_origin origin,
		  struct dyno_err *err);

/** env_get() - the value of @key. Return: NULL where unset. */
const char *env_get(const struct env *env, const char *key);

/** env_origin_of() - who set @key. Return: the origin, or -ENOENT. */
int env_origin_of(const struct env *env, const char *key);

/** env_origin_name() - "platform", "file", "flag", "terminal", "slug"; static, never NULL. */
const char *env_origin_name(enum env_origin origin);

/**
 * struct env_platform - the facts behind the platform's variables (CONTRACT 0.5, 3.4-3.6).
 * @dyno: DYNO, such as "web.1"
 * @port: PORT; 0: not set
 * @limits: DYNO_SIZE, DYNO_RAM (MB), DYNO_CPU; NULL: not set
 * @home: HOME; NULL: /app
 * @sockets: LISTEN_FDS, how many it has to listen on; 0: not set, nor are those that follow
 * @main_pid: LISTEN_PID, the command's number inside, which alone they are meant for
 * @socket_names: LISTEN_FDNAMES; NULL: not set. Source of all three: sd_listen_fds(3)
 */
struct env_platform {
	const char *dyno;
	uint16_t port;
	const struct limits *limits;
	const char *home;
	size_t sockets;
	unsigned int main_pid;
	const char *socket_names;
};

/** env_set_platform() - HOME, PATH, PORT, DYNO, PS1, the size and sockets. Errors: as env_set(). */
int env_set_platform(struct env *env, const struct env_platform *facts, struct dyno_err *err);

/**
 * env_set_terminal() - TERM and, where known, COLUMNS and LINES (CONTRACT 8.3).
 * @term: TERM of the caller; NULL or "": not set
 * @columns: 0: unknown
 * @lines: 0: unknown
 * Errors: as env_set().
 */
int env_set_terminal(struct env *env, const char *term, unsigned int columns, unsigned int lines,
		     struct dyno_err *err);

/** env_limit_bytes() - what execve(2) takes for argv and envp under a stack limit in bytes. */
uint64_t env_limit_bytes(uint64_t stack_bytes);

/**
 * env_compile() - the envp for execve(2), after a check of what the kernel will say to it.
 * @argv: the command, NULL-terminated, counted too; may be NULL
 * @limit_bytes: of env_limit_bytes(); 0: ENV_TOTAL_MAX_BYTES
 * @arena: owns the vector; the strings stay those of @env
 * @ret: NULL-terminated, in the order of first setting
 *
 * Errors: -E2BIG (ERR_ENV_SIZE: an argument over ENV_STRING_MAX_BYTES, or the total over the limit;
 * the biggest variables are named with their sizes, values are not shown), -ENOMEM.
 */
int env_compile(const struct env *env, const char *const *argv, uint64_t limit_bytes,
		struct arena *arena, const char *const **ret, struct dyno_err *err);

#endif
