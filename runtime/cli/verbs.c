/* SPDX-License-Identifier: Apache-2.0 */
/* verbs.c - the list of verbs, and the options that all of them take. */
#include <string.h>

#include "base/nearest.h"
#include "cli/cli.h"

static const char *const color_choices[] = {"auto", "always", "never", NULL};

const struct opt cli_common_options[] = {
	{.name = "run-dir",
	 .kind = OPT_STRING,
	 .offset = OPT_FIELD(struct cli_common, run_dir, const char *),
	 .arg = "DIR",
	 .help = "locks of running dynos (/run/dyno)",
	 .words = OPT_WORDS_DIR},
	{.name = "data-dir",
	 .kind = OPT_STRING,
	 .offset = OPT_FIELD(struct cli_common, data_dir, const char *),
	 .arg = "DIR",
	 .help = "slugs, stacks, scratch (/var/lib/dyno)",
	 .words = OPT_WORDS_DIR},
	{.name = "libexec-dir",
	 .kind = OPT_STRING,
	 .offset = OPT_FIELD(struct cli_common, libexec_dir, const char *),
	 .arg = "DIR",
	 .help = "dyno's helper programs (beside dyno)",
	 .words = OPT_WORDS_DIR},
	{.name = "config",
	 .kind = OPT_STRING,
	 .offset = OPT_FIELD(struct cli_common, config, const char *),
	 .arg = "FILE",
	 .help = "settings to read (" CLI_CONFIG ")",
	 .words = OPT_WORDS_FILE},
	{.name = "color",
	 .kind = OPT_CHOICE,
	 .offset = OPT_FIELD_CHOICE(struct cli_common, color),
	 .arg = "WHEN",
	 .help = "auto, always or never",
	 .choices = color_choices},
};
const size_t cli_n_common_options = ARRAY_SIZE(cli_common_options);

static const struct verb *const dyno_verbs[] = {
	&verb_run,     &verb_start,  &verb_scale, &verb_exec,	 &verb_attach, &verb_ps,
	&verb_inspect, &verb_stats,  &verb_stop,  &verb_restart, &verb_kill,   &verb_wait,
	&verb_logs,    &verb_events, &verb_diff,  &verb_cp,	 &verb_rm,
};

static const struct verb *const other_verbs[] = {
	&verb_check, &verb_doctor, &verb_gc, &verb_explain, &verb_version, &verb_help,
};

const struct verb *verb_at(size_t i)
{
	/* What makes dynos and looks after them, then the group, then the rest: the order of the
	 * help. */
	if (i < ARRAY_SIZE(dyno_verbs))
		return dyno_verbs[i];
	i -= ARRAY_SIZE(dyno_verbs);
	if (i < n_verbs_slug)
		return &verbs_slug[i];
	i -= n_verbs_slug;
	return i < ARRAY_SIZE(other_verbs) ? other_verbs[i] : NULL;
}

bool verb_in_group(const struct verb *verb, const char *group)
{
	const char *rest = str_starts(verb->name, group);

	return rest && *rest == ' ';
}

bool verb_is_group(const char *word)
{
	const struct verb *verb;

	for (size_t i = 0; (verb = verb_at(i)); i++) {
		if (verb_in_group(verb, word))
			return true;
	}
	return false;
}

static int group_error(const char *group, const char *word, struct dyno_err *err)
{
	struct nearest near = {.word = word ? word : ""};
	const struct verb *verb;
	int r;

	for (size_t i = 0; (verb = verb_at(i)); i++) {
		if (verb_in_group(verb, group))
			nearest_offer(&near, verb->name + strlen(group) + 1);
	}
	if (word)
		r = err_set(err, ERR_USAGE, 0, "%s: no verb \"%s\"", group, word);
	else
		r = err_set(err, ERR_USAGE, 0, "%s: a verb is missing", group);

	if (near.best)
		err_hint(err, "did you mean dyno %s %s?", group, near.best);
	else
		err_hint(err, "dyno help %s lists them", group);
	return r;
}

/* The verbs of later times that people know from other programs are simply unknown. */
static int verb_error(const char *word, struct dyno_err *err)
{
	struct nearest near = {.word = word};
	const struct verb *verb;
	int r = err_set(err, ERR_USAGE, 0, "no verb \"%s\"", word);

	for (size_t i = 0; (verb = verb_at(i)); i++) {
		if (!strchr(verb->name, ' '))
			nearest_offer(&near, verb->name);
	}
	nearest_offer(&near, "slug");

	if (near.best)
		err_hint(err, "did you mean dyno %s? dyno help lists all verbs", near.best);
	else
		err_hint(err, "dyno help lists all verbs");
	return r;
}

const struct verb *verb_find(const char *const *words, size_t *ret_words, struct dyno_err *err)
{
	const struct verb *verb;

	for (size_t i = 0; (verb = verb_at(i)); i++) {
		if (str_eq(verb->name, words[0])) {
			*ret_words = 1;
			return verb;
		}
		if (words[1] && verb_in_group(verb, words[0]) &&
		    str_eq(verb->name + strlen(words[0]) + 1, words[1])) {
			*ret_words = 2;
			return verb;
		}
	}

	if (verb_is_group(words[0]))
		(void)group_error(words[0], words[1], err); /* the caller sees NULL */
	else
		(void)verb_error(words[0], err); /* the caller sees NULL */
	return NULL;
}

struct opt_set verb_set(const struct verb *verb)
{
	return (struct opt_set){
		.verb = verb->name,
		.shared = verb->shared,
		.own = verb->options,
		.n_own = verb->n_options,
		.common = cli_common_options,
		.n_common = cli_n_common_options,
		.operand_ends = verb->runs_command,
	};
}

bool verb_has_option(const char *name)
{
	const struct verb *verb;

	for (size_t i = 0; (verb = verb_at(i)); i++) {
		struct opt_set set = verb_set(verb);

		if (opt_find(&set, name, strlen(name)) >= 0)
			return true;
	}
	return false;
}
