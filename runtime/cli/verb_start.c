/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_start.c - dyno start SLUG [TYPE[=N]...]: a formation, in the foreground or detached, and
 * dyno scale TYPE=N...: more or fewer dynos of a type.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "cli/cli.h"
#include "cli/detached.h"
#include "cli/dyno_options.h"
#include "cli/foreground.h"

/* Most dynos of a type. Source: dyno-spec(5), types */
#define COUNT_MAX 10000U

struct start_options {
	struct dyno_options dyno;
	bool raw;
};

#define AT(member, type) OPT_FIELD(struct start_options, member, type)

static const struct opt start_rows[] = {
	{.name = "restart",
	 .kind = OPT_STRING,
	 .offset = AT(dyno.run.restart, const char *),
	 .arg = "WHEN",
	 .help = "always, on-failure or never (always)"},
	{.name = "exit-0",
	 .kind = OPT_STRING,
	 .offset = AT(dyno.run.exit_0, const char *),
	 .arg = "MEANING",
	 .help = "of exit status 0: crash or complete (crash)"},
	{.name = "restart-order",
	 .kind = OPT_STRING,
	 .offset = AT(dyno.run.restart_order, const char *),
	 .arg = "ORDER",
	 .help = "overlap: old and new at once; strict (overlap)"},
	{.name = "backoff",
	 .kind = OPT_STRING,
	 .offset = AT(dyno.run.backoff, const char *),
	 .arg = "TIMES",
	 .help = "from crash to start: 0,20m,40m or off"},
	{.name = "cycle",
	 .kind = OPT_STRING,
	 .offset = AT(dyno.run.cycle, const char *),
	 .arg = "TIME[+TIME]",
	 .help = "daily restart and chance, or off (24h+216m)"},
	{.name = "health",
	 .kind = OPT_STRING,
	 .offset = AT(dyno.run.health, const char *),
	 .arg = "CHECK",
	 .help = "tcp, http:/PATH or exec:COMMAND"},
	{.name = "health-interval",
	 .kind = OPT_DURATION,
	 .offset = AT(dyno.run.health_interval_ms, uint64_t),
	 .arg = "TIME",
	 .help = "from one check to the next (10s)"},
	{.name = "health-timeout",
	 .kind = OPT_DURATION,
	 .offset = AT(dyno.run.health_timeout_ms, uint64_t),
	 .arg = "TIME",
	 .help = "for the answer (5s)"},
	{.name = "health-threshold",
	 .kind = OPT_PARSED,
	 .offset = AT(dyno.run.health_threshold, unsigned int),
	 .arg = "N",
	 .help = "failures in a row that restart a dyno (3)",
	 .parse = value_count},
	{.name = "raw",
	 .kind = OPT_FLAG,
	 .offset = AT(raw, bool),
	 .help = "lines with each byte as the app wrote it"},
	CLI_OPTION_JSON("lines, names and errors as JSON"),
};

/* ---- TYPE[=N] ---------------------------------------------------------------------------------*/

static int bad_type(const struct cli *cli, const char *word, const char *form, struct dyno_err *err)
{
	int r = err_set(err, ERR_USAGE, 0, "%s: \"%s\" is not of the form %s", cli->verb->name,
			word, form);

	if (word[0] == '-')
		err_hint(err, "options go before SLUG");
	else
		err_hint(err, "such as web=2; 0 is none, %u the most", COUNT_MAX);
	return r;
}

/* @counted: "=N" must stand there. */
static int parse_type(struct cli *cli, const char *word, bool counted, struct dyno_scale *ret,
		      struct dyno_err *err)
{
	const char *form = counted ? "TYPE=N" : "TYPE[=N]";
	size_t len = strcspn(word, "=");
	uint32_t count = 1;

	if (len == 0 || word[0] == '-' || (counted && !word[len]) ||
	    (word[len] && num_parse_u32(word + len + 1, COUNT_MAX, &count) < 0))
		return bad_type(cli, word, form, err);

	ret->type = arena_fmt(&cli->arena, "%.*s", (int)len, word);
	ret->count = count;
	return ret->type ? 0 : err_set(err, ERR_MEMORY, ENOMEM, "keep the types");
}

static int parse_types(struct cli *cli, const char *const *words, size_t n, bool counted,
		       const struct dyno_scale **ret, struct dyno_err *err)
{
	struct dyno_scale *scale = arena_calloc(&cli->arena, n + 1, sizeof(*scale));

	if (!scale)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the types");
	for (size_t i = 0; i < n; i++) {
		int r = parse_type(cli, words[i], counted, &scale[i], err);

		if (r < 0)
			return r;
		for (size_t j = 0; j < i; j++) {
			if (str_eq(scale[j].type, scale[i].type))
				return err_set(err, ERR_USAGE, 0, "%s: the type %s stands twice",
					       cli->verb->name, scale[i].type);
		}
	}
	*ret = scale;
	return 0;
}

/* ---- a port for people ------------------------------------------------------------------------*/

/* As other tools that run a Procfile do it. Source: CONTRACT 12.3, base 5000 */
#define PORT_FOR_PEOPLE 5000

/*
 * Nobody has named a port by which web can be reached, nor said that there is to be none: then it
 * is the first free one of this host alone from 5000 on, or from its own on, where that is another
 * network's.
 */
static int publish_for_people(struct cli *cli, const struct start_options *o,
			      struct dyno_start_opts *start, struct dyno_err *err)
{
	const struct dyno_run_opts *dyno = &o->dyno.run;
	const char **words;

	if (o->dyno.spec || dyno->n_publish > 0 || dyno->n_listen_fds > 0 ||
	    (dyno->port && dyno_port_is_hosts(dyno->network)))
		return 0;
	words = arena_calloc(&cli->arena, 1, sizeof(*words));
	if (words)
		words[0] = arena_fmt(&cli->arena, "127.0.0.1:%u+",
				     dyno->port ? dyno->port : (unsigned int)PORT_FOR_PEOPLE);
	if (!words || !words[0])
		return err_set(err, ERR_MEMORY, ENOMEM, "keep a port");
	start->dyno.publish = words;
	start->dyno.n_publish = 1;
	return 0;
}

/* ---- start ------------------------------------------------------------------------------------*/

/* A spec may name the slug; then the first word can be a type, if it has the form that no other
 * word has. */
static int take_operands(struct cli *cli, struct start_options *o, struct dyno_start_opts *start,
			 struct dyno_err *err)
{
	const char *const *words = cli->operands.items;
	size_t n = cli->operands.n;

	if (n > 0 && !(o->dyno.spec && strchr(words[0], '='))) {
		o->dyno.run.slug = words[0];
		words++;
		n--;
	}
	start->n_scale = n;
	return parse_types(cli, words, n, false, &start->scale, err);
}

/* How many dynos the words ask for; 0: they leave that to others. */
static uint64_t count_dynos(const struct dyno_start_opts *start)
{
	uint64_t n = 0;

	for (size_t i = 0; i < start->n_scale; i++)
		n += start->scale[i].count;
	return n;
}

/* A pid file names one process.  What a spec asks for is seen when it was done. */
static int check_pid_file(const struct start_options *o, const struct dyno_start_opts *start,
			  struct dyno_err *err)
{
	int r;

	if (!o->dyno.detach || !o->dyno.pid_file || count_dynos(start) == 1 ||
	    (start->n_scale == 0 && (o->dyno.spec || o->dyno.run.name)))
		return 0;
	r = err_set(err, ERR_USAGE, 0, "start: --pid-file with --detach is for one dyno");
	err_hint(err, "name one type, such as web, or take --pidfd-socket");
	return r;
}

static struct logview make_view(const struct cli *cli, const struct start_options *o)
{
	struct logview view = {
		.color = cli_color(cli, STDOUT_FILENO),
		.quiet = o->dyno.quiet,
		.raw = o->raw,
	};

	if (o->dyno.common.json)
		view.form = LOGVIEW_JSON;
	else
		view.form = isatty(STDOUT_FILENO) ? LOGVIEW_SHORT : LOGVIEW_RECORD;
	return view;
}

static int start_main(struct cli *cli, struct dyno_err *err)
{
	_cleanup_host_ struct dyno_host *host = NULL;
	struct start_options *o = cli->options;
	struct dyno_start_opts start = {0};
	int r = take_operands(cli, o, &start, err);

	if (r == 0)
		r = dyno_options_take(cli, &o->dyno, err);
	if (r == 0)
		r = check_pid_file(o, &start, err);
	if (r == 0)
		r = cli_host_open(cli, &host, err);
	if (r < 0)
		return r;

	start.dyno = o->dyno.run;
	if (o->dyno.detach)
		return detached_start(cli, host, &o->dyno, &start, err);

	r = publish_for_people(cli, o, &start, err);
	if (r < 0)
		return r;

	const struct foreground_plan plan = {
		.start = start,
		.view = make_view(cli, o),
		.ready_fd = o->dyno.ready_fd,
		.pid_file = o->dyno.pid_file,
		.pidfd_socket = o->dyno.pidfd_socket,
		.quiet = o->dyno.quiet,
	};

	return foreground_start(cli, host, &plan, err);
}

const struct verb verb_start = {
	.name = "start",
	.operands = "SLUG [TYPE[=N]...]",
	.summary = "run the process types of a slug, restarted when they end",
	.text = "Each dyno has a monitor that restarts it.  Without TYPE it is one of each type but\n"
		"release.  Dynos that live already are left alone: a start over a running app starts\n"
		"what is missing.\n"
		"In the foreground it prints the lines of all dynos; ^C stops them, the second at\n"
		"once; when it is killed they stop.  Web answers on the first free port of this host\n"
		"from 5000 on, unless --publish, --port, --listen-fd or --spec is given.  With\n"
		"--detach they live on.\n"
		"Options stand before SLUG, which a spec may name in its place.\n",
	DYNO_OPTIONS(start_rows, struct start_options),
	.max_operands = SIZE_MAX,
	.words = OPT_WORDS_SLUG,
	.runs_command = true,
	.main = start_main,
};

/* ---- scale ------------------------------------------------------------------------------------*/

struct scale_options {
	struct cli_common common;
	const char *app;
	bool quiet;
};

static const struct opt scale_rows[] = {
	{.name = "app",
	 .letter = 'a',
	 .kind = OPT_STRING,
	 .offset = OPT_FIELD(struct scale_options, app, const char *),
	 .arg = "NAME",
	 .help = "the app (the only one that has live dynos)"},
	{.name = "quiet",
	 .letter = 'q',
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct scale_options, quiet, bool),
	 .help = "print the names of started dynos only"},
	CLI_OPTION_JSON("each change as JSON"),
};

/* The app that has live dynos, while it is the only one. */
struct only_app {
	char name[FLEET_NAME_BYTES];
	char other[FLEET_NAME_BYTES];
};

static int look_at_app(void *data, const struct dyno_info *info)
{
	struct only_app *only = data;

	if (!info->live || str_eq(only->name, info->app))
		return 0;
	str_fmt(only->name[0] ? only->other : only->name, FLEET_NAME_BYTES, "%s", info->app);
	return only->other[0] != '\0';
}

static int find_app(struct dyno_host *host, struct only_app *only, struct dyno_err *err)
{
	int r = dyno_each(host, NULL, 0, look_at_app, only, err);

	if (r < 0)
		return r;
	if (!only->name[0]) {
		r = err_set(err, ERR_NOT_FOUND, 0, "scale: no dyno lives");
		err_hint(err, "dyno start SLUG starts them");
		return r;
	}
	if (only->other[0]) {
		r = err_set(err, ERR_USAGE, 0, "scale: which app? %s and %s have live dynos",
			    only->name, only->other);
		err_hint(err, "name it: dyno scale -a %s ...", only->name);
		return r;
	}
	return 0;
}

static int scale_main(struct cli *cli, struct dyno_err *err)
{
	const struct scale_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	_cleanup_fleet_ struct fleet fleet = {0};
	const struct dyno_scale *scale;
	struct only_app only = {0};
	struct dyno_err out_err;
	int r = parse_types(cli, cli->operands.items, cli->operands.n, true, &scale, err);

	if (r == 0)
		r = cli_host_open(cli, &host, err);
	if (r == 0 && !o->app)
		r = find_app(host, &only, err);
	if (r < 0)
		return r;

	r = dyno_scale(host, o->app ? o->app : only.name, scale, cli->operands.n, fleet_add, &fleet,
		       err);
	if (r >= 0)
		r = fleet_check(&fleet, err);

	int out = detached_changes(cli, &fleet, o->quiet, &out_err);

	if (r >= 0 && out < 0) {
		*err = out_err;
		r = out;
	}
	return MIN_OF(r, 0);
}

const struct verb verb_scale = {
	.name = "scale",
	.operands = "TYPE=N...",
	.summary = "start or stop dynos until there are N of a type",
	.text = "New dynos get the settings that the app was started with; of too many the highest\n"
		"numbers are stopped.  It returns when the new ones were started and the others asked\n"
		"to stop.\n",
	CLI_OPTIONS(scale_rows, struct scale_options),
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.main = scale_main,
};
