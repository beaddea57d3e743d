/* SPDX-License-Identifier: Apache-2.0 */
#include "model/command.h"

#include <errno.h>

#include "base/err.h"
#include "base/str.h"

/* The type that no operand stands for, and that of one-offs (CONTRACT 3.5, 4.5). */
#define TYPE_ONEOFF "run"

/* Bytes of a list of types in an error's hint. */
#define LIST_BYTES 100U

static int no_memory(struct dyno_err *err)
{
	return err_set(err, ERR_MEMORY, ENOMEM, "compile the command");
}

/* bash --login -c TEXT, as Heroku's own launcher does it (CONTRACT 1.5). */
static int compile_shell(enum command_kind kind, const char *type, const char *text,
			 struct arena *arena, struct command *ret, struct dyno_err *err)
{
	const char **argv = arena_calloc(arena, 5, sizeof(*argv));
	char *copy = arena_strdup(arena, text);
	char *type_copy = arena_strdup(arena, type);

	if (!argv || !copy || !type_copy)
		return no_memory(err);

	argv[0] = "bash";
	argv[1] = "--login";
	argv[2] = "-c";
	argv[3] = copy;
	*ret = (struct command){kind, type_copy, copy, argv, true};
	return 0;
}

static void add_words(struct sbuf *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			sbuf_addc(text, ' ');
		sbuf_add_shell(text, words[i]);
	}
}

static int compile_argv(const struct command_input *in, struct arena *arena, struct command *ret,
			struct dyno_err *err)
{
	_cleanup_sbuf_ struct sbuf line = {0};
	const char **argv;
	char *text;

	if (in->operands[0][0] == '\0')
		return err_set(err, ERR_EXEC_MISSING, ENOENT, "run the command \"\"");

	argv = arena_calloc(arena, in->n + 1, sizeof(*argv));
	if (!argv)
		return no_memory(err);
	for (size_t i = 0; i < in->n; i++) {
		argv[i] = arena_strdup(arena, in->operands[i]);
		if (!argv[i])
			return no_memory(err);
	}

	add_words(&line, in->operands, in->n);
	text = arena_strdup(arena, sbuf_str(&line));
	if (!text || sbuf_ok(&line) < 0)
		return no_memory(err);
	*ret = (struct command){COMMAND_ONEOFF, TYPE_ONEOFF, text, argv, false};
	return 0;
}

/* Several words: a type's command with the rest after it, or all of them quoted. */
static int compile_words(const struct command_input *in, struct arena *arena, struct command *ret,
			 struct dyno_err *err)
{
	const struct proc_type *type = proc_types_find(in->types, in->operands[0]);
	_cleanup_sbuf_ struct sbuf text = {0};

	if (type) {
		sbuf_adds(&text, type->command);
		sbuf_addc(&text, ' ');
		add_words(&text, in->operands + 1, in->n - 1);
	} else {
		add_words(&text, in->operands, in->n);
	}
	if (sbuf_ok(&text) < 0)
		return no_memory(err);
	return compile_shell(COMMAND_ONEOFF, TYPE_ONEOFF, sbuf_str(&text), arena, ret, err);
}

static int compile_default(const struct command_input *in, struct arena *arena, struct command *ret,
			   struct dyno_err *err)
{
	const struct proc_type *web = proc_types_find(in->types, PROC_TYPE_WEB);
	char list[LIST_BYTES];

	if (web)
		return command_for_type(web, arena, ret, err);
	if (in->types->n == 0) {
		(void)err_set(err, ERR_PROCFILE_MISSING, 0,
			      "choose what to run: no command is "
			      "given and the slug defines no process types");
		err_hint(err, "name a command after the slug, or add a Procfile");
		return -EINVAL;
	}
	(void)err_set(err, ERR_PROCFILE_TYPE, 0,
		      "choose what to run: the slug has no \"" PROC_TYPE_WEB "\" process type");
	err_hint(err, "name one of its types: %s", proc_types_list(in->types, list, sizeof(list)));
	return -EINVAL;
}

int command_for_type(const struct proc_type *type, struct arena *arena, struct command *ret,
		     struct dyno_err *err)
{
	return compile_shell(COMMAND_TYPE, type->name, type->command, arena, ret, err);
}

int command_compile(const struct command_input *in, struct arena *arena, struct command *ret,
		    struct dyno_err *err)
{
	const struct proc_type *type;

	if (in->n == 0 && in->argv_mode)
		return err_set(err, ERR_USAGE, 0, "run a command: nothing stands after \"--\"");
	if (in->n == 0)
		return compile_default(in, arena, ret, err);
	if (in->argv_mode)
		return compile_argv(in, arena, ret, err);
	if (in->n > 1)
		return compile_words(in, arena, ret, err);

	if (in->operands[0][0] == '\0')
		return err_set(err, ERR_USAGE, 0, "run a command: it is empty");
	type = proc_types_find(in->types, in->operands[0]);
	if (type)
		return command_for_type(type, arena, ret, err);
	return compile_shell(COMMAND_ONEOFF, TYPE_ONEOFF, in->operands[0], arena, ret, err);
}

bool command_is_formation(const struct command *command)
{
	return command->kind == COMMAND_TYPE && !str_eq(command->type, PROC_TYPE_RELEASE);
}
