/* SPDX-License-Identifier: Apache-2.0 */
/* verb_diff.c - dyno diff and dyno cp: what a dyno has written, and copies out of it. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/num.h"
#include "cli/cli.h"
#include "cli/target.h"

/* ---- diff -------------------------------------------------------------------------------------*/

struct diff_options {
	struct cli_common common;
	struct target_ask ask;
	bool summary;
};

static const struct opt diff_options[] = {
	TARGET_OPTION_APP(struct diff_options),
	{.name = "summary",
	 .kind = OPT_FLAG,
	 .offset = OPT_FIELD(struct diff_options, summary, bool),
	 .help = "one line: how much, and what is the biggest"},
	CLI_OPTION_JSON("a line of JSON for each path"),
};

#define SIZE_BYTES 16 /* as num_format_size() needs */

/* CHANGE(id, word of the library, letter) */
#define DIFF_CHANGES(CHANGE)                 \
	CHANGE(DIFF_ADDED, "added", 'A')     \
	CHANGE(DIFF_CHANGED, "changed", 'C') \
	CHANGE(DIFF_DELETED, "deleted", 'D') \
	CHANGE(DIFF_MOVED, "moved", 'M')     \
	CHANGE(DIFF_UNREAD, "unread", 'U')

#define CHANGE_ENUM(id, word, letter) id,
enum diff_change { DIFF_CHANGES(CHANGE_ENUM) _DIFF_CHANGE_MAX };
#undef CHANGE_ENUM

static const struct {
	const char *word;
	char letter;
} changes[] = {
#define CHANGE_ROW(id, word, letter) [id] = {word, letter},
	DIFF_CHANGES(CHANGE_ROW)
#undef CHANGE_ROW
};

/**
 * struct diff - a walk over what was written.
 * @err: of a write to standard output
 * @count: paths, by kind of change
 * @files, @bytes: regular files that were added or changed
 * @biggest, @biggest_bytes: of those
 */
struct diff {
	struct cli *cli;
	struct dyno_err *err;
	uint64_t count[_DIFF_CHANGE_MAX];
	uint64_t files;
	uint64_t bytes;
	struct sbuf biggest;
	uint64_t biggest_bytes;
};

/* One that a later library has a new word for is at least no other. */
static enum diff_change find_change(const char *word)
{
	for (unsigned int i = 0; i < _DIFF_CHANGE_MAX; i++) {
		if (str_eq(changes[i].word, word))
			return i;
	}
	return DIFF_UNREAD;
}

/* A path is bytes, JSON holds UTF-8: where the one is not the other it stands in hex as well. */
static void json_path(struct sbuf *b, const char *name, const char *hex_name, const char *path)
{
	json_str(b, name, path);
	if (!path || str_is_utf8(path, strlen(path))) {
		json_unknown(b, hex_name);
		return;
	}
	_cleanup_sbuf_ struct sbuf hex = {0};

	for (const char *p = path; *p; p++)
		sbuf_addf(&hex, "%02x", (unsigned int)(unsigned char)*p);
	json_str(b, hex_name, sbuf_str(&hex));
}

static void diff_json(struct sbuf *b, const struct dyno_written *w)
{
	json_begin(b);
	json_str(b, "change", w->change);
	json_path(b, "path", "path_hex", w->path);
	json_path(b, "from", "from_hex", w->from);
	if (w->mode)
		json_u64(b, "mode", w->mode);
	else
		json_unknown(b, "mode");
	if (S_ISREG(w->mode))
		json_u64(b, "size_bytes", w->size_bytes);
	else
		json_unknown(b, "size_bytes");
	json_end(b);
}

static void diff_text(struct sbuf *b, const struct dyno_written *w, enum diff_change change)
{
	char size[SIZE_BYTES];

	sbuf_addf(b, "%c ", changes[change].letter);
	if (w->from) {
		output_add_line(b, w->from);
		sbuf_adds(b, " -> ");
	}
	output_add_line(b, w->path);
	if (S_ISREG(w->mode) && (change == DIFF_ADDED || change == DIFF_CHANGED))
		sbuf_addf(b, " (%s)", num_format_size(size, w->size_bytes));
	sbuf_addc(b, '\n');
}

static void diff_count(struct diff *d, const struct dyno_written *w, enum diff_change change)
{
	d->count[change]++;
	if (!S_ISREG(w->mode) || (change != DIFF_ADDED && change != DIFF_CHANGED))
		return;
	d->files++;
	d->bytes += w->size_bytes;
	if (w->size_bytes > d->biggest_bytes) {
		d->biggest_bytes = w->size_bytes;
		sbuf_done(&d->biggest);
		sbuf_adds(&d->biggest, w->path);
	}
}

static int diff_print(void *data, const struct dyno_written *w)
{
	struct diff *d = data;
	const struct diff_options *o = d->cli->options;
	enum diff_change change = find_change(w->change);

	if (o->summary) {
		diff_count(d, w, change);
		return 0;
	}
	if (o->common.json)
		diff_json(&d->cli->out, w);
	else
		diff_text(&d->cli->out, w, change);
	return cli_flush(d->cli, d->err);
}

static void summary_json(struct sbuf *b, const struct diff *d, const struct dyno_info *info)
{
	json_begin(b);
	json_str(b, "app", info->app);
	json_str(b, "name", info->name);
	for (size_t i = 0; i < _DIFF_CHANGE_MAX; i++)
		json_u64(b, changes[i].word, d->count[i]);
	json_u64(b, "files", d->files);
	json_u64(b, "bytes", d->bytes);
	json_path(b, "biggest", "biggest_hex", d->biggest.len ? sbuf_str(&d->biggest) : NULL);
	if (d->biggest.len)
		json_u64(b, "biggest_bytes", d->biggest_bytes);
	else
		json_unknown(b, "biggest_bytes");
	json_end(b);
}

static void summary_text(struct sbuf *b, const struct diff *d, const struct target *target)
{
	char size[SIZE_BYTES];
	uint64_t n = 0;

	for (size_t i = 0; i < _DIFF_CHANGE_MAX; i++)
		n += d->count[i];
	if (n == 0) {
		sbuf_addf(b, "%s wrote nothing\n", target->label);
		return;
	}
	sbuf_addf(b, "%s wrote %llu file%s, %s", target->label, (unsigned long long)d->files,
		  d->files == 1 ? "" : "s", num_format_size(size, d->bytes));
	if (d->biggest.len) {
		sbuf_adds(b, "; biggest ");
		output_add_line(b, sbuf_str(&d->biggest));
		sbuf_addf(b, ", %s", num_format_size(size, d->biggest_bytes));
	}
	for (size_t i = DIFF_DELETED; i < _DIFF_CHANGE_MAX; i++) {
		if (d->count[i])
			sbuf_addf(b, "; %s %llu", changes[i].word, (unsigned long long)d->count[i]);
	}
	sbuf_addc(b, '\n');
}

static int diff_main(struct cli *cli, struct dyno_err *err)
{
	const struct diff_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	struct diff d = {.cli = cli, .err = err};
	const struct dyno_info *info;
	struct target *target = NULL;
	int r = cli_host_open(cli, &host, err);

	if (r == 0)
		target = target_find_one(cli, host, &o->ask, cli->operands.items[0], err);
	if (!target)
		return -EINVAL;

	info = &target->info;
	r = dyno_diff(host, info->app, info->name, diff_print, &d, err);
	if (r >= 0 && o->summary && o->common.json)
		summary_json(&cli->out, &d, info);
	else if (r >= 0 && o->summary)
		summary_text(&cli->out, &d, target);
	sbuf_done(&d.biggest);
	return r < 0 ? r : 0;
}

const struct verb verb_diff = {
	.name = "diff",
	.operands = "NAME",
	.summary = "what a dyno has written: now, or before its end",
	.text = "A added, C changed, D deleted, M moved, U could not be read; then the path, and\n"
		"the size of a file.  Of a dyno that has ended it is what it had written then.\n",
	CLI_OPTIONS(diff_options, struct diff_options),
	.min_operands = 1,
	.max_operands = 1,
	.words = OPT_WORDS_ENDED,
	.main = diff_main,
};

/* ---- cp ---------------------------------------------------------------------------------------*/

struct cp_options {
	struct cli_common common;
	struct target_ask ask;
};

static const struct opt cp_options[] = {
	TARGET_OPTION_APP(struct cp_options),
	CLI_OPTION_JSON("errors as JSON"),
};

/* "web.1:/app/log" into its parts; no name of an app or a dyno holds a colon. */
static int split_source(struct cli *cli, const char *source, const char **ret_name,
			const char **ret_path, struct dyno_err *err)
{
	const char *colon = strchr(source, ':');
	int r;

	if (!colon || colon == source || !colon[1]) {
		r = err_set(err, ERR_USAGE, 0, "cp: \"%s\" is not of the form NAME:PATH", source);
		err_hint(err, "dyno cp copies out of a dyno: dyno cp web.1:/app/log DEST");
		return r;
	}
	*ret_path = colon + 1;
	*ret_name = arena_fmt(&cli->arena, "%.*s", (int)(colon - source), source);
	return *ret_name ? 0 : err_set(err, ERR_MEMORY, ENOMEM, "keep a name");
}

static int check_dest(const char *dest, struct dyno_err *err)
{
	int r;

	if (!*dest)
		return err_set(err, ERR_USAGE, 0, "cp: the destination is empty");
	if (!str_eq(dest, "-") || !isatty(STDOUT_FILENO))
		return 0;
	r = err_set(err, ERR_USAGE, 0, "cp: an archive is nothing for a terminal");
	err_hint(err, "dyno cp NAME:PATH - | tar -t");
	return r;
}

static int cp_main(struct cli *cli, struct dyno_err *err)
{
	const struct cp_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	struct target *target = NULL;
	const char *name = NULL, *path = NULL, *dest = cli->operands.items[1];
	int r = split_source(cli, cli->operands.items[0], &name, &path, err);

	if (r == 0)
		r = check_dest(dest, err);
	if (r == 0)
		r = cli_host_open(cli, &host, err);
	if (r == 0)
		target = target_find_one(cli, host, &o->ask, name, err);
	if (!target || (!target->info.kept && target_need_live(target, "cp", err) < 0))
		return -EINVAL;
	r = dyno_copy(host, target->info.app, target->info.name, path,
		      str_eq(dest, "-") ? NULL : dest, STDOUT_FILENO, err);
	return r < 0 ? r : 0;
}

const struct verb verb_cp = {
	.name = "cp",
	.operands = "NAME:PATH DEST",
	.summary = "copy a file or a directory out of a dyno",
	.text = "PATH is absolute, or relative to /app, and is found as the dyno finds it, never\n"
		"beyond its root.  DEST is a new path, or a directory to copy into; - is standard\n"
		"output, which gets a tar archive.\n",
	CLI_OPTIONS(cp_options, struct cp_options),
	.min_operands = 2,
	.max_operands = 2,
	.words = OPT_WORDS_ENDED,
	.main = cp_main,
};
