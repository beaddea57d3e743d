/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervise_text.c - the words of supervision: names of states, events and reasons, and the
 * settings as users write them.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "base/util.h"
#include "model/supervise.h"

/* ---- names -------------------------------------------------------------------------------- */

#define NAME_ROW(id, name, ...) [id] = (name),
static const char *const state_names[] = {SUP_STATES(NAME_ROW)};
static const char *const event_names[] = {SUP_EVENTS(NAME_ROW)};
static const char *const reason_names[] = {SUP_REASONS(NAME_ROW)};
static const char *const action_names[] = {SUP_ACTIONS(NAME_ROW)};
#undef NAME_ROW
static_assert(ARRAY_SIZE(state_names) == _SUP_STATE_MAX, "a name for each state");
static_assert(ARRAY_SIZE(reason_names) == _SUP_REASON_MAX, "a name for each reason");

const char *sup_state_name(enum sup_state state)
{
	return (unsigned int)state < _SUP_STATE_MAX ? state_names[state] : "";
}

const char *sup_event_name(enum sup_event event)
{
	return (unsigned int)event < _SUP_EVENT_MAX ? event_names[event] : "";
}

const char *sup_reason_name(enum sup_reason number)
{
	return (unsigned int)number < _SUP_REASON_MAX ? reason_names[number] : "";
}

const char *sup_action_name(enum sup_action action)
{
	return (unsigned int)action < _SUP_ACTION_MAX ? action_names[action] : "";
}

static int find_name(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(names[i], name))
			return (int)i;
	return -ENOENT;
}

int sup_state_find(const char *name)
{
	return find_name(state_names, ARRAY_SIZE(state_names), name);
}

int sup_reason_find(const char *name)
{
	return find_name(reason_names, ARRAY_SIZE(reason_names), name);
}

/* ---- settings ----------------------------------------------------------------------------- */

/* One of a few words. Return: its index, or -EINVAL. */
static int parse_word(const char *what, const char *text, const char *const *words, size_t n,
		      const char *hint, struct dyno_err *err)
{
	int r = find_name(words, n, text);

	if (r >= 0)
		return r;
	(void)err_set(err, ERR_USAGE, EINVAL, "read %s \"%s\"", what, text);
	err_hint(err, "it is %s", hint);
	return -EINVAL;
}

int sup_restart_parse(const char *text, enum sup_restart *ret, struct dyno_err *err)
{
	static const char *const words[] = {
		[SUP_RESTART_ALWAYS] = "always",
		[SUP_RESTART_ON_FAILURE] = "on-failure",
		[SUP_RESTART_NEVER] = "never",
	};
	int r = parse_word("restart policy", text, words, ARRAY_SIZE(words),
			   "always, on-failure or never", err);

	if (r < 0)
		return r;
	*ret = (enum sup_restart)r;
	return 0;
}

int sup_exit_0_parse(const char *text, enum sup_exit_0 *ret, struct dyno_err *err)
{
	static const char *const words[] = {
		[SUP_EXIT_0_CRASH] = "crash",
		[SUP_EXIT_0_COMPLETE] = "complete",
	};
	int r = parse_word("meaning of exit 0", text, words, ARRAY_SIZE(words), "crash or complete",
			   err);

	if (r < 0)
		return r;
	*ret = (enum sup_exit_0)r;
	return 0;
}

int sup_order_parse(const char *text, enum sup_order *ret, struct dyno_err *err)
{
	static const char *const words[] = {
		[SUP_OVERLAP] = "overlap",
		[SUP_STRICT] = "strict",
	};
	int r = parse_word("restart order", text, words, ARRAY_SIZE(words), "overlap or strict",
			   err);

	if (r < 0)
		return r;
	*ret = (enum sup_order)r;
	return 0;
}

int sup_hangup_parse(const char *text, bool *ret_stop, struct dyno_err *err)
{
	static const char *const words[] = {"keep", "stop"};
	int r = parse_word("answer to the loss of the terminal", text, words, ARRAY_SIZE(words),
			   "stop or keep", err);

	if (r < 0)
		return r;
	*ret_stop = r == 1;
	return 0;
}

static int parse_cycle_part(const char *text, size_t len, uint64_t *ret_ms)
{
	char word[24]; /* 20 digits, a unit and the NUL */

	if (len >= sizeof(word))
		return -EINVAL;
	(void)str_fmt(word, sizeof(word), "%.*s", (int)len, text);
	return num_parse_duration(word, ret_ms);
}

int sup_cycle_parse(const char *text, uint64_t *ret_ms, uint64_t *ret_spread_ms,
		    struct dyno_err *err)
{
	size_t len = strcspn(text, "+");
	uint64_t ms = 0, spread_ms = 0;
	int r = str_eq(text, "off") ? 0 : parse_cycle_part(text, len, &ms);

	if (r == 0 && text[len])
		r = parse_cycle_part(text + len + 1, strlen(text + len + 1), &spread_ms);
	if (r == 0 && (ms > SUP_CYCLE_MAX_MS || spread_ms > SUP_CYCLE_MAX_MS))
		r = -ERANGE;
	if (r == 0 && ms == 0 && !str_eq(text, "off"))
		r = -EINVAL; /* would restart without a pause */
	if (r < 0) {
		(void)err_set(err, ERR_USAGE, -r, "read cycle \"%s\"", text);
		err_hint(err, "it is a time, a time plus chance such as 24h+216m, or off");
		return r;
	}
	*ret_ms = ms;
	*ret_spread_ms = spread_ms;
	return 0;
}
