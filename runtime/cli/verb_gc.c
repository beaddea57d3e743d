/* SPDX-License-Identifier: Apache-2.0 */
/* verb_gc.c - dyno gc: remove what killed launchers left. */
#include "base/json.h"
#include "cli/cli.h"

struct gc_options {
	struct cli_common common;
	bool quiet;
	bool network;
};

static const struct opt options[] = {
	{.name = "quiet",
	 .letter = 'q',
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct gc_options, quiet, bool),
	 .help = "do not list what was removed"},
	{.name = "network",
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct gc_options, network, bool),
	 .help = "also what private networks need of the host"},
	CLI_OPTION_JSON("print JSON"),
};

static void gc_print(void *data, const char *kind, const char *name)
{
	struct cli *cli = data;
	const struct gc_options *o = cli->options;

	if (o->common.json) {
		json_open(&cli->out, NULL, '{');
		json_str(&cli->out, "kind", kind);
		json_str(&cli->out, "name", name);
		json_close(&cli->out, '}');
	} else if (!o->quiet) {
		sbuf_addf(&cli->out, "removed %s ", kind);
		output_add_line(&cli->out, name);
		sbuf_addc(&cli->out, '\n');
	}
}

static int gc_main(struct cli *cli, struct dyno_err *err)
{
	_cleanup_host_ struct dyno_host *host = NULL;
	const struct gc_options *o = cli->options;
	bool json = cli_common(cli)->json;
	int r = cli_host_open(cli, &host, err);

	if (r < 0)
		return r;
	if (json) {
		json_begin(&cli->out);
		json_open(&cli->out, "removed", '[');
	}
	r = dyno_gc(host, gc_print, cli, err);
	if (r >= 0 && o->network)
		r = dyno_gc_network(host, gc_print, cli, err);
	if (r < 0) {
		if (json) /* half a document helps nobody; the error is one of its own */
			sbuf_done(&cli->out);
		return r;
	}
	if (json) {
		json_close(&cli->out, ']');
		json_end(&cli->out);
	}
	return 0;
}

const struct verb verb_gc = {
	.name = "gc",
	.operands = "",
	.summary = "remove what killed launchers left behind",
	.text = "Whatever a live dyno holds stays.  Stored slugs stay too: see dyno slug gc.\n",
	CLI_OPTIONS(options, struct gc_options),
	.main = gc_main,
};
