/* SPDX-License-Identifier: Apache-2.0 */
/* verb_explain.c - dyno explain [CLASS]: what an error class means. */
#include "base/json.h"
#include "base/nearest.h"
#include "cli/cli.h"

#define CLASS_COLUMNS 24

struct explain_options {
	struct cli_common common;
};

static const struct opt options[] = {
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
		return class_unknown(name, err);
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
	.operands = "[CLASS]",
	.summary = "what an error class means; lists all without CLASS",
	CLI_OPTIONS(options, struct explain_options),
	.max_operands = 1,
	.words = OPT_WORDS_CLASS,
	.lenient = true,
	.main = explain_main,
};
