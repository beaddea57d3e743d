/* SPDX-License-Identifier: Apache-2.0 */
/* From operands to dynos, over a host of this test's own making. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/target.h"

/* ---- the host: dyno_each() over a table -------------------------------------------------------*/

struct stand {
	const char *app;
	const char *name;
	const char *type;
	const char *state;
	int live;
};

static const struct stand *stands;
static size_t n_stands;
static int each_fails;

/* As the library's: a name, a type, a pattern with a star at its end, behind an app or not. */
static bool fits(const char *pattern, const struct stand *d)
{
	const char *slash = strchr(pattern, '/'), *name = slash ? slash + 1 : pattern;
	size_t len = strlen(name);

	if (slash && (strncmp(pattern, d->app, (size_t)(slash - pattern)) != 0 ||
		      strlen(d->app) != (size_t)(slash - pattern)))
		return false;
	if (len == 0)
		return true;
	if (name[len - 1] == '*')
		return strncmp(d->name, name, len - 1) == 0;
	return str_eq(d->name, name) || str_eq(d->type, name);
}

int dyno_each(struct dyno_host *host, const char *pattern, unsigned int flags, dyno_info_fn fn,
	      void *data, struct dyno_err *err)
{
	(void)host;
	if (each_fails)
		return err_set(err, ERR_RUN_DIR, EACCES, "open the run directory");
	for (size_t i = 0; i < n_stands; i++) {
		const struct stand *d = &stands[i];
		char app[64], name[64];
		struct dyno_info info = {.app = app,
					 .name = name,
					 .type = d->type,
					 .state = d->state,
					 .live = d->live,
					 .exit_code = -1};
		bool over = !d->live && !str_eq(d->state, "crashed");

		if ((pattern && !fits(pattern, d)) || (over && !(flags & DYNO_EACH_ENDED)))
			continue;
		str_fmt(app, sizeof(app), "%s", d->app);
		str_fmt(name, sizeof(name), "%s", d->name);

		int r = fn(data, &info);

		/* the strings are good for the call only */
		memset(app, '#', sizeof(app) - 1);
		memset(name, '#', sizeof(name) - 1);
		if (r)
			return r;
	}
	return 0;
}

static const struct stand two_apps[] = {
	{"blog", "web.1", "web", "up", 1},
	{"blog", "web.2", "web", "up", 1},
	{"blog", "clock.1", "clock", "crashed", 1},
	{"shop", "run.1234", "run", "complete", 0},
	{"shop", "web.1", "web", "up", 1},
	{"shop", "web.7", "web", "down", 0},
	{"shop", "worker.1", "worker", "crashed", 0},
};

static const struct verb verb = {.name = "stop", .operands = "NAME..."};

struct ask {
	const char *app;
	bool all;
	const char *words[4];
	unsigned int flags;
};

/* What was found, as "label label ..."; "" with the error set where it failed. */
static const char *find(const struct ask *ask, struct sbuf *b, int *ret, struct dyno_err *err)
{
	struct cli cli = {.verb = &verb};
	struct target_ask target_ask = {.app = ask->app, .all = ask->all};
	struct target_list list = {0};
	size_t n = 0;

	while (n < ARRAY_SIZE(ask->words) && ask->words[n])
		n++;
	*ret = target_find(&cli, NULL, &target_ask, ask->words, n, ask->flags, &list, err);
	for (size_t i = 0; *ret == 0 && i < list.n; i++)
		sbuf_addf(b, "%s%s", i ? " " : "", list.items[i].label);
	arena_done(&cli.arena);
	return sbuf_str(b);
}

static int setup(void **state)
{
	(void)state;
	stands = two_apps;
	n_stands = ARRAY_SIZE(two_apps);
	each_fails = 0;
	return 0;
}

/* ---- what words mean --------------------------------------------------------------------------*/

static void target_find__words__mean_their_dynos(void **state)
{
	static const struct {
		struct ask ask;
		const char *found;
	} cases[] = {
		/* a word means what lives */
		{{.app = "shop", .words = {"web.1"}}, "web.1"},
		{{.words = {"shop/web.1"}}, "web.1"},
		{{.app = "shop", .words = {"shop/web.1"}}, "web.1"},
		{{.app = "blog", .words = {"web"}}, "web.1 web.2"},
		{{.app = "blog", .words = {"web.*", "clock.1"}}, "web.1 web.2 clock.1"},
		{{.words = {"web"}}, "blog/web.1 blog/web.2 shop/web.1"},
		{{.words = {"shop/"}}, "web.1"},
		{{.words = {"clock"}, .flags = TARGET_CHANGES}, "clock.1"},
		/* each once, in the order of the words */
		{{.words = {"blog/web.2", "blog/web", "blog/web.2"}}, "web.2 web.1"},
		{{.words = {"shop/web.1", "shop/web"}}, "web.1"},
		/* where none lives, what has ended */
		{{.words = {"web.7"}}, "web.7"},
		{{.words = {"worker"}}, "worker.1"},
		{{.app = "shop", .words = {"web"}, .flags = TARGET_ENDED}, "web.1 web.7"},
		/* ended ones of another app make no word ambiguous */
		{{.words = {"web.2"}, .flags = TARGET_CHANGES}, "web.2"},
		{{.words = {"run.1234"}, .flags = TARGET_CHANGES | TARGET_ONE}, "run.1234"},
		/* --all is what lives, or all of it */
		{{.all = true}, "blog/web.1 blog/web.2 blog/clock.1 shop/web.1"},
		{{.app = "shop", .all = true, .flags = TARGET_CHANGES}, "web.1"},
		{{.app = "shop", .all = true, .flags = TARGET_ENDED},
		 "run.1234 web.1 web.7 worker.1"},
		/* a list: none is all, and what has crashed is still of interest */
		{{.flags = TARGET_LIST},
		 "blog/web.1 blog/web.2 blog/clock.1 shop/web.1 shop/worker.1"},
		{{.app = "shop", .flags = TARGET_LIST}, "web.1 worker.1"},
		{{.app = "shop", .all = true, .flags = TARGET_LIST},
		 "run.1234 web.1 web.7 worker.1"},
		{{.app = "none", .flags = TARGET_LIST}, ""},
		{{.words = {"x*"}, .flags = TARGET_LIST}, ""},
		{{.words = {"web.7"}, .flags = TARGET_LIST}, "web.7"},
		{{.app = "shop", .words = {"web"}, .flags = TARGET_LIST}, "web.1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_sbuf_ struct sbuf b = {0};
		struct dyno_err err = {0};
		int r;

		assert_string_equal(find(&cases[i].ask, &b, &r, &err), cases[i].found);
		assert_int_equal(r, 0);
	}
}

static void target_find__what_cannot_be_meant__is_refused(void **state)
{
	static const struct {
		struct ask ask;
		enum err_class kind;
		const char *msg;
		const char *hint;
	} cases[] = {
		{{.words = {"web.1"}, .flags = TARGET_CHANGES},
		 ERR_USAGE,
		 "stop: \"web.1\" names dynos of several apps: blog/web.1, shop/web.1",
		 "say which app: -a APP, or APP/web.1"},
		{{.words = {"*"}, .flags = TARGET_CHANGES},
		 ERR_USAGE,
		 "stop: \"*\" names dynos of several apps: blog/web.1, blog/web.2, blog/clock.1, "
		 "shop/web.1",
		 "say which app: -a APP, or APP/*"},
		{{.app = "blog", .words = {"web"}, .flags = TARGET_ONE},
		 ERR_USAGE,
		 "stop takes one dyno, and \"web\" names several: web.1, web.2",
		 "name one of them"},
		{{.words = {"web.1"}, .flags = TARGET_ONE},
		 ERR_USAGE,
		 "stop takes one dyno, and \"web.1\" names several: blog/web.1, shop/web.1",
		 "name one of them"},
		{{.words = {"web.9"}}, ERR_NOT_FOUND, "no dyno \"web.9\"", "did you mean web.1?"},
		{{.words = {"wbe"}}, ERR_NOT_FOUND, "no dyno \"wbe\"", "did you mean web?"},
		{{.words = {"shpo/web.1"}},
		 ERR_NOT_FOUND,
		 "no dyno \"shpo/web.1\"",
		 "did you mean shop/web.1?"},
		{{.app = "shop", .words = {"clock.1"}},
		 ERR_NOT_FOUND,
		 "no dyno \"clock.1\" of app shop",
		 "dyno ps --all -a shop lists those that there are"},
		{{.app = "none", .words = {"web.1"}},
		 ERR_NOT_FOUND,
		 "no dyno \"web.1\" of app none",
		 "dyno ps --all lists every dyno of this user"},
		{{.app = "none", .all = true},
		 ERR_NOT_FOUND,
		 "no dyno of app none",
		 "dyno ps --all lists every dyno of this user"},
		{{.words = {"web.9"}, .flags = TARGET_LIST},
		 ERR_NOT_FOUND,
		 "no dyno \"web.9\"",
		 "did you mean web.1?"},
		/* the last word keeps the first from being acted upon */
		{{.words = {"blog/web.1", "blog/web.3x"}},
		 ERR_NOT_FOUND,
		 "no dyno \"blog/web.3x\"",
		 "did you mean blog/web.1?"},
		{{.app = NULL}, ERR_USAGE, "stop: a dyno is missing: dyno stop NAME...", ""},
		{{.app = "shop"},
		 ERR_USAGE,
		 "stop: a dyno is missing: dyno stop NAME...",
		 "--all stands for every dyno of shop"},
		{{.all = true, .words = {"web.1"}},
		 ERR_USAGE,
		 "stop: --all and \"web.1\" exclude each other",
		 ""},
		{{.app = "shop", .words = {"blog/web.1"}},
		 ERR_USAGE,
		 "-a shop and \"blog/web.1\" name two apps",
		 ""},
		{{.app = "sho", .words = {"shop/web.1"}},
		 ERR_USAGE,
		 "-a sho and \"shop/web.1\" name two apps",
		 ""},
		{{.app = "s*", .words = {"web.1"}},
		 ERR_USAGE,
		 "-a \"s*\" is not the name of an app",
		 ""},
		{{.app = "", .all = true}, ERR_USAGE, "-a \"\" is not the name of an app", ""},
		{{.words = {""}}, ERR_USAGE, "\"\" is neither NAME nor APP/NAME", ""},
		{{.words = {"/web.1"}}, ERR_USAGE, "\"/web.1\" is neither NAME nor APP/NAME", ""},
		{{.words = {"a/b/c"}}, ERR_USAGE, "\"a/b/c\" is neither NAME nor APP/NAME", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_sbuf_ struct sbuf b = {0};
		struct dyno_err err = {0};
		int r;

		find(&cases[i].ask, &b, &r, &err);
		assert_true(r < 0);
		assert_string_equal(err.msg, cases[i].msg);
		assert_string_equal(err.hint, cases[i].hint);
		assert_int_equal(err.kind, cases[i].kind);
	}
}

static void target_find__many_names__are_counted_in_the_refusal(void **state)
{
	static struct stand many[1000];
	static char names[ARRAY_SIZE(many)][16];
	const struct ask ask = {.words = {"web"}, .flags = TARGET_CHANGES};
	_cleanup_sbuf_ struct sbuf b = {0};
	struct dyno_err err = {0};
	int r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		str_fmt(names[i], sizeof(names[i]), "web.%zu", i);
		many[i] = (struct stand){i % 2 ? "a" : "b", names[i], "web", "up", 1};
	}
	stands = many;
	n_stands = ARRAY_SIZE(many);
	find(&ask, &b, &r, &err);
	assert_int_equal(r, -EINVAL);
	assert_true(str_ends(err.msg, " more"));
	assert_non_null(strstr(err.msg, "b/web.0, a/web.1, "));
}

static void target_find__host_fails__says_so(void **state)
{
	const struct ask ask = {.words = {"web"}};
	_cleanup_sbuf_ struct sbuf b = {0};
	struct dyno_err err = {0};
	int r;

	(void)state;
	each_fails = 1;
	find(&ask, &b, &r, &err);
	assert_int_equal(r, -EACCES);
	assert_int_equal(err.kind, ERR_RUN_DIR);
}

static void target_need_all_live__ended_one__is_refused(void **state)
{
	struct target items[] = {{.info = {.app = "a", .name = "web.1", .state = "up", .live = 1}},
				 {.info = {.app = "a", .name = "web.2", .state = "down"}}};
	struct target_list list = {.items = items, .n = 1};
	struct dyno_err err = {0};

	(void)state;
	assert_int_equal(target_need_all_live(&list, "kill", &err), 0);
	list.n = 2;
	assert_true(target_need_all_live(&list, "kill", &err) < 0);
	assert_string_equal(err.msg, "kill a/web.2: it has ended: down");
	assert_string_equal(err.hint, "dyno inspect a/web.2 tells how");
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void target_find_one__word__is_one_dyno_or_refused(void **state)
{
	const struct target_ask ask = {.app = "shop"}, no_app = {0};
	struct cli cli = {.verb = &verb};
	struct target *target;
	struct dyno_err err = {0};

	(void)state;
	target = target_find_one(&cli, NULL, &ask, "web", &err);
	assert_non_null(target);
	assert_string_equal(target->info.name, "web.1");
	assert_null(target_find_one(&cli, NULL, &no_app, "web.1", &err));
	assert_int_equal(err.kind, ERR_USAGE);
	assert_null(target_find_one(&cli, NULL, &ask, "x", &err));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	arena_done(&cli.arena);
}

static void target_renew__ended_since__has_its_end(void **state)
{
	struct target t = {.info = {.app = "shop", .name = "web.7", .state = "up", .live = 1}};
	struct cli cli = {.verb = &verb};
	struct dyno_err err = {0};

	(void)state;
	assert_int_equal(target_renew(&cli, NULL, &t, &err), 0);
	assert_string_equal(t.info.state, "down");
	assert_false(t.info.live);

	/* forgotten meanwhile: what was known stays */
	t.info.name = "web.8";
	assert_int_equal(target_renew(&cli, NULL, &t, &err), 0);
	assert_string_equal(t.info.state, "down");
	arena_done(&cli.arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(target_find__words__mean_their_dynos, setup),
		cmocka_unit_test_setup(target_find__what_cannot_be_meant__is_refused, setup),
		cmocka_unit_test_setup(target_find__many_names__are_counted_in_the_refusal, setup),
		cmocka_unit_test_setup(target_find__host_fails__says_so, setup),
		cmocka_unit_test(target_need_all_live__ended_one__is_refused),
		cmocka_unit_test_setup(target_find_one__word__is_one_dyno_or_refused, setup),
		cmocka_unit_test_setup(target_renew__ended_since__has_its_end, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
