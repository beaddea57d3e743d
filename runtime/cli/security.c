/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/security.h"

#include "base/json.h"
#include "cli/output.h"

/* HOLD(verdict, word, style) */
#define SECURITY_HOLDS(HOLD)                   \
	HOLD(DYNO_HOLDS, "ok", STYLE_GREEN)    \
	HOLD(DYNO_WEAKER, "weaker", STYLE_RED) \
	HOLD(DYNO_UNKNOWN, "unknown", STYLE_YELLOW)

static const struct {
	const char *word;
	enum output_style style;
} holds[] = {
#define HOLD_ROW(verdict, word, style) [verdict] = {word, style},
	SECURITY_HOLDS(HOLD_ROW)
#undef HOLD_ROW
};

#define VERDICT_COLUMNS 9
#define PROCESS_COLUMNS 9
#define NAME_COLUMNS	26

struct security_walk {
	struct cli *cli;
	bool color;
	bool json;
	unsigned int counts[ARRAY_SIZE(holds)];
};

static void row_json(struct sbuf *b, const struct dyno_security_row *row)
{
	json_open(b, NULL, '{');
	json_str(b, "process", row->process);
	json_u64(b, "pid", (uint64_t)row->pid);
	json_str(b, "name", row->name);
	json_str(b, "verdict", holds[row->verdict].word);
	json_str(b, "fact", *row->fact ? row->fact : NULL);
	json_str(b, "reason", *row->reason ? row->reason : NULL);
	json_close(b, '}');
}

static void row_print(void *data, const struct dyno_security_row *row)
{
	struct security_walk *walk = data;
	struct sbuf *b = &walk->cli->out;

	walk->counts[row->verdict]++;
	if (walk->json) {
		row_json(b, row);
		return;
	}
	output_add_styled(b, walk->color, holds[row->verdict].style, holds[row->verdict].word,
			  VERDICT_COLUMNS);
	output_add_padded(b, row->process, PROCESS_COLUMNS);
	output_add_padded(b, row->name, NAME_COLUMNS);
	output_add_line(b, row->fact);
	if (*row->reason) {
		sbuf_adds(b, *row->fact ? ": " : "");
		output_add_line(b, row->reason);
	}
	sbuf_addc(b, '\n');
}

int security_show(struct cli *cli, struct dyno_host *host, const struct target *target,
		  uint32_t pid, struct dyno_err *err)
{
	struct security_walk walk = {.cli = cli, .json = cli_common(cli)->json};
	struct sbuf *b = &cli->out;
	int r;

	walk.color = !walk.json && cli_color(cli, 1);
	if (walk.json) {
		json_open(b, NULL, '{');
		json_u64(b, "schema", JSON_SCHEMA);
		json_str(b, "app", target->info.app);
		json_str(b, "name", target->info.name);
		json_open(b, "rows", '[');
	}
	r = dyno_security(host, target->info.app, target->info.name, (int)pid, row_print, &walk,
			  err);
	if (r < 0) {
		sbuf_done(b);
		return r;
	}
	if (walk.json) {
		json_close(b, ']');
		json_u64(b, "weaker", walk.counts[DYNO_WEAKER]);
		json_u64(b, "unknown", walk.counts[DYNO_UNKNOWN]);
		json_end(b);
	} else {
		sbuf_addf(b, "%s: %u ok, %u weaker than promised, %u unknown\n", target->label,
			  walk.counts[DYNO_HOLDS], walk.counts[DYNO_WEAKER],
			  walk.counts[DYNO_UNKNOWN]);
	}
	return r;
}
