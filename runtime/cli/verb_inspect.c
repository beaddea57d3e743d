/* SPDX-License-Identifier: Apache-2.0 */
/* verb_inspect.c - dyno inspect: all that is known of a dyno, as JSON. */
#include <errno.h>

#include "base/json.h"
#include "base/num.h"
#include "cli/cli.h"
#include "cli/facts.h"
#include "cli/security.h"
#include "cli/target.h"
#include "cli/watch.h"

struct inspect_options {
	struct cli_common common;
	struct target_ask ask;
	bool security;
	const char *pid;
};

static const struct opt options[] = {
	TARGET_OPTION_APP(struct inspect_options),
	{.name = "security",
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct inspect_options, security, bool),
	 .help = "how it is confined, as the kernel says; status 1 where it is weaker"},
	{.name = "pid",
	 .kind = OPT_STRING,
	 .offset = OPT_FIELD(struct inspect_options, pid, const char *),
	 .arg = "N",
	 .help = "with --security: this process too, as the dyno numbers it"},
	CLI_OPTION_JSON("each dyno on one line"),
};

static void new_line(struct sbuf *b, size_t depth)
{
	sbuf_addc(b, '\n');
	for (size_t i = 0; i < depth; i++)
		sbuf_adds(b, "  ");
}

/* A string with its quotes goes through as it stands, and so do the escapes in it. */
static const char *add_string(struct sbuf *b, const char *s)
{
	size_t len = 1;

	while (s[len] && s[len] != '"')
		len += s[len] == '\\' && s[len + 1] ? 2 : 1;
	len += s[len] == '"';
	sbuf_add(b, s, len);
	return s + len;
}

/* The monitor's text with line ends and blanks, for people; nothing else of it changes. */
static void add_pretty(struct sbuf *b, const char *s)
{
	size_t depth = 0;

	while (*s) {
		char c = *s;

		if (c == '"') {
			s = add_string(b, s);
			continue;
		}
		s++;
		if (c == ' ' || c == '\n')
			continue;
		if (c == '}' || c == ']')
			new_line(b, depth ? --depth : 0);
		sbuf_addc(b, c);
		if ((c == '{' && *s == '}') || (c == '[' && *s == ']'))
			sbuf_addc(b, *s++);
		else if (c == '{' || c == '[')
			new_line(b, ++depth);
		else if (c == ',')
			new_line(b, depth);
		else if (c == ':')
			sbuf_addc(b, ' ');
	}
}

/* Of one that has ended, what its record tells. */
static void add_ended(struct sbuf *b, const struct dyno_info *info)
{
	json_open(b, NULL, '{');
	json_u64(b, "schema", JSON_SCHEMA);
	facts_json(b, info);
	json_bool(b, "live", false);
	json_bool(b, "oneoff", info->oneoff);
	json_str(b, "slug", info->slug);
	json_str(b, "command", info->command);
	json_close(b, '}');
}

/* Return: 1: the text is there; 0: its monitor has ended; -errno. */
static int ask_monitor(struct dyno_host *host, const struct dyno_info *info, struct sbuf *text,
		       struct dyno_err *err)
{
	_cleanup_free_ char *json = NULL;
	struct dyno *dyno = NULL;
	int r = dyno_open(host, info->app, info->name, &dyno, err);

	if (r == 0)
		r = dyno_inspect(dyno, &json, err);
	dyno_close(dyno);
	if (r < 0)
		return watch_is_over(r, err) ? 0 : r;
	sbuf_adds(text, json);
	return 1;
}

static int inspect_one(struct cli *cli, struct dyno_host *host, const struct target *target,
		       struct dyno_err *err)
{
	_cleanup_sbuf_ struct sbuf text = {0};
	int r = target->info.live ? ask_monitor(host, &target->info, &text, err) : 0;

	if (r < 0)
		return r;
	if (r == 0)
		add_ended(&text, &target->info);
	if (sbuf_ok(&text) < 0)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep what is known of a dyno");

	if (cli_common(cli)->json)
		sbuf_adds(&cli->out, sbuf_str(&text));
	else
		add_pretty(&cli->out, sbuf_str(&text));
	sbuf_addc(&cli->out, '\n');
	return cli_flush(cli, err);
}

static int security_all(struct cli *cli, struct dyno_host *host, const struct target_list *list,
			struct dyno_err *err)
{
	const struct inspect_options *o = cli->options;
	uint32_t pid = 0;
	int weaker = 0;
	int r;

	if (o->pid && (num_parse_u32(o->pid, INT32_MAX, &pid) < 0 || pid == 0))
		return err_set(err, ERR_USAGE, 0, "--pid takes the number of a process, not \"%s\"",
			       o->pid);
	r = target_need_all_live(list, "inspect --security", err);
	for (size_t i = 0; r >= 0 && i < list->n; i++) {
		r = security_show(cli, host, &list->items[i], pid, err);
		weaker += r > 0;
	}
	if (r < 0)
		return r;
	return weaker ? CLI_STATUS_FAILED : 0;
}

static int inspect_main(struct cli *cli, struct dyno_err *err)
{
	const struct inspect_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	struct target_list list = {0};
	int r = cli_host_open(cli, &host, err);

	if (r == 0)
		r = target_find(cli, host, &o->ask, cli->operands.items, cli->operands.n, 0, &list,
				err);
	if (r == 0 && o->security)
		return security_all(cli, host, &list, err);
	if (r == 0 && o->pid)
		return err_set(err, ERR_USAGE, 0, "--pid stands with --security only");
	for (size_t i = 0; r == 0 && i < list.n; i++)
		r = inspect_one(cli, host, &list.items[i], err);
	return r;
}

const struct verb verb_inspect = {
	.name = "inspect",
	.operands = "NAME...",
	.summary = "all that is known of a dyno, as JSON",
	CLI_OPTIONS(options, struct inspect_options),
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.words = OPT_WORDS_DYNO,
	.main = inspect_main,
};
