/* SPDX-License-Identifier: Apache-2.0 */
/* target.c - from operands to dynos. */
#include "cli/target.h"

#include <errno.h>
#include <string.h>

#include "base/nearest.h"

#define GLOB_CHARS "*?["

/* Names of a refusal are listed as far as they fit into its message; the rest are counted. */
#define NAMES_BYTES 200

/**
 * struct search - one walk over the dynos that a word fits.
 * @word: what was typed; NULL: none
 * @first: where its dynos begin in the list
 * @known: some dyno was met at all
 */
struct search {
	struct cli *cli;
	struct target_list *list;
	const char *word;
	size_t first;
	struct nearest near;
	bool offer_app;
	bool known;
	bool no_memory;
};

/* ---- the list ---------------------------------------------------------------------------------*/

static bool grow(struct cli *cli, struct target_list *list)
{
	size_t cap = list->cap ? 2 * list->cap : 16;
	struct target *items = arena_calloc(&cli->arena, cap, sizeof(*items));

	if (!items)
		return false;
	if (list->n)
		memcpy(items, list->items, list->n * sizeof(*items));
	list->items = items;
	list->cap = cap;
	return true;
}

/* The info's strings are the library's, and good for the call only. */
static bool copy_info(struct arena *arena, const struct dyno_info *from, struct dyno_info *to)
{
	*to = *from;

	const char **strings[] = {&to->app,	 &to->name,   &to->type, &to->state,  &to->address,
				  &to->address6, &to->reason, &to->slug, &to->command};

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		if (!*strings[i])
			continue;
		*strings[i] = arena_strdup(arena, *strings[i]);
		if (!*strings[i])
			return false;
	}
	return true;
}

static int add_found(void *data, const struct dyno_info *info)
{
	struct search *s = data;
	struct target_list *list = s->list;

	s->known = true;
	if ((list->n == list->cap && !grow(s->cli, list)) ||
	    !copy_info(&s->cli->arena, info, &list->items[list->n].info)) {
		s->no_memory = true;
		return -ENOMEM;
	}
	list->n++;
	return 0;
}

static int each(struct search *s, struct dyno_host *host, const char *pattern, unsigned int flags,
		dyno_info_fn fn, struct dyno_err *err)
{
	int r = dyno_each(host, pattern, flags, fn, s, err);

	if (s->no_memory)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep the list of dynos");
	return r < 0 ? r : 0;
}

static bool any_live(const struct target_list *list, size_t first)
{
	for (size_t i = first; i < list->n; i++) {
		if (list->items[i].info.live)
			return true;
	}
	return false;
}

static void keep_live(struct target_list *list, size_t first)
{
	size_t n = first;

	for (size_t i = first; i < list->n; i++) {
		if (list->items[i].info.live)
			list->items[n++] = list->items[i];
	}
	list->n = n;
}

static bool is_listed(const struct target_list *list, size_t n, const struct dyno_info *info)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(list->items[i].info.name, info->name) &&
		    str_eq(list->items[i].info.app, info->app))
			return true;
	}
	return false;
}

/* Of what a word has added, that which an earlier one meant already. */
static void drop_listed(struct target_list *list, size_t first)
{
	size_t n = first;

	for (size_t i = first; i < list->n; i++) {
		if (!is_listed(list, first, &list->items[i].info))
			list->items[n++] = list->items[i];
	}
	list->n = n;
}

/* ---- refusals ---------------------------------------------------------------------------------*/

/* "shop/web.1, blog/web.1 and 3 more" */
static void name_all(const struct target_list *list, size_t first, bool with_app,
		     char buf[NAMES_BYTES])
{
	size_t len = 0, i;

	for (i = first; i < list->n; i++) {
		const struct dyno_info *info = &list->items[i].info;
		const char *app = with_app ? info->app : "", *slash = with_app ? "/" : "";
		const size_t more = STRLEN(" and 4294967295 more");

		if (len + strlen(app) + strlen(info->name) + 3 + more >= NAMES_BYTES)
			break;
		len += str_fmt(buf + len, NAMES_BYTES - len, "%s%s%s%s", i > first ? ", " : "", app,
			       slash, info->name);
	}
	if (i < list->n)
		str_fmt(buf + len, NAMES_BYTES - len, " and %zu more", list->n - i);
}

static bool several_apps(const struct target_list *list, size_t first)
{
	for (size_t i = first + 1; i < list->n; i++) {
		if (!str_eq(list->items[i].info.app, list->items[first].info.app))
			return true;
	}
	return false;
}

static int refuse_apps(const struct search *s, struct dyno_err *err)
{
	char names[NAMES_BYTES];
	int r;

	name_all(s->list, s->first, true, names);
	r = err_set(err, ERR_USAGE, 0, "%s: \"%s\" names dynos of several apps: %s",
		    s->cli->verb->name, s->word, names);
	err_hint(err, "say which app: -a APP, or APP/%s", s->word);
	return r;
}

static int refuse_several(const struct search *s, struct dyno_err *err)
{
	char names[NAMES_BYTES];
	int r;

	name_all(s->list, s->first, several_apps(s->list, s->first), names);
	r = err_set(err, ERR_USAGE, 0, "%s takes one dyno, and \"%s\" names several: %s",
		    s->cli->verb->name, s->word, names);
	err_hint(err, "name one of them");
	return r;
}

static int offer_name(void *data, const struct dyno_info *info)
{
	struct search *s = data;
	struct arena *arena = &s->cli->arena;
	const char *name = s->offer_app ? arena_fmt(arena, "%s/%s", info->app, info->name)
					: arena_strdup(arena, info->name);
	const char *type = arena_strdup(arena, info->type);

	s->known = true;
	if (!name || !type) {
		s->no_memory = true;
		return -ENOMEM;
	}
	nearest_offer(&s->near, name);
	if (!s->offer_app)
		nearest_offer(&s->near, type);
	return 0;
}

static int refuse_unknown(struct search *s, struct dyno_host *host, const char *app,
			  struct dyno_err *err)
{
	const char *of_app = app ? arena_fmt(&s->cli->arena, "%s/", app) : NULL;
	int r = 0;

	s->near = (struct nearest){.word = s->word ? s->word : ""};
	s->offer_app = s->word && strchr(s->word, '/');
	if (app && !of_app)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep a name");
	r = each(s, host, of_app, DYNO_EACH_ENDED, offer_name, err);
	if (r < 0)
		return r;

	if (s->word)
		r = err_set(err, ERR_NOT_FOUND, 0, "no dyno \"%s\"%s%s", s->word,
			    app ? " of app " : "", app ? app : "");
	else
		r = err_set(err, ERR_NOT_FOUND, 0, "no dyno of app %s", app);
	if (s->near.best)
		err_hint(err, "did you mean %s?", s->near.best);
	else if (s->known)
		err_hint(err, "dyno ps --all%s%s lists those that there are", app ? " -a " : "",
			 app ? app : "");
	else
		err_hint(err, "dyno ps --all lists every dyno of this user");
	return r;
}

/* ---- words ------------------------------------------------------------------------------------*/

static int check_app(const char *app, struct dyno_err *err)
{
	if (!app || (*app && !strpbrk(app, GLOB_CHARS "/")))
		return 0;
	return err_set(err, ERR_USAGE, 0, "-a \"%s\" is not the name of an app", app);
}

/* The app before the word, unless it has that itself. */
static int word_pattern(struct cli *cli, const char *app, const char *word, const char **ret,
			struct dyno_err *err)
{
	const char *slash = strchr(word, '/');

	if (!*word || slash == word || (slash && strchr(slash + 1, '/')))
		return err_set(err, ERR_USAGE, 0, "\"%s\" is neither NAME nor APP/NAME", word);
	if (!app || (slash && str_starts(word, app) == slash)) {
		*ret = word;
		return 0;
	}
	if (slash)
		return err_set(err, ERR_USAGE, 0, "-a %s and \"%s\" name two apps", app, word);
	*ret = arena_fmt(&cli->arena, "%s/%s", app, word);
	return *ret ? 0 : err_set(err, ERR_MEMORY, ENOMEM, "keep a name");
}

int target_pattern(struct cli *cli, const struct target_ask *ask, const char *word,
		   const char **ret, struct dyno_err *err)
{
	int r = check_app(ask->app, err);

	if (r < 0)
		return r;
	if (word)
		return word_pattern(cli, ask->app, word, ret, err);
	*ret = NULL;
	if (!ask->app)
		return 0;
	*ret = arena_fmt(&cli->arena, "%s/", ask->app);
	return *ret ? 0 : err_set(err, ERR_MEMORY, ENOMEM, "keep a name");
}

/* A list shows what a plain walk does; who names a dyno exactly sees it ended, too. */
static int find_listed(struct search *s, struct dyno_host *host, const char *pattern,
		       const struct target_ask *ask, struct dyno_err *err)
{
	int r = each(s, host, pattern, ask->all ? DYNO_EACH_ENDED : 0, add_found, err);

	if (r < 0 || s->known || !s->word || strpbrk(s->word, GLOB_CHARS) || str_ends(s->word, "/"))
		return r;
	r = each(s, host, pattern, DYNO_EACH_ENDED, add_found, err);
	if (r == 0 && !s->known)
		r = refuse_unknown(s, host, ask->app, err);
	return r;
}

static int find_meant(struct search *s, struct dyno_host *host, const char *pattern,
		      const struct target_ask *ask, unsigned int flags, struct dyno_err *err)
{
	int r = each(s, host, pattern, DYNO_EACH_ENDED, add_found, err);

	if (r < 0)
		return r;
	if (!s->known && (s->word || ask->app))
		return refuse_unknown(s, host, ask->app, err);
	if (!(flags & TARGET_ENDED) && (ask->all || any_live(s->list, s->first)))
		keep_live(s->list, s->first);

	if (s->word && !strchr(s->word, '/') && (flags & TARGET_CHANGES) &&
	    several_apps(s->list, s->first))
		return refuse_apps(s, err);
	if ((flags & TARGET_ONE) && s->list->n - s->first > 1)
		return refuse_several(s, err);
	return 0;
}

static int find_word(struct cli *cli, struct dyno_host *host, const struct target_ask *ask,
		     const char *word, unsigned int flags, struct target_list *ret,
		     struct dyno_err *err)
{
	struct search s = {.cli = cli, .list = ret, .word = word, .first = ret->n};
	const char *pattern = NULL;
	int r = target_pattern(cli, ask, word, &pattern, err);

	if (r < 0)
		return r;
	if (flags & TARGET_LIST)
		r = find_listed(&s, host, pattern, ask, err);
	else
		r = find_meant(&s, host, pattern, ask, flags, err);
	drop_listed(ret, s.first);
	return r;
}

static int check_words(const struct cli *cli, const struct target_ask *ask,
		       const char *const *words, size_t n, unsigned int flags, struct dyno_err *err)
{
	const char *verb = cli->verb->name;
	int r;

	if (flags & TARGET_LIST)
		return 0;
	if (ask->all && n > 0)
		return err_set(err, ERR_USAGE, 0, "%s: --all and \"%s\" exclude each other", verb,
			       words[0]);
	if (ask->all || n > 0)
		return 0;
	r = err_set(err, ERR_USAGE, 0, "%s: a dyno is missing: dyno %s %s", verb, verb,
		    cli->verb->operands);
	if (ask->app)
		err_hint(err, "--all stands for every dyno of %s", ask->app);
	return r;
}

static int label_all(struct cli *cli, struct target_list *list, struct dyno_err *err)
{
	bool with_app = several_apps(list, 0);

	for (size_t i = 0; i < list->n; i++) {
		struct target *t = &list->items[i];

		t->label = t->info.name;
		if (with_app)
			t->label = arena_fmt(&cli->arena, "%s/%s", t->info.app, t->info.name);
		if (!t->label)
			return err_set(err, ERR_MEMORY, ENOMEM, "keep a name");
	}
	return 0;
}

int target_find(struct cli *cli, struct dyno_host *host, const struct target_ask *ask,
		const char *const *words, size_t n, unsigned int flags, struct target_list *ret,
		struct dyno_err *err)
{
	int r = check_words(cli, ask, words, n, flags, err);

	if (r == 0 && n == 0)
		r = find_word(cli, host, ask, NULL, flags, ret, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = find_word(cli, host, ask, words[i], flags, ret, err);
	return r < 0 ? r : label_all(cli, ret, err);
}

struct target *target_find_one(struct cli *cli, struct dyno_host *host,
			       const struct target_ask *ask, const char *word, struct dyno_err *err)
{
	struct target_list list = {0};

	if (target_find(cli, host, ask, &word, 1, TARGET_ONE, &list, err) < 0)
		return NULL;
	return list.items;
}

int target_need_live(const struct target *target, const char *verb, struct dyno_err *err)
{
	const struct dyno_info *info = &target->info;
	int r;

	if (info->live)
		return 0;
	r = err_set(err, ERR_NOT_FOUND, 0, "%s %s/%s: it has ended: %s", verb, info->app,
		    info->name, info->state);
	err_hint(err, "dyno inspect %s/%s tells how", info->app, info->name);
	return r;
}

int target_open(struct cli *cli, struct dyno_host *host, const struct target_ask *ask,
		const char *word, const char *verb, struct dyno **ret, struct dyno_err *err)
{
	const struct target *target = target_find_one(cli, host, ask, word, err);
	int r;

	if (!target)
		return -ENOENT;
	r = target_need_live(target, verb, err);
	return r < 0 ? r : dyno_open(host, target->info.app, target->info.name, ret, err);
}

int target_need_all_live(const struct target_list *list, const char *verb, struct dyno_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = target_need_live(&list->items[i], verb, err);
	return r;
}

int target_renew(struct cli *cli, struct dyno_host *host, struct target *target,
		 struct dyno_err *err)
{
	struct target_list found = {0};
	struct search s = {.cli = cli, .list = &found};
	const char *pattern = arena_fmt(&cli->arena, "%s/%s", target->info.app, target->info.name);
	int r;

	if (!pattern)
		return err_set(err, ERR_MEMORY, ENOMEM, "keep a name");
	r = each(&s, host, pattern, DYNO_EACH_ENDED, add_found, err);
	for (size_t i = 0; r == 0 && i < found.n; i++) {
		if (str_eq(found.items[i].info.name, target->info.name))
			target->info = found.items[i].info;
	}
	return r;
}
