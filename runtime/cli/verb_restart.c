/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_restart.c - dyno restart: start dynos anew, and wait until they are up again.
 *
 * An event only says that something is new: what a dyno is is asked of its monitor, so that neither
 * the order of events nor a lost one matters.  A start of after the request is known by the count of
 * restarts, and the request itself has set the crashes in a row back.
 */
#include <errno.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/target.h"
#include "cli/watch.h"

struct restart_options {
	struct cli_common common;
	struct target_ask ask;
	bool no_wait;
	bool preboot;
	bool quiet;
};

static const struct opt options[] = {
	TARGET_OPTION_APP(struct restart_options),
	TARGET_OPTION_ALL(struct restart_options, "every dyno that lives, of -a APP or at all"),
	{.name = "no-wait",
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct restart_options, no_wait, bool),
	 .help = "ask, and do not wait until they are up"},
	{.name = "preboot",
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct restart_options, preboot, bool),
	 .help = "the old one serves until the new one is up"},
	TARGET_OPTION_QUIET(struct restart_options, "print nothing"),
	CLI_OPTION_JSON("a line of JSON for each dyno"),
};

/**
 * struct restarting - one dyno, from the request to what comes of it.
 * @dyno: a connection for questions, which outlives that of the watch
 * @before: restarts that it had when it was asked
 * @start: the start that served then
 */
struct restarting {
	struct target *target;
	struct dyno *dyno;
	uint32_t before;
	uint32_t start;
};

struct round {
	struct cli *cli;
	struct dyno_host *host;
	struct watch watch;
	int failed;
};

enum verdict { STILL_ON_THE_WAY, UP_AGAIN, NOT_UP };

/* What its monitor says. */
struct answer {
	uint32_t restarts;
	uint32_t crashes;
	uint32_t start;
	bool swapping;
	bool up;
	bool ended;
};

static int take_answer(void *data, const struct dyno_info *info)
{
	static const char *const ended[] = {"crashed", "failed", "down", "complete"};
	struct answer *a = data;

	*a = (struct answer){.restarts = info->restarts,
			     .crashes = info->crashes,
			     .start = info->start,
			     .swapping = info->swapping};
	a->up = str_eq(info->state, "up");
	for (size_t i = 0; i < ARRAY_SIZE(ended); i++)
		a->ended = a->ended || str_eq(info->state, ended[i]);
	return 0;
}

static int print(struct cli *cli, const struct target *target, const char *state,
		 struct dyno_err *err)
{
	const struct restart_options *o = cli->options;
	struct sbuf *b = &cli->out;

	if (o->common.json) {
		json_begin(b);
		json_str(b, "app", target->info.app);
		json_str(b, "name", target->info.name);
		json_str(b, "state", state);
		json_end(b);
	} else if (!o->quiet) {
		sbuf_addf(b, "%s\n", target->label);
	}
	/* each as it comes, for who waits for several */
	return output_stdout(b, err);
}

static void tell_failed(struct round *round, const struct target *target, struct dyno_err *err)
{
	err_context(err, "restart %s/%s", target->info.app, target->info.name);
	cli_error(round->cli, err);
	round->failed++;
}

/* It crashed, or somebody stopped it: what is known of it by now. */
static void tell_not_up(struct round *round, struct target *target)
{
	const struct dyno_info *info = &target->info;
	struct dyno_err err = {0};

	(void)target_renew(round->cli, round->host, target, &err); /* else what was known before */
	if (str_eq(info->state, "up"))
		(void)err_set(&err, ERR_CRASHED, 0,
			      "the new one did not come up: the old one "
			      "serves on");
	else if (info->reason && info->exit_code >= 0)
		(void)err_set(&err, ERR_CRASHED, 0, "it is %s (%s, exit status %d)", info->state,
			      info->reason, info->exit_code);
	else
		(void)err_set(&err, ERR_CRASHED, 0, "it is %s", info->state);
	err_hint(&err, "dyno events -a %s %s tells what happened", info->app, info->name);
	tell_failed(round, target, &err);
}

static int ask_verdict(const struct restarting *r, enum verdict *ret, struct dyno_err *err)
{
	struct answer a = {0};
	int n = dyno_state(r->dyno, take_answer, &a, err);

	if (n < 0)
		return n;
	*ret = STILL_ON_THE_WAY;
	/* Where the old one serves on it is not the new one that is up. */
	if (a.restarts == r->before || (a.start == r->start && a.swapping))
		return 0;
	if (a.start == r->start && a.up) {
		*ret = NOT_UP;
		return 0;
	}
	if (a.up)
		*ret = UP_AGAIN;
	else if (a.ended || a.crashes > 0)
		*ret = NOT_UP;
	return 0;
}

static int on_event(void *data, struct watched *item, const char *json, struct dyno_err *err)
{
	struct round *round = data;
	const struct restarting *r = item->data;
	enum verdict verdict = NOT_UP;

	/* one that does not answer has ended, which is the next event */
	if (json && ask_verdict(r, &verdict, err) < 0)
		return 0;
	if (verdict == STILL_ON_THE_WAY)
		return 0;
	if (verdict == NOT_UP)
		tell_not_up(round, r->target);
	else if (print(round->cli, r->target, "up", err) < 0)
		return -EIO;
	return 1;
}

/* Connects, counts, watches and asks. Return: 0, or -errno. */
static int begin(struct round *round, struct restarting *r, struct dyno_err *err)
{
	const struct restart_options *o = round->cli->options;
	const struct dyno_info *info = &r->target->info;
	struct answer before = {0};
	int n = dyno_open(round->host, info->app, info->name, &r->dyno, err);

	if (n == 0)
		n = dyno_state(r->dyno, take_answer, &before, err);
	if (n < 0)
		return n;
	r->before = before.restarts;
	r->start = before.start;
	if (!o->no_wait) {
		n = watch_add(&round->watch, round->host, info->app, info->name, r, err);
		if (n < 0)
			return n;
		if (n == 0)
			return err_set(err, ERR_NOT_FOUND, 0, "it has ended");
	}
	n = o->preboot ? dyno_swap(r->dyno, err) : dyno_restart(r->dyno, err);
	if (n < 0 && !o->no_wait)
		watch_drop(&round->watch, r);
	return n;
}

static int restart_all(struct round *round, struct restarting *all, size_t n, struct dyno_err *err)
{
	const struct restart_options *o = round->cli->options;
	int r;

	watch_room(2 * n);
	for (size_t i = 0; i < n; i++) {
		r = begin(round, &all[i], err);
		if (r < 0) {
			tell_failed(round, all[i].target, err);
			continue;
		}
		r = o->no_wait ? print(round->cli, all[i].target, NULL, err) : 0;
		if (r < 0)
			return r;
	}
	return watch_end(&round->watch, on_event, round, err);
}

static int restart_main(struct cli *cli, struct dyno_err *err)
{
	const struct restart_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	struct round round = {.cli = cli};
	struct target_list list = {0};
	struct restarting *all;
	int r = cli_host_open(cli, &host, err);

	if (r == 0)
		r = target_find(cli, host, &o->ask, cli->operands.items, cli->operands.n,
				TARGET_CHANGES, &list, err);
	if (r == 0)
		r = target_need_all_live(&list, "restart", err);
	if (r < 0 || list.n == 0)
		return r;

	all = arena_calloc(&cli->arena, list.n, sizeof(*all));
	if (!all)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the list of dynos");
	for (size_t i = 0; i < list.n; i++)
		all[i].target = &list.items[i];
	round.host = host;
	r = restart_all(&round, all, list.n, err);

	watch_done(&round.watch);
	for (size_t i = 0; i < list.n; i++)
		dyno_close(all[i].dyno);
	if (r < 0)
		return r;
	return round.failed ? CLI_STATUS_FAILED : 0;
}

const struct verb verb_restart = {
	.name = "restart",
	.operands = "NAME... | --all",
	.summary = "start dynos anew, and wait until they are up",
	.text = "NAME is web.1, a type (web), a pattern ('web.*'), or one of these after APP/.\n"
		"All of them are asked at once.  Each name is printed when that dyno is up; one\n"
		"that crashes before makes the status 1.\n",
	CLI_OPTIONS(options, struct restart_options),
	.max_operands = SIZE_MAX,
	.words = OPT_WORDS_DYNO,
	.main = restart_main,
};
