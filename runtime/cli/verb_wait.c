/* SPDX-License-Identifier: Apache-2.0 */
/* verb_wait.c - dyno wait: until dynos have ended, or are in a state. */
#include <errno.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/facts.h"
#include "cli/target.h"
#include "cli/watch.h"

/* Status when the time is over. Source: timeout(1), and the table of exit codes */
#define STATUS_TIMEOUT 124
/* Status of a dyno whose command was never executed. */
#define STATUS_NOT_RUN CLI_STATUS_DYNO

/* The first one is no state: it means the end for good.  `stopping` is none that events tell of. */
static const char *const state_choices[] = {"end",     "starting", "up",     "down",
					    "crashed", "complete", "failed", NULL};

struct wait_options {
	struct cli_common common;
	struct target_ask ask;
	unsigned int state;
	uint64_t timeout_ms;
	bool quiet;
};

static const struct opt options[] = {
	TARGET_OPTION_APP(struct wait_options),
	{.name = "for",
	 .kind = OPT_CHOICE,
	 .offset = OPT_FIELD_CHOICE(struct wait_options, state),
	 .arg = "STATE",
	 .help = "until it is in STATE (end: until it has ended for good)",
	 .choices = state_choices},
	{.name = "timeout",
	 .kind = OPT_DURATION,
	 .offset = OPT_FIELD(struct wait_options, timeout_ms, uint64_t),
	 .arg = "TIME",
	 .help = "no longer than this, else status 124"},
	TARGET_OPTION_QUIET(struct wait_options, "the exit status only"),
	CLI_OPTION_JSON("a line of JSON for each dyno"),
};

/**
 * struct waiting - one dyno that is waited for.
 * @dyno: NULL: it has ended
 * @out: how, where it has
 */
struct waiting {
	struct target *target;
	struct dyno *dyno;
	struct dyno_outcome out;
};

/**
 * struct wait - all of them.
 * @state: to wait for; NULL: the end for good
 * @until_ms: CLOCK_BOOTTIME; 0: for ever
 * @status: the first that is not 0
 */
struct wait {
	struct cli *cli;
	struct dyno_host *host;
	const char *state;
	uint64_t until_ms;
	struct waiting *all;
	size_t n;
	int status;
};

static void set_status(struct wait *w, int status)
{
	if (w->status == 0)
		w->status = status;
}

static void tell_failed(struct wait *w, const struct waiting *one, int status, struct dyno_err *err)
{
	const struct dyno_info *info = &one->target->info;

	err_context(err, "wait for %s/%s", info->app, info->name);
	cli_error(w->cli, err);
	set_status(w, status);
}

/* @out: NULL: it lives, in the state that was waited for */
static void print_json(struct sbuf *b, const struct waiting *one, const char *state,
		       const struct dyno_outcome *out)
{
	json_begin(b);
	json_str(b, "app", one->target->info.app);
	json_str(b, "name", one->target->info.name);
	json_str(b, "state", state);
	facts_end_json(b, out);
	json_end(b);
}

static int print_end(struct wait *w, struct waiting *one, struct dyno_err *err)
{
	const struct wait_options *o = w->cli->options;
	struct sbuf *b = &w->cli->out;
	int code = one->out.exit_code < 0 ? STATUS_NOT_RUN : one->out.exit_code;

	set_status(w, code);
	if (o->common.json)
		print_json(b, one, one->target->info.state, &one->out);
	else if (!o->quiet && w->n > 1)
		sbuf_addf(b, "%s %d\n", one->target->label, code);
	else if (!o->quiet)
		sbuf_addf(b, "%d\n", code);
	return output_stdout(b, err);
}

static int tell_reached(struct wait *w, const struct waiting *one, struct dyno_err *err)
{
	if (!cli_common(w->cli)->json)
		return 0;
	print_json(&w->cli->out, one, w->state, one->dyno ? NULL : &one->out);
	return output_stdout(&w->cli->out, err);
}

/* It is over: with its end, or without the state that was waited for. */
static int tell_ended(struct wait *w, struct waiting *one, struct dyno_err *err)
{
	const struct dyno_info *info = &one->target->info;

	if (!w->state)
		return print_end(w, one, err);
	if (str_eq(info->state, w->state))
		return tell_reached(w, one, err);
	(void)err_set(err, ERR_CRASHED, 0, "it has ended: %s", info->state);
	err_hint(err, "dyno events -a %s %s tells what happened", info->app, info->name);
	tell_failed(w, one, CLI_STATUS_FAILED, err);
	return 0;
}

static int tell_timeout(struct wait *w, struct waiting *one, struct dyno_err *err)
{
	struct dyno_err ignored;
	const struct wait_options *o = w->cli->options;

	(void)target_renew(w->cli, w->host, one->target, &ignored); /* else what it was before */
	(void)err_set(err, ERR_TIMEOUT, 0, "it is %s after %llu ms", one->target->info.state,
		      (unsigned long long)o->timeout_ms);
	tell_failed(w, one, STATUS_TIMEOUT, err);
	return 0;
}

/* Its facts again, now that it has ended. */
static int renew(struct wait *w, struct waiting *one, struct dyno_err *err)
{
	int r = target_renew(w->cli, w->host, one->target, err);

	dyno_close(take_ptr(&one->dyno));
	return r;
}

static int connect(struct wait *w, struct waiting *one, struct dyno_err *err)
{
	const struct dyno_info *info = &one->target->info;
	int r = info->live ? dyno_open(w->host, info->app, info->name, &one->dyno, err) : 0;

	if (r < 0 && watch_is_over(r, err))
		r = renew(w, one, err);
	if (r == 0 && !one->dyno)
		one->out = facts_outcome(info);
	return r;
}

/* What is left of the time in the library's form, where 0 stands for ever. */
static uint64_t time_left(const struct wait *w)
{
	uint64_t now = clock_ms();

	if (!w->until_ms)
		return 0;
	return w->until_ms > now ? w->until_ms - now : 1;
}

static int wait_one(struct wait *w, struct waiting *one, struct dyno_err *err)
{
	int r = 1;

	if (one->dyno) {
		r = dyno_wait(one->dyno, w->state, time_left(w), &one->out, err);
		if (r == -ETIMEDOUT)
			return tell_timeout(w, one, err);
		if (r > 0 && renew(w, one, err) < 0)
			r = -EIO;
	}
	if (r == 0)
		return tell_reached(w, one, err);
	if (r > 0)
		return tell_ended(w, one, err);
	tell_failed(w, one, CLI_STATUS_FAILED, err);
	return 0;
}

/* All are connected to first: of one that ends while another is waited for the end is known. */
static int wait_all(struct wait *w, struct dyno_err *err)
{
	int r = 0;

	watch_room(w->n);
	for (size_t i = 0; r == 0 && i < w->n; i++)
		r = connect(w, &w->all[i], err);
	for (size_t i = 0; r == 0 && i < w->n; i++)
		r = wait_one(w, &w->all[i], err);
	for (size_t i = 0; i < w->n; i++)
		dyno_close(w->all[i].dyno);
	return r;
}

static int wait_main(struct cli *cli, struct dyno_err *err)
{
	const struct wait_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	struct target_list list = {0};
	struct wait w = {.cli = cli, .state = o->state ? state_choices[o->state] : NULL};
	int r = cli_host_open(cli, &host, err);

	if (r == 0)
		r = target_find(cli, host, &o->ask, cli->operands.items, cli->operands.n, 0, &list,
				err);
	if (r < 0)
		return r;

	w.host = host;
	w.until_ms = o->timeout_ms ? clock_ms() + o->timeout_ms : 0;
	w.n = list.n;
	w.all = arena_calloc(&cli->arena, list.n, sizeof(*w.all));
	if (!w.all)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the list of dynos");
	for (size_t i = 0; i < list.n; i++)
		w.all[i].target = &list.items[i];
	r = wait_all(&w, err);
	return r < 0 ? r : w.status;
}

const struct verb verb_wait = {
	.name = "wait",
	.operands = "NAME...",
	.summary = "until dynos have ended, or are up",
	.text = "Prints the exit status of a dyno when it has ended for good, and exits with it;\n"
		"of several, after their names, and with the first that is not 0.  124 says that\n"
		"the time of --timeout was over before.  With --for it prints nothing, and exits\n"
		"with 0, or with 1 when a dyno ended without having come there.\n",
	CLI_OPTIONS(options, struct wait_options),
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.words = OPT_WORDS_DYNO,
	.main = wait_main,
};
