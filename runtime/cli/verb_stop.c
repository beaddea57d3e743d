/* SPDX-License-Identifier: Apache-2.0 */
/* verb_stop.c - dyno stop and dyno kill: ask dynos to end, or send them a signal. */
#include <signal.h>

#include "base/json.h"
#include "base/signame.h"
#include "cli/cli.h"
#include "cli/facts.h"
#include "cli/halt.h"
#include "cli/target.h"

/* ---- stop -------------------------------------------------------------------------------------*/

struct stop_options {
	struct cli_common common;
	struct target_ask ask;
	bool now;
	bool no_wait;
	bool quiet;
};

static const struct opt stop_options[] = {
	TARGET_OPTION_APP(struct stop_options),
	TARGET_OPTION_ALL(struct stop_options, "every dyno that lives, of -a APP or at all"),
	{.name = "now",
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct stop_options, now, bool),
	 .help = "by SIGKILL, without grace"},
	{.name = "no-wait",
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct stop_options, no_wait, bool),
	 .help = "ask, and do not wait for the end"},
	TARGET_OPTION_QUIET(struct stop_options, "print nothing"),
	CLI_OPTION_JSON("a line of JSON for each dyno"),
};

/* Each as it comes, for who waits for several. */
static int stop_done(void *data, struct target *target, const struct dyno_outcome *out,
		     struct dyno_err *err)
{
	struct cli *cli = data;
	const struct stop_options *o = cli->options;

	if (o->common.json)
		facts_outcome_json(&cli->out, &target->info, out);
	else if (!o->quiet)
		sbuf_addf(&cli->out, "%s\n", target->label);
	return output_stdout(&cli->out, err);
}

static int stop_main(struct cli *cli, struct dyno_err *err)
{
	const struct stop_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	struct target_list list = {0};
	struct halt halt = {.cli = cli, .now = o->now, .no_wait = o->no_wait};
	int r = cli_host_open(cli, &host, err);

	if (r == 0)
		r = target_find(cli, host, &o->ask, cli->operands.items, cli->operands.n,
				TARGET_CHANGES, &list, err);
	if (r < 0)
		return r;
	halt.host = host;
	halt.done = stop_done;
	halt.data = cli;
	r = halt_all(&halt, &list, err);
	return r > 0 ? CLI_STATUS_FAILED : r;
}

const struct verb verb_stop = {
	.name = "stop",
	.operands = "NAME... | --all",
	.summary = "end dynos, and wait until they have ended",
	.text = "NAME is web.1, a type (web), a pattern ('web.*'), or one of these after APP/.\n"
		"Every process gets SIGTERM, and SIGKILL when the grace is over.  Each name is\n"
		"printed when that dyno has ended; one that had ended before is no error.\n",
	CLI_OPTIONS(stop_options, struct stop_options),
	.max_operands = SIZE_MAX,
	.words = OPT_WORDS_DYNO,
	.main = stop_main,
};

/* ---- kill -------------------------------------------------------------------------------------*/

static const char *const scope_choices[] = {"main", "group", "all", NULL};

struct kill_options {
	struct cli_common common;
	struct target_ask ask;
	int signal;
	unsigned int scope;
	bool quiet;
};

static int parse_signal(const char *value, void *field, struct dyno_err *err)
{
	int sig = signame_parse(value, err);

	if (sig < 0)
		return sig;
	*(int *)field = sig;
	return 0;
}

static const struct opt kill_options[] = {
	TARGET_OPTION_APP(struct kill_options),
	TARGET_OPTION_ALL(struct kill_options, "every dyno that lives, of -a APP or at all"),
	{.name = "signal",
	 .letter = 's',
	 .kind = OPT_PARSED,
	 .offset = OPT_FIELD(struct kill_options, signal, int),
	 .arg = "SIGNAL",
	 .help = "a name with or without SIG, or a number (TERM)",
	 .parse = parse_signal},
	{.name = "scope",
	 .kind = OPT_CHOICE,
	 .offset = OPT_FIELD_CHOICE(struct kill_options, scope),
	 .arg = "WHOM",
	 .help = "main, group or all processes (main)",
	 .choices = scope_choices},
	TARGET_OPTION_QUIET(struct kill_options, "print nothing"),
	CLI_OPTION_JSON("a line of JSON for each dyno"),
};

static void kill_print(struct cli *cli, const struct target *target, int sig, const char *scope)
{
	const struct kill_options *o = cli->options;
	struct sbuf *b = &cli->out;

	if (o->common.json) {
		json_begin(b);
		json_str(b, "app", target->info.app);
		json_str(b, "name", target->info.name);
		json_u64(b, "signal", (uint64_t)sig);
		json_str(b, "scope", scope);
		json_end(b);
	} else if (!o->quiet) {
		sbuf_addf(b, "%s\n", target->label);
	}
}

static int kill_one(struct cli *cli, struct dyno_host *host, const struct target *target,
		    struct dyno_err *err)
{
	const struct kill_options *o = cli->options;
	const struct dyno_info *info = &target->info;
	const char *scope = scope_choices[o->scope];
	int sig = o->signal ? o->signal : SIGTERM;
	struct dyno *dyno = NULL;
	int r = dyno_open(host, info->app, info->name, &dyno, err);

	if (r == 0)
		r = dyno_signal(dyno, sig, scope, err);
	dyno_close(dyno);
	if (r < 0)
		err_context(err, "kill %s/%s", info->app, info->name);
	else
		kill_print(cli, target, sig, scope);
	return r;
}

static int kill_main(struct cli *cli, struct dyno_err *err)
{
	const struct kill_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	struct target_list list = {0};
	int r = cli_host_open(cli, &host, err), failed = 0;

	if (r == 0)
		r = target_find(cli, host, &o->ask, cli->operands.items, cli->operands.n,
				TARGET_CHANGES, &list, err);
	if (r == 0)
		r = target_need_all_live(&list, "kill", err);
	if (r < 0)
		return r;

	for (size_t i = 0; i < list.n; i++) {
		if (kill_one(cli, host, &list.items[i], err) >= 0)
			continue;
		cli_error(cli, err);
		failed++;
	}
	return failed ? CLI_STATUS_FAILED : 0;
}

const struct verb verb_kill = {
	.name = "kill",
	.operands = "NAME... | --all",
	.summary = "send a signal into dynos",
	.text = "Without -s it is TERM, as with kill(1), and it goes to the main process alone:\n"
		"what follows is as if the app had ended, or not, by itself.  dyno stop is what\n"
		"ends a dyno for good.\n",
	CLI_OPTIONS(kill_options, struct kill_options),
	.max_operands = SIZE_MAX,
	.words = OPT_WORDS_DYNO,
	.main = kill_main,
};
