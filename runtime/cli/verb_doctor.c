/* SPDX-License-Identifier: Apache-2.0 */
/* verb_doctor.c - dyno doctor: every probe of the host with its fact and what mends it. */
#include "base/json.h"
#include "cli/cli.h"

#define VERDICT_COLUMNS 10
#define PROBE_COLUMNS	22

struct doctor_options {
	struct cli_common common;
	bool quiet;
};

static const struct opt options[] = {
	{.name = "quiet",
	 .letter = 'q',
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct doctor_options, quiet, bool),
	 .help = "what is amiss only"},
	CLI_OPTION_JSON("print JSON"),
};

struct doctor_walk {
	struct cli *cli;
	bool color;
	unsigned int counts[DYNO_MISSING + 1];
};

static void probe_json(struct sbuf *b, const char *probe, const char *word, const char *fact,
		       const char *fix)
{
	json_open(b, NULL, '{');
	json_str(b, "name", probe);
	json_str(b, "verdict", word);
	json_str(b, "fact", fact);
	json_str(b, "fix", fix && *fix ? fix : NULL);
	json_close(b, '}');
}

static void doctor_print(void *data, const char *probe, enum dyno_verdict verdict, const char *fact,
			 const char *fix)
{
	struct doctor_walk *walk = data;
	const struct doctor_options *o = walk->cli->options;
	struct sbuf *b = &walk->cli->out;
	enum output_style style;
	const char *word = cli_verdict(verdict, &style);

	walk->counts[verdict]++;
	if (o->common.json) {
		probe_json(b, probe, word, fact, fix);
		return;
	}
	if (o->quiet && verdict < DYNO_WARN)
		return;
	output_add_styled(b, walk->color, style, word, VERDICT_COLUMNS);
	output_add_padded(b, probe, PROBE_COLUMNS);
	output_add_line(b, fact ? fact : "");
	sbuf_addc(b, '\n');
	if (fix && *fix) {
		output_add_padded(b, "", VERDICT_COLUMNS + PROBE_COLUMNS);
		sbuf_adds(b, "fix: ");
		output_add_line(b, fix);
		sbuf_addc(b, '\n');
	}
}

static void doctor_sum(struct sbuf *b, const struct doctor_walk *walk, bool json)
{
	const unsigned int *n = walk->counts;

	if (json) {
		json_close(b, ']');
		json_u64(b, "missing", n[DYNO_MISSING]);
		json_end(b);
		return;
	}
	sbuf_addf(b, "%u ok, %u by fallback, %u warnings, %u missing\n", n[DYNO_OK],
		  n[DYNO_FALLBACK], n[DYNO_WARN], n[DYNO_MISSING]);
}

static int doctor_main(struct cli *cli, struct dyno_err *err)
{
	const struct doctor_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	bool json = o->common.json;
	struct doctor_walk walk = {.cli = cli, .color = !json && cli_color(cli, 1)};
	int r = cli_host_open(cli, &host, err);

	if (r < 0)
		return r;
	if (json) {
		json_begin(&cli->out);
		json_open(&cli->out, "probes", '[');
	}
	r = dyno_doctor(host, doctor_print, &walk, err);
	if (r < 0) {
		sbuf_done(&cli->out);
		return r;
	}
	if (json || !o->quiet)
		doctor_sum(&cli->out, &walk, json);
	return r ? CLI_STATUS_FAILED : 0;
}

const struct verb verb_doctor = {
	.name = "doctor",
	.operands = "",
	.summary = "probe what this host offers, and tell what mends the rest",
	.text = "The exit status is 1 when something that a start needs is missing.\n",
	CLI_OPTIONS(options, struct doctor_options),
	.main = doctor_main,
};
