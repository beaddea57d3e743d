/* SPDX-License-Identifier: Apache-2.0 */
/* verb_slug.c - dyno slug pack, add, info, ls, verify, rm, gc. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/num.h"
#include "base/path.h"
#include "base/timetext.h"
#include "cli/cli.h"
#include "cli/outfile.h"

#define DIGEST_PREFIX "sha256:"

/* Hex digits of a digest in a list: enough to be the only one in any store. */
#define DIGEST_SHORT_DIGITS 12
#define SIZE_BYTES	    16 /* as num_format_size() needs */

struct slug_options {
	struct cli_common common;
	const char *output;
	const char *checksum;
	bool quiet;
	bool unused;
};

#define AT(member, type) OPT_FIELD(struct slug_options, member, type)
/* ---- pack -------------------------------------------------------------------------------------*/

static const struct opt pack_options[] = {
	{.name = "output",
	 .letter = 'o',
	 .kind = OPT_STRING,
	 .offset = AT(output, const char *),
	 .arg = "FILE",
	 .help = "write FILE, replacing it; - is standard output",
	 .words = OPT_WORDS_FILE},
	CLI_OPTION_JSON("print JSON"),
};

/* "shop.tgz" for the directory /srv/shop/; "." has no name of its own. */
static int default_output(struct cli *cli, const char *dir, const char **ret, struct dyno_err *err)
{
	size_t len;
	const char *name = path_basename(dir, &len);
	bool nameless = len == 0 || (len == 1 && name[0] == '.') ||
			(len == 2 && name[0] == '.' && name[1] == '.') || name[0] == '/';

	if (nameless) {
		int r = err_set(err, ERR_USAGE, 0, "slug pack: \"%s\" gives the slug no name", dir);

		err_hint(err, "name the file: dyno slug pack %s -o app.tgz", dir);
		return r;
	}
	*ret = arena_fmt(&cli->arena, "%.*s.tgz", (int)len, name);
	return *ret ? 0 : err_set(err, ERR_MEMORY, ENOMEM, "keep a name");
}

static uint64_t file_bytes(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

static void pack_report(struct cli *cli, const struct outfile *file, const char *digest)
{
	_cleanup_sbuf_ struct sbuf b = {0};
	bool to_stdout = str_eq(file->path, "-");

	if (cli_common(cli)->json) {
		json_begin(&b);
		json_str(&b, "digest", digest);
		json_str(&b, "file", to_stdout ? NULL : file->path);
		if (file->direct)
			json_unknown(&b, "archive_bytes");
		else
			json_u64(&b, "archive_bytes", file_bytes(file->fd));
		json_end(&b);
	} else {
		sbuf_addf(&b, "%s\n", digest);
	}

	/* The archive itself owns standard output then. */
	if (to_stdout)
		output_stderr(&b);
	else
		sbuf_add(&cli->out, b.data, b.len);
}

static int pack_main(struct cli *cli, struct dyno_err *err)
{
	const struct slug_options *o = cli->options;
	const char *dir = cli->operands.items[0], *path = o->output;
	_cleanup_host_ struct dyno_host *host = NULL;
	_cleanup_(outfile_done) struct outfile file = {.fd = -EBADF};
	char digest[DYNO_DIGEST_BYTES];
	int r = path ? 0 : default_output(cli, dir, &path, err);

	if (r == 0)
		r = cli_host_open(cli, &host, err);
	if (r == 0)
		r = outfile_open(&file, path, o->output, err);
	if (r == -EEXIST)
		err_hint(err, "-o %s replaces it", path);
	if (r == 0)
		r = dyno_slug_pack(host, dir, file.fd, digest, err);
	if (r >= 0)
		r = outfile_commit(&file, err);
	if (r < 0)
		return r;

	progress_clear(&cli->progress);
	pack_report(cli, &file, digest);
	return 0;
}

/* ---- add --------------------------------------------------------------------------------------*/

static const struct opt add_options[] = {
	{.name = "checksum",
	 .kind = OPT_STRING,
	 .offset = AT(checksum, const char *),
	 .arg = "SHA256:HEX",
	 .help = "what FILE must be, else R17"},
	CLI_OPTION_JSON("print JSON"),
};

static int add_main(struct cli *cli, struct dyno_err *err)
{
	const struct slug_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	char digest[DYNO_DIGEST_BYTES];
	int r = cli_host_open(cli, &host, err);

	if (r == 0)
		r = dyno_slug_add(host, cli->operands.items[0], o->checksum, digest, err);
	if (r < 0)
		return r;

	if (o->common.json) {
		json_begin(&cli->out);
		json_str(&cli->out, "digest", digest);
		json_bool(&cli->out, "unpacked", r > 0);
		json_end(&cli->out);
	} else {
		sbuf_addf(&cli->out, "%s\n", digest);
	}
	return 0;
}

/* ---- info and ls ------------------------------------------------------------------------------*/

static const struct opt info_options[] = {CLI_OPTION_JSON("print JSON")};

static const struct opt ls_options[] = {
	{.name = "quiet",
	 .letter = 'q',
	 .kind = OPT_FLAG,
	 .offset = AT(quiet, bool),
	 .help = "print whole digests only"},
	CLI_OPTION_JSON("print JSON"),
};

static void slug_json(struct sbuf *b, const struct dyno_slug_info *info)
{
	json_str(b, "digest", info->digest[0] ? info->digest : NULL);
	json_u64(b, "archive_bytes", info->archive_bytes);
	json_u64(b, "tree_bytes", info->tree_bytes);
	json_u64(b, "files", info->files);
	json_u64(b, "uid", info->uid);
	if (info->added_us)
		json_time(b, "added_at", info->added_us);
	else
		json_unknown(b, "added_at");
	json_bool(b, "in_use", info->in_use);
	json_open(b, "types", '{');
	for (size_t i = 0; i < info->n_types; i++)
		json_str(b, info->types[i], info->commands[i]);
	json_close(b, '}');
}

static void add_size(struct sbuf *b, const char *label, uint64_t bytes)
{
	char size[SIZE_BYTES];

	sbuf_addf(b, "%s%s (%llu bytes)\n", label, num_format_size(size, bytes),
		  (unsigned long long)bytes);
}

static void slug_text(struct sbuf *b, const struct dyno_slug_info *info)
{
	char time[TIME_BYTES];

	sbuf_addf(b, "digest:   %s\n", info->digest[0] ? info->digest : "-");
	add_size(b, "archive:  ", info->archive_bytes);
	add_size(b, "tree:     ", info->tree_bytes);
	sbuf_addf(b, "files:    %llu\n", (unsigned long long)info->files);
	sbuf_addf(b, "uid:      %u\n", info->uid);
	sbuf_addf(b, "added:    %s\n", info->added_us ? time_format(info->added_us, time) : "-");
	sbuf_addf(b, "in use:   %s\n", info->in_use ? "yes" : "no");
	for (size_t i = 0; i < info->n_types; i++) {
		sbuf_adds(b, i ? "          " : "types:    ");
		output_add_line(b, info->types[i]);
		sbuf_adds(b, ": ");
		output_add_line(b, info->commands[i]);
		sbuf_addc(b, '\n');
	}
}

static int info_print(void *data, const struct dyno_slug_info *info)
{
	struct cli *cli = data;

	if (cli_common(cli)->json) {
		json_begin(&cli->out);
		slug_json(&cli->out, info);
		json_end(&cli->out);
	} else {
		slug_text(&cli->out, info);
	}
	return 0;
}

static int info_main(struct cli *cli, struct dyno_err *err)
{
	_cleanup_host_ struct dyno_host *host = NULL;
	int r = cli_host_open(cli, &host, err);

	if (r == 0)
		r = dyno_slug_info(host, cli->operands.items[0], info_print, cli, err);
	return r < 0 ? r : 0;
}

/* Columns: DIGEST ARCHIVE TREE FILES USE ADDED TYPES */
#define LS_DIGEST_COLUMNS (STRLEN(DIGEST_PREFIX) + DIGEST_SHORT_DIGITS + 2)
#define LS_SIZE_COLUMNS	  10
#define LS_ADDED_COLUMNS  21
#define LS_ADDED_BYTES	  19 /* "2026-06-01T12:00:00" of time_format() */

static void ls_row(struct sbuf *b, const struct dyno_slug_info *info)
{
	char text[TIME_BYTES];

	str_fmt(text, sizeof(text), "%.*s", (int)STRLEN(DIGEST_PREFIX) + DIGEST_SHORT_DIGITS,
		info->digest);
	output_add_padded(b, text, LS_DIGEST_COLUMNS);
	output_add_padded(b, num_format_size(text, info->archive_bytes), LS_SIZE_COLUMNS);
	output_add_padded(b, num_format_size(text, info->tree_bytes), LS_SIZE_COLUMNS);
	str_fmt(text, sizeof(text), "%llu", (unsigned long long)info->files);
	output_add_padded(b, text, LS_SIZE_COLUMNS);
	output_add_padded(b, info->in_use ? "yes" : "no", 5);
	time_format(info->added_us, text);
	text[LS_ADDED_BYTES] = '\0';
	output_add_padded(b, text, LS_ADDED_COLUMNS);
	for (size_t i = 0; i < info->n_types; i++) {
		sbuf_adds(b, i ? " " : "");
		output_add_line(b, info->types[i]);
	}
	sbuf_addc(b, '\n');
}

struct ls_walk {
	struct cli *cli;
	struct dyno_err *err;
	bool began;
};

static void ls_header(struct sbuf *b)
{
	output_add_padded(b, "DIGEST", LS_DIGEST_COLUMNS);
	output_add_padded(b, "ARCHIVE", LS_SIZE_COLUMNS);
	output_add_padded(b, "TREE", LS_SIZE_COLUMNS);
	output_add_padded(b, "FILES", LS_SIZE_COLUMNS);
	output_add_padded(b, "USED", 5);
	output_add_padded(b, "ADDED (UTC)", LS_ADDED_COLUMNS);
	sbuf_adds(b, "TYPES\n");
}

static int ls_print(void *data, const struct dyno_slug_info *info)
{
	struct ls_walk *walk = data;
	struct sbuf *b = &walk->cli->out;
	const struct slug_options *o = walk->cli->options;

	if (o->quiet && !o->common.json) {
		sbuf_addf(b, "%s\n", info->digest);
	} else if (o->common.json) {
		json_open(b, NULL, '{');
		slug_json(b, info);
		json_close(b, '}');
	} else {
		if (!walk->began)
			ls_header(b);
		ls_row(b, info);
	}
	walk->began = true;
	/* A JSON array is written in one piece: its writer looks at the byte before. */
	return o->common.json ? 0 : cli_flush(walk->cli, walk->err);
}

static int ls_main(struct cli *cli, struct dyno_err *err)
{
	_cleanup_host_ struct dyno_host *host = NULL;
	struct ls_walk walk = {.cli = cli, .err = err};
	int r = cli_host_open(cli, &host, err);

	if (r < 0)
		return r;
	if (cli_common(cli)->json) {
		json_begin(&cli->out);
		json_open(&cli->out, "slugs", '[');
	}
	r = dyno_slug_each(host, ls_print, &walk, err);
	if (r < 0)
		return r;
	if (cli_common(cli)->json) {
		json_close(&cli->out, ']');
		json_end(&cli->out);
	}
	return 0;
}

/* ---- a digest from its beginning --------------------------------------------------------------*/

struct digest_search {
	const char *start;
	char found[DYNO_DIGEST_BYTES];
	unsigned int n;
};

static int digest_match(void *data, const struct dyno_slug_info *info)
{
	struct digest_search *search = data;

	if (str_starts(info->digest, search->start)) {
		memcpy(search->found, info->digest, sizeof(search->found));
		search->n++;
	}
	return search->n > 1;
}

/* The only stored digest that begins as @which; a whole one is taken as it is. */
static int digest_resolve(struct dyno_host *host, const char *which, char ret[DYNO_DIGEST_BYTES],
			  struct dyno_err *err)
{
	struct digest_search search = {.start = which};

	if (!str_starts(which, DIGEST_PREFIX)) {
		int r = err_set(err, ERR_USAGE, 0, "\"%s\" is not a digest", which);

		err_hint(err, "dyno slug ls lists digests, dyno slug add prints a file's");
		return r;
	}
	if (strlen(which) == DYNO_DIGEST_BYTES - 1) {
		memcpy(ret, which, DYNO_DIGEST_BYTES);
		return 0;
	}

	int r = dyno_slug_each(host, digest_match, &search, err);

	if (r < 0)
		return r;
	if (search.n == 0)
		r = err_set(err, ERR_STORE_NOT_FOUND, 0, "no stored slug begins with %s", which);
	else if (search.n > 1)
		r = err_set(err, ERR_USAGE, 0, "several stored slugs begin with %s", which);
	else
		memcpy(ret, search.found, sizeof(search.found));
	if (search.n != 1)
		err_hint(err, "dyno slug ls -q lists whole digests");
	return r;
}

/* ---- verify -----------------------------------------------------------------------------------*/

static const struct opt verify_options[] = {
	{.name = "quiet",
	 .letter = 'q',
	 .kind = OPT_FLAG,
	 .offset = AT(quiet, bool),
	 .help = "the exit status only"},
	CLI_OPTION_JSON("print JSON"),
};

struct verify_walk {
	struct cli *cli;
	const char *digest;
};

static void verify_print(void *data, const char *difference, const char *path)
{
	const struct verify_walk *walk = data;
	const struct slug_options *o = walk->cli->options;
	struct sbuf *b = &walk->cli->out;

	if (o->common.json) {
		json_open(b, NULL, '{');
		json_str(b, "digest", walk->digest);
		json_str(b, "difference", difference);
		json_str(b, "path", path);
		json_close(b, '}');
	} else if (!o->quiet) {
		sbuf_addf(b, "%.*s %s ", (int)STRLEN(DIGEST_PREFIX) + DIGEST_SHORT_DIGITS,
			  walk->digest, difference);
		output_add_line(b, path);
		sbuf_addc(b, '\n');
	}
}

/* Verifies one entry. Return: differences, or -errno. */
static int verify_one(struct cli *cli, struct dyno_host *host, const char *digest,
		      struct dyno_err *err)
{
	struct verify_walk walk = {.cli = cli, .digest = digest};

	return dyno_slug_verify(host, digest, verify_print, &walk, err);
}

/* Digests are copied first: the store is not walked while its entries are locked one by one. */
struct digest_list {
	struct cli *cli;
	struct opt_list list;
	size_t cap;
};

static int digest_collect(void *data, const struct dyno_slug_info *info)
{
	struct digest_list *all = data;

	if (all->list.n == all->cap) {
		size_t cap = all->cap ? 2 * all->cap : 16;
		const char **items = arena_calloc(&all->cli->arena, cap, sizeof(*items));

		if (!items)
			return -ENOMEM;
		if (all->list.n)
			memcpy(items, all->list.items, all->list.n * sizeof(*items));
		all->list.items = items;
		all->cap = cap;
	}
	all->list.items[all->list.n] = arena_strdup(&all->cli->arena, info->digest);
	return all->list.items[all->list.n++] ? 0 : -ENOMEM;
}

static int digests_named(struct cli *cli, struct dyno_host *host, struct digest_list *all,
			 struct dyno_err *err)
{
	for (size_t i = 0; i < cli->operands.n; i++) {
		struct dyno_slug_info info = {0};
		int r = digest_resolve(host, cli->operands.items[i], info.digest, err);

		if (r < 0)
			return r;
		if (digest_collect(all, &info) < 0)
			return err_set(err, ERR_MEMORY, ENOMEM, "keep a digest");
	}
	return 0;
}

static int verify_main(struct cli *cli, struct dyno_err *err)
{
	_cleanup_host_ struct dyno_host *host = NULL;
	struct digest_list all = {.cli = cli};
	uint64_t differences = 0;
	int r = cli_host_open(cli, &host, err);

	if (r < 0)
		return r;
	if (cli->operands.n > 0)
		r = digests_named(cli, host, &all, err);
	else
		r = dyno_slug_each(host, digest_collect, &all, err);
	if (r < 0)
		return err->kind ? r : err_set(err, ERR_MEMORY, -r, "keep the digests");

	if (cli_common(cli)->json) {
		json_begin(&cli->out);
		json_open(&cli->out, "differences", '[');
	}
	for (size_t i = 0; i < all.list.n; i++) {
		r = verify_one(cli, host, all.list.items[i], err);
		if (r < 0)
			return r;
		differences += (uint64_t)r;
	}
	if (cli_common(cli)->json) {
		json_close(&cli->out, ']');
		json_u64(&cli->out, "verified", all.list.n);
		json_end(&cli->out);
	}
	return differences ? CLI_STATUS_FAILED : 0;
}

/* ---- rm and gc --------------------------------------------------------------------------------*/

static const struct opt rm_options[] = {CLI_OPTION_JSON("print JSON")};

static int rm_main(struct cli *cli, struct dyno_err *err)
{
	_cleanup_host_ struct dyno_host *host = NULL;
	struct digest_list all = {.cli = cli};
	int r = cli_host_open(cli, &host, err);

	if (r == 0)
		r = digests_named(cli, host, &all, err);
	for (size_t i = 0; r >= 0 && i < all.list.n; i++)
		r = dyno_slug_remove(host, all.list.items[i], err);
	if (r < 0)
		return r;

	if (cli_common(cli)->json) {
		json_begin(&cli->out);
		json_open(&cli->out, "removed", '[');
		for (size_t i = 0; i < all.list.n; i++)
			json_str(&cli->out, NULL, all.list.items[i]);
		json_close(&cli->out, ']');
		json_end(&cli->out);
	}
	return 0;
}

static const struct opt gc_options[] = {
	{.name = "unused",
	 .kind = OPT_FLAG,
	 .offset = AT(unused, bool),
	 .help = "also every slug that no dyno uses"},
	CLI_OPTION_JSON("print JSON"),
};

static int gc_main(struct cli *cli, struct dyno_err *err)
{
	const struct slug_options *o = cli->options;
	_cleanup_host_ struct dyno_host *host = NULL;
	char size[SIZE_BYTES];
	uint64_t bytes = 0;
	int r = cli_host_open(cli, &host, err);

	if (r == 0)
		r = dyno_slug_gc(host, o->unused, &bytes, err);
	if (r < 0)
		return r;

	if (o->common.json) {
		json_begin(&cli->out);
		json_u64(&cli->out, "removed", (uint64_t)r);
		json_u64(&cli->out, "removed_bytes", bytes);
		json_end(&cli->out);
	} else {
		sbuf_addf(&cli->out, "removed %d, %s\n", r, num_format_size(size, bytes));
	}
	return 0;
}

const struct verb verbs_slug[] = {
	{.name = "slug pack",
	 .operands = "DIR",
	 .summary = "make a slug of an app's directory, the same bytes each time",
	 .text = "Prints the digest.  Without -o the file is DIR's name with .tgz, in the working\n"
		 "directory, and must not be there yet.\n",
	 CLI_OPTIONS(pack_options, struct slug_options),
	 .min_operands = 1,
	 .max_operands = 1,
	 .words = OPT_WORDS_DIR,
	 .main = pack_main},
	{.name = "slug add",
	 .operands = "FILE",
	 .summary = "unpack a slug into the store; prints its digest",
	 CLI_OPTIONS(add_options, struct slug_options),
	 .min_operands = 1,
	 .max_operands = 1,
	 .words = OPT_WORDS_FILE,
	 .main = add_main},
	{.name = "slug info",
	 .operands = "SLUG",
	 .summary = "sizes and process types of a stored slug, a file or a directory",
	 CLI_OPTIONS(info_options, struct slug_options),
	 .min_operands = 1,
	 .max_operands = 1,
	 .words = OPT_WORDS_SLUG,
	 .main = info_main},
	{.name = "slug ls",
	 .operands = "",
	 .summary = "list the stored slugs",
	 CLI_OPTIONS(ls_options, struct slug_options),
	 .main = ls_main},
	{.name = "slug verify",
	 .operands = "[DIGEST...]",
	 .summary = "compare stored slugs with what was unpacked; all without DIGEST",
	 .text = "The exit status is 1 when anything differs.\n",
	 CLI_OPTIONS(verify_options, struct slug_options),
	 .max_operands = SIZE_MAX,
	 .words = OPT_WORDS_DIGEST,
	 .main = verify_main},
	{.name = "slug rm",
	 .operands = "DIGEST...",
	 .summary = "remove stored slugs that no dyno uses",
	 CLI_OPTIONS(rm_options, struct slug_options),
	 .min_operands = 1,
	 .max_operands = SIZE_MAX,
	 .words = OPT_WORDS_DIGEST,
	 .main = rm_main},
	{.name = "slug gc",
	 .operands = "",
	 .summary = "remove what unfinished unpacking left in the store",
	 CLI_OPTIONS(gc_options, struct slug_options),
	 .main = gc_main},
};
const size_t n_verbs_slug = ARRAY_SIZE(verbs_slug);
