/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dynospec.c - the table of keys, and writing them.
 */
#include "model/dynospec.h"

#include <string.h>

#include "base/json.h"
#include "model/dynospec_keys.h"

/* ---- the table ------------------------------------------------------------------------------ */

/* The offset of a member whose type is @type; of another one it does not compile. */
#define AT(type, member)                                                                     \
	(offsetof(struct dyno_start_opts, member) +                                          \
	 0 * sizeof(char[__builtin_types_compatible_p(                                       \
				 __typeof__(((struct dyno_start_opts *)NULL)->member), type) \
				 ? 1                                                         \
				 : -1]))

#define SCALAR(key, kind_, type, member)                               \
	{                                                              \
		.name = (key), .kind = (kind_), .at = AT(type, member) \
	}
#define STRING(member) SCALAR(#member, KEY_STRING, const char *, dyno.member)
#define U64(member)    SCALAR(#member, KEY_U64, uint64_t, dyno.member)
#define LIST(key, kind_, type, member, n_member)                        \
	{                                                               \
		.name = (key), .kind = (kind_), .at = AT(type, member), \
		.n_at = AT(size_t, n_member)                            \
	}
#define STRINGS(key, kind, member) \
	LIST(key, kind, const char *const *, dyno.member, dyno.n_##member)
#define CHOICE(member, type, words_)                                              \
	{                                                                         \
		.name = #member, .kind = KEY_CHOICE, .at = AT(type, dyno.member), \
		.words = (words_)                                                 \
	}

static const char *const scratch_words[] = {[DYNO_SCRATCH_AUTO] = "auto",
					    [DYNO_SCRATCH_TMPFS] = "tmpfs",
					    [DYNO_SCRATCH_DISK] = "disk",
					    NULL};
static const char *const tty_words[] = {[DYNO_TTY_DEFAULT] = "default",
					[DYNO_TTY_NONE] = "none",
					[DYNO_TTY_AUTO] = "auto",
					[DYNO_TTY_ALWAYS] = "always",
					NULL};
static const char *const network_words[] = {[DYNO_NET_AUTO] = "auto",
					    [DYNO_NET_HOST] = "host",
					    [DYNO_NET_NONE] = "none",
					    [DYNO_NET_PRIVATE] = "private",
					    [DYNO_NET_PRIVATE_APP] = "private:app",
					    NULL};

const struct dynospec_row dynospec_rows[] = {
	{.name = "schema", .kind = KEY_SCHEMA},
	STRING(app),
	STRING(name),
	STRING(slug),
	STRING(checksum),
	STRING(stack),
	LIST("types", KEY_COUNTS, const struct dyno_scale *, scale, n_scale),
	STRINGS("command", KEY_COMMAND, operands),
	STRINGS("argv", KEY_ARGV, operands),
	SCALAR("oneoff", KEY_BOOL, int, oneoff),
	STRINGS("env", KEY_ENV, env),
	STRINGS("env_files", KEY_LIST, env_files),
	CHOICE(scratch, enum dyno_scratch, scratch_words),
	U64(scratch_bytes),
	U64(scratch_inodes),
	CHOICE(network, enum dyno_network, network_words),
	SCALAR("require_network", KEY_BOOL, int, dyno.require_network),
	STRING(subnet),
	STRING(egress),
	SCALAR("port", KEY_U16, uint16_t, dyno.port),
	STRINGS("publish", KEY_LIST, publish),
	U64(hold_ms),
	STRINGS("listen_fds", KEY_LIST, listen_fds),
	STRING(uid_range),
	STRING(log_source),
	U64(log_keep_bytes),
	STRINGS("log", KEY_LIST, logs),
	STRING(log_policy),
	SCALAR("log_metrics", KEY_BOOL, int, dyno.log_metrics),
	U64(boot_timeout_ms),
	U64(grace_ms),
	STRING(restart),
	STRING(exit_0),
	STRING(restart_order),
	STRING(backoff),
	STRING(cycle),
	U64(time_limit_ms),
	STRING(on_hangup),
	U64(hangup_ms),
	U64(idle_timeout_ms),
	CHOICE(tty, enum dyno_tty, tty_words),
	SCALAR("open_stdin", KEY_BOOL, int, dyno.open_stdin),
	SCALAR("await_client", KEY_BOOL, int, dyno.await_client),
	U64(attach_timeout_ms),
	STRING(stop_signal),
	STRING(stop_scope),
	STRING(health),
	U64(health_interval_ms),
	U64(health_timeout_ms),
	SCALAR("health_threshold", KEY_UINT, unsigned int, dyno.health_threshold),
	STRING(seccomp),
	SCALAR("seccomp_log", KEY_BOOL, int, dyno.seccomp_log),
	SCALAR("receipt", KEY_NOT, int, dyno.no_receipt),
	SCALAR("keep", KEY_BOOL, int, dyno.keep),
	SCALAR("read_only", KEY_BOOL, int, dyno.read_only),
	STRINGS("writable", KEY_LIST, writable),
	STRINGS("tmpfs", KEY_LIST, tmpfs),
	STRINGS("mounts", KEY_LIST, mounts),
	SCALAR("private_stack", KEY_BOOL, int, dyno.private_stack),
	STRING(size),
	STRING(memory),
	STRING(memory_hard),
	STRING(memory_policy),
	STRING(swap),
	STRING(cpus),
	STRING(cpu_weight),
	STRING(cpuset),
	STRING(pids),
	STRING(io_weight),
	STRINGS("io_max", KEY_LIST, io_max),
	STRING(nofile),
	STRING(shm_size),
	STRING(cpu_view),
	SCALAR("require_limits", KEY_BOOL, int, dyno.require_limits),
};
const size_t dynospec_n_rows = ARRAY_SIZE(dynospec_rows);

/* A setting without a key would be lost on its way to the monitor, and nobody would notice. */
#if __SIZEOF_POINTER__ == 8
_Static_assert(sizeof(struct dyno_run_opts) == 672 && sizeof(struct dyno_start_opts) == 704,
	       "a member has come or gone: give it a key here and in dyno-spec(5), or none");
#endif

const char *dynospec_key(size_t i)
{
	return i < dynospec_n_rows ? dynospec_rows[i].name : NULL;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void add_string(struct sbuf *b, const char *name, const char *s)
{
	_cleanup_sbuf_ struct sbuf hex = {0};

	if (str_is_utf8(s, strlen(s))) {
		json_str(b, name, s);
		return;
	}
	for (; *s; s++)
		sbuf_addf(&hex, "%02x", (unsigned char)*s);
	b->failed |= hex.failed;
	json_open(b, name, '{');
	json_str(b, DYNOSPEC_HEX, sbuf_str(&hex));
	json_close(b, '}');
}

static void add_list(struct sbuf *b, const char *name, const char *const *list, size_t n)
{
	json_open(b, name, '[');
	for (size_t i = 0; i < n; i++)
		add_string(b, NULL, list[i]);
	json_close(b, ']');
}

static size_t env_key_len(const char *var)
{
	return strcspn(var, "=");
}

/* Whether a later variable of the same name makes this one of no effect: a key stands only once. */
static bool env_replaced(const char *const *env, size_t n, size_t i)
{
	size_t len = env_key_len(env[i]);

	for (size_t later = i + 1; later < n; later++)
		if (env_key_len(env[later]) == len && memcmp(env[later], env[i], len) == 0)
			return true;
	return false;
}

/* What is not "K=V" is written as K without a value, which no reader takes: it is not lost. */
static void add_env(struct sbuf *b, const char *name, const char *const *env, size_t n)
{
	json_open(b, name, '{');
	for (size_t i = 0; i < n; i++) {
		_cleanup_sbuf_ struct sbuf key = {0};
		size_t len = env_key_len(env[i]);

		if (env_replaced(env, n, i))
			continue;
		sbuf_add(&key, env[i], len);
		b->failed |= key.failed;
		if (env[i][len] == '=')
			add_string(b, sbuf_str(&key), env[i] + len + 1);
		else
			json_unknown(b, sbuf_str(&key));
	}
	json_close(b, '}');
}

static bool scale_replaced(const struct dyno_scale *scale, size_t n, size_t i)
{
	for (size_t later = i + 1; later < n; later++)
		if (str_eq(scale[later].type, scale[i].type))
			return true;
	return false;
}

static void add_counts(struct sbuf *b, const char *name, const struct dyno_scale *scale, size_t n)
{
	json_open(b, name, '{');
	for (size_t i = 0; i < n; i++)
		if (!scale_replaced(scale, n, i))
			json_u64(b, scale[i].type, scale[i].count);
	json_close(b, '}');
}

/* Beyond what a JSON reader takes for an integer there is no limit that could still be met. */
static void add_number(struct sbuf *b, const char *name, uint64_t value)
{
	if (value > 0)
		json_u64(b, name, MIN_OF(value, (uint64_t)INT64_MAX));
}

static size_t count_of(const struct dyno_start_opts *opts, const struct dynospec_row *row)
{
	return *(const size_t *)((const char *)opts + row->n_at);
}

static void add_scalar(struct sbuf *b, const struct dynospec_row *row, const void *at)
{
	const char *name = row->name;

	switch (row->kind) {
	case KEY_STRING:
		if (*(const char *const *)at)
			add_string(b, name, *(const char *const *)at);
		break;
	case KEY_U64:
		add_number(b, name, *(const uint64_t *)at);
		break;
	case KEY_UINT:
		add_number(b, name, *(const unsigned int *)at);
		break;
	case KEY_U16:
		add_number(b, name, *(const uint16_t *)at);
		break;
	case KEY_BOOL:
	case KEY_NOT:
		if (*(const int *)at)
			json_bool(b, name, row->kind == KEY_BOOL);
		break;
	case KEY_CHOICE:
		if (*(const unsigned int *)at)
			json_str(b, name, row->words[*(const unsigned int *)at]);
		break;
	case KEY_SCHEMA:
		json_u64(b, name, DYNOSPEC_SCHEMA);
		break;
	case KEY_LIST:
	case KEY_COMMAND:
	case KEY_ARGV:
	case KEY_ENV:
	case KEY_COUNTS:
	case _KEY_KIND_MAX:
		break;
	}
}

/* Whether a key that holds a list is to be written; an argv without a word is an error to tell. */
static bool has_list(const struct dynospec_row *row, const struct dyno_start_opts *opts)
{
	if (row->kind == KEY_ARGV)
		return opts->dyno.argv_mode;
	if (row->kind == KEY_COMMAND && opts->dyno.argv_mode)
		return false;
	return row->n_at > 0 && count_of(opts, row) > 0;
}

void dynospec_format(const struct dyno_start_opts *opts, struct sbuf *b)
{
	json_open(b, NULL, '{');
	for (size_t i = 0; i < dynospec_n_rows; i++) {
		const struct dynospec_row *row = &dynospec_rows[i];
		const void *at = (const char *)opts + row->at;

		if (!has_list(row, opts))
			add_scalar(b, row, at);
		else if (row->kind == KEY_ENV)
			add_env(b, row->name, *(const char *const *const *)at, count_of(opts, row));
		else if (row->kind == KEY_COUNTS)
			add_counts(b, row->name, *(const struct dyno_scale *const *)at,
				   count_of(opts, row));
		else
			add_list(b, row->name, *(const char *const *const *)at,
				 count_of(opts, row));
	}
	json_close(b, '}');
}
