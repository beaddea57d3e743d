/* SPDX-License-Identifier: Apache-2.0 */
#include "model/environ.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "model/text.h"

/* Bytes of a name that a message shows, and variables that it names. */
#define KEY_SHOWN_BYTES	    64U
#define BIGGEST_SHOWN_COUNT 3U

/* The kernel's floor and ceiling for argv and envp.  Source: fs/exec.c, bprm_stack_limits():
 * ARG_MAX, and three quarters of _STK_LIM (8 MiB). */
#define EXEC_LIMIT_MIN_BYTES (128U << 10)
#define EXEC_LIMIT_MAX_BYTES (6U << 20)

static const char *const origin_names[] = {
	[ENV_PLATFORM] = "platform", [ENV_FILE] = "file", [ENV_FLAG] = "flag",
	[ENV_TERMINAL] = "terminal", [ENV_SLUG] = "slug",
};
static_assert(ARRAY_SIZE(origin_names) == _ENV_ORIGIN_MAX, "one name for each origin");

const char *env_origin_name(enum env_origin origin)
{
	return (size_t)origin < ARRAY_SIZE(origin_names) ? origin_names[origin] : "unknown";
}

static int key_error(const char *key, size_t len, const char *why, struct dyno_err *err)
{
	char head[KEY_SHOWN_BYTES], shown[KEY_SHOWN_BYTES];

	(void)str_fmt(head, sizeof(head), "%.*s", (int)MIN_OF(len, sizeof(head) - 1), key);
	(void)err_set(err, ERR_ENV_KEY, 0, "set config var \"%s\": %s",
		      str_escape(shown, sizeof(shown), head), why);
	return -EINVAL;
}

int env_key_check(const char *key, size_t len, struct dyno_err *err)
{
	if (len == 0)
		return key_error("", 0, "the name is empty", err);

	for (size_t i = 0; i < len; i++) {
		if (text_is_word(key[i]) && (i > 0 || !text_is_digit(key[i])))
			continue;
		(void)key_error(key, len, "the name is not allowed", err);
		err_hint(err, "a name has letters, digits and \"_\", and does not begin with a "
			      "digit");
		return -EINVAL;
	}
	return 0;
}

static struct env_var *find(const struct env *env, const char *key, size_t key_len)
{
	for (size_t i = 0; i < env->n; i++)
		if (env->vars[i].key_len == key_len && memcmp(env->vars[i].text, key, key_len) == 0)
			return &env->vars[i];
	return NULL;
}

static const char *value_of(const struct env_var *var)
{
	return var->text + var->key_len + 1;
}

static int check_origin(const char *key, size_t len, enum env_origin origin, struct dyno_err *err)
{
	if (origin != ENV_SLUG || (!str_starts(key, "HEROKU_") && !str_starts(key, "__")))
		return 0;
	return key_error(key, len, "names that begin so are the platform's, not a slug's", err);
}

static int store(struct env *env, struct env_var *var, const struct env_var *set,
		 struct dyno_err *err)
{
	if (var) {
		*var = *set;
		return 0;
	}
	if (env->n == ENV_VARS_MAX_COUNT)
		return err_set(err, ERR_ENV_SIZE, E2BIG, "set more than %u config vars",
			       ENV_VARS_MAX_COUNT);

	var = text_grow(env->arena, env->vars, env->n, &env->cap, sizeof(*env->vars));
	if (!var)
		return err_set(err, ERR_MEMORY, ENOMEM, "set a config var");
	env->vars = var;
	env->vars[env->n++] = *set;
	return 0;
}

static int set_checked(struct env *env, const char *key, size_t key_len, const char *value,
		       enum env_origin origin, struct dyno_err *err)
{
	struct env_var *var = find(env, key, key_len);
	struct env_var set = {.key_len = key_len, .origin = origin};
	size_t len = key_len + 1 + strlen(value) + 1;
	char *text;

	if (var && origin == ENV_SLUG && *value_of(var) != '\0')
		return 0;
	if (len > ENV_STRING_MAX_BYTES)
		return err_set(err, ERR_ENV_SIZE, E2BIG,
			       "set config var %.*s of %zu bytes, the "
			       "kernel takes %u",
			       (int)MIN_OF(key_len, KEY_SHOWN_BYTES), key, len,
			       ENV_STRING_MAX_BYTES);

	text = arena_alloc(env->arena, len);
	if (!text)
		return err_set(err, ERR_MEMORY, ENOMEM, "set config var %.*s",
			       (int)MIN_OF(key_len, KEY_SHOWN_BYTES), key);
	memcpy(text, key, key_len);
	text[key_len] = '=';
	memcpy(text + key_len + 1, value, len - key_len - 1);
	set.text = text;
	return store(env, var, &set, err);
}

int env_set(struct env *env, const char *key, const char *value, enum env_origin origin,
	    struct dyno_err *err)
{
	size_t key_len = strlen(key);
	int rc;

	rc = env_key_check(key, key_len, err);
	if (rc < 0)
		return rc;
	rc = check_origin(key, key_len, origin, err);
	if (rc < 0)
		return rc;
	return set_checked(env, key, key_len, value, origin, err);
}

int env_set_text(struct env *env, const char *text, enum env_origin origin, struct dyno_err *err)
{
	const char *eq = strchr(text, '=');
	int rc;

	if (!eq) {
		(void)key_error(text, strlen(text), "no \"=\" after the name", err);
		err_hint(err, "write it as KEY=VALUE");
		return -EINVAL;
	}
	rc = env_key_check(text, (size_t)(eq - text), err);
	if (rc < 0)
		return rc;
	rc = check_origin(text, (size_t)(eq - text), origin, err);
	if (rc < 0)
		return rc;
	return set_checked(env, text, (size_t)(eq - text), eq + 1, origin, err);
}

int env_set_pairs(struct env *env, const struct env_pairs *pairs, enum env_origin origin,
		  struct dyno_err *err)
{
	int rc;

	for (size_t i = 0; i < pairs->n; i++) {
		const struct env_pair *pair = &pairs->items[i];

		rc = env_set(env, pair->key, pair->value, origin, err);
		if (rc < 0) {
			err_context(err, "line %u", pair->line);
			return rc;
		}
	}
	return 0;
}

const char *env_get(const struct env *env, const char *key)
{
	const struct env_var *var = find(env, key, strlen(key));

	return var ? value_of(var) : NULL;
}

int env_origin_of(const struct env *env, const char *key)
{
	const struct env_var *var = find(env, key, strlen(key));

	return var ? (int)var->origin : -ENOENT;
}

static int set_number(struct env *env, const char *key, uint64_t number, enum env_origin origin,
		      struct dyno_err *err)
{
	char text[24]; /* 20 digits of 2^64 - 1 and a NUL */

	(void)str_fmt(text, sizeof(text), "%ju", (uintmax_t)number);
	return env_set(env, key, text, origin, err);
}

static int set_size(struct env *env, const struct limits *l, struct dyno_err *err)
{
	char cpu[24];
	int rc;

	rc = env_set(env, "DYNO_SIZE", l->size, ENV_PLATFORM, err);
	if (rc == 0 && l->memory_bytes > 0)
		rc = set_number(env, "DYNO_RAM", l->memory_bytes >> 20, ENV_PLATFORM, err);
	if (rc == 0 && *limits_cpu_text(l, cpu, sizeof(cpu)) != '\0')
		rc = env_set(env, "DYNO_CPU", cpu, ENV_PLATFORM, err);
	return rc;
}

static int set_sockets(struct env *env, const struct env_platform *facts, struct dyno_err *err)
{
	int rc = set_number(env, "LISTEN_FDS", facts->sockets, ENV_PLATFORM, err);

	if (rc == 0)
		rc = set_number(env, "LISTEN_PID", facts->main_pid, ENV_PLATFORM, err);
	if (rc == 0 && facts->socket_names)
		rc = env_set(env, "LISTEN_FDNAMES", facts->socket_names, ENV_PLATFORM, err);
	return rc;
}

int env_set_platform(struct env *env, const struct env_platform *facts, struct dyno_err *err)
{
	int rc;

	rc = env_set(env, "HOME", facts->home ? facts->home : ENV_HOME_DEFAULT, ENV_PLATFORM, err);
	if (rc == 0)
		rc = env_set(env, "PATH", ENV_PATH_DEFAULT, ENV_PLATFORM, err);
	if (rc == 0)
		rc = env_set(env, "PS1", ENV_PS1_DEFAULT, ENV_PLATFORM, err);
	if (rc == 0)
		rc = env_set(env, "DYNO", facts->dyno, ENV_PLATFORM, err);
	if (rc == 0 && facts->port > 0)
		rc = set_number(env, "PORT", facts->port, ENV_PLATFORM, err);
	if (rc == 0 && facts->limits)
		rc = set_size(env, facts->limits, err);
	if (rc == 0 && facts->sockets > 0)
		rc = set_sockets(env, facts, err);
	return rc;
}

int env_set_terminal(struct env *env, const char *term, unsigned int columns, unsigned int lines,
		     struct dyno_err *err)
{
	int rc = 0;

	if (term && *term)
		rc = env_set(env, "TERM", term, ENV_TERMINAL, err);
	if (rc == 0 && columns > 0)
		rc = set_number(env, "COLUMNS", columns, ENV_TERMINAL, err);
	if (rc == 0 && lines > 0)
		rc = set_number(env, "LINES", lines, ENV_TERMINAL, err);
	return rc;
}

uint64_t env_limit_bytes(uint64_t stack_bytes)
{
	return MAX_OF(MIN_OF(stack_bytes / 4, EXEC_LIMIT_MAX_BYTES), EXEC_LIMIT_MIN_BYTES);
}

/* The biggest variables by name, biggest first: "A (130 KB), B (2 KB)"; values stay hidden. */
static void list_biggest(const struct env *env, char *buf, size_t size)
{
	const struct env_var *last = NULL, *best;
	size_t last_len = SIZE_MAX, best_len, used = 0;
	char bytes[16];

	buf[0] = '\0';
	for (unsigned int k = 0; k < BIGGEST_SHOWN_COUNT; k++) {
		best = NULL;
		best_len = 0;
		for (const struct env_var *v = env->vars; v < env->vars + env->n; v++) {
			size_t len = strlen(v->text);
			bool shown = len > last_len || (len == last_len && v <= last);

			if (!shown && len > best_len) {
				best = v;
				best_len = len;
			}
		}
		if (!best || used >= size)
			return;
		used += str_fmt(buf + used, size - used, "%s%.*s (%s)", k ? ", " : "",
				(int)MIN_OF(best->key_len, KEY_SHOWN_BYTES / 2), best->text,
				num_format_size(bytes, best_len));
		last = best;
		last_len = best_len;
	}
}

static int count_argv(const char *const *argv, uint64_t *total, struct dyno_err *err)
{
	*total += sizeof(char *);
	for (size_t i = 0; argv && argv[i]; i++) {
		size_t len = strlen(argv[i]) + 1;

		if (len > ENV_STRING_MAX_BYTES)
			return err_set(err, ERR_ENV_SIZE, E2BIG,
				       "pass argument %zu of %zu bytes, "
				       "the kernel takes %u",
				       i, len, ENV_STRING_MAX_BYTES);
		*total += len + sizeof(char *);
	}
	return 0;
}

static int refuse_total(const struct env *env, uint64_t total, uint64_t limit, struct dyno_err *err)
{
	char list[DYNO_ERR_HINT_BYTES];

	(void)err_set(err, ERR_ENV_SIZE, E2BIG,
		      "pass %ju bytes of arguments and environment, the "
		      "kernel takes %ju",
		      (uintmax_t)total, (uintmax_t)limit);
	list_biggest(env, list, sizeof(list));
	if (*list)
		err_hint(err, "the biggest config vars are %s", list);
	return -E2BIG;
}

int env_compile(const struct env *env, const char *const *argv, uint64_t limit_bytes,
		struct arena *arena, const char *const **ret, struct dyno_err *err)
{
	uint64_t limit = limit_bytes ? limit_bytes : ENV_TOTAL_MAX_BYTES;
	uint64_t total = ENV_HEADROOM_BYTES + sizeof(char *);
	const char **envp;
	int rc;

	rc = count_argv(argv, &total, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < env->n; i++)
		total += strlen(env->vars[i].text) + 1 + sizeof(char *);
	if (total > limit)
		return refuse_total(env, total, limit, err);

	envp = arena_calloc(arena, env->n + 1, sizeof(*envp));
	if (!envp)
		return err_set(err, ERR_MEMORY, ENOMEM, "compile the environment");
	for (size_t i = 0; i < env->n; i++)
		envp[i] = env->vars[i].text;
	*ret = envp;
	return 0;
}
