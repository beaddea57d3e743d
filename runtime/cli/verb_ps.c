/* SPDX-License-Identifier: Apache-2.0 */
/* verb_ps.c - dyno ps: the dynos that there are, as a table that fits the terminal, or JSON. */
#include <errno.h>
#include <unistd.h>

#include "base/crashtext.h"
#include "base/json.h"
#include "base/timetext.h"
#include "cli/cli.h"
#include "cli/facts.h"
#include "cli/table.h"
#include "cli/target.h"

struct ps_options {
	struct cli_common common;
	struct target_ask ask;
	bool quiet;
};

static const struct opt options[] = {
	TARGET_OPTION_APP(struct ps_options),
	TARGET_OPTION_ALL(struct ps_options, "those too that have ended for good"),
	TARGET_OPTION_QUIET(struct ps_options, "print names only"),
	CLI_OPTION_JSON("print a JSON array"),
};

/* ---- JSON -------------------------------------------------------------------------------------*/

static void ps_json(struct sbuf *b, const struct target_list *list)
{
	json_open(b, NULL, '[');
	for (size_t i = 0; i < list->n; i++) {
		json_open(b, NULL, '{');
		facts_json(b, &list->items[i].info);
		json_close(b, '}');
	}
	json_close(b, ']');
	sbuf_addc(b, '\n');
}

/* ---- the table --------------------------------------------------------------------------------*/

/* COLUMN(id, heading, the rest of struct table_column)
 *
 * The command gives way to all others, as a whole if need be: `inspect` has it too.  What is left of
 * a line of 80 then, with the 5, 7, 5 and 8 columns that numbers take at most, is a name of 16 and
 * "crashed (2nd), next in 20 min". */
#define PS_COLUMNS(COLUMN)                                     \
	COLUMN(PS_DYNO, "DYNO", .least = 16, .keep_end = true) \
	COLUMN(PS_STATE, "STATE", .least = 29)                 \
	COLUMN(PS_SINCE, "SINCE", .least = 0)                  \
	COLUMN(PS_PID, "PID", .least = 0)                      \
	COLUMN(PS_PORT, "PORT", .least = 0)                    \
	COLUMN(PS_RESTARTS, "RESTARTS", .least = 0)            \
	COLUMN(PS_COMMAND, "COMMAND", .least = 7, .optional = true)

#define COLUMN_ENUM(id, ...) id,
enum ps_column { PS_COLUMNS(COLUMN_ENUM) _PS_COLUMN_MAX };
#undef COLUMN_ENUM

#define COLUMN_ROW(id, text, ...) [id] = {.heading = (text), __VA_ARGS__},
static const struct table_column columns[] = {PS_COLUMNS(COLUMN_ROW)};
#undef COLUMN_ROW

static const char *number(struct arena *arena, uint64_t value)
{
	return value ? arena_fmt(arena, "%llu", (unsigned long long)value) : "-";
}

/* In one unit: "59s", "3m", "47h", "12d". */
static const char *since_text(struct arena *arena, uint64_t since_us, uint64_t now_us)
{
	/* a clock that was set back makes no negative age */
	uint64_t s = now_us > since_us ? (now_us - since_us) / 1000000 : 0;

	if (!since_us)
		return "-";
	if (s < 60)
		return arena_fmt(arena, "%llus", (unsigned long long)s);
	if (s < 3600)
		return arena_fmt(arena, "%llum", (unsigned long long)(s / 60));
	if (s < UINT64_C(48) * 3600)
		return arena_fmt(arena, "%lluh", (unsigned long long)(s / 3600));
	return arena_fmt(arena, "%llud", (unsigned long long)(s / 86400));
}

static const char *state_text(struct arena *arena, const struct dyno_info *info, uint64_t now_us)
{
	char buf[CRASHTEXT_BYTES];
	uint64_t wait_ms = UINT64_MAX;

	if (!str_eq(info->state, "crashed"))
		return info->state;
	if (info->next_try_us)
		wait_ms = info->next_try_us > now_us ? (info->next_try_us - now_us) / 1000 : 0;
	return arena_strdup(arena, crashtext_format(info->crashes, wait_ms, buf));
}

static enum output_style state_style(const char *state)
{
	static const struct {
		const char *state;
		enum output_style style;
	} styles[] = {
		{"up", STYLE_GREEN},	{"starting", STYLE_YELLOW}, {"stopping", STYLE_YELLOW},
		{"crashed", STYLE_RED}, {"failed", STYLE_RED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(styles); i++) {
		if (str_eq(styles[i].state, state))
			return styles[i].style;
	}
	return STYLE_NONE;
}

static const char *command_text(struct arena *arena, const char *command)
{
	_cleanup_sbuf_ struct sbuf b = {0};

	output_add_line(&b, command ? command : "-");
	return arena_strdup(arena, sbuf_str(&b));
}

/* In a network of its own it is reached under its address. */
static const char *port_text(struct arena *arena, const struct dyno_info *info)
{
	if (!info->port || !info->address || str_eq(info->address, "127.0.0.1"))
		return number(arena, info->port);
	return arena_fmt(arena, "%s:%u", info->address, info->port);
}

static void add_row(struct table *t, const struct target *target, uint64_t now_us)
{
	const struct dyno_info *info = &target->info;
	struct table_cell *row = table_row(t);

	if (!row)
		return;
	row[PS_DYNO].text = target->label;
	row[PS_STATE].text = state_text(t->arena, info, now_us);
	row[PS_STATE].style = state_style(info->state);
	row[PS_SINCE].text = since_text(t->arena, info->since_us, now_us);
	row[PS_PID].text = number(t->arena, info->pid > 0 ? (uint64_t)info->pid : 0);
	row[PS_PORT].text = port_text(t->arena, info);
	row[PS_RESTARTS].text = arena_fmt(t->arena, "%u", info->restarts);
	row[PS_COMMAND].text = command_text(t->arena, info->command);
	for (size_t i = 0; i < _PS_COLUMN_MAX; i++)
		t->no_memory = t->no_memory || !row[i].text;
}

static int ps_table(struct cli *cli, const struct target_list *list, struct dyno_err *err)
{
	struct table t = {.arena = &cli->arena, .columns = columns, .n_columns = _PS_COLUMN_MAX};
	uint64_t now_us = time_now_us();

	for (size_t i = 0; i < list->n; i++)
		add_row(&t, &list->items[i], now_us);
	if (table_print(&t, table_line(STDOUT_FILENO), cli_color(cli, STDOUT_FILENO), &cli->out) <
	    0)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the table");
	return 0;
}

static int ps_main(struct cli *cli, struct dyno_err *err)
{
	const struct ps_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	struct target_list list = {0};
	int r = cli_host_open(cli, &host, err);

	if (r == 0)
		r = target_find(cli, host, &o->ask, cli->operands.items, cli->operands.n,
				TARGET_LIST, &list, err);
	if (r < 0)
		return r;

	if (o->common.json) {
		ps_json(&cli->out, &list);
		return 0;
	}
	if (!o->quiet)
		return ps_table(cli, &list, err);
	for (size_t i = 0; i < list.n; i++)
		sbuf_addf(&cli->out, "%s\n", list.items[i].label);
	return 0;
}

const struct verb verb_ps = {
	.name = "ps",
	.operands = "[NAME...]",
	.summary = "the dynos that there are, and how they are",
	.text = "NAME is web.1, a type (web), a pattern ('web.*'), or one of these after APP/.\n"
		"STATE tells of a crashed dyno how often in a row, and when it starts again.\n",
	CLI_OPTIONS(options, struct ps_options),
	.max_operands = SIZE_MAX,
	.words = OPT_WORDS_DYNO,
	.main = ps_main,
};
