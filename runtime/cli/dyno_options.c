/* SPDX-License-Identifier: Apache-2.0 */
/* dyno_options.c - the settings of a dyno as options. */
#include "cli/dyno_options.h"

static const char *const network_choices[] = {
	[DYNO_NET_HOST] = "host",
	[DYNO_NET_NONE] = "none",
	NULL,
};

#define AT(member, type) OPT_FIELD(struct dyno_options, member, type)

static const struct opt rows[] = {
	{.name = "app",
	 .letter = 'a',
	 .kind = OPT_STRING,
	 .offset = AT(run.app, const char *),
	 .arg = "NAME",
	 .help = "the app's name (from the slug's)"},
	{.name = "name",
	 .kind = OPT_STRING,
	 .offset = AT(run.name, const char *),
	 .arg = "NAME",
	 .help = "the dyno's name, its $DYNO (web.1, run.1234)"},
	{.name = "env",
	 .letter = 'e',
	 .kind = OPT_LIST,
	 .offset = AT(env, struct opt_list),
	 .arg = "K=V",
	 .help = "a config var; may be repeated"},
	{.name = "env-file",
	 .kind = OPT_LIST,
	 .offset = AT(env_files, struct opt_list),
	 .arg = "FILE",
	 .help = "config vars, before those of -e; may be repeated",
	 .words = OPT_WORDS_FILE},
	{.name = "stack",
	 .kind = OPT_STRING,
	 .offset = AT(run.stack, const char *),
	 .arg = "NAME",
	 .help = "base root file system (host)"},
	{.name = "checksum",
	 .kind = OPT_STRING,
	 .offset = AT(run.checksum, const char *),
	 .arg = "SHA256:HEX",
	 .help = "what the slug must be, else R17"},
	{.name = "scratch",
	 .kind = OPT_PARSED,
	 .offset = AT(scratch, struct value_scratch),
	 .arg = "KIND[:SIZE[:INODES]]",
	 .help = "where writes go, tmpfs or disk, and their limits",
	 .parse = value_scratch},
	{.name = "network",
	 .kind = OPT_CHOICE,
	 .offset = OPT_FIELD_CHOICE(struct dyno_options, run.network),
	 .arg = "KIND",
	 .help = "host or none (host)",
	 .choices = network_choices},
	{.name = "port",
	 .kind = OPT_PORT,
	 .offset = AT(run.port, uint16_t),
	 .arg = "PORT",
	 .help = "$PORT (a free one)"},
	{.name = "uid-range",
	 .kind = OPT_STRING,
	 .offset = AT(run.uid_range, const char *),
	 .arg = "FIRST:COUNT",
	 .help = "host user ids that dynos may get"},
	{.name = "boot-timeout",
	 .kind = OPT_DURATION,
	 .offset = AT(run.boot_timeout_ms, uint64_t),
	 .arg = "TIME",
	 .help = "until web must listen on $PORT, else R10 (60s)"},
	{.name = "grace",
	 .kind = OPT_DURATION,
	 .offset = AT(run.grace_ms, uint64_t),
	 .arg = "TIME",
	 .help = "from TERM to KILL at a stop (30s)"},
	{.name = "log-source",
	 .kind = OPT_STRING,
	 .offset = AT(run.log_source, const char *),
	 .arg = "WORD",
	 .help = "tag of dyno's own lines (heroku)"},
	{.name = "quiet",
	 .letter = 'q',
	 .kind = OPT_FLAG,
	 .offset = AT(quiet, bool),
	 .help = "no lines of dyno's own"},
};

const struct opt_table dyno_option_table = {.items = rows, .n = ARRAY_SIZE(rows)};

void dyno_options_take(struct dyno_options *o)
{
	o->run.env = o->env.items;
	o->run.n_env = o->env.n;
	o->run.env_files = o->env_files.items;
	o->run.n_env_files = o->env_files.n;
	o->run.scratch = o->scratch.kind;
	o->run.scratch_bytes = o->scratch.bytes;
	o->run.scratch_inodes = o->scratch.inodes;
}
