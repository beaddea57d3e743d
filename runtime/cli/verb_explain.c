/* SPDX-License-Identifier: Apache-2.0 */
/* verb_explain.c - dyno explain [CLASS | NAME]: what an error class means; how a dyno is, and why. */
#include <errno.h>

#include "base/json.h"
#include "base/nearest.h"
#include "cli/cli.h"
#include "cli/facts.h"
#include "cli/target.h"
#include "cli/watch.h"

#define CLASS_COLUMNS 24

struct explain_options {
	struct cli_common common;
	struct target_ask ask;
};

static const struct opt options[] = {
	TARGET_OPTION_APP(struct explain_options),
	CLI_OPTION_JSON("print JSON"),
};

/* Exit status of run for a class. */
static int class_status(int kind)
{
	struct dyno_err err = {.kind = (uint16_t)kind};

	return dyno_err_exit_code(&err);
}

static void class_json(struct sbuf *b, int kind)
{
	json_str(b, "class", err_class_name((unsigned int)kind));
	json_u64(b, "exit_code", (uint64_t)class_status(kind));
	json_str(b, "text", err_class_text((unsigned int)kind));
}

static void explain_all(struct cli *cli)
{
	bool json = cli_common(cli)->json;
	struct sbuf *b = &cli->out;
	int kind;

	if (json) {
		json_begin(b);
		json_open(b, "classes", '[');
	}
	for (size_t i = 0; (kind = err_class_each(i)) >= 0; i++) {
		if (kind == ERR_NONE)
			continue;
		if (json) {
			json_open(b, NULL, '{');
			class_json(b, kind);
			json_close(b, '}');
		} else {
			output_add_padded(b, err_class_name((unsigned int)kind), CLASS_COLUMNS);
			sbuf_addf(b, "%s\n", err_class_text((unsigned int)kind));
		}
	}
	if (json) {
		json_close(b, ']');
		json_end(b);
	}
}

static int class_unknown(const char *name, struct dyno_err *err)
{
	struct nearest near = {.word = name};
	int kind, r = err_set(err, ERR_NOT_FOUND, 0, "no error class \"%s\"", name);

	for (size_t i = 0; (kind = err_class_each(i)) >= 0; i++)
		nearest_offer(&near, err_class_name((unsigned int)kind));
	if (near.best)
		err_hint(err, "did you mean dyno explain %s?", near.best);
	else
		err_hint(err, "dyno explain lists all classes");
	return r;
}

/* ---- a dyno --------------------------------------------------------------------------------- */

/* Return: 1: what its monitor knows of its boot is in @ret; 0: it has ended meanwhile; -errno. */
static int ask_why(struct dyno_host *host, const struct dyno_info *info, char **ret,
		   struct dyno_err *err)
{
	struct dyno *dyno = NULL;
	int r = dyno_open(host, info->app, info->name, &dyno, err);

	if (r == 0)
		r = dyno_why(dyno, ret, err);
	dyno_close(dyno);
	if (r < 0)
		return watch_is_over(r, err) ? 0 : r;
	return 1;
}

/* Words of *REASONS* in dyno-events(7) that do not speak for themselves. */
static const char *reason_text(const char *reason)
{
	if (str_eq(reason, "boot-timeout"))
		return "nothing listened on $PORT in time (R10)";
	if (str_eq(reason, "oom"))
		return "no memory was left";
	return reason;
}

/* "web.1 is starting: listening on nothing, ..." */
static void dyno_text(struct sbuf *b, const struct target *target, const char *why)
{
	const struct dyno_info *info = &target->info;
	bool ended = str_eq(info->state, "crashed") || str_eq(info->state, "failed");

	sbuf_addf(b, "%s %s %s", target->label, ended ? "has" : "is", info->state);
	if (why && *why)
		sbuf_addf(b, ": %s", why);
	if (info->live && str_eq(info->state, "up") && info->port)
		sbuf_addf(b, ", $PORT is %u", info->port);
	sbuf_addc(b, '\n');
	if (info->exit_code < 0)
		return;
	sbuf_addf(b, "its last end: status %d", info->exit_code);
	if (info->reason && !str_eq(info->reason, "exit"))
		sbuf_addf(b, ", %s", reason_text(info->reason));
	if (info->detail)
		sbuf_addf(b, ": %s", info->detail);
	sbuf_addc(b, '\n');
}

static void dyno_json(struct sbuf *b, const struct target *target, const char *why)
{
	json_begin(b);
	facts_json(b, &target->info);
	json_str(b, "why", why && *why ? why : NULL);
	json_end(b);
}

static int explain_dyno(struct cli *cli, struct dyno_host *host, struct target *target,
			struct dyno_err *err)
{
	_cleanup_free_ char *why = NULL;
	int r = target->info.live ? ask_why(host, &target->info, &why, err) : 0;

	if (r == 0 && target->info.live)
		r = target_renew(cli, host, target, err);
	if (r < 0)
		return r;
	if (cli_common(cli)->json)
		dyno_json(&cli->out, target, why);
	else
		dyno_text(&cli->out, target, why);
	return 0;
}

/* A word that is no class: a dyno's name, or a slip of either, which is told as one of a class. */
static int explain_name(struct cli *cli, const char *name, struct dyno_err *err)
{
	const struct explain_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	struct target *target;

	if (cli_host_open(cli, &host, err) < 0)
		return class_unknown(name, err);
	target = target_find_one(cli, host, &o->ask, name, err);
	if (target)
		return explain_dyno(cli, host, target, err);
	if (err->kind == ERR_NOT_FOUND && !o->ask.app)
		return class_unknown(name, err);
	return err->num > 0 ? -err->num : -EINVAL;
}

static int explain_main(struct cli *cli, struct dyno_err *err)
{
	struct sbuf *b = &cli->out;

	if (cli->operands.n == 0) {
		explain_all(cli);
		return 0;
	}

	const char *name = cli->operands.items[0];
	int kind = err_class_find(name);

	if (kind <= ERR_NONE)
		return explain_name(cli, name, err);
	if (cli_common(cli)->json) {
		json_begin(b);
		class_json(b, kind);
		json_end(b);
	} else {
		sbuf_addf(b, "%s: %s\nexit status of run: %d\n", name,
			  err_class_text((unsigned int)kind), class_status(kind));
	}
	return 0;
}

const struct verb verb_explain = {
	.name = "explain",
	.operands = "[CLASS | NAME]",
	.summary = "what an error class means, or why a dyno is not up; all classes without a word",
	CLI_OPTIONS(options, struct explain_options),
	.max_operands = 1,
	.words = OPT_WORDS_CLASS,
	.lenient = true,
	.main = explain_main,
};
