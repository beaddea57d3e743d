/* SPDX-License-Identifier: Apache-2.0 */
/* verb_rm.c - dyno rm: forget dynos that have ended: their records, manifests and logs. */
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/halt.h"
#include "cli/target.h"

/* A monitor hangs up before it lets go of the dyno's place; so long that is waited for. */
#define LET_GO_MS      5000U
#define LET_GO_LOOK_MS 10

struct rm_options {
	struct cli_common common;
	struct target_ask ask;
	bool force;
	bool quiet;
};

static const struct opt options[] = {
	TARGET_OPTION_APP(struct rm_options),
	TARGET_OPTION_ALL(struct rm_options, "every dyno that has ended, of -a APP or at all"),
	{.name = "force",
	 .letter = 'f',
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct rm_options, force, bool),
	 .help = "stop first those that live"},
	TARGET_OPTION_QUIET(struct rm_options, "print nothing"),
	CLI_OPTION_JSON("a line of JSON for each dyno"),
};

struct removal {
	struct cli *cli;
	struct dyno_host *host;
	int removed;
	int failed;
};

static int print(struct cli *cli, const struct target *target, struct dyno_err *err)
{
	const struct rm_options *o = cli->options;
	struct sbuf *b = &cli->out;

	if (o->common.json) {
		json_begin(b);
		json_str(b, "app", target->info.app);
		json_str(b, "name", target->info.name);
		json_end(b);
	} else if (!o->quiet) {
		sbuf_addf(b, "%s\n", target->label);
	}
	return output_stdout(b, err);
}

static int forget(struct removal *rm, const struct target *target, struct dyno_err *err)
{
	const struct rm_options *o = rm->cli->options;
	const struct dyno_info *info = &target->info;
	uint64_t until = clock_ms() + (o->force ? LET_GO_MS : 0);
	int r;

	for (;;) {
		r = dyno_remove(rm->host, info->app, info->name, err);
		if (r >= 0 || err->kind != ERR_ALIVE || clock_ms() >= until)
			break;
		(void)poll(NULL, 0, LET_GO_LOOK_MS); /* a wait only */
	}
	if (r >= 0) {
		rm->removed++;
		return print(rm->cli, target, err);
	}
	err_context(err, "rm %s/%s", info->app, info->name);
	cli_error(rm->cli, err);
	rm->failed++;
	return 0;
}

static int halted(void *data, struct target *target, const struct dyno_outcome *out,
		  struct dyno_err *err)
{
	(void)out;
	return forget(data, target, err);
}

/* All or none: one that lives keeps the others, too. */
static int refuse_live(const struct target_list *list, struct dyno_err *err)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct dyno_info *info = &list->items[i].info;

		if (!info->live)
			continue;

		int r = err_set(err, ERR_ALIVE, 0, "rm %s/%s: it lives, and is %s", info->app,
				info->name, info->state);

		err_hint(err, "--force stops it first");
		return r;
	}
	return 0;
}

static void keep_ended(struct target_list *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		if (!list->items[i].info.live)
			list->items[n++] = list->items[i];
	}
	list->n = n;
}

/* Return: 0, or -errno. */
static int find(struct removal *rm, struct target_list *list, struct dyno_err *err)
{
	const struct rm_options *o = rm->cli->options;
	const struct opt_operands *words = &rm->cli->operands;
	int r = target_find(rm->cli, rm->host, &o->ask, words->items, words->n,
			    TARGET_CHANGES | TARGET_ENDED, list, err);

	if (r < 0 || o->force)
		return r;
	if (o->ask.all)
		keep_ended(list);
	return refuse_live(list, err);
}

static int rm_main(struct cli *cli, struct dyno_err *err)
{
	const struct rm_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	struct removal rm = {.cli = cli};
	struct halt halt = {.cli = cli, .done = halted, .data = &rm};
	int before, r = cli_host_open(cli, &host, err);

	rm.host = halt.host = host;
	do {
		struct target_list list = {0};

		before = rm.removed;
		if (r == 0)
			r = find(&rm, &list, err);
		if (r < 0 && before > 0 && err->kind == ERR_NOT_FOUND)
			break; /* that was the last of the app */
		if (r == 0)
			r = halt_all(&halt, &list, err);
		if (r < 0)
			return r;
		rm.failed += r;
		r = 0;
		/* As many records are listed as are kept: behind them older ones come to light. */
	} while (o->ask.all && rm.removed > before && rm.failed == 0);
	return rm.failed > 0 ? CLI_STATUS_FAILED : 0;
}

const struct verb verb_rm = {
	.name = "rm",
	.operands = "NAME... | --all",
	.summary = "forget dynos that have ended, with their logs",
	.text = "NAME is web.1, a type (web), a pattern ('web.*'), or one of these after APP/.\n"
		"Exit records, lists of what was written, events and log files of the dyno go.\n"
		"When one of them lives none is removed, unless --force stops it first.\n",
	CLI_OPTIONS(options, struct rm_options),
	.max_operands = SIZE_MAX,
	.words = OPT_WORDS_ENDED,
	.main = rm_main,
};
