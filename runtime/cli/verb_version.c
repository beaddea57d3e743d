/* SPDX-License-Identifier: Apache-2.0 */
/* verb_version.c - dyno version, --version: the program's, and with --json what the host offers. */
#include <sys/utsname.h>

#include "base/json.h"
#include "cli/cli.h"

struct version_options {
	struct cli_common common;
};

static const struct opt options[] = {
	CLI_OPTION_JSON("print JSON, with the kernel's features as found"),
};

static void feature_json(void *data, const char *probe, enum dyno_verdict verdict, const char *fact,
			 const char *fix)
{
	struct cli *cli = data;
	enum output_style style;

	(void)fix; /* doctor's business */
	json_open(&cli->out, NULL, '{');
	json_str(&cli->out, "name", probe);
	json_str(&cli->out, "verdict", cli_verdict(verdict, &style));
	json_str(&cli->out, "fact", fact);
	json_close(&cli->out, '}');
}

/* The version is known whatever the host is like: features that cannot be asked for are null. */
static void features_json(struct cli *cli)
{
	_cleanup_host_ struct dyno_host *host = NULL;
	struct dyno_err err = {0};
	size_t before;

	if (cli_host_open(cli, &host, &err) < 0) {
		json_unknown(&cli->out, "features");
		return;
	}
	before = cli->out.len;
	json_open(&cli->out, "features", '[');
	if (dyno_doctor(host, feature_json, cli, &err) >= 0) {
		json_close(&cli->out, ']');
		return;
	}
	if (!cli->out.failed) {
		cli->out.len = before;
		cli->out.data[before] = '\0';
	}
	json_unknown(&cli->out, "features");
}

static int version_main(struct cli *cli, struct dyno_err *err)
{
	struct utsname host;

	(void)err; /* nothing in it can fail */
	if (!cli_common(cli)->json) {
		sbuf_adds(&cli->out, "dyno " DYNO_VERSION "\n");
		return 0;
	}
	json_begin(&cli->out);
	json_str(&cli->out, "version", DYNO_VERSION);
	if (uname(&host) == 0) {
		json_str(&cli->out, "kernel", host.release);
		json_str(&cli->out, "machine", host.machine);
	}
#ifdef DYNO_WITH_FAULTS
	json_bool(&cli->out, "fault_points", true);
#else
	json_bool(&cli->out, "fault_points", false);
#endif
	features_json(cli);
	json_end(&cli->out);
	return 0;
}

const struct verb verb_version = {
	.name = "version",
	.operands = "",
	.summary = "dyno's version; with --json also what the host offers",
	CLI_OPTIONS(options, struct version_options),
	.lenient = true,
	.main = version_main,
};
