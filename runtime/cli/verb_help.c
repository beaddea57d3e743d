/* SPDX-License-Identifier: Apache-2.0 */
/* verb_help.c - dyno help [VERB]: help of one verb or of all, completion, the tables as JSON. */
#include <errno.h>

#include "cli/cli.h"

enum completion { COMPLETION_NONE, COMPLETION_BASH };
static const char *const completion_choices[] = {"none", "bash", NULL};

struct help_options {
	struct cli_common common;
	enum completion completion;
};

static const struct opt options[] = {
	{.name = "completion",
	 .kind = OPT_CHOICE,
	 .offset = OPT_FIELD_CHOICE(struct help_options, completion),
	 .arg = "SHELL",
	 .help = "print a completion script: bash",
	 .choices = completion_choices},
	CLI_OPTION_JSON("every verb and option for programs"),
};

static int help_main(struct cli *cli, struct dyno_err *err)
{
	const struct help_options *o = cli->options;
	const struct opt_operands *words = &cli->operands;
	size_t n;

	if (o->completion == COMPLETION_BASH) {
		completion_bash(&cli->out);
	} else if (o->common.json) {
		help_json(&cli->out);
	} else if (words->n == 0) {
		help_verbs(&cli->out, NULL);
	} else if (words->n == 1 && verb_is_group(words->items[0])) {
		help_verbs(&cli->out, words->items[0]);
	} else {
		const char *const name[] = {words->items[0], words->n > 1 ? words->items[1] : NULL,
					    NULL};
		const struct verb *verb = verb_find(name, &n, err);

		if (!verb)
			return -EINVAL;
		help_verb(&cli->out, verb);
	}
	return 0;
}

const struct verb verb_help = {
	.name = "help",
	.operands = "[VERB]",
	.summary = "what the verbs are and what each takes",
	CLI_OPTIONS(options, struct help_options),
	.max_operands = 2,
	.words = OPT_WORDS_VERB,
	.lenient = true,
	.main = help_main,
};
