/* SPDX-License-Identifier: Apache-2.0 */
/*
 * completion.c - a completion script for bash, made from the tables of the verbs.
 *
 * bash splits words at ":" and "=" (COMP_WORDBREAKS): `--scratch=disk` and `sha256:12` arrive as
 * three words each, and what is offered replaces the last of them only.  The script needs nothing
 * but bash itself.
 */
#include <string.h>

#include "cli/cli.h"

static const char prologue[] =
	"# bash completion for dyno, made by `dyno help --completion bash`\n"
	"\n"
	"_dyno_offer()\n"
	"{\n"
	"\tmapfile -t COMPREPLY < <(compgen \"$@\" -- \"$_dyno_cur\")\n"
	"}\n"
	"\n"
	"_dyno_files()\n"
	"{\n"
	"\tcompopt -o filenames 2>/dev/null\n"
	"\t_dyno_offer \"$@\"\n"
	"}\n"
	"\n"
	"# Digests in the store; files too where $1 is -f.\n"
	"_dyno_slugs()\n"
	"{\n"
	"\tlocal digests\n"
	"\tdigests=$(dyno slug ls -q 2>/dev/null)\n"
	"\tif [[ $_dyno_before == 'sha256:' ]]; then\n"
	"\t\t_dyno_offer -W \"${digests//sha256:/}\"\n"
	"\telif [[ $1 == -f && $_dyno_cur != sha256* ]]; then\n"
	"\t\t_dyno_files -f\n"
	"\telse\n"
	"\t\t_dyno_offer -W \"$digests\"\n"
	"\tfi\n"
	"}\n"
	"\n"
	"# Names of dynos, of the app that -a names; where $1 is --all ended ones too; then other words.\n"
	"_dyno_dynos()\n"
	"{\n"
	"\tlocal -a ask=(ps -q)\n"
	"\tlocal -i i\n"
	"\tif [[ ${1-} == --all ]]; then\n"
	"\t\task+=(--all)\n"
	"\t\tshift\n"
	"\tfi\n"
	"\tfor ((i = 2; i < COMP_CWORD - 1; i++)); do\n"
	"\t\t[[ ${COMP_WORDS[i]} == -a || ${COMP_WORDS[i]} == --app ]] || continue\n"
	"\t\t[[ ${COMP_WORDS[i + 1]} != '=' ]] || i=$((i + 1))\n"
	"\t\task+=(-a \"${COMP_WORDS[i + 1]}\")\n"
	"\tdone\n"
	"\t_dyno_offer -W \"$* $(dyno \"${ask[@]}\" 2>/dev/null)\"\n"
	"}\n"
	"\n"
	"_dyno()\n"
	"{\n"
	"\tlocal _dyno_cur=${COMP_WORDS[COMP_CWORD]} _dyno_before='' prev verb\n"
	"\tlocal -i at=COMP_CWORD\n"
	"\tCOMPREPLY=()\n"
	"\tif [[ $_dyno_cur == [=:] ]]; then\n"
	"\t\t_dyno_cur=''\n"
	"\telse\n"
	"\t\tat=$((at - 1))\n"
	"\tfi\n"
	"\tprev=${COMP_WORDS[at]}\n"
	"\tif [[ $prev == '=' ]]; then\n"
	"\t\tprev=${COMP_WORDS[at - 1]}\n"
	"\telif [[ $prev == ':' ]]; then\n"
	"\t\t_dyno_before=${COMP_WORDS[at - 1]}:\n"
	"\tfi\n"
	"\tverb=${COMP_WORDS[1]}\n";

static const char epilogue[] = "}\n"
			       "\n"
			       "complete -F _dyno -o bashdefault dyno\n";

/* First words of the verbs, or the second ones of a group; each once. */
static void add_words(struct sbuf *b, const char *group)
{
	const struct verb *verb;
	const char *last = "";
	size_t last_len = 0;

	for (size_t i = 0; (verb = verb_at(i)); i++) {
		const char *word = verb->name;

		if (group && !verb_in_group(verb, group))
			continue;
		if (group)
			word += strlen(group) + 1;

		size_t len = strcspn(word, " ");

		if (len != last_len || memcmp(word, last, len) != 0)
			sbuf_addf(b, "%s%.*s", *last ? " " : "", (int)len, word);
		last = word;
		last_len = len;
	}
}

/* `dyno slug <TAB>`: the verb's name is two words from there on. */
static void add_groups(struct sbuf *b)
{
	const struct verb *verb;
	char group[OPT_NAME_BYTES] = "";

	for (size_t i = 0; (verb = verb_at(i)); i++) {
		size_t len = strcspn(verb->name, " ");

		if (!verb->name[len] || str_starts(verb->name, group[0] ? group : " "))
			continue;
		str_fmt(group, sizeof(group), "%.*s", (int)len, verb->name);
		sbuf_addf(b,
			  "\tif [[ $verb == %s ]]; then\n"
			  "\t\tif ((COMP_CWORD == 2)); then\n"
			  "\t\t\t_dyno_offer -W '",
			  group);
		add_words(b, group);
		sbuf_addf(b,
			  "'\n"
			  "\t\t\treturn\n"
			  "\t\tfi\n"
			  "\t\tverb='%s '${COMP_WORDS[2]}\n"
			  "\tfi\n",
			  group);
	}
}

static void add_classes(struct sbuf *b)
{
	int kind;

	sbuf_adds(b, "_dyno_dynos --all");
	for (size_t i = 0; (kind = err_class_each(i)) >= 0; i++)
		sbuf_addf(b, " %s", err_class_name((unsigned int)kind));
}

/* The command that offers what may stand for an option's value or for an operand. */
static void add_offer(struct sbuf *b, enum opt_words words)
{
	switch (words) {
	case OPT_WORDS_FILE:
		sbuf_adds(b, "_dyno_files -f");
		return;
	case OPT_WORDS_DIR:
		sbuf_adds(b, "_dyno_files -d");
		return;
	case OPT_WORDS_SLUG:
		sbuf_adds(b, "_dyno_slugs -f");
		return;
	case OPT_WORDS_DIGEST:
		sbuf_adds(b, "_dyno_slugs");
		return;
	case OPT_WORDS_VERB:
		sbuf_adds(b, "_dyno_offer -W '");
		add_words(b, NULL);
		sbuf_adds(b, "'");
		return;
	case OPT_WORDS_CLASS:
		add_classes(b);
		return;
	case OPT_WORDS_DYNO:
		sbuf_adds(b, "_dyno_dynos");
		return;
	case OPT_WORDS_ENDED:
		sbuf_adds(b, "_dyno_dynos --all");
		return;
	case OPT_WORDS_NONE:
		break;
	}
	sbuf_adds(b, ":");
}

static void add_value(struct sbuf *b, const struct verb *verb, const struct opt *o)
{
	if (o->kind == OPT_FLAG)
		return;

	sbuf_addf(b, "\t'%s':--%s", verb->name, o->name);
	if (o->letter)
		sbuf_addf(b, " | '%s':-%c", verb->name, o->letter);
	sbuf_adds(b, ") ");
	if (o->choices) {
		sbuf_adds(b, "_dyno_offer -W '");
		for (size_t i = 0; o->choices[i]; i++)
			sbuf_addf(b, "%s%s", i ? " " : "", o->choices[i]);
		sbuf_adds(b, "'");
	} else {
		add_offer(b, o->words);
	}
	sbuf_adds(b, "; return ;;\n");
}

static void add_values(struct sbuf *b)
{
	const struct verb *verb;

	sbuf_adds(b, "\tcase $verb:$prev in\n");
	for (size_t i = 0; (verb = verb_at(i)); i++) {
		struct opt_set set = verb_set(verb);

		for (size_t j = 0; j < opt_count(&set); j++)
			add_value(b, verb, opt_at(&set, j));
	}
	sbuf_adds(b, "\tesac\n");
}

static void add_verb(struct sbuf *b, const struct verb *verb)
{
	struct opt_set set = verb_set(verb);

	sbuf_addf(b, "\t'%s:'-*) _dyno_offer -W '", verb->name);
	for (size_t i = 0; i < opt_count(&set); i++)
		sbuf_addf(b, "--%s ", opt_at(&set, i)->name);
	sbuf_addf(b, "--help' ;;\n\t'%s:'*) ", verb->name);
	add_offer(b, verb->words);
	sbuf_adds(b, " ;;\n");
}

void completion_bash(struct sbuf *b)
{
	const struct verb *verb;

	sbuf_adds(b, prologue);
	sbuf_adds(b, "\tif ((COMP_CWORD == 1)); then\n\t\t_dyno_offer -W '");
	add_words(b, NULL);
	sbuf_adds(b, "'\n\t\treturn\n\tfi\n");
	add_groups(b);
	add_values(b);
	sbuf_adds(b, "\tcase $verb:$_dyno_cur in\n");
	for (size_t i = 0; (verb = verb_at(i)); i++)
		add_verb(b, verb);
	sbuf_adds(b, "\tesac\n");
	sbuf_adds(b, epilogue);
}
