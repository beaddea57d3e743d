/* SPDX-License-Identifier: Apache-2.0 */
/* help.c - `dyno help` and --help: text and JSON, made from the tables. */
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"

/* Columns of "  -a, --app NAME" before the help of an option begins. */
#define HELP_OPTION_COLUMNS 28
#define HELP_VERB_COLUMNS   14

/* Twelve lines: what a newcomer needs, in the order in which it is needed. */
static const char brief[] =
	"dyno runs Heroku-style apps, each in a fresh root that is thrown away.\n"
	"\n"
	"  dyno doctor                     what this host lacks, and what mends it\n"
	"  dyno slug pack DIR -o app.tgz   make a slug of an app's directory\n"
	"  dyno check app.tgz              its Procfile and what is odd in it\n"
	"  dyno run app.tgz                its web process, on $PORT\n"
	"  dyno start app.tgz web=2        its process types, restarted when they end\n"
	"  dyno run app.tgz bash           a shell, or any command, in its place\n"
	"  dyno run app.tgz -- ls -l       a command without a shell\n"
	"  dyno slug ls                    slugs that are unpacked\n"
	"\n"
	"dyno help lists every verb; dyno help VERB its options; man dyno tells the rest.\n";

void help_brief(struct sbuf *b)
{
	sbuf_adds(b, brief);
}

void help_verbs(struct sbuf *b, const char *group)
{
	const struct verb *verb;

	sbuf_addf(b, "usage: dyno %s%sVERB [options] [operands]\n\n", group ? group : "",
		  group ? " " : "");
	for (size_t i = 0; (verb = verb_at(i)); i++) {
		if (group && !verb_in_group(verb, group))
			continue;
		sbuf_adds(b, "  ");
		output_add_padded(b, verb->name, HELP_VERB_COLUMNS);
		sbuf_addf(b, "%s\n", verb->summary);
	}
	sbuf_addf(b, "\ndyno help %s%sVERB tells a verb's options.\n", group ? group : "",
		  group ? " " : "");
}

static void help_option(struct sbuf *b, const struct opt *o)
{
	char letter[] = {'-', o->letter, ',', ' ', '\0'};
	char text[2 * HELP_OPTION_COLUMNS];

	str_fmt(text, sizeof(text), "%s--%s%s%s", o->letter ? letter : "    ", o->name,
		o->arg ? " " : "", o->arg ? o->arg : "");
	sbuf_adds(b, "  ");
	output_add_padded(b, text, HELP_OPTION_COLUMNS);
	if (strlen(text) >= HELP_OPTION_COLUMNS) {
		sbuf_adds(b, "\n  ");
		output_add_padded(b, "", HELP_OPTION_COLUMNS);
	}
	sbuf_addf(b, "%s\n", o->help);
}

void help_verb(struct sbuf *b, const struct verb *verb)
{
	static const struct opt help = {.name = "help", .letter = 'h', .help = "this text"};
	struct opt_set set = verb_set(verb);

	sbuf_addf(b, "usage: dyno %s [options]%s%s\n\n%s\n", verb->name,
		  verb->operands[0] ? " " : "", verb->operands, verb->summary);
	if (verb->text)
		sbuf_addf(b, "\n%s", verb->text);

	sbuf_adds(b, "\noptions:\n");
	for (size_t i = 0; i < opt_count(&set) - set.n_common; i++)
		help_option(b, opt_at(&set, i));
	help_option(b, &help);

	sbuf_adds(b, "\ncommon options:\n");
	for (size_t i = 0; i < cli_n_common_options; i++)
		help_option(b, &cli_common_options[i]);
	sbuf_adds(b, "\nAn option may also come from a variable (--run-dir: DYNO_CFG_RUN_DIR) or "
		     "from\n" CLI_CONFIG " (run-dir = ...).\n");
}

/* ---- for programs -----------------------------------------------------------------------------*/

static void json_option(struct sbuf *b, const struct opt *o, bool common)
{
	char variable[STRLEN(OPT_ENV_PREFIX) + OPT_NAME_BYTES];
	char letter[] = {o->letter, '\0'};

	json_open(b, NULL, '{');
	json_str(b, "name", o->name);
	json_str(b, "letter", o->letter ? letter : NULL);
	json_str(b, "argument", o->arg);
	json_str(b, "kind", opt_kind_name(o->kind));
	json_str(b, "variable", opt_env_name(o->name, variable));
	json_bool(b, "common", common);
	json_str(b, "help", o->help);
	json_open(b, "choices", '[');
	for (size_t i = 0; o->choices && o->choices[i]; i++)
		json_str(b, NULL, o->choices[i]);
	json_close(b, ']');
	json_close(b, '}');
}

static void json_verb(struct sbuf *b, const struct verb *verb)
{
	struct opt_set set = verb_set(verb);

	json_open(b, NULL, '{');
	json_str(b, "name", verb->name);
	json_str(b, "operands", verb->operands);
	json_str(b, "summary", verb->summary);
	json_bool(b, "runs_command", verb->runs_command);
	json_open(b, "options", '[');
	for (size_t i = 0; i < opt_count(&set); i++)
		json_option(b, opt_at(&set, i), i >= opt_count(&set) - set.n_common);
	json_close(b, ']');
	json_close(b, '}');
}

void help_json(struct sbuf *b)
{
	const struct verb *verb;

	json_begin(b);
	json_str(b, "version", DYNO_VERSION);
	json_open(b, "verbs", '[');
	for (size_t i = 0; (verb = verb_at(i)); i++)
		json_verb(b, verb);
	json_close(b, ']');
	json_end(b);
}
