/* SPDX-License-Identifier: Apache-2.0 */
/* verb_check.c - dyno check SLUG: what a start would stumble over, with file and line. */
#include "base/json.h"
#include "cli/cli.h"

struct check_options {
	struct cli_common common;
	bool quiet;
};

static const struct opt options[] = {
	{.name = "quiet",
	 .letter = 'q',
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct check_options, quiet, bool),
	 .help = "what is amiss only"},
	CLI_OPTION_JSON("print JSON"),
};

struct check_walk {
	struct cli *cli;
	bool color;
};

static void finding_json(struct sbuf *b, const char *word, const char *file, unsigned int line,
			 const char *text)
{
	json_open(b, NULL, '{');
	json_str(b, "verdict", word);
	json_str(b, "file", file);
	if (line)
		json_u64(b, "line", line);
	else
		json_unknown(b, "line");
	json_str(b, "text", text);
	json_close(b, '}');
}

/* "Procfile:3: warning: text", the form that editors know. */
static void finding_text(const struct check_walk *walk, enum output_style style, const char *word,
			 const char *file, unsigned int line)
{
	struct sbuf *b = &walk->cli->out;

	if (file && *file) {
		output_add_line(b, file);
		sbuf_addc(b, ':');
		if (line)
			sbuf_addf(b, "%u:", line);
		sbuf_addc(b, ' ');
	}
	output_add_styled(b, walk->color, style, word, 0);
	sbuf_adds(b, ": ");
}

static void check_print(void *data, enum dyno_verdict verdict, const char *file, unsigned int line,
			const char *text)
{
	const struct check_walk *walk = data;
	const struct check_options *o = walk->cli->options;
	enum output_style style;
	const char *word = cli_verdict(verdict, &style);

	if (verdict == DYNO_MISSING)
		word = "error";
	if (o->common.json) {
		finding_json(&walk->cli->out, word, file, line, text);
		return;
	}
	if (o->quiet && verdict < DYNO_WARN)
		return;
	finding_text(walk, style, word, file, line);
	output_add_line(&walk->cli->out, text);
	sbuf_addc(&walk->cli->out, '\n');
}

static int check_main(struct cli *cli, struct dyno_err *err)
{
	_cleanup_host_ struct dyno_host *host = NULL;
	bool json = cli_common(cli)->json;
	struct check_walk walk = {.cli = cli, .color = !json && cli_color(cli, 1)};
	int r = cli_host_open(cli, &host, err);

	if (r < 0)
		return r;
	if (json) {
		json_begin(&cli->out);
		json_open(&cli->out, "findings", '[');
	}
	r = dyno_check(host, cli->operands.items[0], check_print, &walk, err);
	if (r < 0) {
		sbuf_done(&cli->out);
		return r;
	}
	if (json) {
		json_close(&cli->out, ']');
		json_u64(&cli->out, "errors", (uint64_t)r);
		json_end(&cli->out);
	}
	return r ? CLI_STATUS_FAILED : 0;
}

const struct verb verb_check = {
	.name = "check",
	.operands = "SLUG",
	.summary = "read a slug as a start would and tell what is odd",
	.text = "The exit status is 1 when something would keep it from running.\n",
	CLI_OPTIONS(options, struct check_options),
	.min_operands = 1,
	.max_operands = 1,
	.words = OPT_WORDS_SLUG,
	.main = check_main,
};
